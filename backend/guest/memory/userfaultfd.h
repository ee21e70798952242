/*
 * The kernel's write tracking as this room uses it: userfaultfd and
 * PAGEMAP_SCAN behind a few calls. Private to backend/guest/.
 *
 * Debian 12 builds against headers of Linux 6.1, but the program may run on a newer kernel:
 * userfaultfd.c declares what those headers lack, and its presence is tested at run time, never at
 * build time.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Feature sets, for uffd_open(). */
extern const uint64_t uffd_features_async;    /* Linux >= 6.7 */
extern const uint64_t uffd_features_sync;     /* Linux >= 5.19 for shared memory */
extern const uint64_t uffd_features_postcopy; /* messages carry the thread's id */

/* A non-blocking userfaultfd with exactly @features, or -1. Requests the faults of kernel and user
 * mode first, and only those of user mode when that is not permitted. */
int uffd_open(uint64_t features, GError **error);

/* Registers for write-protect faults (or for MISSING | MINOR). */
bool uffd_register_wp(int uffd, void *start, size_t length, GError **error);
bool uffd_register_missing_minor(int uffd, void *start, size_t length, GError **error);

/* Only for a range that was registered with this very @uffd: before Linux 6.15 the kernel would end
 * the registration of another userfaultfd too, and its writes would go unseen. Unregisters a range
 * and wakes all threads that wait for a fault in it; writes are not tracked afterwards. */
void uffd_unregister(int uffd, void *start, size_t length);

/* Protects (@on) or unprotects a range of a synchronous userfaultfd; unprotecting wakes the waiting
 * threads. Returns 0 or an errno. */
int uffd_write_protect(int uffd, void *start, size_t length, bool on);

/* Maps pages of the memory's file into a range registered for MINOR faults and wakes the threads
 * that wait for them; stores how many bytes it mapped. Returns 0 or an errno: EEXIST, the next page
 * is mapped already; EFAULT, the file has no such page. */
int uffd_continue(int uffd, void *start, size_t length, size_t *ret_mapped);

/* Maps new zero pages where the file has none; EEXIST where it has one. Returns 0 or an errno. */
int uffd_zero(int uffd, void *start, size_t length);

/* Wakes the threads that wait for a fault in the range, mapped or not. */
void uffd_wake(int uffd, void *start, size_t length);

/* One range of written pages, in addresses. */
typedef struct {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
} WrittenRange;

int pagemap_open(GError **error);

/* Protects [@start, @end) again and stores the parts that were written since they were last
 * protected, at most @max ranges. Returns the number of ranges, and in *@ret_stopped the address
 * where the scan ended. A page whose entry is empty and was never protected counts as written. -1
 * with errno on failure. */
int pagemap_take_written(int pagemap, uint64_t start, uint64_t end, WrittenRange *ret, size_t max,
                         uint64_t *ret_stopped);

/* The number of pages of [@start, @end) that were written since they were last protected; changes
 * nothing. 0 on failure too. */
uint64_t pagemap_count_written(int pagemap, uint64_t start, uint64_t end);

/* Protects [@start, @end), written or not; 0 or an errno. */
int pagemap_arm(int pagemap, uint64_t start, uint64_t end);

/* True when the kernel can report written pages of the range; changes nothing. */
bool pagemap_can_scan(int pagemap, uint64_t start, uint64_t end);
