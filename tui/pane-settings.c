/*
 * The settings of a migration, one line each. An edit becomes a line of the monitor; for the guest
 * here it is checked by the tables first.
 */
#include <string.h>

#include "backend/base/json.h"
#include "backend/base/duration.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"
#include "backend/tables/rules.h"
#include "commands/settings.h"
#include "tui/ui-internal.h"

/* The catalogue; what can be changed comes first. */
static GArray *list_settings(const Ui *ui)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Setting));
    g_autoptr(GArray) refused = g_array_new(FALSE, FALSE, sizeof(Setting));
    Setting setting;

    for (int kind = 0; kind < SETTING__COUNT; kind++) {
        for (size_t i = 0; setting_at(model_target(ui->model), (SettingKind)kind, i, &setting);
             i++) {
            g_autofree char *refusal = setting_refusal(&setting);

            g_array_append_val(refusal ? refused : list, setting);
        }
    }
    g_array_append_vals(list, refused->data, refused->len);
    return list;
}

/* The setting of a row; the last one when what is attached has fewer than before. */
static Setting setting_of(const Ui *ui, unsigned row)
{
    g_autoptr(GArray) list = list_settings(ui);

    return g_array_index(list, Setting, MIN(row, list->len - 1));
}

unsigned settings_count(const Ui *ui)
{
    g_autoptr(GArray) list = list_settings(ui);

    return list->len;
}

static bool is_switch(const Setting *setting)
{
    return setting->kind == SETTING_CAPABILITY;
}

bool settings_is_switch(const Ui *ui, unsigned row)
{
    Setting setting = setting_of(ui, row);

    return is_switch(&setting);
}

const char *settings_name(const Ui *ui, unsigned row)
{
    return setting_of(ui, row).name;
}

static char *refusal_of(const Setting *setting)
{
    return setting->param && setting->param->kind == PARAM_MAPPING
               ? g_strdup("can be set over QMP only")
               : setting_refusal(setting);
}

char *settings_refusal(const Ui *ui, unsigned row)
{
    Setting setting = setting_of(ui, row);

    return refusal_of(&setting);
}

static bool is_on(const Ui *ui, const char *name)
{
    return capability_in(model_reply_capabilities(ui->model), name) > 0;
}

bool settings_is_on(const Ui *ui, MigCapability capability)
{
    return is_on(ui, capability_table[capability].name);
}

static json_object *value_of(const Ui *ui, const Setting *setting)
{
    return json_member(model_reply_parameters(ui->model), setting->name);
}

/* As a line of the monitor can have it. */
static char *value_text(const Ui *ui, const Setting *setting)
{
    json_object *value = value_of(ui, setting);

    if (is_switch(setting)) {
        return g_strdup(is_on(ui, setting->name) ? "on" : "off");
    }
    /* A number without a suffix means MiB. */
    if (value && setting->param && setting->param->kind == PARAM_MIB_SIZE) {
        return g_strdup_printf("%" G_GUINT64_FORMAT "B", json_object_get_uint64(value));
    }
    if (json_object_is_type(value, json_type_boolean)) {
        return g_strdup(json_object_get_boolean(value) ? "on" : "off");
    }
    return g_strdup(value ? json_object_get_string(value) : "");
}

char *settings_value(const Ui *ui, unsigned row)
{
    Setting setting = setting_of(ui, row);

    return value_text(ui, &setting);
}

static char *value_for_people(const Ui *ui, const Setting *setting)
{
    json_object *value = value_of(ui, setting);

    return value && setting->param ? param_value_for_people(setting->param, value)
                                   : value_text(ui, setting);
}

/* The rules that need no more than the capabilities; the request asks the others. */
static bool check_capability(const Ui *ui, const char *name, bool on, GError **error)
{
    Facts facts = { .capabilities = 0 };

    for (int i = 0; i < CAPABILITY__COUNT; i++) {
        bool set =
            strcmp(capability_table[i].name, name) == 0 ? on : settings_is_on(ui, (MigCapability)i);

        facts.capabilities |= set ? CAPABILITY_BIT(i) : 0;
    }
    return rules_allow(RULE_CAPABILITIES, &facts, error);
}

/* The ranges of the tables; an attached QEMU has its own. */
static bool check_parameter(const Setting *setting, const char *text, GError **error)
{
    json_object *value = setting_value_from_text(setting, text, error);
    json_object *args;
    MigParameters parameters;
    bool good = true;

    if (!value) {
        return false;
    }
    args = json_object_with(setting->name, value);
    if (!setting->target) {
        parameters_init(&parameters);
        good = parameters_apply(&parameters, args, NULL, NULL, error);
        parameters_clear(&parameters);
    }
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

/* @text with a unit of time as the number that the monitor takes: "2s" is 2000. */
static char *without_unit(const Setting *setting, const char *text)
{
    long double us;

    if (!setting->param || strcmp(setting->param->unit, "ms") != 0 ||
        !duration_parse(text, 1000, &us) || us < 0 || us > 1e15L) {
        return g_strdup(text);
    }
    return g_strdup_printf("%.0Lf", us / 1000);
}

char *settings_doubt(const Ui *ui, const char *name, const char *text)
{
    uint64_t now = model_now(ui->model)->downtime_limit_ms;
    long double us;

    if (strcmp(name, "downtime-limit") != 0 || now == 0 || !duration_parse(text, 1000, &us) ||
        us / 1000 <= (long double)now * 10) {
        return NULL;
    }
    return g_strdup_printf("The guest may pause for %.4Lg s; the limit is %.4g s now.", us / 1e6L,
                           (double)now / 1000);
}

static char *command_of(const Ui *ui, const Setting *setting, const char *text, GError **error)
{
    if (is_switch(setting)) {
        bool on = strcmp(text, "on") == 0;

        return setting->target || check_capability(ui, setting->name, on, error)
                   ? g_strdup_printf("migrate_set_capability %s %s", setting->name,
                                     on ? "on" : "off")
                   : NULL;
    }
    g_autofree char *plain = without_unit(setting, text);

    if (!check_parameter(setting, plain, error)) {
        return NULL;
    }

    g_autofree char *word = quoted(plain);

    return g_strdup_printf("migrate_set_parameter %s %s", setting->name, word);
}

char *settings_command(const Ui *ui, unsigned row, const char *text, GError **error)
{
    Setting setting = setting_of(ui, row);

    return command_of(ui, &setting, text, error);
}

char *settings_command_for(const Ui *ui, const char *name, const char *text, GError **error)
{
    Setting setting;

    setting_find(model_target(ui->model), SETTING_PARAMETER, name, &setting);
    return command_of(ui, &setting, text, error);
}

/* What the selected row means, in full where it stands cut off in its row; or what was wrong. */
static void draw_settings_hint(const Ui *ui, Rect area, Canvas *canvas)
{
    Style style = ui->input_error ? STYLE_BAD : STYLE_DIM;
    Setting setting = setting_of(ui, ui->selected);
    g_autofree char *help = setting_help(&setting);
    g_autofree char *text =
        ui->input_error
            ? g_strdup(ui->input_error)
            : g_strdup_printf("Enter %s; %s",
                              is_switch(&setting) ? "turns it on or off" : "edits the value", help);
    g_autofree char *shown = canvas_fit(text, area.w);

    if (area.h > 0) {
        canvas_fill(canvas, (Rect){ area.x, area.y + area.h - 1, area.w, 1 }, style, ' ');
        canvas_text(canvas, area, 0, area.h - 1, style, shown);
    }
}

void pane_draw_settings(const Ui *ui, Rect area, Canvas *canvas)
{
    g_autoptr(GArray) list = list_settings(ui);
    unsigned n = list->len, rows = (unsigned)MAX(area.h - 1, 0);
    unsigned top = ui->selected >= rows && rows > 0 ? ui->selected - rows + 1 : 0;
    int name_width = MIN(29, area.w / 2), value_width = 18;

    for (unsigned i = 0; i < rows && top + i < n; i++) {
        unsigned row = top + i;
        const Setting *setting = &g_array_index(list, Setting, row);
        g_autofree char *refusal = refusal_of(setting);
        g_autofree char *help = setting_help(setting);
        bool edited =
            row == ui->selected && ui->overlay == OVERLAY_INPUT && ui->input_for == INPUT_SETTING;
        Style style = refusal ? STYLE_DIM : STYLE_NORMAL;
        g_autofree char *value = edited
                                     ? g_strconcat(ui->input->str, ui->input_fresh ? "" : "_", NULL)
                                     : value_for_people(ui, setting);
        g_autofree char *shown = canvas_fit(value, value_width);
        Rect line = { area.x, area.y + (int)i, area.w, 1 };

        canvas_printf(canvas, line, 0, 0, style, "%c %s", is_switch(setting) ? '+' : ' ',
                      setting->name);
        canvas_fill(canvas, (Rect){ area.x + name_width, line.y, area.w - name_width, 1 }, style,
                    ' ');
        canvas_text(canvas, line, name_width, 0, style, edited ? value : shown);
        if (!edited) {
            canvas_text(canvas, line, name_width + value_width + 1, 0, STYLE_DIM,
                        refusal ? refusal : help);
        }
        if (row == ui->selected) {
            canvas_paint(canvas, line, edited ? STYLE_FOUND : STYLE_SELECT);
        }
    }
    draw_settings_hint(ui, area, canvas);
}

void pane_scroll_settings(Ui *ui, int lines)
{
    ui->selected = (unsigned)CLAMP((int)ui->selected + lines, 0, (int)settings_count(ui) - 1);
}
