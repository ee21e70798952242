/*
 * What an operator can choose about the dashboard: the file $XDG_CONFIG_HOME/migmon/dashboard.conf
 * has lines "key = value"; the program's options come after it. Pure.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tui/ui.h"

typedef enum { CONFIG_AUTO, CONFIG_OFF, CONFIG_ON } ConfigSwitch;

typedef struct {
    unsigned refresh_ms; /* 50..60000 */
    int theme;           /* index into screen_themes */
    int colors;          /* as ScreenOptions */
    ConfigSwitch ascii;
    int graph; /* GraphStyle; -1 = as the terminal can */
    bool mouse;
    bool bell;   /* at the end of a migration */
    bool notify; /* OSC 9 and 777 then */
} TuiConfig;

void config_init(TuiConfig *config);

/* One setting; the keys are in one table. */
bool config_set(TuiConfig *config, const char *key, const char *value, GError **error);

/* All lines of a file; an error begins with "@name:LINE: ". */
bool config_parse(TuiConfig *config, const char *name, const char *text, GError **error);

/* Reads the file; none is no error. */
bool config_load(TuiConfig *config, GError **error);

/* "refresh = MS, ..." for help and errors; NULL from the last on. */
const char *config_key(unsigned index, const char **ret_values, const char **ret_help);
