/*
 * Any text as a URI, and any JSON as an address. An address that is taken reads
 * back from its URI, and from its JSON, as the same one.
 */
#include <glib.h>
#include <json-c/json.h>
#include <string.h>

#include "backend/base/address.h"
#include "backend/base/json-framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const Address *a, const Address *b)
{
    g_autofree char *first = address_to_uri(a), *second = address_to_uri(b);

    if (strcmp(first, second) != 0) {
        g_error("%s became %s", first, second);
    }
}

static void check(const Address *address)
{
    json_object *json = address_to_json(address), *channels = address_to_channels(address);
    g_autoptr(Address) again = address_from_json(json, NULL);
    g_autoptr(Address) copy = address_copy(address);

    g_assert(again != NULL);
    same(address, again);
    same(address, copy);
    if (address_is_socket(address)) {
        json_object_put(address_to_socket_address(address));
    }
    json_object_put(json);
    json_object_put(channels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(JsonFramer) framer = json_framer_new();
    g_autoptr(Address) address =
        g_utf8_validate(text, -1, NULL) ? address_from_uri(text, NULL) : NULL;
    json_object *json = NULL;

    if (address) {
        g_autofree char *uri = address_to_uri(address);
        g_autoptr(Address) again = address_from_uri(uri, NULL);

        g_assert(again != NULL);
        same(address, again);
        check(address);
    }
    json_framer_feed(framer, data, size);
    if (json_framer_next(framer, &json, NULL) == JSON_FRAME_VALUE) {
        g_autoptr(Address) other = address_from_json(json, NULL);

        if (other) {
            check(other);
        }
        json_object_put(json);
    }
    return 0;
}
