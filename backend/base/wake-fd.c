/*
 * See wake-fd.h.
 */
#include "backend/base/wake-fd.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "backend/base/error.h"

/* The kernel has no reason to refuse the write of an eventfd. If it does all the same, the signal
 * is repeated for a while: a thread that misses it would wait for ever. */
#define ATTEMPTS   1000
#define ATTEMPT_US 1000

int wake_fd_new(GError **error)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        mig_error_set_errno(error, errno, "Unable to make an event descriptor");
    }
    return fd;
}

void wake_fd_signal(int fd)
{
    /* EAGAIN: readable already. */
    for (int i = 0; i < ATTEMPTS && eventfd_write(fd, 1) < 0 && errno != EAGAIN; i++) {
        g_usleep(ATTEMPT_US);
    }
}
