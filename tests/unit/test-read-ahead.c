/*
 * Reading ahead: every byte in order whatever pieces come, a waiting consumer gets what is there, a
 * shutdown and the end of the stream are passed on.
 */
#include "tests/unit/test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/engine/incoming/read-ahead.h"

typedef struct {
    int peer;
    Transport *transport;
    Prefetch *prefetch;
} Fixture;

static int setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->peer = fds[0];
    f->transport = transport_new_from_fd(fds[1], "test", NULL);
    f->prefetch = prefetch_new(f->transport, NULL);
    assert_non_null(f->prefetch);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    transport_shutdown(f->transport);
    prefetch_free(f->prefetch);
    transport_free(f->transport);
    if (f->peer >= 0) {
        close(f->peer);
    }
    g_free(f);
    return 0;
}

#define TOTAL (6u << 20)

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static void *write_pattern(void *data)
{
    Fixture *f = data;
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    uint8_t bytes[70000];

    for (size_t done = 0; done < TOTAL;) {
        size_t n = MIN((size_t)g_rand_int_range(rand, 1, (gint32)sizeof bytes), TOTAL - done);

        for (size_t i = 0; i < n; i++) {
            bytes[i] = pattern(done + i);
        }
        if (send(f->peer, bytes, n, MSG_NOSIGNAL) != (ssize_t)n) {
            break;
        }
        done += n;
    }
    close(f->peer);
    f->peer = -1;
    return NULL;
}

static void test_every_byte_in_order_then_the_end(void **state)
{
    Fixture *f = *state;
    GThread *writer = g_thread_new("writer", write_pattern, f);
    uint8_t *before = NULL;
    size_t total = 0, count, count_before = 0;
    g_autoptr(GError) error = NULL;

    do {
        uint8_t *bytes = prefetch_next(f->prefetch, &count, &error);

        assert_non_null(bytes);
        for (size_t i = 0; i < count; i++) {
            if (bytes[i] != pattern(total + i)) {
                fail_msg("byte %zu is wrong", total + i);
            }
        }
        /* The bytes of the call before are still in place. */
        for (size_t i = 0; count > 0 && i < count_before; i++) {
            if (before[i] != pattern(total - count_before + i)) {
                fail_msg("byte %zu of the call before has changed", i);
            }
        }
        total += count;
        before = bytes;
        count_before = count;
    } while (count > 0);
    assert_int_equal(total, TOTAL);
    g_thread_join(writer);
}

static void test_a_few_bytes_come_through_at_once(void **state)
{
    Fixture *f = *state;
    size_t count;

    for (int i = 0; i < 1000; i++) {
        uint8_t byte = (uint8_t)i, *bytes;

        assert_int_equal(send(f->peer, &byte, 1, MSG_NOSIGNAL), 1);
        bytes = prefetch_next(f->prefetch, &count, NULL);
        assert_int_equal(count, 1);
        assert_int_equal(bytes[0], byte);
    }
}

static void *shut_down(void *data)
{
    transport_shutdown(data);
    return NULL;
}

static void test_shutdown_wakes_the_consumer(void **state)
{
    Fixture *f = *state;
    GThread *thread = g_thread_new("shutdown", shut_down, f->transport);
    g_autoptr(GError) error = NULL;
    size_t count;

    assert_null(prefetch_next(f->prefetch, &count, &error));
    assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_CANCELLED));
    g_thread_join(thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_byte_in_order_then_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_few_bytes_come_through_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shutdown_wakes_the_consumer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
