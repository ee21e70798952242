/*
 * See prompt-complete.h. Main thread.
 *
 * Only complete_line() knows where a word begins. So readline is configured to
 * treat the whole line as one word, and gets whole lines back. The list of
 * candidates shows the words.
 */
#include "monitor/terminal/prompt-complete.h"

#include <glib.h>
#include <stdio.h>
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base/shown.h"
#include "completion/complete.h"
#include "monitor/terminal/history.h"
#include "tui/canvas.h"

/* The last candidates; readline's hooks carry no pointer. */
static Completion *offered;
static size_t typed; /* bytes of the word being completed */
static const Hmp *monitor;

static const Candidate *candidate(unsigned index)
{
    return g_ptr_array_index(offered->candidates, index);
}

/* Length of the common prefix of all candidates, in whole characters. */
static size_t shared_length(void)
{
    const char *first = candidate(0)->text;
    size_t length = strlen(first);

    for (unsigned i = 1; i < offered->candidates->len; i++) {
        const char *other = candidate(i)->text;
        size_t n = 0;

        while (n < length && first[n] == other[n]) {
            n++;
        }
        length = n;
    }
    while (length > 0 && ((unsigned char)first[length] & 0xc0) == 0x80) {
        length--;
    }
    return length;
}

/* The line up to the word, then @length bytes of @word; malloc'ed, because readline frees it. */
static char *whole_line(const char *line, const char *word, size_t length)
{
    char *whole = malloc(offered->start + length + 1);

    if (whole == NULL) {
        g_error("out of memory");
    }
    memcpy(whole, line, offered->start);
    memcpy(whole + offered->start, word, length);
    whole[offered->start + length] = '\0';
    return whole;
}

/* Columns of a candidate's name in the list: names of files hold any byte. */
static int shown_columns(const Candidate *word)
{
    g_autofree char *text = shown_line(word->text);

    return (int)g_utf8_strlen(text, -1);
}

/* The candidate adds nothing: "tcp:" after "tcp:" only has a note on what follows. */
static bool is_typed(const Candidate *word)
{
    return !word->final && word->note != NULL && strlen(word->text) == typed;
}

/* Readline's array: the common prefix, then each candidate if there are several. */
static char **to_matches(const char *line)
{
    unsigned count = offered->candidates->len;
    size_t shared = offered->only_listed ? 0 : shared_length();
    char **matches = calloc(count + 3, sizeof(char *));

    if (matches == NULL) {
        g_error("out of memory");
    }
    if (count > 1 && shared < strlen(line) - offered->start) {
        matches[0] = strdup(line); /* never remove typed text */
    } else {
        matches[0] = whole_line(line, candidate(0)->text, shared);
    }
    if (count == 1 && (offered->only_listed || is_typed(candidate(0)))) {
        /* nothing to insert: two entries make readline show a list */
        matches[1] = strdup(line);
        matches[2] = strdup("");
    }
    for (unsigned i = 0; count > 1 && i < count; i++) {
        matches[i + 1] = whole_line(line, candidate(i)->text, strlen(candidate(i)->text));
    }
    return matches;
}

static char **attempt(const char *text, int start, int end)
{
    g_auto(GStrv) uris = history_uris();
    g_auto(GStrv) variables = hmp_variables(monitor);
    CompletionEnv env = {
        .batch = true,
        .variables = (const char *const *)variables,
        .history_uris = (const char *const *)uris,
        .target = hmp_target(monitor),
    };

    (void)start;
    (void)end;
    rl_attempted_completion_over = 1; /* no file names as a fallback */
    g_clear_pointer(&offered, completion_free);
    offered = complete_line(text, strlen(text), &env);
    typed = strlen(text) - offered->start;
    if (offered->candidates->len == 0) {
        return NULL;
    }
    rl_completion_append_character = candidate(0)->final ? ' ' : '\0';
    rl_completion_suppress_append = !candidate(0)->final;
    return to_matches(text);
}

/* One row per candidate; notes are cut, not wrapped. */
static void print_with_notes(FILE *out, int width)
{
    int rows;
    int screen;

    rl_get_screen_size(&rows, &screen);
    for (unsigned i = 0; i < offered->candidates->len; i++) {
        const Candidate *word = candidate(i);
        g_autofree char *text = shown_line(word->text);
        int columns = (int)g_utf8_strlen(text, -1);

        if (is_typed(word)) {
            g_autofree char *note = shown_line(word->note);

            fprintf(out, "  %s\n", note);
            continue;
        }
        fprintf(out, "  %s", text);
        if (word->note != NULL && screen > width + 5) {
            g_autofree char *whole = shown_line(word->note);
            g_autofree char *note = canvas_fit(whole, screen - width - 5);

            fprintf(out, "%*s  %s", width - columns, "", note);
        }
        fputc('\n', out);
    }
}

static void print_in_columns(FILE *out, int width)
{
    int rows;
    int screen;
    int per_row;

    rl_get_screen_size(&rows, &screen);
    per_row = MAX(1, screen / (width + 2));
    for (unsigned i = 0; i < offered->candidates->len; i++) {
        g_autofree char *text = shown_line(candidate(i)->text);
        bool last = (int)(i + 1) % per_row == 0 || i + 1 == offered->candidates->len;

        fprintf(out, "%s%*s", text, last ? 0 : width + 2 - (int)g_utf8_strlen(text, -1), "");
        if (last) {
            fputc('\n', out);
        }
    }
}

static void display(char **matches, int count, int longest)
{
    int width = 0;
    bool notes = false;

    (void)matches;
    (void)count;
    (void)longest;
    if (offered == NULL) {
        return;
    }
    for (unsigned i = 0; i < offered->candidates->len; i++) {
        width = MAX(width, shown_columns(candidate(i)));
        notes = notes || candidate(i)->note != NULL;
    }
    rl_crlf();
    if (notes) {
        print_with_notes(rl_outstream, width);
    } else {
        print_in_columns(rl_outstream, width);
    }
    rl_forced_update_display();
}

void prompt_complete_install(const Hmp *hmp)
{
    monitor = hmp;
    rl_completer_word_break_characters = "";
    rl_completer_quote_characters = NULL;
    rl_attempted_completion_function = attempt;
    rl_completion_display_matches_hook = display;
}

void prompt_complete_remove(void)
{
    rl_attempted_completion_function = NULL;
    rl_completion_display_matches_hook = NULL;
    g_clear_pointer(&offered, completion_free);
}
