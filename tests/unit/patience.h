/*
 * How unit tests wait, and which part of a long sweep they try. No other file decides either.
 *
 * A wait ends when its condition holds. It fails only after PATIENCE_S seconds without progress.
 * Slow machines multiply that by $MIGMON_TEST_PATIENCE.
 *
 * A sweep tries a sample that a seed decides. The seed is another one in each run and is printed;
 * $MIGMON_TEST_SEED repeats it, and MIGMON_TEST_ALL=1 tries everything.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/test.h"

#define PATIENCE_S 60

/* ---- waiting ---- */

G_GNUC_UNUSED static int64_t patience_us(void)
{
    const char *factor = g_getenv("MIGMON_TEST_PATIENCE");
    double times = factor == NULL ? 1 : g_ascii_strtod(factor, NULL);

    return (int64_t)(PATIENCE_S * MAX(times, 1) * G_USEC_PER_SEC);
}

/* The same in milliseconds, for timeouts of the code under test that must not end a test. */
G_GNUC_UNUSED static unsigned patience_ms(void)
{
    return (unsigned)(patience_us() / 1000);
}

/* Does @step until @condition holds. @progress is any number that changes while the wait gets on.
 */
#define WAIT_STEPPING(condition, progress, step)                                                   \
    do {                                                                                           \
        uint64_t seen_ = (uint64_t)(progress);                                                     \
        int64_t since_ = g_get_monotonic_time();                                                   \
                                                                                                   \
        while (!(condition)) {                                                                     \
            uint64_t now_ = (uint64_t)(progress);                                                  \
                                                                                                   \
            step;                                                                                  \
            if (now_ != seen_) {                                                                   \
                seen_ = now_;                                                                      \
                since_ = g_get_monotonic_time();                                                   \
            } else if (g_get_monotonic_time() - since_ > patience_us()) {                          \
                fail_msg("no progress for %" G_GINT64_FORMAT " s: %s", patience_us() / 1000000,    \
                         #condition);                                                              \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* For what other threads and processes do. */
#define WAIT_UNTIL(condition)              WAIT_STEPPING(condition, 0, g_usleep(200))
#define WAIT_PROGRESS(condition, progress) WAIT_STEPPING(condition, progress, g_usleep(200))

/* For what the main loop does. The condition may look at what lies outside of it, too. */
#define RUN_UNTIL(condition) WAIT_STEPPING(condition, 0, patience_turn())

G_GNUC_UNUSED static void patience_turn(void)
{
    if (!g_main_context_iteration(NULL, FALSE)) {
        g_usleep(200);
    }
}

/* True when no other thread of this process runs or is about to. */
static bool patience_others_sleep(void)
{
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    g_autofree char *own = g_strdup_printf("%d", (int)gettid());
    const char *name;

    while ((name = g_dir_read_name(tasks)) != NULL) {
        g_autofree char *path = g_strdup_printf("/proc/self/task/%s/stat", name);
        g_autofree char *text = NULL;

        /* A thread that has ended has no file any more. */
        if (strcmp(name, own) == 0 || !g_file_get_contents(path, &text, NULL, NULL)) {
            continue;
        }
        const char *end_of_comm = strrchr(text, ')');

        if (end_of_comm != NULL && strchr("SZX", end_of_comm[2]) == NULL) {
            return false;
        }
    }
    return true;
}

/* Until every other thread waits for something: then what was about to happen has happened. */
G_GNUC_UNUSED static void wait_others_sleep(void)
{
    WAIT_UNTIL(patience_others_sleep());
}

/* ---- samples ---- */

G_GNUC_UNUSED static bool sample_everything(void)
{
    return g_strcmp0(g_getenv("MIGMON_TEST_ALL"), "1") == 0;
}

/* How many of @all cases to try: @some unless everything is asked for. */
G_GNUC_UNUSED static unsigned sample_size(unsigned some, unsigned all)
{
    return sample_everything() ? all : some;
}

/* Prints the seed once. */
G_GNUC_UNUSED static guint32 sample_seed(void)
{
    static guint32 seed;
    static bool known;

    if (!known) {
        const char *text = g_getenv("MIGMON_TEST_SEED");

        seed = text != NULL ? (guint32)g_ascii_strtoull(text, NULL, 0) : g_random_int();
        known = true;
        print_message("MIGMON_TEST_SEED=%u repeats this sample\n", seed);
    }
    return seed;
}
