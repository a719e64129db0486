/*
 * Sites as C libraries, Go and people write them, for patch.c:
 *
 *   long site_NAME(long a, long b)      getppid, or what the name says
 *
 * Each keeps the C calling convention. Labels NAME_call are at the SYSCALL.
 */
	.text

	.macro	SITE name
	.balign	16
	.globl	site_\name
	.type	site_\name, @function
site_\name:
	.endm

	/* musl: the number, then the arguments */
	SITE	arguments_behind
	push	%rbx
	mov	%rdi, %rbx
	movl	$110, %eax
	mov	%rbx, %rdi
	movslq	%esi, %rsi
	xor	%edx, %edx
	syscall
	pop	%rbx
	ret

	/* musl: the number in a register, a copy of it first; another constant */
	SITE	number_in_register
	mov	$110, %r8d
	movl	$0x81, %esi
	mov	%r8, %rax
	syscall
	ret

	/* Go's Syscall6: nothing but copies; the only room is behind the function */
	SITE	copies
	mov	%rdi, %r9
	mov	$110, %r10d
	mov	%r10, %rax
	push	%rbx
	mov	%rsi, %rbx
	mov	%rcx, %rsi
	mov	%rbx, %rdi
	syscall
	pop	%rbx
	ret
	.balign	32, 0xcc
	.fill	16, 1, 0xcc

	/* a number above 32 bits' sign, constants of every register */
	SITE	constants
	push	%r12
	mov	$110, %eax
	mov	$7, %r9d
	mov	$6, %r8d
	mov	$5, %r10d
	mov	$4, %edx
	mov	$3, %esi
	mov	$2, %edi
	syscall
	pop	%r12
	ret

	/* a load from the red zone between */
	SITE	red_zone
	movl	$110, %edx
	mov	%rdx, -16(%rsp)
	mov	%rdi, -128(%rsp)
	mov	$0, %eax
	movl	$110, %eax
	mov	-128(%rsp), %rdi
	mov	-16(%rsp), %rdx
	syscall
	cmp	-128(%rsp), %rdi
	jne	1f
	cmp	-16(%rsp), %rdx
	jne	1f
	ret
1:	mov	$-1, %rax
	ret

	/* jumps between the instructions and to the SYSCALL: rdi says to which */
	SITE	jumped_into
	mov	$110, %eax
	mov	%rdi, %r8
	cmp	$1, %rdi
	je	1f
	cmp	$2, %rdi
	je	2f
	mov	$110, %eax
1:	mov	%rsi, %rdi
2:	mov	%rdx, %r10
	syscall
	ret

	/* the flags come through: carry and overflow as they were made */
	SITE	flags
	movl	$110, %eax
	mov	%rdi, %rdx
	mov	$0x7fffffff, %r8d
	add	$1, %r8d /* OF, SF */
	movl	$110, %eax
	mov	%rdx, %rdi
	syscall
	seto	%al
	sets	%cl
	add	%cl, %al
	movzbl	%al, %eax
	ret

	/* faults between: rdi is a pointer, the load is part of what is copied */
	SITE	load
	.globl	site_load_mov, site_load_load
site_load_mov:
	movl	$110, %eax
site_load_load:
	mov	(%rdi), %rdx
	syscall
	ret

	.section .note.GNU-stack, "", @progbits
