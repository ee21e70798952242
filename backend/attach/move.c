/*
 * migrate_to: one command for both ends. It queries both, changes the
 * settings of each, lets the destination listen and starts the source. The
 * old settings are restored when a step fails, and after a failure or a
 * cancel.
 */
#include "backend/attach/move.h"

#include <string.h>

#include "backend/base/address.h"
#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/tables/info.h"

static json_object *reply_of(const Move *move, Side side, const char *name)
{
    return steps_reply(move->looked, side, name);
}

static void move_free(void *data)
{
    Move *move = data;

    restore_clear(&move->plan);
    restore_clear(&move->before);
    g_clear_error(&move->error);
    g_free(move->uri);
    g_free(move);
}

/* ---- the end of the command ---- */

static void on_undone(Steps *steps, const GError *error, void *data)
{
    Move *move = data;
    Managed *m = move->managed;

    (void)steps, (void)error;
    m->moving = NULL;
    restore_clear(&m->restore);
    backend_reply_error(move->reply, g_steal_pointer(&move->error));
    move_free(move);
}

/* Takes @error over. Restores what was set so far, then ends the command with @error. */
static void fail(Move *move, GError *error)
{
    Managed *m = move->managed;

    move->error = error;
    m->moving = steps_new(m, on_undone, move_free, move);
    restore_add_steps(m, m->moving);
    /* This query changes nothing; it makes sure that there is at least one step. */
    steps_add(m->moving, SIDE_SOURCE, "query-status", NULL, "last", false);
    steps_run(m->moving);
}

static void succeed(Move *move)
{
    move->managed->moving = NULL;
    backend_reply_return(move->reply, NULL);
    move_free(move);
}

/* ---- starting ---- */

static void on_started(Steps *steps, const GError *error, void *data)
{
    Move *move = data;

    (void)steps;
    if (managed_source(move->managed) != NULL && g_error_matches(error, MIG_ERROR, MIG_ERROR_IO)) {
        /* migrate was sent and may still take effect, so only its end restores the settings. */
        GError *told = g_error_copy(error);

        mig_error_hint(&told, "the migration may begin all the same: info migrate tells once the "
                              "source answers");
        move->managed->moving = NULL;
        backend_reply_error(move->reply, told);
        move_free(move);
    } else if (error != NULL) {
        fail(move, g_error_copy(error));
    } else {
        succeed(move);
    }
}

static void start_source(Move *move)
{
    Managed *m = move->managed;
    GError *error = NULL;
    json_object *args = NULL;

    if (m->unwanted) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_CANCELLED, "it was cancelled before it began");
    } else {
        args = move_address(m, SIDE_SOURCE, "migrate", move->uri, &error);
    }
    if (args == NULL) {
        fail(move, error);
        return;
    }
    managed_set_uri(m, move->uri);
    history_set_incoming(m->history, false);
    m->moving = steps_new(m, on_started, move_free, move);
    steps_add(m->moving, SIDE_SOURCE, "migrate", args, "migrate", true);
    steps_run(m->moving);
}

static void on_listening(Steps *steps, const GError *error, void *data)
{
    Move *move = data;
    json_object *info = steps_reply(steps, SIDE_DESTINATION, "listening");

    if (error != NULL) {
        fail(move, g_error_copy(error));
        return;
    }
    if (info != NULL) {
        char *uri = move_resolve_uri(move->uri, info);

        g_free(move->uri);
        move->uri = uri;
    }
    start_source(move);
}

/* ---- setting and listening ---- */

static json_object *capabilities_argument(json_object *list)
{
    json_object *args = json_object_new_object();

    json_object_object_add(args, "capabilities", json_object_get(list));
    return args;
}

static void add_settings(Move *move, Steps *steps, Side side)
{
    if (json_length(move->plan.capabilities[side]) > 0) {
        steps_add(steps, side, "migrate-set-capabilities",
                  capabilities_argument(move->plan.capabilities[side]), "capabilities", true);
    }
    if (json_object_object_length(move->plan.parameters[side]) > 0) {
        steps_add(steps, side, "migrate-set-parameters",
                  json_object_get(move->plan.parameters[side]), "parameters", true);
    }
}

/* Arguments of migrate-incoming. Caller puts; NULL with an error. */
static json_object *listening_arguments(Move *move, GError **error)
{
    Managed *m = move->managed;
    json_object *args = move_address(m, SIDE_DESTINATION, "migrate-incoming", move->uri, error);

    /* A QEMU that stays can be asked for its error; older ones end. */
    if (args != NULL && managed_has(m, SIDE_DESTINATION, "migrate-incoming", "exit-on-error")) {
        json_add_flag(args, "exit-on-error", false);
    }
    return args;
}

static void set_and_listen(Move *move)
{
    Managed *m = move->managed;
    GError *error = NULL;
    json_object *args = move->listens ? NULL : listening_arguments(move, &error);

    if (error != NULL) {
        fail(move, error);
        return;
    }
    restore_add(&m->restore, &move->before);

    Steps *steps = steps_new(m, on_listening, move_free, move);
    m->moving = steps;
    add_settings(move, steps, SIDE_DESTINATION);
    add_settings(move, steps, SIDE_SOURCE);
    if (args != NULL) {
        steps_add(steps, SIDE_DESTINATION, "migrate-incoming", args, "incoming", true);
    }
    steps_add(steps, SIDE_DESTINATION, "query-migrate", NULL, "listening", false);
    steps_run(steps);
}

/* ---- queries before the start ---- */

static bool is_under_way(json_object *info)
{
    MigrationStatus status;

    return migration_status_from_name(json_text(info, "status"), &status) &&
           !migration_status_is_over(status);
}

static char *uri_of_socket(json_object *address)
{
    g_autoptr(Address) known = NULL;
    json_object *copy = NULL;

    if (json_object_deep_copy(address, &copy, NULL) != 0) {
        return NULL;
    }
    json_add_text(copy, "transport", "socket");
    known = address_from_json(copy, NULL);
    json_object_put(copy);
    return known != NULL ? address_to_uri(known) : NULL;
}

/* The URI where the destination listens; NULL = it does not listen. */
static char *listening_uri(json_object *info)
{
    json_object *list = json_member(info, "socket-address");

    if (!json_object_is_type(list, json_type_array) || json_length(list) == 0) {
        return NULL;
    }
    return uri_of_socket(json_at(list, 0));
}

static bool check_ends(Move *move, GError **error)
{
    Managed *m = move->managed;
    const char *here = json_text(reply_of(move, SIDE_SOURCE, "status"), "status");
    const char *there = json_text(reply_of(move, SIDE_DESTINATION, "status"), "status");
    g_autofree char *source = managed_title(m, SIDE_SOURCE);
    g_autofree char *destination = managed_title(m, SIDE_DESTINATION);

    if (is_under_way(reply_of(move, SIDE_SOURCE, "migrate"))) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s migrates already", source);
        mig_error_hint(error, "info migrate shows it, migrate_cancel ends it");
        return false;
    }
    if (strcmp(here, "postmigrate") == 0 || strcmp(here, "inmigrate") == 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s does not have the guest: it is %s",
                    source, here);
        mig_error_hint(error,
                       "info migrate tells where it is; connect attaches the QEMU that has it");
        return false;
    }
    if (strcmp(there, "inmigrate") != 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "%s does not wait for a guest: its guest is %s", destination, there);
        mig_error_hint(error, "start it with -incoming defer");
        return false;
    }
    return true;
}

/* Both can be the same place. Hosts are not compared, as one host has many spellings; port 0 is
 * any port. */
static bool is_same_place(const char *given, const char *known)
{
    g_autoptr(Address) a = address_from_uri(given, NULL), b = address_from_uri(known, NULL);

    if (a == NULL || b == NULL || a->kind != b->kind) {
        return false;
    }
    return a->kind == ADDRESS_UNIX   ? strcmp(a->path, b->path) == 0
           : a->kind == ADDRESS_INET ? strcmp(a->port, "0") == 0 || strcmp(a->port, b->port) == 0
                                     : true;
}

/* Chooses the given URI, or else the one where the destination listens. */
static bool choose_uri(Move *move, GError **error)
{
    char *known = listening_uri(reply_of(move, SIDE_DESTINATION, "migrate"));

    move->listens = known != NULL || is_under_way(reply_of(move, SIDE_DESTINATION, "migrate"));
    if (move->uri == NULL && known == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "the destination does not listen yet: say where it is to listen");
        mig_error_hint(error, "migrate_to tcp:HOST:0 lets the kernel choose a port; "
                              "migrate_to unix:PATH on one machine");
        return false;
    }
    if (move->uri != NULL && known != NULL && !is_same_place(move->uri, known)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "the destination listens on %s already, not on %s", known, move->uri);
        mig_error_hint(error, "migrate_to without an address goes where it listens");
        g_free(known);
        return false;
    }
    if (move->uri == NULL) {
        move->uri = known;
    } else {
        g_free(known);
    }
    return true;
}

static void on_looked(Steps *steps, const GError *error, void *data)
{
    Move *move = data;
    GError *problem = error != NULL ? g_error_copy(error) : NULL;

    move->looked = steps;
    if (problem == NULL && check_ends(move, &problem) && choose_uri(move, &problem) &&
        plan_make(move, &problem)) {
        move->looked = NULL;
        set_and_listen(move);
        return;
    }
    move->looked = NULL;
    move->managed->moving = NULL;
    backend_reply_error(move->reply, problem);
    move_free(move);
}

static void look(Move *move)
{
    static const struct {
        const char *command, *name;
    } questions[] = {
        { "query-status", "status" },
        { "query-migrate", "migrate" },
        { "query-migrate-capabilities", "capabilities" },
        { "query-migrate-parameters", "parameters" },
    };
    Managed *m = move->managed;

    m->unwanted = false;
    m->moving = steps_new(m, on_looked, move_free, move);
    for (int side = 0; side < SIDE__COUNT; side++) {
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++) {
            steps_add(m->moving, (Side)side, questions[i].command, NULL, questions[i].name, true);
        }
    }
    steps_run(m->moving);
}

void managed_migrate_to(Managed *m, BackendSession *session, json_object *args, BackendReply *reply)
{
    json_object *uri = json_member(args, "uri");
    bool resume = json_flag(args, "resume");

    (void)session;
    if (managed_destination(m) == NULL || (managed_source(m) == NULL && m->engine == NULL)) {
        GError *error = g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "no %s is attached",
                                    managed_destination(m) == NULL ? "destination" : "source");

        mig_error_hint(&error, managed_destination(m) == NULL
                                   ? "peer unix:PATH attaches one by its QMP monitor"
                                   : "connect unix:PATH attaches one by its QMP monitor");
        backend_reply_error(reply, error);
        return;
    }
    if (settle_first(m, managed_migrate_to, args, reply)) {
        return;
    }
    if (m->moving != NULL) {
        backend_reply_failure(reply, "another migrate_to is being prepared");
        return;
    }
    if (resume) {
        move_recover(m, uri != NULL ? json_object_get_string(uri) : NULL, reply);
        return;
    }

    Move *move = g_new0(Move, 1);
    move->managed = m;
    move->reply = reply;
    move->uri = uri != NULL ? g_strdup(json_object_get_string(uri)) : NULL;
    look(move);
}
