/*
 * Integer expressions of monitor arguments: C literals in any base,
 * characters, + - * / % & | ^ ~ and parentheses. Pure.
 *
 * The precedence is HMP's, not C's: products bind tightest, then the bit
 * operators, then sums. Values wrap at 64 bits. Nesting is limited because a
 * line can come from a QMP client.
 */
#include "commands/hmp/parse.h"

#include <errno.h>
#include <stdlib.h>

#include "backend/base/error.h"

enum { MAX_NESTING = 64 };

typedef struct {
    const char *at;
    unsigned depth;
    GError **error;
} Scanner;

static bool read_sum(Scanner *in, int64_t *ret);

static bool refuse(Scanner *in, const char *text)
{
    g_set_error_literal(in->error, MIG_ERROR, MIG_ERROR_GENERIC, text);
    return false;
}

static void next(Scanner *in)
{
    in->at = skip_blanks(in->at + 1);
}

static bool read_number(Scanner *in, int64_t *ret)
{
    char *end;

    errno = 0;
    *ret = (int64_t)strtoull(in->at, &end, 0);
    if (errno == ERANGE) {
        return refuse(in, "number too large");
    }
    if (end == in->at) {
        /* One byte of a multi-byte character is not valid text. */
        g_autofree char *c = g_utf8_make_valid(in->at, 1);
        g_autofree char *text = g_strdup_printf("invalid char '%s' in expression", c);

        return refuse(in, text);
    }
    in->at = skip_blanks(end);
    return true;
}

static bool read_character(Scanner *in, int64_t *ret)
{
    in->at++;
    if (*in->at == '\0') {
        return refuse(in, "character constant expected");
    }
    *ret = (unsigned char)*in->at;
    if (*++in->at != '\'') {
        return refuse(in, "missing terminating \' character");
    }
    next(in);
    return true;
}

static bool read_parentheses(Scanner *in, int64_t *ret)
{
    next(in);
    if (!read_sum(in, ret)) {
        return false;
    }
    if (*in->at != ')') {
        return refuse(in, "')' expected");
    }
    next(in);
    return true;
}

static bool read_unary(Scanner *in, int64_t *ret)
{
    char c = *in->at;
    bool ok;

    if (++in->depth > MAX_NESTING) {
        return refuse(in, "expression is nested too deeply");
    }
    switch (c) {
    case '+':
    case '-':
    case '~':
        next(in);
        ok = read_unary(in, ret);
        if (ok && c != '+') {
            *ret = (int64_t)(c == '-' ? -(uint64_t)*ret : ~(uint64_t)*ret);
        }
        break;
    case '(':
        ok = read_parentheses(in, ret);
        break;
    case '\'':
        ok = read_character(in, ret);
        break;
    case '$':
        return refuse(in, "unknown register");
    case '\0':
        return refuse(in, "unexpected end of expression");
    default:
        ok = read_number(in, ret);
        break;
    }
    in->depth--;
    return ok;
}

static bool divide(Scanner *in, char operator, int64_t * value, int64_t by)
{
    if (by == 0) {
        return refuse(in, "division by zero");
    }
    if (by == -1) { /* the smallest number has no positive counterpart */
        *value = operator== '/' ? (int64_t) - (uint64_t)*value : 0;
    } else {
        *value = operator== '/' ? *value / by : * value % by;
    }
    return true;
}

static bool read_product(Scanner *in, int64_t *ret)
{
    int64_t right;

    if (!read_unary(in, ret)) {
        return false;
    }
    for (;;) {
        char operator= * in->at;

        if (operator!= '*' && operator!= '/' && operator!= '%') {
            return true;
        }
        next(in);
        if (!read_unary(in, &right)) {
            return false;
        }
        if (operator== '*') {
            *ret = (int64_t)((uint64_t)*ret * (uint64_t)right);
        } else if (!divide(in, operator, ret, right)) {
            return false;
        }
    }
}

static bool read_bits(Scanner *in, int64_t *ret)
{
    int64_t right;

    if (!read_product(in, ret)) {
        return false;
    }
    for (;;) {
        char operator= * in->at;

        if (operator!= '&' && operator!= '|' && operator!= '^') {
            return true;
        }
        next(in);
        if (!read_product(in, &right)) {
            return false;
        }
        *ret = operator== '&' ? *ret & right : operator== '|' ? *ret | right : * ret ^ right;
    }
}

static bool read_sum(Scanner *in, int64_t *ret)
{
    int64_t right;

    if (!read_bits(in, ret)) {
        return false;
    }
    for (;;) {
        char operator= * in->at;

        if (operator!= '+' && operator!= '-') {
            return true;
        }
        next(in);
        if (!read_bits(in, &right)) {
            return false;
        }
        *ret = (int64_t)(operator== '+' ? (uint64_t)*ret + (uint64_t)right
                                        : (uint64_t)*ret - (uint64_t)right);
    }
}

bool expression_read(const char **at, int64_t *ret, GError **error)
{
    Scanner in = { .at = skip_blanks(*at), .error = error };

    if (!read_sum(&in, ret)) {
        return false;
    }
    *at = in.at;
    return true;
}
