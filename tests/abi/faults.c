/*
 * Exceptions of the processor as signals: what the handler is told, what it
 * may change, and that it changes nothing else.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi.h"

static sigjmp_buf resume;
static int got_signal, got_code;
static uintptr_t got_address, got_rip;
static long got_error, got_trap;

static void note(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	got_signal = sig;
	got_code = info->si_code;
	got_address = (uintptr_t)info->si_addr;
	got_rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	got_error = uc->uc_mcontext.gregs[REG_ERR];
	got_trap = uc->uc_mcontext.gregs[REG_TRAPNO];
	siglongjmp(resume, 1);
}

static void catch_all(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		on_signal(sigs[i], note, 0);
}

/* Runs the statement, which must fault, and prints what the handler saw. */
#define FAULT(statement)                                                \
	do {                                                            \
		catch_all();                                            \
		if (sigsetjmp(resume, 1) == 0) {                        \
			statement;                                      \
			say("no fault");                                \
		} else {                                                \
			say("%s %s, trap %ld", signal_name(got_signal), \
			    code_name(got_signal, got_code), got_trap); \
		}                                                       \
	} while (0)

static volatile int sink;

/* ---- SIGSEGV ---- */

CASE(segv_read_unmapped, ALONE)
{
	char *p = bad_ptr();

	FAULT(sink = *(volatile int *)(p + 20));
	CHECK(got_address == (uintptr_t)p + 20);
	say("error code %ld", got_error);
}

CASE(segv_write_unmapped, ALONE)
{
	char *p = bad_ptr();

	FAULT(*(volatile int *)(p + 8) = 1);
	CHECK(got_address == (uintptr_t)p + 8);
	say("error code %ld", got_error);
}

CASE(segv_null, ALONE)
{
	FAULT(sink = *(volatile int *)launder(NULL));
	CHECK(got_address == 0);
}

CASE(segv_write_readonly, ALONE)
{
	char *p = pages(1);

	*p = 1;
	NEED(mprotect(p, 4096, PROT_READ));
	FAULT(*(volatile char *)(p + 123) = 1);
	CHECK(got_address == (uintptr_t)p + 123);
	say("error code %ld", got_error);
}

CASE(segv_prot_none, ALONE)
{
	char *p = pages(1);

	FAULT(sink = *(volatile char *)(p + 4096));
	CHECK(got_address == (uintptr_t)p + 4096);
}

CASE(segv_write_text, ALONE)
{
	volatile char *p = launder((void *)(uintptr_t)catch_all);

	FAULT(*p = 0);
	CHECK(got_address == (uintptr_t)p);
}

CASE(segv_execute_data, ALONE)
{
	char *p = pages(1);

	*p = (char)0xc3;
	FAULT(((void (*)(void))(uintptr_t)p)());
	CHECK(got_address == (uintptr_t)p);
	CHECK(got_rip == (uintptr_t)p);
	CHECK((got_error & 16) != 0);
}

CASE(segv_jump_to_nowhere, ALONE)
{
	FAULT(((void (*)(void))(uintptr_t)bad_ptr())());
	CHECK(got_address == (uintptr_t)bad_ptr());
	CHECK(got_rip == (uintptr_t)bad_ptr());
}

CASE(segv_kernel_address, ALONE)
{
	FAULT(sink = *(volatile char *)kernel_ptr());
	CHECK(got_address == (uintptr_t)kernel_ptr());
}

CASE(segv_not_canonical, ALONE)
{
	FAULT(sink = *(volatile char *)wild_ptr());
	CHECK(got_address == 0);
	say("error code %ld", got_error);
}

CASE(segv_across_pages, ALONE)
{
	char *p = pages(1);

	/* the address is the first byte that cannot be had */
	FAULT(sink = *(volatile int *)(p + 4094));
	CHECK(got_address == (uintptr_t)p + 4096);
}

CASE(segv_string_copy, ALONE)
{
	char *p = pages(1);

	FAULT(memset(p + 4000, 1, 500));
	CHECK(got_address >= (uintptr_t)p + 4096 && got_address < (uintptr_t)p + 8192);
}

CASE(segv_privileged, ALONE)
{
	FAULT(__asm__ volatile("hlt"));
	CHECK(got_address == 0);
	FAULT(__asm__ volatile("cli"));
	FAULT(__asm__ volatile("mov %%cr0, %%rax" ::: "rax"));
	FAULT(__asm__ volatile("in $0x80, %%al" ::: "rax"));
	FAULT(__asm__ volatile("out %%al, $0x80" ::));
	FAULT(__asm__ volatile("xor %%ecx, %%ecx; rdmsr" ::: "rax", "rcx", "rdx"));
	FAULT(__asm__ volatile("wbinvd"));
}

CASE(segv_interrupt_gates, ALONE)
{
	/* int n to a gate that programs may not use */
	FAULT(__asm__ volatile("int $0x20"));
	FAULT(__asm__ volatile("int $0x0e"));
}

CASE(segv_many, ALONE)
{
	volatile int n = 0;

	catch_all();
	while (n < 2000) {
		if (sigsetjmp(resume, 1) == 0)
			sink = *(volatile char *)bad_ptr();
		n++;
	}
	SHOW(n);
}

/* ---- the others ---- */

static volatile int seven = 7, zero;

CASE(fpe_divide_by_zero, ALONE)
{
	FAULT(sink = seven / zero);
	CHECK(got_address == got_rip);
}

CASE(fpe_divide_overflow, ALONE)
{
	volatile int least = -2147483647 - 1, minus = -1;

	FAULT(sink = least / minus);
	FAULT(sink = least % minus);
}

CASE(fpe_64_bits, ALONE)
{
	FAULT(__asm__ volatile("div %%rcx" ::"a"(0), "d"(5), "c"(3ul)));
}

CASE(fpe_sse, ALONE)
{
	unsigned all = 0x1f80, unmasked = 0x1f80 & ~0x200u;
	volatile double one = 1, none = 0;

	__asm__ volatile("ldmxcsr %0" ::"m"(unmasked));
	FAULT(one = one / none);
	__asm__ volatile("ldmxcsr %0" ::"m"(all));
	unmasked = 0x1f80 & ~0x80u;
	__asm__ volatile("ldmxcsr %0" ::"m"(unmasked));
	FAULT(one = none / none);
	__asm__ volatile("ldmxcsr %0" ::"m"(all));
}

CASE(fpe_x87, ALONE)
{
	unsigned short normal = 0x37f, unmasked = 0x37f & ~4;

	__asm__ volatile("fldcw %0" ::"m"(unmasked));
	FAULT(__asm__ volatile("fld1; fldz; fdivrp; fwait"));
	__asm__ volatile("fninit; fldcw %0" ::"m"(normal));
}

CASE(float_masked_by_default, ALONE)
{
	volatile double one = 1, none = 0;

	say("%f %f", one / none, -one / none);
	CHECK(none / none != none / none);
}

CASE(ill_ud2, ALONE)
{
	FAULT(__asm__ volatile("ud2"));
	CHECK(got_address == got_rip);
}

CASE(ill_other_opcodes, ALONE)
{
	/* push %es, and lock on a register: not instructions in 64-bit mode */
	FAULT(__asm__ volatile(".byte 0x06"));
	FAULT(__asm__ volatile(".byte 0xf0, 0x89, 0xc0"));
}

CASE(trap_int3, ALONE)
{
	FAULT(__asm__ volatile("int3"));
	CHECK(got_address == 0);
	CHECK(*(unsigned char *)(got_rip - 1) == 0xcc);
}

CASE(segv_noncanonical_stack, ALONE)
{
	/* with SS as the base it is #SS, which is SIGBUS */
	FAULT(__asm__ volatile("mov %0, %%rbx; xchg %%rbx, %%rbp;"
			       "mov (%%rbp), %%rax; xchg %%rbx, %%rbp" ::"r"(wild_ptr())
			       : "rax", "rbx"));
}

/* ---- handlers that repair ---- */

static void skip_two(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RBX] = 4242;
}

CASE(handler_skips_instruction, ALONE)
{
	unsigned long rbx = 1;

	on_signal(SIGILL, skip_two, 0);
	__asm__ volatile("ud2" : "+b"(rbx));
	SHOW(rbx);
}

static void map_it(int sig, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~4095ul;

	(void)sig;
	(void)context;
	NEED(mprotect((void *)page, 4096, PROT_READ | PROT_WRITE));
	sink++;
}

CASE(handler_maps_page, ALONE)
{
	char *p = mmap(NULL, 50 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sum = 0;

	on_signal(SIGSEGV, map_it, 0);
	for (int i = 0; i < 50; i++)
		p[i * 4096] = (char)i;
	for (int i = 0; i < 50; i++)
		sum += p[i * 4096];
	SHOW(sum);
	SHOW(sink);
}

static void set_flags(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_EFL] |= 0x41;
	/* and some that a program must not set: IOPL, IF off, VM */
	uc->uc_mcontext.gregs[REG_EFL] |= 0x3000 | 0x20000;
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x200;
}

CASE(handler_sets_flags, ALONE)
{
	unsigned long flags;

	on_signal(SIGILL, set_flags, 0);
	__asm__ volatile("xor %%eax, %%eax; inc %%eax; ud2; pushfq; pop %0" : "=r"(flags)::"rax");
	say("CF %d ZF %d IOPL %d IF %d VM %d", (int)(flags & 1), (int)(flags >> 6 & 1),
	    (int)(flags >> 12 & 3), (int)(flags >> 9 & 1), (int)(flags >> 17 & 1));
}

static void look_at_registers(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	say("rax %llx rbx %llx rcx %llx rdx %llx", g[REG_RAX], g[REG_RBX], g[REG_RCX], g[REG_RDX]);
	say("rsi %llx rdi %llx r8 %llx r9 %llx", g[REG_RSI], g[REG_RDI], g[REG_R8], g[REG_R9]);
	say("r10 %llx r11 %llx r12 %llx r15 %llx", g[REG_R10], g[REG_R11], g[REG_R12], g[REG_R15]);
	g[REG_RIP] += 2;
}

CASE(handler_sees_registers, ALONE)
{
	on_signal(SIGILL, look_at_registers, 0);
	__asm__ volatile("mov $0x1001, %%eax; mov $0x1002, %%ebx; mov $0x1003, %%ecx;"
			 "mov $0x1004, %%edx; mov $0x1005, %%esi; mov $0x1006, %%edi;"
			 "mov $0x1008, %%r8d; mov $0x1009, %%r9d; mov $0x100a, %%r10d;"
			 "mov $0x100b, %%r11d; mov $0x100c, %%r12d; mov $0x100f, %%r15d;"
			 "ud2" ::
				 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
				   "r11", "r12", "r15", "memory");
}

/* Spoils all that the interrupted code may have in registers. */
static void spoil(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm1, %%xmm1;"
			 "pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15;"
			 "fninit; fldpi; fldpi; cmp $1, %%eax; std; cld" ::
				 : "xmm0", "xmm1", "xmm7", "xmm15", "cc");
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

CASE(sse_kept_over_handler, ALONE)
{
	_Alignas(16) unsigned char in[64], out[64];

	for (int i = 0; i < 64; i++)
		in[i] = (unsigned char)(i * 5 + 1);
	on_signal(SIGILL, spoil, 0);
	__asm__ volatile("movdqa (%0), %%xmm0; movdqa 16(%0), %%xmm1;"
			 "movdqa 32(%0), %%xmm7; movdqa 48(%0), %%xmm15;"
			 "ud2;"
			 "movdqa %%xmm0, (%1); movdqa %%xmm1, 16(%1);"
			 "movdqa %%xmm7, 32(%1); movdqa %%xmm15, 48(%1)" ::"r"(in),
			 "r"(out)
			 : "xmm0", "xmm1", "xmm7", "xmm15", "memory");
	CHECK(memcmp(in, out, 64) == 0);
}

CASE(x87_kept_over_handler, ALONE)
{
	double a, b;
	unsigned short cw = 0x27f, cw_after;

	on_signal(SIGILL, spoil, 0);
	__asm__ volatile("fninit; fldcw %3; fld1; fldl2e; ud2;"
			 "fstpl %0; fstpl %1; fnstcw %2; fninit"
			 : "=m"(a), "=m"(b), "=m"(cw_after)
			 : "m"(cw));
	say("%.6f %.6f control %#x", a, b, cw_after);
}

CASE(mxcsr_kept_over_handler, ALONE)
{
	unsigned in = 0x1f80 | 0x6000, out = 0, normal = 0x1f80;

	on_signal(SIGILL, spoil, 0);
	__asm__ volatile("ldmxcsr %1; ud2; stmxcsr %0; ldmxcsr %2"
			 : "=m"(out)
			 : "m"(in), "m"(normal));
	say("%#x", out);
}

static void spoil_avx(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	__asm__ volatile("vzeroall" ::: "xmm0", "xmm1", "xmm15");
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

CASE(avx_kept_over_handler, ALONE)
{
	_Alignas(32) unsigned char in[96], out[96];

	for (int i = 0; i < 96; i++)
		out[i] = in[i] = (unsigned char)(i * 3 + 7);
	if (__builtin_cpu_supports("avx")) {
		memset(out, 0, sizeof(out));
		on_signal(SIGILL, spoil_avx, 0);
		__asm__ volatile("vmovdqa (%0), %%ymm0; vmovdqa 32(%0), %%ymm1;"
				 "vmovdqa 64(%0), %%ymm15; ud2;"
				 "vmovdqa %%ymm0, (%1); vmovdqa %%ymm1, 32(%1);"
				 "vmovdqa %%ymm15, 64(%1); vzeroupper" ::"r"(in),
				 "r"(out)
				 : "xmm0", "xmm1", "xmm15", "memory");
	}
	CHECK(memcmp(in, out, 96) == 0);
}

CASE(avx512_kept_over_handler, ALONE)
{
	_Alignas(64) unsigned char in[128], out[128];

	for (int i = 0; i < 128; i++)
		out[i] = in[i] = (unsigned char)(i * 3 + 7);
	if (__builtin_cpu_supports("avx512f")) {
		memset(out, 0, sizeof(out));
		on_signal(SIGILL, spoil_avx, 0);
		__asm__ volatile("vmovdqa64 (%0), %%zmm1; vmovdqa64 64(%0), %%zmm15;"
				 "ud2;"
				 "vmovdqa64 %%zmm1, (%1); vmovdqa64 %%zmm15, 64(%1);"
				 "vzeroupper" ::"r"(in),
				 "r"(out)
				 : "xmm1", "xmm15", "memory");
	}
	CHECK(memcmp(in, out, 128) == 0);
}

static void change_xmm(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	fpregset_t fp = uc->uc_mcontext.fpregs;

	(void)sig;
	(void)info;
	say("xmm3 in the frame: %08x", ((uint32_t *)&fp->_xmm[3])[0]);
	say("mxcsr %#x, x87 control %#x", fp->mxcsr & ~0x3fu, fp->cwd);
	((uint32_t *)&fp->_xmm[3])[0] = 0x55667788;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

CASE(handler_changes_sse, ALONE)
{
	uint32_t value = 0x11223344;

	on_signal(SIGILL, change_xmm, 0);
	__asm__ volatile("movd %0, %%xmm3; ud2; movd %%xmm3, %0" : "+r"(value)::"xmm3");
	say("%08x", value);
}

CASE(red_zone_kept, ALONE)
{
	long bad = 0;

	/* 128 bytes below the stack pointer are the program's */
	on_signal(SIGILL, spoil, 0);
	__asm__ volatile("mov $16, %%ecx;"
			 "1: mov %%rcx, -136(%%rsp,%%rcx,8);"
			 "dec %%ecx; jnz 1b;"
			 "ud2;"
			 "mov $16, %%ecx;"
			 "2: cmp %%rcx, -136(%%rsp,%%rcx,8);"
			 "je 3f; inc %0;"
			 "3: dec %%ecx; jnz 2b"
			 : "+r"(bad)::"rcx", "cc", "memory");
	SHOW(bad);
}

static void flags_in_handler(int sig, siginfo_t *info, void *context)
{
	unsigned long flags;
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	__asm__ volatile("cld");
	say("DF in the handler %d, in the frame %d", (int)(flags >> 10 & 1),
	    (int)(uc->uc_mcontext.gregs[REG_EFL] >> 10 & 1));
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

CASE(direction_flag_kept, ALONE)
{
	unsigned long flags;

	on_signal(SIGILL, flags_in_handler, 0);
	__asm__ volatile("std; ud2; pushfq; cld; pop %0" : "=r"(flags));
	say("DF after %d", (int)(flags >> 10 & 1));
}

/* ---- stack overflow ---- */

static char alternate[65536];

static void overflowed(int sig, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	say("%s %s", signal_name(sig), code_name(sig, info->si_code));
	CHECK((uintptr_t)launder(&here) - (uintptr_t)alternate < sizeof(alternate));
	siglongjmp(resume, 1);
}

static int __attribute__((noinline)) recurse(int n)
{
	volatile char space[256];

	space[0] = (char)n;
	return n < 0 ? 0 : recurse(n + 1) + space[0];
}

CASE(stack_overflow_handled, ALONE)
{
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof(alternate) };

	NEED(sigaltstack(&ss, NULL));
	on_signal(SIGSEGV, overflowed, SA_ONSTACK);
	for (volatile int i = 0; i < 2; i++)
		if (sigsetjmp(resume, 1) == 0)
			sink = recurse(0);
	say("alive");
}

/* The guard below a thread's stack. */
static void in_guard(int sig, siginfo_t *info, void *context)
{
	pthread_attr_t attr;
	void *low;
	size_t size, guard;

	(void)context;
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &low, &size);
	pthread_attr_getguardsize(&attr, &guard);
	say("%s %s", signal_name(sig), code_name(sig, info->si_code));
	CHECK((uintptr_t)low - (uintptr_t)info->si_addr <= guard + 256);
	siglongjmp(resume, 1);
}

static void *recurse_in_thread(void *arg)
{
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof(alternate) };

	NEED(sigaltstack(&ss, NULL));
	for (volatile int i = 0; i < 2; i++)
		if (sigsetjmp(resume, 1) == 0)
			sink = recurse(0);
	return arg;
}

CASE(stack_overflow_in_thread, ALONE)
{
	pthread_t t;

	on_signal(SIGSEGV, in_guard, SA_ONSTACK);
	NEED(pthread_create(&t, NULL, recurse_in_thread, NULL) ? -1 : 0);
	pthread_join(t, NULL);
	say("alive");
}

static void *recurse_to_death(void *arg)
{
	sink = recurse(0);
	return arg;
}

CASE(stack_overflow_ends_all, ALONE)
{
	pthread_t t;

	NEED(pthread_create(&t, NULL, recurse_to_death, NULL) ? -1 : 0);
	pthread_join(t, NULL);
	say("alive");
}

/* ---- signal frames by hand ---- */

CASE(sigreturn_to_other_place, ALONE)
{
	volatile int round = 0;
	ucontext_t uc;

	/* getcontext and setcontext: the same registers, without a signal */
#ifdef __GLIBC__
	NEED(getcontext(&uc));
	if (round++ < 3)
		setcontext(&uc);
	SHOW(round);
#else
	(void)uc;
	(void)round;
#endif
}
