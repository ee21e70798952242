/*
 * print|p: the value of an integer expression. The default format is always
 * x; QEMU uses the format of the last print.
 */
#include "commands/hmp/hmp-internal.h"

#include <inttypes.h>
#include <string.h>

static void print_character(HmpCall *call, uint8_t c)
{
    if (c == '\n') {
        call_print(call, "'\\n'\n");
    } else if (c == '\r') {
        call_print(call, "'\\r'\n");
    } else if (c == '\'' || c == '\\') {
        call_print(call, "'\\%c'\n", c);
    } else if (c < 32 || c > 126) {
        call_print(call, "'\\x%02x'\n", c);
    } else {
        call_print(call, "'%c'\n", c);
    }
}

static void run_print(HmpCall *call)
{
    int64_t value = call_integer(call, "value");

    switch (call_has(call, "format") ? *call_text(call, "format") : 'x') {
    case 'o':
        call_print(call, "%#" PRIo64 "\n", (uint64_t)value);
        break;
    case 'u':
        call_print(call, "%" PRIu64 "\n", (uint64_t)value);
        break;
    case 'x':
        call_print(call, "%#" PRIx64 "\n", (uint64_t)value);
        break;
    case 'c':
        print_character(call, (uint8_t)value);
        break;
    default:
        call_print(call, "%" PRId64 "\n", value);
        break;
    }
    call_finish(call, HMP_OK);
}

const Command cmd_print = {
    .name = "print|p",
    .params = "/fmt expr",
    .help = "print expression value (use $reg for CPU register access)",
    .args = (const ArgSpec[]){ { "format", ARG_FORMAT, .optional = true,
                                 .help = "o, x, d, u or c behind a slash" },
                               { "value", ARG_INTEGER, .help = "a number or an expression" },
                               { 0 } },
    .run = run_print,
};
