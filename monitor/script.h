/*
 * The lines of a batch: -c commands, a file, standard input, in the order they
 * were added. Each line knows where it stands. Never blocks: a source that has
 * nothing yet says so. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* As QEMU's monitor; a longer line is an error, not cut. */
#define SCRIPT_MAX_LINE 4095

/* A file that brings in itself ends here. */
#define SCRIPT_MAX_DEPTH 16

typedef struct Script Script;

Script *script_new(void);
void script_free(Script *script);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Script, script_free)

void script_add_command(Script *script, const char *line);
/* Opens the file now. */
bool script_add_file(Script *script, const char *path, GError **error);
/* Its lines come next, before the rest of what gave out the last line. */
bool script_insert_file(Script *script, const char *path, GError **error);
/* @fd stays the caller's and blocking; it is read only when poll() says so. */
void script_add_fd(Script *script, int fd, const char *name);

typedef enum {
    SCRIPT_LINE,
    SCRIPT_WAIT, /* nothing yet: ask again after @ready of script_when_ready() */
    SCRIPT_END,
    SCRIPT_ERROR,
} ScriptNext;

/* The next line, its end of line cut off, and where it stands ("script.hmp:12", "-c 2"); the caller
 * frees both. For an error @ret_where is set too. */
ScriptNext script_next(Script *script, char **ret_line, char **ret_where, GError **error);

/* Something of it was not given out: what has been read, and what is known to come. */
bool script_has_more(const Script *script);

/* After SCRIPT_WAIT: @ready is called once, from the main loop. */
void script_when_ready(Script *script, void (*ready)(void *data), void *data);
