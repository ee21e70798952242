/*
 * monitor/server/qmp-server.c and qmp-client.c against a backend that answers when it
 * is told to. The clock is not asked: the loop turns until a line is there.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/backend.h"
#include "monitor/server/qmp-server.h"

/* ---- a backend: query-name says "n", stop waits for release(), the rest gives {} ---- */

typedef struct {
    Backend base;
    BackendReply *held;
    unsigned stops;
    int named_fd;
} Fake;

typedef struct {
    Fake fake;
    SocketServer *server;
    char *folder;
    char *address;
} Fixture;

static void emit(Fixture *f, const char *name, bool hidden)
{
    backend_emit(&f->fake.base, &(BackendEvent){ .name = name, .time_us = 5, .hidden = hidden });
}

static void fake_execute(Backend *backend, BackendSession *session, const SchemaCommand *command,
                         json_object *args, BackendReply *reply)
{
    Fake *fake = (Fake *)backend;

    (void)args;
    if (strcmp(command->name, "query-name") == 0) {
        json_object *value = json_object_new_object();

        json_object_object_add(value, "name", json_object_new_string("n"));
        backend_reply_return(reply, value);
    } else if (strcmp(command->name, "stop") == 0) {
        fake->stops++;
        fake->held = reply;
    } else if (strcmp(command->name, "getfd") == 0) {
        if (json_object_object_get(args, "fdname") != NULL &&
            strcmp(json_object_get_string(json_object_object_get(args, "fdname")), "bad") == 0) {
            backend_reply_failure(reply, "refused");
            return;
        }
        fake->named_fd = backend_session_pop_fd(session);
        backend_reply_return(reply, NULL);
    } else if (strcmp(command->name, "quit") == 0) {
        backend_reply_return(reply, NULL);
        backend_emit(backend, &(BackendEvent){ .name = "SHUTDOWN", .time_us = 5 });
    } else {
        backend_reply_return(reply, NULL);
    }
}

static const BackendOps ops = { .execute = fake_execute };

static void turn_loop(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {}
}

static void release(Fixture *f)
{
    assert_non_null(f->fake.held);
    backend_reply_return(g_steal_pointer(&f->fake.held), NULL);
    turn_loop();
}

/* ---- a client ---- */

static int dial(Fixture *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, f->address + strlen("unix:"), sizeof(address.sun_path));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    turn_loop();
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    turn_loop();
}

static void say_with_fd(int fd, const char *text, int passed)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { g_strdup(text), strlen(text) };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &passed, sizeof(int));
    assert_int_equal(sendmsg(fd, &message, 0), strlen(text));
    g_free(iov.iov_base);
    turn_loop();
}

/* What has come, line ends as '|'. */
static char *hear(int fd)
{
    GString *text = g_string_new(NULL);
    char bytes[4096];
    ssize_t n;

    do {
        turn_loop();
        n = recv(fd, bytes, sizeof(bytes), 0);
        g_string_append_len(text, bytes, n > 0 ? n : 0);
    } while (n > 0);
    if (n == 0) {
        g_string_append(text, "EOF");
    }
    g_string_replace(text, "\r\n", "|", 0);
    return g_string_free(text, FALSE);
}

static void expect(int fd, const char *wanted)
{
    g_autofree char *heard = hear(fd);

    assert_string_equal(heard, wanted);
}

static int dial_and_negotiate(Fixture *f, const char *enable)
{
    int fd = dial(f);
    g_autofree char *text = g_strdup_printf(
        "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[%s]}}", enable);
    g_autofree char *greeting = NULL;

    say(fd, text);
    greeting = hear(fd);
    assert_true(g_str_has_suffix(greeting, "|{\"return\": {}}|"));
    return fd;
}

static int set_up(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    backend_init(&f->fake.base, &ops);
    f->fake.named_fd = -1;
    f->folder = g_dir_make_tmp("qmp-XXXXXX", NULL);
    f->address = g_strdup_printf("unix:%s/s", f->folder);
    f->server = qmp_server_new(&f->fake.base, f->address, 2, NULL);
    *state = f;
    return f->server == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    socket_server_free(f->server);
    backend_clear(&f->fake.base);
    turn_loop();
    if (rmdir(f->folder) != 0) { /* the socket file is gone */
        return -1;
    }
    g_free(f->folder);
    g_free(f->address);
    g_free(f);
    return 0;
}

/* ---- tests ---- */

static void test_socket_is_for_its_owner_only(void **state)
{
    Fixture *f = *state;
    struct stat st;

    assert_int_equal(stat(f->address + strlen("unix:"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_greeting_and_negotiation(void **state)
{
    int fd = dial(*state);

    expect(fd, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 8}, "
               "\"package\": \"migmon-" MIGMON_VERSION "\"}, \"capabilities\": [\"oob\"]}}|");
    say(fd, "{\"execute\":\"query-name\",\"id\":7}");
    expect(fd, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Expecting capabilities "
               "negotiation with 'qmp_capabilities'\"}, \"id\": 7}|");
    say(fd, "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"x\"]}}");
    expect(fd,
           "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'null' does not accept "
           "value 'x'\"}}|");
    say(fd, "{\"execute\":\"qmp_capabilities\",\"id\":null}{\"execute\":\"qmp_capabilities\"}");
    expect(fd,
           "{\"return\": {}, \"id\": null}|{\"error\": {\"class\": \"CommandNotFound\", \"desc\": "
           "\"Capabilities negotiation is already complete, command ignored\"}}|");
    close(fd);
}

static void test_id_comes_back_whatever_it_is(void **state)
{
    static const char *const ids[] = { "1", "\"a: ,\\\"\"", "null", "[1, {\"b\": 2.5}]", "true" };
    int fd = dial_and_negotiate(*state, "");

    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autofree char *text = g_strdup_printf("{\"execute\":\"query-name\",\"id\":%s}", ids[i]);
        g_autofree char *wanted =
            g_strdup_printf("{\"return\": {\"name\": \"n\"}, \"id\": %s}|", ids[i]);

        say(fd, text);
        expect(fd, wanted);
    }
    close(fd);
}

static void test_broken_input_is_answered_in_its_place(void **state)
{
    int fd = dial_and_negotiate(*state, "");

    say(fd, "{\"execute\":\"query-name\",\"id\":1}{\"execute\":}[1]{\"execute\":\"query-name\","
            "\"id\":2}");
    expect(
        fd,
        "{\"return\": {\"name\": \"n\"}, \"id\": 1}|"
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, expecting "
        "value\"}}|"
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input must be a JSON object\"}}|"
        "{\"return\": {\"name\": \"n\"}, \"id\": 2}|");
    close(fd);
}

static void test_requests_run_one_after_another(void **state)
{
    Fixture *f = *state;
    int fd = dial_and_negotiate(f, "");

    say(fd, "{\"execute\":\"stop\",\"id\":1}{\"execute\":\"query-name\",\"id\":2}{\"execute\":"
            "\"stop\"}");
    expect(fd, "");
    assert_int_equal(f->fake.stops, 1);
    release(f);
    expect(fd, "{\"return\": {}, \"id\": 1}|{\"return\": {\"name\": \"n\"}, \"id\": 2}|");
    assert_int_equal(f->fake.stops, 2);
    release(f);
    expect(fd, "{\"return\": {}}|");
    close(fd);
}

static void test_out_of_band_needs_negotiation(void **state)
{
    int plain = dial_and_negotiate(*state, "");
    int oob = dial_and_negotiate(*state, "\"oob\"");

    say(plain, "{\"exec-oob\":\"query-name\"}");
    expect(plain,
           "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input member 'exec-oob' is "
           "unexpected\"}}|");
    say(oob, "{\"execute\":\"stop\"}{\"exec-oob\":\"query-name\",\"id\":2}");
    expect(oob,
           "{\"error\": {\"class\": \"GenericError\", \"desc\": \"The command query-name does not "
           "support OOB\"}, \"id\": 2}|"); /* it did not wait for stop */
    release(*state);
    expect(oob, "{\"return\": {}}|");
    close(plain);
    close(oob);
}

static void test_reading_pauses_while_many_wait(void **state)
{
    Fixture *f = *state;
    int fd = dial_and_negotiate(f, "");
    const char *request = "{\"execute\":\"query-name\"}                                        ";
    size_t sent = 0;
    ssize_t n;

    say(fd, "{\"execute\":\"stop\"}");
    /* The kernel's buffers fill because nobody reads; without a pause this would never end. */
    while ((n = send(fd, request, strlen(request), MSG_NOSIGNAL)) > 0 && sent < 64u << 20) {
        sent += (size_t)n;
        turn_loop();
    }
    assert_true(sent < 64u << 20);
    close(fd);
    release(f);
}

static void test_events_go_to_those_who_negotiated(void **state)
{
    Fixture *f = *state;
    int ready = dial_and_negotiate(f, "");
    int fresh = dial(f);
    g_autofree char *greeting = hear(fresh);

    emit(f, "STOP", false);
    emit(f, "X_NOTICE", true);
    expect(ready, "{\"timestamp\": {\"seconds\": 0, \"microseconds\": 5}, \"event\": \"STOP\"}|");
    expect(fresh, "");
    assert_true(g_str_has_prefix(greeting, "{\"QMP\""));
    close(ready);
    close(fresh);
}

static void test_reply_of_quit_comes_before_its_event(void **state)
{
    int fd = dial_and_negotiate(*state, "");
    int other = dial_and_negotiate(*state, "");

    say(fd, "{\"execute\":\"quit\"}");
    expect(fd, "{\"return\": {}}|{\"timestamp\": {\"seconds\": 0, \"microseconds\": 5}, \"event\": "
               "\"SHUTDOWN\"}|");
    expect(other,
           "{\"timestamp\": {\"seconds\": 0, \"microseconds\": 5}, \"event\": \"SHUTDOWN\"}|");
    close(fd);
    close(other);
}

/* What @text, sent with a descriptor, leaves for the getfd behind it: nothing. */
static const struct {
    const char *what, *text, *answer;
    bool before; /* negotiation */
} unclaimed[] = {
    { "before negotiation", "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"a\"}}",
      "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Expecting capabilities negotiation "
      "with 'qmp_capabilities'\"}}|",
      true },
    { "another command", "{\"execute\":\"query-name\"}", "{\"return\": {\"name\": \"n\"}}|",
      false },
    { "no object", "[1]", NULL, false },
    { "broken", "{\"execute\":}", NULL, false },
    { "a member too many", "{\"execute\":\"getfd\",\"x\":1,\"arguments\":{\"fdname\":\"a\"}}", NULL,
      false },
    { "arguments missing", "{\"execute\":\"getfd\"}", NULL, false },
    { "out of band", "{\"exec-oob\":\"getfd\",\"arguments\":{\"fdname\":\"a\"}}", NULL, false },
};

static void test_a_descriptor_ends_with_the_request_it_came_with(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(unclaimed); i++) {
        int fd = dial(f);
        int ends[2];
        char byte;
        G_GNUC_UNUSED g_autofree char *greeting = hear(fd);
        g_autofree char *answer = NULL;

        print_message("%s\n", unclaimed[i].what);
        assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
        if (!unclaimed[i].before) {
            say(fd, "{\"execute\":\"qmp_capabilities\"}");
            expect(fd, "{\"return\": {}}|");
        }
        say_with_fd(fd, unclaimed[i].text, ends[1]);
        answer = hear(fd);
        assert_true(answer[0] != '\0');
        if (unclaimed[i].answer != NULL) {
            assert_string_equal(answer, unclaimed[i].answer);
        }
        if (unclaimed[i].before) {
            say(fd, "{\"execute\":\"qmp_capabilities\"}");
            expect(fd, "{\"return\": {}}|");
        }
        f->fake.named_fd = -1;
        say(fd, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"b\"}}");
        g_free(hear(fd));
        assert_int_equal(f->fake.named_fd, -1);
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 0); /* nobody has it */
        close(ends[0]);
        close(fd);
    }
}

/* A blank before the request, or its first bytes, bring the descriptor as well. */
static void test_a_descriptor_can_come_before_its_request(void **state)
{
    static const char *const parts[][2] = {
        { " ", "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"a\"}}" },
        { "{\"execute\":\"ge", "tfd\",\"arguments\":{\"fdname\":\"a\"}}" },
    };
    Fixture *f = *state;
    int fd = dial_and_negotiate(f, "");
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        f->fake.named_fd = -1;
        say_with_fd(fd, parts[i][0], ends[1]);
        expect(fd, "");
        say(fd, parts[i][1]);
        expect(fd, "{\"return\": {}}|");
        assert_true(f->fake.named_fd >= 0);
        close(f->fake.named_fd);
    }
    f->fake.named_fd = -1;
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

static void test_a_passed_descriptor_is_for_the_next_getfd(void **state)
{
    Fixture *f = *state;
    int fd = dial_and_negotiate(f, "");
    int ends[2];
    char byte;

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    say_with_fd(fd, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"a\"}}", ends[1]);
    expect(fd, "{\"return\": {}}|");
    assert_true(f->fake.named_fd >= 0);
    close(f->fake.named_fd);
    /* One that was refused is closed, not kept for another. */
    say_with_fd(fd, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"bad\"}}", ends[1]);
    say(fd, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"b\"}}");
    assert_int_equal(f->fake.named_fd, -1);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    close(fd);
}

static unsigned open_descriptors(void)
{
    g_autoptr(GDir) folder = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned count = 0;

    assert_non_null(folder);
    while (g_dir_read_name(folder) != NULL) {
        count++;
    }
    return count;
}

static void test_descriptors_that_nobody_asks_for_are_bounded(void **state)
{
    int fd = dial_and_negotiate(*state, "");
    unsigned before = open_descriptors();
    int ends[2];
    char byte;

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    for (unsigned i = 0; i < 100; i++) {
        say_with_fd(fd, " ", ends[1]);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), -1); /* some are kept */
    assert_true(open_descriptors() < before + 40); /* not a hundred */
    close(fd);
    turn_loop();
    assert_int_equal(read(ends[0], &byte, 1), 0); /* and all closed with the client */
    close(ends[0]);
}

static void test_a_client_may_leave_with_a_request_in_work(void **state)
{
    Fixture *f = *state;
    int fd = dial_and_negotiate(f, "");

    say(fd, "{\"execute\":\"stop\"}{\"execute\":\"query-name\"}");
    close(fd);
    turn_loop();
    emit(f, "STOP", false); /* finds out that nobody is there */
    turn_loop();
    release(f);
    fd = dial_and_negotiate(f, "");
    close(fd);
}

static void test_a_client_that_does_not_read_is_dropped(void **state)
{
    Fixture *f = *state;
    int deaf = dial_and_negotiate(f, "");
    int other = dial_and_negotiate(f, "");
    g_autofree char *rest = NULL;

    for (unsigned i = 0; i < 100000; i++) { /* 60 bytes and more each: beyond four MiB */
        emit(f, "STOP", false);
        if (i % 100 == 0) {
            g_autofree char *heard = hear(other);

            assert_true(g_str_has_prefix(heard, "{\"timestamp\""));
        }
    }
    rest = hear(deaf);
    assert_true(g_str_has_suffix(rest, "EOF"));
    say(other, "{\"execute\":\"query-name\"}");
    g_free(rest);
    rest = hear(other);
    assert_true(g_str_has_suffix(rest, "{\"return\": {\"name\": \"n\"}}|"));
    close(deaf);
    close(other);
}

static void test_human_monitor_command(void **state)
{
    int fd = dial_and_negotiate(*state, "");

    say(fd, "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"bogus\"}}");
    expect(fd, "{\"return\": \"unknown command: 'bogus'\\r\\n\"}|");
    close(fd);
}

static void test_human_monitor_command_knows_its_vcpus(void **state)
{
    int fd = dial_and_negotiate(*state, "");

    say(fd, "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"\",\"cpu-"
            "index\":1}}");
    expect(fd, "{\"return\": \"\"}|");
    say(fd, "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"\",\"cpu-"
            "index\":2}}");
    expect(
        fd,
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'cpu-index' expects a CPU "
        "number\"}}|");
    say(fd, "{\"execute\":\"human-monitor-command\"}");
    expect(fd, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'command-line' is "
               "missing\"}}|");
    close(fd);
}

static void test_a_second_server_does_not_take_the_socket(void **state)
{
    Fixture *f = *state;
    g_autoptr(GError) error = NULL;

    assert_null(qmp_server_new(&f->fake.base, f->address, 0, &error));
    assert_non_null(strstr(error->message, "is in use by another program"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_socket_is_for_its_owner_only),
        T(test_greeting_and_negotiation),
        T(test_id_comes_back_whatever_it_is),
        T(test_broken_input_is_answered_in_its_place),
        T(test_requests_run_one_after_another),
        T(test_out_of_band_needs_negotiation),
        T(test_reading_pauses_while_many_wait),
        T(test_events_go_to_those_who_negotiated),
        T(test_reply_of_quit_comes_before_its_event),
        T(test_a_passed_descriptor_is_for_the_next_getfd),
        T(test_a_descriptor_ends_with_the_request_it_came_with),
        T(test_a_descriptor_can_come_before_its_request),
        T(test_descriptors_that_nobody_asks_for_are_bounded),
        T(test_a_client_may_leave_with_a_request_in_work),
        T(test_a_client_that_does_not_read_is_dropped),
        T(test_human_monitor_command),
        T(test_human_monitor_command_knows_its_vcpus),
        T(test_a_second_server_does_not_take_the_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
