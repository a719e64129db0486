/*
 * madvise, mincore, mlock, msync: calls about what is mapped already.
 */
#include <linux/mman.h>
#include "entry.h"
#include "file.h"
#include "frames.h"
#include "space.h"
#include "sys.h"
#include "thread.h"
#include "uaccess.h"

static struct space *space(void)
{
	return current_process()->space;
}

/* Whether [addr, addr + len) is mapped throughout; calls f for each part. */
static int for_each_vma (u64 addr, u64 len, void (*f)(struct vma *, u64 start, u64 end))
{
	u64 at = addr, end = addr + len;
	struct vma *vma;
	int result = 0;
	while (at < end && (vma = space_from(space(), at)) != NULL && vma->start < end) {
		if (vma->start > at)
			result = -ENOMEM;
		u64 start = MAX(at, vma->start);
		at = MIN(vma->end, end);
		if (f)
			f(vma, start, at); /* which may wait */
	}
	return at < end ? -ENOMEM : result;
}

/* Shared anonymous memory has nothing to fall back to, so it stays. */
static void forget(struct vma *vma, u64 start, u64 end)
{
	if (vma->file && vma->flags & MAP_SHARED)
		pages_drop_file(space(), start, end);
	else if (!(vma->flags & MAP_SHARED))
		pages_free(space(), start, end);
}

static bool all_anonymous(u64 addr, u64 len)
{
	const struct vma *vma;
	for (u64 at = addr; (vma = space_from(space(), at)) != NULL && vma->start < addr + len;
	     at = vma->end)
		if (vma->file || vma->flags & MAP_SHARED)
			return false;
	return true;
}

static void populate(struct vma *vma, u64 start, u64 end)
{
	(void)vma;
	space_populate(space(), start, end);
}

long sys_madvise(u64 addr, u64 len, int advice)
{
	if (addr % PAGE_SIZE || ALIGN_UP(len, PAGE_SIZE) < len)
		return -EINVAL;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (addr + len < addr)
		return -EINVAL;
	if (!len)
		return 0;
	if (addr + len > USER_END)
		return -ENOMEM;
	switch (advice) {
	case MADV_FREE:
		if (!all_anonymous(addr, len))
			return -EINVAL;
		/* fallthrough */
	case MADV_DONTNEED:
		return pages_cut(addr, addr + len) ? -ENOMEM : for_each_vma (addr, len, forget);
	case MADV_WILLNEED:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return for_each_vma (addr, len, populate);
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return for_each_vma (addr, len, NULL);
	default:
		return -EINVAL;
	}
}

long sys_mincore(u64 addr, u64 len, u8 *vec)
{
	if (addr % PAGE_SIZE)
		return -EINVAL;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (addr >= USER_END || len > USER_END - addr)
		return -ENOMEM;
	for (u64 at = addr; at < addr + len; at += PAGE_SIZE, vec++) {
		u64 size;
		if (!space_find(space(), at))
			return -ENOMEM;
		if (put_user(vec, (u8)(page_entry(at, &size) != 0)))
			return -EFAULT;
	}
	return 0;
}

/* Memory is never paged out, so locking it only brings it in. */
static long lock_range(u64 addr, u64 len, bool bring_in)
{
	u64 end = ALIGN_UP(addr + len, PAGE_SIZE);
	addr = ALIGN_DOWN(addr, PAGE_SIZE);
	if (end < addr || addr >= USER_END || end > USER_END)
		return end < addr ? -EINVAL : -ENOMEM;
	return for_each_vma (addr, end - addr, bring_in ? populate : NULL);
}

long sys_mlock(u64 addr, u64 len)
{
	return lock_range(addr, len, true);
}

long sys_mlock2(u64 addr, u64 len, int flags)
{
	return flags & ~MLOCK_ONFAULT ? -EINVAL : lock_range(addr, len, !flags);
}

long sys_munlock(u64 addr, u64 len)
{
	return lock_range(addr, len, false);
}

long sys_mlockall(int flags)
{
	return !flags || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) ? -EINVAL : 0;
}

long sys_munlockall(void)
{
	return 0;
}

/* The pages are the file's own: what is left is the file's way to its disk. */
static long write_back(const struct vma *vma)
{
	struct file *file = vma->file;
	if (!file || !(vma->flags & MAP_SHARED) || !file->ops->fsync)
		return 0;
	file_get(file);
	long error = file->ops->fsync(file); /* may wait: the mapping may be gone */
	file_put(file);
	return error;
}

long sys_msync(u64 addr, u64 len, int flags)
{
	if (addr % PAGE_SIZE || flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) ||
	    (flags & MS_ASYNC && flags & MS_SYNC))
		return -EINVAL;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (addr + len < addr || addr + len > USER_END)
		return -ENOMEM;
	long error = for_each_vma (addr, len, NULL);
	const struct vma *vma;
	for (u64 at = addr; flags & MS_SYNC && (vma = space_from(space(), at)) != NULL &&
			    vma->start < addr + len;) {
		at = vma->end;
		long failed = write_back(vma);
		if (failed)
			return failed;
	}
	return error;
}
