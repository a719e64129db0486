// link: guest/libos/itimer.c guest/libos/posix_timer.c
/*
 * Conversions of times; interval and POSIX timers against a clock that the
 * test moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <asm/prctl.h>
#include <asm/unistd.h>
#include "../../guest/libos/clocks.h"
#include "../../guest/libos/heap.h"
#include "../../guest/libos/sigstate.h"
#include "../../guest/libos/sys.h"
#include "../../guest/libos/uaccess.h"

#define MS 1000000ull

long syscall(long number, ...);
void *calloc(size_t n, size_t size);
void free(void *p);

static struct vcpu_area area;
static struct process process;
static struct thread thread;
static struct timer *armed[8];
static u64 now, idle;
static int sent, ignoring;
static struct queued *waiting;

void *kalloc(size_t size)
{
	return calloc(1, size);
}
void kfree(void *p)
{
	free(p);
}
int copy_from_user(void *dst, const void *user, size_t n)
{
	if (!user)
		return -EFAULT;
	memcpy(dst, user, n);
	return 0;
}
int copy_to_user(void *user, const void *src, size_t n)
{
	if (!user)
		return -EFAULT;
	memcpy(user, src, n);
	return 0;
}
struct process *current_process(void)
{
	return &process;
}
u64 now_ns(void)
{
	return now;
}
enum clock_kind clock_kind(int clock)
{
	return clock == CLOCK_PROCESS_CPUTIME_ID ? CLOCK_CPU :
	       clock == CLOCK_MONOTONIC_RAW      ? CLOCK_READ_ONLY :
	       clock == CLOCK_MONOTONIC          ? CLOCK_STEADY :
						   CLOCK_BAD;
}
u64 clock_value(int clock)
{
	return clock == CLOCK_PROCESS_CPUTIME_ID ? now - idle : now;
}
void timer_arm(struct timer *timer, u64 deadline)
{
	timer_cancel(timer);
	timer->deadline = deadline;
	timer->armed = true;
	for (unsigned i = 0; i < ARRAY_SIZE(armed); i++)
		if (!armed[i]) {
			armed[i] = timer;
			return;
		}
	fail();
}
void timer_cancel(struct timer *timer)
{
	timer->armed = false;
	for (unsigned i = 0; i < ARRAY_SIZE(armed); i++)
		if (armed[i] == timer)
			armed[i] = NULL;
}
int signal_queue(struct process *p, struct thread *t, int sig, const siginfo_t *info)
{
	assert_ptr_equal(p, &process);
	assert_null(t);
	assert_null(info);
	sent = sig;
	return 0;
}
int signal_queue_owned(struct process *p, struct thread *t, struct queued *q)
{
	assert_ptr_equal(p, &process);
	assert_null(t);
	if (ignoring)
		return 1;
	assert_null(waiting);
	waiting = q;
	return 0;
}
void signal_unqueue(struct pending_signals *pending, struct queued *q)
{
	(void)pending;
	assert_ptr_equal(waiting, q);
	waiting = NULL;
}
void signal_recalc(void)
{
}
struct thread *signal_thread(struct process *p, int tid)
{
	(void)p;
	return tid == 1 ? &thread : NULL;
}

/* Lets time pass, with the timers that come in it. */
static void pass(u64 ns)
{
	u64 end = now + ns;
	for (;;) {
		struct timer *first = NULL;
		for (unsigned i = 0; i < ARRAY_SIZE(armed); i++)
			if (armed[i] && armed[i]->deadline <= end &&
			    (!first || armed[i]->deadline < first->deadline))
				first = armed[i];
		if (!first)
			break;
		now = MAX(now, first->deadline);
		timer_cancel(first);
		first->expired(first);
	}
	now = end;
}

/* The program takes the POSIX timer's signal: its si_overrun. */
static int take(void)
{
	struct queued *q = waiting;
	siginfo_t info;
	assert_non_null(q);
	waiting = NULL;
	info = q->info;
	q->taken(q, &info);
	return info.si_overrun;
}

static int setup(void **state)
{
	(void)state;
	static struct signal_state signals;
	memset(&area, 0, sizeof(area));
	memset(&process, 0, sizeof(process));
	memset(armed, 0, sizeof(armed));
	area.self = &area;
	((struct libos_area *)area.libos)->current = &thread;
	syscall(__NR_arch_prctl, ARCH_SET_GS, &area);
	process.rlimit[RLIMIT_SIGPENDING].rlim_cur = 8;
	process.signals = &signals;
	now = 1000 * MS;
	idle = 0;
	sent = ignoring = 0;
	waiting = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	timers_exit(&process);
	for (unsigned i = 0; i < ARRAY_SIZE(armed); i++)
		assert_null(armed[i]);
	return 0;
}

static void conversions(void **state)
{
	struct __kernel_timespec ts = { 1, 999999999 };
	struct timeval tv = { 2, 999999 };
	(void)state;
	assert_int_equal(timespec_ns(&ts), 1999999999);
	assert_int_equal(timeval_ns(&tv), 2999999000);
	ts = ns_timespec(1999999999);
	assert_int_equal(ts.tv_sec, 1);
	assert_int_equal(ts.tv_nsec, 999999999);
	assert_int_equal(ns_timeval(2999999999).tv_usec, 999999);
	ts = (struct __kernel_timespec){ INT64_MAX, 0 };
	assert_true(timespec_valid(&ts));
	assert_int_equal(timespec_ns(&ts), TIME_MAX);
	ts = (struct __kernel_timespec){ 0, 1000000000 };
	assert_false(timespec_valid(&ts));
	ts = (struct __kernel_timespec){ -1, 0 };
	assert_false(timespec_valid(&ts));
	assert_true(deadline_after(5, TIME_MAX) == NEVER);
	assert_true(deadline_after(TIME_MAX - 1, 5) == NEVER);
	assert_int_equal(deadline_after(5, 6), 11);
}

static void alarms(void **state)
{
	(void)state;
	assert_int_equal(sys_alarm(10), 0);
	pass(3600 * MS);
	assert_int_equal(sys_alarm(1), 6); /* 6.4 s */
	pass(300 * MS);
	assert_int_equal(sys_alarm(1), 1); /* 0.7 s */
	pass(999 * MS);
	assert_int_equal(sys_alarm(1), 1); /* never 0 while it runs */
	assert_int_equal(sent, 0);
	pass(1000 * MS);
	assert_int_equal(sent, SIGALRM);
	assert_int_equal(sys_alarm(0), 0);
}

static void itimer_waits_for_its_signal(void **state)
{
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, left;
	(void)state;
	assert_int_equal(sys_setitimer(ITIMER_REAL, &it, NULL), 0);
	pass(10 * MS);
	assert_int_equal(sent, SIGALRM);
	sent = 0;
	pass(35 * MS);
	assert_int_equal(sent, 0);
	itimer_real_taken(&process); /* at 45 ms: the next is at 50 */
	sys_getitimer(ITIMER_REAL, &left);
	assert_int_equal(left.it_value.tv_usec, 5000);
	pass(5 * MS);
	assert_int_equal(sent, SIGALRM);
}

static void itimer_of_cpu_time(void **state)
{
	struct itimerval it = { { 0, 0 }, { 0, 20000 } };
	(void)state;
	assert_int_equal(sys_setitimer(ITIMER_PROF, &it, NULL), 0);
	idle = 15 * MS; /* of the next 20 */
	pass(20 * MS);
	assert_int_equal(sent, 0);
	pass(14 * MS);
	assert_int_equal(sent, 0);
	pass(1 * MS);
	assert_int_equal(sent, SIGPROF);
}

static void itimer_errors(void **state)
{
	struct itimerval bad = { { 0, 0 }, { 0, 1000000 } };
	(void)state;
	assert_int_equal(sys_setitimer(3, NULL, NULL), -EINVAL);
	assert_int_equal(sys_setitimer(ITIMER_REAL, &bad, NULL), -EINVAL);
	assert_int_equal(sys_getitimer(-1, &bad), -EINVAL);
	assert_int_equal(sys_getitimer(0, NULL), -EFAULT);
}

static int new_timer(int notify, long first_ms, long period_ms)
{
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = SIGUSR1 };
	struct itimerspec it = { { 0, period_ms * (long)MS }, { 0, first_ms * (long)MS } };
	int id = -1;
	assert_int_equal(sys_timer_create(CLOCK_MONOTONIC, &event, &id), 0);
	assert_int_equal(sys_timer_settime(id, 0, &it, NULL), 0);
	return id;
}

static void posix_overruns(void **state)
{
	struct itimerspec left;
	int id = new_timer(SIGEV_SIGNAL, 10, 10);
	(void)state;
	pass(10 * MS);
	assert_int_equal(waiting->info.si_code, SI_TIMER);
	pass(32 * MS); /* missed: 20, 30, 40 */
	sys_timer_gettime(id, &left);
	assert_int_equal(left.it_value.tv_nsec, 8 * MS);
	assert_int_equal(take(), 3);
	assert_int_equal(sys_timer_getoverrun(id), 3);
	pass(8 * MS);
	assert_int_equal(take(), 0);
	assert_int_equal(sys_timer_delete(id), 0);
	assert_int_equal(sys_timer_delete(id), -EINVAL);
}

static void posix_deleted_while_waiting(void **state)
{
	int id = new_timer(SIGEV_SIGNAL, 1, 0);
	(void)state;
	pass(1 * MS);
	assert_non_null(waiting);
	assert_int_equal(sys_timer_delete(id), 0);
	assert_null(waiting);
}

static void posix_ignored_runs_on(void **state)
{
	(void)state;
	new_timer(SIGEV_SIGNAL, 1, 1);
	ignoring = 1;
	pass(5 * MS);
	ignoring = 0;
	pass(10 * MS);
	assert_non_null(waiting);
}

static void posix_without_signal(void **state)
{
	struct itimerspec left;
	int id = new_timer(SIGEV_NONE, 10, 4);
	(void)state;
	pass(15 * MS);
	assert_null(waiting);
	sys_timer_gettime(id, &left);
	assert_int_equal(left.it_value.tv_nsec, 3 * MS);
}

static void posix_errors(void **state)
{
	struct sigevent event = { .sigev_notify = 77, .sigev_signo = SIGUSR1 };
	int id;
	(void)state;
	assert_int_equal(sys_timer_create(99, NULL, &id), -EINVAL);
	assert_int_equal(sys_timer_create(CLOCK_MONOTONIC_RAW, NULL, &id), -EOPNOTSUPP);
	assert_int_equal(sys_timer_create(CLOCK_MONOTONIC, &event, &id), -EINVAL);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = 65;
	assert_int_equal(sys_timer_create(CLOCK_MONOTONIC, &event, &id), -EINVAL);
	assert_int_equal(sys_timer_create(CLOCK_MONOTONIC, NULL, NULL), -EFAULT);
	assert_int_equal(sys_timer_settime(0, 0, NULL, NULL), -EINVAL);
	for (int i = 0; i < 8; i++)
		assert_int_equal(sys_timer_create(CLOCK_MONOTONIC, NULL, &id), 0);
	assert_int_equal(sys_timer_create(CLOCK_MONOTONIC, NULL, &id), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(conversions, setup, teardown),
		cmocka_unit_test_setup_teardown(alarms, setup, teardown),
		cmocka_unit_test_setup_teardown(itimer_waits_for_its_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(itimer_of_cpu_time, setup, teardown),
		cmocka_unit_test_setup_teardown(itimer_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(posix_overruns, setup, teardown),
		cmocka_unit_test_setup_teardown(posix_deleted_while_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(posix_ignored_runs_on, setup, teardown),
		cmocka_unit_test_setup_teardown(posix_without_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(posix_errors, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
