/*
 * Creates the guest from its options and returns its constant properties. run.c
 * runs it. One thread creates the guest; any thread may read the properties.
 */
#include "backend/guest/guest-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/guest/stress/machine.h"

#define MOST_VCPUS 1024u
#define NO_UUID    "00000000-0000-0000-0000-000000000000"

/* ---- making ---- */

static bool parse_machine(const char *text, MachineKind *ret, StressSettings *settings,
                          GError **error)
{
    size_t length = strcspn(text, ",");

    if (length == strlen("none") && strncmp(text, "none", length) == 0) {
        *ret = MACHINE_NONE;
        if (text[length] != '\0') {
            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                        "--machine: none takes no keys, but '%s' follows", text + length + 1);
            return false;
        }
        return true;
    }
    if (length != strlen("stress") || strncmp(text, "stress", length) != 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "unsupported machine type: \"%.*s\"",
                    (int)length, text);
        mig_error_hint(error, "--machine takes none or stress[,key=value...]");
        return false;
    }
    *ret = MACHINE_STRESS;
    if (!stress_settings_parse(text + length, settings, error)) {
        g_prefix_error(error, "--machine: ");
        return false;
    }
    return true;
}

static bool set_uuid(Guest *guest, const char *text, GError **error)
{
    guest->uuid_is_set = text != NULL;
    if (text != NULL && !g_uuid_string_is_valid(text)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "--uuid: '%s' is not a UUID such as 123e4567-e89b-12d3-a456-426614174000",
                    text);
        return false;
    }
    guest->uuid = g_ascii_strdown(text != NULL ? text : NO_UUID, -1);
    return true;
}

/* Checked before the block is made, so that a file that is refused keeps its size. */
static bool refuse_used_file(const char *path, GError **error)
{
    g_auto(MigFd) fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno != ENOENT) {
        mig_error_set_errno(error, errno, "--ram-file: looking into '%s'", path);
        return false;
    }
    if (fd < 0 || lseek(fd, 0, SEEK_DATA) < 0) {
        return true;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "--ram-file: '%s' holds data, and the stress machine starts with empty RAM", path);
    mig_error_hint(error, "remove the file, or use --machine none to migrate its content");
    return false;
}

static bool make_block(Guest *guest, const GuestOptions *options, GError **error)
{
    const char *id = options->ram_id != NULL ? options->ram_id : "ram";
    bool whole = options->memory > 0 && options->memory % MIG_PAGE_SIZE == 0;

    if (guest->machine == MACHINE_STRESS &&
        (!whole || options->memory / MIG_PAGE_SIZE < LEDGER_MIN_PAGES)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "--memory: %" PRIu64 " bytes; the stress machine needs whole pages of %u "
                    "bytes, at least %zu of them",
                    options->memory, MIG_PAGE_SIZE, LEDGER_MIN_PAGES);
        return false;
    }
    if (guest->machine == MACHINE_STRESS && options->ram_file != NULL && !options->incoming &&
        !refuse_used_file(options->ram_file, error)) {
        return false;
    }
    guest->block = options->incoming ? ram_block_open(id, options->memory, options->ram_file, error)
                                     : ram_block_new(id, options->memory, options->ram_file, error);
    if (guest->block == NULL) {
        bool id_wrong = *id == '\0' || strlen(id) > 255;

        g_prefix_error(error, "%s: ",
                       id_wrong                             ? "--ram-id"
                       : whole && options->ram_file != NULL ? "--ram-file"
                                                            : "--memory");
        return false;
    }
    if (options->prealloc && !ram_block_populate(guest->block, error)) {
        g_prefix_error(error, "--prealloc: ");
        return false;
    }
    return true;
}

static bool make_vcpus(Guest *guest, unsigned smp, const StressSettings *settings, GError **error)
{
    if (guest->machine == MACHINE_NONE) {
        return true;
    }
    if (smp < 1 || smp > MOST_VCPUS) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "--smp: the stress machine has 1 to %u vCPUs, not %u", MOST_VCPUS, smp);
        return false;
    }
    guest->layout = ledger_layout(guest->block->n_pages);
    if (!stress_settings_check(settings, &guest->layout, error)) {
        g_prefix_error(error, "--machine: ");
        return false;
    }
    guest->vcpus = g_new0(Vcpu *, smp);
    for (unsigned i = 0; i < smp; i++) {
        guest->vcpus[i] = stress_vcpu_new(i, smp, guest->block, settings, error);
        if (guest->vcpus[i] == NULL) {
            g_prefix_error(error, "--smp: ");
            return false;
        }
        guest->n_vcpus++;
    }
    return true;
}

Guest *guest_new(const GuestOptions *options, GError **error)
{
    g_autoptr(Guest) guest = g_new0(Guest, 1);
    StressSettings settings = { 0 };

    pthread_mutex_init(&guest->lock, NULL);
    atomic_init(&guest->state, RUN_STATE_PRELAUNCH);
    guest->name = g_strdup(options->name != NULL ? options->name : "");
    if (!parse_machine(options->machine != NULL ? options->machine : "stress", &guest->machine,
                       &settings, error) ||
        !set_uuid(guest, options->uuid, error) || !make_block(guest, options, error) ||
        !make_vcpus(guest, options->smp, &settings, error)) {
        return NULL;
    }
    return g_steal_pointer(&guest);
}

void guest_free(Guest *guest)
{
    if (guest == NULL) {
        return;
    }
    guest_stop(guest, RUN_STATE_PAUSED);
    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        guest->vcpus[i]->ops->free(guest->vcpus[i]);
    }
    g_free(guest->vcpus);
    ram_block_free(guest->block);
    g_free(guest->name);
    g_free(guest->uuid);
    pthread_mutex_destroy(&guest->lock);
    g_free(guest);
}

/* ---- what it is ---- */

MachineKind guest_machine(const Guest *guest)
{
    return guest->machine;
}

const char *guest_machine_name(const Guest *guest)
{
    return guest->machine == MACHINE_NONE ? "none" : "stress";
}

const char *guest_name(const Guest *guest)
{
    return guest->name;
}

const char *guest_uuid(const Guest *guest)
{
    return guest->uuid;
}

bool guest_uuid_is_set(const Guest *guest)
{
    return guest->uuid_is_set;
}

void guest_uuid_bytes(const Guest *guest, uint8_t ret[16])
{
    unsigned n = 0;

    for (const char *at = guest->uuid; *at != '\0'; at++) {
        if (*at != '-') {
            ret[n / 2] = (uint8_t)(ret[n / 2] << 4 | g_ascii_xdigit_value(*at));
            n++;
        }
    }
}

RamBlock *const *guest_blocks(const Guest *guest, size_t *ret_count)
{
    *ret_count = 1;
    return &guest->block;
}

RamBlock *guest_find_block(const Guest *guest, const char *idstr, size_t *ret_index)
{
    if (!g_str_equal(guest->block->idstr, idstr)) {
        return NULL;
    }
    if (ret_index != NULL) {
        *ret_index = 0;
    }
    return guest->block;
}

uint64_t guest_ram_size(const Guest *guest)
{
    return guest->block->size;
}

bool guest_empty(Guest *guest, GError **error)
{
    atomic_store(&guest->empty, true); /* first, so that no thread starts the guest meanwhile */
    ram_block_touch(guest->block);     /* so that the next ram_block_drop() is not skipped */
    return ram_block_discard(guest->block, 0, guest->block->n_pages, error);
}

void guest_fill(Guest *guest)
{
    atomic_store(&guest->empty, false);
}

bool guest_is_empty(const Guest *guest)
{
    return atomic_load(&guest->empty);
}

bool guest_claim_ram(const Guest *guest, GError **error)
{
    return ram_block_claim(guest->block, error);
}

unsigned guest_n_vcpus(const Guest *guest)
{
    return guest->n_vcpus;
}
