/*
 * Steps before the main loop: prepares the process and collects the command
 * lines.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "monitor/options.h"
#include "monitor/script.h"
#include "tui/config.h"

/* Opens missing descriptors 0 to 2 and ignores SIGPIPE. False with an error when there are too few
 * descriptors for the main loop, which would abort. */
bool startup_prepare_process(GError **error);

/* Settings of the dashboard: its file if it is @used, then the options, which are always checked.
 */
bool startup_configure_dashboard(const Options *options, bool used, TuiConfig *ret_config,
                                 GError **error);

/* Checks which options exclude or need each other. */
bool startup_check(const Options *options, bool batch, GError **error);

/* False with an error when the options leave nothing to do. The last of the checks: any other fault
 * says more. */
bool startup_has_work(const Options *options, bool batch, GError **error);

/*
 * Collects the sources of lines in the order -c, --batch, standard input; *ret_script stays NULL
 * without any. Standard input is read when it is no terminal and one of these holds: no lines were
 * given; --batch - or --interactive was given; sockets are served, so that the program runs as long
 * as its standard input is open. /dev/null counts as no standard input.
 */
bool startup_collect_script(const Options *options, Script **ret_script, GError **error);
