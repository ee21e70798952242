/*
 * The command table: all properties of an HMP command in one constant.
 * Dispatch, help, usage and completion read the same rows. table.def lists
 * them; each family of commands has a file with its rows.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    ARG_FLAG, /* -x */
    ARG_STRING,
    ARG_URI,
    ARG_INCOMING_URI,
    ARG_BOOL,        /* on | off */
    ARG_PARAMETER,   /* name of a migration parameter */
    ARG_PARAM_VALUE, /* value of the parameter before it */
    ARG_CAPABILITY,
    ARG_MONITOR,      /* address of a QMP monitor */
    ARG_PEER_COMMAND, /* of the attached QEMU's human monitor */
    ARG_STATUS,       /* a MigrationStatus */
    ARG_WAIT,         /* a MigrationStatus or the name of an event */
    ARG_INTEGER,      /* C integer expression, 64 bits */
    ARG_INTEGER32,    /* the same in 32 bits */
    ARG_FORMAT,       /* format of print: /x, may be absent before another argument */
    ARG_SECONDS,      /* a time in batches */
    ARG_COMMAND,      /* name of a command (help) */
    ARG_GUEST_KEY,
    ARG_GUEST_VALUE,
    ARG_GUEST_FAULT, /* what guest_plant can plant */
    ARG_VARIABLE,    /* name of a variable of a batch */
    ARG_FILE,
    ARG_FIELD,       /* name of a field for assert */
    ARG_OPERATOR,    /* comparison operator */
    ARG_FIELD_VALUE, /* value of the field two arguments before */
    ARG_ON_ERROR,    /* stop | continue */
    ARG_REPORT_FORMAT,
    ARG_REST, /* rest of the line verbatim */
    ARG_KIND__COUNT,
} ArgKind;

typedef struct {
    const char *name; /* NULL ends the list; for ARG_FLAG one letter */
    ArgKind kind;
    bool optional;
    const char *help;
    /* Of rows of Command.options only. */
    const char *value; /* name of the value in help; NULL for ARG_FLAG, which has none */
    bool repeatable;
} ArgSpec;

typedef struct Command Command;
typedef struct HmpCall HmpCall; /* one running line; hmp-internal.h */

struct Command {
    const char *name;   /* "quit|q": aliases after bars */
    const char *params; /* as printed by help */
    const char *help;   /* for QEMU's commands as QEMU prints it */
    const ArgSpec *args;
    /*
     * Long options, for our own commands only: QEMU's have one-letter flags. "--name VALUE" or
     * "--name=VALUE" before the words, "--" ends them. An option with the name of an optional word
     * gives that word its value. Options that concern the backend are "x-" arguments of a request,
     * so that QMP clients can use them too.
     */
    const ArgSpec *options;
    void (*run)(HmpCall *call);
    const Command *const *sub; /* info: sub-commands, NULL terminated */
    bool batch_only;
    bool tests_only; /* help hides it without MIGMON_FAULT */
};

extern const Command *const command_table[]; /* sorted by name, NULL terminated */
