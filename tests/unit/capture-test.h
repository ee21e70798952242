/*
 * Streams captured from real QEMU: finding them by their manifest, their bytes,
 * the RAM they were made from. Used by the tests that link libzstd.
 *
 * A folder of captures is $MIGMON_TEST_DATA/streams (in the tree, always
 * there) or $MIGMON_STREAMS (the whole collection, not everywhere).
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <string.h>
#include <zstd.h>

#include "backend/stream/format.h"

typedef struct {
    char *path; /* NULL = not set */
    json_object *manifest;
} CaptureFolder;

CaptureFolder capture_folder_open(const char *variable, const char *below);
void capture_folder_close(CaptureFolder *folder);
const char *capture_text(json_object *object, const char *key);
guint64 capture_number(json_object *object, const char *key);

/* The element of the manifest, NULL when the folder does not have it. */
json_object *capture_find(const CaptureFolder *folder, const char *name);

char *capture_sha256(const void *bytes, size_t length);

/* The bytes of the file with @role, checked against the manifest; NULL when there is no such role.
 * What stood in the file before the stream is left out. */
GBytes *capture_load(const CaptureFolder *folder, json_object *capture, const char *role);

/* ---- content of RAM, as the manifest describes it ---- */

uint64_t capture_mix(uint64_t x);

/* migmon-fill-1 for page @page; @words is zero before. */
void capture_fill_page(uint64_t *words, uint64_t seed, uint64_t page);

/* RAM of the source, NULL when only the guest knows. Caller frees. */
uint8_t *capture_ram(json_object *capture);
