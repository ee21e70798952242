/*
 * XBZRLE encodes the changes of a page as runs of bytes to keep and bytes to replace. Pure bytes;
 * the delta applies to the present content of the receiver's page.
 *
 *     repeat: uleb zrun, uleb nzrun, nzrun bytes
 *
 * A run has at most 4096 bytes, so a length takes one byte below 128, else two, low seven bits
 * first. A delta begins with a zrun, and only this zrun may be 0. A zrun at the end is not sent.
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

/* Applies an untrusted delta to @page. False when it is invalid: then a part of @page may be
 * changed, but nothing outside it. */
bool xbzrle_decode(const uint8_t *delta, size_t length, uint8_t *page);
