/*
 * Stores the content of replies and events in the model. A member that a reply
 * does not have reads as empty or 0, because another version of a backend can
 * have fewer members.
 */
#include <string.h>

#include "backend/base/json.h"
#include "backend/base/size.h"
#include "tui/model-internal.h"

/* ---- replies ---- */

static void take_migrate(TuiModel *model, json_object *reply)
{
    ModelSample *now = &model->now;
    json_object *ram = json_member(reply, "ram");
    double mbps = json_real(ram, "mbps");

    model_set_text(&now->status, json_text(reply, "status"));
    model_set_text(&now->reason, json_text(reply, "error-desc"));
    if (json_number(reply, "total-time") > 0 || strcmp(now->status, "setup") == 0) {
        now->elapsed_ms = json_number(reply, "total-time");
    }
    now->has_downtime = json_object_object_get_ex(reply, "downtime", NULL);
    now->downtime_ms = json_number(reply, "downtime");
    if (!ram && now->has_ram && !sample_is_running(now) && *now->status) {
        /* QEMU reports no RAM after a failure or a cancel: keep the last figures. */
        now->rate = now->dirty_rate = 0;
        return;
    }
    now->has_ram = ram != NULL;
    now->total = json_number(ram, "total");
    now->remaining = json_number(ram, "remaining");
    now->transferred = json_number(ram, "transferred");
    now->sync_count = json_number(ram, "dirty-sync-count");
    now->dirty_rate = json_number(ram, "dirty-pages-rate") * json_number(ram, "page-size");
    now->rate = mbps > 0 && mbps < 1e12 ? (uint64_t)(mbps * 125000) : 0;
}

static void begin_attempt(TuiModel *model, int64_t began_us)
{
    ModelSample *now = &model->now;

    model->began_us = began_us;
    model->last_number = 0;
    now->attempt++;
    now->progress = 0;
    now->has_ram = now->knows_dirty = false;
    now->first_pass = now->end_pass;
    memset(&now->downtime, 0, sizeof(now->downtime));
    model_set_map(model, NULL);
}

char *model_pass_dirtied(const ModelPass *pass)
{
    return pass->knows_dirtied ? size_format(pass->dirtied) : g_strdup("");
}

static void take_pass(TuiModel *model, json_object *reply)
{
    uint64_t page_size = json_number(json_member(model->migrate, "ram"), "page-size");
    ModelPass pass = {
        .number = json_number(reply, "pass"),
        .duration_ms = json_number(reply, "duration-ms"),
        .end_ms = json_number(reply, "start-ms") + json_number(reply, "duration-ms"),
        .bytes = json_number(reply, "bytes"),
        .dirtied = json_number(reply, "dirtied-pages") * (page_size ? page_size : 4096),
        .remaining = json_number(reply, "remaining-bytes"),
        .knows_dirtied = json_member(reply, "dirtied-pages") != NULL,
    };
    g_autofree char *dirtied = model_pass_dirtied(&pass);
    g_autofree char *left = size_format(pass.remaining);

    model->now.knows_dirty |= pass.knows_dirtied;
    model->last_number = pass.number;
    model_add_pass(model, &pass);
    model_log(model, LEVEL_DEBUG, model->now_us, model->wall_us,
              "pass %" G_GUINT64_FORMAT " ended: %s%s%s to go", pass.number, dirtied,
              pass.knows_dirtied ? " dirtied again, " : "", left);
}

static void take_downtime(TuiModel *model, json_object *reply)
{
    ModelDowntime *downtime = &model->now.downtime;

    downtime->known = json_object_is_type(reply, json_type_object);
    for (int i = 0; downtime->known && i < PAUSE__COUNT; i++) {
        downtime->part[i] = json_number(reply, pause_parts[i].member);
    }
    downtime->total = json_number(reply, "total-us");
}

/* The shares of the last second while the migration runs, and of the whole migration afterwards. */
static void take_time(ModelSample *now, json_object *history)
{
    json_object *newest = json_member(history, "time-last-second");
    g_autofree char *shares = history_time_text(newest ? newest : json_member(history, "time"));

    model_set_text(&now->time, shares);
}

static void take_history(TuiModel *model, json_object *reply)
{
    ModelSample *now = &model->now;
    json_object *passes = json_member(reply, "passes"), *states = json_member(reply, "states");
    json_object *first = json_at(states, 0);
    int64_t began_us = (int64_t)json_number(first, "wall-us");
    size_t begin = json_length(passes);

    if (first && (model->began_us != began_us || now->attempt == 0)) {
        begin_attempt(model, began_us);
    }
    model_set_text(&now->direction, json_text(reply, "direction"));
    model_set_text(&now->peer, json_text(reply, "peer"));
    model_set_text(&now->outcome, json_text(reply, "outcome"));
    model_set_text(&now->verdict, json_text(reply, "verdict"));
    model_set_text(&now->advice, json_text(reply, "advice"));
    take_time(now, reply);
    now->threshold = json_number(reply, "threshold-bytes");
    /* A destination reports the time in its history only. */
    if (json_number(model->migrate, "total-time") == 0) {
        now->elapsed_ms = json_number(reply, "elapsed-ms");
    }
    take_downtime(model, json_member(reply, "downtime"));
    while (begin > 0 && json_number(json_at(passes, begin - 1), "pass") > model->last_number) {
        begin--;
    }
    for (size_t i = begin; i < json_length(passes); i++) {
        take_pass(model, json_at(passes, i));
    }
}

static void take_owner(TuiModel *model, json_object *reply)
{
    model_set_text(&model->now.owner, json_text(reply, "owner"));
    model_set_text(&model->now.evidence, json_text(reply, "evidence"));
}

static void take_status(TuiModel *model, json_object *reply)
{
    model_set_text(&model->now.run_state, json_text(reply, "status"));
}

static void take_name(TuiModel *model, json_object *reply)
{
    g_free(model->name);
    model->name = g_strdup(json_text(reply, "name"));
}

static void take_parameters(TuiModel *model, json_object *reply)
{
    model->now.limit = json_number(reply, "max-bandwidth");
    model->now.downtime_limit_ms = json_number(reply, "downtime-limit");
}

static uint8_t share(uint64_t part, uint64_t whole, unsigned full)
{
    double value = whole ? (double)part * full / (double)whole : 0;

    return part == 0 ? 0 : (uint8_t)CLAMP(value, 1, 255);
}

static void take_map(TuiModel *model, json_object *reply)
{
    json_object *data = json_member(reply, "data"), *dirty = json_member(reply, "dirty");
    json_object *sent = json_member(reply, "sent");
    size_t n = MIN(json_length(data), MIN(json_length(dirty), json_length(sent)));
    HeatMap *map;

    if (n == 0 || n > 65536) {
        model_set_map(model, NULL);
        return;
    }
    map = g_new0(HeatMap, 1);
    map->refs = 1;
    map->n = (unsigned)n;
    map->pages_per_cell = json_number(reply, "pages-per-cell");
    map->data = g_malloc(n);
    map->dirty = g_malloc(n);
    map->sent = g_malloc(n);
    for (size_t i = 0; i < n; i++) {
        uint64_t full = json_object_get_uint64(json_at(data, i));

        map->data[i] = share(full, map->pages_per_cell, 255);
        map->dirty[i] = share(json_object_get_uint64(json_at(dirty, i)), map->pages_per_cell, 255);
        map->sent[i] =
            share(json_object_get_uint64(json_at(sent, i)), full ? full : map->pages_per_cell, 16);
    }
    model_set_map(model, map);
}

/* The commands whose replies the model reads. @kept: offset of the member that holds the whole
 * reply, 0 = not kept. */
static const struct {
    const char *command;
    void (*take)(TuiModel *model, json_object *reply);
    size_t kept;
} replies[] = {
    { "query-migrate", take_migrate, offsetof(TuiModel, migrate) },
    { "x-query-migrate-history", take_history, offsetof(TuiModel, history) },
    { "x-query-owner", take_owner, 0 },
    { "query-status", take_status, 0 },
    { "query-name", take_name, 0 },
    { "x-query-guest", NULL, offsetof(TuiModel, guest) },
    { "x-query-target", NULL, offsetof(TuiModel, target) },
    { "query-migrate-parameters", take_parameters, offsetof(TuiModel, parameters) },
    { "query-migrate-capabilities", NULL, offsetof(TuiModel, capabilities) },
    { "x-query-ram-map", take_map, 0 },
};

void model_take(TuiModel *model, const char *command, json_object *reply)
{
    for (size_t i = 0; i < G_N_ELEMENTS(replies); i++) {
        if (strcmp(replies[i].command, command) != 0) {
            continue;
        }
        if (replies[i].kept > 0) {
            json_object **place = G_STRUCT_MEMBER_P(model, replies[i].kept);

            json_object_put(*place);
            *place = json_object_get(reply);
        }
        if (replies[i].take) {
            replies[i].take(model, reply);
        }
    }
}

/* ---- events ---- */

static LogLevel level_of_status(const char *status)
{
    return strcmp(status, "failed") == 0       ? LEVEL_ERROR
           : strncmp(status, "cancel", 6) == 0 ? LEVEL_WARNING
                                               : LEVEL_INFO;
}

/* An event of the attached destination. */
static void take_peer_event(TuiModel *model, json_object *data, int64_t now_us, int64_t wall_us)
{
    const char *side = json_text(data, "side"), *name = json_text(data, "event");
    const char *status = json_text(json_member(data, "data"), "status");

    if (strcmp(name, "MIGRATION") == 0) {
        model_log(model, level_of_status(status), now_us, wall_us, "%s: migration: %s", side,
                  status);
    } else if (strcmp(name, "MIGRATION_PASS") != 0) {
        model_log(model, LEVEL_INFO, now_us, wall_us, "%s: %s", side,
                  strcmp(name, "RESUME") == 0 ? "the guest runs there"
                  : strcmp(name, "STOP") == 0 ? "the guest stopped there"
                                              : name);
    }
}

void model_event(TuiModel *model, const char *name, json_object *data, int64_t now_us,
                 int64_t wall_us)
{
    if (strcmp(name, "MIGRATION") == 0) {
        const char *status = json_text(data, "status");

        model_log(model, level_of_status(status), now_us, wall_us, "migration: %s", status);
    } else if (strcmp(name, "X_NOTICE") == 0) {
        model_log(model, LEVEL_INFO, now_us, wall_us, "%s", json_text(data, "text"));
    } else if (strcmp(name, "X_PEER") == 0) {
        take_peer_event(model, data, now_us, wall_us);
    } else if (strcmp(name, "STOP") == 0) {
        model_log(model, LEVEL_INFO, now_us, wall_us, "the guest stopped here");
    } else if (strcmp(name, "RESUME") == 0) {
        model_log(model, LEVEL_INFO, now_us, wall_us, "the guest runs here");
    } else if (strcmp(name, "MIGRATION_PASS") != 0) { /* take_pass() logs passes */
        model_log(model, LEVEL_DEBUG, now_us, wall_us, "event %s", name);
    }
}

/* ---- reading ---- */

const char *model_name(const TuiModel *model)
{
    return model->name;
}

const char *model_guest(const TuiModel *model, const char *name)
{
    for (JsonEach line = json_each(model->guest); json_next(&line);) {
        if (strcmp(json_text(line.value, "name"), name) == 0) {
            return json_text(line.value, "value");
        }
    }
    return "";
}

json_object *model_target(const TuiModel *model)
{
    return json_member(model->target, "parameters") ? model->target : NULL;
}

json_object *model_ends(const TuiModel *model)
{
    json_object *ends = json_list(model->target, "ends");

    return json_length(ends) > 0 ? ends : NULL;
}

json_object *model_reply_migrate(const TuiModel *model)
{
    return model->migrate;
}

json_object *model_reply_history(const TuiModel *model)
{
    return model->history;
}

json_object *model_reply_parameters(const TuiModel *model)
{
    return model->parameters;
}

json_object *model_reply_capabilities(const TuiModel *model)
{
    return model->capabilities;
}

char *sample_to_json(const ModelSample *sample)
{
    json_object *o = json_object_new_object();
    char *line;

    json_add_integer(o, "schema", 1);
    json_add_integer(o, "time-us", sample->time_us);
    json_add_integer(o, "migration", sample->attempt);
    json_add_text(o, "status", sample->status);
    json_add_text(o, "owner", sample->owner);
    json_add_number(o, "elapsed-ms", sample->elapsed_ms);
    json_add_number(o, "total-bytes", sample->total);
    json_add_number(o, "remaining-bytes", sample->remaining);
    json_add_number(o, "transferred-bytes", sample->transferred);
    json_add_number(o, "threshold-bytes", sample->threshold);
    json_add_number(o, "bytes-per-second", sample->rate);
    json_add_number(o, "dirty-bytes-per-second", sample->dirty_rate);
    json_add_number(o, "max-bandwidth", sample->limit);
    json_add_number(o, "passes", sample->end_pass - sample->first_pass);
    if (sample->has_downtime) {
        json_add_number(o, "downtime-ms", sample->downtime_ms);
    }
    line = g_strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    json_object_put(o);
    return line;
}
