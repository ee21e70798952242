/*
 * Bytes of a terminal into keys. Pure; knows what xterm, tmux, the Linux console and their
 * relatives send, and the SGR form of mouse reports.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tui/ui.h"

/* One key at the beginning of @bytes: returns how many bytes it took, with KEY_NONE for what is no
 * key we know; 0 when more bytes are needed. @last: no more will come, a lone escape is the key. */
size_t keys_decode(const uint8_t *bytes, size_t n, bool last, UiKey *ret);
