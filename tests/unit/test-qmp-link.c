/*
 * The connection to a monitor, against one that is played here over a socket:
 * negotiation, order, silence, rubbish, the way back.
 */
#include "tests/unit/test.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/qmp/link.h"
#include "tests/unit/patience.h"

#define GREETING     "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": []}}\r\n"
#define GREETING_OOB "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define RETURN       "{\"return\": {}}\r\n"

typedef struct {
    char *folder, *path, *address;
    int listener, peer; /* the monitor's end */
    QmpLink *link;
    GString *told;    /* of the callbacks: "up;", "down TEXT;", "EVENT;" ... */
    GString *heard;   /* what the monitor was sent and nobody has looked at */
    GString *answers; /* of requests, in order */
} Fixture;

static void on_up(json_object *greeting, void *data)
{
    assert_non_null(greeting);
    g_string_append(((Fixture *)data)->told, "up;");
}

static void on_down(const GError *error, void *data)
{
    g_autofree char *first = mig_error_first_line(error);

    g_string_append_printf(((Fixture *)data)->told, "down %s;", first);
}

static void on_event(const char *name, json_object *event_data, int64_t time_us, void *data)
{
    (void)event_data;
    assert_true(time_us > 0);
    g_string_append_printf(((Fixture *)data)->told, "%s;", name);
}

static void on_silent(const char *command, unsigned ms, void *data)
{
    (void)ms;
    g_string_append_printf(((Fixture *)data)->told, "silent %s;", command);
}

static void on_answers(const char *command, unsigned ms, void *data)
{
    (void)ms;
    g_string_append_printf(((Fixture *)data)->told, "answers %s;", command);
}

static const QmpLinkCallbacks callbacks = { on_up, on_down, on_event, on_silent, on_answers };

static void on_done(json_object *value, const GError *error, void *data)
{
    Fixture *f = data;

    g_string_append_printf(f->answers, "%s;",
                           error != NULL ? error->message
                                         : json_object_to_json_string_ext(value, 0));
}

static void set_up(Fixture *f)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };

    *f = (Fixture){ .peer = -1 };
    f->folder = g_dir_make_tmp("qmp-link-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "qmp", NULL);
    f->address = g_strconcat("unix:", f->path, NULL);
    f->told = g_string_new(NULL);
    f->heard = g_string_new(NULL);
    f->answers = g_string_new(NULL);
    g_strlcpy(name.sun_path, f->path, sizeof(name.sun_path));
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(f->listener, 4), 0);
}

static void begin(Fixture *f, unsigned answer_ms)
{
    const QmpLinkTimes times = { .connect_ms = patience_ms(), .answer_ms = answer_ms };

    f->link = qmp_link_new(f->address, &times, &callbacks, f, NULL);
    assert_non_null(f->link);
}

static void tear_down(Fixture *f)
{
    qmp_link_free(f->link);
    if (f->peer >= 0) {
        close(f->peer);
    }
    close(f->listener);
    g_unlink(f->path);
    g_rmdir(f->folder);
    g_string_free(f->told, TRUE);
    g_string_free(f->heard, TRUE);
    g_string_free(f->answers, TRUE);
    g_free(f->address);
    g_free(f->path);
    g_free(f->folder);
}

static void greet(Fixture *f, const char *text)
{
    if (f->peer >= 0) {
        close(f->peer);
    }
    RUN_UNTIL((f->peer = accept(f->listener, NULL, NULL)) >= 0);
    assert_int_equal(send(f->peer, text, strlen(text), 0), strlen(text));
}

static void say(Fixture *f, const char *text)
{
    assert_int_equal(send(f->peer, text, strlen(text), 0), strlen(text));
}

static bool hears(Fixture *f, const char *text)
{
    char bytes[4096];
    ssize_t n = recv(f->peer, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n > 0) {
        g_string_append_len(f->heard, bytes, n);
    }
    return strstr(f->heard->str, text) != NULL;
}

static void connect_up(Fixture *f, const char *greeting)
{
    greet(f, greeting);
    RUN_UNTIL(hears(f, "qmp_capabilities"));
    say(f, RETURN);
    RUN_UNTIL(g_str_has_suffix(f->told->str, "up;"));
    g_string_truncate(f->heard, 0);
}

static void send_request(Fixture *f, const char *command, bool oob)
{
    qmp_link_send(f->link, command, NULL, oob, -1, on_done, f);
}

/* ---- tests ---- */

static void test_negotiates_with_what_is_offered(void **state)
{
    Fixture f;

    (void)state;
    for (int oob = 0; oob < 2; oob++) {
        set_up(&f);
        begin(&f, patience_ms());
        greet(&f, oob ? GREETING_OOB : GREETING);
        RUN_UNTIL(hears(&f, "qmp_capabilities"));
        RUN_UNTIL(hears(&f, "\n"));
        assert_int_equal(strstr(f.heard->str, "\"oob\"") != NULL, oob);
        say(&f, RETURN);
        RUN_UNTIL(strcmp(f.told->str, "up;") == 0);
        assert_int_equal(qmp_link_has_oob(f.link), oob);
        assert_int_equal(qmp_link_pid(f.link), getpid());
        tear_down(&f);
    }
}

static void test_one_request_is_in_flight_and_oob_passes(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f);
    begin(&f, patience_ms());
    connect_up(&f, GREETING_OOB);
    send_request(&f, "first", false);
    send_request(&f, "second", false);
    send_request(&f, "urgent", true);
    RUN_UNTIL(hears(&f, "urgent"));
    assert_non_null(strstr(f.heard->str, "\"execute\":\"first\",\"id\":1"));
    assert_non_null(strstr(f.heard->str, "\"exec-oob\":\"urgent\",\"id\":2"));
    assert_null(strstr(f.heard->str, "second"));
    say(&f, "{\"return\": 20, \"id\": 2}{\"event\": \"STOP\"}{\"return\": 10, \"id\": 1}");
    RUN_UNTIL(hears(&f, "second"));
    say(&f, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no such\"}, \"id\": 3}");
    RUN_UNTIL(g_str_has_suffix(f.answers->str, "no such;"));
    assert_string_equal(f.answers->str, "20;10;no such;");
    assert_string_equal(f.told->str, "up;STOP;");
    assert_int_equal(qmp_link_sent(f.link), 3);
    tear_down(&f);
}

static void test_silence_is_told_and_the_late_answer_is_taken(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f);
    begin(&f, 30);
    connect_up(&f, GREETING);
    send_request(&f, "slow", false);
    send_request(&f, "behind", false);
    RUN_UNTIL(strstr(f.told->str, "silent slow;") != NULL &&
              g_strrstr(f.answers->str, "slow") != f.answers->str);
    RUN_UNTIL(strstr(f.answers->str, "has not answered 'slow' for") != NULL);
    send_request(&f, "next", false);
    RUN_UNTIL(f.answers->len > 0 && g_strrstr(f.answers->str, ";") != NULL);
    assert_true(qmp_link_silent_ms(f.link) >= 30);
    say(&f, "{\"return\": {}, \"id\": 1}");
    RUN_UNTIL(strstr(f.told->str, "answers slow;") != NULL);
    assert_int_equal(qmp_link_silent_ms(f.link), 0);
    g_string_truncate(f.answers, 0);
    send_request(&f, "again", false);
    RUN_UNTIL(hears(&f, "again"));
    assert_null(strstr(f.heard->str, "next")); /* what was refused is not sent later */
    say(&f, "{\"return\": 7, \"id\": 2}");
    RUN_UNTIL(strcmp(f.answers->str, "7;") == 0);
    tear_down(&f);
}

/* What a monitor can send instead of an answer; each ends the connection, and nothing else. */
static void test_rubbish_ends_the_connection(void **state)
{
    static const char *const rows[] = {
        "hello\r\n",
        "[1, 2]\r\n",
        "{\"return\": {}, \"id\": 99}\r\n",
        "{\"return\": {}}\r\n",
        "{\"nothing\": 1}\r\n",
        "{\"return\": {}, \"id\": \"1\"",
    };
    Fixture f;

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        print_message("%s\n", rows[i]);
        set_up(&f);
        begin(&f, patience_ms());
        connect_up(&f, GREETING);
        send_request(&f, "asked", false);
        RUN_UNTIL(hears(&f, "asked"));
        say(&f, rows[i]);
        if (i + 1 == G_N_ELEMENTS(rows)) {
            shutdown(f.peer, SHUT_RDWR);
        }
        RUN_UNTIL(strstr(f.told->str, "down ") != NULL && f.answers->len > 0);
        assert_non_null(strstr(f.answers->str, "before it was answered"));
        connect_up(&f, GREETING); /* it comes back by itself */
        tear_down(&f);
    }
}

static void test_events_without_a_name_are_passed_over(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f);
    begin(&f, patience_ms());
    connect_up(&f, GREETING);
    say(&f, "{\"event\": null}{\"event\": {}}{\"event\": 7, \"data\": null}{\"event\": \"NAMED\"}");
    RUN_UNTIL(strstr(f.told->str, "NAMED;") != NULL);
    assert_string_equal(f.told->str, "up;NAMED;");
    tear_down(&f);
}

static void test_first_attempt_that_fails_is_told_once(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f);
    close(f.listener);
    f.listener = -1;
    begin(&f, patience_ms());
    RUN_UNTIL(f.told->len > 0);
    assert_true(g_str_has_prefix(f.told->str, "down cannot connect to unix:"));
    assert_non_null(strstr(f.told->str, "Connection refused"));
    tear_down(&f);
}

static void test_greeting_that_does_not_come(void **state)
{
    const QmpLinkTimes times = { .connect_ms = 30, .answer_ms = 1000 };
    Fixture f;

    (void)state;
    set_up(&f);
    f.link = qmp_link_new(f.address, &times, &callbacks, &f, NULL);
    RUN_UNTIL(f.told->len > 0);
    assert_non_null(strstr(f.told->str, "connected, but no greeting for"));
    tear_down(&f);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        { "unix:/a/b", true },   { "/a/b", true },   { "tcp:localhost:4444", true },
        { "tcp:[::1]:1", true }, { "unix:", false }, { "exec:cat", false },
        { "a/b", false },        { "", false },      { "tcp:host", false },
        { "file:/a", false },
    };
    const QmpLinkTimes times = { 100, 100 };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        QmpLink *link = qmp_link_new(rows[i].text, &times, &callbacks, NULL, &error);

        print_message("[%s]\n", rows[i].text);
        assert_int_equal(link != NULL, rows[i].good);
        assert_int_equal(error == NULL, rows[i].good);
        qmp_link_free(link);
    }
}

static void test_free_answers_everything(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f);
    begin(&f, patience_ms());
    connect_up(&f, GREETING);
    send_request(&f, "one", false);
    send_request(&f, "two", false);
    RUN_UNTIL(hears(&f, "one"));
    qmp_link_free(f.link);
    f.link = NULL;
    assert_non_null(strstr(f.answers->str, "disconnected before it was answered;"));
    assert_non_null(strstr(f.answers->str, "disconnected;"));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiates_with_what_is_offered),
        cmocka_unit_test(test_one_request_is_in_flight_and_oob_passes),
        cmocka_unit_test(test_silence_is_told_and_the_late_answer_is_taken),
        cmocka_unit_test(test_rubbish_ends_the_connection),
        cmocka_unit_test(test_events_without_a_name_are_passed_over),
        cmocka_unit_test(test_first_attempt_that_fails_is_told_once),
        cmocka_unit_test(test_greeting_that_does_not_come),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_free_answers_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
