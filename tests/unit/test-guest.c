/*
 * guest.c and the stress vCPUs: options, run control, workload. Threads really
 * run here; a test waits for what it needs and never for a time.
 */
#include "tests/unit/test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "backend/base/error.h"
#include "backend/guest/guest-internal.h"
#include "backend/guest/stress/machine.h"
#include "tests/unit/patience.h"

#define MIB (UINT64_C(1) << 20)

static Guest *new_guest(const char *machine, uint64_t pages, unsigned smp)
{
    g_autoptr(GError) error = NULL;
    Guest *guest = guest_new(
        &(GuestOptions){ .machine = machine, .memory = pages * MIG_PAGE_SIZE, .smp = smp }, &error);

    if (guest == NULL) {
        fail_msg("%s", error->message);
    }
    return guest;
}

static uint64_t steps_done(const Guest *guest)
{
    uint64_t steps = 0;

    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        steps += stress_vcpu_steps(guest->vcpus[i]);
    }
    return steps;
}

static void wait_for_steps(const Guest *guest, uint64_t steps)
{
    WAIT_PROGRESS(steps_done(guest) >= steps, steps_done(guest));
}

static void assert_clean(Guest *guest, uint64_t *ret_written)
{
    g_auto(VerifyReport) report = { 0 };

    assert_true(guest_verify(guest, &report, NULL));
    assert_int_equal(report.findings->len, 0);
    if (ret_written != NULL) {
        *ret_written = report.pages_written;
    }
}

/* ---- options ---- */

static void test_bad_options_are_refused_by_name(void **state)
{
    g_autofree char *folder = g_dir_make_tmp("guest-XXXXXX", NULL);
    g_autofree char *missing = g_build_filename(folder, "missing", "ram", NULL);
    const struct {
        GuestOptions options;
        const char *text;
    } rows[] = {
        { { .machine = "pc", .memory = MIB, .smp = 1 }, "unsupported machine type: \"pc\"" },
        { { .machine = "", .memory = MIB, .smp = 1 }, "unsupported machine type: \"\"" },
        { { .machine = "nonesuch", .memory = MIB }, "\"nonesuch\"" },
        { { .machine = "none,rate=1", .memory = MIB }, "--machine: none takes no keys" },
        { { .machine = "stress,speed=1", .memory = MIB, .smp = 1 },
          "no key 'speed': use pattern, rate, set, zero, compressible, seed, prefill" },
        { { .machine = "stress,rate", .memory = MIB, .smp = 1 }, "'rate' is not key=value" },
        { { .machine = "stress,", .memory = MIB, .smp = 1 }, "'' is not key=value" },
        { { .machine = "stress,rate=x", .memory = MIB, .smp = 1 }, "'x' is no value of rate" },
        { { .machine = "stress,rate=-1", .memory = MIB, .smp = 1 }, "'-1' is no value of rate" },
        { { .machine = "stress,pattern=x", .memory = MIB, .smp = 1 },
          "it takes uniform, hotcold, sweep, phases, dips, idle, growing" },
        { { .machine = "stress,zero=101", .memory = MIB, .smp = 1 }, "'101' is no value of zero" },
        { { .machine = "stress,zero=80", .memory = MIB, .smp = 1 },
          "zero (80 %) and compressible (30 %) together are more than 100 %" },
        { { .machine = "stress,set=0", .memory = MIB, .smp = 1 }, "'0' is no value of set" },
        { { .machine = "stress,set=2M", .memory = MIB, .smp = 1 }, "does not fit" },
        { { .machine = "stress,seed=-1", .memory = MIB, .smp = 1 }, "'-1' is no value of seed" },
        { { .machine = "stress,prefill=yes", .memory = MIB, .smp = 1 }, "it takes on, off" },
        { { .memory = MIB, .smp = 0 }, "--smp: " },
        { { .memory = MIB, .smp = 1025 }, "--smp: " },
        { { .memory = 0, .smp = 1 }, "--memory: 0 bytes" },
        { { .memory = 63 * 4096, .smp = 1 }, "--memory: 258048 bytes" },
        { { .memory = MIB + 1, .smp = 1 }, "--memory: 1048577 bytes" },
        { { .machine = "none", .memory = 0 }, "--memory: " },
        { { .machine = "none", .memory = 4095 }, "--memory: " },
        { { .machine = "none", .memory = MIB, .ram_id = "" }, "--ram-id: " },
        { { .machine = "none", .memory = MIB, .ram_file = missing }, "--ram-file: " },
        { { .memory = MIB, .smp = 1, .uuid = "123" }, "--uuid: '123'" },
        { { .memory = MIB, .smp = 1, .uuid = "123e4567-e89b-12d3-a456-42661417400g" }, "--uuid: " },
        { { .memory = MIB, .smp = 1, .uuid = "" }, "--uuid: " },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(guest_new(&rows[i].options, &error));
        assert_non_null(error);
        if (strstr(error->message, rows[i].text) == NULL) {
            fail_msg("\"%s\" does not have \"%s\"", error->message, rows[i].text);
        }
    }
    rmdir(folder);
}

static void test_good_options_are_taken(void **state)
{
    static const GuestOptions rows[] = {
        { .memory = 64 * 4096, .smp = 1 },
        { .machine = "stress", .memory = MIB, .smp = 8 },
        { .machine = "stress,pattern=hotcold,rate=1G,set=512K,zero=0,compressible=100%,seed=7,"
                     "prefill=on",
          .memory = MIB,
          .smp = 2 },
        { .machine = "stress,rate=0,set=all", .memory = MIB, .smp = 1 },
        { .machine = "none", .memory = 4096 },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Guest) guest = guest_new(&rows[i], NULL);
        assert_non_null(guest);
        assert_int_equal(guest_run_state(guest), RUN_STATE_PRELAUNCH);
        assert_int_equal(guest_ram_size(guest), rows[i].memory);
        assert_int_equal(guest_n_vcpus(guest), rows[i].smp);
    }
}

static void test_names_and_defaults(void **state)
{
    g_autoptr(Guest) plain = new_guest(NULL, 64, 1);
    g_autoptr(Guest) named =
        guest_new(&(GuestOptions){ .machine = "none",
                                   .memory = 4096,
                                   .ram_id = "pc.ram",
                                   .name = "web",
                                   .uuid = "123E4567-E89B-12D3-A456-426614174000" },
                  NULL);
    static const uint8_t bytes[16] = { 0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3,
                                       0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00 };
    uint8_t found[16];
    size_t n, index;

    (void)state;
    assert_int_equal(guest_machine(plain), MACHINE_STRESS);
    assert_string_equal(guest_machine_name(plain), "stress");
    assert_string_equal(guest_name(plain), "");
    assert_string_equal(guest_uuid(plain), "00000000-0000-0000-0000-000000000000");
    assert_false(guest_uuid_is_set(plain));
    assert_string_equal(guest_blocks(plain, &n)[0]->idstr, "ram");
    assert_int_equal(n, 1);

    assert_int_equal(guest_machine(named), MACHINE_NONE);
    assert_string_equal(guest_machine_name(named), "none");
    assert_string_equal(guest_name(named), "web");
    assert_true(guest_uuid_is_set(named));
    assert_string_equal(guest_uuid(named), "123e4567-e89b-12d3-a456-426614174000");
    guest_uuid_bytes(named, found);
    assert_memory_equal(found, bytes, sizeof bytes);
    assert_non_null(guest_find_block(named, "pc.ram", &index));
    assert_int_equal(index, 0);
    assert_null(guest_find_block(named, "ram", &index));
}

static void test_used_ram_file_is_refused_and_left_alone(void **state)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    struct stat st;
    int fd = g_file_open_tmp("migmon-test-XXXXXX", &path, NULL);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    GuestOptions options = { .memory = MIB, .smp = 1, .ram_file = path };
    assert_null(guest_new(&options, &error));
    assert_non_null(strstr(error->message, "--ram-file: "));
    assert_non_null(strstr(error->message, "holds data"));
    assert_non_null(strstr(error->message, "--machine none"));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 1);
    g_clear_error(&error);

    options.machine = "none";
    Guest *none = guest_new(&options, NULL);
    assert_non_null(none);
    assert_null(guest_new(&options, &error));
    assert_non_null(strstr(error->message, "in use by another process"));
    guest_free(none);

    /* An empty one is fine. */
    assert_int_equal(ftruncate(fd, 0), 0);
    options.machine = "stress";
    g_autoptr(Guest) stress = guest_new(&options, NULL);
    assert_non_null(stress);
    close(fd);
    g_unlink(path);
}

static void test_describe_is_pairs(void **state)
{
    static const char *const machines[] = { "none", "stress,rate=0", "stress,pattern=sweep" };
    static const char *const expected[] = { "no ledger", "uniform, full speed",
                                            "sweep, 50.0 MiB/s" };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autoptr(Guest) guest = new_guest(machines[i], 300, 2);
        g_auto(GStrv) pairs = guest_describe(guest);
        g_autofree char *all = g_strjoinv("\n", pairs);

        assert_int_equal(g_strv_length(pairs) % 2, 0);
        assert_string_equal(pairs[0], "machine");
        assert_non_null(strstr(all, "memfd of "));
        assert_non_null(strstr(all, "dirty tracking"));
        assert_non_null(strstr(all, expected[i]));
    }
}

/* ---- run control ---- */

static void test_run_states(void **state)
{
    g_autoptr(Guest) guest = new_guest("none", 4, 0);

    (void)state;
    assert_int_equal(guest_stop(guest, RUN_STATE_INMIGRATE), RUN_STATE_PRELAUNCH);
    assert_int_equal(guest_run_state(guest), RUN_STATE_INMIGRATE);
    guest_start(guest);
    assert_int_equal(guest_run_state(guest), RUN_STATE_RUNNING);
    assert_int_equal(guest_stop(guest, RUN_STATE_FINISH_MIGRATE), RUN_STATE_RUNNING);
    assert_int_equal(guest_stop(guest, RUN_STATE_POSTMIGRATE), RUN_STATE_FINISH_MIGRATE);
    assert_false(guest_change(guest, RUN_STATE_PAUSED, RUN_STATE_RUNNING));
    assert_int_equal(guest_run_state(guest), RUN_STATE_POSTMIGRATE);
    assert_true(guest_change(guest, RUN_STATE_POSTMIGRATE, RUN_STATE_RUNNING));
    assert_true(guest_change(guest, RUN_STATE_RUNNING, RUN_STATE_POSTMIGRATE));
    assert_int_equal(guest_run_state(guest), RUN_STATE_POSTMIGRATE);
}

static void test_run_state_names(void **state)
{
    RunState found;

    (void)state;
    assert_string_equal(run_state_name(RUN_STATE_FINISH_MIGRATE), "finish-migrate");
    assert_true(run_state_from_name("running", &found));
    assert_int_equal(found, RUN_STATE_RUNNING);
    assert_true(run_state_from_name("paused", &found));
    assert_int_equal(found, RUN_STATE_PAUSED);
    assert_false(run_state_from_name("inmigrate", &found));
    assert_false(run_state_from_name("finish-migrate", &found));
    assert_false(run_state_from_name("guest-panicked", &found));
    assert_false(run_state_from_name("", &found));
}

static void test_stopped_guest_writes_nothing(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,rate=0", 600, 2);
    g_autofree uint8_t *copy = g_malloc(guest_ram_size(guest));

    (void)state;
    assert_int_equal(steps_done(guest), 0);
    for (uint64_t round = 1; round <= 8; round++) {
        guest_start(guest);
        guest_start(guest);
        wait_for_steps(guest, round * 200);
        assert_int_equal(guest_stop(guest, RUN_STATE_PAUSED), RUN_STATE_RUNNING);
        assert_int_equal(guest_stop(guest, RUN_STATE_PAUSED), RUN_STATE_PAUSED);

        g_auto(VcpuState) before = { 0 }, after = { 0 };
        guest_save_vcpu(guest, 0, &before);
        memcpy(copy, guest->block->host, guest->block->size);
        wait_others_sleep(); /* one that had not stopped would write first */
        guest_save_vcpu(guest, 0, &after);
        assert_int_equal(before.step, after.step);
        assert_memory_equal(copy, guest->block->host, guest->block->size);
        assert_clean(guest, NULL);
    }
}

/* Each of these would sleep for minutes. */
static void test_stop_ends_a_sleep(void **state)
{
    static const char *const machines[] = {
        "stress,rate=1",
        "stress,pattern=idle",
        "stress,pattern=idle,prefill=on,rate=1",
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autoptr(Guest) guest = new_guest(machines[i], 64, 3);

        for (unsigned round = 0; round < 30; round++) {
            guest_start(guest);
            for (unsigned n = 0; n < round; n++) {
                g_thread_yield();
            }
            assert_int_equal(guest_stop(guest, RUN_STATE_PAUSED), RUN_STATE_RUNNING);
        }
    }
}

static void test_throttle_goes_up_and_down_while_running(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,rate=0", 600, 2);

    (void)state;
    guest_start(guest);
    for (unsigned percent = 0; percent <= 120; percent += 20) {
        guest_throttle(guest, percent);
        wait_for_steps(guest, steps_done(guest) + 20);
    }
    guest_throttle(guest, 0);
    wait_for_steps(guest, steps_done(guest) + 2000);
    guest_stop(guest, RUN_STATE_PAUSED);
    assert_clean(guest, NULL);
}

static void test_paced_guest_writes(void **state)
{
    static const char *const machines[] = { "stress,rate=20M", "stress,rate=100000G",
                                            "stress,pattern=dips,rate=20M",
                                            "stress,pattern=dips,rate=0" };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autoptr(Guest) guest = new_guest(machines[i], 600, 2);

        guest_start(guest);
        wait_for_steps(guest, 300);
        guest_stop(guest, RUN_STATE_PAUSED);
        assert_clean(guest, NULL);
    }
}

static void test_verify_beside_running_vcpus(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,rate=0", 1100, 2);

    (void)state;
    guest_start(guest);
    for (uint64_t round = 1; round <= 10; round++) {
        wait_for_steps(guest, steps_done(guest) + 100);
        assert_clean(guest, NULL);
        assert_int_equal(guest_run_state(guest), RUN_STATE_RUNNING);
    }
}

/* While somebody holds the vCPUs a start changes the state only, and a stop returns at once. */
static void test_hold_outranks_the_run_state(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,rate=0", 600, 2);

    (void)state;
    guest_hold(guest);
    guest_start(guest);
    assert_int_equal(guest_run_state(guest), RUN_STATE_RUNNING);
    guest_hold(guest);
    guest_unhold(guest);
    wait_others_sleep();
    assert_int_equal(steps_done(guest), 0);
    assert_int_equal(guest_stop(guest, RUN_STATE_PAUSED), RUN_STATE_RUNNING);
    guest_start(guest);
    guest_unhold(guest);
    wait_for_steps(guest, 10);
}

static void test_reset_goes_back_to_the_beginning(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,prefill=on", 600, 2);
    g_autoptr(Guest) fresh = new_guest("stress,prefill=on", 600, 2);
    uint64_t written;

    (void)state;
    guest_run_steps(guest, 1000);
    assert_true(guest_set(guest, "pattern", "sweep", NULL));
    assert_true(guest_reset(guest, NULL));
    assert_clean(guest, &written);
    assert_int_equal(written, 0);
    assert_int_equal(steps_done(guest), 0);
    guest_run_steps(guest, 1000);
    guest_run_steps(fresh, 1000);
    assert_memory_equal(guest->block->host, fresh->block->host, guest->block->size);
}

static void test_prefill_writes_each_page_of_the_set_once(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,prefill=on,pattern=idle,rate=1", 5000, 3);
    g_autoptr(Guest) half = new_guest("stress,prefill=on,pattern=idle,set=8M", 5000, 2);
    uint64_t written;

    (void)state;
    guest_start(guest);
    wait_for_steps(guest, guest->layout.n_data);
    guest_stop(guest, RUN_STATE_PAUSED);
    assert_clean(guest, &written);
    assert_int_equal(written, guest->layout.n_data);
    assert_int_equal(steps_done(guest), guest->layout.n_data);

    guest_run_steps(half, 5000);
    assert_clean(half, &written);
    assert_in_range(written, 2048, 2050);
}

/* ---- workload ---- */

static void test_set_refuses(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress", 300, 1);
    g_autoptr(Guest) none = new_guest("none", 300, 0);
    g_autoptr(GError) error = NULL;
    static const struct {
        const char *key, *value, *text;
    } rows[] = {
        { "speed", "1", "no key 'speed': use pattern, rate, set, zero, compressible" },
        { "seed", "1", "'seed' can only be given with --machine" },
        { "prefill", "on", "'prefill' can only be given with --machine" },
        { "rate", "", "'' is no value of rate" },
        { "pattern", "Uniform", "'Uniform' is no value of pattern" },
        { "zero", "71", "more than 100 %" },
        { "zero", "1.5", "'1.5' is no value of zero" },
        { "compressible", "91", "more than 100 %" },
        { "set", "1G", "1.0 GiB does not fit" },
    };

    (void)state;
    g_auto(GStrv) before = guest_describe(guest);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_clear_error(&error);
        assert_false(guest_set(guest, rows[i].key, rows[i].value, &error));
        if (strstr(error->message, rows[i].text) == NULL) {
            fail_msg("\"%s\" does not have \"%s\"", error->message, rows[i].text);
        }
    }
    g_auto(GStrv) after = guest_describe(guest);
    assert_true(g_strv_equal((const char *const *)before, (const char *const *)after));

    g_clear_error(&error);
    assert_false(guest_set(none, "rate", "1M", &error));
    assert_non_null(strstr(error->message, "no workload"));
}

static void test_set_while_running(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,rate=1", 2000, 3);
    const char *const *patterns = stress_pattern_names();

    (void)state;
    guest_start(guest);
    assert_true(guest_set(guest, "rate", "0", NULL));
    assert_true(guest_set(guest, "set", "4M", NULL));
    for (unsigned i = 0; patterns[i] != NULL; i++) {
        assert_true(guest_set(guest, "pattern", patterns[i], NULL));
        if (!g_str_equal(patterns[i], "idle")) {
            wait_for_steps(guest, steps_done(guest) + 500);
        }
    }
    assert_true(guest_set(guest, "compressible", "0", NULL));
    assert_true(guest_set(guest, "zero", "100", NULL));
    assert_true(guest_set(guest, "rate", "30M", NULL));
    wait_for_steps(guest, steps_done(guest) + 100);
    assert_clean(guest, NULL);

    g_auto(GStrv) pairs = guest_describe(guest);
    g_autofree char *all = g_strjoinv("\n", pairs);
    assert_non_null(strstr(all, "growing, 30.0 MiB/s, set 4.0 MiB, 100 % zero"));
}

static void test_set_keys_and_values_for_completion(void **state)
{
    const char *const *keys = guest_set_keys();

    (void)state;
    assert_string_equal(keys[0], "pattern");
    assert_int_equal(g_strv_length((char **)(void *)(uintptr_t)keys), 5);
    assert_string_equal(guest_set_values("pattern")[1], "hotcold");
    assert_null(guest_set_values("rate"));
    assert_null(guest_set_values("prefill"));
    assert_null(guest_set_values("nonsense"));
}

/* ---- patterns: which pages a guest has written after some steps ---- */

static size_t written_below(Guest *guest, size_t end)
{
    size_t n = 0;

    for (size_t i = 0; i < end; i++) {
        n += *ledger_entry_at(&guest->layout, guest->block->host, i) != 0;
    }
    return n;
}

static void test_sweep_goes_in_order(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,pattern=sweep", 1100, 1);

    (void)state;
    guest_run_steps(guest, 700);
    assert_int_equal(written_below(guest, 700), 700);
    assert_int_equal(written_below(guest, guest->layout.n_data), 700);
    guest_run_steps(guest, guest->layout.n_data - 700 + 1);
    assert_int_equal(ledger_step(*ledger_entry_at(&guest->layout, guest->block->host, 0)),
                     guest->layout.n_data + 1);
}

static void test_set_bounds_the_writes(void **state)
{
    static const char *const patterns[] = { "uniform", "hotcold", "sweep", "phases", "growing" };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(patterns); i++) {
        g_autofree char *machine = g_strdup_printf("stress,set=1M,zero=0,pattern=%s", patterns[i]);
        g_autoptr(Guest) guest = new_guest(machine, 1100, 1);

        guest_run_steps(guest, 20000);
        assert_int_equal(written_below(guest, guest->layout.n_data), 256);
        assert_int_equal(written_below(guest, 256), 256);
    }
}

static void test_hot_pages_are_hot(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,pattern=hotcold", 1002, 1); /* 1000 data pages */
    size_t recent_hot = 0;

    (void)state;
    guest_run_steps(guest, 10000);
    for (size_t i = 0; i < guest->layout.n_data; i++) {
        uint64_t step = ledger_step(*ledger_entry_at(&guest->layout, guest->block->host, i));
        recent_hot += i < 100 && step > 10000 - 1000;
    }
    /* The last 1000 steps made 900 hot writes to 100 pages: all but a few of them were hit. */
    assert_in_range(recent_hot, 95, 100);
}

static void test_growing_grows(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,pattern=growing", 1026, 1); /* 1024 data pages */

    (void)state;
    guest_run_steps(guest, 800); /* 16 to begin with, one more every 8 steps */
    assert_int_equal(written_below(guest, guest->layout.n_data), written_below(guest, 116));
    assert_true(written_below(guest, 116) > 50);
    guest_run_steps(guest, 40000);
    assert_int_equal(written_below(guest, 1024), 1024);
}

static void test_phases_move_on(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,pattern=phases", 1026, 1);

    (void)state;
    guest_run_steps(guest, 257);
    assert_int_equal(written_below(guest, 1024), written_below(guest, 128));
    guest_run_steps(guest, 200);
    assert_int_equal(written_below(guest, 1024), written_below(guest, 256));
    assert_true(written_below(guest, 256) > written_below(guest, 128));
}

static void test_kinds_follow_the_shares(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,zero=25,compressible=50,pattern=sweep", 4104, 1);
    size_t n[4] = { 0 };

    (void)state;
    guest_run_steps(guest, 4096);
    for (size_t i = 0; i < 4096; i++) {
        n[ledger_kind(*ledger_entry_at(&guest->layout, guest->block->host, i))]++;
    }
    assert_in_range(n[CONTENT_ZERO], 924, 1124);
    assert_in_range(n[CONTENT_COMPRESSIBLE], 1948, 2148);
    assert_int_equal(n[3], 0);
}

static void test_seed_changes_everything_and_nothing_else_does(void **state)
{
    g_autoptr(Guest) a = new_guest("stress,seed=5", 600, 2);
    g_autoptr(Guest) b = new_guest("stress,seed=5", 600, 2);
    g_autoptr(Guest) c = new_guest("stress,seed=6", 600, 2);

    (void)state;
    guest_run_steps(a, 1000);
    guest_run_steps(b, 1000);
    guest_run_steps(c, 1000);
    assert_memory_equal(a->block->host, b->block->host, a->block->size);
    assert_memory_not_equal(a->block->host, c->block->host, a->block->size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_options_are_refused_by_name),
        cmocka_unit_test(test_good_options_are_taken),
        cmocka_unit_test(test_names_and_defaults),
        cmocka_unit_test(test_used_ram_file_is_refused_and_left_alone),
        cmocka_unit_test(test_describe_is_pairs),
        cmocka_unit_test(test_run_states),
        cmocka_unit_test(test_run_state_names),
        cmocka_unit_test(test_stopped_guest_writes_nothing),
        cmocka_unit_test(test_stop_ends_a_sleep),
        cmocka_unit_test(test_throttle_goes_up_and_down_while_running),
        cmocka_unit_test(test_paced_guest_writes),
        cmocka_unit_test(test_verify_beside_running_vcpus),
        cmocka_unit_test(test_hold_outranks_the_run_state),
        cmocka_unit_test(test_reset_goes_back_to_the_beginning),
        cmocka_unit_test(test_prefill_writes_each_page_of_the_set_once),
        cmocka_unit_test(test_set_refuses),
        cmocka_unit_test(test_set_while_running),
        cmocka_unit_test(test_set_keys_and_values_for_completion),
        cmocka_unit_test(test_sweep_goes_in_order),
        cmocka_unit_test(test_set_bounds_the_writes),
        cmocka_unit_test(test_hot_pages_are_hot),
        cmocka_unit_test(test_growing_grows),
        cmocka_unit_test(test_phases_move_on),
        cmocka_unit_test(test_kinds_follow_the_shares),
        cmocka_unit_test(test_seed_changes_everything_and_nothing_else_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
