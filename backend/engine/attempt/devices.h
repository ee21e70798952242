/*
 * Device sections: the tables that say what the timer, the global state and a
 * stress vCPU look like in the stream, and how they get in and out of a guest
 * that stands. The only place that knows both the guest and the stream.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/guest/guest.h"
#include "backend/stream/reader.h"
#include "backend/stream/writer.h"

/* QEMU's timer section: what came is kept and sent on. */
typedef struct {
    int64_t cpu_ticks_offset;
    int64_t cpu_clock_offset;
} TimerState;

/* ---- outgoing ---- */

/* Puts all FULL sections with their footers, @state being the run state before the stop, and
 * returns the VMDESCRIPTION text that belongs to them (caller frees). The guest stands. */
char *devices_save(StreamWriter *w, Guest *guest, const TimerState *timer, RunState state);

/* ---- incoming ---- */

typedef struct DeviceLoader DeviceLoader;

DeviceLoader *device_loader_new(Guest *guest, TimerState *timer);
void device_loader_free(DeviceLoader *loader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceLoader, device_loader_free)

/* For StreamReaderConfig; @data is the loader. */
const VmStateDesc *device_loader_find(void *data, const char *idstr, uint32_t instance,
                                      uint32_t version, GError **error);

/* Longest list a device body of this guest may hold. */
uint32_t device_loader_max_list(const Guest *guest);

/* Decodes the body of @record and puts it into the guest. */
bool device_loader_load(DeviceLoader *loader, const StreamRecord *record, GError **error);

/* True when every device this machine cannot start without has come. */
bool device_loader_is_complete(const DeviceLoader *loader, GError **error);

/* The run state that came in globalstate; false when none came. */
bool device_loader_run_state(const DeviceLoader *loader, RunState *ret);
