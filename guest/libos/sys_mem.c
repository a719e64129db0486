/*
 * brk, mmap and their family. Files are mapped by copying for now: a private
 * mapping is filled when it is made, except from memory that nobody writes.
 */
#include <linux/mman.h>
#include "../fs/vfs.h"
#include "../kernel/kcall.h"
#include "entry.h"
#include "file.h"
#include "frames.h"
#include "heap.h"
#include "patch.h"
#include "space.h"
#include "sys.h"
#include "thread.h"
#include "uaccess.h"

#define LEN_MAX    (USER_END - USER_START)
#define HEAP_AHEAD (256ull << 10)

static struct space *space(void)
{
	return current_process()->space;
}

static bool range_ok(u64 start, u64 len)
{
	return start >= USER_START && start < USER_END && len <= USER_END - start;
}

long sys_brk(u64 to)
{
	struct space *s = space();
	u64 old_end = ALIGN_UP(s->brk, PAGE_SIZE), new_end;
	u64 limit = current_process()->rlimit[RLIMIT_DATA].rlim_cur;

	if (to < s->brk_start || to - s->brk_start > limit || to >= s->mmap_top)
		return s->brk;
	new_end = ALIGN_UP(to, PAGE_SIZE);
	if (new_end > old_end) {
		struct vma heap = { .start = old_end,
				    .end = new_end,
				    .prot = PROT_READ | PROT_WRITE,
				    .name = "[heap]" };
		if ((new_end - old_end) / PAGE_SIZE > frames_total() ||
		    !space_is_free(s, old_end, new_end) || space_add(s, &heap))
			return s->brk;
		/* malloc() uses what it asks for: one call now for several faults */
		if (new_end - old_end <= HEAP_AHEAD) {
			space_map_ahead(s, &heap, old_end, new_end);
			pages_flush();
		}
	} else if (new_end < old_end) {
		space_drop_ahead(s, old_end, old_end + PAGE_SIZE);
		if (space_remove(s, new_end, old_end))
			return s->brk;
	}
	s->brk = to;
	return to;
}

/* Where a new mapping goes: its address, or -errno. */
static long place(u64 addr, u64 len, u32 flags)
{
	struct space *s = space();
	if (addr)
		space_drop_ahead(s, addr, addr + ALIGN_UP(len, PAGE_SIZE));
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (addr % PAGE_SIZE)
			return -EINVAL;
		if (!range_ok(addr, len))
			return addr < USER_START ? -EPERM : -ENOMEM;
		if (flags & MAP_FIXED_NOREPLACE && !space_is_free(s, addr, addr + len))
			return -EEXIST;
		if (flags & MAP_FIXED && space_remove(s, addr, addr + len))
			return -ENOMEM;
		return addr;
	}
	addr = ALIGN_UP(addr, PAGE_SIZE);
	if (addr && range_ok(addr, len) && space_is_free(s, addr, addr + len))
		return addr;
	addr = space_gap(s, len, flags & MAP_32BIT ? 1ull << 31 : USER_END);
	return addr ? (long)addr : -ENOMEM;
}

/* More than there is, as Linux's heuristic refuses it. */
static bool too_much(u64 len, u32 prot, u32 flags)
{
	return len >> PAGE_SHIFT > frames_total() && !(flags & MAP_NORESERVE) && prot != PROT_NONE;
}

/* Fills a new private mapping from a file. */
static long fill_from_file(struct file *file, u64 start, u64 len, u64 offset, u32 prot)
{
	u8 *buffer = kalloc(PAGE_SIZE);
	long n = 0;
	if (!buffer)
		return -ENOMEM;
	for (u64 at = 0; at < len; at += n) {
		n = file_read_kernel(file, buffer, PAGE_SIZE, offset + at);
		if (n <= 0 || copy_to_user((void *)(start + at), buffer, MIN((u64)n, len - at)))
			break;
	}
	kfree(buffer);
	if (n >= 0 && prot != (PROT_READ | PROT_WRITE))
		n = space_protect(space(), start, start + ALIGN_UP(len, PAGE_SIZE), prot);
	return n < 0 ? n : 0;
}

static long map_file(u64 addr, u64 len, u32 prot, u32 flags, struct file *file, u64 offset)
{
	u32 access = file->flags & 3;
	if (access == 1)
		return -EACCES;
	if ((flags & MAP_TYPE) != MAP_PRIVATE)
		return access == 2 || !(prot & PROT_WRITE) ? -ENODEV : -EACCES;
	if (!file->inode)
		return -ENODEV;
	long start = place(addr, len, flags);
	if (start < 0)
		return start;
	struct vma vma = { .start = start,
			   .end = start + ALIGN_UP(len, PAGE_SIZE),
			   .prot = PROT_READ | PROT_WRITE };
	if (file->inode->ops->get_run)
		vma.backing_len = file->inode->ops->get_run(file->inode, offset, len, &vma.backing);
	if (vma.backing)
		vma.prot = prot;
	if (space_add(space(), &vma))
		return -ENOMEM;
	if (vma.backing)
		return start;
	long error = fill_from_file(file, start, len, offset, prot);
	if (error)
		space_remove(space(), vma.start, vma.end);
	return error ? error : start;
}

long sys_mmap(u64 addr, u64 len, u64 prot, u64 flags, int fd, u64 offset)
{
	u32 type = flags & MAP_TYPE;
	if (!len || offset % PAGE_SIZE)
		return -EINVAL;
	if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (len > LEN_MAX)
		return -ENOMEM;
	prot &= PROT_READ | PROT_WRITE | PROT_EXEC;
	if (!(flags & MAP_ANONYMOUS)) {
		struct file *file = fd_get(fd);
		if (!file)
			return -EBADF;
		long result = map_file(addr, len, prot, flags, file, offset);
		file_put(file);
		return result;
	}
	len = ALIGN_UP(len, PAGE_SIZE);
	if (too_much(len, prot, flags))
		return -ENOMEM;
	long start = place(addr, len, flags);
	if (start < 0)
		return start;
	struct vma vma = { .start = start,
			   .end = start + len,
			   .prot = prot,
			   .flags = type == MAP_PRIVATE ? 0 : MAP_SHARED };
	if (space_add(space(), &vma))
		return -ENOMEM;
	if (flags & MAP_POPULATE)
		space_populate(space(), start, start + len);
	return start;
}

long sys_munmap(u64 addr, u64 len)
{
	len = ALIGN_UP(len, PAGE_SIZE);
	if (addr % PAGE_SIZE || !len || addr >= USER_END || len > USER_END - addr)
		return -EINVAL;
	return space_remove(space(), addr, addr + len);
}

long sys_mprotect(u64 addr, u64 len, u64 prot)
{
	if (addr % PAGE_SIZE || prot & ~(u64)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN))
		return -EINVAL;
	u64 end = addr + ALIGN_UP(len, PAGE_SIZE);
	if (end == addr)
		return 0;
	if (end < addr || end > USER_END)
		return -ENOMEM;
	return space_protect(space(), addr, end, prot & (PROT_READ | PROT_WRITE | PROT_EXEC));
}

/* A part of one VMA as a VMA of its own description. */
static bool same_vma(struct vma *vma, u64 start, u64 len)
{
	return vma && len <= vma->end - start;
}

static long move_mapping(u64 old, u64 old_len, u64 len, u64 to)
{
	struct vma vma = *space_find(space(), old);
	u64 moved = MIN(old_len, len);
	u64 cut = old - vma.start;
	patch_undo(space(), old, old + old_len); /* its jumps are relative */
	if (vma.backing && cut < vma.backing_len) { /* for pages not yet touched */
		vma.backing += cut;
		vma.backing_len = MIN(vma.backing_len - cut, moved);
	} else {
		vma.backing = 0;
	}
	vma.start = to;
	vma.end = to + len;
	if (space_add(space(), &vma) || pages_move(old, to, moved))
		return -ENOMEM;
	space_remove(space(), old, old + old_len);
	return to;
}

static long grow_mapping(u64 old, u64 old_len, u64 len, u64 flags)
{
	struct vma *vma = space_find(space(), old);
	if (vma->end == old + old_len && range_ok(old, len) &&
	    space_is_free(space(), vma->end, old + len)) {
		struct vma more = *vma;
		more.start = old + old_len;
		more.end = old + len;
		more.backing = 0;
		return space_add(space(), &more) ? -ENOMEM : (long)old;
	}
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	u64 to = space_gap(space(), len, USER_END);
	return to ? move_mapping(old, old_len, len, to) : -ENOMEM;
}

static long mremap_fixed(u64 old, u64 old_len, u64 len, u64 to)
{
	if (to % PAGE_SIZE || !range_ok(to, len) || (to < old + old_len && old < to + len))
		return -EINVAL;
	space_drop_ahead(space(), to, to + len);
	if (space_remove(space(), to, to + len))
		return -ENOMEM;
	return move_mapping(old, old_len, len, to);
}

long sys_mremap(u64 old, u64 old_len, u64 len, u64 flags, u64 to)
{
	if (flags & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED) || old % PAGE_SIZE)
		return -EINVAL;
	if (flags & MREMAP_FIXED && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	old_len = ALIGN_UP(old_len, PAGE_SIZE);
	len = ALIGN_UP(len, PAGE_SIZE);
	if (!len || len > LEN_MAX || !old_len)
		return -EINVAL;
	struct vma *vma = space_find(space(), old);
	if (!same_vma(vma, old, old_len))
		return -EFAULT;
	if (len > old_len && too_much(len, vma->prot, vma->flags))
		return -ENOMEM;
	if (flags & MREMAP_FIXED)
		return mremap_fixed(old, old_len, len, to);
	if (len <= old_len) {
		if (len < old_len && space_remove(space(), old + len, old + old_len))
			return -ENOMEM;
		return old;
	}
	return grow_mapping(old, old_len, len, flags);
}
