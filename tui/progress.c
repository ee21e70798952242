/*
 * The progress of a migration in one line. Pure.
 *
 * No percentage: the guest dirties memory again while it is sent, so a share
 * of the whole would run backwards. Shown is what is left to send, beside the
 * threshold below which the guest is handed over, and what was dirtied anew is
 * named as that. A line that is too long loses its least important parts.
 */
#include "tui/progress.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "backend/base/json.h"
#include "backend/base/shown.h"
#include "backend/base/size.h"
#include "backend/tables/history.h"

static json_object *last_pass(json_object *history, size_t *ret_count)
{
    json_object *passes = json_member(history, "passes");

    *ret_count = json_length(passes);
    return json_at(passes, *ret_count - 1); /* NULL when there is none */
}

static char *seconds(uint64_t ms)
{
    if (ms < 1000) {
        return g_strdup_printf("%" PRIu64 " ms", ms);
    }
    if (ms >= 3600 * 1000) {
        return g_strdup_printf("%" PRIu64 ":%02u:%02u h", ms / 3600000, (unsigned)(ms / 60000 % 60),
                               (unsigned)(ms / 1000 % 60));
    }
    return g_strdup_printf("%" PRIu64 ".%u s", ms / 1000, (unsigned)(ms / 100 % 10));
}

static uint64_t elapsed_ms(json_object *info, json_object *history)
{
    uint64_t total = json_number(info, "total-time");

    return total > 0 ? total : json_number(history, "elapsed-ms");
}

/* ---- the running line ---- */

/* Parts in the order of the line; when room is short the one with the highest rank goes first. */
typedef struct {
    const char *gap; /* before it */
    char *text;      /* NULL = nothing to say */
    unsigned rank;
} Part;

enum { MAX_PARTS = 9 };

typedef struct {
    Part part[MAX_PARTS];
    size_t n;
} Line;

static void add_part(Line *line, const char *gap, unsigned rank, char *part)
{
    g_assert(line->n < MAX_PARTS);
    line->part[line->n++] = (Part){ gap, part, rank };
}

static size_t line_length(const Line *line)
{
    size_t length = 0;

    for (size_t i = 0; i < line->n; i++) {
        if (line->part[i].text) {
            length += strlen(line->part[i].gap) + strlen(line->part[i].text);
        }
    }
    return length;
}

static void drop_least(Line *line)
{
    Part *least = NULL;

    for (size_t i = 0; i < line->n; i++) {
        Part *part = &line->part[i];

        if (part->text && (!least || part->rank > least->rank)) {
            least = part;
        }
    }
    g_assert(least != NULL);
    if (least->rank == 0) { /* the status stays, cut where it must be */
        return;
    }
    g_clear_pointer(&least->text, g_free);
}

static char *join(Line *line, int width)
{
    GString *out = g_string_new(NULL);
    size_t room = width > 0 ? (size_t)width : 0;
    size_t before = 0;

    while (line_length(line) > room && line_length(line) != before) {
        before = line_length(line);
        drop_least(line);
    }
    for (size_t i = 0; i < line->n; i++) {
        if (line->part[i].text) {
            g_string_append_printf(out, "%s%s", line->part[i].gap, line->part[i].text);
            g_free(line->part[i].text);
        }
    }
    g_string_truncate(out, MIN(out->len, room));
    return g_string_free(out, FALSE);
}

static void add_memory(Line *line, json_object *ram, json_object *history)
{
    size_t n;
    json_object *pass = last_pass(history, &n);
    uint64_t threshold = json_number(history, "threshold-bytes");
    uint64_t page_size = json_number(ram, "page-size");
    uint64_t count = json_number(ram, "dirty-sync-count");
    double mbps = json_real(ram, "mbps");
    uint64_t rate = mbps > 0 && mbps < 1e12 ? (uint64_t)(mbps * 125000) : 0;
    g_autofree char *left = size_format(json_number(ram, "remaining"));
    g_autofree char *enough = size_format(threshold);
    g_autofree char *speed = size_format(rate);

    add_part(line, " ", 2, g_strdup_printf("pass %" PRIu64, MAX(count, (uint64_t)1)));
    add_part(line, "  ", 1, g_strdup_printf("to go %s", left));
    add_part(line, " ", 5, threshold > 0 ? g_strdup_printf("(threshold %s)", enough) : NULL);
    add_part(line, "  ", 3, rate > 0 ? g_strdup_printf("%s/s", speed) : NULL);
    if (json_member(pass, "dirtied-pages") && json_number(pass, "duration-ms") > 0) {
        uint64_t dirtied = json_number(pass, "dirtied-pages") * page_size;
        g_autofree char *dirty = size_format(dirtied * 1000 / json_number(pass, "duration-ms"));
        g_autofree char *again = size_format(dirtied);

        add_part(line, "  ", 4, g_strdup_printf("dirty %s/s", dirty));
        add_part(line, " ", 7, g_strdup_printf("(pass %zu: %s dirtied again)", n, again));
    }
}

/* "will finish in about 3.0 s: ..." without what follows; NULL when there is none. */
static char *short_verdict(const char *verdict)
{
    return *verdict != '\0' ? g_strchomp(g_strndup(verdict, strcspn(verdict, ":("))) : NULL;
}

char *progress_line(json_object *info, json_object *history, int width)
{
    json_object *ram = json_member(info, "ram");
    const char *status = json_text(info, "status");
    uint64_t ms = elapsed_ms(info, history);
    Line line = { .n = 0 };

    add_part(&line, "", 0, shown_line(*status != '\0' ? status : "starting"));
    if (ram) {
        add_memory(&line, ram, history);
    }
    add_part(&line, "  ", 6, ms > 0 ? seconds(ms) : NULL);
    add_part(&line, "  ", 8, short_verdict(json_text(history, "verdict")));
    return join(&line, width);
}

/* ---- the end ---- */

char *progress_summary(json_object *info, json_object *history, json_object *owner)
{
    json_object *ram = json_member(info, "ram");
    GString *out = g_string_new(NULL);
    const char *reason = json_text(info, "error-desc");
    const char *where = json_text(owner, "owner"), *evidence = json_text(owner, "evidence");
    uint64_t ms = elapsed_ms(info, history), downtime = json_number(info, "downtime");
    uint64_t syncs = json_number(ram, "dirty-sync-count");
    uint64_t passes = history_count_passes(history);

    shown_append(out, "%s",
                 *json_text(info, "status") ? json_text(info, "status") : "no migration");
    if (*reason != '\0') {
        shown_append(out, " (%s)", reason);
    }
    if (ms > 0) {
        g_autofree char *time = seconds(ms);

        g_string_append_printf(out, ": %s in all", time);
    }
    if (json_member(info, "downtime")) {
        g_string_append_printf(out, ", downtime %" PRIu64 " ms", downtime);
    }
    if (ram) {
        g_autofree char *sent = size_format(json_number(ram, "transferred"));

        g_string_append_printf(out, ", %s sent", sent);
    }
    if (passes > 0) {
        g_string_append_printf(out, " in %" PRIu64 " pass%s", passes, passes == 1 ? "" : "es");
    } else if (syncs > 0) { /* nobody looked at it often enough to tell its passes apart */
        g_string_append_printf(out, ", %" PRIu64 " dirty sync%s", syncs, syncs == 1 ? "" : "s");
    }
    if (*where != '\0') {
        shown_append(out, "; guest: %s%s%s%s", where, *evidence ? " (" : "", evidence,
                     *evidence ? ")" : "");
    }
    return g_string_free(out, FALSE);
}
