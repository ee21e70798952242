/*
 * monitor/sink.c: output that never blocks the writer.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor/sink.h"

#define LIMIT (64u << 10)

typedef struct {
    int ends[2]; /* 0 is written to, 1 is read from */
    Sink *sink;
    char why[64];
    unsigned gone;
    unsigned below;
} Fixture;

static void on_gone(const char *why, void *data)
{
    Fixture *f = data;

    f->gone++;
    g_strlcpy(f->why, why, sizeof(f->why));
}

static void on_below(void *data)
{
    ((Fixture *)data)->below++;
}

static void open_pair(Fixture *f)
{
    int small = 4096;

    memset(f, 0, sizeof(*f));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->ends), 0);
    setsockopt(f->ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    f->sink = sink_new(f->ends[0], LIMIT, on_gone, f);
}

static void close_pair(Fixture *f)
{
    sink_free(f->sink);
    close(f->ends[0]);
    close(f->ends[1]);
}

/* Everything that is ready now; no waiting. */
static void turn_loop(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {}
}

static GByteArray *read_all(Fixture *f)
{
    GByteArray *all = g_byte_array_new();
    uint8_t bytes[1000];
    ssize_t n;

    do {
        while ((n = read(f->ends[1], bytes, sizeof(bytes))) > 0) {
            g_byte_array_append(all, bytes, (unsigned)n);
        }
        turn_loop();
        n = read(f->ends[1], bytes, sizeof(bytes));
        if (n > 0) {
            g_byte_array_append(all, bytes, (unsigned)n);
        }
    } while (n > 0 || (f->sink != NULL && sink_pending(f->sink) > 0));
    return all;
}

static void test_bytes_arrive_in_order_though_nobody_reads_at_first(void **state)
{
    Fixture f;
    g_autoptr(GByteArray) sent = g_byte_array_new();
    g_autoptr(GByteArray) got = NULL;

    (void)state;
    open_pair(&f);
    for (unsigned i = 0; sent->len < LIMIT / 2; i++) {
        char text[32];
        int n = g_snprintf(text, sizeof(text), "line %u\n", i);

        sink_puts(f.sink, text);
        g_byte_array_append(sent, (uint8_t *)text, (unsigned)n);
    }
    assert_true(sink_pending(f.sink) > 0);
    got = read_all(&f);
    assert_int_equal(got->len, sent->len);
    assert_memory_equal(got->data, sent->data, sent->len);
    assert_int_equal(f.gone, 0);
    close_pair(&f);
}

static void test_a_reader_that_stands_still_is_given_up_at_the_limit(void **state)
{
    Fixture f;
    char chunk[1024];

    (void)state;
    open_pair(&f);
    memset(chunk, 'x', sizeof(chunk));
    for (unsigned i = 0; i < 1024; i++) {
        sink_write(f.sink, chunk, sizeof(chunk));
        assert_true(sink_pending(f.sink) <= LIMIT);
    }
    assert_int_equal(f.gone, 0); /* never from inside a call */
    turn_loop();
    assert_int_equal(f.gone, 1);
    assert_string_equal(f.why, "the peer does not read");
    assert_int_equal(sink_pending(f.sink), 0);
    sink_write(f.sink, chunk, sizeof(chunk));
    turn_loop();
    assert_int_equal(f.gone, 1);
    close_pair(&f);
}

static void test_a_reader_that_left_is_told_once(void **state)
{
    Fixture f;

    (void)state;
    open_pair(&f);
    close(f.ends[1]);
    f.ends[1] = -1;
    sink_puts(f.sink, "a");
    sink_puts(f.sink, "b");
    assert_int_equal(f.gone, 0);
    turn_loop();
    assert_int_equal(f.gone, 1);
    assert_string_equal(f.why, "the peer is gone");
    close_pair(&f);
}

static void test_below_comes_when_the_reader_has_caught_up(void **state)
{
    Fixture f;
    g_autofree char *much = g_strnfill(LIMIT, 'x');
    g_autoptr(GByteArray) got = NULL;

    (void)state;
    open_pair(&f);
    sink_write(f.sink, much, LIMIT);
    sink_when_below(f.sink, 100, on_below, &f);
    turn_loop();
    assert_int_equal(f.below, 0);
    got = read_all(&f);
    turn_loop();
    assert_int_equal(got->len, LIMIT);
    assert_int_equal(f.below, 1);
    sink_when_below(f.sink, 100, on_below, &f); /* already true: still from the loop */
    assert_int_equal(f.below, 1);
    turn_loop();
    assert_int_equal(f.below, 2);
    sink_when_below(f.sink, 100, on_below, &f);
    sink_when_below(f.sink, 0, NULL, NULL); /* taken back */
    turn_loop();
    assert_int_equal(f.below, 2);
    close_pair(&f);
}

static void test_a_shared_pipe_stays_blocking_for_others(void **state)
{
    Fixture f = { 0 };
    g_autofree char *much = g_strnfill(1u << 20, 'x');

    (void)state;
    assert_int_equal(pipe(f.ends), 0); /* 0 reads here */
    f.sink = sink_new_shared(f.ends[1], LIMIT);
    sink_write(f.sink, much, 1u << 20); /* more than a pipe holds: must return */
    assert_true(sink_pending(f.sink) > 0);
    assert_int_equal(fcntl(f.ends[1], F_GETFL) & O_NONBLOCK, 0);
    close_pair(&f);
}

static void test_a_shared_sink_says_how_much_was_lost(void **state)
{
    Fixture f = { 0 };
    g_autofree char *much = g_strnfill(1u << 20, 'x');
    g_autoptr(GByteArray) got = NULL;
    int ends[2];
    size_t kept;
    g_autofree char *note = NULL;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    f.ends[0] = ends[1];
    f.ends[1] = ends[0];
    f.sink = sink_new_shared(f.ends[0], LIMIT);
    sink_write(f.sink, much, 1u << 20);
    got = read_all(&f);
    kept = strspn((char *)got->data, "x");
    note = g_strdup_printf("\n[%zu bytes of output lost: nobody read them]\n", (1u << 20) - kept);
    assert_int_equal(got->len, kept + strlen(note));
    assert_memory_equal(got->data + kept, note, strlen(note));
    close_pair(&f);
}

static void test_a_shared_sink_outlives_its_reader(void **state)
{
    Fixture f = { 0 };

    (void)state;
    assert_int_equal(pipe(f.ends), 0);
    f.sink = sink_new_shared(f.ends[1], LIMIT);
    close(f.ends[0]);
    f.ends[0] = -1;
    sink_puts(f.sink, "a");
    sink_when_below(f.sink, 0, on_below, &f);
    turn_loop();
    assert_int_equal(f.below, 1); /* who waits for the reader goes on */
    assert_true(sink_flush(f.sink, 0));
    close_pair(&f);
}

/* A queue that is half out when the reader goes away is gone, and with it what counted as out. */
static void test_a_reader_that_goes_in_the_middle_leaves_nothing_pending(void **state)
{
    (void)state;
    for (unsigned bytes = 0; bytes < 3; bytes++) {
        Fixture f = { 0 };
        g_autofree char *much = g_strnfill(LIMIT, 'x');
        char taken[8192];

        assert_int_equal(pipe(f.ends), 0);
        f.sink = sink_new_shared(f.ends[1], 4 * LIMIT);
        sink_write(f.sink, much, LIMIT);
        sink_write(f.sink, much, LIMIT);
        assert_true(sink_pending(f.sink) > 0);
        for (unsigned i = 0; i < bytes; i++) {
            assert_true(read(f.ends[0], taken, sizeof(taken)) > 0);
            turn_loop();
        }
        close(f.ends[0]);
        f.ends[0] = -1;
        turn_loop();
        assert_int_equal(sink_pending(f.sink), 0);
        assert_true(sink_flush(f.sink, 0));
        assert_false(sink_has_failed(f.sink)); /* a reader may go */
        sink_free(f.sink);
        close(f.ends[1]);
    }
}

/* One byte goes, the next write fails: what was written is no part of the queue any more. */
static void test_a_write_that_fails_behind_another_breaks_off(void **state)
{
    Fixture f = { 0 };
    struct rlimit before, small = { 0 };
    g_autofree char *path = g_strdup_printf("%s/migmon-sink-XXXXXX", g_get_tmp_dir());
    g_autofree char *much = g_strnfill(LIMIT, 'x');

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = LIMIT / 2;
    f.ends[0] = g_mkstemp(path);
    assert_true(f.ends[0] >= 0);
    f.sink = sink_new_shared(f.ends[0], LIMIT);
    setrlimit(RLIMIT_FSIZE, &small);
    sink_write(f.sink, much, LIMIT);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_true(sink_has_failed(f.sink));
    assert_int_equal(sink_pending(f.sink), 0);
    unlink(path);
    sink_free(f.sink);
    close(f.ends[0]);
}

static void test_flush_gives_up_on_a_reader_that_stands_still(void **state)
{
    Fixture f;
    g_autofree char *much = g_strnfill(LIMIT, 'x');
    g_autoptr(GByteArray) got = NULL;

    (void)state;
    open_pair(&f);
    sink_write(f.sink, much, LIMIT);
    assert_false(sink_flush(f.sink, 1));
    got = read_all(&f);
    assert_true(sink_flush(f.sink, 1));
    close_pair(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_arrive_in_order_though_nobody_reads_at_first),
        cmocka_unit_test(test_a_reader_that_stands_still_is_given_up_at_the_limit),
        cmocka_unit_test(test_a_reader_that_left_is_told_once),
        cmocka_unit_test(test_below_comes_when_the_reader_has_caught_up),
        cmocka_unit_test(test_a_shared_pipe_stays_blocking_for_others),
        cmocka_unit_test(test_a_shared_sink_says_how_much_was_lost),
        cmocka_unit_test(test_a_shared_sink_outlives_its_reader),
        cmocka_unit_test(test_a_reader_that_goes_in_the_middle_leaves_nothing_pending),
        cmocka_unit_test(test_a_write_that_fails_behind_another_breaks_off),
        cmocka_unit_test(test_flush_gives_up_on_a_reader_that_stands_still),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
