/*
 * See facts.h.
 */
#include "commands/report/facts.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/shown.h"
#include "backend/tables/info.h"
#include "commands/hmp/hmp-internal.h"

enum { PAGE_SIZE_UNTOLD = 4096, MOST_ROWS = 100000 };

static size_t row_count(json_object *list)
{
    return MIN(json_length(list), (size_t)MOST_ROWS);
}

static void read_pause(ReportFacts *facts, json_object *pause)
{
    facts->has_pause = json_object_is_type(pause, json_type_object);
    facts->pause_us = json_number(pause, "total-us");
    for (int i = 0; facts->has_pause && i < PAUSE__COUNT; i++) {
        facts->has_part[i] = json_object_object_get_ex(pause, pause_parts[i].member, NULL);
        facts->part_us[i] = json_number(pause, pause_parts[i].member);
    }
}

static void read_time(ReportFacts *facts, json_object *time)
{
    facts->has_time = json_object_is_type(time, json_type_object);
    for (int i = 0; facts->has_time && i < TIME__COUNT; i++) {
        facts->time_us[i] = json_number(time, time_kinds[i].member);
    }
}

static void read_passes(ReportFacts *facts, json_object *list, uint64_t page_size)
{
    facts->n_passes = row_count(list);
    facts->passes = g_new0(ReportPass, facts->n_passes + 1);
    for (size_t i = 0; i < facts->n_passes; i++) {
        json_object *o = json_at(list, i);

        facts->passes[i] = (ReportPass){
            .number = json_number(o, "pass"),
            .start_ms = json_number(o, "start-ms"),
            .duration_ms = json_number(o, "duration-ms"),
            .bytes = json_number(o, "bytes"),
            .rate = json_number(o, "bytes-per-second"),
            .dirtied = json_number(o, "dirtied-pages") * page_size,
            .remaining = json_number(o, "remaining-bytes"),
            .knows_dirtied = json_member(o, "dirtied-pages") != NULL,
        };
    }
}

static void read_samples(ReportFacts *facts, json_object *list)
{
    facts->n_samples = row_count(list);
    facts->samples = g_new0(ReportSample, facts->n_samples + 1);
    for (size_t i = 0; i < facts->n_samples; i++) {
        json_object *o = json_at(list, i);
        ReportSample *sample = &facts->samples[i];

        sample->end_ms = (double)json_number(o, "time-ms");
        sample->span_ms = (double)json_number(o, "span-ms");
        for (int k = 0; k < SAMPLE__COUNT; k++) {
            sample->figure[k] = json_number(o, sample_figures[k].member);
        }
    }
}

/* A backend without samples still has passes. */
static void samples_from_passes(ReportFacts *facts)
{
    facts->n_samples = facts->n_passes;
    facts->samples = g_renew(ReportSample, facts->samples, facts->n_passes + 1);
    for (size_t i = 0; i < facts->n_passes; i++) {
        const ReportPass *pass = &facts->passes[i];
        double seconds = (double)MAX(pass->duration_ms, UINT64_C(1)) / 1000;

        facts->samples[i] = (ReportSample){
            .end_ms = (double)(pass->start_ms + pass->duration_ms),
            .span_ms = (double)pass->duration_ms,
            .figure = { [SAMPLE_RATE] = pass->rate,
                        [SAMPLE_DIRTY_RATE] = (uint64_t)((double)pass->dirtied / seconds),
                        [SAMPLE_REMAINING] = pass->remaining,
                        [SAMPLE_THRESHOLD] = facts->threshold },
        };
    }
}

/* A destination may have waited for its source; its time counts from the connection. */
static int64_t moment_of_begin(const ReportFacts *facts)
{
    for (size_t i = 0; i < row_count(facts->states); i++) {
        json_object *row = json_at(facts->states, i);

        if (facts->outgoing || strcmp(json_text(row, "status"), "setup") != 0) {
            return json_integer(row, "wall-us");
        }
    }
    return 0;
}

void report_facts_read(ReportFacts *facts, json_object *replies)
{
    json_object *info = json_member(replies, "query-migrate");
    json_object *history = json_member(replies, "x-query-migrate-history");
    json_object *ram = json_member(info, "ram");
    uint64_t page_size = json_number(ram, "page-size");
    MigrationStatus status;

    *facts = (ReportFacts){
        .name = shown_line(json_text(json_member(replies, "query-name"), "name")),
        .status = shown_line(info_status(info)),
        .direction = shown_line(json_text(history, "direction")),
        .peer = shown_line(json_text(history, "peer")),
        .outcome = shown_message(json_text(history, "outcome")),
        .error = shown_line(json_text(info, "error-desc")),
        .owner = shown_line(json_text(json_member(replies, "x-query-owner"), "owner")),
        .evidence = shown_line(json_text(json_member(replies, "x-query-owner"), "evidence")),
        .run_state = shown_line(json_text(json_member(replies, "query-status"), "status")),
        .elapsed_ms = MAX(json_number(history, "elapsed-ms"), json_number(info, "total-time")),
        .total = MAX(json_number(history, "total-bytes"), json_number(ram, "total")),
        .sent = MAX(json_number(history, "transferred-bytes"), json_number(ram, "transferred")),
        .threshold = json_number(history, "threshold-bytes"),
        .forecast = json_member(history, "forecast"),
        .states = json_member(history, "states"),
        .parameters = json_member(replies, "query-migrate-parameters"),
        .capabilities = json_member(replies, "query-migrate-capabilities"),
    };
    /* QEMU itself has no history; its replies about a migration are those of a source. */
    facts->outgoing = *facts->direction == '\0' || strcmp(facts->direction, "outgoing") == 0;
    facts->over =
        !migration_status_from_name(facts->status, &status) || migration_status_is_over(status);
    facts->began_us = moment_of_begin(facts);
    facts->max_bandwidth = json_number(facts->parameters, "max-bandwidth");
    facts->downtime_limit = json_number(facts->parameters, "downtime-limit");
    read_pause(facts, json_member(history, "downtime"));
    if (!facts->has_pause && json_object_object_get_ex(info, "downtime", NULL)) {
        facts->has_pause = true;
        facts->pause_us = json_number(info, "downtime") * 1000;
    }
    read_time(facts, json_member(history, "time"));
    read_passes(facts, json_member(history, "passes"),
                page_size != 0 ? page_size : PAGE_SIZE_UNTOLD);
    read_samples(facts, json_member(history, "samples"));
    if (facts->n_samples == 0) {
        samples_from_passes(facts);
    }
}

void report_facts_clear(ReportFacts *facts)
{
    char *texts[] = { facts->name,  facts->status,   facts->direction,
                      facts->peer,  facts->outcome,  facts->error,
                      facts->owner, facts->evidence, facts->run_state };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_free(texts[i]);
    }
    g_free(facts->samples);
    g_free(facts->passes);
}

/* ---- figures that follow from them ---- */

char *report_transport(const ReportFacts *facts)
{
    const char *colon = strchr(facts->peer, ':');

    return colon ? g_strndup(facts->peer, (gsize)(colon - facts->peer)) : g_strdup("");
}

uint64_t report_mean_rate(const ReportFacts *facts)
{
    double bytes = 0, ms = 0;

    for (size_t i = 0; i < facts->n_samples; i++) {
        bytes += (double)facts->samples[i].figure[SAMPLE_RATE] * facts->samples[i].span_ms / 1000;
        ms += facts->samples[i].span_ms;
    }
    if (ms <= 0) {
        bytes = (double)facts->sent;
        ms = (double)facts->elapsed_ms;
    }
    return ms > 0 ? (uint64_t)(bytes * 1000 / ms) : 0;
}

PausePart report_longest_part(const ReportFacts *facts)
{
    PausePart longest = PAUSE__COUNT;

    for (int i = 0; i < PAUSE__COUNT; i++) {
        if (facts->has_part[i] &&
            (longest == PAUSE__COUNT || facts->part_us[i] > facts->part_us[longest])) {
            longest = (PausePart)i;
        }
    }
    return longest;
}

TimeKind report_longest_time(const ReportFacts *facts, double *ret_percent)
{
    double all = 0;
    TimeKind longest = (TimeKind)0;

    for (int i = 0; i < TIME__COUNT; i++) {
        all += (double)facts->time_us[i];
        longest = facts->time_us[i] > facts->time_us[longest] ? (TimeKind)i : longest;
    }
    if (all <= 0) {
        return TIME__COUNT;
    }
    *ret_percent = (double)facts->time_us[longest] * 100 / all;
    return longest;
}

char *report_time(double us)
{
    if (us == 0) {
        return g_strdup("0 s");
    }
    if (us < 999.5) {
        return g_strdup_printf("%.0f us", us);
    }
    if (us < 999.5e3) {
        return g_strdup_printf("%.3g ms", us / 1000);
    }
    if (us < 119.95e6) {
        return g_strdup_printf("%.1f s", us / 1e6);
    }
    uint64_t seconds = (uint64_t)(us / 1e6 + 0.5);
    return g_strdup_printf("%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
}

char *report_moment(int64_t wall_us)
{
    g_autoptr(GDateTime) moment =
        wall_us > 0 ? g_date_time_new_from_unix_utc(wall_us / G_USEC_PER_SEC) : NULL;

    return moment ? g_date_time_format(moment, "%Y-%m-%d %H:%M:%S UTC") : g_strdup("");
}
