/*
 * Sizes and storage: truncate, fallocate, fsync and their kin.
 * Files in memory need no sync; what has a disk behind it brings ops->fsync.
 */
#include <linux/falloc.h>
#include "path.h"
#include "process.h"
#include "sys.h"
#include "../fs/disk_fs.h"
#include "../fs/notify.h"

/* sync_file_range(2): WAIT_BEFORE and WAIT_AFTER; these and WRITE */
#define SYNC_WAIT  (1 | 4)
#define SYNC_FLAGS (SYNC_WAIT | 2)

/* ---- sizes ---- */

static int check_limit(u64 size)
{
	u64 limit = current_process()->rlimit[RLIMIT_FSIZE].rlim_cur;

	if (limit == RLIM64_INFINITY || size <= limit)
		return 0;
	signal_send_self(SIGXFSZ);
	return -EFBIG;
}

long sys_truncate(const char *path, i64 size)
{
	struct path p;
	long r;

	if (size < 0)
		return -EINVAL;
	r = user_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p);
	if (r < 0)
		return r;
	if (S_ISREG(p.dentry->inode->mode))
		r = vfs_permission(&p, 2);
	if (r == 0 && S_ISREG(p.dentry->inode->mode) && (u64)size > p.dentry->inode->size)
		r = check_limit(size);
	if (r == 0)
		r = vfs_truncate(&p, size);
	path_put(&p);
	return r;
}

long sys_ftruncate(int fd, i64 size)
{
	struct file *file;
	long r = -EINVAL;

	if (size < 0)
		return -EINVAL;
	file = fd_get(fd);
	if (file == NULL)
		return -EBADF;
	if (file_writable(file) && file->path.dentry != NULL && S_ISREG(file->inode->mode)) {
		r = (u64)size > file->inode->size ? check_limit(size) : 0;
		if (r == 0)
			r = vfs_truncate(&file->path, size);
	}
	file_put(file);
	return r;
}

static long check_fallocate(const struct file *file, int mode)
{
	const struct inode *inode = file->inode;

	if (!file_writable(file))
		return -EBADF;
	if (inode != NULL && S_ISFIFO(inode->mode))
		return -ESPIPE;
	if (inode != NULL && S_ISDIR(inode->mode))
		return -EISDIR;
	if (inode == NULL || !S_ISREG(inode->mode))
		return -ENODEV;
	if (inode->ops == NULL || inode->ops->fallocate == NULL)
		return -EOPNOTSUPP;
	return mode & FALLOC_FL_PUNCH_HOLE && !(mode & FALLOC_FL_KEEP_SIZE) ? -EOPNOTSUPP : 0;
}

long sys_fallocate(int fd, int mode, i64 offset, i64 len)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
			  FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;
	struct file *file = fd_get(fd);
	long r;

	if (file == NULL)
		return -EBADF;
	if (offset < 0 || len <= 0)
		r = -EINVAL;
	else if (mode & ~known || (mode & FALLOC_FL_PUNCH_HOLE && !(mode & FALLOC_FL_KEEP_SIZE)))
		r = -EOPNOTSUPP;
	else
		r = check_fallocate(file, mode);
	if (r == 0 && (offset > MAX_FILE_SIZE - len))
		r = -EFBIG;
	if (r == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && (u64)(offset + len) > file->inode->size)
		r = check_limit(offset + len);
	if (r == 0)
		r = file->inode->ops->fallocate(file->inode, mode, offset, len);
	if (r == 0)
		notify_file(file, IN_MODIFY);
	file_put(file);
	return r;
}

/* ---- storage ---- */

static long do_fsync(int fd)
{
	struct file *file = fd_get(fd);
	long r = 0;

	if (file == NULL)
		return -EBADF;
	if (file->ops->fsync != NULL)
		r = file->ops->fsync(file);
	else if (file->inode == NULL ||
		 (!S_ISREG(file->inode->mode) && !S_ISDIR(file->inode->mode)))
		r = -EINVAL;
	file_put(file);
	return r;
}

long sys_fsync(int fd)
{
	return do_fsync(fd);
}

long sys_fdatasync(int fd)
{
	return do_fsync(fd);
}

static bool is_stream(const struct file *file)
{
	return file->inode == NULL || S_ISFIFO(file->inode->mode) || S_ISSOCK(file->inode->mode);
}

/* Nobody can tell whether writing has begun, only (WAIT_BEFORE, WAIT_AFTER)
 * whether it has ended. */
long sys_sync_file_range(int fd, i64 offset, i64 n, u32 flags)
{
	struct file *file = fd_get(fd);
	long r = 0;

	if (file == NULL)
		return -EBADF;
	if (flags & ~(u32)SYNC_FLAGS || offset < 0 || n < 0 || offset + (u64)n > INT64_MAX)
		r = -EINVAL;
	else if (is_stream(file) || S_ISCHR(file->inode->mode))
		r = -ESPIPE;
	else if (flags & SYNC_WAIT && file->ops->fsync != NULL)
		r = file->ops->fsync(file);
	file_put(file);
	return r;
}

long sys_sync(void)
{
	disk_fs_sync(false);
	return 0;
}

long sys_syncfs(int fd)
{
	struct file *file = fd_get(fd);

	if (file == NULL)
		return -EBADF;
	file_put(file);
	disk_fs_sync(false);
	return 0;
}

long sys_fadvise64(int fd, i64 offset, i64 len, int advice)
{
	struct file *file = fd_get(fd);
	long r = 0;

	(void)offset;
	if (file == NULL)
		return -EBADF;
	if (is_stream(file))
		r = -ESPIPE;
	else if (len < 0 || advice < 0 || advice > 5) /* POSIX_FADV_NORMAL..NOREUSE */
		r = -EINVAL;
	file_put(file);
	return r;
}

long sys_readahead(int fd, i64 offset, size_t count)
{
	struct file *file = fd_get(fd);
	long r = 0;

	(void)offset;
	(void)count;
	if (file == NULL)
		return -EBADF;
	if (!file_readable(file))
		r = -EBADF;
	else if (is_stream(file) || !S_ISREG(file->inode->mode))
		r = -EINVAL;
	file_put(file);
	return r;
}
