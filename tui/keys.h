/*
 * Decodes the bytes of a terminal into keys: sequences of xterm, tmux, the Linux console and
 * compatible terminals, and SGR mouse reports. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tui/ui.h"

/* Decodes one key at the beginning of @bytes and returns the number of bytes used, with KEY_NONE
 * for an unknown sequence; 0 when more bytes are needed. @last: no more bytes come, so that a lone
 * escape byte is the key Escape. */
size_t keys_decode(const uint8_t *bytes, size_t n, bool last, UiKey *ret);
