/*
 * See prompt.h. Main thread.
 *
 * Readline does not touch the terminal: it reads from our buffer, so that it
 * never blocks in the middle of a character, writes into the console's queue,
 * and has no handler of signals. While a command is executed the terminal is
 * not read, so that what is typed meanwhile is neither echoed nor lost.
 *
 * A terminal with bracketed paste tells pasted text from typed keys. Pasted
 * lines stay in the line editor until Enter, and then run one after another
 * like the lines of a file that source names: the first that fails ends them.
 */
#include "monitor/terminal/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <readline/readline.h>
#include <string.h>

#include "backend/base/error.h"
#include "commands/hmp/hmp.h"
#include "monitor/script.h"
#include "monitor/terminal/history.h"
#include "monitor/terminal/progress-view.h"
#include "monitor/terminal/prompt-complete.h"
#include "monitor/terminal/terminal.h"

#define PROMPT   "(migmon) "
#define MAX_LINE 4095

/* Bracketed paste: what asks the terminal for it, and what it sends around pasted text. */
#define MARK_ON     "\033[?2004h"
#define MARK_OFF    "\033[?2004l"
#define PASTE_BEGIN "\033[200~"
#define PASTE_END   "\033[201~"
#define MAX_PASTE   (1u << 20)

struct Prompt {
    Console *console;
    Hmp *hmp;
    ProgressView *progress;
    FILE *out;         /* readline's, into the console */
    GByteArray *input; /* typed, not yet given to readline */
    bool shown;        /* readline's handler is installed */
    bool busy;         /* a line is being executed */
    bool asked;        /* Ctrl-C was pressed once during this wait */
    bool leaving;
    bool brackets;  /* the terminal is asked to mark pasted text */
    Script *script; /* pasted lines or files of source, not yet run; NULL = none */
    bool reading;   /* the next of these lines has not come yet */
    bool goes_on;   /* on-error continue: a line that fails does not end them */
    guint turn;
    void (*hangup)(void *data);
    void *data;
    const PromptView *view; /* NULL: the prompt is on the terminal */
    void *view_data;
    char *bell; /* readline's setting, while there is a view */
    bool (*open)(GError **error, void *data);
    void *open_data;
};

/* Readline's hooks carry no pointer. */
static Prompt *the_prompt;

static void schedule(Prompt *prompt);

/* ---- readline's input and output ---- */

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

    if (prompt->view == NULL) {
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

static void mark_pastes(Prompt *prompt, bool on)
{
    const char *bytes = on ? MARK_ON : MARK_OFF;

    if (prompt->brackets) {
        console_write_raw(prompt->console, bytes, strlen(bytes));
    }
}

static void show_prompt(Prompt *prompt)
{
    prompt->shown = true;
    mark_pastes(prompt, prompt->view == NULL);
    rl_callback_handler_install(PROMPT, on_line);
    fflush(prompt->out);
    if (prompt->view == NULL) {
        console_set_prompt(prompt->console, hide_line, show_line, prompt);
    }
}

static void remove_line(Prompt *prompt)
{
    if (prompt->shown) {
        prompt->shown = false;
        console_set_prompt(prompt->console, NULL, NULL, NULL);
        rl_callback_handler_remove();
        fflush(prompt->out);
        mark_pastes(prompt, false);
    }
}

/* ---- lines ---- */

/* Forgets the lines that have not run. @why is printed when there are some. */
static void drop_lines(Prompt *prompt, const char *why)
{
    if (prompt->script != NULL && (prompt->reading || script_has_more(prompt->script))) {
        console_tell(prompt->console, why);
    }
    g_clear_pointer(&prompt->script, script_free);
    prompt->reading = false;
    prompt->goes_on = false;
}

static void on_line_done(HmpResult result, void *data)
{
    Prompt *prompt = data;

    prompt->busy = false;
    prompt->asked = false;
    if (result != HMP_OK && prompt->script != NULL && !prompt->goes_on) {
        drop_lines(prompt, "the lines after it were not run");
    }
    if (prompt->view != NULL) {
        prompt->view->busy(false, prompt->view_data);
    }
    schedule(prompt);
}

static void run_line(Prompt *prompt, const char *line)
{
    if (strlen(line) > MAX_LINE) {
        console_print(prompt->console, "Error: line is longer than 4095 bytes, nothing was done\n");
        schedule(prompt);
        return;
    }
    history_remember(line);
    prompt->busy = true;
    if (prompt->view != NULL) {
        g_autofree char *echo = g_strconcat(PROMPT, line, "\n", NULL);

        console_print(prompt->console, echo);
        prompt->view->busy(true, prompt->view_data);
    }
    hmp_execute(prompt->hmp, line, on_line_done, prompt);
}

static Script *need_script(Prompt *prompt)
{
    if (prompt->script == NULL) {
        prompt->script = script_new();
    }
    return prompt->script;
}

static void run_lines(Prompt *prompt, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        script_add_command(need_script(prompt), *line);
    }
    schedule(prompt);
}

static void on_script_ready(void *data)
{
    Prompt *prompt = data;

    prompt->reading = false;
    schedule(prompt);
}

/* Runs the next line of the script, or waits for it, or notes that there is none. */
static void run_next(Prompt *prompt)
{
    g_autofree char *line = NULL, *where = NULL, *echo = NULL;
    g_autoptr(GError) error = NULL;

    switch (script_next(prompt->script, &line, &where, &error)) {
    case SCRIPT_LINE:
        if (line[strspn(line, " \t")] == '\0') {
            schedule(prompt);
            return;
        }
        if (prompt->view == NULL) { /* run_line() does it for a view */
            echo = g_strconcat(PROMPT, line, "\n", NULL);
            console_print(prompt->console, echo);
        }
        run_line(prompt, line);
        return;
    case SCRIPT_WAIT:
        prompt->reading = true;
        script_when_ready(prompt->script, on_script_ready, prompt);
        return;
    case SCRIPT_ERROR:
        echo = g_strdup_printf("Error: %s: %s", where, error->message);
        console_tell(prompt->console, echo);
        G_GNUC_FALLTHROUGH;
    case SCRIPT_END:
        drop_lines(prompt, "the lines after it were not run");
        schedule(prompt);
        return;
    }
}

/* Readline's handler: Enter, or Ctrl-D at an empty line (NULL). */
static void on_line(char *line)
{
    Prompt *prompt = the_prompt;

    remove_line(prompt);
    if (prompt->view != NULL && (line == NULL || line[0] == '\0')) {
        prompt->view->close(prompt->view_data);
        rl_free(line);
        schedule(prompt);
        return;
    }
    if (line == NULL) {
        console_print(prompt->console, "\ntype quit to leave\n");
        schedule(prompt);
        return;
    }
    if (strchr(line, '\n') != NULL) {
        run_lines(prompt, line);
    } else {
        run_line(prompt, line);
    }
    rl_free(line);
}

/* ---- pasted text ---- */

/* What a paste may hold of control characters: line ends, and tabs as blanks. */
static char *clean_paste(const char *bytes, size_t size)
{
    GString *text = g_string_sized_new(size);

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c == '\r' || c == '\n') {
            if (c == '\r' || i == 0 || bytes[i - 1] != '\r') {
                g_string_append_c(text, '\n');
            }
        } else if (c == '\t' || (c >= ' ' && c != 127)) {
            g_string_append_c(text, c == '\t' ? ' ' : (char)c);
        }
    }
    return g_strchomp(g_string_free(text, FALSE)); /* Enter is for the person */
}

/* The input begins with a paste, or with what may become one: true until all of it is there. */
static bool take_paste(Prompt *prompt)
{
    const char *input = (const char *)prompt->input->data;
    size_t size = prompt->input->len, lead = strlen(PASTE_BEGIN);
    const char *end;

    if (!prompt->brackets || size < 3 || memcmp(input, PASTE_BEGIN, MIN(size, lead)) != 0) {
        return false;
    }
    end = size > lead ? memmem(input + lead, size - lead, PASTE_END, strlen(PASTE_END)) : NULL;
    if (end == NULL && size <= MAX_PASTE) {
        return true;
    }
    if (end == NULL) {
        end = input + size;
    }
    g_autofree char *text = clean_paste(input + lead, (size_t)(end - input) - lead);
    size_t used = MIN(size, (size_t)(end - input) + strlen(PASTE_END));

    g_byte_array_remove_range(prompt->input, 0, (unsigned)used);
    rl_insert_text(text);
    rl_redisplay_function();
    fflush(prompt->out);
    return prompt->input->len == 0;
}

/* Bytes of the character that begins with @lead. */
static unsigned character_length(uint8_t lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static gboolean take_turn(void *data)
{
    Prompt *prompt = data;

    prompt->turn = 0;
    if (prompt->leaving || prompt->busy || prompt->reading ||
        progress_view_is_busy(prompt->progress)) {
        /* A view has the focus and takes more than this line. */
        if (prompt->view == NULL) {
            terminal_listen(false);
        }
        return G_SOURCE_REMOVE;
    }
    if (prompt->script != NULL) {
        run_next(prompt);
        return G_SOURCE_REMOVE;
    }
    if (!prompt->shown) {
        show_prompt(prompt);
    }
    while (prompt->shown && prompt->input->len > 0 && !take_paste(prompt) &&
           prompt->input->len >= character_length(prompt->input->data[0])) {
        rl_callback_read_char();
        fflush(prompt->out);
    }
    if (prompt->shown) {
        terminal_listen(true);
    } else {
        schedule(prompt);
    }
    return G_SOURCE_REMOVE;
}

static void schedule(Prompt *prompt)
{
    if (prompt->turn == 0 && !prompt->leaving) {
        prompt->turn = g_idle_add_full(G_PRIORITY_DEFAULT, take_turn, prompt, NULL);
    }
}

/* ---- the terminal ---- */

static void on_typed(const uint8_t *bytes, size_t n, void *data)
{
    prompt_type(data, bytes, n);
}

static void on_gone(void *data)
{
    Prompt *prompt = data;

    prompt->leaving = true;
    prompt->hangup(prompt->data);
}

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

static bool on_interrupt(void *data)
{
    Prompt *prompt = data;

    if (prompt->reading) {
        drop_lines(prompt, "the rest of the lines is not run");
        schedule(prompt);
        return true;
    }
    if (prompt->script != NULL && script_has_more(prompt->script)) {
        drop_lines(prompt, "the rest of the lines is not run");
    }
    if (prompt->shown) {
        g_byte_array_set_size(prompt->input, 0);
        clear_line(prompt);
    } else if (!prompt->busy || hmp_give_up(prompt->hmp)) {
        return true;
    } else if (!progress_view_is_active(prompt->progress)) {
        console_print(prompt->console, "the running command cannot be interrupted\n");
    } else if (!prompt->asked) {
        prompt->asked = true;
        console_print(prompt->console, "press Ctrl-C again to cancel the migration\n");
    } else {
        hmp_interrupt(prompt->hmp);
    }
    return true;
}

static void on_resized(void *data)
{
    Prompt *prompt = data;

    if (prompt->shown && prompt->view == NULL) {
        rl_resize_terminal();
        fflush(prompt->out);
    } else {
        rl_reset_screen_size(); /* rl_resize_terminal() would draw the prompt */
    }
}

static void on_redraw(void *data)
{
    Prompt *prompt = data;

    if (prompt->shown) {
        rl_forced_update_display();
        fflush(prompt->out);
    }
}

static const TerminalUser terminal_user = {
    .typed = on_typed,
    .interrupt = on_interrupt,
    .resized = on_resized,
    .redraw = on_redraw,
    .gone = on_gone,
    .rescue = MARK_OFF,
};

/* ---- a view of the line ---- */

static void show_in_view(void)
{
    the_prompt->view->line(rl_line_buffer, (size_t)MAX(rl_point, 0), the_prompt->view_data);
}

void prompt_set_view(Prompt *prompt, const PromptView *view, void *data)
{
    remove_line(prompt);
    g_byte_array_set_size(prompt->input, 0);
    prompt->view = view;
    prompt->view_data = data;
    if (view != NULL) {
        rl_redisplay_function = show_in_view;
        prompt->bell = g_strdup(rl_variable_value("bell-style"));
        rl_variable_bind("bell-style", "none"); /* readline writes it to the terminal */
    } else {
        rl_redisplay_function = rl_redisplay;
        rl_variable_bind("bell-style", prompt->bell != NULL ? prompt->bell : "audible");
        g_clear_pointer(&prompt->bell, g_free);
        rl_reset_screen_size();
    }
    schedule(prompt);
}

void prompt_type(Prompt *prompt, const uint8_t *bytes, size_t n)
{
    g_byte_array_append(prompt->input, bytes, (unsigned)n);
    schedule(prompt);
}

void prompt_set_dashboard(Prompt *prompt, bool (*open)(GError **error, void *data), void *data)
{
    prompt->open = open;
    prompt->open_data = data;
}

bool prompt_tells_end(const Prompt *prompt)
{
    return hmp_waits_for_migration(prompt->hmp);
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

    progress_view_update(prompt->progress, info, history);
}

static void on_summary_done(void *data)
{
    schedule(data);
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

static bool on_source(const char *path, GError **error, void *data)
{
    return script_insert_file(need_script(data), path, error);
}

static void on_error_means(bool go_on, void *data)
{
    ((Prompt *)data)->goes_on = go_on;
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
    /* Readline would read on until a paste is complete; take_paste() does not block. */
    prompt->brackets = console_is_terminal(prompt->console) &&
                       g_strcmp0(rl_variable_value("enable-bracketed-paste"), "on") == 0;
    rl_variable_bind("enable-bracketed-paste", "off");
    prompt_complete_install(prompt->hmp);
}

Prompt *prompt_new(Backend *backend, Console *console, void (*hangup)(void *data), void *data)
{
    static const HmpCallbacks hmp_callbacks = {
        .print = on_print,
        .progress = on_progress,
        .quit = on_quit,
        .source = on_source,
        .on_error = on_error_means,
        .dashboard = on_dashboard,
    };
    Prompt *prompt = g_new0(Prompt, 1);

    g_assert(the_prompt == NULL);
    the_prompt = prompt;
    prompt->console = console;
    prompt->hangup = hangup;
    prompt->data = data;
    prompt->input = g_byte_array_new();
    prompt->progress = progress_view_new(backend, console, on_summary_done, prompt);
    prompt->hmp = hmp_new(command_table, backend, &hmp_callbacks, prompt, HMP_BATCH | HMP_PERSON);
    terminal_add(&terminal_user, prompt);
    configure_readline(prompt);
    history_open();
    console_print(console, hmp_banner());
    console_print(console, "\n");
    schedule(prompt);
    return prompt;
}

void prompt_free(Prompt *prompt)
{
    if (prompt == NULL) {
        return;
    }
    if (prompt->shown) {
        /* The shell's prompt begins on a line of its own. */
        remove_line(prompt);
        console_print(prompt->console, "\n");
    }
    g_clear_handle_id(&prompt->turn, g_source_remove);
    g_clear_pointer(&prompt->script, script_free);
    hmp_free(prompt->hmp);
    progress_view_free(prompt->progress);
    history_close();
    prompt_complete_remove();
    rl_outstream = NULL;
    fclose(prompt->out);
    terminal_remove();
    g_byte_array_unref(prompt->input);
    the_prompt = NULL;
    g_free(prompt);
}
