/*
 * See fields.h. Numbers are compared as long double, which holds every 64 bit
 * integer.
 */
#include "commands/hmp/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base/duration.h"
#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/base/size.h"
#include "backend/schema/schema.h"
#include "commands/hmp/suggest.h"

/* ---- the table ---- */

/* A row before its full name is built. @suffix is the suffix in the lines of info. */
typedef struct {
    const char *request, *group, *member;
    const char *name; /* NULL = GROUP.MEMBER */
    enum { AS_COUNT, AS_KBYTES, AS_RATE, AS_LIST, AS_SOCKETS, AS_TEXT, AS_BOOL, AS_LENGTH } form;
    const char *suffix;
    const char *type; /* name of an enum of the schema */
} Row;

static const Row rows[] = {
#define MIG_INFO(field, member, type, label, form, suffix, when)                                   \
    { "query-migrate", NULL, member, NULL, AS_##form, suffix, NULL },
#define MIG_STAT(group, object, field, member, type, label, form, suffix, when, source)            \
    { "query-migrate", group, member, NULL, AS_##form, suffix, NULL },
#define MIG_INFO_LINE(group, member, label, form, suffix, when)                                    \
    { "query-migrate", group, member, NULL, AS_##form, suffix, NULL },
#include "backend/tables/info.def"
    { "query-migrate", NULL, "status", NULL, AS_TEXT, "", "MigrationStatus" },
    { "query-migrate", NULL, "error-desc", NULL, AS_TEXT, "", NULL },
    { "query-status", NULL, "running", NULL, AS_BOOL, "", NULL },
    { "query-status", NULL, "status", "run-state", AS_TEXT, "", "RunState" },
    { "x-query-owner", NULL, "owner", NULL, AS_TEXT, "", "XOwnerState" },
    { "x-query-owner", NULL, "evidence", NULL, AS_TEXT, "", NULL },
    { "x-query-migrate-history", NULL, "direction", NULL, AS_TEXT, "", "XDirection" },
    { "x-query-migrate-history", NULL, "peer", NULL, AS_TEXT, "", NULL },
    { "x-query-migrate-history", NULL, "outcome", NULL, AS_TEXT, "", NULL },
    { "x-query-migrate-history", NULL, "elapsed-ms", "elapsed", AS_COUNT, " ms", NULL },
    { "x-query-migrate-history", NULL, "threshold-bytes", "threshold", AS_COUNT, " bytes", NULL },
    { "x-query-migrate-history", NULL, "passes", NULL, AS_LENGTH, "", NULL },
};

static FieldKind kind_of(const Row *row)
{
    switch (row->form) {
    case AS_KBYTES:
        return FIELD_BYTES;
    case AS_TEXT:
        return FIELD_TEXT;
    case AS_BOOL:
        return FIELD_BOOL;
    case AS_LENGTH:
        return FIELD_LENGTH;
    default:
        return strcmp(row->suffix, " bytes") == 0 ? FIELD_BYTES
               : strcmp(row->suffix, " ms") == 0  ? FIELD_MS
               : strcmp(row->suffix, " us") == 0  ? FIELD_US
                                                  : FIELD_NUMBER;
    }
}

static Field make_field(const Row *row)
{
    Field field = {
        .name = row->name,
        .request = row->request,
        .group = row->group,
        .member = row->member,
        .kind = kind_of(row),
        .unit = row->form == AS_KBYTES ? "bytes" : row->suffix + strspn(row->suffix, " "),
        .values = row->type ? schema_find_type(row->type)->values : NULL,
    };

    if (!field.name) {
        field.name = row->group ? g_strconcat(row->group, ".", row->member, NULL) : row->member;
    }
    return field;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const Field *)a)->name, ((const Field *)b)->name);
}

const Field *fields(size_t *ret_count)
{
    static Field table[G_N_ELEMENTS(rows)];
    static size_t count;

    if (count == 0) { /* made once and never freed */
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
            if (rows[i].form != AS_LIST && rows[i].form != AS_SOCKETS) {
                table[count++] = make_field(&rows[i]);
            }
        }
        qsort(table, count, sizeof *table, compare_names);
    }
    *ret_count = count;
    return table;
}

/* ---- names ---- */

static void hint_names(const char *name, GError **error)
{
    size_t n;
    const Field *table = fields(&n);
    g_autoptr(GString) near = g_string_new(NULL);
    Suggestion best;

    suggestion_init(&best, name, strlen(name));
    for (size_t i = 0; i < n; i++) {
        const char *dot = strrchr(table[i].name, '.');

        if (strlen(name) >= 3 && strstr(table[i].name, name)) {
            g_string_append_printf(near, "%s'%s'", near->len ? ", " : "", table[i].name);
        }
        suggestion_offer(&best, table[i].name);
        if (dot) {
            suggestion_offer(&best, dot + 1); /* users often forget the group */
        }
    }
    if (near->len > 0) {
        mig_error_hint(error, "did you mean %s?", near->str);
        return;
    }
    for (size_t i = 0; best.name && i < n; i++) {
        if (g_str_has_suffix(table[i].name, best.name)) {
            g_string_append_printf(near, "%s'%s'", near->len ? ", " : "", table[i].name);
        }
    }
    if (near->len > 0) {
        mig_error_hint(error, "did you mean %s?", near->str);
    }
}

const Field *field_find(const char *name, GError **error)
{
    size_t n;
    const Field *table = fields(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "there is no field '%s'", name);
    hint_names(name, error);
    return NULL;
}

const char *const field_op_names[] = { "==", "!=", "<", "<=", ">", ">=", NULL };

bool field_op_from_name(const char *name, FieldOp *ret)
{
    for (size_t i = 0; field_op_names[i]; i++) {
        if (strcmp(field_op_names[i], name) == 0) {
            *ret = (FieldOp)i;
            return true;
        }
    }
    return false;
}

/* ---- values in a script ---- */

static bool refuse_value(const Field *field, const char *text, const char *wanted, GError **error)
{
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: '%s' is not %s", field->name, text,
                wanted);
    return false;
}

static bool parse_time(const Field *field, const char *text, FieldValue *ret, GError **error)
{
    double own = field->kind == FIELD_MS ? 1e3 : 1;
    long double us;

    if (!duration_parse(text, own, &us)) {
        return refuse_value(field, text, "a time (300, 300ms, 1.5s)", error);
    }
    ret->number = us / own;
    return true;
}

/* A whole number is parsed exactly. */
static bool parse_number(const Field *field, const char *text, FieldValue *ret, GError **error)
{
    char *end;

    errno = 0;
    ret->number = (long double)g_ascii_strtoll(text, &end, 10);
    if (errno != 0 || *end == '.' || *end == 'e') {
        ret->number = g_ascii_strtod(text, &end);
    }
    if (end == text || !isfinite(ret->number) || !(*end == '\0' || strcmp(end, field->unit) == 0)) {
        return refuse_value(field, text, "a number", error);
    }
    return true;
}

static bool parse_bool(const Field *field, const char *text, FieldValue *ret, GError **error)
{
    static const char *const yes[] = { "true", "on", "yes", NULL };
    static const char *const no[] = { "false", "off", "no", NULL };

    ret->number = g_strv_contains(yes, text) ? 1 : 0;
    return ret->number != 0 || g_strv_contains(no, text) ||
           refuse_value(field, text, "true or false", error);
}

/* "peer" also matches "peer (confirmed)". */
static bool same_text(const char *found, const char *wanted)
{
    size_t n = strlen(wanted);

    return strncmp(found, wanted, n) == 0 &&
           (found[n] == '\0' || g_str_has_prefix(found + n, " ("));
}

static bool check_enum(const Field *field, const char *text, GError **error)
{
    g_autofree char *all = NULL;

    for (const char *const *value = field->values; *value; value++) {
        if (same_text(*value, text)) {
            return true;
        }
    }
    all = g_strjoinv(", ", (char **)field->values);
    refuse_value(field, text, "one of its values", error);
    mig_error_hint(error, "values are: %s", all);
    return false;
}

bool field_value_parse(const Field *field, FieldOp op, const char *text, FieldValue *ret,
                       GError **error)
{
    bool only_equal = field->kind == FIELD_TEXT || field->kind == FIELD_BOOL;
    uint64_t bytes;

    *ret = (FieldValue){ .text = text };
    if (only_equal && op != FIELD_EQ && op != FIELD_NE) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s can be compared with == and != only",
                    field->name);
        return false;
    }
    switch (field->kind) {
    case FIELD_TEXT:
        return !field->values || check_enum(field, text, error);
    case FIELD_BOOL:
        return parse_bool(field, text, ret, error);
    case FIELD_MS:
    case FIELD_US:
        return parse_time(field, text, ret, error);
    case FIELD_BYTES:
        if (!size_parse(text, 1, &bytes, NULL)) {
            return refuse_value(field, text, "a size (4096, 10M, 1.5G)", error);
        }
        ret->number = (long double)bytes;
        return true;
    case FIELD_NUMBER:
    case FIELD_LENGTH:
        return parse_number(field, text, ret, error);
    }
    g_assert_not_reached();
}

/* ---- values in a reply ---- */

bool field_value_read(const Field *field, json_object *reply, FieldValue *ret)
{
    json_object *object = field->group ? json_member(reply, field->group) : reply;
    json_object *value = json_member(object, field->member);

    *ret = (FieldValue){ .text = "" };
    if (field->kind == FIELD_TEXT) {
        bool status = strcmp(field->name, "status") == 0;

        ret->text = value ? json_object_get_string(value) : status ? "none" : "";
        return value || status; /* query-migrate has no status before the first migration */
    }
    if (field->kind == FIELD_LENGTH) {
        bool list = json_object_is_type(value, json_type_array);

        ret->number = list ? (long double)json_length(value) : 0;
    } else if (json_object_is_type(value, json_type_double)) {
        ret->number = json_object_get_double(value);
    } else if (json_object_is_type(value, json_type_boolean)) {
        ret->number = json_object_get_boolean(value) ? 1 : 0;
    } else {
        int64_t integer = json_object_get_int64(value);

        ret->number =
            integer < 0 ? (long double)integer : (long double)json_object_get_uint64(value);
    }
    return value != NULL;
}

bool field_value_holds(const Field *field, const FieldValue *found, FieldOp op,
                       const FieldValue *wanted)
{
    bool equal = field->kind == FIELD_TEXT ? same_text(found->text, wanted->text)
                                           : found->number == wanted->number;

    switch (op) {
    case FIELD_EQ:
        return equal;
    case FIELD_NE:
        return !equal;
    case FIELD_LT:
        return found->number < wanted->number;
    case FIELD_LE:
        return found->number <= wanted->number;
    case FIELD_GT:
        return found->number > wanted->number;
    case FIELD_GE:
        return found->number >= wanted->number;
    }
    g_assert_not_reached();
}

bool field_value_is_whole(const FieldValue *value, int64_t *ret)
{
    static const long double limit = 9e18L; /* larger numbers are not useful */

    if (value->number > limit || value->number < -limit) {
        return false;
    }
    *ret = (int64_t)value->number;
    return value->number == (long double)*ret;
}

char *field_value_format(const Field *field, const FieldValue *value)
{
    g_autofree char *size = NULL;
    int64_t whole;

    switch (field->kind) {
    case FIELD_TEXT:
        return g_strdup_printf("'%s'", value->text);
    case FIELD_BOOL:
        return g_strdup(value->number != 0 ? "true" : "false");
    case FIELD_BYTES:
        size = size_format((uint64_t)value->number);
        return g_strdup_printf("%.0Lf bytes (%s)", value->number, size);
    default:
        size =
            g_strdup_printf(field_value_is_whole(value, &whole) ? "%.0Lf" : "%.3Lf", value->number);
        return g_strconcat(size, *field->unit ? " " : "", field->unit, NULL);
    }
}
