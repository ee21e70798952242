/*
 * What the dashboard recorded, as a file of JSON lines. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tui/model.h"

/* One line a sample, oldest first; a file that is there already is not touched. */
bool dashboard_export(const TuiModel *model, const char *path, GError **error);
