/*
 * Where bytes go out: a bounded queue before a descriptor, so that a reader
 * who stands still never stops the main loop. What fits is written at once,
 * the rest when the descriptor takes it. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Sink Sink;

/* Nothing more can be written: @why is "the peer is gone" or "the peer does not read". */
typedef void (*SinkGone)(const char *why, void *data);

/* For a descriptor of our own, non-blocking; it stays the caller's. @gone comes once, from the main
 * loop and never from inside a call; what is written after it is dropped. */
Sink *sink_new(int fd, size_t limit, SinkGone gone, void *data);

/* For a descriptor that other programs have too (standard output): it is never made non-blocking
 * for them. When the queue is full the newest output is lost, and a line says how much once the
 * reader goes on. A reader that went away is no error: a migration outlives the pager. */
Sink *sink_new_shared(int fd, size_t limit);

void sink_free(Sink *sink); /* what is still queued is lost: sink_flush() first */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sink, sink_free)

void sink_write(Sink *sink, const void *bytes, size_t size);
void sink_puts(Sink *sink, const char *text);

/* Writing failed for another reason than that the reader is gone: a full disk. */
bool sink_has_failed(const Sink *sink);

/* Bytes that wait. */
size_t sink_pending(const Sink *sink);

/* @below is called once, from the main loop, when at most @level bytes wait or the reader is gone.
 * One at a time; NULL takes it back. */
void sink_when_below(Sink *sink, size_t level, void (*below)(void *data), void *data);

/* Waits until everything is out, not longer than @timeout_ms. For the end of the program. */
bool sink_flush(Sink *sink, unsigned timeout_ms);
