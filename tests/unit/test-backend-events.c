/*
 * The parts of backend/backend*.c that need no running request: events and
 * their subscribers, the shape of requests, the descriptors of a session.
 */
#include <fcntl.h>
#include "tests/unit/test.h"

#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "backend/backend.h"

static void idle_free(Backend *backend)
{
    backend_clear(backend);
    g_free(backend);
}

static const BackendOps idle_ops = { .free = idle_free };

static int setup(void **state)
{
    Backend *backend = g_new0(Backend, 1);

    backend_init(backend, &idle_ops);
    *state = backend;
    return 0;
}

static int teardown(void **state)
{
    backend_free(*state);
    return 0;
}

/* ---- events ---- */

typedef struct {
    Backend *backend;
    GString *log;
    char letter;
    unsigned id, other; /* unsubscribed when an event comes; 0 = none */
    bool subscribes;
} Listener;

static void hear(const BackendEvent *event, void *data)
{
    Listener *listener = data;

    (void)event;
    g_string_append_c(listener->log, listener->letter);
    if (listener->other != 0) {
        backend_unsubscribe(listener->backend, listener->other);
    }
    if (listener->subscribes) {
        static Listener late;
        late = (Listener){ listener->backend, listener->log, 'l', 0, 0, false };
        listener->subscribes = false;
        backend_subscribe(listener->backend, hear, &late);
    }
}

static void assert_heard(GString *log, const char *expected)
{
    assert_string_equal(log->str, expected);
    g_string_truncate(log, 0);
}

static void test_subscribers_may_come_and_go_during_an_event(void **state)
{
    Backend *backend = *state;
    g_autoptr(GString) log = g_string_new(NULL);
    Listener a = { backend, log, 'a', 0, 0, true };
    Listener b = { backend, log, 'b', 0, 0, false };
    Listener c = { backend, log, 'c', 0, 0, false };
    const BackendEvent event = { .name = "STOP" };

    a.id = backend_subscribe(backend, hear, &a);
    b.id = backend_subscribe(backend, hear, &b);
    c.id = backend_subscribe(backend, hear, &c);
    b.other = c.id; /* c is not told any more, in this very round */
    a.other = a.id;
    backend_emit(backend, &event);
    assert_heard(log, "ab");
    backend_emit(backend, &event);
    assert_heard(log, "bl"); /* who came during the first hears the second */
    backend_unsubscribe(backend, b.id);
    backend_emit(backend, &event);
    assert_heard(log, "l");
    assert_int_equal(backend->subscribers->len, 1);
}

static void test_event_json_has_qemus_members(void **state)
{
    json_object *data = json_tokener_parse("{\"status\":\"setup\"}");
    json_object *with = backend_event_to_json(
        &(BackendEvent){ .name = "MIGRATION", .data = data, .time_us = 1795147854853898 });
    json_object *without = backend_event_to_json(&(BackendEvent){ .name = "STOP", .time_us = 5 });

    (void)state;
    assert_string_equal(json_object_to_json_string_ext(with, JSON_C_TO_STRING_PLAIN),
                        "{\"timestamp\":{\"seconds\":1795147854,\"microseconds\":853898},"
                        "\"event\":\"MIGRATION\",\"data\":{\"status\":\"setup\"}}");
    assert_string_equal(json_object_to_json_string_ext(without, JSON_C_TO_STRING_PLAIN),
                        "{\"timestamp\":{\"seconds\":0,\"microseconds\":5},\"event\":\"STOP\"}");
    json_object_put(with);
    json_object_put(without);
    json_object_put(data);
}

/* ---- shapes ---- */

static const struct {
    const char *request;
    bool oob;
    const char *error;
} shapes[] = {
    { "{\"execute\":\"query-status\",\"id\":{\"a\":[1]}}", false, NULL },
    { "{\"exec-oob\":\"x-query-owner\"}", true, NULL },
    { "{\"exec-oob\":\"nosuch\"}", true, NULL },
    { "null", true, "QMP input must be a JSON object" },
    { "123", true, "QMP input must be a JSON object" },
    { "{}", true, "QMP input lacks member 'execute'" },
    { "{\"execute\":1}", true, "QMP input member 'execute' must be a string" },
    { "{\"exec-oob\":1}", true, "QMP input member 'exec-oob' must be a string" },
    { "{\"execute\":\"query-status\",\"bogus\":1}", true,
      "QMP input member 'bogus' is unexpected" },
    { "{\"execute\":\"query-status\",\"arguments\":[]}", true,
      "QMP input member 'arguments' must be an object" },
    { "{\"execute\":\"query-status\",\"exec-oob\":\"query-status\"}", true,
      "QMP input member 'execute' clashes with 'exec-oob'" },
    { "{\"exec-oob\":\"query-status\"}", false, "QMP input member 'exec-oob' is unexpected" },
    { "{\"exec-oob\":\"query-status\"}", true, "The command query-status does not support OOB" },
};

static void test_shape_errors_are_qmps(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        json_object *request = json_tokener_parse(shapes[i].request);
        g_autoptr(GError) error = NULL;

        print_message("%s\n", shapes[i].request);
        assert_int_equal(backend_check_request(request, shapes[i].oob, &error),
                         shapes[i].error == NULL);
        if (shapes[i].error != NULL) {
            assert_string_equal(error->message, shapes[i].error);
        }
        json_object_put(request);
    }
}

/* ---- descriptors ---- */

static int open_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_descriptors_belong_to_their_session(void **state)
{
    Backend *backend = *state;
    BackendSession *a = backend_session_new(backend, NULL, NULL);
    BackendSession *b = backend_session_new(backend, NULL, NULL);
    int first = open_null(), second = open_null(), third = open_null();

    backend_session_push_fd(a, first);
    backend_session_push_fd(a, second);
    assert_int_equal(backend_session_pop_fd(b), -1);
    assert_int_equal(backend_session_pop_fd(a), first);

    backend_session_set_named_fd(a, "mig", first);
    backend_session_set_named_fd(a, "mig", third); /* the older one is closed */
    assert_false(is_open(first));
    assert_int_equal(backend_session_take_named_fd(b, "mig"), -1);
    assert_int_equal(backend_session_take_named_fd(a, "other"), -1);
    assert_int_equal(backend_session_take_named_fd(a, "mig"), third);
    assert_int_equal(backend_session_take_named_fd(a, "mig"), -1);

    backend_session_set_named_fd(a, "again", third);
    backend_session_close(a);
    assert_false(is_open(second));
    assert_false(is_open(third));
    backend_session_close(b);
}

static void test_a_flood_of_descriptors_is_bounded(void **state)
{
    Backend *backend = *state;
    BackendSession *session = backend_session_new(backend, NULL, NULL);
    int last = -1, kept = 0;

    for (int i = 0; i < 200; i++) {
        last = open_null();
        backend_session_push_fd(session, last);
    }
    assert_false(is_open(last));
    for (int fd; (fd = backend_session_pop_fd(session)) >= 0; kept++) {
        close(fd);
    }
    assert_int_equal(kept, 64);
    backend_session_close(session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_subscribers_may_come_and_go_during_an_event),
        cmocka_unit_test(test_event_json_has_qemus_members),
        cmocka_unit_test(test_shape_errors_are_qmps),
        TEST(test_descriptors_belong_to_their_session),
        TEST(test_a_flood_of_descriptors_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
