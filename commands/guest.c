/*
 * The guest's workload and the check of its memory: guest_set, guest_verify,
 * and for tests guest_plant and fault_release.
 */
#include "commands/hmp/hmp-internal.h"

#include <inttypes.h>

static void run_guest_set(HmpCall *call)
{
    json_object *args = json_object_new_object();

    json_add_text(args, "key", call_text(call, "key"));
    json_add_text(args, "value", call_text(call, "value"));
    call_request(call, "x-guest-set", args, call_finish_value);
}

/* "stale 2, torn 1" */
static char *format_counts(json_object *counts)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (JsonEach row = json_each(counts); json_next(&row);) {
        uint64_t count = json_number(row.value, "count");

        if (count > 0) {
            g_string_append_printf(text, "%s%s %" PRIu64, text->len ? ", " : "",
                                   json_text(row.value, "fault"), count);
        }
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void print_findings(HmpCall *call, json_object *report)
{
    json_object *list = json_member(report, "findings");
    size_t n = json_length(list);
    uint64_t faults = json_number(report, "faults");

    for (JsonEach row = json_each(list); json_next(&row);) {
        call_print(call, "%s: %s\n", json_text(row.value, "fault"), json_text(row.value, "text"));
    }
    if (faults > n) {
        call_print(call, "... and %" PRIu64 " more\n", faults - n);
    }
}

static void verify_done(HmpCall *call, json_object *value, const GError *error)
{
    if (error) {
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }

    g_autofree char *counts = format_counts(json_member(value, "counts"));
    g_autofree char *seen =
        g_strdup_printf("%" PRIu64 " pages checked, %" PRIu64 " written, %" PRIu64 " steps",
                        json_number(value, "pages-checked"), json_number(value, "pages-written"),
                        json_number(value, "steps"));
    bool ok = json_flag(value, "ok");

    call_set_value(call, value);
    if (ok) {
        call_print(call, "verify: ok, %s\n", seen);
        call_finish(call, HMP_OK);
        return;
    }
    print_findings(call, value);
    call_print(call, "verify: FAILED, %" PRIu64 " faults%s%s%s, %s\n", json_number(value, "faults"),
               *counts ? " (" : "", counts, *counts ? ")" : "", seen);
    call_finish(call, HMP_ERROR_VERIFY);
}

static void run_guest_verify(HmpCall *call)
{
    call_request(call, "x-guest-verify", NULL, verify_done);
}

static void plant_done(HmpCall *call, json_object *value, const GError *error)
{
    if (!error) {
        call_print(call, "planted %s at page %" PRIu64 "\n", call_text(call, "fault"),
                   json_number(value, "page"));
    }
    call_finish_with(call, value, error);
}

static void run_guest_plant(HmpCall *call)
{
    json_object *args = json_object_new_object();

    json_add_text(args, "fault", call_text(call, "fault"));
    call_request(call, "x-guest-plant", args, plant_done);
}

static void run_fault_release(HmpCall *call)
{
    call_request(call, "x-fault-release", NULL, call_finish_with);
}

const Command cmd_guest_set = {
    .name = "guest_set",
    .params = "key value",
    .help = "change the workload of the stress machine",
    .args = (const ArgSpec[]){ { "key", ARG_GUEST_KEY, .help = "what to change" },
                               { "value", ARG_GUEST_VALUE, .help = "its new value" },
                               { 0 } },
    .run = run_guest_set,
};

const Command cmd_guest_verify = {
    .name = "guest_verify",
    .params = "",
    .help = "check every page of the guest against its ledger",
    .run = run_guest_verify,
};

const Command cmd_guest_plant = {
    .name = "guest_plant",
    .params = "fault",
    .help = "damage the guest's memory on purpose (tests only, needs MIGMON_FAULT)",
    .args = (const ArgSpec[]){ { "fault", ARG_GUEST_FAULT, .help = "kind of damage" }, { 0 } },
    .run = run_guest_plant,
    .tests_only = true,
};

const Command cmd_fault_release = {
    .name = "fault_release",
    .params = "",
    .help = "let a thread go on that a fault point holds (tests only, needs MIGMON_FAULT)",
    .run = run_fault_release,
    .tests_only = true,
};
