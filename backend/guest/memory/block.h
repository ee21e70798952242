/*
 * A block of guest RAM: one memfd or file, mapped twice.
 *
 * @guest is the tracked mapping: only vCPUs write through it, and only writes
 * through it count as dirty. @host is the second mapping: the engine reads,
 * places and verifies pages through it (or through @fd), and nothing it does
 * there is seen by a dirty tracker.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define MIG_PAGE_SIZE 4096u /* target page of x86; also what a record carries */

/* What a kind of memory allows, found out once when the block is made. */
typedef struct {
    const char *name;   /* "memfd", "tmpfs file", "file", ... for messages and info guest */
    bool async_wp;      /* userfaultfd WP_ASYNC + PAGEMAP_SCAN */
    bool sync_wp;       /* userfaultfd write-protect with a handler */
    bool missing_minor; /* userfaultfd MISSING | MINOR (postcopy destination) */
    bool seek_data;     /* SEEK_DATA tells which pages hold data */
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
    char *path; /* of the file that holds it, NULL for a memfd: only a file can be another's too */
    RamBacking backing;
    bool ours;             /* no other process can have written to it since it was opened */
    bool populated;        /* all of it is in memory, and stays so over a drop */
    atomic_bool untouched; /* populated, and nothing was written since */
} RamBlock;

/* New block of @size bytes (whole pages, > 0) in a memfd, or in the file @path
 * when it is not NULL: created when missing (mode 0600), grown to @size when
 * shorter; a longer file is an error. The descriptor stays open until free. */
RamBlock *ram_block_new(const char *idstr, uint64_t size, const char *path, GError **error);
/* As ram_block_new(), for a guest that has yet to arrive: the file may be in use by another
 * process, whose guest this is. Nothing may be written before ram_block_claim(). */
RamBlock *ram_block_open(const char *idstr, uint64_t size, const char *path, GError **error);
void ram_block_free(RamBlock *block);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RamBlock, ram_block_free)

/* Makes the file this process's own; true when it is already. An error when another process has it:
 * two guests in one memory would destroy each other. Any thread. */
bool ram_block_claim(const RamBlock *block, GError **error);
/* Another process may claim the file from now on; the guest stands. */
void ram_block_yield(RamBlock *block);

/* Gets memory for the whole block now, so that no first touch of a page sits in a transfer or in a
 * vCPU's way later. Before anything else uses the block. What the block holds stays. */
bool ram_block_populate(RamBlock *block, GError **error);

/* Brings @size bytes at @host, which hold data, into the page table at once: a fault for every few
 * pages costs as much as reading them. Without an effect before Linux 5.14. */
void ram_map_in(const uint8_t *host, size_t size);

/* Tells that something is about to write into the block. */
void ram_block_touch(RamBlock *block);

/* The next range of pages that may hold data, at or after @from: [*ret_first, *ret_end).
 * False when there is none. Never reads guest memory, so it populates nothing. Where the
 * backing cannot tell, everything is data. */
bool ram_block_next_data(const RamBlock *block, size_t from, size_t *ret_first, size_t *ret_end);

/* The first page at or after @from that may hold data, or n_pages: cheaper than a range, because it
 * does not look for its end. */
size_t ram_block_first_data(const RamBlock *block, size_t from);

/* Writes @count pages in a row from page @first on, without a fault where the backing can. @iov
 * holds one page an entry and is used up. Any thread. */
bool ram_block_write(RamBlock *block, size_t first, struct iovec *iov, int count, GError **error);

/* Makes @count pages from @first on read as zero; both mappings lose them. */
bool ram_block_discard(RamBlock *block, size_t first, size_t count, GError **error);

/* Makes the whole block read as zero and gives its memory back where the backing can; a populated
 * block is populated again. No vCPU may run. Both mappings stay valid. */
bool ram_block_drop(RamBlock *block, GError **error);

/* True when the 4096 bytes at @page (any alignment of 8) are all zero. Hot loop. */
bool ram_page_is_zero(const uint8_t *page);
