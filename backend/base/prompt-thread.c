/*
 * See prompt-thread.h. The scheduler lets the one with the earliest virtual deadline run, and a
 * short slice makes an early one. The C library has no wrapper for the call.
 */
#include "backend/base/prompt-thread.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS (UINT64_C(100) * 1000) /* the shortest there is */

/* <linux/sched/types.h>, which cannot be included beside <sched.h> everywhere. */
struct attributes {
    uint32_t size;
    uint32_t policy; /* 0: the ordinary one */
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
};

void prompt_thread(void)
{
    struct attributes attributes = { .size = sizeof attributes };

    /* Keeps the rest as it is. */
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0 &&
        attributes.policy == 0) {
        attributes.runtime = SLICE_NS;
        syscall(SYS_sched_setattr, 0, &attributes, 0);
    }
}
