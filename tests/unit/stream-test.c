/* See stream-test.h. */
#include "tests/unit/stream-test.h"

void stream_test_bytes(GByteArray *out, const char *text)
{
    while (*text != '\0') {
        uint8_t byte;
        if (*text == ' ') {
            text++;
        } else if (*text == '\'') {
            for (text++; *text != '\''; text++) {
                g_byte_array_append(out, (const guint8 *)text, 1);
            }
            text++;
        } else if (*text == '<') {
            char *end;
            guint64 count = g_ascii_strtoull(text + 1, &end, 10);
            g_assert(*end == '*');
            byte = (uint8_t)g_ascii_strtoull(end + 1, &end, 16);
            g_assert(*end == '>');
            guint before = out->len;
            g_byte_array_set_size(out, before + (guint)count);
            memset(out->data + before, byte, count);
            text = end + 1;
        } else {
            g_assert(g_ascii_isxdigit(text[0]) && g_ascii_isxdigit(text[1]));
            byte = (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
            g_byte_array_append(out, &byte, 1);
            text += 2;
        }
    }
}

StreamResult stream_test_feed(StreamReader *r, const uint8_t *bytes, size_t length, size_t chunk,
                              StreamTestRecord *record, void *data, GError **error)
{
    const size_t headroom = 4200;
    uint8_t *lent[2] = { NULL };
    unsigned turn = 0;
    StreamResult result;

    for (;;) {
        StreamRecord found;
        size_t room;

        result = stream_reader_next(r, &found, error);
        if (result == STREAM_RECORD) {
            if (record != NULL && !record(&found, data, error)) {
                result = STREAM_BAD;
                break;
            }
            continue;
        }
        if (result != STREAM_MORE) {
            break;
        }
        size_t count = MIN(chunk, length);
        if (count == 0) {
            stream_reader_end(r);
            continue;
        }
        if (turn++ % 3 != 0) {
            uint8_t **buffer = &lent[turn % 2];

            g_free(*buffer);
            *buffer = g_malloc(headroom + count);
            memcpy(*buffer + headroom, bytes, count);
            stream_reader_lend(r, *buffer + headroom, turn % 5 == 0 ? 8 : headroom, count);
        } else {
            uint8_t *space = stream_reader_space(r, &room);

            g_assert(room > 0);
            count = MIN(room, count);
            memcpy(space, bytes, count);
            stream_reader_filled(r, count);
        }
        bytes += count;
        length -= count;
    }
    g_free(lent[0]);
    g_free(lent[1]);
    return result;
}

void stream_test_drain(StreamWriter *w, GByteArray *out)
{
    int count;
    struct iovec *iov = stream_writer_iov(w, &count);

    for (int i = 0; i < count; i++) {
        g_byte_array_append(out, iov[i].iov_base, (guint)iov[i].iov_len);
    }
    stream_writer_reset(w);
}

/* ---- a machine that is known to the tests: RAM and one device ---- */

static const VmStateField stream_test_fields[] = {
    { .name = "n", .type = FIELD_U32, .offset = offsetof(TestDevice, n) },
    { .name = "list",
      .type = FIELD_U64_LIST,
      .offset = offsetof(TestDevice, list),
      .count_offset = offsetof(TestDevice, n) },
    { 0 },
};

const VmStateDesc stream_test_device = {
    .name = "device",
    .idstr = "device",
    .version = 2,
    .minimum_version = 1,
    .fields = stream_test_fields,
};

const VmStateDesc *stream_test_find(void *data, const char *idstr, uint32_t instance,
                                    uint32_t version, GError **error)
{
    (void)data;
    (void)version;
    if (strcmp(idstr, "device") == 0 && instance == 1) {
        return &stream_test_device;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT, "Unknown savevm section or instance '%s' %u",
                idstr, instance);
    return NULL;
}

StreamReader *stream_test_reader(void)
{
    return stream_reader_new(&(StreamReaderConfig){
        .find_device = stream_test_find,
        .max_list = 3000000,
        .max_ram = 0x100000,
        .buffer_size = 64 * 1024,
    });
}
