/*
 * Shell completion of the program's options, generated from the table in options.c.
 */
#pragma once

#include <glib.h>

/* The script for "bash" or "zsh"; NULL with an error for another shell. */
char *options_completion(const char *shell, GError **error);
