/*
 * Sends requests to the two ends of a migration, one after another, and
 * stores the replies by name. migrate_to, migrate_check and settling are made
 * of such steps. The source may be the guest of this process.
 */
#include <string.h>

#include "backend/attach/attach-internal.h"
#include "backend/base/error.h"
#include "backend/base/json.h"

typedef struct {
    Side side;
    char *command; /* NULL = only a pause */
    json_object *args;
    char *name;
    bool required;
    unsigned pause_ms;
} Step;

struct Steps {
    Managed *managed; /* NULL = cancelled */
    GQueue waiting;   /* Step */
    Step *current;
    guint timer;                      /* of a pause step */
    GHashTable *replies[SIDE__COUNT]; /* name -> json_object */
    GHashTable *errors[SIDE__COUNT];  /* name -> text */
    StepsDone done;
    GDestroyNotify abandon;
    void *data;
};

const char *side_name(Side side)
{
    return side == SIDE_SOURCE ? "source" : "destination";
}

/* ---- the two sides ---- */

void managed_set_uri(Managed *m, const char *uri)
{
    char *copy = g_strdup(uri);

    g_free(m->uri);
    m->uri = copy;
    m->starting = *uri != '\0';
    history_set_peer(m->history, uri);
}

QmpPeer *managed_source(const Managed *m)
{
    return m->ends[SIDE_SOURCE].peer;
}

QmpPeer *managed_destination(const Managed *m)
{
    return m->ends[SIDE_DESTINATION].peer;
}

char *managed_title(const Managed *m, Side side)
{
    QmpPeer *peer = m->ends[side].peer;

    return peer != NULL ? g_strdup(qmp_peer_title(peer))
                        : g_strdup_printf("the %s", side_name(side));
}

bool managed_has(const Managed *m, Side side, const char *command, const char *argument)
{
    QmpPeer *peer = m->ends[side].peer;
    const SchemaCommand *known;

    if (peer != NULL) {
        return qmp_peer_schema(peer) != NULL &&
               (argument == NULL
                    ? peer_schema_has_command(qmp_peer_schema(peer), command)
                    : peer_schema_has_argument(qmp_peer_schema(peer), command, argument));
    }
    known = schema_find_command(command);
    for (const SchemaMember *arg = known != NULL ? known->args : NULL;
         argument != NULL && arg != NULL && arg->name != NULL; arg++) {
        if (strcmp(arg->name, argument) == 0) {
            return true;
        }
    }
    return known != NULL && argument == NULL;
}

static void on_reply(json_object *value, const GError *error, void *data);

/* The peer was detached since the step was added. */
static gboolean refuse_absent(void *data)
{
    g_autoptr(GError) error =
        g_error_new_literal(MIG_ERROR, MIG_ERROR_GENERIC, "it is not attached any more");

    on_reply(NULL, error, data);
    return G_SOURCE_REMOVE;
}

static void ask(Managed *m, Side side, const char *command, json_object *args, QmpLinkDone done,
                void *data)
{
    QmpPeer *peer = m->ends[side].peer;
    json_object *request;

    if (peer != NULL) {
        qmp_peer_ask(peer, command, args, -1, done, data);
        return;
    }
    if (side != SIDE_SOURCE || m->engine == NULL) {
        g_idle_add_full(G_PRIORITY_DEFAULT, refuse_absent, data, NULL);
        return;
    }
    request = json_object_new_object();
    json_add_text(request, "execute", command);
    if (args != NULL) {
        json_object_object_add(request, "arguments", json_object_get(args));
    }
    backend_execute(m->engine, m->engine_session, request, done, data);
    json_object_put(request);
}

/* ---- the queue ---- */

static void step_free(void *data)
{
    Step *step = data;

    if (step != NULL) {
        json_object_put(step->args);
        g_free(step->command);
        g_free(step->name);
        g_free(step);
    }
}

static void put_object(void *object)
{
    json_object_put(object);
}

Steps *steps_new(Managed *m, StepsDone done, GDestroyNotify abandon, void *data)
{
    Steps *steps = g_new0(Steps, 1);

    steps->managed = m;
    steps->done = done;
    steps->abandon = abandon;
    steps->data = data;
    g_queue_init(&steps->waiting);
    for (int side = 0; side < SIDE__COUNT; side++) {
        steps->replies[side] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, put_object);
        steps->errors[side] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    }
    g_ptr_array_add(m->steps, steps);
    return steps;
}

static void steps_free(Steps *steps)
{
    g_queue_clear_full(&steps->waiting, step_free);
    step_free(steps->current);
    for (int side = 0; side < SIDE__COUNT; side++) {
        g_hash_table_unref(steps->replies[side]);
        g_hash_table_unref(steps->errors[side]);
    }
    g_free(steps);
}

void steps_cancel(Steps *steps)
{
    g_ptr_array_remove(steps->managed->steps, steps);
    steps->managed = NULL;
    if (steps->abandon != NULL) {
        steps->abandon(steps->data);
    }
    if (steps->timer != 0) {
        g_clear_handle_id(&steps->timer, g_source_remove);
        g_clear_pointer(&steps->current, step_free);
    }
    if (steps->current == NULL) {
        steps_free(steps);
    }
}

void steps_add(Steps *steps, Side side, const char *command, json_object *args, const char *name,
               bool required)
{
    Step *step = g_new0(Step, 1);

    *step = (Step){ side, g_strdup(command), args, g_strdup(name), required, 0 };
    g_queue_push_tail(&steps->waiting, step);
}

void steps_add_pause(Steps *steps, unsigned ms)
{
    Step *step = g_new0(Step, 1);

    step->pause_ms = ms;
    g_queue_push_tail(&steps->waiting, step);
}

json_object *steps_reply(const Steps *steps, Side side, const char *name)
{
    return g_hash_table_lookup(steps->replies[side], name);
}

const char *steps_error(const Steps *steps, Side side, const char *name)
{
    return g_hash_table_lookup(steps->errors[side], name);
}

static void run_next(Steps *steps);

static void finish(Steps *steps, const GError *error)
{
    steps->done(steps, error, steps->data);
    if (steps->current == NULL) { /* @done has not added more steps */
        g_ptr_array_remove(steps->managed->steps, steps);
        steps_free(steps);
    }
}

static void on_reply(json_object *value, const GError *error, void *data)
{
    Steps *steps = data;
    Step *step = g_steal_pointer(&steps->current);

    if (steps->managed == NULL) {
        step_free(step);
        steps_free(steps);
        return;
    }
    if (error == NULL) {
        g_hash_table_replace(steps->replies[step->side], g_strdup(step->name),
                             json_object_get(value));
    } else {
        g_hash_table_replace(steps->errors[step->side], g_strdup(step->name),
                             mig_error_first_line(error));
    }
    if (error != NULL && step->required) {
        g_autoptr(GError) named = g_error_copy(error);
        g_autofree char *title = managed_title(steps->managed, step->side);

        if (!g_str_has_prefix(named->message, title)) {
            g_prefix_error(&named, "%s, %s: ", title, step->command);
        }
        step_free(step);
        finish(steps, named);
        return;
    }
    step_free(step);
    run_next(steps);
}

static gboolean on_pause_over(void *data)
{
    Steps *steps = data;

    steps->timer = 0;
    g_clear_pointer(&steps->current, step_free);
    run_next(steps);
    return G_SOURCE_REMOVE;
}

static void run_next(Steps *steps)
{
    steps->current = g_queue_pop_head(&steps->waiting);
    if (steps->current == NULL) {
        finish(steps, NULL);
        return;
    }
    if (steps->current->command == NULL) {
        steps->timer = g_timeout_add(steps->current->pause_ms, on_pause_over, steps);
        return;
    }
    ask(steps->managed, steps->current->side, steps->current->command, steps->current->args,
        on_reply, steps);
}

void steps_run(Steps *steps)
{
    g_assert(!g_queue_is_empty(&steps->waiting)); /* @done cannot run inside this call */
    run_next(steps);
}
