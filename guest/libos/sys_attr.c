/*
 * Changing what files are: times, modes, owners, the umask.
 */
#include "path.h"
#include "process.h"
#include "sys.h"

/* Times: the owner may set any, who may write only the present one. */
static int may_set_times(const struct path *p, const struct attr *attr, bool now)
{
	if (!(attr->valid & (ATTR_ATIME | ATTR_MTIME)) || vfs_owner(p->dentry->inode))
		return 0;
	return now ? vfs_permission(p, 2) : -EPERM;
}

static long change(const struct path *p, struct attr *attr, bool now)
{
	long r = vfs_writable(p);

	if (r == 0)
		r = may_set_times(p, attr, now);
	if (r == 0)
		r = vfs_may_change(p->dentry->inode, attr);
	return r == 0 ? vfs_setattr(p, attr) : r;
}

static long change_at(int dirfd, const char *path, u32 flags, struct attr *attr, bool now)
{
	struct path p;
	long r = user_lookup(dirfd, path, flags, &p);

	if (r < 0)
		return r;
	r = change(&p, attr, now);
	path_put(&p);
	return r;
}

static long change_fd(int fd, struct attr *attr, bool now)
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
	r = p.dentry->inode != NULL ? change(&p, attr, now) : -EBADF;
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
	r = S_ISLNK(p.dentry->inode->mode) ? -EOPNOTSUPP : change(&p, &attr, false);
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

	return change_fd(fd, &attr, false);
}

static struct attr owner_attr(u32 uid, u32 gid)
{
	return (struct attr){
		.valid = ATTR_OWNER | (uid != (u32)-1 ? ATTR_UID : 0) |
			 (gid != (u32)-1 ? ATTR_GID : 0),
		.uid = uid,
		.gid = gid,
	};
}

long sys_fchownat(int dirfd, const char *path, u32 uid, u32 gid, int flags)
{
	struct attr attr = owner_attr(uid, gid);

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return change_at(dirfd, path, lookup_flags(flags), &attr, false);
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

	return change_fd(fd, &attr, false);
}

long sys_umask(u32 mask)
{
	struct fs_context *fs = current_process()->fs;
	u32 old = fs->umask;

	fs->umask = mask & 0777;
	return old;
}

/* ---- times ---- */

#define UTIME_NOW  0x3fffffff
#define UTIME_OMIT 0x3ffffffe

struct old_utimbuf { /* utime(2)'s, which no header of ours has */
	long actime, modtime;
};

static bool nsec_valid(long long nsec)
{
	return nsec == UTIME_NOW || nsec == UTIME_OMIT || (nsec >= 0 && nsec < 1000000000);
}

/* What the program's two times mean as a change; NULL: both now. */
static struct attr times_attr(const struct __kernel_timespec *times)
{
	struct __kernel_timespec now = stamp_now();
	struct attr attr = { .valid = ATTR_ATIME | ATTR_MTIME, .atime = now, .mtime = now };

	if (times == NULL)
		return attr;
	if (times[0].tv_nsec == UTIME_OMIT)
		attr.valid &= ~ATTR_ATIME;
	else if (times[0].tv_nsec != UTIME_NOW)
		attr.atime = times[0];
	if (times[1].tv_nsec == UTIME_OMIT)
		attr.valid &= ~ATTR_MTIME;
	else if (times[1].tv_nsec != UTIME_NOW)
		attr.mtime = times[1];
	return attr;
}

/* Times that make no sense are found after a path that leads nowhere. */
static long refuse_times(int dirfd, const char *path, int flags)
{
	struct path p;
	long r = user_lookup(dirfd, path, lookup_flags(flags), &p);

	if (r < 0)
		return r;
	path_put(&p);
	return -EINVAL;
}

/* times: copied from the program, or NULL for "now". */
static long set_times(int dirfd, const char *path, const struct __kernel_timespec *times, int flags)
{
	bool now =
		times == NULL || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	bool valid =
		times == NULL || (nsec_valid(times[0].tv_nsec) && nsec_valid(times[1].tv_nsec));
	struct attr attr = times_attr(times);

	/* nothing to do, whatever the path: Linux looks no further */
	if (times != NULL && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (path == NULL && dirfd != AT_FDCWD)
		return flags != 0 || !valid ? -EINVAL : change_fd(dirfd, &attr, now);
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!valid)
		return refuse_times(dirfd, path, flags);
	return change_at(dirfd, path, lookup_flags(flags), &attr, now);
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
