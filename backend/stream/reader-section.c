/*
 * The elements between sections: section headers, commands, EOF; and the body
 * and footer of a device's section.
 *
 * START and FULL bind a section's id to (idstr, instance); PART and END only
 * have the id. An id may be bound again to the same pair, but not to another
 * one: a PART would be ambiguous. Only ram comes in parts.
 *
 * EOF is a single zero byte, so one corrupt byte before a PART would look like
 * the end of a good stream, with stale RAM. Hence EOF requires a complete ram
 * section: by END, by being FULL, or (background snapshots have no END) by a
 * device after it.
 */
#include <string.h>

#include "backend/stream/reader-internal.h"

/* Bound on distinct ids; a real machine has some dozens. */
#define SECTIONS_MAX 4096u

/* ---- commands ---- */

#define ANY_LENGTH (-1)

static const struct {
    const char *name;
    int length;
} commands[] = {
    [COMMAND_OPEN_RETURN_PATH] = { "OPEN_RETURN_PATH", 0 },
    [COMMAND_PING] = { "PING", 4 },
    [COMMAND_POSTCOPY_ADVISE] = { "POSTCOPY_ADVISE", ANY_LENGTH },
    [COMMAND_POSTCOPY_LISTEN] = { "POSTCOPY_LISTEN", 0 },
    [COMMAND_POSTCOPY_RUN] = { "POSTCOPY_RUN", 0 },
    [COMMAND_POSTCOPY_RAM_DISCARD] = { "POSTCOPY_RAM_DISCARD", ANY_LENGTH },
    [COMMAND_PACKAGED] = { "PACKAGED", 4 },
    [COMMAND_ENABLE_COLO] = { "ENABLE_COLO", 0 },
    [COMMAND_POSTCOPY_RESUME] = { "POSTCOPY_RESUME", 0 },
    [COMMAND_RECV_BITMAP] = { "RECV_BITMAP", ANY_LENGTH },
    [COMMAND_SWITCHOVER_START] = { "SWITCHOVER_START", 0 },
};

/* Reads the sections and commands of a package only when the whole package has come, so that none
 * takes effect unless the last one can. @length is the command's payload, @in is after it. */
static Step step_package(StreamReader *r, MigCursor in, const uint8_t *length, StreamRecord *ret,
                         GError **error)
{
    size_t header = (size_t)(in.at - (r->buffer + r->start));
    MigCursor payload = { length, length + 4 };
    const uint8_t *content;
    uint32_t n = 0;

    get_be32(&payload, &n);
    if (r->package_end != 0) {
        return reader_refuse(r, error, "a package inside a package");
    }
    if (n == 0 || n > READER_ELEMENT_MAX - header) {
        return reader_refuse(r, error, "a package of %u bytes; 1 to %zu are possible", n,
                             READER_ELEMENT_MAX - header);
    }
    MigCursor behind = in;
    if (!get_bytes(&behind, n, &content)) {
        return reader_more(r, header + n, error);
    }
    reader_record(r, &in, RECORD_COMMAND, ret);
    ret->command = COMMAND_PACKAGED;
    ret->length = n;
    r->package_end = r->offset + n;
    return STEP_RECORD;
}

static Step step_command(StreamReader *r, MigCursor in, StreamRecord *ret, GError **error)
{
    uint16_t command;
    uint16_t length;
    const uint8_t *data;

    if (!get_be16(&in, &command) || !get_be16(&in, &length)) {
        return reader_more(r, 0, error);
    }
    if (command >= G_N_ELEMENTS(commands) || commands[command].name == NULL) {
        return reader_refuse_as_qemu(r, error, "MIG_CMD 0x%x unknown (len 0x%x)", command, length);
    }
    if (commands[command].length != ANY_LENGTH && commands[command].length != length) {
        return reader_refuse_as_qemu(r, error, "%s received with bad length - expecting %d, got %u",
                                     commands[command].name, commands[command].length, length);
    }
    if (!get_bytes(&in, length, &data)) {
        return reader_more(r, (size_t)5 + length, error);
    }
    if (command == COMMAND_PACKAGED) {
        return step_package(r, in, data, ret, error);
    }
    reader_record(r, &in, RECORD_COMMAND, ret);
    ret->command = (StreamCommand)command;
    ret->data = data;
    ret->length = length;
    return STEP_RECORD;
}

/* ---- section headers ---- */

static void fill_section(const StreamReader *r, StreamRecord *ret)
{
    ret->section_type = r->section_type;
    ret->section_id = r->section->id;
    ret->idstr = r->section->idstr;
    ret->instance = r->section->instance;
    ret->version = r->section->version;
    ret->device = r->section->device;
}

/* Records the progress of RAM that this section implies. */
static void note_ram(StreamReader *r, uint8_t type, const Section *section)
{
    bool last = type == STREAM_SECTION_FULL || type == STREAM_SECTION_END;

    r->ram_seen |= section->is_ram;
    r->ram_over |= section->is_ram ? last : r->ram_seen;
}

/* Accepts the header up to @in: the body follows. */
static Step enter_section(StreamReader *r, const MigCursor *in, uint8_t type, Section *section,
                          StreamRecord *ret)
{
    r->section = section;
    r->section_type = type;
    r->in_section = true;
    r->state = section->is_ram ? AT_RAM : AT_BODY;
    note_ram(r, type, section);
    reader_record(r, in, RECORD_SECTION, ret);
    fill_section(r, ret);
    return STEP_RECORD;
}

/* Returns section @id with its name bound, new or from before; NULL when refused. */
static Section *bind_section(StreamReader *r, uint32_t id, const char *idstr, uint32_t instance,
                             GError **error)
{
    Section *section = g_hash_table_lookup(r->sections, GUINT_TO_POINTER(id));

    if (section != NULL) {
        if (strcmp(section->idstr, idstr) == 0 && section->instance == instance) {
            return section;
        }
        reader_refuse(r, error, "section id %u is taken by '%s' %u and cannot be '%s' %u too", id,
                      section->idstr, section->instance, idstr, instance);
        return NULL;
    }
    if (g_hash_table_size(r->sections) >= SECTIONS_MAX) {
        reader_refuse(r, error, "stream has more than %u sections", SECTIONS_MAX);
        return NULL;
    }
    section = g_new0(Section, 1);
    section->id = id;
    section->idstr = g_strdup(idstr);
    section->instance = instance;
    section->is_ram = strcmp(idstr, "ram") == 0;
    g_hash_table_insert(r->sections, GUINT_TO_POINTER(id), section);
    return section;
}

/* True when this machine has the section's device in this version. */
static bool resolve_section(StreamReader *r, Section *section, uint32_t version, GError **error)
{
    GError *reason = NULL;

    section->version = version;
    if (section->is_ram) {
        if (section->instance != 0) {
            reader_refuse_as_qemu(r, error, "Unknown savevm section or instance 'ram' %u",
                                  section->instance);
            return false;
        }
        if (version != RAM_SECTION_VERSION) {
            reader_refuse_as_qemu(r, error, "savevm: unsupported version %u for 'ram' v%u", version,
                                  RAM_SECTION_VERSION);
            return false;
        }
        return true;
    }
    section->device =
        r->config.find_device(r->config.data, section->idstr, section->instance, version, &reason);
    if (section->device == NULL) {
        reader_refuse_because(r, reason, error);
        return false;
    }
    return true;
}

static Step step_named_section(StreamReader *r, MigCursor in, uint8_t type, StreamRecord *ret,
                               GError **error)
{
    uint32_t id;
    char idstr[256];
    uint32_t instance;
    uint32_t version;

    if (!get_be32(&in, &id)) {
        return reader_more(r, 0, error);
    }
    switch (reader_get_name(&in, idstr)) {
    case NAME_OK:
        break;
    case NAME_SHORT:
        return reader_more(r, 0, error);
    case NAME_BAD:
        return reader_refuse(r, error, "section %u has no proper name", id);
    }
    if (!get_be32(&in, &instance) || !get_be32(&in, &version)) {
        return reader_more(r, 0, error);
    }

    Section *section = bind_section(r, id, idstr, instance, error);
    if (section == NULL) {
        return STEP_BAD;
    }
    r->section = section;
    r->in_section = true;
    if (!resolve_section(r, section, version, error)) {
        return STEP_BAD;
    }
    return enter_section(r, &in, type, section, ret);
}

static Step step_later_section(StreamReader *r, MigCursor in, uint8_t type, StreamRecord *ret,
                               GError **error)
{
    uint32_t id;

    if (!get_be32(&in, &id)) {
        return reader_more(r, 0, error);
    }
    Section *section = g_hash_table_lookup(r->sections, GUINT_TO_POINTER(id));
    if (section == NULL) {
        return reader_refuse_as_qemu(r, error, "Unknown savevm section %u", id);
    }
    if (!section->is_ram) {
        return reader_refuse(r, error, "section %u (%s) is a device and does not come in parts", id,
                             section->idstr);
    }
    return enter_section(r, &in, type, section, ret);
}

Step reader_step_top(StreamReader *r, StreamRecord *ret, GError **error)
{
    uint8_t type;

    if (r->offset == r->package_end) {
        r->package_end = 0;
    }
    MigCursor in = reader_cursor(r);
    r->in_section = false;
    if (!get_u8(&in, &type)) {
        return reader_more(r, 0, error);
    }
    if (r->package_end != 0 && type != STREAM_SECTION_FULL && type != STREAM_COMMAND) {
        return reader_refuse(r, error, "type %u has no place in a package", type);
    }
    switch (type) {
    case STREAM_SECTION_START:
    case STREAM_SECTION_FULL:
        return step_named_section(r, in, type, ret, error);
    case STREAM_SECTION_PART:
    case STREAM_SECTION_END:
        return step_later_section(r, in, type, ret, error);
    case STREAM_COMMAND:
        return step_command(r, in, ret, error);
    case STREAM_EOF:
        if (!r->ram_over) {
            return reader_refuse(r, error, "end of the stream before the end of its RAM");
        }
        r->state = AT_TAIL;
        return reader_record(r, &in, RECORD_EOF, ret);
    default:
        return reader_refuse_as_qemu(r, error, "Unknown savevm section type %u", type);
    }
}

/* ---- body and footer ---- */

Step reader_step_body(StreamReader *r, StreamRecord *ret, GError **error)
{
    const Section *section = r->section;
    MigCursor in = reader_cursor(r);
    GError *reason = NULL;
    size_t length = 0;

    VmStateResult result = vmstate_measure(section->device, section->version, in,
                                           r->config.max_list, &length, &reason);
    if (result == VMSTATE_BAD) {
        return reader_refuse_because(r, reason, error);
    }
    if (length > READER_ELEMENT_MAX) {
        return reader_refuse(r, error, "device state of %zu bytes, more than the %zu allowed",
                             length, READER_ELEMENT_MAX);
    }
    if (result == VMSTATE_SHORT) {
        return reader_more(r, length, error);
    }
    const uint8_t *data = in.at;
    in.at += length;
    reader_record(r, &in, RECORD_DEVICE, ret);
    fill_section(r, ret);
    ret->data = data;
    ret->length = length;
    r->state = AT_FOOTER;
    return STEP_RECORD;
}

Step reader_step_footer(StreamReader *r, StreamRecord *ret, GError **error)
{
    MigCursor in = reader_cursor(r);
    uint8_t mark;
    uint32_t id;

    if (!get_u8(&in, &mark)) {
        return reader_more(r, 0, error);
    }
    if (mark != STREAM_FOOTER) {
        return reader_refuse_as_qemu(r, error, "Missing section footer for %s", r->section->idstr);
    }
    if (!get_be32(&in, &id)) {
        return reader_more(r, 0, error);
    }
    if (id != r->section->id) {
        return reader_refuse_as_qemu(
            r, error, "Mismatched section id in footer for %s - read 0x%x expected 0x%x",
            r->section->idstr, id, r->section->id);
    }
    reader_record(r, &in, RECORD_SECTION_END, ret);
    fill_section(r, ret);
    r->state = AT_TOP;
    return STEP_RECORD;
}
