/*
 * RAM blocks: creates the memory, maps it twice, finds the pages that hold
 * data, and gives memory back. The fields of a block are constant after its
 * creation, so any thread may use it.
 */
#include "backend/guest/memory/block.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/size.h"
#include "backend/guest/memory/bus-error.h"
#include "backend/base/fd.h"
#include "backend/guest/memory/backing.h"

/* Both mappings begin at a page table's border, so that a tracker's chunk of 2 MiB is one table. */
#define MAP_ALIGN (UINT64_C(2) << 20)

/* ---- opening ---- */

static int open_memfd(const char *idstr, uint64_t size, GError **error)
{
    g_autofree char *name = g_strdup_printf("migmon-%.100s", idstr);
    g_auto(MigFd) fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
        mig_error_set_errno(error, errno, "making %" PRIu64 " bytes of shared memory", size);
        return -1;
    }
    return mig_fd_steal(&fd);
}

static bool fit_file(int fd, const char *path, uint64_t size, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        mig_error_set_errno(error, errno, "looking at RAM file '%s'", path);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "RAM file '%s' is not a regular file",
                    path);
        return false;
    }
    if ((uint64_t)st.st_size > size) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "RAM file '%s' has %" PRIu64 " bytes, the guest only %" PRIu64, path,
                    (uint64_t)st.st_size, size);
        mig_error_hint(error, "give the guest as much memory as the file has, or use another file");
        return false;
    }
    if ((uint64_t)st.st_size < size && ftruncate(fd, (off_t)size) < 0) {
        mig_error_set_errno(error, errno, "growing RAM file '%s' to %" PRIu64 " bytes", path, size);
        return false;
    }
    return true;
}

/* Two guests in one file would destroy each other. The lock belongs to the descriptor; taking it
 * again has no effect. */
static bool lock_file(int fd, const char *path, GError **error)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        return true;
    }
    if (errno == EAGAIN || errno == EACCES) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "RAM file '%s' is in use by another process", path);
    } else {
        mig_error_set_errno(error, errno, "locking RAM file '%s'", path);
    }
    return false;
}

/* A write to a page for which the file system has no room would kill the process. This checks only
 * the room at the start; the file system can still become full later. */
static bool check_room(int fd, const char *path, uint64_t size, GError **error)
{
    struct statvfs fs;
    struct stat st;

    if (fstatvfs(fd, &fs) < 0 || fstat(fd, &st) < 0) {
        return true;
    }
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize + (uint64_t)st.st_blocks * 512;
    if (fs.f_blocks == 0 || room >= size) {
        return true; /* a tmpfs without a limit reports 0 */
    }
    g_autofree char *wanted = size_format(size);
    g_autofree char *there = size_format(room);
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "RAM file '%s' needs %s, its file system has room for %s", path, wanted, there);
    mig_error_hint(error, "make room, or put the file elsewhere (/dev/shm)");
    return false;
}

/* *@ret_created is true when this call created the file. With @others another process may hold the
 * lock; then *@ret_locked is false and the lock is taken later. */
static int open_file(const char *path, uint64_t size, bool others, bool *ret_created,
                     bool *ret_locked, GError **error)
{
    g_auto(MigFd) fd = open(path, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0600);
    bool created = fd >= 0;

    if (fd < 0 && errno == EEXIST) {
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    if (fd < 0) {
        mig_error_set_errno(error, errno, "opening RAM file '%s'", path);
        return -1;
    }
    *ret_locked = lock_file(fd, path, others ? NULL : error);
    if ((!*ret_locked && !others) || !fit_file(fd, path, size, error) ||
        !check_room(fd, path, size, error)) {
        if (created) {
            unlink(path);
        }
        return -1;
    }
    *ret_created = created;
    return mig_fd_steal(&fd);
}

/* ---- mapping ---- */

/* Reserves huge pages, so that a lack of them is an error now instead of a SIGBUS later. */
static void *map_shared(int fd, uint64_t size, uint64_t align, bool reserve)
{
    int flags = MAP_SHARED | MAP_FIXED | (reserve ? 0 : MAP_NORESERVE);
    uint8_t *room =
        mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        return NULL;
    }

    size_t before = (size_t)(-(uintptr_t)room & (align - 1));
    uint8_t *map = mmap(room + before, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (map == MAP_FAILED) {
        int errnum = errno;

        munmap(room, size + align);
        errno = errnum;
        return NULL;
    }
    if (before > 0) {
        munmap(room, before);
    }
    if (align > before) {
        munmap(map + size, align - before);
    }
    /* A child started for exec does not need the RAM, and forking without it is faster. */
    madvise(map, size, MADV_DONTFORK);
    return map;
}

static bool map_block(RamBlock *block, GError **error)
{
    uint64_t align = MAX(MAP_ALIGN, block->backing.granule);

    if (block->size % block->backing.granule != 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "RAM of %" PRIu64 " bytes in a %s must be a multiple of its pages of %" PRIu64
                    " bytes",
                    block->size, block->backing.name, block->backing.granule);
        return false;
    }
    bool reserve = block->backing.granule != MIG_PAGE_SIZE;
    block->guest = map_shared(block->fd, block->size, align, reserve);
    if (block->guest != NULL) {
        block->host = map_shared(block->fd, block->size, align, reserve);
    }
    if (block->host == NULL) {
        mig_error_set_errno(error, errno, "mapping %" PRIu64 " bytes of guest RAM (%s) twice",
                            block->size, block->backing.name);
        mig_error_hint(error, "the address space may be limited (ulimit -v) or huge pages too few");
        return false;
    }
    return true;
}

static RamBlock *make_block(const char *idstr, uint64_t size, const char *path, bool others,
                            GError **error)
{
    bool created = false, locked = true;

    if (*idstr == '\0' || strlen(idstr) > 255) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "the name of a RAM block has 1 to 255 bytes, not %zu", strlen(idstr));
        return NULL;
    }
    if (size == 0 || size % MIG_PAGE_SIZE != 0 || size > INT64_MAX / 2) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "%" PRIu64 " bytes of RAM are not a whole number of %u-byte pages", size,
                    MIG_PAGE_SIZE);
        return NULL;
    }

    g_autoptr(RamBlock) block = g_new0(RamBlock, 1);
    block->idstr = g_strdup(idstr);
    block->size = size;
    block->n_pages = size / MIG_PAGE_SIZE;
    block->path = g_strdup(path);
    block->fd = path == NULL ? open_memfd(idstr, size, error)
                             : open_file(path, size, others, &created, &locked, error);
    if (block->fd < 0) {
        return NULL;
    }
    block->ours = locked;
    ram_backing_probe(block->fd, size, path == NULL, &block->backing);
    if (!map_block(block, error)) {
        if (created) {
            unlink(path);
        }
        return NULL;
    }
    if (path != NULL) {
        bus_error_explain(block);
    }
    return g_steal_pointer(&block);
}

RamBlock *ram_block_new(const char *idstr, uint64_t size, const char *path, GError **error)
{
    return make_block(idstr, size, path, false, error);
}

RamBlock *ram_block_open(const char *idstr, uint64_t size, const char *path, GError **error)
{
    return make_block(idstr, size, path, true, error);
}

bool ram_block_claim(const RamBlock *block, GError **error)
{
    return block->path == NULL || lock_file(block->fd, block->path, error);
}

void ram_block_yield(RamBlock *block)
{
    struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

    if (block->path != NULL) {
        ram_block_touch(block); /* the process that claims the block writes to it */
        fcntl(block->fd, F_OFD_SETLK, &lock);
    }
}

void ram_block_free(RamBlock *block)
{
    if (block == NULL) {
        return;
    }
    bus_error_forget(block);
    if (block->guest != NULL) {
        munmap(block->guest, block->size);
    }
    if (block->host != NULL) {
        munmap(block->host, block->size);
    }
    mig_fd_clear(&block->fd);
    g_free(block->idstr);
    g_free(block->path);
    g_free(block);
}

/* ---- what holds data ---- */

size_t ram_block_first_data(const RamBlock *block, size_t from)
{
    if (from >= block->n_pages || !block->backing.seek_data) {
        return MIN(from, block->n_pages);
    }

    uint64_t offset = (uint64_t)from * MIG_PAGE_SIZE;
    off_t data = lseek(block->fd, (off_t)offset, SEEK_DATA);
    if (data < 0) {
        /* ENXIO: only a hole up to the end. After any other error assume data, so that none is
         * lost. */
        return errno == ENXIO ? block->n_pages : from;
    }
    return MIN((size_t)data / MIG_PAGE_SIZE, block->n_pages);
}

bool ram_block_next_data(const RamBlock *block, size_t from, size_t *ret_first, size_t *ret_end)
{
    size_t first = ram_block_first_data(block, from);

    if (first >= block->n_pages) {
        return false;
    }

    size_t end = block->n_pages;
    if (block->backing.seek_data) {
        off_t hole = lseek(block->fd, (off_t)((uint64_t)first * MIG_PAGE_SIZE), SEEK_HOLE);

        if (hole >= 0) {
            end = MIN(((size_t)hole + MIG_PAGE_SIZE - 1) / MIG_PAGE_SIZE, block->n_pages);
        }
    }
    *ret_first = first;
    /* The page may have become a hole between the two calls: report at least one page. */
    *ret_end = MAX(end, first + 1);
    return true;
}

static void zero_data(RamBlock *block, size_t from, size_t to)
{
    size_t first, end = from;

    while (ram_block_next_data(block, end, &first, &end) && first < to) {
        end = MIN(end, to);
        memset(block->host + first * MIG_PAGE_SIZE, 0, (end - first) * MIG_PAGE_SIZE);
    }
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ  22 /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

/* Uses the second mapping, through which pages are placed. The tracked mapping finds the memory at
 * its first access. */
static bool populate(RamBlock *block, GError **error)
{
    int r;

    do {
        r = madvise(block->host, block->size, MADV_POPULATE_WRITE);
    } while (r < 0 && errno == EINTR);
    if (r < 0 && errno == EINVAL) {
        r = fallocate(block->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)block->size);
    }
    if (r < 0) {
        g_autofree char *size = size_format(block->size);

        mig_error_set_errno(error, errno, "getting memory for the %s of RAM block '%s'", size,
                            block->idstr);
        mig_error_hint(error, "the machine or its memory limit has less to give; "
                              "without --prealloc memory is taken as pages come");
        return false;
    }
    return true;
}

bool ram_block_populate(RamBlock *block, GError **error)
{
    size_t first, end;
    bool empty = block->backing.seek_data && !ram_block_next_data(block, 0, &first, &end);

    if (!populate(block, error)) {
        return false;
    }
    block->populated = true;
    atomic_store(&block->untouched, empty && block->ours);
    return true;
}

void ram_map_in(const uint8_t *host, size_t size)
{
    madvise((void *)(uintptr_t)host, size, MADV_POPULATE_READ); /* else faults come singly */
}

void ram_block_touch(RamBlock *block)
{
    atomic_store(&block->untouched, false);
}

/* Punches a hole; where the backing cannot, writes zeroes. */
bool ram_block_discard(RamBlock *block, size_t first, size_t count, GError **error)
{
    int flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    int r;

    do {
        r = fallocate(block->fd, flags, (off_t)(first * MIG_PAGE_SIZE),
                      (off_t)(count * MIG_PAGE_SIZE));
    } while (r < 0 && errno == EINTR);
    if (r == 0) {
        return true;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) {
        mig_error_set_errno(error, errno, "dropping the content of RAM block '%s'", block->idstr);
        return false;
    }
    zero_data(block, first, first + count);
    return true;
}

/* ---- writing ---- */

static bool write_by_call(RamBlock *block, size_t first, struct iovec *iov, int left,
                          GError **error)
{
    off_t at = (off_t)(first * MIG_PAGE_SIZE);

    while (left > 0) {
        ssize_t n = pwritev(block->fd, iov, left, at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            mig_error_set_errno(error, n < 0 ? errno : ENOSPC, "writing %d pages of RAM block %s",
                                left, block->idstr);
            mig_error_hint(error, "the memory behind the guest ran out of room");
            return false;
        }
        at += n;
        while (left > 0 && (size_t)n >= iov->iov_len) {
            n -= (ssize_t)iov->iov_len;
            iov++;
            left--;
        }
        if (left > 0) {
            iov->iov_base = (uint8_t *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    return true;
}

bool ram_block_write(RamBlock *block, size_t first, struct iovec *iov, int count, GError **error)
{
    if (block->backing.pwrite) {
        return write_by_call(block, first, iov, count, error);
    }
    uint8_t *to = block->host + first * MIG_PAGE_SIZE;
    for (int i = 0; i < count; to += iov[i++].iov_len) {
        memcpy(to, iov[i].iov_base, iov[i].iov_len);
    }
    return true;
}

bool ram_block_drop(RamBlock *block, GError **error)
{
    if (atomic_load(&block->untouched)) {
        return true;
    }
    if (!ram_block_discard(block, 0, block->n_pages, error) ||
        (block->populated && !populate(block, error))) {
        return false;
    }
    atomic_store(&block->untouched, block->populated);
    return true;
}
