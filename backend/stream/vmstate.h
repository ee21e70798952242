/*
 * Layout of a device section as a table with one row per field of a plain C
 * struct. Writing, reading, measuring and the description for VMDESCRIPTION use
 * the same table, so they cannot differ. Pure bytes, any thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/base/bytes.h"

typedef enum {
    FIELD_U8,
    FIELD_U32,
    FIELD_U64,
    FIELD_I64,
    FIELD_BUFFER,    /* @count raw bytes in the struct */
    FIELD_UNUSED,    /* @count zero bytes in the stream only */
    FIELD_U64_ARRAY, /* @count u64 in the struct */
    FIELD_U64_LIST,  /* pointer to u64; the number is the u32 member at @count_offset, whose own
                        FIELD_U32 must come before it in the table. At most 8 per table */
} FieldType;

typedef struct {
    const char *name; /* as in the description; NULL ends the table */
    FieldType type;
    size_t offset;
    uint32_t count;
    size_t count_offset;
    uint32_t since; /* first section version with this field; 0 = all */
} VmStateField;

typedef struct {
    const char *name;  /* vmsd name */
    const char *idstr; /* name of the section; the instance is passed separately */
    uint32_t version;  /* version written, and the highest that is read */
    uint32_t minimum_version;
    const VmStateField *fields;
} VmStateDesc;

void vmstate_encode(const VmStateDesc *desc, const void *state, GByteArray *out);

typedef enum { VMSTATE_OK, VMSTATE_SHORT, VMSTATE_BAD } VmStateResult;

/* Returns the length of the body at @in without consuming it. SHORT when the body is incomplete;
 * then *@ret_length is the number of bytes known to be needed. A version out of range and a list
 * longer than @max_list entries are BAD. */
VmStateResult vmstate_measure(const VmStateDesc *desc, uint32_t version, MigCursor in,
                              uint32_t max_list, size_t *ret_length, GError **error);

/* Reads a whole body into @state; lists are allocated with g_new (a previous pointer is freed
 * first). On failure @state is unchanged. */
bool vmstate_decode(const VmStateDesc *desc, uint32_t version, MigCursor *in, uint32_t max_list,
                    void *state, GError **error);

/* The element of "devices" in VMDESCRIPTION for this section (docs/stream.md); caller puts. @state
 * gives the lengths of lists. */
json_object *vmstate_describe(const VmStateDesc *desc, uint32_t instance, const void *state);
