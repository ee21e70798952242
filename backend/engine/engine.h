/*
 * The in-process migration backend: owns the guest and moves it. The only
 * entrance of this room for front ends besides the Backend contract.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"
#include "backend/guest/guest.h"

typedef struct {
    GuestOptions guest;
    const char *tracker;  /* "async", "sync", NULL = best */
    const char *incoming; /* URI or "defer"; NULL = a guest that runs here */
    bool paused;          /* -S */
} EngineOptions;

/* Makes the guest, starts it unless told otherwise. An incoming URI that cannot be listened on is
 * an error here when it can be known at once. */
Backend *engine_new(const EngineOptions *options, GError **error);
