/*
 * The forecast, judged on recorded migrations: tests/data/foresight/runs.txt, which explains the
 * form. Each run is played to a forecaster; what it says after pass k is compared with the end.
 *
 *     test-forecast               the table, and no figure may be worse than the limits below
 *     test-forecast FILE          the table for the runs of FILE
 *     test-forecast FILE all      each forecast on a line; an ID instead of "all" for one run
 */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backend/forecast/forecaster.h"

#define PAGE     4096
#define MAX_K    5
#define MAX_RUNS 1000

typedef struct {
    enum { WINDOW, BLOCK, PASS } kind;
    ForecastWindow window;
    ForecastBlock block;
    ForecastPass pass;
    int64_t start_us;
    uint64_t threshold;
} Event;

typedef struct {
    char id[32], pattern[16], mode;
    uint64_t ram, max_bandwidth, limit_ms;
    unsigned converge;
    int64_t horizon_us;
    unsigned completed;
    int64_t total_us, pause_us;
    GArray *events; /* Event */
} Run;

/* What was said after pass k of all runs. A run that completed is no longer asked in its pause. */
typedef struct {
    unsigned runs, decided, right, false_yes, false_no, ended, n_eta, n_pause;
    double eta[MAX_RUNS];   /* error of the time of the end, in percent of the whole time */
    double pause[MAX_RUNS]; /* error of the pause, ms */
} Tally;

typedef struct {
    Tally after[MAX_K + 1];
    unsigned runs, changes[MAX_RUNS];
    double us, worst_us; /* of processor time for a forecast */
    unsigned forecasts;
    const char *show; /* "all", an ID, or NULL */
} Table;

/* ---- one run ---- */

static ForecastSettings settings_of(const Run *run, const Event *pass)
{
    uint64_t batch = run->max_bandwidth / 50;

    return (ForecastSettings){
        .page_size = PAGE,
        .ram_pages = run->ram,
        .limit_us = (int64_t)run->limit_ms * 1000,
        .max_bandwidth = run->max_bandwidth,
        .threshold = pass->threshold,
        .batch = run->max_bandwidth > 0 ? CLAMP(batch, 64u << 10, 2u << 20) : 2u << 20,
        .fixed_us = 20000,
        .elapsed_us = pass->start_us + pass->pass.duration_us,
        .horizon_us = run->horizon_us,
        .throttle = pass->pass.throttle,
        .throttle_initial = 20,
        .throttle_increment = 10,
        .throttle_max = run->converge ? 99 : 0,
        .throttle_trigger = 50,
    };
}

static void show(const Run *run, unsigned k, const Forecast *said, double left_us)
{
    printf("%s %s after pass %u: %s, %.0f %%, end in %.2f s (%.2f..%.2f), pause %.3f s; "
           "it %s in %.2f s, pause %.3f s\n",
           run->id, run->pattern, k, forecast_verdict_name(said->verdict), said->probability * 100,
           (double)said->eta_us.p50 / 1e6, (double)said->eta_us.p10 / 1e6,
           (double)said->eta_us.p90 / 1e6, (double)said->pause_us.p50 / 1e6,
           run->completed ? "ended" : "did not end", left_us / 1e6, (double)run->pause_us / 1e6);
}

static void judge(Table *table, const Run *run, unsigned k, const Forecast *said, double left_us)
{
    bool yes = said->verdict == FORECAST_WILL_FINISH,
         no = said->verdict == FORECAST_WILL_NOT_FINISH;

    if (table->show != NULL &&
        (strcmp(table->show, "all") == 0 || strcmp(table->show, run->id) == 0)) {
        show(run, k, said, left_us);
    }
    if (k > MAX_K) {
        return;
    }
    Tally *t = &table->after[k];
    t->runs++;
    t->ended += run->completed;
    t->decided += yes || no;
    t->right += run->completed ? yes : no;
    t->false_yes += yes && !run->completed;
    t->false_no += no && run->completed;
    if (yes && run->completed) {
        t->eta[t->n_eta++] = fabs((double)said->eta_us.p50 - left_us) * 100 / (double)run->total_us;
        if (run->mode == 'L') {
            t->pause[t->n_pause++] =
                fabs((double)said->pause_us.p50 - (double)run->pause_us) / 1000;
        }
    }
}

static void play(Table *table, const Run *run)
{
    g_autoptr(Forecaster) forecaster = forecaster_new();
    unsigned passes = 0, k = 0;

    for (guint i = 0; i < run->events->len; i++) {
        passes += g_array_index(run->events, Event, i).kind == PASS;
    }
    /* The last two passes of a run that completed are those of the pause. */
    unsigned asked = run->completed ? MAX(passes, 2u) - 2 : passes;
    for (guint i = 0; i < run->events->len && k < asked; i++) {
        const Event *event = &g_array_index(run->events, Event, i);

        if (event->kind == WINDOW) {
            forecaster_add_window(forecaster, &event->window);
        } else if (event->kind == BLOCK) {
            forecaster_add_block(forecaster, &event->block);
        } else {
            ForecastSettings settings = settings_of(run, event);
            clock_t before = clock();

            forecaster_add_pass(forecaster, &event->pass);
            const Forecast *said = forecaster_judge(forecaster, &settings);
            double us = (double)(clock() - before) * 1e6 / CLOCKS_PER_SEC;

            table->us += us;
            table->worst_us = MAX(table->worst_us, us);
            table->forecasts++;
            judge(table, run, ++k, said,
                  run->completed ? (double)(run->total_us - settings.elapsed_us) : 0);
        }
    }
    assert_in_range(table->runs, 0, MAX_RUNS - 1);
    table->changes[table->runs++] = forecaster_last(forecaster)->changes;
}

/* ---- reading ---- */

static bool read_event(const char *line, Event *e)
{
    *e = (Event){ .kind = WINDOW };
    if (sscanf(line, "window %" SCNd64 "%" SCNu64 "%" SCNu64, &e->window.duration_us,
               &e->window.pages, &e->window.pass) == 3) {
        return true;
    }
    e->kind = BLOCK;
    if (sscanf(line, "block %" SCNd64 "%" SCNu64 "%" SCNd64 "%" SCNu64, &e->block.duration_us,
               &e->block.bytes, &e->block.limiter_us, &e->block.threshold) == 4) {
        return true;
    }
    e->kind = PASS;
    return sscanf(line,
                  "pass %" SCNd64 "%" SCNd64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64
                  "%" SCNu64 "%" SCNd64 "%u%" SCNu64,
                  &e->start_us, &e->pass.duration_us, &e->pass.pages, &e->pass.zero_pages,
                  &e->pass.fresh_pages, &e->pass.dirtied, &e->pass.remaining, &e->pass.bytes,
                  &e->pass.limiter_us, &e->pass.throttle, &e->threshold) == 11;
}

static void judge_file(const char *path, Table *table)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    Run run = { 0 };

    if (!g_file_get_contents(path, &text, NULL, &error)) {
        fail_msg("%s", error->message);
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        Event event;

        if (**line == '#' || **line == '\0') {
            continue;
        }
        if (sscanf(*line, "run %31s %15s %c%" SCNu64 "%" SCNu64 "%" SCNu64 "%u%" SCNd64, run.id,
                   run.pattern, &run.mode, &run.ram, &run.max_bandwidth, &run.limit_ms,
                   &run.converge, &run.horizon_us) == 8) {
            run.events = g_array_new(FALSE, FALSE, sizeof(Event));
        } else if (run.events != NULL && read_event(*line, &event)) {
            g_array_append_val(run.events, event);
        } else if (run.events != NULL && sscanf(*line, "end %u%" SCNd64 "%" SCNd64, &run.completed,
                                                &run.total_us, &run.pause_us) == 3) {
            play(table, &run);
            g_array_unref(run.events);
            run.events = NULL;
        } else {
            fail_msg("%s: %s", path, *line);
        }
    }
}

/* ---- the table ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double quantile(double *values, unsigned n, double share)
{
    qsort(values, n, sizeof(*values), by_value);
    return n > 0 ? values[MIN((unsigned)(share * n), n - 1)] : 0;
}

static double percent(unsigned part, unsigned whole)
{
    return whole > 0 ? part * 100.0 / whole : 100;
}

static unsigned runs_with_more_changes(const Table *table, unsigned changes)
{
    unsigned n = 0;

    for (unsigned i = 0; i < table->runs; i++) {
        n += table->changes[i] > changes;
    }
    return n;
}

static void print_table(Table *table)
{
    printf("%u runs\nafter  runs  decided  right  false yes  false no  end off by P50/P90  "
           "pause off by P50/P90\n",
           table->runs);
    for (int k = 1; k <= MAX_K; k++) {
        Tally *t = &table->after[k];

        printf("%5d  %4u  %5.0f %%  %3.0f %%  %4u/%-4u  %4u/%-3u  %8.0f/%.0f %%  %13.0f/%.0f ms\n",
               k, t->runs, percent(t->decided, t->runs), percent(t->right, t->decided),
               t->false_yes, t->runs - t->ended, t->false_no, t->ended,
               quantile(t->eta, t->n_eta, 0.5), quantile(t->eta, t->n_eta, 0.9),
               quantile(t->pause, t->n_pause, 0.5), quantile(t->pause, t->n_pause, 0.9));
    }
    printf("more than 3 changes of the verdict: %u; a forecast takes %.0f us, at most %.0f us\n",
           runs_with_more_changes(table, 3), table->us / MAX(table->forecasts, 1u),
           table->worst_us);
}

/* The figures of the recorded runs when the limits were last set. A change of the forecast may make
 * them better, not worse. */
static const struct {
    unsigned k;
    double decided, right; /* percent, at least */
    double eta, pause;     /* at P90: percent of the whole time, ms; at most */
} limits[] = {
    { 1, 29, 100, 40, 470 },
    { 2, 54, 95, 20, 210 },
    { 3, 60, 94, 28, 245 },
    { 5, 64, 96, 40, 230 },
};

static void test_recorded_runs(void **state)
{
    g_autofree Table *table = g_new0(Table, 1);
    g_autofree char *path =
        g_build_filename(g_getenv("MIGMON_TEST_DATA"), "foresight", "runs.txt", NULL);

    (void)state;
    judge_file(path, table);
    print_table(table);
    assert_int_equal(table->runs, 88);
    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        Tally *t = &table->after[limits[i].k];

        assert_int_equal(t->false_yes, 0);
        assert_true(percent(t->decided, t->runs) >= limits[i].decided);
        assert_true(percent(t->right, t->decided) >= limits[i].right);
        assert_true(quantile(t->eta, t->n_eta, 0.9) <= limits[i].eta);
        assert_true(quantile(t->pause, t->n_pause, 0.9) <= limits[i].pause);
    }
    assert_true(runs_with_more_changes(table, 3) <= 1);
}

/* ---- edges ---- */

static const ForecastSettings plain = {
    .page_size = PAGE,
    .ram_pages = 16384,
    .limit_us = 300000,
    .threshold = 30 << 20,
    .batch = 2 << 20,
    .fixed_us = 20000,
    .elapsed_us = 1000000,
};

static void test_nothing_is_said_without_passes(void **state)
{
    g_autoptr(Forecaster) forecaster = forecaster_new();

    (void)state;
    assert_int_equal(forecaster_judge(forecaster, &plain)->verdict, FORECAST_NOT_YET_CLEAR);
    assert_int_equal(forecaster_last(forecaster)->pass, 0);
}

static void test_a_link_that_sends_nothing_is_unknown(void **state)
{
    static const ForecastPass pass = { .duration_us = 1000000, .dirtied = 100, .remaining = 16384 };
    g_autoptr(Forecaster) forecaster = forecaster_new();

    (void)state;
    forecaster_add_pass(forecaster, &pass);
    const Forecast *said = forecaster_judge(forecaster, &plain);
    assert_int_equal(said->verdict, FORECAST_NOT_YET_CLEAR);
    assert_int_equal(said->pass, 1);
    assert_false(said->has_eta);
}

static void test_an_idle_guest_finishes(void **state)
{
    static const ForecastPass pass = { .duration_us = 1000000, .pages = 16384, .bytes = 67 << 20 };
    g_autoptr(Forecaster) forecaster = forecaster_new();

    (void)state;
    forecaster_add_pass(forecaster, &pass);
    const Forecast *said = forecaster_judge(forecaster, &plain);
    assert_int_equal(said->verdict, FORECAST_WILL_FINISH);
    assert_true(said->pause_us.p90 < plain.limit_us);
}

/* All of RAM was never touched: a pass of microseconds, and nothing is left. */
static void test_an_empty_guest_finishes(void **state)
{
    static const ForecastPass pass = {
        .duration_us = 236,
        .pages = 12288,
        .zero_pages = 12288,
        .fresh_pages = 12288,
        .bytes = 110614,
    };
    ForecastSettings settings = plain;
    g_autoptr(Forecaster) forecaster = forecaster_new();

    (void)state;
    settings.threshold = 0;
    forecaster_add_pass(forecaster, &pass);
    const Forecast *said = forecaster_judge(forecaster, &settings);
    assert_int_equal(said->verdict, FORECAST_WILL_FINISH);
    assert_true(said->has_eta && said->pause_us.p50 == settings.fixed_us);
}

/* Passes of no time, of no page, with wild counts: a peer that is attached may report anything. */
static void test_wild_figures(void **state)
{
    static const ForecastPass passes[] = {
        { 0 },
        { .duration_us = 1,
          .pages = UINT64_MAX,
          .bytes = UINT64_MAX,
          .dirtied = UINT64_MAX,
          .remaining = UINT64_MAX,
          .throttle = 100 },
        { .duration_us = INT64_MAX, .dirtied = 1, .limiter_us = INT64_MAX, .throttle = 1000 },
        { .duration_us = 5000, .pages = 1, .fresh_pages = UINT64_MAX, .bytes = 1, .remaining = 1 },
    };
    static const ForecastSettings settings[] = {
        { 0 },
        { .page_size = UINT64_MAX,
          .ram_pages = UINT64_MAX,
          .limit_us = INT64_MAX,
          .threshold = UINT64_MAX,
          .batch = UINT64_MAX },
        { .page_size = PAGE,
          .ram_pages = 1,
          .limit_us = 1,
          .throttle_max = 99,
          .throttle_trigger = 50 },
    };

    (void)state;
    for (size_t first = 0; first < G_N_ELEMENTS(passes); first++) {
        for (size_t s = 0; s < G_N_ELEMENTS(settings); s++) {
            g_autoptr(Forecaster) forecaster = forecaster_new();

            for (size_t i = 0; i < 100; i++) {
                forecaster_add_pass(forecaster, &passes[(first + i) % G_N_ELEMENTS(passes)]);
                const Forecast *said = forecaster_judge(forecaster, &settings[s]);

                assert_true(said->probability >= 0 && said->probability <= 1);
                assert_true(said->eta_us.p10 <= said->eta_us.p90);
                assert_true(said->next_pass_us >= 0);
            }
        }
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_runs),
        cmocka_unit_test(test_nothing_is_said_without_passes),
        cmocka_unit_test(test_a_link_that_sends_nothing_is_unknown),
        cmocka_unit_test(test_an_idle_guest_finishes),
        cmocka_unit_test(test_an_empty_guest_finishes),
        cmocka_unit_test(test_wild_figures),
    };

    if (argc > 1) {
        g_autofree Table *table = g_new0(Table, 1);

        table->show = argc > 2 ? argv[2] : NULL;
        judge_file(argv[1], table);
        print_table(table);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
