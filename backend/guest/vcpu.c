/*
 * The migrating state of a vCPU as a value. Any thread.
 */
#include "backend/guest/vcpu.h"

void vcpu_state_clear(VcpuState *state)
{
    g_free(state->seals);
    *state = (VcpuState){ 0 };
}
