/*
 * What all steps of the reader use: places and errors, and the parts of an element.
 */
#include <string.h>

#include "backend/stream/reader-internal.h"

/* ---- places and errors ---- */

static char *where(const StreamReader *r, uint64_t offset)
{
    if (r->place == AT_HEADER) {
        return g_strdup_printf("file header before the first section, offset %" G_GUINT64_FORMAT,
                               offset);
    }
    if (r->place == AT_CONFIGURATION) {
        return g_strdup_printf("configuration section, offset %" G_GUINT64_FORMAT, offset);
    }
    if (r->channel) {
        return g_strdup_printf("channel of pages, offset %" G_GUINT64_FORMAT, offset);
    }
    if (r->section == NULL) {
        return g_strdup_printf("before the first section, offset %" G_GUINT64_FORMAT, offset);
    }
    return g_strdup_printf("%ssection %u (%s), offset %" G_GUINT64_FORMAT,
                           r->in_section ? "" : "after ", r->section->id, r->section->idstr,
                           offset);
}

char *stream_reader_where(const StreamReader *r)
{
    return where(r, r->place_offset);
}

Step reader_refuse_because(StreamReader *r, GError *reason, GError **error)
{
    g_autofree char *place = stream_reader_where(r);

    /* Not g_prefix_error: other programs compare the first line. */
    r->failure = reason;
    mig_error_hint(&r->failure, "%s", place);
    r->state = AT_BAD;
    g_propagate_error(error, g_error_copy(r->failure));
    return STEP_BAD;
}

Step reader_refuse_as_qemu(StreamReader *r, GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    GError *reason = g_error_new_valist(MIG_ERROR, MIG_ERROR_FORMAT, format, args);
    va_end(args);
    return reader_refuse_because(r, reason, error);
}

static Step refuse_at(StreamReader *r, uint64_t offset, MigErrorCode code, const char *text,
                      GError **error)
{
    g_autofree char *place = where(r, offset);

    r->failure = g_error_new(MIG_ERROR, (int)code, "%s: %s", text, place);
    r->state = AT_BAD;
    g_propagate_error(error, g_error_copy(r->failure));
    return STEP_BAD;
}

Step reader_refuse_with(StreamReader *r, MigErrorCode code, GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return refuse_at(r, r->place_offset, code, text, error);
}

Step reader_more(StreamReader *r, size_t wanted, GError **error)
{
    size_t left = r->end - r->start;

    if (r->package_end != 0) {
        return reader_refuse(r, error, "a package ends in the middle of something");
    }
    if (r->ended) {
        return refuse_at(r, r->offset + (r->end - r->start), MIG_ERROR_IO, "stream ended too early",
                         error);
    }
    r->wanted = MAX(wanted, left + 1);
    return STEP_MORE;
}

/* ---- elements ---- */

bool reader_is_name(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!g_ascii_isprint((char)bytes[i])) {
            return false;
        }
    }
    return length > 0;
}

NameResult reader_get_name(MigCursor *in, char *ret)
{
    uint8_t length;
    const uint8_t *bytes;

    if (!get_u8(in, &length) || !get_bytes(in, length, &bytes)) {
        return NAME_SHORT;
    }
    if (!reader_is_name(bytes, length)) {
        return NAME_BAD;
    }
    memcpy(ret, bytes, length);
    ret[length] = '\0';
    return NAME_OK;
}

Step reader_record(StreamReader *r, const MigCursor *in, StreamRecordType type, StreamRecord *ret)
{
    *ret = (StreamRecord){ .type = type, .stream_offset = r->offset };
    reader_take(r, in);
    return STEP_RECORD;
}
