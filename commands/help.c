/*
 * help|?: the rows of the command table as lines, and what is said about a
 * name that is not in it.
 */
#include "commands/hmp-internal.h"

#include "backend/base/error.h"
#include "commands/suggest.h"

static void print_row(HmpCall *call, const Command *command, const char *before)
{
    call_print(call, "%s%s %s -- %s\n", before, command->name, command->params, command->help);
}

void help_print_table(HmpCall *call, const Command *const *table, const char *before)
{
    for (; *table; table++) {
        if (!(*table)->batch_only || call_is_batch(call)) {
            print_row(call, *table, before);
        }
    }
}

GError *unknown_command(const char *line, const LineHead *head, bool batch)
{
    const Command *const *table = head->group ? head->group->sub : command_table;
    g_autofree char *before = head->group ? g_strconcat(head->group->name, " ", NULL)
                                          : g_strdup("");
    GError *error = NULL;
    Suggestion near;

    g_set_error(&error, MIG_ERROR, MIG_ERROR_COMMAND_NOT_FOUND, "unknown command: '%.*s'",
                (int)(head->end - line), line);
    suggestion_init(&near, head->name, head->name_length);
    for (; *table; table++) {
        if (!(*table)->batch_only || batch) {
            suggestion_offer(&near, (*table)->name);
        }
    }
    suggestion_hint(&near, before, &error);
    return error;
}

/* HMP reads all words before it looks at the first, so a broken quote anywhere leaves nothing. */
static bool check_words(const char *text, GError **error)
{
    for (;;) {
        g_auto(Word) word = { 0 };

        switch (word_read(text, &word)) {
        case WORD_OK:
            text = word.end;
            break;
        case WORD_END:
            return true;
        default:
            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "hint: %s",
                        word.status == WORD_UNTERMINATED ? "unterminated string"
                                                         : "unsupported escape code");
            return false;
        }
    }
}

static void run_help(HmpCall *call)
{
    const char *text = call_text(call, "cmd");
    g_autoptr(GError) error = NULL;
    LineHead head;

    if (!text) {
        help_print_table(call, command_table, "");
        call_finish(call, HMP_OK);
        return;
    }
    if (!check_words(text, &error)) {
        call_fail_syntax(call, error, NULL);
        return;
    }
    line_head_read(text, &head);
    if (!head.command || (head.command->batch_only && !call_is_batch(call))) {
        error = unknown_command(text, &head, call_is_batch(call));
        call_fail_syntax(call, error, NULL);
        return;
    }
    if (head.command->sub) {
        g_autofree char *before = g_strconcat(head.command->name, " ", NULL);

        help_print_table(call, head.command->sub, before);
    } else {
        g_autofree char *before = head.group ? g_strconcat(head.group->name, " ", NULL)
                                             : g_strdup("");

        print_row(call, head.command, before);
    }
    call_finish(call, HMP_OK);
}

const Command cmd_help = {
    .name = "help|?",
    .params = "[cmd]",
    .help = "show the help",
    .args = (const ArgSpec[]){ { "cmd", ARG_COMMAND, .optional = true, .help = "a command" },
                               { 0 } },
    .run = run_help,
};
