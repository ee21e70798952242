/*
 * The parts of migrate_check: check.c collects the facts, runs the rules that
 * it is given and answers; check-rules.c and check-address.c are the rules.
 * Nothing here changes a state.
 */
#pragma once

#include "backend/attach/attach-internal.h"

typedef struct Check Check;

typedef struct {
    const char *name;
    void (*run)(Check *check);
} CheckRule;

struct Check {
    Managed *managed;
    BackendReply *reply;
    char *uri;              /* NULL = none was given */
    const CheckRule *rules; /* NULL terminated */
    Steps *facts;           /* replies by name; set while the rules run */
    bool detailed;          /* the second round of queries was sent */
    json_object *findings, *checked, *not_known;
    const char *rule; /* the rule that is running */
    bool doubtful;    /* set by the running rule when it lacked a fact */
};

/* The reply of a query; NULL = not known. Borrowed. */
json_object *check_fact(Check *check, Side side, const char *name);
/* The string member @member of that reply, "" when missing. */
const char *check_text(Check *check, Side side, const char *name, const char *member);
/* Whether it is on. -1 = the side does not know it. */
int check_capability(Check *check, Side side, const char *name);

typedef enum { FINDING_ERROR, FINDING_WARNING } Severity;

/* Adds a finding: what was observed, what is needed, and the remedy. */
void check_find(Check *check, Severity severity, Side side, const char *observed,
                const char *needed, const char *remedy);

/* Asks both ends and answers @reply with what @rules find. @args: those of x-migrate-check. */
void check_run(Managed *m, const CheckRule *rules, json_object *args, BackendReply *reply);

/* ---- check-address.c ---- */

void check_address(Check *check);
void check_userfault(Check *check);
