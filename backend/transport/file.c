/*
 * A file, one way. Bytes before the offset are kept. The file is truncated there first, so that no
 * rest of an older and longer stream follows the new one. Finishing waits until the bytes are on
 * the disk.
 *
 * For pages there can be a second open file description of the same file, with O_DIRECT: it
 * bypasses the page cache and takes only whole pages at page borders. The stream is not aligned and
 * uses the first description.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/error.h"

typedef struct {
    Transport base;
    MigFd direct; /* -1 = none */
} FileTransport;

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
    if (mig_fd_sync(t->fd) < 0 && errno != EINVAL && errno != EROFS) {
        mig_error_set_errno(error, errno, "%s is written, but not safe on its medium", t->name);
        return false;
    }
    return true;
}

static void file_free(Transport *t)
{
    mig_fd_clear(&((FileTransport *)t)->direct);
    transport_destroy(t);
}

/* A file has no receiver: only the medium can limit the writer. */
static uint64_t file_receiver_limited_us(const Transport *t)
{
    (void)t;
    return 0;
}

static const TransportOps file_ops = {
    .kind = "file",
    .readv = file_readv,
    .writev = file_writev,
    .free = file_free,
    .finish = file_finish,
    .receiver_limited_us = file_receiver_limited_us,
};

int transport_file(const Transport *t)
{
    return t->ops == &file_ops ? t->fd : -1;
}

int transport_file_pages(const Transport *t)
{
    int fd = transport_file(t);

    if (fd >= 0 && ((const FileTransport *)t)->direct >= 0) {
        return ((const FileTransport *)t)->direct;
    }
    return fd;
}

bool transport_file_go_direct(Transport *t, GError **error)
{
    FileTransport *file = (FileTransport *)t;
    int mode = fcntl(t->fd, F_GETFL);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", t->fd);

    g_assert(t->ops == &file_ops && file->direct < 0);
    file->direct = open(path, (mode & O_ACCMODE) | O_DIRECT | O_CLOEXEC);
    if (file->direct < 0) {
        int reason = errno;

        mig_error_set_errno(error, reason, "Unable to open %s", t->name);
        mig_error_hint(error, reason == EINVAL
                                  ? "its file system cannot do direct I/O: another place, or "
                                    "migrate_set_parameter direct-io off"
                                  : "it is opened once more for direct I/O; migrate_set_parameter "
                                    "direct-io off goes without");
        return false;
    }
    return true;
}

Transport *file_transport_new(int fd, const char *name, GError **error)
{
    g_autofree char *copy = g_strdup(name);
    FileTransport *file = g_new0(FileTransport, 1);
    Transport *t = &file->base;

    file->direct = -1;

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

/* Truncates and positions the open file; *@ret_pipe is true for a FIFO or a character device. */
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

/* Opens the file of @address; STREAM_OUT creates it and truncates it at the offset. */
static Transport *open_file(const Address *address, int ignored, StreamDirection direction,
                            GError **error)
{
    int flags = direction == STREAM_OUT ? O_WRONLY | O_CREAT : O_RDONLY;
    bool is_pipe;

    (void)ignored;
    /* O_NONBLOCK: the open of a FIFO must not wait for the other end; it has no effect on a regular
     * file. */
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

const AddressMaker file_maker = { .open = open_file };
