/*
 * The program's memory as somebody else sees it: which pages are there, for
 * /proc/PID/smaps and pagemap.
 */
#include "../kernel/kcall.h"
#include "proc_info.h"
#include "space.h"

/* The physical address of va in what its entry stands for, `size` bytes. */
static paddr_t address_in(u64 entry, u64 size, u64 va)
{
	return (entry & PTE_ADDR & ~(size - 1)) + (va & (size - 1));
}

/* The process's own frame, and not its program's, or a file's, or shared. */
static bool is_own(const struct vma *vma, u64 va, paddr_t pa, u64 entry)
{
	return !(vma->flags & MAP_SHARED) && !(entry & PTE_FILE) &&
	       (!vma->backing || pa != vma->backing + (va - vma->start));
}

u32 space_page(const struct space *space, u64 va, u64 *run)
{
	const struct vma *vma = space_from(space, va);
	u64 size, entry;
	u32 page = SPACE_PAGE_PRESENT;

	if (!vma || vma->start > va) {
		*run = (vma ? vma->start : USER_END) - va;
		return 0;
	}
	entry = page_entry(va, &size);
	*run = MIN(ALIGN_DOWN(va, size) + size, vma->end) - va;
	if (!entry)
		return 0;
	if (is_own(vma, va, address_in(entry, size, va), entry))
		page |= SPACE_PAGE_OWN | SPACE_PAGE_WRITTEN;
	if (entry & PTE_W)
		page |= SPACE_PAGE_WRITTEN;
	return page | (entry & PTE_PS ? SPACE_PAGE_BLOCK : 0);
}
