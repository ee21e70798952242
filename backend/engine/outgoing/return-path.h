/*
 * The source's end of the return path: a thread that reads the destination's answers, and the waits
 * for an answer.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/dirty-map.h"
#include "backend/engine/outgoing/page-requests.h"
#include "backend/transport/transport.h"

typedef struct SourceReturnPath SourceReturnPath;

/* Starts the thread on @transport, which stays the caller's. When the peer closes or sends garbage
 * the transport is shut down, so that a blocked writer wakes. @requests gets the page requests of a
 * destination in postcopy and is woken when the path ends; NULL: requests are an error. */
SourceReturnPath *source_return_path_new(Transport *transport, PageRequests *requests,
                                         GError **error);

/* Joins the thread and frees. The transport must be shut down before, or the peer gone. */
void source_return_path_free(SourceReturnPath *rp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SourceReturnPath, source_return_path_free)

/* True with the error when the peer cannot continue (it sent SHUT, closed, or sent garbage). */
bool source_return_path_failed(SourceReturnPath *rp, GError **error);

/* Number of bytes received so far. Any thread. */
uint64_t source_return_path_received(const SourceReturnPath *rp);

/* Blocks until PONG(@value) came; false when the path ended before. */
bool source_return_path_wait_pong(SourceReturnPath *rp, uint32_t value, GError **error);

/* Waits until SWITCHOVER_ACK came, the path ended or @timeout_us passed; whether it came. */
bool source_return_path_wait_ack(SourceReturnPath *rp, int64_t timeout_us);

/* True when PONG(@value) has come. */
bool source_return_path_has_pong(SourceReturnPath *rp, uint32_t value);

/* expect: before the request is sent, sets the block whose bitmap may come, and @ret for its bits
 * (all clear, of the block's size). wait: after the request, waits for the bitmap. */
void source_return_path_expect_bitmap(SourceReturnPath *rp, const char *idstr, DirtyMap *ret);
bool source_return_path_wait_bitmap(SourceReturnPath *rp, GError **error);

/* Blocks until RESUME_ACK came. */
bool source_return_path_wait_resume_ack(SourceReturnPath *rp, GError **error);

/* True when the destination sent SHUT with a failure. */
bool source_return_path_refused(SourceReturnPath *rp);

typedef enum { VERDICT_OK, VERDICT_REFUSED, VERDICT_LOST } Verdict;

/* Blocks until SHUT came, the path ended or @timeout_us passed (0 = no limit). For LOST @error is
 * set. */
Verdict source_return_path_wait_verdict(SourceReturnPath *rp, int64_t timeout_us, GError **error);
