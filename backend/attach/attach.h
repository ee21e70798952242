/*
 * The backend of the front ends: the guest of this process, or an attached
 * QEMU (x-connect), or two of them as source and destination. It is the only
 * room that combines the two ends of a migration. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "backend/engine/engine.h"

typedef struct {
    const EngineOptions *engine; /* NULL = no guest in this process */
    bool observe;                /* send only queries to what is attached */
    unsigned connect_ms;         /* ms for the greeting of a monitor; 0 = default */
    unsigned answer_ms;          /* ms for the answer to a request; 0 = default */
} ManagedOptions;

/* Fails when an option of the engine is wrong. */
Backend *managed_new(const ManagedOptions *options, GError **error);
