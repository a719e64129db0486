/*
 * Threads: making and ending them, what they share and what each has, locks
 * and other things made of futexes, signals to threads, and the calls below
 * all that with wrong arguments.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/epoll.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define MS 1000000

/* musl-gcc has no <linux/...> */
#define PRIVATE                    128
#define FUTEX_WAIT_PRIVATE         (0 | PRIVATE)
#define FUTEX_WAKE_PRIVATE         (1 | PRIVATE)
#define FUTEX_REQUEUE_PRIVATE      (3 | PRIVATE)
#define FUTEX_CMP_REQUEUE_PRIVATE  (4 | PRIVATE)
#define FUTEX_WAKE_OP_PRIVATE      (5 | PRIVATE)
#define FUTEX_WAIT_BITSET_PRIVATE  (9 | PRIVATE)
#define FUTEX_WAKE_BITSET_PRIVATE  (10 | PRIVATE)
#define FUTEX_OP(op, arg, cmp, to) ((op) << 28 | (cmp) << 24 | (arg) << 12 | (to))
enum { OP_SET, OP_ADD };
enum { CMP_EQ, CMP_GT = 4 };
#define BARRIER_GLOBAL            1
#define BARRIER_PRIVATE_EXPEDITED 8
#define BARRIER_REGISTER_PRIVATE  16
#ifndef CLONE_DETACHED
#define CLONE_DETACHED 0x400000
#endif
struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};

static void start(pthread_t *t, void *(*f)(void *), void *arg)
{
	int error = pthread_create(t, NULL, f, arg);
	if (error) {
		say("cannot make a thread: %s", errno_name(error));
		_exit(99);
	}
}

static void finish(pthread_t t)
{
	NEED(pthread_join(t, NULL) ? -1 : 0);
}

static void nap(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * MS };
	nanosleep(&ts, NULL);
}

static void show_error(const char *label, int error)
{
	say("%s: %s", label, error ? errno_name(error) : "0");
}
#define ERROR(expr) show_error(#expr, (expr))

static struct timespec after(int clock, long ms)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * MS;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

/* ---- making, ending ---- */

static void *times_ten(void *arg)
{
	return (void *)((long)arg * 10);
}

CASE(create_join)
{
	pthread_t t[8];
	void *result;
	long sum = 0;
	for (long i = 0; i < 8; i++)
		start(&t[i], times_ten, (void *)i);
	for (int i = 0; i < 8; i++) {
		ERROR(pthread_join(t[i], &result));
		sum += (long)result;
	}
	SHOW(sum);
}

static int detached_pipe[2];
static void *writes_one(void *arg)
{
	(void)arg;
	(void)!write(detached_pipe[1], "x", 1);
	return NULL;
}

CASE(detached)
{
	pthread_attr_t attr;
	pthread_t t;
	char c[4] = { 0 };
	NEED(pipe(detached_pipe));
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 4; i++) {
		ERROR(pthread_create(&t, &attr, writes_one, NULL));
		SHOW(read(detached_pipe[0], c, 1));
	}
	close(detached_pipe[0]);
	close(detached_pipe[1]);
	nap(5);
}

CASE(many_in_turn)
{
	pthread_t t;
	void *result;
	long sum = 0;
	for (long i = 0; i < 300; i++) {
		start(&t, times_ten, (void *)i);
		pthread_join(t, &result);
		sum += (long)result;
	}
	SHOW(sum);
}

static pthread_barrier_t together;
static atomic_int arrived;
static void *meets(void *arg)
{
	(void)arg;
	arrived++;
	int r = pthread_barrier_wait(&together);
	return (void *)(long)(r == PTHREAD_BARRIER_SERIAL_THREAD);
}

CASE(many_at_once)
{
	enum { N = 200 };
	static pthread_t t[N];
	pthread_attr_t attr;
	void *result;
	long serial = 0;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_barrier_init(&together, NULL, N + 1);
	arrived = 0;
	for (int i = 0; i < N; i++)
		NEED(pthread_create(&t[i], &attr, meets, NULL) ? -1 : 0);
	serial += pthread_barrier_wait(&together) == PTHREAD_BARRIER_SERIAL_THREAD;
	SHOW(arrived);
	for (int i = 0; i < N; i++) {
		pthread_join(t[i], &result);
		serial += (long)result;
	}
	SHOW(serial);
	pthread_barrier_destroy(&together);
}

static void *exits_process(void *arg)
{
	say("the process ends");
	exit((int)(long)arg);
}

CASE(exit_by_thread, ALONE)
{
	pthread_t t;
	start(&t, exits_process, (void *)7L);
	for (;;)
		pause();
}

static void *late(void *arg)
{
	nap(20);
	say("still here");
	return arg;
}

CASE(leader_exits_first, ALONE)
{
	pthread_t t;
	say("leader goes");
	start(&t, late, NULL);
	pthread_exit(NULL);
}

static void *late_raw_exit(void *arg)
{
	nap(20);
	say("last");
	syscall(SYS_exit, (long)arg);
	return NULL;
}

CASE(last_status_counts, ALONE)
{
	pthread_t t;
	start(&t, late_raw_exit, (void *)3L);
	syscall(SYS_exit, 5);
}

static void *crashes(void *arg)
{
	*(volatile int *)arg = 1;
	return NULL;
}

CASE(crash_ends_all, ALONE)
{
	pthread_t t;
	start(&t, crashes, bad_ptr());
	for (;;)
		pause();
}

/* ---- what each has ---- */

static __thread int own = 5;
static pthread_key_t key;
static atomic_int destroyed;
static void destructor(void *p)
{
	destroyed += (int)(long)p;
}

static void *uses_tls(void *arg)
{
	int before = own;
	own = (int)(long)arg;
	pthread_setspecific(key, arg);
	sched_yield();
	nap(1);
	return (void *)(long)(before == 5 && own == (int)(long)arg &&
			      pthread_getspecific(key) == arg);
}

CASE(tls)
{
	pthread_t t[5];
	void *good;
	destroyed = 0;
	pthread_key_create(&key, destructor);
	for (long i = 0; i < 5; i++)
		start(&t[i], uses_tls, (void *)(i + 1));
	for (int i = 0; i < 5; i++) {
		pthread_join(t[i], &good);
		CHECK(good != NULL);
	}
	SHOW(own);
	SHOW(destroyed);
	pthread_key_delete(key);
}

static void *floats(void *arg)
{
	double x = (double)(long)arg;
	double y = x;
	unsigned mxcsr, mine = 0x1f80 | ((unsigned)(long)arg & 3) << 13;
	unsigned short cw, my_cw = 0x37f & ~(((unsigned)(long)arg & 1) << 9);
	asm volatile("ldmxcsr %0" : : "m"(mine));
	asm volatile("fldcw %0" : : "m"(my_cw));
	for (int i = 0; i < 50; i++) {
		asm volatile("" : "+x"(x));
		sched_yield();
		asm volatile("" : "+x"(x));
		y = y + 1;
		x = x + 1;
	}
	asm volatile("stmxcsr %0" : "=m"(mxcsr));
	asm volatile("fnstcw %0" : "=m"(cw));
	return (void *)(long)(x == y && x == (double)((long)arg + 50) &&
			      (mxcsr & 0x6000) == (mine & 0x6000) && cw == my_cw);
}

CASE(float_state)
{
	pthread_t t[6];
	void *good;
	for (long i = 0; i < 6; i++)
		start(&t[i], floats, (void *)i);
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], &good);
		CHECK(good != NULL);
	}
}

static atomic_int spinning;
static void *spins(void *arg)
{
	register double a asm("xmm8") = (double)(long)arg;
	for (;;) {
		asm volatile("" : "+x"(a));
		if (!spinning)
			break;
	}
	return (void *)(long)(a == (double)(long)arg);
}

/* more than there may be vCPUs, each never leaving the CPU by itself */
CASE(time_slices)
{
	pthread_t t[6];
	void *good;
	spinning = 1;
	for (long i = 0; i < 6; i++)
		start(&t[i], spins, (void *)(i + 100));
	nap(30);
	spinning = 0;
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], &good);
		CHECK(good != NULL);
	}
}

static void *shows_ids(void *arg)
{
	pid_t *main_tid = arg;
	CHECK(syscall(SYS_gettid) != *main_tid);
	CHECK(syscall(SYS_getpid) == getpid());
	CHECK(getppid() != 0 || getppid() == 0);
	return (void *)syscall(SYS_gettid);
}

CASE(ids)
{
	pid_t tid = syscall(SYS_gettid);
	pthread_t t;
	void *other;
	start(&t, shows_ids, &tid);
	pthread_join(t, &other);
	CHECK((long)other > tid);
	SHOW(syscall(SYS_tgkill, getpid(), (int)(long)other, 0));
}

static void *names_itself(void *arg)
{
	char name[16];
	(void)arg;
	prctl(PR_SET_NAME, "worker");
	prctl(PR_GET_NAME, name);
	say("thread: %s", name);
	return NULL;
}

CASE(names)
{
	char before[16], now[16];
	pthread_t t;
	prctl(PR_GET_NAME, before);
	start(&t, names_itself, NULL);
	finish(t);
	prctl(PR_GET_NAME, now);
	CHECK(!strcmp(before, now));
}

static long threads_line(void)
{
	char line[256];
	long n = -1;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %ld", &n);
	if (f)
		fclose(f);
	return n;
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *waits_at_gate(void *arg)
{
	prctl(PR_SET_NAME, "gatekeeper");
	*(int *)arg = syscall(SYS_gettid);
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return NULL;
}

CASE(proc_task)
{
	volatile int tid = 0;
	char path[64], comm[32] = "";
	pthread_t t;
	SHOW(threads_line());
	pthread_mutex_lock(&gate);
	start(&t, waits_at_gate, (void *)&tid);
	while (!tid)
		nap(1);
	nap(2);
	SHOW(threads_line());
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	int fd = open(path, O_RDONLY);
	SHOW_OK(fd);
	SHOW(read(fd, comm, sizeof(comm)));
	say("%s", comm);
	close(fd);
	pthread_mutex_unlock(&gate);
	finish(t);
	nap(2);
	SHOW(threads_line());
	SHOW(open(path, O_RDONLY));
}

static void *burns(void *arg)
{
	(void)arg;
	int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	CHECK(before < 100 * MS);
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - before < 10 * MS)
		;
	return NULL;
}

CASE(cpu_clocks)
{
	int64_t mine = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int64_t all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	pthread_t t;
	start(&t, burns, NULL);
	finish(t);
	CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) - mine < 9 * MS);
	CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - all >= 9 * MS);
}

/* ---- locks and their like ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static void *counts(void *arg)
{
	for (long i = 0; i < (long)arg; i++) {
		pthread_mutex_lock(&mutex);
		long c = counter;
		if (i % 64 == 0)
			sched_yield();
		counter = c + 1;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

CASE(mutex_counts)
{
	pthread_t t[6];
	counter = 0;
	for (int i = 0; i < 6; i++)
		start(&t[i], counts, (void *)2000L);
	for (int i = 0; i < 6; i++)
		finish(t[i]);
	SHOW(counter);
}

CASE(mutex_errors)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;
	struct timespec ts = after(CLOCK_REALTIME, 5);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&m, &attr);
	ERROR(pthread_mutex_unlock(&m));
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_trylock(&m));
	ERROR(pthread_mutex_unlock(&m));
	pthread_mutex_destroy(&m);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_NORMAL);
	pthread_mutex_init(&m, &attr);
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_timedlock(&m, &ts));
	ERROR(pthread_mutex_unlock(&m));
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&m, &attr);
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_unlock(&m));
	ERROR(pthread_mutex_unlock(&m));
}

static pthread_mutex_t robust;
static void *dies_holding(void *arg)
{
	pthread_mutex_lock(&robust);
	nap((long)arg);
	return NULL;
}

static void robust_init(void)
{
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
}

CASE(robust_mutex)
{
	pthread_t t;
	robust_init();
	start(&t, dies_holding, (void *)0L);
	finish(t);
	ERROR(pthread_mutex_lock(&robust));
	ERROR(pthread_mutex_consistent(&robust));
	ERROR(pthread_mutex_unlock(&robust));
	ERROR(pthread_mutex_lock(&robust));
	ERROR(pthread_mutex_unlock(&robust));
}

CASE(robust_mutex_waiter)
{
	pthread_t t;
	robust_init();
	start(&t, dies_holding, (void *)20L);
	nap(5);
	ERROR(pthread_mutex_lock(&robust)); /* it dies while this waits */
	ERROR(pthread_mutex_unlock(&robust)); /* not made consistent */
	ERROR(pthread_mutex_lock(&robust));
	finish(t);
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;
static void *takes_turns(void *arg)
{
	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != (int)(long)arg)
			pthread_cond_wait(&cond, &mutex);
		turn = (turn + 1) % 4;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

CASE(cond_turns)
{
	pthread_t t[4];
	turn = 0;
	for (long i = 0; i < 4; i++)
		start(&t[i], takes_turns, (void *)i);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	SHOW(turn);
}

CASE(cond_timeout)
{
	struct timespec ts = after(CLOCK_REALTIME, 10);
	int64_t begin = clock_ns(CLOCK_MONOTONIC);
	pthread_mutex_lock(&mutex);
	ERROR(pthread_cond_timedwait(&cond, &mutex, &ts));
	pthread_mutex_unlock(&mutex);
	CHECK(clock_ns(CLOCK_MONOTONIC) - begin >= 9 * MS);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int readers, writers, wrong;
static void *reads_and_writes(void *arg)
{
	for (int i = 0; i < 200; i++) {
		if ((i + (long)arg) % 5) {
			pthread_rwlock_rdlock(&rwlock);
			readers++;
			wrong += writers != 0;
			sched_yield();
			readers--;
		} else {
			pthread_rwlock_wrlock(&rwlock);
			writers++;
			wrong += writers != 1 || readers != 0;
			sched_yield();
			writers--;
		}
		pthread_rwlock_unlock(&rwlock);
	}
	return NULL;
}

CASE(rwlock_excludes)
{
	pthread_t t[5];
	wrong = 0;
	for (long i = 0; i < 5; i++)
		start(&t[i], reads_and_writes, (void *)i);
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	SHOW(wrong);
	ERROR(pthread_rwlock_wrlock(&rwlock));
	ERROR(pthread_rwlock_tryrdlock(&rwlock));
	ERROR(pthread_rwlock_unlock(&rwlock));
}

static sem_t items, places;
static int box[4];
static void *produces(void *arg)
{
	(void)arg;
	for (int i = 1; i <= 500; i++) {
		sem_wait(&places);
		box[i % 4] = i;
		sem_post(&items);
	}
	return NULL;
}

CASE(semaphores)
{
	pthread_t t;
	long sum = 0;
	struct timespec ts = after(CLOCK_REALTIME, 5);
	sem_init(&items, 0, 0);
	sem_init(&places, 0, 4);
	SHOW(sem_timedwait(&items, &ts));
	SHOW(sem_trywait(&items));
	start(&t, produces, NULL);
	for (int i = 1; i <= 500; i++) {
		sem_wait(&items);
		sum += box[i % 4];
		sem_post(&places);
	}
	finish(t);
	SHOW(sum);
}

static atomic_int once_runs;
static void runs_once(void)
{
	nap(2);
	once_runs++;
}
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *calls_once(void *arg)
{
	pthread_once(&once, runs_once);
	return (void *)(long)(once_runs == 1 && !arg);
}

CASE(once_only)
{
	pthread_t t[4];
	void *good;
	for (int i = 0; i < 4; i++)
		start(&t[i], calls_once, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &good);
		CHECK(good != NULL);
	}
}

/* ---- cancellation ---- */

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
	nap(5);
	ERROR(pthread_cancel(t));
	pthread_join(t, &result);
	CHECK(result == PTHREAD_CANCELED);
	CHECK(cleaned == 1);
	start(&t, cancelled_in_cond, NULL);
	nap(5);
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
	nap(3);
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
	nap(3);
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
	nap(5);
	kill(getpid(), SIGUSR1);
	nap(5);
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

/* ---- waiting of all kinds, several at once ---- */

static int pipe_fd[2];
static atomic_int got;
static void *reads_one(void *arg)
{
	char c;
	(void)arg;
	if (read(pipe_fd[0], &c, 1) == 1)
		got++;
	return NULL;
}

CASE(readers_of_one_pipe)
{
	pthread_t t[4];
	got = 0;
	NEED(pipe(pipe_fd));
	for (int i = 0; i < 4; i++)
		start(&t[i], reads_one, NULL);
	nap(3);
	SHOW(write(pipe_fd[1], "abcd", 4));
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	SHOW(got);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void *pumps(void *arg)
{
	int *fd = arg;
	char buf[512];
	long n, all = 0;
	while ((n = read(fd[0], buf, sizeof(buf))) > 0) {
		all += n;
		for (long done = 0, m; done < n; done += m)
			if ((m = write(fd[1], buf + done, n - done)) < 0)
				return NULL;
	}
	close(fd[1]);
	return (void *)all;
}

CASE(pipeline)
{
	enum { STAGES = 4 };
	int p[STAGES + 1][2], ends[STAGES][2];
	pthread_t t[STAGES];
	static char out[3000], in[3000];
	void *n;
	long total = 0;
	for (int i = 0; i <= STAGES; i++)
		NEED(i % 2 ? socketpair(AF_UNIX, SOCK_STREAM, 0, p[i]) : pipe(p[i]));
	for (int i = 0; i < STAGES; i++) {
		ends[i][0] = p[i][0];
		ends[i][1] = p[i + 1][1];
		start(&t[i], pumps, ends[i]);
	}
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7);
	SHOW(write(p[0][1], out, sizeof(out)));
	close(p[0][1]);
	for (long m; (m = read(p[STAGES][0], in + total, sizeof(in) - total)) > 0;)
		total += m;
	SHOW(total);
	CHECK(!memcmp(in, out, sizeof(in)));
	for (int i = 0; i < STAGES; i++) {
		pthread_join(t[i], &n);
		SHOW((long)n);
		close(p[i][0]);
	}
	close(p[STAGES][0]);
}

static void *polls(void *arg)
{
	struct pollfd p[2] = { { .fd = ((int *)arg)[0], .events = POLLIN },
			       { .fd = ((int *)arg)[1], .events = POLLIN } };
	return (void *)(long)(poll(p, 2, 2000) == 1 && p[0].revents == POLLIN);
}

static void *epolls(void *arg)
{
	struct epoll_event e = { 0 };
	return (void *)(long)(epoll_wait(*(int *)arg, &e, 1, 2000) == 1 && e.data.u32 == 77);
}

CASE(pollers)
{
	int a[2], b[2], set = epoll_create1(0);
	int fds[2];
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 77 };
	pthread_t t[4];
	void *good;
	NEED(pipe(a));
	NEED(pipe(b));
	NEED(epoll_ctl(set, EPOLL_CTL_ADD, a[0], &e));
	fds[0] = a[0];
	fds[1] = b[0];
	for (int i = 0; i < 4; i++)
		start(&t[i], i % 2 ? polls : epolls, i % 2 ? (void *)fds : &set);
	nap(5);
	SHOW(write(a[1], "x", 1));
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &good);
		CHECK(good != NULL);
	}
	close(a[0]), close(a[1]), close(b[0]), close(b[1]), close(set);
}

static void *naps(void *arg)
{
	int64_t begin = clock_ns(CLOCK_MONOTONIC);
	nap((long)arg);
	int64_t took = clock_ns(CLOCK_MONOTONIC) - begin;
	return (void *)(long)(took >= (long)arg * MS);
}

CASE(sleepers)
{
	pthread_t t[6];
	void *good;
	int64_t begin = clock_ns(CLOCK_MONOTONIC);
	for (long i = 0; i < 6; i++)
		start(&t[i], naps, (void *)(30 - i * 4));
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], &good);
		CHECK(good != NULL);
	}
	CHECK(clock_ns(CLOCK_MONOTONIC) - begin < 1000l * MS);
}

/* ---- futexes ---- */

static uint32_t word, word2;
static long futex(uint32_t *addr, int op, uint32_t val, const void *timeout, uint32_t *addr2,
		  uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static atomic_int woken, in_wait;
static void *waits_on_word(void *arg)
{
	struct timespec ts = { 3, 0 };
	in_wait++;
	if (!futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0))
		woken++;
	return arg;
}

static void *waits_on_bits(void *arg)
{
	in_wait++;
	if (!futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(long)arg))
		woken += (int)(long)arg;
	return NULL;
}

static void wait_for(int n)
{
	while (in_wait < n)
		nap(1);
	nap(10);
}

CASE(futex_wake_counts)
{
	pthread_t t[5];
	in_wait = woken = 0;
	word = 0;
	for (int i = 0; i < 5; i++)
		start(&t[i], waits_on_word, NULL);
	wait_for(5);
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	SHOW(woken);
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

CASE(futex_bitset)
{
	pthread_t t[3];
	in_wait = woken = 0;
	word = 0;
	for (long i = 0; i < 3; i++)
		start(&t[i], waits_on_bits, (void *)(1l << i));
	wait_for(3);
	SHOW(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 8));
	SHOW(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2));
	finish(t[1]);
	SHOW(woken);
	SHOW(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 5));
	finish(t[0]);
	finish(t[2]);
	SHOW(woken);
}

CASE(futex_requeue)
{
	pthread_t t[5];
	in_wait = woken = 0;
	word = word2 = 0;
	for (int i = 0; i < 5; i++)
		start(&t[i], waits_on_word, NULL);
	wait_for(5);
	SHOW(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &word2, 1));
	SHOW(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &word2, 0));
	SHOW(futex(&word2, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)10L, &word2, 0));
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	SHOW(futex(&word2, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	SHOW(woken);
}

CASE(futex_wake_op)
{
	pthread_t t[3];
	in_wait = woken = 0;
	word = 0;
	word2 = 5;
	for (int i = 0; i < 3; i++)
		start(&t[i], waits_on_word, NULL);
	wait_for(3);
	SHOW(futex(&word2, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &word,
		   FUTEX_OP(OP_ADD, 3, CMP_EQ, 0)));
	SHOW(word);
	SHOW(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &word2,
		   FUTEX_OP(OP_SET, 9, CMP_GT, 7)));
	SHOW(word2);
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	SHOW(woken);
}

/* ---- the calls themselves ---- */

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

CASE(clone_errors)
{
	SHOW(syscall(SYS_clone, CLONE_THREAD, NULL, NULL, NULL, NULL));
	SHOW(syscall(SYS_clone, CLONE_THREAD | CLONE_VM, NULL, NULL, NULL, NULL));
	SHOW(syscall(SYS_clone, CLONE_SIGHAND, NULL, NULL, NULL, NULL));
	SHOW(syscall(SYS_clone, THREAD | CLONE_NEWUSER, NULL, NULL, NULL, NULL));
	SHOW(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, NULL, NULL, NULL, NULL));
	SHOW(syscall(SYS_clone, THREAD | CLONE_SETTLS, pages(1), NULL, NULL, kernel_ptr()));
}

CASE(clone3_errors)
{
	struct clone3_args a = { .flags = THREAD };
	SHOW(syscall(SYS_clone3, &a, 0));
	SHOW(syscall(SYS_clone3, &a, 63));
	SHOW(syscall(SYS_clone3, &a, 5000));
	SHOW(syscall(SYS_clone3, bad_ptr(), sizeof(a)));
	a.exit_signal = SIGCHLD;
	SHOW(syscall(SYS_clone3, &a, sizeof(a)));
	a.exit_signal = 0;
	a.stack = 4096;
	SHOW(syscall(SYS_clone3, &a, sizeof(a)));
	a.stack = 0;
	a.stack_size = 4096;
	SHOW(syscall(SYS_clone3, &a, sizeof(a)));
	a.stack = (uint64_t)kernel_ptr();
	SHOW(syscall(SYS_clone3, &a, sizeof(a)));
	a.stack = a.stack_size = 0;
	a.flags = CLONE_THREAD;
	SHOW(syscall(SYS_clone3, &a, sizeof(a)));
	a.flags = THREAD | CLONE_DETACHED;
	SHOW(syscall(SYS_clone3, &a, sizeof(a)));
	a.flags = THREAD | 1;
	SHOW(syscall(SYS_clone3, &a, sizeof(a)));
	struct {
		struct clone3_args a;
		uint64_t more;
	} larger = { .more = 1 };
	SHOW(syscall(SYS_clone3, &larger, sizeof(larger)));
}

CASE(robust_list_calls)
{
	void *head;
	size_t len;
	SHOW(syscall(SYS_get_robust_list, 0, &head, &len));
	SHOW((long)len);
	SHOW(syscall(SYS_get_robust_list, 0x7ffffff0, &head, &len));
	SHOW(syscall(SYS_get_robust_list, 0, bad_ptr(), &len));
	SHOW(syscall(SYS_get_robust_list, 0, &head, bad_ptr()));
	SHOW(syscall(SYS_set_robust_list, head, 23));
}

CASE(membarrier_private)
{
	SHOW(syscall(SYS_membarrier, BARRIER_PRIVATE_EXPEDITED, 0x80, 0));
	SHOW(syscall(SYS_membarrier, 0x40000000, 0, 0));
	SHOW(syscall(SYS_membarrier, BARRIER_REGISTER_PRIVATE, 0, 0));
	SHOW(syscall(SYS_membarrier, BARRIER_PRIVATE_EXPEDITED, 0, 0));
	SHOW(syscall(SYS_membarrier, BARRIER_GLOBAL, 0, 0));
}

CASE(affinity_of_threads)
{
	cpu_set_t set;
	SHOW_OK(sched_getaffinity(0, sizeof(set), &set));
	CHECK(CPU_COUNT(&set) >= 1);
	SHOW(sched_getaffinity(0x7ffffff0, sizeof(set), &set));
	CPU_ZERO(&set);
	SHOW(sched_setaffinity(0, sizeof(set), &set));
	SHOW(sched_yield());
}
