/*
 * Named fault points: places of the protocol where a test can inject an action.
 * Off unless the environment variable MIGMON_FAULT is set:
 *
 *     MIGMON_FAULT=POINT=ACTION[,POINT=ACTION...]
 *
 * Actions: cut (the caller's connection is shut down), kill (SIGKILL to this
 * process), cancel (as migrate_cancel, then continues), hold (the thread waits
 * until x-fault-release or until its connection is shut down), fail (the caller
 * reports an error), and the actions of transport_break(): garbage, truncate,
 * reset. A point fires once. Only slow is permanent: the thread takes
 * FAULT_SLOW_US longer at each pass. Each action is reported on stderr: "fault:
 * ACTION at POINT" (hold: "held").
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

/* All points, NULL terminated, for help and for the tests. */
extern const char *const fault_point_names[];

/* Parses @spec (NULL = off). Returns NULL, or an error text for unknown points and actions, which
 * the caller frees. Call once, before threads start. */
char *fault_configure(const char *spec);

/* Returns the action set for @point, usually FAULT_NONE. FAULT_KILL does not return; FAULT_SLOW
 * sleeps here. Any thread. */
FaultAction fault_fire(const char *point);

bool fault_enabled(void);

/* Acts on the fault point @point; false with the error when the caller is to fail there. @act cuts
 * or breaks the caller's connection, or cancels; false when that is not possible here, which is a
 * failure. A hold ends once @is_gone(@data) is true. Any thread. */
bool fault_act(const char *point, bool (*act)(void *data, FaultAction action),
               bool (*is_gone)(void *data), void *data, GError **error);

/* g_thread_try_new(). When the action fail is set for @point, it fails as if the system had no more
 * threads. */
GThread *fault_thread_new(const char *point, const char *name, GThreadFunc work, void *data,
                          GError **error);

/* Waits for fault_release(); returns early once @gone(@data) is true. Prints "fault: held at POINT"
 * on stderr when the wait begins. */
void fault_hold(const char *point, bool (*gone)(void *data), void *data);
void fault_release(void);
