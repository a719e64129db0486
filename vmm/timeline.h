/*
 * When each step of the start happened, for --verbose. A mark costs a few
 * nanoseconds, so they are always taken.
 */
#ifndef VMM_TIMELINE_H
#define VMM_TIMELINE_H

#include <stdint.h>

struct vm;

static inline uint64_t timeline_now(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* The first mark, at the start of main(). What came before, only the process's
 * CPU clock knows. */
void timeline_start(const char *name);

/* The step `name` (a literal) has just ended. Main thread, or the one that
 * ends the process. */
void timeline_mark(const char *name);

/* Prints the steps and the guest's own marks (struct boot_record) to stderr,
 * in microseconds since the first mark. */
void timeline_print(struct vm *vm);

#endif
