/*
 * A bounded output queue for a descriptor, so that a reader that stopped reading
 * never blocks the main loop. Bytes are written at once as far as possible, the
 * rest when the descriptor is writable. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Sink Sink;

/* Nothing more can be written: @why is "the peer is gone" or "the peer does not read". */
typedef void (*SinkGone)(const char *why, void *data);

/* For a non-blocking descriptor of our own, which the caller closes. @gone is called once, from the
 * main loop; bytes written afterwards are dropped. */
Sink *sink_new(int fd, size_t limit, SinkGone gone, void *data);

/* For a descriptor shared with other programs (standard output): it stays blocking for them. When
 * the queue is full the newest output is dropped, and a line reports how much when the reader reads
 * again. A reader that has left is no error: a migration outlives the pager. */
Sink *sink_new_shared(int fd, size_t limit);

void sink_free(Sink *sink); /* drops the queue: call sink_flush() first */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sink, sink_free)

void sink_write(Sink *sink, const void *bytes, size_t size);
void sink_puts(Sink *sink, const char *text);

/* Writing failed for another reason than a reader that has left: a full disk. */
bool sink_has_failed(const Sink *sink);

/* Bytes in the queue. */
size_t sink_pending(const Sink *sink);

/* @below is called once, from the main loop, when at most @level bytes are queued or the reader has
 * left. One at a time; NULL cancels it. */
void sink_when_below(Sink *sink, size_t level, void (*below)(void *data), void *data);

/* Waits until the queue is empty, at most @timeout_ms. For the end of the program. */
bool sink_flush(Sink *sink, unsigned timeout_ms);
