/*
 * The program's options: one table for parsing, --help and the shell
 * completions.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t memory; /* bytes */
    unsigned smp;
    char *machine; /* NULL = the default; likewise below */
    char *ram_file;
    char *ram_id;
    char *name;
    char *uuid;
    char *incoming;
    char *tracker;
    char *connect, *peer; /* monitors of the source and the destination */
    bool observe;
    unsigned peer_timeout; /* ms, 0 = the default */
    char *completion;      /* a shell */
    bool paused;
    bool prealloc;
    char **objects;   /* --object, in order; NULL = none */
    char **commands;  /* -c, in order; NULL = none */
    char *batch_file; /* "-" = standard input */
    bool interactive;
    bool dashboard;
    bool plain;
    bool ascii;
    bool no_mouse;
    char *color, *theme, *refresh; /* as in dashboard.conf */
    char **monitors;
    char **qmps;
    bool json;
    bool trace_requests;
    bool version;
    bool help;
} Options;

/* The caller frees @ret with options_clear(). */
bool options_parse(int argc, char **argv, Options *ret, GError **error);
void options_clear(Options *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* --monitor or --qmp was given. */
bool options_serve_sockets(const Options *options);

/* A row of the table. */
typedef struct {
    const char *name;     /* "memory" */
    char letter;          /* 'm', 0 = none */
    const char *argument; /* "SIZE"; words in small letters between bars are values; NULL = none */
    const char *help;
    bool repeats;
} OptionRow;

void options_for_each(void (*visit)(const OptionRow *row, void *data), void *data);

/* True for --help, --version or --completion, with which the program only prints a text. @ret_text
 * is NULL with an error for an unknown shell. */
bool options_text(const Options *options, char **ret_text, GError **error);

/* What --help prints; caller frees. */
char *options_help(void);
