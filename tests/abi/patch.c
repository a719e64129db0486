/*
 * Text whose system calls may have been patched (guest/libos/patch.c): it
 * changes, moves, goes away, is stepped through and read. What the registers
 * are like after a call is in regs.c.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi.h"

#define OFTEN 400 /* calls after which every site that can be patched is */

typedef long function(void);

/* patch_sites.S */
typedef long site(long a, long b, long c);
extern site site_arguments_behind, site_number_in_register, site_copies, site_constants,
	site_red_zone, site_jumped_into, site_flags, site_load;
extern const char site_load_mov[], site_load_load[];

/* mov $nr,%eax; syscall; ret */
static void write_call(char *at, unsigned nr)
{
	const unsigned char code[] = { 0xb8, nr & 0xff, nr >> 8, 0, 0, 0x0f, 0x05, 0xc3 };

	memcpy(at, code, sizeof(code));
}

static char *text_page(unsigned nr)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need("mmap", p == MAP_FAILED ? -1 : 0);
	write_call(p, nr);
	NEED(mprotect(p, 4096, PROT_READ | PROT_EXEC));
	return p;
}

static bool all_calls(char *at, long want)
{
	bool same = true;

	for (int i = 0; i < OFTEN; i++)
		same &= ((function *)(uintptr_t)at)() == want;
	return same;
}

CASE(patch_then_rewrite)
{
	char *p = text_page(SYS_getpid);

	check("getpid", all_calls(p, getpid()));
	NEED(mprotect(p, 4096, PROT_READ | PROT_WRITE));
	/* the text is the program's own again, to read and to change in part */
	check("as written", (unsigned char)p[0] == 0xb8 && p[1] == SYS_getpid);
	p[1] = SYS_getppid;
	NEED(mprotect(p, 4096, PROT_READ | PROT_EXEC));
	check("getppid", all_calls(p, getppid()));
	munmap(p, 4096);
}

CASE(patch_then_move)
{
	char *p = text_page(SYS_getpid), *q;

	check("getpid", all_calls(p, getpid()));
	q = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, q + 32768);
	need("mremap", q == MAP_FAILED ? -1 : 0);
	check("moved", all_calls(q, getpid()));
}

CASE(patch_then_replace)
{
	char *p = text_page(SYS_getpid);

	for (int i = 0; i < 6; i++) {
		unsigned nr = i % 2 ? SYS_getpid : SYS_getppid;
		char *q = mmap(p, 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		need("mmap", q == MAP_FAILED ? -1 : 0);
		write_call(p, nr);
		NEED(mprotect(p, 4096, PROT_READ | PROT_EXEC));
		check("replaced", all_calls(p, i % 2 ? getpid() : getppid()));
	}
}

CASE(patch_many_sites)
{
	/* more than a page of thunks holds, at every place in eight bytes */
	char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool same = true;

	need("mmap", p == MAP_FAILED ? -1 : 0);
	memset(p, 0xcc, 16384);
	for (int i = 0; i < 300; i++)
		write_call(p + 16 + 27 * i, i % 2 ? SYS_getpid : SYS_getppid);
	NEED(mprotect(p, 16384, PROT_READ | PROT_EXEC));
	for (int i = 0; i < 300; i++)
		same &= all_calls(p + 16 + 27 * i, i % 2 ? getpid() : getppid());
	CHECK(same);
	munmap(p, 16384);
}

static const struct {
	const char *name;
	site *call;
} sites[] = {
	{ "arguments behind the number", site_arguments_behind },
	{ "number in a register", site_number_in_register },
	{ "copies", site_copies },
	{ "constants", site_constants },
	{ "red zone", site_red_zone },
	{ "jumped into", site_jumped_into },
};

/* Each site, as often as it takes, and more often. */
CASE(patch_sites)
{
	for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
		bool same = true;

		for (int n = 0; n < OFTEN; n++)
			same &= sites[i].call(0, n, 3) == getppid();
		check(sites[i].name, same);
	}
}

/* What jumps to behind the instruction that was replaced finds what was there. */
CASE(patch_jumped_into)
{
	bool same = true;

	for (int n = 0; n < OFTEN; n++)
		same &= site_jumped_into(n % 3, 1, 2) == getppid();
	CHECK(same);
}

CASE(patch_flags)
{
	long worst = 2;

	for (int n = 0; n < OFTEN; n++) {
		long flags = site_flags(1, 2, 3);

		worst = flags < worst ? flags : worst;
	}
	SHOW(worst);
}

static volatile uintptr_t fault_at;
static long good = 5;

static void fault(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	fault_at = (uintptr_t)regs[REG_RIP];
	regs[REG_RDI] = (greg_t)(uintptr_t)&good;
}

/* An instruction between the number and the SYSCALL faults, is seen where the
 * program has it, and works once its register was mended. */
CASE(patch_fault_between, ALONE)
{
	bool same = true;

	on_signal(SIGSEGV, fault, 0);
	for (int n = 0; n < OFTEN; n++) {
		bool bad = n % 50 == 49;

		fault_at = 0;
		same &= site_load(bad ? 8 : (long)(uintptr_t)&good, 0, 0) == getppid();
		same &= fault_at == (bad ? (uintptr_t)site_load_load : 0);
	}
	CHECK(same);
}

static volatile int steps, in_text;
static volatile uintptr_t text, first_rip, last_rip;

static void step(int sig, siginfo_t *info, void *context)
{
	uintptr_t rip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	steps++;
	if (rip - text >= 8)
		return;
	if (in_text++ == 0)
		first_rip = rip;
	last_rip = rip;
}

/* calls f with the trap flag set */
static long call_stepping(function *f)
{
	long result;

	__asm__ volatile("sub $128, %%rsp; pushfq; orl $0x100, (%%rsp); popfq;"
			 "call *%[f];"
			 "pushfq; andl $~0x100, (%%rsp); popfq; add $128, %%rsp"
			 : "=a"(result)
			 : [f] "b"(f)
			 : "rcx", "r11", "memory", "cc");
	return result;
}

CASE(patch_then_step, ALONE)
{
	char *p = text_page(SYS_getpid);

	text = (uintptr_t)p;
	on_signal(SIGTRAP, step, 0);
	check("getpid", all_calls(p, getpid()));
	for (int i = 0; i < 3; i++) {
		in_text = 0;
		check("stepped", call_stepping((function *)text) == getpid());
		/* before mov, before syscall, before ret */
		say("%d stops, from %d to %d", in_text, (int)(first_rip - text),
		    (int)(last_rip - text));
	}
	check("and again", all_calls(p, getpid()));
}

static volatile uintptr_t site_start, site_end;
static volatile int site_steps;

static void step_site(int sig, siginfo_t *info, void *context)
{
	uintptr_t rip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	site_steps += rip - site_start < site_end - site_start;
}

/* Stepping sees each instruction of a site, patched or not. */
CASE(patch_then_step_site, ALONE)
{
	on_signal(SIGTRAP, step_site, 0);
	site_start = (uintptr_t)site_load_mov;
	site_end = (uintptr_t)site_load_load + 6; /* and its RET */
	for (int i = 0; i < 3; i++) {
		long result;

		for (int n = 0; n < OFTEN; n++)
			site_load((long)(uintptr_t)&good, 0, 0);
		site_steps = 0;
		__asm__ volatile("sub $128, %%rsp; pushfq; orl $0x100, (%%rsp); popfq;"
				 "call site_load;"
				 "pushfq; andl $~0x100, (%%rsp); popfq; add $128, %%rsp"
				 : "=a"(result)
				 : "D"(&good)
				 : "rcx", "rdx", "r11", "memory", "cc");
		check("stepped", result == getppid());
		SHOW(site_steps);
	}
}

static volatile int outside, ticks;

static void tick(int sig, siginfo_t *info, void *context)
{
	uintptr_t rip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	char line[200], *rest;
	uintptr_t start, end;
	FILE *maps = fopen("/proc/self/maps", "r");

	(void)sig;
	(void)info;
	/* the program is always at code of its own */
	while (maps && fgets(line, sizeof(line), maps)) {
		start = strtoul(line, &rest, 16);
		end = strtoul(rest + 1, NULL, 16);
		if (rip >= start && rip < end)
			outside += strstr(line, "thunk") != NULL;
	}
	if (maps)
		fclose(maps);
	ticks++;
}

CASE(patch_signals, ALONE)
{
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } };
	char *p = text_page(SYS_getpid);
	bool same = true;

	on_signal(SIGALRM, tick, SA_RESTART);
	NEED(setitimer(ITIMER_REAL, &it, NULL));
	while (ticks < 100) {
		same &= all_calls(p, getpid());
		for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++)
			for (int n = 0; n < OFTEN; n++)
				same &= sites[i].call(0, 2, 3) == getppid();
	}
	CHECK(same);
	SHOW(outside);
}

/* The file that the text comes from stays as it is. */
CASE(patch_own_file)
{
	static char before[65536], after[65536];
	int fd = open("/proc/self/exe", O_RDONLY);
	bool same = true;

	NEED(fd);
	for (int i = 0; i < OFTEN; i++)
		getppid();
	for (off_t at = 0; same; at += sizeof(before)) {
		ssize_t n = pread(fd, before, sizeof(before), at);

		if (n <= 0)
			break;
		for (int i = 0; i < 40; i++)
			same &= pread(fd, after, sizeof(after), at) == n;
		same &= memcmp(before, after, (size_t)n) == 0;
	}
	CHECK(same);
	close(fd);
}

/* ---- more than one vCPU in the text at once */

#define RUNNERS 4

static char *shared_text;
static volatile int go;
static volatile bool ended;
static int wrong_results;

/* Each site when the others do, from the first call on. */
static void *run_sites(void *arg)
{
	const long pid = getpid(), parent = getppid();

	__atomic_add_fetch(&go, 1, __ATOMIC_RELAXED);
	while (go < RUNNERS)
		;
	for (int i = 0; i < 300; i++)
		for (int n = 0; n < 40; n++) {
			long got = ((function *)(uintptr_t)(shared_text + 16 + 27 * i))();

			if (got != (i % 2 ? pid : parent))
				__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
		}
	return arg;
}

static void fill_text(void)
{
	shared_text = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need("mmap", shared_text == MAP_FAILED ? -1 : 0);
	memset(shared_text, 0xcc, 16384);
	for (int i = 0; i < 300; i++)
		write_call(shared_text + 16 + 27 * i, i % 2 ? SYS_getpid : SYS_getppid);
	NEED(mprotect(shared_text, 16384, PROT_READ | PROT_EXEC));
}

/* Sites are patched while others run through them: they do the old or the new. */
CASE(patch_by_all, ALONE)
{
	for (int round = 0; round < 3; round++) {
		pthread_t t[RUNNERS];

		fill_text();
		go = 0;
		for (int i = 0; i < RUNNERS; i++)
			NEED(pthread_create(&t[i], NULL, run_sites, NULL) ? -1 : 0);
		for (int i = 0; i < RUNNERS; i++)
			pthread_join(t[i], NULL);
		munmap(shared_text, 16384);
	}
	SHOW(wrong_results);
}

static void *run_until_ended(void *arg)
{
	const long pid = getpid(), parent = getppid();

	while (!ended)
		for (int i = 0; i < 300; i++)
			if (((function *)(uintptr_t)(shared_text + 16 + 27 * i))() !=
			    (i % 2 ? pid : parent))
				__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
	return arg;
}

/* And patches are taken back while others run there: text that becomes writable is
 * the program's own again, and is patched anew when it no longer is. */
CASE(patch_taken_back_by_one, ALONE)
{
	pthread_t t[RUNNERS];
	bool own = true;

	fill_text();
	for (int i = 0; i < RUNNERS; i++)
		NEED(pthread_create(&t[i], NULL, run_until_ended, NULL) ? -1 : 0);
	for (int n = 0; n < 30; n++) {
		struct timespec ms = { 0, 1000000 };

		nanosleep(&ms, NULL);
		NEED(mprotect(shared_text, 16384, PROT_READ | PROT_WRITE | PROT_EXEC));
		for (int i = 0; i < 300; i++) {
			const unsigned char *p = (unsigned char *)shared_text + 16 + 27 * i;

			own &= p[0] == 0xb8 && p[5] == 0x0f && p[6] == 0x05;
		}
		NEED(mprotect(shared_text, 16384, PROT_READ | PROT_EXEC));
	}
	ended = true;
	for (int i = 0; i < RUNNERS; i++)
		pthread_join(t[i], NULL);
	SHOW(wrong_results);
	CHECK(own);
}

/* A site that is patched waits, is interrupted, and is begun again by SA_RESTART. */
static int restart_pipe[2];

static void feed(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	if (++ticks == 3)
		NEED(write(restart_pipe[1], "x", 1));
}

static long read_by_site(const char *p, char *byte)
{
	long result;

	__asm__ volatile("call *%[p]"
			 : "=a"(result)
			 : [p] "r"(p), "D"(restart_pipe[0]), "S"(byte), "d"(1)
			 : "rcx", "r11", "memory");
	return result;
}

CASE(patch_restarted, ALONE)
{
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };
	char *p = text_page(SYS_read), byte = 0;
	bool same = true;

	NEED(pipe(restart_pipe));
	for (int i = 0; i < OFTEN; i++)
		same &= write(restart_pipe[1], "y", 1) == 1 && read_by_site(p, &byte) == 1;
	check("as often as it takes", same && byte == 'y');
	for (int i = 0; i < 2; i++) {
		ticks = 0;
		on_signal(SIGALRM, feed, i ? 0 : SA_RESTART);
		NEED(setitimer(ITIMER_REAL, &often, NULL));
		say("%s: %ld", i ? "interrupted" : "restarted", read_by_site(p, &byte));
		NEED(setitimer(ITIMER_REAL, &never, NULL));
		check("signals", i ? ticks >= 1 : ticks >= 3);
	}
}
