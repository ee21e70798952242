/*
 * The backend that front ends hold: the guest of this process, or a running
 * QEMU that was attached (x-connect), or two of them, source and destination,
 * driven as one. The room that joins what lies at both ends of a migration.
 * Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "backend/engine/engine.h"

typedef struct {
    const EngineOptions *engine; /* NULL: no guest in this process, only attached ones */
    bool observe;                /* nothing but queries is sent to what is attached */
    unsigned connect_ms;         /* until a monitor must have greeted */
    unsigned answer_ms;          /* until a request counts as not answered */
} ManagedOptions;

/* An error is one of the engine's options. */
Backend *managed_new(const ManagedOptions *options, GError **error);
