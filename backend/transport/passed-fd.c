/*
 * A passed descriptor: its type selects the transport.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "backend/base/error.h"

static Transport *new_from_socket(int fd, const char *name, GError **error)
{
    int type = 0;
    socklen_t length = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 || type != SOCK_STREAM) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s is a socket, but not of type stream",
                    name);
        return NULL;
    }
    return socket_transport_new(fd, "fd", name, error);
}

Transport *transport_new_from_fd(int fd, const char *name, GError **error)
{
    struct stat info;

    if (fstat(fd, &info) < 0) {
        mig_error_set_errno(error, errno, "%s", name);
        return NULL;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (S_ISSOCK(info.st_mode)) {
        return new_from_socket(fd, name, error);
    }
    if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) {
        return pipe_transport_new(fd, false, name, error);
    }
    if (S_ISREG(info.st_mode) || S_ISBLK(info.st_mode)) {
        return file_transport_new(fd, name, error);
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "%s is no socket, pipe, device or file that can carry a stream", name);
    return NULL;
}

/* Like transport_new_from_fd(), and checks that @fd is open in this direction. */
static Transport *open_fd(const Address *address, int fd, StreamDirection direction, GError **error)
{
    g_autofree char *name = address_to_uri(address);
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        mig_error_set_errno(error, errno, "%s", name);
        return NULL;
    }
    if ((flags & O_ACCMODE) == (direction == STREAM_OUT ? O_RDONLY : O_WRONLY)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s is not open for %s", name,
                    direction == STREAM_OUT ? "writing" : "reading");
        return NULL;
    }
    return transport_new_from_fd(fd, name, error);
}

const AddressMaker fd_maker = { .open = open_fd };
