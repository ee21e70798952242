/*
 * See history.h.
 */
#include "backend/tables/history.h"

#include <glib.h>

#include "backend/base/json.h"
#include "backend/base/size.h"

const PausePartDesc pause_parts[PAUSE__COUNT] = {
#define MIG_PAUSE_PART(mark, member, name) { member, name },
#include "backend/tables/history.def"
};

const SampleFigureDesc sample_figures[SAMPLE__COUNT] = {
#define MIG_SAMPLE(id, counter, factor, member, name, unit, kind) { member, name, unit },
#include "backend/tables/history.def"
};

const TimeKindDesc time_kinds[TIME__COUNT] = {
#define MIG_TIME(id, counter, member, name) { member, name, SAMPLE_##id },
#include "backend/tables/history.def"
};

static void add_int(json_object *object, const char *member, int64_t value)
{
    json_object_object_add(object, member, json_object_new_int64(value));
}

static void add_uint(json_object *object, const char *member, uint64_t value)
{
    json_object_object_add(object, member, json_object_new_uint64(value));
}

static json_object *counts_to_json(const MigPass *pass)
{
    json_object *list = json_object_new_array();

    for (unsigned i = 0; i < pass->n_counts; i++) {
        json_object *o = json_object_new_object();

        add_int(o, "time-us", pass->counts[i].us);
        add_uint(o, "dirtied-pages", pass->counts[i].pages);
        json_object_array_add(list, o);
    }
    return list;
}

json_object *history_pass_to_json(const MigPass *pass, int64_t start_us)
{
    json_object *o = json_object_new_object();
    int64_t duration = MAX(pass->end_us - pass->start_us, 1);

    add_uint(o, "pass", pass->number);
    add_int(o, "start-ms", (pass->start_us - start_us) / 1000);
    add_int(o, "duration-ms", duration / 1000);
    add_int(o, "duration-us", duration);
#define MIG_PASS(field, member)                                                                    \
    if (pass->field != HISTORY_UNKNOWN) {                                                          \
        add_uint(o, member, pass->field);                                                          \
    }
#include "backend/tables/history.def"
    add_uint(o, "bytes-per-second", saturate_u64((double)pass->bytes * 1e6 / (double)duration));
    if (pass->n_counts > 0) {
        json_object_object_add(o, "counts", counts_to_json(pass));
    }
    return o;
}

uint64_t history_count_passes(json_object *history)
{
    json_object *passes = json_list(history, "passes");
    uint64_t first = json_number(json_at(passes, 0), "pass");

    return json_length(passes) + (first > 0 ? first - 1 : 0);
}

json_object *history_state_to_json(const char *status, int64_t time_us, int64_t wall_us,
                                   int64_t start_us)
{
    json_object *o = json_object_new_object();

    json_object_object_add(o, "status", json_object_new_string(status));
    add_int(o, "time-ms", (time_us - start_us) / 1000);
    add_int(o, "wall-us", wall_us);
    return o;
}

char *history_time_text(json_object *time)
{
    GString *text = g_string_new(NULL);
    uint64_t us[TIME__COUNT], all = 0;

    for (int i = 0; i < TIME__COUNT; i++) {
        us[i] = json_object_get_uint64(json_object_object_get(time, time_kinds[i].member));
        all += us[i];
    }
    for (int n = 0; n < TIME__COUNT; n++) {
        int most = 0;

        for (int i = 1; i < TIME__COUNT; i++) {
            most = us[i] > us[most] ? i : most;
        }
        uint64_t percent = all > 0 ? (us[most] * 100 + all / 2) / all : 0;
        if (percent == 0) {
            break;
        }
        g_string_append_printf(text, "%s%s %" G_GUINT64_FORMAT " %%", n > 0 ? ", " : "",
                               time_kinds[most].name, percent);
        us[most] = 0;
    }
    return g_string_free(text, FALSE);
}
