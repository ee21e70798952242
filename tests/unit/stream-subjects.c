/* See stream-subjects.h. */
#include "tests/unit/stream-subjects.h"

/* ---- subjects ---- */

/* What QEMU's own machine has. */
static const VmStateField timer_fields[] = {
    { .name = "data", .type = FIELD_BUFFER, .count = 24 },
    { 0 },
};

static const VmStateField globalstate_fields[] = {
    { .name = "data", .type = FIELD_BUFFER, .count = 104 },
    { 0 },
};

static const VmStateDesc none_devices[] = {
    { .name = "timer", .idstr = "timer", .version = 2, .fields = timer_fields },
    { .name = "globalstate", .idstr = "globalstate", .version = 1, .fields = globalstate_fields },
};

static const VmStateDesc *find_none_device(void *data, const char *idstr, uint32_t instance,
                                           uint32_t version, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(none_devices); i++) {
        if (strcmp(idstr, none_devices[i].idstr) == 0 && instance == 0) {
            return &none_devices[i];
        }
    }
    return stream_test_find(data, idstr, instance, version, error);
}

/* ---- loading ---- */

G_GNUC_PRINTF(3, 4)
static bool refuse(const Load *load, GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *place = stream_reader_where(load->reader);
    g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT, "%s: %s", text, place);
    return false;
}

/*
 * Marks the page of a record that was hit. A hit in its head may also have
 * taken the name away that later records rely on, so those count too until
 * one names its block again.
 */
static void note_hit(Load *load, const StreamRecord *record)
{
    uint64_t end = stream_reader_offset(load->reader);
    uint64_t payload = end - (record->type == RECORD_PAGE ? STREAM_PAGE_SIZE : 1);
    bool named = (load->bytes[record->stream_offset + 7] & RAM_CONTINUE) == 0;
    bool hit = load->from < end && load->to > record->stream_offset;
    bool hit_head = hit && load->from < payload;

    load->astray = hit_head || (load->astray && !named);
    if (hit || load->astray) {
        load->may_differ[record->block_index][record->offset / STREAM_PAGE_SIZE] = 1;
    }
}

static void place_page(Load *load, const StreamRecord *record)
{
    uint8_t *page = load->ram[record->block_index] + record->offset;

    if (record->type == RECORD_PAGE) {
        memcpy(page, record->data, STREAM_PAGE_SIZE);
    } else {
        memset(page, record->fill, STREAM_PAGE_SIZE);
    }
    note_hit(load, record);
}

static bool check_listed_block(Load *load, const StreamRecord *record, GError **error)
{
    const Subject *subject = load->subject;

    if (load->n_listed == subject->n_blocks ||
        strcmp(record->block_idstr, subject->blocks[load->n_listed].name) != 0 ||
        record->block_length != subject->blocks[load->n_listed].size) {
        return refuse(load, error, "block '%s' is none of ours", record->block_idstr);
    }
    load->n_listed++;
    return true;
}

static bool take_record(const StreamRecord *record, void *data, GError **error)
{
    Load *load = data;

    if (load->borders != NULL && record->type <= RECORD_EOF) {
        g_array_append_val(load->borders, record->stream_offset);
    }
    switch (record->type) {
    case RECORD_CONFIGURATION:
        if (strcmp(record->machine, "none") != 0) {
            return refuse(load, error, "machine '%s'", record->machine);
        }
        return true;
    case RECORD_RAM_BLOCK:
        return check_listed_block(load, record, error);
    case RECORD_PAGE:
    case RECORD_ZERO_PAGE:
        place_page(load, record);
        return true;
    case RECORD_COMMAND:
        if (record->command > COMMAND_PING && record->command != COMMAND_SWITCHOVER_START) {
            return refuse(load, error, "command %u", record->command);
        }
        return true;
    case RECORD_EOF:
        load->eof = record->stream_offset;
        if (load->n_listed != load->subject->n_blocks) {
            return refuse(load, error, "not all blocks were listed");
        }
        return true;
    default:
        return true;
    }
}

StreamResult load_stream(Load *load, const uint8_t *bytes, size_t length, size_t chunk,
                         GError **error)
{
    g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){
        .find_device = load->subject->find,
        .max_list = 1000,
        .buffer_size = 64 * 1024,
    });

    load->bytes = bytes;
    load->reader = reader;
    return stream_test_feed(reader, bytes, length, chunk, take_record, load, error);
}

void load_init(Load *load, const Subject *subject)
{
    *load = (Load){ .subject = subject };
    for (unsigned i = 0; i < subject->n_blocks; i++) {
        load->ram[i] = g_malloc0(subject->blocks[i].size);
        load->may_differ[i] = g_malloc0(subject->blocks[i].size / STREAM_PAGE_SIZE);
    }
}

void load_again(Load *load)
{
    load->n_listed = 0;
    load->astray = false;
    for (unsigned i = 0; i < load->subject->n_blocks; i++) {
        uint64_t size = load->subject->blocks[i].size;
        memset(load->ram[i], 0, size);
        memset(load->may_differ[i], 0, size / STREAM_PAGE_SIZE);
    }
}

void load_clear(Load *load)
{
    for (unsigned i = 0; i < load->subject->n_blocks; i++) {
        g_free(load->ram[i]);
        g_free(load->may_differ[i]);
    }
}

/* ---- making the subjects ---- */

static void put_pages(Subject *s, StreamWriter *w, uint64_t round)
{
    for (uint64_t i = 0; i < 2 * PAGES; i++) {
        uint64_t h = capture_mix(round << 32 | i);
        unsigned block = (unsigned)(i / 8 % 2);
        uint64_t offset = (h >> 8) % PAGES * STREAM_PAGE_SIZE;
        uint8_t *page = s->blocks[block].ram + offset;

        if (h % 3 == 0) {
            memset(page, 0, STREAM_PAGE_SIZE);
            stream_put_zero_page(w, block, offset);
        } else {
            memset(page, 0, STREAM_PAGE_SIZE);
            capture_fill_page((uint64_t *)page, round, i * 8 + 5);
            page[0] |= 1;
            stream_put_page(w, block, offset, page);
        }
        /* The same page comes again with another content. */
        stream_test_drain(w, s->bytes);
    }
}

static void put_device(StreamWriter *w, uint32_t id, const char *idstr, uint32_t version,
                       size_t length)
{
    g_autofree uint8_t *body = g_malloc0(length);

    stream_put_section_full(w, id, idstr, 0, version);
    stream_put_bytes(w, body, length);
    stream_put_footer(w, id);
}

void make_synthetic(Subject *s)
{
    static const uint8_t list[] = { 0, 0, 0, 2, [4 + 16 - 1] = 9 };
    g_autoptr(StreamWriter) w = stream_writer_new();

    s->what = "synthetic stream";
    s->bytes = g_byte_array_new();
    s->find = find_none_device;
    s->n_blocks = 2;
    s->blocks[0] =
        (SubjectBlock){ "ram", PAGES * STREAM_PAGE_SIZE, g_malloc0(PAGES * STREAM_PAGE_SIZE) };
    s->blocks[1] =
        (SubjectBlock){ "rom", PAGES * STREAM_PAGE_SIZE, g_malloc0(PAGES * STREAM_PAGE_SIZE) };

    stream_put_header(w);
    stream_put_configuration(w, &(StreamConfiguration){
                                    .machine = "none",
                                    .uuid = (const uint8_t *)"0123456789abcdef",
                                });
    stream_put_command(w, COMMAND_OPEN_RETURN_PATH, NULL, 0);
    stream_put_ping(w, 1);
    stream_put_section_start(w, 2, "ram", 0, RAM_SECTION_VERSION);
    stream_put_ram_total(w, 2 * PAGES * STREAM_PAGE_SIZE);
    stream_put_ram_block(w, "ram", PAGES * STREAM_PAGE_SIZE);
    stream_put_ram_block(w, "rom", PAGES * STREAM_PAGE_SIZE);
    for (uint64_t round = 0; round < 5; round++) {
        if (round > 0) {
            stream_put_section_part(w, 2);
            put_pages(s, w, round);
        }
        stream_put_ram_eos(w);
        stream_put_footer(w, 2);
    }
    stream_put_command(w, COMMAND_SWITCHOVER_START, NULL, 0);
    stream_put_section_end(w, 2);
    put_pages(s, w, 5);
    stream_put_ram_eos(w);
    stream_put_footer(w, 2);
    put_device(w, 0, "timer", 2, 24);
    stream_put_section_full(w, 3, "device", 1, 2);
    stream_put_bytes(w, list, sizeof list);
    stream_put_footer(w, 3);
    put_device(w, 4, "globalstate", 1, 104);
    stream_put_eof(w);
    stream_put_vmdescription(w, "{\"page_size\": 4096, \"devices\": []}");
    stream_test_drain(w, s->bytes);
}

bool make_captured(Subject *s)
{
    CaptureFolder folder = capture_folder_open("MIGMON_TEST_DATA", "streams");
    json_object *capture = capture_find(&folder, "none-10.0-return-path");
    if (capture == NULL) {
        print_error("MIGMON_TEST_DATA must name tests/data\n");
        capture_folder_close(&folder);
        return false;
    }
    g_autoptr(GBytes) stream = capture_load(&folder, capture, "main");

    s->what = "capture of QEMU 10.0";
    s->bytes = g_byte_array_new();
    g_byte_array_append(s->bytes, g_bytes_get_data(stream, NULL), (guint)g_bytes_get_size(stream));
    s->find = find_none_device;
    s->n_blocks = 1;
    s->blocks[0] =
        (SubjectBlock){ "ram0", capture_number(capture, "ram_size"), capture_ram(capture) };
    capture_folder_close(&folder);
    return true;
}

void survey(Subject *s)
{
    g_autoptr(GError) error = NULL;
    Load load;

    load_init(&load, s);
    s->borders = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    load.borders = s->borders;
    assert_int_equal(load_stream(&load, s->bytes->data, s->bytes->len, SIZE_MAX, &error),
                     STREAM_DONE);
    s->eof = load.eof;
    for (unsigned i = 0; i < s->n_blocks; i++) {
        assert_memory_equal(load.ram[i], s->blocks[i].ram, s->blocks[i].size);
    }
    load_clear(&load);
}

void subject_clear(Subject *s)
{
    for (unsigned i = 0; i < s->n_blocks; i++) {
        g_free(s->blocks[i].ram);
    }
    g_clear_pointer(&s->bytes, g_byte_array_unref);
    g_clear_pointer(&s->borders, g_array_unref);
}
