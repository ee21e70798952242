/*
 * Sizes in text for people. 1 KiB = 1024 bytes; suffixes B K M G T P E in either case, fractions
 * with a suffix of K or more ("1.5G"), 0x for hexadecimal without suffix.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The whole text must be a size. @default_unit is the factor without a suffix (1, 1048576). False
 * for garbage, negative numbers and values above INT64_MAX; then *@ret_range, unless NULL, is true
 * for a number out of range. */
bool size_parse(const char *text, uint64_t default_unit, uint64_t *ret, bool *ret_range);

/* @value without its fraction; what does not fit becomes 0 or the largest number. For products of
 * settings, each of which may be as large as its type allows. */
static inline uint64_t saturate_u64(double value)
{
    return value >= 0x1p64 ? UINT64_MAX : value > 0 ? (uint64_t)value : 0;
}

static inline int64_t saturate_i64(double value)
{
    return (int64_t)MIN(saturate_u64(value), (uint64_t)INT64_MAX);
}

/* "512 B", "1.5 KiB", "10.0 MiB"; caller frees. */
char *size_format(uint64_t bytes);
