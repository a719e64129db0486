/*
 * Linux's time structures and nanoseconds.
 */
#ifndef LIBOS_TIMESPEC_H
#define LIBOS_TIMESPEC_H

#include <linux/time.h>
#include "sched.h"

#define NS_PER_SEC  1000000000ll
#define NS_PER_USEC 1000ll
#define TIME_MAX    INT64_MAX /* ns: 292 years, where Linux ends too */

static inline bool timespec_valid(const struct __kernel_timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NS_PER_SEC;
}
static inline bool timeval_valid(const struct timeval *tv)
{
	return tv->tv_sec >= 0 && tv->tv_usec >= 0 && tv->tv_usec < 1000000;
}

/* Of valid times; what is too long becomes TIME_MAX. */
static inline u64 timespec_ns(const struct __kernel_timespec *ts)
{
	if (ts->tv_sec >= TIME_MAX / NS_PER_SEC)
		return TIME_MAX;
	return ts->tv_sec * NS_PER_SEC + ts->tv_nsec;
}
static inline u64 timeval_ns(const struct timeval *tv)
{
	if (tv->tv_sec >= TIME_MAX / NS_PER_SEC)
		return TIME_MAX;
	return tv->tv_sec * NS_PER_SEC + tv->tv_usec * NS_PER_USEC;
}

static inline struct __kernel_timespec ns_timespec(u64 ns)
{
	return (struct __kernel_timespec){ ns / NS_PER_SEC, ns % NS_PER_SEC };
}
static inline struct timeval ns_timeval(u64 ns)
{
	return (struct timeval){ ns / NS_PER_SEC, ns % NS_PER_SEC / NS_PER_USEC };
}

/* A deadline for wait_sleep(): `ns` from `now`. */
static inline u64 deadline_after(u64 now, u64 ns)
{
	return ns >= TIME_MAX || now + ns >= TIME_MAX ? NEVER : now + ns;
}

/* The same from a program's relative timeout; NULL: NEVER. 0, -EFAULT or
 * -EINVAL. time.c */
int timeout_from_user(const struct __kernel_timespec *user, u64 *deadline);
/* And from an absolute time, of CLOCK_REALTIME or of CLOCK_MONOTONIC. */
int deadline_from_user(const struct __kernel_timespec *user, bool realtime, u64 *deadline);

#endif
