/*
 * void thread_switch(void **save_sp, void *sp)
 * Leaves the registers that C keeps on this stack, and its pointer in
 * *save_sp; goes on at another stack that was left like that.
 *
 * thread_start, idle_start: where new stacks lead to (thread.c makes them), a
 * thread's and that of a vCPU that looks for threads.
 */
#include "entry.h"

	.text
	.globl thread_switch, thread_start, idle_start
thread_switch:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

thread_start:
	xor %ebp, %ebp
	call thread_begin
	jmp libos_window_restart

idle_start:
	xor %ebp, %ebp
	call idle_begin
	ud2

	.section .note.GNU-stack, "", @progbits
