/*
 * Changing what files are: times, modes, owners, the umask.
 */
#include "path.h"
#include "process.h"
#include "sys.h"

static long change_at(int dirfd, const char *path, u32 flags, const struct attr *attr)
{
	struct path p;
	long r = user_lookup(dirfd, path, flags, &p);

	if (r < 0)
		return r;
	r = vfs_setattr(&p, attr);
	path_put(&p);
	return r;
}

static long change_fd(int fd, const struct attr *attr)
{
	struct file *file = fd_get(fd);
	struct path p;
	struct dentry nameless = { .name = NULL };
	long r;

	if (file == NULL)
		return -EBADF;
	p = file->path;
	if (p.dentry == NULL) { /* a pipe or its like: attributes without a tree */
		nameless.inode = file->inode;
		p.dentry = &nameless;
	}
	r = p.dentry->inode != NULL ? vfs_setattr(&p, attr) : -EBADF;
	file_put(file);
	return r;
}

/* ---- modes and owners ---- */

long sys_fchmodat2(int dirfd, const char *path, u32 mode, int flags)
{
	struct attr attr = { .valid = ATTR_MODE, .mode = mode & 07777 };
	struct path p;
	long r;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = user_lookup(dirfd, path, lookup_flags(flags), &p);
	if (r < 0)
		return r;
	r = S_ISLNK(p.dentry->inode->mode) ? -EOPNOTSUPP : vfs_setattr(&p, &attr);
	path_put(&p);
	return r;
}

long sys_fchmodat(int dirfd, const char *path, u32 mode)
{
	return sys_fchmodat2(dirfd, path, mode, 0);
}

long sys_chmod(const char *path, u32 mode)
{
	return sys_fchmodat2(AT_FDCWD, path, mode, 0);
}

long sys_fchmod(int fd, u32 mode)
{
	struct attr attr = { .valid = ATTR_MODE, .mode = mode & 07777 };

	return change_fd(fd, &attr);
}

static struct attr owner_attr(u32 uid, u32 gid)
{
	return (struct attr){
		.valid = (uid != (u32)-1 ? ATTR_UID : 0) | (gid != (u32)-1 ? ATTR_GID : 0),
		.uid = uid,
		.gid = gid,
	};
}

long sys_fchownat(int dirfd, const char *path, u32 uid, u32 gid, int flags)
{
	struct attr attr = owner_attr(uid, gid);

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return change_at(dirfd, path, lookup_flags(flags), &attr);
}

long sys_chown(const char *path, u32 uid, u32 gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, 0);
}

long sys_lchown(const char *path, u32 uid, u32 gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(int fd, u32 uid, u32 gid)
{
	struct attr attr = owner_attr(uid, gid);

	return change_fd(fd, &attr);
}

long sys_umask(u32 mask)
{
	struct fs_context *fs = current_process()->fs;
	u32 old = fs->umask;

	fs->umask = mask & 0777;
	return old;
}

/* ---- times ---- */

#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe

struct old_utimbuf { /* utime(2)'s, which no header of ours has */
	long actime, modtime;
};

static bool nsec_valid(long long nsec)
{
	return nsec == UTIME_NOW || nsec == UTIME_OMIT || (nsec >= 0 && nsec < 1000000000);
}

/* times: copied from the program, or NULL for "now". */
static long set_times(int dirfd, const char *path, const struct __kernel_timespec *times,
		      int flags)
{
	struct __kernel_timespec t[2];
	struct attr attr = { .valid = ATTR_ATIME | ATTR_MTIME };

	if (times == NULL) {
		t[0] = t[1] = stamp_now();
	} else {
		t[0] = times[0];
		t[1] = times[1];
		if (!nsec_valid(t[0].tv_nsec) || !nsec_valid(t[1].tv_nsec))
			return -EINVAL;
		/* nothing to do, whatever the path: Linux looks no further */
		if (t[0].tv_nsec == UTIME_OMIT && t[1].tv_nsec == UTIME_OMIT)
			return 0;
	}
	for (int i = 0; i < 2; i++) {
		if (t[i].tv_nsec == UTIME_NOW)
			t[i] = stamp_now();
		else if (t[i].tv_nsec == UTIME_OMIT)
			attr.valid &= ~(i == 0 ? ATTR_ATIME : ATTR_MTIME);
	}
	attr.atime = t[0];
	attr.mtime = t[1];
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (path == NULL && dirfd != AT_FDCWD)
		return flags != 0 ? -EINVAL : change_fd(dirfd, &attr);
	return change_at(dirfd, path, lookup_flags(flags), &attr);
}

long sys_utimensat(int dirfd, const char *path, const struct __kernel_timespec *user, int flags)
{
	struct __kernel_timespec t[2];

	if (user != NULL && copy_from_user(t, user, sizeof(t)) < 0)
		return -EFAULT;
	return set_times(dirfd, path, user != NULL ? t : NULL, flags);
}

long sys_futimesat(int dirfd, const char *path, const struct __kernel_old_timeval *user)
{
	struct __kernel_old_timeval tv[2];
	struct __kernel_timespec t[2];

	if (user == NULL)
		return set_times(dirfd, path, NULL, 0);
	if (copy_from_user(tv, user, sizeof(tv)) < 0)
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -EINVAL;
		t[i].tv_sec = tv[i].tv_sec;
		t[i].tv_nsec = tv[i].tv_usec * 1000;
	}
	return set_times(dirfd, path, t, 0);
}

long sys_utimes(const char *path, const struct __kernel_old_timeval *user)
{
	return sys_futimesat(AT_FDCWD, path, user);
}

long sys_utime(const char *path, const struct old_utimbuf *user)
{
	struct old_utimbuf u;
	struct __kernel_timespec t[2] = { { 0, 0 }, { 0, 0 } };

	if (user == NULL)
		return set_times(AT_FDCWD, path, NULL, 0);
	if (get_user(u, user) < 0)
		return -EFAULT;
	t[0].tv_sec = u.actime;
	t[1].tv_sec = u.modtime;
	return set_times(AT_FDCWD, path, t, 0);
}
