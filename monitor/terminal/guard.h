/*
 * Brings the terminal back when the program is stopped or dies while the dashboard has it. One a
 * process. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <termios.h>

/* @suspend: SIGTSTP came, restore the terminal and call terminal_guard_stop(). @resumed: the
 * program runs again after a stop that nobody asked for here. Both from the main loop. @found: mode
 * of the terminal before us, NULL = not known. */
void terminal_guard_begin(const struct termios *found, void (*suspend)(void *data),
                          void (*resumed)(void *data), void *data);
void terminal_guard_end(void);

/* Stops the process until SIGCONT. */
void terminal_guard_stop(void);
