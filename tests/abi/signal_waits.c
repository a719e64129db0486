/*
 * Signals that are waited for, that interrupt calls and loops, on a stack of their own.
 *
 * Where a timer has to interrupt something, it is a repeating one, and the
 * case holds however late its first tick comes.
 */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "signalling.h"

/* ---- waiting ---- */

CASE(sigsuspend_waits, ALONE)
{
	sigset_t none;

	listen_to(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	sigemptyset(&none);
	SHOW(sigsuspend(&none));
	SHOW(count);
	CHECK(is_blocked(SIGUSR1));
	SHOW(syscall(SYS_rt_sigsuspend, bad_ptr(), 8));
	SHOW(syscall(SYS_rt_sigsuspend, &none, 4));
}

CASE(sigsuspend_alarm, ALONE)
{
	sigset_t none;

	listen_to(SIGALRM, 0);
	block(SIG_BLOCK, SIGALRM);
	tick(20);
	sigemptyset(&none);
	SHOW(sigsuspend(&none));
	tick(0);
	CHECK(count > 0);
}

CASE(pause_returns, ALONE)
{
	listen_to(SIGALRM, 0);
	tick(20);
	SHOW(pause());
	tick(0);
	CHECK(count > 0);
}

CASE(sigwaitinfo_takes, ALONE)
{
	siginfo_t info;
	sigset_t set;

	listen_to(SIGUSR1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 });
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 2 });
	raise(SIGUSR1);
	CHECK(sigwaitinfo(&set, &info) == SIGUSR1);
	say("%s", code_name(SIGUSR1, info.si_code));
	CHECK(sigwaitinfo(&set, &info) == SIGRTMIN);
	say("%s %d", code_name(0, info.si_code), info.si_value.sival_int);
	CHECK(sigwaitinfo(&set, &info) == SIGRTMIN);
	say("%s %d", code_name(0, info.si_code), info.si_value.sival_int);
	/* taken, not handled */
	SHOW(count);
}

CASE(sigwait_call, ALONE)
{
	sigset_t set;
	int sig = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	raise(SIGTERM);
	SHOW(sigwait(&set, &sig));
	say("%s", signal_name(sig));
}

CASE(sigtimedwait_times_out, ALONE)
{
	struct timespec zero = { 0, 0 }, short_time = { 0, 20000000 };
	struct timespec bad = { 0, 1000000000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	SHOW(sigtimedwait(&set, NULL, &zero));
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(sigtimedwait(&set, NULL, &short_time));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 20000000);
	SHOW(sigtimedwait(&set, NULL, &bad));
	raise(SIGUSR1);
	CHECK(sigtimedwait(&set, NULL, &zero) == SIGUSR1);
	SHOW(syscall(SYS_rt_sigtimedwait, bad_ptr(), NULL, &zero, 8));
	SHOW(syscall(SYS_rt_sigtimedwait, &set, NULL, bad_ptr(), 8));
	SHOW(syscall(SYS_rt_sigtimedwait, &set, NULL, &zero, 4));
}

CASE(sigtimedwait_interrupted, ALONE)
{
	struct timespec long_time = { 60, 0 };
	sigset_t set;

	listen_to(SIGALRM, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	tick(20);
	SHOW(syscall(SYS_rt_sigtimedwait, &set, NULL, &long_time, 8));
	tick(0);
}

CASE(sigwait_alarm, ALONE)
{
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	tick(20);
	CHECK(sigwaitinfo(&set, &info) == SIGALRM);
	say("%s", code_name(SIGALRM, info.si_code));
	tick(0);
}

/* ---- interrupted calls ---- */

static int wake_pipe[2];

/* Lets the blocked read go on at the third tick. */
static void feed_pipe(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	if (++count == 3)
		NEED(write(wake_pipe[1], "x", 1));
}

CASE(read_interrupted, ALONE)
{
	char c;

	NEED(pipe(wake_pipe));
	listen_to(SIGALRM, 0);
	tick(20);
	SHOW(read(wake_pipe[0], &c, 1));
	tick(0);
	CHECK(count > 0);
}

CASE(read_restarted, ALONE)
{
	char c = 0;

	NEED(pipe(wake_pipe));
	on_signal(SIGALRM, feed_pipe, SA_RESTART);
	tick(20);
	SHOW(read(wake_pipe[0], &c, 1));
	tick(0);
	say("%c, after at least 3: %d", c, count >= 3);
}

static void drain_pipe(int sig, siginfo_t *info, void *context)
{
	static char buf[65536];

	(void)sig;
	(void)info;
	(void)context;
	if (++count == 3)
		NEED(read(wake_pipe[0], buf, sizeof(buf)));
}

CASE(write_restarted, ALONE)
{
	static char buf[65536];

	NEED(pipe(wake_pipe));
	NEED(write(wake_pipe[1], buf, sizeof(buf)));
	on_signal(SIGALRM, drain_pipe, SA_RESTART);
	tick(20);
	SHOW(write(wake_pipe[1], "x", 1));
	tick(0);
	CHECK(count >= 3);
}

CASE(write_interrupted, ALONE)
{
	static char buf[65536 + 1000];

	NEED(pipe(wake_pipe));
	listen_to(SIGALRM, 0);
	tick(20);
	/* what went in counts */
	SHOW(write(wake_pipe[1], buf, sizeof(buf)));
	SHOW(write(wake_pipe[1], buf, 1));
	tick(0);
}

CASE(nanosleep_interrupted, ALONE)
{
	struct timespec ts = { 60, 0 }, rest = { -1, -1 };

	/* sleeping is never restarted after a handler */
	listen_to(SIGALRM, SA_RESTART);
	tick(20);
	SHOW(nanosleep(&ts, &rest));
	tick(0);
	CHECK(rest.tv_sec >= 0 && rest.tv_sec < 60);
	CHECK(rest.tv_nsec >= 0 && rest.tv_nsec < 1000000000);
}

CASE(ignored_does_not_interrupt, ALONE)
{
	struct timespec ts = { 0, 100000000 };

	signal(SIGALRM, SIG_IGN);
	tick(20);
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(nanosleep(&ts, NULL));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 100000000);
	tick(0);
}

/* ---- while computing ---- */

CASE(timer_interrupts_loop, ALONE)
{
	volatile unsigned long spins = 0;

	listen_to(SIGALRM, 0);
	tick(10);
	while (count < 5)
		spins++;
	tick(0);
	CHECK(spins > 0);
	CHECK(count >= 5);
}

static void unsteady(int sig, siginfo_t *info, void *context)
{
	volatile double x = 1.5;

	(void)sig;
	(void)info;
	(void)context;
	for (int i = 0; i < 100; i++)
		x = x * 1.25 + (double)i / 3;
	count++;
}

CASE(timer_keeps_registers, ALONE)
{
	unsigned long hash = 1;
	double sum = 0, first = 0;
	bool same = true;

	on_signal(SIGALRM, unsteady, 0);
	tick(5);
	/* the same sum over and over, whatever comes between */
	while (count < 10) {
		sum = 0;
		for (int i = 1; i < 20000; i++) {
			sum += 1.0 / i;
			hash = hash * 31 + (unsigned long)i;
		}
		if (first == 0)
			first = sum;
		same &= sum == first;
	}
	tick(0);
	CHECK(same);
	CHECK(hash != 0);
}

/* ---- alternate stack ---- */

static char alternate[65536];
static volatile bool on_alternate;
static volatile int alternate_flags;

static void where(int sig, siginfo_t *info, void *context)
{
	char here;
	stack_t now;
	ucontext_t *uc = context;
	uintptr_t at = (uintptr_t)launder(&here);

	(void)sig;
	(void)info;
	on_alternate = at - (uintptr_t)alternate < sizeof(alternate);
	NEED(sigaltstack(NULL, &now));
	alternate_flags = now.ss_flags;
	CHECK(uc->uc_stack.ss_sp == alternate || uc->uc_stack.ss_sp == NULL);
}

CASE(altstack_used, ALONE)
{
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof(alternate) }, old;

	SHOW(sigaltstack(&ss, &old));
	CHECK(old.ss_flags == SS_DISABLE);
	on_signal(SIGUSR1, where, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(on_alternate);
	CHECK(alternate_flags == SS_ONSTACK);
	on_signal(SIGUSR1, where, 0);
	raise(SIGUSR1);
	CHECK(!on_alternate);
	NEED(sigaltstack(NULL, &old));
	CHECK(old.ss_sp == alternate && old.ss_size == sizeof(alternate));
	CHECK(old.ss_flags == 0);
}

static void change_altstack(int sig, siginfo_t *info, void *context)
{
	stack_t ss = { .ss_flags = SS_DISABLE };

	(void)sig;
	(void)info;
	(void)context;
	SHOW(sigaltstack(&ss, NULL));
}

CASE(altstack_errors, ALONE)
{
	stack_t ss = { .ss_sp = alternate, .ss_size = 100 };

	SHOW(sigaltstack(&ss, NULL));
	ss.ss_size = sizeof(alternate);
	ss.ss_flags = 77;
	SHOW(sigaltstack(&ss, NULL));
	SHOW(syscall(SYS_sigaltstack, bad_ptr(), NULL));
	SHOW(syscall(SYS_sigaltstack, NULL, bad_ptr()));
	ss.ss_flags = 0;
	SHOW(sigaltstack(&ss, NULL));
	on_signal(SIGUSR1, change_altstack, SA_ONSTACK);
	raise(SIGUSR1);
	ss.ss_flags = SS_DISABLE;
	SHOW(sigaltstack(&ss, NULL));
	NEED(sigaltstack(NULL, &ss));
	CHECK(ss.ss_flags == SS_DISABLE);
}

static void nested_outer(int sig, siginfo_t *info, void *context)
{
	char here;

	(void)info;
	(void)context;
	bool inside = (uintptr_t)launder(&here) - (uintptr_t)alternate < sizeof(alternate);
	say("%s on the alternate stack: %d", signal_name(sig), inside);
	if (sig == SIGUSR1)
		raise(SIGUSR2);
}

CASE(altstack_nested, ALONE)
{
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof(alternate) };

	NEED(sigaltstack(&ss, NULL));
	on_signal(SIGUSR1, nested_outer, SA_ONSTACK);
	on_signal(SIGUSR2, nested_outer, SA_ONSTACK);
	raise(SIGUSR1);
}

CASE(stack_aligned_in_handler, ALONE)
{
	/* movaps on the stack is what breaks first */
	on_signal(SIGUSR1, unsteady, 0);
	for (int i = 0; i < 8; i++) {
		char *space = __builtin_alloca((size_t)i * 8 + 1);

		*(volatile char *)space = 0;
		raise(SIGUSR1);
	}
	SHOW(count);
}
