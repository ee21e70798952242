/*
 * migmon-hmp(7): the commands and all names in their arguments, from the
 * tables.
 */
#include "manual/manual.h"

#include <string.h>

#include "commands/hmp/fields.h"
#include "commands/hmp/parse.h"
#include "commands/table.h"
#include "commands/topics.h"

static const char intro[] =
    ".Dd November 20, 2026\n"
    ".Dt MIGMON-HMP 7\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm migmon-hmp\n"
    ".Nd commands of migmon's monitor\n"
    ".Sh DESCRIPTION\n"
    "The monitor of\n"
    ".Xr migmon 1\n"
    "understands the migration commands of QEMU's human monitor with the same\n"
    "grammar and prints what QEMU 8.2 prints.\n"
    "Lines of its own come after those, and advice begins with\n"
    ".Ql hint:\\& .\n"
    ".Pp\n"
    "A line is a command and its arguments with blanks between them.\n"
    "A word in double quotes may hold blanks; in it\n"
    ".Ql \\en ,\n"
    ".Ql \\er ,\n"
    ".Ql \\e\\e ,\n"
    ".Ql \\e'\n"
    "and\n"
    ".Ql \\e\\(dq\n"
    "stand for a line end, a carriage return, a backslash and the two quotes.\n"
    "Flags may stand before or behind the other arguments.\n"
    "An option is written\n"
    ".Ql --name value\n"
    "or\n"
    ".Ql --name=value\n"
    "before the other arguments;\n"
    ".Ql --\n"
    "ends the options.\n"
    "Integers are expressions as in C.\n"
    "Sizes take a suffix\n"
    ".Cm B , K , M , G , T , P\n"
    "or\n"
    ".Cm E ,\n"
    "powers of 1024, and with a suffix a fraction.\n";

static const char batches[] =
    ".Sh BATCHES\n"
    "These are understood in batches and at the prompt, not on monitor sockets.\n"
    ".Pp\n"
    "Empty lines and lines that begin with\n"
    ".Ql #\n"
    "are passed over.\n"
    ".Ql $name\n"
    "and\n"
    ".Ql ${name}\n"
    "are replaced, anywhere in a line, by the value that\n"
    ".Ic set\n"
    "gave the name; a name that is not set is an error.\n"
    "The environment is not read.\n"
    ".Ql $$\n"
    "is a dollar; one that no name follows, or that a backslash precedes,\n"
    "stands for itself.\n"
    ".Pp\n"
    ".Ic wait\n"
    "for a state ends at once when the migration is in it, and fails when the\n"
    "migration has ended in another one.\n"
    "For an event it waits for one that comes after the line began.\n"
    ".Pp\n"
    ".Ic expect\n"
    "looks at what the last line printed that was neither\n"
    ".Ic expect\n"
    "nor\n"
    ".Ic assert ,\n"
    "errors included.\n"
    "The regular expression is Perl's;\n"
    ".Ql ^\n"
    "and\n"
    ".Ql $\n"
    "match at every line.\n"
    ".Pp\n"
    ".Ic source\n"
    "runs the lines of a file; names are relative to the folder the program was\n"
    "started in, and files may nest 16 deep.\n"
    "With\n"
    ".Ic on-error Cm continue\n"
    "lines after one that failed are run all the same, and the exit status is\n"
    "that of the first error.\n";

/* ---- commands ---- */

static void write_arguments(const Command *command)
{
    bool any = command->options || (command->args && command->args->name);

    if (!any) {
        return;
    }
    manual_raw(".Bl -tag -width Ds -compact\n");
    for (const ArgSpec *spec = command->options; spec && spec->name; spec++) {
        g_autofree char *item =
            g_strdup_printf(".It Fl -%s%s", spec->name, spec->value ? " Ar" : "");

        manual_macro(item, spec->value, NULL);
        manual_text(spec->help);
    }
    for (const ArgSpec *spec = command->args; spec && spec->name; spec++) {
        if (spec->kind == ARG_FLAG) {
            manual_macro(".It Fl", spec->name, NULL);
        } else {
            manual_macro(".It Ar", spec->name, NULL);
        }
        manual_text(spec->help);
    }
    manual_raw(".El\n");
}

static void write_command(const Command *command, const char *before)
{
    g_autofree char *name = g_strconcat(before, command->name, NULL);
    g_autofree char *usage = command_usage(command);

    if (*usage != '\0') {
        manual_macro(".It Ic", name, usage, NULL);
    } else {
        manual_macro(".It Ic", name, NULL);
    }
    manual_text(command->help);
    write_arguments(command);
}

static void write_commands(const char *title, const Command *const *table, const char *before,
                           bool batch)
{
    manual_macro(".Ss", title, NULL);
    manual_raw(".Bl -tag -width Ds\n");
    for (; *table; table++) {
        if ((*table)->batch_only == batch) {
            write_command(*table, before);
        }
    }
    manual_raw(".El\n");
}

/* ---- names ---- */

static void write_fact(const char *label, const char *text, void *data)
{
    GString *facts = data;

    g_string_append_printf(facts, "%s%s: %s", facts->len ? "; " : "", label, text);
}

static void write_topics(TopicKind kind, const char *title)
{
    const char *name;

    manual_macro(".Sh", title, NULL);
    manual_raw(".Bl -tag -width Ds\n");
    for (size_t i = 0; (name = topic_name(kind, i)) != NULL; i++) {
        g_autoptr(GString) facts = g_string_new(NULL);
        g_autofree char *sentence = g_strconcat(topic_summary(kind, name), ".", NULL);

        topic_describe(kind, name, write_fact, facts);
        manual_macro(".It Cm", name, NULL);
        manual_text(sentence);
        if (facts->len > 0) {
            g_string_append_c(facts, '.');
            manual_raw(".br\n");
            manual_text(facts->str);
        }
    }
    manual_raw(".El\n");
}

static void write_fields(void)
{
    size_t n;
    const Field *table = fields(&n);

    manual_raw(".Ss Fields of assert\n"
               "Times take a suffix\n"
               ".Cm us , ms , s\n"
               "or\n"
               ".Cm min ,\n"
               "sizes one of\n"
               ".Cm B , K , M , G\n"
               "and\n"
               ".Cm T ;\n"
               "words and booleans are compared with\n"
               ".Ql ==\n"
               "and\n"
               ".Ql !=\n"
               "only.\n"
               "A field that is not known yet makes the assertion fail.\n"
               ".Bl -tag -width Ds -compact\n");
    for (size_t i = 0; i < n; i++) {
        g_autofree char *text = g_strdup_printf("of %s%s%s", table[i].request,
                                                *table[i].unit ? ", in " : "", table[i].unit);

        manual_macro(".It Cm", table[i].name, NULL);
        manual_text(text);
    }
    manual_raw(".El\n");
}

static const Command *find(const char *name)
{
    return command_find(command_table, name, strlen(name));
}

void manual_write_hmp(void)
{
    manual_raw(intro);
    manual_raw(".Sh COMMANDS\n"
               "A name behind a bar is a short form.\n");
    write_commands("Of the monitor", command_table, "", false);
    write_commands("Information", find("info")->sub, "info ", false);
    manual_raw(batches);
    write_commands("Commands", command_table, "", true);
    write_fields();
    write_topics(TOPIC_PARAMETER, "PARAMETERS");
    write_topics(TOPIC_CAPABILITY, "CAPABILITIES");
    write_topics(TOPIC_STATUS, "STATES OF A MIGRATION");
    write_topics(TOPIC_RUN_STATE, "STATES OF THE GUEST");
    write_topics(TOPIC_EVENT, "EVENTS");
    manual_raw(".Sh SEE ALSO\n"
               ".Xr migmon 1 ,\n"
               ".Xr migmon-json 5\n");
}
