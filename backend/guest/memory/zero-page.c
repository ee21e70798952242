/*
 * Tests whether a page is all zero. One loop in plain vectors is compiled for several processors,
 * and the variant is chosen at program start. It is as fast as memory, so a faster loop would gain
 * nothing.
 */
#include "backend/guest/memory/block.h"

/* The choice runs before a sanitizer's runtime is ready, and clang 14 gives the function a name
 * that its callers do not find. */
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&                \
    !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

#define LANES 8 /* of 8 bytes: one cache line */
#define STEP  4 /* lines tested between two checks */

typedef uint64_t Line __attribute__((vector_size(LANES * 8), aligned(8), may_alias));

CLONES bool ram_page_is_zero(const uint8_t *page)
{
    const uint64_t *words = (const uint64_t *)(const void *)page;

    /* Most pages with data differ from zero at their first or last word. */
    if ((words[0] | words[MIG_PAGE_SIZE / 8 - 1]) != 0) {
        return false;
    }
    for (size_t i = 0; i < MIG_PAGE_SIZE; i += STEP * sizeof(Line)) {
        const Line *line = (const Line *)(const void *)(page + i);
        Line any = line[0] | line[1] | line[2] | line[3];
        uint64_t folded = 0;

        for (int lane = 0; lane < LANES; lane++) {
            folded |= any[lane];
        }
        if (folded != 0) {
            return false;
        }
    }
    return true;
}
