/*
 * See config.h.
 */
#include "tui/config.h"

#include <string.h>

#include "backend/base/error.h"

enum { MIN_REFRESH = 50, MAX_REFRESH = 60000 };

/* Words of a setting and their values. */
typedef struct {
    const char *word;
    int value;
} Word;

static const Word switches[] = { { "off", CONFIG_OFF }, { "on", CONFIG_ON }, { NULL } };
static const Word ascii_words[] = {
    { "auto", CONFIG_AUTO }, { "off", CONFIG_OFF }, { "on", CONFIG_ON }, { NULL }
};
static const Word themes[] = { { "default", 0 }, { "high-contrast", 1 }, { "mono", 2 }, { NULL } };
static const Word colors[] = { { "auto", -1 }, { "always", 256 }, { "256", 256 }, { "16", 16 },
                               { "8", 8 },     { "never", 0 },    { NULL } };
static const Word graphs[] = { { "auto", -1 },
                               { "braille", GRAPH_BRAILLE },
                               { "block", GRAPH_BLOCK },
                               { "ascii", GRAPH_ASCII },
                               { NULL } };

static void set_theme(TuiConfig *config, int value)
{
    config->theme = value;
}

static void set_colors(TuiConfig *config, int value)
{
    config->colors = value;
}

static void set_ascii(TuiConfig *config, int value)
{
    config->ascii = (ConfigSwitch)value;
}

static void set_graph(TuiConfig *config, int value)
{
    config->graph = value;
}

static void set_mouse(TuiConfig *config, int value)
{
    config->mouse = value == CONFIG_ON;
}

static void set_bell(TuiConfig *config, int value)
{
    config->bell = value == CONFIG_ON;
}

static void set_notify(TuiConfig *config, int value)
{
    config->notify = value == CONFIG_ON;
}

static void set_refresh(TuiConfig *config, int value)
{
    config->refresh_ms = (unsigned)value;
}

/* The table. */
static const struct {
    const char *key;
    const Word *words; /* NULL = a number of milliseconds */
    void (*set)(TuiConfig *config, int value);
    const char *values;
    const char *help;
} keys[] = {
    { "refresh", NULL, set_refresh, "50..60000",
      "milliseconds between two updates of the picture" },
    { "theme", themes, set_theme, "default|high-contrast|mono", "colours of the dashboard" },
    { "color", colors, set_colors, "auto|always|256|16|8|never", "number of colours" },
    { "ascii", ascii_words, set_ascii, "auto|on|off", "draw with ASCII characters only" },
    { "graph", graphs, set_graph, "auto|braille|block|ascii", "characters of the curves" },
    { "mouse", switches, set_mouse, "on|off", "the mouse selects panes, keys and moments" },
    { "bell", switches, set_bell, "on|off", "ring the bell when a migration ends" },
    { "notify", switches, set_notify, "on|off",
      "send a desktop notification (OSC 9, 777) when a migration ends" },
};

void config_init(TuiConfig *config)
{
    *config = (TuiConfig){ .refresh_ms = 100, .colors = -1, .graph = -1, .mouse = true };
}

const char *config_key(unsigned index, const char **ret_values, const char **ret_help)
{
    if (index >= G_N_ELEMENTS(keys)) {
        return NULL;
    }
    *ret_values = keys[index].values;
    *ret_help = keys[index].help;
    return keys[index].key;
}

static bool read_value(const Word *words, const char *text, int *ret)
{
    guint64 number;

    if (!words) {
        bool good = g_ascii_string_to_unsigned(text, 10, MIN_REFRESH, MAX_REFRESH, &number, NULL);

        *ret = good ? (int)number : 0;
        return good;
    }
    for (; words->word; words++) {
        if (strcmp(words->word, text) == 0) {
            *ret = words->value;
            return true;
        }
    }
    return false;
}

bool config_set(TuiConfig *config, const char *key, const char *value, GError **error)
{
    int number;

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (strcmp(keys[i].key, key) != 0) {
            continue;
        }
        if (!read_value(keys[i].words, value, &number)) {
            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: '%s' is not one of %s", key,
                        value, keys[i].values);
            return false;
        }
        keys[i].set(config, number);
        return true;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "'%s' is not a setting", key);
    return false;
}

static bool parse_line(TuiConfig *config, char *line, GError **error)
{
    char *equals;

    g_strstrip(line);
    if (line[0] == '\0' || line[0] == '#') {
        return true;
    }
    equals = strchr(line, '=');
    if (!equals) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "'%s' is not key = value", line);
        return false;
    }
    *equals = '\0';
    return config_set(config, g_strchomp(line), g_strchug(equals + 1), error);
}

bool config_parse(TuiConfig *config, const char *name, const char *text, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (unsigned i = 0; lines[i]; i++) {
        if (!parse_line(config, lines[i], error)) {
            g_prefix_error(error, "%s:%u: ", name, i + 1);
            return false;
        }
    }
    return true;
}

bool config_load(TuiConfig *config, GError **error)
{
    g_autofree char *path =
        g_build_filename(g_get_user_config_dir(), "migmon", "dashboard.conf", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) why = NULL;

    if (!g_file_get_contents(path, &text, NULL, &why)) {
        if (g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
            g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOTDIR)) {
            return true;
        }
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "%s", why->message);
        return false;
    }
    return config_parse(config, path, text, error);
}
