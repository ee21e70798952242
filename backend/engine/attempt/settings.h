/*
 * The settings of an attempt. Capabilities and most parameters are copied when the attempt starts;
 * the functions below derive values from that copy. LiveSettings has the parameters that take
 * effect in a running migration: the main thread writes them, the threads of the attempt read them.
 * The values are independent of each other, so plain atomics are enough.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "backend/engine/attempt/multifd.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"

/* The LIVE rows of parameters.def, in the unit of the parameter. */
typedef struct {
#define LIVE_FIELD_LIVE(field) _Atomic uint64_t field;
#define LIVE_FIELD_START(field)
#define MIG_PARAM(field, name, kind, when, ...) LIVE_FIELD_##when(field)
#include "backend/tables/parameters.def"
} LiveSettings;

/* Main thread. */
void live_settings_store(LiveSettings *live, const MigParameters *parameters);

/* .channels is 0 when no page goes over multifd connections. */
MultifdSettings settings_multifd(MigCapabilities capabilities, const MigParameters *parameters);

/* The number of threads that write or read the pages of a mapped-ram file; 0 without the
 * capability. */
unsigned settings_mapped_threads(MigCapabilities capabilities, const MigParameters *parameters);
