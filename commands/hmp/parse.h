/*
 * The grammar of a monitor line, pure: text in, words and values out.
 * Dispatch and completion use the same functions, so both treat quotes the
 * same.
 *
 * A line is a command name (with sub-commands), options and arguments. They
 * are read from left to right by the ArgSpec rows of the command. Texts of
 * errors are HMP's.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "commands/table.h"

/* ---- words ---- */

typedef enum {
    WORD_OK,
    WORD_END,          /* only blanks are left */
    WORD_UNTERMINATED, /* the closing quote is missing */
    WORD_BAD_ESCAPE,   /* a backslash before a character that cannot be escaped */
} WordStatus;

typedef struct {
    WordStatus status;
    const char *start; /* in the line; the opening quote belongs to the word */
    const char *end;   /* first byte after it */
    bool quoted;
    char escape; /* WORD_BAD_ESCAPE: the letter, 0 at the end of the line */
    char *text;  /* without quotes; of a broken word the part that was read */
} Word;

/* Reads the next word at @at. A word in double quotes ends at its quote, any other at a blank.
 * Call word_clear() on @ret. */
WordStatus word_read(const char *at, Word *ret);
void word_clear(Word *word);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Word, word_clear)

static inline const char *skip_blanks(const char *at)
{
    while (g_ascii_isspace(*at)) {
        at++;
    }
    return at;
}

/* ---- the head of a line ---- */

typedef struct {
    const Command *command; /* NULL = unknown or no name at all */
    const Command *group;   /* whose sub-commands were searched last; NULL = none */
    const char *name;       /* the last name looked up: @name_length bytes in the line */
    size_t name_length;
    const char *end; /* after that name: the arguments */
} LineHead;

/* Looks the names up in @table and its sub-commands. Names end at a blank or at '/'. */
void line_head_read(const Command *const *table, const char *line, LineHead *ret);
const Command *command_find(const Command *const *table, const char *name, size_t length);
/* The options and params as help prints them. Caller frees. */
char *command_usage(const Command *command);

/* ---- arguments ---- */

typedef struct {
    const ArgSpec *spec;
    bool present;
    char *text; /* words and rest of line */
    int64_t integer;
    double seconds;
    bool on; /* ARG_BOOL; for a flag see @present */
} Arg;

/* One Arg for each row of command->args and command->options, then one for each repetition of an
 * option, then one whose spec is NULL. NULL with an error whose first line is HMP's. Flags may
 * be in any order before and after the words; "-dr" is read as flags only when all its letters
 * are flags. */
Arg *args_parse(const Command *command, const char *at, GError **error);
void args_free(Arg *args);
/* The first one that is given, else the first row. Never NULL: a missing name is a bug here. */
const Arg *args_find(const Arg *args, const char *name);
/* The next value of a repeatable option, NULL after the last. */
const Arg *args_next(const Arg *arg);

/* ---- long options ---- */

typedef struct {
    const ArgSpec *spec; /* NULL = no row has the name */
    const char *name;    /* @name_length bytes in the line; 0 bytes for "--", the end of options */
    size_t name_length;
    const char *end; /* after the name */
    bool attached;   /* '=' follows, and the value after it */
} OptionHead;

/* False when no long option begins at @at. */
bool option_head_read(const Command *command, const char *at, OptionHead *ret);

/* The length of a word at @at that consists of flags of @specs that are not in *@used (a bit for
 * each row), 0 when it is anything else. Adds the flags to *@used. */
size_t flags_read(const ArgSpec *specs, const char *at, uint32_t *used);

/* ---- integers ---- */

/* Reads the expression at *@at and moves *@at behind it and its blanks. */
bool expression_read(const char **at, int64_t *ret, GError **error);
