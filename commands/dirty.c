/*
 * The dirty rate of the guest: measuring it, and limits for vCPUs.
 */
#include "commands/hmp/hmp-internal.h"

#include <inttypes.h>

#include "backend/base/error.h"

/* ---- calc_dirty_rate ---- */

/* For mistakes that HMP reports without "Error:". */
static void refuse_plain(HmpCall *call, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(MIG_ERROR, MIG_ERROR_GENERIC, text);

    call_fail_syntax(call, error, NULL);
}

static void calc_done(HmpCall *call, json_object *value, const GError *error)
{
    if (!error) {
        call_print(call,
                   "Starting dirty rate measurement with period %" PRId64 " seconds\n"
                   "[Please use 'info dirty_rate' to check results]\n",
                   call_integer(call, "second"));
    }
    call_finish_with(call, value, error);
}

static void run_calc(HmpCall *call)
{
    bool ring = call_has(call, "r"), bitmap = call_has(call, "b");
    int64_t seconds = call_integer(call, "second");

    if (seconds == 0) {
        refuse_plain(call, "Incorrect period length specified!");
        return;
    }
    if (ring && bitmap) {
        refuse_plain(call, "Either dirty ring or dirty bitmap can be specified!");
        return;
    }

    const char *mode = ring ? "dirty-ring" : bitmap ? "dirty-bitmap" : "page-sampling";
    json_object *args = json_object_new_object();
    json_add_integer(args, "calc-time", seconds);
    json_add_text(args, "mode", mode);
    if (call_has(call, "sample_pages_per_GB")) {
        int64_t pages = call_integer(call, "sample_pages_per_GB");
        json_add_integer(args, "sample-pages", pages);
    }
    call_request(call, "calc-dirty-rate", args, calc_done);
}

/* ---- info dirty_rate ---- */

static void print_rate(HmpCall *call, json_object *info)
{
    json_object *vcpus = json_member(info, "vcpu-dirty-rate");

    if (!json_member(info, "dirty-rate")) {
        call_print(call, "Dirty rate: (not ready)\n");
        return;
    }
    call_print(call, "Dirty rate: %" PRIu64 " (MB/s)\n", json_number(info, "dirty-rate"));
    for (JsonEach row = json_each(vcpus); json_next(&row);) {
        call_print(call, "vcpu[%" PRIu64 "], Dirty rate: %" PRIu64 " (MB/s)\n",
                   json_number(row.value, "id"), json_number(row.value, "dirty-rate"));
    }
}

static void print_dirty_rate(HmpCall *call, json_object *value, const GError *error)
{
    if (!error) {
        const char *mode = json_text(value, "mode");

        call_print(call, "Status: %s\nStart Time: %" PRIu64 " (ms)\n", json_text(value, "status"),
                   json_number(value, "start-time"));
        if (g_str_equal(mode, "page-sampling")) {
            call_print(call, "Sample Pages: %" PRIu64 " (per GB)\n",
                       json_number(value, "sample-pages"));
        }
        call_print(call, "Period: %" PRIu64 " (sec)\nMode: %s\n", json_number(value, "calc-time"),
                   mode);
        print_rate(call, value);
    }
    call_finish_with(call, value, error);
}

static void run_info_dirty_rate(HmpCall *call)
{
    call_request(call, "query-dirty-rate", NULL, print_dirty_rate);
}

/* ---- limits of vCPUs ---- */

static json_object *cpu_argument(HmpCall *call)
{
    json_object *args = json_object_new_object();

    if (call_has(call, "cpu_index")) {
        int64_t index = call_integer(call, "cpu_index");
        json_add_integer(args, "cpu-index", index);
    }
    return args;
}

static void run_set_limit(HmpCall *call)
{
    int64_t rate = call_integer(call, "dirty_rate");

    if (rate < 0) {
        g_autoptr(GError) error =
            g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "invalid dirty page limit %" PRId64, rate);

        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }

    json_object *args = cpu_argument(call);
    json_add_integer(args, "dirty-rate", rate);
    call_request(call, "set-vcpu-dirty-limit", args, call_finish_with);
}

static void cancel_limit_done(HmpCall *call, json_object *value, const GError *error)
{
    if (!error) {
        call_print(call, "[Please use 'info vcpu_dirty_limit' to query dirty limit for virtual "
                         "CPU]\n");
    }
    call_finish_with(call, value, error);
}

static void run_cancel_limit(HmpCall *call)
{
    call_request(call, "cancel-vcpu-dirty-limit", cpu_argument(call), cancel_limit_done);
}

static void print_limits(HmpCall *call, json_object *value, const GError *error)
{
    size_t n = error ? 0 : json_length(value);

    if (!error && n == 0) {
        call_print(call, "Dirty page limit not enabled!\n");
    }
    for (size_t i = 0; i < n; i++) {
        json_object *row = json_at(value, i);

        call_print(call,
                   "vcpu[%" PRIu64 "], limit rate %" PRIu64 " (MB/s), current rate %" PRIu64
                   " (MB/s)\n",
                   json_number(row, "cpu-index"), json_number(row, "limit-rate"),
                   json_number(row, "current-rate"));
    }
    call_finish_with(call, value, error);
}

static void run_info_limit(HmpCall *call)
{
    call_request(call, "query-vcpu-dirty-limit", NULL, print_limits);
}

const Command cmd_calc_dirty_rate = {
    .name = "calc_dirty_rate",
    .params = "[-r] [-b] second [sample_pages_per_GB]",
    .help = "start a round of guest dirty rate measurement (using -r to"
            "\n\t\t\t specify dirty ring as the method of calculation and"
            "\n\t\t\t -b to specify dirty bitmap as method of calculation)",
    .args = (const ArgSpec[]){ { "r", ARG_FLAG, .optional = true, .help = "with KVM's dirty ring" },
                               { "b", ARG_FLAG, .optional = true, .help = "with a dirty bitmap" },
                               { "second", ARG_INTEGER, .help = "how long, 1 to 60 seconds" },
                               { "sample_pages_per_GB", ARG_INTEGER, .optional = true,
                                 .help = "pages looked at in each GiB, 128 to 16384" },
                               { 0 } },
    .run = run_calc,
};

const Command cmd_set_vcpu_dirty_limit = {
    .name = "set_vcpu_dirty_limit",
    .params = "dirty_rate [cpu_index]",
    .help = "set dirty page rate limit, use cpu_index to set limit"
            "\n\t\t\t\t\t on a specified virtual cpu",
    .args = (const ArgSpec[]){ { "dirty_rate", ARG_INTEGER, .help = "MB/s" },
                               { "cpu_index", ARG_INTEGER, .optional = true,
                                 .help = "of this vCPU only" },
                               { 0 } },
    .run = run_set_limit,
};

const Command cmd_cancel_vcpu_dirty_limit = {
    .name = "cancel_vcpu_dirty_limit",
    .params = "[cpu_index]",
    .help = "cancel dirty page rate limit, use cpu_index to cancel"
            "\n\t\t\t\t\t limit on a specified virtual cpu",
    .args =
        (const ArgSpec[]){
            { "cpu_index", ARG_INTEGER, .optional = true, .help = "of this vCPU only" }, { 0 } },
    .run = run_cancel_limit,
};

const Command info_dirty_rate = {
    .name = "dirty_rate",
    .params = "",
    .help = "show dirty rate information",
    .run = run_info_dirty_rate,
};

const Command info_vcpu_dirty_limit = {
    .name = "vcpu_dirty_limit",
    .params = "",
    .help = "show dirty page limit information of all vCPU",
    .run = run_info_limit,
};
