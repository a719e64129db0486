/*
 * What is mapped where: a set of VMAs (mappings.c), split and merged as the program
 * asks for it.
 */
#include "../kernel/kcall.h"
#include "../fs/vfs.h"
#include "heap.h"
#include "patch.h"
#include "proc_info.h"
#include "space.h"

struct space *space_new(void)
{
	struct space *space = kalloc(sizeof(*space));
	if (!space)
		return NULL;
	space->mmap_top = USER_END - (16ull << 20);
	return mappings_init(&space->maps) ? space : NULL;
}

struct vma *space_from(const struct space *space, u64 va)
{
	return mappings_from(&space->maps, va);
}

struct vma *space_find(const struct space *space, u64 va)
{
	struct vma *vma = space_from(space, va);
	return vma && vma->start <= va ? vma : NULL;
}

bool space_is_free(struct space *space, u64 start, u64 end)
{
	const struct vma *vma = space_from(space, start);
	return !vma || vma->start >= end;
}

u64 space_gap(struct space *space, u64 len, u64 limit)
{
	u64 bottom, top = mappings_gap(&space->maps, len, MIN(space->mmap_top, limit), &bottom);
	if (!top)
		return 0;
	/* large mappings where blocks fit */
	u64 start = ALIGN_DOWN(top - len, len >= BLOCK_SIZE ? BLOCK_SIZE : PAGE_SIZE);
	return start < bottom ? top - len : start;
}

void space_drop_ahead(struct space *space, u64 start, u64 end)
{
	u64 from = ALIGN_UP(space->brk, PAGE_SIZE);
	if (start >= space->ahead_end || end <= from)
		return;
	pages_free(space, from, space->ahead_end);
	space->ahead_end = 0;
}

/* A mapping keeps its file, and the inode knows that it is mapped. */
static void hold(struct file *file)
{
	struct inode *inode = file->inode;
	file_get(file);
	if (!inode->mappings++ && inode->ops->mapped)
		inode->ops->mapped(inode, true);
}

static void release(struct file *file)
{
	struct inode *inode = file->inode;
	if (!--inode->mappings && inode->ops->mapped)
		inode->ops->mapped(inode, false);
	file_put(file);
}

static int insert(struct space *space, const struct vma *vma)
{
	int error = mappings_insert(&space->maps, vma);
	if (error)
		return error;
	space->changes++;
	if (vma->file)
		hold(vma->file);
	return 0;
}

static void drop(struct space *space, const struct vma *vma)
{
	struct vma gone = *vma;
	mappings_remove(&space->maps, gone.start);
	space->changes++;
	if (gone.file)
		release(gone.file);
}

static bool mergeable(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->prot == b->prot && a->flags == b->flags && !a->backing &&
	       !b->backing && a->name == b->name && a->file == b->file &&
	       (!a->file || a->offset + (a->end - a->start) == b->offset);
}

/* Joins the VMA at va with its neighbours where nothing tells them apart. */
static void merge(struct space *space, u64 va)
{
	struct vma *vma = space_find(space, va), *next = space_from(space, vma->end);
	if (next && mergeable(vma, next)) {
		vma->end = next->end;
		drop(space, next);
		vma = space_find(space, va);
	}
	struct vma *below = mappings_before(&space->maps, vma->start);
	if (below && mergeable(below, vma)) {
		below->end = vma->end;
		drop(space, vma);
	}
}

int space_add(struct space *space, const struct vma *vma)
{
	if (space->maps.count > MAPPINGS_MAX || insert(space, vma))
		return -ENOMEM;
	merge(space, vma->start);
	return 0;
}

/* Moves the beginning of a VMA up to `start`, along with what backs it. */
static void trim_front(struct vma *vma, u64 start)
{
	u64 cut = start - vma->start;
	if (vma->backing) {
		u64 backed = MIN(cut, vma->backing_len);
		vma->backing_len -= backed;
		vma->backing = vma->backing_len ? vma->backing + cut : 0;
	}
	vma->offset += vma->file ? cut : 0;
	vma->start = start;
}

/* Makes `at` a border between VMAs. Where it is one it needs no memory: who has none
 * can give some back. */
static int split(struct space *space, u64 at)
{
	const struct vma *vma = space_find(space, at);
	if (!vma || vma->start == at)
		return 0;
	struct vma upper = *vma;
	trim_front(&upper, at);
	if (insert(space, &upper))
		return -ENOMEM;
	struct vma *lower = mappings_before(&space->maps, at);
	lower->end = at;
	if (lower->backing)
		lower->backing_len = MIN(lower->backing_len, lower->end - lower->start);
	return 0;
}

static bool inside(const struct space *space, u64 at)
{
	const struct vma *vma = space_find(space, at);
	return vma && vma->start < at;
}

/* There may be too many for a moment, so that who has too many can unmap: what is left
 * counts. */
static bool too_many(const struct space *space, u64 start, u64 end)
{
	return space->maps.count >= MAPPINGS_MAX && inside(space, start) && inside(space, end) &&
	       space_find(space, start) == space_find(space, end);
}

int space_remove(struct space *space, u64 start, u64 end)
{
	struct vma *vma;
	if (too_many(space, start, end) || pages_cut(start, end) || split(space, start) ||
	    split(space, end))
		return -ENOMEM;
	patch_undo(space, start, end);
	/* from the start each time: closing a file may have waited */
	while ((vma = space_from(space, start)) != NULL && vma->start < end) {
		pages_free(space, vma->start, vma->end);
		drop(space, vma);
	}
	return 0;
}

void space_clear(struct space *space)
{
	const struct vma *vma;
	space_drop_ahead(space, 0, USER_END);
	patch_forget(space);
	while ((vma = mappings_before(&space->maps, USER_END)) != NULL) {
		pages_free(space, vma->start, vma->end);
		drop(space, vma);
	}
	pages_free_tables();
	space->resident = 0; /* the image's pages were never counted */
}

/* Whether it has the right to write, or can be given it. */
static bool may_write(const struct vma *vma)
{
	return !(vma->flags & MAP_SHARED) || !vma->file ||
	       (file_writable(vma->file) && !(vma->flags & VMA_NEVER_WRITE));
}

/* 0, or why not. */
static int protect(struct space *space, struct vma *vma, u32 prot)
{
	if (prot & PROT_WRITE && !may_write(vma))
		return -EACCES;
	if (vma->prot == prot)
		return 0;
	if (prot & PROT_WRITE && !(vma->prot & PROT_WRITE))
		patch_undo(space, vma->start, vma->end);
	if (prot & PROT_WRITE && vma->file)
		pages_drop_file(space, vma->start, vma->end);
	vma->prot = prot;
	pages_protect(vma->start, vma->end, prot);
	return 0;
}

static int split_if_few(struct space *space, u64 at)
{
	return inside(space, at) && space->maps.count >= MAPPINGS_MAX ? -ENOMEM : split(space, at);
}

int space_protect(struct space *space, u64 start, u64 end, u32 prot)
{
	if (pages_cut(start, end) || split_if_few(space, start) || split_if_few(space, end))
		return -ENOMEM;
	struct vma *vma;
	u64 at = start;
	int error = 0;
	space->changes++;
	while (at < end && !error) {
		vma = space_find(space, at);
		error = vma ? protect(space, vma, prot) : -ENOMEM;
		at = error ? at : vma->end;
	}
	u64 next;
	for (at = start; (vma = space_from(space, at)) != NULL && vma->start < end; at = next) {
		next = vma->end;
		merge(space, vma->start);
	}
	return error;
}

bool space_may_write(struct space *space, const struct inode *inode)
{
	const struct vma *vma;
	for (u64 at = 0; (vma = space_from(space, at)) != NULL; at = vma->end)
		if (vma->flags & MAP_SHARED && vma->file && vma->file->inode == inode &&
		    may_write(vma))
			return true;
	return false;
}

int space_describe(struct space *space, u64 from, struct vma_info *info)
{
	const struct vma *vma = space_from(space, from);
	if (!vma)
		return 0;
	*info = (struct vma_info){ .start = vma->start,
				   .end = vma->end,
				   .prot = vma->prot,
				   .shared = vma->flags & MAP_SHARED,
				   .may_write = may_write(vma),
				   .grows_down = vma->flags & MAP_GROWSDOWN,
				   .offset = vma->offset,
				   .name = vma->name,
				   .file = vma->file };
	return 1;
}
