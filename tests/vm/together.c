/*
 * together: do the threads of a VM run on several vCPUs at once? Prints "good",
 * or what went wrong. Each step would hang or fail with threads that take turns:
 * those that wait for each other here never let go of their vCPU by themselves,
 * and are as many as there are vCPUs, which each of them has for its own.
 */
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 16

static int cpus;
static atomic_int wrong;

static void fail(const char *what)
{
	if (!wrong++)
		printf("%s\n", what);
}

static void stay_on(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
	if (sched_getcpu() != cpu)
		fail("on another vCPU than asked for");
}

/* f(0) ... f(cpus - 1) at once, each on its own vCPU. */
static void all(void *(*f)(void *))
{
	pthread_t t[MOST];
	for (long i = 0; i < cpus; i++)
		if (pthread_create(&t[i], NULL, f, (void *)i))
			fail("pthread_create");
	for (int i = 0; i < cpus; i++)
		pthread_join(t[i], NULL);
}

/* ---- at the same time: rounds of a barrier that nobody sleeps in */

static void meet(atomic_int *arrived, int n)
{
	int ticket = (*arrived)++;
	while (*arrived < (ticket / n + 1) * n)
		;
}

static atomic_int everybody;

static void *meets(void *arg)
{
	stay_on((int)(long)arg);
	for (int round = 1; round <= 40; round++)
		meet(&everybody, cpus);
	return NULL;
}

/* ---- a word that all change with FUTEX_WAKE_OP and atomic instructions */

static _Atomic unsigned word;

static void *adds(void *arg)
{
	stay_on((int)(long)arg);
	for (int i = 0; i < 20000; i++)
		if (arg)
			word++;
		else
			syscall(SYS_futex, &word, FUTEX_WAKE_OP_PRIVATE, 1, NULL, &word,
				FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_LT, 0));
	return NULL;
}

/* ---- memory that one takes away while the others read it */

static char *page, *spare;
static atomic_int round_now, readers_done;
static _Thread_local sigjmp_buf back;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

/* Reads until the page is gone: what it reads is this round's or a fault. */
static void read_until_fault(char value)
{
	if (sigsetjmp(back, 1))
		return;
	for (;;)
		if (*(volatile char *)page != value)
			fail("read from a page that was somebody else's");
}

static void *reads(void *arg)
{
	stay_on((int)(long)arg);
	for (int round = 1; round <= 10; round++) {
		while (round_now != round)
			;
		read_until_fault((char)round);
		readers_done++;
	}
	return NULL;
}

static void map(char *at, char value)
{
	if (mmap(at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) != at)
		fail("mmap");
	*at = value;
}

static void *unmaps(void *arg)
{
	stay_on((int)(long)arg);
	for (int round = 1; round <= 10; round++) {
		map(page, (char)round);
		readers_done = 0;
		round_now = round;
		for (volatile int i = 0; i < 3000; i++)
			;
		if (round % 2 ? munmap(page, 4096) : mprotect(page, 4096, PROT_NONE))
			fail("the page does not go");
		map(spare, 99); /* perhaps the same frame */
		while (readers_done != cpus - 1)
			;
		munmap(spare, 4096);
	}
	return NULL;
}

static void *takes_away(void *arg)
{
	return arg ? reads(arg) : unmaps(arg);
}

/* ---- a signal for a thread that never enters the kernel */

static pthread_t target;
static atomic_int signals, ready;

static void count(int sig)
{
	(void)sig;
	if (!pthread_equal(pthread_self(), target))
		fail("a signal came to the wrong thread");
	signals++;
}

static void *signalled(void *arg)
{
	long me = (long)arg;
	stay_on((int)me);
	if (me == 1) {
		target = pthread_self();
		ready = 1;
		while (signals < 20)
			;
	} else if (me == 0) {
		while (!ready)
			;
		for (int i = 0; i < 20; i++) {
			pthread_kill(target, SIGUSR1);
			while (signals == i)
				;
		}
	}
	return NULL;
}

/* ---- store, barrier, load: never do both see the old value (Dekker) */

static atomic_int mine[2], seen[2], both;

static void *dekker(void *arg)
{
	long me = (long)arg;
	stay_on((int)me);
	for (int i = 1; i <= 30 && me < 2; i++) {
		meet(&both, 2);
		atomic_store_explicit(&mine[me], i, memory_order_relaxed);
		if (me == 0)
			syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
		else
			atomic_signal_fence(memory_order_seq_cst);
		seen[me] = atomic_load_explicit(&mine[!me], memory_order_relaxed);
		meet(&both, 2);
		if (me == 0 && seen[0] != i && seen[1] != i)
			fail("membarrier is none");
	}
	return NULL;
}

int main(void)
{
	struct sigaction fault = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	struct sigaction counting = { .sa_handler = count };

	cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus < 2 || cpus > MOST) {
		printf("%d vCPUs\n", cpus);
		return 1;
	}
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGUSR1, &counting, NULL);
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	page = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	spare = page + 2 * 4096;

	all(meets);
	all(adds);
	if (word != 20000u * (unsigned)cpus)
		fail("an addition was lost");
	all(takes_away);
	all(signalled);
	all(dekker);
	if (!wrong)
		puts("good");
	return wrong != 0;
}
