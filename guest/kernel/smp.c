/*
 * Starting vCPUs and interrupting them: the local APIC's interrupt command
 * register (SDM 10.6) and INIT/SIPI (SDM 8.4.4).
 */
#include "kernel.h"

#define ENOMEM  12
#define EINVAL  22
#define PAGE_RW (PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)
#define SLOTS   (PERCPU_SIZE / PAGE_SIZE)

static uint64_t started = 1; /* vCPUs that run, or will in a moment */

static void send(uint64_t cpu, uint32_t command)
{
	*apic(APIC_ICR_HI) = cpu << 24;
	*apic(APIC_ICR_LO) = command;
}

static struct percpu *percpu_of(uint64_t cpu)
{
	return (struct percpu *)(PERCPU_BASE + cpu * PERCPU_SIZE + PERCPU_PRIVATE);
}

/* A frame of the kernel's in a slot of the vCPU's pages. */
static int fill_slot(uint64_t *slot)
{
	uint64_t pa = *slot ? 0 : pool_take();
	if (pa)
		*slot = pa | PAGE_RW;
	return *slot != 0; /* by an earlier call that did not get all */
}

/* A GDT like vCPU 0's with this vCPU's TSS (SDM 8.2.3). */
static void set_tables(struct percpu *p, uint64_t base)
{
	const struct percpu *p0 = percpu_of(0);
	for (unsigned i = 0; i < GDT_ENTRIES; i++)
		p->gdt[i] = p0->gdt[i];
	uint64_t tss = (uint64_t)&p->tss;
	p->gdt[TSS_SEL / 8] =
		TSS_LIMIT | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
	p->gdt[TSS_SEL / 8 + 1] = tss >> 32;
	p->tss.rsp[0] = base + PERCPU_STACK_TOP;
	p->tss.ist[0] = base + PERCPU_IST_TOP;
	p->tss.iomap = TSS_LIMIT + 1;
}

static long make_pages(uint64_t cpu, uint64_t area)
{
	uint64_t *slot = &pt_percpu[cpu * SLOTS];
	uint64_t base = PERCPU_BASE + cpu * PERCPU_SIZE;
	if (area % PAGE_SIZE || !domain_owns(area, PAGE_SIZE))
		return -EINVAL;
	if (!fill_slot(&slot[1]) || !fill_slot(&slot[3]) || !fill_slot(&slot[5]))
		return -ENOMEM;
	struct percpu *p = percpu_of(cpu);
	const struct percpu *p0 = percpu_of(0);
	p->event = p0->event;
	p->fault = p0->fault;
	p->area_va = DIRECT_MAP + area;
	p->event.rsp = p->fault.rsp = p->area_va + PAGE_SIZE;
	p->stack_top = base + PERCPU_STACK_TOP;
	set_tables(p, base);
	slot[6] = area | PAGE_RW;
	*(uint32_t *)(base + PERCPU_AREA + A_CPU) = cpu;
	return 0;
}

/*
 * To be called until the vCPU has come: a VMM may still be making it, and
 * then the INIT is lost. The vCPU waits until a later call has seen it, so
 * that no INIT can hit it beyond its first steps.
 */
long kcall_start_cpu(uint64_t cpu, uint64_t area)
{
	if (!cpu || cpu >= MAX_CPUS)
		return -EINVAL;
	kernel_lock();
	long error = pt_percpu[cpu * SLOTS + 6] ? 0 : make_pages(cpu, area);
	kernel_unlock();
	if (error)
		return error;
	struct percpu *p = percpu_of(cpu);
	if (__atomic_load_n(&p->online, __ATOMIC_ACQUIRE)) {
		__atomic_or_fetch(&started, 1ull << cpu, __ATOMIC_SEQ_CST);
		p->go = 1;
		return 0;
	}
	volatile uint64_t *to = (volatile uint64_t *)(FIXMAP_BASE + PAGE_SIZE);
	if (!*to)
		for (const uint64_t *from = (const uint64_t *)ap_boot_start;
		     from < (const uint64_t *)ap_boot_end; from++)
			*to++ = *from;
	send(cpu, APIC_ICR_INIT);
	send(cpu, APIC_ICR_STARTUP | AP_BOOT_GPA / PAGE_SIZE);
	return 0;
}

static void flush_here(void)
{
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}

/* What others want of this vCPU while it waits for them with interrupts off. */
static void answer(struct percpu *p)
{
	uint32_t wanted = __atomic_load_n(&p->flush_wanted, __ATOMIC_ACQUIRE);
	if (wanted == p->flush_done)
		return;
	flush_here();
	__atomic_store_n(&p->flush_done, wanted, __ATOMIC_RELEASE);
}

static void ask(uint64_t cpu)
{
	__atomic_add_fetch(&percpu_of(cpu)->flush_wanted, 1, __ATOMIC_SEQ_CST);
	send(cpu, VECTOR_FLUSH);
}

static void await(struct percpu *me, struct percpu *other)
{
	uint32_t wanted = __atomic_load_n(&other->flush_wanted, __ATOMIC_ACQUIRE);
	while ((int32_t)(__atomic_load_n(&other->flush_done, __ATOMIC_ACQUIRE) - wanted) < 0) {
		answer(me);
		__builtin_ia32_pause();
	}
}

/*
 * Returns when none of these vCPUs has a translation left that the page tables
 * no longer had when it was called. Not under the kernel's lock: one of them may
 * be waiting for that with interrupts off.
 */
long kcall_flush(uint64_t cpus)
{
	uint64_t self = ((uint64_t)__builtin_frame_address(0) - PERCPU_BASE) / PERCPU_SIZE;

	if (cpus & 1ull << self)
		flush_here();
	cpus &= __atomic_load_n(&started, __ATOMIC_SEQ_CST) & ~(1ull << self);
	for (uint64_t left = cpus; left; left &= left - 1)
		ask((uint64_t)__builtin_ctzll(left));
	for (; cpus; cpus &= cpus - 1)
		await(percpu_of(self), percpu_of((uint64_t)__builtin_ctzll(cpus)));
	return 0;
}

long kcall_ipi(uint64_t cpu)
{
	if (cpu >= MAX_CPUS)
		return -EINVAL;
	send(cpu, VECTOR_IPI);
	return 0;
}
