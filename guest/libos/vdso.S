/* The vDSO image (guest/vdso), page-aligned, to be mapped into programs. */
	.section .vdso, "a", @progbits
	.balign 4096
	.incbin VDSO_FILE
	.balign 4096
	.section .note.GNU-stack, "", @progbits
