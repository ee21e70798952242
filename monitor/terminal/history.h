/*
 * The lines typed at the prompt, kept across sessions in
 * $XDG_STATE_HOME/migmon/history (mode 0600), each line once. Uses readline's
 * history list. Main thread.
 */
#pragma once

/* Loads the file. A file that cannot be read or written is no error: then nothing is kept. */
void history_open(void);

/* Adds a line as the newest; blank lines are not kept. */
void history_remember(const char *line);

/* Rewrites the file from the list when the file is much longer. */
void history_close(void);

/* URIs of migrations in the list, newest first; NULL terminated; free with g_strfreev(). */
char **history_uris(void);
