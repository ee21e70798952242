/*
 * The lobby of a listener: strays are dropped with a word, the migration gets
 * through, and every callback may free the listener.
 */
#include "tests/unit/listener-test.h"

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
        { "\x16\x03\x01\x02", "TLS is not supported by this build" },
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
        end(&seen);
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
    end(&seen);
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
    end(&seen);
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
    RUN_UNTIL(seen.notices->len >= SILENT - 16);
    assert_true(has_notice(&seen, "too many connections wait"));
    assert_channel(&seen, bound(&seen, 0));
    assert_int_equal(seen.channels, 1);
    end(&seen);
    for (size_t i = 0; i < SILENT; i++) {
        transport_free(crowd[i]);
    }
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
    end(&seen);
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
    end(&seen);

    seen.free_in_notice = true;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    g_autoptr(Transport) stray = connect_to(bound(&seen, 0));
    say(stray, "SSH-2.0");
    RUN_UNTIL(seen.notices->len == 1);
    assert_null(seen.listener);
    end(&seen);

    seen.free_in_notice = true; /* when the crowd is too big */
    listen_uri(&seen, "tcp:127.0.0.1:0");
    g_autoptr(Address) address = address_copy(bound(&seen, 0));
    Transport *crowd[17];
    for (size_t i = 0; i < G_N_ELEMENTS(crowd); i++) {
        crowd[i] = connect_to(address);
    }
    RUN_UNTIL(seen.notices->len == 1);
    assert_null(seen.listener);
    end(&seen);
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
            end(&seen);
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
    end(&seen);
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
    end(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strays_are_dropped_with_a_word),
        cmocka_unit_test(test_first_word_may_come_in_pieces),
        cmocka_unit_test(test_multifd_channels_are_told_apart),
        cmocka_unit_test(test_silent_crowd_does_not_keep_the_migration_out),
        cmocka_unit_test(test_busy_listener_drops_further_channels),
        cmocka_unit_test(test_callbacks_may_free_the_listener),
        cmocka_unit_test(test_channels_are_known_by_their_first_word_when_they_are_wanted),
        cmocka_unit_test(test_a_channel_of_pages_that_says_nothing_leaves_without_a_word),
        cmocka_unit_test(test_pages_and_recovery_come_while_the_listener_is_busy),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
