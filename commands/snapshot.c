/*
 * Snapshots in a disk: savevm, loadvm, delvm, info snapshots.
 */
#include "commands/hmp/hmp-internal.h"

#include "backend/base/error.h"

static json_object *tag_argument(HmpCall *call)
{
    return json_object_with_text("tag", call_text(call, "tag"));
}

static void run_savevm(HmpCall *call)
{
    call_request(call, "x-savevm", tag_argument(call), call_finish_with);
}

static void run_loadvm(HmpCall *call)
{
    call_request(call, "x-loadvm", tag_argument(call), call_finish_with);
}

/* HMP prints nothing, whether there was such a snapshot or not. */
static void delvm_done(HmpCall *call, json_object *value, const GError *error)
{
    g_autoptr(GString) from = g_string_new(NULL);

    for (JsonEach image = json_each(json_list(value, "images")); json_next(&image);) {
        g_string_append_printf(from, "%s%s", from->len > 0 ? ", " : "", json_string(image.value));
    }
    if (!error && json_flag(value, "found")) {
        call_hint(call, "the snapshot '%s' was deleted from %s", call_text(call, "tag"), from->str);
    } else if (!error) {
        call_hint(call, "there is no snapshot '%s', nothing was deleted", call_text(call, "tag"));
    }
    call_finish_with(call, value, error);
}

static void run_delvm(HmpCall *call)
{
    call_request(call, "x-delvm", tag_argument(call), delvm_done);
}

/* Without a disk for snapshots this is an answer, not an error. */
static void print_snapshots(HmpCall *call, json_object *value, const GError *error)
{
    g_autofree char *text = error ? mig_error_first_line(error) : NULL;

    if (text) {
        call_print(call, "%s\n", text);
        call_finish(call, HMP_OK);
        return;
    }
    for (JsonEach line = json_each(value); json_next(&line);) {
        call_print(call, "%s\n", json_string(line.value));
    }
    call_finish_with(call, value, error);
}

static void run_info_snapshots(HmpCall *call)
{
    call_request(call, "x-query-snapshots", NULL, print_snapshots);
}

const Command cmd_savevm = {
    .name = "savevm",
    .params = "tag",
    .help = "save a VM snapshot. If no tag is provided, a new snapshot is created",
    .args =
        (const ArgSpec[]){ { "tag", ARG_STRING, .optional = true, .help = "name for it" }, { 0 } },
    .run = run_savevm,
};

const Command cmd_loadvm = {
    .name = "loadvm",
    .params = "tag",
    .help = "restore a VM snapshot from its tag",
    .args = (const ArgSpec[]){ { "tag", ARG_STRING, .help = "name of a snapshot" }, { 0 } },
    .run = run_loadvm,
};

const Command cmd_delvm = {
    .name = "delvm",
    .params = "tag",
    .help = "delete a VM snapshot from its tag",
    .args = (const ArgSpec[]){ { "tag", ARG_STRING, .help = "name of a snapshot" }, { 0 } },
    .run = run_delvm,
};

const Command info_snapshots = {
    .name = "snapshots",
    .params = "",
    .help = "show the currently saved VM snapshots",
    .run = run_info_snapshots,
};
