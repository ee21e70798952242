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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strays_are_dropped_with_a_word),
        cmocka_unit_test(test_first_word_may_come_in_pieces),
        cmocka_unit_test(test_multifd_channels_are_told_apart),
        cmocka_unit_test(test_silent_crowd_does_not_keep_the_migration_out),
        cmocka_unit_test(test_busy_listener_drops_further_channels),
        cmocka_unit_test(test_callbacks_may_free_the_listener),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
