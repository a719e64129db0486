/*
 * System calls with every register known before and after.
 *
 * struct regs (regs.c) holds, in 8-byte words:
 *   0 rax, 1 rbx, 2 rcx, 3 rdx, 4 rsi, 5 rdi, 6 rbp, 7..14 r8..r15,
 *   15 rflags, 16 rsp after, relative to before, 17..32 the red zone,
 *   33..64 xmm0..xmm15
 *
 * void regs_NAME(const struct regs *in, struct regs *out)
 *   Loads all from *in, makes one system call, stores all to *out; rcx and
 *   r11 as found. Keeps what the C calling convention wants kept. Not
 *   reentrant. From loading the flags to storing them nothing but moves runs.
 *
 * Each NAME gets the number into rax in another way, for a library OS that
 * patches may treat each differently.
 */

	.bss
	.balign	8
out_pointer:
	.skip	8
saved_rsp:
	.skip	8
kept_rax:
	.skip	8

	.macro	LOAD
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsi, out_pointer(%rip)
	mov	%rsp, saved_rsp(%rip)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	264 + 16 * \n(%rdi), %xmm\n
	.endr
	pushq	120(%rdi)
	popfq
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	mov	136 + 8 * \n(%rdi), %rax
	mov	%rax, -128 + 8 * \n(%rsp)
	.endr
	mov	8(%rdi), %rbx
	mov	16(%rdi), %rcx
	mov	24(%rdi), %rdx
	mov	32(%rdi), %rsi
	mov	48(%rdi), %rbp
	mov	56(%rdi), %r8
	mov	64(%rdi), %r9
	mov	72(%rdi), %r10
	mov	80(%rdi), %r11
	mov	88(%rdi), %r12
	mov	96(%rdi), %r13
	mov	104(%rdi), %r14
	mov	112(%rdi), %r15
	mov	(%rdi), %rax
	mov	40(%rdi), %rdi
	.endm

	.macro	STORE
	mov	%rax, kept_rax(%rip)
	mov	out_pointer(%rip), %rax
	mov	%rbx, 8(%rax)
	mov	%rcx, 16(%rax)
	mov	%rdx, 24(%rax)
	mov	%rsi, 32(%rax)
	mov	%rdi, 40(%rax)
	mov	%rbp, 48(%rax)
	mov	%r8, 56(%rax)
	mov	%r9, 64(%rax)
	mov	%r10, 72(%rax)
	mov	%r11, 80(%rax)
	mov	%r12, 88(%rax)
	mov	%r13, 96(%rax)
	mov	%r14, 104(%rax)
	mov	%r15, 112(%rax)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	mov	-128 + 8 * \n(%rsp), %rbx
	mov	%rbx, 136 + 8 * \n(%rax)
	.endr
	mov	%rsp, %rbx
	mov	saved_rsp(%rip), %rsp
	pushfq
	popq	120(%rax)
	cld
	sub	%rsp, %rbx
	mov	%rbx, 128(%rax)
	mov	kept_rax(%rip), %rbx
	mov	%rbx, (%rax)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	%xmm\n, 264 + 16 * \n(%rax)
	.endr
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.endm

	.macro	ENTRY name
	.globl	\name
	.type	\name, @function
	.balign	16
\name:
	.endm

	.text

/* The number comes from *in, the instruction before is no move to rax. */
ENTRY regs_plain
	LOAD
	syscall
	STORE

/* What C libraries mostly have: b8 imm32; 0f 05 */
ENTRY regs_mov_getpid
	LOAD
	mov	$39, %eax
getpid_syscall:
	syscall
	STORE

/* musl: 48 c7 c0 imm32 */
ENTRY regs_mov64_getpid
	LOAD
	.byte	0x48, 0xc7, 0xc0, 39, 0, 0, 0
	syscall
	STORE

/* Another instruction between the two */
ENTRY regs_gap_getpid
	LOAD
	mov	$39, %eax
	mov	%r15, %r15
	syscall
	STORE

/* Go and hand-written loops: the number in a register, then moved */
ENTRY regs_reg_getpid
	LOAD
	mov	$39, %r11d
	mov	%r11d, %eax
	syscall
	STORE

/* read: xor %eax, %eax changes flags, by itself */
ENTRY regs_xor_read
	LOAD
	xor	%eax, %eax
	syscall
	STORE

ENTRY regs_mov_sched_yield
	LOAD
	mov	$24, %eax
	syscall
	STORE

ENTRY regs_mov_clock_gettime
	LOAD
	mov	$228, %eax
	syscall
	STORE

ENTRY regs_mov_write
	LOAD
	mov	$1, %eax
	syscall
	STORE

ENTRY regs_mov_unknown
	LOAD
	mov	$1000, %eax
	syscall
	STORE

/* Two calls in a row: a patch of one must leave the other whole. */
ENTRY regs_two_in_a_row
	LOAD
	mov	$39, %eax
	syscall
	mov	$110, %eax
	syscall
	STORE

/* The instruction after is short and a jump target */
ENTRY regs_tight_loop
	LOAD
	mov	$4, %r11d
	mov	$3, %ebp
1:	mov	$39, %eax
	syscall
2:	nop
	lea	-1(%rbp), %rbp
	mov	%rbp, %rcx
	jrcxz	3f
	jmp	1b
3:	STORE

/* To the SYSCALL instruction itself, of a place that may be patched */
ENTRY regs_jump_into
	LOAD
	jmp	getpid_syscall

	.section .note.GNU-stack, "", @progbits
