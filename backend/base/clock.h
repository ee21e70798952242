/*
 * The clock of the backend, which a test can replace. Any thread.
 */
#pragma once

#include <stdint.h>

/* Microseconds since an arbitrary point in time; monotonic. */
int64_t mig_clock_now_us(void);

/* Microseconds since 1970. */
int64_t mig_clock_wall_us(void);

/* ---- for tests ---- */

/* Stops both clocks at these values, in microseconds, until mig_clock_advance(). */
void mig_clock_fake(int64_t now_us, int64_t wall_us);

/* Advances both fake clocks. */
void mig_clock_advance(int64_t us);

/* Restores the system's clocks. */
void mig_clock_real(void);
