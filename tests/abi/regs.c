/*
 * Registers over system calls: all that Linux keeps is kept, however the
 * program makes the call and however often. The assembly is in regs_asm.S.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

struct regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rflags, rsp;
	uint64_t red_zone[16];
	uint64_t xmm[32];
};

_Static_assert(offsetof(struct regs, rflags) == 120, "regs_asm.S counts on it");
_Static_assert(offsetof(struct regs, red_zone) == 136, "regs_asm.S counts on it");
_Static_assert(offsetof(struct regs, xmm) == 264, "regs_asm.S counts on it");

typedef void site(const struct regs *in, struct regs *out);

site regs_plain, regs_mov_getpid, regs_mov64_getpid, regs_gap_getpid;
site regs_reg_getpid, regs_xor_read, regs_mov_sched_yield;
site regs_mov_clock_gettime, regs_mov_write, regs_mov_unknown;
site regs_two_in_a_row, regs_tight_loop, regs_jump_into;

/* All that a program may have set, without and with the direction flag. */
#define FLAGS_NONE      0x202ul
#define FLAGS_ALL       0xad7ul
#define FLAGS_DIRECTION 0xed7ul

/* Each register gets a value of its own; arguments are set afterwards. */
static struct regs pattern(uint64_t flags)
{
	struct regs r;
	uint64_t *word = (uint64_t *)&r;

	for (size_t i = 0; i < sizeof(r) / 8; i++)
		word[i] = 0x0101010101010101u * (i + 1) ^ 0xf0e0d0c0b0a09080u;
	r.rflags = flags;
	r.rsp = 0;
	return r;
}

#define OFFSET(name)                                   \
	{                                              \
		offsetof(struct regs, name) / 8, #name \
	}

static const struct {
	size_t word;
	const char *name;
} kept[] = { OFFSET(rbx), OFFSET(rdx), OFFSET(rsi),    OFFSET(rdi), OFFSET(rbp),
	     OFFSET(r8),  OFFSET(r9),  OFFSET(r10),    OFFSET(r12), OFFSET(r13),
	     OFFSET(r14), OFFSET(r15), OFFSET(rflags), OFFSET(rsp) };

static int compare(const struct regs *in, const struct regs *out)
{
	const uint64_t *a = (const uint64_t *)in, *b = (const uint64_t *)out;
	int changed = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (a[kept[i].word] != b[kept[i].word]) {
			say("changed: %s", kept[i].name);
			changed++;
		}
	if (memcmp(in->red_zone, out->red_zone, sizeof(in->red_zone)) != 0) {
		say("changed: red zone");
		changed++;
	}
	for (int i = 0; i < 16; i++)
		if (memcmp(in->xmm + 2 * i, out->xmm + 2 * i, 16) != 0) {
			say("changed: xmm%d", i);
			changed++;
		}
	return changed;
}

/* Some rounds of one call site with one set of arguments, in 100 ms: returns how many. */
static int rounds(const char *label, site *call, struct regs in, uint64_t want)
{
	static const uint64_t flags[] = { FLAGS_NONE, FLAGS_ALL, FLAGS_DIRECTION };
	struct regs out;
	int changed = 0, wrong = 0, i;

	/* the first trap, later ones are patched: all must be the same. Calls
	 * that sleep are not patched so soon. */
	int64_t begin = clock_ns(CLOCK_MONOTONIC);
	for (i = 0; i < 300 && changed == 0; i++) {
		if (i > 12 && clock_ns(CLOCK_MONOTONIC) - begin > 100000000)
			break;
		in.rflags = flags[i % 3];
		memset(&out, 0xee, sizeof(out));
		call(&in, &out);
		changed += compare(&in, &out);
		wrong += out.rax != want;
	}
	say("%s: %d changed, %d wrong results", label, changed, wrong);
	return i;
}

static struct regs call3(long nr, uint64_t a, uint64_t b, uint64_t c)
{
	struct regs r = pattern(FLAGS_NONE);

	r.rax = (uint64_t)nr;
	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	return r;
}

#define P(x) ((uint64_t)(uintptr_t)(x))

CASE(regs_getpid_sites)
{
	struct regs in = pattern(FLAGS_NONE);
	uint64_t pid = (uint64_t)getpid();

	in.rax = SYS_getpid;
	rounds("number from memory", regs_plain, in, pid);
	rounds("mov $39, %eax", regs_mov_getpid, in, pid);
	rounds("mov $39, %rax", regs_mov64_getpid, in, pid);
	rounds("with a gap", regs_gap_getpid, in, pid);
	rounds("from a register", regs_reg_getpid, in, pid);
}

CASE(regs_jump_to_syscall_itself)
{
	struct regs in = pattern(FLAGS_NONE);

	rounds("the place", regs_mov_getpid, in, (uint64_t)getpid());
	in.rax = SYS_getppid;
	rounds("another number", regs_jump_into, in, (uint64_t)getppid());
	in.rax = SYS_getuid;
	rounds("and another", regs_jump_into, in, (uint64_t)getuid());
	rounds("the place again", regs_mov_getpid, in, (uint64_t)getpid());
}

CASE(regs_two_calls_in_a_row)
{
	rounds("getpid, getppid", regs_two_in_a_row, pattern(FLAGS_NONE), (uint64_t)getppid());
}

CASE(regs_loop_around_call, ALONE)
{
	struct regs in = pattern(FLAGS_NONE), out;

	for (int i = 0; i < 10; i++)
		regs_tight_loop(&in, &out);
	CHECK(out.rax == (uint64_t)getpid());
	SHOW(out.rbp);
	CHECK(out.rsp == 0 && out.rbx == in.rbx && out.r15 == in.r15);
}

CASE(regs_unknown_call)
{
	rounds("mov $1000, %eax", regs_mov_unknown, pattern(FLAGS_NONE), (uint64_t)-ENOSYS);
	rounds("-1", regs_plain, call3(-1, 1, 2, 3), (uint64_t)-ENOSYS);
}

CASE(regs_errors)
{
	rounds("close(-1)", regs_plain, call3(SYS_close, -1ul, 0, 0), (uint64_t)-EBADF);
	rounds("write(1, bad, 5)", regs_mov_write, call3(SYS_write, 999, P(bad_ptr()), 5),
	       (uint64_t)-EBADF);
}

CASE(regs_bad_pointer)
{
	struct regs in = call3(SYS_read, 0, P(bad_ptr()), 8);
	int p[2];

	/* a fault inside the system call must not show */
	NEED(pipe(p));
	NEED(write(p[1], "12345678", 8));
	in.rdi = (uint64_t)p[0];
	rounds("read into nowhere", regs_plain, in, (uint64_t)-EFAULT);
	in.rsi = P(kernel_ptr());
	rounds("read into the kernel", regs_plain, in, (uint64_t)-EFAULT);
	close(p[0]);
	close(p[1]);
}

CASE(regs_write_and_read)
{
	static char buf[4096];
	struct regs out, in;
	int p[2], changed = 0;

	NEED(pipe(p));
	rounds("write", regs_mov_write, call3(SYS_write, (uint64_t)p[1], P("0123456789"), 10), 10);
	for (int i = 0; i < 12; i++) {
		in = call3(SYS_read, (uint64_t)p[0], P(buf), 10);
		regs_xor_read(&in, &out);
		/* the xor before has changed the flags: not the call's doing */
		out.rflags = in.rflags;
		changed += compare(&in, &out) + (out.rax != 10);
	}
	say("read: %d changed", changed);
	say("%.10s", buf);
	close(p[0]);
	close(p[1]);
}

CASE(regs_yield)
{
	rounds("sched_yield", regs_mov_sched_yield, pattern(FLAGS_NONE), 0);
}

CASE(regs_clock)
{
	struct timespec ts;

	rounds("clock_gettime", regs_mov_clock_gettime, call3(0, CLOCK_MONOTONIC, P(&ts), 3), 0);
	rounds("clock_gettime, bad", regs_mov_clock_gettime,
	       call3(0, CLOCK_MONOTONIC, P(bad_ptr()), 3), (uint64_t)-EFAULT);
}

CASE(regs_blocking)
{
	struct timespec ts = { 0, 1000000 };

	/* another context runs meanwhile, be it only the idle one */
	rounds("nanosleep", regs_plain, call3(SYS_nanosleep, P(&ts), 0, 0), 0);
}

CASE(regs_six_arguments)
{
	struct regs in = call3(SYS_mmap, 0, 4096, PROT_READ), out;

	in.r10 = MAP_PRIVATE | MAP_ANONYMOUS;
	in.r8 = (uint64_t)-1;
	in.r9 = 0;
	regs_plain(&in, &out);
	CHECK(out.rax < -4095ul);
	say("%d changed", compare(&in, &out));
	in = call3(SYS_munmap, out.rax, 4096, 0);
	rounds("munmap", regs_plain, in, 0);
}

CASE(regs_memory_calls)
{
	char *p = pages(4);

	rounds("mprotect", regs_plain, call3(SYS_mprotect, P(p), 4096, PROT_READ), 0);
	rounds("madvise", regs_plain, call3(SYS_madvise, P(p), 4096, MADV_DONTNEED), 0);
	rounds("brk", regs_plain, call3(SYS_brk, 0, 0, 0), (uint64_t)syscall(SYS_brk, 0));
	munmap(p, 5 * 4096);
}

static volatile int handled;

static void spoil(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm5, %%xmm5;"
			 "pcmpeqd %%xmm15, %%xmm15" ::
				 : "xmm0", "xmm5", "xmm15");
	handled++;
}

CASE(regs_signal_at_return, ALONE)
{
	on_signal(SIGUSR1, spoil, 0);
	int n = rounds("kill of oneself", regs_plain,
		       call3(SYS_kill, (uint64_t)getpid(), SIGUSR1, 0), 0);
	CHECK(handled == n);
}

static void start_ticks(int flags)
{
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } };

	on_signal(SIGALRM, spoil, flags);
	NEED(setitimer(ITIMER_REAL, &it, NULL));
}

CASE(regs_interrupted, ALONE)
{
	char c;
	int p[2];

	NEED(pipe(p));
	start_ticks(0);
	rounds("pause", regs_plain, call3(SYS_pause, 0, 0, 0), (uint64_t)-EINTR);
	rounds("read", regs_plain, call3(SYS_read, (uint64_t)p[0], P(&c), 1), (uint64_t)-EINTR);
}

static int wake[2];

static void feed(int sig, siginfo_t *info, void *context)
{
	spoil(sig, info, context);
	if (handled % 3 == 0)
		NEED(write(wake[1], "x", 1));
}

CASE(regs_restarted, ALONE)
{
	struct itimerval it = { { 0, 5000 }, { 0, 5000 } };
	char c;

	NEED(pipe(wake));
	on_signal(SIGALRM, feed, SA_RESTART);
	NEED(setitimer(ITIMER_REAL, &it, NULL));
	rounds("read, restarted", regs_plain, call3(SYS_read, (uint64_t)wake[0], P(&c), 1), 1);
}

CASE(regs_timer_between, ALONE)
{
	struct regs in = pattern(FLAGS_NONE), out;
	int changed = 0;

	/* interrupts fall on any instruction, those of patches too */
	start_ticks(SA_RESTART);
	while (handled < 10) {
		for (int i = 0; i < 200; i++) {
			regs_mov_getpid(&in, &out);
			changed += compare(&in, &out);
		}
	}
	SHOW(changed);
}

CASE(regs_float_control)
{
	unsigned mxcsr = 0x1f80 | 0x2000, after = 0, normal = 0x1f80;
	unsigned short cw = 0x27f, cw_after = 0, cw_normal = 0x37f;
	double top;

	__asm__ volatile("ldmxcsr %[m]; fldcw %[c]; fldpi;"
			 "mov $39, %%eax; syscall;"
			 "stmxcsr %[ma]; fnstcw %[ca]; fstpl %[top];"
			 "ldmxcsr %[mn]; fldcw %[cn]"
			 : [ma] "=m"(after), [ca] "=m"(cw_after), [top] "=m"(top)
			 : [m] "m"(mxcsr), [c] "m"(cw), [mn] "m"(normal), [cn] "m"(cw_normal)
			 : "rax", "rcx", "r11", "memory");
	say("%#x %#x %.6f", after, cw_after, top);
}

CASE(regs_avx)
{
	_Alignas(32) unsigned char in[64], out[64];

	for (int i = 0; i < 64; i++)
		out[i] = in[i] = (unsigned char)(i + 1);
	for (int i = 0; i < 5 && __builtin_cpu_supports("avx"); i++) {
		memset(out, 0, sizeof(out));
		__asm__ volatile("vmovdqa (%0), %%ymm2; vmovdqa 32(%0), %%ymm14;"
				 "mov $24, %%eax; syscall;"
				 "vmovdqa %%ymm2, (%1); vmovdqa %%ymm14, 32(%1);"
				 "vzeroupper" ::"r"(in),
				 "r"(out)
				 : "rax", "rcx", "r11", "xmm2", "xmm14", "memory");
	}
	CHECK(memcmp(in, out, sizeof(in)) == 0);
}

CASE(regs_across_pages)
{
	/* mov $39, %eax; syscall; ret */
	static const unsigned char code[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	bool same = true;

	need("mmap", p == MAP_FAILED ? -1 : 0);
	for (int before = 0; before <= 8; before++) {
		char *at = p + 4096 - before;

		memcpy(at, code, sizeof(code));
		for (int i = 0; i < 6; i++)
			same &= ((int (*)(void))(uintptr_t)at)() == getpid();
		memset(at, 0xcc, sizeof(code));
	}
	CHECK(same);
	munmap(p, 8192);
}

CASE(regs_last_bytes_mapped)
{
	/* the call is the last of what is mapped: no room for a longer one */
	static const unsigned char code[] = { 0xb8, 60, 0, 0, 0, 0xb8, 39, 0, 0, 0, 0x0f, 0x05 };
	char *p = pages(1);

	memcpy(p + 4096 - sizeof(code), code, sizeof(code));
	NEED(mprotect(p, 4096, PROT_READ | PROT_EXEC));
	/* it runs on into the guard page */
	say("%s", try_exec(p + 4096 - sizeof(code)));
	munmap(p, 8192);
}
