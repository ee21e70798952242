/*
 * XBZRLE: what changed inside a page, as runs of "keep so many bytes" and "replace so many by
 * these". Both ways on plain bytes; the delta always applies to what the receiver's page holds now.
 *
 *     repeat: uleb zrun, uleb nzrun, nzrun bytes
 *
 * A run has at most 4096 bytes, so a length takes one byte below 128 and else two, low seven
 * bits first. A delta begins with a zrun, which only there may be 0; a zrun at the end is not sent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returned when the delta does not fit. */
#define XBZRLE_OVERFLOW SIZE_MAX

/* The delta from @old to @now (a page of STREAM_PAGE_SIZE each, aligned to 8; neither may change
 * meanwhile) into
 * @out, which has room for @size bytes. Returns its length, 0 when the pages are equal. */
size_t xbzrle_encode(const uint8_t *old, const uint8_t *now, uint8_t *out, size_t size);

/* Applies a delta of any content to @page. False when it is none: then @page may be changed in
 * part, never anything beyond it. */
bool xbzrle_decode(const uint8_t *delta, size_t length, uint8_t *page);
