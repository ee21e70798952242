/*
 * help|?: prints the rows of the command table, the topics (topics.h), and an
 * answer for unknown names.
 *
 * QEMU's lines come first, as QEMU prints them; our lines follow and begin
 * with two blanks.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "commands/hmp/suggest.h"
#include "commands/settings.h"
#include "commands/topics.h"

static void print_row(HmpCall *call, const Command *command, const char *before)
{
    g_autofree char *usage = command_usage(command);

    g_autofree char *row =
        g_strdup_printf("%s%s %s -- %s\n", before, command->name, usage, command->help);

    call_print_lines(call, row); /* the help of some has several lines */
}

/* Without MIGMON_FAULT the commands for fault points are hidden. */
static bool is_for_everybody(const Command *command)
{
    return !command->tests_only || g_getenv("MIGMON_FAULT") != NULL;
}

void help_print_table(HmpCall *call, const Command *const *table, const char *before)
{
    for (; *table; table++) {
        if ((!(*table)->batch_only || call_is_batch(call)) && is_for_everybody(*table)) {
            print_row(call, *table, before);
        }
    }
}

static void offer_commands(HmpCall *call, Suggestion *near, const Command *const *table)
{
    for (; *table; table++) {
        if (!(*table)->batch_only || call_is_batch(call)) {
            suggestion_offer(near, (*table)->name);
        }
    }
}

GError *unknown_command(HmpCall *call, const char *line, const LineHead *head)
{
    const Command *const *table = head->group ? head->group->sub : call->hmp->commands;
    g_autofree char *before =
        head->group ? g_strconcat(head->group->name, " ", NULL) : g_strdup("");
    GError *error = NULL;
    Suggestion near;

    g_set_error(&error, MIG_ERROR, MIG_ERROR_COMMAND_NOT_FOUND, "unknown command: '%.*s'",
                (int)(head->end - line), line);
    suggestion_init(&near, head->name, head->name_length);
    offer_commands(call, &near, table);
    if (!head->group && head->name_length == 4 && strncmp(head->name, "exit", 4) == 0) {
        mig_error_hint(&error, "quit leaves");
        return error;
    }
    suggestion_hint(&near, before, &error);
    return error;
}

/* Our lines after QEMU's. */
static void print_arguments(HmpCall *call, const Command *command)
{
    if (name_is_unstable(command->name)) {
        call_print(call, "  unstable: %s\n", NAME_UNSTABLE);
    }
    for (const ArgSpec *spec = command->options; spec && spec->name; spec++) {
        call_print(call, "  --%s%s%s: %s\n", spec->name, spec->value ? " " : "",
                   spec->value ? spec->value : "", spec->help);
    }
    for (const ArgSpec *spec = command->args; spec && spec->name; spec++) {
        if (spec->help && *spec->help != '\0') {
            call_print(call, "  %s%s: %s\n", spec->kind == ARG_FLAG ? "-" : "", spec->name,
                       spec->help);
        }
    }
}

static void print_fact(const char *label, const char *text, void *data)
{
    call_print(data, "  %s: %s\n", label, text);
}

/* Prints all topics with this name; one name can have several. */
static bool print_topics(HmpCall *call, const char *name)
{
    bool found = false;

    for (int kind = 0; kind < TOPIC__COUNT; kind++) {
        if (topic_exists((TopicKind)kind, name)) {
            call_print(call, "%s (%s) -- %s\n", name, topic_kind_title((TopicKind)kind),
                       topic_summary((TopicKind)kind, name));
            topic_describe((TopicKind)kind, name, print_fact, call);
            found = true;
        }
    }
    return found;
}

/* A setting that only the attached QEMU knows. Its schema gives no more than this. */
static bool print_foreign(HmpCall *call, const char *name)
{
    bool found = false;
    Setting setting;

    for (int kind = 0; kind < SETTING__COUNT; kind++) {
        if (setting_find(backend_target(call->hmp->backend), (SettingKind)kind, name, &setting) &&
            setting_is_foreign(&setting)) {
            g_autofree char *text = setting_help(&setting);

            call_print(call, "%s (migration %s of %s)%s%s\n", name,
                       kind == SETTING_PARAMETER ? "parameter" : "capability", setting.target,
                       *text != '\0' ? " -- " : "", text);
            found = true;
        }
    }
    return found;
}

/* Like unknown_command(), with a suggestion from all names that help knows. */
static GError *unknown_name(HmpCall *call, const char *text, const LineHead *head)
{
    GError *error = NULL;
    Suggestion near;
    const char *plain, *name;

    if (head->group) {
        return unknown_command(call, text, head);
    }
    g_set_error(&error, MIG_ERROR, MIG_ERROR_COMMAND_NOT_FOUND, "unknown command: '%.*s'",
                (int)(head->end - text), text);
    suggestion_init(&near, head->name, head->name_length);
    offer_commands(call, &near, call->hmp->commands);
    for (int kind = 0; kind < TOPIC__COUNT; kind++) {
        for (size_t i = 0; (name = topic_name((TopicKind)kind, i)) != NULL; i++) {
            suggestion_offer(&near, name);
        }
    }
    plain = near.name;
    offer_commands(call, &near, command_find(call->hmp->commands, "info", 4)->sub);
    suggestion_hint(&near, near.name == plain ? "" : "info ", &error);
    return error;
}

/* HMP parses all words before it uses the first, so a broken quote anywhere suppresses all
 * output. */
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

static bool print_command(HmpCall *call, const LineHead *head)
{
    const Command *command = head->command;

    if (command && command->sub) {
        g_autofree char *before = g_strconcat(command->name, " ", NULL);

        help_print_table(call, command->sub, before);
    } else if (command) {
        g_autofree char *before =
            head->group ? g_strconcat(head->group->name, " ", NULL) : g_strdup("");

        print_row(call, command, before);
        print_arguments(call, command);
    }
    return command != NULL;
}

static void run_help(HmpCall *call)
{
    const char *text = call_text(call, "cmd");
    g_autoptr(GError) error = NULL;
    LineHead head;

    if (!text) {
        help_print_table(call, call->hmp->commands, "");
        call_finish(call, HMP_OK);
        return;
    }
    if (!check_words(text, &error)) {
        call_fail_syntax(call, error, NULL);
        return;
    }
    line_head_read(call->hmp->commands, text, &head);
    if (head.command && head.command->batch_only && !call_is_batch(call)) {
        head.command = NULL;
    }

    g_autofree char *name = g_strndup(head.name, head.name_length);
    bool found = print_command(call, &head);
    if (!head.group && print_topics(call, name)) {
        found = true;
    }
    if (!found && !head.group) {
        found = print_foreign(call, name);
    }
    if (!found) {
        error = unknown_name(call, text, &head);
        call_fail_syntax(call, error, NULL);
        return;
    }
    call_finish(call, HMP_OK);
}

const Command cmd_help = {
    .name = "help|?",
    .params = "[cmd]",
    .help = "show the help",
    .args = (const ArgSpec[]){ { "cmd", ARG_COMMAND, .optional = true,
                                 .help = "a command, parameter, capability, state or event" },
                               { 0 } },
    .run = run_help,
};
