/*
 * See passed-fds.h. Main thread.
 */
#include "monitor/server/passed-fds.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void keep(PassedFds *passed, int fd)
{
    if (passed->count < PASSED_FDS_MAX) {
        passed->fds[passed->count++] = fd;
    } else {
        close(fd);
    }
}

ssize_t passed_fds_receive(PassedFds *passed, int socket, void *bytes, size_t size)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char space[CMSG_SPACE(sizeof(int) * PASSED_FDS_MAX)];
    } control;
    struct iovec iov = { bytes, size };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    ssize_t n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0) {
        return n;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; i < count && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
             i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            keep(passed, fd);
        }
    }
    return n;
}

int passed_fds_take(PassedFds *passed)
{
    int fd;

    if (passed->count == 0) {
        return -1;
    }
    fd = passed->fds[0];
    passed->count--;
    memmove(passed->fds, passed->fds + 1, passed->count * sizeof(passed->fds[0]));
    return fd;
}

void passed_fds_clear(PassedFds *passed)
{
    while (passed->count > 0) {
        close(passed->fds[--passed->count]);
    }
}
