/*
 * What has to be arranged before anything else: the process, and where its
 * command lines come from.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "monitor/options.h"
#include "monitor/script.h"
#include "tui/config.h"

/* Descriptors 0 to 2 are open afterwards and SIGPIPE is ignored. */
void startup_prepare_process(void);

/* What was chosen for the dashboard: its file, then the options. */
bool startup_configure_dashboard(const Options *options, TuiConfig *ret_config, GError **error);

/* What goes together and what there has to be. */
bool startup_check(const Options *options, bool batch, GError **error);

/* The guest and its engine; an error is one of the options. */
Backend *startup_make_backend(const Options *options, GError **error);

/*
 * The lines there will be; *ret_script stays NULL when there is no batch at all. Sources in order:
 * -c,
 * --batch, standard input. The last is read when it is no terminal and either no lines were given,
 * or it was asked for (--batch -, --interactive), or sockets are served: such a program lives as
 * long as its standard input is open. /dev/null counts as no standard input.
 */
bool startup_collect_script(const Options *options, Script **ret_script, GError **error);
