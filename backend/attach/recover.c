/*
 * Recovery of a paused postcopy as one command. Both ends are brought to
 * postcopy-paused, the destination listens again, the source resumes to it.
 * An end that has not noticed the lost link gets migrate-pause.
 */
#include <string.h>

#include "backend/attach/move.h"
#include "backend/base/error.h"
#include "backend/base/json.h"

#define AGAIN_MS  100
#define MAX_TRIES 50
/* Number of looks before an end is sent migrate-pause. */
#define PATIENT_TRIES 3

typedef struct {
    Managed *managed;
    BackendReply *reply;
    char *uri;
    unsigned tries;
    bool told[SIDE__COUNT]; /* the next look sends migrate-pause first */
} Recovery;

static void look(Recovery *recovery);

static void recovery_free(void *data)
{
    Recovery *recovery = data;

    g_free(recovery->uri);
    g_free(recovery);
}

static void end(Recovery *recovery, GError *error)
{
    recovery->managed->moving = NULL;
    if (error != NULL) {
        backend_reply_error(recovery->reply, error);
    } else {
        backend_reply_return(recovery->reply, NULL);
    }
    recovery_free(recovery);
}

/* ---- resuming ---- */

static const char *status_of(const Steps *steps, Side side)
{
    json_object *status = json_member(steps_reply(steps, side, "migrate"), "status");

    return status != NULL ? json_object_get_string(status) : "none";
}

/* The source connects after it has answered, so success is only known when it leaves the pause. */
static void on_resumed(Steps *steps, const GError *error, void *data)
{
    Recovery *recovery = data;
    Managed *m = recovery->managed;
    bool still = error == NULL && strcmp(status_of(steps, SIDE_SOURCE), "postcopy-paused") == 0;

    if (still && recovery->tries < MAX_TRIES) {
        recovery->tries++;
        m->moving = steps_new(m, on_resumed, recovery_free, recovery);
        steps_add_pause(m->moving, AGAIN_MS);
        steps_add(m->moving, SIDE_SOURCE, "query-migrate", NULL, "migrate", true);
        steps_run(m->moving);
        return;
    }
    if (still) {
        g_autofree char *title = managed_title(m, SIDE_SOURCE);

        end(recovery,
            g_error_new(MIG_ERROR, MIG_ERROR_GENERIC,
                        "%s stays in postcopy-paused: it cannot reach %s", title, recovery->uri));
        return;
    }
    end(recovery, error != NULL ? g_error_copy(error) : NULL);
}

static void on_listening(Steps *steps, const GError *error, void *data)
{
    Recovery *recovery = data;
    Managed *m = recovery->managed;
    json_object *info = steps_reply(steps, SIDE_DESTINATION, "listening");
    GError *problem = error != NULL ? g_error_copy(error) : NULL;

    if (problem == NULL && info != NULL) {
        char *uri = move_resolve_uri(recovery->uri, info);

        g_free(recovery->uri);
        recovery->uri = uri;
    }

    json_object *args =
        problem != NULL ? NULL : move_address(m, SIDE_SOURCE, "migrate", recovery->uri, &problem);
    if (args == NULL) {
        end(recovery, problem);
        return;
    }
    json_add_flag(args, "resume", true);
    m->moving = steps_new(m, on_resumed, recovery_free, recovery);
    recovery->tries = 0;
    steps_add(m->moving, SIDE_SOURCE, "migrate", args, "resume", true);
    steps_add(m->moving, SIDE_SOURCE, "query-migrate", NULL, "migrate", true);
    steps_run(m->moving);
}

static void listen_there(Recovery *recovery)
{
    Managed *m = recovery->managed;
    json_object *args = json_object_new_object();

    json_add_text(args, "uri", recovery->uri);
    m->moving = steps_new(m, on_listening, recovery_free, recovery);
    steps_add(m->moving, SIDE_DESTINATION, "migrate-recover", args, "recover", true);
    steps_add(m->moving, SIDE_DESTINATION, "query-migrate", NULL, "listening", false);
    steps_run(m->moving);
}

/* ---- both paused? ---- */

static void on_looked(Steps *steps, const GError *error, void *data)
{
    Recovery *recovery = data;
    Managed *m = recovery->managed;
    bool paused = true;

    if (error != NULL) {
        end(recovery, g_error_copy(error));
        return;
    }
    for (int side = 0; side < SIDE__COUNT; side++) {
        const char *status = status_of(steps, (Side)side);
        bool stands = strcmp(status, "postcopy-paused") == 0;

        if (!stands && (!g_str_has_prefix(status, "postcopy-") || recovery->tries >= MAX_TRIES)) {
            g_autofree char *title = managed_title(m, (Side)side);

            end(recovery,
                g_error_new(MIG_ERROR, MIG_ERROR_GENERIC,
                            "%s is not paused in post-copy: its migration is '%s'", title, status));
            return;
        }
        paused = paused && stands;
    }
    if (paused) {
        listen_there(recovery);
        return;
    }
    /* The link may not be found dead yet, or only one side has noticed. Sides that are still
     * active get migrate-pause. */
    if (++recovery->tries > PATIENT_TRIES) {
        for (int side = 0; side < SIDE__COUNT; side++) {
            recovery->told[side] |= strcmp(status_of(steps, (Side)side), "postcopy-active") == 0;
        }
    }
    look(recovery);
}

static void look(Recovery *recovery)
{
    Managed *m = recovery->managed;

    m->moving = steps_new(m, on_looked, recovery_free, recovery);
    if (recovery->tries > 0) {
        steps_add_pause(m->moving, AGAIN_MS);
    }
    for (int side = 0; side < SIDE__COUNT; side++) {
        if (recovery->told[side]) {
            recovery->told[side] = false;
            steps_add(m->moving, (Side)side, "migrate-pause", NULL, "pause", false);
        }
        steps_add(m->moving, (Side)side, "query-migrate", NULL, "migrate", true);
    }
    steps_run(m->moving);
}

/* The UUIDs of both are known and differ: pages of one guest would go into another. */
static bool are_different_guests(const Managed *m)
{
    static const char none[] = "00000000-0000-0000-0000-000000000000";
    const char *here = managed_source(m) != NULL ? qmp_peer_uuid(managed_source(m)) : "";
    const char *there = qmp_peer_uuid(managed_destination(m));

    return *here != '\0' && *there != '\0' && strcmp(here, none) != 0 && strcmp(there, none) != 0 &&
           strcmp(here, there) != 0;
}

void move_recover(Managed *m, const char *uri, BackendReply *reply)
{
    Recovery *recovery;

    if (are_different_guests(m)) {
        GError *error = g_error_new(
            MIG_ERROR, MIG_ERROR_GENERIC,
            "these are not the two ends of one migration: %s has the UUID %s, %s has %s",
            qmp_peer_title(managed_source(m)), qmp_peer_uuid(managed_source(m)),
            qmp_peer_title(managed_destination(m)), qmp_peer_uuid(managed_destination(m)));

        mig_error_hint(&error, "peer unix:PATH attaches the destination that waits for this guest");
        backend_reply_error(reply, error);
        return;
    }
    if (uri == NULL && *m->uri == '\0') {
        backend_reply_failure(reply, "say where the destination is to listen: migrate_to -r URI");
        return;
    }
    recovery = g_new0(Recovery, 1);
    recovery->managed = m;
    recovery->reply = reply;
    recovery->uri = g_strdup(uri != NULL ? uri : m->uri);
    look(recovery);
}
