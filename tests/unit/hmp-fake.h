/*
 * A monitor against a backend that answers from a table: what the tests of
 * commands/ share.
 */
#pragma once

#include "tests/unit/test.h"

#include <string.h>

#include "backend/backend.h"
#include "backend/base/error.h"
#include "commands/hmp/hmp.h"
#include "tests/unit/patience.h"

/* ---- a backend with canned answers ---- */

typedef struct {
    Backend base;
    GHashTable *replies; /* command -> JSON text, or "!TEXT" for an error; missing = {} */
    GString *log;        /* requests: NAME ARGUMENTS\n */
    const char *warning; /* given while the next command runs */
    BackendReply *held;  /* of the command named by @hold */
    const char *hold;
} Fake;

typedef struct {
    Fake fake;
    Hmp *hmp;
    GString *out;
    GString *progress; /* a letter of each status seen, '.' for the end */
    int done;          /* -1 = still busy, else HmpResult */
    unsigned quits;
} Fixture;

void canned(Fixture *f, const char *command, const char *reply);

/* ---- a monitor that writes into a string ---- */

void on_done(HmpResult result, void *data);

extern const HmpCallbacks callbacks;

void set_up(Fixture *f, unsigned flags);
void tear_down(Fixture *f);
void begin(Fixture *f, const char *line);
HmpResult finish(Fixture *f);

/* Lets the line go on until there is nothing more to do at once. */
void settle(void);

/* ---- rows: a line, what it prints, what it asks ---- */

typedef struct {
    const char *line;
    const char *out;     /* all that QEMU's monitor prints */
    const char *request; /* NULL = none; "NAME ARGUMENTS" */
    HmpResult result;
    const char *hint; /* line of our own behind QEMU's, without "hint: " */
} Row;

void check_row(Fixture *f, const Row *row);
void check_rows(const Row *rows, size_t n, unsigned flags);

/* A line of a batch that waits, with what query-migrate says meanwhile. */
typedef struct {
    const char *what, *line, *info, *out;
    HmpResult result;
} WaitRow;

void check_waits(const WaitRow *rows, size_t n);

#define TRY(name)             "Try \"help " name "\" for more information\n"
#define EXTRA(name)           name ": extraneous characters at the end of line\n"
#define STRING_EXPECTED(name) name ": string expected\n" TRY(name)
#define UNKNOWN(name)         "Error: invalid parameter value: " name "\n"
