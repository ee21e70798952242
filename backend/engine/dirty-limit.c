/*
 * Dirty limits of vCPUs: the operator's commands, and what query-migrate reports of a migration's
 * limit. Main thread; backend/guest/dirty/limit.h does the limiting.
 *
 * QEMU needs KVM's dirty ring to know which vCPU wrote a page. Machine stress knows it without KVM;
 * a machine without vCPUs gets QEMU's refusal.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/error.h"

bool engine_can_limit(const Engine *e, GError **error)
{
    if (guest_n_vcpus(e->guest) > 0) {
        return true;
    }
    return mig_fail(error, MIG_ERROR_GENERIC,
                    "dirty-limit requires KVM with accelerator property 'dirty-ring-size' set");
}

void engine_limit_notice(void *engine, const char *text)
{
    event_post(((Engine *)engine)->events, ENGINE_EVENT_NOTICE, text);
}

/* ---- which vCPUs ---- */

typedef struct {
    unsigned first, end;
} VcpuRange;

static bool take_vcpus(Engine *e, json_object *args, const char *verb, VcpuRange *ret,
                       GError **error)
{
    json_object *index = json_object_object_get(args, "cpu-index");
    unsigned n = guest_n_vcpus(e->guest);

    *ret = (VcpuRange){ 0, n };
    if (index != NULL) {
        int64_t i = json_object_get_int64(index);

        if (i < 0 || i >= n) {
            return mig_fail(error, MIG_ERROR_GENERIC, "incorrect cpu index specified");
        }
        *ret = (VcpuRange){ (unsigned)i, (unsigned)i + 1 };
    }
    if (dirty_limit_is_set_for_all(e->limit)) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "can't %s dirty page rate limit while migration is running", verb);
    }
    return true;
}

static void set_rate(Engine *e, VcpuRange range, uint64_t rate)
{
    for (unsigned i = range.first; i < range.end; i++) {
        dirty_limit_set(e->limit, i, rate);
    }
}

/* ---- commands ---- */

static bool set_limit(Engine *e, json_object *args, GError **error)
{
    uint64_t rate = json_object_get_uint64(json_object_object_get(args, "dirty-rate"));
    g_autoptr(DirtyTracker) tracker = NULL;
    VcpuRange range;

    if (guest_n_vcpus(e->guest) == 0) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "dirty page limit feature requires KVM with accelerator property "
                        "'dirty-ring-size' set'");
    }
    if (!take_vcpus(e, args, rate != 0 ? "set" : "cancel", &range, error)) {
        return false;
    }
    /* Memory that cannot be tracked is an error of this command, not a later one of the counting
     * thread. */
    if (rate != 0) {
        tracker = dirty_share_join(e->dirty, error);
        if (tracker == NULL) {
            return false;
        }
    }
    set_rate(e, range, dirty_limit_from_mib(rate));
    return true;
}

void engine_set_dirty_limit(Engine *e, BackendSession *session, json_object *args,
                            BackendReply *reply)
{
    GError *error = NULL;

    (void)session;
    if (set_limit(e, args, &error)) {
        backend_reply_return(reply, NULL);
    } else {
        backend_reply_error(reply, error);
    }
}

/* On a machine that does not support limits there is none to cancel. */
void engine_cancel_dirty_limit(Engine *e, BackendSession *session, json_object *args,
                               BackendReply *reply)
{
    VcpuRange range;
    GError *error = NULL;

    (void)session;
    if (guest_n_vcpus(e->guest) > 0) {
        if (!take_vcpus(e, args, "cancel", &range, &error)) {
            backend_reply_error(reply, error);
            return;
        }
        set_rate(e, range, 0);
    }
    backend_reply_return(reply, NULL);
}

/* QEMU's "MB/s" are MiB/s. */
static json_object *mib(uint64_t rate)
{
    return json_object_new_uint64((rate + (1 << 19)) >> 20);
}

void engine_query_dirty_limit(Engine *e, BackendSession *session, json_object *args,
                              BackendReply *reply)
{
    json_object *list = json_object_new_array();

    (void)session, (void)args;
    for (unsigned i = 0; i < guest_n_vcpus(e->guest); i++) {
        json_object *row;
        DirtyLimitState s;

        dirty_limit_get(e->limit, i, &s);
        if (s.limit == 0) {
            continue;
        }
        row = json_object_new_object();
        json_object_object_add(row, "cpu-index", json_object_new_int64(i));
        json_object_object_add(row, "limit-rate", mib(s.limit));
        json_object_object_add(row, "current-rate", mib(s.current));
        json_object_array_add(list, row);
    }
    backend_reply_return(reply, list);
}

/* ---- query-migrate ---- */

void engine_fill_dirty_limit(const Engine *e, MigInfo *info)
{
    if (info->has_ram && dirty_limit_is_set_for_all(e->limit)) {
        info->has_dirty_limit_throttle = info->has_dirty_limit_ring_full = true;
        dirty_limit_figures(e->limit, &info->dirty_limit_throttle, &info->dirty_limit_ring_full);
    }
}
