/*
 * See prompt-thread.h. The scheduler runs the thread with the earliest virtual deadline, and a
 * short slice gives an early deadline. The C library has no wrapper for the call.
 */
#include "backend/base/prompt-thread.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS (UINT64_C(100) * 1000) /* the shortest slice allowed */

/* As in <linux/sched/types.h>, which conflicts with <sched.h> on some systems. */
struct attributes {
    uint32_t size;
    uint32_t policy; /* 0 = the normal policy */
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

    /* Keeps the other attributes. */
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0 &&
        attributes.policy == 0) {
        attributes.runtime = SLICE_NS;
        syscall(SYS_sched_setattr, 0, &attributes, 0);
    }
}
