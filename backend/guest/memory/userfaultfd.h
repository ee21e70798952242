/*
 * The kernel's write tracking as this room uses it: userfaultfd and
 * PAGEMAP_SCAN behind a few calls. Private to backend/guest/.
 *
 * Debian 12 builds against headers of Linux 6.1, but the program may run on a
 * newer kernel: what those headers lack is declared in userfaultfd.c and asked for at
 * run time, never at build time.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Feature sets, for uffd_open(). */
extern const uint64_t uffd_features_async;    /* Linux >= 6.7 */
extern const uint64_t uffd_features_sync;     /* Linux >= 5.19 for shared memory */
extern const uint64_t uffd_features_postcopy; /* messages carry the thread's number */

/* A non-blocking userfaultfd with exactly @features, or -1. Asks for faults of the whole kernel
 * first and for those of user mode only when that is not permitted. */
int uffd_open(uint64_t features, GError **error);

/* Registers for write-protect faults (or for MISSING | MINOR). */
bool uffd_register_wp(int uffd, void *start, size_t length, GError **error);
bool uffd_register_missing_minor(int uffd, void *start, size_t length, GError **error);

/* Only for a range that was registered with this very @uffd: before Linux 6.15 the kernel would end
 * another watcher's registration too, and its writes would go unseen.
 * Forgets a range and frees whoever waits for a fault in it; writes run freely afterwards. */
void uffd_unregister(int uffd, void *start, size_t length);

/* Protects (@on) or unprotects a range of a synchronous userfaultfd; unprotecting wakes who waits.
 * Returns 0 or an errno. */
int uffd_write_protect(int uffd, void *start, size_t length, bool on);

/* Maps pages that are in the memory's file into a range registered for MINOR faults and wakes who
 * waits for them; stores how many bytes it mapped. Returns 0 or an errno: EEXIST, the next page is
 * mapped already; EFAULT, the file has no such page. */
int uffd_continue(int uffd, void *start, size_t length, size_t *ret_mapped);

/* Maps fresh pages of zeroes where the file has none; EEXIST where it has one. */
int uffd_zero(int uffd, void *start, size_t length);

/* Wakes who waits for a fault in the range, mapped or not. */
void uffd_wake(int uffd, void *start, size_t length);

/* One range of written pages, in addresses. */
typedef struct {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
} WrittenRange;

int pagemap_open(GError **error);

/* Protects [@start, @end) again and stores which parts of it were written since they were last
 * protected, at most @max ranges: returns how many, and in *@ret_stopped how far it came. A page
 * whose entry is empty and was never protected counts as written. -1 with errno on failure. */
int pagemap_take_written(int pagemap, uint64_t start, uint64_t end, WrittenRange *ret, size_t max,
                         uint64_t *ret_stopped);

/* Protects [@start, @end), written or not; 0 or an errno. */
int pagemap_arm(int pagemap, uint64_t start, uint64_t end);

/* True when @start can be asked for written pages at all; changes nothing. */
bool pagemap_can_scan(int pagemap, uint64_t start, uint64_t end);
