/*
 * info history: the lines that this monitor was given. A line that comes again moves to the end;
 * the oldest go. A QMP client's lines are not kept, as nobody typed them.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

enum { MAX_LINES = 64 };

static int compare_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

void recent_note(Hmp *hmp, const char *line)
{
    GList *same = g_queue_find_custom(&hmp->lines, line, compare_text);

    if (hmp->flags & HMP_NO_WAIT) {
        return;
    }
    if (same) {
        g_free(same->data);
        g_queue_delete_link(&hmp->lines, same);
    }
    g_queue_push_tail(&hmp->lines, g_strdup(line));
    if (g_queue_get_length(&hmp->lines) > MAX_LINES) {
        g_free(g_queue_pop_head(&hmp->lines));
    }
}

static void run_history(HmpCall *call)
{
    unsigned i = 0;

    for (GList *line = call->hmp->lines.head; line; line = line->next) {
        call_print(call, "%u: '%s'\n", i++, (const char *)line->data);
    }
    call_finish(call, HMP_OK);
}

const Command info_history = {
    .name = "history",
    .params = "",
    .help = "show the command line history",
    .run = run_history,
};
