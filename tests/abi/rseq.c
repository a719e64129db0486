/*
 * Restartable sequences, and membarrier(2). What libc has registered for the
 * thread (glibc does, musl does not) gives way to an area of our own first.
 */
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "abi.h"
#include "threading.h"

#define SIGNATURE 0x53053053 /* glibc's */
#define LEN       32

#define RSEQ_FLAG_UNREGISTER 1

/* What musl-gcc has no header for. */
struct section {
	uint32_t version, flags;
	uint64_t start_ip, post_commit_offset, abort_ip;
} __attribute__((aligned(32)));
struct area {
	uint32_t cpu_id_start, cpu_id;
	uint64_t rseq_cs;
	uint32_t flags, node_id, mm_cid, rest;
} __attribute__((aligned(32)));

extern const unsigned __rseq_size __attribute__((weak));
extern const ptrdiff_t __rseq_offset __attribute__((weak));

static __thread struct area mine;

static long rseq(void *area, unsigned len, int flags, unsigned signature)
{
	return syscall(SYS_rseq, area, len, flags, signature);
}

static void *of_libc(void)
{
	if (!&__rseq_size || !__rseq_size)
		return NULL;
	return (char *)__builtin_thread_pointer() + __rseq_offset;
}

static void begin(void)
{
	if (of_libc())
		NEED(rseq(of_libc(), LEN, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	memset(&mine, 0xff, sizeof(mine));
	mine.flags = 0;
	NEED(rseq(&mine, LEN, 0, SIGNATURE));
}

static void end(void)
{
	NEED(rseq(&mine, LEN, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	if (of_libc())
		NEED(rseq(of_libc(), LEN, 0, SIGNATURE));
}

CASE(rseq_register, SINCE(6, 3))
{
	struct area other;
	begin();
	CHECK(mine.cpu_id == mine.cpu_id_start && mine.cpu_id < 1024);
	CHECK(mine.rseq_cs == 0);
	SHOW(mine.node_id);
	CHECK(mine.mm_cid <= mine.cpu_id || mine.mm_cid < 64);
	SHOW(rseq(&mine, LEN, 0, SIGNATURE));
	SHOW(rseq(&mine, LEN, 0, 1));
	SHOW(rseq(&mine, LEN * 2, 0, SIGNATURE));
	SHOW(rseq(&other, LEN, 0, SIGNATURE));
	SHOW(rseq(&other, LEN, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	SHOW(rseq(&mine, LEN * 2, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	SHOW(rseq(&mine, LEN, RSEQ_FLAG_UNREGISTER, 1));
	SHOW(rseq(&mine, LEN, RSEQ_FLAG_UNREGISTER | 2, SIGNATURE));
	SHOW(rseq(&mine, LEN, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	SHOW((int)mine.cpu_id);
	SHOW(mine.cpu_id_start);
	SHOW(rseq(&mine, LEN, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	SHOW(rseq(NULL, LEN, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	NEED(rseq(&mine, LEN, 0, SIGNATURE));
	end();
}

CASE(rseq_bad_area, SINCE(6, 3))
{
	char *page = pages(1);
	struct area *area = (struct area *)page;
	if (of_libc())
		NEED(rseq(of_libc(), LEN, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	SHOW(rseq(area, LEN, 2, SIGNATURE));
	SHOW(rseq(area, LEN - 1, 0, SIGNATURE));
	SHOW(rseq(area, 0, 0, SIGNATURE));
	SHOW(rseq(page + 8, LEN, 0, SIGNATURE));
	SHOW(rseq(page + 16, LEN * 2, 0, SIGNATURE));
	SHOW(rseq(NULL, LEN, 0, SIGNATURE));
	SHOW(rseq(page + 4096, LEN, 0, SIGNATURE));
	SHOW(rseq((void *)((uintptr_t)kernel_ptr() & ~31ul), LEN, 0, SIGNATURE));
	memset(area, 0xff, sizeof(*area));
	NEED(mprotect(page, 4096, PROT_READ));
	SHOW(rseq(area, LEN, 0, SIGNATURE));
	NEED(mprotect(page, 4096, PROT_READ | PROT_WRITE));
	SHOW(rseq(area, LEN * 2, 0, SIGNATURE));
	SHOW(rseq(area, LEN * 2, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	if (of_libc())
		NEED(rseq(of_libc(), LEN, 0, SIGNATURE));
}

CASE(rseq_readonly_area, ALONE)
{
	char *page = pages(1);
	if (of_libc())
		NEED(rseq(of_libc(), LEN, RSEQ_FLAG_UNREGISTER, SIGNATURE));
	NEED(mprotect(page, 4096, PROT_READ));
	SHOW(rseq(page, LEN, 0, SIGNATURE));
}

/* Stays in its sequence until *stop or until it is aborted: 1, or 0. */
static int stay(const volatile int *stop, volatile int *inside)
{
	int aborted;
	asm volatile(".pushsection .data.rel.local, \"aw\"\n\t"
		     ".balign 32\n"
		     "3:\t.long 0, 0\n\t"
		     ".quad 1f, 2f - 1f, 4f\n\t"
		     ".popsection\n\t"
		     "lea 3b(%%rip), %%rax\n\t"
		     "mov %%rax, %[cs]\n"
		     "1:\tmovl $1, %[inside]\n\t"
		     "cmpl $0, %[stop]\n\t"
		     "je 1b\n"
		     "2:\txor %[aborted], %[aborted]\n\t"
		     "jmp 5f\n\t"
		     ".byte 0x0f, 0xb9, 0x3d\n\t" /* ud1 with the signature as its address */
		     ".long 0x53053053\n"
		     "4:\tmov $1, %[aborted]\n"
		     "5:"
		     : [aborted] "=&r"(aborted), [cs] "=m"(mine.rseq_cs), [inside] "=m"(*inside)
		     : [stop] "m"(*stop)
		     : "rax", "memory", "cc");
	return aborted;
}

static volatile int stop, inside, handled;
static volatile uint64_t seen;

static void on_alarm(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
	seen = mine.rseq_cs;
	handled++;
}

CASE(rseq_signal_aborts)
{
	const struct itimerval soon = { .it_value.tv_usec = 20000 };
	begin();
	on_signal(SIGALRM, on_alarm, 0);
	NEED(setitimer(ITIMER_REAL, &soon, NULL));
	int aborted = 0; /* by others that want the CPU, too */
	while (!handled)
		aborted += stay(&stop, &inside);
	CHECK(aborted > 0);
	SHOW((long)seen);
	SHOW((long)mine.rseq_cs);
	end();
}

/* One more computes on the CPU that the sequence stays on. */
static void *compute(void *unused)
{
	while (!stop)
		;
	return unused;
}

static void *sequence(void *aborted)
{
	begin();
	*(int *)aborted = stay(&stop, &inside);
	stop = 1;
	end();
	return NULL;
}

static void one_cpu(cpu_set_t *old)
{
	cpu_set_t set;
	NEED(sched_getaffinity(0, sizeof(*old), old));
	CPU_ZERO(&set);
	for (int i = 0; !CPU_COUNT(&set); i++)
		if (CPU_ISSET(i, old))
			CPU_SET(i, &set);
	NEED(sched_setaffinity(0, sizeof(set), &set));
}

CASE(rseq_preemption_aborts)
{
	cpu_set_t old;
	pthread_t a, b;
	int aborted = -1;
	stop = 0;
	one_cpu(&old);
	start(&a, sequence, &aborted);
	start(&b, compute, NULL);
	finish(a);
	finish(b);
	SHOW(aborted);
	NEED(sched_setaffinity(0, sizeof(old), &old));
}

CASE(rseq_follows_its_cpu)
{
	cpu_set_t old, set;
	unsigned cpu, wrong = 0;
	NEED(sched_getaffinity(0, sizeof(old), &old));
	begin();
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &old))
			continue;
		CPU_ZERO(&set);
		CPU_SET(i, &set);
		NEED(sched_setaffinity(0, sizeof(set), &set));
		NEED(syscall(SYS_getcpu, &cpu, NULL, NULL));
		wrong += mine.cpu_id != cpu || mine.cpu_id_start != cpu || cpu != (unsigned)i;
	}
	SHOW(wrong);
	end();
	NEED(sched_setaffinity(0, sizeof(old), &old));
}

static const uint32_t abort_code[] = { 0, SIGNATURE, 0 };

/* A sequence that the program is not in. */
static struct section elsewhere(void)
{
	return (struct section){ .start_ip = (uintptr_t)bad_ptr(),
				 .post_commit_offset = 16,
				 .abort_ip = (uintptr_t)&abort_code[2] };
}

static void signal_with(const struct section *cs)
{
	begin();
	on_signal(SIGALRM, on_alarm, 0);
	mine.rseq_cs = (uintptr_t)cs;
	raise(SIGALRM);
	SHOW(handled);
	SHOW((long)mine.rseq_cs);
	end();
}

CASE(rseq_outside_its_sequence)
{
	const struct section cs = elsewhere();
	handled = 0;
	signal_with(&cs);
}

CASE(rseq_version, ALONE)
{
	struct section cs = elsewhere();
	cs.version = 1;
	signal_with(&cs);
}

CASE(rseq_signature, ALONE)
{
	struct section cs = elsewhere();
	cs.abort_ip -= 4;
	signal_with(&cs);
}

CASE(rseq_abort_inside, ALONE)
{
	struct section cs = elsewhere();
	cs.start_ip = cs.abort_ip - 8;
	signal_with(&cs);
}

CASE(rseq_wraps, ALONE)
{
	struct section cs = elsewhere();
	cs.post_commit_offset = -16ull;
	signal_with(&cs);
}

CASE(rseq_not_mapped, ALONE)
{
	signal_with(bad_ptr());
}

CASE(rseq_of_the_kernel, ALONE)
{
	signal_with(kernel_ptr());
}

/* ---- membarrier */

enum {
	QUERY,
	GLOBAL = 1 << 0,
	GLOBAL_EXPEDITED = 1 << 1,
	REGISTER_GLOBAL_EXPEDITED = 1 << 2,
	PRIVATE = 1 << 3,
	PRIVATE_SYNC_CORE = 1 << 5,
	PRIVATE_RSEQ = 1 << 7,
	GET_REGISTRATIONS = 1 << 9,
};
#define FLAG_CPU 1

static long membarrier(int command, unsigned flags, int cpu)
{
	return syscall(SYS_membarrier, command, flags, cpu);
}

static void kind(int command)
{
	SHOW(membarrier(command, 0, 0));
	SHOW(membarrier(command << 1, 0, 0));
	SHOW(membarrier(command, 0, 0));
	SHOW(membarrier(command << 1, 0, 0));
	SHOW(membarrier(GET_REGISTRATIONS, 0, 0));
}

CASE(membarrier_kinds, ALONE, SINCE(6, 3))
{
	const int all = GLOBAL | PRIVATE | PRIVATE_SYNC_CORE | PRIVATE_RSEQ;
	CHECK((membarrier(QUERY, 0, 0) & all) == all);
	SHOW(membarrier(QUERY, 1, 0));
	SHOW(membarrier(GLOBAL_EXPEDITED, 0, 0));
	SHOW(membarrier(GET_REGISTRATIONS, 0, 0));
	kind(PRIVATE_SYNC_CORE);
	kind(PRIVATE);
	kind(PRIVATE_RSEQ);
	SHOW(membarrier(REGISTER_GLOBAL_EXPEDITED, 0, 0));
	SHOW(membarrier(GET_REGISTRATIONS, 0, 0));
	SHOW(membarrier(PRIVATE_RSEQ, FLAG_CPU, 0));
	SHOW(membarrier(PRIVATE_RSEQ, FLAG_CPU, 100000));
	SHOW(membarrier(PRIVATE_RSEQ, 2, 0));
	SHOW(membarrier(PRIVATE, FLAG_CPU, 0));
	SHOW(membarrier(GLOBAL | GLOBAL_EXPEDITED, 0, 0));
}
