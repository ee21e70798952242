/*
 * Values of parameters that are numbers, each with its meaning in units. A
 * number that is being typed is offered with each suffix that keeps it in
 * range.
 */
#include "completion/sources.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/size.h"

#define MIB (UINT64_C(1) << 20)

/* @text as the monitor parses it, with its unit; NULL when the monitor refuses it. Caller frees. */
static char *interpret(const ParamDesc *row, const char *text)
{
    g_autoptr(GError) error = NULL;
    json_object *value = param_value_from_text(row, text, &error);
    char *note = NULL;

    if (value) {
        uint64_t number = json_object_get_uint64(value);

        if (number >= row->min && number <= row->max) {
            note = param_value_for_people(row, value);
        }
        json_object_put(value);
    }
    return note;
}

/* A text that the monitor parses as @number. Caller frees. */
static char *write_number(const ParamDesc *row, uint64_t number)
{
    bool mib = row->kind == PARAM_MIB_SIZE;
    bool bytes = g_str_has_prefix(row->unit, "bytes");

    if ((mib || bytes) && number > 0 && number % MIB == 0) {
        return g_strdup_printf("%" PRIu64 "M", number / MIB);
    }
    return g_strdup_printf("%" PRIu64 "%s", number, mib && number > 0 ? "B" : "");
}

static void offer(Source *source, const ParamDesc *row, uint64_t number, const char *what)
{
    g_autofree char *text = write_number(row, number);
    g_autofree char *meaning = interpret(row, text);

    if (meaning) {
        g_autofree char *note = g_strdup_printf("%s, %s", meaning, what);

        source_add(source, text, note, true);
    }
}

static void offer_suffixes(Source *source, const ParamDesc *row)
{
    static const char *const suffixes[] = { "", "B", "K", "M", "G", "T" };
    const char *typed = source->prefix;
    bool scaled = row->kind == PARAM_MIB_SIZE || row->kind == PARAM_BYTE_SIZE;

    /* K and M would be accepted for milliseconds, but they are not useful. */
    for (size_t i = 0;
         i < (scaled && g_str_has_prefix(row->unit, "bytes") ? G_N_ELEMENTS(suffixes) : 1); i++) {
        g_autofree char *text = g_strconcat(typed, suffixes[i], NULL);
        g_autofree char *note = interpret(row, text);

        if (note) {
            source_add(source, text, note, true);
        }
    }
}

void source_list_numbers(Source *source, const ParamDesc *row)
{
    if (*source->prefix != '\0') {
        offer_suffixes(source, row);
        return;
    }
    offer(source, row, row->initial, "default");
    offer(source, row, row->min, "least");
    if (row->max < UINT32_MAX) {
        offer(source, row, row->max, "most");
    }
}
