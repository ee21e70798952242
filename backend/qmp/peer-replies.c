/*
 * Stores the state of a QEMU from all of its replies, including those to other
 * callers.
 */
#include <string.h>

#include "backend/base/clock.h"
#include "backend/base/json.h"
#include "backend/qmp/peer-internal.h"
#include "backend/qmp/peer-process.h"
#include "backend/tables/info.h"

void peer_set_text(char **place, const char *text)
{
    if (text != *place) {
        g_free(*place);
        *place = g_strdup(text != NULL ? text : "");
    }
}

/* ---- known state ---- */

const char *qmp_peer_version(const QmpPeer *peer)
{
    return peer->version;
}

unsigned qmp_peer_version_number(const QmpPeer *peer)
{
    return peer->version_number;
}

const char *qmp_peer_title(const QmpPeer *peer)
{
    return peer->title;
}

const char *qmp_peer_address(const QmpPeer *peer)
{
    return qmp_link_address(peer->link);
}

const char *qmp_peer_name(const QmpPeer *peer)
{
    return peer->name;
}

const char *qmp_peer_uuid(const QmpPeer *peer)
{
    return peer->uuid;
}

const PeerSchema *qmp_peer_schema(const QmpPeer *peer)
{
    return peer->schema;
}

const QmpLink *qmp_peer_link(const QmpPeer *peer)
{
    return peer->link;
}

const char *qmp_peer_run_state(const QmpPeer *peer)
{
    return peer->run_state;
}

const char *qmp_peer_status(const QmpPeer *peer)
{
    return peer->status;
}

json_object *qmp_peer_info(const QmpPeer *peer)
{
    return peer->info;
}

bool qmp_peer_capability(const QmpPeer *peer, const char *name)
{
    return g_hash_table_contains(peer->capabilities, name);
}

json_object *qmp_peer_parameters(const QmpPeer *peer)
{
    return peer->parameters;
}

bool qmp_peer_answers(const QmpPeer *peer)
{
    return qmp_link_is_up(peer->link) && qmp_link_silent_ms(peer->link) == 0;
}

char *qmp_peer_trouble(const QmpPeer *peer)
{
    if (!qmp_link_is_up(peer->link)) {
        return g_strdup("is not connected");
    }
    unsigned ms = qmp_link_silent_ms(peer->link);
    return ms > 0 ? g_strdup_printf("has not answered for %.1f s", ms / 1e3) : g_strdup("");
}

char *qmp_peer_process(const QmpPeer *peer)
{
    return peer_process_text(qmp_link_pid(peer->link));
}

char *qmp_peer_knowledge(const QmpPeer *peer)
{
    if (peer->seen_us == 0) {
        return g_strdup("nothing is known of its guest");
    }
    return g_strdup_printf("last known, %.1f s ago: guest %s, migration %s",
                           (double)(mig_clock_now_us() - peer->seen_us) / 1e6, peer->run_state,
                           peer->status);
}

static void emit_status(QmpPeer *peer, bool hidden, int64_t time_us)
{
    json_object *data = json_object_new_object();
    const BackendEvent event = {
        .name = "MIGRATION", .data = data, .time_us = time_us, .hidden = hidden
    };

    json_add_text(data, "status", peer->status);
    peer->callbacks->event(&event, peer->data);
    json_object_put(data);
}

/* ---- evaluating replies ---- */

bool peer_is_running(const char *status)
{
    MigrationStatus known;

    return !migration_status_from_name(status, &known) || !migration_status_is_over(known);
}

static void note_migrate(QmpPeer *peer, json_object *info)
{
    const char *status = json_text(info, "status");
    bool changed;

    json_object_put(peer->info);
    peer->info = json_object_get(info);
    peer->seen_us = mig_clock_now_us();
    status = *status != '\0' ? status : "none";
    changed = strcmp(status, peer->status) != 0;
    peer->differs = changed ? peer->differs + 1 : 0;
    peer->callbacks->seen(info, peer->data);
    /* Waits one more reply for an event that may be on its way. */
    if (changed && (!peer->events_on || !peer->told_ready || peer->differs > 1)) {
        peer->differs = 0;
        peer_set_text(&peer->status, status);
        if (peer->told_ready) {
            emit_status(peer, true, g_get_real_time());
        }
    }
}

static void note_capabilities(QmpPeer *peer, json_object *list)
{
    for (JsonEach row = json_each(list); json_next(&row);) {
        const char *name = json_text(row.value, "capability");

        if (json_flag(row.value, "state")) {
            g_hash_table_add(peer->capabilities, g_strdup(name));
        } else {
            g_hash_table_remove(peer->capabilities, name);
        }
    }
    peer->events_on = qmp_peer_capability(peer, "events");
}

static void note_parameters(QmpPeer *peer, json_object *changed, bool all)
{
    if (!json_object_is_type(changed, json_type_object)) {
        return;
    }
    if (all) {
        json_object_put(peer->parameters);
        peer->parameters = json_object_new_object();
    }
    json_object_object_foreach (changed, name, value) {
        json_object_object_add(peer->parameters, name, json_object_get(value));
    }
}

void peer_note_version(QmpPeer *peer, json_object *version)
{
    json_object *qemu = json_member(version, "qemu");
    const char *package = json_text(version, "package");
    int major = (int)json_integer(qemu, "major");
    int minor = (int)json_integer(qemu, "minor");
    int micro = (int)json_integer(qemu, "micro");

    g_free(peer->version);
    peer->version = g_str_has_prefix(package, "migmon-")
                        ? g_strdup_printf("migmon %s", package + strlen("migmon-"))
                        : g_strdup_printf("QEMU %d.%d.%d", major, minor, micro);
    peer->version_number = (unsigned)(major * 10000 + minor * 100 + micro);
    g_free(peer->title);
    peer->title = g_strdup_printf("the %s (%s at %s)", peer->side, peer->version,
                                  qmp_link_address(peer->link));
    qmp_link_set_name(peer->link, peer->title);
}

bool peer_note_reply(QmpPeer *peer, const char *command, json_object *arguments, json_object *value)
{
    if (strcmp(command, "query-migrate") == 0) {
        note_migrate(peer, value);
    } else if (strcmp(command, "query-status") == 0) {
        peer_set_text(&peer->run_state, json_text(value, "status"));
    } else if (strcmp(command, "query-migrate-capabilities") == 0) {
        note_capabilities(peer, value);
    } else if (strcmp(command, "migrate-set-capabilities") == 0) {
        note_capabilities(peer, json_member(arguments, "capabilities"));
    } else if (strcmp(command, "query-migrate-parameters") == 0) {
        note_parameters(peer, value, true);
    } else if (strcmp(command, "migrate-set-parameters") == 0) {
        note_parameters(peer, arguments, false);
    } else if (strcmp(command, "query-qmp-schema") == 0) {
        g_clear_pointer(&peer->schema, peer_schema_free);
        peer->schema = peer_schema_new(value);
    } else if (strcmp(command, "query-version") == 0) {
        peer_note_version(peer, value);
    } else if (strcmp(command, "query-name") == 0) {
        peer_set_text(&peer->name, json_text(value, "name"));
    } else if (strcmp(command, "query-uuid") == 0) {
        peer_set_text(&peer->uuid, json_text(value, "UUID"));
    } else {
        return false;
    }
    return true;
}
