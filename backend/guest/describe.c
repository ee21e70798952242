/*
 * Text of "info guest": the machine, its memory, the memory's features and the
 * present workload. Any thread; does not block for long.
 */
#include "backend/guest/guest-internal.h"

#include <inttypes.h>

#include "backend/base/size.h"
#include "backend/guest/dirty/tracker-internal.h"
#include "backend/guest/memory/backing.h"
#include "backend/guest/stress/machine.h"

static void add(GPtrArray *pairs, const char *key, char *value)
{
    g_ptr_array_add(pairs, g_strdup(key));
    g_ptr_array_add(pairs, value);
}

static void describe_memory(const RamBlock *block, GPtrArray *pairs)
{
    g_autofree char *size = size_format(block->size);
    g_autofree char *key = g_strdup_printf("block %s", block->idstr);
    const char *tracker = dirty_tracker_best(&block->backing);

    add(pairs, "memory", g_strdup_printf("%s, %zu pages", size, block->n_pages));
    add(pairs, key,
        g_strdup_printf("%s of %s%s", block->backing.name, size,
                        block->populated ? ", populated" : ""));
    if (tracker != NULL) {
        add(pairs, "dirty tracking", g_strdup(tracker));
    } else {
        add(pairs, "dirty tracking",
            g_strdup_printf("not possible: %s", ram_backing_remedy(&block->backing)));
    }
    add(pairs, "missing pages",
        g_strdup(block->backing.missing_minor ? "can be fetched on demand"
                                              : "cannot be fetched on demand with this memory"));
}

static void describe_workload(Guest *guest, GPtrArray *pairs)
{
    StressSettings settings = { 0 };
    uint64_t steps = 0, to_fill = 0;

    pthread_mutex_lock(&guest->lock);
    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        stress_vcpu_settings(guest->vcpus[i], &settings);
        steps += stress_vcpu_steps(guest->vcpus[i]);
        to_fill += stress_vcpu_to_fill(guest->vcpus[i]);
    }
    pthread_mutex_unlock(&guest->lock);

    add(pairs, "workload", stress_settings_text(&settings));
    if (to_fill > 0) {
        add(pairs, "prefill",
            g_strdup_printf("%" PRIu64 " pages are still to be written", to_fill));
    }
    add(pairs, "steps", g_strdup_printf("%" PRIu64 " pages written so far", steps));
}

char **guest_describe(Guest *guest)
{
    g_autoptr(GPtrArray) pairs = g_ptr_array_new();

    add(pairs, "machine", g_strdup(guest_machine_name(guest)));
    describe_memory(guest->block, pairs);
    add(pairs, "vcpus", g_strdup_printf("%u", guest->n_vcpus));
    if (guest->machine == MACHINE_STRESS) {
        describe_workload(guest, pairs);
        add(pairs, "proof", g_strdup("guest_verify checks every page against the ledger"));
    } else {
        add(pairs, "proof", g_strdup("no ledger: compare the RAM files byte by byte"));
    }
    g_ptr_array_add(pairs, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&pairs), FALSE);
}
