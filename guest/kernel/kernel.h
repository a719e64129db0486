/*
 * What the kernel's own files share. Nothing here is visible at CPL3.
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "../../shared/pvh.h"
#include "kcall.h"

/* struct percpu offsets */
#define P_FRAME_EVENT  0x00
#define P_FRAME_FAULT  0x28
#define P_STACK_TOP    0x50
#define P_RIP          0x58
#define P_RFLAGS       0x60
#define P_RSP          0x68
#define P_AREA_VA      0x70
#define P_ONLINE       0x78
#define P_GO           0x7c
#define P_GDT          0x80
#define P_FLUSH_WANTED 0xd0
#define P_FLUSH_DONE   0xd4
#define P_TSS          0x100

#define FILL_LEAST 24 /* in struct boot_tables */

#define GDT_ENTRIES 10
#define GDT_CODE32  0x00cf9b000000ffff
#define GDT_CODE64  0x00af9b000000ffff
#define GDT_DATA    0x00cf93000000ffff
#define GDT_DPL3    0x0000600000000000
#define TSS_LIMIT   0x67

#ifndef __ASSEMBLER__

struct iret_frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

/* SDM 8.7, figure 8-11 */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, iomap;
} __attribute__((packed));

/* PERCPU_PRIVATE of a vCPU; GS base at CPL0 after SWAPGS. */
struct percpu {
	struct iret_frame event, fault; /* constant: how to enter the library OS */
	uint64_t stack_top;
	uint64_t rip, rflags, rsp; /* who called KCALL_WAIT, or a kcall by SYSCALL */
	uint64_t area_va; /* GS base at CPL3 */
	uint32_t online; /* the vCPU itself sets it once it runs, and waits for */
	uint32_t go; /* this */
	uint64_t gdt[GDT_ENTRIES];
	uint32_t flush_wanted, flush_done; /* how often: VECTOR_FLUSH */
	uint64_t pad[5];
	struct tss tss;
};

_Static_assert(offsetof(struct percpu, fault) == P_FRAME_FAULT, "P_FRAME_FAULT");
_Static_assert(offsetof(struct percpu, stack_top) == P_STACK_TOP, "P_STACK_TOP");
_Static_assert(offsetof(struct percpu, rip) == P_RIP, "P_RIP");
_Static_assert(offsetof(struct percpu, rflags) == P_RFLAGS, "P_RFLAGS");
_Static_assert(offsetof(struct percpu, rsp) == P_RSP, "P_RSP");
_Static_assert(offsetof(struct percpu, area_va) == P_AREA_VA, "P_AREA_VA");
_Static_assert(offsetof(struct percpu, online) == P_ONLINE, "P_ONLINE");
_Static_assert(offsetof(struct percpu, go) == P_GO, "P_GO");
_Static_assert(offsetof(struct percpu, gdt) == P_GDT, "P_GDT");
_Static_assert(offsetof(struct percpu, flush_wanted) == P_FLUSH_WANTED, "P_FLUSH_WANTED");
_Static_assert(offsetof(struct percpu, flush_done) == P_FLUSH_DONE, "P_FLUSH_DONE");
_Static_assert(offsetof(struct percpu, tss) == P_TSS, "P_TSS");
_Static_assert(offsetof(struct boot_tables, fill_least) == FILL_LEAST, "FILL_LEAST");
_Static_assert(sizeof(struct tss) == TSS_LIMIT + 1, "TSS_LIMIT");

extern char kernel_end[]; /* guest.lds.S */

/* A page of the kernel's by its physical address; below 1 GiB only. */
static inline void *kernel_page(uint64_t pa)
{
	return (void *)(IMAGE_BASE + pa);
}

/* The vCPU area of the caller, by the kernel's own mapping: the stack is in
 * the same 32 KiB. */
static inline struct vcpu_area *this_area(void)
{
	uint64_t here = (uint64_t)__builtin_frame_address(0);
	return (struct vcpu_area *)((here & ~(PERCPU_SIZE - 1ull)) + PERCPU_AREA);
}

/* A zero frame from the kernel's pool, or 0. frames.c */
uint64_t pool_take(void);

/* Whether the domain may have [pa, pa + len) mapped: most often decided by
 * lying between this image and the APIC while no block is the kernel's. */
int domain_owns_slow(uint64_t pa, uint64_t len);
extern int any_donated;
extern struct boot_tables boot_tables; /* boot.S; the pool */
static inline int domain_owns(uint64_t pa, uint64_t len)
{
	if (pa >= (uint64_t)kernel_end - IMAGE_BASE && pa + len <= APIC_GPA && pa < pa + len &&
	    !any_donated)
		return 1;
	return domain_owns_slow(pa, len);
}

#define BLOCKS 512 /* 1 GiB: what pd_image can map, and where donated blocks lie */

/* Pages of each block that the domain has mapped, beside its direct map. Never
 * too low: mapping over a mapping counts twice. frames.c */
extern uint32_t mapped[BLOCKS];

/* Entries for [pa, pa + len) came or went; a leaf at a time for the latter. */
void count_mapped(uint64_t pa, uint64_t len);
void count_unmapped(uint64_t pa, uint64_t len);

/* One lock for all tables and the pool: kcalls are short. */
extern uint32_t kernel_lock_word;
static inline void kernel_lock(void)
{
	while (__atomic_exchange_n(&kernel_lock_word, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}
static inline void kernel_unlock(void)
{
	__atomic_store_n(&kernel_lock_word, 0, __ATOMIC_RELEASE);
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
static inline volatile uint32_t *apic(uint32_t reg)
{
	return (volatile uint32_t *)(FIXMAP_BASE + reg);
}

/* From the assembly files and the linker script. */
extern char ap_boot_start[], ap_boot_end[], kernel_start[];
extern uint64_t pml4[512], pt_percpu[512], pd_image[512], pd_direct[512];
extern void libos_syscall_soft(void), libos_probe(void), libos_event(void), libos_fault(void),
	libos_ap_start(void);
extern uint32_t lstar, sfmask; /* for MSR_LSTAR (low half) and MSR_SFMASK */
extern uint64_t cr4_run;

/* The kcalls. */
long kcall_timer(uint64_t tsc, uint64_t ticks);
long kcall_map(uint64_t count);
long kcall_map_run(uint64_t va, uint64_t entry, uint64_t n);
long kcall_protect(uint64_t va, uint64_t bits, uint64_t n);
long kcall_unmap(uint64_t va, uint64_t n);
long kcall_split(uint64_t va);
long kcall_drop_table(uint64_t va, uint64_t shift);
long kcall_donate(uint64_t pa);
long kcall_port(uint64_t what, uint64_t value);
long kcall_start_cpu(uint64_t cpu, uint64_t area);
long kcall_ipi(uint64_t cpu);
long kcall_flush(uint64_t cpus);
long kcall_fs_base(uint64_t address);
long kcall_soft(void);

#endif
#endif
