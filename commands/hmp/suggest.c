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

void suggestion_lookalike(const char *line, GError **error)
{
    static const struct {
        gunichar first, last;
        const char *name, *meant;
    } rows[] = {
        { 0x00a0, 0x00a0, "a no-break space", "a blank" },
        { 0x2000, 0x200a, "a typographic space", "a blank" },
        { 0x200b, 0x200b, "an invisible space", NULL },
        { 0x202f, 0x202f, "a narrow no-break space", "a blank" },
        { 0x205f, 0x205f, "a typographic space", "a blank" },
        { 0x2060, 0x2060, "an invisible joiner", NULL },
        { 0x3000, 0x3000, "a wide space", "a blank" },
        { 0xfeff, 0xfeff, "a byte order mark", NULL },
        { 0x2010, 0x2015, "a typographic dash", "a -" },
        { 0x2212, 0x2212, "a minus sign", "a -" },
        { 0x00ab, 0x00ab, "a typographic quote", "a \"" },
        { 0x00bb, 0x00bb, "a typographic quote", "a \"" },
        { 0x201c, 0x201f, "a typographic quote", "a \"" },
        { 0x2018, 0x201b, "a typographic quote", "a '" },
    };
    unsigned column = 1;

    for (const char *at = line; *at != '\0'; column++) {
        gunichar c = g_utf8_get_char_validated(at, -1);

        if (c == (gunichar)-1 || c == (gunichar)-2) {
            return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
            if (c >= rows[i].first && c <= rows[i].last) {
                mig_error_hint(error, "character %u is %s (U+%04X)%s%s", column, rows[i].name, c,
                               rows[i].meant ? ", not " : "; remove it",
                               rows[i].meant ? rows[i].meant : "");
                return;
            }
        }
        at = g_utf8_next_char(at);
    }
}

void suggestion_hint(const Suggestion *s, const char *before, GError **error)
{
    if (s->name) {
        mig_error_hint(error, "did you mean '%s%.*s'?", before, (int)s->name_length, s->name);
    }
}
