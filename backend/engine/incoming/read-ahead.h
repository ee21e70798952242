/*
 * Reads a connection ahead, so that receiving and placing run on two processors: a thread fills
 * buffers, and a consumer takes them in order. A partly filled buffer is handed over when the
 * consumer waits; while the consumer works, the buffer is filled further.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/transport/transport.h"

/* Bytes before the data of each buffer that the consumer may overwrite. */
#define PREFETCH_HEADROOM ((size_t)64 * 1024)

typedef struct Prefetch Prefetch;

/* Starts the thread. The transport stays the caller's, but from here on only the thread reads
 * it. */
Prefetch *prefetch_new(Transport *transport, GError **error);

/* Joins the thread and frees. The transport must be shut down or at its end. */
void prefetch_free(Prefetch *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Prefetch, prefetch_free)

/* The consumer's calls fail at @deadline_us (monotonic; 0 = none) when no bytes are there. */
void prefetch_set_deadline(Prefetch *p, int64_t deadline_us);

/* Any thread: the consumer's calls fail when no byte comes for @limit_us; 0 = no limit. */
void prefetch_limit_silence(Prefetch *p, int64_t limit_us);

/* Any thread: the consumer's next call returns @error instead of bytes. */
void prefetch_fail(Prefetch *p, const GError *error);

/* Waits for the next bytes. They stay valid until the next call but one, so that unread ones can be
 * moved in front of the next buffer. *@ret_count is 0 at the end of the stream. NULL with the error
 * when reading failed. Only one thread may call it. */
uint8_t *prefetch_next(Prefetch *p, size_t *ret_count, GError **error);
