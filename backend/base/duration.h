/*
 * Durations as people write them: 300, 300ms, 1.5s, 2min. Pure.
 */
#pragma once

#include <stdbool.h>

/* @unit_us: microseconds of a number without a unit. False when @text is no finite number with a
 * known unit (ns, us, ms, s, min) behind it or none. */
bool duration_parse(const char *text, double unit_us, long double *ret_us);
