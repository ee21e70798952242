/*
 * Reads a connection ahead, so that receiving and placing run on two processors: a thread that
 * fills buffers, and a consumer that takes them one after another. What has come is handed over as
 * soon as the consumer waits; while it works, the buffer fills further.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/transport/transport.h"

/* Bytes before the data of each buffer that the consumer may overwrite. */
#define PREFETCH_HEADROOM ((size_t)64 * 1024)

typedef struct Prefetch Prefetch;

/* Starts the thread; the transport stays the caller's and is read by nobody else from here on. */
Prefetch *prefetch_new(Transport *transport, GError **error);

/* The transport must be shut down before, or have come to its end: joins the thread. */
void prefetch_free(Prefetch *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Prefetch, prefetch_free)

/* Any thread: the consumer's next call gives @error instead of bytes. */
void prefetch_fail(Prefetch *p, const GError *error);

/* The next bytes, after waiting for them; they stay in place until the next call but one, so that
 * what is left of them can be moved in front of what that call gives. *@ret_count is 0 at the end
 * of the stream. NULL when reading failed. One thread. */
uint8_t *prefetch_next(Prefetch *p, size_t *ret_count, GError **error);
