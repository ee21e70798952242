/*
 * Queries the backend for the dashboard's model, each query at its own rate. Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"
#include "tui/model.h"

typedef struct DashboardFeed DashboardFeed;

/* @fresh is called when a round of replies is in the model. @model is borrowed. */
DashboardFeed *dashboard_feed_new(Backend *backend, TuiModel *model, unsigned period_ms,
                                  void (*fresh)(void *data), void *data);
void dashboard_feed_free(DashboardFeed *feed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DashboardFeed, dashboard_feed_free)

/* Starts a round now that runs every query. */
void dashboard_feed_refresh(DashboardFeed *feed);
