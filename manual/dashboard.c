/*
 * migmon-dashboard(7): the screen, its keys and its settings. Keys and
 * settings come from the tables.
 */
#include "manual/manual.h"

#include "tui/config.h"
#include "tui/ui.h"

static const char intro[] =
    ".Dd November 20, 2026\n"
    ".Dt MIGMON-DASHBOARD 7\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm migmon-dashboard\n"
    ".Nd a migration on the whole screen\n"
    ".Sh DESCRIPTION\n"
    "The command\n"
    ".Ic dashboard\n"
    "of\n"
    ".Xr migmon-hmp 7\n"
    "or the option\n"
    ".Fl -dashboard\n"
    "of\n"
    ".Xr migmon 1\n"
    "opens it.\n"
    "It needs a terminal of any size from one line on, and disturbs nothing: a\n"
    "migration goes on whether it is watched, held or left.\n"
    ".Pp\n"
    "The head says who the guest is, where it runs and may run, and on what\n"
    "evidence; then come progress towards the switchover, throughput against\n"
    "what the guest writes anew, what each pass left, a map of guest RAM, the\n"
    "channels, where the pause went, settings, events, and the output of commands.\n"
    ".Sh KEYS\n"
    "A key that is not possible now stands grey in the bar at the bottom and says\n"
    "why when it is pressed.\n";

static const char command_line[] =
    ".Pp\n"
    "The command line is the prompt's: the same commands, completion and history.\n"
    "Unless the mouse is left to the terminal, a click selects a pane or a setting,\n"
    "runs a key of the bar or opens the command line, a second click on the curves\n"
    "holds the moment under it, and the wheel scrolls.\n";

static const char settings[] =
    ".Sh SETTINGS\n"
    "The file\n"
    ".Pa $XDG_CONFIG_HOME/migmon/dashboard.conf\n"
    "has lines\n"
    ".Ql key = value ;\n"
    "those that begin with\n"
    ".Ql #\n"
    "are passed over.\n"
    "It is read whenever the dashboard opens, a mistake in it is told with its\n"
    "line, and options of the program come after it.\n";

static const char end[] =
    ".Sh ENVIRONMENT\n"
    ".Bl -tag -width Ds\n"
    ".It Ev NO_COLOR\n"
    "When it is set and not empty no colours are used, unless an option or the\n"
    "file asks for them.\n"
    ".It Ev TERM\n"
    "The kind of terminal.\n"
    ".El\n"
    ".Sh SEE ALSO\n"
    ".Xr migmon 1 ,\n"
    ".Xr migmon-hmp 7\n";

static void write_keys(void)
{
    manual_raw(".Bl -tag -width Ds -compact\n");
    for (unsigned i = 0; i < ui_key_count(); i++) {
        const char *keys, *help;

        ui_key_row(i, &keys, &help);
        manual_macro(".It Ic", keys, NULL);
        manual_text(help);
    }
    manual_raw(".El\n");
}

static void write_settings(void)
{
    const char *values, *help, *key;

    manual_raw(".Bl -tag -width Ds -compact\n");
    for (unsigned i = 0; (key = config_key(i, &values, &help)) != NULL; i++) {
        manual_macro(".It Cm", key, "=", values, NULL);
        manual_text(help);
    }
    manual_raw(".El\n");
}

void manual_write_dashboard(void)
{
    manual_raw(intro);
    write_keys();
    manual_raw(command_line);
    manual_raw(settings);
    write_settings();
    manual_raw(end);
}
