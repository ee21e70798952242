/*
 * A migration between two attached ends: migrate_to runs it, migrate_check
 * compares them first.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"

/* ---- migrate_to ---- */

static void started(HmpCall *call, json_object *value, const GError *error)
{
    if (error || call_has(call, "d")) {
        call_finish_with(call, value, error);
        return;
    }
    migrate_wait_for_end(call);
}

static void run_migrate_to(HmpCall *call)
{
    json_object *args = json_object_with_text("uri", call_text(call, "uri"));

    if (call_has(call, "r")) {
        json_add_flag(args, "resume", TRUE);
    }
    if (!call_has(call, "d")) {
        migrate_allow_interrupt(call);
    }
    call_request(call, "x-migrate-to", args, started);
}

/* ---- migrate_check ---- */

static void print_list(HmpCall *call, const char *label, json_object *list)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < json_length(list); i++) {
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "",
                               json_object_get_string(json_at(list, i)));
    }
    if (text->len > 0) {
        call_print(call, "%s: %s\n", label, text->str);
    }
}

static void print_findings(HmpCall *call, json_object *value, const GError *error)
{
    json_object *findings = error ? NULL : json_member(value, "findings");
    size_t n = json_length(findings), errors = 0;

    if (error) {
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }
    for (JsonEach each = json_each(findings); json_next(&each);) {
        json_object *row = each.value;
        const char *severity = json_text(row, "severity");

        errors += strcmp(severity, "error") == 0;
        call_print(call, "%s: %s: %s: found %s, needed %s; %s\n", severity, json_text(row, "side"),
                   json_text(row, "what"), json_text(row, "observed"), json_text(row, "needed"),
                   json_text(row, "remedy"));
    }
    print_list(call, "checked", json_member(value, "checked"));
    print_list(call, "not known", json_member(value, "not-known"));
    call_print(call, "check: %zu errors, %zu warnings\n", errors, n - errors);
    call_set_value(call, value);
    call_finish(call, errors > 0 ? HMP_ERROR_FAILED : HMP_OK);
}

static void run_check(HmpCall *call)
{
    json_object *args = json_object_with_text("uri", call_text(call, "uri"));

    call_request(call, "x-migrate-check", args, print_findings);
}

const Command cmd_migrate_to = {
    .name = "migrate_to",
    .params = "[-d] [-r] [uri]",
    .help = "migrate between the two attached ends: sets both, listens there, sends from here",
    .args = (const ArgSpec[]){ { "d", ARG_FLAG, .optional = true, .help = "do not wait" },
                               { "r", ARG_FLAG, .optional = true,
                                 .help = "recover a paused post-copy migration, on both ends" },
                               { "uri", ARG_URI, .optional = true,
                                 .help = "where the destination is to listen" },
                               { 0 } },
    .run = run_migrate_to,
};

const Command cmd_migrate_check = {
    .name = "migrate_check",
    .params = "[uri]",
    .help = "compare the two attached ends before a migration; changes nothing",
    .args = (const ArgSpec[]){ { "uri", ARG_URI, .optional = true,
                                 .help = "where the destination is to listen" },
                               { 0 } },
    .run = run_check,
};
