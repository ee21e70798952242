/*
 * What has to be arranged before anything else: the process, and where its
 * command lines come from.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "monitor/options.h"
#include "monitor/script.h"

/* Descriptors 0 to 2 are open afterwards and SIGPIPE is ignored. */
void startup_prepare_process(void);

/*
 * The lines there will be; *ret_script stays NULL when there is no batch at all. Sources in order:
 * -c,
 * --batch, standard input. The last is read when it is no terminal and either no lines were given,
 * or it was asked for (--batch -, --interactive), or sockets are served: such a program lives as
 * long as its standard input is open. /dev/null counts as no standard input.
 */
bool startup_collect_script(const Options *options, Script **ret_script, GError **error);
