/*
 * read and write in all their forms, positions, ioctl.
 */
#include <asm/ioctls.h>
#include "async.h"
#include "fd.h"
#include "iovec.h"
#include "process.h"
#include "sys.h"
#include "../fs/notify.h"

/* ---- one transfer ---- */

static int check_area(const struct file *file, u64 pos, size_t n)
{
	if (file->ops->any_position)
		return (i64)pos < 0 && n >= -pos ? -EOVERFLOW : 0;
	return (i64)pos < 0 || (i64)(pos + n) < 0 ? -EINVAL : 0;
}

/* RLIMIT_FSIZE: what may still be written, or -EFBIG with its signal. */
static int limit_size(const struct file *file, struct uio *uio, u64 pos)
{
	u64 limit = current_process()->rlimit[RLIMIT_FSIZE].rlim_cur;

	if (limit == RLIM64_INFINITY || file->inode == NULL || !S_ISREG(file->inode->mode) ||
	    file->ops->any_position)
		return 0;
	if (file->flags & O_APPEND)
		pos = file->inode->size;
	if (pos >= limit && uio->resid > 0) {
		signal_send_self(SIGXFSZ);
		return -EFBIG;
	}
	uio->resid = MIN(uio->resid, limit - pos);
	return 0;
}

/* Of r bytes that were moved, those who watch learn. */
static inline long notify_done(const struct file *file, long r, u32 mask)
{
	if (r > 0)
		notify_file(file, mask);
	return r;
}

/* At *at, or at the file's own position. */
long file_read(struct file *file, struct uio *uio, const u64 *at)
{
	u64 pos = at != NULL ? *at : file->pos;
	long r;

	if (!file_readable(file))
		return -EBADF;
	if (file->ops->read == NULL)
		return file->ops->readdir != NULL ? -EISDIR : -EINVAL;
	if (!file_seekable(file))
		return notify_done(file, file->ops->read(file, uio, NULL), IN_ACCESS);
	r = check_area(file, pos, uio->resid);
	if (r == 0)
		r = file->ops->read(file, uio, &pos);
	if (r > 0 && at == NULL)
		file->pos = pos;
	return notify_done(file, r, IN_ACCESS);
}

long file_write(struct file *file, struct uio *uio, const u64 *at)
{
	u64 pos = at != NULL ? *at : file->pos;
	long r;

	if (!file_writable(file))
		return -EBADF;
	if (file->ops->write == NULL)
		return -EINVAL;
	if (!file_seekable(file)) {
		r = file->ops->write(file, uio, NULL);
		async_written(file);
		return notify_done(file, r, IN_MODIFY);
	}
	r = check_area(file, pos, uio->resid);
	if (r == 0)
		r = limit_size(file, uio, pos);
	if (r == 0)
		r = file->ops->write(file, uio, &pos);
	if (r > 0 && at == NULL)
		file->pos = pos;
	return notify_done(file, r, IN_MODIFY);
}

static long transfer(struct file *file, struct uio *uio, const u64 *at, bool write)
{
	return write ? file_write(file, uio, at) : file_read(file, uio, at);
}

/* ---- one buffer ---- */

static long one(int fd, const void *buf, size_t n, const u64 *at, bool write)
{
	struct file *file = fd_get(fd);
	struct buffers b;
	long r;

	if (file == NULL)
		return -EBADF;
	if (at != NULL && !file_seekable(file))
		r = -ESPIPE;
	else if (write ? !file_writable(file) : !file_readable(file))
		r = -EBADF;
	else if (buffers_one(&b, buf, n) < 0)
		r = -EFAULT;
	else
		r = transfer(file, &b.uio, at, write);
	file_put(file);
	return r;
}

long sys_read(int fd, void *buf, size_t n)
{
	return one(fd, buf, n, NULL, false);
}

long sys_write(int fd, const void *buf, size_t n)
{
	return one(fd, buf, n, NULL, true);
}

long sys_pread64(int fd, void *buf, size_t n, i64 pos)
{
	u64 at = pos;

	return pos < 0 ? -EINVAL : one(fd, buf, n, &at, false);
}

long sys_pwrite64(int fd, const void *buf, size_t n, i64 pos)
{
	u64 at = pos;

	return pos < 0 ? -EINVAL : one(fd, buf, n, &at, true);
}

/* ---- vectors ---- */

#define RWF_HIPRI  1
#define RWF_DSYNC  2
#define RWF_SYNC   4
#define RWF_APPEND 0x10

static long vector_flagged(struct file *file, struct uio *uio, const u64 *at, bool write, int flags)
{
	u32 before = file->flags, more = 0;
	long r;

	if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND))
		return -EOPNOTSUPP;
	if (write && flags & RWF_APPEND)
		more |= O_APPEND;
	if (write && flags & (RWF_DSYNC | RWF_SYNC))
		more |= O_DSYNC;
	file->flags |= more;
	r = transfer(file, uio, at, write);
	file->flags &= ~(more & ~before);
	return r;
}

static long vector(int fd, const struct iovec *iov, unsigned long n, const u64 *at, bool write,
		   int flags)
{
	struct file *file = fd_get(fd);
	struct buffers b;
	long r;

	if (file == NULL)
		return -EBADF;
	r = at != NULL && !file_seekable(file) ? -ESPIPE : buffers_import(&b, iov, n);
	if (r == 0) {
		if (write ? !file_writable(file) : !file_readable(file))
			r = -EBADF;
		else if (b.uio.resid > 0)
			r = vector_flagged(file, &b.uio, at, write, flags);
		buffers_release(&b);
	}
	file_put(file);
	return r;
}

long sys_readv(int fd, const struct iovec *iov, unsigned long n)
{
	return vector(fd, iov, n, NULL, false, 0);
}

long sys_writev(int fd, const struct iovec *iov, unsigned long n)
{
	return vector(fd, iov, n, NULL, true, 0);
}

/* The position's high half has no meaning where a long has 64 bits. */
long sys_preadv(int fd, const struct iovec *iov, unsigned long n, i64 pos)
{
	u64 at = pos;

	return pos < 0 ? -EINVAL : vector(fd, iov, n, &at, false, 0);
}

long sys_pwritev(int fd, const struct iovec *iov, unsigned long n, i64 pos)
{
	u64 at = pos;

	return pos < 0 ? -EINVAL : vector(fd, iov, n, &at, true, 0);
}

long sys_preadv2(int fd, const struct iovec *iov, unsigned long n, i64 pos, u64 high, int flags)
{
	u64 at = pos;

	(void)high;
	if (pos < -1)
		return -EINVAL;
	return vector(fd, iov, n, pos == -1 ? NULL : &at, false, flags);
}

long sys_pwritev2(int fd, const struct iovec *iov, unsigned long n, i64 pos, u64 high, int flags)
{
	u64 at = pos;

	(void)high;
	if (pos < -1)
		return -EINVAL;
	return vector(fd, iov, n, pos == -1 ? NULL : &at, true, flags);
}

/* ---- positions ---- */

long sys_lseek(int fd, i64 offset, unsigned int whence)
{
	struct file *file = fd_get(fd);
	long r = -EINVAL;

	if (file == NULL)
		return -EBADF;
	if (whence <= SEEK_HOLE)
		r = file->ops->lseek != NULL ? file->ops->lseek(file, offset, whence) : -ESPIPE;
	file_put(file);
	return r;
}

/* ---- ioctl ---- */

static long set_nonblock(struct file *file, const int *user)
{
	int on;

	if (get_user(on, user) < 0)
		return -EFAULT;
	file->flags = on ? file->flags | O_NONBLOCK : file->flags & ~O_NONBLOCK;
	return 0;
}

static long set_async(struct file *file, int fd, const int *user)
{
	int on;

	if (get_user(on, user) < 0)
		return -EFAULT;
	return (on != 0) == ((file->flags & FASYNC) != 0) ? 0 : async_set(file, fd, on);
}

static long file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	int n;

	if (cmd == FIONREAD && file->inode != NULL && S_ISREG(file->inode->mode)) {
		n = file->inode->size - file->pos;
		return put_user((int *)arg, n);
	}
	return file->ops->ioctl != NULL ? file->ops->ioctl(file, cmd, arg) : -ENOTTY;
}

long sys_ioctl(int fd, unsigned int cmd, unsigned long arg)
{
	struct file *file = fd_get(fd);
	long r;

	if (file == NULL)
		return -EBADF;
	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		r = fd_set_cloexec(fd, cmd == FIOCLEX);
		break;
	case FIONBIO:
		r = set_nonblock(file, (const int *)arg);
		break;
	case FIOASYNC:
		r = set_async(file, fd, (const int *)arg);
		break;
	default:
		r = file_ioctl(file, cmd, arg);
	}
	file_put(file);
	return r;
}
