/*
 * The parts of migrate_check: check.c collects and answers, check-rules.c and
 * check-address.c judge. Nothing here changes a state.
 */
#pragma once

#include "backend/attach/attach-internal.h"

typedef struct {
    Managed *managed;
    BackendReply *reply;
    char *uri;     /* NULL = none was given */
    Steps *facts;  /* replies by name, while the rules run */
    bool detailed; /* the second round is asked */
    json_object *findings, *checked, *not_known;
    const char *rule; /* that runs */
    bool doubtful;    /* it lacked something */
} Check;

/* The reply of a question; NULL = not known. */
json_object *check_fact(Check *check, Side side, const char *name);
/* A string member of it, "" when it is missing. */
const char *check_text(Check *check, Side side, const char *name, const char *member);
/* -1 = the side does not know it. */
int check_capability(Check *check, Side side, const char *name);

/* The rule that runs could not look at everything. */
void check_doubt(Check *check);

typedef enum { FINDING_ERROR, FINDING_WARNING } Severity;

/* The three texts: "observed: ...", what would be right, and what to do. */
void check_find(Check *check, Severity severity, Side side, const char *observed,
                const char *needed, const char *remedy);

typedef struct {
    const char *name;
    void (*run)(Check *check);
} CheckRule;

extern const CheckRule check_rules[]; /* NULL terminated */
void check_address(Check *check);
void check_userfault(Check *check);
