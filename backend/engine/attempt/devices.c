/*
 * Device sections of machine none and machine stress. See devices.h; layouts of
 * timer and globalstate are QEMU's (docs/stream.md).
 */
#include "backend/engine/attempt/devices.h"

#include <string.h>

#include "backend/base/error.h"

static const VmStateDesc timer_desc = {
    .name = "timer",
    .idstr = "timer",
    .version = 2,
    .minimum_version = 1,
    .fields =
        (const VmStateField[]){
            { "cpu_ticks_offset", FIELD_I64, offsetof(TimerState, cpu_ticks_offset) },
            { "unused", FIELD_UNUSED, .count = 8 },
            { "cpu_clock_offset", FIELD_I64, offsetof(TimerState, cpu_clock_offset), .since = 2 },
            { NULL },
        },
};

typedef struct {
    uint32_t size; /* of the name, with its NUL */
    char runstate[100];
} GlobalState;

static const VmStateDesc globalstate_desc = {
    .name = "globalstate",
    .idstr = "globalstate",
    .version = 1,
    .minimum_version = 1,
    .fields =
        (const VmStateField[]){
            { "size", FIELD_U32, offsetof(GlobalState, size) },
            { "runstate", FIELD_BUFFER, offsetof(GlobalState, runstate), .count = 100 },
            { NULL },
        },
};

static const VmStateDesc vcpu_desc = {
    .name = "stress-vcpu",
    .idstr = "stress-vcpu",
    .version = 1,
    .minimum_version = 1,
    .fields =
        (const VmStateField[]){
            { "seed", FIELD_U64, offsetof(VcpuState, seed) },
            { "step", FIELD_U64, offsetof(VcpuState, step) },
            { "generator", FIELD_U64, offsetof(VcpuState, generator) },
            { "pattern", FIELD_U32, offsetof(VcpuState, pattern) },
            { "zero_percent", FIELD_U32, offsetof(VcpuState, zero_percent) },
            { "compressible_percent", FIELD_U32, offsetof(VcpuState, compressible_percent) },
            { "n_vcpus", FIELD_U32, offsetof(VcpuState, n_vcpus) },
            { "rate", FIELD_U64, offsetof(VcpuState, rate) },
            { "set_pages", FIELD_U64, offsetof(VcpuState, set_pages) },
            { "position", FIELD_U64_ARRAY, offsetof(VcpuState, position), .count = 4 },
            { "n_seals", FIELD_U32, offsetof(VcpuState, n_seals) },
            { "seals", FIELD_U64_LIST, offsetof(VcpuState, seals),
              .count_offset = offsetof(VcpuState, n_seals) },
            { NULL },
        },
};

/* ---- saving ---- */

/* The sender chooses the ids; QEMU 7.2 uses these for machine none. */
enum { ID_TIMER = 0, ID_GLOBALSTATE = 4, ID_FIRST_VCPU = 16 };

static void save_one(StreamWriter *w, uint32_t id, uint32_t instance, const VmStateDesc *desc,
                     const void *state, json_object *devices)
{
    g_autoptr(GByteArray) body = g_byte_array_new();

    vmstate_encode(desc, state, body);
    stream_put_section_full(w, id, desc->idstr, instance, desc->version);
    stream_put_bytes(w, body->data, body->len);
    stream_put_footer(w, id);
    json_object_array_add(devices, vmstate_describe(desc, instance, state));
}

char *devices_save(StreamWriter *w, Guest *guest, const TimerState *timer, RunState state)
{
    json_object *description = json_object_new_object();
    json_object *devices = json_object_new_array();
    GlobalState global = { 0 };

    json_object_object_add(description, "page_size", json_object_new_int(MIG_PAGE_SIZE));
    json_object_object_add(description, "devices", devices);

    save_one(w, ID_TIMER, 0, &timer_desc, timer, devices);
    for (unsigned i = 0; i < guest_n_vcpus(guest); i++) {
        g_auto(VcpuState) vcpu = { 0 };

        guest_save_vcpu(guest, i, &vcpu);
        save_one(w, ID_FIRST_VCPU + i, i, &vcpu_desc, &vcpu, devices);
    }
    g_strlcpy(global.runstate, run_state_name(state), sizeof global.runstate);
    global.size = (uint32_t)strlen(global.runstate) + 1;
    save_one(w, ID_GLOBALSTATE, 0, &globalstate_desc, &global, devices);

    char *text = g_strdup(json_object_to_json_string_ext(description, JSON_C_TO_STRING_PLAIN));
    json_object_put(description);
    return text;
}

/* ---- loading ---- */

struct DeviceLoader {
    Guest *guest;
    TimerState *timer;
    bool *vcpu_seen;
    bool has_run_state;
    RunState run_state;
};

DeviceLoader *device_loader_new(Guest *guest, TimerState *timer)
{
    DeviceLoader *loader = g_new0(DeviceLoader, 1);

    loader->guest = guest;
    loader->timer = timer;
    loader->vcpu_seen = g_new0(bool, guest_n_vcpus(guest));
    return loader;
}

void device_loader_free(DeviceLoader *loader)
{
    if (loader != NULL) {
        g_free(loader->vcpu_seen);
        g_free(loader);
    }
}

uint32_t device_loader_max_list(const Guest *guest)
{
    /* At most one seal for each group of 512 pages of each block. */
    return (uint32_t)(guest_ram_size(guest) / MIG_PAGE_SIZE / 512 + 64);
}

const VmStateDesc *device_loader_find(void *data, const char *idstr, uint32_t instance,
                                      uint32_t version, GError **error)
{
    DeviceLoader *loader = data;
    const VmStateDesc *desc = NULL;

    if (strcmp(idstr, timer_desc.idstr) == 0 && instance == 0) {
        desc = &timer_desc;
    } else if (strcmp(idstr, globalstate_desc.idstr) == 0 && instance == 0) {
        desc = &globalstate_desc;
    } else if (strcmp(idstr, vcpu_desc.idstr) == 0 && instance < guest_n_vcpus(loader->guest)) {
        desc = &vcpu_desc;
    }
    if (desc == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "Unknown savevm section or instance '%s' %u", idstr, instance);
        mig_error_hint(error,
                       "machine '%s' here has no such device: both ends need the same "
                       "machine and number of vCPUs (%u here)",
                       guest_machine_name(loader->guest), guest_n_vcpus(loader->guest));
        return NULL;
    }
    if (version > desc->version || version < desc->minimum_version) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "savevm: unsupported version %u for '%s' v%u", version, idstr, desc->version);
        return NULL;
    }
    return desc;
}

static bool load_globalstate(DeviceLoader *loader, const GlobalState *global, GError **error)
{
    g_autofree char *name = g_strndup(global->runstate, sizeof global->runstate);

    if (!run_state_from_name(name, &loader->run_state)) {
        return mig_fail(error, MIG_ERROR_FORMAT, "Unknown run state '%.32s' in globalstate", name);
    }
    loader->has_run_state = true;
    return true;
}

bool device_loader_load(DeviceLoader *loader, const StreamRecord *record, GError **error)
{
    MigCursor body = { record->data, record->data + record->length };
    uint32_t max_list = device_loader_max_list(loader->guest);

    if (record->device == &timer_desc) {
        return vmstate_decode(&timer_desc, record->version, &body, max_list, loader->timer, error);
    }
    if (record->device == &globalstate_desc) {
        GlobalState global = { 0 };

        return vmstate_decode(&globalstate_desc, record->version, &body, max_list, &global,
                              error) &&
               load_globalstate(loader, &global, error);
    }
    if (record->device == &vcpu_desc) {
        g_auto(VcpuState) vcpu = { 0 };

        if (!vmstate_decode(&vcpu_desc, record->version, &body, max_list, &vcpu, error) ||
            !guest_load_vcpu(loader->guest, record->instance, &vcpu, error)) {
            return false;
        }
        loader->vcpu_seen[record->instance] = true;
        return true;
    }
    g_assert_not_reached();
}

bool device_loader_is_complete(const DeviceLoader *loader, GError **error)
{
    for (unsigned i = 0; i < guest_n_vcpus(loader->guest); i++) {
        if (!loader->vcpu_seen[i]) {
            return mig_fail(error, MIG_ERROR_FORMAT, "stream ends without the state of vCPU %u", i);
        }
    }
    return true;
}

bool device_loader_run_state(const DeviceLoader *loader, RunState *ret)
{
    *ret = loader->run_state;
    return loader->has_run_state;
}
