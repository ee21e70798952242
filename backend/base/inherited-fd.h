/*
 * Descriptors that this process inherited at its start. Only these may be named by number (fd:7):
 * any other number is in use by the program itself, for guest RAM, a monitor or the main loop.
 */
#pragma once

#include <glib.h>

/* Call first in main(), before anything is opened. */
void inherited_fds_note(void);

/* Returns the descriptor with the decimal number @text, once; the caller owns it. -1 with an error
 * when there is none. Main thread. */
int inherited_fd_take(const char *text, GError **error);
