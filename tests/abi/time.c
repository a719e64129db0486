/*
 * Clocks, sleeps and timers: relations only, and upper bounds so wide that
 * a slow emulator keeps them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define MS     1000000ll
#define SECOND 1000000000ll

static int64_t ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * SECOND + ts->tv_nsec;
}

/* Through the C library, so through the vDSO where there is one. */
static int64_t libc_ns(clockid_t clock)
{
	struct timespec ts;

	NEED(clock_gettime(clock, &ts));
	return ns(&ts);
}

static volatile sig_atomic_t ticks;

static void on_tick(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	ticks++;
}

/* ---- reading clocks ---- */

static const struct {
	const char *name;
	clockid_t id;
} clocks[] = {
	{ "realtime", CLOCK_REALTIME },
	{ "monotonic", CLOCK_MONOTONIC },
	{ "process cpu", CLOCK_PROCESS_CPUTIME_ID },
	{ "thread cpu", CLOCK_THREAD_CPUTIME_ID },
	{ "monotonic raw", CLOCK_MONOTONIC_RAW },
	{ "realtime coarse", CLOCK_REALTIME_COARSE },
	{ "monotonic coarse", CLOCK_MONOTONIC_COARSE },
	{ "boottime", CLOCK_BOOTTIME },
};

#define CLOCKS (sizeof(clocks) / sizeof(clocks[0]))

CASE(clocks_all_there)
{
	for (size_t i = 0; i < CLOCKS; i++) {
		struct timespec ts = { -1, -1 };

		show(clocks[i].name, clock_gettime(clocks[i].id, &ts));
		CHECK(ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < SECOND);
	}
}

CASE(clocks_never_backwards)
{
	for (size_t i = 0; i < CLOCKS; i++) {
		int64_t last = libc_ns(clocks[i].id);
		bool good = true;

		if (clocks[i].id == CLOCK_REALTIME || clocks[i].id == CLOCK_REALTIME_COARSE)
			continue; /* may be set */
		for (int n = 0; n < 2000; n++) {
			int64_t now = libc_ns(clocks[i].id);

			good &= now >= last;
			last = now;
		}
		check(clocks[i].name, good);
	}
}

CASE(clock_advances)
{
	int64_t start = libc_ns(CLOCK_MONOTONIC);
	long reads = 0;

	while (libc_ns(CLOCK_MONOTONIC) - start < 5 * MS && reads < 1000000000)
		reads++;
	CHECK(reads < 1000000000);
}

CASE(clock_errors)
{
	struct timespec ts;

	SHOW(clock_gettime(99, &ts));
	SHOW(syscall(SYS_clock_gettime, 99, &ts));
	SHOW(syscall(SYS_clock_gettime, -99, &ts));
	SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad_ptr()));
	SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, NULL));
	SHOW(syscall(SYS_clock_gettime, 10, &ts));
}

CASE(clock_resolution)
{
	struct timespec ts;

	for (size_t i = 0; i < CLOCKS; i++) {
		NEED(clock_getres(clocks[i].id, &ts));
		bool coarse = strstr(clocks[i].name, "coarse") != NULL;
		/* a coarse clock's is one tick, which is up to the kernel */
		if (coarse)
			CHECK(ns(&ts) >= MS && ns(&ts) <= 10 * MS);
		else
			say("%s: %lld ns", clocks[i].name, (long long)ns(&ts));
	}
	SHOW(clock_getres(99, &ts));
	SHOW(clock_getres(CLOCK_MONOTONIC, NULL));
	SHOW(syscall(SYS_clock_getres, CLOCK_MONOTONIC, bad_ptr()));
}

CASE(vdso_agrees_with_syscall)
{
	static const clockid_t ids[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
					 CLOCK_MONOTONIC_COARSE };

	for (size_t i = 0; i < 4; i++) {
		bool good = true;

		for (int n = 0; n < 200; n++) {
			int64_t a = clock_ns(ids[i]);
			int64_t b = libc_ns(ids[i]);
			int64_t c = clock_ns(ids[i]);

			good &= a <= b && b <= c;
		}
		check("between two system calls", good);
	}
}

CASE(realtime_calls_agree)
{
	struct timeval tv, raw;

	int64_t before = libc_ns(CLOCK_REALTIME);
	NEED(gettimeofday(&tv, NULL));
	NEED(syscall(SYS_gettimeofday, &raw, NULL));
	time_t t = time(NULL);
	time_t t_raw = syscall(SYS_time, NULL);
	int64_t after = libc_ns(CLOCK_REALTIME);

	CHECK(tv.tv_usec >= 0 && tv.tv_usec < 1000000);
	int64_t us = (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
	CHECK(us >= before / 1000 && us <= after / 1000);
	us = (int64_t)raw.tv_sec * 1000000 + raw.tv_usec;
	CHECK(us >= before / 1000 && us <= after / 1000);
	/* time() is read from the coarse clock: up to a tick behind */
	CHECK(t >= before / SECOND - 1 && t <= after / SECOND);
	CHECK(t_raw >= before / SECOND - 1 && t_raw <= after / SECOND);
}

CASE(gettimeofday_cases)
{
	struct timezone tz = { -1, -1 };
	struct timeval tv;

	SHOW(syscall(SYS_gettimeofday, NULL, NULL));
	SHOW(syscall(SYS_gettimeofday, &tv, &tz));
	SHOW(syscall(SYS_gettimeofday, bad_ptr(), NULL));
	SHOW(syscall(SYS_gettimeofday, &tv, bad_ptr()));
	SHOW(syscall(SYS_time, bad_ptr()));
}

CASE(date_is_sane)
{
	time_t t = time(NULL);
	struct tm tm;

	/* a machine without the date would make certificates invalid */
	CHECK(t > 1600000000);
	CHECK(gmtime_r(&t, &tm) == &tm);
	CHECK(tm.tm_year >= 120);
	CHECK(timegm(&tm) == t);
}

CASE(clock_relations)
{
	int64_t fine = clock_ns(CLOCK_MONOTONIC);
	int64_t coarse = clock_ns(CLOCK_MONOTONIC_COARSE);
	int64_t boot = clock_ns(CLOCK_BOOTTIME);
	int64_t mono = clock_ns(CLOCK_MONOTONIC);

	CHECK(coarse <= mono);
	/* a tick behind at most, but the machine may have been stopped */
	CHECK(fine - coarse < 10 * SECOND);
	CHECK(boot >= fine);
	CHECK(clock_ns(CLOCK_REALTIME) > mono);
}

CASE(clock_set_refused)
{
	struct timespec bad = { 0, -1 };

	/* only arguments that nobody may use */
	SHOW(clock_settime(CLOCK_MONOTONIC, &bad));
	SHOW(clock_settime(99, &bad));
	SHOW(clock_settime(CLOCK_REALTIME, &bad));
}

/* ---- sleeping ---- */

static void timed_sleep(int64_t want)
{
	struct timespec ts = { want / SECOND, want % SECOND };
	int64_t before = clock_ns(CLOCK_MONOTONIC);

	SHOW(nanosleep(&ts, NULL));
	int64_t took = clock_ns(CLOCK_MONOTONIC) - before;
	CHECK(took >= want);
	CHECK(took < want + 20 * SECOND);
}

CASE(nanosleep_lengths)
{
	timed_sleep(0);
	timed_sleep(1);
	timed_sleep(1000);
	timed_sleep(MS);
	timed_sleep(30 * MS);
}

CASE(nanosleep_errors)
{
	struct timespec ts = { 0, SECOND }, minus = { -1, 0 }, neg = { 0, -1 };

	SHOW(nanosleep(&ts, NULL));
	SHOW(nanosleep(&minus, NULL));
	SHOW(nanosleep(&neg, NULL));
	SHOW(syscall(SYS_nanosleep, bad_ptr(), NULL));
	SHOW(syscall(SYS_nanosleep, NULL, NULL));
}

CASE(nanosleep_remaining_untouched)
{
	struct timespec ts = { 0, MS }, rest = { 77, 88 };

	SHOW(nanosleep(&ts, &rest));
	say("%ld %ld", (long)rest.tv_sec, rest.tv_nsec);
	/* only written when interrupted */
	SHOW(syscall(SYS_nanosleep, &ts, bad_ptr()));
}

CASE(clock_nanosleep_relative)
{
	static const clockid_t ids[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME };
	struct timespec ts = { 0, 10 * MS };

	for (size_t i = 0; i < 3; i++) {
		int64_t before = clock_ns(CLOCK_MONOTONIC);

		SHOW(clock_nanosleep(ids[i], 0, &ts, NULL));
		CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 10 * MS);
	}
}

CASE(clock_nanosleep_absolute)
{
	int64_t until = clock_ns(CLOCK_MONOTONIC) + 20 * MS;
	struct timespec ts = { until / SECOND, until % SECOND };

	SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
	CHECK(clock_ns(CLOCK_MONOTONIC) >= until);
	/* past: at once */
	SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
	ts.tv_sec = 0;
	SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL));
}

CASE(clock_nanosleep_errors)
{
	struct timespec ts = { 0, SECOND }, fine = { 0, 1 };

	say("%s", errno_name(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL)));
	say("%s", errno_name(clock_nanosleep(99, 0, &fine, NULL)));
	SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, bad_ptr(), NULL));
	SHOW(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &fine, NULL));
}

CASE(clock_nanosleep_interrupted, ALONE)
{
	int64_t until = clock_ns(CLOCK_MONOTONIC) + 60 * SECOND;
	struct timespec ts = { until / SECOND, until % SECOND };
	struct timespec rest = { 77, 88 };
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } };

	on_signal(SIGALRM, on_tick, 0);
	NEED(setitimer(ITIMER_REAL, &it, NULL));
	say("%s", errno_name(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &rest)));
	/* an absolute sleep has no remaining time */
	say("%ld %ld", (long)rest.tv_sec, rest.tv_nsec);
}

CASE(usleep_and_sleep)
{
	int64_t before = clock_ns(CLOCK_MONOTONIC);

	SHOW(usleep(15000));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 15 * MS);
	SHOW(sleep(0));
}

CASE(sleeps_do_not_burn)
{
	struct timespec ts = { 0, 100 * MS };
	int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	NEED(nanosleep(&ts, NULL));
	CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 80 * MS);
}

/* ---- interval timers ---- */

CASE(alarm_returns_rest, ALONE)
{
	on_signal(SIGALRM, on_tick, 0);
	SHOW(alarm(1000));
	unsigned rest = alarm(2000);
	CHECK(rest > 900 && rest <= 1000);
	rest = alarm(0);
	CHECK(rest > 1900 && rest <= 2000);
	SHOW(alarm(0));
	SHOW(ticks);
}

CASE(alarm_rings, ALONE)
{
	on_signal(SIGALRM, on_tick, 0);
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(alarm(1));
	while (ticks == 0)
		usleep(100000);
	int64_t took = clock_ns(CLOCK_MONOTONIC) - before;
	CHECK(took >= SECOND);
	SHOW(ticks);
}

CASE(itimer_once, ALONE)
{
	struct itimerval it = { { 0, 0 }, { 0, 20000 } }, now;

	on_signal(SIGALRM, on_tick, 0);
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(setitimer(ITIMER_REAL, &it, NULL));
	while (ticks == 0)
		usleep(1000);
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 20 * MS);
	usleep(50000);
	SHOW(ticks);
	SHOW(getitimer(ITIMER_REAL, &now));
	say("%ld %ld", (long)now.it_value.tv_sec, (long)now.it_value.tv_usec);
}

CASE(itimer_repeats, ALONE)
{
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, old;

	on_signal(SIGALRM, on_tick, 0);
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	NEED(setitimer(ITIMER_REAL, &it, NULL));
	while (ticks < 5)
		usleep(1000);
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 50 * MS);
	memset(&it, 0, sizeof(it));
	SHOW(setitimer(ITIMER_REAL, &it, &old));
	say("interval %ld", (long)old.it_interval.tv_usec);
	int seen = ticks;
	usleep(40000);
	CHECK(ticks == seen);
}

CASE(itimer_counts_down, ALONE)
{
	struct itimerval it = { { 7, 8 }, { 1000, 0 } }, now;

	NEED(setitimer(ITIMER_REAL, &it, NULL));
	SHOW(getitimer(ITIMER_REAL, &now));
	CHECK(now.it_value.tv_sec >= 900 && now.it_value.tv_sec <= 1000);
	say("interval %ld %ld", (long)now.it_interval.tv_sec, (long)now.it_interval.tv_usec);
	/* alarm and the real timer are one */
	unsigned rest = alarm(0);
	CHECK(rest > 900 && rest <= 1000);
}

CASE(itimer_virtual, ALONE)
{
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } };

	on_signal(SIGVTALRM, on_tick, 0);
	SHOW(setitimer(ITIMER_VIRTUAL, &it, NULL));
	while (ticks < 2)
		;
	CHECK(ticks >= 2);
}

CASE(itimer_errors, ALONE)
{
	struct itimerval it = { { 0, 0 }, { 0, 1000000 } }, none;

	memset(&none, 0, sizeof(none));
	SHOW(setitimer(ITIMER_REAL, &it, NULL));
	SHOW(setitimer(99, &none, NULL));
	SHOW(getitimer(99, &none));
	SHOW(syscall(SYS_setitimer, ITIMER_REAL, bad_ptr(), NULL));
	SHOW(syscall(SYS_setitimer, ITIMER_REAL, &none, bad_ptr()));
	SHOW(syscall(SYS_getitimer, ITIMER_REAL, bad_ptr()));
	it.it_value.tv_usec = -1;
	SHOW(setitimer(ITIMER_REAL, &it, NULL));
}

/* ---- POSIX timers, by system call: musl has a thread in its wrapper ---- */

static volatile int timer_value, timer_code;

static void on_timer(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	timer_value = info->si_value.sival_int;
	timer_code = info->si_code;
	ticks++;
}

CASE(posix_timer, ALONE)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR1,
			       .sigev_value = { .sival_int = 99 } };
	struct itimerspec its = { { 0, 10 * MS }, { 0, 10 * MS } }, now;
	int id = -1;

	on_signal(SIGUSR1, on_timer, 0);
	SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id));
	SHOW(syscall(SYS_timer_settime, id, 0, &its, NULL));
	while (ticks < 3)
		usleep(1000);
	say("%s, value %d", code_name(SIGUSR1, timer_code), timer_value);
	SHOW(syscall(SYS_timer_gettime, id, &now));
	CHECK(ns(&now.it_interval) == 10 * MS);
	CHECK(ns(&now.it_value) > 0 && ns(&now.it_value) <= 10 * MS);
	CHECK(syscall(SYS_timer_getoverrun, id) >= 0);
	SHOW(syscall(SYS_timer_delete, id));
	SHOW(syscall(SYS_timer_delete, id));
}

CASE(posix_timer_absolute, ALONE)
{
	struct itimerspec its = { { 0, 0 }, { 0, 0 } };
	int id = -1;

	on_signal(SIGALRM, on_timer, 0);
	/* no event: SIGALRM with the timer's number */
	SHOW(syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &id));
	int64_t until = clock_ns(CLOCK_REALTIME) + 20 * MS;
	its.it_value.tv_sec = until / SECOND;
	its.it_value.tv_nsec = until % SECOND;
	SHOW(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &its, NULL));
	while (ticks == 0)
		usleep(1000);
	CHECK(timer_value == id);
	SHOW(ticks);
}

CASE(posix_timer_errors, ALONE)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99 };
	struct itimerspec its = { { 0, 0 }, { 0, SECOND } };
	int id;

	SHOW(syscall(SYS_timer_create, 99, NULL, &id));
	SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id));
	SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, bad_ptr()));
	SHOW(syscall(SYS_timer_settime, 12345, 0, &its, NULL));
	SHOW(syscall(SYS_timer_gettime, 12345, &its));
	NEED(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id));
	SHOW(syscall(SYS_timer_settime, id, 0, &its, NULL));
	SHOW(syscall(SYS_timer_settime, id, 0, NULL, NULL));
	SHOW(syscall(SYS_timer_settime, id, 0, bad_ptr(), NULL));
}

/* ---- processor time ---- */

/* Spins until the process has used that much; false if it never counts. */
static bool spin(int64_t want)
{
	int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	int64_t deadline = clock_ns(CLOCK_MONOTONIC) + 15 * SECOND;

	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start < want)
		if (clock_ns(CLOCK_MONOTONIC) > deadline)
			return false;
	return true;
}

CASE(cpu_clock_counts)
{
	int64_t thread = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	CHECK(spin(30 * MS));
	CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) - thread >= 25 * MS);
	CHECK(clock() > 0);
}

CASE(cpu_clock_of_process)
{
	clockid_t id = -1;
	struct timespec ts;

	SHOW(clock_getcpuclockid(getpid(), &id));
	SHOW(clock_gettime(id, &ts));
	CHECK(ns(&ts) <= clock_ns(CLOCK_PROCESS_CPUTIME_ID));
}

CASE(times_relations)
{
	struct tms t;

	CHECK(spin(100 * MS));
	clock_t a = times(&t);
	CHECK(a != (clock_t)-1);
	CHECK(t.tms_utime + t.tms_stime > 0);
	usleep(30000);
	CHECK(times(&t) > a);
	SHOW(syscall(SYS_times, bad_ptr()));
	CHECK(syscall(SYS_times, NULL) > 0);
}

static int64_t used(const struct rusage *ru)
{
	return ((int64_t)ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000 +
	       ru->ru_utime.tv_usec + ru->ru_stime.tv_usec;
}

CASE(getrusage_cases)
{
	struct rusage a, b, child;

	NEED(getrusage(RUSAGE_SELF, &a));
	CHECK(spin(50 * MS));
	SHOW(getrusage(RUSAGE_SELF, &b));
	CHECK(used(&b) > used(&a));
	CHECK(b.ru_maxrss > 0);
	SHOW(getrusage(RUSAGE_THREAD, &b));
	SHOW(getrusage(RUSAGE_CHILDREN, &child));
	SHOW(getrusage(99, &b));
	SHOW(syscall(SYS_getrusage, RUSAGE_SELF, bad_ptr()));
}
