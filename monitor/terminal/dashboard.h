/*
 * The dashboard in the program: opens and closes the screen, feeds the model, runs the commands of
 * keys. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "monitor/terminal/console.h"
#include "monitor/terminal/prompt.h"
#include "monitor/options.h"

typedef struct Dashboard Dashboard;

/* Borrows its arguments. The command dashboard of the prompt opens it; recorded samples are kept
 * while it is closed. */
Dashboard *dashboard_new(Backend *backend, Console *console, Prompt *prompt,
                         const Options *options);
/* Restores the terminal; waits at most @timeout_ms when it takes no output. */
void dashboard_free(Dashboard *dashboard, unsigned timeout_ms);

bool dashboard_open(Dashboard *dashboard, GError **error);

/* ---- --plain: the dashboard as lines on the console ---- */

typedef struct PlainView PlainView;

PlainView *plain_view_new(Backend *backend, Console *console, unsigned period_ms);
void plain_view_free(PlainView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlainView, plain_view_free)
