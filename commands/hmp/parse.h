/*
 * The grammar of a monitor line, pure: text in, words and values out. Dispatch
 * and completion use the same functions, so a quote means the same to both.
 *
 * A line is a command name (sub-commands behind it), options and arguments that are read
 * left to right by the command's ArgSpec rows. Texts of errors are HMP's.
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
    WORD_END,          /* nothing but blanks */
    WORD_UNTERMINATED, /* the closing quote is missing */
    WORD_BAD_ESCAPE,   /* a backslash before something that has no meaning */
} WordStatus;

typedef struct {
    WordStatus status;
    const char *start; /* in the line; the opening quote belongs to the word */
    const char *end;   /* first byte behind it */
    bool quoted;
    char escape; /* WORD_BAD_ESCAPE: the letter, 0 at the end of the line */
    char *text;  /* without quotes; of a broken word what could be read */
} Word;

/* Reads the next word at @at. A word in double quotes ends with its quote, any other at a blank. */
WordStatus word_read(const char *at, Word *ret);
void word_clear(Word *word);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Word, word_clear)

const char *skip_blanks(const char *at);

/* ---- the head of a line ---- */

typedef struct {
    const Command *command; /* NULL = unknown or no name at all */
    const Command *group;   /* whose sub-commands were searched last; NULL = command_table */
    const char *name;       /* the last name looked up: @name_length bytes in the line */
    size_t name_length;
    const char *end; /* behind that name: the arguments */
} LineHead;

/* Names end at a blank or at '/'. */
void line_head_read(const char *line, LineHead *ret);

/* ---- arguments ---- */

typedef struct {
    const ArgSpec *spec;
    bool present;
    char *text; /* words and rest of line */
    int64_t integer;
    double seconds;
    bool on; /* ARG_BOOL; of a flag @present tells */
} Arg;

/* One Arg for each row of command->args and command->options, one for each further time that an
 * option is given, then one whose spec is NULL. NULL with an error whose first line is HMP's. Flags
 * are taken in any order before and behind the words; "-dr" only when all of it are flags. */
Arg *args_parse(const Command *command, const char *at, GError **error);
void args_free(Arg *args);
/* The first that is given, else the first row. Never NULL: a missing name is our bug. */
const Arg *args_find(const Arg *args, const char *name);
/* The next value of a repeatable option, NULL behind the last. */
const Arg *args_next(const Arg *arg);

/* ---- long options ---- */

typedef struct {
    const ArgSpec *spec; /* NULL = no row has the name */
    const char *name;    /* @name_length bytes in the line; 0 of them: "--", the end of options */
    size_t name_length;
    const char *end; /* behind the name */
    bool attached;   /* by '=': the value begins behind it */
} OptionHead;

/* False when no long option begins at @at. */
bool option_head_read(const Command *command, const char *at, OptionHead *ret);

/* How many bytes at @at are a word of flags of @specs that are not in *@used (a bit for each row),
 * 0 when it is anything else. Adds them to *@used. */
size_t flags_read(const ArgSpec *specs, const char *at, uint32_t *used);

/* ---- integers ---- */

/* Value of the expression at *@at, which is left behind it and its blanks. */
bool expression_read(const char **at, int64_t *ret, GError **error);
