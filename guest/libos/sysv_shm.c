/*
 * System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2). Programs of one
 * process have uses for it too: PostgreSQL's guard against a second server, fio's
 * tables.
 *
 * A segment is a file in memory without a place in the tree. Each shmat(2) opens it
 * anew, with rights of its own, and maps that; so the mappings keep the segment, and
 * one that has been removed (IPC_RMID) goes with the last of them. It is attached as
 * often as its inode is mapped.
 */
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <limits.h>
#include <linux/shm.h>
#include "../fs/tmpfs.h"
#include "boot_info.h"
#include "frames.h"
#include "heap.h"
#include "process.h"
#include "space.h"
#include "sys.h"
#include "sysv_ipc.h"
#include "uaccess.h"

#define SHM_DEST_BIT   01000 /* SHM_DEST and SHM_LOCKED of <linux/shm.h>'s kernel half */
#define SHM_LOCKED_BIT 02000
#define SHM_ALIGN      PAGE_SIZE /* SHMLBA */
#define FILE_MODE      0777

struct segment {
	struct ipc ipc;
	u64 size;
	i64 atime, dtime;
	int creator, last;
	u32 refs; /* open files, and one until it is removed */
	struct path place; /* mount NULL: a name for /proc/self/maps, and the inode */
};

static long segment_new(int key, size_t size, int flags);
static bool segment_fits(const struct ipc *ipc, size_t size);
static struct ipc_ids segments = { .most = SHMMNI, .make = segment_new, .fits = segment_fits };

static struct segment *segment_of(const struct ipc *ipc)
{
	return container_of(ipc, struct segment, ipc);
}

static struct inode *inode_of(const struct segment *s)
{
	return s->place.dentry->inode;
}

static struct segment *find_id(int id)
{
	struct ipc *ipc = ipc_find(&segments, id);
	return ipc ? segment_of(ipc) : NULL;
}

static void segment_put(struct segment *s)
{
	if (--s->refs)
		return;
	ipc_remove(&segments, &s->ipc);
	path_put(&s->place);
	kfree(s);
}

/* ---- shmget ---- */

static struct dentry *make_file(int key, u64 size)
{
	char name[16];
	int len = snprintf(name, sizeof(name), "SYSV%08x", (u32)key);
	struct dentry *d = dentry_new(NULL, name, len);
	if (!d)
		return NULL;
	d->deleted = true;
	d->inode = tmpfs_new_file(FILE_MODE);
	if (!d->inode || tmpfs_resize(tmpfs_inode(d->inode), size)) {
		dentry_put(d);
		return NULL;
	}
	return d;
}

static long segment_new(int key, size_t size, int flags)
{
	if (!size || size > SHMMAX)
		return -EINVAL;
	/* there are no huge pages; and Linux's heuristic refuses what cannot be there */
	if (flags & SHM_HUGETLB ||
	    (size >> PAGE_SHIFT > frames_total() && !(flags & SHM_NORESERVE)))
		return -ENOMEM;
	struct segment *s = kalloc(sizeof(*s));
	struct dentry *file = s ? make_file(key, size) : NULL;
	int error = file ? ipc_add(&segments, &s->ipc, key, flags) : -ENOMEM;
	if (error) {
		if (file)
			dentry_put(file);
		kfree(s);
		return error;
	}
	s->refs = 1;
	s->place.dentry = file;
	s->size = size;
	s->creator = current_process()->pid;
	inode_of(s)->ino = s->ipc.id;
	return s->ipc.id;
}

static bool segment_fits(const struct ipc *ipc, size_t size)
{
	return size <= segment_of(ipc)->size;
}

long sys_shmget(int key, size_t size, int flags)
{
	return ipc_get(&segments, key, size, flags);
}

/* ---- shmat, shmdt ---- */

static void attach_release(struct file *file)
{
	struct segment *s = file->priv;
	s->dtime = ipc_now();
	s->last = current_process()->pid;
	segment_put(s);
}

static const struct file_ops attach_ops = { .release = attach_release };

static struct file *attach_open(struct segment *s, u32 flags)
{
	struct file *file = file_new(&attach_ops, inode_of(s), flags, s);
	if (!file)
		return NULL;
	inode_get(inode_of(s));
	file->path = s->place;
	path_get(&file->path);
	s->refs++;
	return file;
}

/* The address that was asked for, in *addr: 0 or -EINVAL. */
static int check_address(u64 *addr, int flags)
{
	if (!*addr)
		return flags & SHM_REMAP ? -EINVAL : 0;
	if (*addr % SHM_ALIGN && !(flags & SHM_RND))
		return -EINVAL;
	*addr = ALIGN_DOWN(*addr, SHM_ALIGN);
	return !*addr && flags & SHM_REMAP ? -EINVAL : 0;
}

static long attach(struct segment *s, u64 addr, bool fixed, int flags)
{
	struct space *space = current_process()->space;
	u32 prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) |
		   (flags & SHM_EXEC ? PROT_EXEC : 0);
	if (addr && !(flags & SHM_REMAP) &&
	    (addr + s->size < addr || !space_is_free(space, addr, addr + s->size)))
		return -EINVAL;
	struct file *file = attach_open(s, flags & SHM_RDONLY ? O_RDONLY : O_RDWR);
	if (!file)
		return -ENOMEM;
	s->atime = ipc_now();
	s->last = current_process()->pid;
	long at = space_map(addr, s->size, prot, MAP_SHARED | (fixed ? MAP_FIXED : 0), file, 0);
	file_put(file); /* the mapping has it */
	return at;
}

long sys_shmat(int id, u64 addr, int flags)
{
	bool fixed = addr;
	int error = id < 0 ? -EINVAL : check_address(&addr, flags);
	if (error)
		return error;
	struct segment *s = find_id(id);
	if (!s)
		return -EINVAL;
	if (!ipc_allowed(&s->ipc,
			 0444 | (flags & SHM_RDONLY ? 0 : 0222) | (flags & SHM_EXEC ? 0111 : 0)))
		return -EACCES;
	return attach(s, addr, fixed, flags);
}

/* A mapping, at va or above, of a segment that was attached at `addr`; of `file` only,
 * when that is given. */
static struct vma *attached(u64 va, u64 addr, const struct file *file)
{
	struct space *space = current_process()->space;
	struct vma *vma;
	for (; (vma = space_from(space, va)) != NULL; va = vma->end)
		if (vma->start >= va && vma->file && vma->file->ops == &attach_ops &&
		    vma->start - addr == vma->offset && (!file || vma->file == file))
			return vma;
	return NULL;
}

long sys_shmdt(u64 addr)
{
	struct space *space = current_process()->space;
	struct vma *vma = addr % SHM_ALIGN ? NULL : attached(addr, addr, NULL);
	if (!vma)
		return -EINVAL;
	struct file *file = vma->file;
	long error = 0;
	file_get(file); /* so that it is the same one to the end */
	while (!error && (vma = attached(addr, addr, file)))
		error = space_remove(space, vma->start, vma->end);
	file_put(file);
	return error;
}

/* ---- shmctl ---- */

static struct shmid64_ds state(const struct segment *s)
{
	return (struct shmid64_ds){ .shm_perm = s->ipc.perm,
				    .shm_segsz = s->size,
				    .shm_atime = s->atime,
				    .shm_dtime = s->dtime,
				    .shm_ctime = s->ipc.ctime,
				    .shm_cpid = s->creator,
				    .shm_lpid = s->last,
				    .shm_nattch = inode_of(s)->mappings };
}

/* Of its pages, those that are there. */
static u64 resident(const struct segment *s)
{
	return tmpfs_blocks(tmpfs_inode(inode_of(s))) / (PAGE_SIZE / 512);
}

int sysv_shm_next(unsigned index, struct shmid64_ds *ds, u64 *bytes)
{
	const struct ipc *ipc = ipc_next(&segments, index);
	if (!ipc)
		return -1;
	*ds = state(segment_of(ipc));
	*bytes = resident(segment_of(ipc)) * PAGE_SIZE;
	return ipc->id;
}

static long status(int cmd, int id, struct shmid64_ds *user)
{
	struct ipc *ipc;
	int error = ipc_stat_find(&segments, id, cmd != IPC_STAT, cmd == SHM_STAT_ANY, &ipc);
	if (error)
		return error;
	id = cmd == IPC_STAT ? 0 : ipc->id;
	return put_user(user, state(segment_of(ipc))) ? -EFAULT : id;
}

static long limits(struct shminfo64 *user)
{
	struct shminfo64 info = { .shmmax = SHMMAX,
				  .shmmin = SHMMIN,
				  .shmmni = SHMMNI,
				  .shmseg = SHMSEG,
				  .shmall = SHMALL };
	return put_user(user, info) ? -EFAULT : ipc_highest(&segments);
}

static long usage(struct shm_info *user)
{
	struct shm_info info;
	memset(&info, 0, sizeof(info));
	info.used_ids = segments.count;
	for (struct ipc *ipc = ipc_next(&segments, 0); ipc;
	     ipc = ipc_next(&segments, ipc_index(ipc->id) + 1)) {
		const struct segment *s = segment_of(ipc);
		info.shm_tot += ALIGN_UP(s->size, PAGE_SIZE) >> PAGE_SHIFT;
		info.shm_rss += resident(s);
	}
	return put_user(user, info) ? -EFAULT : ipc_highest(&segments);
}

/* It has no name any more, and goes with the last who has it attached. */
static long segment_remove(struct segment *s)
{
	if (s->ipc.perm.mode & SHM_DEST_BIT)
		return 0;
	s->ipc.perm.mode |= SHM_DEST_BIT;
	s->ipc.perm.key = IPC_PRIVATE;
	segment_put(s);
	return 0;
}

static long change(int id, int cmd, const struct shmid64_ds *user)
{
	struct shmid64_ds ds;
	if (cmd == IPC_SET && get_user(ds, user))
		return -EFAULT;
	struct segment *s = find_id(id);
	if (!s)
		return -EINVAL;
	bool lock = cmd == SHM_LOCK || cmd == SHM_UNLOCK;
	if (!ipc_owned(&s->ipc, lock ? CAP_IPC_LOCK : CAP_SYS_ADMIN))
		return -EPERM;
	if (lock) /* nothing is ever swapped */
		s->ipc.perm.mode = (s->ipc.perm.mode & ~SHM_LOCKED_BIT) |
				   (cmd == SHM_LOCK ? SHM_LOCKED_BIT : 0);
	if (lock)
		return 0;
	return cmd == IPC_SET ? ipc_set(&s->ipc, &ds.shm_perm) : segment_remove(s);
}

long sys_shmctl(int id, int cmd, void *user)
{
	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
		return limits(user);
	case SHM_INFO:
		return usage(user);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return status(cmd, id, user);
	case IPC_SET:
	case IPC_RMID:
	case SHM_LOCK:
	case SHM_UNLOCK:
		return change(id, cmd, user);
	default:
		return -EINVAL;
	}
}
