/*
 * The program's options: one table that drives parsing and --help, and that
 * the shell completions can be made from.
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

/* Every text of @ret is the caller's: options_clear(). */
bool options_parse(int argc, char **argv, Options *ret, GError **error);
void options_clear(Options *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* A monitor or QMP socket was asked for. */
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

/* --help, --version, --completion: one of them was given, and the program only prints. @ret_text is
 * NULL with an error for a shell that is not known. */
bool options_text(const Options *options, char **ret_text, GError **error);

/* What --help prints; caller frees. */
char *options_help(void);
