/*
 * Transports on real descriptors: what goes in comes out, whatever the sizes
 * of the pieces; a shutdown ends every wait; passed descriptors keep their
 * mode.
 */
#include "tests/unit/transport-test.h"

#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/transport/transport-private.h"
#include "tests/unit/patience.h"

/* ---- content ---- */

/* Bytes in which no two places look alike for long. */
static GBytes *content_new(size_t size)
{
    uint8_t *bytes = g_malloc(size);
    uint32_t x = 2463534242u;

    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        bytes[i] = (uint8_t)x;
    }
    return g_bytes_new_take(bytes, size);
}

/* @content as many entries of odd sizes, empty ones among them. */
static GArray *iovecs_of(GBytes *content)
{
    static const size_t sizes[] = { 1, 8, 4096, 0, 3, 777, 0, 0, 60000, 2 };
    GArray *iovecs = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    size_t size, at = 0;
    const char *bytes = g_bytes_get_data(content, &size);

    for (size_t i = 0; at < size; i++) {
        size_t length = MIN(sizes[i % G_N_ELEMENTS(sizes)], size - at);
        struct iovec iov = { (void *)(bytes + at), length };

        g_array_append_val(iovecs, iov);
        at += length;
    }
    return iovecs;
}

typedef struct {
    Transport *t;
    GBytes *content;
    bool finish;
    bool ok;
    size_t accepted;
    GError *error;
} Writer;

static gpointer write_thread(gpointer data)
{
    Writer *w = data;
    g_autoptr(GArray) iovecs = iovecs_of(w->content);

    w->ok = transport_write_all(w->t, (struct iovec *)iovecs->data, (int)iovecs->len, &w->accepted,
                                &w->error);
    if (w->ok && w->finish) {
        w->ok = transport_finish(w->t, &w->error);
    }
    return NULL;
}

/* Reads @size bytes, or to the end, in odd pieces. */
static GByteArray *read_bytes(Transport *t, size_t size)
{
    static const size_t pieces[] = { 1, 5000, 64, 100000 };
    GByteArray *bytes = g_byte_array_new();
    g_autofree uint8_t *buffer = g_malloc(100000);

    for (size_t i = 0; bytes->len < size; i++) {
        size_t piece = pieces[i % G_N_ELEMENTS(pieces)];
        struct iovec iov[] = { { NULL, 0 },
                               { buffer, piece / 2 },
                               { buffer + piece / 2, piece - piece / 2 } };
        ssize_t got = transport_readv(t, iov, G_N_ELEMENTS(iov), NULL);

        assert_true(got >= 0);
        if (got == 0) {
            break;
        }
        g_byte_array_append(bytes, buffer, (guint)got);
    }
    return bytes;
}

static void assert_bytes(const GByteArray *got, GBytes *content)
{
    assert_int_equal(got->len, g_bytes_get_size(content));
    assert_memory_equal(got->data, g_bytes_get_data(content, NULL), got->len);
}

/* Moves @size bytes from @out to @in and compares. */
static void assert_carries(Transport *out, Transport *in, size_t size)
{
    g_autoptr(GBytes) content = content_new(size);
    Writer w = { .t = out, .content = content };

    GThread *thread = g_thread_new("write", write_thread, &w);
    g_autoptr(GByteArray) got = read_bytes(in, size);
    g_thread_join(thread);
    assert_true(w.ok);
    assert_int_equal(w.accepted, size);
    assert_bytes(got, content);
}

#define SIZE (4 * 1024 * 1024 + 321)

static void test_socket_carries_everything(void **state)
{
    int fds[2], small = 4096;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    g_autoptr(Transport) a = take_fd(fds[0]);
    g_autoptr(Transport) b = take_fd(fds[1]);

    assert_true(transport_is_two_way(a));
    assert_string_equal(transport_name(a), "fd:test");
    assert_string_equal(a->ops->kind, "fd");
    assert_carries(a, b, SIZE);
    assert_carries(b, a, 100001);
    assert_true(transport_finish(a, NULL));
    g_clear_pointer(&a, transport_free);
    char byte;
    assert_int_equal(transport_read(b, &byte, 1, NULL), 0);
}

static void test_pipe_carries_everything(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    g_autoptr(Transport) in = take_fd(fds[0]);
    g_autoptr(Transport) out = take_fd(fds[1]);

    assert_false(transport_is_two_way(out));
    assert_carries(out, in, SIZE);
    g_clear_pointer(&out, transport_free);
    char byte;
    assert_int_equal(transport_read(in, &byte, 1, NULL), 0);
}

static void test_named_fifo_carries_everything_and_ends(void **state)
{
    g_autofree char *path = path_of("fifo");

    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK), writer = open(path, O_WRONLY);
    fcntl(reader, F_SETFL, 0);
    g_autoptr(Transport) in = take_fd(reader);
    g_autoptr(Transport) out = take_fd(writer);

    assert_carries(out, in, 1024 * 1024 + 1);
    g_clear_pointer(&out, transport_free);
    char byte;
    assert_int_equal(transport_read(in, &byte, 1, NULL), 0);
    unlink(path);
}

static void test_terminal_carries_everything(void **state)
{
    int master, slave;
    struct termios mode;

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(slave, &mode), 0);
    cfmakeraw(&mode);
    assert_int_equal(tcsetattr(slave, TCSANOW, &mode), 0);
    g_autoptr(Transport) in = take_fd(master);
    g_autoptr(Transport) out = take_fd(slave);

    assert_carries(out, in, 300007);
}

static void test_passed_descriptors_keep_their_mode(void **state)
{
    int pairs[4][2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[0]), 0);
    assert_int_equal(pipe(pairs[1]), 0);
    assert_int_equal(openpty(&pairs[2][0], &pairs[2][1], NULL, NULL, NULL), 0);
    pairs[3][0] = open("/dev/null", O_RDONLY);
    pairs[3][1] = open("/dev/null", O_WRONLY);
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        for (size_t end = 0; end < 2; end++) {
            g_auto(MigFd) other = dup(pairs[i][end]);
            int flags = fcntl(other, F_GETFL);
            g_autoptr(Transport) t = take_fd(pairs[i][end]);

            if (i < 2) { /* where the mode is shared for the whole time */
                assert_int_equal(fcntl(other, F_GETFL), flags);
            }
            g_clear_pointer(&t, transport_free);
            assert_int_equal(fcntl(other, F_GETFL), flags);
        }
    }
}

static void test_reader_that_left_is_an_error(void **state)
{
    int fds[2];
    char page[4096] = { 0 };
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    g_autoptr(Transport) out = take_fd(fds[1]);
    struct iovec iov = { page, sizeof page };
    size_t accepted = 99;
    assert_false(transport_write_all(out, &iov, 1, &accepted, &error));
    assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_IO));
    assert_string_equal(error->message, "Unable to write to file: Broken pipe");
    assert_int_equal(accepted, 0);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    close(fds[0]);
    g_autoptr(Transport) socket = take_fd(fds[1]);
    iov = (struct iovec){ page, sizeof page };
    g_clear_error(&error);
    assert_false(transport_write_all(socket, &iov, 1, NULL, &error));
    assert_string_equal(error->message, "Unable to write to socket: Broken pipe");
}

static void test_what_cannot_carry_a_stream_is_refused(void **state)
{
    int dgram[2];
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram), 0);
    assert_null(transport_new_from_fd(dgram[0], "fd:d", &error));
    assert_string_equal(error->message, "fd:d is a socket, but not of type stream");
    g_clear_error(&error);

    g_auto(MigFd) lonely = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_null(transport_new_from_fd(lonely, "fd:l", &error));
    assert_string_equal(error->message, "fd:l: Transport endpoint is not connected");
    g_clear_error(&error);

    g_auto(MigFd) folder = open(directory, O_RDONLY | O_DIRECTORY);
    assert_null(transport_new_from_fd(folder, "fd:f", &error));
    assert_non_null(strstr(error->message, "can carry a stream"));
    g_clear_error(&error);

    assert_null(transport_new_from_fd(-1, "fd:n", &error));
    assert_string_equal(error->message, "fd:n: Bad file descriptor");
    close(dgram[0]);
    close(dgram[1]);
}

/* ---- shutdown ---- */

/* A pair of transports, each of one kind. */
static void make_pair(const char *kind, Transport **ret_out, Transport **ret_in)
{
    int fds[2];

    if (strcmp(kind, "socket") == 0) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    } else if (strcmp(kind, "pipe") == 0) {
        assert_int_equal(pipe(fds), 0);
    } else {
        struct termios mode;

        assert_int_equal(openpty(&fds[0], &fds[1], NULL, NULL, NULL), 0);
        assert_int_equal(tcgetattr(fds[1], &mode), 0);
        cfmakeraw(&mode);
        assert_int_equal(tcsetattr(fds[1], TCSANOW, &mode), 0);
    }
    *ret_in = take_fd(fds[0]);
    *ret_out = take_fd(fds[1]);
}

typedef struct {
    Transport *t;
    ssize_t got;
    GError *error;
} Reader;

static gpointer read_thread(gpointer data)
{
    Reader *r = data;
    char byte;

    r->got = transport_read(r->t, &byte, 1, &r->error);
    return NULL;
}

static const char *const pair_kinds[] = { "socket", "pipe", "terminal" };

static void assert_stays_shut(Transport *t)
{
    g_autoptr(GError) error = NULL;
    char byte = 0;
    struct iovec iov = { &byte, 1 };

    assert_true(transport_is_shut_down(t));
    assert_int_equal(transport_read(t, &byte, 1, &error), -1);
    assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_CANCELLED));
    g_clear_error(&error);
    assert_false(transport_write_all(t, &iov, 1, NULL, &error));
    assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_CANCELLED));
    g_clear_error(&error);
    assert_false(transport_finish(t, &error));
    assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_CANCELLED));
}

static void test_shutdown_wakes_a_reader(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(pair_kinds); i++) {
        g_autoptr(Transport) out = NULL, in = NULL;

        print_message("%s\n", pair_kinds[i]);
        make_pair(pair_kinds[i], &out, &in);
        Reader r = { .t = in };
        GThread *thread = g_thread_new("read", read_thread, &r);
        wait_others_sleep(); /* it waits by now */
        transport_shutdown(in);
        transport_shutdown(in);
        g_thread_join(thread);
        assert_int_equal(r.got, -1);
        assert_true(g_error_matches(r.error, MIG_ERROR, MIG_ERROR_CANCELLED));
        g_clear_error(&r.error);
        assert_stays_shut(in);
    }
}

static void test_shutdown_wakes_a_writer(void **state)
{
    g_autoptr(GBytes) content = content_new(2 * 1024 * 1024);

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(pair_kinds); i++) {
        g_autoptr(Transport) out = NULL, in = NULL;

        print_message("%s\n", pair_kinds[i]);
        make_pair(pair_kinds[i], &out, &in);
        Writer w = { .t = out, .content = content };
        GThread *thread = g_thread_new("write", write_thread, &w);
        char byte;
        assert_int_equal(transport_read(in, &byte, 1, NULL), 1);
        wait_others_sleep();
        transport_shutdown(out);
        g_thread_join(thread);
        assert_false(w.ok);
        assert_true(w.accepted > 0 && w.accepted < 2 * 1024 * 1024);
        assert_true(g_error_matches(w.error, MIG_ERROR, MIG_ERROR_CANCELLED));
        g_clear_error(&w.error);
        assert_stays_shut(out);
    }
}

static void test_shutdown_of_a_socket_ends_the_peers_wait(void **state)
{
    g_autoptr(Transport) out = NULL, in = NULL;

    (void)state;
    make_pair("socket", &out, &in);
    Reader r = { .t = in };
    GThread *thread = g_thread_new("read", read_thread, &r);
    transport_shutdown(out);
    g_thread_join(thread);
    assert_int_equal(r.got, 0);
    assert_false(transport_is_shut_down(in));
}

static void test_shutdown_before_everything(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(pair_kinds); i++) {
        g_autoptr(Transport) out = NULL, in = NULL;

        make_pair(pair_kinds[i], &out, &in);
        transport_shutdown(out);
        transport_shutdown(in);
        assert_stays_shut(out);
        assert_stays_shut(in);
    }
}

/* A write that fills the pair waits for its reader, and says so. */
static void test_a_wait_for_the_reader_is_the_receivers(void **state)
{
    int fds[2];
    TransportWaits waits;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    g_autoptr(Transport) out = take_fd(fds[0]);
    g_autoptr(Transport) in = take_fd(fds[1]);
    g_autoptr(GBytes) content = content_new(SIZE);
    Writer w = { .t = out, .content = content };

    transport_get_waits(out, &waits);
    assert_int_equal(waits.receiver_us + waits.link_us, 0);
    GThread *thread = g_thread_new("write", write_thread, &w);
    wait_others_sleep(); /* the pair is full */
    G_GNUC_UNUSED g_autoptr(GByteArray) got = read_bytes(in, SIZE);
    g_thread_join(thread);
    assert_true(w.ok);
    transport_get_waits(out, &waits);
    assert_true(waits.receiver_us > 0);
    assert_int_equal(waits.link_us, 0);
    transport_get_waits(in, &waits);
    assert_int_equal(waits.receiver_us + waits.link_us, 0);
}

/* A peer that is stopped still acknowledges, with a closed window. */
static void test_when_a_host_is_gone(void **state)
{
    (void)state;
    assert_true(tcp_host_is_gone(10, 5, 0, 60000));
    assert_true(tcp_host_is_gone(0, 0, 4, 60000));
    assert_false(tcp_host_is_gone(10, 5, 0, 20000));  /* for a short time only */
    assert_false(tcp_host_is_gone(0, 0, 0, 3600000)); /* nothing is on the way: keepalive looks */
    assert_false(tcp_host_is_gone(0, 0, 1, 110000));  /* the last probe is not answered yet */
}

/* The kernel tells only one of the threads of a connection why it has ended. */
static void test_the_first_cause_is_told_to_all(void **state)
{
    g_autoptr(GError) error = NULL, other = NULL;
    int fds[2];
    char byte;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    g_autoptr(Transport) t = transport_new_from_fd(fds[0], "pair", NULL);
    transport_shutdown_because(t, "the host is gone");
    transport_shutdown_because(t, "another reason");
    assert_int_equal(transport_read(t, &byte, 1, &error), -1);
    assert_string_equal(error->message, "the host is gone");
    assert_false(transport_wait_writable(t, &other));
    assert_string_equal(other->message, "the host is gone");
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wait_for_the_reader_is_the_receivers),
        cmocka_unit_test(test_socket_carries_everything),
        cmocka_unit_test(test_pipe_carries_everything),
        cmocka_unit_test(test_named_fifo_carries_everything_and_ends),
        cmocka_unit_test(test_terminal_carries_everything),
        cmocka_unit_test(test_passed_descriptors_keep_their_mode),
        cmocka_unit_test(test_reader_that_left_is_an_error),
        cmocka_unit_test(test_what_cannot_carry_a_stream_is_refused),
        cmocka_unit_test(test_shutdown_wakes_a_reader),
        cmocka_unit_test(test_shutdown_wakes_a_writer),
        cmocka_unit_test(test_shutdown_of_a_socket_ends_the_peers_wait),
        cmocka_unit_test(test_shutdown_before_everything),
        cmocka_unit_test(test_when_a_host_is_gone),
        cmocka_unit_test(test_the_first_cause_is_told_to_all),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
