/*
 * The destination's thread against broken streams: cut anywhere, corrupted anywhere. It must end in
 * an error that says where, or in a guest whose RAM differs only where a page record was hit.
 * Streams come out of a socketpair, so threads and transport are the real ones.
 */
#include "tests/unit/test.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/engine/incoming/incoming.h"
#include "backend/stream/writer.h"
#include "tests/unit/patience.h"

/* Small enough that a socket holds the whole stream: it is sent before it is read, and needs no
 * thread. */
#define PARTS          4u
#define PAGES_PER_PART 4u
#define RAM_PAGES      (PARTS * PAGES_PER_PART)
#define RAM_SIZE       (RAM_PAGES * MIG_PAGE_SIZE)

#define CUTS            60u
#define ALL_CUTS        4096u
#define CORRUPTIONS     150u
#define ALL_CORRUPTIONS 10000u

typedef struct {
    EventQueue *events;
    Guest *guest;
    GByteArray *stream;
    GArray *borders; /* size_t: offsets at which a section or command begins */
    size_t eof;      /* offset of the EOF byte */
    uint8_t ram[RAM_SIZE];
    size_t page_data[RAM_PAGES]; /* offset of each page's bytes in the stream, 0 = none */
    size_t page_record[RAM_PAGES];
} Fixture;

static void ignore_event(const EngineEvent *event, void *data)
{
    (void)event, (void)data;
}

/* ---- a stream of machine none with every kind of page ---- */

static void take(Fixture *f, StreamWriter *w)
{
    int n;
    const struct iovec *iov = stream_writer_iov(w, &n);

    for (int i = 0; i < n; i++) {
        g_byte_array_append(f->stream, iov[i].iov_base, (guint)iov[i].iov_len);
    }
    stream_writer_reset(w);
}

static void border(Fixture *f, StreamWriter *w)
{
    take(f, w);
    size_t at = f->stream->len;
    g_array_append_val(f->borders, at);
}

static void put_pages(Fixture *f, StreamWriter *w, size_t first, size_t end)
{
    for (size_t p = first; p < end; p++) {
        take(f, w);
        f->page_record[p] = f->stream->len;
        if (p % 3 == 0) {
            stream_put_zero_page(w, 0, p * MIG_PAGE_SIZE);
        } else {
            memset(f->ram + p * MIG_PAGE_SIZE, (int)(p + 1), MIG_PAGE_SIZE);
            stream_put_page(w, 0, p * MIG_PAGE_SIZE, f->ram + p * MIG_PAGE_SIZE);
            take(f, w);
            f->page_data[p] = f->stream->len - MIG_PAGE_SIZE;
        }
    }
}

static void build_stream(Fixture *f)
{
    g_autoptr(StreamWriter) w = stream_writer_new();
    TimerState timer = { 0 };

    stream_put_header(w);
    stream_put_configuration(w, &(StreamConfiguration){ .machine = "none" });
    border(f, w);
    stream_put_command(w, COMMAND_OPEN_RETURN_PATH, NULL, 0);
    border(f, w);
    stream_put_ping(w, 1);
    border(f, w);
    stream_put_section_start(w, 2, "ram", 0, 4);
    stream_put_ram_total(w, RAM_SIZE);
    stream_put_ram_block(w, "ram", RAM_SIZE);
    stream_put_ram_eos(w);
    stream_put_footer(w, 2);
    for (size_t part = 0; part < PARTS; part++) {
        border(f, w);
        stream_put_section_part(w, 2);
        put_pages(f, w, part * PAGES_PER_PART, (part + 1) * PAGES_PER_PART);
        stream_put_ram_eos(w);
        stream_put_footer(w, 2);
    }
    border(f, w);
    stream_put_section_end(w, 2);
    stream_put_ram_eos(w);
    stream_put_footer(w, 2);
    border(f, w);
    g_autofree char *description = devices_save(w, f->guest, &timer, RUN_STATE_PAUSED);
    border(f, w);
    f->eof = f->stream->len;
    stream_put_eof(w);
    stream_put_vmdescription(w, description);
    take(f, w);
}

static int setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);
    g_autoptr(GError) error = NULL;

    f->events = event_queue_new(ignore_event, NULL);
    f->guest = guest_new(&(GuestOptions){ .machine = "none", .memory = RAM_SIZE }, &error);
    assert_null(error);
    f->stream = g_byte_array_new();
    f->borders = g_array_new(FALSE, FALSE, sizeof(size_t));
    build_stream(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    event_queue_drain(f->events);
    event_queue_free(f->events);
    guest_free(f->guest);
    g_byte_array_unref(f->stream);
    g_array_unref(f->borders);
    g_free(f);
    return 0;
}

/* ---- one load ---- */

static unsigned patience_for_silence; /* ms; 0 = without a limit */
static bool keeps_open;               /* the source does not close after its bytes */

/* Loads the bytes into the guest; returns the final status and the text of the outcome. */
static MigrationStatus load(Fixture *f, const uint8_t *bytes, size_t length, char **ret_outcome)
{
    int fds[2];
    TimerState timer = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(Migration) m = migration_new(f->events, false, "test");

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(send(fds[0], bytes, length, MSG_DONTWAIT), length);
    if (!keeps_open) {
        shutdown(fds[0], SHUT_WR);
    }
    guest_stop(f->guest, RUN_STATE_INMIGRATE);
    migration_move(m, MIGRATION_NONE, MIGRATION_SETUP);
    migration_move(m, MIGRATION_SETUP, MIGRATION_ACTIVE);

    Transport *t = transport_new_from_fd(fds[1], "test", &error);
    assert_non_null(t);
    Incoming *in = incoming_new(&(IncomingConfig){ .guest = f->guest,
                                                   .timer = &timer,
                                                   .migration = m,
                                                   .transport = t,
                                                   .silent_ms = patience_for_silence },
                                false, NULL);

    WAIT_UNTIL(migration_status_is_over(migration_get_status(m)));
    close(fds[0]);
    incoming_free(in);
    event_queue_drain(f->events);

    json_object *history = migration_history_to_json(m, false);
    *ret_outcome = g_strdup(json_object_get_string(json_object_object_get(history, "outcome")));
    json_object_put(history);
    return migration_get_status(m);
}

static bool ram_is(const Fixture *f, const uint8_t *expected)
{
    size_t n;
    return memcmp(guest_blocks(f->guest, &n)[0]->host, expected, RAM_SIZE) == 0;
}

/* A connection that says that it is a migration, and nothing more, must not keep the place. */
static void test_a_source_without_a_configuration_is_given_up(void **state)
{
    static const size_t said[] = { 4, 8, 12 };
    Fixture *f = *state;

    patience_for_silence = 100;
    keeps_open = true;
    for (size_t i = 0; i < G_N_ELEMENTS(said); i++) {
        g_autofree char *outcome = NULL;

        assert_int_equal(load(f, f->stream->data, said[i], &outcome), MIGRATION_FAILED);
        assert_non_null(strstr(outcome, "said too little to be one"));
    }
    patience_for_silence = 0;
    keeps_open = false;
}

static void test_whole_stream_loads(void **state)
{
    Fixture *f = *state;
    g_autofree char *outcome = NULL;

    assert_int_equal(load(f, f->stream->data, f->stream->len, &outcome), MIGRATION_COMPLETED);
    assert_true(ram_is(f, f->ram));
    assert_int_equal(guest_run_state(f->guest), RUN_STATE_PAUSED);
}

static void assert_cut_is_refused(Fixture *f, size_t length)
{
    g_autofree char *outcome = NULL;
    MigrationStatus status = load(f, f->stream->data, length, &outcome);

    if (status != MIGRATION_FAILED || strstr(outcome, "offset") == NULL) {
        fail_msg("cut after %zu bytes: %s, %s", length, migration_status_name(status), outcome);
    }
    assert_int_equal(guest_run_state(f->guest), RUN_STATE_INMIGRATE);
}

static void test_a_cut_stream_is_refused(void **state)
{
    Fixture *f = *state;
    g_autoptr(GRand) rand = g_rand_new_with_seed(sample_seed());

    if (sample_everything()) {
        for (size_t length = 0; length < ALL_CUTS; length++) {
            assert_cut_is_refused(f, length);
        }
    }
    for (unsigned i = 0; i < CUTS; i++) {
        /* Half of them in the first bytes, half anywhere. */
        gint32 end = i % 2 == 0 ? 300 : (gint32)f->eof;

        assert_cut_is_refused(f, (size_t)g_rand_int_range(rand, 0, end));
    }
}

static void test_cut_at_each_section_border_is_refused(void **state)
{
    Fixture *f = *state;

    for (guint i = 0; i < f->borders->len; i++) {
        assert_cut_is_refused(f, g_array_index(f->borders, size_t, i));
    }
    assert_cut_is_refused(f, f->eof);
}

/* Pages outside the records that the changed bytes belong to must be right: a hit record may have
 * landed on another page too, which its header names. */
static void assert_only_hit_pages_differ(Fixture *f, const uint8_t *bytes, size_t hit)
{
    size_t n, differing = 0, n_pages = RAM_PAGES;
    const uint8_t *ram = guest_blocks(f->guest, &n)[0]->host;
    size_t record = n_pages;

    (void)bytes;
    for (size_t p = 0; p < n_pages; p++) {
        size_t end =
            f->page_data[p] != 0 ? f->page_data[p] + MIG_PAGE_SIZE : f->page_record[p] + 14;
        if (hit >= f->page_record[p] && hit < end) {
            record = p;
        }
    }
    for (size_t p = 0; p < n_pages; p++) {
        if (memcmp(ram + p * MIG_PAGE_SIZE, f->ram + p * MIG_PAGE_SIZE, MIG_PAGE_SIZE) != 0) {
            differing++;
        }
    }
    if (differing > 0 && record == n_pages) {
        fail_msg("byte %zu is in no page record, but %zu pages differ", hit, differing);
    }
    /* Its own page (not placed, or wrong) and the page that a changed offset named. */
    assert_true(differing <= 2);
}

static void test_corruptions_end_in_an_error_or_hit_one_record(void **state)
{
    Fixture *f = *state;
    g_autofree uint8_t *bytes = g_memdup2(f->stream->data, f->stream->len);
    g_autoptr(GRand) rand = g_rand_new_with_seed(sample_seed());
    unsigned refused = 0, loaded = 0;

    for (unsigned i = 0; i < sample_size(CORRUPTIONS, ALL_CORRUPTIONS); i++) {
        g_autofree char *outcome = NULL;
        /* Half of them in the small parts, where the structure is. */
        size_t at = i % 2 == 0 ? (size_t)g_rand_int_range(rand, 0, (gint32)f->eof)
                               : f->page_record[g_rand_int_range(rand, 0, RAM_PAGES)] +
                                     (size_t)g_rand_int_range(rand, 0, 9);
        uint8_t flip = (uint8_t)g_rand_int_range(rand, 1, 256);

        bytes[at] ^= flip;
        switch (load(f, bytes, f->stream->len, &outcome)) {
        case MIGRATION_COMPLETED:
            assert_only_hit_pages_differ(f, bytes, at);
            loaded++;
            break;
        case MIGRATION_FAILED:
            refused++;
            break;
        default:
            fail_msg("byte %zu: neither completed nor failed", at);
        }
        bytes[at] ^= flip;
    }
    print_message("%u refused, %u loaded\n", refused, loaded);
    assert_true(refused > 0 && loaded > 0);
}

/* Memory that was got before the transfer (--prealloc) and is still empty serves as it is: giving
 * it back and getting it again would sit in the transfer. Both would be seen in the file's times,
 * which the placing of pages in populated memory does not change. */
static void test_memory_populated_before_is_not_dropped(void **state)
{
    Fixture *f = *state;
    Guest *usual = f->guest;
    g_autofree char *outcome = NULL;
    struct stat before, after;
    size_t n;

    f->guest =
        guest_new(&(GuestOptions){ .machine = "none", .memory = RAM_SIZE, .prealloc = true }, NULL);
    assert_non_null(f->guest);
    const RamBlock *block = guest_blocks(f->guest, &n)[0];
    /* A time long past, so that a change has another one. */
    assert_int_equal(futimens(block->fd, (struct timespec[]){ { 1000, 0 }, { 1000, 0 } }), 0);
    assert_int_equal(fstat(block->fd, &before), 0);
    assert_int_equal(load(f, f->stream->data, f->stream->len, &outcome), MIGRATION_COMPLETED);
    assert_true(ram_is(f, f->ram));
    assert_int_equal(fstat(block->fd, &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
    guest_free(f->guest);
    f->guest = usual;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_source_without_a_configuration_is_given_up),
        cmocka_unit_test(test_whole_stream_loads),
        cmocka_unit_test(test_memory_populated_before_is_not_dropped),
        cmocka_unit_test(test_a_cut_stream_is_refused),
        cmocka_unit_test(test_cut_at_each_section_border_is_refused),
        cmocka_unit_test(test_corruptions_end_in_an_error_or_hit_one_record),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
