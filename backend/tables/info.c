/*
 * MigrationInfo in its two forms: the JSON reply of query-migrate, made from
 * the engine's struct, and the lines of HMP's info migrate, made from that
 * reply. The lines need only the JSON, so they also show the reply of a real
 * QEMU with fields that this engine never fills. Rows: info.def. Main thread.
 */
#include "backend/tables/info.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "backend/base/shown.h"

const char *const migration_status_names[] = {
    [MIGRATION_NONE] = "none",
    [MIGRATION_SETUP] = "setup",
    [MIGRATION_CANCELLING] = "cancelling",
    [MIGRATION_CANCELLED] = "cancelled",
    [MIGRATION_ACTIVE] = "active",
    [MIGRATION_POSTCOPY_ACTIVE] = "postcopy-active",
    [MIGRATION_POSTCOPY_PAUSED] = "postcopy-paused",
    [MIGRATION_POSTCOPY_RECOVER] = "postcopy-recover",
    [MIGRATION_COMPLETED] = "completed",
    [MIGRATION_FAILED] = "failed",
    [MIGRATION_COLO] = "colo",
    [MIGRATION_PRE_SWITCHOVER] = "pre-switchover",
    [MIGRATION_DEVICE] = "device",
    [MIGRATION_WAIT_UNPLUG] = "wait-unplug",
    [MIGRATION__COUNT] = NULL,
};

const char *migration_status_name(MigrationStatus status)
{
    g_assert((unsigned)status < MIGRATION__COUNT);
    return migration_status_names[status];
}

bool migration_status_from_name(const char *name, MigrationStatus *ret)
{
    for (unsigned i = 0; i < MIGRATION__COUNT; i++) {
        if (strcmp(migration_status_names[i], name) == 0) {
            *ret = (MigrationStatus)i;
            return true;
        }
    }
    return false;
}

bool migration_status_is_over(MigrationStatus status)
{
    return status == MIGRATION_NONE || status == MIGRATION_COMPLETED ||
           status == MIGRATION_FAILED || status == MIGRATION_CANCELLED;
}

/* ---- rows ---- */

typedef enum { FORM_COUNT, FORM_KBYTES, FORM_RATE, FORM_LIST, FORM_SOCKETS } Form;
typedef enum { WHEN_ALWAYS, WHEN_NONZERO, WHEN_WITH_STATUS } When;
typedef enum {
    TYPE_none, /* not in MigInfo */
    TYPE_int,
    TYPE_uint32,
    TYPE_uint64,
    TYPE_size,
    TYPE_number,
    TYPE_uint32_list,
    TYPE_socket_address_list,
} Type;

typedef struct {
    const char *object; /* NULL: member of the reply itself */
    const char *member;
    const char *label;
    Form form;
    const char *suffix;
    When when;
    Type type;
    size_t has, value; /* in MigInfo */
} InfoRow;

static const InfoRow rows[] = {
#define MIG_INFO(field, member, type, label, form, suffix, when)                                   \
    { NULL,                                                                                        \
      member,                                                                                      \
      label,                                                                                       \
      FORM_##form,                                                                                 \
      suffix,                                                                                      \
      WHEN_##when,                                                                                 \
      TYPE_##type,                                                                                 \
      offsetof(MigInfo, has_##field),                                                              \
      offsetof(MigInfo, field) },
#define MIG_STAT(name, object, field, member, type, label, form, suffix, when, source)             \
    { name,                                                                                        \
      member,                                                                                      \
      label,                                                                                       \
      FORM_##form,                                                                                 \
      suffix,                                                                                      \
      WHEN_##when,                                                                                 \
      TYPE_##type,                                                                                 \
      offsetof(MigInfo, has_##object),                                                             \
      offsetof(MigInfo, object.field) },
#define MIG_INFO_LINE(name, member, label, form, suffix, when)                                     \
    { name, member, label, FORM_##form, suffix, WHEN_##when, TYPE_none, 0, 0 },
#include "backend/tables/info.def"
};

/* ---- JSON ---- */

static json_object *value_to_json(Type type, const void *value)
{
    double number;

    switch (type) {
    case TYPE_none:
        break;
    case TYPE_int:
        return json_object_new_int64(*(const int64_t *)value);
    case TYPE_number:
        number = *(const double *)value;
        return json_object_new_double(isfinite(number) ? number : 0); /* JSON has no infinity */
    case TYPE_uint32:
    case TYPE_uint64:
    case TYPE_size:
        return json_object_new_uint64(*(const uint64_t *)value);
    case TYPE_uint32_list:
    case TYPE_socket_address_list:
        return json_object_get(*(json_object *const *)value);
    }
    g_assert_not_reached();
}

json_object *mig_info_to_json(const MigInfo *info)
{
    json_object *reply = json_object_new_object();

    if (info->status != MIGRATION_NONE) {
        json_object_object_add(reply, "status",
                               json_object_new_string(migration_status_name(info->status)));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const InfoRow *row = &rows[i];
        json_object *object = reply;

        if (row->type == TYPE_none || !*((const char *)info + row->has)) {
            continue;
        }
        if (row->object != NULL && !json_object_object_get_ex(reply, row->object, &object)) {
            object = json_object_new_object();
            json_object_object_add(reply, row->object, object);
        }
        json_object_object_add(object, row->member,
                               value_to_json(row->type, (const char *)info + row->value));
    }
    if (info->error_desc != NULL) {
        json_object_object_add(reply, "error-desc", json_object_new_string(info->error_desc));
    }
    return reply;
}

/* ---- HMP ---- */

static const char globals[] = "globals:\n"
                              "store-global-state: on\n"
                              "only-migratable: off\n"
                              "send-configuration: on\n"
                              "send-section-footer: on\n"
                              "decompress-error-check: on\n"
                              "clear-bitmap-shift: 18\n";

static size_t list_length(json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static const char *member_string(json_object *object, const char *name)
{
    json_object *value;
    const char *text = NULL;

    if (json_object_object_get_ex(object, name, &value)) {
        text = json_object_get_string(value);
    }
    return text == NULL ? "" : text;
}

static void format_sockets(json_object *list, GString *out)
{
    g_string_append(out, "[\n");
    for (size_t i = 0; i < list_length(list); i++) {
        json_object *address = json_object_array_get_idx(list, i);
        const char *type = member_string(address, "type");
        const char *host = member_string(address, "host");

        if (strcmp(type, "inet") == 0) {
            /* Brackets make the line a valid URI; QEMU omits them. */
            bool v6 = strchr(host, ':') != NULL;
            shown_append(out, "\ttcp:%s%s%s:%s\n", v6 ? "[" : "", host, v6 ? "]" : "",
                         member_string(address, "port"));
        } else if (strcmp(type, "unix") == 0) {
            shown_append(out, "\tunix:%s\n", member_string(address, "path"));
        } else if (strcmp(type, "vsock") == 0) {
            shown_append(out, "\tvsock:%s:%s\n", member_string(address, "cid"),
                         member_string(address, "port"));
        } else {
            shown_append(out, "\t%s:%s\n", type, member_string(address, "str"));
        }
    }
    g_string_append_c(out, ']');
}

static void format_value(const InfoRow *row, json_object *value, GString *out)
{
    switch (row->form) {
    case FORM_COUNT:
        g_string_append_printf(out, "%" PRId64, json_object_get_int64(value));
        break;
    case FORM_KBYTES:
        g_string_append_printf(out, "%" PRIu64, json_object_get_uint64(value) >> 10);
        break;
    case FORM_RATE:
        g_string_append_printf(out, "%0.2f", json_object_get_double(value));
        break;
    case FORM_LIST:
        for (size_t i = 0; i < list_length(value); i++) {
            g_string_append_printf(out, "%s%" PRId64, i == 0 ? "" : ",",
                                   json_object_get_int64(json_object_array_get_idx(value, i)));
        }
        break;
    case FORM_SOCKETS:
        format_sockets(value, out);
        break;
    }
}

static void format_row(const InfoRow *row, json_object *reply, bool has_status, GString *out)
{
    json_object *object = reply;
    json_object *value = NULL;
    bool present = row->object == NULL || json_object_object_get_ex(reply, row->object, &object);

    present = present && json_object_object_get_ex(object, row->member, &value);
    if (row->when == WHEN_WITH_STATUS ? !has_status : !present) {
        return;
    }
    if (row->when == WHEN_NONZERO && json_object_get_int64(value) == 0) {
        return;
    }
    g_string_append_printf(out, "%s: ", row->label);
    format_value(row, value, out);
    g_string_append_printf(out, "%s\n", row->suffix);
}

void mig_info_format_hmp(json_object *reply, GString *out)
{
    json_object *blocked = json_object_object_get(reply, "blocked-reasons");
    const char *status = member_string(reply, "status");
    const char *error = member_string(reply, "error-desc");

    g_string_append(out, globals);
    if (list_length(blocked) > 0) {
        g_string_append(out, "Outgoing migration blocked:\n");
    }
    for (size_t i = 0; i < list_length(blocked); i++) {
        shown_append(out, "  %s\n", json_object_get_string(json_object_array_get_idx(blocked, i)));
    }
    if (strcmp(status, "failed") == 0 && *error != '\0') {
        shown_append(out, "Migration status: %s (%s)\n", status, error);
    } else if (*status != '\0') {
        shown_append(out, "Migration status: %s\n", status);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        format_row(&rows[i], reply, *status != '\0', out);
    }
}
