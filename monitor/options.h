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
    bool paused;
    char **commands;  /* -c, in order; NULL = none */
    char *batch_file; /* "-" = standard input */
    bool interactive;
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

/* What --help prints; caller frees. */
char *options_help(void);
