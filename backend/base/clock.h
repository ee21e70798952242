/*
 * The clock that everything in the backend reads, so that a test can put its
 * own in place. Any thread.
 */
#pragma once

#include <stdint.h>

/* Microseconds since some fixed moment; never goes back. */
int64_t mig_clock_now_us(void);

/* Microseconds since 1970. */
int64_t mig_clock_wall_us(void);

/* ---- for tests ---- */

/* From now on both clocks stand still at these values until they are advanced. */
void mig_clock_fake(int64_t now_us, int64_t wall_us);

/* Moves both fake clocks on. */
void mig_clock_advance(int64_t us);

/* Back to the clocks of the system. */
void mig_clock_real(void);
