/*
 * See plain.h.
 */
#include "tui/plain.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/size.h"

void plain_clear(PlainState *state)
{
    g_free(state->status);
    g_free(state->owner);
    g_free(state->run_state);
    memset(state, 0, sizeof(*state));
}

/* Names and texts of a peer may hold any byte. */
static void make_printable(GString *text)
{
    for (size_t i = 0; i < text->len; i++) {
        if (text->str[i] != '\n' && (text->str[i] < 32 || text->str[i] > 126)) {
            text->str[i] = '?';
        }
    }
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
    g_string_append_printf(out, "The migration%s%s is %s", sample_is_outgoing(now) ? " to " : "",
                           sample_is_outgoing(now) ? now->peer : "", now->status);
    if (*now->reason) {
        g_string_append_printf(out, ": %s", now->reason);
    }
    if (now->has_downtime) {
        g_string_append_printf(out, " after %.1f seconds with a pause of %" PRIu64 " ms",
                               (double)now->elapsed_ms / 1000, now->downtime_ms);
    }
    g_string_append(out, ".\n");
}

static void say_pass(GString *out, const ModelSample *now, const ModelPass *pass)
{
    g_autofree char *left = size_format(pass->remaining), *dirty = size_format(pass->dirtied);
    g_autofree char *enough = size_format(now->threshold);

    g_string_append_printf(out, "Pass %" PRIu64 " ended: %s were dirtied again, %s are to go",
                           pass->number, dirty, left);
    if (now->threshold > 0) {
        g_string_append_printf(out, ", %s fit into the pause", enough);
    }
    g_string_append(out, ".\n");
}

static void say_settings(GString *out, PlainState *state, const ModelSample *now)
{
    if (state->begun && state->limit != now->limit) {
        g_autofree char *limit = size_format(now->limit);

        g_string_append_printf(out, "The bandwidth limit is now %s%s.\n",
                               now->limit > 0 ? limit : "off", now->limit > 0 ? " a second" : "");
    }
    if (state->begun && state->downtime_limit_ms != now->downtime_limit_ms) {
        g_string_append_printf(out, "The longest pause is now %" PRIu64 " ms.\n",
                               now->downtime_limit_ms);
    }
    state->limit = now->limit;
    state->downtime_limit_ms = now->downtime_limit_ms;
}

static void say_progress(GString *out, PlainState *state, const ModelSample *now)
{
    int tenth = (int)(now->progress * 10);

    if (sample_is_running(now) && sample_is_outgoing(now) && tenth > state->tenth) {
        g_autofree char *rate = size_format(now->rate), *dirty = size_format(now->dirty_rate);

        g_string_append_printf(out,
                               "It is %d percent of the way, sends %s a second; the guest dirties "
                               "%s a second.\n",
                               tenth * 10, rate, dirty);
        state->tenth = tenth;
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
    if (has_changed(&state->owner, now->owner) && *now->owner) {
        g_string_append_printf(out, "The guest is %s: %s.\n", now->owner, now->evidence);
    }
    if (has_changed(&state->run_state, now->run_state) && *now->run_state) {
        g_string_append_printf(out, "The guest's state here is %s.\n", now->run_state);
    }
    say_settings(out, state, now);
    state->begun = true;
    make_printable(out);
    return g_string_free(out, FALSE);
}
