/*
 * A file, one way. Bytes before the offset stay as they are; the file is cut
 * there first, so that nothing of an older and longer stream follows the new
 * one. Finishing means that the bytes are on the disk.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/error.h"

static ssize_t file_readv(Transport *t, const struct iovec *iov, int n, GError **error)
{
    ssize_t got;

    do {
        got = readv(t->fd, iov, n);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        mig_error_set_errno(error, errno, "Unable to read from file");
    }
    return got;
}

static ssize_t file_writev(Transport *t, const struct iovec *iov, int n, GError **error)
{
    ssize_t put;

    do {
        put = writev(t->fd, iov, n);
    } while (put < 0 && errno == EINTR);
    if (put < 0) {
        mig_error_set_errno(error, errno, "Unable to write to file");
    }
    return put;
}

static bool file_finish(Transport *t, GError **error)
{
    if (fsync(t->fd) < 0 && errno != EINVAL && errno != EROFS) {
        mig_error_set_errno(error, errno, "Unable to write to file");
        return false;
    }
    return true;
}

/* There is nobody at the other end: the medium is slow, or nothing is. */
static uint64_t file_receiver_limited_us(const Transport *t)
{
    (void)t;
    return 0;
}

static const TransportOps file_ops = {
    .kind = "file",
    .readv = file_readv,
    .writev = file_writev,
    .free = transport_destroy,
    .finish = file_finish,
    .receiver_limited_us = file_receiver_limited_us,
};

int transport_file(const Transport *t)
{
    return t->ops == &file_ops ? t->fd : -1;
}

Transport *file_transport_new(int fd, const char *name, GError **error)
{
    g_autofree char *copy = g_strdup(name);
    Transport *t = g_new0(Transport, 1);

    if (!transport_init(t, &file_ops, fd, copy, error)) {
        g_free(t);
        return NULL;
    }
    copy = NULL;
    return t;
}

static void set_open_error(GError **error, const char *path, int errnum)
{
    mig_error_set_errno(error, errnum, "Unable to open %s", path);
}

/* Cuts and positions the open file; *@ret_pipe tells that it is a FIFO or a character device. */
static bool prepare(int fd, const Address *address, StreamDirection direction, bool *ret_pipe,
                    GError **error)
{
    struct stat info;

    if (fstat(fd, &info) < 0) {
        set_open_error(error, address->path, errno);
        return false;
    }
    if (S_ISDIR(info.st_mode)) {
        set_open_error(error, address->path, EISDIR);
        return false;
    }
    *ret_pipe = S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode);
    if (*ret_pipe && address->offset == 0) {
        return true;
    }
    if (address->offset > INT64_MAX) {
        set_open_error(error, address->path, EFBIG);
        return false;
    }
    if (*ret_pipe || lseek(fd, (off_t)address->offset, SEEK_SET) < 0) {
        set_open_error(error, address->path, ESPIPE);
        mig_error_hint(error, "an offset needs a file that can be positioned");
        return false;
    }
    if (direction == STREAM_OUT && S_ISREG(info.st_mode) &&
        ftruncate(fd, (off_t)address->offset) < 0) {
        set_open_error(error, address->path, errno);
        return false;
    }
    return true;
}

Transport *file_transport_open(const Address *address, StreamDirection direction, GError **error)
{
    int flags = direction == STREAM_OUT ? O_WRONLY | O_CREAT : O_RDONLY;
    bool is_pipe;

    /* O_NONBLOCK: the open of a FIFO must not wait for the other end; a regular file does not care.
     */
    g_auto(MigFd) fd = open(address->path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0) {
        int reason = errno;

        set_open_error(error, address->path, reason);
        if (reason == ENXIO) {
            mig_error_hint(error, "a FIFO needs its reader first; a socket is reached with unix:");
        }
        return NULL;
    }
    if (!prepare(fd, address, direction, &is_pipe, error)) {
        return NULL;
    }

    g_autofree char *name = address_to_uri(address);
    Transport *t =
        is_pipe ? pipe_transport_new(fd, true, name, error) : file_transport_new(fd, name, error);
    if (t != NULL) {
        mig_fd_steal(&fd);
    }
    return t;
}
