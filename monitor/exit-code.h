/*
 * The exit status of the program, an interface for scripts (migmon(1), EXIT
 * STATUS).
 */
#pragma once

#include <stdbool.h>

#include "commands/hmp/hmp.h"

typedef enum {
    EXIT_CODE_OK = 0,           /* all done; a migration, if there was one, completed */
    EXIT_CODE_USAGE = 1,        /* an option or a line was not understood */
    EXIT_CODE_CONNECT = 2,      /* the peer, or a socket of our own, could not be reached */
    EXIT_CODE_REFUSED = 3,      /* a command was refused before anything happened */
    EXIT_CODE_FAILED = 4,       /* migration failed, the guest is on the source */
    EXIT_CODE_CANCELLED = 5,    /* migration cancelled, the guest is on the source */
    EXIT_CODE_FAILED_MOVED = 6, /* migration failed, the guest is on the destination */
    EXIT_CODE_UNKNOWN = 7,      /* where the guest runs is not known, or it is lost */
    EXIT_CODE_TIMEOUT = 8,      /* a wait timed out */
    EXIT_CODE_ASSERTION = 9,    /* a script's assertion did not hold */
    EXIT_CODE_VERIFY = 10,      /* guest_verify found a difference */
    EXIT_CODE_INTERRUPTED = 130,
} ExitCode;

/* The facts when the last line is done and no migration runs. */
typedef struct {
    HmpResult result;      /* of the line that stopped the batch; HMP_OK when all went through */
    const char *status;    /* MigrationStatus; NULL when there never was a migration */
    const char *direction; /* "outgoing", "incoming", "none"; as x-query-migrate-history says */
    const char *owner;     /* as x-query-owner says; NULL when not known */
    bool connected;        /* the migration has been active at some time */
} ExitFacts;

/*
 * The kind of the line's failure decides first (syntax, verification, timeout); then the outcome of
 * the last migration; otherwise a failed line was a refusal. A completed migration is a success
 * even over a file or a child, where the later owner is unknown. A failed or cancelled migration
 * with an unknown owner is always EXIT_CODE_UNKNOWN.
 */
ExitCode exit_code_for(const ExitFacts *facts);
