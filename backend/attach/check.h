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
    Steps *facts;  /* replies by name; set while the rules run */
    bool detailed; /* the second round of queries was sent */
    json_object *findings, *checked, *not_known;
    const char *rule; /* the rule that is running */
    bool doubtful;    /* the running rule lacked a fact */
} Check;

/* The reply of a query; NULL = not known. Borrowed. */
json_object *check_fact(Check *check, Side side, const char *name);
/* The string member @member of that reply, "" when missing. */
const char *check_text(Check *check, Side side, const char *name, const char *member);
/* Whether it is on. -1 = the side does not know it. */
int check_capability(Check *check, Side side, const char *name);

/* Marks the running rule: it could not check everything. */
void check_doubt(Check *check);

typedef enum { FINDING_ERROR, FINDING_WARNING } Severity;

/* Adds a finding: what was observed, what is needed, and the remedy. */
void check_find(Check *check, Severity severity, Side side, const char *observed,
                const char *needed, const char *remedy);

typedef struct {
    const char *name;
    void (*run)(Check *check);
} CheckRule;

extern const CheckRule check_rules[]; /* NULL terminated */
void check_address(Check *check);
void check_userfault(Check *check);
