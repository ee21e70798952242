/*
 * --connect and --peer: both ends are attached before the first line is run.
 * Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"
#include "monitor/options.h"

typedef struct Attach Attach;

/* @error: NULL when all that was asked for is attached. Comes once, from the main loop. */
typedef void (*AttachDone)(const GError *error, void *data);

Attach *attach_new(Backend *backend, const Options *options, AttachDone done, void *data);
/* @done does not come any more. */
void attach_free(Attach *attach);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Attach, attach_free)
