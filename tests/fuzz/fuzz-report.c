/*
 * Any JSON as the replies that a report is made of, as a hostile peer may give
 * them: the report in each of its formats, the history of an attached QEMU, its
 * schema, the progress line.
 */
#include <glib.h>
#include <json-c/json.h>

#include "backend/attach/history.h"
#include "backend/base/json-framing.h"
#include "backend/base/json.h"
#include "backend/qmp/peer-schema.h"
#include "commands/report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_history(json_object *replies)
{
    History *history = history_new();
    static const char *const moves[] = { "setup", "active", "completed" };

    history_set_peer(history, json_text(replies, "peer"));
    for (size_t i = 0; i < G_N_ELEMENTS(moves); i++) {
        history_status(history, moves[i], (int64_t)i);
        history_seen(history, json_member(replies, "query-migrate"),
                     json_member(replies, "query-migrate-parameters"));
        history_seen(history, replies, replies);
    }
    history_status(history, json_text(json_member(replies, "query-migrate"), "status"), 9);
    json_object_put(history_to_json(history));
    history_free(history);
}

static void read_schema(json_object *list)
{
    g_autoptr(PeerSchema) schema = peer_schema_new(list);

    peer_schema_has_command(schema, "migrate");
    peer_schema_has_argument(schema, "migrate", "channels");
    peer_schema_has_capability(schema, "events");
    peer_schema_has_parameter(schema, "max-bandwidth");
    json_object_put(peer_schema_parameters(schema));
    json_object_put(peer_schema_capabilities(schema));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(JsonFramer) framer = json_framer_new();
    json_object *replies = NULL;

    json_framer_feed(framer, data, size);
    while (json_framer_next(framer, &replies, NULL) == JSON_FRAME_VALUE) {
        for (int format = 0; format < REPORT__COUNT; format++) {
            g_autofree char *text = report_make(replies, (ReportFormat)format, 1700000000000000);

            g_assert(g_utf8_validate(text, -1, NULL));
        }
        make_history(replies);
        read_schema(replies);
        read_schema(json_member(replies, "query-qmp-schema"));
        json_object_put(replies);
    }
    return 0;
}
