/*
 * Layouts of devices that migmon does not have, from the description that QEMU
 * appends to a stream. Only sizes matter: each device becomes one buffer of the
 * size that its description adds up to.
 *
 * The description is as untrusted as the stream: the JSON parser bounds its
 * depth, and LAYOUT_MAX bounds every sum.
 */
#include <string.h>

#include "backend/base/error.h"
#include "backend/stream/reader-internal.h"

#define LAYOUT_MAX  ((int64_t)READER_ELEMENT_MAX)
#define DEVICES_MAX 4096u
#define JSON_DEPTH  64

typedef struct {
    VmStateDesc desc;
    VmStateField fields[2]; /* the body, end of table */
    uint32_t instance;
} Layout;

struct StreamLayouts {
    GPtrArray *layouts; /* Layout */
};

static void layout_free(gpointer data)
{
    Layout *layout = data;

    g_free((char *)(uintptr_t)layout->desc.name);
    g_free((char *)(uintptr_t)layout->desc.idstr);
    g_free(layout);
}

void stream_layouts_free(StreamLayouts *layouts)
{
    if (layouts != NULL) {
        g_ptr_array_unref(layouts->layouts);
        g_free(layouts);
    }
}

G_GNUC_PRINTF(2, 3)
static bool refuse(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return mig_fail(error, MIG_ERROR_FORMAT, "description of the stream: %s", text);
}

/* ---- JSON ---- */

/* Reads an integer member from 0 to @max. A missing member gives @missing, or an error if that is
 * negative. */
static bool get_number(json_object *object, const char *key, int64_t max, int64_t missing,
                       int64_t *ret, GError **error)
{
    json_object *value;

    if (!json_object_object_get_ex(object, key, &value)) {
        *ret = missing;
        return missing >= 0 || refuse(error, "'%s' is missing", key);
    }
    int64_t number = json_object_get_int64(value);
    if (!json_object_is_type(value, json_type_int) || number < 0 || number > max) {
        return refuse(error, "'%s' is not a number from 0 to %" G_GINT64_FORMAT, key, max);
    }
    *ret = number;
    return true;
}

static const char *get_text(json_object *object, const char *key, GError **error)
{
    json_object *value;

    if (!json_object_object_get_ex(object, key, &value) ||
        !json_object_is_type(value, json_type_string)) {
        refuse(error, "'%s' is missing or not a string", key);
        return NULL;
    }
    const char *text = json_object_get_string(value);
    if (!reader_is_name((const uint8_t *)text, (size_t)json_object_get_string_len(value))) {
        refuse(error, "'%s' is empty or not printable", key);
        return NULL;
    }
    return text;
}

/* Reads a list member; *@ret_length is 0 when it is missing. */
static bool get_list(json_object *object, const char *key, json_object **ret, size_t *ret_length,
                     GError **error)
{
    *ret_length = 0;
    if (!json_object_object_get_ex(object, key, ret)) {
        return true;
    }
    if (!json_object_is_type(*ret, json_type_array)) {
        return refuse(error, "'%s' is not a list", key);
    }
    *ret_length = json_object_array_length(*ret);
    return true;
}

static json_object *get_object(json_object *list, size_t index, GError **error)
{
    json_object *object = json_object_array_get_idx(list, index);

    if (!json_object_is_type(object, json_type_object)) {
        refuse(error, "a list holds something that is not an object");
        return NULL;
    }
    return object;
}

/* ---- sizes ---- */

/* Both are at most LAYOUT_MAX, so the sum cannot overflow. */
static bool add_size(int64_t *sum, int64_t size, GError **error)
{
    *sum += size;
    return *sum <= LAYOUT_MAX ||
           refuse(error, "a device of more than %" G_GINT64_FORMAT " bytes", LAYOUT_MAX);
}

static bool structure_size(json_object *object, int64_t *ret, GError **error);

static bool field_size(json_object *field, int64_t *ret, GError **error)
{
    json_object *structure;
    int64_t elements;
    int64_t size;

    if (!get_number(field, "array_len", LAYOUT_MAX, 1, &elements, error)) {
        return false;
    }
    if (json_object_object_get_ex(field, "struct", &structure)) {
        if (!json_object_is_type(structure, json_type_object)) {
            return refuse(error, "'struct' is not an object");
        }
        if (!structure_size(structure, &size, error)) {
            return false;
        }
    } else if (!get_number(field, "size", LAYOUT_MAX, -1, &size, error)) {
        return false;
    }
    *ret = 0;
    return add_size(ret, size * elements, error);
}

/* Sums up the fields and the subsections with their headers: type byte, name, version. */
static bool structure_size(json_object *object, int64_t *ret, GError **error)
{
    json_object *list;
    size_t n;
    int64_t sum = 0;

    if (!get_list(object, "fields", &list, &n, error)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        json_object *field = get_object(list, i, error);
        int64_t size = 0;
        if (field == NULL || !field_size(field, &size, error) || !add_size(&sum, size, error)) {
            return false;
        }
    }
    if (!get_list(object, "subsections", &list, &n, error)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        json_object *subsection = get_object(list, i, error);
        const char *name = subsection == NULL ? NULL : get_text(subsection, "vmsd_name", error);
        int64_t size = 0;
        if (name == NULL || !structure_size(subsection, &size, error)) {
            return false;
        }
        if (strlen(name) > UINT8_MAX) {
            return refuse(error, "the name of a subsection is too long");
        }
        if (!add_size(&sum, 1 + 1 + (int64_t)strlen(name) + 4 + size, error)) {
            return false;
        }
    }
    *ret = sum;
    return true;
}

/* ---- devices ---- */

static Layout *find_layout(const StreamLayouts *layouts, const char *idstr, uint32_t instance)
{
    for (guint i = 0; i < layouts->layouts->len; i++) {
        Layout *layout = g_ptr_array_index(layouts->layouts, i);
        if (strcmp(layout->desc.idstr, idstr) == 0 && layout->instance == instance) {
            return layout;
        }
    }
    return NULL;
}

static bool add_device(StreamLayouts *layouts, json_object *device, GError **error)
{
    const char *idstr = get_text(device, "name", error);
    const char *name = idstr == NULL ? NULL : get_text(device, "vmsd_name", error);
    int64_t instance = 0;
    int64_t version = 0;
    int64_t size = 0;

    if (name == NULL || !get_number(device, "instance_id", UINT32_MAX, -1, &instance, error) ||
        !get_number(device, "version", UINT32_MAX, -1, &version, error) ||
        !structure_size(device, &size, error)) {
        return false;
    }
    if (find_layout(layouts, idstr, (uint32_t)instance) != NULL) {
        return refuse(error, "'%s' %" G_GINT64_FORMAT " is there twice", idstr, instance);
    }

    Layout *layout = g_new0(Layout, 1);
    layout->instance = (uint32_t)instance;
    layout->fields[0] = (VmStateField){
        .name = "data",
        .type = FIELD_BUFFER,
        .count = (uint32_t)size,
    };
    layout->desc = (VmStateDesc){
        .name = g_strdup(name),
        .idstr = g_strdup(idstr),
        .version = (uint32_t)version,
        .minimum_version = (uint32_t)version,
        .fields = layout->fields,
    };
    g_ptr_array_add(layouts->layouts, layout);
    return true;
}

static json_object *parse(const char *json, size_t length, GError **error)
{
    if (length > INT32_MAX) {
        refuse(error, "too long");
        return NULL;
    }
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
    json_object *root = json_tokener_parse_ex(tokener, json, (int)length);
    enum json_tokener_error status = json_tokener_get_error(tokener);
    json_tokener_free(tokener);

    if (status != json_tokener_success || !json_object_is_type(root, json_type_object)) {
        refuse(error, "no JSON object (%s)", json_tokener_error_desc(status));
        json_object_put(root);
        return NULL;
    }
    return root;
}

static bool add_devices(StreamLayouts *layouts, json_object *root, GError **error)
{
    json_object *devices;
    size_t n;

    if (!get_list(root, "devices", &devices, &n, error)) {
        return false;
    }
    if (n > DEVICES_MAX) {
        return refuse(error, "more than %u devices", DEVICES_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        json_object *device = get_object(devices, i, error);
        if (device == NULL || !add_device(layouts, device, error)) {
            return false;
        }
    }
    return true;
}

StreamLayouts *stream_layouts_new(const char *json, size_t length, GError **error)
{
    json_object *root = parse(json, length, error);
    if (root == NULL) {
        return NULL;
    }
    g_autoptr(StreamLayouts) layouts = g_new0(StreamLayouts, 1);
    layouts->layouts = g_ptr_array_new_with_free_func(layout_free);
    bool good = add_devices(layouts, root, error);
    json_object_put(root);
    return good ? g_steal_pointer(&layouts) : NULL;
}

const VmStateDesc *stream_layouts_find(void *layouts, const char *idstr, uint32_t instance,
                                       uint32_t version, GError **error)
{
    Layout *layout = find_layout(layouts, idstr, instance);

    if (layout == NULL) {
        refuse(error, "section '%s' %u is not in it", idstr, instance);
        return NULL;
    }
    if (layout->desc.version != version) {
        refuse(error, "section '%s' %u has version %u there, %u in the stream", idstr, instance,
               layout->desc.version, version);
        return NULL;
    }
    return &layout->desc;
}
