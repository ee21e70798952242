/*
 * What a request may ask for: one table of rules (rules.def), applied to
 * facts that the caller collects. The engine checks its own side,
 * migrate_check checks two attached ends. Main thread.
 */
#pragma once

#include "backend/base/address.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"

/* The request that is checked. */
typedef enum {
    RULE_CAPABILITIES = 1 << 0,
    RULE_PARAMETERS = 1 << 1,
    RULE_START = 1 << 2,
    RULE_LISTEN = 1 << 3,
    RULE_RECOVER = 1 << 4,
    RULE_COMPARE = 1 << 5,
} RuleWhen;

/* Requirements that only the host can confirm. */
typedef enum {
    HOST_ANY,
    HOST_WRITE_PROTECT, /* userfaultfd write protection of the guest's memory */
    HOST_DIRTY_RING,    /* dirty tracking per vCPU */
    HOST_PAGE_FAULTS,   /* userfaultfd for missing pages of the guest's memory */
    HOST_LOCKED_PAGES,  /* enough locked memory for sending without a copy */
} HostNeed;

typedef struct {
    MigCapabilities capabilities;    /* after the request */
    MigCapabilities added;           /* the capabilities that the request switches on */
    const MigParameters *parameters; /* after the request; NULL = not known */

    const Address *address;      /* NULL = the request has no address or a bad one */
    const GError *address_error; /* what is wrong with the address */

    /* The request of a source. */
    bool resume, disks;

    /* State of this side. */
    bool running;       /* a migration runs */
    bool listening;     /* migrate-incoming was given an address */
    bool inmigrate;     /* the guest has not arrived yet */
    bool postmigrate;   /* the guest has left */
    bool last_incoming; /* the newest attempt is an incoming one */
    bool owner_here;
    bool unconfirmed; /* the newest attempt failed after the handover, without a confirmation */
    bool paused;      /* a postcopy to this side waits for migrate-recover */
    bool answering;   /* a migrate-incoming or migrate-recover has no reply yet */
    const char *owner;

    /* False with an error when the host does not meet @need. NULL = do not check the host. */
    bool (*host)(void *data, HostNeed need, GError **error);
    void *host_data;
} Facts;

typedef struct {
    unsigned when;         /* RULE_... */
    MigCapability subject; /* CAPABILITY__COUNT = any */
    bool newly, not_built;
    bool (*applies)(const Facts *facts);
    MigCapabilities without, needs;
    unsigned traits; /* TRAIT_... that the address must have */
    HostNeed host;
    const char *text, *hint;
} Rule;

/* False with the error of the first broken rule. If that is a conflict between capabilities, the
 * other conflicts are added as hints, so that the operator sees all at once. */
bool rules_allow(RuleWhen when, const Facts *facts, GError **error);

/* The next broken rule after @after (NULL = the first), NULL at the end. For a rule about the
 * host *@host_error is its reason, owned by the caller; @host_error may be NULL. */
const Rule *rules_next_broken(RuleWhen when, const Facts *facts, const Rule *after,
                              GError **host_error);
