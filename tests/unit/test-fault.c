/*
 * fault.c: reading MIGMON_FAULT, firing once, holding until released.
 */
#include "tests/unit/test.h"

#include <glib.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/base/fault.h"
#include "tests/unit/patience.h"

static void test_off_without_the_variable(void **state)
{
    (void)state;
    assert_null(fault_configure(NULL));
    assert_false(fault_enabled());
    for (size_t i = 0; fault_point_names[i] != NULL; i++) {
        assert_int_equal(fault_fire(fault_point_names[i]), FAULT_NONE);
    }
}

static void test_empty_is_on_without_points(void **state)
{
    (void)state;
    assert_null(fault_configure(""));
    assert_true(fault_enabled());
    assert_int_equal(fault_fire("src-setup"), FAULT_NONE);
    assert_null(fault_configure(NULL));
}

static void test_a_point_fires_once(void **state)
{
    (void)state;
    assert_null(fault_configure("src-setup=cut,dst-page=cancel,dst-eof=hold,src-shut=fail"));
    assert_int_equal(fault_fire("src-connected"), FAULT_NONE);
    assert_int_equal(fault_fire("src-setup"), FAULT_CUT);
    assert_int_equal(fault_fire("src-setup"), FAULT_NONE);
    assert_int_equal(fault_fire("dst-page"), FAULT_CANCEL);
    assert_int_equal(fault_fire("dst-eof"), FAULT_HOLD);
    assert_int_equal(fault_fire("src-shut"), FAULT_FAIL);
    assert_null(fault_configure(NULL));
}

static void test_every_name_can_be_configured(void **state)
{
    (void)state;
    for (size_t i = 0; fault_point_names[i] != NULL; i++) {
        g_autofree char *spec = g_strdup_printf("%s=cut", fault_point_names[i]);

        assert_null(fault_configure(spec));
        assert_int_equal(fault_fire(fault_point_names[i]), FAULT_CUT);
    }
    assert_null(fault_configure(NULL));
}

static void test_slow_stays_on(void **state)
{
    (void)state;
    assert_null(fault_configure("src-pass-1=slow"));
    for (int i = 0; i < 2; i++) {
        int64_t before = g_get_monotonic_time();

        assert_int_equal(fault_fire("src-pass-1"), FAULT_NONE);
        assert_true(g_get_monotonic_time() - before >= FAULT_SLOW_US);
    }
    assert_null(fault_configure(NULL));
}

static void test_mistakes_are_told(void **state)
{
    static const struct {
        const char *spec, *told;
    } rows[] = {
        { "nosuch=cut", "'nosuch=cut' names no fault point" },
        { "src-setup", "'src-setup' has no action" },
        { "src-setup=", "has no action" },
        { "src-setup=explode", "has no action" },
        { "src-setup=explode",
          "one of cut, kill, cancel, hold, fail, garbage, truncate, reset, slow" },
        { "src-setup=cut,", "names no fault point" },
        { "=cut", "names no fault point" },
        { "src-setup=cut=cut", "has no action" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *told = fault_configure(rows[i].spec);

        print_message("%s\n", rows[i].spec);
        assert_non_null(told);
        assert_non_null(strstr(told, rows[i].told));
    }
    assert_null(fault_configure(NULL));
}

static void test_kill_is_sigkill(void **state)
{
    int status;

    (void)state;
    assert_null(fault_configure("src-devices=kill"));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fault_fire("src-devices");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_null(fault_configure(NULL));
}

static bool is_set(void *data)
{
    return atomic_load((atomic_bool *)data);
}

static atomic_bool asked;

static bool never(void *data)
{
    (void)data;
    atomic_store(&asked, true);
    return false;
}

static gpointer hold_until_released(gpointer data)
{
    (void)data;
    fault_hold("src-ping", never, NULL);
    return NULL;
}

static gpointer hold_until_gone(gpointer data)
{
    fault_hold("dst-pong", is_set, data);
    return NULL;
}

static void test_hold_ends_with_a_release(void **state)
{
    (void)state;
    fault_release(); /* nobody waits: must not release the next one */
    GThread *thread = g_thread_new("held", hold_until_released, NULL);
    WAIT_UNTIL(atomic_load(&asked));
    fault_release();
    g_thread_join(thread);
}

static void test_hold_ends_with_its_connection(void **state)
{
    atomic_bool gone = false;

    (void)state;
    GThread *thread = g_thread_new("held", hold_until_gone, &gone);
    atomic_store(&gone, true);
    g_thread_join(thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_without_the_variable),
        cmocka_unit_test(test_empty_is_on_without_points),
        cmocka_unit_test(test_a_point_fires_once),
        cmocka_unit_test(test_every_name_can_be_configured),
        cmocka_unit_test(test_slow_stays_on),
        cmocka_unit_test(test_mistakes_are_told),
        cmocka_unit_test(test_kill_is_sigkill),
        cmocka_unit_test(test_hold_ends_with_a_release),
        cmocka_unit_test(test_hold_ends_with_its_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
