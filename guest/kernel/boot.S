/*
 * From the PVH entry to the library OS.
 *
 *   pvh_start      32-bit protected mode, paging off, EBX = start_info
 *                  (PVH ABI); ends at CPL3 in
 *                  void libos_start(struct pvh_start_info *physical)
 *   ap_boot_start  real mode at AP_BOOT_GPA, by INIT/SIPI; ends at CPL3 in
 *                  void libos_ap_start(void)
 *
 * Nothing is computed that can be data: page tables, GDT, IDT and TSS of
 * vCPU 0 are in the image, since each instruction here costs a microsecond
 * on the soft flavour.
 */
#include "kernel.h"

#define CR4_BOOT (CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define LOW32(s) (s - 0xffffffff00000000)
#define CR0_RUN  (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG)

	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
	.asciz "Xen"
	.long pvh_start_pa

	.balign 4
	.long 7, 8, NOTE_TABLES
	.asciz "Mayfly"
	.balign 4
	.quad boot_tables - IMAGE_BASE

	.text
	.code32
	.globl pvh_start
pvh_start:
	mov %ebx, %edi
	lgdtl gdt_physical - IMAGE_BASE
	mov $CR4_BOOT, %eax
	mov %eax, %cr4
	mov $boot_pml4 - IMAGE_BASE, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	mov $(EFER_SCE | EFER_LME | EFER_NXE), %eax
	xor %edx, %edx
	wrmsr
	mov $CR0_RUN, %eax
	mov %eax, %cr0
	ljmpl $KERNEL_CS, $1f - IMAGE_BASE

	.code64
1:	mov $2f, %rax
	jmp *%rax
2:	mov $pml4 - IMAGE_BASE, %eax
	mov %rax, %cr3
	mov $PERCPU_BASE, %r15
	lea PERCPU_STACK_TOP(%r15), %rsp
	call cpu_setup
	mov %r9, cr4_run
	mov $libos_start, %rax
	jmp enter_libos

/*
 * Another vCPU: in 64-bit mode, on boot_pml4, stack unset. Its APIC id says
 * which it is; kcall_start_cpu() has made its pages.
 */
ap_start64:
	mov $pml4 - IMAGE_BASE, %eax
	mov %rax, %cr3
	mov FIXMAP_BASE + APIC_ID, %r15d
	shr $24, %r15d
	imul $PERCPU_SIZE, %r15, %r15
	add $PERCPU_BASE, %r15
	lea PERCPU_STACK_TOP(%r15), %rsp
	call cpu_setup
	mov %r9, %cr4
	movl $1, PERCPU_PRIVATE + P_ONLINE(%r15)
1:	pause /* until kcall_start_cpu() has seen it and sends no more INITs */
	cmpl $0, PERCPU_PRIVATE + P_GO(%r15)
	je 1b
	mov $libos_ap_start, %rax
	/* fall through */

/* To CPL3 at RAX with RDI kept. R15 = the vCPU's pages. */
enter_libos:
	push $USER_SS
	push PERCPU_PRIVATE + P_FRAME_EVENT + 24(%r15)
	push $(RFLAGS_FIXED | RFLAGS_IF)
	push $USER_CS
	push %rax
	iretq

/*
 * The first instruction at CPL3 is a SYSCALL, with LSTAR at libos_probe in
 * the library OS. Where that leads to CPL0, the flavour is hard, and
 * libos_probe comes here (RCX, R11 by SYSCALL); else it makes KCALL_SOFT. No
 * domain code has run before, so none can lie; SMEP waits until here, because
 * at CPL0 libos_probe is a user page.
 */
	.globl hard_flavour
hard_flavour:
	mov %rcx, %r8
	mov %r11, %r9
	mov $MSR_LSTAR, %ecx
	mov $LOW32(syscall_entry), %eax
	mov %eax, lstar
	mov $-1, %edx
	wrmsr
	mov $MSR_SFMASK, %ecx
	mov sfmask, %eax
	or $RFLAGS_IF, %eax
	mov %eax, sfmask
	xor %edx, %edx
	wrmsr
	movq $FILL_NEVER, boot_tables + FILL_LEAST
	mov cr4_run, %rax
	mov %rax, %cr4
	mov %r8, %rcx
	mov %r9, %r11
	sysretq

/*
 * Sets this vCPU's registers; returns in R9 what CR4 is to be, which now has
 * all of it but SMEP. R15 = its pages; RDI is kept. The values are
 * from SDM 2.5 (CR4), 5.8.8 (SYSCALL), 13.3 (XCR0) and 10.4 (local APIC).
 */
cpu_setup:
	lea PERCPU_PRIVATE + P_GDT(%r15), %rax
	push %rax
	pushw $GDT_ENTRIES * 8 - 1
	lgdt (%rsp)
	add $10, %rsp
	lidt idt_pointer
	mov $KERNEL_SS, %eax
	mov %eax, %ss
	/* available, also when an INIT interrupted us after LTR (SDM 8.2.2) */
	movb $0x89, PERCPU_PRIVATE + P_GDT + TSS_SEL + 5(%r15)
	mov $TSS_SEL, %eax
	ltr %ax

	mov $MSR_STAR, %ecx
	xor %eax, %eax
	mov $((USER_CS - 16) << 16 | KERNEL_CS), %edx
	wrmsr
	mov $MSR_LSTAR, %ecx
	mov lstar, %eax
	mov $-1, %edx
	wrmsr
	mov $MSR_KERNEL_GS_BASE, %ecx
	lea PERCPU_PRIVATE(%r15), %eax
	wrmsr
	mov $MSR_GS_BASE, %ecx
	mov PERCPU_PRIVATE + P_AREA_VA(%r15), %eax
	mov PERCPU_PRIVATE + P_AREA_VA + 4(%r15), %edx
	wrmsr
	mov $MSR_SFMASK, %ecx
	mov sfmask, %eax
	xor %edx, %edx
	wrmsr

	movl $(APIC_SVR_ENABLE | 0xff), FIXMAP_BASE + APIC_SVR
	mov $VECTOR_TIMER, %r9d
	mov $1, %eax
	cpuid
	mov %ecx, %r8d
	bt $24, %r8d /* TSC deadline */
	jnc 1f
	or $APIC_TIMER_TSC_DEADLINE, %r9d
	movl $1, PERCPU_AREA + A_TIMER_IS_DEADLINE(%r15)
1:	mov %r9d, FIXMAP_BASE + APIC_LVT_TIMER
	movl $0xb, FIXMAP_BASE + APIC_TIMER_DCR /* divide by 1 */

	mov $CR4_BOOT, %r9d
	mov $7, %eax
	xor %ecx, %ecx
	cpuid
	bt $0, %ebx
	jnc 1f
	or $CR4_FSGSBASE, %r9d
	movl $1, PERCPU_AREA + A_FSGSBASE(%r15)
1:	bt $7, %ebx
	jnc 1f
	or $CR4_SMEP, %r9d
1:	bt $20, %ebx
	jnc 1f
	or $CR4_SMAP, %r9d
1:	bt $2, %ecx
	jnc 1f
	or $CR4_UMIP, %r9d
1:	bt $26, %r8d
	jnc 1f
	or $CR4_OSXSAVE, %r9d
	mov %r9, %rax
	and $~CR4_SMEP, %rax
	mov %rax, %cr4
	movl $1, PERCPU_AREA + A_XSAVE(%r15)
	mov $0xd, %eax
	xor %ecx, %ecx
	cpuid
	and $0xe7, %eax /* x87, SSE, AVX, AVX-512 */
	xor %ecx, %ecx
	xor %edx, %edx
	xsetbv
	ret
1:	mov %r9, %rax
	and $~CR4_SMEP, %rax
	mov %rax, %cr4
	ret

	/* Copied to AP_BOOT_GPA, which the kernel alone can write. */
	.section .rodata
	.balign 16
	.globl ap_boot_start, ap_boot_end
	.code16
ap_boot_start:
	cli
	mov %cs, %ax
	mov %ax, %ds
	lgdtl ap_gdt_pointer - ap_boot_start
	mov $CR4_BOOT, %eax
	mov %eax, %cr4
	mov $boot_pml4 - IMAGE_BASE, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	mov $(EFER_SCE | EFER_LME | EFER_NXE), %eax
	xor %edx, %edx
	wrmsr
	mov $CR0_RUN, %eax
	mov %eax, %cr0
	ljmpl $KERNEL_CS, $AP_BOOT_GPA + ap_long_mode - ap_boot_start
	.code64
ap_long_mode:
	mov $ap_start64, %rax
	jmp *%rax
	.balign 8
ap_gdt:
	.quad 0, GDT_CODE32, GDT_CODE64, GDT_DATA
ap_gdt_pointer:
	.word . - ap_gdt - 1
	.long AP_BOOT_GPA + ap_gdt - ap_boot_start
ap_boot_end:

	.balign 8
gdt_physical:
	.word GDT_ENTRIES * 8 - 1
	.long percpu0 + P_GDT - IMAGE_BASE
	.balign 8
idt_pointer:
	.word 256 * 16 - 1
	.quad idt

	/* How SYSCALL is set up, also for the vCPUs that start later. On the
	 * soft flavour IF must not be masked, or CPL3 would run without it. */
	.data
	.globl lstar, sfmask, cr4_run
	.balign 8
cr4_run:
	.quad 0
lstar:
	.long LOW32(libos_probe)
sfmask:
	.long RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC

	/* struct boot_tables (abi.h) */
	.balign 8
	.globl boot_tables
boot_tables:
	.quad pml4 - IMAGE_BASE, pool_start - IMAGE_BASE, pool_end - IMAGE_BASE
	.quad FILL_NEVER
	.quad kernel_start - IMAGE_BASE, kernel_end - IMAGE_BASE, pd_image - IMAGE_BASE
	.quad mapped - IMAGE_BASE, kernel_lock_word - IMAGE_BASE

	/* vCPU 0's private page (struct percpu) */
	.balign 4096
	.globl percpu0
percpu0:
	.quad libos_event, USER_CS, RFLAGS_FIXED | RFLAGS_IF, vcpu0_area + 4096, USER_SS
	.quad libos_fault, USER_CS, RFLAGS_FIXED | RFLAGS_IF, vcpu0_area + 4096, USER_SS
	.quad PERCPU_BASE + PERCPU_STACK_TOP
	.org percpu0 + P_AREA_VA
	.quad vcpu0_area
	.org percpu0 + P_GDT
#define TSS_VA (PERCPU_BASE + PERCPU_PRIVATE + P_TSS)
	.quad 0, GDT_CODE32, GDT_CODE64, GDT_DATA
	.quad GDT_CODE32 | GDT_DPL3, GDT_DATA | GDT_DPL3, GDT_CODE64 | GDT_DPL3, 0
	.quad TSS_LIMIT | ((TSS_VA & 0xffffff) << 16) | (0x89 << 40) | (((TSS_VA >> 24) & 0xff) << 56)
	.quad TSS_VA >> 32 & 0xffffffff
	.org percpu0 + P_TSS + 4
	.quad PERCPU_BASE + PERCPU_STACK_TOP
	.org percpu0 + P_TSS + 0x24
	.quad PERCPU_BASE + PERCPU_IST_TOP
	.org percpu0 + P_TSS + 0x66
	.word TSS_LIMIT + 1
	.balign 4096

	.bss
	.balign 4096
stack0:
	.skip 4096
ist0:
	.skip 4096

	/* Page tables (SDM 4.5), complete but for what the linker script adds. */
	.section .tables, "aw", @progbits
	.balign 4096
#define TABLE(t) (t - IMAGE_BASE + (PTE_P | PTE_W | PTE_U | PTE_A))
	.globl pml4, pt_percpu, pd_image, pd_direct
pml4:
	.org pml4 + 255 * 8
	.quad TABLE(pdpt_top)
	.org pml4 + 257 * 8
	.quad TABLE(pdpt_direct)
	.org pml4 + 511 * 8
	.quad TABLE(pdpt_image)
boot_pml4: /* the same, and the first 2 MiB at their physical addresses */
	.quad TABLE(pdpt_identity)
	.org boot_pml4 + 511 * 8
	.quad TABLE(pdpt_image)
pdpt_identity:
	.quad TABLE(pd_image)
	.org pdpt_identity + 4096
pdpt_image:
	.org pdpt_image + 510 * 8
	.quad TABLE(pd_image), TABLE(pd_percpu)
pd_image:
	.quad TABLE(pt_image)
	.org pd_image + 4096
pd_percpu:
	.quad TABLE(pt_percpu), TABLE(pt_fixmap)
	.org pd_percpu + 4096
#define KERNEL_RW (PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)
pt_percpu:
	.quad 0, stack0 - IMAGE_BASE + KERNEL_RW, 0, ist0 - IMAGE_BASE + KERNEL_RW
	.quad 0, percpu0 - IMAGE_BASE + KERNEL_RW, vcpu0_area - IMAGE_BASE + KERNEL_RW
	.org pt_percpu + 4096
pt_fixmap:
	.quad APIC_GPA + KERNEL_RW + PTE_PCD + PTE_PWT, AP_BOOT_GPA + KERNEL_RW
	.org pt_fixmap + (VIRTIO_BASE - FIXMAP_BASE) / PAGE_SIZE * 8
	.set window, 0
	.rept VIRTIO_MMIO_MAX
	.quad VIRTIO_MMIO_GPA + window * VIRTIO_MMIO_SIZE + KERNEL_RW + PTE_U + PTE_PCD + PTE_PWT
	.set window, window + 1
	.endr
	.org pt_fixmap + 4096
	/* the top of the first process's stack, and the vDSO */
pdpt_top:
	.org pdpt_top + (STACK_TOP >> 30 & 511) * 8
	.quad TABLE(pd_top)
	.org pdpt_top + 4096
pd_top:
	.org pd_top + (STACK_TOP >> 21 & 511) * 8
	.quad TABLE(pt_top)
	.org pd_top + 4096
pt_top:
	.org pt_top + ((STACK_TOP >> 12 & 511) - STACK_PAGES) * 8
	.set page, 0
	.rept STACK_PAGES
	.quad first_stack - IMAGE_BASE + page * 4096 + KERNEL_RW + PTE_U
	.set page, page + 1
	.endr
	.org pt_top + (VDSO_BASE >> 12 & 511) * 8
	.quad vdso_start - IMAGE_BASE + (PTE_P | PTE_U | PTE_A)
	.org pt_top + 4096
pdpt_direct:
	.quad TABLE(pd_direct)
	.org pdpt_direct + 4096
pd_direct: /* the first GiB; the library OS asks for more (KCALL_MAP) */
	.quad TABLE(pt_direct)
	.set block, 1
	.rept 511
	.quad block * BLOCK_SIZE + (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_PS | PTE_NX)
	.set block, block + 1
	.endr

	/* Frames for more page tables until blocks are donated. */
	.section .pool, "aw", @nobits
	.balign 4096
pool_start:
	.skip 32 * 4096
pool_end:
