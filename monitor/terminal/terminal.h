/*
 * The terminal on standard input: its mode, its signals, the bytes typed. A process has one. The
 * user added last has the focus. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    /* Bytes from the terminal. */
    void (*typed)(const uint8_t *bytes, size_t n, void *data);
    /* Ctrl-C. False passes it to the user below. */
    bool (*interrupt)(void *data);
    /* The size has changed. Called for every user, the lowest first. */
    void (*resized)(void *data);
    /* Another program has used the terminal, whose mode is ours again: draw everything. */
    void (*redraw)(void *data);
    /* Optional: SIGTSTP. Restores the screen, calls terminal_stop() and draws again. Without it
     * SIGTSTP is ignored, because stopping the process stops the guest. */
    void (*suspend)(void *data);
    /* Optional: the terminal is gone. Called for every user, the lowest first. */
    void (*gone)(void *data);
    /* Optional: undoes what the user did to the screen; written when the process crashes. */
    const char *rescue;
} TerminalUser;

/* Gives @user the focus. The first user sets the mode and the handlers of signals. */
void terminal_add(const TerminalUser *user, void *data);
/* Takes the focus from the user added last. With the last one the terminal is as it was found. */
void terminal_remove(void);

/* Off: what is typed stays in the kernel. terminal_add() switches it on. */
void terminal_listen(bool on);

/* For the handler of SIGINT. */
void terminal_interrupt(void);

/* Restores the mode, stops the process until SIGCONT and sets the mode again. */
void terminal_stop(void);

/* Size of the terminal on standard output, 80 and 24 when it has none. NULL: not wanted. */
void terminal_size(int *ret_columns, int *ret_rows);
