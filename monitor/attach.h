/*
 * --connect and --peer: attaches both ends before the first line runs. Main
 * thread.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"
#include "monitor/options.h"

typedef struct Attach Attach;

/* @error: NULL when both ends are attached. Called once, from the main loop. */
typedef void (*AttachDone)(const GError *error, void *data);

Attach *attach_new(Backend *backend, const Options *options, AttachDone done, void *data);
/* @done is not called afterwards. */
void attach_free(Attach *attach);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Attach, attach_free)
