/*
 * Sends without a copy: the bytes arrive, what is owed is waited for, and every such wait ends.
 */
#include "tests/unit/transport-test.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "backend/base/error.h"

#define SIZE ((size_t)2 << 20)

/* Connected over the loopback; @receive_buffer 0 = as it comes. */
static void tcp_pair(int receive_buffer, Transport **ret_out, Transport **ret_in)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t length = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0), out = socket(AF_INET, SOCK_STREAM, 0);
    int large = 4 << 20;

    if (receive_buffer > 0) {
        setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        setsockopt(out, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    }
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &length), 0);
    assert_int_equal(connect(out, (struct sockaddr *)&addr, sizeof addr), 0);
    int in = accept(listener, NULL, NULL);
    assert_true(in >= 0);
    close(listener);
    *ret_out = take_fd(out);
    *ret_in = take_fd(in);
    assert_true(transport_prepare_lending(*ret_out, NULL));
}

static uint8_t *content_new(size_t size)
{
    uint8_t *bytes = g_malloc(size);

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    return bytes;
}

static bool lend(Transport *t, uint8_t *bytes, size_t size, GError **error)
{
    struct iovec iov[] = { { bytes, size / 3 }, { bytes + size / 3, size - size / 3 } };

    return transport_lend_all(t, iov, G_N_ELEMENTS(iov), error);
}

static gpointer read_all(gpointer data)
{
    Transport *in = data;
    uint8_t *bytes = g_malloc(2 * SIZE);
    size_t have = 0;

    while (have < 2 * SIZE) {
        ssize_t n = transport_read(in, bytes + have, 2 * SIZE - have, NULL);

        if (n <= 0) {
            break;
        }
        have += (size_t)n;
    }
    return bytes;
}

static void test_what_is_lent_arrives_and_comes_back(void **state)
{
    g_autoptr(Transport) out = NULL;
    g_autoptr(Transport) in = NULL;
    g_autofree uint8_t *content = content_new(SIZE);
    bool copied;

    (void)state;
    tcp_pair(0, &out, &in);
    GThread *thread = g_thread_new("read", read_all, in);
    assert_true(transport_settle(out, &copied, NULL));
    assert_false(copied); /* nothing was sent */
    assert_true(lend(out, content, SIZE, NULL));
    assert_true(transport_settle(out, &copied, NULL));
    assert_true(copied); /* it goes to this host */
    /* Writes that are copied go between. */
    struct iovec half = { content, SIZE / 2 };
    assert_true(transport_write_all(out, &half, 1, NULL, NULL));
    assert_true(lend(out, content + SIZE / 2, SIZE / 2, NULL));
    assert_true(transport_settle(out, &copied, NULL));

    g_autofree uint8_t *got = g_thread_join(thread);
    assert_memory_equal(got, content, SIZE);
    assert_memory_equal(got + SIZE, content, SIZE);
}

typedef struct {
    Transport *out;
    bool ok;
    GError *error;
} Settler;

static gpointer settle(gpointer data)
{
    Settler *s = data;
    bool copied;

    s->ok = transport_settle(s->out, &copied, &s->error);
    return NULL;
}

static void test_shutdown_ends_the_wait_for_what_is_owed(void **state)
{
    g_autoptr(Transport) out = NULL;
    g_autoptr(Transport) in = NULL;
    g_autofree uint8_t *content = content_new(1 << 20);

    (void)state;
    tcp_pair(4096, &out, &in); /* takes little, and nobody reads */
    assert_true(lend(out, content, 1 << 20, NULL));
    Settler s = { .out = out };
    GThread *thread = g_thread_new("settle", settle, &s);
    transport_shutdown(out);
    g_thread_join(thread);
    assert_false(s.ok);
    assert_true(g_error_matches(s.error, MIG_ERROR, MIG_ERROR_CANCELLED));
    g_clear_error(&s.error);
}

static void test_peer_that_goes_ends_the_wait_for_what_is_owed(void **state)
{
    g_autoptr(Transport) out = NULL;
    g_autoptr(Transport) in = NULL;
    g_autofree uint8_t *content = content_new(1 << 20);

    (void)state;
    tcp_pair(4096, &out, &in);
    assert_true(lend(out, content, 1 << 20, NULL));
    Settler s = { .out = out };
    GThread *thread = g_thread_new("settle", settle, &s);
    g_clear_pointer(&in, transport_free); /* unread bytes: a reset */
    g_thread_join(thread);
    if (!s.ok) { /* the kernel may give everything back before it tells of the reset */
        assert_true(g_error_matches(s.error, MIG_ERROR, MIG_ERROR_IO));
    }
    g_clear_error(&s.error);
    assert_false(lend(out, content, 1 << 20, NULL));
}

static void test_unix_sockets_cannot(void **state)
{
    int fds[2];
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    g_autoptr(Transport) a = take_fd(fds[0]);
    g_autoptr(Transport) b = take_fd(fds[1]);
    assert_false(transport_prepare_lending(a, &error));
    assert_true(
        g_str_has_prefix(error->message, "Zero copy send feature not detected in host kernel\n"));
}

/* Also where the tests run as root. */
static void give_up_cap_ipc_lock(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

/* The last one: it changes the process. */
static void test_limit_on_locked_memory(void **state)
{
    struct rlimit limit;
    g_autoptr(GError) error = NULL;

    (void)state;
    give_up_cap_ipc_lock();
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    limit.rlim_cur = MIN(limit.rlim_max, 1 << 20);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    assert_true(transport_may_lend(limit.rlim_cur, NULL));
    assert_false(transport_may_lend(limit.rlim_cur + 1, &error));
    assert_true(g_str_has_prefix(error->message,
                                 "Process can't lock enough memory for using MSG_ZEROCOPY\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_lent_arrives_and_comes_back),
        cmocka_unit_test(test_shutdown_ends_the_wait_for_what_is_owed),
        cmocka_unit_test(test_peer_that_goes_ends_the_wait_for_what_is_owed),
        cmocka_unit_test(test_unix_sockets_cannot),
        cmocka_unit_test(test_limit_on_locked_memory),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
