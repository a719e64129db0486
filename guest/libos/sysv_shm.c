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
#include "timespec.h"
#include "uaccess.h"

#define SHM_DEST_BIT   01000 /* SHM_DEST and SHM_LOCKED of <linux/shm.h>'s kernel half */
#define SHM_LOCKED_BIT 02000
#define SHM_ALIGN      PAGE_SIZE /* SHMLBA */
#define INDEX_BITS     15
#define MODES          0777

struct segment {
	struct list link;
	int id;
	struct ipc64_perm perm;
	u64 size;
	i64 atime, dtime, ctime;
	int creator, last;
	u32 refs; /* open files, and one until it is removed */
	struct path place; /* mount NULL: a name for /proc/self/maps, and the inode */
};

static struct list segments = { &segments, &segments }; /* by index */
static unsigned count;

static int index_of(int id)
{
	return id & ((1 << INDEX_BITS) - 1);
}

static i64 now_seconds(void)
{
	return realtime_ns() / NS_PER_SEC;
}

static struct inode *inode_of(const struct segment *s)
{
	return s->place.dentry->inode;
}

static struct segment *find_index(int index)
{
	struct list *l;
	list_for_each (l, &segments) {
		struct segment *s = container_of(l, struct segment, link);
		if (index_of(s->id) == index)
			return s;
	}
	return NULL;
}

static struct segment *find_id(int id)
{
	struct segment *s = find_index(index_of(id));
	return s && s->id == id ? s : NULL;
}

static struct segment *find_key(int key)
{
	struct list *l;
	list_for_each (l, &segments) {
		struct segment *s = container_of(l, struct segment, link);
		if (s->perm.key == key)
			return s;
	}
	return NULL;
}

static void segment_put(struct segment *s)
{
	if (--s->refs)
		return;
	list_del(&s->link);
	count--;
	path_put(&s->place);
	kfree(s);
}

/* ---- rights ---- */

static bool in_group(u32 gid)
{
	const struct credentials *c = &current_process()->cred;
	return c->gid.effective == gid || cred_has_group(c, gid);
}

/* `wanted` as a mode: any of its three places counts. */
static bool allowed(const struct segment *s, int wanted)
{
	u32 uid = current_process()->cred.uid.effective, bits = s->perm.mode;
	wanted = wanted >> 6 | wanted >> 3 | wanted;
	if (uid == s->perm.cuid || uid == s->perm.uid)
		bits >>= 6;
	else if (in_group(s->perm.cgid) || in_group(s->perm.gid))
		bits >>= 3;
	return !(wanted & ~bits & 7) || capable(CAP_IPC_OWNER);
}

static bool owns(const struct segment *s, int cap)
{
	u32 uid = current_process()->cred.uid.effective;
	return uid == s->perm.cuid || uid == s->perm.uid || capable(cap);
}

/* ---- shmget ---- */

/* In the order of indices, in the first place that is free. */
static void enter(struct segment *s)
{
	static u16 sequence;
	struct list *l = segments.next;
	int index = 0;
	while (l != &segments && index_of(container_of(l, struct segment, link)->id) == index) {
		l = l->next;
		index++;
	}
	s->perm.seq = sequence++;
	s->id = (int)((u32)s->perm.seq << INDEX_BITS & INT32_MAX) | index;
	list_add_tail(l, &s->link); /* before it */
	count++;
}

static struct dentry *make_file(int key, u64 size)
{
	char name[16];
	int len = snprintf(name, sizeof(name), "SYSV%08x", (u32)key);
	struct dentry *d = dentry_new(NULL, name, len);
	if (!d)
		return NULL;
	d->deleted = true;
	d->inode = tmpfs_new_file(MODES);
	if (!d->inode || tmpfs_resize(tmpfs_inode(d->inode), size)) {
		dentry_put(d);
		return NULL;
	}
	return d;
}

static long segment_new(int key, size_t size, int flags)
{
	const struct credentials *c = &current_process()->cred;
	if (!size || size > SHMMAX)
		return -EINVAL;
	if (count >= SHMMNI)
		return -ENOSPC;
	/* there are no huge pages; and Linux's heuristic refuses what cannot be there */
	if (flags & SHM_HUGETLB ||
	    (size >> PAGE_SHIFT > frames_total() && !(flags & SHM_NORESERVE)))
		return -ENOMEM;
	struct segment *s = kalloc(sizeof(*s));
	struct dentry *file = s ? make_file(key, size) : NULL;
	if (!file) {
		kfree(s);
		return -ENOMEM;
	}
	s->refs = 1;
	s->place.dentry = file;
	s->size = size;
	s->perm = (struct ipc64_perm){ .key = key,
				       .uid = c->uid.effective,
				       .cuid = c->uid.effective,
				       .gid = c->gid.effective,
				       .cgid = c->gid.effective,
				       .mode = flags & MODES };
	s->ctime = now_seconds();
	s->creator = current_process()->pid;
	enter(s);
	inode_of(s)->ino = s->id;
	return s->id;
}

long sys_shmget(int key, size_t size, int flags)
{
	struct segment *s = key == IPC_PRIVATE ? NULL : find_key(key);
	if (!s && key != IPC_PRIVATE && !(flags & IPC_CREAT))
		return -ENOENT;
	if (!s)
		return segment_new(key, size, flags);
	if (flags & IPC_CREAT && flags & IPC_EXCL)
		return -EEXIST;
	if (size > s->size)
		return -EINVAL;
	return allowed(s, flags & MODES) ? s->id : -EACCES;
}

/* ---- shmat, shmdt ---- */

static void attach_release(struct file *file)
{
	struct segment *s = file->priv;
	s->dtime = now_seconds();
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
	s->atime = now_seconds();
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
	if (!allowed(s, 0444 | (flags & SHM_RDONLY ? 0 : 0222) | (flags & SHM_EXEC ? 0111 : 0)))
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

static long put_status(const struct segment *s, struct shmid64_ds *user, long result)
{
	struct shmid64_ds ds = { .shm_perm = s->perm,
				 .shm_segsz = s->size,
				 .shm_atime = s->atime,
				 .shm_dtime = s->dtime,
				 .shm_ctime = s->ctime,
				 .shm_cpid = s->creator,
				 .shm_lpid = s->last,
				 .shm_nattch = inode_of(s)->mappings };
	return put_user(user, ds) ? -EFAULT : result;
}

static long status(int cmd, int id, struct shmid64_ds *user)
{
	struct segment *s = cmd == IPC_STAT ? find_id(id) : find_index(id);
	if (!s)
		return -EINVAL;
	if (cmd != SHM_STAT_ANY && !allowed(s, 0444))
		return -EACCES;
	return put_status(s, user, cmd == IPC_STAT ? 0 : s->id);
}

static long highest_index(void)
{
	return list_empty(&segments) ?
		       0 :
		       index_of(container_of(segments.prev, struct segment, link)->id);
}

static long limits(struct shminfo64 *user)
{
	struct shminfo64 info = { .shmmax = SHMMAX,
				  .shmmin = SHMMIN,
				  .shmmni = SHMMNI,
				  .shmseg = SHMSEG,
				  .shmall = SHMALL };
	return put_user(user, info) ? -EFAULT : highest_index();
}

static long usage(struct shm_info *user)
{
	struct shm_info info;
	struct list *l;
	memset(&info, 0, sizeof(info));
	info.used_ids = count;
	list_for_each (l, &segments) {
		const struct segment *s = container_of(l, struct segment, link);
		info.shm_tot += ALIGN_UP(s->size, PAGE_SIZE) >> PAGE_SHIFT;
		info.shm_rss += tmpfs_blocks(tmpfs_inode(inode_of(s))) / (PAGE_SIZE / 512);
	}
	return put_user(user, info) ? -EFAULT : highest_index();
}

static long set(struct segment *s, const struct shmid64_ds *ds)
{
	s->perm.uid = ds->shm_perm.uid;
	s->perm.gid = ds->shm_perm.gid;
	s->perm.mode = (s->perm.mode & ~MODES) | (ds->shm_perm.mode & MODES);
	s->ctime = now_seconds();
	return 0;
}

/* It has no name any more, and goes with the last who has it attached. */
static long segment_remove(struct segment *s)
{
	if (s->perm.mode & SHM_DEST_BIT)
		return 0;
	s->perm.mode |= SHM_DEST_BIT;
	s->perm.key = IPC_PRIVATE;
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
	if (!owns(s, lock ? CAP_IPC_LOCK : CAP_SYS_ADMIN))
		return -EPERM;
	if (lock) /* nothing is ever swapped */
		s->perm.mode =
			(s->perm.mode & ~SHM_LOCKED_BIT) | (cmd == SHM_LOCK ? SHM_LOCKED_BIT : 0);
	return lock ? 0 : cmd == IPC_SET ? set(s, &ds) : segment_remove(s);
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
