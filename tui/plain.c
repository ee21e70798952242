/*
 * See plain.h.
 */
#include "tui/plain.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/shown.h"
#include "backend/base/size.h"

void plain_clear(PlainState *state)
{
    g_free(state->status);
    g_free(state->owner);
    g_free(state->run_state);
    g_free(state->verdict);
    memset(state, 0, sizeof(*state));
}

static bool has_changed(char **place, const char *now)
{
    if (g_strcmp0(*place, now) == 0) {
        return false;
    }
    g_free(*place);
    *place = g_strdup(now);
    return true;
}

static void say_status(GString *out, const ModelSample *now)
{
    if (*now->status == '\0') {
        g_string_append(out, "There was no migration yet.\n");
        return;
    }
    if (strcmp(now->direction, "snapshot") == 0) {
        g_string_append(out, "A snapshot of the guest was saved.\n");
        return;
    }
    if (sample_is_outgoing(now)) {
        shown_append(out, "The migration %s%s is %s", *now->peer ? "to " : "started elsewhere",
                     now->peer, now->status);
    } else {
        shown_append(out, "The migration is %s", now->status);
    }
    if (*now->reason) {
        shown_append(out, ": %s", now->reason);
    }
    if (now->has_downtime) {
        shown_append(out, " after %.1f seconds with a pause of %" PRIu64 " ms",
                     (double)now->elapsed_ms / 1000, now->downtime_ms);
    }
    g_string_append(out, ".\n");
}

static void say_pass(GString *out, const ModelSample *now, const ModelPass *pass)
{
    g_autofree char *left = size_format(pass->remaining), *dirty = model_pass_dirtied(pass);
    g_autofree char *enough = size_format(now->threshold);

    shown_append(out, "Pass %" PRIu64 " ended: %s%s%s are to go", pass->number, dirty,
                 pass->knows_dirtied ? " were dirtied again, " : "", left);
    if (now->threshold > 0) {
        shown_append(out, ", %s fit into the pause", enough);
    }
    g_string_append(out, ".\n");
}

static void say_settings(GString *out, PlainState *state, const ModelSample *now)
{
    if (state->begun && state->limit != now->limit) {
        g_autofree char *limit = size_format(now->limit);

        shown_append(out, "The bandwidth limit is now %s%s.\n", now->limit > 0 ? limit : "off",
                     now->limit > 0 ? " a second" : "");
    }
    if (state->begun && state->downtime_limit_ms != now->downtime_limit_ms) {
        shown_append(out, "The longest pause is now %" PRIu64 " ms.\n", now->downtime_limit_ms);
    }
    state->limit = now->limit;
    state->downtime_limit_ms = now->downtime_limit_ms;
}

static void say_progress(GString *out, PlainState *state, const ModelSample *now)
{
    int tenth = (int)(now->progress * 10);

    if (sample_is_running(now) && sample_is_outgoing(now) && tenth > state->tenth) {
        g_autofree char *rate = size_format(now->rate), *dirty = size_format(now->dirty_rate);

        shown_append(out, "It is %d percent of the way, sends %s a second", tenth * 10, rate);
        if (now->knows_dirty) {
            shown_append(out, "; the guest dirties %s a second", dirty);
        }
        g_string_append(out, ".\n");
        state->tenth = tenth;
    }
}

/* Only a change of the verdict, not each of its figures. */
static void say_verdict(GString *out, PlainState *state, const ModelSample *now)
{
    static const char *const kinds[] = { "will finish", "will not finish", "not yet clear" };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_str_has_prefix(now->verdict, kinds[i]) && has_changed(&state->verdict, kinds[i])) {
            g_string_append_printf(out, "Forecast: %s.\n", now->verdict);
        }
    }
}

char *plain_say(PlainState *state, const TuiModel *model)
{
    const ModelSample *now = model_now(model);
    GString *out = g_string_new(NULL);

    if (now->attempt != state->attempt) {
        state->attempt = now->attempt;
        state->tenth = 0;
        state->end_pass = now->first_pass;
    }
    if (has_changed(&state->status, now->status)) {
        say_status(out, now);
    }
    for (; state->end_pass < now->end_pass; state->end_pass++) {
        const ModelPass *pass = model_pass(model, state->end_pass);

        if (pass) {
            say_pass(out, now, pass);
        }
    }
    say_progress(out, state, now);
    say_verdict(out, state, now);
    if (has_changed(&state->owner, now->owner) && *now->owner) {
        shown_append(out, "The guest is %s: %s.\n", now->owner, now->evidence);
    }
    if (has_changed(&state->run_state, now->run_state) && *now->run_state) {
        shown_append(out, "The guest's state here is %s.\n", now->run_state);
    }
    say_settings(out, state, now);
    state->begun = true;
    g_autofree char *text = g_string_free(out, FALSE);
    return g_str_to_ascii(text, "C");
}
