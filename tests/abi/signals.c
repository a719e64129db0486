/*
 * Signals sent on purpose: handlers, masks, queues. Waiting for them is in
 * signal_waits.c, what the processor raises in faults.c, deaths in exits.c.
 */
#include <setjmp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "signalling.h"

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
