/*
 * report: requests all data about the newest migration, makes a report, and
 * prints it or writes it to a file, completely or not at all.
 */
#include "commands/report/report.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/base/size.h"
#include "commands/hmp/hmp-internal.h"

/* ---- formats ---- */

const char *const report_format_names[] = { "text", "markdown", "json", "svg", NULL };

static const struct {
    const char *ending, *help;
} formats[REPORT__COUNT] = {
    [REPORT_TEXT] = { ".txt", "plain text" },
    [REPORT_MARKDOWN] = { ".md", "Markdown" },
    [REPORT_JSON] = { ".json", "one JSON object, with the replies it was made from" },
    [REPORT_SVG] = { ".svg", "a picture with the curves" },
};

const char *report_format_ending(ReportFormat format)
{
    return formats[format].ending;
}

const char *report_format_help(ReportFormat format)
{
    return formats[format].help;
}

static bool format_from_name(const char *name, ReportFormat *ret, GError **error)
{
    for (int i = 0; i < REPORT__COUNT; i++) {
        if (strcmp(report_format_names[i], name) == 0) {
            *ret = (ReportFormat)i;
            return true;
        }
    }
    g_autofree char *names = g_strjoinv(", ", (char **)report_format_names);
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "'%s' is no format of a report, which are: %s",
                name, names);
    return false;
}

/* Chooses the format by the ending of the file name. */
static bool format_of_file(const char *path, ReportFormat *ret, GError **error)
{
    g_autofree char *name = g_path_get_basename(path);
    const char *ending = strrchr(name, '.');

    for (int i = 0; ending && i < REPORT__COUNT; i++) {
        if (g_ascii_strcasecmp(ending, formats[i].ending) == 0) {
            *ret = (ReportFormat)i;
            return true;
        }
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "the name '%s' does not say which format the report is to have", name);
    mig_error_hint(error, "let it end in .txt, .md, .json or .svg, or name the format: report FILE "
                          "text|markdown|json|svg");
    return false;
}

/* ---- making it ---- */

static void add_setting(const char *name, const char *value, const char *initial, void *data)
{
    json_object *o = json_object_new_object();

    json_add_text(o, "name", name);
    json_add_text(o, "value", value);
    json_add_text(o, "default", initial);
    json_object_array_add(data, o);
}

/* The JSON report as an object. Caller puts. */
static json_object *to_json(json_object *replies, int64_t now_us)
{
    json_object *o = json_object_new_object(), *settings = json_object_new_array();
    ReportFacts facts;

    report_facts_read(&facts, replies);
    g_autofree char *title = report_title(&facts);
    json_add_integer(o, "migmon-report", 1);
    json_add_text(o, "title", title);
    json_add_integer(o, "made-us", now_us);
    for (int i = 0; i < ANSWER__COUNT; i++) {
        g_autofree char *answer = report_answer(&facts, (ReportAnswer)i);

        json_add_text(o, report_questions[i].member, answer);
    }
    report_settings(&facts, add_setting, settings);
    json_object_object_add(o, "settings", settings);
    json_object_object_add(o, "replies", json_object_get(replies));
    report_facts_clear(&facts);
    return o;
}

static char *make_json(json_object *replies, int64_t now_us)
{
    json_object *o = to_json(replies, now_us);
    char *text = g_strconcat(
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE),
        "\n", NULL);

    json_object_put(o);
    return text;
}

char *report_make(json_object *replies, ReportFormat format, int64_t now_us)
{
    ReportFacts facts;
    char *text;

    if (format == REPORT_JSON) {
        return make_json(replies, now_us);
    }
    report_facts_read(&facts, replies);
    text = format == REPORT_SVG ? report_to_svg(&facts, now_us)
                                : report_to_text(&facts, now_us, format == REPORT_MARKDOWN);
    report_facts_clear(&facts);
    return text;
}

/* ---- the file ---- */

/* Writes only regular files, because the rename would replace a device or a pipe. */
static bool write_file(const char *path, const char *text, GError **error)
{
    g_autofree char *target = realpath(path, NULL); /* a symbolic link stays a link */
    g_autoptr(GError) why = NULL;
    GStatBuf st;

    if (target && g_stat(target, &st) == 0 && !S_ISREG(st.st_mode)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s is no regular file, it stays as it is",
                    path);
        return false;
    }
    if (!g_file_set_contents_full(target ? target : path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT,
                                  0666, &why)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "the report was not written: %s", why->message);
        return false;
    }
    return true;
}

/* ---- the command ---- */

/* The requests, in order. Only the first has to be known to the backend. */
static const char *const requests[] = {
    "query-migrate", "x-query-migrate-history",  "x-query-owner",
    "query-status",  "query-migrate-parameters", "query-migrate-capabilities",
    "query-name",
};

typedef struct {
    ReportFormat format;
    const char *path; /* NULL = print at the monitor */
    json_object *replies;
    size_t asked; /* number of the request whose reply comes next */
} Report;

static void report_free(void *data)
{
    Report *report = data;

    json_object_put(report->replies);
    g_free(report);
}

static void print_report(HmpCall *call, const Report *report)
{
    int64_t now = g_get_real_time();
    g_autofree char *text = report_make(report->replies, report->format, now);
    json_object *value = to_json(report->replies, now);

    call_set_value(call, value);
    json_object_put(value);
    call_print_lines(call, text);
    call_finish(call, HMP_OK);
}

static void save_report(HmpCall *call, const Report *report)
{
    g_autofree char *text = report_make(report->replies, report->format, g_get_real_time());
    g_autofree char *size = size_format(strlen(text));
    g_autoptr(GError) error = NULL;

    if (!write_file(report->path, text, &error)) {
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }
    call_print(call, "report: %s (%s, %s)\n", report->path, report_format_names[report->format],
               size);
    call_finish(call, HMP_OK);
}

static void finish_report(HmpCall *call)
{
    Report *report = call->state;
    const char *status = info_status(json_member(report->replies, "query-migrate"));

    if (strcmp(status, "none") == 0) {
        g_autoptr(GError) error = NULL;

        g_set_error(&error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "there is nothing to report: no migration was tried");
        call_fail(call, HMP_ERROR_FAILED, error);
    } else if (report->path) {
        save_report(call, report);
    } else {
        print_report(call, report);
    }
}

static void ask_next(HmpCall *call);

static void take_reply(HmpCall *call, json_object *value, const GError *error)
{
    Report *report = call->state;

    if (error && report->asked == 0) {
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }
    if (!error) {
        json_object_object_add(report->replies, requests[report->asked], json_object_get(value));
    }
    report->asked++;
    ask_next(call);
}

static void ask_next(HmpCall *call)
{
    Report *report = call->state;
    json_object *arguments = NULL;

    if (report->asked >= G_N_ELEMENTS(requests)) {
        finish_report(call);
        return;
    }
    if (strcmp(requests[report->asked], "x-query-migrate-history") == 0) {
        arguments = json_object_new_object();
        json_add_flag(arguments, "samples", true);
    }
    call_request(call, requests[report->asked], arguments, take_reply);
}

static void run_report(HmpCall *call)
{
    const char *path = call_text(call, "file"), *format = call_text(call, "format");
    g_autoptr(GError) error = NULL;
    ReportFormat wanted = REPORT_TEXT;

    if (path && strcmp(path, "-") == 0) {
        path = NULL;
    }
    if (format ? !format_from_name(format, &wanted, &error)
               : path && !format_of_file(path, &wanted, &error)) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }

    Report *report = g_new0(Report, 1);
    report->format = wanted;
    report->path = path;
    report->replies = json_object_new_object();
    call->state = report;
    call->free_state = report_free;
    ask_next(call);
}

const Command cmd_report = {
    .name = "report",
    .params = "[file] [format]",
    .help = "tell how the newest migration went: here, or in a file (.txt, .md, .json, .svg)",
    .args =
        (const ArgSpec[]){
            { "file", ARG_FILE, .optional = true, .help = "where to write the report, - for here" },
            { "format", ARG_REPORT_FORMAT, .optional = true,
              .help = "text, markdown, json or svg, whatever the file is called" },
            { 0 } },
    .options = (const ArgSpec[]){ { "format", ARG_REPORT_FORMAT, .value = "FORMAT",
                                    .help = "text, markdown, json or svg" },
                                  { 0 } },
    .run = run_report,
};
