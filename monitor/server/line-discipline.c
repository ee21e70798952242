/*
 * See line-discipline.h. Pure.
 *
 * Telnet: IAC (255) IAC is a literal 255; IAC WILL|WONT|DO|DONT takes one more
 * byte; IAC SB extends to IAC SE; other commands are two bytes. Negotiation is
 * never answered, so that all options stay off.
 */
#include "monitor/server/line-discipline.h"

#include <string.h>

enum { IAC = 255, TELNET_DONT = 254, TELNET_WILL = 251, TELNET_SB = 250, TELNET_SE = 240 };
enum { TELNET_NONE, TELNET_COMMAND, TELNET_OPTION, TELNET_SUB, TELNET_SUB_IAC };
enum { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_CSI, ESCAPE_SS3 };
enum {
    KEY_BACKSPACE = 8,
    KEY_NAK = 21 /* ^U */,
    KEY_ETB = 23 /* ^W */,
    KEY_ESC = 27,
    KEY_DEL = 127
};

void line_discipline_init(LineDiscipline *line)
{
    memset(line, 0, sizeof(*line));
    line->line = g_string_new(NULL);
}

void line_discipline_clear(LineDiscipline *line)
{
    g_string_free(line->line, TRUE);
    line->line = NULL;
}

void line_discipline_next(LineDiscipline *line)
{
    g_string_truncate(line->line, 0);
    line->too_long = false;
}

/* True when the byte belongs to telnet. */
static bool feed_telnet(LineDiscipline *line, uint8_t byte)
{
    switch (line->telnet) {
    case TELNET_NONE:
        line->telnet = byte == IAC ? TELNET_COMMAND : TELNET_NONE;
        return byte == IAC;
    case TELNET_COMMAND:
        if (byte >= TELNET_WILL && byte <= TELNET_DONT) {
            line->telnet = TELNET_OPTION;
        } else {
            line->telnet = byte == TELNET_SB ? TELNET_SUB : TELNET_NONE;
        }
        return byte != IAC;
    case TELNET_SUB:
        line->telnet = byte == IAC ? TELNET_SUB_IAC : TELNET_SUB;
        return true;
    case TELNET_SUB_IAC:
        line->telnet = byte == TELNET_SE ? TELNET_NONE : TELNET_SUB;
        return true;
    default: /* TELNET_OPTION */
        line->telnet = TELNET_NONE;
        return true;
    }
}

/* True when the byte belongs to the escape sequence of a key. */
static bool feed_escape(LineDiscipline *line, uint8_t byte)
{
    switch (line->escape) {
    case ESCAPE_NONE:
        line->escape = byte == KEY_ESC ? ESCAPE_BEGUN : ESCAPE_NONE;
        return byte == KEY_ESC;
    case ESCAPE_BEGUN:
        line->escape = byte == '[' ? ESCAPE_CSI : byte == 'O' ? ESCAPE_SS3 : ESCAPE_NONE;
        return byte >= 32;
    case ESCAPE_CSI:
        if (byte < 32) {
            line->escape = ESCAPE_NONE;
            return false;
        }
        if (byte >= 0x40) {
            line->escape = ESCAPE_NONE;
        }
        return true;
    default: /* ESCAPE_SS3 */
        line->escape = ESCAPE_NONE;
        return byte >= 32;
    }
}

/* Removes the last character with all its bytes. */
static void erase_character(LineDiscipline *line, GString *echo)
{
    size_t length = line->line->len;

    if (length == 0) {
        return;
    }
    do {
        length--;
    } while (length > 0 && ((uint8_t)line->line->str[length] & 0xc0) == 0x80);
    g_string_truncate(line->line, length);
    g_string_append(echo, "\b \b");
}

static void erase_word(LineDiscipline *line, GString *echo)
{
    while (line->line->len > 0 && line->line->str[line->line->len - 1] == ' ') {
        erase_character(line, echo);
    }
    while (line->line->len > 0 && line->line->str[line->line->len - 1] != ' ') {
        erase_character(line, echo);
    }
}

static void feed_key(LineDiscipline *line, uint8_t byte, GString *echo)
{
    switch (byte) {
    case KEY_BACKSPACE:
    case KEY_DEL:
        erase_character(line, echo);
        break;
    case KEY_NAK:
        while (line->line->len > 0) {
            erase_character(line, echo);
        }
        line->too_long = false;
        break;
    case KEY_ETB:
        erase_word(line, echo);
        break;
    default:
        if (byte < 32) {
            break;
        }
        if (line->line->len >= LINE_MAX_BYTES) {
            line->too_long = true;
            break;
        }
        g_string_append_c(line->line, (char)byte);
        g_string_append_c(echo, (char)byte);
        break;
    }
}

bool line_discipline_feed(LineDiscipline *line, uint8_t byte, GString *echo)
{
    bool after_cr = line->after_cr;

    if (feed_telnet(line, byte) || feed_escape(line, byte)) {
        return false;
    }
    line->after_cr = byte == '\r';
    if (byte == '\n' && after_cr) {
        return false;
    }
    if (byte == '\r' || byte == '\n') {
        g_string_append(echo, "\r\n");
        return true;
    }
    feed_key(line, byte, echo);
    return false;
}
