/*
 * Shared by the files of the reader; no other file includes this.
 *
 * Each state has one step. A step reads the unread bytes through a cursor and
 * either takes a whole element (reader_take) or takes nothing and asks for more
 * bytes (reader_more); then it runs again from the start of the element. So no
 * element is half parsed between two calls, and a step is plain code.
 */
#pragma once

#include "backend/base/error.h"
#include "backend/stream/reader.h"

/* Longest element: a longer device body is refused, and the buffer never grows beyond it. */
#define READER_ELEMENT_MAX ((size_t)16 * 1024 * 1024)

typedef enum {
    AT_HEADER,
    AT_CONFIGURATION,
    AT_TOP, /* between sections */
    AT_RAM,
    AT_RAM_LIST,  /* inside the block list */
    AT_RAM_PAGES, /* before the pages of a mapped-ram file, which the caller skips */
    AT_BODY,      /* of a device */
    AT_FOOTER,
    AT_TAIL,      /* after EOF */
    AT_TAIL_SKIP, /* inside a VMDESCRIPTION that is too long to deliver */
    AT_DONE,
    AT_BAD,
    AT__COUNT,
} ReaderState;

/* One section id, bound by a START or FULL section. */
typedef struct {
    uint32_t id;
    char *idstr;
    uint32_t instance;
    uint32_t version;
    bool is_ram;
    const VmStateDesc *device; /* NULL for ram */
} Section;

typedef struct {
    char *idstr;
    uint64_t length;
} ReaderBlock;

struct StreamReader {
    StreamReaderConfig config;

    /* Unread bytes are [start, end) of the buffer, which is the reader's own or lent. */
    uint8_t *buffer;
    uint8_t *own;
    size_t capacity; /* of the own buffer */
    size_t start;
    size_t end;
    size_t wanted; /* smallest number of unread bytes that the waiting step needs */
    bool ended;    /* stream_reader_end() was called */

    ReaderState state;
    uint64_t offset; /* of the first unread byte in the stream */
    GError *failure; /* in AT_BAD */

    /* The element being read, or the last one: for messages. */
    ReaderState place;
    uint64_t place_offset;

    /* The present section, or the last one; owned by @sections. */
    Section *section;
    uint8_t section_type;
    bool in_section;
    GHashTable *sections; /* id -> Section */

    /* Configuration. */
    char *machine;
    GPtrArray *capabilities; /* NULL terminated */
    uint8_t uuid[16];
    bool has_uuid;
    bool ignore_shared; /* the block list carries addresses */
    bool mapped_ram;    /* the block list carries headers of a mapped-ram file */

    /* RAM. */
    GArray *blocks;          /* ReaderBlock, in the order of the list */
    GHashTable *block_index; /* idstr -> GUINT_TO_POINTER(index) */
    bool has_list;
    bool ram_seen;       /* a START or FULL of ram was read */
    bool ram_over;       /* its END or FULL was read, or an element that only follows RAM */
    uint64_t list_left;  /* bytes of RAM not yet listed */
    unsigned last_block; /* of the last page record; READER_NO_BLOCK before the first */

    uint64_t skip_left; /* AT_TAIL_SKIP, AT_RAM_PAGES */

    uint64_t package_end; /* stream offset of the end of the present package; 0 = none */
    bool channel;         /* carries only page records */
};

#define READER_NO_BLOCK UINT32_MAX

/* STEP_AGAIN: the step read an element that gives no record. */
typedef enum { STEP_RECORD, STEP_MORE, STEP_AGAIN, STEP_DONE, STEP_BAD } Step;

typedef Step ReaderStep(StreamReader *r, StreamRecord *ret, GError **error);

static inline MigCursor reader_cursor(const StreamReader *r)
{
    const uint8_t *at = r->buffer + r->start, *end = r->buffer + r->end;

    if (r->package_end != 0) {
        end = at + (r->package_end - r->offset); /* the whole package is buffered */
    }
    return (MigCursor){ at, end };
}

/* Consumes everything up to @in. */
static inline void reader_take(StreamReader *r, const MigCursor *in)
{
    size_t count = (size_t)(in->at - (r->buffer + r->start));

    r->start += count;
    r->offset += count;
}

/* Asks for at least @wanted bytes, counted from the start of the element; 0 = one more than
 * buffered. */
Step reader_more(StreamReader *r, size_t wanted, GError **error);

/* Refuses the stream with QEMU's sentence alone on the first line; the place follows on the
 * second. */
Step reader_refuse_as_qemu(StreamReader *r, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Refuses the stream with a message of our own, the place on the same line. */
Step reader_refuse_with(StreamReader *r, MigErrorCode code, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
#define reader_refuse(r, error, ...) reader_refuse_with(r, MIG_ERROR_FORMAT, error, __VA_ARGS__)
/* Refuses the stream with @reason (ownership is taken), the place on a separate line. */
Step reader_refuse_because(StreamReader *r, GError *reason, GError **error);

typedef enum { NAME_OK, NAME_SHORT, NAME_BAD } NameResult;

/* True for printable ASCII, like QEMU's names: names appear in error messages, on terminals and in
 * JSON. */
bool reader_is_name(const uint8_t *bytes, size_t length);

/* A name with its length in one byte; @ret has room for 256 bytes and gets a NUL. */
NameResult reader_get_name(MigCursor *in, char *ret);

/* Like reader_take(), and initialises *@ret as a record of @type at that place. */
Step reader_record(StreamReader *r, const MigCursor *in, StreamRecordType type, StreamRecord *ret);

ReaderStep reader_step_configuration; /* reader-configuration.c */
ReaderStep reader_step_top;           /* reader-section.c */
ReaderStep reader_step_body;
ReaderStep reader_step_footer;
ReaderStep reader_step_ram; /* reader-ram.c */
ReaderStep reader_step_ram_list;
ReaderStep reader_step_ram_pages;
