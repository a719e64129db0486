/*
 * The content of tmpfs files. A page is one of three things: a frame in the
 * page tree; a page of existing memory (the program's image or a file of --copy,
 * where the VMM mapped it); or a hole, which reads as zeroes. Writing to the latter two
 * makes the first.
 *
 * Bytes of a frame beyond the end of the file are always zero, so that growing
 * the file shows zeroes: whoever shrinks it clears the rest of the last page.
 */
#include "tmpfs.h"
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include "../libos/frames.h"
#include "../libos/memory.h"

#define PAGE_OFFSET(pos) ((pos) & (PAGE_SIZE - 1))

/* Files may not take the last of the memory: the program and the library OS
 * itself need it more. */
static bool space_left(void)
{
	return frames_available() > frames_total() / 64;
}

static paddr_t page_find(const struct tmpfs_inode *ti, u64 index)
{
	paddr_t pa = page_tree_get(&ti->pages, index);

	if (pa == 0 && index < ti->mapped_pages)
		pa = ti->mapped + index * PAGE_SIZE;
	return pa;
}

/* A new frame's bytes from `from` on: those of existing memory, as far as they
 * are the file's, then zeroes. False: existing memory can't be reached. */
static bool fill_frame(const struct tmpfs_inode *ti, u64 index, paddr_t pa, size_t from)
{
	u64 start = index * PAGE_SIZE;
	size_t end = index < ti->mapped_pages && start < ti->inode.size ?
			     MIN(ti->inode.size - start, PAGE_SIZE) :
			     0;

	if (from < end) {
		const void *bytes = physical_bytes(ti->mapped + start + from, end - from);

		if (bytes == NULL)
			return false;
		memcpy(phys_to_virt(pa + from), bytes, end - from);
	}
	end = MAX(end, from);
	memset(phys_to_virt(pa + end), 0, PAGE_SIZE - end);
	return true;
}

/* A frame that may be written; `whole`: all of it will be. 0: no memory. */
static paddr_t page_make(struct tmpfs_inode *ti, u64 index, bool whole)
{
	paddr_t pa = page_tree_get(&ti->pages, index);
	bool mapped = index < ti->mapped_pages, copy = !whole && mapped;

	if (pa != 0)
		return pa;
	if (!space_left())
		return 0;
	pa = whole || copy ? frames_alloc_dirty(0) : frames_alloc(0);
	if (pa == 0)
		return 0;
	if (mapped) /* programs see existing memory there */
		inode_unmap(&ti->inode, index, index, false);
	if ((copy && !fill_frame(ti, index, pa, 0)) || page_tree_set(&ti->pages, index, pa) < 0) {
		frames_free(pa, 0);
		return 0;
	}
	return pa;
}

/* How many bytes from pos lie in physically consecutive pages, at most n;
 * *pa is where, or 0 for a hole. */
static size_t run_at(const struct tmpfs_inode *ti, u64 pos, size_t n, paddr_t *pa)
{
	u64 index = pos / PAGE_SIZE;
	size_t len = PAGE_SIZE - PAGE_OFFSET(pos);
	paddr_t start = page_find(ti, index);

	*pa = start != 0 ? start + PAGE_OFFSET(pos) : 0;
	for (u64 i = 1; len < n; i++, len += PAGE_SIZE)
		if (page_find(ti, index + i) != (start != 0 ? start + i * PAGE_SIZE : 0))
			break;
	return MIN(len, n);
}

static long tmpfs_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct tmpfs_inode *ti = tmpfs_inode(file->inode);
	long done = 0;

	while (uio->resid > 0 && *pos < ti->inode.size) {
		paddr_t pa;
		size_t n = run_at(ti, *pos, MIN(uio->resid, ti->inode.size - *pos), &pa);
		const void *bytes = pa != 0 ? physical_bytes(pa, n) : NULL;
		long moved = pa == 0       ? uio_zero(uio, n) :
			     bytes != NULL ? uio_to(uio, bytes, n) :
					     -ENOMEM;

		if (moved < 0)
			return done > 0 ? done : moved;
		*pos += moved;
		done += moved;
		if ((size_t)moved < n)
			break;
	}
	if (!(file->flags & O_NOATIME))
		inode_accessed(file->inode);
	return done;
}

/* Zeroes from offset up to end, or up to the end of the page: in frames of the
 * tree only. */
static void zero_in_page(struct tmpfs_inode *ti, u64 offset, u64 end)
{
	size_t from = PAGE_OFFSET(offset), n = MIN(end - offset, PAGE_SIZE - from);
	paddr_t pa = page_tree_get(&ti->pages, offset / PAGE_SIZE);

	if (pa != 0)
		memset(phys_to_virt(pa + from), 0, n);
}

/* Before the file grows, its last page must have zeroes behind the end. */
static int own_last_page(struct tmpfs_inode *ti)
{
	u64 size = ti->inode.size;

	if (PAGE_OFFSET(size) == 0 || size / PAGE_SIZE >= ti->mapped_pages ||
	    page_tree_get(&ti->pages, size / PAGE_SIZE) != 0)
		return 0;
	return page_make(ti, size / PAGE_SIZE, false) == 0 ? -ENOSPC : 0;
}

static void written(struct tmpfs_inode *ti)
{
	inode_written(&ti->inode);
	tmpfs_drop_capability(ti);
}

/* One page's share of a write. */
static long write_page(struct tmpfs_inode *ti, struct uio *uio, u64 pos)
{
	u64 index = pos / PAGE_SIZE;
	size_t offset = PAGE_OFFSET(pos), n = MIN(uio->resid, PAGE_SIZE - offset);
	if (ti->inode.seals & F_SEAL_GROW && pos + n > ti->inode.size)
		return -EPERM;
	bool fresh = page_tree_get(&ti->pages, index) == 0;
	/* with mappings, old memory could show while the bytes are fetched */
	paddr_t pa = page_make(ti, index, n == PAGE_SIZE && ti->inode.mappings == 0);
	long moved;

	if (pa == 0)
		return -ENOSPC;
	moved = uio_from(uio, phys_to_virt(pa + offset), n);
	if (!fresh || moved == (long)n)
		return moved;
	/* A fault. What was to be overwritten must not show old memory. */
	if (moved < 0) {
		inode_unmap(&ti->inode, index, index, false);
		page_tree_remove(&ti->pages, index, index);
	} else if (n == PAGE_SIZE && !fill_frame(ti, index, pa, moved)) {
		inode_unmap(&ti->inode, index, index, false);
		page_tree_remove(&ti->pages, index, index);
		return -ENOSPC;
	}
	return moved;
}

static long tmpfs_write(struct file *file, struct uio *uio, u64 *pos)
{
	struct tmpfs_inode *ti = tmpfs_inode(file->inode);
	long done = 0, moved = 0;

	if (file->flags & O_APPEND)
		*pos = ti->inode.size;
	if (uio->resid == 0)
		return 0;
	if (*pos >= MAX_FILE_SIZE)
		return -EFBIG;
	if (ti->inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	uio->resid = MIN(uio->resid, MAX_FILE_SIZE - *pos);
	if (*pos + uio->resid > ti->inode.size && own_last_page(ti) < 0)
		return -ENOSPC;
	while (uio->resid > 0) {
		size_t want = MIN(uio->resid, PAGE_SIZE - PAGE_OFFSET(*pos));

		moved = write_page(ti, uio, *pos);
		if (moved < 0)
			break;
		*pos += moved;
		done += moved;
		ti->inode.size = MAX(ti->inode.size, *pos);
		if ((size_t)moved < want)
			break;
	}
	if (done > 0)
		written(ti);
	return done > 0 ? done : moved;
}

/* Existing memory has no holes: its pages around [first, last] become frames
 * of the tree, or are given up when they lie at the end. */
static int unmap_range(struct tmpfs_inode *ti, u64 first, u64 last)
{
	if (first >= ti->mapped_pages)
		return 0;
	for (u64 i = last + 1; i < ti->mapped_pages; i++)
		if (page_make(ti, i, false) == 0)
			return -ENOSPC;
	ti->mapped_pages = first;
	return 0;
}

int tmpfs_resize(struct tmpfs_inode *ti, u64 size)
{
	u64 keep = (size + PAGE_SIZE - 1) / PAGE_SIZE;

	if (size > ti->inode.size) {
		if (own_last_page(ti) < 0)
			return -ENOSPC;
	} else if (size < ti->inode.size) {
		/* existing memory is never cleared in place */
		if (PAGE_OFFSET(size) != 0 && keep <= ti->mapped_pages &&
		    page_make(ti, keep - 1, false) == 0)
			return -ENOSPC;
		inode_unmap(&ti->inode, keep, UINT64_MAX / PAGE_SIZE, true);
		page_tree_remove(&ti->pages, keep, UINT64_MAX / PAGE_SIZE);
		ti->mapped_pages = MIN(ti->mapped_pages, keep);
		if (PAGE_OFFSET(size) != 0)
			zero_in_page(ti, size, UINT64_MAX);
	}
	ti->inode.size = size;
	return 0;
}

static int punch(struct tmpfs_inode *ti, u64 offset, u64 end)
{
	u64 first = (offset + PAGE_SIZE - 1) / PAGE_SIZE, last = end / PAGE_SIZE;

	/* the pages at both ends lose a part only */
	for (unsigned i = 0; i < 2; i++) {
		u64 from = i == 0 ? offset : MAX(offset, ALIGN_DOWN(end, PAGE_SIZE));
		u64 page = from / PAGE_SIZE;

		if (from >= end || (page >= first && page < last))
			continue;
		if (page < ti->mapped_pages && page_make(ti, page, false) == 0)
			return -ENOSPC;
		zero_in_page(ti, from, end);
	}
	if (first < last) {
		if (unmap_range(ti, first, last - 1) < 0)
			return -ENOSPC;
		inode_unmap(&ti->inode, first, last - 1, true);
		page_tree_remove(&ti->pages, first, last - 1);
	}
	written(ti);
	return 0;
}

int tmpfs_fallocate(struct inode *inode, int mode, u64 offset, u64 len)
{
	struct tmpfs_inode *ti = tmpfs_inode(inode);
	u64 end = offset + len;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		return inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ? -EPERM :
									     punch(ti, offset, end);
	if (inode->seals & F_SEAL_GROW && end > inode->size)
		return -EPERM;
	if ((end - offset) / PAGE_SIZE > frames_available() || own_last_page(ti) < 0)
		return -ENOSPC;
	for (u64 i = offset / PAGE_SIZE; i < (end + PAGE_SIZE - 1) / PAGE_SIZE; i++)
		if (page_find(ti, i) == 0 && page_make(ti, i, false) == 0)
			return -ENOSPC;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > inode->size)
		inode->size = end;
	written(ti);
	return 0;
}

int tmpfs_get_page(struct inode *inode, u64 index, bool write, paddr_t *pa)
{
	struct tmpfs_inode *ti = tmpfs_inode(inode);

	if (index >= (inode->size + PAGE_SIZE - 1) / PAGE_SIZE)
		return -ENXIO;
	*pa = write ? page_make(ti, index, false) : page_find(ti, index);
	return write && *pa == 0 ? -ENOSPC : 0;
}

u64 tmpfs_get_run(struct inode *inode, u64 offset, u64 n, paddr_t *pa)
{
	struct tmpfs_inode *ti = tmpfs_inode(inode);
	u64 first = offset / PAGE_SIZE, last;

	if (offset >= inode->size || n == 0)
		return 0;
	n = MIN(n, inode->size - offset);
	last = (offset + n - 1) / PAGE_SIZE;
	if (last >= ti->mapped_pages || page_tree_next(&ti->pages, first, true) <= last ||
	    !frames_are_contents(ti->mapped))
		return 0;
	*pa = ti->mapped + offset;
	return n;
}

u64 tmpfs_blocks(const struct tmpfs_inode *ti)
{
	return (ti->pages.frames + ti->mapped_pages) * (PAGE_SIZE / 512);
}

static i64 tmpfs_lseek(struct file *file, i64 offset, int whence)
{
	const struct tmpfs_inode *ti = tmpfs_inode(file->inode);
	u64 size = file->inode->size, index, found;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return file_lseek(file, offset, whence);
	if (offset < 0 || (u64)offset >= size)
		return -ENXIO;
	index = offset / PAGE_SIZE;
	if (index < ti->mapped_pages)
		found = whence == SEEK_DATA ? index :
					      page_tree_next(&ti->pages, ti->mapped_pages, false);
	else
		found = page_tree_next(&ti->pages, index, whence == SEEK_DATA);
	if (found > size / PAGE_SIZE || found * PAGE_SIZE >= size) {
		if (whence == SEEK_DATA)
			return -ENXIO;
		return file->pos = size;
	}
	return file->pos = MAX((u64)offset, found * PAGE_SIZE);
}

const struct file_ops tmpfs_file_ops = {
	.read = tmpfs_read,
	.write = tmpfs_write,
	.lseek = tmpfs_lseek,
};
