/*
 * exec: transports with real children: both directions, failures with their
 * reasons, nothing left running, a clean environment for the child.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/transport/transport-private.h"
#include "tests/unit/patience.h"

/* The kernel holds 64 KiB for a pipe, and never more than 1 MiB without being asked. */
#define MORE_THAN_A_PIPE ((size_t)2 << 20)

static char *directory;

static char *path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

static Address *command(const char *text)
{
    g_autofree char *uri = g_strconcat("exec:", text, NULL);

    return address_from_uri(uri, NULL);
}

static Transport *start(const char *text, StreamDirection direction)
{
    g_autoptr(Address) address = command(text);
    g_autoptr(GError) error = NULL;
    Transport *t = exec_maker.open(address, -1, direction, &error);

    if (t == NULL) {
        fail_msg("%s", error->message);
    }
    return t;
}

static bool write_size(Transport *t, size_t size, GError **error)
{
    g_autofree char *bytes = g_malloc(size);
    struct iovec iov = { bytes, size };

    memset(bytes, 'x', size);
    return transport_write_all(t, &iov, 1, NULL, error);
}

/* Everything the child gives; NULL with an error. */
static GByteArray *read_all(Transport *t, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t buffer[5000];
    ssize_t got;

    while ((got = transport_read(t, buffer, sizeof buffer, error)) > 0) {
        g_byte_array_append(bytes, buffer, (guint)got);
    }
    return got < 0 ? NULL : g_steal_pointer(&bytes);
}

static void test_outgoing_reaches_the_child(void **state)
{
    g_autofree char *path = path_of("out");
    g_autofree char *text = g_strdup_printf("cat > %s", path);
    g_autofree char *uri = g_strconcat("exec:", text, NULL);
    struct stat info;

    (void)state;
    g_autoptr(Transport) t = start(text, STREAM_OUT);
    assert_string_equal(transport_name(t), uri);
    assert_string_equal(t->ops->kind, "exec");
    assert_false(transport_is_two_way(t));
    assert_true(write_size(t, 1000001, NULL));
    assert_true(transport_finish(t, NULL));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 1000001);
    unlink(path);
}

static void test_incoming_comes_from_the_child(void **state)
{
    (void)state;
    g_autoptr(Transport) t = start("head -c 300001 /dev/zero", STREAM_IN);
    g_autoptr(GByteArray) bytes = read_all(t, NULL);
    assert_non_null(bytes);
    assert_int_equal(bytes->len, 300001);
    char byte;
    assert_int_equal(transport_read(t, &byte, 1, NULL), 0); /* stays ended */
    assert_true(transport_finish(t, NULL));
}

static void test_arguments_are_passed_without_a_shell(void **state)
{
    const char *const args[] = { "/bin/echo", "-n", "a b", "$HOME", NULL };
    Address address = { .kind = ADDRESS_EXEC, .args = (char **)args };

    (void)state;
    g_autoptr(Transport) t = exec_maker.open(&address, -1, STREAM_IN, NULL);
    assert_non_null(t);
    g_autoptr(GByteArray) bytes = read_all(t, NULL);
    assert_int_equal(bytes->len, strlen("a b $HOME"));
    assert_memory_equal(bytes->data, "a b $HOME", bytes->len);
}

static void test_wrong_direction_is_refused(void **state)
{
    char byte = 0;
    struct iovec iov = { &byte, 1 };

    (void)state;
    g_autoptr(Transport) out = start("cat > /dev/null", STREAM_OUT);
    assert_int_equal(transport_read(out, &byte, 1, NULL), -1);
    g_autoptr(Transport) in = start("echo", STREAM_IN);
    assert_false(transport_write_all(in, &iov, 1, NULL, NULL));
    assert_true(transport_finish(out, NULL));
    assert_false(transport_write_all(out, &iov, 1, NULL, NULL));
}

static const struct {
    const char *command, *text;
} failures[] = {
    { "cat > /dev/null; echo no room >&2; exit 3",
      "exec: 'cat > /dev/null; echo no room >&2; exit 3' failed with exit status 3: no room" },
    { "cat > /dev/null; false", "exec: 'cat > /dev/null; false' failed with exit status 1" },
    { "cat > /dev/null; printf 'a\\n\\tb\\n' >&2; exit 1",
      "exec: 'cat > /dev/null; printf 'a\\n\\tb\\n' >&2; exit 1' failed with exit status 1: a; b" },
    { "cat > /dev/null; kill -TERM $$",
      "exec: 'cat > /dev/null; kill -TERM $$' was killed by signal 15 (Terminated)" },
};

static void test_failed_child_fails_the_finish(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(failures); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Transport) t = start(failures[i].command, STREAM_OUT);

        assert_true(write_size(t, 100000, NULL));
        assert_false(transport_finish(t, &error));
        assert_string_equal(error->message, failures[i].text);
    }
}

static void test_failed_child_fails_the_end_of_the_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(failures); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Transport) t = start(failures[i].command, STREAM_IN);

        assert_null(read_all(t, &error));
        assert_string_equal(error->message, failures[i].text);
    }
}

/* Its output is closed, so the stream is complete; that it does not end is its own affair. */
static void test_child_that_does_not_end_does_not_keep_its_reader(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Transport) t = start("echo all; exec >&-; exec sleep 1000", STREAM_IN);

    transport_set_finish_timeout(t, 100);
    g_autoptr(GByteArray) got = read_all(t, &error);
    assert_null(error);
    assert_int_equal(got->len, strlen("all\n"));
    assert_memory_equal(got->data, "all\n", got->len);
}

static void test_child_that_stops_reading_is_explained(void **state)
{
    static const struct {
        const char *command, *end;
    } rows[] = {
        { "echo gone >&2; exit 4", "failed with exit status 4: gone" },
        { "exit 0", "ended before it had read everything" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Transport) t = start(rows[i].command, STREAM_OUT);

        assert_false(write_size(t, MORE_THAN_A_PIPE, &error));
        assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_IO));
        g_autofree char *line = mig_error_first_line(error);
        assert_true(g_str_has_prefix(line, "Unable to write to command: Broken pipe: exec: "));
        assert_non_null(strstr(line, rows[i].end));
    }
}

/* A child that ends without reading may end before the write: it reads one byte first. */
#define AFTER_ONE "dd bs=1 count=1 of=/dev/null status=none; "

/* What fits into the pipe is written without an error. */
static void test_finish_knows_what_reached_nobody(void **state)
{
    static const struct {
        const char *command, *text;
        size_t undelivered;
    } rows[] = {
        { AFTER_ONE "true", "exec: '" AFTER_ONE "true' ended before it had read everything", 4999 },
        { AFTER_ONE "echo no >&2; exit 3",
          "exec: '" AFTER_ONE "echo no >&2; exit 3' failed with exit status 3: no", 4999 },
        { "dd bs=2000 count=2 of=/dev/null status=none",
          "exec: 'dd bs=2000 count=2 of=/dev/null status=none' ended before it had read everything",
          1000 },
        { AFTER_ONE "./missing 2>/dev/null",
          "exec: '" AFTER_ONE "./missing 2>/dev/null' failed with exit status 127", 4999 },
        /* A command that takes all for another one, which was not found. */
        { "cat >/dev/null; exit 127",
          "exec: 'cat >/dev/null; exit 127' failed with exit status 127", SIZE_MAX },
        { "cat >/dev/null; exit 126",
          "exec: 'cat >/dev/null; exit 126' failed with exit status 126", SIZE_MAX },
        { "cat >/dev/null; exit 1", "exec: 'cat >/dev/null; exit 1' failed with exit status 1", 0 },
        { "cat >/dev/null", NULL, 0 },
        { "sleep 0.2; cat >/dev/null", NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Transport) t = start(rows[i].command, STREAM_OUT);

        assert_true(write_size(t, 5000, NULL));
        bool ok = transport_finish(t, &error);
        if (rows[i].text == NULL) {
            assert_true(ok);
        } else {
            assert_false(ok);
            assert_string_equal(error->message, rows[i].text);
        }
        assert_int_equal(transport_undelivered(t), rows[i].undelivered);
    }
}

static void test_a_child_that_never_stops_talking_does_not_move_the_end(void **state)
{
    static const struct {
        const char *command;
        bool reads;
        const char *text;
    } rows[] = {
        { "cat >/dev/null; while echo; do sleep 0.01; done >&2", true,
          "but did not end within 100 ms" },
        { "while echo; do sleep 0.01; done >&2", false, "did not read everything within 100 ms" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Transport) t = start(rows[i].command, STREAM_OUT);

        assert_true(write_size(t, 5000, NULL));
        if (rows[i].reads) {
            WAIT_UNTIL(transport_progress(t).unread == 0);
        }
        transport_set_finish_timeout(t, 100);
        assert_false(transport_finish(t, &error));
        assert_non_null(strstr(error->message, rows[i].text));
        assert_int_equal(transport_undelivered(t), 0);
    }
}

static void test_talkative_child_does_not_block_and_is_cut(void **state)
{
    /* Far more than a pipe holds, before and after it reads us. */
    const char *text = "head -c 300000 /dev/zero | tr '\\0' a >&2; cat > /dev/null; "
                       "head -c 300000 /dev/zero | tr '\\0' b >&2; exit 1";
    g_autoptr(GError) error = NULL;

    (void)state;
    g_autoptr(Transport) t = start(text, STREAM_OUT);
    assert_true(write_size(t, MORE_THAN_A_PIPE, NULL));
    assert_false(transport_finish(t, &error));
    const char *words = strstr(error->message, "status 1: ") + strlen("status 1: ");
    assert_int_equal(strlen(words), 4096);
    assert_int_equal(strspn(words, "b"), 4096);
}

static void test_missing_program_is_told_at_once(void **state)
{
    g_autofree char *missing = path_of("missing");
    g_autofree char *text = g_strdup_printf(
        "Failed to execute child process “%s” (No such file or directory)", missing);
    const char *const args[] = { missing, NULL };
    Address address = { .kind = ADDRESS_EXEC, .args = (char **)args };
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_null(connector_new(&address, -1, &error));
    assert_string_equal(error->message, text);
    g_clear_error(&error);
    assert_null(exec_maker.open(&address, -1, STREAM_IN, &error));
    assert_non_null(error);

    const char *const none[] = { NULL };
    address.args = (char **)none;
    g_clear_error(&error);
    assert_null(exec_maker.open(&address, -1, STREAM_OUT, &error));
    assert_string_equal(error->message, "exec: no command is given");
}

static void test_child_begins_with_default_signals_and_three_descriptors(void **state)
{
    sigset_t blocked, before;

    (void)state;
    G_GNUC_UNUSED g_auto(MigFd) stray =
        dup(1); /* not close-on-exec: the child must not get it all the same */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    g_autoptr(Transport) t = start("grep -E '^Sig(Blk|Ign):' /proc/self/status | sort; "
                                   "ls /proc/self/fd | tr '\\n' ' '",
                                   STREAM_IN);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    g_autoptr(GByteArray) bytes = read_all(t, NULL);
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    g_auto(GStrv) lines = g_strsplit((char *)bytes->data, "\n", -1);
    assert_int_equal(g_strv_length(lines), 3);
    assert_true(g_str_has_prefix(lines[0], "SigBlk:\t"));
    assert_int_equal(strtoull(lines[0] + 8, NULL, 16), 0);
    assert_true(g_str_has_prefix(lines[1], "SigIgn:\t"));
    /* 32 and 33 belong to the C library, whose posix_spawn leaves them ignored. */
    assert_int_equal(strtoull(lines[1] + 8, NULL, 16) & ~UINT64_C(0x180000000), 0);
    assert_string_equal(lines[2], "0 1 2 3 ");
}

/* ---- nothing is left ---- */

/* Reads a number that a child writes to @path as a whole line. */
static pid_t read_pid(const char *path)
{
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) && strchr(text, '\n') != NULL ? atoi(text)
                                                                                      : 0;
}

static pid_t await_pid(const char *path)
{
    pid_t pid = 0;

    WAIT_UNTIL((pid = read_pid(path)) > 0);
    unlink(path);
    return pid;
}

/* Gone, or dead and only not yet collected by whoever inherited it. */
static bool is_dead(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return true;
    }
    const char *after_name = strrchr(text, ')');
    return after_name != NULL && (after_name[2] == 'Z' || after_name[2] == 'X');
}

static void test_free_ends_the_whole_group(void **state)
{
    g_autofree char *path = path_of("pid");
    g_autofree char *text =
        g_strdup_printf("trap '' TERM INT HUP; sleep 1000 & echo $! > %s; wait", path);

    (void)state;
    g_autoptr(Transport) t = start(text, STREAM_OUT);
    pid_t grandchild = await_pid(path);
    assert_false(is_dead(grandchild));
    g_clear_pointer(&t, transport_free);
    WAIT_UNTIL(is_dead(grandchild));
}

typedef struct {
    Transport *t;
    bool finish;
    bool ok;
    GError *error;
} Waiter;

static gpointer wait_thread(gpointer data)
{
    Waiter *w = data;
    char byte;

    w->ok = w->finish ? transport_finish(w->t, &w->error)
                      : transport_read(w->t, &byte, 1, &w->error) >= 0;
    return NULL;
}

static gpointer write_thread(gpointer data)
{
    Waiter *w = data;

    w->ok = write_size(w->t, MORE_THAN_A_PIPE, &w->error);
    return NULL;
}

static void test_shutdown_ends_every_wait_and_the_child(void **state)
{
    static const struct {
        const char *what;
        StreamDirection direction;
        GThreadFunc run;
        bool finish;
    } rows[] = {
        { "reader", STREAM_IN, wait_thread, false },
        { "writer", STREAM_OUT, write_thread, false },
        { "finish", STREAM_OUT, wait_thread, true },
    };
    g_autofree char *path = path_of("pid");
    g_autofree char *text = g_strdup_printf("echo $$ > %s; sleep 1000", path);

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Transport) t = start(text, rows[i].direction);
        Waiter w = { .t = t, .finish = rows[i].finish };

        print_message("%s\n", rows[i].what);
        GThread *thread = g_thread_new("wait", rows[i].run, &w);
        pid_t child = await_pid(path);
        wait_others_sleep(); /* it waits by now */
        transport_shutdown(t);
        g_thread_join(thread);
        assert_false(w.ok);
        assert_true(g_error_matches(w.error, MIG_ERROR, MIG_ERROR_CANCELLED));
        g_clear_error(&w.error);
        WAIT_UNTIL(is_dead(child));
    }
}

static int make_directory(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    directory = g_dir_make_tmp("migmon-exec-XXXXXX", NULL);
    return directory == NULL ? -1 : 0;
}

static int remove_directory(void **state)
{
    (void)state;
    int failed = rmdir(directory);
    g_free(directory);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outgoing_reaches_the_child),
        cmocka_unit_test(test_incoming_comes_from_the_child),
        cmocka_unit_test(test_arguments_are_passed_without_a_shell),
        cmocka_unit_test(test_wrong_direction_is_refused),
        cmocka_unit_test(test_failed_child_fails_the_finish),
        cmocka_unit_test(test_failed_child_fails_the_end_of_the_stream),
        cmocka_unit_test(test_child_that_does_not_end_does_not_keep_its_reader),
        cmocka_unit_test(test_child_that_stops_reading_is_explained),
        cmocka_unit_test(test_finish_knows_what_reached_nobody),
        cmocka_unit_test(test_a_child_that_never_stops_talking_does_not_move_the_end),
        cmocka_unit_test(test_talkative_child_does_not_block_and_is_cut),
        cmocka_unit_test(test_missing_program_is_told_at_once),
        cmocka_unit_test(test_child_begins_with_default_signals_and_three_descriptors),
        cmocka_unit_test(test_free_ends_the_whole_group),
        cmocka_unit_test(test_shutdown_ends_every_wait_and_the_child),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
