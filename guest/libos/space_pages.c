/*
 * The program's memory as somebody else sees it, for /proc/PID: which pages are there
 * (smaps, pagemap), and what is in them, whatever the program's own rights are (mem).
 */
#include "../fs/vfs.h"
#include "../kernel/kcall.h"
#include "frames.h"
#include "memory.h"
#include "patch.h"
#include "proc_info.h"
#include "space.h"
#include "uaccess.h"

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

/* ---- reading ---- */

/* Of a page that was never touched and cannot be, which is thus not brought in.
 * May wait. */
static bool read_untouched(const struct vma *vma, u64 va, void *buf, size_t n)
{
	u64 offset = va - vma->start, here = vma->offset + offset;
	size_t have = 0;

	if (vma->file) {
		struct file *file = vma->file;
		long r = -EIO;

		file_get(file);
		if (ALIGN_DOWN(here, PAGE_SIZE) < file->inode->size)
			r = file_read_kernel(file, buf, n, here);
		file_put(file);
		if (r < 0)
			return false;
		have = r;
	} else if (vma->backing && offset < vma->backing_len) {
		have = MIN(n, vma->backing_len - offset);
		const void *from = physical_bytes(vma->backing + offset, have);
		if (!from)
			return false;
		memcpy(buf, from, have);
	}
	memset((u8 *)buf + have, 0, n - have);
	return true;
}

/* In one page. */
static bool read_piece(struct space *space, u64 va, void *buf, size_t n)
{
	for (;;) {
		const struct vma *vma = space_find(space, va);
		u64 size, entry = page_entry(va, &size);

		if (!vma)
			return false;
		if (entry) {
			const void *from = physical_bytes(address_in(entry, size, va), n);
			if (!from)
				return false;
			memcpy(buf, from, n);
			patch_show_original(space, va, buf, n);
			return true;
		}
		if (!pte_bits(vma->prot))
			return read_untouched(vma, va, buf, n);
		if (space_fault(space, va, false, false))
			return false;
	}
}

/* ---- writing ---- */

/* The page at va, in a frame of the process's own which is to be written, or NULL.
 * May wait. */
static u8 *own_page(struct space *space, u64 va)
{
	for (;;) {
		const struct vma *vma = space_find(space, va);
		u64 size, entry = page_entry(va, &size), changes = space->changes;
		paddr_t pa = address_in(entry, size, va);

		if (!vma || vma->prot & PROT_WRITE || vma->flags & MAP_SHARED)
			return NULL;
		if (entry && is_own(vma, va, pa, entry) && frames_are_ours(pa))
			return phys_to_virt(pa);
		if (!entry && pte_bits(vma->prot)) {
			if (space_fault(space, va, false, false))
				return NULL;
			continue;
		}
		paddr_t copy = frames_alloc_dirty(0);
		if (!copy)
			return NULL;
		bool filled = entry ? read_piece(space, va, phys_to_virt(copy), PAGE_SIZE) :
				      read_untouched(vma, va, phys_to_virt(copy), PAGE_SIZE);
		bool same = space->changes == changes && page_entry(va, &size) == entry;
		if (filled && same && !pages_cut(va, va + PAGE_SIZE) &&
		    !pages_replace(space, vma, va, copy))
			return phys_to_virt(copy);
		frames_free(copy, 0);
		if (!filled || same)
			return NULL;
	}
}

/*
 * In one page. Where the program may write, as it would; else into a copy of its own,
 * unless the page is shared. Text may have been patched: its sites are restored first, as
 * when it becomes writable.
 */
static bool write_piece(struct space *space, u64 va, const void *buf, size_t n)
{
	const struct vma *vma = space_find(space, va);
	u64 page = ALIGN_DOWN(va, PAGE_SIZE);

	if (!vma)
		return false;
	if (vma->prot & PROT_WRITE)
		return !copy_to_user((void *)va, buf, n);
	u8 *to = own_page(space, page);
	if (!to)
		return false;
	patch_undo(space, page, page + PAGE_SIZE);
	memcpy(to + (va - page), buf, n);
	patch_sync_core();
	return true;
}

/* ---- both ---- */

size_t space_read(struct space *space, u64 va, void *buf, size_t n)
{
	size_t done = 0, piece;

	for (; done < n && va + done < USER_END; done += piece) {
		piece = MIN(n - done, PAGE_SIZE - (va + done) % PAGE_SIZE);
		if (!read_piece(space, va + done, (u8 *)buf + done, piece))
			break;
	}
	return done;
}

size_t space_write(struct space *space, u64 va, const void *buf, size_t n)
{
	size_t done = 0, piece;

	for (; done < n && va + done < USER_END; done += piece) {
		piece = MIN(n - done, PAGE_SIZE - (va + done) % PAGE_SIZE);
		if (!write_piece(space, va + done, (const u8 *)buf + done, piece))
			break;
	}
	return done;
}
