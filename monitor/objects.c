/*
 * See objects.h. Each object is a line of a monitor of its own. Its requests are answered on the
 * main loop, which runs here until they are.
 */
#include "monitor/objects.h"

#include <string.h>

#include "backend/base/error.h"
#include "commands/hmp/hmp.h"
#include "commands/table.h"

typedef struct {
    GString *printed;
    HmpResult result;
    bool done;
} Making;

static void on_print(const char *text, void *data)
{
    g_string_append(((Making *)data)->printed, text);
}

static void on_done(HmpResult result, void *data)
{
    Making *making = data;

    making->result = result;
    making->done = true;
}

static bool make(Hmp *hmp, Making *making, const char *object, GError **error)
{
    g_autofree char *line = g_strconcat("object_add ", object, NULL);

    g_string_truncate(making->printed, 0);
    making->done = false;
    hmp_execute(hmp, line, on_done, making);
    while (!making->done) {
        g_main_context_iteration(NULL, TRUE);
    }
    if (making->result == HMP_OK) {
        return true;
    }
    const char *shown = hmp_is_secret(line) ? "secret" : object; /* not what is in it */
    return mig_fail(error, MIG_ERROR_GENERIC, "--object %s: %s", shown, hmp_failure(hmp));
}

bool objects_make(Backend *backend, char **objects, GString *hints, GError **error)
{
    static const HmpCallbacks callbacks = { .print = on_print };
    Making making = { .printed = g_string_new(NULL) };
    Hmp *hmp = hmp_new(command_table, backend, &callbacks, &making, HMP_BATCH);
    bool ok = true;

    for (char **object = objects; ok && object != NULL && *object != NULL; object++) {
        ok = make(hmp, &making, *object, error);
        if (ok) {
            g_string_append(hints, making.printed->str);
        }
        if (ok && g_str_has_prefix(*object, "secret") && strstr(*object, "data=") != NULL) {
            g_string_append(hints, "hint: other users see a secret given as data= in the list of "
                                   "processes; file=PATH reads it from a file\n");
        }
    }
    hmp_free(hmp);
    g_string_free(making.printed, TRUE);
    return ok;
}
