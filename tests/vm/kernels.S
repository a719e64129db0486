/*
 * A kernel that does what its command line's first letter says: the ways in
 * which a kernel ends badly. 32-bit, entered as PVH prescribes: EBX has the
 * address of the start_info, whose word at 24 is the command line's.
 */
	.section .note.pvh, "a", @note
	.long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	movl 24(%ebx), %eax
	movb (%eax), %al
	cmpb $'t', %al
	je triple_fault
	cmpb $'h', %al
	je halt
	cmpb $'r', %al
	je read_nothing
	cmpb $'w', %al
	je write_nothing
	cmpb $'j', %al
	je jump_nowhere
	movl $42, %eax /* else: the exit port */
	movl $0xf4, %edx
	outl %eax, %dx

triple_fault:
	lidt no_idt
	ud2
halt:
	cli
	hlt
	jmp halt
read_nothing: /* memory and devices are elsewhere */
	movl 0xe0000000, %eax
	jmp read_nothing
write_nothing:
	movl %eax, 0xe0000000
	jmp write_nothing
jump_nowhere:
	movl $0xe0000000, %eax
	jmp *%eax

	.align 8
no_idt:
	.word 0
	.long 0
	.section .note.GNU-stack, "", @progbits
