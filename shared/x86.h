/*
 * Register bits and MSR numbers that the VMM and the guest kernel use, by
 * their names in the SDM. Sections are of volume 3 of the Intel SDM, or of
 * volume 2 of the AMD APM.
 */
#ifndef MAYFLY_X86_H
#define MAYFLY_X86_H

/* Control registers, SDM 2.5 */
#define CR0_PE (1 << 0)
#define CR0_MP (1 << 1)
#define CR0_ET (1 << 4)
#define CR0_NE (1 << 5)
#define CR0_WP (1 << 16)
#define CR0_PG (1 << 31)

#define CR4_PAE        (1 << 5)
#define CR4_PGE        (1 << 7)
#define CR4_OSFXSR     (1 << 9)
#define CR4_OSXMMEXCPT (1 << 10)
#define CR4_UMIP       (1 << 11)
#define CR4_LA57       (1 << 12)
#define CR4_FSGSBASE   (1 << 16)
#define CR4_OSXSAVE    (1 << 18)
#define CR4_SMEP       (1 << 20)
#define CR4_SMAP       (1 << 21)

/* MSRs, SDM volume 4 */
#define MSR_APIC_BASE      0x1b
#define MSR_TSC_DEADLINE   0x6e0
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define EFER_SCE (1 << 0)
#define EFER_LME (1 << 8)
#define EFER_LMA (1 << 10)
#define EFER_NXE (1 << 11)

/* RFLAGS, SDM 2.3 */
#define RFLAGS_FIXED 0x2
#define RFLAGS_CF    0x1
#define RFLAGS_TF    0x100
#define RFLAGS_IF    0x200
#define RFLAGS_DF    0x400
#define RFLAGS_NT    0x4000
#define RFLAGS_AC    0x40000

/* Page-table entries, SDM 4.5 */
#define PTE_P    0x1
#define PTE_W    0x2
#define PTE_U    0x4
#define PTE_PWT  0x8
#define PTE_PCD  0x10
#define PTE_A    0x20
#define PTE_D    0x40
#define PTE_PS   0x80
#define PTE_FILE 0x200 /* ignored by the CPU: the frame is a file's, not the space's */
#define PTE_NX   0x8000000000000000
#define PTE_ADDR 0x000ffffffffff000

#define PAGE_SIZE  4096
#define PAGE_SHIFT 12
#define BLOCK_SIZE 0x200000 /* what one level-2 entry maps */

/* Page-fault error code, SDM 4.7 */
#define PFERR_P 0x1
#define PFERR_W 0x2
#define PFERR_U 0x4
#define PFERR_I 0x10

/* Exception vectors, SDM 6.3.1 */
#define EXC_DE  0
#define EXC_DB  1
#define EXC_NMI 2
#define EXC_BP  3
#define EXC_OF  4
#define EXC_BR  5
#define EXC_UD  6
#define EXC_NM  7
#define EXC_DF  8
#define EXC_TS  10
#define EXC_NP  11
#define EXC_SS  12
#define EXC_GP  13
#define EXC_PF  14
#define EXC_MF  16
#define EXC_AC  17
#define EXC_MC  18
#define EXC_XM  19

/* Local APIC registers, SDM 10.4.1; x2APIC MSR = 0x800 + offset / 16 */
#define APIC_GPA                0xfee00000
#define APIC_ID                 0x20
#define APIC_EOI                0xb0
#define APIC_SVR                0xf0
#define APIC_ICR_LO             0x300
#define APIC_ICR_HI             0x310
#define APIC_LVT_TIMER          0x320
#define APIC_TIMER_ICR          0x380
#define APIC_TIMER_CCR          0x390
#define APIC_TIMER_DCR          0x3e0
#define APIC_SVR_ENABLE         0x100
#define APIC_TIMER_TSC_DEADLINE 0x40000
#define APIC_ICR_INIT           0x4500
#define APIC_ICR_STARTUP        0x4600

#endif
