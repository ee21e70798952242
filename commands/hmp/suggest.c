/*
 * Edit distance for typical typing mistakes. A dash for an underscore and a
 * capital letter cost nothing, two swapped neighbours cost one, and the
 * beginning of a name matches the shortest name that begins with it.
 */
#include "commands/hmp/suggest.h"

#include <stdbool.h>
#include <string.h>

#include "backend/base/error.h"

enum { MAX_NAME = 63 };

static char folded(char c)
{
    return c == '_' ? '-' : g_ascii_tolower(c);
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    return MIN(MIN(a, b), c);
}

/* Three rows of the usual table: the current one and the two before it. */
static unsigned edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][MAX_NAME + 1];

    for (size_t j = 0; j <= m; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            char x = folded(a[i - 1]), y = folded(b[j - 1]);

            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == folded(b[j - 2]) && y == folded(a[i - 2])) {
                row[j] = MIN(row[j], above2[j - 2] + 1);
            }
        }
    }
    return rows[n % 3][m];
}

void suggestion_init(Suggestion *s, const char *word, size_t length)
{
    *s = (Suggestion){ .word = word, .word_length = length };
    s->distance = (unsigned)(length / 3) + 1; /* a suggestion must have a smaller distance */
    if (length == 0 || length > MAX_NAME) {
        s->distance = 0;
    }
}

static void offer_one(Suggestion *s, const char *name, size_t length)
{
    if (length > MAX_NAME || s->distance == 0) {
        return;
    }

    unsigned distance = edit_distance(s->word, s->word_length, name, length);
    bool begins = s->word_length >= 3 && length > s->word_length &&
                  strncmp(name, s->word, s->word_length) == 0;
    if (begins) {
        distance = MIN(distance, s->word_length / 3);
    }
    if (distance < s->distance ||
        (s->name && distance == s->distance && begins && length < s->name_length)) {
        s->distance = distance;
        s->name = name;
        s->name_length = length;
    }
}

void suggestion_offer(Suggestion *s, const char *names)
{
    for (;;) {
        size_t length = strcspn(names, "|");

        offer_one(s, names, length);
        if (names[length] == '\0') {
            return;
        }
        names += length + 1;
    }
}

void suggestion_hint(const Suggestion *s, const char *before, GError **error)
{
    if (s->name) {
        mig_error_hint(error, "did you mean '%s%.*s'?", before, (int)s->name_length, s->name);
    }
}
