/*
 * VMAs, in a sorted array: programs have tens, rarely thousands, and look one
 * up far more often than they add one.
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
	space->capacity = 12;
	space->vma = kalloc(space->capacity * sizeof(struct vma));
	space->mmap_top = USER_END - (16ull << 20);
	return space->vma ? space : NULL;
}

/* Index of the first VMA that ends above va. */
static unsigned index_of(struct space *space, u64 va)
{
	unsigned low = 0, high = space->count;
	while (low < high) {
		unsigned mid = (low + high) / 2;
		if (space->vma[mid].end > va)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

struct vma *space_find(struct space *space, u64 va)
{
	unsigned i = index_of(space, va);
	return i < space->count && space->vma[i].start <= va ? &space->vma[i] : NULL;
}

bool space_is_free(struct space *space, u64 start, u64 end)
{
	unsigned i = index_of(space, start);
	return i == space->count || space->vma[i].start >= end;
}

u64 space_gap(struct space *space, u64 len, u64 limit)
{
	u64 top = MIN(space->mmap_top, limit);
	/* large mappings where blocks fit */
	u64 align = len >= BLOCK_SIZE ? BLOCK_SIZE : PAGE_SIZE;
	for (unsigned i = index_of(space, top - 1) + 1; i-- > 0;) {
		u64 bottom = i ? space->vma[i - 1].end : USER_START;
		if (i < space->count && space->vma[i].start < top)
			top = space->vma[i].start;
		if (top < bottom || top - bottom < len)
			continue;
		u64 start = ALIGN_DOWN(top - len, align);
		if (start < bottom)
			start = top - len;
		return start >= bottom && start >= USER_START ? start : 0;
	}
	return 0;
}

void space_drop_ahead(struct space *space, u64 start, u64 end)
{
	u64 from = ALIGN_UP(space->brk, PAGE_SIZE);
	if (start >= space->ahead_end || end <= from)
		return;
	pages_free(space, from, space->ahead_end);
	space->ahead_end = 0;
}

static int make_room(struct space *space, unsigned n)
{
	if (space->count + n <= space->capacity)
		return 0;
	struct vma *larger = kalloc(2 * space->capacity * sizeof(struct vma));
	if (!larger)
		return -ENOMEM;
	memcpy(larger, space->vma, space->count * sizeof(struct vma));
	kfree(space->vma);
	space->vma = larger;
	space->capacity *= 2;
	return 0;
}

/* A mapping keeps its file, and the inode knows that it is mapped. */
static void hold(const struct vma *vma)
{
	if (!vma->file)
		return;
	struct inode *inode = vma->file->inode;
	file_get(vma->file);
	if (!inode->mappings++ && inode->ops->mapped)
		inode->ops->mapped(inode, true);
}

static void release(const struct vma *vma)
{
	if (!vma->file)
		return;
	struct inode *inode = vma->file->inode;
	if (!--inode->mappings && inode->ops->mapped)
		inode->ops->mapped(inode, false);
	file_put(vma->file);
}

static void insert(struct space *space, unsigned i, const struct vma *vma)
{
	memmove(&space->vma[i + 1], &space->vma[i], (space->count - i) * sizeof(*vma));
	space->vma[i] = *vma;
	space->count++;
	space->changes++;
	hold(vma);
}

static void drop(struct space *space, unsigned i)
{
	struct vma gone = space->vma[i];
	space->count--;
	space->changes++;
	memmove(&space->vma[i], &space->vma[i + 1], (space->count - i) * sizeof(struct vma));
	release(&gone);
}

static bool mergeable(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->prot == b->prot && a->flags == b->flags && !a->backing &&
	       !b->backing && a->name == b->name && a->file == b->file &&
	       (!a->file || a->offset + (a->end - a->start) == b->offset);
}

/* Joins VMA i with its neighbours where nothing tells them apart. */
static void merge(struct space *space, unsigned i)
{
	if (i + 1 < space->count && mergeable(&space->vma[i], &space->vma[i + 1])) {
		space->vma[i].end = space->vma[i + 1].end;
		drop(space, i + 1);
	}
	if (i && mergeable(&space->vma[i - 1], &space->vma[i])) {
		space->vma[i - 1].end = space->vma[i].end;
		drop(space, i);
	}
}

int space_add(struct space *space, const struct vma *vma)
{
	if (make_room(space, 1))
		return -ENOMEM;
	unsigned i = index_of(space, vma->start);
	insert(space, i, vma);
	merge(space, i);
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

/* Makes `at` a border between VMAs; room for one more has been made. */
static void split(struct space *space, u64 at)
{
	struct vma *vma = space_find(space, at);
	if (!vma || vma->start == at)
		return;
	struct vma upper = *vma;
	trim_front(&upper, at);
	vma->end = at;
	if (vma->backing)
		vma->backing_len = MIN(vma->backing_len, vma->end - vma->start);
	insert(space, vma - space->vma + 1, &upper);
}

static bool inside(struct space *space, u64 at)
{
	const struct vma *vma = space_find(space, at);
	return vma && vma->start < at;
}

/* Where no VMA is split it needs no memory: who has none can give some back. */
static int isolate(struct space *space, u64 start, u64 end)
{
	if (make_room(space, inside(space, start) + inside(space, end)))
		return -ENOMEM;
	split(space, start);
	split(space, end);
	return 0;
}

int space_remove(struct space *space, u64 start, u64 end)
{
	if (pages_cut(start, end) || isolate(space, start, end))
		return -ENOMEM;
	patch_undo(space, start, end);
	unsigned i = index_of(space, start);
	while (i < space->count && space->vma[i].start < end) {
		pages_free(space, space->vma[i].start, space->vma[i].end);
		drop(space, i);
		i = index_of(space, start); /* closing a file may have waited */
	}
	return 0;
}

void space_clear(struct space *space)
{
	space_drop_ahead(space, 0, USER_END);
	patch_forget(space);
	while (space->count) {
		unsigned i = space->count - 1;
		pages_free(space, space->vma[i].start, space->vma[i].end);
		drop(space, i);
	}
	pages_free_tables();
	space->resident = 0; /* the image's pages were never counted */
}

int space_protect(struct space *space, u64 start, u64 end, u32 prot)
{
	if (pages_cut(start, end) || isolate(space, start, end))
		return -ENOMEM;
	unsigned i = index_of(space, start);
	u64 at = start;
	int error = -ENOMEM;
	space->changes++;
	for (; i < space->count && space->vma[i].start == at && at < end; i++) {
		struct vma *vma = &space->vma[i];
		if (prot & PROT_WRITE && vma->flags & MAP_SHARED && vma->file &&
		    (!file_writable(vma->file) || vma->flags & VMA_NEVER_WRITE)) {
			error = -EACCES;
			break;
		}
		at = vma->end;
		if (vma->prot == prot)
			continue;
		if (prot & PROT_WRITE && !(vma->prot & PROT_WRITE))
			patch_undo(space, vma->start, vma->end);
		if (prot & PROT_WRITE && vma->file)
			pages_drop_file(space, vma->start, vma->end);
		vma->prot = prot;
		pages_protect(vma->start, vma->end, prot);
	}
	for (i = index_of(space, start); i < space->count && space->vma[i].start < end; i++)
		merge(space, i);
	return at >= end ? 0 : error;
}

bool space_may_write(struct space *space, const struct inode *inode)
{
	for (unsigned i = 0; i < space->count; i++) {
		const struct vma *vma = &space->vma[i];
		if (vma->flags & MAP_SHARED && vma->file && vma->file->inode == inode &&
		    file_writable(vma->file) && !(vma->flags & VMA_NEVER_WRITE))
			return true;
	}
	return false;
}

int space_describe(struct space *space, unsigned index, struct vma_info *info)
{
	if (index >= space->count)
		return 0;
	const struct vma *vma = &space->vma[index];
	*info = (struct vma_info){ .start = vma->start,
				   .end = vma->end,
				   .prot = vma->prot,
				   .shared = vma->flags & MAP_SHARED,
				   .offset = vma->offset,
				   .name = vma->name,
				   .file = vma->file };
	return 1;
}
