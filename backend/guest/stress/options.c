/*
 * The workload's options: one table for --machine stress,key=value..., for
 * guest_set and for completion. Pure.
 */
#include "backend/guest/stress/machine.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/size.h"

typedef struct {
    const char *name;
    bool changeable; /* by guest_set, while the guest runs */
    const char *allowed;
    const char *const *(*values)(void); /* NULL: free text */
    bool (*set)(StressSettings *settings, const char *value);
} StressKey;

static bool set_pattern(StressSettings *settings, const char *value)
{
    const char *const *names = stress_pattern_names();

    for (unsigned i = 0; names[i] != NULL; i++) {
        if (g_str_equal(value, names[i])) {
            settings->pattern = (StressPattern)i;
            return true;
        }
    }
    return false;
}

static bool set_rate(StressSettings *settings, const char *value)
{
    return size_parse(value, 1, &settings->rate, NULL);
}

static bool set_set(StressSettings *settings, const char *value)
{
    if (g_str_equal(value, "all")) {
        settings->set = UINT64_MAX;
        return true;
    }
    return size_parse(value, 1, &settings->set, NULL) && settings->set > 0;
}

static bool parse_percent(const char *value, uint32_t *ret)
{
    g_autofree char *digits = g_strdup(value);
    guint64 number;

    if (g_str_has_suffix(digits, "%")) {
        digits[strlen(digits) - 1] = '\0';
    }
    if (!g_ascii_string_to_unsigned(digits, 10, 0, 100, &number, NULL)) {
        return false;
    }
    *ret = (uint32_t)number;
    return true;
}

static bool set_zero(StressSettings *settings, const char *value)
{
    return parse_percent(value, &settings->zero_percent);
}

static bool set_compressible(StressSettings *settings, const char *value)
{
    return parse_percent(value, &settings->compressible_percent);
}

static bool set_seed(StressSettings *settings, const char *value)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT64, &number, NULL)) {
        return false;
    }
    settings->seed = number;
    return true;
}

static const char *const on_off[] = { "on", "off", NULL };

static const char *const *on_off_values(void)
{
    return on_off;
}

static bool set_prefill(StressSettings *settings, const char *value)
{
    settings->prefill = g_str_equal(value, "on");
    return settings->prefill || g_str_equal(value, "off");
}

static const StressKey keys[] = {
    { "pattern", true, "uniform, hotcold, sweep, phases, dips, idle, growing", stress_pattern_names,
      set_pattern },
    { "rate", true, "bytes a second of the whole guest (50M), 0 for as fast as it can", NULL,
      set_rate },
    { "set", true, "the size of the working set (512M), or all", NULL, set_set },
    { "zero", true, "a percentage, 0 to 100", NULL, set_zero },
    { "compressible", true, "a percentage, 0 to 100", NULL, set_compressible },
    { "seed", false, "a whole number", NULL, set_seed },
    { "prefill", false, "on, off", on_off_values, set_prefill },
};

static const StressKey *find_key(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (g_str_equal(name, keys[i].name)) {
            return &keys[i];
        }
    }
    return NULL;
}

const char *const *stress_keys(void)
{
    static const char *names[G_N_ELEMENTS(keys) + 1];
    static gsize ready;

    if (g_once_init_enter(&ready)) {
        size_t n = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
            if (keys[i].changeable) {
                names[n++] = keys[i].name;
            }
        }
        g_once_init_leave(&ready, 1);
    }
    return names;
}

const char *const *stress_values(const char *key)
{
    const StressKey *found = find_key(key);

    return found != NULL && found->changeable && found->values != NULL ? found->values() : NULL;
}

const char *stress_form(const char *key)
{
    const StressKey *found = find_key(key);

    return found != NULL && found->changeable ? found->allowed : NULL;
}

/* The list of keys for messages; with @at_start also the keys that cannot be changed later. */
static char *key_list(bool at_start)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (at_start || keys[i].changeable) {
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", keys[i].name);
        }
    }
    return g_string_free(text, FALSE);
}

static bool set_key(StressSettings *settings, const char *name, const char *value, bool at_start,
                    GError **error)
{
    const StressKey *key = find_key(name);
    StressSettings changed = *settings;

    if (key == NULL) {
        g_autofree char *list = key_list(at_start);

        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "the stress machine has no key '%s': use %s", name, list);
        return false;
    }
    if (!at_start && !key->changeable) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "'%s' can only be given with --machine stress,%s=...", name, name);
        return false;
    }
    if (!key->set(&changed, value)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "'%s' is no value of %s: it takes %s",
                    value, name, key->allowed);
        return false;
    }
    *settings = changed;
    return true;
}

static bool check_shares(const StressSettings *settings, GError **error)
{
    if (settings->zero_percent + settings->compressible_percent > 100) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "zero (%u %%) and compressible (%u %%) together are more than 100 %%",
                    settings->zero_percent, settings->compressible_percent);
        return false;
    }
    return true;
}

bool stress_settings_set(StressSettings *settings, const char *key, const char *value,
                         GError **error)
{
    StressSettings changed = *settings;

    if (!set_key(&changed, key, value, false, error) || !check_shares(&changed, error)) {
        return false;
    }
    *settings = changed;
    return true;
}

bool stress_settings_parse(const char *text, StressSettings *ret, GError **error)
{
    StressSettings settings = {
        .pattern = STRESS_UNIFORM,
        .rate = UINT64_C(50) << 20,
        .set = UINT64_MAX,
        .zero_percent = 10,
        .compressible_percent = 30,
        .seed = 1,
    };
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    /* The first word, before the first comma, is empty. */
    for (size_t i = 1; words[0] != NULL && words[i] != NULL; i++) {
        char *equals = strchr(words[i], '=');

        if (equals == NULL) {
            g_autofree char *list = key_list(true);

            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                        "'%s' is not key=value; the keys of the stress machine are %s", words[i],
                        list);
            return false;
        }
        *equals = '\0';
        if (!set_key(&settings, words[i], equals + 1, true, error)) {
            return false;
        }
    }
    if (!check_shares(&settings, error)) {
        return false;
    }
    *ret = settings;
    return true;
}

bool stress_settings_check(const StressSettings *settings, const LedgerLayout *layout,
                           GError **error)
{
    uint64_t most = (uint64_t)layout->n_data * MIG_PAGE_SIZE;

    if (settings->set != UINT64_MAX && settings->set > most) {
        g_autofree char *asked = size_format(settings->set);
        g_autofree char *have = size_format(most);

        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "a working set of %s does not fit into the %s of data pages", asked, have);
        return false;
    }
    return true;
}

char *stress_settings_text(const StressSettings *settings)
{
    g_autofree char *rate = settings->rate == 0 ? g_strdup("full speed") : NULL;
    g_autofree char *set = size_format(settings->set);
    uint32_t rest = 100 - settings->zero_percent - settings->compressible_percent;

    if (rate == NULL) {
        g_autofree char *size = size_format(settings->rate);
        rate = g_strdup_printf("%s/s", size);
    }
    return g_strdup_printf("%s, %s, set %s, %u %% zero, %u %% compressible, %u %% incompressible",
                           stress_pattern_name(settings->pattern), rate, set,
                           settings->zero_percent, settings->compressible_percent, rest);
}
