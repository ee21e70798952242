/*
 * The lobby of a listener: strays are dropped with a word, the migration gets
 * through, and every callback may free the listener.
 */
#include "tests/unit/listener-test.h"

#include "backend/transport/transport-private.h"

static bool has_notice(const Seen *seen, const char *part)
{
    for (guint i = 0; i < seen->notices->len; i++) {
        if (strstr(g_ptr_array_index(seen->notices, i), part) != NULL) {
            return true;
        }
    }
    return false;
}

#define SILENT 40

static void test_strays_are_dropped_with_a_word(void **state)
{
    static const struct {
        const char *bytes, *notice;
    } rows[] = {
        { "GET / HTTP/1.0\r\n\r\n", "an HTTP request" },
        { "\x11\x22\x33\x44", "multifd is off here" },
        { "\x11\x22\x33\x45", "it began with 11 22 33 45" },
        { "\x16\x03\x01\x02", "parameter tls-creds is not set here" },
        { "QEVX", "it began with 51 45 56 58 (\"QEVX\"), not with \"QEVM\"" },
        { "x", "it began with 78 (\"x\")" },
        { "", "left without a word" },
        { "QE", "left in the middle" },
    };
    g_autofree char *path = path_of("strays");
    g_autofree char *unix_uri = g_strconcat("unix:", path, NULL);
    const char *const uris[] = { "tcp:127.0.0.1:0", unix_uri };

    (void)state;
    for (size_t u = 0; u < G_N_ELEMENTS(uris); u++) {
        Seen seen = { 0 };

        listen_uri(&seen, uris[u]);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
            Transport *t = connect_to(bound(&seen, 0));

            say(t, rows[i].bytes);
            if (strlen(rows[i].bytes) < 4) {
                transport_free(t);
                t = NULL;
            }
            RUN_UNTIL(seen.notices->len > i);
            assert_true(has_notice(&seen, rows[i].notice));
            assert_true(has_notice(&seen, u == 0 ? "tcp:127.0.0.1:" : path));
            if (t != NULL) { /* it was really closed */
                char byte;
                assert_true(transport_read(t, &byte, 1, NULL) <= 0);
                transport_free(t);
            }
        }
        assert_int_equal(seen.channels, 0);
        assert_channel(&seen, bound(&seen, 0));
        stop_listening(&seen);
    }
}

static void test_first_word_may_come_in_pieces(void **state)
{
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    g_autoptr(Transport) t = connect_to(bound(&seen, 0));
    for (const char *c = "QEVM"; *c != '\0'; c++) {
        char piece[] = { *c, '\0' };

        assert_int_equal(seen.channels, 0);
        say(t, piece);
        for (int i = 0; i < 3; i++) {
            g_main_context_iteration(NULL, *c != 'M' || seen.channels == 0);
        }
    }
    RUN_UNTIL(seen.channels == 1);
    assert_reads(seen.transport, "QEVM");
    stop_listening(&seen);
}

static void test_multifd_channels_are_told_apart(void **state)
{
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    listener_want(seen.listener, CHANNEL_MULTIFD, true);
    g_autoptr(Transport) first = connect_to(bound(&seen, 0));
    say(first, "\x11\x22\x33\x44");
    RUN_UNTIL(seen.channels == 1);
    assert_int_equal(seen.type, CHANNEL_MULTIFD);
    listener_set_busy(seen.listener, true); /* says something about main channels only */
    g_autoptr(Transport) second = connect_to(bound(&seen, 0));
    say(second, "\x11\x22\x33\x44");
    RUN_UNTIL(seen.channels == 2);
    assert_int_equal(seen.type, CHANNEL_MULTIFD);
    listener_set_busy(seen.listener, false);
    g_autoptr(Transport) main_channel = connect_to(bound(&seen, 0));
    say(main_channel, "QEVM");
    RUN_UNTIL(seen.channels == 3);
    assert_int_equal(seen.type, CHANNEL_MAIN);
    assert_reads(seen.transport, "QEVM");
    stop_listening(&seen);
}

/* How many connections the notices tell of: the listener sums up what comes too fast. */
static unsigned count_told(const Seen *seen)
{
    unsigned ret = 0;

    for (guint i = 0; i < seen->notices->len; i++) {
        const char *more = strstr(g_ptr_array_index(seen->notices, i), "(and ");

        ret += 1 + (more != NULL ? (unsigned)strtoul(more + strlen("(and "), NULL, 10) : 0);
    }
    return ret;
}

static void test_silent_crowd_does_not_keep_the_migration_out(void **state)
{
    Transport *crowd[SILENT];
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    for (size_t i = 0; i < SILENT; i++) {
        crowd[i] = connect_to(bound(&seen, 0));
        run_what_is_due();
    }
    RUN_UNTIL(count_told(&seen) >= SILENT - 16);
    assert_true(has_notice(&seen, "too many connections wait"));
    assert_channel(&seen, bound(&seen, 0));
    assert_int_equal(seen.channels, 1);
    stop_listening(&seen);
    for (size_t i = 0; i < SILENT; i++) {
        transport_free(crowd[i]);
    }
}

/* ---- silence: a lobby without its listener ---- */

typedef struct {
    Lobby *lobby;
    unsigned n_admitted;
    GPtrArray *dropped;
    GArray *peers; /* our ends, int */
} Silence;

static void on_admit(Caller *caller, ChannelType type, void *data)
{
    Silence *s = data;

    (void)type;
    s->n_admitted++;
    caller_free(caller);
}

static void on_drop(const char *text, void *data)
{
    Silence *s = data;

    g_ptr_array_add(s->dropped, g_strdup(text));
}

#define LONG_MS (3600 * 1000) /* does not pass within a test */

static void begin_silence(Silence *s, unsigned silent_ms, unsigned crowded_ms)
{
    static const LobbyCallbacks lobby_callbacks = { .admit = on_admit, .dropped = on_drop };

    s->lobby = lobby_new(&lobby_callbacks, s);
    s->n_admitted = 0;
    s->dropped = g_ptr_array_new_with_free_func(g_free);
    s->peers = g_array_new(FALSE, FALSE, sizeof(int));
    lobby_set_patience(s->lobby, silent_ms, crowded_ms);
}

static void end_silence(Silence *s)
{
    lobby_free(s->lobby);
    for (guint i = 0; i < s->peers->len; i++) {
        close(g_array_index(s->peers, int, i));
    }
    g_array_unref(s->peers);
    g_ptr_array_unref(s->dropped);
}

/* Our end of a connection that now waits. */
static int enter(Silence *s)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    g_array_append_val(s->peers, fds[0]);
    lobby_add(s->lobby, fds[1], "somebody");
    return fds[0];
}

static void speak(int fd, const char *bytes, size_t length)
{
    assert_int_equal(write(fd, bytes, length), length);
}

static void test_silent_connections_go_when_their_time_is_over(void **state)
{
    Silence s;

    (void)state;
    begin_silence(&s, 10, LONG_MS);
    enter(&s);
    speak(enter(&s), "QE", 2); /* not enough to tell */
    RUN_UNTIL(s.dropped->len == 2);
    for (guint i = 0; i < 2; i++) {
        assert_non_null(strstr(g_ptr_array_index(s.dropped, i), "it did not say what it is"));
    }
    end_silence(&s);
}

static void test_no_connection_makes_another_one_leave(void **state)
{
    enum { ANNOUNCED = 64 };
    int fds[ANNOUNCED + 16];
    Silence s;

    (void)state;
    begin_silence(&s, LONG_MS, 10);
    lobby_want(s.lobby, CHANNEL_MULTIFD, ANNOUNCED);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = enter(&s);
    }
    assert_false(lobby_is_full(s.lobby));
    for (int i = 0; i < 16; i++) { /* no place is left for these */
        assert_false(lobby_is_full(s.lobby));
        enter(&s);
    }
    assert_true(lobby_is_full(s.lobby));
    RUN_UNTIL(s.dropped->len == 16);
    assert_non_null(strstr(g_ptr_array_index(s.dropped, 0), "too many connections wait"));
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        speak(fds[i], "\x11\x22\x33\x44", 4);
    }
    RUN_UNTIL(s.n_admitted == G_N_ELEMENTS(fds));
    assert_int_equal(s.dropped->len, 16);
    end_silence(&s);
}

static gboolean set_flag(gpointer flag)
{
    *(gboolean *)flag = TRUE;
    return G_SOURCE_REMOVE;
}

/* It says nothing before a page is requested, which may be never. */
static void test_the_channel_of_pages_may_be_silent_while_its_main_channel_is_at_work(void **state)
{
    gboolean later = FALSE;
    Silence s;

    (void)state;
    begin_silence(&s, 20, LONG_MS);
    lobby_want(s.lobby, CHANNEL_PAGES, 1);
    enter(&s); /* before the main channel: a stranger */
    int main_channel = enter(&s);
    int pages = enter(&s);
    speak(main_channel, "QEVM", 4);
    RUN_UNTIL(s.n_admitted == 1 && s.dropped->len == 1);
    g_timeout_add(100, set_flag, &later);
    RUN_UNTIL(later);
    run_what_is_due();
    assert_int_equal(s.dropped->len, 1); /* its time has been over for long */
    speak(pages, "\0\0\0\0\0\x12\x30\x08", 8);
    RUN_UNTIL(s.n_admitted == 2);
    enter(&s);
    lobby_source_has_left(s.lobby);
    RUN_UNTIL(s.dropped->len == 2);
    end_silence(&s);
}

static void test_busy_listener_drops_further_channels(void **state)
{
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    assert_channel(&seen, bound(&seen, 0));
    listener_set_busy(seen.listener, true);
    g_autoptr(Transport) extra = connect_to(bound(&seen, 0));
    say(extra, "QEVM");
    RUN_UNTIL(seen.notices->len > 0);
    assert_true(has_notice(&seen, "Extra incoming migration connection; ignoring"));
    assert_int_equal(seen.channels, 1);
    listener_set_busy(seen.listener, false);
    assert_channel(&seen, bound(&seen, 0));
    stop_listening(&seen);
}

static void test_callbacks_may_free_the_listener(void **state)
{
    Seen seen = { .free_in_channel = true };

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    G_GNUC_UNUSED g_autoptr(Transport) silent = connect_to(bound(&seen, 0));
    g_autoptr(Transport) t = connect_to(bound(&seen, 0));
    say(t, "QEVM");
    RUN_UNTIL(seen.channels == 1);
    assert_null(seen.listener);
    assert_reads(seen.transport, "QEVM");
    stop_listening(&seen);

    seen.free_in_notice = true;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    g_autoptr(Transport) stray = connect_to(bound(&seen, 0));
    say(stray, "SSH-2.0");
    RUN_UNTIL(seen.notices->len == 1);
    assert_null(seen.listener);
    stop_listening(&seen);

    seen.free_in_notice = true; /* when the crowd is too big */
    listen_uri(&seen, "tcp:127.0.0.1:0");
    g_autoptr(Address) address = address_copy(bound(&seen, 0));
    Transport *crowd[17];
    for (size_t i = 0; i < G_N_ELEMENTS(crowd); i++) {
        crowd[i] = connect_to(address);
    }
    RUN_UNTIL(seen.notices->len == 1);
    assert_null(seen.listener);
    stop_listening(&seen);
    for (size_t i = 0; i < G_N_ELEMENTS(crowd); i++) {
        transport_free(crowd[i]);
    }
}

/* ---- channels beside the main one ---- */

static void say_bytes(Transport *t, const char *bytes, size_t length)
{
    struct iovec iov = { (void *)(uintptr_t)bytes, length };

    assert_true(transport_write_all(t, &iov, 1, NULL, NULL));
}

static const struct {
    const char *bytes; /* eight of them */
    ChannelType type;
} beside[] = {
    { "QEVM\0\0\0\3", CHANNEL_MAIN },
    { "\x08\0\x0a\0\4\3ra", CHANNEL_RECOVERY },
    { "\0\0\0\0\0\x12\x30\x08", CHANNEL_PAGES },  /* a page */
    { "\0\0\0\1\0\0\0\x02", CHANNEL_PAGES },      /* a zero page beyond 4 GiB */
    { "\0\0\0\0\0\0\0\x10", CHANNEL_PAGES },      /* the end at once */
    { "\0\0\0\0\0\x12\x30\x28", CHANNEL__COUNT }, /* of a block that was never named */
    { "\0\0\0\0\0\x12\x30\x04", CHANNEL__COUNT }, /* a block list */
    { "\x08\0\x09\0\0\0\0\0", CHANNEL__COUNT },   /* another command */
};

static void test_channels_are_known_by_their_first_word_when_they_are_wanted(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(beside); i++) {
        for (int wanted = 0; wanted < 2; wanted++) {
            bool admitted =
                beside[i].type == CHANNEL_MAIN || (wanted && beside[i].type != CHANNEL__COUNT);
            Seen seen = { 0 };

            listen_uri(&seen, "tcp:127.0.0.1:0");
            listener_want(seen.listener, CHANNEL_RECOVERY, wanted);
            listener_want(seen.listener, CHANNEL_PAGES, wanted);
            Transport *t = connect_to(bound(&seen, 0));
            say_bytes(t, beside[i].bytes, 8);
            RUN_UNTIL(seen.channels + seen.notices->len == 1);
            assert_int_equal(seen.channels, admitted);
            if (admitted) {
                assert_int_equal(seen.type, beside[i].type);
            }
            transport_free(t);
            stop_listening(&seen);
        }
    }
}

/* It is opened ahead of time, and nobody may ever ask for a page. */
static void test_a_channel_of_pages_that_says_nothing_leaves_without_a_word(void **state)
{
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    listener_want(seen.listener, CHANNEL_PAGES, true);
    transport_free(connect_to(bound(&seen, 0)));
    assert_channel(&seen, bound(&seen, 0)); /* the main loop has seen the other one go */
    assert_int_equal(seen.notices->len, 0);
    stop_listening(&seen);
}

static void test_pages_and_recovery_come_while_the_listener_is_busy(void **state)
{
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    listener_want(seen.listener, CHANNEL_PAGES, true);
    listener_set_busy(seen.listener, true);
    Transport *t = connect_to(bound(&seen, 0));
    say_bytes(t, "\0\0\0", 3); /* in two parts */
    Transport *main = connect_to(bound(&seen, 0));
    say(main, "QEVM");
    RUN_UNTIL(seen.notices->len == 1);
    assert_int_equal(seen.channels, 0);
    say_bytes(t, "\0\0\0\0\x08", 5);
    RUN_UNTIL(seen.channels == 1);
    assert_int_equal(seen.type, CHANNEL_PAGES);
    transport_free(main);
    transport_free(t);
    stop_listening(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strays_are_dropped_with_a_word),
        cmocka_unit_test(test_first_word_may_come_in_pieces),
        cmocka_unit_test(test_multifd_channels_are_told_apart),
        cmocka_unit_test(test_silent_crowd_does_not_keep_the_migration_out),
        cmocka_unit_test(test_silent_connections_go_when_their_time_is_over),
        cmocka_unit_test(test_no_connection_makes_another_one_leave),
        cmocka_unit_test(test_the_channel_of_pages_may_be_silent_while_its_main_channel_is_at_work),
        cmocka_unit_test(test_busy_listener_drops_further_channels),
        cmocka_unit_test(test_callbacks_may_free_the_listener),
        cmocka_unit_test(test_channels_are_known_by_their_first_word_when_they_are_wanted),
        cmocka_unit_test(test_a_channel_of_pages_that_says_nothing_leaves_without_a_word),
        cmocka_unit_test(test_pages_and_recovery_come_while_the_listener_is_busy),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
