/*
 * Reader of the main channel: converts bytes to records. A record's payload points into the
 * reader's buffer and is valid until the next stream_reader_space(). Every length is bounded before
 * it is used. An error names the section and the offset, on the first line, or on the second if the
 * first is QEMU's text. Pure bytes: the caller does the I/O (file, socket, test, fuzzer).
 *
 * RECORD_EOF is returned at the EOF byte itself, when everything is loaded. A caller whose peer
 * keeps the connection open (return path) stops there: reading on would wait for a VMDESCRIPTION
 * that may never come. After EOF nothing is BAD: a missing, broken, too long or truncated
 * description gives DONE.
 *
 *     for (;;) {
 *         r = stream_reader_next(reader, &record, &error);
 *         if (r == STREAM_RECORD) use(record);
 *         else if (r == STREAM_MORE) {
 *             (finish everything that points into the buffer)
 *             space = stream_reader_space(reader, &size); n = read(space, size);
 *             n == 0 ? stream_reader_end(reader) : stream_reader_filled(reader, n);
 *         } else break;
 *     }
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/stream/format.h"
#include "backend/stream/mapped-ram.h"
#include "backend/stream/vmstate.h"

typedef struct StreamReader StreamReader;

typedef enum {
    STREAM_RECORD,
    STREAM_MORE, /* needs more bytes */
    STREAM_DONE, /* the stream has ended (EOF, and VMDESCRIPTION if it follows) */
    STREAM_BAD,  /* error set; no further records */
} StreamResult;

typedef enum {
    RECORD_CONFIGURATION,
    RECORD_SECTION,     /* a START, PART, END or FULL begins: section */
    RECORD_SECTION_END, /* its footer was correct */
    RECORD_RAM_TOTAL,   /* ram_total */
    RECORD_RAM_BLOCK,   /* one entry of the block list: block_index, block_idstr, block_length */
    RECORD_PAGE,        /* block_index, offset, data = 4096 bytes */
    RECORD_ZERO_PAGE,   /* block_index, offset, n_pages, fill */
    RECORD_XBZRLE_PAGE, /* block_index, offset, data/length = a delta for xbzrle_decode() */
    RECORD_COMPRESSED_PAGE, /* block_index, offset, data/length = a zlib stream of one page */
    RECORD_MULTIFD_FLUSH,
    RECORD_RAM_EOS,
    RECORD_DEVICE,  /* data/length: the whole body of the current FULL (or START) section */
    RECORD_COMMAND, /* command, data, length. PACKAGED: data is NULL; its sections and commands
                       follow as records of their own once all @length bytes of it are there */
    RECORD_EOF,
    RECORD_VMDESCRIPTION, /* data, length */
} StreamRecordType;

typedef struct {
    StreamRecordType type;
    uint64_t stream_offset; /* where the record begins */

    /* RECORD_CONFIGURATION; strings end with NUL and live until the next record */
    const char *machine;
    const char *const *capabilities; /* NULL terminated */
    const uint8_t *uuid;             /* NULL when absent */

    /* RECORD_SECTION, RECORD_DEVICE, RECORD_SECTION_END: the present section */
    uint8_t section_type;
    uint32_t section_id;
    const char *idstr;
    uint32_t instance;
    uint32_t version;
    const VmStateDesc *device; /* the result of find_device; NULL for ram */

    uint64_t ram_total;
    unsigned block_index; /* index in the block list */
    const char *block_idstr;
    uint64_t block_length;
    bool is_mapped; /* RECORD_RAM_BLOCK: its pages are in the file, at @mapped */
    MappedRam mapped;
    uint64_t offset;  /* inside the block, page aligned, below its length */
    uint64_t n_pages; /* from offset on, inside the block; 1 unless zero_runs is set */
    uint8_t fill;

    StreamCommand command;
    const uint8_t *data;
    size_t length;
} StreamRecord;

typedef struct {
    /* Layout of device (@idstr, @instance) for @version, or NULL with the error set: QEMU's
     * "Unknown ramblock..." does not come from here. Called once for each START or FULL that is not
     * ram. */
    const VmStateDesc *(*find_device)(void *data, const char *idstr, uint32_t instance,
                                      uint32_t version, GError **error);
    void *data;
    uint32_t max_list;    /* bound for lists in device bodies */
    uint64_t file_offset; /* where the stream begins in its file, for mapped-ram */
    bool zero_runs;       /* consecutive zero pages come as one record */
    uint64_t max_ram;     /* bound for the announced RAM total, bytes; 0 = none */
    size_t buffer_size;   /* 0 = 1 MiB; at least 64 KiB */
} StreamReaderConfig;

StreamReader *stream_reader_new(const StreamReaderConfig *config);
void stream_reader_free(StreamReader *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StreamReader, stream_reader_free)

/* Returns the free room of the buffer, never 0 after STREAM_MORE; moves the unread bytes to the
 * front. */
uint8_t *stream_reader_space(StreamReader *r, size_t *ret_size);
void stream_reader_filled(StreamReader *r, size_t count);
/* Replaces stream_reader_space() and stream_reader_filled(): the next @count bytes are at @bytes,
 * and the @headroom bytes before them may be overwritten with the unread bytes. The caller owns the
 * buffer and must keep it until the next stream_reader_lend() or stream_reader_space(). */
void stream_reader_lend(StreamReader *r, uint8_t *bytes, size_t headroom, size_t count);
/* After STREAM_MORE: the number of next bytes of the medium that the reader does not need (the
 * pages of a mapped-ram file). They count as read, and the caller must skip them. */
uint64_t stream_reader_skip(StreamReader *r);
/* The medium has no more bytes: the next stream_reader_next() fails, or finds the stream
 * complete. */
void stream_reader_end(StreamReader *r);

/* Continues on another connection after the first one broke: drops the unread bytes and starts
 * between sections, keeping blocks and sections. */
void stream_reader_resume(StreamReader *r);

/* A reader for an additional channel that carries only page records, until an EOS record or the end
 * of the medium between two records. @main must have read its block list, which is copied. */
StreamReader *stream_reader_new_channel(const StreamReader *main);

StreamResult stream_reader_next(StreamReader *r, StreamRecord *ret, GError **error);

/* Bytes consumed by records so far. */
uint64_t stream_reader_offset(const StreamReader *r);

/* "section 2 (ram), offset 1234", for the caller's error messages about the last record; caller
 * frees. */
char *stream_reader_where(const StreamReader *r);

/* Layouts of all devices in a VMDESCRIPTION, each as one buffer of the described size, to read a
 * stream of a machine that migmon does not have. NULL with an error for bad JSON. */
typedef struct StreamLayouts StreamLayouts;
StreamLayouts *stream_layouts_new(const char *json, size_t length, GError **error);
void stream_layouts_free(StreamLayouts *layouts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StreamLayouts, stream_layouts_free)
/* Matches StreamReaderConfig.find_device with @data = the layouts. */
const VmStateDesc *stream_layouts_find(void *layouts, const char *idstr, uint32_t instance,
                                       uint32_t version, GError **error);
