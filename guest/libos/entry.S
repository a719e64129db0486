/*
 * Entries to the library OS, all at CPL3, and the way back to the program.
 *
 *   void libos_start(struct pvh_start_info *)  vCPU 0 from the kernel, once
 *   void libos_ap_start(void)                  every other vCPU, once
 *   libos_syscall_soft     SYSCALL, soft flavour: RCX, R11 by the CPU
 *   libos_syscall_hard     SYSCALL, hard flavour: RIP and RFLAGS in the vCPU
 *                          area, RCX and R11 clobbered
 *   libos_syscall_patched  from a thunk (patch.c): RCX = return address
 *   libos_event            an event came while the program ran
 *   libos_fault            a fault, of the program's or at an accessor here
 *
 * The last five save every register in the thread's struct regs (GS:L_REGS)
 * and go on at the thread's library-OS stack. Events that come while RIP is
 * in this half only leave a pending bit; between libos_window_start and _end,
 * where the way back has already looked at the bits, the kernel moves RIP to
 * libos_window_restart instead, which may be entered with any registers.
 */
#include "entry.h"

.macro save_registers base
	mov %r15, R_R15(\base)
	mov %r14, R_R14(\base)
	mov %r13, R_R13(\base)
	mov %r12, R_R12(\base)
	mov %rbp, R_RBP(\base)
	mov %rbx, R_RBX(\base)
	mov %r10, R_R10(\base)
	mov %r9, R_R9(\base)
	mov %r8, R_R8(\base)
	mov %rdx, R_RDX(\base)
	mov %rsi, R_RSI(\base)
	mov %rdi, R_RDI(\base)
.endm

/* All registers and where the program was, from an event or a fault. */
.macro save_interrupted
	mov %rax, %gs:L_SCRATCH
	mov %gs:L_REGS, %rax
	save_registers %rax
	mov %rcx, R_RCX(%rax)
	mov %r11, R_R11(%rax)
	mov %gs:L_SCRATCH, %rcx
	mov %rcx, R_RAX(%rax)
	mov %gs:A_RIP, %rcx
	mov %rcx, R_RIP(%rax)
	mov %gs:A_RFLAGS, %rcx
	mov %rcx, R_RFLAGS(%rax)
	mov %gs:A_RSP, %rcx
	mov %rcx, R_RSP(%rax)
	movq $-1, R_ORIG_RAX(%rax)
	mov %gs:L_STACK, %rsp
	xor %ebp, %ebp
.endm

/* The lock of the library OS, where it is in use (cpus.h). All but RAX, RCX and
 * the flags are kept. */
.macro lock_libos
	cmpl $0, libos_smp
	jne 8f
7:
	.subsection 1
8:	movl $1, %gs:L_INSIDE
	mov %gs:A_CPU, %ecx
	inc %ecx
	xor %eax, %eax
	cmp %eax, libos_lock_wanted
	jne 9f
	lock cmpxchg %ecx, libos_lock_word
	jne 9f
	cmpl $0, %gs:L_STALE
	je 7b
9:	call finish_lock
	jmp 7b
	.subsection 0
.endm

.macro unlock_libos
	movl $0, %gs:L_INSIDE
	movl $0, libos_lock_word
.endm

	.text
	.balign 2048 /* one page holds all of it: a boot touches no more */
	.globl libos_start, libos_ap_start, libos_probe
libos_start:
	syscall /* to libos_probe; comes back here in either flavour */
	mov $libos_stack_top, %rsp
	xor %ebp, %ebp
	call libos_main
	ud2

/* The first SYSCALL: the kernel's boot.S, hard_flavour, tells why. */
libos_probe:
	mov %cs, %eax
	test $3, %al
	jz hard_flavour
	mov %rcx, %rbx
	mov $KCALL_SOFT, %eax
	mov $libos_stack_top, %rsp
	mov %rdi, %rbp
	call libos_kcall_soft
	mov %rbp, %rdi
	movl $1, flavour_soft
	jmp *%rbx

libos_ap_start:
	mov %gs:L_STACK, %rsp
	xor %ebp, %ebp
	call libos_ap_main
	ud2

	/* kcall.h's register contract, as a C call through vcpu_area.kcall. */
	.globl libos_kcall_hard, libos_kcall_soft
libos_kcall_hard:
	syscall
	ret
libos_kcall_soft:
	ud2
	ret

	.balign 64
	.globl libos_syscall_soft, libos_syscall_hard
libos_syscall_soft:
	mov %rcx, %gs:A_RIP
	mov %r11, %gs:A_RFLAGS
libos_syscall_hard:
	mov %rax, %gs:L_SCRATCH
	mov %gs:L_REGS, %rax
	save_registers %rax
	mov %rsp, R_RSP(%rax)
	mov %gs:A_RIP, %rcx
	mov %rcx, R_RIP(%rax)
	mov %rcx, R_RCX(%rax)
	mov %gs:A_RFLAGS, %rcx
	mov %rcx, R_RFLAGS(%rax)
	mov %rcx, R_R11(%rax)
	mov %gs:L_SCRATCH, %r11
	mov %r11, R_ORIG_RAX(%rax)
	mov %gs:L_STACK, %rsp
	lock_libos
	cmp $SYSCALL_COUNT, %r11
	jae 2f
	mov %r10, %rcx
	call *syscall_table(,%r11,8)
1:	mov %gs:L_REGS, %rdx
	mov %rax, R_RAX(%rdx)
	cmpq $TRAPS_UNCOUNTED, %gs:L_TRAPS
	jae 3f
	incq %gs:L_TRAPS
	jmp libos_window_start
2:	call sys_unknown
	jmp 1b
3:	mov %rdx, %rdi
	call patch_trapped
	mov %gs:L_REGS, %rdx
	jmp libos_window_start

/* Nothing has masked the flags on this way. PUSHFQ and no POPFQ, which costs
 * as much as all the rest. */
	.balign 64
	.globl libos_syscall_patched
libos_syscall_patched:
	mov %gs:L_REGS, %r11
	mov %rsp, R_RSP(%r11)
	mov %gs:L_STACK, %rsp
	pushfq
	save_registers %r11
	mov %rax, R_ORIG_RAX(%r11)
	mov %rcx, R_RIP(%r11)
	mov %rcx, R_RCX(%r11)
	pop %rcx
	mov %rcx, R_RFLAGS(%r11)
	mov %rcx, R_R11(%r11)
	test $~RFLAGS_PLAIN, %ecx
	jnz 3f
1:	mov %rax, %r11
	lock_libos
	cmp $SYSCALL_COUNT, %r11
	jae 2f
	mov %r10, %rcx
	call *syscall_table(,%r11,8)
4:	mov %gs:L_REGS, %rdx
	mov %rax, R_RAX(%rdx)
	jmp libos_window_start
2:	call sys_unknown
	jmp 4b
3:	push $(RFLAGS_FIXED | RFLAGS_IF)
	popfq
	jmp 1b

	.globl libos_window_start, libos_window_end, libos_window_restart
libos_window_start:
	cmpq $0, %gs:A_PENDING
	jne libos_window_restart
	cmpq $0, %gs:L_WORK
	jne libos_window_restart
	unlock_libos
	mov R_RFLAGS(%rdx), %ecx
	test $~RFLAGS_PLAIN, %ecx
	jnz 1f
	mov %cl, %ah
	and $RFLAGS_OF, %ecx
	add $(0x80000000 - RFLAGS_OF), %ecx /* overflows just if OF is to be set */
	sahf
2:	mov R_RAX(%rdx), %rax
	mov R_RDI(%rdx), %rdi
	mov R_RSI(%rdx), %rsi
	mov R_R8(%rdx), %r8
	mov R_R9(%rdx), %r9
	mov R_R10(%rdx), %r10
	mov R_R11(%rdx), %r11
	mov R_RIP(%rdx), %rcx
	mov R_RSP(%rdx), %rsp
	mov R_RDX(%rdx), %rdx
	jmp *%rcx
1:	test $RFLAGS_TF, %ecx
	jnz libos_window_restart
	push R_RFLAGS(%rdx)
	popfq
	jmp 2b

	.globl libos_return
libos_return: /* to the program with every register as in struct regs */
	cmpq $0, %gs:A_PENDING
	jne libos_window_restart
	testq $~WORK_FULL, %gs:L_WORK
	jne libos_window_restart
	mov %gs:L_REGS, %rdx
	mov R_RIP(%rdx), %rax
	mov %rax, %gs:L_RET_RIP
	movq $0, %gs:L_WORK
	unlock_libos
	testl $RFLAGS_TF, R_RFLAGS(%rdx)
	jnz return_stepping
	push R_RFLAGS(%rdx)
	popfq
	mov R_R15(%rdx), %r15
	mov R_R14(%rdx), %r14
	mov R_R13(%rdx), %r13
	mov R_R12(%rdx), %r12
	mov R_RBP(%rdx), %rbp
	mov R_RBX(%rdx), %rbx
	mov R_R11(%rdx), %r11
	mov R_R10(%rdx), %r10
	mov R_R9(%rdx), %r9
	mov R_R8(%rdx), %r8
	mov R_RAX(%rdx), %rax
	mov R_RCX(%rdx), %rcx
	mov R_RSI(%rdx), %rsi
	mov R_RDI(%rdx), %rdi
	mov R_RSP(%rdx), %rsp
	mov R_RDX(%rdx), %rdx
	jmp *%gs:L_RET_RIP

/* With TF the flags must come last of all: IRETQ is followed by one
 * instruction of the program's before the trap, POPFQ by one of ours. (QEMU's
 * TCG before 9.1 pops as the supervisor, so that SMAP gets in the way.) */
return_stepping:
	push $USER_SS
	push R_RSP(%rdx)
	push R_RFLAGS(%rdx)
	push $USER_CS
	push R_RIP(%rdx)
	mov R_R15(%rdx), %r15
	mov R_R14(%rdx), %r14
	mov R_R13(%rdx), %r13
	mov R_R12(%rdx), %r12
	mov R_RBP(%rdx), %rbp
	mov R_RBX(%rdx), %rbx
	mov R_R11(%rdx), %r11
	mov R_R10(%rdx), %r10
	mov R_R9(%rdx), %r9
	mov R_R8(%rdx), %r8
	mov R_RAX(%rdx), %rax
	mov R_RCX(%rdx), %rcx
	mov R_RSI(%rdx), %rsi
	mov R_RDI(%rdx), %rdi
	mov R_RDX(%rdx), %rdx
	iretq
libos_window_end:

libos_window_restart: /* the lock may have been let go, or not */
	mov %gs:L_STACK, %rsp
	xor %ebp, %ebp
	mov %gs:A_CPU, %eax
	inc %eax
	cmp %eax, libos_lock_word
	je 1f
	lock_libos
1:	call return_work
	jmp libos_return

	.globl libos_event, libos_fault
libos_event:
	save_interrupted
	lock_libos
	call return_work
	jmp libos_return

libos_fault:
	cmpl $0, %gs:A_RIP + 4
	js 1f
	save_interrupted
	lock_libos
	mov %gs:L_REGS, %rdi
	mov %gs:A_VECTOR, %rsi
	mov %gs:A_ERROR, %rdx
	mov %gs:A_CR2, %rcx
	call program_fault
	jmp libos_return

/*
 * A fault of the library OS's own, at an accessor of program memory or by a
 * bug. The registers go below the interrupted stack pointer, so that POPFQ
 * and RET can resume there.
 */
1:	mov %rax, %gs:L_SCRATCH
	mov %gs:A_RSP, %rax
	lea -16 - REGS_SIZE(%rax), %rsp
	mov %rax, R_RSP(%rsp)
	mov %gs:L_SCRATCH, %rax
	mov %rax, R_RAX(%rsp)
	save_registers %rsp
	mov %rcx, R_RCX(%rsp)
	mov %r11, R_R11(%rsp)
	mov %gs:A_RIP, %rax
	mov %rax, R_RIP(%rsp)
	mov %gs:A_RFLAGS, %rax
	mov %rax, R_RFLAGS(%rsp)
	mov %rsp, %rbx
	mov %rsp, %rdi
	mov %gs:A_VECTOR, %rsi
	mov %gs:A_ERROR, %rdx
	mov %gs:A_CR2, %rcx
	call libos_own_fault
	mov R_RIP(%rbx), %rax
	mov %rax, REGS_SIZE + 8(%rbx)
	mov R_RFLAGS(%rbx), %rax
	mov %rax, REGS_SIZE(%rbx)
	mov %rbx, %rsp
	mov R_R15(%rsp), %r15
	mov R_R14(%rsp), %r14
	mov R_R13(%rsp), %r13
	mov R_R12(%rsp), %r12
	mov R_RBP(%rsp), %rbp
	mov R_RBX(%rsp), %rbx
	mov R_R11(%rsp), %r11
	mov R_R10(%rsp), %r10
	mov R_R9(%rsp), %r9
	mov R_R8(%rsp), %r8
	mov R_RAX(%rsp), %rax
	mov R_RCX(%rsp), %rcx
	mov R_RDX(%rsp), %rdx
	mov R_RSI(%rsp), %rsi
	mov R_RDI(%rsp), %rdi
	lea REGS_SIZE(%rsp), %rsp
	popfq
	ret

/* For lock_libos. */
finish_lock:
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	call libos_lock
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	ret

/*
 * long user_copy(void *dst, const void *src, size_t n)
 * Copies between the library OS and the program; the bytes NOT copied, when
 * a fault stopped it. Backward copies never happen: ranges do not overlap.
 */
.macro guarded fixup, instruction:vararg
9:	\instruction
	.pushsection .extable, "a"
	.quad 9b, \fixup
	.popsection
.endm
	.globl user_copy, user_clear
user_copy:
	mov %rdx, %rcx
	guarded 1f, rep movsb
1:	mov %rcx, %rax
	ret

/* long user_clear(void *dst, size_t n): the bytes not cleared. */
user_clear:
	mov %rsi, %rcx
	xor %eax, %eax
	guarded 1f, rep stosb
1:	mov %rcx, %rax
	ret

/* long user_string(char *dst, const char *src, size_t size): copies up to and
 * with a NUL; its length; -1 after a fault; size when there was no NUL. */
	.globl user_string
user_string:
	xor %eax, %eax
1:	cmp %rdx, %rax
	jae 3f
	guarded 2f, mov (%rsi, %rax), %cl
	mov %cl, (%rdi, %rax)
	test %cl, %cl
	jz 3f
	inc %rax
	jmp 1b
2:	mov $-1, %rax
3:	ret

/* long user_load(const u32 *p): what is there; -1 after a fault. */
	.globl user_load
user_load:
	guarded 1f, mov (%rdi), %eax
	ret
1:	mov $-1, %rax
	ret

/* long user_cmpxchg(u32 *p, u32 expected, u32 new): what was there; -1 after a
 * fault. */
	.globl user_cmpxchg
user_cmpxchg:
	mov %esi, %eax
	guarded 1f, lock cmpxchg %edx, (%rdi)
	mov %eax, %eax
	ret
1:	mov $-1, %rax
	ret

/* Memory functions: REP MOVSB and STOSB are fast on every CPU that has this
 * program's KVM (ERMS, FSRM). */
	.globl memcpy, memset
memcpy:
	mov %rdi, %rax
	mov %rdx, %rcx
	rep movsb
	ret
memset:
	mov %rdi, %r8
	mov %esi, %eax
	mov %rdx, %rcx
	rep stosb
	mov %r8, %rax
	ret

	.section .note.GNU-stack, "", @progbits
