/*
 * Waits until the guest has written its memory once (--machine stress,prefill=on): a batch that
 * migrates at once would move a guest that is nearly empty. A guest that does not run is not
 * waited for. Main thread.
 */
#pragma once

#include <stdbool.h>

#include "backend/backend.h"

typedef struct FillWait FillWait;

/* @machine: the option, NULL = the default. */
bool fill_is_wanted(const char *machine);

/* @done is called once from the main loop, not after fill_wait_free(). */
FillWait *fill_wait_new(Backend *backend, void (*done)(void *data), void *data);
void fill_wait_free(FillWait *wait);
