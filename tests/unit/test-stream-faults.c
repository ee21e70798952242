/*
 * Streams that are cut or broken: an error that names section and offset, or a
 * load whose RAM differs in nothing but the pages of the records hit (the
 * format has no checksum). Never a crash; everything is decided by seeds.
 */
#include "tests/unit/patience.h"
#include "tests/unit/stream-subjects.h"

/* Of each subject. */
#define CUTS                    150u
#define ALL_CUTS                4096u
#define BORDERS                 60u
#define CORRUPTIONS             150u
#define ALL_CORRUPTIONS         10000u
#define CAPTURE_CORRUPTIONS     30u
#define ALL_CAPTURE_CORRUPTIONS 300u

static Subject synthetic;
static Subject captured;

static int make_subjects(void **state)
{
    (void)state;
    make_synthetic(&synthetic);
    return make_captured(&captured) ? 0 : -1;
}

static int clear_subjects(void **state)
{
    (void)state;
    subject_clear(&synthetic);
    subject_clear(&captured);
    return 0;
}

static void test_subjects_are_good(void **state)
{
    (void)state;
    survey(&synthetic);
    survey(&captured);
    assert_true(synthetic.borders->len > 200);
    assert_true(captured.borders->len > 500);
}

/* ---- cuts ---- */

static const size_t chunks[] = { 1, 7, 4096, SIZE_MAX };

/* For whole streams: small pieces make a page be moved again for each of them, so they are rare. */
static size_t piece_size(uint64_t turn)
{
    return turn % 12 == 0 ? 7 : turn % 2 == 0 ? 4096 : SIZE_MAX;
}

static void expect_cut(Load *load, uint64_t length, size_t chunk)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *place = g_strdup_printf(", offset %" G_GUINT64_FORMAT, length);
    const GByteArray *bytes = load->subject->bytes;
    /* A copy of its own, so that the address sanitizer sees a byte read behind the cut. */
    g_autofree uint8_t *part = g_memdup2(bytes->data, length);

    load->n_listed = 0;
    StreamResult result = load_stream(load, part, length, chunk, &error);
    if (result != STREAM_BAD || !g_error_matches(error, MIG_ERROR, MIG_ERROR_IO) ||
        strstr(error->message, "section") == NULL || !g_str_has_suffix(error->message, place)) {
        fail_msg("%s cut at %" G_GUINT64_FORMAT " in pieces of %zu: %s", load->subject->what,
                 length, chunk, error == NULL ? "no error" : error->message);
    }
}

/* At each of the first bytes or at some of them, and likewise at the borders. */
static void cut_often(const Subject *s)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(sample_seed());
    uint64_t end = MIN(ALL_CUTS, s->eof);
    Load load;

    load_init(&load, s);
    for (uint64_t length = 0; sample_everything() && length < end; length++) {
        for (size_t i = 0; i < G_N_ELEMENTS(chunks); i++) {
            expect_cut(&load, length, chunks[i]);
        }
    }
    for (unsigned i = 0; i < CUTS; i++) {
        expect_cut(&load, (uint64_t)g_rand_int_range(rand, 0, (gint32)end),
                   chunks[i % G_N_ELEMENTS(chunks)]);
    }
    guint step = sample_everything() ? 1 : MAX(s->borders->len / BORDERS, 1);
    for (guint i = g_rand_int(rand) % step; i < s->borders->len; i += step) {
        expect_cut(&load, g_array_index(s->borders, uint64_t, i), piece_size(i / step));
    }
    load_clear(&load);
}

static void test_a_cut_stream_is_refused_with_its_place(void **state)
{
    (void)state;
    cut_often(&synthetic);
    cut_often(&captured);
}

/* One byte later it is whole, whatever is missing behind. */
static void test_a_cut_behind_eof_is_no_error(void **state)
{
    (void)state;
    Load load;

    load_init(&load, &synthetic);
    for (uint64_t length = synthetic.eof + 1; length <= synthetic.bytes->len; length++) {
        g_autoptr(GError) error = NULL;
        load_again(&load);
        assert_int_equal(
            load_stream(&load, synthetic.bytes->data, length, piece_size(length), &error),
            STREAM_DONE);
    }
    load_clear(&load);
}

/* ---- corruptions ---- */

typedef struct {
    uint64_t state;
} Dice;

static uint64_t roll(Dice *dice, uint64_t below)
{
    dice->state++;
    return capture_mix(dice->state) % below;
}

/* Half of them near the beginning of an element, where they hurt. */
static uint64_t pick_offset(const Subject *s, Dice *dice)
{
    if (roll(dice, 2) == 0) {
        return roll(dice, s->bytes->len);
    }
    uint64_t border = g_array_index(s->borders, uint64_t, roll(dice, s->borders->len));
    return MIN(border + roll(dice, 24), s->bytes->len - 1);
}

static void corrupt(uint8_t *bytes, uint64_t length, Dice *dice)
{
    switch (roll(dice, 3)) {
    case 0:
        bytes[0] ^= (uint8_t)(1u << roll(dice, 8));
        break;
    case 1:
        bytes[0] = (uint8_t)roll(dice, 256);
        break;
    default:
        for (uint64_t i = 0; i < length; i++) {
            bytes[i] = (uint8_t)roll(dice, 256);
        }
        break;
    }
}

/* Pages where the load differs from the source and no broken byte explains it. */
static size_t count_unexplained(const Load *load)
{
    size_t n = 0;

    for (unsigned i = 0; i < load->subject->n_blocks; i++) {
        const SubjectBlock *block = &load->subject->blocks[i];
        for (uint64_t at = 0; at < block->size; at += STREAM_PAGE_SIZE) {
            n += memcmp(load->ram[i] + at, block->ram + at, STREAM_PAGE_SIZE) != 0 &&
                 !load->may_differ[i][at / STREAM_PAGE_SIZE];
        }
    }
    return n;
}

typedef struct {
    unsigned errors, loads;
} Outcomes;

static void corrupt_often(const Subject *s, unsigned times, Outcomes *outcomes)
{
    g_autoptr(GByteArray) broken = g_byte_array_new();
    Dice dice = { sample_seed() };
    Load load;

    g_byte_array_append(broken, s->bytes->data, s->bytes->len);
    load_init(&load, s);
    for (unsigned i = 0; i < times; i++) {
        g_autoptr(GError) error = NULL;
        uint64_t at = pick_offset(s, &dice);
        uint64_t length = MIN(1 + roll(&dice, 16), s->bytes->len - at);

        corrupt(broken->data + at, length, &dice);
        load_again(&load);
        load.from = at;
        load.to = at + length;
        /* The good stream first: whose pages were hit. Then the broken one: what it hits instead.
         */
        assert_int_equal(load_stream(&load, s->bytes->data, s->bytes->len, SIZE_MAX, NULL),
                         STREAM_DONE);
        load.n_listed = 0;
        load.astray = false;
        for (unsigned b = 0; b < s->n_blocks; b++) {
            memset(load.ram[b], 0, s->blocks[b].size);
        }
        StreamResult result = load_stream(&load, broken->data, broken->len, piece_size(i), &error);
        memcpy(broken->data + at, s->bytes->data + at, length);

        if (result == STREAM_DONE) {
            outcomes->loads++;
            if (count_unexplained(&load) > 0) {
                fail_msg("%s, corruption %u of %" G_GUINT64_FORMAT " bytes at %" G_GUINT64_FORMAT
                         ": %zu pages differ that were not hit",
                         s->what, i, length, at, count_unexplained(&load));
            }
            continue;
        }
        outcomes->errors++;
        assert_int_equal(result, STREAM_BAD);
        if (strstr(error->message, "section") == NULL ||
            strstr(error->message, ", offset ") == NULL) {
            fail_msg("corruption %u: '%s' names no place", i, error->message);
        }
    }
    load_clear(&load);
}

static void test_a_corruption_is_found_or_stays_in_its_pages(void **state)
{
    Outcomes outcomes = { 0 };

    (void)state;
    corrupt_often(&synthetic, sample_size(CORRUPTIONS, ALL_CORRUPTIONS), &outcomes);
    corrupt_often(&captured, sample_size(CAPTURE_CORRUPTIONS, ALL_CAPTURE_CORRUPTIONS), &outcomes);
    print_message("  %u errors, %u loads\n", outcomes.errors, outcomes.loads);
    /* About one of five is an error. */
    assert_true(outcomes.errors > 0 && outcomes.loads > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subjects_are_good),
        cmocka_unit_test(test_a_cut_stream_is_refused_with_its_place),
        cmocka_unit_test(test_a_cut_behind_eof_is_no_error),
        cmocka_unit_test(test_a_corruption_is_found_or_stays_in_its_pages),
    };
    return cmocka_run_group_tests(tests, make_subjects, clear_subjects);
}
