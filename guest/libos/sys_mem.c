/*
 * brk, mmap and their family. Mappings of files: file_pages.c. Of a file whose
 * pages cannot be mapped (get_page), a private mapping is filled when it is
 * made.
 */
#include <linux/fcntl.h>
#include <linux/magic.h>
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

#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define LEN_MAX     (USER_END - USER_START)
#define HEAP_AHEAD  (256ull << 10)
/* What MAP_SHARED_VALIDATE lets through: Linux's LEGACY_MAP_MASK. */
#define KNOWN_FLAGS                                                                             \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_POPULATE | \
	 MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | MAP_GROWSDOWN | MAP_LOCKED |      \
	 MAP_NORESERVE | MAP_FIXED_NOREPLACE)

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

/* Where a new mapping goes, of whole pages: its address, or -errno. */
static long place(u64 addr, u64 len, u32 flags)
{
	struct space *s = space();
	if (addr)
		space_drop_ahead(s, addr, addr + len);
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

long space_fill(struct file *file, u64 start, u64 len, u64 offset, u32 prot)
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

/* 0 or -errno, in Linux's order (do_mmap). */
static long check_file(struct file *file, u64 len, u32 prot, u32 flags, u64 offset)
{
	const struct inode *inode = file->inode;
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;

	if (offset + len < offset || offset + len > MAX_FILE_SIZE)
		return -EOVERFLOW;
	if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE && flags & ~(u32)KNOWN_FLAGS)
		return -EOPNOTSUPP;
	if ((shared && prot & PROT_WRITE && !file_writable(file)) || !file_readable(file))
		return -EACCES;
	if (!inode || !inode->ops)
		return -ENODEV;
	bool pages = inode->ops->get_page && S_ISREG(inode->mode);
	bool readable = (S_ISREG(inode->mode) && inode->sb->magic != PROC_SUPER_MAGIC) ||
			S_ISBLK(inode->mode);
	if (!pages && (shared || !readable))
		return -ENODEV;
	/* the host's files can be written where they are, or not at all */
	paddr_t pa;
	if (shared && prot & PROT_WRITE && inode->ops->get_dax && inode->size &&
	    !inode->ops->get_dax(file, 0, 1, true, &pa))
		return -ENODEV;
	/* a descriptor that cannot write never makes a mapping that can */
	return shared && prot & PROT_WRITE && inode->seals & SEALS_WRITE ? -EPERM : 0;
}

static long map_file(u64 addr, u64 len, u32 prot, u32 flags, struct file *file, u64 offset)
{
	long start = place(addr, ALIGN_UP(len, PAGE_SIZE), flags);
	if (start < 0)
		return start;
	struct vma vma = { .start = start,
			   .end = start + ALIGN_UP(len, PAGE_SIZE),
			   .prot = prot,
			   .flags = (flags & MAP_TYPE) == MAP_PRIVATE ? 0 : MAP_SHARED };
	if (vma.flags && file->inode->seals & SEALS_WRITE)
		vma.flags |= VMA_NEVER_WRITE;
	if (file->inode->ops->get_page) {
		vma.file = file;
		vma.offset = offset;
		inode_accessed(file->inode);
		return space_add(space(), &vma) ? -ENOMEM : start;
	}
	vma.prot = PROT_READ | PROT_WRITE;
	if (space_add(space(), &vma))
		return -ENOMEM;
	long error = space_fill(file, start, len, offset, prot);
	if (error)
		space_remove(space(), vma.start, vma.end);
	return error ? error : start;
}

static long map_anonymous(u64 addr, u64 len, u32 prot, u32 flags)
{
	len = ALIGN_UP(len, PAGE_SIZE);
	if (too_much(len, prot, flags))
		return -ENOMEM;
	long start = place(addr, len, flags);
	if (start < 0)
		return start;
	struct vma vma = { .start = start,
			   .end = start + len,
			   .prot = prot,
			   .flags = (flags & MAP_TYPE) == MAP_PRIVATE ? 0 : MAP_SHARED };
	return space_add(space(), &vma) ? -ENOMEM : start;
}

static bool is_zero_device(const struct file *file)
{
	return file->inode && S_ISCHR(file->inode->mode) && file->inode->rdev == MKDEV(1, 5);
}

long space_map(u64 addr, u64 len, u32 prot, u32 flags, struct file *file, u64 offset)
{
	u32 type = flags & MAP_TYPE;
	if (!len)
		return -EINVAL;
	if (len > LEN_MAX || space()->maps.count > MAPPINGS_MAX)
		return -ENOMEM;
	if (type != MAP_PRIVATE && type != MAP_SHARED && (type != MAP_SHARED_VALIDATE || !file))
		return -EINVAL;
	if (!file || is_zero_device(file))
		return map_anonymous(addr, len, prot, flags);
	long error = check_file(file, len, prot, flags, offset);
	return error < 0 ? error : map_file(addr, len, prot, flags, file, offset);
}

long sys_mmap(u64 addr, u64 len, u64 prot, u64 flags, int fd, u64 offset)
{
	struct file *file = NULL;
	if (offset % PAGE_SIZE)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		file = fd_get(fd);
		if (!file)
			return -EBADF;
	}
	prot &= PROT_READ | PROT_WRITE | PROT_EXEC;
	long start = space_map(addr, len, prot, flags, file, offset);
	if (start > 0 && (flags & MAP_POPULATE || (flags & MAP_LOCKED)))
		space_populate(space(), start, start + ALIGN_UP(len, PAGE_SIZE));
	if (file)
		file_put(file);
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
	if (!len)
		return 0;
	if (end <= addr || end > USER_END)
		return -ENOMEM;
	return space_protect(space(), addr, end, prot & (PROT_READ | PROT_WRITE | PROT_EXEC));
}

/* Protection keys: no CPU that runs this has any to give. */
long sys_pkey_mprotect(u64 addr, u64 len, u64 prot, int key)
{
	return key == -1 ? sys_mprotect(addr, len, prot) : -EINVAL;
}

long sys_pkey_alloc(u64 flags, u64 rights)
{
	return flags || rights & ~3ull ? -EINVAL : -ENOSPC;
}

long sys_pkey_free(int key)
{
	(void)key;
	return -EINVAL;
}

static bool same_vma(struct vma *vma, u64 start, u64 len)
{
	return vma && len <= vma->end - start;
}

/* The part of a mapping from `at` on, as one of its own at `to`. */
static struct vma part_of(const struct vma *vma, u64 at, u64 to, u64 len)
{
	struct vma part = *vma;
	u64 cut = at - vma->start;
	if (vma->backing && cut < vma->backing_len) { /* for pages not yet touched */
		part.backing += cut;
		part.backing_len = MIN(vma->backing_len - cut, len);
	} else {
		part.backing = 0;
	}
	part.offset += part.file ? cut : 0;
	part.start = to;
	part.end = to + len;
	return part;
}

static long move_mapping(u64 old, u64 old_len, u64 len, u64 to, u64 flags)
{
	if (space()->maps.count >= MAPPINGS_MAX - 3) /* as many as it may need, on Linux */
		return -ENOMEM;
	struct vma vma = part_of(space_find(space(), old), old, to, len);
	vma.backing_len = MIN(vma.backing_len, old_len);
	patch_undo(space(), old, old + old_len); /* its jumps are relative */
	if (space_add(space(), &vma) || pages_move(old, to, MIN(old_len, len)))
		return -ENOMEM;
	if (!(flags & MREMAP_DONTUNMAP))
		space_remove(space(), old, old + old_len);
	return to;
}

/* Anywhere else. */
static long move_away(u64 old, u64 old_len, u64 len, u64 flags)
{
	u64 to = space_gap(space(), len, USER_END);
	return to ? move_mapping(old, old_len, len, to, flags) : -ENOMEM;
}

static long grow_mapping(u64 old, u64 old_len, u64 len, u64 flags)
{
	struct vma *vma = space_find(space(), old);
	if (old_len && vma->end == old + old_len && range_ok(old, len) &&
	    space_is_free(space(), vma->end, old + len)) {
		struct vma more = part_of(vma, vma->end, vma->end, len - old_len);
		more.backing = 0;
		return space_add(space(), &more) ? -ENOMEM : (long)old;
	}
	return flags & MREMAP_MAYMOVE ? move_away(old, old_len, len, flags) : -ENOMEM;
}

static long mremap_fixed(u64 old, u64 old_len, u64 len, u64 to, u64 flags)
{
	if (to % PAGE_SIZE || !range_ok(to, len) || (to < old + old_len && old < to + len))
		return -EINVAL;
	if (space()->maps.count >= MAPPINGS_MAX - 5)
		return -ENOMEM;
	space_drop_ahead(space(), to, to + len);
	if (space_remove(space(), to, to + len))
		return -ENOMEM;
	return move_mapping(old, old_len, len, to, flags);
}

/* What mremap(2) can be asked for at all. */
static bool remap_flags_ok(u64 old_len, u64 len, u64 flags)
{
	if (flags & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return false;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE))
		return false;
	return !(flags & MREMAP_DONTUNMAP) || old_len == len;
}

long sys_mremap(u64 old, u64 old_len, u64 len, u64 flags, u64 to)
{
	old_len = ALIGN_UP(old_len, PAGE_SIZE);
	len = ALIGN_UP(len, PAGE_SIZE);
	if (old % PAGE_SIZE || !remap_flags_ok(old_len, len, flags) || !len || len > LEN_MAX)
		return -EINVAL;
	struct vma *vma = space_find(space(), old);
	if (!same_vma(vma, old, old_len))
		return -EFAULT;
	/* of length 0: one more mapping of the same pages, where a file has them */
	if (!old_len && !(vma->flags & MAP_SHARED && vma->file))
		return -EINVAL;
	if (len > old_len && too_much(len, vma->prot, vma->flags))
		return -ENOMEM;
	if (flags & MREMAP_FIXED)
		return mremap_fixed(old, old_len, len, to, flags);
	if (flags & MREMAP_DONTUNMAP)
		return move_away(old, old_len, len, flags);
	if (len <= old_len) {
		if (len < old_len && space_remove(space(), old + len, old + old_len))
			return -ENOMEM;
		return old;
	}
	return grow_mapping(old, old_len, len, flags);
}
