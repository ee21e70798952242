/*
 * Parameters and capabilities: one line each, checked by the tables of the
 * backend before a command is made of an edit.
 */
#include <string.h>

#include "backend/base/json.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"
#include "backend/tables/rules.h"
#include "tui/ui-internal.h"

unsigned settings_count(void)
{
    return (unsigned)param_count + CAPABILITY__COUNT;
}

static bool is_supported(unsigned index)
{
    return index >= param_count ? capability_table[index - param_count].supported
                                : param_table[index].supported;
}

/* Index of a row into both tables, one after the other; rows that can be changed come first. */
static unsigned index_of(unsigned row)
{
    unsigned n = 0;

    for (int supported = 1; supported >= 0; supported--) {
        for (unsigned i = 0; i < settings_count(); i++) {
            if (is_supported(i) == (supported == 1) && n++ == row) {
                return i;
            }
        }
    }
    g_assert_not_reached();
}

static const CapabilityDesc *capability_of(unsigned row)
{
    return &capability_table[index_of(row) - param_count];
}

static const ParamDesc *param_of(unsigned row)
{
    return &param_table[index_of(row)];
}

bool settings_is_switch(unsigned row)
{
    return index_of(row) >= param_count;
}

const char *settings_name(unsigned row)
{
    return settings_is_switch(row) ? capability_of(row)->name : param_of(row)->name;
}

static const char *settings_help(unsigned row)
{
    return settings_is_switch(row) ? capability_of(row)->help : param_of(row)->help;
}

const char *settings_refusal(unsigned row)
{
    if (settings_is_switch(row)) {
        return capability_of(row)->supported ? NULL : "has no effect in this build";
    }
    if (param_of(row)->kind == PARAM_MAPPING) {
        return "can be set over QMP only";
    }
    return param_of(row)->supported ? NULL : "has no effect in this build";
}

/* The capabilities as the set that they are. */
static MigCapabilities capabilities_of(const Ui *ui)
{
    json_object *list = model_reply_capabilities(ui->model);
    size_t n = json_length(list);
    MigCapabilities set = 0;
    MigCapability id;

    for (size_t i = 0; i < n; i++) {
        json_object *row = json_at(list, i);
        const char *name = json_text(row, "capability");

        if (capability_find(name, &id) && json_flag(row, "state")) {
            set |= CAPABILITY_BIT(id);
        }
    }
    return set;
}

bool settings_is_on(const Ui *ui, MigCapability capability)
{
    return capability_is_on(capabilities_of(ui), capability);
}

static char *value_for_people(const Ui *ui, unsigned row)
{
    json_object *value;

    if (settings_is_switch(row)) {
        return g_strdup(settings_is_on(ui, index_of(row) - (unsigned)param_count) ? "on" : "off");
    }
    value = json_member(model_reply_parameters(ui->model), param_of(row)->name);
    return value ? param_value_for_people(param_of(row), value) : g_strdup("");
}

char *settings_value(const Ui *ui, unsigned row)
{
    json_object *value;

    if (settings_is_switch(row)) {
        return value_for_people(ui, row);
    }
    value = json_object_object_get(model_reply_parameters(ui->model), param_of(row)->name);
    /* A number without a suffix means MiB. */
    if (value && param_of(row)->kind == PARAM_MIB_SIZE) {
        return g_strdup_printf("%" G_GUINT64_FORMAT "B", json_object_get_uint64(value));
    }
    if (value && param_of(row)->kind == PARAM_BOOL) {
        return g_strdup(json_object_get_boolean(value) ? "on" : "off");
    }
    return g_strdup(value ? json_object_get_string(value) : "");
}

/* The rules that need no more than the capabilities; the request asks the others. */
static bool check_capability(const Ui *ui, MigCapability id, bool on, GError **error)
{
    MigCapabilities set = capabilities_of(ui), bit = CAPABILITY_BIT(id);
    const Facts facts = { .capabilities = on ? set | bit : set & ~bit };

    return rules_allow(RULE_CAPABILITIES, &facts, error);
}

static bool check_parameter(const ParamDesc *desc, const char *text, GError **error)
{
    json_object *value = param_value_from_text(desc, text, error);
    json_object *args;
    MigParameters parameters;
    bool good;

    if (!value) {
        return false;
    }
    args = json_object_new_object();
    json_object_object_add(args, desc->name, value);
    parameters_init(&parameters);
    good = parameters_apply(&parameters, args, NULL, NULL, error);
    parameters_clear(&parameters);
    json_object_put(args);
    return good;
}

/* @text as one word of a monitor line. */
static char *quoted(const char *text)
{
    GString *out;

    if (*text != '\0' && text[strcspn(text, " \t\"'\\#$")] == '\0') {
        return g_strdup(text);
    }
    out = g_string_new("\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
    return g_string_free(out, FALSE);
}

char *settings_command(const Ui *ui, unsigned row, const char *text, GError **error)
{
    const char *name = settings_name(row);

    if (settings_is_switch(row)) {
        bool on = strcmp(text, "on") == 0;

        return check_capability(ui, (MigCapability)(index_of(row) - param_count), on, error)
                   ? g_strdup_printf("migrate_set_capability %s %s", name, on ? "on" : "off")
                   : NULL;
    }
    if (!check_parameter(param_of(row), text, error)) {
        return NULL;
    }

    g_autofree char *word = quoted(text);

    return g_strdup_printf("migrate_set_parameter %s %s", name, word);
}

/* Help of the selected row, which may be cut in its row, or the error of the last edit. */
static void draw_settings_hint(const Ui *ui, Rect area, Canvas *canvas)
{
    Style style = ui->input_error ? STYLE_BAD : STYLE_DIM;
    g_autofree char *text =
        ui->input_error ? g_strdup(ui->input_error)
                        : g_strdup_printf("Enter %s; %s",
                                          settings_is_switch(ui->selected) ? "turns it on or off"
                                                                           : "edits the value",
                                          settings_help(ui->selected));
    g_autofree char *shown = canvas_fit(text, area.w);

    if (area.h > 0) {
        canvas_fill(canvas, (Rect){ area.x, area.y + area.h - 1, area.w, 1 }, style, ' ');
        canvas_text(canvas, area, 0, area.h - 1, style, shown);
    }
}

void pane_draw_settings(const Ui *ui, Rect area, Canvas *canvas)
{
    unsigned n = settings_count(), rows = (unsigned)MAX(area.h - 1, 0);
    unsigned top = ui->selected >= rows && rows > 0 ? ui->selected - rows + 1 : 0;
    int name_width = MIN(29, area.w / 2), value_width = 18;

    for (unsigned i = 0; i < rows && top + i < n; i++) {
        unsigned row = top + i;
        const char *refusal = settings_refusal(row);
        bool edited =
            row == ui->selected && ui->overlay == OVERLAY_INPUT && ui->input_for == INPUT_SETTING;
        Style style = refusal ? STYLE_DIM : STYLE_NORMAL;
        g_autofree char *value =
            edited ? g_strconcat(ui->input->str, "_", NULL) : value_for_people(ui, row);
        g_autofree char *shown = canvas_fit(value, value_width);
        Rect line = { area.x, area.y + (int)i, area.w, 1 };

        canvas_printf(canvas, line, 0, 0, style, "%c %s", settings_is_switch(row) ? '+' : ' ',
                      settings_name(row));
        canvas_fill(canvas, (Rect){ area.x + name_width, line.y, area.w - name_width, 1 }, style,
                    ' ');
        canvas_text(canvas, line, name_width, 0, style, edited ? value : shown);
        if (!edited) {
            canvas_text(canvas, line, name_width + value_width + 1, 0, STYLE_DIM,
                        refusal ? refusal : settings_help(row));
        }
        if (row == ui->selected) {
            canvas_paint(canvas, line, edited ? STYLE_FOUND : STYLE_SELECT);
        }
    }
    draw_settings_hint(ui, area, canvas);
}

void pane_scroll_settings(Ui *ui, int lines)
{
    ui->selected = (unsigned)CLAMP((int)ui->selected + lines, 0, (int)settings_count() - 1);
}
