/*
 * The reply of x-query-target: the QEMU at each end, its known state, and
 * what the source supports beyond our tables. Front ends use it for
 * completion, help and the dashboard.
 */
#include <string.h>

#include "backend/attach/attach-internal.h"
#include "backend/base/json.h"

static json_object *describe_end(const End *end)
{
    const QmpLink *link = qmp_peer_link(end->peer);
    g_autofree char *trouble = qmp_peer_trouble(end->peer);
    json_object *error = json_member(qmp_peer_info(end->peer), "error-desc");
    json_object *o = json_object_new_object();

    json_add_text(o, "side", side_name(end->side));
    json_add_text(o, "address", qmp_peer_address(end->peer));
    json_add_text(o, "version", qmp_peer_version(end->peer));
    json_add_text(o, "name", qmp_peer_name(end->peer));
    json_add_text(o, "uuid", qmp_peer_uuid(end->peer));
    json_add_flag(o, "answers", qmp_peer_answers(end->peer));
    if (*trouble != '\0') {
        g_autofree char *process = qmp_peer_process(end->peer);
        g_autofree char *text = g_strconcat(trouble, *process != '\0' ? "; " : "", process, NULL);

        json_add_text(o, "trouble", text);
    }
    json_add_text(o, "run-state", qmp_peer_run_state(end->peer));
    json_add_text(o, "status", qmp_peer_status(end->peer));
    if (json_object_is_type(error, json_type_string)) {
        json_object_object_add(o, "error-desc", json_object_get(error));
    }
    json_add_number(o, "commands-sent", qmp_link_sent(link));
    return o;
}

static json_object *describe_ends(const Managed *m)
{
    json_object *list = json_object_new_array();

    for (int side = 0; side < SIDE__COUNT; side++) {
        if (m->ends[side].peer != NULL) {
            json_object_array_add(list, describe_end(&m->ends[side]));
        }
    }
    return list;
}

/* The parts that do not change while an end is attached are made only once. */
json_object *managed_target(Managed *m)
{
    QmpPeer *source = managed_source(m);

    if (source == NULL || m->ends[SIDE_SOURCE].connecting != NULL) {
        return NULL;
    }
    if (m->target == NULL) {
        json_object *commands = m->ends[SIDE_SOURCE].commands;
        const PeerSchema *schema = qmp_peer_schema(source);

        m->target = json_object_new_object();
        json_add_text(m->target, "version", qmp_peer_version(source));
        json_add_text(m->target, "title", qmp_peer_title(source));
        json_add_flag(m->target, "observe", m->observe);
        json_object_object_add(m->target, "parameters",
                               schema != NULL ? peer_schema_parameters(schema)
                                              : json_object_new_array());
        json_object_object_add(m->target, "capabilities",
                               schema != NULL ? peer_schema_capabilities(schema)
                                              : json_object_new_array());
        json_object_object_add(m->target, "schema",
                               schema != NULL ? json_object_get(peer_schema_list(schema))
                                              : json_object_new_array());
        json_object_object_add(m->target, "commands",
                               commands != NULL ? json_object_get(commands)
                                                : json_object_new_array());
    }
    return m->target;
}

void managed_query_target(Managed *m, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    json_object *whole = json_object_new_object();
    json_object *known = managed_target(m);

    (void)session, (void)args;
    json_add_flag(whole, "attached", managed_source(m) != NULL);
    json_object_object_add(whole, "ends", describe_ends(m));
    if (known != NULL) {
        json_object_object_foreach (known, name, value) {
            if (strcmp(name, "schema") != 0) { /* long, and only for front ends of this process */
                json_object_object_add(whole, name, json_object_get(value));
            }
        }
    }
    backend_reply_return(reply, whole);
}
