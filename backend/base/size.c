/*
 * Parses and formats sizes. All arithmetic is integer: a fraction is scaled
 * exactly and rounded once, so no size depends on the rounding of a double.
 * Pure, any thread.
 */
#include "backend/base/size.h"

#include <string.h>

typedef unsigned __int128 Wide;

static const char unit_letters[] = "BKMGTPE";

/* The factor of suffix @c, 0 when @c is not a suffix. */
static uint64_t unit_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(unit_letters, g_ascii_toupper(c));

    return at == NULL ? 0 : UINT64_C(1) << (10 * (at - unit_letters));
}

/* Reads digits of @base at *@at; *@ret saturates far above INT64_MAX. False when there are none. */
static bool read_digits(const char **at, unsigned base, Wide *ret)
{
    const Wide enough = (Wide)UINT64_MAX + 1;
    const char *start = *at;
    Wide value = 0;

    for (;; (*at)++) {
        int digit = base == 16 ? g_ascii_xdigit_value(**at) : g_ascii_digit_value(**at);

        if (digit < 0) {
            break;
        }
        value = MIN(value * base + (Wide)digit, enough);
    }
    *ret = value;
    return *at > start;
}

/* Reads ".DIGITS" at *@at, if present, as *@ret_digits / *@ret_scale. Digits after the 18th are
 * skipped: even in exbibytes they are worth less than half a byte. */
static void read_fraction(const char **at, uint64_t *ret_digits, uint64_t *ret_scale)
{
    *ret_digits = 0;
    *ret_scale = 1;
    if (**at != '.') {
        return;
    }
    for ((*at)++; g_ascii_isdigit(**at); (*at)++) {
        if (*ret_scale < UINT64_C(1000000000000000000)) {
            *ret_digits = *ret_digits * 10 + (uint64_t)g_ascii_digit_value(**at);
            *ret_scale *= 10;
        }
    }
}

bool size_parse(const char *text, uint64_t default_unit, uint64_t *ret, bool *ret_range)
{
    uint64_t fraction = 0, scale = 1, unit = default_unit;
    bool negative = false;
    const char *at = text;
    Wide value;

    if (ret_range != NULL) {
        *ret_range = false;
    }
    while (g_ascii_isspace(*at)) {
        at++;
    }
    if (*at == '+' || *at == '-') {
        negative = *at == '-';
        at++;
    }

    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
        at += 2;
        if (!read_digits(&at, 16, &value)) {
            return false;
        }
    } else {
        bool digits = read_digits(&at, 10, &value);

        if (!digits && !(at[0] == '.' && g_ascii_isdigit(at[1]))) {
            return false;
        }
        read_fraction(&at, &fraction, &scale);
        if (unit_of(*at) != 0) {
            unit = unit_of(*at++);
        }
        if (fraction != 0 && unit == 1) {
            return false; /* bytes have no fractions */
        }
    }
    if (*at != '\0') {
        return false;
    }

    value = value * unit + ((Wide)fraction * unit + scale / 2) / scale;
    if (negative || value > INT64_MAX) {
        if (ret_range != NULL) {
            *ret_range = true;
        }
        return false;
    }
    *ret = (uint64_t)value;
    return true;
}

char *size_format(uint64_t bytes)
{
    size_t power = 0;
    Wide tenths;

    if (bytes < 1024) {
        return g_strdup_printf("%u B", (unsigned)bytes);
    }
    /* The unit is chosen after rounding: 1023.96 KiB becomes 1.0 MiB. */
    do {
        uint64_t unit = UINT64_C(1) << (10 * ++power);
        tenths = ((Wide)bytes * 10 + unit / 2) / unit;
    } while (tenths >= 10240 && power + 2 < sizeof unit_letters);
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%u %ciB", (uint64_t)(tenths / 10),
                           (unsigned)(tenths % 10), unit_letters[power]);
}
