/*
 * A block of guest RAM: one memfd or file, mapped twice.
 *
 * @guest is the tracked mapping: only vCPUs write through it, and only writes
 * through it count as dirty. @host is the second mapping: the engine reads,
 * places and verifies pages through it (or through @fd), unseen by dirty
 * trackers.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define MIG_PAGE_SIZE 4096u /* target page of x86; also the size of a record's page */

/* The features of a block's memory, found out once when the block is created. */
typedef struct {
    const char *name;   /* "memfd", "tmpfs file", "file", ... for messages and info guest */
    bool async_wp;      /* userfaultfd WP_ASYNC + PAGEMAP_SCAN */
    bool sync_wp;       /* userfaultfd write-protect with a handler */
    bool missing_minor; /* userfaultfd MISSING | MINOR (postcopy destination) */
    bool seek_data;     /* SEEK_DATA finds the pages that hold data */
    bool pwrite;        /* whole pages can be placed with pwrite */
    uint64_t granule;   /* bytes the kernel maps and protects at once: 4096, or the huge page */
} RamBacking;

typedef struct {
    char *idstr; /* name in the stream, at most 255 bytes */
    uint64_t size;
    size_t n_pages;
    uint8_t *guest;
    uint8_t *host;
    int fd;
    char *path; /* of the file, NULL for a memfd; only a file can be shared with another process */
    RamBacking backing;
    bool ours;             /* locked: no other process can have written to it since it was opened */
    bool populated;        /* all of it is allocated, also after a drop */
    atomic_bool untouched; /* populated, and not written to since */
} RamBlock;

/* New block of @size bytes (whole pages, > 0) in a memfd, or in the file @path
 * when it is not NULL: created when missing (mode 0600), grown to @size when
 * shorter; a longer file is an error. The descriptor stays open until free. */
RamBlock *ram_block_new(const char *idstr, uint64_t size, const char *path, GError **error);
/* As ram_block_new(), for a guest that arrives later: another process may be running this guest in
 * the same file. Nothing may be written before ram_block_claim(). */
RamBlock *ram_block_open(const char *idstr, uint64_t size, const char *path, GError **error);
void ram_block_free(RamBlock *block);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RamBlock, ram_block_free)

/* Locks the file for this process; true when it is locked already. An error when another process
 * holds the lock: two guests in one memory would destroy each other. Any thread. */
bool ram_block_claim(const RamBlock *block, GError **error);
/* Releases the lock, so that another process may claim the file. The guest must be stopped. */
void ram_block_yield(RamBlock *block);

/* Allocates the memory of the whole block now, so that page allocations delay neither a transfer
 * nor a vCPU later. Call before anything else uses the block. The content is kept. */
bool ram_block_populate(RamBlock *block, GError **error);

/* Maps @size bytes of data at @host into the page table at once: a fault for every few pages would
 * cost as much as reading them. No effect before Linux 5.14. */
void ram_map_in(const uint8_t *host, size_t size);

/* Must be called before writing into the block. */
void ram_block_touch(RamBlock *block);

/* The next range of pages that may hold data, at or after @from: [*ret_first, *ret_end). False when
 * there is none. Never reads guest memory, so it populates nothing. When the backing has no
 * SEEK_DATA, all pages are reported. */
bool ram_block_next_data(const RamBlock *block, size_t from, size_t *ret_first, size_t *ret_end);

/* The first page at or after @from that may hold data, or n_pages. Cheaper than
 * ram_block_next_data(), because it does not search for the end of the range. */
size_t ram_block_first_data(const RamBlock *block, size_t from);

/* Writes @count consecutive pages from page @first on, without page faults where the backing has
 * pwrite. @iov holds one page per entry and is changed. Any thread. */
bool ram_block_write(RamBlock *block, size_t first, struct iovec *iov, int count, GError **error);

/* Makes @count pages from @first on read as zero in both mappings. */
bool ram_block_discard(RamBlock *block, size_t first, size_t count, GError **error);

/* Makes the whole block read as zero and gives its memory back where the backing can; a populated
 * block is populated again. No vCPU may run. Both mappings stay valid. */
bool ram_block_drop(RamBlock *block, GError **error);

/* True when the 4096 bytes at @page (any alignment of 8) are all zero. Hot loop. */
bool ram_page_is_zero(const uint8_t *page);
