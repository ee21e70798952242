/*
 * The command table: everything about an HMP command in one constant. Dispatch, help,
 * usage and completion read the same rows. table.c lists them; one file a family defines them.
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
    ARG_WAIT,         /* a MigrationStatus or an event */
    ARG_INTEGER,      /* C integer expression, 64 bits */
    ARG_INTEGER32,    /* the same in 32 bits */
    ARG_FORMAT,       /* of print: /x, may be absent before another argument */
    ARG_SECONDS,      /* time of batches */
    ARG_COMMAND,      /* name of a command (help) */
    ARG_GUEST_KEY,
    ARG_GUEST_VALUE,
    ARG_GUEST_FAULT, /* what guest_plant can plant */
    ARG_VARIABLE,    /* name of a batch's variable */
    ARG_FILE,
    ARG_FIELD,       /* what assert looks at, */
    ARG_OPERATOR,    /* how */
    ARG_FIELD_VALUE, /* and what it is to be: value of the field two before it */
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
    const char *value; /* what help calls the value; NULL for ARG_FLAG, which has none */
    bool repeatable;
} ArgSpec;

typedef struct Command Command;
typedef struct HmpCall HmpCall; /* one line in work; hmp-internal.h */

struct Command {
    const char *name;   /* "quit|q": aliases behind bars */
    const char *params; /* as help prints them */
    const char *help;   /* as QEMU prints it for commands QEMU has */
    const ArgSpec *args;
    /*
     * Long options, for our own commands only: QEMU's have one-letter flags. "--name VALUE" or
     * "--name=VALUE" before the words, "--" ends them. An option with the name of an optional word
     * gives that word its value. What an option asks of the backend is an "x-" argument of a
     * request, so that QMP can ask the same.
     */
    const ArgSpec *options;
    void (*run)(HmpCall *call);
    const Command *const *sub; /* info: sub-commands, NULL terminated */
    bool batch_only;
    bool tests_only; /* help keeps quiet about it without MIGMON_FAULT */
};

extern const Command *const command_table[]; /* sorted by name, NULL terminated */
/* The options and params as help prints them. */
char *command_usage(const Command *command);
const Command *command_find(const Command *const *table, const char *name, size_t length);
