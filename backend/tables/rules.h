/*
 * What a request may ask for: one table of rules (rules.def) over facts that the caller collects.
 * The engine asks for its own side, migrate_check for two attached ends. Main thread.
 */
#pragma once

#include "backend/base/address.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"

/* Which request asks. */
typedef enum {
    RULE_CAPABILITIES = 1 << 0,
    RULE_PARAMETERS = 1 << 1,
    RULE_START = 1 << 2,
    RULE_LISTEN = 1 << 3,
    RULE_RECOVER = 1 << 4,
    RULE_COMPARE = 1 << 5,
} RuleWhen;

/* What only the host can answer. */
typedef enum {
    HOST_ANY,
    HOST_WRITE_PROTECT, /* userfaultfd write protection of the guest's memory */
    HOST_DIRTY_RING,    /* it knows which vCPU wrote a page */
    HOST_PAGE_FAULTS,   /* userfaultfd for missing pages of the guest's memory */
    HOST_LOCKED_PAGES,  /* as many as sending without a copy locks */
} HostNeed;

typedef struct {
    MigCapabilities capabilities;    /* as the request would leave them */
    MigCapabilities added;           /* of these, the ones that it switches on */
    const MigParameters *parameters; /* as the request would leave them; NULL = not known */
    bool sets_tls;                   /* the request sets tls-creds */

    const Address *address;      /* NULL = the request has none, or a bad one */
    const GError *address_error; /* why it is bad */

    /* The request of a source. */
    bool resume, disks;

    /* The state of this side. */
    bool running;       /* a migration runs */
    bool listening;     /* migrate-incoming was given an address */
    bool inmigrate;     /* the guest is to arrive */
    bool postmigrate;   /* the guest left */
    bool last_incoming; /* the newest attempt is an incoming one */
    bool owner_here;
    bool unconfirmed; /* the newest attempt failed after the handover, without an answer */
    bool paused;      /* a postcopy that arrives here waits for migrate-recover */
    bool answering;   /* a migrate-incoming or migrate-recover is not answered yet */
    const char *owner;

    /* False with an error when the host cannot do it. NULL = not to be asked. */
    bool (*host)(void *data, HostNeed need, GError **error);
    void *host_data;
} Facts;

typedef struct {
    unsigned when;         /* RULE_... */
    MigCapability subject; /* CAPABILITY__COUNT = any */
    bool newly, not_built;
    bool (*applies)(const Facts *facts);
    MigCapabilities without, needs;
    unsigned traits; /* TRAIT_... that the address needs */
    HostNeed host;
    const char *text, *hint;
} Rule;

/* False with the error of the first broken rule. When that is a conflict between capabilities, the
 * other conflicts follow as hints, so that the operator sees all of them at once. */
bool rules_allow(RuleWhen when, const Facts *facts, GError **error);

/* The next broken rule behind @after (NULL = from the start), NULL at the end. *@host_error is the
 * host's reason when it is a rule about the host; the argument may be NULL. */
const Rule *rules_next_broken(RuleWhen when, const Facts *facts, const Rule *after,
                              GError **host_error);
