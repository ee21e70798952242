/*
 * The dashboard in the program: opens and leaves the screen, feeds its model, runs what its keys
 * ask for. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "monitor/terminal/console.h"
#include "monitor/terminal/prompt.h"
#include "monitor/options.h"

typedef struct Dashboard Dashboard;

/* Everything is borrowed and outlives it. The prompt's command "dashboard" opens it; what was
 * recorded stays from one time to the next. */
Dashboard *dashboard_new(Backend *backend, Console *console, Prompt *prompt,
                         const Options *options);
/* Restores the terminal, waiting @timeout_ms for one that stands still. */
void dashboard_free(Dashboard *dashboard, unsigned timeout_ms);

bool dashboard_open(Dashboard *dashboard, GError **error);

/* ---- the dashboard as lines on the console ---- */

typedef struct PlainView PlainView;

PlainView *plain_view_new(Backend *backend, Console *console, unsigned period_ms);
void plain_view_free(PlainView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlainView, plain_view_free)
