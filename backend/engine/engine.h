/*
 * The in-process migration backend: owns the guest and migrates it. Front ends use only this header
 * and the Backend contract.
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

/* Creates the guest and starts it, unless the options say otherwise. An incoming URI on which
 * listening fails is an error here if the failure is known at once. */
Backend *engine_new(const EngineOptions *options, GError **error);
