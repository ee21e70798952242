/*
 * The configuration section: machine name and subsections (validated
 * capabilities, UUID, page bits). It has no length and no footer: it ends when
 * the next byte does not begin a subsection. The caller interprets its content;
 * the reader keeps only what changes the rest of the format.
 */
#include <string.h>

#include "backend/stream/reader-internal.h"

#define MACHINE_MAX      256u
#define CAPABILITIES_MAX 128u
#define PAGE_BITS        12u

typedef enum { TAKEN, SHORT, REFUSED } Taken;

static Taken take_capabilities(StreamReader *r, MigCursor *in, GError **error)
{
    uint32_t count;
    char name[256];

    if (!get_be32(in, &count)) {
        return SHORT;
    }
    if (count > CAPABILITIES_MAX) {
        reader_refuse(r, error, "stream lists %u capabilities, more than the %u allowed", count,
                      CAPABILITIES_MAX);
        return REFUSED;
    }
    for (uint32_t i = 0; i < count; i++) {
        switch (reader_get_name(in, name)) {
        case NAME_OK:
            break;
        case NAME_SHORT:
            return SHORT;
        case NAME_BAD:
            reader_refuse(r, error, "capability %u of the stream has no proper name", i);
            return REFUSED;
        }
        r->ignore_shared |= strcmp(name, "x-ignore-shared") == 0;
        r->mapped_ram |= strcmp(name, "mapped-ram") == 0;
        g_ptr_array_add(r->capabilities, g_strdup(name));
    }
    return TAKEN;
}

static Taken take_uuid(StreamReader *r, MigCursor *in, GError **error)
{
    (void)error;
    const uint8_t *uuid;

    if (!get_bytes(in, sizeof r->uuid, &uuid)) {
        return SHORT;
    }
    memcpy(r->uuid, uuid, sizeof r->uuid);
    r->has_uuid = true;
    return TAKEN;
}

static Taken take_page_bits(StreamReader *r, MigCursor *in, GError **error)
{
    uint32_t bits;

    if (!get_be32(in, &bits)) {
        return SHORT;
    }
    if (bits != PAGE_BITS) {
        reader_refuse_with(r, MIG_ERROR_UNSUPPORTED, error,
                           "pages of 2^%u bytes, only 2^%u is supported", bits, PAGE_BITS);
        return REFUSED;
    }
    return TAKEN;
}

static const struct {
    const char *name;
    Taken (*take)(StreamReader *r, MigCursor *in, GError **error);
} subsections[] = {
    { "configuration/capabilities", take_capabilities },
    { "configuration/uuid", take_uuid },
    { "configuration/target-page-bits", take_page_bits },
};

/* Reads the part after the subsection's type byte. @seen: one bit for each subsection read
 * before. */
static Taken take_subsection(StreamReader *r, MigCursor *in, unsigned *seen, GError **error)
{
    char name[256];
    uint32_t version;

    switch (reader_get_name(in, name)) {
    case NAME_OK:
        break;
    case NAME_SHORT:
        return SHORT;
    case NAME_BAD:
        reader_refuse(r, error, "configuration has a subsection without a proper name");
        return REFUSED;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(subsections); i++) {
        if (strcmp(name, subsections[i].name) != 0) {
            continue;
        }
        if (!get_be32(in, &version)) {
            return SHORT;
        }
        if (version != 1 || (*seen & (1u << i)) != 0) {
            reader_refuse(r, error, "subsection '%s' %s", name,
                          version != 1 ? "has an unknown version" : "comes twice");
            return REFUSED;
        }
        *seen |= 1u << i;
        return subsections[i].take(r, in, error);
    }
    reader_refuse(r, error, "unknown configuration subsection '%s'", name);
    return REFUSED;
}

static Taken take_machine(StreamReader *r, MigCursor *in, GError **error)
{
    uint32_t length;
    const uint8_t *machine;

    if (!get_be32(in, &length)) {
        return SHORT;
    }
    if (length == 0 || length > MACHINE_MAX) {
        reader_refuse(r, error, "machine name of %u bytes, expected 1 to %u", length, MACHINE_MAX);
        return REFUSED;
    }
    if (!get_bytes(in, length, &machine)) {
        return SHORT;
    }
    if (!reader_is_name(machine, length)) {
        reader_refuse(r, error, "machine name has bytes that are not printable");
        return REFUSED;
    }
    r->machine = g_strndup((const char *)machine, length);
    return TAKEN;
}

/* Reads everything after the section's type byte. Starts from scratch when more bytes have come. */
static Taken take_configuration(StreamReader *r, MigCursor *in, GError **error)
{
    unsigned seen = 0;

    g_clear_pointer(&r->machine, g_free);
    g_ptr_array_set_size(r->capabilities, 0);

    Taken taken = take_machine(r, in, error);
    while (taken == TAKEN) {
        if (cursor_left(in) == 0) {
            return SHORT;
        }
        if (*in->at != STREAM_SUBSECTION) {
            g_ptr_array_add(r->capabilities, NULL);
            return TAKEN;
        }
        in->at++;
        taken = take_subsection(r, in, &seen, error);
    }
    return taken;
}

Step reader_step_configuration(StreamReader *r, StreamRecord *ret, GError **error)
{
    MigCursor in = reader_cursor(r);
    uint8_t type;

    if (!get_u8(&in, &type)) {
        return reader_more(r, 0, error);
    }
    if (type != STREAM_CONFIGURATION) {
        return reader_refuse_as_qemu(r, error, "Configuration section missing");
    }
    switch (take_configuration(r, &in, error)) {
    case TAKEN:
        break;
    case SHORT:
        return reader_more(r, 0, error);
    case REFUSED:
        return STEP_BAD;
    }
    reader_record(r, &in, RECORD_CONFIGURATION, ret);
    ret->machine = r->machine;
    ret->capabilities = (const char *const *)r->capabilities->pdata;
    ret->uuid = r->has_uuid ? r->uuid : NULL;
    r->state = AT_TOP;
    return STEP_RECORD;
}
