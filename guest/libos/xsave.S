/*
 * long fpu_save(void *area, u64 features)
 * long fpu_restore(const void *area, u64 features)
 * C calls. features 0: FXSAVE, FXRSTOR. 0, or -EFAULT after a fault at the instruction.
 */
#include "entry.h"

.macro guarded fixup, instruction:vararg
9:	\instruction
	.pushsection .extable, "a"
	.quad 9b, \fixup
	.popsection
.endm

	.text
	.globl fpu_save, fpu_restore
fpu_save:
	mov %rsi, %rdx
	shr $32, %rdx
	mov %esi, %eax
	test %rsi, %rsi
	jz 1f
	guarded 3f, xsave64 (%rdi)
	jmp 2f
1:	guarded 3f, fxsave64 (%rdi)
2:	xor %eax, %eax
	ret

fpu_restore:
	mov %rsi, %rdx
	shr $32, %rdx
	mov %esi, %eax
	test %rsi, %rsi
	jz 1f
	guarded 3f, xrstor64 (%rdi)
	jmp 2f
1:	guarded 3f, fxrstor64 (%rdi)
2:	xor %eax, %eax
	ret
3:	mov $-14, %rax /* -EFAULT */
	ret

	.section .note.GNU-stack, "", @progbits
