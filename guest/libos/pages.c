/*
 * The page tables as the library OS sees them: it reads them through the
 * direct map and has the kernel change them, in runs as long as possible,
 * because a kcall costs more than the entries it writes.
 *
 * An entry that is not present but not empty is a page of a PROT_NONE range.
 */
#include "../kernel/kcall.h"
#include "aio.h"
#include "boot_info.h"
#include "cpus.h"
#include "entry.h"
#include "frames.h"
#include "memory.h"
#include "sched.h"
#include "space.h"

extern u64 pml4[512]; /* the kernel's; only its address is used */

u64 pte_bits(u32 prot)
{
	u64 bits = 0;
	if (prot & (PROT_READ | PROT_WRITE | PROT_EXEC))
		bits |= PTE_P;
	if (prot & PROT_WRITE)
		bits |= PTE_W;
	if (!(prot & PROT_EXEC))
		bits |= PTE_NX;
	return prot & (PROT_READ | PROT_WRITE | PROT_EXEC) ? bits : 0;
}

u64 page_entry(u64 va, u64 *size)
{
	const u64 *table = phys_to_virt((u64)pml4 - IMAGE_BASE);
	for (unsigned shift = 39;; shift -= 9) {
		u64 entry = table[va >> shift & 511];
		*size = 1ull << shift;
		if (!entry || shift == PAGE_SHIFT || entry & PTE_PS)
			return entry;
		table = phys_to_virt(entry & PTE_ADDR);
	}
}

/* For the next KCALL_MAP. Not in the vCPU area: the thread may be on another
 * vCPU by then, and the direct map of new memory is made there at once. */
static struct map_run queue[MAP_RUNS];
static unsigned queued;

static bool vmm_helps(void)
{
	return boot_info.maps && flavour_soft;
}

/* By the VMM, which on the soft flavour costs less than the kernel: true, it is done. */
static bool done_by_vmm(u64 gpa, const struct map_run *run)
{
	const volatile u32 *at = (void *)(VIRTIO_BASE + (gpa - VIRTIO_MMIO_GPA));
	u32 done;
	if (!vmm_helps())
		return false;
	asm volatile("mov %1, %0"
		     : "=a"(done)
		     : "m"(*at), "D"(run->va), "S"(run->entry), "d"(run->n)
		     : "memory");
	return done;
}

static long map_queued(void)
{
	unsigned i = 0;
	while (i < queued && !(queue[i].entry & PTE_PS) && done_by_vmm(MAP_GPA, &queue[i]))
		i++;
	if (i == queued)
		return 0;
	if (queued - i == 1)
		return kcall(KCALL_MAP_RUN, queue[i].va, queue[i].entry, queue[i].n);
	memcpy(vcpu()->run, queue + i, (queued - i) * sizeof(queue[0]));
	return kcall(KCALL_MAP, queued - i, 0, 0);
}

int pages_flush(void)
{
	long error = queued ? map_queued() : 0;
	while (error == -ENOMEM && frames_feed_kernel())
		error = map_queued();
	BUG_ON(error && error != -ENOMEM);
	queued = 0;
	return error;
}

int pages_queue(u64 va, paddr_t pa, u64 bits, u64 n)
{
	struct map_run *last = &queue[queued - 1];
	if (queued && last->va + last->n * PAGE_SIZE == va &&
	    last->entry + last->n * PAGE_SIZE == (pa | bits)) {
		last->n += n; /* what the last run goes on with */
		return 0;
	}
	queue[queued++] = (struct map_run){ va, pa | bits, n };
	return queued == MAP_RUNS ? pages_flush() : 0;
}

int pages_map(u64 va, paddr_t pa, u64 bits, u64 n)
{
	int error = pages_queue(va, pa, bits, n);
	return error ? error : pages_flush();
}

/* A block that lies only partly on one side of va becomes pages. */
static int split_at(u64 va)
{
	u64 size;
	if (!(va & (BLOCK_SIZE - 1)) || !(page_entry(va, &size) & PTE_PS))
		return 0;
	while (kcall(KCALL_SPLIT, va, 0, 0) == -ENOMEM)
		if (!frames_feed_kernel())
			return -ENOMEM;
	return 0;
}

int pages_cut(u64 start, u64 end)
{
	return split_at(start) || split_at(end) ? -ENOMEM : 0;
}

/* For those who have no way to fail; their callers have cut before. */
static void must_cut(u64 start, u64 end)
{
	if (pages_cut(start, end))
		panic("no memory for page tables");
}

/* The next range of entries in use from *va on; false: none before end. */
static bool next_used(u64 *va, u64 end, u64 *run_end)
{
	u64 size = 0, at = *va;
	while (at < end && !page_entry(at, &size))
		at = ALIGN_DOWN(at, size) + size;
	*va = at;
	while (at < end && page_entry(at, &size))
		at += size;
	*run_end = MIN(at, end);
	return *va < end;
}

#define BATCH 256

/* Of entries in use: how many of n are pages of one table whose frames are ours to
 * free, if the first one is. */
static bool free_by_vmm(u64 va, const u64 *entry, unsigned n)
{
	const struct map_run run = { va, 0, n };
	if (!vmm_helps() || (va ^ (va + (n - 1) * PAGE_SIZE)) >> 21)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (entry[i] & (PTE_PS | PTE_FILE) || !frames_are_ours(entry[i] & PTE_ADDR))
			return false;
	return done_by_vmm(UNMAP_GPA, &run);
}

/* How many of n entries of pages have frames in a row, all ours or none of them. */
static unsigned in_a_row(const u64 *entry, unsigned n)
{
	bool ours = frames_are_ours(entry[0] & PTE_ADDR);
	unsigned i = 1;
	while (i < n && entry[i] == entry[0] + i * PAGE_SIZE &&
	       frames_are_ours(entry[i] & PTE_ADDR) == ours)
		i++;
	return i;
}

/* Frees the frames of a run that is in use, batch by batch: the kernel
 * forgets the entries before the frames can become somebody else's. */
static void free_run(struct space *space, u64 va, u64 end)
{
	static u64 batch[BATCH];
	while (va < end) {
		unsigned n = 0;
		u64 size, start = va;
		do {
			batch[n++] = page_entry(va, &size);
			va += size;
		} while (n < BATCH && va < end && (size > PAGE_SIZE || va & (BLOCK_SIZE - 1)));
		if (!free_by_vmm(start, batch, n)) {
			kcall(KCALL_UNMAP, start, (va - start) >> PAGE_SHIFT, 0);
			cpus_flush();
		}
		for (unsigned i = 0, many; i < n; i += many) {
			unsigned order = batch[i] & PTE_PS ? BLOCK_ORDER : 0;
			paddr_t pa = batch[i] & PTE_ADDR;
			many = order ? 1 : in_a_row(batch + i, n - i);
			space->resident -= (u64)many << order;
			if (batch[i] & PTE_FILE || !frames_are_ours(pa))
				continue;
			if (order)
				frames_free(pa, order);
			else
				frames_free_run(pa, many);
		}
	}
}

void pages_free(struct space *space, u64 start, u64 end)
{
	u64 run_end;
	if (unlikely(aio_in_flight)) {
		sched_hold(); /* the caller is amidst a change of the space */
		aio_drain();
		sched_release();
	}
	must_cut(start, end);
	for (u64 va = start; next_used(&va, end, &run_end); va = run_end)
		free_run(space, va, run_end);
}

int pages_replace(struct space *space, const struct vma *vma, u64 va, paddr_t pa)
{
	pages_free(space, va, va + PAGE_SIZE);
	int error = pages_map(va, pa, pte_bits(vma->prot), 1);
	space->resident += !error;
	return error;
}

void pages_drop_file(struct space *space, u64 start, u64 end)
{
	u64 size, next;
	if (pages_cut(start, end)) { /* what goes beside can be had from the file again */
		start = ALIGN_DOWN(start, BLOCK_SIZE);
		end = ALIGN_UP(end, BLOCK_SIZE);
	}
	for (u64 va = start; va < end; va = next) {
		u64 entry = page_entry(va, &size);
		next = ALIGN_DOWN(va, size) + size;
		if (!(entry & PTE_FILE))
			continue;
		while (next < end && page_entry(next, &size) & PTE_FILE)
			next += size;
		pages_free(space, va, next);
	}
}

void pages_protect(u64 start, u64 end, u32 prot)
{
	u64 run_end;
	bool any = false;
	split_at(start);
	split_at(end);
	for (u64 va = start; next_used(&va, end, &run_end); va = run_end) {
		kcall(KCALL_PROTECT, va, pte_bits(prot), (run_end - va) >> PAGE_SHIFT);
		any = true;
	}
	if (any)
		cpus_flush();
}

/* One entry at a time: mremap is rare, and runs need not be contiguous. */
int pages_move(u64 from, u64 to, u64 len)
{
	u64 run_end, end = from + len;
	if (pages_cut(from, end))
		return -ENOMEM;
	for (u64 va = from; next_used(&va, end, &run_end); va = run_end) {
		while (va < run_end) {
			u64 size, entry = page_entry(va, &size);
			u64 target = va - from + to;
			if (entry & PTE_PS && (target & (BLOCK_SIZE - 1))) {
				if (split_at(va + PAGE_SIZE))
					return -ENOMEM;
				continue;
			}
			u64 bits = entry & (PTE_P | PTE_W | PTE_NX | PTE_PS | PTE_FILE);
			kcall(KCALL_UNMAP, va, size >> PAGE_SHIFT, 0);
			cpus_flush();
			if (pages_map(target, entry & PTE_ADDR, bits, 1))
				return -ENOMEM;
			va += size;
		}
	}
	return 0;
}

static bool table_empty(const u64 *table)
{
	for (unsigned i = 0; i < 512; i++)
		if (table[i])
			return false;
	return true;
}

/* Of what `table` leads to, whose entries stand for 1 << shift bytes each. */
static void free_tables(const u64 *table, u64 va, unsigned shift, unsigned entries)
{
	for (unsigned i = 0; i < entries; i++, va += 1ull << shift) {
		if (!table[i] || table[i] & PTE_PS)
			continue;
		const u64 *lower = phys_to_virt(table[i] & PTE_ADDR);
		if (shift > 21)
			free_tables(lower, va, shift - 9, 512);
		if (table_empty(lower))
			kcall(KCALL_DROP_TABLE, va, shift, 0);
	}
}

void pages_free_tables(void)
{
	free_tables(phys_to_virt((u64)pml4 - IMAGE_BASE), 0, 39, 256);
	cpus_flush();
}
