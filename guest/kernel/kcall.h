/*
 * The boundary between the kernel (CPL0) and the library OS (CPL3): the
 * virtual address map, the vCPU area, the calls. C and assembly; depends on
 * shared/ only.
 *
 * Virtual memory of every space:
 *
 *   0x0000000000001000 - 0x00007fffffffffff  the program                 user
 *   0xffff808000000000 + pa                  direct map, NX; read-only
 *                                            for page tables, absent for
 *                                            the rest of the kernel       user
 *   0xffff810000000000 - ...                 the library OS's own windows user
 *   0xffffffff80000000 + pa                  guest image below 2 MiB, and
 *                                            the kernel's donated blocks
 *   0xffffffffc0000000 + cpu * 32 KiB        per-vCPU pages         supervisor
 *   0xffffffffc0200000                       local APIC             supervisor
 *   0xffffffffc0210000                       VIRTIO_MMIO_GPA, all windows user
 */
#ifndef KERNEL_KCALL_H
#define KERNEL_KCALL_H

#include "../../shared/abi.h"
#include "../../shared/x86.h"

#define DIRECT_MAP                                                                     \
	0xffff808000000000 /* not 0xffff8000...: the soft flavour cannot use that slot \
			    */
#define IMAGE_BASE  0xffffffff80000000
#define PERCPU_BASE 0xffffffffc0000000
#define FIXMAP_BASE 0xffffffffc0200000
#define VIRTIO_BASE 0xffffffffc0210000
#define WINDOW_BASE 0xffff810000000000
#define USER_END    0x00007ffffffff000

/* Top of the first process's stack and its vDSO, in one 2 MiB; the page
 * tables are made with them (boot.S). */
#define STACK_TOP   0x7fffffff0000
#define STACK_PAGES 8
#define VDSO_BASE   0x7fffffff8000

/* Selectors: Linux's, because the soft flavour looks at the host's GDT. */
#define KERNEL_CS 0x10
#define KERNEL_SS 0x18
#define USER_CS   0x33
#define USER_SS   0x2b
#define TSS_SEL   0x40

/*
 * A vCPU's pages, from PERCPU_BASE + cpu * PERCPU_SIZE. What lies between
 * them is not mapped and guards the stacks.
 */
#define PERCPU_SIZE      0x8000
#define PERCPU_STACK_TOP 0x2000 /* of interrupts, faults and kcalls */
#define PERCPU_IST_TOP   0x4000 /* of NMI, #DB, #DF, #MC */
#define PERCPU_PRIVATE   0x5000 /* struct percpu */
#define PERCPU_AREA      0x6000 /* supervisor alias of the vCPU area */

/* struct vcpu_area offsets */
#define A_PENDING           0x08
#define A_RIP               0x10
#define A_RFLAGS            0x18
#define A_RSP               0x20
#define A_ERROR             0x28
#define A_CR2               0x30
#define A_VECTOR            0x38
#define A_SCRATCH           0x40
#define A_KCALL             0x48
#define A_CPU               0x50
#define A_TIMER_IS_DEADLINE 0x54
#define A_FSGSBASE          0x58
#define A_XSAVE             0x5c
#define A_LIBOS             0x80

/*
 * kcalls: number in EAX, arguments in RDI, RSI, RDX, result in RAX (0 or
 * more, or -errno). The kernel keeps RBX, RBP, RSP and R12 to R15.
 */
#define KCALL_WAIT      0 /* () sleep until an event is pending */
#define KCALL_TIMER     1 /* (tsc deadline or 0, APIC timer ticks) VECTOR_TIMER then */
#define KCALL_MAP       2 /* (count) the first so many of vcpu_area.run */
#define KCALL_PROTECT   3 /* (va, PTE bits, n pages) new bits for what is mapped */
#define KCALL_UNMAP     4 /* (va, n pages) */
#define KCALL_SPLIT     5 /* (va) a block becomes 512 pages */
#define KCALL_DONATE    6 /* (pa) a free, zero 2 MiB block becomes the kernel's */
#define KCALL_PORT      7 /* (port | size << 16 | write << 24, value) */
#define KCALL_START_CPU 8 /* (cpu, pa of a zero frame: its area) */
#define KCALL_IPI       9 /* (cpu) VECTOR_IPI there */
#define KCALL_FS_BASE   10 /* (address) where CPL3 cannot WRFSBASE */
#define KCALL_SOFT      11 /* () SYSCALL stays at CPL3 here: the soft flavour */
#define KCALL_RESET     12 /* () triple fault: the last way to end a VM */
#define KCALL_DROP_TABLE                                                 \
	13 /* (va, 21, 30 or 39) the table of the program's half that an \
	    * entry of so many bits of address leads to: empty */
#define KCALL_FLUSH   14 /* (vCPUs, a bit each) they forget stale translations */
#define KCALL_MAP_RUN 15 /* (va, entry, n) one run, as KCALL_MAP does it */
#define KCALL_COUNT   16

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

#define MAP_RUNS 32

/* For KCALL_MAP: n pages from va on become pa, pa + 4096, ... with the PTE
 * bits in the low bits and PTE_NX; with PTE_PS it is n blocks of 2 MiB. */
struct map_run {
	uint64_t va, entry, n;
};

/*
 * One page per vCPU that both sides see; GS base at CPL3. The kernel trusts
 * nothing in it.
 */
struct vcpu_area {
	struct vcpu_area *self; /* libos writes */
	uint64_t pending; /* kernel sets bits (vector - VECTOR_BASE), libos clears */
	/* The last fault or event that was delivered; kernel writes. For events
	 * only rip, rflags and rsp. */
	uint64_t rip, rflags, rsp, error, cr2, vector;
	uint64_t scratch; /* kernel */
	void (*kcall)(void); /* libos: its thunk for this flavour */
	uint32_t cpu; /* kernel writes at start */
	uint32_t timer_is_deadline; /* kernel: TSC deadline, or APIC ticks */
	uint32_t fsgsbase; /* kernel: CPL3 may use WRFSBASE */
	uint32_t xsave; /* kernel: CR4.OSXSAVE is set */
	uint64_t reserved[4];
	uint64_t libos[16]; /* the library OS's own: guest/libos/entry.h */
	struct map_run run[MAP_RUNS]; /* libos writes */
};

_Static_assert(offsetof(struct vcpu_area, pending) == A_PENDING, "A_PENDING");
_Static_assert(offsetof(struct vcpu_area, rip) == A_RIP, "A_RIP");
_Static_assert(offsetof(struct vcpu_area, rflags) == A_RFLAGS, "A_RFLAGS");
_Static_assert(offsetof(struct vcpu_area, rsp) == A_RSP, "A_RSP");
_Static_assert(offsetof(struct vcpu_area, error) == A_ERROR, "A_ERROR");
_Static_assert(offsetof(struct vcpu_area, cr2) == A_CR2, "A_CR2");
_Static_assert(offsetof(struct vcpu_area, vector) == A_VECTOR, "A_VECTOR");
_Static_assert(offsetof(struct vcpu_area, scratch) == A_SCRATCH, "A_SCRATCH");
_Static_assert(offsetof(struct vcpu_area, kcall) == A_KCALL, "A_KCALL");
_Static_assert(offsetof(struct vcpu_area, cpu) == A_CPU, "A_CPU");
_Static_assert(offsetof(struct vcpu_area, timer_is_deadline) == A_TIMER_IS_DEADLINE, "timer");
_Static_assert(offsetof(struct vcpu_area, fsgsbase) == A_FSGSBASE, "A_FSGSBASE");
_Static_assert(offsetof(struct vcpu_area, xsave) == A_XSAVE, "A_XSAVE");
_Static_assert(offsetof(struct vcpu_area, libos) == A_LIBOS, "A_LIBOS");
#endif
#endif
