/*
 * Entries to the kernel: exceptions, interrupts, SYSCALL; and KCALL_WAIT.
 *
 * Interrupts and exceptions arrive on the vCPU's own stack page with the
 * CPU's frame at its top, so every other per-vCPU place is at a constant
 * distance from RSP and no register needs saving. The kernel runs with IF=0,
 * but for the HLT of KCALL_WAIT, whose stack is empty for that reason.
 *
 * What CPL3 was doing is told apart by RIP alone: the program lives in the
 * lower half, the library OS (and the kernel) in the upper one.
 *
 *   event at a program's RIP    frame to the vCPU area, resume libos_event
 *   event at the libos's RIP    pending bit only; but inside the few
 *                               instructions that return to the program,
 *                               after they looked at the pending bits, start
 *                               these over (libos_window_*)
 *   event at CPL0               pending bit; the wait is over
 *   VECTOR_FLUSH                served here, back to where it came
 *   exception at CPL3           frame to the vCPU area, resume libos_fault
 *   exception at CPL0           a bug: kernel_bug()
 *
 * All general registers are the interrupted code's at both libos entries; RSP
 * is the top of the vCPU area.
 */
#include "kernel.h"

#define EXC_STUB 112
#define IRQ_STUB 80
#define STUBS    (IMAGE_BASE + GUEST_IMAGE_GPA)
#define IRQS     (STUBS + 32 * EXC_STUB)
#define SPURIOUS (IRQS + VECTOR_COUNT * IRQ_STUB)

/* Places relative to RSP when `depth` bytes are on the stack that ends at
 * `top`. POP computes its address after the increment. */
#define AREA(offset, top, depth)    PERCPU_AREA + (offset) - (top) + (depth)(%rsp)
#define PRIVATE(offset, top, depth) PERCPU_PRIVATE + (offset) - (top) + (depth)(%rsp)

/* The frame at RSP (40 bytes on the stack) goes to the vCPU area; CPL3
 * resumes as the frame `resume` of struct percpu says. */
.macro deliver resume, top
	popq AREA(A_RIP, \top, 32)
	add $8, %rsp
	popq AREA(A_RFLAGS, \top, 16)
	popq AREA(A_RSP, \top, 8)
	lea PRIVATE(\resume, \top, 8), %rsp
	iretq
.endm

.macro exception vector, top
	testb $3, 16(%rsp)
	jz kernel_fault
.if \vector == EXC_UD
	cmpq $libos_kcall_soft, 8(%rsp)
	je kcall_by_ud
.endif
	movl $\vector, AREA(A_VECTOR, \top, 48)
	popq AREA(A_ERROR, \top, 40)
.if \vector == EXC_PF
	mov %rax, AREA(A_SCRATCH, \top, 40)
	mov %cr2, %rax
	mov %rax, AREA(A_CR2, \top, 40)
	mov AREA(A_SCRATCH, \top, 40), %rax
.endif
	deliver P_FRAME_FAULT, \top
.endm

	.section .stubs, "ax"
	.globl kernel_stubs
kernel_stubs:
	.set v, 0
	.rept 32
.if v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30
	nop
.else
	push $0
.endif
.if v == EXC_NMI || v == EXC_DF || v == EXC_MC
	jmp kernel_fault
.elseif v == EXC_DB
	testb $3, 16(%rsp)
	jz debug_at_cpl0
	exception v, PERCPU_IST_TOP
.else
	exception v, PERCPU_STACK_TOP
.endif
	.set v, v + 1
	.org kernel_stubs + v * EXC_STUB
	.endr

	.set i, 0
	.rept VECTOR_COUNT
.if i == VECTOR_FLUSH - VECTOR_BASE
	jmp flush_here
.else
	orb $(1 << (i & 7)), AREA(A_PENDING + i / 8, PERCPU_STACK_TOP, 40)
	movl $0, FIXMAP_BASE + APIC_EOI
	cmpl $0, 4(%rsp)
	js event_in_upper_half
	deliver P_FRAME_EVENT, PERCPU_STACK_TOP
.endif
	.set i, i + 1
	.org kernel_stubs + 32 * EXC_STUB + i * IRQ_STUB
	.endr

	iretq /* SPURIOUS: no EOI, SDM 10.9 */

	.text
event_in_upper_half:
	testb $3, 8(%rsp)
	jz event_in_wait
	cmpq $libos_window_start, (%rsp)
	jb 1f
	cmpq $libos_window_end, (%rsp)
	jae 1f
	movq $libos_window_restart, (%rsp)
1:	iretq

/* VECTOR_FLUSH, whatever this vCPU was doing: paging.c, flush_cpus(). What is
 * answered was read before the flush. */
flush_here:
	push %rax
	push %rcx
	mov PRIVATE(P_FLUSH_WANTED, PERCPU_STACK_TOP, 56), %ecx
	mov %cr3, %rax
	mov %rax, %cr3
	mov %ecx, PRIVATE(P_FLUSH_DONE, PERCPU_STACK_TOP, 56)
	movl $0, FIXMAP_BASE + APIC_EOI
	pop %rcx
	pop %rax
	iretq

/* A single step that began at CPL3 and ended behind a SYSCALL. */
debug_at_cpl0:
	add $8, %rsp
	andl $~RFLAGS_TF, 16(%rsp)
	iretq

kernel_fault:
	mov %rsp, %rdi
	mov %cr2, %rsi
	call kernel_bug

/*
 * A kcall on the soft flavour: UD2 at libos_kcall_soft. EAX = number, RDI,
 * RSI, RDX = arguments. The frame under the error code is the CPU's.
 */
kcall_by_ud:
	addq $2, 8(%rsp)
	cmp $KCALL_COUNT, %eax
	jae 2f
	test %eax, %eax
	jz 1f
	call *kcalls(,%rax,8)
	add $8, %rsp
	iretq
1:	add $8, %rsp
	popq PRIVATE(P_RIP, PERCPU_STACK_TOP, 32)
	add $8, %rsp
	popq PRIVATE(P_RFLAGS, PERCPU_STACK_TOP, 16)
	popq PRIVATE(P_RSP, PERCPU_STACK_TOP, 8)
	add $8, %rsp
	jmp wait
2:	mov $-38, %rax /* -ENOSYS */
	add $8, %rsp
	iretq

/*
 * SYSCALL, hard flavour (SDM 5.8.8): RCX = return address, R11 = RFLAGS, RSP
 * still CPL3's. From the lower half it is a program's system call, which goes
 * to libos_syscall_hard with RCX and R11 in the vCPU area; from the upper
 * half it is a kcall.
 */
	.globl syscall_entry
syscall_entry:
	swapgs
	test %rcx, %rcx
	js 1f
	mov %rcx, %gs:PERCPU_AREA - PERCPU_PRIVATE + A_RIP
	mov %r11, %gs:PERCPU_AREA - PERCPU_PRIVATE + A_RFLAGS
	swapgs
	mov $libos_syscall_hard, %rcx
	mov $(RFLAGS_FIXED | RFLAGS_IF), %r11d
	sysretq
1:	mov %rsp, %gs:P_RSP
	mov %gs:P_STACK_TOP, %rsp
	cmp $KCALL_COUNT, %eax
	jae 3f
	test %eax, %eax
	jz 2f
	push %rcx
	push %r11
	call *kcalls(,%rax,8)
	pop %r11
	pop %rcx
	mov %gs:P_RSP, %rsp
	swapgs
	sysretq
2:	mov %rcx, %gs:P_RIP
	mov %r11, %gs:P_RFLAGS
	swapgs
	jmp wait
3:	mov $-38, %rax
	mov %gs:P_RSP, %rsp
	swapgs
	sysretq

kcall_reset:
	push $0
	push $0
	lidt (%rsp)
	ud2

/*
 * KCALL_WAIT: the caller is in P_RIP, P_RFLAGS, P_RSP; the stack is empty.
 * STI holds interrupts off for one instruction, so that none comes between the
 * look at the pending bits and HLT; but not everywhere (QEMU's SVM forgets it
 * when a VM exit comes in between). So no event returns to here: wherever it
 * came, the wait is over. Only a spurious interrupt gets to CLI.
 */
wait:
	cmpq $0, AREA(A_PENDING, PERCPU_STACK_TOP, 0)
	jne wait_over
	sti
	hlt
	cli
	jmp wait_over
event_in_wait:
	add $40, %rsp
wait_over:
	push $USER_SS
	push PRIVATE(P_RSP, PERCPU_STACK_TOP, 8)
	push PRIVATE(P_RFLAGS, PERCPU_STACK_TOP, 16)
	push $USER_CS
	push PRIVATE(P_RIP, PERCPU_STACK_TOP, 32)
	iretq

	.section .rodata
	.balign 8
kcalls:
	.quad 0, kcall_timer, kcall_map, kcall_protect, kcall_unmap, kcall_split
	.quad kcall_donate, kcall_port, kcall_start_cpu, kcall_ipi, kcall_fs_base, kcall_soft
	.quad kcall_reset, kcall_drop_table, kcall_flush, kcall_map_run
	.if (. - kcalls) / 8 != KCALL_COUNT
	.error "kcalls does not match kcall.h"
	.endif

/* Interrupt gates, SDM 6.14.1. */
.macro gate address, dpl, ist
	.word \address & 0xffff, KERNEL_CS, \ist | (0x8e00 | \dpl << 13), (\address >> 16) & 0xffff
	.long (\address >> 32) & 0xffffffff, 0
.endm
	.balign 4096
	.globl idt
idt:
	.set v, 0
	.rept 256
.if v == EXC_NMI || v == EXC_DB || v == EXC_DF || v == EXC_MC
	gate (STUBS + v * EXC_STUB), 0, 1
.elseif v == EXC_BP
	gate (STUBS + v * EXC_STUB), 3, 0
.elseif v < 32
	gate (STUBS + v * EXC_STUB), 0, 0
.elseif v >= VECTOR_BASE && v < VECTOR_BASE + VECTOR_COUNT
	gate (IRQS + (v - VECTOR_BASE) * IRQ_STUB), 0, 0
.elseif v == 0xff
	gate SPURIOUS, 0, 0
.else
	.quad 0, 0
.endif
	.set v, v + 1
	.endr
