/*
 * A file descriptor that is closed at the end of its scope: g_auto(MigFd) fd = open(...). -1 =
 * none; mig_fd_steal() transfers it.
 */
#pragma once

#include <errno.h>
#include <glib.h>
#include <unistd.h>

typedef int MigFd;

static inline void mig_fd_clear(MigFd *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigFd, mig_fd_clear)

static inline int mig_fd_steal(MigFd *fd)
{
    int stolen = *fd;
    *fd = -1;
    return stolen;
}

/* As fsync(), but a signal does not end it. */
static inline int mig_fd_sync(int fd)
{
    int result;

    do {
        result = fsync(fd);
    } while (result < 0 && errno == EINTR);
    return result;
}
