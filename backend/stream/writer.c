/*
 * The writer: headers are stored in an arena, pages stay in place, and an iovec
 * in stream order points to both. Consecutive header bytes share one entry, so
 * a run of zero pages of any length costs one entry.
 *
 * The arena is a list of chunks that never move, because the iovec points into
 * them. A chunk is at least twice as large as the previous one, so the headers
 * between two resets need few entries in addition to those of the pages;
 * WRITER_SPARE reserves them.
 */
#include "backend/stream/writer.h"

#include <limits.h>
#include <string.h>

#define WRITER_IOV IOV_MAX
/* Entries that pages must leave free for section ends, devices and new chunks. */
#define WRITER_SPARE       32
#define WRITER_FIRST_CHUNK ((size_t)512 * 1024)
/* Most pending header bytes before stream_writer_room() returns 0. */
#define WRITER_HEADERS_MAX ((size_t)256 * 1024)

typedef struct {
    uint8_t *bytes;
    size_t size;
    size_t used;
} Chunk;

struct StreamWriter {
    struct iovec iov[WRITER_IOV];
    int n_iov;
    bool open; /* the next header byte can extend the last entry */
    size_t pending;
    size_t header_bytes; /* pending bytes in the arena */
    uint64_t offset;
    GArray *chunks;      /* Chunk; the last one is written to */
    GPtrArray *blocks;   /* names, in the order of the block list */
    unsigned last_block; /* of the last page record; UINT_MAX = none yet */
};

static void chunk_clear(gpointer data)
{
    Chunk *chunk = data;
    g_free(chunk->bytes);
}

static Chunk *add_chunk(StreamWriter *w, size_t size)
{
    Chunk chunk = { g_malloc(size), size, 0 };
    g_array_append_val(w->chunks, chunk);
    return &g_array_index(w->chunks, Chunk, w->chunks->len - 1);
}

StreamWriter *stream_writer_new(void)
{
    StreamWriter *w = g_new0(StreamWriter, 1);

    w->chunks = g_array_new(FALSE, FALSE, sizeof(Chunk));
    g_array_set_clear_func(w->chunks, chunk_clear);
    add_chunk(w, WRITER_FIRST_CHUNK);
    w->blocks = g_ptr_array_new_with_free_func(g_free);
    w->last_block = UINT_MAX;
    return w;
}

void stream_writer_free(StreamWriter *w)
{
    if (w == NULL) {
        return;
    }
    g_array_unref(w->chunks);
    g_ptr_array_unref(w->blocks);
    g_free(w);
}

/* ---- pending bytes ---- */

size_t stream_writer_pending(const StreamWriter *w)
{
    return w->pending;
}

uint64_t stream_writer_offset(const StreamWriter *w)
{
    return w->offset;
}

size_t stream_writer_room(const StreamWriter *w)
{
    /* A page takes two entries, for its header and its data; a zero page takes only header
     * bytes. */
    int entries = WRITER_IOV - WRITER_SPARE - w->n_iov;

    if (entries < 2 || w->header_bytes >= WRITER_HEADERS_MAX) {
        return 0;
    }
    return MIN((size_t)entries / 2, (WRITER_HEADERS_MAX - w->header_bytes) / STREAM_ZERO_BYTES + 1);
}

size_t stream_writer_zero_room(const StreamWriter *w)
{
    size_t room = w->header_bytes < WRITER_HEADERS_MAX ? WRITER_HEADERS_MAX - w->header_bytes : 0;

    return room == 0 ? 0 : room / STREAM_ZERO_BYTES + 1;
}

struct iovec *stream_writer_iov(StreamWriter *w, int *ret_count)
{
    *ret_count = w->n_iov;
    return w->iov;
}

void stream_writer_reset(StreamWriter *w)
{
    g_array_set_size(w->chunks, 1);
    g_array_index(w->chunks, Chunk, 0).used = 0;
    w->n_iov = 0;
    w->open = false;
    w->pending = 0;
    w->header_bytes = 0;
}

/* ---- bytes ---- */

static void push_entry(StreamWriter *w, void *base, size_t length)
{
    g_assert(w->n_iov < WRITER_IOV);
    w->iov[w->n_iov++] = (struct iovec){ base, length };
}

/* Returns room for @length header bytes, already counted as pending; the caller fills all of
 * them. */
static uint8_t *reserve(StreamWriter *w, size_t length)
{
    Chunk *chunk = &g_array_index(w->chunks, Chunk, w->chunks->len - 1);
    if (chunk->size - chunk->used < length) {
        chunk = add_chunk(w, MAX(2 * chunk->size, length));
        w->open = false;
    }

    uint8_t *at = chunk->bytes + chunk->used;
    chunk->used += length;
    if (w->open) {
        w->iov[w->n_iov - 1].iov_len += length;
    } else {
        push_entry(w, at, length);
        w->open = true;
    }
    w->pending += length;
    w->header_bytes += length;
    w->offset += length;
    return at;
}

static void write_u8(StreamWriter *w, uint8_t value)
{
    *reserve(w, 1) = value;
}

static void write_be16(StreamWriter *w, uint16_t value)
{
    value = GUINT16_TO_BE(value);
    memcpy(reserve(w, sizeof value), &value, sizeof value);
}

static void write_be32(StreamWriter *w, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(reserve(w, sizeof value), &value, sizeof value);
}

static void write_be64(StreamWriter *w, uint64_t value)
{
    value = GUINT64_TO_BE(value);
    memcpy(reserve(w, sizeof value), &value, sizeof value);
}

void stream_put_bytes(StreamWriter *w, const void *bytes, size_t length)
{
    if (length > 0) {
        memcpy(reserve(w, length), bytes, length);
    }
}

/* A name with its length in one byte. */
static void write_name(StreamWriter *w, const char *name)
{
    size_t length = strlen(name);

    g_assert(length > 0 && length <= UINT8_MAX);
    write_u8(w, (uint8_t)length);
    stream_put_bytes(w, name, length);
}

/* ---- top level ---- */

void stream_put_header(StreamWriter *w)
{
    write_be32(w, STREAM_MAGIC);
    write_be32(w, STREAM_VERSION);
}

static void put_subsection(StreamWriter *w, const char *name)
{
    write_u8(w, STREAM_SUBSECTION);
    write_name(w, name);
    write_be32(w, 1);
}

void stream_put_configuration(StreamWriter *w, const StreamConfiguration *configuration)
{
    size_t length = strlen(configuration->machine);

    write_u8(w, STREAM_CONFIGURATION);
    write_be32(w, (uint32_t)length);
    stream_put_bytes(w, configuration->machine, length);
    if (configuration->n_capabilities > 0) {
        put_subsection(w, "configuration/capabilities");
        write_be32(w, (uint32_t)configuration->n_capabilities);
        for (size_t i = 0; i < configuration->n_capabilities; i++) {
            write_name(w, configuration->capabilities[i]);
        }
    }
    if (configuration->uuid != NULL) {
        put_subsection(w, "configuration/uuid");
        stream_put_bytes(w, configuration->uuid, 16);
    }
}

void stream_put_command(StreamWriter *w, StreamCommand command, const void *payload,
                        uint16_t length)
{
    write_u8(w, STREAM_COMMAND);
    write_be16(w, (uint16_t)command);
    write_be16(w, length);
    stream_put_bytes(w, payload, length);
}

void stream_put_ping(StreamWriter *w, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    stream_put_command(w, COMMAND_PING, &value, sizeof value);
}

static void put_section(StreamWriter *w, uint8_t type, uint32_t id)
{
    write_u8(w, type);
    write_be32(w, id);
}

static void put_named_section(StreamWriter *w, uint8_t type, uint32_t id, const char *idstr,
                              uint32_t instance, uint32_t version)
{
    put_section(w, type, id);
    write_name(w, idstr);
    write_be32(w, instance);
    write_be32(w, version);
}

void stream_put_section_start(StreamWriter *w, uint32_t id, const char *idstr, uint32_t instance,
                              uint32_t version)
{
    put_named_section(w, STREAM_SECTION_START, id, idstr, instance, version);
}

void stream_put_section_part(StreamWriter *w, uint32_t id)
{
    put_section(w, STREAM_SECTION_PART, id);
}

void stream_put_section_end(StreamWriter *w, uint32_t id)
{
    put_section(w, STREAM_SECTION_END, id);
}

void stream_put_section_full(StreamWriter *w, uint32_t id, const char *idstr, uint32_t instance,
                             uint32_t version)
{
    put_named_section(w, STREAM_SECTION_FULL, id, idstr, instance, version);
}

void stream_put_footer(StreamWriter *w, uint32_t id)
{
    put_section(w, STREAM_FOOTER, id);
}

void stream_put_eof(StreamWriter *w)
{
    write_u8(w, STREAM_EOF);
}

void stream_put_vmdescription(StreamWriter *w, const char *json)
{
    size_t length = strlen(json);

    write_u8(w, STREAM_VMDESCRIPTION);
    write_be32(w, (uint32_t)length);
    stream_put_bytes(w, json, length);
}

/* ---- inside a ram section ---- */

void stream_put_ram_total(StreamWriter *w, uint64_t total)
{
    g_assert((total & RAM_FLAGS) == 0);
    write_be64(w, total | RAM_MEM_SIZE);
}

void stream_put_ram_block(StreamWriter *w, const char *idstr, uint64_t used_length)
{
    write_name(w, idstr);
    write_be64(w, used_length);
    stream_writer_add_block(w, idstr);
}

void stream_writer_add_block(StreamWriter *w, const char *idstr)
{
    g_ptr_array_add(w->blocks, g_strdup(idstr));
}

void stream_put_ram_address(StreamWriter *w, uint64_t guest_address)
{
    write_be64(w, guest_address);
}

void stream_writer_forget_block(StreamWriter *w)
{
    w->last_block = UINT_MAX;
}

void stream_put_mapped_ram(StreamWriter *w, const MappedRam *mapped)
{
    write_be32(w, MAPPED_RAM_VERSION);
    write_be64(w, STREAM_PAGE_SIZE);
    write_be64(w, mapped->bitmap_offset);
    write_be64(w, mapped->pages_offset);
}

/* Writes the first word of a page record, and the block's name unless it is the previous record's
 * block. */
static void put_page_header(StreamWriter *w, unsigned block, uint64_t offset, unsigned kind)
{
    g_assert(block < w->blocks->len && (offset & RAM_FLAGS) == 0);
    if (block == w->last_block) {
        write_be64(w, offset | kind | RAM_CONTINUE);
        return;
    }
    write_be64(w, offset | kind);
    write_name(w, g_ptr_array_index(w->blocks, block));
    w->last_block = block;
}

void stream_put_page(StreamWriter *w, unsigned block, uint64_t offset, const uint8_t *page)
{
    put_page_header(w, block, offset, RAM_PAGE);
    /* iovec has no const; the page is only read. */
    push_entry(w, (void *)(uintptr_t)page, STREAM_PAGE_SIZE);
    w->open = false;
    w->pending += STREAM_PAGE_SIZE;
    w->offset += STREAM_PAGE_SIZE;
}

void stream_put_zero_page(StreamWriter *w, unsigned block, uint64_t offset)
{
    put_page_header(w, block, offset, RAM_ZERO);
    write_u8(w, 0);
}

void stream_put_zero_pages(StreamWriter *w, unsigned block, uint64_t offset, size_t count)
{
    const size_t size = sizeof(uint64_t) + 1;

    if (count == 0) {
        return;
    }
    stream_put_zero_page(w, block, offset); /* names the block */
    uint8_t *at = reserve(w, (count - 1) * size);
    for (size_t i = 1; i < count; i++, at += size) {
        uint64_t word = GUINT64_TO_BE((offset + i * STREAM_PAGE_SIZE) | RAM_ZERO | RAM_CONTINUE);

        memcpy(at, &word, sizeof word);
        at[sizeof word] = 0;
    }
}

/* Copies page data to the arena. It does not count as header bytes: the caller bounds it. */
static void put_copy(StreamWriter *w, const uint8_t *bytes, size_t length)
{
    stream_put_bytes(w, bytes, length);
    w->header_bytes -= length;
}

void stream_put_page_copy(StreamWriter *w, unsigned block, uint64_t offset, const uint8_t *page)
{
    put_page_header(w, block, offset, RAM_PAGE);
    put_copy(w, page, STREAM_PAGE_SIZE);
}

void stream_put_xbzrle_page(StreamWriter *w, unsigned block, uint64_t offset, const uint8_t *delta,
                            size_t length)
{
    g_assert(length <= STREAM_PAGE_SIZE);
    put_page_header(w, block, offset, RAM_XBZRLE);
    write_u8(w, RAM_XBZRLE_FORM);
    write_be16(w, (uint16_t)length);
    put_copy(w, delta, length);
}

void stream_put_compressed_page(StreamWriter *w, unsigned block, uint64_t offset,
                                const uint8_t *packed, size_t length)
{
    g_assert(length > 0 && length <= RAM_COMPRESSED_MAX);
    put_page_header(w, block, offset, RAM_COMPRESS_PAGE);
    write_be32(w, (uint32_t)length);
    put_copy(w, packed, length);
}

void stream_put_multifd_flush(StreamWriter *w)
{
    write_be64(w, RAM_MULTIFD_FLUSH);
}

void stream_put_ram_eos(StreamWriter *w)
{
    write_be64(w, RAM_EOS);
}
