/*
 * The conclusions of a report: five questions, each answered in one or two
 * sentences from the facts, with the figures behind the answer. Unknown facts
 * are reported as unknown.
 */
#include "commands/report/report.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/size.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"
#include "commands/hmp/hmp-internal.h"

/* A rate above this share of a limit was limited by it. */
#define AT_LIMIT 0.9

const ReportQuestion report_questions[ANSWER__COUNT] = {
    [ANSWER_FINISHED] = { "finished", "Did it finish?" },
    [ANSWER_PAUSE] = { "pause", "How bad was the pause?" },
    [ANSWER_LIMIT] = { "limit", "What limited it?" },
    [ANSWER_WHERE] = { "where", "Where is the guest?" },
    [ANSWER_NEXT] = { "next", "What to change next time?" },
};

static bool has_status(const ReportFacts *facts, const char *status)
{
    return strcmp(facts->status, status) == 0;
}

char *report_title(const ReportFacts *facts)
{
    const char *way = facts->outgoing ? "to" : "from";

    return g_strdup_printf("Migration%s%s%s%s%s%s: %s", *facts->name ? " of " : "", facts->name,
                           *facts->peer ? " " : "", *facts->peer ? way : "",
                           *facts->peer ? " " : "", facts->peer, facts->status);
}

/* ---- did it finish ---- */

/* "after 3.2 s" */
static char *time_taken(const ReportFacts *facts)
{
    g_autofree char *time = report_time((double)facts->elapsed_ms * 1000);

    return facts->elapsed_ms > 0 ? g_strconcat("after ", time, NULL) : g_strdup("at once");
}

static char *answer_finished(const ReportFacts *facts)
{
    g_autofree char *first = g_strndup(facts->outcome, strcspn(facts->outcome, "\n"));
    g_autofree char *after = time_taken(facts);
    const char *reason = *facts->error ? facts->error : first;

    if (has_status(facts, "completed")) {
        return g_strdup_printf("Yes, %s.", after);
    }
    if (has_status(facts, "failed")) {
        return g_strdup_printf("No, it failed %s%s%s.", after, *reason ? ": " : "", reason);
    }
    if (has_status(facts, "cancelled")) {
        return g_strdup_printf("No, it was cancelled %s.", after);
    }
    g_autofree char *time = report_time((double)facts->elapsed_ms * 1000);
    return g_strdup_printf("Not yet: %s for %s.", facts->status, time);
}

/* ---- the pause ---- */

static char *answer_pause(const ReportFacts *facts)
{
    PausePart longest = report_longest_part(facts);
    g_autofree char *pause = report_time((double)facts->pause_us);
    g_autoptr(GString) text = g_string_new(NULL);

    if (!facts->outgoing) {
        return g_strdup("This side does not see it: the source's report has it.");
    }
    if (!facts->has_pause) {
        return g_strdup(facts->over && !has_status(facts, "completed")
                            ? "There was none: the guest was not stopped for the switchover."
                            : "Not known yet: the switchover has not begun.");
    }
    g_string_append_printf(text, "%s", pause);
    if (facts->downtime_limit > 0) {
        bool kept = facts->pause_us <= facts->downtime_limit * 1000;

        g_string_append_printf(text, ", %s the limit of %" PRIu64 " ms", kept ? "within" : "beyond",
                               facts->downtime_limit);
    }
    if (longest != PAUSE__COUNT && facts->pause_us > 0) {
        g_autofree char *part = report_time((double)facts->part_us[longest]);

        g_string_append_printf(text, "; most of it, %s (%.0f %%), was: %s", part,
                               (double)facts->part_us[longest] * 100 / (double)facts->pause_us,
                               pause_parts[longest].name);
    }
    g_string_append_c(text, '.');
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- what limited it ---- */

static bool was_at_bandwidth_limit(const ReportFacts *facts)
{
    double percent;
    TimeKind kind = report_longest_time(facts, &percent);

    if (kind != TIME__COUNT) {
        return kind == TIME_LIMITER;
    }
    return facts->max_bandwidth > 0 &&
           (double)report_mean_rate(facts) >= AT_LIMIT * (double)facts->max_bandwidth;
}

static bool guest_was_too_fast(const ReportFacts *facts)
{
    return !has_status(facts, "completed") &&
           strcmp(json_text(facts->forecast, "verdict"), "will-not-finish") == 0;
}

/* Explains why more passes would not have helped. */
static void append_race(GString *text, const ReportFacts *facts)
{
    json_object *reasons = json_list(facts->forecast, "reasons");

    g_string_append_printf(text, " More passes would not have helped: %s.",
                           json_string(json_at(reasons, 0)));
}

/* The limiting factor, as far as it was measured, and the rates that show it. */
static void append_rates(GString *text, const ReportFacts *facts)
{
    uint64_t rate = report_mean_rate(facts);
    g_autofree char *mean = size_format(rate), *most = size_format(facts->max_bandwidth);
    double percent;
    TimeKind kind = report_longest_time(facts, &percent);

    if (kind != TIME__COUNT) {
        g_string_append_printf(text, "%s: %.0f %% of its time. %s/s were sent on average",
                               time_kinds[kind].name, percent, mean);
    } else if (was_at_bandwidth_limit(facts)) {
        g_string_append_printf(text, "max-bandwidth: %s/s were sent on average", mean);
    } else {
        g_string_append_printf(text, "the link, the receiver or a CPU: %s/s were sent on average",
                               mean);
    }
    if (facts->max_bandwidth == 0) {
        g_string_append(text, " without a limit.");
    } else {
        g_string_append_printf(text, ", max-bandwidth allows %s/s%s.", most,
                               rate > facts->max_bandwidth ? " (the pause is not held to that)"
                                                           : "");
    }
}

static char *answer_limit(const ReportFacts *facts)
{
    uint64_t rate = report_mean_rate(facts);
    g_autofree char *mean = size_format(rate);
    g_autoptr(GString) text = g_string_new(NULL);

    if (rate == 0) {
        return g_strdup("Nothing: it did not come to moving RAM.");
    }
    if (!facts->outgoing) {
        return g_strdup_printf("Not known here: %s/s came in on average; the source's report says "
                               "what held it back.",
                               mean);
    }
    append_rates(text, facts);
    if (guest_was_too_fast(facts)) {
        append_race(text, facts);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- where the guest is ---- */

static char *answer_where(const ReportFacts *facts)
{
    g_autoptr(GString) text = g_string_new(*facts->owner ? facts->owner : "not told");

    if (*facts->evidence) {
        g_string_append_printf(text, ": %s", facts->evidence);
    }
    if (*facts->run_state) {
        g_string_append_printf(text, "; run state on this side: %s", facts->run_state);
    }
    g_string_append_c(text, '.');
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- what to change ---- */

/* Adds the advice in the outcome: lines after the first that begin with "hint: ". */
static void append_hints(GString *text, const char *outcome)
{
    g_auto(GStrv) lines = g_strsplit(outcome, "\n", -1);

    for (char **line = *lines ? lines + 1 : lines; *line; line++) {
        const char *hint = g_str_has_prefix(*line, "hint: ") ? *line + strlen("hint: ") : "";

        g_string_append_printf(text, "%s%s%s", text->len > 0 && *hint ? " " : "", hint,
                               *hint ? "." : "");
    }
}

static void advise_on_pause(const ReportFacts *facts, GString *text)
{
    PausePart longest = report_longest_part(facts);

    if (!facts->has_pause || facts->downtime_limit == 0 ||
        facts->pause_us <= facts->downtime_limit * 1000) {
        return;
    }
    if (longest == PAUSE_RAM || longest == PAUSE_SYNCED) {
        g_autofree char *mean = size_format(report_mean_rate(facts));

        g_string_append_printf(text,
                               "The pause was planned with a bandwidth that was not there at the "
                               "end: set avail-switchover-bandwidth to what the link really "
                               "gives (%s/s on average), or a smaller downtime-limit. ",
                               mean);
    } else {
        g_string_append(text, "The pause went beyond its limit without RAM: a smaller "
                              "downtime-limit leaves more room for the other parts. ");
    }
}

static char *answer_next(const ReportFacts *facts)
{
    g_autoptr(GString) text = g_string_new(NULL);

    append_hints(text, facts->outcome);
    advise_on_pause(facts, text);
    if (guest_was_too_fast(facts)) {
        g_string_append_printf(text, "%s. ", json_text(facts->forecast, "advice"));
    }
    if (facts->outgoing && was_at_bandwidth_limit(facts) && !guest_was_too_fast(facts)) {
        g_string_append(text, "A higher max-bandwidth makes it shorter, if the link has more to "
                              "give. ");
    }
    if (text->len == 0) {
        g_string_append(text, has_status(facts, "completed") ? "Nothing that the figures show."
                              : has_status(facts, "failed")
                                  ? "What the reason above names."
                                  : "Nothing that the figures show: it was going well as far as it "
                                    "went.");
    }
    return g_strchomp(g_string_free(g_steal_pointer(&text), FALSE));
}

char *report_answer(const ReportFacts *facts, ReportAnswer which)
{
    static char *(*const answers[ANSWER__COUNT])(const ReportFacts *facts) = {
        [ANSWER_FINISHED] = answer_finished, [ANSWER_PAUSE] = answer_pause,
        [ANSWER_LIMIT] = answer_limit,       [ANSWER_WHERE] = answer_where,
        [ANSWER_NEXT] = answer_next,
    };

    return answers[which](facts);
}

/* ---- settings ---- */

void report_settings(const ReportFacts *facts,
                     void (*setting)(const char *name, const char *value, const char *initial,
                                     void *data),
                     void *data)
{
    MigParameters initial;

    parameters_init(&initial);
    json_object *defaults = parameters_to_json(&initial);
    for (size_t i = 0; i < param_count; i++) {
        json_object *now = json_member(facts->parameters, param_table[i].name);
        json_object *begin = json_member(defaults, param_table[i].name);

        if (now && !json_object_equal(now, begin)) {
            g_autofree char *value = param_value_for_people(&param_table[i], now);
            g_autofree char *was = param_value_for_people(&param_table[i], begin);

            setting(param_table[i].name, value, was, data);
        }
    }
    json_object_put(defaults);
    parameters_clear(&initial);
    for (JsonEach row = json_each(facts->capabilities); json_next(&row);) {
        if (json_flag(row.value, "state")) {
            setting(json_text(row.value, "capability"), "on", "off", data);
        }
    }
}
