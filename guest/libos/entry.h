/*
 * Between entry.S and C: the saved registers, the library OS's part of the
 * vCPU area, kcalls.
 */
#ifndef LIBOS_ENTRY_H
#define LIBOS_ENTRY_H

#include "../kernel/kcall.h"

/* struct regs offsets */
#define R_R15      0x00
#define R_R14      0x08
#define R_R13      0x10
#define R_R12      0x18
#define R_RBP      0x20
#define R_RBX      0x28
#define R_R11      0x30
#define R_R10      0x38
#define R_R9       0x40
#define R_R8       0x48
#define R_RAX      0x50
#define R_RCX      0x58
#define R_RDX      0x60
#define R_RSI      0x68
#define R_RDI      0x70
#define R_ORIG_RAX 0x78
#define R_RIP      0x80
#define R_RFLAGS   0x88
#define R_RSP      0x90
#define REGS_SIZE  0x98

/* struct libos_area, at A_LIBOS of the vCPU area */
#define L_REGS    (A_LIBOS + 0x00)
#define L_STACK   (A_LIBOS + 0x08)
#define L_RET_RIP (A_LIBOS + 0x10)
#define L_SCRATCH (A_LIBOS + 0x18)
#define L_CURRENT (A_LIBOS + 0x20)
#define L_WORK    (A_LIBOS + 0x28)
#define L_CLOCK   (A_LIBOS + 0x30)
#define L_TRAPS   (A_LIBOS + 0x48)
#define L_CPU     (A_LIBOS + 0x50)
#define L_INSIDE  (A_LIBOS + 0x58)
#define L_STALE   (A_LIBOS + 0x5c)

#define WORK_SIGNAL  1 /* a signal may have to be delivered */
#define WORK_FULL    2 /* every register is to be loaded, not only those C clobbers */
#define WORK_RESCHED 4 /* the time slice is over */
#define WORK_SHARE   8 /* others could run in this thread's place: see sched.c */
#define WORK_RSEQ    16 /* the program's rseq(2) area is to be looked at */
#define WORK_POST    32 /* the kernel is to be asked for what was put off: cpus_post() */

#define SYSCALL_COUNT 463

/* The flags that the library OS may run with: the arithmetic ones, IF. */
#define RFLAGS_PLAIN 0xad7
#define RFLAGS_OF    0x800

/* As many traps are not counted by site: short programs make no more, and to
 * touch what patching needs would cost them 10 us. */
#define TRAPS_UNCOUNTED 64

#ifndef __ASSEMBLER__
#include "lib.h"

extern u32 flavour_soft; /* SYSCALL stays at CPL3 */

/* The program's registers while it is in the library OS. The names and the
 * order are those of Linux's struct pt_regs. */
struct regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 orig_rax; /* system call number; -1 after an event or a fault */
	u64 rip, rflags, rsp;
};
_Static_assert(sizeof(struct regs) == REGS_SIZE, "REGS_SIZE");
_Static_assert(offsetof(struct regs, rax) == R_RAX, "R_RAX");
_Static_assert(offsetof(struct regs, rdi) == R_RDI, "R_RDI");
_Static_assert(offsetof(struct regs, rip) == R_RIP, "R_RIP");

/* ns = (tsc * mult >> 32) + base. Also read by the vDSO (guest/vdso). */
struct clock_base {
	u64 mult;
	i64 monotonic_base, realtime_base; /* ns */
};

struct libos_area {
	struct regs *regs; /* of the current thread */
	void *stack; /* top of the current thread's library-OS stack */
	u64 ret_rip, scratch; /* entry.S's */
	struct thread *current;
	u64 work; /* WORK_*: looked at before every return to the program */
	struct clock_base clock;
	u64 traps; /* the first system calls, which nobody looks at */
	struct cpu *cpu; /* cpus.h */
	/* While the lock is in use: the vCPU is not in the program, nor will be
	 * without the lock; and has to flush its TLB once it has that. */
	u32 inside, stale;
	u64 kicks; /* vCPUs that are to have an IPI */
};
_Static_assert(sizeof(struct libos_area) <= sizeof(((struct vcpu_area *)0)->libos), "fits");
_Static_assert(offsetof(struct libos_area, current) + A_LIBOS == L_CURRENT, "L_CURRENT");
_Static_assert(offsetof(struct libos_area, work) + A_LIBOS == L_WORK, "L_WORK");
_Static_assert(offsetof(struct libos_area, clock) + A_LIBOS == L_CLOCK, "L_CLOCK");
_Static_assert(offsetof(struct libos_area, traps) + A_LIBOS == L_TRAPS, "L_TRAPS");
_Static_assert(offsetof(struct libos_area, cpu) + A_LIBOS == L_CPU, "L_CPU");
_Static_assert(offsetof(struct libos_area, inside) + A_LIBOS == L_INSIDE, "L_INSIDE");
_Static_assert(offsetof(struct libos_area, stale) + A_LIBOS == L_STALE, "L_STALE");

/* Not to be kept across a wait: the thread may go on on another vCPU. */
static inline struct vcpu_area *vcpu(void)
{
	struct vcpu_area *area;
	asm volatile("mov %%gs:0, %0" : "=r"(area));
	return area;
}
static inline struct libos_area *libos_area(void)
{
	return (struct libos_area *)vcpu()->libos;
}

/* kcall.h has the numbers. Returns 0 or more, or -errno. */
static inline long kcall(long nr, u64 a, u64 b, u64 c)
{
	long ret;
	asm volatile("call *%%gs:%c[kcall]"
		     : "=a"(ret), "+D"(a), "+S"(b), "+d"(c)
		     : "a"(nr), [kcall] "i"(A_KCALL)
		     : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
	return ret;
}
static inline u64 rdtsc(void)
{
	u32 lo, hi;
	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}
#endif
#endif
