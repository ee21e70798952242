/*
 * Words, names and arguments of a monitor line; see parse.h. Pure, any
 * thread.
 *
 * QEMU's monitor prints a mistake in quoting only on its own standard output;
 * here the error has it as a hint line after HMP's text. Unlike in QEMU, a
 * long word is not cut.
 */
#include "commands/hmp/parse.h"

#include <math.h>
#include <string.h>

#include "backend/base/error.h"
#include "commands/hmp/suggest.h"

static bool ends_word(char c)
{
    return c == '\0' || g_ascii_isspace(c);
}

/* ---- words ---- */

void word_clear(Word *word)
{
    g_clear_pointer(&word->text, g_free);
}

static bool unescape(char c, char *ret)
{
    switch (c) {
    case 'n':
        *ret = '\n';
        return true;
    case 'r':
        *ret = '\r';
        return true;
    case '\\':
    case '\'':
    case '"':
        *ret = c;
        return true;
    default:
        return false;
    }
}

/* @at points behind the opening quote. */
static WordStatus read_quoted(const char *at, Word *ret, GString *text)
{
    for (; *at != '"'; at++) {
        char c = *at;

        if (c == '\0') {
            ret->end = at;
            return WORD_UNTERMINATED;
        }
        if (c == '\\') {
            at++;
            if (!unescape(*at, &c)) {
                ret->escape = *at;
                ret->end = *at == '\0' ? at : at + 1;
                return WORD_BAD_ESCAPE;
            }
        }
        g_string_append_c(text, c);
    }
    ret->end = at + 1;
    return WORD_OK;
}

WordStatus word_read(const char *at, Word *ret)
{
    g_autoptr(GString) text = g_string_new(NULL);

    *ret = (Word){ .start = skip_blanks(at) };
    if (*ret->start == '\0') {
        ret->end = ret->start;
        ret->status = WORD_END;
    } else if (*ret->start == '"') {
        ret->quoted = true;
        ret->status = read_quoted(ret->start + 1, ret, text);
    } else {
        for (ret->end = ret->start; !ends_word(*ret->end); ret->end++) {}
        g_string_append_len(text, ret->start, ret->end - ret->start);
    }
    ret->text = g_string_free(g_steal_pointer(&text), FALSE);
    return ret->status;
}

/* ---- the head of a line ---- */

static bool is_name_of(const char *names, const char *name, size_t length)
{
    for (;;) {
        size_t n = strcspn(names, "|");

        if (n == length && memcmp(names, name, n) == 0) {
            return true;
        }
        if (names[n] == '\0') {
            return false;
        }
        names += n + 1;
    }
}

const Command *command_find(const Command *const *table, const char *name, size_t length)
{
    for (; length > 0 && *table; table++) {
        if (is_name_of((*table)->name, name, length)) {
            return *table;
        }
    }
    return NULL;
}

void line_head_read(const Command *const *table, const char *line, LineHead *ret)
{
    const char *at = skip_blanks(line);

    *ret = (LineHead){ .name = at, .end = at };
    if (*at == '\0') {
        return;
    }
    for (;;) {
        ret->name = at;
        while (!ends_word(*at) && *at != '/') {
            at++;
        }
        ret->name_length = (size_t)(at - ret->name);
        ret->end = at;
        ret->command = command_find(table, ret->name, ret->name_length);
        at = skip_blanks(at);
        if (!ret->command || !ret->command->sub || *at == '\0') {
            return;
        }
        ret->group = ret->command;
        table = ret->command->sub;
    }
}

/* ---- flags ---- */

static const ArgSpec no_specs[] = { { 0 } };

static int flag_index(const ArgSpec *specs, char letter, uint32_t used)
{
    for (int i = 0; specs[i].name; i++) {
        if (specs[i].kind == ARG_FLAG && specs[i].name[0] == letter && !(used & (1u << i))) {
            return i;
        }
    }
    return -1;
}

size_t flags_read(const ArgSpec *specs, const char *at, uint32_t *used)
{
    uint32_t seen = *used;
    const char *p = at;

    if (*p != '-' || ends_word(p[1])) {
        return 0;
    }
    for (p++; !ends_word(*p); p++) {
        int i = flag_index(specs, *p, seen);
        if (i < 0) {
            return 0;
        }
        seen |= 1u << i;
    }
    *used = seen;
    return (size_t)(p - at);
}

static bool has_flags(const ArgSpec *specs)
{
    return specs->name && specs->kind == ARG_FLAG; /* the rows of flags come first */
}

/* Reads flags at *@at, all in one word. A word that is not only flags is read letter by letter,
 * like in HMP: the text after the first letter is the next argument. */
static bool read_leading_flags(const Command *command, const ArgSpec *specs, const char **at,
                               uint32_t *used, GError **error)
{
    size_t length = flags_read(specs, *at, used);

    if (length == 0) {
        int i = flag_index(specs, (*at)[1], *used);
        if (i < 0 || (*at)[1] == '\0') {
            /* One byte of a multi-byte character is not valid text. */
            g_autofree char *letter = g_utf8_make_valid(*at + 1, (*at)[1] != '\0');

            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: unsupported option -%s",
                        command->name, letter);
            return false;
        }
        *used |= 1u << i;
        length = 2;
    }
    *at += length;
    return true;
}

static void read_trailing_flags(const ArgSpec *specs, const char **at, uint32_t *used)
{
    size_t length;

    do {
        *at = skip_blanks(*at);
        length = has_flags(specs) ? flags_read(specs, *at, used) : 0;
        *at += length;
    } while (length > 0);
}

/* ---- values ---- */

static bool read_string(const Command *command, const char **at, Arg *arg, GError **error)
{
    g_auto(Word) word = { 0 };

    if (word_read(*at, &word) == WORD_OK) {
        arg->text = g_steal_pointer(&word.text);
        *at = word.end;
        return true;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: string expected", command->name);
    if (word.status == WORD_UNTERMINATED || (word.status == WORD_BAD_ESCAPE && !word.escape)) {
        mig_error_hint(error, "unterminated string");
    } else if (word.status == WORD_BAD_ESCAPE) {
        g_autofree char *letter = g_utf8_make_valid(&word.escape, 1);

        mig_error_hint(error, "unsupported escape code: '\\%s'", letter);
    }
    return false;
}

static bool read_rest(const Command *command, const char **at, Arg *arg, GError **error)
{
    *at = skip_blanks(*at);
    if (**at == '\0') {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: string expected", command->name);
        return false;
    }
    arg->text = g_strdup(*at);
    *at += strlen(*at);
    return true;
}

static bool read_bool(const char **at, Arg *arg, GError **error)
{
    const char *start = skip_blanks(*at), *end = start;

    while (!ends_word(*end)) {
        end++;
    }

    size_t length = (size_t)(end - start);
    arg->on = length == 2 && memcmp(start, "on", 2) == 0;
    if (!arg->on && !(length == 3 && memcmp(start, "off", 3) == 0)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Expected 'on' or 'off'");
        return false;
    }
    *at = end;
    return true;
}

static bool read_integer(const Command *command, const char **at, Arg *arg, GError **error)
{
    if (!expression_read(at, &arg->integer, error)) {
        return false;
    }
    if (arg->spec->kind == ARG_INTEGER32 && (uint64_t)arg->integer > UINT32_MAX) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "'%s' has failed: integer is for 32-bit values", command->name);
        return false;
    }
    return true;
}

/* /COUNT LETTERS: the last letter of a format counts. Count and sizes are skipped, as print does
 * not use them. */
static bool read_format(const char **at, Arg *arg, GError **error)
{
    const char *p = skip_blanks(*at) + 1;
    char format = 'x';

    while (g_ascii_isdigit(*p)) {
        p++;
    }
    for (; *p != '\0' && strchr("oxudicbhwgL", *p) != NULL; p++) {
        format = strchr("oxudic", *p) != NULL ? *p : format;
    }
    if (!ends_word(*p)) {
        g_autofree char *letter = g_utf8_make_valid(p, 1);

        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "invalid char in format: '%s'", letter);
        return false;
    }
    arg->text = g_strndup(&format, 1);
    *at = p;
    return true;
}

/* A time in seconds, or in the unit that follows the number. */
static bool read_seconds(const char **at, Arg *arg, GError **error)
{
    static const struct {
        const char *suffix;
        double factor;
    } units[] = { { "min", 60 }, { "ms", 1e-3 }, { "us", 1e-6 }, { "ns", 1e-9 }, { "s", 1 } };
    const char *start = skip_blanks(*at);
    char *end;

    arg->seconds = g_ascii_strtod(start, &end);
    if (end == start) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Number expected");
        return false;
    }
    if (!isfinite(arg->seconds) || arg->seconds < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Bad number");
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        if (g_str_has_prefix(end, units[i].suffix)) {
            arg->seconds *= units[i].factor;
            end += strlen(units[i].suffix);
            break;
        }
    }
    if (!ends_word(*end)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Unknown unit suffix");
        return false;
    }
    *at = end;
    return true;
}

static bool read_value(const Command *command, const char **at, Arg *arg, GError **error)
{
    switch (arg->spec->kind) {
    case ARG_REST:
    case ARG_COMMAND:
        return read_rest(command, at, arg, error);
    case ARG_BOOL:
        return read_bool(at, arg, error);
    case ARG_INTEGER:
    case ARG_INTEGER32:
        return read_integer(command, at, arg, error);
    case ARG_FORMAT:
        return read_format(at, arg, error);
    case ARG_SECONDS:
        return read_seconds(at, arg, error);
    default:
        return read_string(command, at, arg, error);
    }
}

/* ---- long options ---- */

bool option_head_read(const Command *command, const char *at, OptionHead *ret)
{
    if (!command->options || strncmp(at, "--", 2) != 0) {
        return false;
    }
    *ret = (OptionHead){ .name = at + 2, .end = at + 2 };
    while (!ends_word(*ret->end) && *ret->end != '=') {
        ret->end++;
    }
    ret->name_length = (size_t)(ret->end - ret->name);
    ret->attached = *ret->end == '=';
    for (const ArgSpec *spec = command->options; spec->name && !ret->spec; spec++) {
        if (strlen(spec->name) == ret->name_length &&
            memcmp(spec->name, ret->name, ret->name_length) == 0) {
            ret->spec = spec;
        }
    }
    return true;
}

static void refuse_option(const Command *command, const OptionHead *head, GError **error)
{
    g_autofree char *name = g_utf8_make_valid(head->name, (gssize)head->name_length);
    Suggestion near;

    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: unsupported option --%s", command->name,
                name);
    suggestion_init(&near, head->name, head->name_length);
    for (const ArgSpec *spec = command->options; spec->name; spec++) {
        suggestion_offer(&near, spec->name);
    }
    suggestion_hint(&near, "--", error);
}

/* The value is one word: unlike an argument, an integer cannot contain blanks. */
static bool read_option_value(const Command *command, const char **at, Arg *arg, GError **error)
{
    const char *p;

    if (!read_string(command, at, arg, error)) {
        return false;
    }
    switch (arg->spec->kind) {
    case ARG_BOOL:
    case ARG_INTEGER:
    case ARG_INTEGER32:
    case ARG_SECONDS:
        p = arg->text;
        if (!read_value(command, &p, arg, error)) {
            g_prefix_error(error, "%s: --%s: ", command->name, arg->spec->name);
            return false;
        }
        if (*skip_blanks(p) != '\0') {
            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: --%s: invalid value '%s'",
                        command->name, arg->spec->name, arg->text);
            return false;
        }
        return true;
    default:
        return true;
    }
}

/* @given has one Arg for each row of @command->options, then one for each repetition. */
static bool read_option(const Command *command, const OptionHead *head, const char **at,
                        GArray *given, GError **error)
{
    Arg arg = { .spec = head->spec, .present = true };
    const char *wrong = NULL;

    if (!head->spec) {
        refuse_option(command, head, error);
        return false;
    }

    Arg *row = &g_array_index(given, Arg, (guint)(head->spec - command->options));
    bool has_value = head->spec->kind != ARG_FLAG;
    *at = head->attached ? head->end + 1 : skip_blanks(head->end);
    if (row->present && !head->spec->repeatable) {
        wrong = "is given twice";
    } else if (has_value && ends_word(**at)) {
        wrong = "needs a value";
    } else if (!has_value && head->attached) {
        wrong = "takes no value";
    }
    if (wrong) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: option --%s %s", command->name,
                    head->spec->name, wrong);
        return false;
    }
    if (has_value && !read_option_value(command, at, &arg, error)) {
        g_free(arg.text);
        return false;
    }
    if (row->present) {
        g_array_append_val(given, arg);
    } else {
        *row = arg;
    }
    return true;
}

static void clear_arg(void *arg)
{
    g_free(((Arg *)arg)->text);
}

/* Reads options and flags before the words. *@ended: "--" was read, so no flags follow. */
static bool read_leading(const Command *command, const ArgSpec *specs, const char **at,
                         GArray *given, uint32_t *flags, bool *ended, GError **error)
{
    OptionHead head;

    for (*at = skip_blanks(*at); !*ended && **at == '-'; *at = skip_blanks(*at)) {
        if (option_head_read(command, *at, &head)) {
            *ended = head.name_length == 0 && !head.attached;
            if (*ended) {
                *at = head.end;
            } else if (!read_option(command, &head, at, given, error)) {
                return false;
            }
        } else if (!has_flags(specs)) {
            break;
        } else if (!read_leading_flags(command, specs, at, flags, error)) {
            return false;
        }
    }
    return true;
}

/* ---- all arguments ---- */

void args_free(Arg *args)
{
    for (Arg *arg = args; arg && arg->spec; arg++) {
        g_free(arg->text);
    }
    g_free(args);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Arg, args_free)

const Arg *args_find(const Arg *args, const char *name)
{
    const Arg *row = NULL;

    for (; args->spec; args++) {
        if (strcmp(args->spec->name, name) == 0 && (!row || args->present)) {
            row = args;
            if (row->present) {
                break;
            }
        }
    }
    g_assert(row);
    return row;
}

const Arg *args_next(const Arg *arg)
{
    const ArgSpec *spec = arg->spec;

    for (arg++; arg->spec; arg++) {
        if (arg->spec == spec) {
            return arg;
        }
    }
    return NULL;
}

static void complain_rest(const Command *command, const Arg *last, GError **error)
{
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: extraneous characters at the end of line",
                command->name);
    if (last && last->text && g_str_has_prefix(last->text, "exec:")) {
        mig_error_hint(error, "a value with blanks goes between double quotes: \"%s ...\"",
                       last->text);
    }
}

/* @next is the first byte of the rest of the line. */
static bool is_left_out(const ArgSpec *spec, char next)
{
    return spec->optional && (spec->kind == ARG_FORMAT ? next != '/' : next == '\0');
}

/* True when an option has given this word its value; the word is not read then. */
static bool is_given(const GArray *given, const ArgSpec *spec)
{
    for (guint i = 0; spec->optional && i < given->len; i++) {
        const Arg *row = &g_array_index(given, Arg, i);

        if (row->present && strcmp(row->spec->name, spec->name) == 0) {
            return true;
        }
    }
    return false;
}

Arg *args_parse(const Command *command, const char *at, GError **error)
{
    const ArgSpec *specs = command->args ? command->args : no_specs;
    const ArgSpec *options = command->options ? command->options : no_specs;
    g_autoptr(GArray) given = g_array_new(TRUE, TRUE, sizeof(Arg));
    const Arg *last = NULL;
    uint32_t flags = 0;
    bool ended = false;
    size_t n = 0;

    g_array_set_clear_func(given, clear_arg);
    for (; options->name; options++) {
        g_array_append_val(given, ((const Arg){ .spec = options }));
    }
    while (specs[n].name) {
        n++;
    }
    if (!read_leading(command, specs, &at, given, &flags, &ended, error)) {
        return NULL;
    }

    g_autoptr(Arg) args = g_new0(Arg, n + given->len + 1);
    for (size_t i = 0; i < n; i++) {
        args[i].spec = &specs[i];
    }
    for (size_t i = 0; i < n; i++) {
        if (specs[i].kind == ARG_FLAG || is_given(given, &specs[i]) ||
            is_left_out(&specs[i], *skip_blanks(at))) {
            continue;
        }
        if (!read_value(command, &at, &args[i], error)) {
            return NULL;
        }
        args[i].present = true;
        last = &args[i];
    }
    if (!ended) {
        read_trailing_flags(specs, &at, &flags);
    }
    at = skip_blanks(at);
    if (*at != '\0') {
        complain_rest(command, last, error);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        args[i].present |= (flags >> i & 1) != 0;
    }
    if (given->len > 0) {
        memcpy(&args[n], given->data, given->len * sizeof(Arg));
        g_array_set_clear_func(given, NULL);
    }
    return g_steal_pointer(&args);
}

/* ---- usage ---- */

char *command_usage(const Command *command)
{
    GString *usage = g_string_new(NULL);

    for (const ArgSpec *option = command->options; option && option->name; option++) {
        g_string_append_printf(usage, "[--%s%s%s]%s ", option->name, option->value ? " " : "",
                               option->value ? option->value : "", option->repeatable ? "..." : "");
    }
    g_string_append(usage, command->params);
    return g_string_free(usage, FALSE);
}
