/*
 * The record of one attempt. See migration.h. The table below has all legal moves of
 * MigrationStatus.
 */
#include "backend/engine/attempt/migration.h"

#include "backend/base/clock.h"
#include "backend/base/size.h"
#include "backend/guest/memory/block.h"

#define MAX_PASSES 2000u /* a migration that does not converge must not fill the memory */
#define BIT(n)     (1u << (n))

typedef struct {
    MigrationStatus status;
    int64_t time_us; /* monotonic */
    int64_t wall_us;
} MigMove;

/* An attempt begins in none and ends in completed, failed or cancelled. The next attempt gets a new
 * record. */
static const unsigned may_become[MIGRATION__COUNT] = {
    [MIGRATION_NONE] = BIT(MIGRATION_SETUP),
    [MIGRATION_SETUP] = BIT(MIGRATION_ACTIVE) | BIT(MIGRATION_FAILED) | BIT(MIGRATION_CANCELLING),
    [MIGRATION_ACTIVE] = BIT(MIGRATION_COMPLETED) | BIT(MIGRATION_FAILED) |
                         BIT(MIGRATION_CANCELLING) | BIT(MIGRATION_PRE_SWITCHOVER) |
                         BIT(MIGRATION_POSTCOPY_ACTIVE),
    [MIGRATION_PRE_SWITCHOVER] = BIT(MIGRATION_DEVICE) | BIT(MIGRATION_POSTCOPY_ACTIVE) |
                                 BIT(MIGRATION_FAILED) | BIT(MIGRATION_CANCELLING),
    /* Failed or cancelled only before the guest has been handed over. */
    [MIGRATION_POSTCOPY_ACTIVE] = BIT(MIGRATION_COMPLETED) | BIT(MIGRATION_POSTCOPY_PAUSED) |
                                  BIT(MIGRATION_FAILED) | BIT(MIGRATION_CANCELLING),
    [MIGRATION_POSTCOPY_PAUSED] = BIT(MIGRATION_POSTCOPY_RECOVER) | BIT(MIGRATION_FAILED),
    [MIGRATION_POSTCOPY_RECOVER] = BIT(MIGRATION_POSTCOPY_ACTIVE) | BIT(MIGRATION_POSTCOPY_PAUSED),
    [MIGRATION_DEVICE] =
        BIT(MIGRATION_COMPLETED) | BIT(MIGRATION_FAILED) | BIT(MIGRATION_CANCELLING),
    [MIGRATION_CANCELLING] = BIT(MIGRATION_CANCELLED),
};

const char *owner_name(Owner owner)
{
    static const char *const names[] = {
        [OWNER_HERE] = "here",
        [OWNER_PEER] = "peer (confirmed)",
        [OWNER_UNKNOWN] = "unknown (commit sent)",
        [OWNER_NONE] = "none",
    };
    return names[owner];
}

Migration *migration_new(EventQueue *events, bool outgoing, const char *peer)
{
    Migration *m = g_new0(Migration, 1);

    atomic_init(&m->refs, 1);
    pthread_mutex_init(&m->lock, NULL);
    m->events = events;
    m->outgoing = outgoing;
    m->peer = g_strdup(peer);
    m->start_us = mig_clock_now_us();
    m->moves = g_array_new(FALSE, FALSE, sizeof(MigMove));
    m->passes = g_array_new(FALSE, FALSE, sizeof(MigPass));
    series_init(&m->series);
    m->outcome = g_strdup("");
    m->evidence = g_strdup("");
    m->owner = outgoing ? OWNER_HERE : OWNER_NONE;
    atomic_store(&m->counters.expected_downtime, -1);
    return m;
}

Migration *migration_ref(Migration *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

void migration_unref(Migration *m)
{
    if (m == NULL || atomic_fetch_sub(&m->refs, 1) != 1) {
        return;
    }
    g_array_unref(m->moves);
    g_array_unref(m->passes);
    series_clear(&m->series);
    channels_clear(&m->channels);
    g_free(m->peer);
    g_free(m->error);
    g_free(m->outcome);
    g_free(m->evidence);
    page_fault_stats_clear(&m->faults);
    pthread_mutex_destroy(&m->lock);
    g_free(m);
}

static void drop_reference(void *m)
{
    migration_unref(m);
}

void migration_post(Migration *m, EngineEventType type, uint64_t number, const char *text)
{
    event_post_of(m->events, type, migration_ref(m), drop_reference, number, text);
}

MigrationStatus migration_get_status(Migration *m)
{
    MIG_LOCK(&m->lock);
    return m->status;
}

bool migration_move(Migration *m, MigrationStatus from, MigrationStatus to)
{
    MigMove move = { to, mig_clock_now_us(), mig_clock_wall_us() };
    MIG_LOCK(&m->lock);

    g_assert(may_become[from] & BIT(to));
    if (m->status != from) {
        return false;
    }
    m->status = to;
    g_array_append_val(m->moves, move);
    if (to == MIGRATION_ACTIVE && m->series.last_us == 0) {
        series_begin(&m->series, &m->counters, move.time_us);
    }
    if (migration_status_is_over(to)) {
        m->end_us = move.time_us;
        series_take(&m->series, &m->counters, move.time_us, true);
        if (m->marks[MARK_STOP] != 0 && m->marks[MARK_OVER] == 0 && !m->postcopy) {
            m->marks[MARK_OVER] = move.time_us;
        }
    }
    /* Posted under the lock, so that events come in the order of the moves. */
    migration_post(m, ENGINE_EVENT_STATUS, to, NULL);
    return true;
}

bool migration_end(Migration *m, MigrationStatus to)
{
    for (;;) {
        MigrationStatus now = migration_get_status(m);

        if (!(may_become[now] & BIT(to))) {
            return false;
        }
        if (migration_move(m, now, to)) {
            return true;
        }
    }
}

bool migration_is_in_postcopy(Migration *m)
{
    MigrationStatus status = migration_get_status(m);

    return status == MIGRATION_POSTCOPY_ACTIVE || status == MIGRATION_POSTCOPY_PAUSED ||
           status == MIGRATION_POSTCOPY_RECOVER;
}

void migration_set_error(Migration *m, const char *text)
{
    MIG_LOCK(&m->lock);

    if (m->error == NULL) {
        m->error = g_strdup(text);
    }
}

char *migration_dup_error(Migration *m)
{
    MIG_LOCK(&m->lock);
    return g_strdup(m->error);
}

void migration_set_outcome(Migration *m, const char *text)
{
    MIG_LOCK(&m->lock);

    g_free(m->outcome);
    m->outcome = g_strdup(text);
    migration_post(m, ENGINE_EVENT_NOTICE, 0, text);
}

void migration_set_owner(Migration *m, Owner owner, const char *evidence)
{
    MIG_LOCK(&m->lock);

    m->owner = owner;
    g_free(m->evidence);
    m->evidence = g_strdup(evidence);
}

Owner migration_get_owner(Migration *m, char **ret_evidence)
{
    MIG_LOCK(&m->lock);

    *ret_evidence = g_strdup(m->evidence);
    return m->owner;
}

void migration_note_begin(Migration *m)
{
    MIG_LOCK(&m->lock);
    m->start_us = mig_clock_now_us();
}

void migration_note_connected(Migration *m)
{
    MIG_LOCK(&m->lock);
    m->connected = true;
}

void migration_note_setup(Migration *m)
{
    MIG_LOCK(&m->lock);
    m->setup_us = mig_clock_now_us();
}

void migration_mark(Migration *m, SwitchoverMark mark)
{
    MIG_LOCK(&m->lock);
    m->marks[mark] = mig_clock_now_us();
}

void migration_set_faults(Migration *m, PageFaultStats *stats)
{
    MIG_LOCK(&m->lock);

    page_fault_stats_clear(&m->faults);
    m->faults = *stats;
}

void migration_note_postcopy(Migration *m)
{
    MIG_LOCK(&m->lock);
    m->postcopy = true;
}

void migration_add_pass(Migration *m, const MigPass *pass)
{
    MIG_LOCK(&m->lock);
    if (m->passes->len >= MAX_PASSES) {
        g_array_remove_range(m->passes, 0, m->passes->len / 2);
    }
    g_array_append_val(m->passes, *pass);
}

bool migration_is_in_precopy(Migration *m)
{
    MIG_LOCK(&m->lock);
    return m->outgoing && m->status == MIGRATION_ACTIVE && m->marks[MARK_STOP] == 0;
}

GArray *migration_passes_after(Migration *m, uint64_t after)
{
    GArray *passes = g_array_new(FALSE, FALSE, sizeof(MigPass));
    MIG_LOCK(&m->lock);
    guint first = m->passes->len;

    while (first > 0 && g_array_index(m->passes, MigPass, first - 1).number > after) {
        first--;
    }
    if (first < m->passes->len) {
        g_array_append_vals(passes, &g_array_index(m->passes, MigPass, first),
                            m->passes->len - first);
    }
    return passes;
}

void migration_sample(Migration *m)
{
    MIG_LOCK(&m->lock);
    if (m->end_us == 0) {
        series_take(&m->series, &m->counters, mig_clock_now_us(), false);
    }
}

/* ---- the reply of query-migrate ---- */

static void fill_ram(Migration *m, MigInfo *info)
{
    MigCounters *c = &m->counters;
    struct MigrationStats *ram = &info->ram;
    bool completed = m->status == MIGRATION_COMPLETED;

#define FILL_COUNTED(object, field)                                                                \
    info->object.field = (typeof(info->object.field))atomic_load(&c->field);
#define FILL_FILLED(object, field)
#define FILL_ENCODED(object, field)
#define MIG_STAT(name, object, field, member, type, label, form, suffix, when, source)             \
    FILL_##source(object, field)
#include "backend/tables/info.def"
    ram->remaining = completed ? 0 : (int64_t)atomic_load(&c->remaining);
    ram->duplicate = (int64_t)atomic_load(&c->zero_pages);
    ram->normal = (int64_t)atomic_load(&c->normal_pages);
    ram->normal_bytes = ram->normal * MIG_PAGE_SIZE;
    ram->dirty_pages_rate = completed ? 0 : (int64_t)atomic_load(&c->dirty_rate);
    ram->dirty_sync_count = (int64_t)atomic_load(&c->sync_count);
    /* The channels may have counted bytes that @transferred does not contain yet. */
    ram->multifd_bytes = MIN(channels_bytes(&m->channels), (uint64_t)ram->transferred);
    ram->dirty_sync_missed_zero_copy = channels_copied_syncs(&m->channels);
    ram->page_size = MIG_PAGE_SIZE;
    if (completed) {
        int64_t begin_us = m->setup_us != 0 ? m->setup_us : m->start_us;
        ram->mbps = (double)ram->transferred * 8.0 / (double)MAX(m->end_us - begin_us, 1);
    } else {
        ram->mbps = (double)atomic_load(&c->bandwidth) * 8.0 / 1e6;
    }
}

/* In postcopy the pause ends when the destination has loaded the devices. Until that is known, the
 * time at which they were sent is used. */
static int64_t end_of_pause(const Migration *m)
{
    if (!m->postcopy) {
        return m->marks[MARK_OVER];
    }
    return MAX(m->marks[MARK_LOADED], m->marks[MARK_DEVICES]);
}

static void fill_outgoing(Migration *m, MigInfo *info)
{
    int64_t end = m->end_us != 0 ? m->end_us : mig_clock_now_us();
    int64_t expected = atomic_load(&m->counters.expected_downtime);

    switch (m->status) {
    case MIGRATION_ACTIVE:
    case MIGRATION_PRE_SWITCHOVER:
    case MIGRATION_DEVICE:
    case MIGRATION_POSTCOPY_ACTIVE:
    case MIGRATION_POSTCOPY_PAUSED:
    case MIGRATION_POSTCOPY_RECOVER:
    case MIGRATION_CANCELLING:
    case MIGRATION_COMPLETED:
        break;
    default: /* setup, failed, cancelled: QEMU replies with the status only */
        return;
    }
    info->has_ram = true;
    fill_ram(m, info);
    codec_counters_fill_info(&m->counters.codec, info);
    info->has_total_time = true;
    info->total_time = (end - m->start_us) / 1000;
    info->has_setup_time = true;
    info->setup_time = m->setup_us != 0 ? (m->setup_us - m->start_us) / 1000 : 0;
    info->cpu_throttle = (int64_t)atomic_load(&m->counters.cpu_throttle);
    info->has_cpu_throttle = info->cpu_throttle != 0;
    if (m->status == MIGRATION_COMPLETED || m->postcopy) {
        info->has_downtime = true;
        info->downtime = (end_of_pause(m) - m->marks[MARK_STOP]) / 1000;
    } else {
        info->has_expected_downtime = true;
        info->expected_downtime = MAX(expected, 0);
    }
}

static void fill_blocktime(const PageFaultStats *faults, MigInfo *info)
{
    info->has_blocktime = info->has_vcpu_blocktime = true;
    info->blocktime = faults->blocktime_us / 1000;
    info->vcpu_blocktime = json_object_new_array();
    for (unsigned i = 0; i < MAX(faults->n_vcpus, 1); i++) { /* QEMU's machine none counts one */
        uint64_t us = i < faults->n_vcpus ? faults->vcpu_us[i] : 0;

        json_object_array_add(info->vcpu_blocktime, json_object_new_uint64(us / 1000));
    }
}

void migration_fill_info(Migration *m, MigInfo *ret, char **ret_error)
{
    MIG_LOCK(&m->lock);

    *ret_error = NULL;
    ret->status = m->status;
    if (m->outgoing) {
        fill_outgoing(m, ret);
    } else if (m->faults.vcpu_us != NULL && m->status == MIGRATION_COMPLETED) {
        fill_blocktime(&m->faults, ret);
    }
    if (m->status == MIGRATION_FAILED) {
        *ret_error = g_strdup(m->error);
        ret->error_desc = *ret_error;
    }
}

/* ---- history ---- */

static void add_int(json_object *object, const char *key, int64_t value)
{
    json_object_object_add(object, key, json_object_new_int64(value));
}

static void add_uint(json_object *object, const char *key, uint64_t value)
{
    json_object_object_add(object, key, json_object_new_uint64(value));
}

/* What a guest that is paused now waits for; NULL = it is not paused by this attempt. */
static const char *awaited(const Migration *m)
{
    const int64_t *marks = m->marks;

    if (marks[MARK_STOP] == 0 || marks[MARK_OVER] != 0 || m->end_us != 0 || m->postcopy) {
        return NULL;
    }
    return m->status == MIGRATION_PRE_SWITCHOVER ? "migrate_continue"
           : marks[MARK_LOADED] != 0  ? "the destination to confirm that it has the guest"
           : marks[MARK_DEVICES] != 0 ? "the destination to take and load everything"
           : marks[MARK_RAM] != 0     ? "the devices to be sent"
           : marks[MARK_SYNCED] != 0  ? "the last RAM to be sent"
           : marks[MARK_STOPPED] != 0 ? "the last dirty sync"
                                      : "the vCPUs to stop";
}

/* The parts of the pause so far; each is the time since the previous mark. */
static json_object *downtime_to_json(const Migration *m)
{
    static const SwitchoverMark ends[PAUSE__COUNT] = {
#define MIG_PAUSE_PART(mark, ...) MARK_##mark,
#include "backend/tables/history.def"
    };
    json_object *o = json_object_new_object();
    int64_t before = m->marks[MARK_STOP];

    for (int i = 0; i < PAUSE__COUNT; i++) {
        int64_t end = m->marks[ends[i]];

        if (end != 0) {
            add_int(o, pause_parts[i].member, end - before);
            before = end;
        }
    }
    const char *waits = awaited(m);
    if (waits != NULL) {
        int64_t limit_us = (int64_t)atomic_load(&m->counters.downtime_limit) * 1000;

        before = mig_clock_now_us();
        json_object_object_add(o, "waits-for", json_object_new_string(waits));
        if (m->status != MIGRATION_PRE_SWITCHOVER && limit_us > 0) {
            add_int(o, "over-limit-us", MAX(before - m->marks[MARK_STOP] - limit_us, 0));
        }
    }
    add_int(o, "total-us", before - m->marks[MARK_STOP]);
    return o;
}

/* "time" and, while the attempt runs, "time-last-second"; nothing before the first page. */
static void add_time(const Migration *m, json_object *o)
{
    static const size_t counters[TIME__COUNT] = {
#define MIG_TIME(id, counter, ...) offsetof(MigCounters, counter),
#include "backend/tables/history.def"
    };
    json_object *whole = json_object_new_object(), *newest = json_object_new_object();
    uint64_t second[SAMPLE__COUNT], all = 0, all_newest = 0;

    series_last_second(&m->series, second);
    for (int i = 0; i < TIME__COUNT; i++) {
        const _Atomic uint64_t *counter = G_STRUCT_MEMBER_P(&m->counters, counters[i]);
        uint64_t us = atomic_load(counter);

        add_uint(whole, time_kinds[i].member, us);
        add_uint(newest, time_kinds[i].member, second[time_kinds[i].sample]);
        all += us;
        all_newest += second[time_kinds[i].sample];
    }
    if (all > 0) {
        json_object_object_add(o, "time", json_object_get(whole));
    }
    if (all_newest > 0 && m->end_us == 0) {
        json_object_object_add(o, "time-last-second", json_object_get(newest));
    }
    json_object_put(whole);
    json_object_put(newest);
}

json_object *migration_history_to_json(Migration *m, bool with_samples)
{
    MIG_LOCK(&m->lock);
    json_object *o = json_object_new_object();
    json_object *states = json_object_new_array();
    json_object *passes = json_object_new_array();
    int64_t end = m->end_us != 0 ? m->end_us : mig_clock_now_us();

    for (guint i = 0; i < m->moves->len; i++) {
        const MigMove *move = &g_array_index(m->moves, MigMove, i);
        json_object_array_add(states,
                              history_state_to_json(migration_status_name(move->status),
                                                    move->time_us, move->wall_us, m->start_us));
    }
    for (guint i = 0; i < m->passes->len; i++) {
        json_object_array_add(
            passes, history_pass_to_json(&g_array_index(m->passes, MigPass, i), m->start_us));
    }
    json_object_object_add(o, "direction",
                           json_object_new_string(m->outgoing ? "outgoing" : "incoming"));
    json_object_object_add(o, "peer", json_object_new_string(m->peer));
    json_object_object_add(o, "connected", json_object_new_boolean(m->connected));
    json_object_object_add(o, "states", states);
    json_object_object_add(o, "passes", passes);
    json_object_object_add(o, "channels", channels_to_json(&m->channels, end - m->start_us));
    if (with_samples) {
        json_object_object_add(o, "samples", series_to_json(&m->series, m->start_us));
    }
    add_uint(o, "total-bytes", atomic_load(&m->counters.total));
    add_uint(o, "transferred-bytes", atomic_load(&m->counters.transferred));
    add_uint(o, "threshold-bytes", atomic_load(&m->counters.threshold));
    add_int(o, "elapsed-ms", (end - m->start_us) / 1000);
    if (m->marks[MARK_STOP] != 0) {
        json_object_object_add(o, "downtime", downtime_to_json(m));
    }
    if (m->faults.vcpu_us != NULL) {
        json_object_object_add(o, "page-faults", page_faults_to_json(&m->faults));
    }
    add_time(m, o);
    json_object_object_add(o, "outcome", json_object_new_string(m->outcome));
    return o;
}
