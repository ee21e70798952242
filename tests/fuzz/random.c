/*
 * See random.h. The generator is splitmix64.
 */
#include "tests/fuzz/random.h"

#include <string.h>

#include "backend/schema/schema.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"
#include "commands/table.h"

void random_seed(Random *random, uint64_t seed)
{
    random->state = seed;
}

uint64_t random_next(Random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t random_below(Random *random, size_t n)
{
    return (size_t)(random_next(random) % n);
}

bool random_one_in(Random *random, size_t n)
{
    return random_below(random, n) == 0;
}

/* ---- words ---- */

static const char *const words[] = {
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\"",
    "'",
    "\\",
    "\\\"",
    "\\x41",
    "\\n",
    "#",
    "$",
    "$NAME",
    "-",
    "-d",
    "-f",
    "--",
    "-d -r",
    "on",
    "off",
    "true",
    "yes",
    "maybe",
    "null",
    "nan",
    "inf",
    "0",
    "-0",
    "-1",
    "1",
    "007",
    "0x",
    "0x10",
    "0xffffffffffffffff",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "1e308",
    "1e999",
    "1.5G",
    "8E",
    "16E",
    "1k",
    "2Mi",
    "0.0000001",
    "4294967296",
    "255",
    "256",
    "%s%n%p",
    "%",
    "\x01",
    "\x7f",
    "\x1b[A",
    "\xff",
    "\xc3\x28",
    "\xf0\x9f\x90\xa7",
    "\xef\xbb\xbf",
    "\xe2\x80\xae",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "{}",
    "[]",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "tcp:",
    "tcp:::1:0",
    "tcp:[::1]:4444,to=9",
    "unix:",
    "unix:/nonexistent/s",
    "fd:",
    "fd:3",
    "exec:",
    "exec:cat",
    "file:",
    "file:/nonexistent,offset=0x1",
    "vsock:2:1",
    "rdma:a:1",
    "defer",
    "help",
    "info",
    "completed",
    "failed",
    "cancelled",
    "300ms",
    "1.5s",
    "10",
    ">=",
    "<",
    "==",
    "!=",
    ".*",
    "(a+)+$",
    "[[:alpha:]]{1,9}",
    "(",
    "x-",
};

static const char *table_word(Random *random)
{
    size_t count;

    switch (random_below(random, 4)) {
    case 0:
        return param_table[random_below(random, param_count)].name;
    case 1:
        return capability_table[random_below(random, CAPABILITY__COUNT)].name;
    case 2: {
        const SchemaCommand *commands = schema_commands(&count);
        return commands[random_below(random, count)].name;
    }
    default:
        for (count = 0; command_table[count] != NULL; count++) {}
        return command_table[random_below(random, count)]->name;
    }
}

const char *random_word(Random *random)
{
    return random_one_in(random, 3) ? table_word(random)
                                    : words[random_below(random, G_N_ELEMENTS(words))];
}

/* ---- mutations ---- */

static size_t place_in(Random *random, const GString *text)
{
    return random_below(random, text->len + 1);
}

static size_t piece_from(Random *random, size_t length, size_t at)
{
    return at == length ? 0 : random_below(random, MIN(length - at, 64) + 1);
}

static void repeat_piece(Random *random, GString *text)
{
    size_t at = place_in(random, text);
    size_t length = piece_from(random, text->len, at);
    size_t times = random_one_in(random, 50) ? 2000 : random_below(random, 8);
    g_autofree char *piece = g_strndup(text->str + at, length);

    for (size_t i = 0; i < times && text->len < 20000; i++) {
        g_string_insert_len(text, (gssize)at, piece, (gssize)length);
    }
}

static void take_piece(Random *random, GString *text, const char *other)
{
    size_t at = random_below(random, strlen(other) + 1);
    size_t length = piece_from(random, strlen(other), at);

    g_string_insert_len(text, (gssize)place_in(random, text), other + at, (gssize)length);
}

static void mutate_once(Random *random, GString *text, const char *other)
{
    size_t at = place_in(random, text);
    const char *word;

    switch (random_below(random, 7)) {
    case 0: /* one byte becomes another */
        if (at < text->len) {
            text->str[at] = (char)random_next(random);
        }
        break;
    case 1:
        if (at < text->len) {
            text->str[at] = (char)(text->str[at] ^ (1 << random_below(random, 8)));
        }
        break;
    case 2:
        g_string_erase(text, (gssize)at, (gssize)piece_from(random, text->len, at));
        break;
    case 3:
        repeat_piece(random, text);
        break;
    case 4:
        take_piece(random, text, other);
        break;
    default:
        word = random_word(random);
        g_string_insert(text, (gssize)at, word);
        if (random_one_in(random, 2)) {
            g_string_insert_c(text, (gssize)at, ' ');
        }
        break;
    }
}

void random_mutate(Random *random, GString *text, const char *other)
{
    for (size_t n = 1 + random_below(random, 1 + random_below(random, 8)); n > 0; n--) {
        mutate_once(random, text, other);
    }
}
