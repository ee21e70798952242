/*
 * multifd: pages go over separate connections beside the main channel. Names that both sides use.
 *
 * The connections are equal; a page may come on any of them. They are ordered at sync points only:
 * each channel sends a SYNC packet after its part of a pass, and the destination reads past the
 * mark on the main channel when all SYNCs have come.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/stream/multifd-packet.h"

/* The mark on the main channel at the end of a pass. */
typedef enum {
    MULTIFD_SYNC_AUTO,    /* as the destination asks, else ROUND */
    MULTIFD_SYNC_SECTION, /* nothing: every end of a ram body is a sync point (QEMU up to 8.0) */
    MULTIFD_SYNC_ROUND,   /* a FLUSH record (QEMU 8.1 and later) */
} MultifdSync;

/* Where zero pages are sent. */
typedef enum {
    MULTIFD_ZERO_AUTO,    /* in packets if the destination reports that it reads them there */
    MULTIFD_ZERO_MAIN,    /* ZERO records on the main channel, which every receiver knows */
    MULTIFD_ZERO_PACKETS, /* migmon, QEMU 9.0 and later; older QEMU ignores them silently */
} MultifdZero;

typedef struct {
    unsigned channels; /* 0 = multifd is off */
    MultifdCompression compression;
    int level;        /* of @compression; source */
    MultifdSync sync; /* source */
    MultifdZero zero; /* source */
    bool zero_copy;   /* source: pages leave without a copy in the kernel; plain ones only */
    uint32_t wait_ms; /* destination: limit for the wait for all channels; 0 = none */
} MultifdSettings;

/*
 * The value of a PING before the first page. Every destination answers a PING with its value;
 * migmon answers this one with MULTIFD_HELLO_ANSWER first. That answer means that the destination
 * detects by itself how passes end and where zero pages are sent.
 */
#define MULTIFD_HELLO        0x4d4d4631u
#define MULTIFD_HELLO_ANSWER 0x4d4d4632u
