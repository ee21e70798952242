/*
 * See keys.h.
 */
#include "tui/keys.h"

#include <string.h>

/* What follows ESC [ or ESC O: up to two numbers and a letter. */
static const struct {
    char letter;
    unsigned number; /* for ~ */
    uint32_t code;
} sequences[] = {
    { 'A', 0, KEY_UP },        { 'B', 0, KEY_DOWN },   { 'C', 0, KEY_RIGHT },
    { 'D', 0, KEY_LEFT },      { 'H', 0, KEY_HOME },   { 'F', 0, KEY_END },
    { 'Z', 0, KEY_BACK_TAB },  { 'P', 0, KEY_F1 },     { 'Q', 0, KEY_F2 },
    { '~', 1, KEY_HOME },      { '~', 7, KEY_HOME },   { '~', 4, KEY_END },
    { '~', 8, KEY_END },       { '~', 3, KEY_DELETE }, { '~', 5, KEY_PAGE_UP },
    { '~', 6, KEY_PAGE_DOWN }, { '~', 11, KEY_F1 },    { '~', 12, KEY_F2 },
};

static uint32_t code_of(char letter, unsigned number)
{
    for (size_t i = 0; i < G_N_ELEMENTS(sequences); i++) {
        if (sequences[i].letter == letter && (letter != '~' || sequences[i].number == number)) {
            return sequences[i].code;
        }
    }
    return KEY_NONE;
}

/* "< button ; column ; row", then M for a press; releases and moves are ignored. */
static void decode_mouse(const unsigned *numbers, char letter, UiKey *ret)
{
    if (letter != 'M') {
        return;
    }
    ret->x = (int)MIN(numbers[1], 10000u) - 1;
    ret->y = (int)MIN(numbers[2], 10000u) - 1;
    ret->code = numbers[0] == 0    ? KEY_MOUSE
                : numbers[0] == 64 ? KEY_WHEEL_UP
                : numbers[0] == 65 ? KEY_WHEEL_DOWN
                                   : KEY_NONE;
}

/* Starts at the byte after ESC [. */
static size_t decode_control(const uint8_t *bytes, size_t n, UiKey *ret)
{
    unsigned numbers[3] = { 0 };
    unsigned count = 0;
    bool mouse = false;

    for (size_t i = 0; i < n; i++) {
        uint8_t c = bytes[i];

        if (c == '<' && i == 0) {
            mouse = true;
        } else if (c == '[' && i == 0) { /* the Linux console: ESC [ [ A is F1 */
            if (n < 2) {
                return 0;
            }
            ret->code = bytes[1] == 'A' ? KEY_F1 : bytes[1] == 'B' ? KEY_F2 : KEY_NONE;
            return 2;
        } else if (c >= '0' && c <= '9') {
            if (count < 3) {
                numbers[count] = MIN(numbers[count] * 10 + c - '0', 100000u);
            }
        } else if (c == ';') {
            count++;
        } else if (c >= 0x40 && c <= 0x7e) {
            if (mouse) {
                decode_mouse(numbers, (char)c, ret);
            } else {
                ret->code = code_of((char)c, numbers[0]);
            }
            return i + 1;
        } else if (c < 0x20 || c > 0x7e) {
            return i; /* incomplete sequence */
        }
    }
    return 0;
}

static size_t decode_character(const uint8_t *bytes, size_t n, bool last, UiKey *ret)
{
    gunichar ch = g_utf8_get_char_validated((const char *)bytes, (gssize)n);

    if (ch == (gunichar)-2 && !last && n < 4) {
        return 0;
    }
    if (ch == (gunichar)-1 || ch == (gunichar)-2) {
        return 1;
    }
    ret->code = ch;
    return (size_t)g_unichar_to_utf8(ch, NULL);
}

size_t keys_decode(const uint8_t *bytes, size_t n, bool last, UiKey *ret)
{
    size_t used = 0;

    memset(ret, 0, sizeof(*ret));
    if (n == 0) {
        return 0;
    }
    if (bytes[0] == 0) {
        return 1;
    }
    if (bytes[0] != KEY_ESCAPE) {
        return decode_character(bytes, n, last, ret);
    }
    if (n > 1 && bytes[1] == '[') {
        used = decode_control(bytes + 2, n - 2, ret);
        if (used > 0 || n > 64) {
            return used > 0 ? used + 2 : n;
        }
    } else if (n > 2 && bytes[1] == 'O') {
        ret->code = code_of((char)bytes[2], 0);
        return 3;
    } else if (n > 1 && bytes[1] != 'O') {
        ret->code = KEY_ESCAPE; /* the next byte is another key */
        return 1;
    }
    if (last) {
        ret->code = KEY_ESCAPE;
        return n > 1 ? n : 1;
    }
    return 0;
}
