/*
 * Finds the word at the cursor and its kind with the splitter of the
 * dispatcher, asks the source of that kind, and converts values to text for
 * the line, quoted where necessary. The text after the cursor is ignored.
 * Main thread; reads folders, nothing else.
 */
#include "completion/complete.h"

#include <string.h>

#include "commands/hmp/parse.h"
#include "completion/sources.h"

static void candidate_free(void *data)
{
    Candidate *candidate = data;

    g_free(candidate->text);
    g_free(candidate->note);
    g_free(candidate);
}

void completion_free(Completion *completion)
{
    if (completion) {
        g_ptr_array_unref(completion->candidates);
        g_free(completion);
    }
}

/* ---- values into text ---- */

static bool needs_quotes(const char *value)
{
    return *value == '\0' || *value == '"' || strpbrk(value, " \t\n\r\f\v");
}

/* A candidate that can be continued leaves its quote open. */
static char *quote(const char *value, bool close)
{
    GString *text = g_string_new("\"");

    for (; *value != '\0'; value++) {
        switch (*value) {
        case '\n':
            g_string_append(text, "\\n");
            break;
        case '\r':
            g_string_append(text, "\\r");
            break;
        case '"':
        case '\\':
            g_string_append_c(text, '\\');
            G_GNUC_FALLTHROUGH;
        default:
            g_string_append_c(text, *value);
        }
    }
    if (close) {
        g_string_append_c(text, '"');
    }
    return g_string_free(text, FALSE);
}

static void quote_candidates(GPtrArray *candidates, bool always)
{
    for (guint i = 0; i < candidates->len; i++) {
        Candidate *candidate = g_ptr_array_index(candidates, i);

        if (*candidate->text == '\0' && !candidate->final) {
            continue; /* only its note is shown */
        }
        if (always || needs_quotes(candidate->text)) {
            char *text = quote(candidate->text, candidate->final);

            g_free(candidate->text);
            candidate->text = text;
        }
    }
}

static int compare(const void *a, const void *b)
{
    const Candidate *const *left = a, *const *right = b;

    return strcmp((*left)->text, (*right)->text);
}

/* Of equal candidates the first stays: those of the tables come before those of the history. */
static void sort_candidates(GPtrArray *candidates)
{
    g_ptr_array_sort(candidates, compare);
    for (guint i = 1; i < candidates->len;) {
        const Candidate *left = g_ptr_array_index(candidates, i - 1);
        const Candidate *right = g_ptr_array_index(candidates, i);

        if (strcmp(left->text, right->text) == 0) {
            g_ptr_array_remove_index(candidates, i);
        } else {
            i++;
        }
    }
}

static bool only_flags(const GPtrArray *candidates)
{
    for (guint i = 0; i < candidates->len; i++) {
        if (*((const Candidate *)g_ptr_array_index(candidates, i))->text != '-') {
            return false;
        }
    }
    return candidates->len > 0;
}

/* ---- the word at the cursor ---- */

/* Only a blank ends an unquoted word, so a word that reaches the end is still being typed. */
static bool is_last(const Word *word)
{
    return word->status != WORD_BAD_ESCAPE && *word->end == '\0';
}

static void list_flags(Source *source, const ArgSpec *specs, uint32_t used)
{
    for (int i = 0; specs[i].name; i++) {
        if (specs[i].kind == ARG_FLAG && !(used & (1u << i))) {
            char flag[] = { '-', specs[i].name[0], '\0' };

            source_add(source, flag, specs[i].help, true);
        }
    }
}

static bool is_flag_place(const ArgSpec *specs, const Word *word)
{
    return specs->kind == ARG_FLAG && !word->quoted && *word->start == '-';
}

static void list_options(Source *source, const ArgSpec *options, uint32_t taken)
{
    for (int i = 0; options && options[i].name; i++) {
        if (options[i].repeatable || !(taken & (1u << i))) {
            g_autofree char *text = g_strconcat("--", options[i].name, NULL);

            source_add(source, text, options[i].help, true);
        }
    }
}

/* Lists the values for @spec; where none are known, what is to be typed. */
static void list_values(Source *source, const ArgSpec *spec)
{
    guint before = source->values->len;
    bool known = source_has_values(spec->kind);

    source_list(source, spec->kind);
    if (!known && source->values->len == before && spec->help && *source->prefix == '\0') {
        source_add(source, "", spec->help, false);
    }
}

typedef enum {
    WALK_ON,      /* something can follow it */
    WALK_DONE,    /* the cursor was in it; candidates are listed */
    WALK_NOTHING, /* no candidate is possible here */
} Walk;

/* Walks over the long option at @head; with WALK_ON *at is behind it. */
static Walk walk_option(const Command *command, const OptionHead *head, const char **at,
                        Source *source, Word *word, uint32_t *taken)
{
    if (*head->end == '\0') {
        source->prefix = word->text;
        list_options(source, command->options, *taken);
        return WALK_DONE;
    }
    if (!head->spec || (head->attached && head->spec->kind == ARG_FLAG)) {
        return WALK_NOTHING;
    }
    *taken |= 1u << (head->spec - command->options);
    *at = head->end;
    if (head->spec->kind == ARG_FLAG) {
        return WALK_ON;
    }
    *at += head->attached ? 1 : 0;
    if (head->attached && g_ascii_isspace(**at)) {
        return WALK_NOTHING; /* the value is missing, so the line is refused */
    }
    word_clear(word);
    word_read(*at, word);
    if (is_last(word)) {
        source->prefix = word->text;
        list_values(source, head->spec);
        return WALK_DONE;
    }
    *at = word->end;
    return word->status == WORD_OK ? WALK_ON : WALK_NOTHING;
}

/* True for flags, which are not among the words, and for words that an option has given. */
static bool has_no_place(const Command *command, const ArgSpec *spec, uint32_t taken)
{
    for (int i = 0; command->options && command->options[i].name; i++) {
        if ((taken & (1u << i)) && strcmp(command->options[i].name, spec->name) == 0) {
            return true;
        }
    }
    return spec->kind == ARG_FLAG;
}

/* @spec is the first argument after the flags, so another flag can be typed there. */
static bool spec_follows_flags(const ArgSpec *specs, const ArgSpec *spec)
{
    return spec > specs && spec[-1].kind == ARG_FLAG;
}

/* Walks the arguments to the last word and asks its source. False when no candidate is possible
 * at the cursor. */
static bool walk_arguments(const Command *command, const char *at, Source *source, Word *word)
{
    const ArgSpec *spec = command->args;
    g_autofree char *before = NULL, *first = NULL;
    bool leading = command->options != NULL, ended = false; /* "--" ends the options */
    uint32_t used = 0, taken = 0;
    OptionHead head;

    if (!spec) {
        return false;
    }
    for (;;) {
        word_clear(word);
        word_read(at, word);
        if (leading && !word->quoted && option_head_read(command, word->start, &head)) {
            ended = head.name_length == 0 && *head.end != '\0' && !head.attached;
            leading = !ended;
            at = word->end;
            switch (ended ? WALK_ON : walk_option(command, &head, &at, source, word, &taken)) {
            case WALK_ON:
                continue;
            case WALK_DONE:
                return true;
            case WALK_NOTHING:
                return false;
            }
        }
        if (!ended && is_flag_place(command->args, word)) {
            if (is_last(word)) {
                source->prefix = word->text;
                list_flags(source, command->args, used);
                if (leading) {
                    list_options(source, command->options, taken);
                }
                return true;
            }
            if (flags_read(command->args, word->start, &used) == 0) {
                return false;
            }
            at = word->end;
            continue;
        }
        while (spec->name && has_no_place(command, spec, taken)) {
            spec++;
        }
        if (!spec->name) {
            if (ended || first || !is_last(word) || *word->text != '\0') {
                return false;
            }
            source->prefix = word->text;
            list_flags(source, command->args, used);
            return true;
        }
        if (is_last(word)) {
            source->prefix = word->text;
            source->before = before;
            source->first = first;
            if (!word->quoted && *word->text == '\0' && !ended &&
                spec_follows_flags(command->args, spec)) {
                list_flags(source, command->args, used);
            }
            if (leading && !word->quoted) { /* options that begin with the typed text */
                list_options(source, command->options, taken);
            }
            list_values(source, spec);
            source->before = source->first = NULL;
            return true;
        }
        leading = false;
        if (word->status != WORD_OK || spec->kind == ARG_REST) {
            return false;
        }
        if (!first) {
            first = g_strdup(word->text);
        }
        g_free(before);
        before = g_steal_pointer(&word->text);
        at = word->end;
        spec++;
    }
}

/* The start of a variable reference that ends at the cursor, NULL = there is none. A dollar
 * after a dollar or a backslash is a plain dollar. */
static const char *find_reference(const char *line)
{
    const char *dollar = strrchr(line, '$');
    const char *at = dollar ? dollar + (dollar[1] == '{' ? 2 : 1) : line;
    unsigned dollars = 0;

    while (g_ascii_isalnum(*at) || *at == '_') {
        at++;
    }
    for (const char *p = dollar; dollar && p >= line && *p == '$'; p--) {
        dollars++;
    }
    if (!dollar || *at != '\0' || dollars % 2 == 0 || (dollar > line && dollar[-1] == '\\')) {
        return NULL;
    }
    return dollar;
}

/* A name that ends at the cursor is still being typed; text after a blank is an argument.
 * @names: the line is the argument of "help", so it has no arguments. */
static bool walk_line(const char *line, bool names, Source *source, Word *word)
{
    LineHead head;

    line_head_read(command_table, line, &head);
    if (*head.end == '\0') { /* also for the empty line */
        word->start = head.name;
        word->text = g_strndup(head.name, head.name_length);
        source->prefix = word->text;
        if (names && !head.group) {
            source_list(source, ARG_COMMAND);
        } else {
            source_list_commands(source, head.group ? head.group->sub : command_table);
        }
        return true;
    }
    if (!head.command || !source_offers(source, head.command)) {
        return false;
    }
    if (head.command->sub) { /* "info ": the sub-command is not typed yet */
        word->start = skip_blanks(head.end);
        word->text = g_strdup("");
        source->prefix = word->text;
        source_list_commands(source, head.command->sub);
        return *word->start == '\0';
    }
    if (names) {
        return false;
    }
    if (head.command->args && head.command->args->kind == ARG_COMMAND) {
        return walk_line(skip_blanks(head.end), true, source, word);
    }
    return walk_arguments(head.command, head.end, source, word);
}

Completion *complete_line(const char *line, size_t point, const CompletionEnv *env)
{
    g_autofree char *text = g_strndup(line, point);
    g_auto(Word) word = { 0 };
    Source source = { .env = env };
    Completion *completion = g_new0(Completion, 1);

    completion->start = strlen(text);
    completion->candidates = source.values = g_ptr_array_new_with_free_func(candidate_free);

    const char *reference = env && env->batch ? find_reference(text) : NULL;
    if (reference) {
        completion->start = (size_t)(reference - text);
        source.prefix = reference;
        source_list_references(&source);
        sort_candidates(completion->candidates);
    } else if (walk_line(text, false, &source, &word)) {
        completion->start = (size_t)(word.start - text);
        completion->only_listed =
            *source.prefix == '\0' && !word.quoted && only_flags(completion->candidates);
        quote_candidates(completion->candidates, word.quoted);
        sort_candidates(completion->candidates);
    } else {
        g_ptr_array_set_size(completion->candidates, 0);
    }
    return completion;
}
