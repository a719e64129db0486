/*
 * A PVH guest to test count.sh with: as many instructions as its comments say at
 * CPL0, then some at CPL3, where it runs into a "program" at PROGRAM. The linker
 * gets .text at 1 MiB and .program at PROGRAM (selftest.sh).
 */
	.section .note, "a", @note
	.long	4, 4, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	start

	.text
	.code32
	.globl	start
start:						/* 12 instructions */
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	$0x20, %eax			/* PAE */
	mov	%eax, %cr4
	mov	$0xc0000080, %ecx		/* EFER */
	mov	$0x100, %eax			/* LME */
	xor	%edx, %edx
	wrmsr
	mov	$0x80000011, %eax
	mov	%eax, %cr0
	lgdt	gdtr
	ljmp	$8, $long_mode

	.code64
long_mode:					/* 4, and 1 however often it repeats */
	cld
	mov	$2000, %ecx
	mov	$scratch, %edi
	rep stosb
	mov	$100, %ecx
1:	dec	%ecx				/* 200 */
	jnz	1b
	push	$0x1b				/* 6 */
	push	$stack_end
	push	$2
	push	$0x23
	push	$user
	iretq
user:						/* 12 at CPL3 */
	mov	$5, %ecx
1:	dec	%ecx
	jnz	1b
	jmp	program

	.section .program, "awx"
program:					/* 2: no IDT, so #BP resets the machine */
	nop
	int3

	.data
	.balign	4096
pml4:	.quad	pdpt + 7
	.fill	511, 8, 0
pdpt:	.quad	pd + 7
	.fill	511, 8, 0
pd:	.quad	0x87, 0x200087			/* user-accessible 2 MiB pages */
	.fill	510, 8, 0
gdt:	.quad	0
	.quad	0x00af9b000000ffff		/* 0x08: CPL0, 64 bits */
	.quad	0x00cf93000000ffff
	.quad	0x00cff3000000ffff		/* 0x1b: CPL3 data */
	.quad	0x00affb000000ffff		/* 0x23: CPL3, 64 bits */
gdtr:	.word	gdtr - gdt - 1
	.quad	gdt
scratch:
	.fill	4096, 1, 0
stack_end:
