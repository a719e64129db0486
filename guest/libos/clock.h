/*
 * Time from the TSC.
 */
#ifndef LIBOS_CLOCK_H
#define LIBOS_CLOCK_H

#include "lib.h"

/* Finds the TSC's frequency and the time of day: from the device tree, or
 * from the PIT and the RTC of another VMM. */
void clock_init(void);

/* A new vCPU's copy of the clock in its vCPU area. */
void clock_copy(const void *from_area, void *to_area);

/* Has VECTOR_TIMER raised on this vCPU at a CLOCK_MONOTONIC time (NEVER: not).
 * It may come earlier. */
void clock_arm(u64 deadline_ns);

/* Moves CLOCK_REALTIME by so many ns (clock_settime). */
void clock_adjust_realtime(i64 ns);

#endif
