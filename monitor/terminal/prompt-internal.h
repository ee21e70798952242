/*
 * The prompt from inside: prompt.c is the prompt on its terminal, prompt-screen.c lends its line to
 * a screen.
 */
#pragma once

#include <stdio.h>

#include "commands/hmp/hmp.h"
#include "monitor/terminal/progress-view.h"
#include "monitor/terminal/prompt.h"

struct Prompt {
    Console *console;
    Hmp *hmp;
    ProgressView *view;
    FILE *out;            /* readline's, into the console */
    GByteArray *input;    /* read from the terminal, not yet given to readline */
    struct termios found; /* mode of the terminal before us */
    bool have_mode;
    bool shown; /* readline's handler is installed */
    bool busy;  /* a line is in work */
    bool asked; /* Ctrl-C was pressed once in this wait */
    bool leaving;
    guint watch;
    guint winch;
    guint turn;
    void (*hangup)(void *data);
    void *data;
    const PromptScreen *screen; /* NULL = the prompt stands on the terminal */
    void *screen_data;
    char *bell; /* readline's, while there is a screen */
    bool (*open)(GError **error, void *data);
    void *open_data;
};

/* Goes on as soon as the main loop is free. */
void prompt_schedule(Prompt *prompt);
/* Takes the line off, with what was typed. */
void prompt_remove_line(Prompt *prompt);
void prompt_watch_terminal(Prompt *prompt);
void prompt_set_mode(const Prompt *prompt);
