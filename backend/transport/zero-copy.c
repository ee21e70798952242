/*
 * MSG_ZEROCOPY: the kernel sends the caller's pages in place and reports on the socket's error
 * queue when it has finished with them. Only the writer's thread.
 *
 * Each send has a number; a notice names a range of them, and whether the kernel had to copy after
 * all (as it does on the way to its own host). The number of outstanding sends is the difference of
 * two counters, so no list of sends is needed.
 *
 * While the queue is not empty, poll() returns at once (POLLERR), so every wait on such a socket
 * empties it.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/errqueue.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/base/error.h"

struct ZeroCopy {
    bool lending;      /* the present write is without a copy */
    uint32_t sent;     /* sends, modulo 2^32 as the kernel counts them */
    uint32_t done;     /* of these, completed by the kernel */
    bool any;          /* since the last transport_settle(): a send was made, */
    bool any_uncopied; /* and at least one went without a copy */
};

#define LOCK_TEXT "Process can't lock enough memory for using MSG_ZEROCOPY"

/* ---- before anything is sent ---- */

/* True when this process may lock memory without a limit. */
static bool has_cap_ipc_lock(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

    return syscall(SYS_capget, &header, data) == 0 &&
           (data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
}

bool transport_may_lend(uint64_t bytes, GError **error)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= bytes || has_cap_ipc_lock()) {
        return true;
    }
    g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC, LOCK_TEXT);
    mig_error_hint(error,
                   "pages on their way stay locked: %" PRIu64 " KiB at least, and the limit is "
                   "%" PRIu64 " KiB; raise it (ulimit -l, LimitMEMLOCK=) or switch zero-copy-send "
                   "off",
                   bytes / 1024, (uint64_t)limit.rlim_cur / 1024);
    return false;
}

bool transport_prepare_lending(Transport *t, GError **error)
{
    int one = 1;

    if (t->fd < 0 || setsockopt(t->fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one) < 0) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                            "Zero copy send feature not detected in host kernel");
        mig_error_hint(error, "%s cannot do it (%s); over tcp: it takes Linux 4.14 or newer",
                       t->name, t->fd < 0 ? "no socket" : g_strerror(errno));
        return false;
    }
    t->zero_copy = g_new0(ZeroCopy, 1);
    return true;
}

/* ---- notices of the kernel ---- */

static void take_notice(ZeroCopy *z, const struct sock_extended_err *notice)
{
    if (notice->ee_origin != SO_EE_ORIGIN_ZEROCOPY || notice->ee_errno != 0) {
        return;
    }
    z->done += notice->ee_data - notice->ee_info + 1;
    if ((notice->ee_code & SO_EE_CODE_ZEROCOPY_COPIED) == 0) {
        z->any_uncopied = true;
    }
}

bool zero_copy_reap(Transport *t, GError **error)
{
    while (t->zero_copy != NULL) {
        union {
            struct cmsghdr align;
            char bytes[256];
        } control;
        struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof control };

        if (recvmsg(t->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno != EAGAIN) {
                mig_error_set_errno(error, errno, "Unable to read from socket");
                return false;
            }
            return true;
        }
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err))) {
                take_notice(t->zero_copy, (const struct sock_extended_err *)CMSG_DATA(c));
            }
        }
    }
    return true;
}

/* False when the connection has ended. */
static bool is_connected(Transport *t, GError **error)
{
    struct pollfd polled = { .fd = t->fd };
    socklen_t length = sizeof(int);
    int reason = 0;

    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &reason, &length) < 0) {
        reason = errno;
    }
    if (reason == 0 && poll(&polled, 1, 0) == 1 && (polled.revents & POLLHUP) != 0) {
        reason = EPIPE;
    }
    if (reason != 0) {
        mig_error_set_errno(error, reason, "Unable to write to socket");
    }
    return reason == 0;
}

/* Waits for at least one notice; one must be outstanding. */
static bool await_notice(Transport *t, GError **error)
{
    uint32_t before = t->zero_copy->done;
    bool ok = true;

    wait_clock_begin(&t->blocked);
    while (ok && t->zero_copy->done == before) {
        ok = transport_wait(t, 0, error) && zero_copy_reap(t, error) &&
             (t->zero_copy->done != before || is_connected(t, error));
    }
    wait_clock_end(&t->blocked);
    return ok;
}

/* ---- sending ---- */

int zero_copy_flag(const Transport *t)
{
    return t->zero_copy != NULL && t->zero_copy->lending ? MSG_ZEROCOPY : 0;
}

void zero_copy_sent(Transport *t)
{
    if (zero_copy_flag(t) != 0) {
        t->zero_copy->sent++;
    }
}

bool zero_copy_make_room(Transport *t, GError **error)
{
    ZeroCopy *z = t->zero_copy;
    uint32_t before = z->done;

    if (!zero_copy_reap(t, error)) {
        return false;
    }
    if (z->done != before) {
        return true;
    }
    if (z->done != z->sent) {
        return await_notice(t, error);
    }
    /* Other memory uses up this process's lock limit: this write is copied. */
    z->lending = false;
    return true;
}

bool transport_lend_all(Transport *t, struct iovec *iov, int n, GError **error)
{
    t->zero_copy->lending = true;
    t->zero_copy->any = true;
    bool ok = transport_write_all(t, iov, n, NULL, error);
    t->zero_copy->lending = false;
    return ok && zero_copy_reap(t, error);
}

bool transport_settle(Transport *t, bool *ret_copied, GError **error)
{
    ZeroCopy *z = t->zero_copy;

    if (!zero_copy_reap(t, error)) {
        return false;
    }
    while (z->done != z->sent) {
        if (!await_notice(t, error)) {
            return false;
        }
    }
    *ret_copied = z->any && !z->any_uncopied;
    z->any = false;
    z->any_uncopied = false;
    return true;
}
