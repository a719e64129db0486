/*
 * Threads: making and ending them, what each has, and the calls below all that
 * with wrong arguments.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "threading.h"

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
	while (syscall(SYS_tgkill, getpid(), (int)(long)other, 0) == 0)
		nap(1); /* it is joined before it is gone */
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
	long before = threads_line();
	SHOW(before);
	pthread_mutex_lock(&gate);
	start(&t, waits_at_gate, (void *)&tid);
	while (!tid)
		nap(1);
	until_all_wait();
	SHOW(threads_line());
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	int fd = open(path, O_RDONLY);
	SHOW_OK(fd);
	SHOW(read(fd, comm, sizeof(comm)));
	say("%s", comm);
	close(fd);
	pthread_mutex_unlock(&gate);
	finish(t);
	while (threads_line() != before)
		nap(1); /* it is joined before it is gone */
	SHOW(threads_line());
	SHOW(open(path, O_RDONLY));
}

static bool young;

static void *burns(void *maker)
{
	until_it_waits(maker); /* or it waits in the kernel, which is its own time */
	int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	young &= before < 100 * MS;
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - before < 10 * MS)
		;
	return NULL;
}

CASE(cpu_clocks)
{
	int64_t mine, all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	int tid = (int)syscall(SYS_gettid);
	pthread_t t;
	young = true;
	/* what a busy host takes away from under a VM counts, now and then */
	for (int i = 0; i < 10; i++) {
		mine = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		start(&t, burns, &tid);
		finish(t);
		mine = clock_ns(CLOCK_THREAD_CPUTIME_ID) - mine;
		if (mine < 9 * MS)
			break;
	}
	CHECK(young);
	CHECK(mine < 9 * MS);
	CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - all >= 9 * MS);
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

/* ---- who goes first, on one processor ---- */

static int places[8];
static atomic_int place, spinning;
static sem_t go;

static void stay_on_first(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	NEED(sched_setaffinity(0, sizeof(set), &set));
}

static void *waits_with_priority(void *arg)
{
	int priority = (int)(long)arg;
	stay_on_first();
	if (priority)
		NEED(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &priority));
	else
		priority = 9;
	spinning++;
	while (sem_wait(&go))
		;
	places[place++] = priority;
	return NULL;
}

/* All become ready while a thread that goes before them runs. */
CASE(realtime_order, ALONE)
{
	const long priorities[] = { 2, 0, 4, 1, 3 };
	pthread_t t[5];
	int highest = 50;
	sem_init(&go, 0, 0);
	spinning = place = 0;
	stay_on_first();
	for (int i = 0; i < 5; i++)
		start(&t[i], waits_with_priority, (void *)priorities[i]);
	while (spinning < 5)
		nap(1);
	until_all_wait();
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &highest));
	for (int i = 0; i < 5; i++)
		sem_post(&go);
	SHOW(place);
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	say("%d %d %d %d %d", places[0], places[1], places[2], places[3], places[4]);
}

static atomic_int over;
static volatile long turns[2];

static void *counts_turns(void *arg)
{
	long me = (long)arg;
	stay_on_first();
	if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), me ? 10 : 0))
		say("not nice");
	spinning++;
	while (!over)
		turns[me]++;
	return NULL;
}

static bool nice_one_waits(void)
{
	return turns[1] > 0 && turns[0] > 3 * turns[1];
}

/* Measured in their own time: beside others, 300 ms of the clock may be no turn for them.
 * And for longer where a busy host took a VM's time from one of them. */
CASE(nice_threads_wait)
{
	pthread_t t[2];
	bool waits = false;
	spinning = over = 0;
	turns[0] = turns[1] = 0;
	start(&t[0], counts_turns, (void *)0);
	start(&t[1], counts_turns, (void *)1);
	while (spinning < 2)
		nap(1);
	turns[0] = turns[1] = 0;
	for (int i = 0; i < 10 && !waits; i++) {
		int64_t from = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - from < 300 * MS)
			nap(10);
		waits = nice_one_waits();
	}
	over = 1;
	finish(t[0]);
	finish(t[1]);
	CHECK(waits);
}

static atomic_int sleeper;
static long changes;

static void *sleeps_shortly(void *arg)
{
	const struct timespec shortest = { .tv_nsec = 1 };
	int me = (int)(long)arg;
	stay_on_first();
	spinning++;
	while (spinning < 2)
		sched_yield();
	for (int i = 0; i < 300; i++) {
		changes += atomic_exchange(&sleeper, me) != me;
		nanosleep(&shortest, NULL);
	}
	return NULL;
}

/* Or a thread that does so while it holds a lock most of the time keeps all others out. */
CASE(short_sleeps_let_others_run)
{
	pthread_t t[2];
	spinning = 0;
	changes = 0;
	start(&t[0], sleeps_shortly, (void *)0);
	start(&t[1], sleeps_shortly, (void *)1);
	finish(t[0]);
	finish(t[1]);
	CHECK(changes > 100);
}
