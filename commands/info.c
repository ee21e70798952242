/*
 * info and its sub-commands: each sends one or more requests and prints the
 * reply in HMP's lines. Our own lines follow QEMU's block, and only when they
 * have something to report.
 */
#include "commands/hmp/hmp-internal.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/size.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/history.h"
#include "backend/tables/info.h"
#include "backend/tables/parameters.h"
#include "commands/settings.h"

/* ---- info migrate ---- */

static void print_owner(HmpCall *call, json_object *value, const GError *error)
{
    if (!error) {
        const char *evidence = json_text(value, "evidence");

        call_add_value(call, "x-query-owner", value);
        call_print(call, "owner: %s%s%s%s\n", json_text(value, "owner"), *evidence ? " (" : "",
                   evidence, *evidence ? ")" : "");
    }
    call_finish(call, HMP_OK); /* a backend without this request adds nothing */
}

static void print_passes(HmpCall *call, json_object *history)
{
    json_object *passes = json_member(history, "passes");
    size_t n = json_length(passes);

    if (n > 0) {
        json_object *last = json_at(passes, n - 1);
        g_autofree char *sent = size_format(json_number(last, "bytes"));
        g_autofree char *rate = size_format(json_number(last, "bytes-per-second"));
        g_autofree char *left = size_format(json_number(last, "remaining-bytes"));
        g_autofree char *dirtied = json_member(last, "dirtied-pages")
                                       ? g_strdup_printf(", %" PRIu64 " pages dirtied meanwhile",
                                                         json_number(last, "dirtied-pages"))
                                       : g_strdup("");

        call_print(call, "passes: %" PRIu64 "\n", history_count_passes(history));
        call_print(call, "last pass: %s sent, %s/s%s, %s left\n", sent, rate, dirtied, left);
    }
}

/* "pause: 41 ms: stop 0.1, last sync 0.4 ms"; while it lasts "pause: 341 ms so far (41 over its
 * limit), the guest waits for the last RAM to be sent: stop 0.1, last sync 0.4 ms" */
static void print_pause(HmpCall *call, json_object *pause)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *waits = json_text(pause, "waits-for");

    if (!pause) {
        return;
    }
    for (size_t i = 0; i < PAUSE__COUNT; i++) {
        if (json_member(pause, pause_parts[i].member)) {
            g_string_append_printf(text, "%s%s %.1f", text->len > 0 ? ", " : ": ",
                                   pause_parts[i].name,
                                   (double)json_number(pause, pause_parts[i].member) / 1000);
        }
    }
    call_print(call, "pause: %" PRIu64 " ms", (json_number(pause, "total-us") + 500) / 1000);
    if (*waits != '\0') {
        call_print(call, " so far");
        if (json_number(pause, "over-limit-us") > 0) {
            call_print(call, " (%" PRIu64 " over its limit)",
                       (json_number(pause, "over-limit-us") + 500) / 1000);
        }
        call_print(call, ", the guest waits for %s", waits);
    }
    call_print(call, "%s%s\n", text->str, text->len > 0 ? " ms" : "");
}

/* "time: receiver 71 %, own work 29 % (last second: receiver 100 %)" */
static void print_time(HmpCall *call, json_object *history)
{
    g_autofree char *whole = history_time_text(json_member(history, "time"));
    g_autofree char *newest = history_time_text(json_member(history, "time-last-second"));

    if (*whole != '\0') {
        call_print(call, "time: %s%s%s%s\n", whole, *newest != '\0' ? " (last second: " : "",
                   newest, *newest != '\0' ? ")" : "");
    }
}

/* "page requests: 812, median 0.2 ms, 99 % within 1.9 ms, longest 4.0 ms; all vCPUs waited 12 ms"
 */
static void print_faults(HmpCall *call, json_object *faults)
{
    json_object *vcpus = json_member(faults, "vcpu-blocktime-us");
    uint64_t waiting = json_number(faults, "waiting-vcpus");

    if (!faults || json_number(faults, "requests") == 0) {
        return;
    }
    call_print(call,
               "page requests: %" PRIu64 ", median %.1f ms, 99 %% within %.1f ms, longest %.1f ms; "
               "all vCPUs waited %" PRIu64 " ms",
               json_number(faults, "requests"), (double)json_number(faults, "median-us") / 1000,
               (double)json_number(faults, "p99-us") / 1000,
               (double)json_number(faults, "max-us") / 1000,
               json_number(faults, "blocktime-us") / 1000);
    for (size_t i = 0; i < json_length(vcpus); i++) {
        call_print(call, "%s%" PRIu64, i == 0 ? ", each " : " ",
                   json_object_get_uint64(json_at(vcpus, i)) / 1000);
    }
    call_print(call, "%s", json_length(vcpus) > 0 ? " ms" : "");
    if (waiting > 0) {
        call_print(call, "; %" PRIu64 " wait now", waiting);
    }
    call_print(call, "\n");
}

static void print_sentence(HmpCall *call, const char *label, const char *text)
{
    if (*text != '\0') {
        call_print_message(call, label, text);
    }
}

/* "since: 12.3 s in postcopy-paused", for what an operator ends. */
static void print_since(HmpCall *call, json_object *history)
{
    static const char *const waits[] = { "pre-switchover", "postcopy-paused", NULL };
    json_object *states = json_member(history, "states");
    json_object *last = json_length(states) > 0 ? json_at(states, json_length(states) - 1) : NULL;
    const char *status = last ? json_text(last, "status") : "";

    if (g_strv_contains(waits, status)) {
        int64_t ms = json_object_get_int64(json_member(history, "elapsed-ms")) -
                     json_object_get_int64(json_member(last, "time-ms"));

        call_print(call, "since: %.1f s in %s\n", (double)MAX(ms, 0) / 1000, status);
    }
}

static void print_history(HmpCall *call, json_object *value, const GError *error)
{
    if (!error) {
        call_add_value(call, "x-query-migrate-history", value);
        print_passes(call, value);
        print_time(call, value);
        print_sentence(call, "verdict", json_text(value, "verdict"));
        print_sentence(call, "advice", json_text(value, "advice"));
        print_pause(call, json_member(value, "downtime"));
        print_since(call, value);
        print_faults(call, json_member(value, "page-faults"));
        print_sentence(call, "outcome", json_text(value, "outcome"));
    }
    call_request(call, "x-query-owner", NULL, print_owner);
}

static void print_migrate(HmpCall *call, json_object *value, const GError *error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (error) {
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }
    mig_info_format_hmp(value, text);
    call_print_lines(call, text->str);
    call_set_value(call, value);
    if (json_member(value, "status")) {
        call_request(call, "x-query-migrate-history", NULL, print_history);
    } else {
        call_finish(call, HMP_OK); /* before the first migration only HMP's lines are printed */
    }
}

static void run_migrate(HmpCall *call)
{
    call_request(call, "query-migrate", NULL, print_migrate);
}

/* ---- explain: how the forecast came about, in six lines with its numbers ---- */

/* "84 ms", "2.4 s" */
static char *time_text(uint64_t ms)
{
    return ms < 1000 ? g_strdup_printf("%" PRIu64 " ms", ms)
                     : g_strdup_printf("%.1f s", (double)ms / 1000);
}

static char *range_text(json_object *range)
{
    g_autofree char *low = time_text(json_number(range, "p10"));
    g_autofree char *middle = time_text(json_number(range, "p50"));
    g_autofree char *high = time_text(json_number(range, "p90"));

    return g_strdup_printf("%s (%s to %s)", middle, low, high);
}

static char *size_of(json_object *inputs, const char *name)
{
    return size_format(json_number(inputs, name));
}

static void explain_guest(HmpCall *call, json_object *inputs)
{
    g_autofree char *limit = time_text(json_number(inputs, "downtime-limit-ms"));
    g_autofree char *rate = size_of(inputs, "dirty-bytes-per-second");
    g_autofree char *set = size_of(inputs, "working-set-bytes");

    call_print(call,
               "guest: dirties %s/s within %s, writes to about %s in all (from %" PRIu64 " counts)",
               rate, limit, set, json_number(inputs, "observations"));
    if (json_number(inputs, "throttle-percent") > 0) {
        call_print(call, "; slowed by %" PRIu64 " %%", json_number(inputs, "throttle-percent"));
    }
    call_print(call, "\n");
}

static void explain_link(HmpCall *call, json_object *inputs)
{
    g_autofree char *now = size_of(inputs, "bandwidth");
    g_autofree char *pause = size_of(inputs, "switchover-bandwidth");

    call_print(call,
               "link: %s/s, %s/s in the pause; max-bandwidth holds it %" PRIu64
               " %% of the time; a dirty page takes %" PRIu64 " bytes\n",
               now, pause, json_number(inputs, "limiter-percent"),
               json_number(inputs, "bytes-per-dirty-page"));
}

static void explain_left(HmpCall *call, json_object *inputs)
{
    g_autofree char *left = size_of(inputs, "remaining-bytes");
    g_autofree char *fits = size_of(inputs, "threshold-bytes");
    g_autofree char *floor = size_of(inputs, "floor-bytes");
    g_autofree char *next = time_text(json_number(inputs, "next-pass-ms"));

    call_print(call,
               "left: %s after pass %" PRIu64 ", %s fit into the pause, about %s would stay dirty "
               "for ever; the next pass takes %s\n",
               left, json_number(inputs, "pass"), fits, floor, next);
}

static void explain_end(HmpCall *call, json_object *forecast, json_object *inputs)
{
    json_object *eta = json_member(forecast, "eta-ms"), *pause = json_member(forecast, "pause-ms");
    g_autofree char *limit = time_text(json_number(inputs, "downtime-limit-ms"));

    if (eta == NULL) {
        call_print(call, "end: none of %" PRIu64 " plays of the rest ends in time",
                   json_number(inputs, "plays"));
        return;
    }
    g_autofree char *end = range_text(eta), *paused = range_text(pause);
    call_print(call, "end: in %s if it ends, pause %s, limit %s", end, paused, limit);
}

static void explain_needs(HmpCall *call, json_object *needs)
{
    uint64_t limit = json_number(needs, "downtime-limit-ms");
    uint64_t bandwidth = json_number(needs, "bandwidth"), throttle = json_number(needs, "throttle");
    const char *before = " ";

    call_print(call, "; needs:");
    if (limit > 0) {
        call_print(call, "%sa downtime-limit of %" PRIu64 " ms", before, limit);
        before = ", or ";
    }
    if (bandwidth > 0) {
        g_autofree char *text = size_format(bandwidth);

        call_print(call, "%s%s/s", before, text);
        before = ", or ";
    }
    if (throttle > 0) {
        call_print(call, "%sthe guest slowed by %" PRIu64 " %%", before, throttle);
        before = ", or ";
    }
    call_print(call, "%s\n", *before == ' ' ? " nothing" : "");
}

static void explain(HmpCall *call, json_object *value, const GError *error)
{
    json_object *forecast = json_member(value, "forecast");
    json_object *inputs = json_member(forecast, "inputs");

    if (!error && forecast == NULL) {
        call_print(call, "no forecast: the first pass of a migration from here has not ended\n");
    } else if (!error) {
        call_print(
            call, "%s\nwhy: %s; %.0f %% of %" PRIu64 " plays of the rest end within %.0f s\n",
            json_text(forecast, "text"), json_string(json_at(json_member(forecast, "reasons"), 0)),
            json_real(forecast, "probability") * 100, json_number(inputs, "plays"),
            (double)json_number(inputs, "horizon-ms") / 1000);
        explain_guest(call, inputs);
        explain_link(call, inputs);
        explain_left(call, inputs);
        explain_end(call, forecast, inputs);
        explain_needs(call, json_member(forecast, "needs"));
    }
    call_finish_with(call, value, error);
}

static void run_explain(HmpCall *call)
{
    call_request(call, "x-query-migrate-history", NULL, explain);
}

const Command cmd_explain = {
    .name = "explain",
    .params = "",
    .help = "show how the forecast of the migration came about: will it finish, when, with what "
            "pause",
    .run = run_explain,
};

/* ---- parameters and capabilities ---- */

/* For a row of the tables that the attached QEMU does not have. */
static void print_lack(HmpCall *call, SettingKind kind, const char *name)
{
    json_object *target = backend_target(call->hmp->backend);
    Setting setting;

    if (target && setting_find(target, kind, name, &setting) && !setting.theirs) {
        call_print(call, "%s: not known to %s\n", name, setting.target);
    }
}

/* Settings that only the attached QEMU has, and settings that it lacks. */
static void print_foreign(HmpCall *call, json_object *value)
{
    json_object *target = backend_target(call->hmp->backend);
    const ParamDesc *row;

    json_object_object_foreach (value, name, setting) {
        if (target && !param_find(name)) {
            call_print(call, "%s: %s (of %s)\n", name, json_object_get_string(setting),
                       target_version(target));
        }
    }
    for (size_t i = 0; (row = param_in_info_order(i)) != NULL; i++) {
        print_lack(call, SETTING_PARAMETER, row->name);
    }
}

static void print_parameters(HmpCall *call, json_object *value, const GError *error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!error) {
        parameters_format_hmp(value, text);
        call_print_lines(call, text->str);
        print_foreign(call, value);
    }
    call_finish_with(call, value, error);
}

static void run_parameters(HmpCall *call)
{
    call_request(call, "query-migrate-parameters", NULL, print_parameters);
}

static void print_capabilities(HmpCall *call, json_object *value, const GError *error)
{
    for (JsonEach row = json_each(value); json_next(&row);) {
        call_print(call, "%s: %s\n", json_text(row.value, "capability"),
                   json_flag(row.value, "state") ? "on" : "off");
    }
    for (int i = 0; !error && i < CAPABILITY__COUNT; i++) {
        print_lack(call, SETTING_CAPABILITY, capability_table[i].name);
    }
    call_finish_with(call, value, error);
}

static void run_capabilities(HmpCall *call)
{
    call_request(call, "query-migrate-capabilities", NULL, print_capabilities);
}

/* ---- the guest ---- */

/* The owner of the guest, only after a migration: before that there is no doubt. */
static void print_status_owner(HmpCall *call, json_object *value, const GError *error)
{
    if (!error && json_flag(value, "migrated")) {
        print_owner(call, value, error);
    } else {
        call_finish(call, HMP_OK);
    }
}

static void print_status(HmpCall *call, json_object *value, const GError *error)
{
    if (error) {
        call_finish_with(call, value, error);
        return;
    }

    bool running = json_flag(value, "running");
    const char *status = json_text(value, "status");
    bool known = running || strcmp(status, "paused") == 0;

    call_print(call, "VM status: %s%s%s%s\n", running ? "running" : "paused", known ? "" : " (",
               known ? "" : status, known ? "" : ")");
    call_set_value(call, value);
    call_request(call, "x-query-owner", NULL, print_status_owner);
}

static void run_status(HmpCall *call)
{
    call_request(call, "query-status", NULL, print_status);
}

static void print_threads(HmpCall *call, json_object *value, const GError *error)
{
    for (JsonEach row = json_each(value); json_next(&row);) {
        call_print(call, "%s: thread %" PRIu64 "\n", json_text(row.value, "name"),
                   json_number(row.value, "thread-id"));
    }
    if (!error && json_length(value) == 0) {
        call_hint(call, "no thread of a migration runs");
    }
    call_finish_with(call, value, error);
}

static void run_threads(HmpCall *call)
{
    call_request(call, "query-migrationthreads", NULL, print_threads);
}

static void print_version(HmpCall *call, json_object *value, const GError *error)
{
    if (!error) {
        json_object *qemu = json_member(value, "qemu");

        call_print(call, "%" PRIu64 ".%" PRIu64 ".%" PRIu64 "%s\n", json_number(qemu, "major"),
                   json_number(qemu, "minor"), json_number(qemu, "micro"),
                   json_text(value, "package"));
    }
    call_finish_with(call, value, error);
}

static void run_version(HmpCall *call)
{
    call_request(call, "query-version", NULL, print_version);
}

static void print_name(HmpCall *call, json_object *value, const GError *error)
{
    if (!error && json_member(value, "name")) {
        call_print(call, "%s\n", json_text(value, "name"));
    }
    call_finish_with(call, value, error);
}

static void run_name(HmpCall *call)
{
    call_request(call, "query-name", NULL, print_name);
}

static void print_uuid(HmpCall *call, json_object *value, const GError *error)
{
    if (!error) {
        call_print(call, "%s\n", json_text(value, "UUID"));
    }
    call_finish_with(call, value, error);
}

static void run_uuid(HmpCall *call)
{
    call_request(call, "query-uuid", NULL, print_uuid);
}

static void print_guest(HmpCall *call, json_object *value, const GError *error)
{
    size_t n = error ? 0 : json_length(value), width = 0;

    for (size_t i = 0; i < n; i++) {
        width = MAX(width, strlen(json_text(json_at(value, i), "name")));
    }
    for (size_t i = 0; i < n; i++) {
        json_object *row = json_at(value, i);
        const char *name = json_text(row, "name");

        call_print(call, "%s:%*s %s\n", name, (int)(width - strlen(name)), "",
                   json_text(row, "value"));
    }
    call_finish_with(call, value, error);
}

static void run_guest(HmpCall *call)
{
    call_request(call, "x-query-guest", NULL, print_guest);
}

/* ---- the table ---- */

#define INFO_ROW(id, text, function)                                                               \
    static const Command row_##id = {                                                              \
        .name = #id,                                                                               \
        .params = "",                                                                              \
        .help = text,                                                                              \
        .run = function,                                                                           \
    }

INFO_ROW(guest, "show the guest: machine, memory, vCPUs, workload, dirty tracker", run_guest);
INFO_ROW(migrate, "show migration status", run_migrate);
INFO_ROW(migrate_capabilities, "show current migration capabilities", run_capabilities);
INFO_ROW(migrate_parameters, "show current migration parameters", run_parameters);
INFO_ROW(migration_threads, "show the threads of the migration that runs", run_threads);
INFO_ROW(name, "show the current VM name", run_name);
INFO_ROW(status, "show the current VM status (running|paused)", run_status);
INFO_ROW(uuid, "show the current VM UUID", run_uuid);
INFO_ROW(version, "show the version of QEMU", run_version);

static void run_info(HmpCall *call)
{
    help_print_table(call, call->command->sub, "info ");
    call_finish(call, HMP_OK);
}

const Command cmd_info = {
    .name = "info",
    .params = "[subcommand]",
    .help = "show various information about the system state",
    .run = run_info,
    .sub = (const Command *const[]){ &info_dirty_rate, &row_guest, &info_history, &row_migrate,
                                     &row_migrate_capabilities, &row_migrate_parameters,
                                     &row_migration_threads, &row_name, &info_objects,
                                     &info_snapshots, &row_status, &info_target, &row_uuid,
                                     &info_vcpu_dirty_limit, &row_version, NULL },
};
