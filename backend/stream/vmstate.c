/*
 * Device layouts: writing, measuring, reading and describing each walk the
 * table once.
 *
 * Reading measures first. A measured body has every byte it needs and no list
 * beyond the bound, so the copy cannot fail: a state is either filled
 * completely or left unchanged.
 */
#include "backend/stream/vmstate.h"

#include <string.h>

#include "backend/base/error.h"

/* Most lists of one device. */
#define MAX_LISTS 8

static bool is_present(const VmStateField *field, uint32_t version)
{
    return field->since <= version;
}

/* Bytes in the stream of a field that is not a list. */
static size_t fixed_size(const VmStateField *field)
{
    switch (field->type) {
    case FIELD_U8:
        return 1;
    case FIELD_U32:
        return 4;
    case FIELD_U64:
    case FIELD_I64:
        return 8;
    case FIELD_BUFFER:
    case FIELD_UNUSED:
        return field->count;
    case FIELD_U64_ARRAY:
        return (size_t)field->count * 8;
    case FIELD_U64_LIST:
        break;
    }
    g_assert_not_reached();
}

static uint32_t list_count(const VmStateField *field, const void *state)
{
    uint32_t count;

    memcpy(&count, (const uint8_t *)state + field->count_offset, sizeof count);
    return count;
}

/* ---- writing ---- */

static void put_u64s(GByteArray *out, const uint8_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, values + i * sizeof value, sizeof value);
        put_be64(out, value);
    }
}

static void put_field(const VmStateField *field, const void *state, GByteArray *out)
{
    const uint8_t *member = (const uint8_t *)state + field->offset;
    uint32_t value32;
    const uint8_t *list;

    switch (field->type) {
    case FIELD_U8:
        put_u8(out, *member);
        return;
    case FIELD_U32:
        memcpy(&value32, member, sizeof value32);
        put_be32(out, value32);
        return;
    case FIELD_U64:
    case FIELD_I64:
        put_u64s(out, member, 1);
        return;
    case FIELD_BUFFER:
        g_byte_array_append(out, member, field->count);
        return;
    case FIELD_UNUSED:
        for (uint32_t i = 0; i < field->count; i++) {
            put_u8(out, 0);
        }
        return;
    case FIELD_U64_ARRAY:
        put_u64s(out, member, field->count);
        return;
    case FIELD_U64_LIST:
        memcpy(&list, member, sizeof list);
        put_u64s(out, list, list_count(field, state));
        return;
    }
}

void vmstate_encode(const VmStateDesc *desc, const void *state, GByteArray *out)
{
    for (const VmStateField *field = desc->fields; field->name != NULL; field++) {
        if (is_present(field, desc->version)) {
            put_field(field, state, out);
        }
    }
}

/* ---- measuring ---- */

/* The list lengths read so far, by their member. */
typedef struct {
    size_t offset[MAX_LISTS];
    uint32_t value[MAX_LISTS];
    unsigned n;
} ListCounts;

static bool is_list_count(const VmStateDesc *desc, const VmStateField *number)
{
    for (const VmStateField *field = desc->fields; field->name != NULL; field++) {
        if (field->type == FIELD_U64_LIST && field->count_offset == number->offset) {
            return true;
        }
    }
    return false;
}

static uint32_t find_count(const ListCounts *counts, const VmStateField *list)
{
    for (unsigned i = 0; i < counts->n; i++) {
        if (counts->offset[i] == list->count_offset) {
            return counts->value[i];
        }
    }
    /* The table has a list without its number before it. */
    g_assert_not_reached();
}

/* Records the number at @position of the body if it has come. */
static bool note_count(ListCounts *counts, const VmStateField *number, MigCursor body,
                       size_t position)
{
    const uint8_t *skipped;
    uint32_t value;

    if (!get_bytes(&body, position, &skipped) || !get_be32(&body, &value)) {
        return false;
    }
    g_assert(counts->n < MAX_LISTS);
    counts->offset[counts->n] = number->offset;
    counts->value[counts->n++] = value;
    return true;
}

static bool check_version(const VmStateDesc *desc, uint32_t version, GError **error)
{
    if (version > desc->version) {
        return mig_fail(error, MIG_ERROR_FORMAT, "savevm: unsupported version %u for '%s' v%u",
                        version, desc->idstr, desc->version);
    }
    if (version < desc->minimum_version) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "savevm: version %u of '%s' is too old, the oldest that is read is %u",
                        version, desc->idstr, desc->minimum_version);
    }
    return true;
}

VmStateResult vmstate_measure(const VmStateDesc *desc, uint32_t version, MigCursor in,
                              uint32_t max_list, size_t *ret_length, GError **error)
{
    ListCounts counts = { 0 };
    size_t length = 0;

    if (!check_version(desc, version, error)) {
        return VMSTATE_BAD;
    }
    for (const VmStateField *field = desc->fields; field->name != NULL; field++) {
        if (!is_present(field, version)) {
            continue;
        }
        if (field->type == FIELD_U64_LIST) {
            uint32_t count = find_count(&counts, field);
            if (count > max_list) {
                g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                            "'%s' has a list '%s' of %u entries, more than the %u allowed here",
                            desc->idstr, field->name, count, max_list);
                return VMSTATE_BAD;
            }
            length += (size_t)count * 8;
            continue;
        }
        if (field->type == FIELD_U32 && is_list_count(desc, field) &&
            !note_count(&counts, field, in, length)) {
            *ret_length = length + 4;
            return VMSTATE_SHORT;
        }
        length += fixed_size(field);
    }
    *ret_length = length;
    return cursor_left(&in) < length ? VMSTATE_SHORT : VMSTATE_OK;
}

/* ---- reading ---- */

/* Takes bytes that vmstate_measure() has checked. */
static const uint8_t *take(MigCursor *in, size_t length)
{
    const uint8_t *bytes = in->at;

    in->at += length;
    return bytes;
}

static void take_u64s(MigCursor *in, uint8_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, take(in, sizeof value), sizeof value);
        value = GUINT64_FROM_BE(value);
        memcpy(values + i * sizeof value, &value, sizeof value);
    }
}

static void take_list(const VmStateField *field, MigCursor *in, void *state)
{
    uint8_t *member = (uint8_t *)state + field->offset;
    uint32_t count = list_count(field, state);
    uint64_t *list;

    memcpy(&list, member, sizeof list);
    g_free(list);
    list = g_new(uint64_t, count);
    take_u64s(in, (uint8_t *)list, count);
    memcpy(member, &list, sizeof list);
}

static void take_field(const VmStateField *field, MigCursor *in, void *state)
{
    uint8_t *member = (uint8_t *)state + field->offset;
    uint32_t value32;

    switch (field->type) {
    case FIELD_U8:
        *member = *take(in, 1);
        return;
    case FIELD_U32:
        memcpy(&value32, take(in, sizeof value32), sizeof value32);
        value32 = GUINT32_FROM_BE(value32);
        memcpy(member, &value32, sizeof value32);
        return;
    case FIELD_U64:
    case FIELD_I64:
        take_u64s(in, member, 1);
        return;
    case FIELD_BUFFER:
        memcpy(member, take(in, field->count), field->count);
        return;
    case FIELD_UNUSED:
        take(in, field->count);
        return;
    case FIELD_U64_ARRAY:
        take_u64s(in, member, field->count);
        return;
    case FIELD_U64_LIST:
        take_list(field, in, state);
        return;
    }
}

bool vmstate_decode(const VmStateDesc *desc, uint32_t version, MigCursor *in, uint32_t max_list,
                    void *state, GError **error)
{
    size_t length;

    switch (vmstate_measure(desc, version, *in, max_list, &length, error)) {
    case VMSTATE_OK:
        break;
    case VMSTATE_SHORT:
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "'%s' is cut short: %zu bytes, at least %zu expected", desc->idstr,
                        cursor_left(in), length);
    case VMSTATE_BAD:
        return false;
    }
    for (const VmStateField *field = desc->fields; field->name != NULL; field++) {
        if (is_present(field, version)) {
            take_field(field, in, state);
        }
    }
    return true;
}

/* ---- describing ---- */

static const char *const type_names[] = {
    [FIELD_U8] = "uint8",         [FIELD_U32] = "uint32",      [FIELD_U64] = "uint64",
    [FIELD_I64] = "int64",        [FIELD_BUFFER] = "buffer",   [FIELD_UNUSED] = "unused_buffer",
    [FIELD_U64_ARRAY] = "uint64", [FIELD_U64_LIST] = "uint64",
};

/* NULL when the field has no bytes in the body. */
static json_object *describe_field(const VmStateField *field, const void *state)
{
    bool list = field->type == FIELD_U64_LIST;
    bool array = list || field->type == FIELD_U64_ARRAY;
    uint32_t count = list ? list_count(field, state) : array ? field->count : 1;

    if (count == 0) {
        return NULL;
    }
    json_object *object = json_object_new_object();
    json_object_object_add(object, "name", json_object_new_string(field->name));
    if (count > 1) {
        json_object_object_add(object, "array_len", json_object_new_int64(count));
    }
    json_object_object_add(object, "type", json_object_new_string(type_names[field->type]));
    json_object_object_add(object, "size",
                           json_object_new_int64(array ? 8 : (int64_t)fixed_size(field)));
    return object;
}

json_object *vmstate_describe(const VmStateDesc *desc, uint32_t instance, const void *state)
{
    json_object *fields = json_object_new_array();

    for (const VmStateField *field = desc->fields; field->name != NULL; field++) {
        json_object *object =
            is_present(field, desc->version) ? describe_field(field, state) : NULL;
        if (object != NULL) {
            json_object_array_add(fields, object);
        }
    }

    json_object *device = json_object_new_object();
    json_object_object_add(device, "name", json_object_new_string(desc->idstr));
    json_object_object_add(device, "instance_id", json_object_new_int64(instance));
    json_object_object_add(device, "vmsd_name", json_object_new_string(desc->name));
    json_object_object_add(device, "version", json_object_new_int64(desc->version));
    json_object_object_add(device, "fields", fields);
    return device;
}
