/*
 * A descriptor that wakes poll(): readable from wake_fd_signal() on. Any thread.
 */
#pragma once

#include <glib.h>

/* -1 with an error; the caller closes it. */
int wake_fd_new(GError **error);
void wake_fd_signal(int fd);
