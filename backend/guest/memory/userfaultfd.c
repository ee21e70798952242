/*
 * userfaultfd and PAGEMAP_SCAN: the system calls and the declarations that
 * older headers lack. Callable from any thread; keeps no state.
 */
#include "backend/guest/memory/userfaultfd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* Bit numbers of the kernel's interface; the names exist in headers >= 6.7 only. */
#define FEATURE_WP_ASYNC (UINT64_C(1) << 15)

/* PAGEMAP_SCAN of <linux/fs.h>, as old headers do not have it. */
struct scan_arg {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t vec;
    uint64_t vec_len;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
};
#define SCAN_IOCTL       _IOWR('f', 16, struct scan_arg)
#define SCAN_WP_MATCHING (UINT64_C(1) << 0)
#define SCAN_CHECK_ASYNC (UINT64_C(1) << 1)
#define SCAN_CAT_WRITTEN (UINT64_C(1) << 1)

const uint64_t uffd_features_async = FEATURE_WP_ASYNC | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
const uint64_t uffd_features_sync =
    UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
const uint64_t uffd_features_postcopy = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |
                                        UFFD_FEATURE_MISSING_HUGETLBFS |
                                        UFFD_FEATURE_MINOR_HUGETLBFS | UFFD_FEATURE_THREAD_ID;

int uffd_open(uint64_t features, GError **error)
{
    g_auto(MigFd) fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == EPERM) {
        fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    }
    if (fd < 0) {
        int errnum = errno;

        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED, "userfaultfd is not available: %s",
                    g_strerror(errnum));
        if (errnum == ENOSYS) {
            mig_error_hint(error, "the kernel needs CONFIG_USERFAULTFD");
        } else if (errnum == EMFILE) {
            mig_error_hint(error, "this process has no descriptor left: raise its ulimit -n");
        } else if (errnum == EPERM || errnum == EACCES) {
            mig_error_hint(error, "a container's seccomp profile may forbid userfaultfd; else "
                                  "set sysctl vm.unprivileged_userfaultfd=1 or run as root");
        }
        return -1;
    }

    struct uffdio_api api = { .api = UFFD_API, .features = features };
    if (ioctl(fd, UFFDIO_API, &api) < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "this kernel's userfaultfd lacks features 0x%" PRIx64 ": %s", features,
                    g_strerror(errno));
        return -1;
    }
    return mig_fd_steal(&fd);
}

static bool register_range(int uffd, void *start, size_t length, uint64_t mode, uint64_t needed,
                           GError **error)
{
    struct uffdio_register reg = {
        .range = { .start = (uintptr_t)start, .len = length },
        .mode = mode,
    };

    if (ioctl(uffd, UFFDIO_REGISTER, &reg) < 0) {
        bool busy = errno == EBUSY;

        mig_error_set_errno(error, errno, "registering %zu bytes with userfaultfd", length);
        if (busy) {
            mig_error_hint(error,
                           "memory has one watcher, and this has one already: a dirty limit, "
                           "calc_dirty_rate -b, a migration or a snapshot; end it first");
        }
        return false;
    }
    if ((reg.ioctls & needed) != needed) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "userfaultfd offers operations 0x%llx on this memory, not 0x%" PRIx64,
                    (unsigned long long)reg.ioctls, needed);
        uffd_unregister(uffd, start, length);
        return false;
    }
    return true;
}

bool uffd_register_wp(int uffd, void *start, size_t length, GError **error)
{
    return register_range(uffd, start, length, UFFDIO_REGISTER_MODE_WP,
                          UINT64_C(1) << _UFFDIO_WRITEPROTECT, error);
}

bool uffd_register_missing_minor(int uffd, void *start, size_t length, GError **error)
{
    return register_range(uffd, start, length,
                          UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
                          UINT64_C(1) << _UFFDIO_CONTINUE, error);
}

void uffd_unregister(int uffd, void *start, size_t length)
{
    struct uffdio_range range = { .start = (uintptr_t)start, .len = length };

    /* The unregistering wakes threads that wait for a missing page, but not those that wait for a
     * protected one. These are woken explicitly. */
    ioctl(uffd, UFFDIO_UNREGISTER, &range);
    uffd_wake(uffd, start, length);
}

int uffd_write_protect(int uffd, void *start, size_t length, bool on)
{
    struct uffdio_writeprotect wp = {
        .range = { .start = (uintptr_t)start, .len = length },
        .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
    };

    while (ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) < 0) {
        /* EAGAIN: another thread is changing the address space; the call did nothing. */
        if (errno != EAGAIN && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

int uffd_continue(int uffd, void *start, size_t length, size_t *ret_mapped)
{
    int errnum = 0;

    *ret_mapped = 0;
    while (*ret_mapped < length && errnum == 0) {
        struct uffdio_continue c = {
            .range = { .start = (uintptr_t)start + *ret_mapped, .len = length - *ret_mapped },
        };

        if (ioctl(uffd, UFFDIO_CONTINUE, &c) < 0 && errno != EAGAIN && errno != EINTR) {
            errnum = errno;
        }
        if (c.mapped > 0) {
            *ret_mapped += (size_t)c.mapped;
        }
    }
    return errnum;
}

int uffd_zero(int uffd, void *start, size_t length)
{
    struct uffdio_zeropage zero = { .range = { .start = (uintptr_t)start, .len = length } };

    while (ioctl(uffd, UFFDIO_ZEROPAGE, &zero) < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

void uffd_wake(int uffd, void *start, size_t length)
{
    struct uffdio_range range = { .start = (uintptr_t)start, .len = length };

    ioctl(uffd, UFFDIO_WAKE, &range);
}

int pagemap_open(GError **error)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        mig_error_set_errno(error, errno, "opening /proc/self/pagemap");
    }
    return fd;
}

/* The mask holds WRITTEN alone on purpose: with PRESENT or SWAPPED, a page that was written and
 * then reclaimed would not match, because its entry is empty, and its write would be lost. */
static int scan(int pagemap, uint64_t flags, uint64_t start, uint64_t end, WrittenRange *vec,
                size_t vec_len, uint64_t *ret_stopped)
{
    struct scan_arg arg = {
        .size = sizeof arg,
        .flags = flags | SCAN_CHECK_ASYNC,
        .start = start,
        .end = end,
        .vec = (uintptr_t)vec,
        .vec_len = vec_len,
        .category_mask = SCAN_CAT_WRITTEN,
        .return_mask = SCAN_CAT_WRITTEN,
    };
    int n;

    do {
        n = ioctl(pagemap, SCAN_IOCTL, &arg);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *ret_stopped = arg.walk_end;
    }
    return n;
}

int pagemap_take_written(int pagemap, uint64_t start, uint64_t end, WrittenRange *ret, size_t max,
                         uint64_t *ret_stopped)
{
    return scan(pagemap, SCAN_WP_MATCHING, start, end, ret, max, ret_stopped);
}

uint64_t pagemap_count_written(int pagemap, uint64_t start, uint64_t end)
{
    WrittenRange ranges[256];
    uint64_t bytes = 0;

    while (start < end) {
        uint64_t stopped = start;
        int n = scan(pagemap, 0, start, end, ranges, G_N_ELEMENTS(ranges), &stopped);

        if (n < 0 || stopped <= start) {
            break;
        }
        for (int i = 0; i < n; i++) {
            bytes += ranges[i].end - ranges[i].start;
        }
        start = stopped;
    }
    return bytes / (uint64_t)getpagesize();
}

int pagemap_arm(int pagemap, uint64_t start, uint64_t end)
{
    while (start < end) {
        uint64_t stopped = start;

        if (scan(pagemap, SCAN_WP_MATCHING, start, end, NULL, 0, &stopped) < 0) {
            return errno;
        }
        if (stopped <= start) {
            return EIO;
        }
        start = stopped;
    }
    return 0;
}

bool pagemap_can_scan(int pagemap, uint64_t start, uint64_t end)
{
    uint64_t stopped;
    WrittenRange range;

    return scan(pagemap, 0, start, end, &range, 1, &stopped) >= 0;
}
