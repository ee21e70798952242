/*
 * The pool of the destination's channels: how long it waits for one that has not come, and what is
 * said of channels that are closed when all is there.
 */
#include "tests/unit/test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/engine/incoming/multifd-pool.h"
#include "tests/unit/patience.h"

#define RAM_SIZE (16u * MIG_PAGE_SIZE)

typedef struct {
    Guest *guest;
    MigCounters counters;
    ChannelStats stats[1];
    unsigned looks; /* whether the source has left */
    bool left;
    char *failure;
    MultifdRecv *recv;
} Fixture;

static void failed(void *data, const GError *error)
{
    Fixture *f = data;

    f->failure = g_strdup(error->message);
}

static bool no_fault(void *data, const char *point, Transport *transport, GError **error)
{
    (void)data, (void)point, (void)transport, (void)error;
    return true;
}

static bool source_left(void *data)
{
    Fixture *f = data;

    f->looks++;
    return f->left;
}

static int setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->guest = guest_new(&(GuestOptions){ .machine = "none", .memory = RAM_SIZE }, NULL);
    f->recv = multifd_recv_new(&(MultifdRecvConfig){
        .settings = { .channels = 1, .wait_ms = patience_ms() },
        .guest = f->guest,
        .counters = &f->counters,
        .stats = f->stats,
        .data = f,
        .failed = failed,
        .fault = no_fault,
        .source_left = source_left,
    });
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    multifd_recv_free(f->recv);
    guest_free(f->guest);
    g_free(f->failure);
    g_free(f);
    return 0;
}

/* Its channels may stand at the door here when the main channel is over already. */
static void test_a_source_that_is_gone_has_a_moment(void **state)
{
    Fixture *f = *state;
    g_autoptr(GError) error = NULL;

    f->left = true;
    assert_false(multifd_recv_sync(f->recv, &error));
    assert_non_null(
        strstr(error->message, "the source left when 0 of 1 multifd channels had come"));
    assert_true(f->looks > 1);
}

static void put(int fd, const uint8_t *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* This side may close a channel before the source does: the attempt is complete all the same. */
static void test_a_channel_closed_when_all_is_there_is_done(void **state)
{
    Fixture *f = *state;
    g_autoptr(GError) error = NULL;
    uint8_t init[MULTIFD_INIT_BYTES], header[MULTIFD_HEADER_BYTES];
    MultifdInit hello = { .id = 0 };
    MultifdPacket packet = { .sync = true };
    size_t n;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    Transport *transport = transport_new_from_fd(fds[1], "channel", &error);
    assert_non_null(transport);
    multifd_recv_add(f->recv, transport);
    guest_uuid_bytes(f->guest, hello.uuid);
    multifd_init_encode(&hello, init);
    put(fds[0], init, sizeof init);
    multifd_packet_encode(&packet, header);
    put(fds[0], header, sizeof header);

    g_autoptr(Placer) placer = placer_new(guest_blocks(f->guest, &n), 1);
    multifd_recv_start(f->recv, placer);
    assert_true(multifd_recv_sync(f->recv, &error));
    assert_true(multifd_recv_finish(f->recv, &error));
    wait_others_sleep(); /* it reads on by now */
    multifd_recv_stop(f->recv);
    assert_int_equal(atomic_load(&f->stats[0].state), CHANNEL_STATE_DONE);
    assert_null(f->failure);
    multifd_recv_free(g_steal_pointer(&f->recv)); /* before the placer */
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_source_that_is_gone_has_a_moment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_channel_closed_when_all_is_there_is_done, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
