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

/* "512 B", "1.5 KiB", "10.0 MiB"; caller frees. */
char *size_format(uint64_t bytes);
