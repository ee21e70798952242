/*
 * Completion of the program's own options for shells, made from the table in options.c.
 */
#pragma once

#include <glib.h>

/* The script for "bash" or "zsh"; NULL with an error for another shell. */
char *options_completion(const char *shell, GError **error);
