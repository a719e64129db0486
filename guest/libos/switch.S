/*
 * void thread_switch(void **save_sp, void *sp)
 * Leaves the registers that C keeps on this stack, and its pointer in
 * *save_sp; goes on at another stack that was left like that.
 *
 * thread_start: where a new thread's stack leads to (thread.c makes it).
 */
#include "entry.h"

	.text
	.globl thread_switch, thread_start
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

	.section .note.GNU-stack, "", @progbits
