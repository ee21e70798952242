/*
 * See prompt.h. Main thread.
 *
 * Readline neither reads nor prepares the terminal and has no signal handler:
 * bytes come from our buffer, so that it never waits for the rest of a
 * character, and its output goes through the console's queue. The terminal
 * stays in the mode set in prompt_new() all the time; what is typed while a
 * command is in work waits and is neither echoed nor lost.
 *
 * Ctrl-Z is switched off: stopping the process would stop the guest.
 */
#include "monitor/terminal/prompt-internal.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <readline/readline.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "commands/hmp/hmp.h"
#include "monitor/terminal/history.h"
#include "monitor/terminal/prompt-complete.h"
#include "monitor/terminal/resume-watch.h"

#define PROMPT   "(migmon) "
#define MAX_LINE 4095

/* Readline's hooks carry no pointer. */
static Prompt *the_prompt;

/* ---- the terminal ---- */

void prompt_set_mode(const Prompt *prompt)
{
    struct termios mode = prompt->found;

    mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    mode.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    mode.c_cc[VSUSP] = _POSIX_VDISABLE;
    mode.c_cc[VQUIT] = _POSIX_VDISABLE;
    /* Not TCSADRAIN: it waits for a terminal that stands still. */
    tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

static void set_terminal(Prompt *prompt)
{
    if (tcgetattr(STDIN_FILENO, &prompt->found) == 0) {
        prompt->have_mode = true;
        prompt_set_mode(prompt);
    }
}

static void prepare_nothing(int meta)
{
    (void)meta;
    rl_tty_set_echoing(1);
}

static void restore_nothing(void)
{
}

static int read_byte(FILE *stream)
{
    Prompt *prompt = the_prompt;
    int byte;

    (void)stream;
    if (prompt->input->len == 0) {
        return EOF;
    }
    byte = prompt->input->data[0];
    g_byte_array_remove_index(prompt->input, 0);
    return byte;
}

static int bytes_are_there(void)
{
    return the_prompt->input->len > 0;
}

static ssize_t write_out(void *cookie, const char *bytes, size_t size)
{
    Prompt *prompt = cookie;

    if (prompt->screen == NULL) {
        console_write_raw(prompt->console, bytes, size);
    } else if (size > 1 && memchr(bytes, '\033', size) == NULL) { /* a list of candidates */
        g_autofree char *text = g_strndup(bytes, size);

        console_print(prompt->console, text);
    }
    return (ssize_t)size;
}

/* ---- showing and hiding ---- */

static void hide_line(void *data)
{
    Prompt *prompt = data;

    rl_clear_visible_line();
    fflush(prompt->out);
}

static void show_line(void *data)
{
    Prompt *prompt = data;

    rl_on_new_line();
    rl_redisplay();
    fflush(prompt->out);
}

static void on_line(char *line);

static void show_prompt(Prompt *prompt)
{
    prompt->shown = true;
    rl_callback_handler_install(PROMPT, on_line);
    fflush(prompt->out);
    if (prompt->screen == NULL) {
        console_set_prompt(prompt->console, hide_line, show_line, prompt);
    }
}

void prompt_remove_line(Prompt *prompt)
{
    if (prompt->shown) {
        prompt->shown = false;
        console_set_prompt(prompt->console, NULL, NULL, NULL);
        rl_callback_handler_remove();
        fflush(prompt->out);
    }
}

/* ---- lines ---- */

static void on_line_done(HmpResult result, void *data)
{
    Prompt *prompt = data;

    (void)result; /* the text is what a person sees */
    prompt->busy = false;
    prompt->asked = false;
    if (prompt->screen != NULL) {
        prompt->screen->busy(false, prompt->screen_data);
    }
    prompt_schedule(prompt);
}

static void run_line(Prompt *prompt, const char *line)
{
    if (strlen(line) > MAX_LINE) {
        console_print(prompt->console, "Error: line is longer than 4095 bytes, nothing was done\n");
        prompt_schedule(prompt);
        return;
    }
    history_remember(line);
    prompt->busy = true;
    if (prompt->screen != NULL) {
        g_autofree char *echo = g_strconcat(PROMPT, line, "\n", NULL);

        console_print(prompt->console, echo);
        prompt->screen->busy(true, prompt->screen_data);
    }
    hmp_execute(prompt->hmp, line, on_line_done, prompt);
}

/* Readline's handler: Enter, or Ctrl-D at an empty line (NULL). */
static void on_line(char *line)
{
    Prompt *prompt = the_prompt;

    prompt_remove_line(prompt);
    if (prompt->screen != NULL && (line == NULL || line[0] == '\0')) {
        prompt->screen->close(prompt->screen_data);
        rl_free(line);
        prompt_schedule(prompt);
        return;
    }
    if (line == NULL) {
        console_print(prompt->console, "\ntype quit to leave\n");
        prompt_schedule(prompt);
        return;
    }
    run_line(prompt, line);
    rl_free(line);
}

/* Bytes of the character that begins with @lead. */
static unsigned character_length(uint8_t lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static gboolean on_readable(int fd, GIOCondition condition, void *data)
{
    Prompt *prompt = data;
    uint8_t bytes[1024];
    ssize_t n = read(fd, bytes, sizeof(bytes));

    (void)condition;
    if (n > 0 && prompt->screen != NULL) {
        prompt->screen->typed(bytes, (size_t)n, prompt->screen_data);
    } else if (n > 0) {
        g_byte_array_append(prompt->input, bytes, (unsigned)n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        prompt->watch = 0;
        prompt->leaving = true;
        prompt->hangup(prompt->data);
        return G_SOURCE_REMOVE;
    }
    prompt_schedule(prompt);
    return G_SOURCE_CONTINUE;
}

void prompt_watch_terminal(Prompt *prompt)
{
    if (prompt->watch == 0 && !prompt->leaving) {
        prompt->watch =
            g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, prompt);
    }
}

static gboolean take_turn(void *data)
{
    Prompt *prompt = data;

    prompt->turn = 0;
    if (prompt->leaving || prompt->busy || progress_view_is_busy(prompt->view)) {
        /* What is typed now waits in the terminal. A screen has more than a line to take it. */
        if (prompt->screen == NULL) {
            g_clear_handle_id(&prompt->watch, g_source_remove);
        }
        return G_SOURCE_REMOVE;
    }
    if (!prompt->shown) {
        show_prompt(prompt);
    }
    while (prompt->shown && prompt->input->len > 0 &&
           prompt->input->len >= character_length(prompt->input->data[0])) {
        rl_callback_read_char();
        fflush(prompt->out);
    }
    if (prompt->shown && prompt->watch == 0) {
        prompt_watch_terminal(prompt);
    } else if (!prompt->shown) {
        prompt_schedule(prompt);
    }
    return G_SOURCE_REMOVE;
}

void prompt_schedule(Prompt *prompt)
{
    if (prompt->turn == 0 && !prompt->leaving) {
        prompt->turn = g_idle_add_full(G_PRIORITY_DEFAULT, take_turn, prompt, NULL);
    }
}

/* ---- interruption ---- */

static void clear_line(Prompt *prompt)
{
    rl_free_line_state();
    rl_callback_sigcleanup();
    rl_point = rl_end;
    rl_redisplay();
    fputs("^C\n", prompt->out);
    rl_replace_line("", 1);
    rl_point = rl_end = 0;
    rl_on_new_line();
    rl_redisplay();
    fflush(prompt->out);
}

void prompt_interrupt(Prompt *prompt)
{
    if (prompt->screen != NULL && prompt->screen->interrupt(prompt->screen_data)) {
        return;
    }
    if (prompt->shown) {
        g_byte_array_set_size(prompt->input, 0);
        clear_line(prompt);
    } else if (!prompt->busy) {
        return;
    } else if (hmp_give_up(prompt->hmp)) {
        return;
    } else if (!progress_view_is_active(prompt->view)) {
        console_print(prompt->console, "a command is in work and cannot be interrupted\n");
    } else if (!prompt->asked) {
        prompt->asked = true;
        console_print(prompt->console, "press Ctrl-C again to cancel the migration\n");
    } else {
        hmp_interrupt(prompt->hmp);
    }
}

bool prompt_tells_end(const Prompt *prompt)
{
    return hmp_waits_for_migration(prompt->hmp);
}

static gboolean on_winch(void *data)
{
    Prompt *prompt = data;

    if (prompt->screen != NULL) {
        rl_reset_screen_size();
        prompt->screen->resized(prompt->screen_data);
        return G_SOURCE_CONTINUE;
    }
    if (!prompt->shown) { /* readline would draw the prompt where none stands */
        rl_reset_screen_size();
        return G_SOURCE_CONTINUE;
    }
    rl_resize_terminal();
    fflush(prompt->out);
    return G_SOURCE_CONTINUE;
}

/* The shell had the terminal while the process was stopped, and left it in its own mode. In the
 * background it still has it: setting the mode would stop the process again. */
static void on_resumed(void *data)
{
    Prompt *prompt = data;

    if (!prompt->have_mode || tcgetpgrp(STDIN_FILENO) != getpgrp()) {
        return;
    }
    prompt_set_mode(prompt);
    if (prompt->shown && prompt->screen == NULL) {
        rl_forced_update_display();
        fflush(prompt->out);
    }
}

/* ---- the monitor's callbacks ---- */

static void on_print(const char *text, void *data)
{
    Prompt *prompt = data;

    console_print(prompt->console, text);
}

static void on_progress(json_object *info, json_object *history, void *data)
{
    Prompt *prompt = data;

    progress_view_update(prompt->view, info, history);
}

static void on_summary_done(void *data)
{
    prompt_schedule(data);
}

static bool on_dashboard(GError **error, void *data)
{
    Prompt *prompt = data;

    if (prompt->open == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED, "the dashboard needs a terminal");
        return false;
    }
    return prompt->open(error, prompt->open_data);
}

static void on_quit(void *data)
{
    Prompt *prompt = data;

    prompt->leaving = true;
}

/* ---- begin and end ---- */

static void configure_readline(Prompt *prompt)
{
    cookie_io_functions_t functions = { .write = write_out };

    prompt->out = fopencookie(prompt, "w", functions);
    if (prompt->out == NULL) {
        g_error("fopencookie: %s", g_strerror(errno));
    }
    rl_readline_name = "migmon";
    rl_instream = stdin;
    rl_outstream = prompt->out;
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_change_environment = 0; /* other threads may read the environment */
    rl_getc_function = read_byte;
    rl_input_available_hook = bytes_are_there;
    rl_prep_term_function = prepare_nothing;
    rl_deprep_term_function = restore_nothing;
    rl_initialize();
    rl_variable_bind("enable-bracketed-paste", "off");
    prompt_complete_install(prompt->hmp);
}

Prompt *prompt_new(Backend *backend, Console *console, void (*hangup)(void *data), void *data)
{
    static const HmpCallbacks hmp_callbacks = {
        .print = on_print,
        .progress = on_progress,
        .quit = on_quit,
        .dashboard = on_dashboard,
    };
    Prompt *prompt = g_new0(Prompt, 1);

    g_assert(the_prompt == NULL);
    the_prompt = prompt;
    prompt->console = console;
    prompt->hangup = hangup;
    prompt->data = data;
    prompt->input = g_byte_array_new();
    prompt->view = progress_view_new(backend, console, on_summary_done, prompt);
    prompt->hmp = hmp_new(backend, &hmp_callbacks, prompt, HMP_BATCH | HMP_PERSON);
    set_terminal(prompt);
    configure_readline(prompt);
    history_open();
    prompt->winch = g_unix_signal_add(SIGWINCH, on_winch, prompt);
    resume_watch_begin(on_resumed, prompt);
    console_print(console, hmp_banner());
    console_print(console, "\n");
    prompt_schedule(prompt);
    return prompt;
}

void prompt_free(Prompt *prompt)
{
    if (prompt == NULL) {
        return;
    }
    if (prompt->shown) {
        /* The shell's prompt begins on a line of its own. */
        prompt_remove_line(prompt);
        console_print(prompt->console, "\n");
    }
    g_clear_handle_id(&prompt->turn, g_source_remove);
    g_clear_handle_id(&prompt->watch, g_source_remove);
    g_clear_handle_id(&prompt->winch, g_source_remove);
    resume_watch_end();
    hmp_free(prompt->hmp);
    progress_view_free(prompt->view);
    history_close();
    prompt_complete_remove();
    rl_outstream = NULL;
    fclose(prompt->out);
    if (prompt->have_mode) {
        tcsetattr(STDIN_FILENO, TCSANOW, &prompt->found);
    }
    g_byte_array_unref(prompt->input);
    the_prompt = NULL;
    g_free(prompt);
}
