/*
 * The verdict on convergence. See verdict.h.
 *
 * A pass sends pages, and the guest dirties others meanwhile. When it dirties
 * about as much as is sent, more passes do not help; only a longer pause,
 * more bandwidth or a slower guest do.
 */
#include "backend/tables/verdict.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/size.h"

/* Above this share of dirtied to sent bytes a pass makes no progress. */
#define STALL_PERCENT 90

static uint64_t pause_ms(const VerdictFacts *facts)
{
    return saturate_u64((double)facts->remaining * 1000.0 / (double)facts->bandwidth);
}

VerdictKind verdict_of(const VerdictFacts *facts)
{
    if (facts->bandwidth == 0 || facts->duration_us <= 0) {
        return VERDICT_OPEN;
    }
    if (pause_ms(facts) <= facts->limit_ms) {
        return VERDICT_FITS;
    }
    return (double)facts->dirtied * 100.0 >= (double)facts->sent * STALL_PERCENT
               ? VERDICT_NEVER
               : VERDICT_CONVERGES;
}

static char *time_text(uint64_t ms, int decimals)
{
    return ms < 100 ? g_strdup_printf("%" PRIu64 " ms", ms)
                    : g_strdup_printf("%.*f s", decimals, (double)ms / 1000.0);
}

/* As short as possible, but a pause above the limit never gets the same text as the limit. */
static void pause_texts(const VerdictFacts *facts, char **ret_pause, char **ret_limit)
{
    g_autofree char *pause = time_text(pause_ms(facts), 1);
    g_autofree char *limit = time_text(facts->limit_ms, 1);
    int decimals = strcmp(pause, limit) == 0 ? 2 : 1;

    *ret_pause = time_text(pause_ms(facts), decimals);
    *ret_limit = time_text(facts->limit_ms, decimals);
}

/* Short: the whole line has to fit into 80 columns. */
char *verdict_text(const VerdictFacts *facts)
{
    VerdictKind kind = verdict_of(facts);

    if (kind == VERDICT_OPEN) {
        return g_strdup("");
    }
    g_autofree char *pause = NULL, *limit = NULL;
    pause_texts(facts, &pause, &limit);
    if (kind == VERDICT_FITS) {
        return g_strdup_printf("will finish: pause %s, limit %s", pause, limit);
    }
    if (kind == VERDICT_CONVERGES) {
        return g_strdup_printf("should finish: pause %s now, limit %s, less after each pass", pause,
                               limit);
    }
    g_autofree char *dirty =
        size_format(saturate_u64((double)facts->dirtied * 1e6 / (double)facts->duration_us));
    g_autofree char *sent = size_format(facts->bandwidth);
    return g_strdup_printf("will not finish: dirtied %s/s, sent %s/s; pause %s, limit %s", dirty,
                           sent, pause, limit);
}

char *verdict_advice(const VerdictFacts *facts)
{
    if (verdict_of(facts) != VERDICT_NEVER) {
        return g_strdup("");
    }
    /* A tenth more than the present pause, rounded up to a step that people would choose. */
    uint64_t ms = pause_ms(facts) * 11 / 10;
    uint64_t step = ms < 1000 ? 50 : ms < 10000 ? 500 : 5000;

    return g_strdup_printf("migrate_set_parameter downtime-limit %" PRIu64 " accepts that pause; "
                           "or raise max-bandwidth; auto-converge would slow the guest down, "
                           "postcopy-ram move it as it is",
                           (ms + step - 1) / step * step);
}
