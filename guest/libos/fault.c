/*
 * Bringing pages in. Memory is given out in large pieces, because a fault
 * costs a trip through the kernel: whole 2 MiB blocks where a mapping covers
 * one and memory is plentiful, else a window of pages around the address.
 * Pages of the program's file are mapped where they are, unless the program
 * may write to them: then they are copied first.
 */
#include "../kernel/kcall.h"
#include "boot_info.h"
#include "entry.h"
#include "frames.h"
#include "memory.h"
#include "patch.h"
#include "space.h"
#include "thread.h"

#define WINDOW_ORDER 4
#define STRIDE_ORDER 6 /* where one window follows another */
#define FILE_WINDOW  64 /* pages of a file mapped at once, unless they cost nothing */
#define FILE_BLOCKS  16 /* blocks of a file mapped at once */

struct exception_entry {
	u64 rip, fixup;
};
extern const struct exception_entry extable_start[], extable_end[];

void program_fault(struct regs *regs, u64 vector, u64 error, u64 cr2);
void libos_own_fault(struct regs *regs, u64 vector, u64 error, u64 cr2);

bool pages_all_empty(u64 va, u64 end)
{
	u64 size;
	for (; va < end; va = ALIGN_DOWN(va, size) + size)
		if (page_entry(va, &size))
			return false;
	return true;
}

/* Fills fresh frames for [va, va + len) with what backs the mapping there.
 * False: no memory for page tables. */
static bool fill(const struct vma *vma, u64 va, u64 len, paddr_t pa)
{
	u64 offset = va - vma->start;
	if (!vma->backing || offset >= vma->backing_len)
		return true;
	u64 n = MIN(len, vma->backing_len - offset);
	const void *from = physical_bytes(vma->backing + offset, n);
	if (from)
		memcpy(phys_to_virt(pa), from, n);
	return from != NULL;
}

static int map_new(struct space *space, const struct vma *vma, u64 va, unsigned order)
{
	paddr_t pa = frames_alloc(order);
	if (!pa)
		return -ENOMEM;
	u64 bits = pte_bits(vma->prot);
	int error = !fill(vma, va, PAGE_SIZE << order, pa) ? -ENOMEM :
		    order == BLOCK_ORDER                   ? pages_map(va, pa, bits | PTE_PS, 1) :
							     pages_map(va, pa, bits, 1ull << order);
	if (error) {
		frames_free(pa, order);
		return error;
	}
	space->resident += 1ull << order;
	return 0;
}

static bool block_fits(const struct vma *vma, u64 va)
{
	u64 block = ALIGN_DOWN(va, BLOCK_SIZE);
	u64 size;
	return block >= vma->start && block + BLOCK_SIZE <= vma->end && !vma->backing &&
	       frames_available() > frames_total() / 4 && !page_entry(va, &size) &&
	       size >= BLOCK_SIZE;
}

/* What is touched in order will go on so: more at once, while there is plenty. */
static bool map_stride(struct space *space, const struct vma *vma, u64 va)
{
	u64 start = ALIGN_DOWN(va, PAGE_SIZE << WINDOW_ORDER);
	u64 end = start + (PAGE_SIZE << STRIDE_ORDER), size;
	return start > vma->start && end <= vma->end && page_entry(start - PAGE_SIZE, &size) &&
	       frames_available() > frames_total() / 2 && pages_all_empty(start, end) &&
	       !map_new(space, vma, start, STRIDE_ORDER);
}

static int window_order(void)
{
	return boot_info.fills && frames_available() > frames_total() / 2 ? STRIDE_ORDER :
									    WINDOW_ORDER;
}

static int fault_private(struct space *space, const struct vma *vma, u64 va)
{
	if (block_fits(vma, va) && !map_new(space, vma, ALIGN_DOWN(va, BLOCK_SIZE), BLOCK_ORDER))
		return 0;
	if (map_stride(space, vma, va))
		return 0;
	for (int order = window_order(); order >= 0; order--) {
		u64 len = PAGE_SIZE << order;
		u64 start = ALIGN_DOWN(va, len);
		if (start < vma->start || start + len > vma->end ||
		    !pages_all_empty(start, start + len))
			continue;
		if (!map_new(space, vma, start, order))
			return 0;
	}
	return -ENOMEM;
}

/* Read-only pages of a file that lies in memory: blocks where file and
 * address agree modulo 2 MiB, else a window of pages, of one page table. */
int queue_file_pages(struct space *space, const struct vma *vma, u64 va)
{
	u64 file_end = vma->start + ALIGN_DOWN(vma->backing_len, PAGE_SIZE);
	u64 shift = vma->backing - vma->start; /* physical = virtual + shift */
	u64 unit = PAGE_SIZE, flags = vma->file ? PTE_FILE : 0;
	u64 most = boot_info.fills ? BLOCK_SIZE / PAGE_SIZE : FILE_WINDOW;
	u64 block = ALIGN_DOWN(va, BLOCK_SIZE);
	u64 low = MAX(vma->start, block), high = MIN(file_end, block + BLOCK_SIZE);
	u64 size;

	if (!(shift & (BLOCK_SIZE - 1)) && block >= vma->start && block + BLOCK_SIZE <= file_end &&
	    !page_entry(va, &size) && size >= BLOCK_SIZE) {
		unit = BLOCK_SIZE;
		most = FILE_BLOCKS;
		flags |= PTE_PS;
		low = vma->start;
		high = file_end;
	}
	u64 start = ALIGN_DOWN(va, unit), end = start + unit;
	while (end + unit <= high && (end - start) / unit < most &&
	       pages_all_empty(end, end + unit))
		end += unit;
	while (start >= low + unit && (end - start) / unit < most &&
	       pages_all_empty(start - unit, start))
		start -= unit;
	space->resident += (end - start) >> PAGE_SHIFT;
	flags |= pte_bits(vma->prot) & ~(u64)PTE_W;
	return pages_queue(start, start + shift, flags, (end - start) / unit);
}

int space_fault(struct space *space, u64 va, bool write, bool exec)
{
	struct vma *vma = space_find(space, va);
	u64 size, entry;

	if (!vma)
		return -EFAULT;
	if (!(vma->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) ||
	    (write && !(vma->prot & PROT_WRITE)) || (exec && !(vma->prot & PROT_EXEC)))
		return -EACCES;
	entry = page_entry(va, &size);
	if (vma->file && (!entry || (write && !(entry & PTE_W))))
		return file_fault(space, vma, ALIGN_DOWN(va, PAGE_SIZE), write, entry);
	if (entry)
		return 0; /* somebody else brought it in, or a stale translation */
	u64 offset = ALIGN_DOWN(va - vma->start, PAGE_SIZE);
	if (vma->backing && !(vma->prot & PROT_WRITE) && offset + PAGE_SIZE <= vma->backing_len) {
		int error = queue_file_pages(space, vma, ALIGN_DOWN(va, PAGE_SIZE));
		return pages_flush() || error ? -ENOMEM : 0;
	}
	return fault_private(space, vma, ALIGN_DOWN(va, PAGE_SIZE));
}

void space_populate(struct space *space, u64 start, u64 end)
{
	u64 size;
	for (u64 va = start; va < end; va = ALIGN_DOWN(va, size) + size) {
		if (page_entry(va, &size))
			continue;
		struct vma *vma = space_find(space, va);
		bool write = vma && vma->prot & PROT_WRITE && !(vma->flags & MAP_SHARED);
		if (!vma || space_fault(space, va, write, false))
			return;
		page_entry(va, &size);
	}
}

void space_map_ahead(struct space *space, const struct vma *vma, u64 start, u64 end)
{
	u64 n = (end - start) >> PAGE_SHIFT;
	paddr_t pa = vma->backing + (start - vma->start);
	u64 size;
	/* by the VMM, or at link time; what is not, faults bring in */
	if (page_entry(start, &size)) {
		space->resident += n;
		return;
	}
	if (!vma->backing || vma->prot & PROT_WRITE) {
		pa = frames_alloc_run(n);
		if (!pa)
			return;
		if (!fill(vma, start, end - start, pa))
			panic("no memory for page tables");
	}
	if (!pages_queue(start, pa, pte_bits(vma->prot), n))
		space->resident += n;
}

/* The page a fault asks for, when that is what it is: 0, or why not. */
static int try_page(u64 vector, u64 error, u64 cr2)
{
	if (vector != EXC_PF || cr2 >= USER_END)
		return -EFAULT;
	return space_fault(current_process()->space, cr2, error & PFERR_W, error & PFERR_I);
}

/* Once: the program is at its end. */
static void say_out_of_memory(void)
{
	static bool said;
	if (said)
		return;
	said = true;
	klog("mayfly: out of memory: %s is ended; it has %lu KiB of the VM's %lu KiB; give more "
	     "with --mem",
	     current()->comm, current_process()->space->resident * 4, frames_total() * 4);
}

void program_fault(struct regs *regs, u64 vector, u64 error, u64 cr2)
{
	int reason = try_page(vector, error, cr2);
	if (!reason || (vector == EXC_DB && patch_stepped(regs)))
		return;
	if (reason == -ENOMEM) {
		say_out_of_memory();
		process_exit(128 + SIGKILL);
	}
	signal_fault(regs, vector, error, cr2, reason == -EACCES, reason == -ENXIO);
}

void libos_own_fault(struct regs *regs, u64 vector, u64 error, u64 cr2)
{
	for (const struct exception_entry *e = extable_start; e < extable_end; e++) {
		if (e->rip != regs->rip)
			continue;
		int reason = try_page(vector, error, cr2);
		if (reason)
			regs->rip = e->fixup;
		if (reason == -ENOMEM) { /* amidst a system call, which ends first */
			say_out_of_memory();
			signal_send_self(SIGKILL);
		}
		return;
	}
	panic("fault %lu, error %lx, at rip %lx, cr2 %lx, called from %lx", vector, error,
	      regs->rip, cr2, regs->rbp > IMAGE_BASE ? ((u64 *)regs->rbp)[1] : 0);
}
