/* See hmp-fake.h. */
#include "tests/unit/hmp-fake.h"

/* ---- a backend with canned answers ---- */

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

void canned(Fixture *f, const char *command, const char *reply)
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

void on_done(HmpResult result, void *data)
{
    ((Fixture *)data)->done = (int)result;
}

const HmpCallbacks callbacks = { on_print, on_progress, on_quit };

void set_up(Fixture *f, unsigned flags)
{
    *f = (Fixture){ .done = -1 };
    backend_init(&f->fake.base, &fake_ops);
    f->fake.replies = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    f->fake.log = g_string_new(NULL);
    f->out = g_string_new(NULL);
    f->progress = g_string_new(NULL);
    f->hmp = hmp_new(command_table, &f->fake.base, &callbacks, f, flags);
}

void tear_down(Fixture *f)
{
    hmp_free(f->hmp);
    while (g_main_context_iteration(NULL, FALSE)) {}
    backend_clear(&f->fake.base);
    g_hash_table_unref(f->fake.replies);
    g_string_free(f->fake.log, TRUE);
    g_string_free(f->out, TRUE);
    g_string_free(f->progress, TRUE);
}

void begin(Fixture *f, const char *line)
{
    g_string_truncate(f->out, 0);
    g_string_truncate(f->fake.log, 0);
    f->done = -1;
    hmp_execute(f->hmp, line, on_done, f);
}

HmpResult finish(Fixture *f)
{
    RUN_UNTIL(f->done >= 0);
    assert_false(hmp_is_busy(f->hmp));
    return (HmpResult)f->done;
}

void settle(void)
{
    for (int i = 0; i < 64; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

/* ---- rows: a line, what it prints, what it asks ---- */

void check_row(Fixture *f, const Row *row)
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

void check_rows(const Row *rows, size_t n, unsigned flags)
{
    Fixture f;

    set_up(&f, flags);
    for (size_t i = 0; i < n; i++) {
        check_row(&f, &rows[i]);
    }
    tear_down(&f);
}

void check_waits(const WaitRow *rows, size_t n)
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
