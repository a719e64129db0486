/*
 * Signals sent on purpose: handlers, masks, queues, waiting. Those that the
 * processor raises are in faults.c, deaths in exits.c.
 *
 * Where a timer has to interrupt something, it is a repeating one, and the
 * case holds however late its first tick comes.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi.h"

static volatile sig_atomic_t count;
static volatile sig_atomic_t last_signal;

static void counting(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	count++;
	last_signal = sig;
}

static void listen_to(int sig, int flags)
{
	count = 0;
	last_signal = 0;
	on_signal(sig, counting, flags);
}

static void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	NEED(sigprocmask(how, &set, NULL));
}

static bool is_pending(int sig)
{
	sigset_t set;

	NEED(sigpending(&set));
	return sigismember(&set, sig);
}

static bool is_blocked(int sig)
{
	sigset_t set;

	NEED(sigprocmask(SIG_BLOCK, NULL, &set));
	return sigismember(&set, sig);
}

/* A tick every 20 ms, or none for 0. */
static void tick(int ms)
{
	struct itimerval it = { { 0, ms * 1000 }, { 0, ms * 1000 } };

	NEED(setitimer(ITIMER_REAL, &it, NULL));
}

/* ---- handlers ---- */

CASE(raise_handled, ALONE)
{
	listen_to(SIGUSR1, 0);
	SHOW(raise(SIGUSR1));
	say("count %d, %s", (int)count, signal_name(last_signal));
	SHOW(raise(SIGUSR1));
	say("count %d", (int)count);
}

CASE(raise_each_signal, ALONE)
{
	int handled = 0;

	for (int sig = 1; sig <= 31; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		listen_to(sig, 0);
		NEED(raise(sig));
		handled += count == 1 && last_signal == sig;
	}
	SHOW(handled);
}

CASE(raise_realtime, ALONE)
{
	int handled = 0;

	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++) {
		listen_to(sig, 0);
		NEED(raise(sig));
		handled += count == 1 && last_signal == sig;
	}
	CHECK(handled == SIGRTMAX - SIGRTMIN + 1);
	SHOW(SIGRTMAX);
}

static void show_info(int sig, siginfo_t *info, void *context)
{
	(void)context;
	say("%s: si_signo %d, si_code %s, si_errno %d", signal_name(sig), info->si_signo,
	    code_name(sig, info->si_code), info->si_errno);
	say("from ourselves: %s",
	    info->si_pid == getpid() && info->si_uid == getuid() ? "yes" : "no");
}

CASE(siginfo_senders, ALONE)
{
	on_signal(SIGUSR1, show_info, 0);
	SHOW(raise(SIGUSR1));
	SHOW(kill(getpid(), SIGUSR1));
	SHOW(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
	SHOW(syscall(SYS_tkill, getpid(), SIGUSR1));
}

static void show_value(int sig, siginfo_t *info, void *context)
{
	(void)context;
	say("%d: %s, value %d", sig == SIGUSR1 ? 0 : sig - SIGRTMIN + 1,
	    code_name(sig, info->si_code), info->si_value.sival_int);
}

CASE(sigqueue_value, ALONE)
{
	on_signal(SIGUSR1, show_value, 0);
	on_signal(SIGRTMIN, show_value, 0);
	SHOW(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 17 }));
	SHOW(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = -3 }));
	SHOW(sigqueue(getpid(), 99, (union sigval){ .sival_int = 0 }));
	SHOW(sigqueue(0x7ffffff0, SIGUSR1, (union sigval){ .sival_int = 0 }));
}

CASE(handler_plain, ALONE)
{
	/* signal(), and a handler without SA_SIGINFO */
	CHECK(signal(SIGUSR1, SIG_IGN) == SIG_DFL);
	SHOW(raise(SIGUSR1));
	CHECK(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
	CHECK(signal(SIGKILL, SIG_IGN) == SIG_ERR);
	CHECK(signal(99, SIG_IGN) == SIG_ERR);
}

CASE(sigaction_query, ALONE)
{
	struct sigaction old;

	NEED(sigaction(SIGUSR1, NULL, &old));
	CHECK(old.sa_handler == SIG_DFL);
	listen_to(SIGUSR1, SA_RESTART | SA_NODEFER);
	NEED(sigaction(SIGUSR1, NULL, &old));
	CHECK(old.sa_sigaction == counting);
	CHECK((old.sa_flags & (SA_RESTART | SA_NODEFER | SA_SIGINFO | SA_RESETHAND)) ==
	      (SA_RESTART | SA_NODEFER | SA_SIGINFO));
}

CASE(sigaction_errors, ALONE)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	SHOW(sigaction(0, &sa, NULL));
	SHOW(sigaction(65, &sa, NULL));
	SHOW(sigaction(-1, &sa, NULL));
	SHOW(sigaction(SIGKILL, &sa, NULL));
	SHOW(sigaction(SIGSTOP, &sa, NULL));
	SHOW(sigaction(SIGKILL, NULL, &sa));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, bad_ptr(), NULL, 8));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bad_ptr(), 8));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 16));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 8));
}

CASE(kill_errors, ALONE)
{
	SHOW(kill(getpid(), 0));
	SHOW(kill(0, 0));
	SHOW(kill(getpid(), 65));
	SHOW(kill(getpid(), -1));
	SHOW(kill(0x7ffffff0, 0));
	SHOW(kill(0x7ffffff0, SIGTERM));
	SHOW(syscall(SYS_tgkill, getpid(), 0x7ffffff0, 0));
	SHOW(syscall(SYS_tgkill, -1, getpid(), 0));
	SHOW(syscall(SYS_tgkill, getpid(), getpid(), 99));
	SHOW(syscall(SYS_tkill, 0, SIGUSR1));
}

static volatile int depth, deepest;

static void nest(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (depth < 5)
		raise(sig);
	depth--;
}

static void again(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (++count < 5)
		raise(sig);
	depth--;
}

CASE(handler_defers_itself, ALONE)
{
	/* each raise waits until the handler has ended */
	on_signal(SIGUSR1, again, 0);
	raise(SIGUSR1);
	say("ran %d times, deepest %d", (int)count, deepest);
	CHECK(!is_pending(SIGUSR1));
}

CASE(handler_nodefer, ALONE)
{
	on_signal(SIGUSR1, nest, SA_NODEFER);
	raise(SIGUSR1);
	say("deepest %d", deepest);
}

static void print_and_raise(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	say("enter %s", signal_name(sig));
	if (sig == SIGUSR1)
		raise(SIGUSR2);
	say("leave %s", signal_name(sig));
}

CASE(handlers_nested, ALONE)
{
	on_signal(SIGUSR1, print_and_raise, 0);
	on_signal(SIGUSR2, print_and_raise, 0);
	raise(SIGUSR1);
}

CASE(handler_mask, ALONE)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = print_and_raise;
	sa.sa_flags = SA_SIGINFO;
	sigaddset(&sa.sa_mask, SIGUSR2);
	NEED(sigaction(SIGUSR1, &sa, NULL));
	on_signal(SIGUSR2, print_and_raise, 0);
	raise(SIGUSR1);
	CHECK(!is_blocked(SIGUSR2));
	CHECK(!is_blocked(SIGUSR1));
}

static void show_mask(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)info;
	say("blocked in the handler: %d %d", is_blocked(sig), is_blocked(SIGUSR2));
	say("blocked before: %d %d", sigismember(&uc->uc_sigmask, sig),
	    sigismember(&uc->uc_sigmask, SIGUSR2));
	sigaddset(&uc->uc_sigmask, SIGUSR2);
}

CASE(handler_changes_mask, ALONE)
{
	on_signal(SIGUSR1, show_mask, 0);
	raise(SIGUSR1);
	CHECK(is_blocked(SIGUSR2));
	CHECK(!is_blocked(SIGUSR1));
}

CASE(handler_reset, ALONE)
{
	struct sigaction old;

	listen_to(SIGURG, SA_RESETHAND);
	raise(SIGURG);
	SHOW(count);
	NEED(sigaction(SIGURG, NULL, &old));
	CHECK(old.sa_handler == SIG_DFL);
	raise(SIGURG);
	SHOW(count);
}

static sigjmp_buf jump;

static void jump_out(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	siglongjmp(jump, sig == SIGUSR1 ? 1 : 2);
}

CASE(handler_jumps_out, ALONE)
{
	volatile int round = 0;

	on_signal(SIGUSR1, jump_out, 0);
	while (round < 1000) {
		int got = sigsetjmp(jump, 1);

		if (got != 0) {
			round++;
			continue;
		}
		raise(SIGUSR1);
		say("not reached");
	}
	SHOW(round);
	CHECK(!is_blocked(SIGUSR1));
}

CASE(handler_jumps_mask_kept, ALONE)
{
	on_signal(SIGUSR1, jump_out, 0);
	/* without the saved mask, the signal stays blocked */
	if (sigsetjmp(jump, 0) == 0)
		raise(SIGUSR1);
	CHECK(is_blocked(SIGUSR1));
}

static void errno_spoiler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	close(-1);
}

CASE(handler_errno_shared, ALONE)
{
	on_signal(SIGUSR1, errno_spoiler, 0);
	errno = 0;
	raise(SIGUSR1);
	say("%s", errno_name(errno));
}

CASE(ignored_by_default, ALONE)
{
	SHOW(raise(SIGCHLD));
	SHOW(raise(SIGURG));
	SHOW(raise(SIGWINCH));
	SHOW(raise(SIGCONT));
	say("alive");
}

/* ---- masks ---- */

CASE(mask_holds_back, ALONE)
{
	listen_to(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR1);
	SHOW(count);
	CHECK(is_pending(SIGUSR1));
	CHECK(!is_pending(SIGUSR2));
	block(SIG_UNBLOCK, SIGUSR1);
	/* two of a standard signal are one */
	SHOW(count);
	CHECK(!is_pending(SIGUSR1));
}

CASE(mask_realtime_queues, ALONE)
{
	listen_to(SIGRTMIN + 1, 0);
	block(SIG_BLOCK, SIGRTMIN + 1);
	for (int i = 0; i < 5; i++)
		raise(SIGRTMIN + 1);
	block(SIG_UNBLOCK, SIGRTMIN + 1);
	SHOW(count);
}

CASE(mask_ignored_dropped, ALONE)
{
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	CHECK(is_pending(SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	CHECK(!is_pending(SIGUSR1));
	raise(SIGUSR1);
	say("after ignoring: pending %d", is_pending(SIGUSR1));
}

CASE(mask_operations, ALONE)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	SHOW(sigprocmask(SIG_SETMASK, &set, &old));
	SHOW(sigismember(&old, SIGUSR1));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	SHOW(sigprocmask(SIG_BLOCK, &set, &old));
	SHOW(sigismember(&old, SIGUSR1));
	CHECK(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
	SHOW(sigprocmask(SIG_UNBLOCK, &set, NULL));
	CHECK(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
	sigfillset(&set);
	SHOW(sigprocmask(SIG_SETMASK, &set, NULL));
	CHECK(!is_blocked(SIGKILL) && !is_blocked(SIGSTOP));
	CHECK(is_blocked(SIGSEGV));
}

CASE(mask_errors, ALONE)
{
	uint64_t set = 0;

	SHOW(syscall(SYS_rt_sigprocmask, 99, &set, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, 99, NULL, &set, 8));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad_ptr(), NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, bad_ptr(), 8));
	SHOW(syscall(SYS_rt_sigpending, bad_ptr(), 8));
	SHOW(syscall(SYS_rt_sigpending, &set, 16));
}

static void print_number(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	if (sig >= SIGRTMIN)
		say("real-time %d", sig - SIGRTMIN);
	else
		say("%s", signal_name(sig));
}

CASE(mask_delivery_order, ALONE)
{
	sigset_t all, none;

	on_signal(SIGUSR1, print_number, 0);
	on_signal(SIGHUP, print_number, 0);
	on_signal(SIGRTMIN + 2, print_number, 0);
	on_signal(SIGRTMIN + 1, print_number, 0);
	sigfillset(&all);
	sigemptyset(&none);
	NEED(sigprocmask(SIG_SETMASK, &all, NULL));
	raise(SIGRTMIN + 2);
	raise(SIGUSR1);
	raise(SIGRTMIN + 1);
	raise(SIGHUP);
	/*
	 * All at once: Linux pushes a frame for each in rising order, so the
	 * handlers run from the last to the first.
	 */
	NEED(sigprocmask(SIG_SETMASK, &none, NULL));
}

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
