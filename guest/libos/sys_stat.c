/*
 * What files are: stat and statx in all their forms, statfs, access, readlink.
 */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/stat.h>
#include "heap.h"
#include "path.h"
#include "process.h"
#include "sys.h"

/* ---- stat ---- */

static int put_stat(struct stat *user, const struct kstat *k)
{
	struct stat st;

	memset(&st, 0, sizeof(st));
	st.st_dev = k->dev;
	st.st_ino = k->ino;
	st.st_nlink = k->nlink;
	st.st_mode = k->mode;
	st.st_uid = k->uid;
	st.st_gid = k->gid;
	st.st_rdev = k->rdev;
	st.st_size = k->size;
	st.st_blksize = k->blksize;
	st.st_blocks = k->blocks;
	st.st_atime = k->atime.tv_sec;
	st.st_atime_nsec = k->atime.tv_nsec;
	st.st_mtime = k->mtime.tv_sec;
	st.st_mtime_nsec = k->mtime.tv_nsec;
	st.st_ctime = k->ctime.tv_sec;
	st.st_ctime_nsec = k->ctime.tv_nsec;
	return copy_to_user(user, &st, sizeof(st));
}

static int kstat_of_fd(int fd, struct kstat *k)
{
	struct file *file = fd_get_raw(fd);
	int error = -EBADF;

	if (file == NULL)
		return error;
	if (file->inode != NULL)
		error = vfs_getattr(file->inode, k);
	file_put(file);
	return error;
}

static int kstat_at(int dirfd, const char *path, int flags, struct kstat *k)
{
	struct path p;
	char first = 1;
	int error;

	/* the usual way of fstat() in new C libraries: spare it the walk */
	if (flags & AT_EMPTY_PATH && dirfd >= 0 && (path == NULL || get_user(first, path) == 0) &&
	    (path == NULL || first == 0))
		return kstat_of_fd(dirfd, k);
	error = user_lookup(dirfd, path, lookup_flags(flags), &p);
	if (error < 0)
		return error;
	error = vfs_getattr(p.dentry->inode, k);
	path_put(&p);
	return error;
}

long sys_newfstatat(int dirfd, const char *path, struct stat *user, int flags)
{
	struct kstat k;
	int error;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	error = kstat_at(dirfd, path, flags, &k);
	return error < 0 ? error : put_stat(user, &k);
}

long sys_stat(const char *path, struct stat *user)
{
	return sys_newfstatat(AT_FDCWD, path, user, 0);
}

long sys_lstat(const char *path, struct stat *user)
{
	return sys_newfstatat(AT_FDCWD, path, user, AT_SYMLINK_NOFOLLOW);
}

long sys_fstat(int fd, struct stat *user)
{
	struct kstat k;
	int error = kstat_of_fd(fd, &k);

	return error < 0 ? error : put_stat(user, &k);
}

static struct statx_timestamp statx_time(const struct __kernel_timespec *t)
{
	return (struct statx_timestamp){ .tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec };
}

static int put_statx(struct statx *user, const struct kstat *k)
{
	struct statx st;

	memset(&st, 0, sizeof(st));
	st.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
	st.stx_blksize = k->blksize;
	st.stx_nlink = k->nlink;
	st.stx_uid = k->uid;
	st.stx_gid = k->gid;
	st.stx_mode = k->mode;
	st.stx_ino = k->ino;
	st.stx_size = k->size;
	st.stx_blocks = k->blocks;
	st.stx_atime = statx_time(&k->atime);
	st.stx_btime = statx_time(&k->btime);
	st.stx_ctime = statx_time(&k->ctime);
	st.stx_mtime = statx_time(&k->mtime);
	st.stx_rdev_major = DEV_MAJOR(k->rdev);
	st.stx_rdev_minor = DEV_MINOR(k->rdev);
	st.stx_dev_major = DEV_MAJOR(k->dev);
	st.stx_dev_minor = DEV_MINOR(k->dev);
	return copy_to_user(user, &st, sizeof(st));
}

long sys_statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *user)
{
	struct kstat k;
	int error;

	if (mask & STATX__RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
	    flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	error = kstat_at(dirfd, path, flags, &k);
	return error < 0 ? error : put_statx(user, &k);
}

/* ---- statfs ---- */

#define ST_VALID    0x20
#define ST_RELATIME 0x1000
#define ST_RDONLY   1

static long put_statfs(struct super *sb, bool read_only, struct statfs *user)
{
	struct statfs st;
	int error;

	memset(&st, 0, sizeof(st));
	st.f_type = sb->magic;
	st.f_bsize = st.f_frsize = PAGE_SIZE;
	st.f_namelen = NAME_MAX;
	st.f_flags = ST_VALID | ST_RELATIME | (read_only ? ST_RDONLY : 0);
	st.f_fsid.val[0] = sb->dev;
	error = sb->statfs != NULL ? sb->statfs(sb, &st) : 0;
	return error < 0 ? error : copy_to_user(user, &st, sizeof(st));
}

long sys_statfs(const char *path, struct statfs *user)
{
	struct path p;
	long r = user_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p);

	if (r < 0)
		return r;
	r = put_statfs(p.dentry->inode->sb, vfs_writable(&p) < 0, user);
	path_put(&p);
	return r;
}

long sys_fstatfs(int fd, struct statfs *user)
{
	struct file *file = fd_get_raw(fd);
	long r = -EBADF;

	if (file == NULL)
		return r;
	if (file->inode != NULL)
		r = put_statfs(file->inode->sb,
			       file->path.dentry != NULL && vfs_writable(&file->path) < 0, user);
	file_put(file);
	return r;
}

/* ---- access ---- */

long sys_faccessat2(int dirfd, const char *path, int mode, int flags)
{
	struct path p;
	int error;

	if (mode & ~7 || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	error = user_lookup(dirfd, path, lookup_flags(flags), &p);
	if (error < 0)
		return error;
	error = flags & AT_EACCESS ? vfs_permission(&p, mode) : vfs_access(&p, mode);
	path_put(&p);
	return error;
}

long sys_faccessat(int dirfd, const char *path, int mode)
{
	return sys_faccessat2(dirfd, path, mode, 0);
}

long sys_access(const char *path, int mode)
{
	return sys_faccessat2(AT_FDCWD, path, mode, 0);
}

/* ---- readlink ---- */

static long put_link(struct inode *inode, char *user, int size)
{
	char *text;
	long n;

	text = kalloc(PATH_MAX);
	if (text == NULL)
		return -ENOMEM;
	n = inode->ops->readlink(inode, text, PATH_MAX);
	if (n > size)
		n = size;
	if (n > 0 && copy_to_user(user, text, n) < 0)
		n = -EFAULT;
	kfree(text);
	return n;
}

/*
 * Every static program of glibc asks for this when it starts. The way through
 * the tree has the same answer, but touches a dozen pages for the first time,
 * 60 us on the soft flavour (kvm-notes.md, "Memory").
 */
static bool asks_for_program(const struct process *p, const char *text)
{
	return strcmp(text, "/proc/self/exe") == 0 && p->exe == NULL && p->exe_path != NULL &&
	       p->fs->root.dentry == root_mount->root;
}

static long put_program(const struct process *p, char *user, int size)
{
	size_t n = MIN(strlen(p->exe_path), (size_t)size);

	return copy_to_user(user, p->exe_path, n) < 0 ? -EFAULT : (long)n;
}

long sys_readlinkat(int dirfd, const char *path, char *buf, int size)
{
	struct pathname pn;
	struct path p;
	bool empty;
	long r;

	if (size <= 0)
		return -EINVAL;
	r = pathname_get(&pn, path, true);
	if (r < 0)
		return r;
	if (asks_for_program(current_process(), pn.text)) {
		pathname_put(&pn);
		return put_program(current_process(), buf, size);
	}
	empty = pn.text[0] == 0;
	r = empty && dirfd == AT_FDCWD ? -ENOENT : path_lookup(dirfd, pn.text, LOOKUP_EMPTY, &p);
	pathname_put(&pn);
	if (r < 0)
		return r;
	if (!S_ISLNK(p.dentry->inode->mode))
		r = empty ? -ENOENT : -EINVAL;
	else
		r = put_link(p.dentry->inode, buf, size);
	path_put(&p);
	return r;
}

long sys_readlink(const char *path, char *buf, int size)
{
	return sys_readlinkat(AT_FDCWD, path, buf, size);
}
