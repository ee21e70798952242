/*
 * Named fault points: places of the protocol at which a test makes something
 * happen. Off unless the environment variable MIGMON_FAULT is set:
 *
 *     MIGMON_FAULT=POINT=ACTION[,POINT=ACTION...]
 *
 * Actions: cut (the caller's connection is shut down), kill (SIGKILL to this
 * process), cancel (as migrate_cancel, then on), hold (the thread waits until
 * x-fault-release or until its connection is shut down), fail (the caller
 * reports an error of its own), and what transport_break() does to the
 * connection: garbage, truncate, reset. A point fires once; only slow stays
 * on: the thread takes FAULT_SLOW_US longer each time it passes. Each says on
 * stderr that it happened: "fault: ACTION at POINT" (hold: "held").
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    FAULT_NONE,
    FAULT_CUT,
    FAULT_KILL,
    FAULT_CANCEL,
    FAULT_HOLD,
    FAULT_FAIL,
    FAULT_GARBAGE,
    FAULT_TRUNCATE,
    FAULT_RESET,
    FAULT_SLOW,
} FaultAction;

#define FAULT_SLOW_US (20 * 1000)

/* All points there are, NULL terminated, for help and for the table of the tests. */
extern const char *const fault_point_names[];

/* Reads @spec (NULL = off); complains about unknown points and actions by returning a text that the
 * caller frees, NULL when all is well. Once, before threads start. */
char *fault_configure(const char *spec);

/* The action set for @point, FAULT_NONE as a rule. FAULT_KILL does not return, FAULT_SLOW is done
 * here. Any thread. */
FaultAction fault_fire(const char *point);

bool fault_enabled(void);

/* g_thread_try_new(). With the action fail set for @point it fails as it does when the system has
 * no more threads. */
GThread *fault_thread_new(const char *point, const char *name, GThreadFunc work, void *data,
                          GError **error);

/* Waits for fault_release(); returns early once @gone(@data) is true. Prints "fault: held at POINT"
 * on stderr when the wait begins. */
void fault_hold(const char *point, bool (*gone)(void *data), void *data);
void fault_release(void);
