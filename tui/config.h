/*
 * Settings of the dashboard: lines "key = value" of $XDG_CONFIG_HOME/migmon/dashboard.conf, which
 * options of the program override. Pure.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tui/ui.h"

typedef enum { CONFIG_AUTO, CONFIG_OFF, CONFIG_ON } ConfigSwitch;

typedef struct {
    unsigned refresh_ms; /* 50..60000 */
    int theme;           /* 0 default, 1 high-contrast, 2 mono */
    int colors;          /* as ScreenOptions */
    ConfigSwitch ascii;
    int graph; /* GraphStyle; -1 = the best for the terminal */
    bool mouse;
    bool bell;   /* at the end of a migration */
    bool notify; /* OSC 9 and 777 at the end of a migration */
} TuiConfig;

void config_init(TuiConfig *config);

/* Sets one setting. */
bool config_set(TuiConfig *config, const char *key, const char *value, GError **error);

/* Reads all lines of @text; an error begins with "@name:LINE: ". */
bool config_parse(TuiConfig *config, const char *name, const char *text, GError **error);

/* Reads the file; a missing file is no error. */
bool config_load(TuiConfig *config, GError **error);

/* "refresh = MS, ..." for help and errors; NULL after the last. */
const char *config_key(unsigned index, const char **ret_values, const char **ret_help);
