/*
 * rseq: counters of each CPU, which threads increase without an atomic operation,
 * in restartable sequences: does every one count? And does membarrier(2) get a
 * thread on another CPU out of its sequence? Prints "good", or what went wrong.
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST     64 /* CPUs */
#define ROUNDS   300000
#define SPAN_SEC 20 /* more than anything here takes */

static struct {
	volatile uint64_t n;
} __attribute__((aligned(64))) counters[MOST];

static struct rseq *area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/* A sequence of `body` from its first instruction to its last; RAX and RCX are its
 * own. To `label` when it was aborted. */
#define SEQUENCE(body)                                                           \
	".pushsection .data.rel.local, \"aw\"\n\t"                               \
	".balign 32\n"                                                           \
	"3:\t.long 0, 0\n\t"                                                     \
	".quad 1f, 2f - 1f, 4f\n\t"                                              \
	".popsection\n\t"                                                        \
	".pushsection .text.unlikely, \"ax\"\n\t"                                \
	".byte 0x0f, 0xb9, 0x3d\n\t" /* ud1 with the signature as its address */ \
	".long 0x53053053\n"                                                     \
	"4:\tjmp %l[aborted]\n\t"                                                \
	".popsection\n\t"                                                        \
	"lea 3b(%%rip), %%rax\n\t"                                               \
	"mov %%rax, %[cs]\n"                                                     \
	"1:\t" body "\n"                                                         \
	"2:"

/* False: not done, something came between. The increment is the last instruction,
 * its parts are apart so that there is a between. */
static bool count(void)
{
	unsigned cpu = *(volatile unsigned *)&area()->cpu_id_start;
	asm goto(SEQUENCE("cmp %[cpu], %[now]\n\t"
			  "jne %l[aborted]\n\t"
			  "mov (%[n]), %%rcx\n\t"
			  "inc %%rcx\n\t"
			  "pause\n\t"
			  "mov %%rcx, (%[n])")
		 :
		 : [cs] "m"(area()->rseq_cs), [now] "m"(area()->cpu_id), [cpu] "r"(cpu),
		   [n] "r"(&counters[cpu].n)
		 : "rax", "rcx", "memory", "cc"
		 : aborted);
	return true;
aborted:
	return false;
}

static void *increase(void *retries)
{
	for (int i = 0; i < ROUNDS; i++) {
		while (!count())
			++*(unsigned long *)retries;
		if (i % 100000 == 0)
			sched_yield();
	}
	return NULL;
}

static bool counters_are_right(int cpus)
{
	enum { THREADS = 12 };
	pthread_t t[THREADS];
	unsigned long retries[THREADS] = { 0 }, all = 0, used = 0, interrupted = 0;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, increase, &retries[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		interrupted += retries[i];
	}
	for (int i = 0; i < MOST; i++) {
		all += counters[i].n;
		used += counters[i].n != 0;
	}
	if (all == (unsigned long)THREADS * ROUNDS && used <= (unsigned)cpus)
		return true;
	printf("%lu counted of %d on %lu CPUs, %lu times again\n", all, THREADS * ROUNDS, used,
	       interrupted);
	return false;
}

static atomic_int inside, aborts, over;

static void *stay(void *unused)
{
	inside = 1 + sched_getcpu();
	while (!over) {
		asm goto(SEQUENCE("cmpl $0, %[over]\n\t"
				  "je 1b")
			 :
			 : [cs] "m"(area()->rseq_cs), [over] "m"(over)
			 : "rax", "memory", "cc"
			 : aborted);
		break;
	aborted:
		aborts++;
	}
	return unused;
}

static long membarrier(int command, unsigned flags, int cpu)
{
	return syscall(SYS_membarrier, command, flags, cpu);
}

/* Again until it took effect: the thread may not have been inside yet. */
static bool aborts_after(unsigned flags)
{
	int before = aborts;
	for (time_t end = time(NULL) + SPAN_SEC; time(NULL) < end;) {
		if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, flags, inside - 1))
			return false;
		for (int i = 0; i < 1000000; i++)
			if (aborts != before)
				return true;
	}
	return false;
}

static bool barrier_aborts(void)
{
	pthread_t t;
	bool good = !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
	pthread_create(&t, NULL, stay, NULL);
	while (!inside)
		;
	for (int i = 0; i < 100; i++)
		good = good && aborts_after(i % 2 ? MEMBARRIER_CMD_FLAG_CPU : 0);
	over = 1;
	pthread_join(t, NULL);
	if (!good)
		printf("membarrier aborted %d sequences\n", aborts);
	return good;
}

int main(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	bool good = __rseq_size != 0;
	if (!good)
		printf("libc has no rseq\n");
	good = good && counters_are_right((int)cpus) && (cpus < 2 || barrier_aborts());
	if (good)
		printf("good\n");
	return !good;
}
