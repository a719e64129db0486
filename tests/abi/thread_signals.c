/*
 * Threads that are cancelled, and signals to threads.
 */
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "threading.h"

/* ---- cancellation ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void cleans(void *arg)
{
	*(int *)arg = 1;
}

static int cleaned;
static void *cancelled_in_read(void *arg)
{
	char c;
	pthread_cleanup_push(cleans, &cleaned);
	(void)!read(*(int *)arg, &c, 1);
	pthread_cleanup_pop(0);
	return NULL;
}

static void unlocks(void *m)
{
	pthread_mutex_unlock(m);
}

static void *cancelled_in_cond(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlocks, &mutex);
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *cancelled_asynchronously(void *arg)
{
	int old;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	*(volatile int *)arg = 1;
	while (*(volatile int *)arg)
		;
	return NULL;
}

CASE(cancel)
{
	int fd[2];
	volatile int ready = 0;
	pthread_t t;
	void *result;
	cleaned = 0;
	NEED(pipe(fd));
	start(&t, cancelled_in_read, &fd[0]);
	until_all_wait();
	ERROR(pthread_cancel(t));
	pthread_join(t, &result);
	CHECK(result == PTHREAD_CANCELED);
	CHECK(cleaned == 1);
	start(&t, cancelled_in_cond, NULL);
	until_all_wait();
	ERROR(pthread_cancel(t));
	pthread_join(t, &result);
	CHECK(result == PTHREAD_CANCELED);
	ERROR(pthread_mutex_trylock(&mutex));
	pthread_mutex_unlock(&mutex);
	start(&t, cancelled_asynchronously, (void *)&ready);
	while (!ready)
		nap(1);
	ERROR(pthread_cancel(t));
	pthread_join(t, &result);
	CHECK(result == PTHREAD_CANCELED);
	close(fd[0]);
	close(fd[1]);
}

/* ---- signals ---- */

static atomic_int handled_by;
static void notes_thread(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	handled_by = syscall(SYS_gettid);
}

static atomic_int sleeper_tid;
static void *sleeps(void *arg)
{
	struct timespec ts = { 5, 0 };
	sleeper_tid = syscall(SYS_gettid);
	return (void *)(long)(nanosleep(&ts, NULL) == -1 && errno == EINTR && !arg);
}

CASE(signal_to_thread)
{
	pthread_t t;
	void *interrupted;
	handled_by = sleeper_tid = 0;
	on_signal(SIGUSR1, notes_thread, 0);
	start(&t, sleeps, NULL);
	while (!sleeper_tid)
		nap(1);
	until_all_wait();
	ERROR(pthread_kill(t, SIGUSR1));
	pthread_join(t, &interrupted);
	CHECK(interrupted != NULL);
	CHECK(handled_by == sleeper_tid);
	signal(SIGUSR1, SIG_DFL);
}

static void *takes_process_signals(void *arg)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return sleeps(arg);
}

/* the only thread that does not block it gets it */
CASE(signal_to_process)
{
	sigset_t set, old;
	pthread_t t;
	void *interrupted;
	handled_by = sleeper_tid = 0;
	on_signal(SIGUSR2, notes_thread, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	start(&t, takes_process_signals, NULL);
	while (!sleeper_tid)
		nap(1);
	until_all_wait();
	SHOW(kill(getpid(), SIGUSR2));
	pthread_join(t, &interrupted);
	CHECK(interrupted != NULL);
	CHECK(handled_by == sleeper_tid);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	signal(SIGUSR2, SIG_DFL);
}

static void *waits_for_signals(void *arg)
{
	sigset_t set;
	int sig, sum = 0;
	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	for (int i = 0; i < 4; i++) {
		if (!sigwait(&set, &sig))
			sum += sig == SIGUSR1 ? 1 : 100;
	}
	return (void *)(long)sum;
}

CASE(sigwait_thread)
{
	sigset_t set, old;
	pthread_t t;
	void *sum;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	start(&t, waits_for_signals, NULL);
	kill(getpid(), SIGRTMIN + 3);
	kill(getpid(), SIGRTMIN + 3);
	until_all_wait();
	kill(getpid(), SIGUSR1);
	until_all_wait();
	pthread_kill(t, SIGRTMIN + 3);
	pthread_join(t, &sum);
	SHOW((long)sum);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void *inherits_mask(void *arg)
{
	sigset_t set, pending;
	(void)arg;
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	CHECK(sigismember(&set, SIGUSR1));
	CHECK(!sigismember(&set, SIGUSR2));
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGUSR1));
	stack_t ss;
	sigaltstack(NULL, &ss);
	CHECK(ss.ss_flags == SS_DISABLE);
	return NULL;
}

CASE(mask_is_inherited)
{
	static char alt[65536];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) }, off = { .ss_flags = SS_DISABLE };
	sigset_t set, old, pending;
	pthread_t t;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	sigaltstack(&ss, NULL);
	raise(SIGUSR1); /* to this thread only */
	start(&t, inherits_mask, NULL);
	finish(t);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR1, SIG_DFL);
	sigaltstack(&off, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static atomic_int spin_stop;
static void stops_spin(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	spin_stop = 1;
}
static void *spins_until_signal(void *arg)
{
	*(volatile int *)arg = 1;
	while (!spin_stop)
		;
	return NULL;
}

CASE(signal_to_running)
{
	volatile int running = 0;
	pthread_t t;
	spin_stop = 0;
	on_signal(SIGUSR1, stops_spin, 0);
	start(&t, spins_until_signal, (void *)&running);
	while (!running)
		sched_yield();
	ERROR(pthread_kill(t, SIGUSR1));
	finish(t);
	SHOW(spin_stop);
	signal(SIGUSR1, SIG_DFL);
}

CASE(signal_numbers)
{
	SHOW(syscall(SYS_tgkill, getpid(), 0x7ffffff0, SIGUSR1));
	SHOW(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 65));
	SHOW(syscall(SYS_tgkill, 0x7ffffff0, syscall(SYS_gettid), 0));
	SHOW(syscall(SYS_tgkill, 0, syscall(SYS_gettid), 0));
	SHOW(syscall(SYS_tkill, -1, 0));
	SHOW(syscall(SYS_tkill, syscall(SYS_gettid), 0));
}
