/*
 * See qmp-hmp.h. Main thread.
 */
#include "monitor/server/qmp-hmp.h"

#include <glib.h>
#include <string.h>

#include "commands/hmp/hmp.h"

struct QmpHmp {
    Hmp *hmp;
    GString *output; /* of the running line, else NULL */
    void (*done)(const char *text, void *data);
    void *data;
};

static void on_print(const char *text, void *data)
{
    QmpHmp *hmp = data;

    /* Text printed between two lines belongs to no reply and is dropped. */
    while (hmp->output != NULL && *text != '\0') {
        size_t length = strcspn(text, "\n");

        g_string_append_len(hmp->output, text, (ssize_t)length);
        text += length;
        if (*text == '\n') {
            g_string_append(hmp->output, "\r\n");
            text++;
        }
    }
}

static void on_line_done(HmpResult result, void *data)
{
    QmpHmp *hmp = data;
    GString *output = g_steal_pointer(&hmp->output);
    g_autofree char *text = g_utf8_make_valid(output->str, (ssize_t)output->len);

    (void)result; /* a failed command is a successful reply with its text */
    g_string_free(output, TRUE);
    hmp->done(text, hmp->data);
}

QmpHmp *qmp_hmp_new(Backend *backend, BackendSession *session)
{
    static const HmpCallbacks callbacks = { .print = on_print };
    QmpHmp *hmp = g_new0(QmpHmp, 1);

    hmp->hmp = hmp_new_with_session(command_table, backend, session, &callbacks, hmp, HMP_NO_WAIT);
    return hmp;
}

void qmp_hmp_free(QmpHmp *hmp)
{
    if (hmp == NULL) {
        return;
    }
    hmp_free(hmp->hmp);
    if (hmp->output != NULL) {
        g_string_free(hmp->output, TRUE);
    }
    g_free(hmp);
}

void qmp_hmp_run(QmpHmp *hmp, const char *line, void (*done)(const char *text, void *data),
                 void *data)
{
    g_assert(hmp->output == NULL);
    hmp->output = g_string_new(NULL);
    hmp->done = done;
    hmp->data = data;
    hmp_execute(hmp->hmp, line, on_line_done, hmp);
}

bool qmp_hmp_is_busy(const QmpHmp *hmp)
{
    return hmp != NULL && hmp->output != NULL;
}
