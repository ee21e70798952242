/*
 * The checks of batches: assert compares a field of the engine's replies,
 * expect searches the output of the line before. Both end with
 * HMP_ERROR_ASSERT when the check fails. They leave that output in place, so
 * that several checks can follow one line.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "commands/hmp/fields.h"

/* ---- assert ---- */

typedef struct {
    const Field *field;
    FieldOp op;
    FieldValue wanted; /* its text points into the line */
} Assertion;

static json_object *field_to_json(const Field *field, const FieldValue *found)
{
    json_object *object = json_object_new_object();
    json_object *value;
    int64_t whole;

    if (field->kind == FIELD_TEXT) {
        value = json_object_new_string(found->text);
    } else if (field->kind == FIELD_BOOL) {
        value = json_object_new_boolean(found->number != 0);
    } else if (field_value_is_whole(found, &whole)) {
        value = json_object_new_int64(whole);
    } else {
        value = json_object_new_double((double)found->number);
    }
    json_add_text(object, "field", field->name);
    json_object_object_add(object, "value", value);
    return object;
}

static void judge(HmpCall *call, json_object *reply, const GError *error)
{
    const Assertion *a = call->state;
    FieldValue found;

    if (error) {
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }

    bool known = field_value_read(a->field, reply, &found);
    if (known) {
        json_object *value = field_to_json(a->field, &found);

        call_set_value(call, value);
        json_object_put(value);
    }
    if (known && field_value_holds(a->field, &found, a->op, &a->wanted)) {
        call_finish(call, HMP_OK);
        return;
    }

    g_autofree char *seen = known ? field_value_format(a->field, &found) : g_strdup("not known");
    g_autoptr(GError) failure =
        g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "assertion failed: %s %s %s, but it is %s",
                    a->field->name, call_text(call, "op"), a->wanted.text, seen);
    call_fail(call, HMP_ERROR_ASSERT, failure);
}

static void run_assert(HmpCall *call)
{
    const char *op = call_text(call, "op");
    g_autofree Assertion *a = g_new0(Assertion, 1);
    g_autoptr(GError) error = NULL;

    call->looks_back = true;
    a->field = field_find(call_text(call, "field"), &error);
    if (a->field && !field_op_from_name(op, &a->op)) {
        g_autofree char *all = g_strjoinv(" ", (char **)field_op_names);

        g_set_error(&error, MIG_ERROR, MIG_ERROR_GENERIC, "'%s' is no comparison", op);
        mig_error_hint(&error, "comparisons are: %s", all);
    }
    if (error ||
        !field_value_parse(a->field, a->op, call_text(call, "value"), &a->wanted, &error)) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }
    call->free_state = g_free;
    call->state = g_steal_pointer(&a);
    call_request(call, ((Assertion *)call->state)->field->request, NULL, judge);
}

/* ---- expect ---- */

/* Indents the lines of the output to set them apart from the message before them. */
static void print_indented(HmpCall *call, const char *output)
{
    g_auto(GStrv) lines = g_strsplit(output, "\n", -1);

    for (char **line = lines; *line && !(**line == '\0' && !line[1]); line++) {
        call_print(call, "  %s\n", *line);
    }
}

static void run_expect(HmpCall *call)
{
    const char *pattern = call_text(call, "regex");
    g_autofree char *output = g_utf8_make_valid(call->hmp->output->str, -1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GRegex) regex = NULL;

    call->looks_back = true;
    if (g_utf8_validate(pattern, -1, NULL)) {
        regex = g_regex_new(pattern, G_REGEX_MULTILINE, 0, &error);
    } else {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_GENERIC, "the expression is not UTF-8");
    }

    bool matches = regex && g_regex_match_full(regex, output, -1, 0, 0, NULL, &error);
    if (error) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }
    if (!matches) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_GENERIC, "expected /%s/, but the output was%s",
                    pattern, *output ? ":" : " empty");
        call_report(call, error);
        print_indented(call, output);
        call_finish(call, HMP_ERROR_ASSERT);
        return;
    }
    call_finish(call, HMP_OK);
}

const Command cmd_assert = {
    .name = "assert",
    .params = "field op value",
    .help = "fail unless a field of the migration or the guest compares as said",
    .args =
        (const ArgSpec[]){
            { "field", ARG_FIELD,
              .help = "status, downtime, ram.transferred, run-state, owner, ..." },
            { "op", ARG_OPERATOR, .help = "== != < <= > >=" },
            { "value", ARG_FIELD_VALUE, .help = "with a unit: 300ms, 1.5s, 10M; or a word" },
            { 0 } },
    .run = run_assert,
    .batch_only = true,
};

const Command cmd_expect = {
    .name = "expect",
    .params = "regex",
    .help = "fail unless the output of the line before matches",
    .args =
        (const ArgSpec[]){
            { "regex", ARG_REST, .help = "regular expression; ^ and $ are ends of lines" }, { 0 } },
    .run = run_expect,
    .batch_only = true,
};
