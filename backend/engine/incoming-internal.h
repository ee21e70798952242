/*
 * The inside of an incoming migration, shared by incoming.c (life, taking the guest over) and
 * incoming-load.c (the stream up to EOF). Nobody else includes it.
 */
#pragma once

#include "backend/engine/incoming.h"
#include "backend/engine/page-decoder.h"
#include "backend/engine/placer.h"
#include "backend/engine/prefetch.h"
#include "backend/stream/format.h"
#include "backend/stream/reader.h"

struct Incoming {
    IncomingConfig config;
    Migration *migration;
    GThread *thread;
    atomic_bool autostart;
    atomic_bool dropped; /* what stood in RAM here before is gone */

    /* The thread only. */
    Prefetch *prefetch;
    StreamReader *reader;
    DeviceLoader *devices;
    Placer *placer;
    PageDecoder *decoder;
    GArray *blocks; /* size_t: index of the guest's block for each of the stream's */
    bool has_configuration;
    bool has_block_list;
    bool return_path;
    bool handover; /* PING(HANDOVER_PING) was answered */
    bool pages_began;
};

/* Acts on the fault point @point; false when the load shall fail there. */
bool incoming_fault(Incoming *in, const char *point, GError **error);

/* Answers on the return path; nothing to do where nobody can hear it. */
bool incoming_answer(Incoming *in, ReturnPathType type, uint32_t value, GError **error);

/* Reads records until EOF is in: pages are placed, devices loaded. */
bool incoming_load(Incoming *in, GError **error);

/* Whether what came is all of this machine's guest. */
bool incoming_check_complete(Incoming *in, GError **error);

/* Reads on to the end of the medium. What follows EOF says nothing, but unread bytes would turn our
 * last answer into a reset, and an exec child tells by its exit status whether all came. */
bool incoming_drain(Incoming *in, GError **error);
