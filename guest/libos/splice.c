/*
 * splice(2), tee(2) and vmsplice(2). Linux moves pages; here the bytes are copied:
 * by the first two through a buffer, whose size bounds how many a call moves.
 *
 * The other side may make a splice wait (a socket). Meanwhile what is in the
 * pipe is lent to it, or the free slots are promised to it: other readers and
 * writers wait, so that a short write loses nothing, and what was read finds
 * room.
 */
#include <asm/fcntl.h>
#include "../fs/vfs.h"
#include "frames.h"
#include "heap.h"
#include "iovec.h"
#include "pipe.h"
#include "sys.h"

#define BUFFER          (64 << 10)
#define SPLICE_NONBLOCK 2
#define SPLICE_FLAGS    0xf /* MOVE, NONBLOCK, MORE, GIFT: all but one are hints */

/* A position that the program gave, or (at NULL) the file's own. */
struct side {
	struct file *file;
	struct pipe *pipe; /* or NULL */
	i64 *user;
	u64 pos, *at;
};

static struct uio kernel_uio(struct iovec *iov, void *buf, size_t n)
{
	*iov = (struct iovec){ buf, n };
	return (struct uio){ .iov = iov, .niov = 1, .resid = n, .kernel = true };
}

/* ---- the pipe's side ---- */

static long wait_for_room(struct pipe *p, bool nonblock)
{
	while (p->readers && !pipe_has_room(p)) {
		if (nonblock)
			return -EAGAIN;
		int error = wait_on(&p->write_wait, NEVER);
		if (error)
			return error;
	}
	return p->readers ? 0 : pipe_broken(0);
}

/* Copies the first bytes, which stay. */
static size_t peek(struct pipe *p, u8 *buf, size_t n)
{
	size_t done = 0;
	for (u32 i = 0; i < p->used && done < n; i++) {
		const struct pipe_slot *s = pipe_slot(p, i);
		size_t part = MIN(n - done, (size_t)s->len);
		memcpy(buf + done, phys_to_virt(s->page + s->offset), part);
		done += part;
	}
	return done;
}

/* Takes bytes that were peeked at; into buf, as good as any place. */
static void drop(struct pipe *p, u8 *buf, long n)
{
	struct iovec iov;
	struct uio uio = kernel_uio(&iov, buf, n);
	if (n > 0)
		pipe_take(p, &uio, false);
}

/* ---- out of a pipe, into one, from one to another ---- */

static long drain(struct pipe *p, const struct side *out, u8 *buf, size_t n, bool nonblock)
{
	struct iovec iov;
	int error = pipe_wait_for_data(p, nonblock);
	if (error)
		return MIN(error, 0);
	struct uio uio = kernel_uio(&iov, buf, peek(p, buf, n));
	p->lent = true;
	long r = file_write(out->file, &uio, out->at);
	p->lent = false;
	drop(p, buf, r);
	wake_all(&p->read_wait);
	return r;
}

static long fill(const struct side *in, struct pipe *p, u8 *buf, size_t n, bool nonblock)
{
	struct iovec iov;
	long r = wait_for_room(p, nonblock);
	if (r)
		return r;
	u32 slots = p->count - p->used - p->promised;
	struct uio uio = kernel_uio(&iov, buf, MIN(n, slots * PAGE_SIZE));
	p->promised += slots;
	r = file_read(in->file, &uio, in->at);
	p->promised -= slots;
	if (r > 0) {
		uio = kernel_uio(&iov, buf, r);
		r = pipe_put(p, &uio, false);
	}
	wake_all(&p->write_wait);
	return r;
}

static long pass(struct pipe *from, struct pipe *to, u8 *buf, size_t n, bool nonblock, bool keep)
{
	struct iovec iov;
	do {
		int error = pipe_wait_for_data(from, nonblock);
		if (error)
			return MIN(error, 0);
		long r = wait_for_room(to, nonblock);
		if (r)
			return r;
	} while (!pipe_has_data(from));
	struct uio uio = kernel_uio(&iov, buf, peek(from, buf, n));
	long r = pipe_put(to, &uio, false);
	if (!keep)
		drop(from, buf, r);
	return r;
}

/* ---- the calls ---- */

static int side_init(struct side *s, struct file *file, i64 *user)
{
	*s = (struct side){ .file = file, .pipe = pipe_of(file), .user = user };
	if (!user)
		return 0;
	if (get_user(s->pos, (u64 *)user))
		return -EFAULT;
	s->at = &s->pos;
	return 0;
}

static int side_done(struct side *s, long moved)
{
	if (!s->user || moved <= 0)
		return 0;
	return put_user(s->user, (i64)(s->pos + moved));
}

static int check(const struct side *in, const struct side *out)
{
	if (!file_readable(in->file) || !file_writable(out->file))
		return -EBADF;
	if (in->pipe == out->pipe || (in->at && !file_seekable(in->file)) ||
	    (out->at && !file_seekable(out->file)))
		return -EINVAL;
	if (!out->pipe && out->file->flags & O_APPEND)
		return -EINVAL;
	return in->file->ops->read && out->file->ops->write ? 0 : -EINVAL;
}

static long move(const struct side *in, const struct side *out, size_t n, u32 flags)
{
	bool nonblock = flags & SPLICE_NONBLOCK || (in->pipe && in->file->flags & O_NONBLOCK) ||
			(out->pipe && out->file->flags & O_NONBLOCK);
	n = MIN(n, (size_t)BUFFER);
	u8 *buf = kalloc(n);
	if (!buf)
		return -ENOMEM;
	long r = !out->pipe ? drain(in->pipe, out, buf, n, nonblock) :
		 !in->pipe  ? fill(in, out->pipe, buf, n, nonblock) :
			      pass(in->pipe, out->pipe, buf, n, nonblock, false);
	kfree(buf);
	return r;
}

static long splice(struct file *from, i64 *from_at, struct file *to, i64 *to_at, size_t n,
		   u32 flags)
{
	struct side in, out;
	/* in Linux's order */
	if ((pipe_of(from) && from_at) || (pipe_of(to) && to_at))
		return -ESPIPE;
	int error = side_init(&out, to, to_at);
	if (!error)
		error = side_init(&in, from, from_at);
	if (!error)
		error = check(&in, &out);
	if (error)
		return error;
	long r = move(&in, &out, n, flags);
	return side_done(&in, r) || side_done(&out, r) ? -EFAULT : r;
}

long sys_splice(int in_fd, i64 *in_at, int out_fd, i64 *out_at, size_t n, u32 flags)
{
	long r = -EBADF;
	if (!n)
		return 0;
	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	struct file *in = fd_get(in_fd), *out = fd_get(out_fd);
	if (in && out)
		r = splice(in, in_at, out, out_at, n, flags);
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return r;
}

static long tee(const struct file *from, const struct file *to, size_t n, u32 flags)
{
	struct pipe *in = pipe_of(from), *out = pipe_of(to);
	if (!file_readable(from) || !file_writable(to))
		return -EBADF;
	if (!in || !out || in == out)
		return -EINVAL;
	n = MIN(n, (size_t)BUFFER);
	u8 *buf = kalloc(n);
	if (!buf)
		return -ENOMEM;
	bool nonblock = flags & SPLICE_NONBLOCK || (from->flags | to->flags) & O_NONBLOCK;
	long r = pass(in, out, buf, n, nonblock, true);
	kfree(buf);
	return r;
}

long sys_tee(int in_fd, int out_fd, size_t n, u32 flags)
{
	long r = -EBADF;
	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	if (!n)
		return 0;
	struct file *in = fd_get(in_fd), *out = fd_get(out_fd);
	if (in && out)
		r = tee(in, out, n, flags);
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return r;
}

/* ---- memory on the other side: vmsplice ---- */

/* A slot has what lies in one page, because Linux refers to pages: so programs find
 * the pipe full after as many pieces. */
static long put_pages(struct pipe *p, const struct iovec *from)
{
	size_t done = 0;
	while (done < from->iov_len && pipe_has_room(p)) {
		u8 *at = (u8 *)from->iov_base + done;
		struct iovec iov = { at,
				     MIN(from->iov_len - done, PAGE_SIZE - (u64)at % PAGE_SIZE) };
		struct uio uio = { .iov = &iov, .niov = 1, .resid = iov.iov_len };
		long r = pipe_put(p, &uio, false);
		if (r < 0)
			return done ? (long)done : r;
		done += r;
	}
	return done;
}

static long from_memory(struct pipe *p, const struct uio *uio, bool nonblock)
{
	long total = 0, r = wait_for_room(p, nonblock);
	if (r)
		return r;
	for (unsigned i = 0; i < uio->niov; i++) {
		r = put_pages(p, &uio->iov[i]);
		total += MAX(r, 0l);
		if (r < (long)uio->iov[i].iov_len)
			break;
	}
	return total ? total : MIN(r, 0l);
}

static long to_memory(struct pipe *p, struct uio *uio, bool nonblock)
{
	int error = pipe_wait_for_data(p, nonblock);
	return error ? MIN(error, 0) : pipe_take(p, uio, false);
}

/* Whether it waits, only the flags of the call say. */
static long vmsplice(const struct file *file, struct uio *uio, u32 flags)
{
	struct pipe *p = pipe_of(file);
	bool nonblock = flags & SPLICE_NONBLOCK;
	if (!uio->resid)
		return 0;
	if (!p)
		return -EBADF;
	return file_writable(file) ? from_memory(p, uio, nonblock) : to_memory(p, uio, nonblock);
}

long sys_vmsplice(int fd, const struct iovec *iov, unsigned long n, u32 flags)
{
	struct buffers b;
	long r = -EBADF;
	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	struct file *file = fd_get(fd);
	if (!file)
		return -EBADF;
	if (file_writable(file) || file_readable(file))
		r = buffers_import(&b, iov, n);
	if (!r) {
		r = vmsplice(file, &b.uio, flags);
		buffers_release(&b);
	}
	file_put(file);
	return r;
}
