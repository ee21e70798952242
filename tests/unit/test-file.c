/*
 * file: transports: what is before the offset stays, what cannot be opened is
 * told, and nothing waits for a FIFO.
 */
#include "tests/unit/transport-test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"

static Transport *open_out(const char *uri, GError **error)
{
    g_autoptr(Address) address = address_from_uri(uri, NULL);
    g_autoptr(Connector) connector = connector_new(address, -1, error);

    return connector == NULL ? NULL : connector_open(connector, error);
}

static void write_text(Transport *t, const char *text)
{
    struct iovec iov = { (void *)text, strlen(text) };

    assert_true(transport_write_all(t, &iov, 1, NULL, NULL));
    assert_true(transport_finish(t, NULL));
}

static void assert_file(const char *path, const char *expected, size_t size)
{
    g_autofree char *text = NULL;
    gsize length;

    assert_true(g_file_get_contents(path, &text, &length, NULL));
    assert_int_equal(length, size);
    assert_memory_equal(text, expected, size);
}

static void test_file_keeps_what_is_before_the_offset(void **state)
{
    static const struct {
        const char *before; /* NULL: there is no file */
        unsigned offset;
        const char *after;
        size_t size;
    } rows[] = {
        { NULL, 0, "new", 3 },
        { "0123456789", 0, "new", 3 },
        { "0123456789", 4, "0123new", 7 },
        { "0123456789", 10, "0123456789new", 13 },
        { "01", 4, "01\0\0new", 7 },
        { NULL, 3, "\0\0\0new", 6 },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = path_of("state");
        g_autofree char *uri = g_strdup_printf("file:%s,offset=%u", path, rows[i].offset);

        unlink(path);
        if (rows[i].before != NULL) {
            assert_true(g_file_set_contents(path, rows[i].before, -1, NULL));
        }
        g_autoptr(Transport) t = open_out(uri, NULL);
        assert_non_null(t);
        assert_false(transport_is_two_way(t));
        write_text(t, "new");
        assert_file(path, rows[i].after, rows[i].size);
        unlink(path);
    }
}

static void test_new_file_is_for_the_owner_only(void **state)
{
    g_autofree char *path = path_of("mode");
    g_autofree char *uri = g_strconcat("file:", path, NULL);
    struct stat info;
    mode_t mask = umask(0);

    (void)state;
    g_autoptr(Transport) t = open_out(uri, NULL);
    umask(mask);
    assert_non_null(t);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    unlink(path);
}

static void test_file_that_cannot_be_opened(void **state)
{
    g_autofree char *fifo = path_of("nobody");
    g_autofree char *fifo_uri = g_strconcat("file:", fifo, NULL);
    g_autofree char *fifo_text =
        g_strdup_printf("Unable to open %s: No such device or address", fifo);
    g_autofree char *dir_uri = g_strconcat("file:", directory, NULL);
    g_autofree char *dir_text = g_strdup_printf("Unable to open %s: Is a directory", directory);
    g_autofree char *missing = path_of("missing/file");
    g_autofree char *missing_uri = g_strconcat("file:", missing, NULL);
    g_autofree char *missing_text =
        g_strdup_printf("Unable to open %s: No such file or directory", missing);
    const struct {
        const char *uri, *text;
    } rows[] = {
        { "file:", "Unable to open : No such file or directory" },
        { missing_uri, missing_text },
        { dir_uri, dir_text },
        { fifo_uri, fifo_text },
        { "file:/dev/null,offset=1", "Unable to open /dev/null: Illegal seek" },
    };

    (void)state;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        print_message("%s\n", rows[i].uri);
        assert_null(open_out(rows[i].uri, &error));
        g_autofree char *line = mig_error_first_line(error);
        assert_string_equal(line, rows[i].text);
    }
    unlink(fifo);
}

static void test_file_uri_writes_to_a_fifo(void **state)
{
    g_autofree char *path = path_of("read-by-us");
    g_autofree char *uri = g_strconcat("file:", path, NULL);
    char text[8] = "";

    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    g_auto(MigFd) reader = open(path, O_RDONLY | O_NONBLOCK);
    g_autoptr(Transport) t = open_out(uri, NULL);
    assert_non_null(t);
    write_text(t, "hello");
    assert_int_equal(read(reader, text, sizeof text), 5);
    assert_string_equal(text, "hello");
    unlink(path);
}

static void test_passed_file_starts_where_it_stands(void **state)
{
    g_autofree char *path = path_of("passed");
    char text[16] = "";

    (void)state;
    assert_true(g_file_set_contents(path, "0123456789", -1, NULL));
    int fd = open(path, O_RDWR);
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
    g_autoptr(Transport) t = take_fd(fd);
    assert_string_equal(t->ops->kind, "file");
    write_text(t, "xy");
    assert_file(path, "0123xy6789", 10);
    assert_int_equal(transport_read(t, text, sizeof text, NULL), 4);
    assert_string_equal(text, "6789");
    assert_int_equal(transport_read(t, text, sizeof text, NULL), 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_keeps_what_is_before_the_offset),
        cmocka_unit_test(test_new_file_is_for_the_owner_only),
        cmocka_unit_test(test_file_that_cannot_be_opened),
        cmocka_unit_test(test_file_uri_writes_to_a_fifo),
        cmocka_unit_test(test_passed_file_starts_where_it_stands),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
