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
    unsigned looks;           /* whether the source has left */
    atomic_bool asked, quiet; /* the door */
    bool left;
    char *failure;
    MultifdRecv *recv;
} Fixture;

static void failed(void *data, const GError *error)
{
    Fixture *f = data;

    f->failure = g_strdup(error->message);
}

static bool source_left(void *data)
{
    Fixture *f = data;

    f->looks++;
    return f->left;
}

static bool door_is_quiet(void *data, bool *asked)
{
    Fixture *f = data;

    *asked = true;
    atomic_store(&f->asked, true);
    return atomic_load(&f->quiet);
}

static int setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->guest = guest_new(&(GuestOptions){ .machine = "none", .memory = RAM_SIZE }, NULL);
    f->recv = multifd_recv_new(&(MultifdRecvConfig){
        .settings = { .channels = 1, .wait_ms = patience_ms() },
        .silent_ms = 200,
        .guest = f->guest,
        .counters = &f->counters,
        .stats = f->stats,
        .data = f,
        .failed = failed,
        .source_left = source_left,
        .door_is_quiet = door_is_quiet,
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
    atomic_store(&f->quiet, true);
    assert_false(multifd_recv_sync(f->recv, &error));
    assert_non_null(
        strstr(error->message, "the source left when 0 of 1 multifd channels had come"));
    assert_true(f->looks > 1);
}

static void put(int fd, const uint8_t *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

static void put_sync(int fd)
{
    uint8_t header[MULTIFD_HEADER_BYTES];

    multifd_packet_encode(&(MultifdPacket){ .sync = true }, header);
    put(fd, header, sizeof header);
}

/* A channel that has said who it is and sent its first SYNC. */
static int our_end_of_a_channel(Fixture *f)
{
    uint8_t init[MULTIFD_INIT_BYTES];
    MultifdInit hello = { .id = 0 };
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    guest_uuid_bytes(f->guest, hello.uuid);
    multifd_init_encode(&hello, init);
    put(fds[0], init, sizeof init);
    put_sync(fds[0]);
    multifd_recv_add(f->recv, transport_new_from_fd(fds[1], "channel", NULL));
    return fds[0];
}

/* Its channels are open, and nothing comes on them: only half a pass was sent. */
static void test_silent_channels_of_a_source_that_is_gone(void **state)
{
    Fixture *f = *state;
    g_autoptr(GError) error = NULL;
    int fd = our_end_of_a_channel(f);
    size_t n;

    g_autoptr(Placer) placer = placer_new(guest_blocks(f->guest, &n), 1);
    multifd_recv_start(f->recv, placer);
    assert_true(multifd_recv_sync(f->recv, &error));
    f->left = true;
    assert_false(multifd_recv_sync(f->recv, &error));
    assert_non_null(strstr(error->message, "its multifd channels send nothing more"));
    multifd_recv_free(g_steal_pointer(&f->recv)); /* before the placer */
    close(fd);
}

/* The main channel is over for longer than a moment, and its channel still stands at the door: the
 * main loop is slow. */
static gpointer open_the_door(gpointer data)
{
    Fixture *f = data;

    while (!atomic_load(&f->asked)) {
        g_usleep(1000);
    }
    close(our_end_of_a_channel(f)); /* all of it is there, and its end */
    atomic_store(&f->quiet, true);
    return NULL;
}

static void test_a_channel_at_the_door_is_not_given_up(void **state)
{
    Fixture *f = *state;
    g_autoptr(GError) error = NULL;
    size_t n;

    f->left = true;
    g_autoptr(Placer) placer = placer_new(guest_blocks(f->guest, &n), 1);
    multifd_recv_start(f->recv, placer);
    GThread *door = g_thread_new("door", open_the_door, f);
    bool ok = multifd_recv_sync(f->recv, &error);
    atomic_store(&f->asked, true);
    g_thread_join(door);
    if (!ok) {
        fail_msg("%s", error->message);
    }
    assert_true(multifd_recv_finish(f->recv, &error));
    multifd_recv_free(g_steal_pointer(&f->recv)); /* before the placer */
}

/* A source without multifd: its pages come on the main channel. */
static void test_none_is_waited_for_when_none_came(void **state)
{
    Fixture *f = *state;
    g_autoptr(GError) error = NULL;
    size_t n;

    atomic_store(&f->quiet, true);
    g_autoptr(Placer) placer = placer_new(guest_blocks(f->guest, &n), 1);
    multifd_recv_start(f->recv, placer);
    assert_true(multifd_recv_none_came(f->recv));
    assert_true(multifd_recv_none_came(f->recv));
    assert_true(multifd_recv_finish(f->recv, &error));
    multifd_recv_free(g_steal_pointer(&f->recv));
}

static void test_a_channel_may_come_behind_the_first_sync_point(void **state)
{
    Fixture *f = *state;
    g_autoptr(GError) error = NULL;
    size_t n;

    atomic_store(&f->quiet, true);
    g_autoptr(Placer) placer = placer_new(guest_blocks(f->guest, &n), 1);
    multifd_recv_start(f->recv, placer);
    assert_true(multifd_recv_none_came(f->recv));
    int fd = our_end_of_a_channel(f);
    assert_false(multifd_recv_none_came(f->recv));
    put_sync(fd);
    assert_true(multifd_recv_sync(f->recv, &error));
    assert_true(multifd_recv_finish(f->recv, &error));
    multifd_recv_free(g_steal_pointer(&f->recv));
    close(fd);
}

static void test_a_channel_behind_pages_of_the_main_channel_is_a_failure(void **state)
{
    Fixture *f = *state;
    int fds[2];

    atomic_store(&f->quiet, true);
    assert_true(multifd_recv_none_came(f->recv));
    assert_true(multifd_recv_none_came(f->recv));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    multifd_recv_add(f->recv, transport_new_from_fd(fds[1], "channel", NULL));
    assert_non_null(f->failure);
    assert_non_null(strstr(f->failure, "comes behind pages of the main channel"));
    close(fds[0]);
}

/* This side may close a channel before the source does: the attempt is complete all the same. */
static void test_a_channel_closed_when_all_is_there_is_done(void **state)
{
    Fixture *f = *state;
    g_autoptr(GError) error = NULL;
    size_t n;
    int fd = our_end_of_a_channel(f);

    g_autoptr(Placer) placer = placer_new(guest_blocks(f->guest, &n), 1);
    multifd_recv_start(f->recv, placer);
    assert_true(multifd_recv_sync(f->recv, &error));
    assert_true(multifd_recv_finish(f->recv, &error));
    wait_others_sleep(); /* it reads on by now */
    multifd_recv_stop(f->recv);
    assert_int_equal(atomic_load(&f->stats[0].state), CHANNEL_STATE_DONE);
    assert_null(f->failure);
    multifd_recv_free(g_steal_pointer(&f->recv)); /* before the placer */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_source_that_is_gone_has_a_moment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_channels_of_a_source_that_is_gone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_channel_at_the_door_is_not_given_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_none_is_waited_for_when_none_came, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_channel_may_come_behind_the_first_sync_point, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_channel_behind_pages_of_the_main_channel_is_a_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_channel_closed_when_all_is_there_is_done, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
