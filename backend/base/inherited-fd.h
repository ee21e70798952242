/*
 * Descriptors that this process was started with. Only these may be named by number (fd:7): any
 * other number is the program's own, and taking it would pull guest RAM, a monitor or the main
 * loop's wake-up away.
 */
#pragma once

#include <glib.h>

/* First thing in main(), before anything is opened. */
void inherited_fds_note(void);

/* The descriptor with the decimal number @text, once: it is the caller's from now on. -1 with the
 * error set when there is none. Main thread. */
int inherited_fd_take(const char *text, GError **error);
