/*
 * Copies between files without the program: sendfile, copy_file_range. Bytes
 * go through a buffer of the library OS, whose size bounds what a copy costs
 * in memory, whatever its length.
 */
#include "heap.h"
#include "iovec.h"
#include "process.h"
#include "sys.h"
#include "../fs/notify.h"

#define BUFFER (64 << 10)

static struct uio kernel_uio(struct iovec *iov, void *buf, size_t n)
{
	*iov = (struct iovec){ buf, n };
	return (struct uio){ .iov = iov, .niov = 1, .resid = n, .kernel = true };
}

/* Moves up to n bytes through buf; positions NULL: the files' own. What was
 * read but could not be written is given back by *from. */
static long copy_some(struct file *in, u64 *from, struct file *out, u64 *to, void *buf, size_t n)
{
	struct iovec iov;
	struct uio uio = kernel_uio(&iov, buf, n);
	long got = file_read(in, &uio, from), put;

	if (got <= 0)
		return got;
	uio = kernel_uio(&iov, buf, got);
	put = file_write(out, &uio, to);
	if (put > 0 && to != NULL)
		*to += put;
	return put;
}

/* *from is always a position of ours: reading moves no file position, so that
 * a short write loses nothing. */
static long copy(struct file *in, u64 *from, struct file *out, u64 *to, size_t n)
{
	size_t size = MIN(n, (size_t)BUFFER);
	void *buf = kalloc(MAX(size, 1ul));
	long done = 0, r = 0;

	if (buf == NULL)
		return -ENOMEM;
	while ((size_t)done < n) {
		size_t want = MIN(size, n - done);

		r = copy_some(in, from, out, to, buf, want);
		if (r <= 0)
			break;
		*from += r;
		done += r;
		if ((size_t)r < want && out->flags & O_NONBLOCK)
			break;
		if (signal_pending())
			break;
	}
	kfree(buf);
	return done > 0 ? done : r;
}

/* ---- sendfile ---- */

static long check_sendfile_in(const struct file *in, bool at, u64 pos, size_t n)
{
	if (!file_readable(in))
		return -EBADF;
	if (at && !file_seekable(in))
		return -ESPIPE;
	if ((i64)pos < 0 || (i64)(pos + n) < 0)
		return -EINVAL;
	/* what is not a file has no position to come back to */
	return in->ops->read == NULL || !file_seekable(in) ? -EINVAL : 0;
}

/* The file's own way, if it has one for this. */
static long send_into(struct file *out, struct file *in, u64 *pos, size_t n)
{
	long r = out->ops->sendfile != NULL ? out->ops->sendfile(out, in, pos, n) : -EOPNOTSUPP;

	if (r > 0)
		notify_file(in, IN_ACCESS);
	return r == -EOPNOTSUPP ? copy(in, pos, out, NULL, n) : r;
}

static long do_sendfile(struct file *in, u64 *pos, bool at, int out_fd, size_t n)
{
	struct file *out;
	long r = check_sendfile_in(in, at, *pos, n);

	if (r < 0)
		return r;
	out = fd_get(out_fd);
	if (out == NULL)
		return -EBADF;
	if (!file_writable(out))
		r = -EBADF;
	else if (out->flags & O_APPEND)
		r = -EINVAL;
	else
		r = send_into(out, in, pos, MIN(n, (size_t)MAX_RW));
	file_put(out);
	return r;
}

long sys_sendfile(int out_fd, int in_fd, i64 *user_pos, size_t n)
{
	struct file *in;
	i64 given;
	u64 pos;
	long r;

	if (user_pos != NULL && get_user(given, user_pos) < 0)
		return -EFAULT;
	in = fd_get(in_fd);
	if (in == NULL)
		return -EBADF;
	pos = user_pos != NULL ? (u64)given : in->pos;
	r = do_sendfile(in, &pos, user_pos != NULL, out_fd, n);
	if (user_pos == NULL && r > 0)
		in->pos = pos;
	file_put(in);
	if (user_pos != NULL && put_user(user_pos, (i64)pos) < 0)
		return -EFAULT;
	return r;
}

/* ---- copy_file_range ---- */

static long check_range(const struct file *in, u64 from, const struct file *out, u64 to, size_t n)
{
	u32 modes[2] = { in->inode != NULL ? in->inode->mode : 0,
			 out->inode != NULL ? out->inode->mode : 0 };

	if (S_ISDIR(modes[0]) || S_ISDIR(modes[1]))
		return -EISDIR;
	if (!S_ISREG(modes[0]) || !S_ISREG(modes[1]))
		return -EINVAL;
	if (!file_readable(in) || !file_writable(out) || out->flags & O_APPEND)
		return -EBADF;
	if (in->inode->sb != out->inode->sb)
		return -EXDEV;
	if (!file_seekable(in) || !file_seekable(out))
		return -EINVAL;
	if ((i64)from < 0 || (i64)to < 0)
		return -EINVAL;
	if (from + n < from || to + n < to)
		return -EOVERFLOW;
	if (in->inode == out->inode && from < in->inode->size) {
		n = MIN(n, in->inode->size - from);
		if (from + n > to && to + n > from)
			return -EINVAL;
	}
	return 0;
}

static long copy_range(struct file *in, i64 *user_in, struct file *out, i64 *user_out, size_t n,
		       unsigned int flags)
{
	u64 from = in->pos, to = out->pos;
	long r;

	if ((user_in != NULL && get_user(from, user_in) < 0) ||
	    (user_out != NULL && get_user(to, user_out) < 0))
		return -EFAULT;
	if (flags != 0)
		return -EINVAL;
	r = check_range(in, from, out, to, n);
	if (r < 0 || n == 0)
		return r;
	r = copy(in, &from, out, &to, MIN(n, (size_t)MAX_RW));
	if (r <= 0)
		return r;
	if (user_in == NULL)
		in->pos = from;
	if (user_out == NULL)
		out->pos = to;
	if ((user_in != NULL && put_user(user_in, (i64)from) < 0) ||
	    (user_out != NULL && put_user(user_out, (i64)to) < 0))
		return -EFAULT;
	return r;
}

long sys_copy_file_range(int in_fd, i64 *in_pos, int out_fd, i64 *out_pos, size_t n,
			 unsigned int flags)
{
	struct file *in = fd_get(in_fd);
	struct file *out = fd_get(out_fd);
	long r = -EBADF;

	if (in != NULL && out != NULL)
		r = copy_range(in, in_pos, out, out_pos, n, flags);
	if (in != NULL)
		file_put(in);
	if (out != NULL)
		file_put(out);
	return r;
}
