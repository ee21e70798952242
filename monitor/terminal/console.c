/*
 * See console.h. Main thread.
 *
 * The bottom line is overwritten in place. When the terminal became narrower, the
 * line occupies two or more rows; then it stays and a new one is started below.
 */
#include "monitor/terminal/console.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "backend/base/shown.h"
#include "commands/hmp/json-line.h"
#include "monitor/sink.h"
#include "monitor/terminal/terminal.h"

#define CONSOLE_LIMIT (4u << 20)
/* Pending bytes beyond which a script waits for the reader. */
#define CONSOLE_BEHIND (256u << 10)

struct Console {
    Sink *out;
    Sink *err;
    bool out_terminal;
    bool err_terminal;
    char *status;
    size_t drawn; /* columns of the status on the screen */
    void (*hide)(void *data);
    void (*show)(void *data);
    void *prompt_data;
    void (*take)(const char *text, void *data); /* diverted */
    void *take_data;
};

Console *console_new(void)
{
    Console *console = g_new0(Console, 1);

    console->out = sink_new_shared(STDOUT_FILENO, CONSOLE_LIMIT);
    console->err = sink_new_shared(STDERR_FILENO, CONSOLE_LIMIT);
    console->out_terminal = isatty(STDOUT_FILENO);
    console->err_terminal = isatty(STDERR_FILENO);
    return console;
}

void console_free(Console *console)
{
    if (console == NULL) {
        return;
    }
    sink_free(console->out);
    sink_free(console->err);
    g_free(console->status);
    g_free(console);
}

bool console_is_terminal(const Console *console)
{
    return console->out_terminal;
}

bool console_shows_both(const Console *console)
{
    return console->out_terminal && console->err_terminal;
}

int console_width(const Console *console)
{
    int columns = 80;

    if (console->out_terminal) {
        terminal_size(&columns, NULL);
    }
    return columns;
}

/* Overwrites the bottom line with one write, to avoid flicker. */
static void overwrite_status(Console *console, const char *line)
{
    bool wrapped = console->drawn > (size_t)console_width(console);
    g_autofree char *text = g_strconcat(wrapped ? "\r\n" : "\r", line, "\033[K", NULL);

    sink_puts(console->out, text);
    console->drawn = (size_t)g_utf8_strlen(line, -1);
}

static void erase_status(Console *console)
{
    if (console->drawn > 0) {
        overwrite_status(console, "");
    }
}

static void draw_status(Console *console)
{
    if (console->status != NULL) {
        overwrite_status(console, console->status);
    }
}

static void free_bottom_line(Console *console)
{
    erase_status(console);
    if (console->hide != NULL) {
        console->hide(console->prompt_data);
    }
}

static void restore_bottom_line(Console *console)
{
    draw_status(console);
    if (console->show != NULL) {
        console->show(console->prompt_data);
    }
}

static bool ends_line(const char *text)
{
    size_t length = strlen(text);

    return length > 0 && text[length - 1] == '\n';
}

void console_divert(Console *console, void (*take)(const char *text, void *data), void *data)
{
    if (take != NULL) {
        erase_status(console);
    }
    console->take = take;
    console->take_data = data;
    if (take == NULL) {
        draw_status(console);
    }
}

static void print(Console *console, const char *text)
{
    if (text[0] == '\0') {
        return;
    }
    if (console->take != NULL) {
        console->take(text, console->take_data);
        return;
    }
    free_bottom_line(console);
    sink_puts(console->out, text);
    if (!ends_line(text) && (console->show != NULL || console->status != NULL)) {
        sink_puts(console->out, "\n");
    }
    restore_bottom_line(console);
}

void console_print(Console *console, const char *text)
{
    g_autofree char *shown = shown_lines(text);

    print(console, shown);
}

void console_print_json(Console *console, const char *line)
{
    print(console, line);
}

void console_print_object(Console *console, json_object *object)
{
    g_autofree char *line = json_line_take(object);

    console_print_json(console, line);
}

void console_tell(Console *console, const char *message)
{
    g_autofree char *shown = shown_message(message);
    g_autofree char *line = g_strconcat(shown, "\n", NULL);

    print(console, line);
}

void console_complain(Console *console, const char *format, ...)
{
    g_autofree char *raw = NULL, *text = NULL;
    va_list args;

    va_start(args, format);
    raw = g_strchomp(g_strdup_vprintf(format, args));
    va_end(args);
    text = shown_message(raw);
    if (console->err_terminal && console->take != NULL) {
        console->take(text, console->take_data);
        return;
    }
    if (console->err_terminal) {
        free_bottom_line(console);
    }
    sink_puts(console->err, text);
    sink_puts(console->err, "\n");
    if (console->err_terminal) {
        restore_bottom_line(console);
    }
}

void console_set_status(Console *console, const char *line)
{
    if (!console->out_terminal) {
        return;
    }
    if (line == NULL) {
        erase_status(console);
    }
    g_free(console->status);
    console->status = line != NULL ? shown_line(line) : NULL;
    if (console->take == NULL) {
        draw_status(console);
    }
}

void console_leave_status(Console *console)
{
    if (console->drawn > 0) {
        sink_puts(console->out, "\r\n");
        console->drawn = 0;
    }
    g_clear_pointer(&console->status, g_free);
}

bool console_has_failed(const Console *console)
{
    return sink_has_failed(console->out);
}

void console_set_prompt(Console *console, void (*hide)(void *data), void (*show)(void *data),
                        void *data)
{
    console->hide = hide;
    console->show = show;
    console->prompt_data = data;
}

void console_write_raw(Console *console, const char *bytes, size_t size)
{
    if (console->take == NULL) {
        sink_write(console->out, bytes, size);
    }
}

bool console_is_behind(const Console *console)
{
    return sink_pending(console->out) > CONSOLE_BEHIND;
}

void console_when_calm(Console *console, void (*calm)(void *data), void *data)
{
    sink_when_below(console->out, CONSOLE_BEHIND, calm, data);
}

void console_flush(Console *console, unsigned timeout_ms)
{
    sink_flush(console->out, timeout_ms);
    sink_flush(console->err, timeout_ms);
}
