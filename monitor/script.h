/*
 * The lines of a batch: -c commands, files, standard input, in the order they were
 * added, each with its position. Never blocks: SCRIPT_WAIT reports that a source
 * has no complete line yet. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The same limit as QEMU's monitor; a longer line is an error. */
#define SCRIPT_MAX_LINE 4095

/* Stops a file that includes itself. */
#define SCRIPT_MAX_DEPTH 16

typedef struct Script Script;

Script *script_new(void);
void script_free(Script *script);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Script, script_free)

void script_add_command(Script *script, const char *line);
/* Opens the file now. */
bool script_add_file(Script *script, const char *path, GError **error);
/* Its lines come next, before the rest of the current source. */
bool script_insert_file(Script *script, const char *path, GError **error);
/* The caller keeps @fd, which stays blocking; it is read only when poll() reports data. */
void script_add_fd(Script *script, int fd, const char *name);

typedef enum {
    SCRIPT_LINE,
    SCRIPT_WAIT, /* no line yet: call again after script_when_ready() */
    SCRIPT_END,
    SCRIPT_ERROR,
} ScriptNext;

/* The next line without its newline, and its position ("script.hmp:12", "-c 2"); the caller frees
 * both. An error sets @ret_where too. */
ScriptNext script_next(Script *script, char **ret_line, char **ret_where, GError **error);

/* Some lines were not returned yet, as far as is known without waiting. */
bool script_has_more(const Script *script);

/* After SCRIPT_WAIT: @ready is called once, from the main loop. */
void script_when_ready(Script *script, void (*ready)(void *data), void *data);
