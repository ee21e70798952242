/*
 * What is known before a request is allowed: the state of the newest attempt, the facts for the
 * rules, and the address and descriptor that the request names. Main thread.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/error.h"
#include "backend/guest/memory/missing-pages.h"

/* ---- the newest attempt ---- */

void engine_set_last(Engine *e, Migration *m)
{
    migration_unref(e->last);
    e->last = migration_ref(m);
    course_free(e->course);
    e->course = m != NULL && m->outgoing ? course_new() : NULL;
}

bool engine_migration_runs(const Engine *e)
{
    return e->last != NULL && !migration_status_is_over(migration_get_status(e->last)) &&
           (e->outgoing != NULL || e->incoming != NULL);
}

Owner engine_last_owner(const Engine *e)
{
    g_autofree char *evidence = NULL;

    return e->last != NULL ? migration_get_owner(e->last, &evidence) : OWNER_HERE;
}

MigrationStatus engine_status_of(const Engine *e, bool outgoing)
{
    return e->last != NULL && e->last->outgoing == outgoing ? migration_get_status(e->last)
                                                            : MIGRATION_NONE;
}

bool engine_in_postcopy(const Engine *e)
{
    return e->incoming != NULL && incoming_in_postcopy(e->incoming);
}

bool engine_is_paused(const Engine *e, bool outgoing)
{
    return (outgoing ? e->outgoing != NULL : engine_in_postcopy(e)) &&
           engine_status_of(e, outgoing) == MIGRATION_POSTCOPY_PAUSED;
}

bool engine_ram_is_whole(const Engine *e, GError **error)
{
    if (!engine_in_postcopy(e)) {
        return true;
    }
    g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                        "part of the guest's RAM is still at the source (postcopy)");
    mig_error_hint(error, "info migrate shows how much; wait until the migration has completed");
    return false;
}

/* ---- facts for the rules ---- */

static bool has_write_protect(const Engine *e, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(e->guest, &n);

    for (size_t i = 0; i < n; i++) {
        if (!blocks[i]->backing.sync_wp) {
            g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                                "Background-snapshot is not compatible with guest memory "
                                "configuration");
            mig_error_hint(error, "RAM block '%s' (%s): %s", blocks[i]->idstr,
                           blocks[i]->backing.name,
                           "it takes userfaultfd write-protect with a handler: memfd, /dev/shm or "
                           "huge pages, Linux 5.19 or newer");
            return false;
        }
    }
    return true;
}

static bool ask_host(void *data, HostNeed need, GError **error)
{
    const Engine *e = data;

    switch (need) {
    case HOST_WRITE_PROTECT:
        return has_write_protect(e, error);
    case HOST_DIRTY_RING:
        return engine_can_limit(e, error);
    case HOST_PAGE_FAULTS:
        return page_faults_possible(e->guest, error);
    case HOST_LOCKED_PAGES:
        /* Locked memory: one packet for each channel, and the kernel counts two more pages for
         * each. */
        return transport_may_lend(
            e->parameters.multifd_channels * (MULTIFD_PAGES + 2) * MIG_PAGE_SIZE, error);
    case HOST_ANY:
        break;
    }
    g_assert_not_reached();
}

Facts engine_facts(Engine *e)
{
    RunState state = guest_run_state(e->guest);
    Owner owner = engine_last_owner(e);

    return (Facts){
        .capabilities = e->capabilities,
        .parameters = &e->parameters,
        .running = engine_migration_runs(e),
        .listening = e->incoming_address != NULL,
        .inmigrate = state == RUN_STATE_INMIGRATE,
        .postmigrate = state == RUN_STATE_POSTMIGRATE,
        .last_incoming = e->last != NULL && !e->last->outgoing,
        .owner_here = owner == OWNER_HERE,
        .unconfirmed = owner == OWNER_UNKNOWN && migration_get_status(e->last) == MIGRATION_FAILED,
        .paused = engine_is_paused(e, false),
        .answering = e->incoming_reply != NULL,
        .owner = owner_name(owner),
        .host = ask_host,
        .host_data = e,
    };
}

/* ---- arguments ---- */

Address *engine_address_from_arguments(json_object *args, const char *command, GError **error)
{
    json_object *uri = json_object_object_get(args, "uri");
    json_object *channels = json_object_object_get(args, "channels");
    size_t n = channels != NULL ? json_object_array_length(channels) : 0;

    if (uri != NULL && n > 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "'uri' and 'channels' arguments are mutually exclusive; exactly one of the two "
                    "should be present in '%s' qmp command ",
                    command);
        return NULL;
    }
    if (uri == NULL && n == 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "neither 'uri' or 'channels' argument are specified in '%s' qmp command ",
                    command);
        return NULL;
    }
    if (n > 1) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "Channel list has more than one entries");
        return NULL;
    }
    if (uri != NULL) {
        return address_from_uri(json_object_get_string(uri), error);
    }
    return address_from_json(json_object_object_get(json_object_array_get_idx(channels, 0), "addr"),
                             error);
}

bool engine_take_named_fd(BackendSession *session, const Address *address, int *ret_fd,
                          GError **error)
{
    if (address->kind != ADDRESS_FD) {
        return true;
    }
    *ret_fd = backend_session_take_named_fd(session, address->path);
    if (*ret_fd < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "File descriptor named '%s' has not been found", address->path);
        mig_error_hint(error, "pass it on this monitor with getfd (SCM_RIGHTS) first");
        return false;
    }
    return true;
}
