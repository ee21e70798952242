/*
 * See exit-code.h. Pure.
 */
#include "monitor/exit-code.h"

#include <glib.h>
#include <string.h>

typedef enum { ANY, YES, NO } Wanted;

/* The first row that matches counts; NULL matches everything. @owner is a prefix, because "unknown
 * (commit sent)" and "peer (confirmed)" carry a reason in parentheses. */
static const struct {
    const char *status, *direction, *owner;
    Wanted connected;
    ExitCode code;
} migration_rows[] = {
    { "completed", NULL, NULL, ANY, EXIT_CODE_OK },
    { "cancelled", NULL, "unknown", ANY, EXIT_CODE_UNKNOWN },
    { "cancelled", NULL, "none", ANY, EXIT_CODE_UNKNOWN },
    { "cancelled", NULL, NULL, ANY, EXIT_CODE_CANCELLED },
    { "postcopy-paused", NULL, "unknown", ANY, EXIT_CODE_UNKNOWN },
    { "postcopy-paused", NULL, NULL, ANY, EXIT_CODE_FAILED_MOVED },
    { "failed", NULL, "unknown", ANY, EXIT_CODE_UNKNOWN },
    { "failed", NULL, "peer", ANY, EXIT_CODE_FAILED_MOVED },
    { "failed", "incoming", "here", ANY, EXIT_CODE_FAILED_MOVED },
    { "failed", "outgoing", "none", ANY, EXIT_CODE_UNKNOWN },
    { "failed", NULL, NULL, NO, EXIT_CODE_CONNECT },
    { "failed", NULL, NULL, ANY, EXIT_CODE_FAILED },
    /* An attached QEMU that does not reply. */
    { NULL, NULL, "unknown (no answer)", ANY, EXIT_CODE_UNKNOWN },
    { NULL, NULL, "lost", ANY, EXIT_CODE_UNKNOWN },
};

static bool fits(const char *wanted, const char *found)
{
    return wanted == NULL || (found != NULL && strcmp(wanted, found) == 0);
}

static bool row_fits(size_t row, const ExitFacts *facts)
{
    const char *owner = migration_rows[row].owner;
    Wanted connected = migration_rows[row].connected;

    return fits(migration_rows[row].status, facts->status) &&
           fits(migration_rows[row].direction, facts->direction) &&
           (owner == NULL || (facts->owner != NULL && g_str_has_prefix(facts->owner, owner))) &&
           (connected == ANY || (connected == YES) == facts->connected);
}

ExitCode exit_code_for(const ExitFacts *facts)
{
    ExitCode code = EXIT_CODE_OK;

    switch (facts->result) {
    case HMP_ERROR_SYNTAX:
        return EXIT_CODE_USAGE;
    case HMP_ERROR_VERIFY:
        return EXIT_CODE_VERIFY;
    case HMP_ERROR_TIMEOUT:
        return EXIT_CODE_TIMEOUT;
    case HMP_ERROR_ASSERT:
        return EXIT_CODE_ASSERTION;
    case HMP_ERROR_CONNECT:
        return EXIT_CODE_CONNECT;
    case HMP_OK:
    case HMP_ERROR_FAILED:
        break;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(migration_rows); i++) {
        if (row_fits(i, facts)) {
            code = migration_rows[i].code;
            break;
        }
    }
    if (code == EXIT_CODE_OK && facts->result == HMP_ERROR_FAILED) {
        return EXIT_CODE_REFUSED;
    }
    return code;
}
