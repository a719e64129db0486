/*
 * mount(2) and umount2(2): file systems on disks.
 */
#include <linux/capability.h>
#include <linux/mount.h>
#include "../fs/blockdev.h"
#include "../fs/disk_fs.h"
#include "heap.h"
#include "path.h"
#include "process.h"
#include "sys.h"
#include "uaccess.h"

/* What does not matter here, or is always so. */
#define FLAGS_KNOWN                                                                                \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_DIRSYNC | MS_NOATIME | \
	 MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME | MS_SILENT | MS_LAZYTIME | MS_MGC_MSK)
#define UMOUNT_FORCE    1
#define UMOUNT_DETACH   2
#define UMOUNT_EXPIRE   4
#define UMOUNT_NOFOLLOW 8

/* The disk that a path names. */
static int disk_number(const char *user, unsigned *n)
{
	struct path p;
	int error = user_lookup(AT_FDCWD, user, LOOKUP_FOLLOW, &p);
	const struct inode *inode;

	if (error < 0)
		return error;
	inode = p.dentry->inode;
	if (!S_ISBLK(inode->mode))
		error = -ENOTBLK;
	else if (DEV_MAJOR(inode->rdev) != BLOCKDEV_MAJOR || DEV_MINOR(inode->rdev) % 16 != 0)
		error = -ENXIO;
	*n = DEV_MINOR(inode->rdev) / 16;
	path_put(&p);
	return error;
}

static int make_mount(unsigned n, const char *type, u64 flags, const struct path *at)
{
	struct mount *m = kalloc(sizeof(*m));
	char source[] = "/dev/vd?";
	struct super *sb;
	int error;

	if (m == NULL)
		return -ENOMEM;
	source[sizeof(source) - 2] = 'a' + n;
	m->source = kstrdup(source);
	error = m->source != NULL ? 0 : -ENOMEM;
	sb = error == 0 ? disk_fs_mount(n, type, flags & MS_RDONLY, &error) : NULL;
	if (sb != NULL) {
		m->read_only = sb->read_only;
		error = mount_add(m, sb, at);
		if (error == 0)
			return 0;
		disk_fs_unmount(sb);
	}
	kfree((char *)m->source);
	kfree(m);
	return error;
}

static int check_point(const struct path *at)
{
	if (!S_ISDIR(at->dentry->inode->mode))
		return -ENOTDIR;
	return at->mnt != NULL && !at->dentry->deleted ? 0 : -ENOENT;
}

/* In Linux's order: the strings, the target, the right to, what is asked for. */
static long read_strings(const char *source, const char *user_type, char *type, unsigned size)
{
	char path[256];
	long r = user_type != NULL ? strncpy_from_user(type, user_type, size) : 0;

	if (r < 0)
		return r == -ENAMETOOLONG ? -ENODEV : r;
	r = source != NULL ? strncpy_from_user(path, source, sizeof(path)) : 0;
	return r == -EFAULT ? r : 0;
}

static long mount_at(const char *source, const char *type, u64 flags, const struct path *at)
{
	unsigned n;
	long r;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(u64)MS_MGC_MSK;
	if (type == NULL || flags & ~(u64)FLAGS_KNOWN)
		return -EINVAL;
	if (!disk_fs_is_type(type))
		return -ENODEV;
	r = check_point(at);
	if (r == 0)
		r = disk_number(source, &n);
	return r < 0 ? r : make_mount(n, type, flags, at);
}

long sys_mount(const char *source, const char *target, const char *user_type, u64 flags,
	       const void *data)
{
	struct path at;
	char type[32] = "";
	long r = read_strings(source, user_type, type, sizeof(type));

	(void)data; /* options of ext2: none that matter */
	if (r == 0)
		r = user_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &at);
	if (r < 0)
		return r;
	r = mount_at(source, user_type != NULL ? type : NULL, flags, &at);
	path_put(&at);
	return r;
}

static int take_down(struct mount *m)
{
	struct super *sb = m->sb;
	int error;

	if (m->point.dentry == NULL || !disk_fs_is_type(sb->type))
		return -EBUSY; /* the root, /dev and their like stay */
	error = mount_remove(m);
	if (error < 0)
		return error;
	disk_fs_unmount(sb);
	kfree((char *)m->source);
	kfree(m);
	return 0;
}

long sys_umount2(const char *target, int flags)
{
	struct path at;
	struct mount *m;
	long r;

	if (flags & ~(UMOUNT_FORCE | UMOUNT_DETACH | UMOUNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & (UMOUNT_DETACH | UMOUNT_EXPIRE))
		return -EINVAL;
	r = user_lookup(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &at);
	if (r < 0)
		return r;
	m = at.mnt;
	if (m == NULL || at.dentry != m->root)
		r = -EINVAL;
	path_put(&at); /* which holds one of the references */
	return r < 0 ? r : take_down(m);
}
