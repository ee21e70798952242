/*
 * A pipe, FIFO or character device. One way.
 *
 * A pipe has no MSG_DONTWAIT, and O_NONBLOCK belongs to the open file
 * description, which a passed descriptor shares with the process that passed
 * it. So the pipe is opened again through /proc/self/fd: this gives a
 * description of our own, whose O_NONBLOCK affects no other process.
 *
 * If that is not possible (no /proc, another user's pipe, a FIFO to read), the
 * descriptor is used as it is: when poll() reports that it is readable, or that
 * it has room for one page, a read, or a write of at most PIPE_BUF, does not
 * block. It could only block if another process used the same end at the same
 * time, and then the stream would be garbage anyway.
 *
 * A character device does not guarantee this and may refuse a second open. It
 * is made non-blocking in place, and its mode is restored at the end.
 *
 * The program ignores SIGPIPE: after the reader has closed, the write fails.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backend/base/error.h"

/* Room for a batch of pages; the kernel may grant less. */
#define PIPE_ROOM (1024 * 1024)

typedef struct {
    Transport base;
    bool nonblocking;
    int old_flags; /* restored at the end; -1 = none */
} PipeTransport;

/* Copies the entries up to @max bytes, at most @n, to @ret; returns their number. */
static int cut_iov(const struct iovec *iov, int n, size_t max, struct iovec *ret)
{
    int count = 0;

    for (; count < n && max > 0; count++) {
        ret[count] = iov[count];
        ret[count].iov_len = MIN(iov[count].iov_len, max);
        max -= ret[count].iov_len;
    }
    return count;
}

static ssize_t pipe_readv(Transport *t, const struct iovec *iov, int n, GError **error)
{
    /* Waits before reading: on a FIFO that no writer has opened yet, a read returns the end of
     * file, but poll() does not. */
    while (transport_wait(t, POLLIN, error)) {
        ssize_t got = readv(t->fd, iov, n);

        if (got >= 0) {
            return got;
        }
        if (errno != EAGAIN && errno != EINTR) {
            mig_error_set_errno(error, errno, "Unable to read from file");
            break;
        }
    }
    return -1;
}

static ssize_t pipe_writev(Transport *t, const struct iovec *iov, int n, GError **error)
{
    PipeTransport *pipe = (PipeTransport *)t;
    struct iovec small[8];

    if (!pipe->nonblocking) {
        n = cut_iov(iov, MIN(n, (int)G_N_ELEMENTS(small)), PIPE_BUF, small);
        iov = small;
    }
    for (;;) {
        if (!pipe->nonblocking && !transport_wait(t, POLLOUT, error)) {
            return -1;
        }
        ssize_t put = writev(t->fd, iov, n);

        if (put >= 0) {
            return put;
        }
        if (errno == EAGAIN) {
            if (!transport_wait(t, POLLOUT, error)) {
                return -1;
            }
        } else if (errno != EINTR) {
            mig_error_set_errno(error, errno, "Unable to write to file");
            return -1;
        }
    }
}

static void pipe_free(Transport *t)
{
    PipeTransport *pipe = (PipeTransport *)t;

    if (pipe->old_flags != -1) {
        fcntl(t->fd, F_SETFL, pipe->old_flags);
    }
    transport_destroy(t);
}

static const TransportOps pipe_ops = {
    .kind = "fd",
    .readv = pipe_readv,
    .writev = pipe_writev,
    .free = pipe_free,
};

/* Returns a new descriptor with its own description for the pipe @fd, or -1. A FIFO with a name is
 * not reopened for reading: the new reader would wait for a new writer and never see that the
 * present one has closed. */
static int reopen(int fd)
{
    char path[40];
    struct stat info;
    struct statfs fs;
    int mode = fcntl(fd, F_GETFL) & O_ACCMODE;

    if (fstat(fd, &info) < 0 || !S_ISFIFO(info.st_mode) || fstatfs(fd, &fs) < 0 ||
        (fs.f_type != PIPEFS_MAGIC && mode != O_WRONLY)) {
        return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, mode | O_NONBLOCK | O_CLOEXEC);
}

static bool is_device(int fd)
{
    struct stat info;

    return fstat(fd, &info) == 0 && S_ISCHR(info.st_mode);
}

Transport *pipe_transport_new(int fd, bool owned, const char *name, GError **error)
{
    g_autofree char *copy = g_strdup(name);
    PipeTransport *pipe = g_new0(PipeTransport, 1);
    g_auto(MigFd) own = owned ? -1 : reopen(fd);
    int flags = fcntl(fd, F_GETFL);

    if (!transport_init(&pipe->base, &pipe_ops, fd, copy, error)) {
        g_free(pipe);
        return NULL;
    }
    copy = NULL;
    pipe->old_flags = -1;
    if (own >= 0) {
        close(fd);
        pipe->base.fd = mig_fd_steal(&own);
        pipe->nonblocking = true;
    } else if (owned || is_device(fd)) {
        pipe->old_flags = owned ? -1 : flags;
        pipe->nonblocking = fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
    }
    fcntl(pipe->base.fd, F_SETPIPE_SZ, PIPE_ROOM); /* may fail without harm */
    return &pipe->base;
}
