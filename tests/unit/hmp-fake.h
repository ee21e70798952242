/*
 * A monitor against a backend that answers from a table: what the tests of
 * commands/ share. Each includes it once.
 */
#pragma once

#include "tests/unit/test.h"

#include <string.h>

#include "backend/backend.h"
#include "backend/base/error.h"
#include "commands/hmp/hmp.h"
#include "tests/unit/patience.h"

/* ---- a backend with canned answers ---- */

typedef struct {
    Backend base;
    GHashTable *replies; /* command -> JSON text, or "!TEXT" for an error; missing = {} */
    GString *log;        /* requests: NAME ARGUMENTS\n */
    const char *warning; /* given while the next command runs */
    BackendReply *held;  /* of the command named by @hold */
    const char *hold;
} Fake;

typedef struct {
    Fake fake;
    Hmp *hmp;
    GString *out;
    GString *progress; /* a letter of each status seen, '.' for the end */
    int done;          /* -1 = still busy, else HmpResult */
    unsigned quits;
} Fixture;

static void fake_execute(Backend *backend, BackendSession *session, const SchemaCommand *command,
                         json_object *args, BackendReply *reply)
{
    Fake *fake = (Fake *)backend;
    const char *text = g_hash_table_lookup(fake->replies, command->name);

    g_string_append_printf(fake->log, "%s %s\n", command->name,
                           json_object_to_json_string_ext(
                               args, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    if (fake->warning) {
        backend_session_warn(session, fake->warning);
        fake->warning = NULL;
    }
    if (fake->hold && strcmp(fake->hold, command->name) == 0) {
        fake->held = reply;
    } else if (text && *text == '!') {
        backend_reply_failure(reply, "%s", text + 1);
    } else {
        backend_reply_return(reply, text ? json_tokener_parse(text) : NULL);
    }
}

static const BackendOps fake_ops = { .execute = fake_execute };

G_GNUC_UNUSED static void canned(Fixture *f, const char *command, const char *reply)
{
    g_hash_table_insert(f->fake.replies, g_strdup(command), g_strdup(reply));
}

/* ---- a monitor that writes into a string ---- */

static void on_print(const char *text, void *data)
{
    Fixture *f = data;

    g_string_append(f->out, text);
}

static void on_progress(json_object *info, json_object *history, void *data)
{
    Fixture *f = data;
    const char *status = json_object_get_string(json_object_object_get(info, "status"));

    assert_int_equal(history != NULL, info != NULL);
    g_string_append_c(f->progress, status ? *status : '.');
}

static void on_quit(void *data)
{
    ((Fixture *)data)->quits++;
}

static void on_done(HmpResult result, void *data)
{
    ((Fixture *)data)->done = (int)result;
}

static const HmpCallbacks callbacks = { on_print, on_progress, on_quit };

static void set_up(Fixture *f, unsigned flags)
{
    *f = (Fixture){ .done = -1 };
    backend_init(&f->fake.base, &fake_ops);
    f->fake.replies = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    f->fake.log = g_string_new(NULL);
    f->out = g_string_new(NULL);
    f->progress = g_string_new(NULL);
    f->hmp = hmp_new(command_table, &f->fake.base, &callbacks, f, flags);
}

static void tear_down(Fixture *f)
{
    hmp_free(f->hmp);
    while (g_main_context_iteration(NULL, FALSE)) {}
    backend_clear(&f->fake.base);
    g_hash_table_unref(f->fake.replies);
    g_string_free(f->fake.log, TRUE);
    g_string_free(f->out, TRUE);
    g_string_free(f->progress, TRUE);
}

static void begin(Fixture *f, const char *line)
{
    g_string_truncate(f->out, 0);
    g_string_truncate(f->fake.log, 0);
    f->done = -1;
    hmp_execute(f->hmp, line, on_done, f);
}

static HmpResult finish(Fixture *f)
{
    RUN_UNTIL(f->done >= 0);
    assert_false(hmp_is_busy(f->hmp));
    return (HmpResult)f->done;
}

/* Lets the line go on until there is nothing more to do at once. */
G_GNUC_UNUSED static void settle(void)
{
    for (int i = 0; i < 64; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

/* ---- rows: a line, what it prints, what it asks ---- */

typedef struct {
    const char *line;
    const char *out;     /* all that QEMU's monitor prints */
    const char *request; /* NULL = none; "NAME ARGUMENTS" */
    HmpResult result;
    const char *hint; /* line of our own behind QEMU's, without "hint: " */
} Row;

static void check_row(Fixture *f, const Row *row)
{
    g_autofree char *out =
        row->hint ? g_strdup_printf("%shint: %s\n", row->out, row->hint) : g_strdup(row->out);
    g_autofree char *log = row->request ? g_strdup_printf("%s\n", row->request) : g_strdup("");

    print_message("[%s]\n", row->line);
    begin(f, row->line);
    assert_int_equal(finish(f), row->result);
    assert_string_equal(f->out->str, out);
    assert_string_equal(f->fake.log->str, log);
}

G_GNUC_UNUSED static void check_rows(const Row *rows, size_t n, unsigned flags)
{
    Fixture f;

    set_up(&f, flags);
    for (size_t i = 0; i < n; i++) {
        check_row(&f, &rows[i]);
    }
    tear_down(&f);
}

/* A line of a batch that waits, with what query-migrate says meanwhile. */
typedef struct {
    const char *what, *line, *info, *out;
    HmpResult result;
} WaitRow;

G_GNUC_UNUSED static void check_waits(const WaitRow *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Fixture f;

        print_message("%s\n", rows[i].what);
        set_up(&f, HMP_BATCH);
        canned(&f, "query-migrate", rows[i].info);
        begin(&f, rows[i].line);
        assert_int_equal(finish(&f), rows[i].result);
        assert_string_equal(f.out->str, rows[i].out);
        tear_down(&f);
    }
}

#define TRY(name)             "Try \"help " name "\" for more information\n"
#define EXTRA(name)           name ": extraneous characters at the end of line\n"
#define STRING_EXPECTED(name) name ": string expected\n" TRY(name)
#define UNKNOWN(name)         "Error: invalid parameter value: " name "\n"
