/*
 * The reader's state machine: buffer, states, file header and the part after
 * EOF. The other elements are in reader-configuration.c, reader-section.c and
 * reader-ram.c; what all steps use is in reader-element.c.
 *
 * RECORD_EOF is returned as soon as its byte has come. Data after it (a
 * VMDESCRIPTION, anything, nothing) cannot change the guest, so a caller on a
 * socket that stays open may stop at RECORD_EOF instead of waiting for it.
 */
#include "backend/stream/reader.h"

#include <string.h>

#include "backend/stream/reader-internal.h"

#define DEFAULT_BUFFER  ((size_t)1024 * 1024)
#define SMALLEST_BUFFER ((size_t)64 * 1024)
/* A longer description is skipped: loading does not need it. */
#define DESCRIPTION_MAX (1024u * 1024)

static void section_free(gpointer data)
{
    Section *section = data;

    g_free(section->idstr);
    g_free(section);
}

static void block_clear(gpointer data)
{
    ReaderBlock *block = data;
    g_free(block->idstr);
}

StreamReader *stream_reader_new(const StreamReaderConfig *config)
{
    StreamReader *r = g_new0(StreamReader, 1);

    r->config = *config;
    r->capacity = config->buffer_size == 0 ? DEFAULT_BUFFER : config->buffer_size;
    g_assert(r->capacity >= SMALLEST_BUFFER);
    r->own = g_malloc(r->capacity);
    r->buffer = r->own;
    r->sections = g_hash_table_new_full(NULL, NULL, NULL, section_free);
    r->capabilities = g_ptr_array_new_with_free_func(g_free);
    r->blocks = g_array_new(FALSE, FALSE, sizeof(ReaderBlock));
    g_array_set_clear_func(r->blocks, block_clear);
    r->block_index = g_hash_table_new(g_str_hash, g_str_equal);
    r->last_block = READER_NO_BLOCK;
    return r;
}

void stream_reader_free(StreamReader *r)
{
    if (r == NULL) {
        return;
    }
    g_hash_table_unref(r->block_index);
    g_array_unref(r->blocks);
    g_ptr_array_unref(r->capabilities);
    g_hash_table_unref(r->sections);
    g_clear_error(&r->failure);
    g_free(r->machine);
    g_free(r->own);
    g_free(r);
}

/* ---- buffer ---- */

/* Moves the unread bytes to the front of the own buffer and gives it room for @room bytes in
 * total. */
static void gather(StreamReader *r, size_t room)
{
    size_t left = r->end - r->start;

    if (room > r->capacity) {
        bool lent = r->buffer != r->own;

        r->capacity = room;
        r->own = g_realloc(r->own, r->capacity);
        r->buffer = lent ? r->buffer : r->own;
    }
    memmove(r->own, r->buffer + r->start, left);
    r->buffer = r->own;
    r->start = 0;
    r->end = left;
}

uint8_t *stream_reader_space(StreamReader *r, size_t *ret_size)
{
    size_t bound = MAX(READER_ELEMENT_MAX, r->config.buffer_size);
    size_t room = r->capacity;

    if (r->wanted > r->capacity) {
        g_assert(r->wanted <= bound);
        room = MIN(MAX(r->wanted, 2 * r->capacity), bound);
    }
    gather(r, room);
    *ret_size = r->capacity - r->end;
    return r->buffer + r->end;
}

void stream_reader_lend(StreamReader *r, uint8_t *bytes, size_t headroom, size_t count)
{
    size_t left = r->end - r->start;

    g_assert(!r->ended);
    if (left <= headroom) {
        memcpy(bytes - left, r->buffer + r->start, left);
        r->buffer = bytes - left;
        r->start = 0;
        r->end = left + count;
        return;
    }
    /* A long device body is collected in the own buffer. */
    gather(r, MAX(r->capacity, left + count));
    memcpy(r->own + r->end, bytes, count);
    r->end += count;
}

void stream_reader_filled(StreamReader *r, size_t count)
{
    g_assert(count <= r->capacity - r->end && !r->ended);
    r->end += count;
}

uint64_t stream_reader_skip(StreamReader *r)
{
    uint64_t count = r->state == AT_RAM_PAGES ? r->skip_left : 0;

    g_assert(count == 0 || r->start == r->end);
    r->skip_left -= count;
    r->offset += count;
    return count;
}

void stream_reader_end(StreamReader *r)
{
    r->ended = true;
}

void stream_reader_resume(StreamReader *r)
{
    r->buffer = r->own;
    r->start = r->end = 0;
    r->ended = false;
    r->in_section = false;
    r->package_end = 0;
    r->last_block = READER_NO_BLOCK;
    g_clear_error(&r->failure);
    r->state = AT_TOP;
}

StreamReader *stream_reader_new_channel(const StreamReader *main)
{
    StreamReader *r = stream_reader_new(&main->config);

    r->config.zero_runs = false;
    for (guint i = 0; i < main->blocks->len; i++) {
        const ReaderBlock *block = &g_array_index(main->blocks, ReaderBlock, i);
        ReaderBlock copy = { g_strdup(block->idstr), block->length };

        g_array_append_val(r->blocks, copy);
        g_hash_table_insert(r->block_index, copy.idstr, GUINT_TO_POINTER(i));
    }
    r->has_list = true;
    r->channel = true;
    r->state = AT_RAM;
    return r;
}

uint64_t stream_reader_offset(const StreamReader *r)
{
    return r->offset;
}

/* ---- header and tail ---- */

static Step step_header(StreamReader *r, StreamRecord *ret, GError **error)
{
    (void)ret;
    MigCursor in = reader_cursor(r);
    uint32_t magic;
    uint32_t version;

    if (!get_be32(&in, &magic)) {
        return reader_more(r, 8, error);
    }
    if (magic != STREAM_MAGIC) {
        return reader_refuse_as_qemu(r, error, "Not a migration stream");
    }
    if (!get_be32(&in, &version)) {
        return reader_more(r, 8, error);
    }
    if (version == 2) {
        return reader_refuse_as_qemu(r, error,
                                     "SaveVM v2 format is obsolete and don't work anymore");
    }
    if (version != STREAM_VERSION) {
        return reader_refuse_as_qemu(r, error, "Unsupported migration stream version");
    }
    reader_take(r, &in);
    r->state = AT_CONFIGURATION;
    return STEP_AGAIN;
}

/* After EOF nothing is an error, because QEMU accepts any bytes there. */
static Step tail_more(StreamReader *r, size_t wanted)
{
    if (r->ended) {
        r->state = AT_DONE;
        return STEP_DONE;
    }
    r->wanted = MAX(wanted, r->end - r->start + 1);
    return STEP_MORE;
}

static Step step_tail(StreamReader *r, StreamRecord *ret, GError **error)
{
    (void)error;
    MigCursor in = reader_cursor(r);
    uint8_t type;
    uint32_t length;
    const uint8_t *json;

    if (!get_u8(&in, &type)) {
        return tail_more(r, 0);
    }
    if (type != STREAM_VMDESCRIPTION) {
        r->state = AT_DONE;
        return STEP_DONE;
    }
    if (!get_be32(&in, &length)) {
        return tail_more(r, 0);
    }
    if (length > DESCRIPTION_MAX) {
        reader_take(r, &in);
        r->skip_left = length;
        r->state = AT_TAIL_SKIP;
        return STEP_AGAIN;
    }
    if (!get_bytes(&in, length, &json)) {
        return tail_more(r, (size_t)5 + length);
    }
    reader_record(r, &in, RECORD_VMDESCRIPTION, ret);
    ret->data = json;
    ret->length = length;
    r->state = AT_DONE;
    return STEP_RECORD;
}

static Step step_tail_skip(StreamReader *r, StreamRecord *ret, GError **error)
{
    (void)ret;
    (void)error;
    MigCursor in = reader_cursor(r);
    size_t count = MIN(cursor_left(&in), r->skip_left);

    in.at += count;
    reader_take(r, &in);
    r->skip_left -= count;
    if (r->skip_left > 0) {
        return tail_more(r, 0);
    }
    r->state = AT_DONE;
    return STEP_DONE;
}

static Step step_done(StreamReader *r, StreamRecord *ret, GError **error)
{
    (void)r;
    (void)ret;
    (void)error;
    return STEP_DONE;
}

static Step step_bad(StreamReader *r, StreamRecord *ret, GError **error)
{
    (void)ret;
    g_propagate_error(error, g_error_copy(r->failure));
    return STEP_BAD;
}

/* ---- the machine ---- */

static ReaderStep *const steps[AT__COUNT] = {
    [AT_HEADER] = step_header,
    [AT_CONFIGURATION] = reader_step_configuration,
    [AT_TOP] = reader_step_top,
    [AT_RAM] = reader_step_ram,
    [AT_RAM_LIST] = reader_step_ram_list,
    [AT_RAM_PAGES] = reader_step_ram_pages,
    [AT_BODY] = reader_step_body,
    [AT_FOOTER] = reader_step_footer,
    [AT_TAIL] = step_tail,
    [AT_TAIL_SKIP] = step_tail_skip,
    [AT_DONE] = step_done,
    [AT_BAD] = step_bad,
};

StreamResult stream_reader_next(StreamReader *r, StreamRecord *ret, GError **error)
{
    Step step;

    r->wanted = 0;
    do {
        if (r->state < AT_DONE) {
            r->place = r->state;
            r->place_offset = r->offset;
        }
        step = steps[r->state](r, ret, error);
    } while (step == STEP_AGAIN);

    switch (step) {
    case STEP_RECORD:
        return STREAM_RECORD;
    case STEP_MORE:
        return STREAM_MORE;
    case STEP_DONE:
        return STREAM_DONE;
    case STEP_BAD:
    case STEP_AGAIN:
        break;
    }
    return STREAM_BAD;
}
