/*
 * The monitor and QMP sockets that the command line asked for. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "monitor/options.h"
#include "monitor/terminal/console.h"

typedef struct Servers Servers;

Servers *servers_new(void);

/* Opens all of them; a port that the kernel chose is told on standard error. */
bool servers_open(Servers *servers, Backend *backend, Console *console, const Options *options,
                  GError **error);

/* Lets replies go out, each at most so long, and closes the sockets. */
void servers_close(Servers *servers, unsigned timeout_ms);
void servers_free(Servers *servers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Servers, servers_free)
