/*
 * The sender of deltas: whatever the cache does, a receiver that applies the records in order has
 * the pages as they were put; the first pass is plain, what did not change is not sent, the
 * cache keeps what is in use and follows its size.
 */
#include "tests/unit/test.h"

#include "backend/engine/outgoing/page-encoder.h"
#include "backend/stream/xbzrle.h"
#include "tests/unit/stream-test.h"

#define PAGE    STREAM_PAGE_SIZE
#define N_PAGES 64u

typedef struct {
    LiveSettings settings;
    CodecCounters counters;
    PageEncoder *encoder;
    StreamWriter *writer;
    uint8_t *source;
    uint8_t *copy; /* at the receiver */
    unsigned n_whole, n_delta, n_zero;
    GByteArray *bytes;
} Fixture;

static int setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    atomic_store(&f->settings.xbzrle_cache_size, N_PAGES * PAGE);
    f->encoder = xbzrle_encoder_new(&f->settings, &f->counters, N_PAGES, NULL);
    assert_non_null(f->encoder);
    f->writer = stream_writer_new();
    f->source = g_malloc0(N_PAGES * PAGE);
    f->copy = g_malloc0(N_PAGES * PAGE);
    f->bytes = g_byte_array_new();
    stream_test_bytes(f->bytes,
                      "5145564d 00000003 07 00000004 'none' 01 00000002 03'ram' 00000000 00000004"
                      "0000000000040004 03'ram' 0000000000040000");
    /* The list stands in the bytes above; the writer only has to know the name. */
    stream_put_ram_block(f->writer, "ram", N_PAGES * PAGE);
    stream_writer_reset(f->writer);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    page_encoder_free(f->encoder);
    stream_writer_free(f->writer);
    g_byte_array_unref(f->bytes);
    g_free(f->source);
    g_free(f->copy);
    g_free(f);
    return 0;
}

static PutResult put(Fixture *f, unsigned page)
{
    return f->encoder->ops->put(
        f->encoder, f->writer,
        &(EncoderPage){ .offset = page * PAGE, .number = page, .host = f->source + page * PAGE });
}

static void put_zero(Fixture *f, unsigned page)
{
    page_encoder_zero(f->encoder, page);
    stream_put_zero_page(f->writer, 0, page * PAGE);
}

static bool receive(const StreamRecord *record, void *data, GError **error)
{
    Fixture *f = data;
    uint8_t *page = f->copy + record->offset;

    (void)error;
    switch (record->type) {
    case RECORD_PAGE:
        memcpy(page, record->data, PAGE);
        f->n_whole++;
        break;
    case RECORD_XBZRLE_PAGE:
        assert_true(xbzrle_decode(record->data, record->length, page));
        f->n_delta++;
        break;
    case RECORD_ZERO_PAGE:
        memset(page, 0, PAGE);
        f->n_zero++;
        break;
    default:
        break;
    }
    return true;
}

/* The batch is over: the next may change whatever the writer points at. */
static void end_batch(Fixture *f)
{
    stream_test_drain(f->writer, f->bytes);
    page_encoder_begin(f->encoder);
}

/* All that was sent so far, received from the start; counts what came. */
static void receive_all(Fixture *f)
{
    g_autoptr(StreamReader) reader = stream_test_reader();

    end_batch(f);
    memset(f->copy, 0, N_PAGES * PAGE);
    f->n_whole = f->n_delta = f->n_zero = 0;
    stream_test_feed(reader, f->bytes->data, f->bytes->len, SIZE_MAX, receive, f, NULL);
}

static void test_first_pass_is_plain_then_deltas(void **state)
{
    Fixture *f = *state;

    memset(f->source, 0x11, PAGE);
    page_encoder_sync(f->encoder);
    assert_int_equal(put(f, 0), PUT_WHOLE);
    f->source[5] = 1;
    page_encoder_sync(f->encoder);
    end_batch(f);
    assert_int_equal(put(f, 0), PUT_WHOLE); /* not in the cache yet */
    f->source[6] = 2;
    page_encoder_sync(f->encoder);
    end_batch(f);
    assert_int_equal(put(f, 0), PUT_PACKED);
    end_batch(f);
    page_encoder_sync(f->encoder);
    assert_int_equal(put(f, 0), PUT_NOTHING);
    receive_all(f);
    assert_int_equal(f->n_whole, 2);
    assert_int_equal(f->n_delta, 1);
    assert_memory_equal(f->source, f->copy, PAGE);
    assert_int_equal(atomic_load(&f->counters.xbzrle_pages), 1);
    assert_int_equal(atomic_load(&f->counters.xbzrle_cache_miss), 1);
    assert_int_equal(atomic_load(&f->counters.xbzrle_bytes), 8 + 1 + 2 + 3);
}

/* The guest writes between the put and the write: what arrives is what the cache remembers. */
static void test_deltas_are_against_what_was_sent(void **state)
{
    Fixture *f = *state;

    page_encoder_sync(f->encoder);
    page_encoder_sync(f->encoder);
    memset(f->source, 0x11, PAGE);
    put(f, 0);
    f->source[7] = 0x22; /* in flight */
    end_batch(f);
    page_encoder_sync(f->encoder);
    f->source[9] = 0x33;
    assert_int_equal(put(f, 0), PUT_PACKED);
    f->source[100] = 0x44; /* in flight */
    end_batch(f);
    page_encoder_sync(f->encoder);
    assert_int_equal(put(f, 0), PUT_PACKED);
    receive_all(f);
    assert_memory_equal(f->source, f->copy, PAGE);
}

static void test_overflow_sends_the_page_and_remembers_it(void **state)
{
    Fixture *f = *state;

    page_encoder_sync(f->encoder);
    page_encoder_sync(f->encoder);
    memset(f->source, 0x11, PAGE);
    put(f, 0);
    end_batch(f);
    memset(f->source, 0x22, PAGE);
    assert_int_equal(put(f, 0), PUT_WHOLE);
    assert_int_equal(atomic_load(&f->counters.xbzrle_overflow), 1);
    f->source[8] = 0x55; /* in flight */
    end_batch(f);
    assert_int_equal(put(f, 0), PUT_PACKED);
    receive_all(f);
    assert_memory_equal(f->source, f->copy, PAGE);
}

static void test_a_zero_page_is_remembered_as_zero(void **state)
{
    Fixture *f = *state;

    page_encoder_sync(f->encoder);
    page_encoder_sync(f->encoder);
    memset(f->source, 0x11, PAGE);
    put(f, 0);
    end_batch(f);
    memset(f->source, 0, PAGE);
    put_zero(f, 0);
    end_batch(f);
    f->source[3000] = 0x66;
    assert_int_equal(put(f, 0), PUT_PACKED);
    receive_all(f);
    assert_memory_equal(f->source, f->copy, PAGE);
    assert_int_equal(f->n_zero, 1);
}

/* Two pages of one place: the one in use stays, until it was not used for two passes. */
static void test_a_page_in_use_is_not_pushed_out(void **state)
{
    Fixture *f = *state;

    atomic_store(&f->settings.xbzrle_cache_size, 4 * PAGE);
    page_encoder_begin(f->encoder);
    memset(f->source, 0x11, N_PAGES * PAGE);
    page_encoder_sync(f->encoder);
    page_encoder_sync(f->encoder); /* pass 2 */
    put(f, 1);
    put(f, 5);
    end_batch(f);
    f->source[1 * PAGE] = f->source[5 * PAGE] = 2;
    page_encoder_sync(f->encoder); /* 3 */
    assert_int_equal(put(f, 1), PUT_PACKED);
    assert_int_equal(put(f, 5), PUT_WHOLE);
    end_batch(f);
    page_encoder_sync(f->encoder);
    page_encoder_sync(f->encoder); /* 5 */
    put(f, 5);
    end_batch(f);
    f->source[5 * PAGE] = 3;
    assert_int_equal(put(f, 5), PUT_PACKED);
    receive_all(f);
    assert_memory_equal(f->source + 1 * PAGE, f->copy + 1 * PAGE, PAGE);
    assert_memory_equal(f->source + 5 * PAGE, f->copy + 5 * PAGE, PAGE);
}

static void test_random_writes_with_any_size_of_the_cache(void **state)
{
    Fixture *f = *state;
    g_autoptr(GRand) rand = g_rand_new_with_seed(31);

    for (unsigned pass = 0; pass < 300; pass++) {
        page_encoder_sync(f->encoder);
        if (pass % 17 == 0) {
            atomic_store(&f->settings.xbzrle_cache_size, PAGE << g_rand_int_range(rand, 0, 9));
        }
        page_encoder_begin(f->encoder);
        for (unsigned page = 0; page < N_PAGES; page++) {
            uint8_t *bytes = f->source + page * PAGE;

            if (g_rand_int_range(rand, 0, 3) != 0) {
                continue;
            }
            if (g_rand_int_range(rand, 0, 12) == 0) {
                memset(bytes, 0, PAGE);
                put_zero(f, page);
                continue;
            }
            for (int n = g_rand_int_range(rand, 0, 20); n >= 0; n--) {
                bytes[g_rand_int_range(rand, 0, PAGE)] = (uint8_t)g_rand_int(rand);
            }
            put(f, page);
        }
        stream_test_drain(f->writer, f->bytes);
    }
    receive_all(f);
    assert_memory_equal(f->source, f->copy, N_PAGES * PAGE);
    assert_true(f->n_delta > 1000 && f->n_whole > 100 && f->n_zero > 100);
}

static void test_an_impossible_size_is_bounded_by_the_guest(void **state)
{
    LiveSettings settings = { 0 };
    CodecCounters counters = { 0 };

    (void)state;
    atomic_store(&settings.xbzrle_cache_size, UINT64_C(1) << 63);
    g_autoptr(PageEncoder) encoder = xbzrle_encoder_new(&settings, &counters, N_PAGES, NULL);
    assert_non_null(encoder);
    assert_true(atomic_load(&counters.xbzrle_cache_size) == UINT64_C(1) << 63);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first_pass_is_plain_then_deltas),
        TEST(test_deltas_are_against_what_was_sent),
        TEST(test_overflow_sends_the_page_and_remembers_it),
        TEST(test_a_zero_page_is_remembered_as_zero),
        TEST(test_a_page_in_use_is_not_pushed_out),
        TEST(test_random_writes_with_any_size_of_the_cache),
        cmocka_unit_test(test_an_impossible_size_is_bounded_by_the_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
