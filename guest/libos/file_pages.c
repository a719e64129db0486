/*
 * Mappings of files. The file's own frames are mapped (PTE_FILE), writable in
 * shared mappings only, once the file has been asked for a page to be written;
 * a private mapping gets a copy when it writes. Frames that lie in one piece
 * (get_run: contents of --copy; get_dax: files of the host) are mapped in large
 * runs, others in windows, because a fault costs more than many pages.
 *
 * A file may have to wait for a page. Then everything may have changed:
 * space->changes tells, and the program just makes its access again.
 */
#include "../fs/vfs.h"
#include "../kernel/kcall.h"
#include "boot_info.h"
#include "frames.h"
#include "memory.h"
#include "process.h"
#include "space.h"

#define WINDOW_ORDER 4
#define WINDOW       (1u << WINDOW_ORDER)

/* A fault in progress: a copy of the mapping, cut off where the file ends. */
struct file_access {
	struct space *space;
	struct vma vma;
	struct inode *inode;
	u64 va, changes;
	bool write;
	u64 entry; /* what is mapped at va now */
};

static u64 index_at(const struct file_access *f, u64 va)
{
	return (f->vma.offset + (va - f->vma.start)) >> PAGE_SHIFT;
}

static int page_of(const struct file_access *f, u64 va, bool write, paddr_t *pa)
{
	if (f->inode->ops->get_dax &&
	    f->inode->ops->get_dax(f->vma.file, index_at(f, va) << PAGE_SHIFT, PAGE_SIZE, write,
				   pa))
		return 0;
	return f->inode->ops->get_page(f->inode, index_at(f, va), write, pa);
}

/* What a program gets for it: SIGBUS, but for the end of memory. */
static int reason(int error)
{
	return error == -ENOMEM ? -ENOMEM : -ENXIO;
}

/* ---- the file's own frames ---- */

static bool may_come_along(const struct vma *vma, const struct vma *view)
{
	u64 size;
	return vma->file && vma->file->inode == view->file->inode && !(vma->prot & PROT_WRITE) &&
	       vma->prot & (PROT_READ | PROT_EXEC) && vma->end - vma->start <= BLOCK_SIZE &&
	       vma->start - vma->offset == view->start - view->offset &&
	       !page_entry(vma->start, &size) && !page_entry(vma->end - PAGE_SIZE, &size);
}

/*
 * The segments of a library lie side by side, as in its file, and a program that uses
 * one of them soon needs the next: what is only read, and small, comes along, in one
 * call of the kernel.
 */
static void widen(const struct file_access *f, struct vma *view)
{
	const struct vma *vma;

	while ((vma = space_find(f->space, view->start - 1)) != NULL && may_come_along(vma, view)) {
		view->start = vma->start;
		view->offset = vma->offset;
	}
	while ((vma = space_find(f->space, view->end)) != NULL && vma->start == view->end &&
	       may_come_along(vma, view))
		view->end = vma->end;
}

/* Of all mappings that `view` shows, which has backing. */
static int map_view(const struct file_access *f, const struct vma *view)
{
	const struct vma *vma;
	int error = 0;
	u64 size;

	for (u64 at = view->start; at < view->end && !error; at = vma->end) {
		vma = space_find(f->space, at);
		struct vma part = *vma;
		u64 skip = vma->start - view->start;
		bool own = f->va >= vma->start && f->va < vma->end;
		if (skip >= view->backing_len || (!own && page_entry(vma->start, &size)))
			continue;
		part.backing = view->backing + skip;
		part.backing_len = MIN(view->backing_len - skip, vma->end - vma->start);
		error = queue_file_pages(f->space, &part, own ? f->va : vma->start);
	}
	return pages_flush() || error ? -ENOMEM : 0;
}

static bool map_run(const struct file_access *f, int *error)
{
	struct vma view = f->vma;
	u64 size;
	if (f->write)
		return false;
	if (boot_info.fills && !(view.prot & PROT_WRITE))
		widen(f, &view);
	u64 len = view.end - view.start;
	if (f->inode->ops->get_run)
		view.backing_len =
			f->inode->ops->get_run(f->inode, view.offset, len, &view.backing);
	else if (f->inode->ops->get_dax)
		view.backing_len =
			f->inode->ops->get_dax(view.file, view.offset, len, false, &view.backing);
	if (f->space->changes != f->changes || page_entry(f->va, &size) != f->entry)
		return true; /* it waited, and the program tries again */
	if (view.backing_len <= f->va - view.start)
		return false;
	view.backing_len = ALIGN_UP(view.backing_len, PAGE_SIZE);
	*error = map_view(f, &view);
	return true;
}

/* A neighbour of the page that is asked for, if it is there already. */
static paddr_t neighbour(const struct file_access *f, u64 va)
{
	paddr_t pa = 0;
	u64 size;
	if (va < f->vma.start || va >= f->vma.end || page_entry(va, &size))
		return 0;
	if (f->inode->ops->get_near)
		return f->inode->ops->get_near(f->inode, index_at(f, va));
	if (page_of(f, va, false, &pa) || !pa)
		return 0;
	if (f->write && (frames_are_contents(pa) || page_of(f, va, true, &pa)))
		return 0;
	return pa;
}

static int map_window(struct file_access *f)
{
	/* by its place in the file, as file systems read ahead; it may begin below
	 * the mapping */
	unsigned own = index_at(f, f->va) % WINDOW;
	u64 start = f->va - own * PAGE_SIZE, size;
	paddr_t pa[WINDOW];
	u64 bits = pte_bits(f->vma.prot) | PTE_FILE, read_only = bits & ~(u64)PTE_W;

	int error = page_of(f, f->va, f->write, &pa[own]);
	if (!error && !pa[own]) /* a hole: from now on a page of zeroes */
		error = page_of(f, f->va, true, &pa[own]);
	if (error)
		return reason(error);
	for (unsigned i = 0; i < WINDOW; i++)
		if (i != own)
			pa[i] = neighbour(f, start + i * PAGE_SIZE);
	if (f->space->changes != f->changes || page_entry(f->va, &size) != f->entry)
		return 0;
	if (f->entry)
		pages_free(f->space, f->va, f->va + PAGE_SIZE);
	for (unsigned i = 0; i < WINDOW && !error; i++) {
		u64 va = start + i * PAGE_SIZE;
		if (!pa[i] || page_entry(va, &size))
			continue;
		bool writable = f->write && (i == own || !f->inode->ops->get_near);
		error = pages_queue(va, pa[i], writable ? bits : read_only, 1);
		f->space->resident++;
	}
	return pages_flush() || error ? -ENOMEM : 0;
}

/* ---- private copies ---- */

static int copy_page(const struct file_access *f, u64 va, paddr_t to)
{
	paddr_t from;
	int error = page_of(f, va, false, &from);
	const void *bytes = !error && from ? physical_bytes(from, PAGE_SIZE) : NULL;
	if (error)
		return reason(error);
	if (from && !bytes)
		return -ENOMEM;
	if (from)
		memcpy(phys_to_virt(to), bytes, PAGE_SIZE);
	else
		memset(phys_to_virt(to), 0, PAGE_SIZE);
	return 0;
}

/* Takes over n frames from pa on (0: there were none). */
static int copy_pages(struct file_access *f, u64 start, u64 n, paddr_t pa)
{
	u64 size;
	int error = !pa ? -ENOMEM : f->entry ? pages_cut(f->va, f->va + PAGE_SIZE) : 0;
	for (u64 i = 0; i < n && !error; i++)
		error = copy_page(f, start + i * PAGE_SIZE, pa + i * PAGE_SIZE);
	bool same = !error && f->space->changes == f->changes &&
		    (f->entry ? page_entry(f->va, &size) == f->entry :
				pages_all_empty(start, start + n * PAGE_SIZE));
	if (same) {
		if (f->entry)
			pages_free(f->space, f->va, f->va + PAGE_SIZE);
		error = pages_map(start, pa, pte_bits(f->vma.prot), n);
		f->space->resident += error ? 0 : n;
	}
	for (u64 i = 0; pa && (error || !same) && i < n; i++)
		frames_free(pa + i * PAGE_SIZE, 0);
	return error;
}

/*
 * A small mapping that may be written, as the data of a library: what reads there
 * first (the loader, relocating) writes next, and that would be two more kcalls
 * for each page. So all of it is copied at once.
 */
static bool copy_small(struct file_access *f, int *error)
{
	const struct vma *vma = &f->vma;
	u64 n = (vma->end - vma->start) >> PAGE_SHIFT;
	if (vma->flags & MAP_SHARED || !(vma->prot & PROT_WRITE) || n > WINDOW || f->entry ||
	    !pages_all_empty(vma->start, vma->end))
		return false;
	*error = copy_pages(f, vma->start, n, frames_alloc_run(n));
	return *error != -ENOMEM;
}

static int copy_window(struct file_access *f)
{
	int error = -ENOMEM;
	for (int order = f->entry ? 0 : WINDOW_ORDER; order >= 0 && error == -ENOMEM; order--) {
		u64 start = ALIGN_DOWN(f->va, PAGE_SIZE << order);
		u64 end = start + (PAGE_SIZE << order);
		if (order == 0 ||
		    (start >= f->vma.start && end <= f->vma.end && pages_all_empty(start, end)))
			error = copy_pages(f, start, 1ull << order, frames_alloc_dirty(order));
	}
	return error;
}

int file_fault(struct space *space, const struct vma *vma, u64 va, bool write, u64 entry)
{
	struct inode *inode = vma->file->inode;
	struct file_access f = { space, *vma, inode, va, space->changes, write, entry };
	u64 pages = (inode->size + PAGE_SIZE - 1) >> PAGE_SHIFT;
	u64 first = vma->offset >> PAGE_SHIFT, here = index_at(&f, va);
	int error = 0;

	if (here >= pages)
		return -ENXIO;
	if (pages - first < (vma->end - vma->start) >> PAGE_SHIFT)
		f.vma.end = vma->start + ((pages - first) << PAGE_SHIFT);
	file_get(f.vma.file);
	if (copy_small(&f, &error))
		;
	else if (write && !(vma->flags & MAP_SHARED))
		error = copy_window(&f);
	else if (!map_run(&f, &error))
		error = map_window(&f);
	if (!error && write && f.vma.flags & MAP_SHARED)
		inode_stamp(inode, true);
	file_put(f.vma.file);
	return error;
}

/* ---- pages that leave the file ---- */

static bool shows(const struct vma *vma, const struct inode *inode)
{
	const struct inode *mapped = vma->file ? vma->file->inode : NULL;
	return mapped && (mapped->below ? mapped->below : mapped) == inode;
}

static void unmap_part(struct space *space, const struct vma *vma, u64 first, u64 last, bool copies)
{
	u64 from = vma->offset >> PAGE_SHIFT, n = (vma->end - vma->start) >> PAGE_SHIFT;
	if (last < from || first >= from + n)
		return;
	u64 start = vma->start + (MAX(first, from) - from) * PAGE_SIZE;
	u64 end = vma->start + (MIN(last, from + n - 1) - from + 1) * PAGE_SIZE;
	if (copies)
		pages_free(space, start, end);
	else
		pages_drop_file(space, start, end);
}

/* Of private mappings the file's pages are read-only anyway. */
void space_protect_file(struct inode *inode, u64 index)
{
	struct space *space = current_process()->space;
	space->changes++; /* a fault in progress has to ask again, too */
	const struct vma *vma;
	for (u64 at = 0; (vma = space_from(space, at)) != NULL; at = vma->end) {
		u64 first = vma->offset >> PAGE_SHIFT;
		if (!shows(vma, inode) || !(vma->flags & MAP_SHARED) || !(vma->prot & PROT_WRITE) ||
		    index < first || index - first >= (vma->end - vma->start) >> PAGE_SHIFT)
			continue;
		u64 va = vma->start + (index - first) * PAGE_SIZE;
		pages_protect(va, va + PAGE_SIZE, (vma->prot & ~(u32)PROT_WRITE) | PROT_READ);
	}
}

void space_unmap_file(struct inode *inode, u64 first, u64 last, bool copies)
{
	struct space *space = current_process()->space;
	space->changes++;
	const struct vma *vma;
	for (u64 at = 0; (vma = space_from(space, at)) != NULL; at = vma->end)
		if (shows(vma, inode))
			unmap_part(space, vma, first, last, copies);
}
