/*
 * Return-path messages, encoder beside decoder: u16 type, u16 length, then for
 * most types one u32. One row of the table is one type that precopy has a use
 * for; postcopy's requests are known by name only, so that refusing them says
 * what came.
 */
#include "backend/stream/return-path.h"

#include "backend/base/error.h"

typedef struct {
    const char *name;
    bool known;      /* taken here */
    uint16_t length; /* of the payload, for those taken */
} MessageKind;

static const MessageKind kinds[] = {
    [RETURN_SHUT] = { "SHUT", true, 4 },
    [RETURN_PONG] = { "PONG", true, 4 },
    [RETURN_REQ_PAGES_ID] = { "REQ_PAGES_ID", false, 0 },
    [RETURN_REQ_PAGES] = { "REQ_PAGES", false, 0 },
    [RETURN_RECV_BITMAP] = { "RECV_BITMAP", false, 0 },
    [RETURN_RESUME_ACK] = { "RESUME_ACK", true, 4 },
    [RETURN_SWITCHOVER_ACK] = { "SWITCHOVER_ACK", true, 0 },
};

void return_path_encode(const ReturnPathMessage *message, GByteArray *out)
{
    const MessageKind *kind = &kinds[message->type];

    g_assert(kind->known);
    put_be16(out, (uint16_t)message->type);
    put_be16(out, kind->length);
    if (kind->length == 4) {
        put_be32(out, message->value);
    }
}

/* The row of @type with a right @length, or NULL with the error set. */
static const MessageKind *check_kind(uint16_t type, uint16_t length, GError **error)
{
    const MessageKind *kind = type < G_N_ELEMENTS(kinds) ? &kinds[type] : NULL;

    if (kind == NULL || kind->name == NULL || length > RETURN_PATH_MAX_LENGTH) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "return path: received invalid message 0x%04x length 0x%04x", type, length);
        return NULL;
    }
    if (!kind->known) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "return path: received '%s' message (0x%04x), which belongs to postcopy",
                    kind->name, type);
        return NULL;
    }
    if (length != kind->length) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "return path: received '%s' message (0x%04x) with incorrect length %u, "
                    "expecting %u",
                    kind->name, type, length, kind->length);
        return NULL;
    }
    return kind;
}

ReturnPathResult return_path_decode(MigCursor *in, ReturnPathMessage *ret, GError **error)
{
    MigCursor at = *in;
    uint16_t type;
    uint16_t length;
    uint32_t value = 0;

    if (!get_be16(&at, &type) || !get_be16(&at, &length)) {
        return RETURN_PATH_SHORT;
    }
    if (check_kind(type, length, error) == NULL) {
        return RETURN_PATH_BAD;
    }
    if (length == 4 && !get_be32(&at, &value)) {
        return RETURN_PATH_SHORT;
    }
    *ret = (ReturnPathMessage){ .type = (ReturnPathType)type, .value = value };
    *in = at;
    return RETURN_PATH_MESSAGE;
}
