/*
 * multifd: pages go over connections of their own beside the main one. What both sides name.
 *
 * The connections are equal; a page may come on any of them. Order between them exists at sync
 * points only: each channel sends a SYNC packet when its part of a pass is through, and the
 * destination goes on behind the mark on the main channel when all of them are in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/stream/multifd-packet.h"

/* What stands on the main channel where a pass ends. */
typedef enum {
    MULTIFD_SYNC_AUTO,    /* as the destination says, else per round */
    MULTIFD_SYNC_SECTION, /* nothing: every end of a ram body is a sync point (QEMU up to 8.0) */
    MULTIFD_SYNC_ROUND,   /* a FLUSH record (QEMU 8.1 and later) */
} MultifdSync;

/* Where pages of zeroes are told. */
typedef enum {
    MULTIFD_ZERO_AUTO,    /* in packets when the destination says that it reads them there */
    MULTIFD_ZERO_MAIN,    /* by ZERO records on the main channel: every receiver knows them */
    MULTIFD_ZERO_PACKETS, /* migmon, QEMU 9.0 and later; an older one loses them without a word */
} MultifdZero;

typedef struct {
    unsigned channels; /* 0 = multifd is off */
    MultifdCompression compression;
    int level;        /* of @compression; source */
    MultifdSync sync; /* source */
    MultifdZero zero; /* source */
    bool zero_copy;   /* source: pages leave without a copy in the kernel; plain ones only */
    uint32_t wait_ms; /* destination: until all channels have come; 0 = for ever */
} MultifdSettings;

/*
 * Asked on the return path before the first page: every destination answers a PING with its value;
 * one that is a migmon answers this one with MULTIFD_HELLO_ANSWER first, and so tells that it finds
 * out by itself how passes end and where zero pages are.
 */
#define MULTIFD_HELLO        0x4d4d4631u
#define MULTIFD_HELLO_ANSWER 0x4d4d4632u
