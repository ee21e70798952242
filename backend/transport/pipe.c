/*
 * A pipe, FIFO or character device. One way.
 *
 * A pipe knows no MSG_DONTWAIT, and O_NONBLOCK belongs to the open file
 * description, which a passed descriptor shares with whoever passed it. So the
 * pipe is opened anew through /proc/self/fd: same pipe, a description of our
 * own, and O_NONBLOCK hurts nobody.
 *
 * Where that cannot be done (no /proc, another user's pipe, a FIFO to read),
 * the descriptor stays as it is: poll() says that it is readable, or that one
 * page of room is there, and then a read, or a write of at most PIPE_BUF, does
 * not block. It could only block if someone else used the very same end at the
 * same time, and then the stream is garbage already.
 *
 * A character device promises nothing of this and may not be opened twice; it
 * alone is made non-blocking as it is, and gets its mode back in the end.
 *
 * The program ignores SIGPIPE: a reader that left is an error of the write.
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
    int old_flags; /* to be put back; -1 = none */
} PipeTransport;

/* The entries up to @max bytes, at most @n of them, copied to @ret; returns how many. */
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
    /* Waiting comes first: a FIFO that no writer has opened yet reads as ended, but does not poll
     * as ended. */
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

/* A descriptor of our own for the pipe @fd, or -1. A FIFO with a name is not reopened for reading:
 * the new reader would wait for a writer of its own and never see that the present one has gone. */
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
    fcntl(pipe->base.fd, F_SETPIPE_SZ, PIPE_ROOM); /* no pipe, no permission: then not */
    return &pipe->base;
}
