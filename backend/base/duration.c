/*
 * See duration.h.
 */
#include "backend/base/duration.h"

#include <glib.h>
#include <math.h>
#include <string.h>

bool duration_parse(const char *text, double unit_us, long double *ret_us)
{
    static const struct {
        const char *name;
        long double us;
    } units[] = { { "ns", 1e-3L }, { "us", 1 }, { "ms", 1e3L }, { "s", 1e6L }, { "min", 60e6L } };
    char *end;
    double number = g_ascii_strtod(text, &end);
    bool known = *end == '\0';
    long double us = unit_us;

    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        if (strcmp(end, units[i].name) == 0) {
            us = units[i].us;
            known = true;
        }
    }
    *ret_us = number * us;
    return end != text && known && isfinite(number);
}
