/*
 * The old page compression: all pages of a batch are in the writer when it ends, each as it was,
 * whatever the number of threads; when none may be waited for, pages go as they are.
 */
#include "tests/unit/test.h"

#include <zlib.h>

#include "backend/engine/outgoing/page-encoder.h"
#include "tests/unit/stream-test.h"

#define PAGE    STREAM_PAGE_SIZE
#define N_PAGES 200u

typedef struct {
    uint8_t *source;
    uint8_t *copy;
    unsigned n_packed, n_whole;
} Pages;

static bool receive(const StreamRecord *record, void *data, GError **error)
{
    Pages *p = data;
    uLongf size = PAGE;

    (void)error;
    if (record->type == RECORD_COMPRESSED_PAGE) {
        assert_int_equal(uncompress(p->copy + record->offset, &size, record->data, record->length),
                         Z_OK);
        assert_int_equal(size, PAGE);
        p->n_packed++;
    } else if (record->type == RECORD_PAGE) {
        memcpy(p->copy + record->offset, record->data, PAGE);
        p->n_whole++;
    }
    return true;
}

static void fill(Pages *p)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);

    for (unsigned page = 0; page < N_PAGES; page++) {
        for (unsigned i = 0; i < PAGE; i++) { /* from constant to incompressible */
            p->source[page * PAGE + i] = (uint8_t)g_rand_int_range(rand, 0, 1 + (int)page);
        }
    }
}

/* All pages in batches of 50; the level changes from one to the next. */
static void send_all(Pages *p, LiveSettings *settings, CodecCounters *counters, unsigned n_threads)
{
    g_autoptr(PageEncoder) encoder = compress_encoder_new(settings, counters, n_threads, NULL);
    g_autoptr(StreamWriter) writer = stream_writer_new();
    g_autoptr(StreamReader) reader = stream_test_reader();
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    stream_test_bytes(bytes, "5145564d 00000003 07 00000004 'none' 01 00000002 03'ram' 00000000 "
                             "00000004 00000000000c8004 03'ram' 00000000000c8000");
    stream_put_ram_block(writer, "ram", N_PAGES * PAGE);
    stream_writer_reset(writer);
    for (unsigned page = 0; page < N_PAGES; page++) {
        encoder->ops->put(encoder, writer,
                          &(EncoderPage){ .offset = page * PAGE,
                                          .number = page,
                                          .host = p->source + page * PAGE });
        if (page % 50 == 49) {
            page_encoder_end(encoder, writer);
            stream_test_drain(writer, bytes);
            atomic_store(&settings->compress_level, page % 10);
        }
    }
    page_encoder_sync(encoder);
    stream_test_feed(reader, bytes->data, bytes->len, SIZE_MAX, receive, p, NULL);
}

static void run(unsigned n_threads, bool wait)
{
    g_autofree uint8_t *source = g_malloc(N_PAGES * PAGE);
    g_autofree uint8_t *copy = g_malloc0(N_PAGES * PAGE);
    Pages p = { .source = source, .copy = copy };
    LiveSettings settings = { 0 };
    CodecCounters counters = { 0 };

    atomic_store(&settings.compress_level, 1);
    atomic_store(&settings.compress_wait_thread, wait);
    fill(&p);
    send_all(&p, &settings, &counters, n_threads);
    assert_memory_equal(source, copy, N_PAGES * PAGE);
    assert_int_equal(p.n_packed + p.n_whole, N_PAGES);
    assert_int_equal(p.n_packed, atomic_load(&counters.compression_pages));
    assert_int_equal(p.n_whole, atomic_load(&counters.compression_busy));
    if (wait) {
        assert_int_equal(p.n_whole, 0);
    }
    assert_true(p.n_packed > 0 && atomic_load(&counters.compression_compressed_size) > 0);
}

static void test_every_page_arrives(void **state)
{
    (void)state;
    run(1, true);
    run(5, true);
}

static void test_busy_threads_are_not_waited_for(void **state)
{
    (void)state;
    run(1, false);
    run(3, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_page_arrives),
        cmocka_unit_test(test_busy_threads_are_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
