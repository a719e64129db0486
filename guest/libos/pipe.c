/*
 * Pipes and fifos. As in Linux (fs/pipe.c), a pipe is a ring of slots of one
 * page each, because programs can see it: a write of up to a page stays in one
 * slot (that is the atomicity of PIPE_BUF), a small write is added to the last
 * slot only if it fits there whole, and "full" means that every slot is taken.
 *
 * A pipe(2) has one inode and two files; a fifo's inode gets its pipe when it
 * is first opened and loses it with the last close.
 */
#include "pipe.h"
#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include "../fs/vfs.h"
#include "frames.h"
#include "heap.h"
#include "process.h"
#include "sys.h"

#define DEFAULT_SLOTS 16
#define MAX_SLOTS     256 /* /proc/sys/fs/pipe-max-size: 1 MiB */

static struct pipe *pipe_new(void)
{
	struct pipe *p = kalloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->slots = kalloc(DEFAULT_SLOTS * sizeof(*p->slots));
	if (p->slots == NULL) {
		kfree(p);
		return NULL;
	}
	p->count = DEFAULT_SLOTS;
	waitq_init(&p->read_wait);
	waitq_init(&p->write_wait);
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (u32 i = 0; i < p->used; i++)
		frames_free(pipe_slot(p, i)->page, 0);
	if (p->spare != 0)
		frames_free(p->spare, 0);
	kfree(p->slots);
	kfree(p);
}

static void wake_both(struct pipe *p)
{
	wake_all(&p->read_wait);
	wake_all(&p->write_wait);
}

/* ---- reading ---- */

static void drop_first(struct pipe *p)
{
	struct pipe_slot *s = pipe_slot(p, 0);

	if (p->spare == 0)
		p->spare = s->page;
	else
		frames_free(s->page, 0);
	s->page = 0;
	p->head = (p->head + 1) % p->count;
	p->used--;
}

long pipe_take(struct pipe *p, struct uio *uio, bool packets)
{
	bool was_full = p->used == p->count;
	long done = 0;

	while (p->used > 0 && uio->resid > 0) {
		struct pipe_slot *s = pipe_slot(p, 0);
		bool packet = packets && s->packet;
		size_t n = MIN(uio->resid, s->len);
		long moved = uio_to(uio, phys_to_virt(s->page + s->offset), n);

		if (moved < (long)n) { /* all of a slot or none, as in Linux */
			done = done ? done : -EFAULT;
			break;
		}
		done += moved;
		s->offset += moved;
		s->len -= moved;
		if (s->len == 0 || packet)
			drop_first(p);
		if (packet)
			break;
	}
	if (was_full && p->used < p->count)
		wake_all(&p->write_wait);
	return done;
}

int pipe_wait_for_data(struct pipe *p, bool nonblock)
{
	while (!pipe_has_data(p)) {
		int error;

		if (p->used == 0 && p->writers == 0)
			return 1;
		if (nonblock)
			return -EAGAIN;
		error = wait_on(&p->read_wait, NEVER);
		if (error < 0 && !pipe_has_data(p))
			return error;
	}
	return 0;
}

static long pipe_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct pipe *p = file->priv;
	int error;

	(void)pos;
	if (uio->resid == 0)
		return 0;
	error = pipe_wait_for_data(p, file->flags & O_NONBLOCK);
	return error != 0 ? MIN(error, 0) : pipe_take(p, uio, true);
}

/* ---- writing ---- */

/* Adds the odd bytes of a write to the last slot, if they fit there. */
static long add_to_last(struct pipe *p, struct uio *uio)
{
	size_t n = uio->resid & (PAGE_SIZE - 1);
	struct pipe_slot *s;
	long moved;

	if (p->used == 0 || n == 0)
		return 0;
	s = pipe_slot(p, p->used - 1);
	if (s->packet || s->offset + s->len + n > PAGE_SIZE)
		return 0;
	moved = uio_from(uio, phys_to_virt(s->page + s->offset + s->len), n);
	if (moved < (long)n)
		return -EFAULT;
	s->len += moved;
	if (p->polled)
		wake_all(&p->read_wait);
	return moved;
}

static long fill_slot(struct pipe *p, struct uio *uio, bool packet)
{
	struct pipe_slot *s = pipe_slot(p, p->used);
	paddr_t page = p->spare != 0 ? p->spare : frames_alloc_dirty(0);
	long n = MIN(uio->resid, (size_t)PAGE_SIZE), moved;

	if (page == 0)
		return -ENOMEM;
	p->spare = 0;
	moved = uio_from(uio, phys_to_virt(page), n);
	if (moved < n) {
		p->spare = page;
		return -EFAULT;
	}
	*s = (struct pipe_slot){ .page = page, .len = moved, .packet = packet };
	p->used++;
	return moved;
}

long pipe_put(struct pipe *p, struct uio *uio, bool packet)
{
	bool was_empty = p->used == 0;
	long done = 0, moved = 0;

	while (uio->resid > 0 && pipe_has_room(p)) {
		moved = fill_slot(p, uio, packet);
		if (moved < 0)
			break;
		done += moved;
	}
	if (done > 0 && (was_empty || p->polled))
		wake_all(&p->read_wait);
	return done > 0 ? done : moved;
}

long pipe_broken(long done)
{
	signal_send_self(SIGPIPE);
	return done > 0 ? done : -EPIPE;
}

static long pipe_write(struct file *file, struct uio *uio, u64 *pos)
{
	struct pipe *p = file->priv;
	bool packet = file->flags & O_DIRECT;
	size_t want = uio->resid;
	long done, moved;
	int error;

	(void)pos;
	if (want == 0)
		return 0;
	if (p->readers == 0)
		return pipe_broken(0);
	done = packet ? 0 : add_to_last(p, uio);
	if (done < 0)
		return done;
	while ((size_t)done < want) {
		if (p->readers == 0)
			return pipe_broken(done);
		moved = pipe_put(p, uio, packet);
		if (moved < 0)
			return done > 0 ? done : moved;
		done += moved;
		if ((size_t)done == want)
			break;
		if (pipe_has_room(p)) /* a fault stopped it */
			return done;
		if (file->flags & O_NONBLOCK)
			return done > 0 ? done : -EAGAIN;
		error = wait_on(&p->write_wait, NEVER);
		if (error < 0 && !pipe_has_room(p))
			return done > 0 ? done : error;
	}
	return done;
}

/* ---- the rest ---- */

static u32 pipe_poll(struct file *file, struct poll_table *table)
{
	struct pipe *p = file->priv;
	u32 mask = 0;

	p->polled |= table != NULL;
	if (file_readable(file)) {
		poll_wait(table, &p->read_wait);
		if (pipe_has_data(p))
			mask |= POLLIN | POLLRDNORM;
		/* a fifo that no writer has opened yet has not hung up */
		if (p->writers == 0 && file->pos != p->opened_writers)
			mask |= POLLHUP;
	}
	if (file_writable(file)) {
		poll_wait(table, &p->write_wait);
		if (pipe_has_room(p))
			mask |= POLLOUT | POLLWRNORM;
		if (p->readers == 0)
			mask |= POLLERR;
	}
	return mask;
}

static long pipe_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pipe *p = file->priv;
	int n = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	for (u32 i = 0; i < p->used; i++)
		n += pipe_slot(p, i)->len;
	return put_user((int *)arg, n);
}

static void pipe_release(struct file *file)
{
	struct pipe *p = file->priv;

	p->readers -= file_readable(file);
	p->writers -= file_writable(file);
	if (--p->files == 0) {
		file->inode->pipe = NULL;
		pipe_free(p);
	} else {
		wake_both(p);
	}
}

static const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
	.async = ASYNC,
	.name = "pipe",
};

struct pipe *pipe_of(const struct file *file)
{
	return file->ops == &pipe_ops ? file->priv : NULL;
}

/* ---- size ---- */

long pipe_get_size(struct file *file)
{
	const struct pipe *p = file->priv;

	return file->ops == &pipe_ops ? (long)(p->count * PAGE_SIZE) : -EBADF;
}

long pipe_set_size(struct file *file, unsigned long size)
{
	struct pipe *p = file->priv;
	u32 count = 1;
	struct pipe_slot *slots;

	if (file->ops != &pipe_ops)
		return -EBADF;
	if (size > 1ul << 31)
		return -EINVAL;
	while (count * PAGE_SIZE < size)
		count *= 2;
	if (count > MAX_SLOTS)
		return -EPERM;
	if (count < p->used + p->promised)
		return -EBUSY;
	slots = kalloc(count * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	for (u32 i = 0; i < p->used; i++)
		slots[i] = *pipe_slot(p, i);
	kfree(p->slots);
	p->slots = slots;
	p->head = 0;
	p->count = count;
	wake_all(&p->write_wait);
	return count * PAGE_SIZE;
}

/* ---- opening ---- */

static void attach(struct pipe *p, struct file *file)
{
	file->ops = &pipe_ops;
	file->priv = p;
	p->files++;
	if (file_readable(file)) {
		p->readers++;
		p->opened_readers++;
	}
	if (file_writable(file)) {
		p->writers++;
		p->opened_writers++;
	}
}

/* Waits until the other side has been opened, though it may be closed again. */
static int wait_for(u32 *opened, struct waitq *q)
{
	u32 before = *opened;

	while (*opened == before) {
		int error = wait_on(q, NEVER);

		if (error < 0 && *opened == before)
			return error;
	}
	return 0;
}

int fifo_open(struct inode *inode, struct file *file)
{
	struct pipe *p = inode->pipe;
	bool reads = file_readable(file), writes = file_writable(file);
	int error = 0;

	if (!reads && !writes)
		return -EINVAL;
	if (writes && !reads && file->flags & O_NONBLOCK && (p == NULL || p->readers == 0))
		return -ENXIO;
	if (p == NULL) {
		p = inode->pipe = pipe_new();
		if (p == NULL)
			return -ENOMEM;
	}
	attach(p, file);
	wake_both(p);
	if (reads && !writes && p->writers == 0) {
		if (file->flags & O_NONBLOCK)
			file->pos = p->opened_writers; /* see pipe_poll() */
		else
			error = wait_for(&p->opened_writers, &p->read_wait);
	} else if (writes && !reads && p->readers == 0) {
		error = wait_for(&p->opened_readers, &p->write_wait);
	}
	if (error < 0)
		pipe_release(file);
	return error;
}

static struct file *half(struct inode *inode, struct pipe *p, u32 flags)
{
	struct file *file = file_new(&pipe_ops, inode, flags, NULL);

	if (file != NULL) {
		inode_get(inode);
		attach(p, file);
	}
	return file;
}

/* Both files of a new pipe, or -ENOMEM. */
static int make(struct file *files[2], u32 flags)
{
	struct inode *inode = inode_anonymous(S_IFIFO | 0600);
	struct pipe *p = pipe_new();
	int error = -ENOMEM;

	if (inode == NULL || p == NULL)
		goto out;
	inode->pipe = p;
	files[0] = half(inode, p, O_RDONLY | flags);
	if (files[0] == NULL)
		goto out;
	p = NULL; /* the files' from here */
	files[1] = half(inode, inode->pipe, O_WRONLY | flags);
	if (files[1] == NULL)
		file_put(files[0]);
	else
		error = 0;
out:
	if (p != NULL)
		pipe_free(p);
	if (inode != NULL)
		inode_put(inode);
	return error;
}

long sys_pipe2(int *user, int flags)
{
	bool cloexec = flags & O_CLOEXEC;
	struct file *files[2];
	int fds[2], error;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	error = make(files, flags & (O_NONBLOCK | O_DIRECT));
	if (error < 0)
		return error;
	fds[0] = fd_install(files[0], 0, cloexec);
	if (fds[0] < 0) {
		file_put(files[0]);
		file_put(files[1]);
		return fds[0];
	}
	fds[1] = fd_install(files[1], 0, cloexec);
	if (fds[1] < 0) {
		sys_close(fds[0]);
		file_put(files[1]);
		return fds[1];
	}
	if (copy_to_user(user, fds, sizeof(fds)) < 0) {
		sys_close(fds[0]);
		sys_close(fds[1]);
		return -EFAULT;
	}
	return 0;
}

long sys_pipe(int *user)
{
	return sys_pipe2(user, 0);
}
