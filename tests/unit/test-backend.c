/*
 * backend/backend*.c with an implementation that the test holds in its hand:
 * it notes what it is asked and answers when it is told to.
 */
#include "tests/unit/test.h"

#include <string.h>

#include <glib.h>

#include "backend/backend.h"
#include "backend/base/error.h"

typedef struct {
    Backend backend;
    GPtrArray *held; /* BackendReply not yet answered, in order of arrival */
    GString *log;    /* what happened: ">NAME" begun, "<TAG" done */
    bool at_once;    /* answer inside execute */
    bool emits;      /* emit an event inside execute */
} Fake;

static void fake_execute(Backend *backend, BackendSession *session, const SchemaCommand *command,
                         json_object *args, BackendReply *reply)
{
    Fake *fake = (Fake *)backend;

    g_string_append_printf(fake->log, ">%s%s ", command->name,
                           json_object_object_length(args) == 0
                               ? ""
                               : json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN));
    if (fake->emits) {
        backend_emit(backend, &(BackendEvent){ .name = "STOP" });
        backend_session_warn(session, "old");
    }
    if (fake->at_once) {
        backend_reply_return(reply, NULL);
    } else {
        g_ptr_array_add(fake->held, reply);
    }
}

static void fake_free(Backend *backend)
{
    Fake *fake = (Fake *)backend;

    backend_clear(backend);
    g_ptr_array_unref(fake->held);
    g_free(fake);
}

static const BackendOps fake_ops = { .execute = fake_execute, .free = fake_free };

static int setup(void **state)
{
    Fake *fake = g_new0(Fake, 1);

    backend_init(&fake->backend, &fake_ops);
    fake->held = g_ptr_array_new();
    fake->log = g_string_new(NULL);
    *state = fake;
    return 0;
}

static void spin(void)
{
    while (g_main_context_iteration(NULL, false)) {}
}

static int teardown(void **state)
{
    Fake *fake = *state;
    GString *log = fake->log;

    backend_free(&fake->backend);
    spin();
    g_string_free(log, true);
    return 0;
}

/* One request's tag and where to note its end. */
typedef struct {
    GString *log;
    const char *tag;
    int *count; /* how often done was called */
} Mark;

static void done(json_object *value, const GError *error, void *data)
{
    Mark *mark = data;

    assert_true((value == NULL) != (error == NULL));
    if (error != NULL) {
        g_string_append_printf(mark->log, "<%s:%s:%s ", mark->tag, mig_error_class(error),
                               error->message);
    } else {
        g_string_append_printf(mark->log, "<%s ", mark->tag);
    }
    if (mark->count != NULL) {
        ++*mark->count;
    }
    g_free(mark);
}

static void send_counted(Fake *fake, BackendSession *session, const char *tag, const char *request,
                         int *count)
{
    Mark *mark = g_new(Mark, 1);
    json_object *object = json_tokener_parse(request);

    *mark = (Mark){ fake->log, tag, count };
    backend_execute(&fake->backend, session, object, done, mark);
    json_object_put(object);
}

static void send(Fake *fake, BackendSession *session, const char *tag, const char *request)
{
    send_counted(fake, session, tag, request, NULL);
}

/* The oldest one held is answered; delivered with the next spin. */
static void answer(Fake *fake)
{
    BackendReply *reply = g_ptr_array_steal_index(fake->held, 0);
    backend_reply_return(reply, NULL);
}

static void assert_log(Fake *fake, const char *expected)
{
    assert_string_equal(fake->log->str, expected);
    g_string_truncate(fake->log, 0);
}

/* ---- order ---- */

static void test_in_band_requests_run_one_after_another(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);

    send(fake, session, "1", "{\"execute\":\"stop\"}");
    send(fake, session, "2", "{\"execute\":\"query-name\"}");
    send(fake, session, "3", "{\"execute\":\"query-uuid\"}");
    assert_log(fake, ""); /* nothing before backend_execute() has returned */
    spin();
    assert_log(fake, ">stop ");
    answer(fake);
    assert_log(fake, ""); /* the reply comes from the main loop */
    spin();
    assert_log(fake, "<1 >query-name ");
    answer(fake);
    spin();
    assert_log(fake, "<2 >query-uuid ");
    answer(fake);
    spin();
    assert_log(fake, "<3 ");
    backend_session_close(session);
}

static void test_out_of_band_requests_pass(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);

    send(fake, session, "1", "{\"execute\":\"stop\"}");
    send(fake, session, "2", "{\"execute\":\"query-name\"}");
    spin();
    send(fake, session, "oob", "{\"exec-oob\":\"x-query-owner\"}");
    spin();
    assert_log(fake, ">stop >x-query-owner ");
    backend_reply_return(g_ptr_array_steal_index(fake->held, 1), NULL);
    spin();
    assert_log(fake, "<oob "); /* and query-name still waits */
    answer(fake);
    spin();
    assert_log(fake, "<1 >query-name ");
    answer(fake);
    spin();
    assert_log(fake, "<2 ");
    backend_session_close(session);
}

static void test_sessions_do_not_wait_for_each_other(void **state)
{
    Fake *fake = *state;
    BackendSession *a = backend_session_new(&fake->backend, NULL, NULL);
    BackendSession *b = backend_session_new(&fake->backend, NULL, NULL);

    send(fake, a, "a", "{\"execute\":\"stop\"}");
    send(fake, b, "b", "{\"execute\":\"cont\"}");
    spin();
    assert_log(fake, ">stop >cont ");
    answer(fake);
    answer(fake);
    spin();
    assert_log(fake, "<a <b ");
    backend_session_close(a);
    backend_session_close(b);
}

static void test_an_answer_inside_execute_is_delivered_later(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);
    int count = 0;

    fake->at_once = true;
    send_counted(fake, session, "1", "{\"execute\":\"stop\"}", &count);
    send_counted(fake, session, "2", "{\"execute\":\"cont\"}", &count);
    assert_int_equal(count, 0);
    spin();
    assert_log(fake, ">stop <1 >cont <2 ");
    assert_int_equal(count, 2);
    backend_session_close(session);
}

/* ---- sessions that end ---- */

static void test_closing_in_flight_still_answers_everything_once(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);
    int first = 0, second = 0, oob = 0;

    send_counted(fake, session, "1", "{\"execute\":\"stop\"}", &first);
    send_counted(fake, session, "2", "{\"execute\":\"cont\"}", &second);
    spin();
    send_counted(fake, session, "oob", "{\"exec-oob\":\"x-query-owner\"}", &oob);
    backend_session_close(session);
    assert_int_equal(first + second + oob, 0);
    spin();
    assert_log(fake, ">stop "
                     "<2:GenericError:the connection was closed before the command was run "
                     "<oob:GenericError:the connection was closed before the command was run ");
    answer(fake);
    spin();
    assert_log(fake, "<1 ");
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
    assert_int_equal(oob, 1);
}

static void test_closing_before_anything_began_runs_nothing(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);

    send(fake, session, "1", "{\"execute\":\"stop\"}");
    backend_session_close(session);
    spin();
    assert_log(fake, "<1:GenericError:the connection was closed before the command was run ");
}

static void test_freeing_the_backend_answers_everything_once(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);
    GString *log = fake->log;
    int count = 0;
    void *fresh;

    send_counted(fake, session, "1", "{\"execute\":\"stop\"}", &count);
    send_counted(fake, session, "2", "{\"execute\":\"cont\"}", &count);
    spin();
    backend_free(&fake->backend);
    assert_int_equal(count, 0);
    spin();
    assert_int_equal(count, 2);
    assert_string_equal(log->str,
                        ">stop "
                        "<2:GenericError:the connection was closed before the command was run "
                        "<1:GenericError:migmon ended before the command did ");
    backend_session_close(session);
    g_string_free(log, true);
    setup(&fresh);
    *state = fresh;
}

static void close_own_session(json_object *value, const GError *error, void *data)
{
    (void)value;
    (void)error;
    backend_session_close(data);
}

static void test_a_session_may_be_closed_by_done(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);
    json_object *request = json_tokener_parse("{\"execute\":\"quit\"}");

    fake->at_once = true;
    backend_execute(&fake->backend, session, request, close_own_session, session);
    json_object_put(request);
    send(fake, session, "2", "{\"execute\":\"cont\"}");
    spin();
    assert_log(fake, ">quit "
                     "<2:GenericError:the connection was closed before the command was run ");
}

static void count_warning(const char *text, void *data)
{
    assert_string_equal(text, "old");
    ++*(int *)data;
}

static void test_warnings_go_to_the_session_until_it_is_closed(void **state)
{
    Fake *fake = *state;
    int warnings = 0;
    BackendSession *session = backend_session_new(&fake->backend, count_warning, &warnings);

    fake->emits = true;
    send(fake, session, "1", "{\"execute\":\"stop\"}");
    spin();
    assert_int_equal(warnings, 1);
    backend_session_close(session);
    backend_session_warn(session, "old"); /* the request in flight keeps it */
    assert_int_equal(warnings, 1);
    answer(fake);
    spin();
    g_string_truncate(fake->log, 0);
}

/* ---- requests ---- */

static const struct {
    const char *request, *log;
} requests[] = {
    { "{\"execute\":\"nosuch\"}", "<t:CommandNotFound:The command nosuch has not been found " },
    { "{\"exec-oob\":\"nosuch\"}", "<t:CommandNotFound:The command nosuch has not been found " },
    { "{\"execute\":\"migrate_set_speed\",\"arguments\":{\"value\":1}}",
      "<t:CommandNotFound:The command migrate_set_speed has not been found " },
    { "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"x\"}}",
      "<t:CommandNotFound:The command human-monitor-command has not been found " },
    { "{\"execute\":\"query-status\",\"arguments\":{\"x\":1}}",
      "<t:GenericError:Parameter 'x' is unexpected " },
    { "{\"exec-oob\":\"query-status\"}",
      "<t:GenericError:The command query-status does not support OOB " },
    { "{\"arguments\":{}}", "<t:GenericError:QMP input lacks member 'execute' " },
    { "[]", "<t:GenericError:QMP input must be a JSON object " },
    { "{\"execute\":\"migrate-cancel\"}", ">migrate_cancel <t " },
    { "{\"execute\":\"migrate\",\"arguments\":{\"channel\":{\"channeltype\":\"main\",\"addr\":"
      "{\"transport\":\"exec\",\"data\":[\"a\"]}}}}",
      ">migrate{\"channels\":[{\"addr\":{\"transport\":\"exec\",\"args\":[\"a\"]},"
      "\"channel-type\":\"main\"}]} <t " },
    { "{\"execute\":\"migrate\",\"arguments\":{\"channel\":{},\"channels\":[]}}",
      "<t:GenericError:Parameter 'channel' clashes with 'channels', of which it is the older "
      "spelling " },
    { "{\"execute\":\"query-commands\"}", "<t " },
};

static void test_requests_are_checked_before_they_are_run(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);

    fake->at_once = true;
    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        print_message("%s\n", requests[i].request);
        send(fake, session, "t", requests[i].request);
        spin();
        assert_log(fake, requests[i].log);
    }
    backend_session_close(session);
}

static void find_migrate(json_object *value, const GError *error, void *data)
{
    assert_null(error);
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        json_object *name = json_object_object_get(json_object_array_get_idx(value, i), "name");

        *(bool *)data |= strcmp(json_object_get_string(name), "migrate") == 0;
    }
}

static void test_query_commands_lists_the_schema(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);
    json_object *request = json_tokener_parse("{\"execute\":\"query-commands\"}");
    bool found = false;

    backend_execute(&fake->backend, session, request, find_migrate, &found);
    json_object_put(request);
    spin();
    assert_true(found);
    backend_session_close(session);
}

static void note_trace(const char *json, void *data)
{
    g_string_append_printf(data, "%s\n", json);
}

static void test_trace_shows_requests_as_they_came(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);
    g_autoptr(GString) trace = g_string_new(NULL);

    fake->at_once = true;
    backend_set_trace(&fake->backend, note_trace, trace);
    send(fake, session, "1",
         "{\"execute\":\"migrate\",\"id\":7,\"arguments\":{\"uri\":\"unix:/x\"}}");
    send(fake, session, "2", "{\"execute\":\"stop\"}");
    backend_set_trace(&fake->backend, NULL, NULL);
    send(fake, session, "3", "{\"execute\":\"cont\"}");
    spin();
    assert_string_equal(trace->str,
                        "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"unix:/x\"}}\n"
                        "{\"execute\":\"stop\"}\n");
    backend_session_close(session);
}

/* ---- events and requests ---- */

static void send_from_event(const BackendEvent *event, void *data)
{
    Fake *fake = data;
    static BackendSession *session;

    (void)event;
    if (session == NULL) {
        session = backend_session_new(&fake->backend, NULL, NULL);
        fake->emits = false;
        send(fake, session, "inner", "{\"execute\":\"query-migrate\"}");
        g_string_append(fake->log, "| ");
    } else {
        backend_session_close(session);
        session = NULL;
    }
}

static void test_a_request_from_an_event_does_not_enter_the_implementation_again(void **state)
{
    Fake *fake = *state;
    BackendSession *session = backend_session_new(&fake->backend, NULL, NULL);

    backend_subscribe(&fake->backend, send_from_event, fake);
    fake->emits = true;
    fake->at_once = true;
    send(fake, session, "outer", "{\"execute\":\"stop\"}");
    spin();
    assert_true(g_str_has_prefix(fake->log->str, ">stop | "));
    assert_non_null(strstr(fake->log->str, ">query-migrate "));
    assert_non_null(strstr(fake->log->str, "<outer "));
    assert_non_null(strstr(fake->log->str, "<inner "));
    backend_emit(&fake->backend, &(BackendEvent){ .name = "RESUME" });
    backend_session_close(session);
    g_string_truncate(fake->log, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_in_band_requests_run_one_after_another),
        TEST(test_out_of_band_requests_pass),
        TEST(test_sessions_do_not_wait_for_each_other),
        TEST(test_an_answer_inside_execute_is_delivered_later),
        TEST(test_closing_in_flight_still_answers_everything_once),
        TEST(test_closing_before_anything_began_runs_nothing),
        TEST(test_freeing_the_backend_answers_everything_once),
        TEST(test_a_session_may_be_closed_by_done),
        TEST(test_warnings_go_to_the_session_until_it_is_closed),
        TEST(test_requests_are_checked_before_they_are_run),
        TEST(test_query_commands_lists_the_schema),
        TEST(test_trace_shows_requests_as_they_came),
        TEST(test_a_request_from_an_event_does_not_enter_the_implementation_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
