/*
 * Asks the backend what the dashboard's model wants to know, each thing as often as it is worth.
 * Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"
#include "tui/model.h"

typedef struct DashboardFeed DashboardFeed;

/* @fresh: a round of answers is in the model. @model is borrowed. */
DashboardFeed *dashboard_feed_new(Backend *backend, TuiModel *model, unsigned period_ms,
                                  void (*fresh)(void *data), void *data);
void dashboard_feed_free(DashboardFeed *feed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DashboardFeed, dashboard_feed_free)

/* Everything is asked for with the next round, which begins at once. */
void dashboard_feed_refresh(DashboardFeed *feed);
