/*
 * The source's end of the return path: a thread that reads what the
 * destination answers, and the waits for an answer.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/dirty-map.h"
#include "backend/engine/outgoing/page-requests.h"
#include "backend/transport/transport.h"

typedef struct SourceReturnPath SourceReturnPath;

/* Starts the thread on @transport, which stays the caller's. When the peer goes away or talks
 * nonsense the transport is shut down, so that a blocked writer wakes. @requests gets what a
 * destination in postcopy asks for and is woken when the path ends; NULL: it must not ask. */
SourceReturnPath *source_return_path_new(Transport *transport, PageRequests *requests,
                                         GError **error);

/* The transport must be shut down before, or the peer be gone: joins the thread. */
void source_return_path_free(SourceReturnPath *rp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SourceReturnPath, source_return_path_free)

/* Why the peer cannot go on (it sent SHUT, closed, or sent garbage); false while all is well. */
bool source_return_path_failed(SourceReturnPath *rp, GError **error);

/* How many bytes have come so far. Any thread. */
uint64_t source_return_path_received(const SourceReturnPath *rp);

/* Blocks until PONG(@value) came; false when the path ended before. */
bool source_return_path_wait_pong(SourceReturnPath *rp, uint32_t value, GError **error);

/* Waits until SWITCHOVER_ACK came, the path ended or @timeout_us passed; whether it came. */
bool source_return_path_wait_ack(SourceReturnPath *rp, int64_t timeout_us);

/* Has PONG(@value) come by now? */
bool source_return_path_has_pong(SourceReturnPath *rp, uint32_t value);

/* Before the question is sent: which block's bitmap may come, and where it goes (all clear; its
 * size is that of the block). Then, after the question, the wait for it. */
void source_return_path_expect_bitmap(SourceReturnPath *rp, const char *idstr, DirtyMap *ret);
bool source_return_path_wait_bitmap(SourceReturnPath *rp, GError **error);

/* Blocks until RESUME_ACK came. */
bool source_return_path_wait_resume_ack(SourceReturnPath *rp, GError **error);

/* True when the destination sent SHUT with a failure. */
bool source_return_path_refused(SourceReturnPath *rp);

typedef enum { VERDICT_OK, VERDICT_REFUSED, VERDICT_LOST } Verdict;

/* Blocks until SHUT came, the path ended or @timeout_us passed (0 = no limit). For LOST the error
 * says how. */
Verdict source_return_path_wait_verdict(SourceReturnPath *rp, int64_t timeout_us, GError **error);
