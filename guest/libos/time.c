/*
 * Clocks and sleeping.
 */
#include <linux/times.h>
#include "clock.h"
#include "clocks.h"
#include "frames.h"
#include "sigstate.h"
#include "sys.h"
#include "timerfd.h"
#include "uaccess.h"

#define NS_PER_TICK     (NS_PER_SEC / 100) /* USER_HZ, of times(2) */
#define COARSE_NS       4000000 /* the resolution of a Linux with HZ=250 */
#define CPUCLOCK_WHICH  3 /* of a negative clock number: kind of time... */
#define CPUCLOCK_THREAD 4 /* ...and whether of a thread or of a process */
#define CPUCLOCK_FD     3

u64 cpu_time_ns(void)
{
	const struct process *process = current_process();
	const struct list *at, *threads = &process->signals->threads;
	u64 sum = process->ended_ns;
	list_for_each (at, threads)
		sum += thread_cpu_ns(container_of(at, struct thread_signals, link)->thread);
	return sum;
}

/* Clock numbers below 0 name the CPU time of a process or thread. */
static enum clock_kind cpu_clock_kind(int clock)
{
	int id = (int)(~(u32)clock >> 3); /* the bits above the kind, inverted */
	if ((clock & CPUCLOCK_WHICH) == CPUCLOCK_FD)
		return CLOCK_BAD;
	if (id == 0)
		return CLOCK_CPU;
	if (clock & CPUCLOCK_THREAD)
		return signal_thread(current_process(), id) ? CLOCK_CPU : CLOCK_BAD;
	return id == current_process()->pid ? CLOCK_CPU : CLOCK_BAD;
}

/* The CPU time that a clock of kind CLOCK_CPU shows. */
static u64 cpu_clock_value(int clock)
{
	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return thread_cpu_ns(current());
	if (clock >= 0 || !(clock & CPUCLOCK_THREAD))
		return cpu_time_ns();
	int id = (int)(~(u32)clock >> 3);
	const struct thread *thread = id ? signal_thread(current_process(), id) : current();
	return thread ? thread_cpu_ns(thread) : 0; /* a timer's whose thread has ended */
}

enum clock_kind clock_kind(int clock)
{
	if (clock < 0)
		return cpu_clock_kind(clock);
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_TAI:
		return CLOCK_WALL;
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		return CLOCK_STEADY;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		return CLOCK_CPU;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		return CLOCK_READ_ONLY;
	default:
		return CLOCK_BAD; /* also the alarm clocks, as without an RTC */
	}
}

u64 clock_value(int clock)
{
	switch (clock_kind(clock)) {
	case CLOCK_WALL:
		return realtime_ns();
	case CLOCK_CPU:
		return cpu_clock_value(clock);
	default:
		return clock == CLOCK_REALTIME_COARSE ? realtime_ns() : now_ns();
	}
}

long sys_clock_gettime(int clock, struct __kernel_timespec *ts)
{
	if (clock_kind(clock) == CLOCK_BAD)
		return -EINVAL;
	return put_user(ts, ns_timespec(clock_value(clock)));
}

long sys_clock_getres(int clock, struct __kernel_timespec *ts)
{
	bool coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
	if (clock_kind(clock) == CLOCK_BAD)
		return -EINVAL;
	return ts ? put_user(ts, ns_timespec(coarse ? COARSE_NS : 1)) : 0;
}

/* Sets CLOCK_REALTIME. */
static long set_realtime(const struct __kernel_timespec *ts)
{
	if (!timespec_valid(ts) || ts->tv_sec >= TIME_MAX / NS_PER_SEC)
		return -EINVAL;
	clock_adjust_realtime((i64)(timespec_ns(ts) - realtime_ns()));
	timerfd_clock_set();
	return 0;
}

long sys_clock_settime(int clock, const struct __kernel_timespec *ts)
{
	struct __kernel_timespec value;
	if (clock < 0) /* of CPU clocks: known, but not to be set */
		return clock_kind(clock) == CLOCK_BAD ? -EINVAL : -EPERM;
	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	if (get_user(value, ts))
		return -EFAULT;
	return set_realtime(&value);
}

long sys_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	struct timezone zone = { 0, 0 };
	if (tv && put_user(tv, ns_timeval(realtime_ns())))
		return -EFAULT;
	return tz ? put_user(tz, zone) : 0;
}

long sys_settimeofday(const struct timeval *tv, const struct timezone *tz)
{
	struct timeval value;
	struct timezone zone;
	if (tv && get_user(value, tv))
		return -EFAULT;
	if (tv && (value.tv_usec < 0 || value.tv_usec > 1000000))
		return -EINVAL;
	if (tz && get_user(zone, tz))
		return -EFAULT;
	if (!tv)
		return 0;
	struct __kernel_timespec ts = { value.tv_sec, value.tv_usec * NS_PER_USEC };
	return set_realtime(&ts);
}

long sys_time(long *t)
{
	long now = realtime_ns() / NS_PER_SEC;
	if (t && put_user(t, now))
		return -EFAULT;
	return now;
}

static int ns_from_user(const struct __kernel_timespec *user, u64 *ns)
{
	struct __kernel_timespec ts;
	if (get_user(ts, user))
		return -EFAULT;
	*ns = timespec_ns(&ts);
	return timespec_valid(&ts) ? 0 : -EINVAL;
}

int timeout_from_user(const struct __kernel_timespec *user, u64 *deadline)
{
	u64 ns;
	int error = user ? ns_from_user(user, &ns) : 0;
	*deadline = user && !error ? deadline_after(now_ns(), ns) : NEVER;
	return error;
}

int deadline_from_user(const struct __kernel_timespec *user, bool realtime, u64 *deadline)
{
	u64 ns;
	int error = user ? ns_from_user(user, &ns) : 0;
	*deadline = NEVER;
	if (!user || error)
		return error;
	u64 clock = realtime ? realtime_ns() : now_ns();
	*deadline = ns > clock ? deadline_after(now_ns(), ns - clock) : 0;
	return 0;
}

/* ---- sleeping ---- */

/* Others go first, be it as short as it may: it could be over before it begins. */
static int sleep_until(u64 deadline)
{
	int result;
	if (deadline <= now_ns() + TIMER_SLACK_NS)
		sched_step_back();
	do
		result = wait_sleep(deadline);
	while (!result);
	return result == -ETIMEDOUT ? 0 : result;
}

static long sleep_again(struct restart_block *block);

/* arg[0]: where the program wants the rest, or 0. */
static long sleep_relative(u64 deadline, u64 rest)
{
	u64 now;
	if (!sleep_until(deadline) || (now = now_ns()) >= deadline)
		return 0;
	if (rest && put_user((struct __kernel_timespec *)rest, ns_timespec(deadline - now)))
		return -EFAULT;
	current()->signals->restart.arg[0] = rest;
	return signal_restart_block(sleep_again, deadline);
}

static long sleep_again(struct restart_block *block)
{
	return sleep_relative(block->deadline, block->arg[0]);
}

static long sleep_absolute(enum clock_kind kind, u64 until)
{
	u64 deadline = until;
	if (kind == CLOCK_WALL) {
		u64 wall = realtime_ns();
		deadline = until > wall ? deadline_after(now_ns(), until - wall) : 0;
	} else if (until >= TIME_MAX) {
		deadline = NEVER;
	}
	return sleep_until(deadline) ? signal_restart(ERESTARTNOHAND) : 0;
}

long sys_clock_nanosleep(int clock, int flags, const struct __kernel_timespec *user,
			 struct __kernel_timespec *rest)
{
	enum clock_kind kind = clock_kind(clock);
	struct __kernel_timespec ts;

	if (kind == CLOCK_BAD)
		return -EINVAL;
	if (kind == CLOCK_READ_ONLY || kind == CLOCK_CPU)
		return -EOPNOTSUPP;
	if (get_user(ts, user))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	if (flags & TIMER_ABSTIME)
		return sleep_absolute(kind, timespec_ns(&ts));
	return sleep_relative(deadline_after(now_ns(), timespec_ns(&ts)), (u64)rest);
}

long sys_nanosleep(const struct __kernel_timespec *ts, struct __kernel_timespec *rest)
{
	return sys_clock_nanosleep(CLOCK_MONOTONIC, 0, ts, rest);
}

/* ---- accounting ---- */

static u64 system_time(u64 cpu)
{
	return MIN(current()->stime_ns, cpu);
}

long sys_times(struct tms *tms)
{
	u64 cpu = cpu_time_ns(), system = system_time(cpu);
	struct tms value = { .tms_utime = (cpu - system) / NS_PER_TICK,
			     .tms_stime = system / NS_PER_TICK };
	if (tms && put_user(tms, value))
		return -EFAULT;
	return now_ns() / NS_PER_TICK;
}

static struct __kernel_old_timeval rusage_time(u64 ns)
{
	struct timeval tv = ns_timeval(ns);
	return (struct __kernel_old_timeval){ tv.tv_sec, tv.tv_usec };
}

long sys_getrusage(int who, struct rusage *usage)
{
	struct rusage value;
	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	memset(&value, 0, sizeof(value));
	if (who != RUSAGE_CHILDREN) {
		u64 cpu = cpu_time_ns(), system = system_time(cpu);
		value.ru_utime = rusage_time(cpu - system);
		value.ru_stime = rusage_time(system);
		value.ru_maxrss = (frames_total() - frames_available()) * (PAGE_SIZE / 1024);
	}
	return put_user(usage, value);
}
