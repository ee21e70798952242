/*
 * Records of the ram section. Page records are the reader's hot path: one word,
 * one bound check and a pointer into the buffer; nothing is allocated or
 * copied.
 */
#include <string.h>

#include "backend/stream/reader-internal.h"

#define BLOCKS_MAX 4096u

/* ---- block list ---- */

static Step step_total(StreamReader *r, MigCursor in, uint64_t total, StreamRecord *ret,
                       GError **error)
{
    if (r->has_list) {
        return reader_refuse(r, error, "a second list of RAM blocks");
    }
    if (r->config.max_ram != 0 && total > r->config.max_ram) {
        return reader_refuse(r, error,
                             "stream announces %" G_GUINT64_FORMAT
                             " bytes of RAM, more than the %" G_GUINT64_FORMAT " expected",
                             total, r->config.max_ram);
    }
    r->has_list = true;
    r->list_left = total;
    r->state = total > 0 ? AT_RAM_LIST : AT_RAM;
    reader_record(r, &in, RECORD_RAM_TOTAL, ret);
    ret->ram_total = total;
    return STEP_RECORD;
}

/* Why this entry of the list is invalid; NULL when it is valid. Caller frees. */
static char *block_fault(const StreamReader *r, const char *idstr, uint64_t length)
{
    if (length == 0 || length % STREAM_PAGE_SIZE != 0) {
        return g_strdup_printf("RAM block '%s' of 0x%" G_GINT64_MODIFIER
                               "x bytes is not a number of pages",
                               idstr, length);
    }
    if (length > r->list_left) {
        return g_strdup_printf(
            "RAM block '%s' of 0x%" G_GINT64_MODIFIER
            "x bytes is more than what the announced total leaves, 0x%" G_GINT64_MODIFIER "x",
            idstr, length, r->list_left);
    }
    if (g_hash_table_contains(r->block_index, idstr)) {
        return g_strdup_printf("RAM block '%s' is listed twice", idstr);
    }
    if (r->blocks->len >= BLOCKS_MAX) {
        return g_strdup_printf("more than %u RAM blocks", BLOCKS_MAX);
    }
    return NULL;
}

/* Reads the header after a block in a mapped-ram file; *@ret_end is the file offset where the
 * stream continues. */
static Step get_mapped(StreamReader *r, MigCursor *in, uint64_t length, MappedRam *ret,
                       uint64_t *ret_end, GError **error)
{
    uint32_t version;
    uint64_t page_size;

    if (!get_be32(in, &version) || !get_be64(in, &page_size) ||
        !get_be64(in, &ret->bitmap_offset) || !get_be64(in, &ret->pages_offset)) {
        return reader_more(r, 0, error);
    }
    if (version != MAPPED_RAM_VERSION || page_size != STREAM_PAGE_SIZE) {
        return reader_refuse_with(r, MIG_ERROR_UNSUPPORTED, error,
                                  "mapped-ram of version %u with pages of %" G_GUINT64_FORMAT
                                  " bytes, only version %u with %u is supported",
                                  version, page_size, MAPPED_RAM_VERSION, STREAM_PAGE_SIZE);
    }
    uint64_t here = r->config.file_offset + r->offset + (uint64_t)(in->at - (r->buffer + r->start));
    uint64_t bitmap = mapped_ram_bitmap_size(length / STREAM_PAGE_SIZE);
    if (ret->pages_offset % STREAM_PAGE_SIZE != 0 || ret->bitmap_offset < here ||
        ret->pages_offset < ret->bitmap_offset || ret->pages_offset - ret->bitmap_offset < bitmap ||
        length > INT64_MAX || ret->pages_offset > INT64_MAX - length) {
        return reader_refuse(r, error,
                             "bitmap at 0x%" G_GINT64_MODIFIER
                             "x and pages at 0x%" G_GINT64_MODIFIER
                             "x of the file cannot be, this is 0x%" G_GINT64_MODIFIER "x",
                             ret->bitmap_offset, ret->pages_offset, here);
    }
    *ret_end = ret->pages_offset + length - here;
    return STEP_RECORD;
}

/* A caller with the file skips the pages (stream_reader_skip); the reader drops their bytes if they
 * come. */
Step reader_step_ram_pages(StreamReader *r, StreamRecord *ret, GError **error)
{
    MigCursor in = reader_cursor(r);
    size_t count = MIN(cursor_left(&in), r->skip_left);

    (void)ret;
    in.at += count;
    reader_take(r, &in);
    r->skip_left -= count;
    if (r->skip_left > 0) {
        return reader_more(r, 0, error);
    }
    r->state = r->list_left > 0 ? AT_RAM_LIST : AT_RAM;
    return STEP_AGAIN;
}

Step reader_step_ram_list(StreamReader *r, StreamRecord *ret, GError **error)
{
    MigCursor in = reader_cursor(r);
    char idstr[256];
    uint64_t length;
    uint64_t address;

    switch (reader_get_name(&in, idstr)) {
    case NAME_OK:
        break;
    case NAME_SHORT:
        return reader_more(r, 0, error);
    case NAME_BAD:
        return reader_refuse(r, error, "RAM block %u has no proper name", r->blocks->len);
    }
    /* With x-ignore-shared the guest address follows. It is ignored: the name identifies the
     * block. */
    if (!get_be64(&in, &length) || (r->ignore_shared && !get_be64(&in, &address))) {
        return reader_more(r, 0, error);
    }
    g_autofree char *fault = block_fault(r, idstr, length);
    if (fault != NULL) {
        return reader_refuse(r, error, "%s", fault);
    }
    MappedRam mapped = { 0 };
    if (r->mapped_ram) {
        Step step = get_mapped(r, &in, length, &mapped, &r->skip_left, error);
        if (step != STEP_RECORD) {
            return step;
        }
    }

    ReaderBlock block = { g_strdup(idstr), length };
    unsigned index = r->blocks->len;
    g_array_append_val(r->blocks, block);
    g_hash_table_insert(r->block_index, block.idstr, GUINT_TO_POINTER(index));
    r->list_left -= length;
    if (r->list_left == 0) {
        r->state = AT_RAM;
    }
    if (r->mapped_ram) {
        r->state = AT_RAM_PAGES;
    }
    reader_record(r, &in, RECORD_RAM_BLOCK, ret);
    ret->block_index = index;
    ret->block_idstr = block.idstr;
    ret->block_length = length;
    ret->is_mapped = r->mapped_ram;
    ret->mapped = mapped;
    return STEP_RECORD;
}

/* ---- pages ---- */

/* Finds the block that the record at @in names, or with @same the previous one; STEP_RECORD when
 * found. */
static Step find_block(StreamReader *r, MigCursor *in, bool same, unsigned *ret, GError **error)
{
    char idstr[256];
    gpointer index;

    if (same) {
        if (r->last_block == READER_NO_BLOCK) {
            return reader_refuse_as_qemu(r, error, "Ack, bad migration stream!");
        }
        *ret = r->last_block;
        return STEP_RECORD;
    }
    switch (reader_get_name(in, idstr)) {
    case NAME_OK:
        break;
    case NAME_SHORT:
        return reader_more(r, 0, error);
    case NAME_BAD:
        return reader_refuse(r, error, "page record without a proper block name");
    }
    if (!g_hash_table_lookup_extended(r->block_index, idstr, NULL, &index)) {
        return reader_refuse_as_qemu(r, error, "Can't find block %s", idstr);
    }
    *ret = GPOINTER_TO_UINT(index);
    return STEP_RECORD;
}

/* The part of a page record after its first word and name. */
typedef struct {
    StreamRecordType type;
    const uint8_t *bytes;
    size_t length;
} Payload;

static Step get_xbzrle(StreamReader *r, MigCursor *in, Payload *ret, GError **error)
{
    uint8_t form;
    uint16_t length = 0;

    if (!get_u8(in, &form) || !get_be16(in, &length)) {
        return reader_more(r, 0, error);
    }
    if (form != RAM_XBZRLE_FORM) {
        return reader_refuse_as_qemu(r, error, "Failed to load XBZRLE page - wrong compression!");
    }
    if (length > STREAM_PAGE_SIZE) {
        return reader_refuse_as_qemu(r, error, "Failed to load XBZRLE page - len overflow!");
    }
    *ret = (Payload){ RECORD_XBZRLE_PAGE, NULL, length };
    return STEP_RECORD;
}

static Step get_compressed(StreamReader *r, MigCursor *in, Payload *ret, GError **error)
{
    uint32_t length = 0;

    if (!get_be32(in, &length)) {
        return reader_more(r, 0, error);
    }
    if (length == 0 || length > RAM_COMPRESSED_MAX) {
        return reader_refuse_as_qemu(r, error, "Invalid compressed data length: %u", length);
    }
    *ret = (Payload){ RECORD_COMPRESSED_PAGE, NULL, length };
    return STEP_RECORD;
}

static Step get_payload(StreamReader *r, MigCursor *in, unsigned kind, Payload *ret, GError **error)
{
    Step step = STEP_RECORD;

    switch (kind) {
    case RAM_ZERO:
        *ret = (Payload){ RECORD_ZERO_PAGE, NULL, 1 };
        break;
    case RAM_XBZRLE:
        step = get_xbzrle(r, in, ret, error);
        break;
    case RAM_COMPRESS_PAGE:
        step = get_compressed(r, in, ret, error);
        break;
    default:
        *ret = (Payload){ RECORD_PAGE, NULL, STREAM_PAGE_SIZE };
        break;
    }
    if (step == STEP_RECORD && !get_bytes(in, ret->length, &ret->bytes)) {
        return reader_more(r, 0, error);
    }
    return step;
}

/* Counts the zero records at @in that continue page by page from @offset. Never-touched memory is a
 * long sequence of them, and returning it as one record is faster. */
static uint64_t count_zeroes(MigCursor *in, uint64_t offset, uint64_t length)
{
    uint64_t count = 0;
    uint64_t word;

    for (offset += STREAM_PAGE_SIZE; offset < length && cursor_left(in) >= sizeof word + 1;
         offset += STREAM_PAGE_SIZE, count++) {
        memcpy(&word, in->at, sizeof word);
        if (word != GUINT64_TO_BE(offset | RAM_ZERO | RAM_CONTINUE) || in->at[sizeof word] != 0) {
            break;
        }
        in->at += sizeof word + 1;
    }
    return count;
}

static Step step_page(StreamReader *r, MigCursor in, uint64_t word, StreamRecord *ret,
                      GError **error)
{
    uint64_t offset = word & ~(uint64_t)RAM_FLAGS;
    unsigned kind = word & (RAM_FLAGS & ~RAM_CONTINUE);
    Payload payload = { 0 };
    unsigned block = 0;

    if (r->mapped_ram) {
        return reader_refuse(r, error, "page record in a mapped-ram file");
    }
    Step step = find_block(r, &in, (word & RAM_CONTINUE) != 0, &block, error);
    if (step != STEP_RECORD) {
        return step;
    }
    /* Both are whole pages, so at an offset below the length one page fits. */
    uint64_t length = g_array_index(r->blocks, ReaderBlock, block).length;
    if (offset >= length) {
        return reader_refuse_as_qemu(r, error, "Illegal RAM offset %" G_GINT64_MODIFIER "x",
                                     offset);
    }
    step = get_payload(r, &in, kind, &payload, error);
    if (step != STEP_RECORD) {
        return step;
    }
    /* Set field by field, because clearing the whole record would cost more than the code above. */
    ret->type = payload.type;
    ret->stream_offset = r->offset;
    ret->block_index = block;
    ret->offset = offset;
    ret->n_pages = 1;
    if (kind == RAM_ZERO) {
        ret->fill = *payload.bytes;
        if (ret->fill == 0 && r->config.zero_runs) {
            ret->n_pages += count_zeroes(&in, offset, length);
        }
    } else {
        ret->data = payload.bytes;
        ret->length = payload.length;
    }
    r->last_block = block;
    reader_take(r, &in);
    return STEP_RECORD;
}

/* ---- other records ---- */

Step reader_step_ram(StreamReader *r, StreamRecord *ret, GError **error)
{
    MigCursor in = reader_cursor(r);
    uint64_t word;

    if (!get_be64(&in, &word)) {
        if (r->channel && r->ended && r->start == r->end) {
            r->state = AT_DONE;
            return STEP_DONE;
        }
        return reader_more(r, 8, error);
    }
    unsigned flags = word & RAM_FLAGS;
    switch (flags) {
    case RAM_PAGE:
    case RAM_PAGE | RAM_CONTINUE:
    case RAM_ZERO:
    case RAM_ZERO | RAM_CONTINUE:
    case RAM_XBZRLE:
    case RAM_XBZRLE | RAM_CONTINUE:
    case RAM_COMPRESS_PAGE:
    case RAM_COMPRESS_PAGE | RAM_CONTINUE:
        return step_page(r, in, word, ret, error);
    case RAM_EOS:
        if (word != RAM_EOS) {
            return reader_refuse(r, error, "end of a ram body with an offset");
        }
        r->state = r->channel ? AT_DONE : AT_FOOTER;
        return reader_record(r, &in, RECORD_RAM_EOS, ret);
    case RAM_MULTIFD_FLUSH:
        if (word != RAM_MULTIFD_FLUSH) {
            return reader_refuse(r, error, "multifd flush with an offset");
        }
        return reader_record(r, &in, RECORD_MULTIFD_FLUSH, ret);
    case RAM_MEM_SIZE:
        return step_total(r, in, word & ~(uint64_t)RAM_FLAGS, ret, error);
    default:
        return reader_refuse_as_qemu(r, error, "Unknown combination of migration flags: 0x%x",
                                     flags);
    }
}
