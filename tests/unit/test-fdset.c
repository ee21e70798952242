/*
 * backend/engine/fdset.c: numbers of sets, what is closed and when.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

#include "backend/engine/fdset.h"

static int some_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int64_t add(FdSets *sets, int64_t id, int fd, const char *opaque)
{
    int64_t got = -1;

    assert_true(fdsets_add(sets, id, fd, opaque, &got));
    return got;
}

static void assert_shows(FdSets *sets, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void assert_shows(FdSets *sets, const char *format, ...)
{
    json_object *list = fdsets_to_json(sets);
    va_list args;

    va_start(args, format);
    g_autofree char *expected = g_strdup_vprintf(format, args);
    va_end(args);
    assert_string_equal(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN), expected);
    json_object_put(list);
}

static void test_sets_come_and_go(void **state)
{
    FdSets *sets = fdsets_new();
    int a = some_fd(), b = some_fd(), c = some_fd();

    (void)state;
    assert_shows(sets, "[]");
    assert_int_equal(add(sets, -1, a, NULL), 0);
    assert_int_equal(add(sets, 7, b, "for \"b\""), 7);
    assert_int_equal(add(sets, 0, c, NULL), 0);
    assert_shows(sets,
                 "[{\"fdset-id\":0,\"fds\":[{\"fd\":%d},{\"fd\":%d}]},"
                 "{\"fdset-id\":7,\"fds\":[{\"fd\":%d,\"opaque\":\"for \\\"b\\\"\"}]}]",
                 a, c, b);
    assert_false(fdsets_remove(sets, 1, -1));
    assert_false(fdsets_remove(sets, 7, a));
    assert_true(fdsets_remove(sets, 0, a));
    assert_false(is_open(a));
    assert_true(is_open(c));
    assert_true(fdsets_remove(sets, 0, -1));
    assert_false(is_open(c));
    /* The number is free again. */
    assert_int_equal(add(sets, -1, some_fd(), NULL), 0);
    fdsets_free(sets);
    assert_false(is_open(b));
}

static void test_there_is_a_bound(void **state)
{
    FdSets *sets = fdsets_new();
    int64_t id;
    int fd;

    (void)state;
    for (int i = 0; i < FDSETS_MAX; i++) {
        assert_int_equal(add(sets, -1, some_fd(), NULL), i);
    }
    fd = some_fd();
    assert_false(fdsets_add(sets, -1, fd, "one too many", &id));
    assert_true(is_open(fd)); /* still the caller's */
    close(fd);
    fdsets_free(sets);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets_come_and_go),
        cmocka_unit_test(test_there_is_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
