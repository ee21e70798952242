/*
 * The source's end of the return path: a thread that reads what the
 * destination answers, and the waits for an answer.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/transport/transport.h"

typedef struct SourceReturnPath SourceReturnPath;

/* Starts the thread on @transport, which stays the caller's. When the peer goes away or talks
 * nonsense the transport is shut down, so that a blocked writer wakes. */
SourceReturnPath *source_return_path_new(Transport *transport, GError **error);

/* The transport must be shut down before, or the peer be gone: joins the thread. */
void source_return_path_free(SourceReturnPath *rp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SourceReturnPath, source_return_path_free)

/* Why the peer cannot go on (it sent SHUT, closed, or sent garbage); false while all is well. */
bool source_return_path_failed(SourceReturnPath *rp, GError **error);

/* Blocks until PONG(@value) came; false when the path ended before. */
bool source_return_path_wait_pong(SourceReturnPath *rp, uint32_t value, GError **error);

/* Waits until SWITCHOVER_ACK came, the path ended or @timeout_us passed; whether it came. */
bool source_return_path_wait_ack(SourceReturnPath *rp, int64_t timeout_us);

typedef enum { VERDICT_OK, VERDICT_REFUSED, VERDICT_LOST } Verdict;

/* Blocks until SHUT came, the path ended or @timeout_us passed (0 = no limit). For LOST the error
 * says how. */
Verdict source_return_path_wait_verdict(SourceReturnPath *rp, int64_t timeout_us, GError **error);
