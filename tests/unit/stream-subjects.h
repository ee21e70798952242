/*
 * Whole streams whose RAM is known, and a loader for them that notes which
 * pages a broken range of bytes may have touched. Used by test-stream-faults.c.
 *
 * The loader is strict in what an incoming side knows beforehand: machine,
 * blocks, devices.
 */
#pragma once

#include "tests/unit/test.h"

#include "backend/base/error.h"
#include "tests/unit/capture-test.h"
#include "tests/unit/stream-test.h"

/* ---- subjects ---- */

typedef struct {
    const char *name;
    uint64_t size;
    uint8_t *ram; /* as it should be after the load */
} SubjectBlock;

typedef struct {
    const char *what;
    GByteArray *bytes;
    SubjectBlock blocks[2];
    unsigned n_blocks;
    uint64_t eof;    /* offset of its byte */
    GArray *borders; /* uint64_t: where an element begins, up to EOF */
    const VmStateDesc *(*find)(void *data, const char *idstr, uint32_t instance, uint32_t version,
                               GError **error);
} Subject;

/* ---- loading ---- */

typedef struct {
    const Subject *subject;
    const uint8_t *bytes;
    StreamReader *reader;
    uint8_t *ram[2];
    unsigned n_listed;
    GArray *borders; /* NULL or where to note them */
    /* Bytes changed in [from, to), and the pages that may differ for it. */
    uint64_t from;
    uint64_t to;
    uint8_t *may_differ[2];
    bool astray; /* the block of the records that follow may be another */
    uint64_t eof;
} Load;

StreamResult load_stream(Load *load, const uint8_t *bytes, size_t length, size_t chunk,
                         GError **error);
void load_init(Load *load, const Subject *subject);

/* For the next stream into the same memory. */
void load_again(Load *load);

void load_clear(Load *load);

/* ---- making the subjects ---- */

#define PAGES 24u

/* Everything the format has for precopy in some 300 KiB: two blocks, five rounds, commands,
 * devices. */
void make_synthetic(Subject *s);

bool make_captured(Subject *s);

/* Loads it whole: finds the borders, and that it is good at all. */
void survey(Subject *s);

void subject_clear(Subject *s);
