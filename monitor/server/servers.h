/*
 * The sockets of --monitor and --qmp. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "monitor/options.h"
#include "monitor/terminal/console.h"

typedef struct Servers Servers;

Servers *servers_new(void);

/* Opens all sockets; prints a port that the kernel chose on standard error. */
bool servers_open(Servers *servers, Backend *backend, Console *console, const Options *options,
                  GError **error);

/* Sends pending replies, at most @timeout_ms per socket, and closes the sockets. */
void servers_close(Servers *servers, unsigned timeout_ms);
void servers_free(Servers *servers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Servers, servers_free)
