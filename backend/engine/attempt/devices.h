/*
 * Device sections: the layout of the timer, the global state and a stress vCPU in the stream, and
 * how they are saved from and loaded into a paused guest. Only this file knows both the guest and
 * the stream.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/guest/guest.h"
#include "backend/stream/reader.h"
#include "backend/stream/writer.h"

/* QEMU's timer section: the received values are kept and sent again. */
typedef struct {
    int64_t cpu_ticks_offset;
    int64_t cpu_clock_offset;
} TimerState;

/* ---- outgoing ---- */

/* Puts all FULL sections with their footers and returns their VMDESCRIPTION text (caller frees).
 * @state is the run state before the stop. The guest is paused. */
char *devices_save(StreamWriter *w, Guest *guest, const TimerState *timer, RunState state);

/* ---- incoming ---- */

typedef struct DeviceLoader DeviceLoader;

DeviceLoader *device_loader_new(Guest *guest, TimerState *timer);
void device_loader_free(DeviceLoader *loader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceLoader, device_loader_free)

/* For StreamReaderConfig; @data is the loader. */
const VmStateDesc *device_loader_find(void *data, const char *idstr, uint32_t instance,
                                      uint32_t version, GError **error);

/* Maximum length of a list in a device body of this guest. */
uint32_t device_loader_max_list(const Guest *guest);

/* Decodes the body of @record and loads it into the guest. */
bool device_loader_load(DeviceLoader *loader, const StreamRecord *record, GError **error);

/* True when every device that this machine needs to start has come. */
bool device_loader_is_complete(const DeviceLoader *loader, GError **error);

/* The run state that came in globalstate; false when none came. */
bool device_loader_run_state(const DeviceLoader *loader, RunState *ret);
