/*
 * The end of a migration of the attached source: queries both ends once more,
 * restores what migrate_to has changed unless the guest has moved, and makes
 * one sentence of the outcome with the errors of both ends.
 */
#include <string.h>

#include "backend/attach/attach-internal.h"
#include "backend/base/json.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/info.h"

/* Interval and number of queries whether the destination has the guest. */
#define AGAIN_MS  50
#define MAX_TRIES 40

bool restore_forget(Restore *restore, Side side)
{
    bool any = restore->capabilities[side] != NULL || restore->parameters[side] != NULL;

    g_clear_pointer(&restore->capabilities[side], json_object_put);
    g_clear_pointer(&restore->parameters[side], json_object_put);
    return any;
}

void restore_clear(Restore *restore)
{
    for (int side = 0; side < SIDE__COUNT; side++) {
        restore_forget(restore, (Side)side);
    }
}

static void add_capabilities(json_object **place, json_object *more)
{
    if (*place == NULL) {
        *place = json_object_new_array();
    }
    for (JsonEach row = json_each(more); json_next(&row);) {
        if (capability_in(*place, json_text(row.value, "capability")) < 0) {
            json_object_array_add(*place, json_object_get(row.value));
        }
    }
}

static void add_parameters(json_object **place, json_object *more)
{
    if (*place == NULL) {
        *place = json_object_new_object();
    }
    json_object_object_foreach (more, name, value) {
        if (!json_object_object_get_ex(*place, name, NULL)) {
            json_object_object_add(*place, name, json_object_get(value));
        }
    }
}

void restore_add(Restore *restore, const Restore *more)
{
    for (int side = 0; side < SIDE__COUNT; side++) {
        if (more->capabilities[side] != NULL) {
            add_capabilities(&restore->capabilities[side], more->capabilities[side]);
        }
        if (more->parameters[side] != NULL) {
            add_parameters(&restore->parameters[side], more->parameters[side]);
        }
    }
}

void restore_add_steps(Managed *m, Steps *steps)
{
    for (int side = 0; side < SIDE__COUNT; side++) {
        bool there = side == SIDE_SOURCE || managed_destination(m) != NULL;

        if (there && m->restore.capabilities[side] != NULL) {
            steps_add(
                steps, (Side)side, "migrate-set-capabilities",
                json_object_with("capabilities", json_object_get(m->restore.capabilities[side])),
                "restore-capabilities", false);
        }
        if (there && m->restore.parameters[side] != NULL) {
            steps_add(steps, (Side)side, "migrate-set-parameters",
                      json_object_get(m->restore.parameters[side]), "restore-parameters", false);
        }
    }
}

static const char *error_of(const Steps *steps, Side side)
{
    json_object *text = json_member(steps_reply(steps, side, "query-migrate"), "error-desc");

    return json_object_is_type(text, json_type_string) ? json_object_get_string(text) : NULL;
}

/* What the destination reports, beginning with "; "; "" when that is nothing. */
static char *their_side(const Managed *m, const Steps *steps)
{
    QmpPeer *peer = managed_destination(m);
    const char *error = error_of(steps, SIDE_DESTINATION);

    if (peer == NULL) {
        return g_strdup("");
    }
    if (error != NULL) {
        return g_strdup_printf("; %s says: %s", qmp_peer_title(peer), error);
    }
    g_autofree char *trouble = qmp_peer_trouble(peer);
    if (*trouble == '\0') {
        return g_strdup_printf("; %s: guest %s, migration %s", qmp_peer_title(peer),
                               qmp_peer_run_state(peer), qmp_peer_status(peer));
    }
    g_autofree char *process = qmp_peer_process(peer);
    bool ended = strstr(process, "has ended") != NULL;
    return g_strdup_printf("; %s %s%s%s%s", qmp_peer_title(peer), trouble,
                           *process != '\0' ? "; " : "", process,
                           ended ? ": its standard error says why" : "");
}

static char *not_put_back(const Managed *m, const Steps *steps)
{
    for (int side = 0; side < SIDE__COUNT; side++) {
        const char *error = steps_error(steps, (Side)side, "restore-capabilities");

        error = error != NULL ? error : steps_error(steps, (Side)side, "restore-parameters");
        if (error != NULL && side == SIDE_SOURCE) {
            return g_strdup_printf("; settings of the source could not be put back: %s", error);
        }
    }
    (void)m;
    return g_strdup("");
}

static char *compose(Managed *m, const Steps *steps, const char *status)
{
    g_autofree char *name = *m->uri != '\0' ? g_strdup_printf("migration to %s", m->uri)
                                            : g_strdup("migration started elsewhere");
    const char *error = error_of(steps, SIDE_SOURCE);
    g_autofree char *evidence = NULL;
    g_autofree char *theirs = their_side(m, steps);
    g_autofree char *left = not_put_back(m, steps);

    managed_owner(m, &evidence);
    if (managed_was_snapshot(managed_source(m))) {
        return g_strdup_printf("a snapshot of the guest was saved; guest %s at the source",
                               qmp_peer_run_state(managed_source(m)));
    }
    if (strcmp(status, "completed") == 0 && g_str_has_prefix(m->uri, "file:")) {
        return g_strdup_printf("the guest was saved in %s: %s", m->uri + strlen("file:"), evidence);
    }
    if (strcmp(status, "completed") == 0) {
        return g_strdup_printf("%s completed: %s", name, evidence);
    }
    if (strcmp(status, "cancelled") == 0) {
        return g_strdup_printf("%s cancelled; guest %s at the source%s%s", name,
                               qmp_peer_run_state(managed_source(m)), theirs, left);
    }
    return g_strdup_printf("%s failed: %s; guest %s at the source%s%s", name,
                           error != NULL ? error : "the source gives no reason",
                           qmp_peer_run_state(managed_source(m)), theirs, left);
}

static void answer_curious(Managed *m)
{
    for (guint i = 0; i < m->curious->len; i++) {
        backend_reply_return(g_ptr_array_index(m->curious, i), history_to_json(m->history));
    }
    g_ptr_array_set_size(m->curious, 0);
}

static bool is_over(const char *status)
{
    MigrationStatus known;

    return migration_status_from_name(status, &known) && migration_status_is_over(known) &&
           known != MIGRATION_NONE;
}

static void begin_settling(Managed *m, const char *status);

static gboolean on_settle_again(void *data)
{
    Managed *m = data;

    m->settle_again = 0;
    begin_settling(m, history_last_status(m->history));
    return G_SOURCE_REMOVE;
}

/* The source has sent everything and the destination is still loading it. */
static bool is_arriving(const Managed *m, const char *status)
{
    QmpPeer *peer = managed_destination(m);

    return strcmp(status, "completed") == 0 && peer != NULL && qmp_peer_answers(peer) &&
           !is_over(qmp_peer_status(peer)) && m->settle_tries < MAX_TRIES;
}

static void on_settled(Steps *steps, const GError *error, void *data)
{
    Managed *m = data;
    const char *status = history_last_status(m->history);
    g_autofree char *text = NULL;

    (void)error;
    m->settling = NULL;
    m->starting = false;
    if (is_arriving(m, status)) {
        m->settle_tries++;
        m->settle_again = g_timeout_add(AGAIN_MS, on_settle_again, m);
        return;
    }
    if (strcmp(status, "completed") != 0) {
        restore_clear(&m->restore);
    }
    if (managed_was_snapshot(managed_source(m))) {
        history_set_snapshot(m->history);
    }
    text = compose(m, steps, status);
    history_set_outcome(m->history, text);
    answer_curious(m);
    backend_emit_notice(&m->base, text, true, g_get_real_time());
}

static void begin_settling(Managed *m, const char *status)
{
    m->settling = steps_new(m, on_settled, NULL, m);
    steps_add(m->settling, SIDE_SOURCE, "query-migrate", NULL, "query-migrate", false);
    steps_add(m->settling, SIDE_SOURCE, "query-status", NULL, "query-status", false);
    if (managed_destination(m) != NULL) {
        steps_add(m->settling, SIDE_DESTINATION, "query-migrate", NULL, "query-migrate", false);
        steps_add(m->settling, SIDE_DESTINATION, "query-status", NULL, "query-status", false);
    }
    if (strcmp(status, "completed") != 0) {
        restore_add_steps(m, m->settling);
    } else {
        restore_clear(&m->restore);
    }
    steps_run(m->settling);
}

void settle_clear(Managed *m)
{
    g_clear_handle_id(&m->settle_again, g_source_remove);
    if (m->settling != NULL) {
        steps_cancel(g_steal_pointer(&m->settling));
    }
    answer_curious(m);
}

void settle_status(Managed *m, const char *status, int64_t time_us)
{
    bool begins = history_is_over(m->history) && !is_over(status) && strcmp(status, "none") != 0;

    if (begins) {
        if (!m->starting) {
            managed_set_uri(m, "");
        }
        m->starting = false;
    }
    history_status(m->history, status, time_us);
    if (!is_over(status)) {
        settle_clear(m); /* the next migration has begun */
    }
    if (m->settling != NULL || m->settle_again != 0 || !is_over(status) ||
        history_is_incoming(m->history)) {
        return;
    }
    m->settle_tries = 0;
    begin_settling(m, status);
}

static void on_engine_settled(Steps *steps, const GError *error, void *data)
{
    Managed *m = data;

    (void)steps, (void)error;
    m->settling = NULL;
    restore_clear(&m->restore);
}

void settle_engine(Managed *m)
{
    bool any = false;

    for (int side = 0; side < SIDE__COUNT; side++) {
        any |= m->restore.capabilities[side] != NULL || m->restore.parameters[side] != NULL;
    }
    if (any && m->settling == NULL) {
        m->settling = steps_new(m, on_engine_settled, NULL, m);
        restore_add_steps(m, m->settling);
        steps_run(m->settling);
    }
}

/* ---- commands that have to wait for it ---- */

typedef struct {
    Managed *managed;
    ManagedCommand run;
    json_object *args;
    BackendReply *reply;
} Later;

static void later_free(void *data)
{
    Later *later = data;

    json_object_put(later->args);
    g_free(later);
}

static void on_later(Steps *steps, const GError *error, void *data)
{
    Later *later = data;

    (void)steps, (void)error;
    later->run(later->managed, NULL, later->args, later->reply);
    later_free(later);
}

/* This wait ends: settling has a limited number of steps, each with a time limit. */
bool settle_first(Managed *m, ManagedCommand run, json_object *args, BackendReply *reply)
{
    Steps *steps;
    Later *later;

    if (m->settling == NULL && m->settle_again == 0) {
        return false;
    }
    later = g_new0(Later, 1);
    *later = (Later){ m, run, json_object_get(args), reply };
    steps = steps_new(m, on_later, later_free, later);
    steps_add_pause(steps, AGAIN_MS);
    steps_run(steps);
    return true;
}
