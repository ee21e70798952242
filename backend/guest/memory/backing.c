/*
 * Finds out which features the memory behind a block supports. Each feature is
 * tried on a scratch mapping of the same file: it depends on file system,
 * kernel version and permissions together, and a table of them would become
 * outdated.
 */
#include "backend/guest/memory/backing.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backend/base/fd.h"
#include "backend/guest/memory/userfaultfd.h"

#ifndef HUGETLBFS_MAGIC
#define HUGETLBFS_MAGIC 0x958458f6
#endif

static bool try_async(void *map, size_t length)
{
    g_auto(MigFd) uffd = uffd_open(uffd_features_async, NULL);
    if (uffd < 0 || !uffd_register_wp(uffd, map, length, NULL)) {
        return false;
    }

    g_auto(MigFd) pagemap = pagemap_open(NULL);
    bool works = pagemap >= 0 && pagemap_can_scan(pagemap, (uintptr_t)map, (uintptr_t)map + length);
    uffd_unregister(uffd, map, length);
    return works;
}

static bool try_sync(void *map, size_t length)
{
    g_auto(MigFd) uffd = uffd_open(uffd_features_sync, NULL);
    if (uffd < 0 || !uffd_register_wp(uffd, map, length, NULL)) {
        return false;
    }
    uffd_unregister(uffd, map, length);
    return true;
}

static bool try_missing_minor(void *map, size_t length)
{
    g_auto(MigFd) uffd = uffd_open(uffd_features_postcopy, NULL);
    if (uffd < 0 || !uffd_register_missing_minor(uffd, map, length, NULL)) {
        return false;
    }
    uffd_unregister(uffd, map, length);
    return true;
}

static const char *backing_name(int fd, bool is_memfd, uint64_t *ret_granule, bool *ret_hugetlb)
{
    struct statfs fs;

    *ret_granule = MIG_PAGE_SIZE;
    *ret_hugetlb = false;
    if (fstatfs(fd, &fs) < 0) {
        return "file";
    }
    if ((uint32_t)fs.f_type == HUGETLBFS_MAGIC) {
        *ret_granule = (uint64_t)fs.f_bsize;
        *ret_hugetlb = true;
        return "hugetlb file";
    }
    if (is_memfd) {
        return "memfd";
    }
    return (uint32_t)fs.f_type == TMPFS_MAGIC ? "tmpfs file" : "file";
}

void ram_backing_probe(int fd, uint64_t size, bool is_memfd, RamBacking *ret)
{
    bool hugetlb;

    *ret = (RamBacking){ 0 };
    ret->name = backing_name(fd, is_memfd, &ret->granule, &hugetlb);
    if (size % ret->granule != 0) {
        return;
    }
    /* hugetlb supports SEEK_DATA, but reports everything as data. */
    ret->seek_data = !hugetlb && lseek(fd, 0, SEEK_HOLE) >= 0;
    /* An empty write fails on files that do not support write calls. */
    ret->pwrite = pwrite(fd, "", 0, 0) == 0;

    /* One unit is enough for the test, and registering touches no memory. */
    void *map = mmap(NULL, ret->granule, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (map == MAP_FAILED) {
        return;
    }
    ret->async_wp = try_async(map, ret->granule);
    ret->sync_wp = try_sync(map, ret->granule);
    ret->missing_minor = try_missing_minor(map, ret->granule);
    munmap(map, ret->granule);
}

const char *ram_backing_remedy(const RamBacking *backing)
{
    if (g_str_equal(backing->name, "file")) {
        return "a RAM file on a disk needs Linux 6.7 or newer to be tracked; put it on /dev/shm, "
               "or use no RAM file";
    }
    return "write tracking needs userfaultfd: Linux 5.19 or newer, and where it is forbidden, "
           "sysctl vm.unprivileged_userfaultfd=1 or a seccomp profile that allows it";
}
