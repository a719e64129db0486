/*
 * The vDSO: clock calls that never enter the library OS. It reads the clock's
 * parameters from the vCPU area, which GS points to (guest/libos/entry.h).
 */
#include <linux/time.h>
#include "../libos/entry.h"

#define NS     1000000000ull
#define EXPORT __attribute__((visibility("default")))

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
long __vdso_time(long *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);
int __vdso_clock_getres(int clock, struct timespec *ts);

#define AREA(type, offset)                                                         \
	({                                                                         \
		type area_value;                                                   \
		asm volatile("mov %%gs:%c1, %0" : "=r"(area_value) : "i"(offset)); \
		area_value;                                                        \
	})

/* ns of the TSC plus the base at that offset of struct clock_base. */
static u64 now(unsigned base)
{
	u64 mult = AREA(u64, L_CLOCK);
	return ((unsigned __int128)rdtsc() * mult >> 32) + AREA(i64, L_CLOCK + base);
}

static u64 realtime(void)
{
	return now(offsetof(struct clock_base, realtime_base));
}

static long by_system_call(long nr, long a, long b)
{
	long ret;
	asm volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return ret;
}

EXPORT int __vdso_clock_gettime(int clock, struct timespec *ts)
{
	u64 ns;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		ns = realtime();
	else if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
		 clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME)
		ns = now(offsetof(struct clock_base, monotonic_base));
	else
		return by_system_call(228, clock, (long)ts);
	ts->tv_sec = ns / NS;
	ts->tv_nsec = ns % NS;
	return 0;
}

EXPORT int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	u64 ns = realtime();
	if (tv) {
		tv->tv_sec = ns / NS;
		tv->tv_usec = ns % NS / 1000;
	}
	if (tz)
		tz->tz_minuteswest = tz->tz_dsttime = 0;
	return 0;
}

EXPORT long __vdso_time(long *t)
{
	long seconds = realtime() / NS;
	if (t)
		*t = seconds;
	return seconds;
}

EXPORT int __vdso_clock_getres(int clock, struct timespec *ts)
{
	return by_system_call(229, clock, (long)ts);
}

EXPORT long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	(void)unused;
	if (cpu)
		*cpu = AREA(u32, A_CPU);
	if (node)
		*node = 0;
	return 0;
}

#define ALIAS(name, of) \
	extern __typeof__(of) name __attribute__((weak, alias(#of), visibility("default")))
ALIAS(clock_gettime, __vdso_clock_gettime);
ALIAS(gettimeofday, __vdso_gettimeofday);
ALIAS(time, __vdso_time);
ALIAS(getcpu, __vdso_getcpu);
ALIAS(clock_getres, __vdso_clock_getres);
