/*
 * What the program's exit status says. One table, for scripts: it is part of
 * the interface (migmon(1), EXIT STATUS).
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
    EXIT_CODE_TIMEOUT = 8,      /* a wait ran out */
    EXIT_CODE_ASSERTION = 9,    /* a script's assertion did not hold */
    EXIT_CODE_VERIFY = 10,      /* guest_verify found a difference */
    EXIT_CODE_INTERRUPTED = 130,
} ExitCode;

/* What is known when the last line is done and no migration runs any more. */
typedef struct {
    HmpResult result;      /* of the line that stopped the batch; HMP_OK when all went through */
    const char *status;    /* MigrationStatus; NULL when there never was a migration */
    const char *direction; /* "outgoing", "incoming", "none"; as x-query-migrate-history says */
    const char *owner;     /* as x-query-owner says; NULL when not known */
    bool connected;        /* the migration has been active at some time */
} ExitFacts;

/*
 * How the line failed decides first (syntax, verification, a wait that ran out); else what became
 * of the last migration; else a failed line was a refusal. One that completed did all that this
 * side can do: over a file or a child nobody can say who will run the guest, and that is no
 * failure. One that failed or was cancelled with the owner unknown is reported as that and nothing
 * else.
 */
ExitCode exit_code_for(const ExitFacts *facts);
