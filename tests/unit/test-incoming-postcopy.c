/*
 * A destination in postcopy against a source that does what none may: whatever comes after the
 * guest was started, it ends in postcopy-paused (or completed, when nothing is missing), nobody
 * waits for ever, and the guest can be stopped at any time. Streams come over a socketpair, so
 * threads and transport are the real ones.
 */
#include "tests/unit/test.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/engine/attempt/pings.h"
#include "backend/engine/incoming/incoming.h"
#include "backend/stream/postcopy.h"
#include "backend/stream/return-path.h"
#include "backend/stream/writer.h"
#include "tests/unit/patience.h"

#define RAM_PAGES 1024u
#define RAM_SIZE  ((uint64_t)RAM_PAGES * MIG_PAGE_SIZE)
#define SECTION   2u
#define OURS      (ATTEMPT_PING_BIT | 5)
#define FOREIGN   (ATTEMPT_PING_BIT | 6)

typedef struct {
    EventQueue *events;
    Guest *origin; /* whose devices are sent */
    Guest *guest;
    TimerState timer;
    Migration *m;
    Incoming *in;
    StreamWriter *w;
    int fd; /* the source's end */
} Scene;

static void ignore_event(const EngineEvent *event, void *data)
{
    (void)event, (void)data;
}

static Guest *new_guest(void)
{
    g_autoptr(GError) error = NULL;
    Guest *guest = guest_new(
        &(GuestOptions){ .machine = "stress,rate=0", .memory = RAM_SIZE, .smp = 2 }, &error);

    assert_non_null(guest);
    return guest;
}

/* ---- what the source says ---- */

static void flush(Scene *s)
{
    int n;
    const struct iovec *iov = stream_writer_iov(s->w, &n);

    for (int i = 0; i < n; i++) {
        for (size_t done = 0; done < iov[i].iov_len;) {
            ssize_t sent = send(s->fd, (const uint8_t *)iov[i].iov_base + done,
                                iov[i].iov_len - done, MSG_NOSIGNAL);
            if (sent <= 0) {
                break; /* the destination has hung up */
            }
            done += (size_t)sent;
        }
    }
    stream_writer_reset(s->w);
}

static void put_device(StreamWriter *w, Scene *s)
{
    g_free(devices_save(w, s->origin, &s->timer, RUN_STATE_RUNNING));
}

static void put_rest(Scene *s, unsigned first)
{
    stream_writer_forget_block(s->w);
    stream_put_section_end(s->w, SECTION);
    stream_put_zero_pages(s->w, 0, (uint64_t)first * MIG_PAGE_SIZE, RAM_PAGES - first);
    stream_put_ram_eos(s->w);
    stream_put_footer(s->w, SECTION);
}

/* Up to the guest that runs with no page of its RAM. */
static void put_begin(Scene *s)
{
    g_autoptr(StreamWriter) content = stream_writer_new();

    stream_put_header(s->w);
    stream_put_configuration(s->w,
                             &(StreamConfiguration){ .machine = guest_machine_name(s->origin) });
    stream_put_command(s->w, COMMAND_OPEN_RETURN_PATH, NULL, 0);
    postcopy_put_advise(s->w, page_faults_page_sizes(s->guest));
    stream_put_ping(s->w, OURS);
    stream_put_section_start(s->w, SECTION, "ram", 0, 4);
    stream_put_ram_total(s->w, RAM_SIZE);
    stream_put_ram_block(s->w, "ram", RAM_SIZE);
    stream_put_ram_eos(s->w);
    stream_put_footer(s->w, SECTION);
    stream_put_command(content, COMMAND_POSTCOPY_LISTEN, NULL, 0);
    put_device(content, s);
    stream_put_ping(content, 3);
    stream_put_command(content, COMMAND_POSTCOPY_RUN, NULL, 0);
    postcopy_put_package(s->w, content);
    flush(s);
}

/* ---- the scene ---- */

static Transport *connect_pair(Scene *s)
{
    g_autoptr(GError) error = NULL;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    s->fd = fds[0];
    Transport *t = transport_new_from_fd(fds[1], "test", &error);
    assert_non_null(t);
    return t;
}

static void wait_status(Scene *s, MigrationStatus wanted)
{
    MigrationStatus now;

    WAIT_UNTIL((now = migration_get_status(s->m)) == wanted || migration_status_is_over(now));
    if (now != wanted) {
        g_autofree char *text = migration_dup_error(s->m);
        fail_msg("%s, expected %s: %s", migration_status_name(now), migration_status_name(wanted),
                 text != NULL ? text : "no error");
    }
}

static void begin(Scene *s)
{
    g_autoptr(GError) error = NULL;

    *s = (Scene){ .events = event_queue_new(ignore_event, NULL), .w = stream_writer_new() };
    s->origin = new_guest();
    s->guest = new_guest();
    if (!page_faults_possible(s->guest, &error)) {
        print_message("skipped: %s\n", error->message);
        skip();
    }
    stream_writer_add_block(s->w, "ram");
    assert_true(guest_empty(s->guest, &error)); /* one that went out with release-ram comes back */
    s->m = migration_new(s->events, false, "test");
    guest_stop(s->guest, RUN_STATE_INMIGRATE);
    migration_move(s->m, MIGRATION_NONE, MIGRATION_SETUP);
    migration_move(s->m, MIGRATION_SETUP, MIGRATION_ACTIVE);
    s->in = incoming_new(
        &(IncomingConfig){ .guest = s->guest,
                           .timer = &s->timer,
                           .migration = s->m,
                           .transport = connect_pair(s),
                           .capabilities = (MigCapabilities)1 << CAPABILITY_POSTCOPY_RAM },
        true, &error);
    assert_non_null(s->in);
    put_begin(s);
    WAIT_UNTIL(guest_run_state(s->guest) == RUN_STATE_RUNNING);
}

static void end(Scene *s)
{
    close(s->fd);
    incoming_free(s->in);
    event_queue_drain(s->events);
    event_queue_free(s->events);
    migration_unref(s->m);
    stream_writer_free(s->w);
    guest_free(s->guest);
    guest_free(s->origin);
}

/* Another connection, that asks for the bitmap as every recovery does first. */
static void come_again(Scene *s)
{
    wait_status(s, MIGRATION_POSTCOPY_PAUSED);
    close(s->fd);
    assert_true(incoming_recover(s->in, connect_pair(s)));
    wait_status(s, MIGRATION_POSTCOPY_RECOVER);
    postcopy_put_recv_bitmap(s->w, "ram");
}

/* ---- tests ---- */

static void test_devices_after_the_start_are_refused(void **state)
{
    Scene s;

    (void)state;
    begin(&s);
    put_device(s.w, &s);
    flush(&s);
    wait_status(&s, MIGRATION_POSTCOPY_PAUSED);
    assert_int_equal(guest_run_state(s.guest), RUN_STATE_RUNNING);
    end(&s);
}

static void test_a_source_that_asks_and_does_not_listen_holds_nobody(void **state)
{
    Scene s;

    (void)state;
    begin(&s);
    for (int i = 0; i < 64 && migration_get_status(s.m) == MIGRATION_POSTCOPY_ACTIVE; i++) {
        for (int k = 0; k < 1024; k++) {
            stream_put_ping(s.w, 9);
        }
        flush(&s);
    }
    /* Both vCPUs wait for a page; whether they can be stopped hangs on the thread that hears of it.
     */
    assert_int_equal(guest_stop(s.guest, RUN_STATE_PAUSED), RUN_STATE_RUNNING);
    wait_status(&s, MIGRATION_POSTCOPY_PAUSED);
    end(&s);
}

static void test_no_end_before_the_source_goes_on(void **state)
{
    Scene s;

    (void)state;
    begin(&s);
    shutdown(s.fd, SHUT_RDWR);
    come_again(&s);
    put_rest(&s, 0);
    stream_put_eof(s.w);
    flush(&s);
    wait_status(&s, MIGRATION_POSTCOPY_PAUSED);
    come_again(&s);
    stream_put_ping(s.w, OURS);
    stream_put_command(s.w, COMMAND_POSTCOPY_RESUME, NULL, 0);
    put_rest(&s, 0);
    stream_put_eof(s.w);
    flush(&s);
    shutdown(s.fd, SHUT_WR);
    wait_status(&s, MIGRATION_COMPLETED);
    end(&s);
}

static void test_the_source_of_another_guest_is_refused(void **state)
{
    static const uint32_t names[] = { FOREIGN, 7 };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        Scene s;

        begin(&s);
        shutdown(s.fd, SHUT_RDWR);
        come_again(&s);
        stream_put_ping(s.w, names[i]);
        stream_put_command(s.w, COMMAND_POSTCOPY_RESUME, NULL, 0);
        flush(&s);
        wait_status(&s, MIGRATION_POSTCOPY_PAUSED);
        json_object *history = migration_history_to_json(s.m, false);
        assert_non_null(strstr(json_object_get_string(json_object_object_get(history, "outcome")),
                               "not the one that the rest of this guest's RAM is at"));
        json_object_put(history);
        end(&s);
    }
}

/* Nothing is left at the source, so its end is nothing to this guest. */
static void test_a_guest_that_has_all_of_its_ram_is_complete(void **state)
{
    Scene s;

    (void)state;
    begin(&s);
    put_rest(&s, 0);
    flush(&s);
    shutdown(s.fd, SHUT_RDWR);
    wait_status(&s, MIGRATION_COMPLETED);
    assert_int_equal(guest_run_state(s.guest), RUN_STATE_RUNNING);
    assert_false(guest_is_empty(s.guest));
    end(&s);
}

static uint64_t n_waiting(Scene *s)
{
    incoming_note_faults(s->in);
    pthread_mutex_lock(&s->m->lock);
    uint64_t n = s->m->faults.n_waiting;
    pthread_mutex_unlock(&s->m->lock);
    return n;
}

/* A vCPU that waits is in the middle of a step: what the step goes by does not change under it. */
static void test_the_workload_of_a_vcpu_that_waits_stays(void **state)
{
    g_autoptr(GError) error = NULL;
    Scene s;

    (void)state;
    begin(&s);
    WAIT_UNTIL(n_waiting(&s) == 2);
    assert_false(guest_set(s.guest, "rate", "1M", &error));
    assert_non_null(strstr(error->message, "waits for a page"));
    put_rest(&s, 0);
    stream_put_eof(s.w);
    flush(&s);
    shutdown(s.fd, SHUT_WR);
    wait_status(&s, MIGRATION_COMPLETED);
    g_clear_error(&error);
    assert_true(guest_set(s.guest, "rate", "1M", &error));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices_after_the_start_are_refused),
        cmocka_unit_test(test_a_source_that_asks_and_does_not_listen_holds_nobody),
        cmocka_unit_test(test_no_end_before_the_source_goes_on),
        cmocka_unit_test(test_the_source_of_another_guest_is_refused),
        cmocka_unit_test(test_a_guest_that_has_all_of_its_ram_is_complete),
        cmocka_unit_test(test_the_workload_of_a_vcpu_that_waits_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
