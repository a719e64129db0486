/*
 * Pseudo-terminals: /dev/ptmx makes a pair. The slave, /dev/pts/N, is a terminal
 * as the host's is (tty_file.c), with the master at its other end: what is
 * written to that is typed here, what the slave shows is read there.
 *
 *   master write -> line discipline -> slave read
 *   master read  <- out             <- slave write, echo
 *
 * When the master closes, the slave is hung up; when the last slave closes, the
 * master reads EIO once `out` is empty. No packet mode (TIOCPKT).
 */
#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include "../fs/vfs.h"
#include "fd.h"
#include "heap.h"
#include "path.h"
#include "poll.h"
#include "process.h"
#include "pty.h"

#define PTYS_MAX  64
#define OUT       4096
#define TTY_GROUP 5 /* Debian's, whose mode of slaves lets them be written to */

struct pty {
	struct tty tty; /* first: a slave's file->priv */
	unsigned number;
	unsigned slaves; /* open files */
	bool locked, was_open;
	u32 tail, head; /* of out, modulo OUT */
	u8 out[OUT];
	struct waitq read_wait, room_wait; /* of the master; of who writes at either end */
	struct dentry *node;
};

static struct pty *ptys[PTYS_MAX];

static struct pty *pty_of_tty(struct tty *tty)
{
	return container_of(tty, struct pty, tty);
}

static struct pty *pty_of(const struct file *file)
{
	return file->priv;
}

struct tty *tty_controlling(void)
{
	int session = current_process()->sid;

	for (unsigned i = 0; i < PTYS_MAX; i++)
		if (ptys[i] != NULL && ptys[i]->tty.session == session)
			return &ptys[i]->tty;
	return console_tty.session == session ? &console_tty : NULL;
}

/* ---- from the slave to the master ---- */

static u32 waiting(const struct pty *pty)
{
	return pty->head - pty->tail;
}

static size_t put_out(struct pty *pty, const u8 *buf, size_t n)
{
	n = MIN(n, (size_t)(OUT - waiting(pty)));
	for (size_t i = 0; i < n; i++)
		pty->out[pty->head++ % OUT] = buf[i];
	if (n > 0)
		wake_all(&pty->read_wait);
	return n;
}

static long slave_shows(struct tty *tty, const void *buf, size_t n, u32 flags)
{
	struct pty *pty = pty_of_tty(tty);
	size_t done = 0;

	for (;;) {
		int error = 0;

		if (tty->hung_up)
			return done > 0 ? (long)done : -EIO;
		done += put_out(pty, (const u8 *)buf + done, n - done);
		if (done == n)
			return done;
		error = flags & O_NONBLOCK ? -EAGAIN : wait_on(&pty->room_wait, NEVER);
		if (error < 0)
			return done > 0 ? (long)done : error;
	}
}

static long slave_echoes(struct tty *tty, const void *buf, size_t n)
{
	return put_out(pty_of_tty(tty), buf, n);
}

static void slave_has_read(struct tty *tty)
{
	wake_all(&pty_of_tty(tty)->room_wait);
}

static const struct tty_driver pty_driver = {
	.write = slave_shows,
	.echo = slave_echoes,
	.read_some = slave_has_read,
};

/* ---- the end ---- */

static void pty_free(struct pty *pty)
{
	ptys[pty->number] = NULL;
	kfree(pty);
}

static bool master_closed(const struct pty *pty)
{
	return pty->tty.hung_up;
}

static void remove_node(struct pty *pty)
{
	struct dentry *d = pty->node;

	if (d == NULL)
		return;
	if (!d->deleted && d->attached && d->parent->inode->ops->unlink(d) == 0)
		d->deleted = true;
	dentry_put(d);
	pty->node = NULL;
}

static void master_release(struct file *file)
{
	struct pty *pty = pty_of(file);

	remove_node(pty);
	tty_hang_up(&pty->tty);
	pty->tty.session = 0;
	wake_all(&pty->room_wait);
	if (pty->slaves == 0)
		pty_free(pty);
}

static void slave_release(struct file *file)
{
	struct pty *pty = pty_of(file);

	if (--pty->slaves > 0)
		return;
	wake_all(&pty->read_wait);
	if (master_closed(pty))
		pty_free(pty);
}

/* ---- the slave ---- */

static long slave_read(struct file *file, struct uio *uio, u64 *pos)
{
	return master_closed(pty_of(file)) ? 0 : tty_read(file, uio, pos);
}

static u32 slave_poll(struct file *file, struct poll_table *table)
{
	struct pty *pty = pty_of(file);
	u32 mask = tty_poll(file, table);

	poll_wait(table, &pty->room_wait);
	if (master_closed(pty))
		return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
	return waiting(pty) < OUT ? mask : mask & ~(u32)(POLLOUT | POLLWRNORM);
}

static long slave_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (master_closed(pty_of(file)))
		return -EIO;
	return tty_ioctl(file, cmd, arg);
}

static int attach(struct file *file, struct pty *pty)
{
	if (pty == NULL || master_closed(pty) || pty->locked)
		return -EIO;
	pty->slaves++;
	pty->was_open = true;
	file->priv = pty;
	return 0;
}

static int slave_open(struct file *file)
{
	unsigned number = DEV_MINOR(file->inode->rdev);

	return attach(file, number < PTYS_MAX ? ptys[number] : NULL);
}

static int controlling_open(struct file *file)
{
	return attach(file, pty_of_tty(tty_controlling()));
}

const struct file_ops pty_slave_ops = {
	.open = slave_open,
	.read = slave_read,
	.write = tty_write,
	.poll = slave_poll,
	.ioctl = slave_ioctl,
	.release = slave_release,
};
const struct file_ops pty_controlling_ops = {
	.open = controlling_open,
	.read = slave_read,
	.write = tty_write,
	.poll = slave_poll,
	.ioctl = slave_ioctl,
	.release = slave_release,
};

void tty_opened(struct file *file)
{
	const struct process *p = current_process();
	struct tty *tty = file->priv;

	if (file->ops != &pty_slave_ops || !file_readable(file) || p->pid != p->sid ||
	    tty->session != 0 || tty_controlling() != NULL)
		return;
	tty->session = p->sid;
	tty->pgrp = p->pgid;
}

/* ---- the master ---- */

static long take_out(struct pty *pty, struct uio *uio)
{
	long done = 0;

	while (waiting(pty) > 0 && uio->resid > 0) {
		u32 run = MIN(waiting(pty), OUT - pty->tail % OUT);
		long moved = uio_to(uio, &pty->out[pty->tail % OUT], run);

		if (moved <= 0)
			return done > 0 ? done : moved;
		pty->tail += moved;
		done += moved;
	}
	wake_all(&pty->room_wait);
	return done;
}

static bool slave_closed(const struct pty *pty)
{
	return pty->was_open && pty->slaves == 0;
}

static long master_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct pty *pty = pty_of(file);

	(void)pos;
	while (waiting(pty) == 0) {
		int error = 0;

		if (slave_closed(pty))
			return -EIO;
		error = file->flags & O_NONBLOCK ? -EAGAIN : wait_on(&pty->read_wait, NEVER);
		if (error < 0 && waiting(pty) == 0)
			return error;
	}
	return take_out(pty, uio);
}

/* What the slave can take: a line that is too long loses its rest, as typed
 * ones do; else there is a limit. */
static size_t room(const struct pty *pty)
{
	const struct tty *tty = &pty->tty;

	return tty->t.c_lflag & ICANON ? TTY_BUFFER : TTY_BUFFER - (tty->head - tty->tail);
}

static long master_write(struct file *file, struct uio *uio, u64 *pos)
{
	struct pty *pty = pty_of(file);
	long done = 0;

	(void)pos;
	while (uio->resid > 0) {
		u8 in[256];
		size_t n = MIN(MIN(room(pty), sizeof(in)), uio->resid);
		long got = n > 0 ? uio_from(uio, in, n) : 0;

		if (got < 0)
			return done > 0 ? done : got;
		if (n == 0) {
			int error = file->flags & O_NONBLOCK ? -EAGAIN :
							       wait_on(&pty->room_wait, NEVER);

			if (error < 0)
				return done > 0 ? done : error;
			continue;
		}
		tty_receive(&pty->tty, in, got);
		done += got;
		if ((size_t)got < n)
			break;
	}
	return done;
}

static u32 master_poll(struct file *file, struct poll_table *table)
{
	struct pty *pty = pty_of(file);

	poll_wait(table, &pty->read_wait);
	poll_wait(table, &pty->room_wait);
	return (waiting(pty) > 0 ? POLLIN | POLLRDNORM : 0) |
	       (room(pty) > 0 ? POLLOUT | POLLWRNORM : 0) | (slave_closed(pty) ? POLLHUP : 0);
}

static long open_peer(const struct pty *pty, unsigned long flags)
{
	char path[24];
	struct file *file;
	int error;

	snprintf(path, sizeof(path), "/dev/pts/%u", pty->number);
	file = path_open(AT_FDCWD, path, (flags & ~(u64)O_CREAT) | O_LARGEFILE, 0, 0, &error);
	return file != NULL ? fd_install_or_put(file, flags) : error;
}

static long set_lock(struct pty *pty, const int *user)
{
	int locked;

	if (get_user(locked, user) < 0)
		return -EFAULT;
	pty->locked = locked != 0;
	return 0;
}

static long master_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pty *pty = pty_of(file);

	switch (cmd) {
	case TIOCGPTN:
		return put_user((unsigned int *)arg, pty->number);
	case TIOCSPTLCK:
		return set_lock(pty, (const int *)arg);
	case TIOCGPTLCK:
		return put_user((int *)arg, (int)pty->locked);
	case TIOCGPTPEER:
		return open_peer(pty, arg);
	case FIONREAD:
		return put_user((int *)arg, (int)waiting(pty));
	case TIOCGPGRP:
		return put_user((int *)arg, pty->tty.pgrp);
	case TIOCSIG:
		if (arg < 1 || arg > 64)
			return -EINVAL;
		tty_signal(&pty->tty, arg);
		return 0;
	case TIOCPKT:
	case TIOCGPKT:
		return -ENOTTY;
	}
	return tty_modes_ioctl(&pty->tty, cmd, arg);
}

/* The name under /dev/pts; without it (no memory) the slave has none. */
static void make_node(struct pty *pty)
{
	struct dentry *dir = dev_pts();
	char name[12];

	if (dir == NULL)
		return;
	snprintf(name, sizeof(name), "%u", pty->number);
	pty->node = tmpfs_make(dir, name, S_IFCHR | 0620, DEV_PTS(pty->number));
	if (pty->node != NULL) {
		dentry_get(pty->node);
		pty->node->inode->uid = current_process()->cred.uid.fs;
		pty->node->inode->gid = TTY_GROUP;
	}
	dentry_put(dir);
}

static int master_open(struct file *file)
{
	unsigned number = 0;
	struct pty *pty;

	while (number < PTYS_MAX && ptys[number] != NULL)
		number++;
	if (number == PTYS_MAX)
		return -ENOSPC;
	pty = kalloc(sizeof(*pty));
	if (pty == NULL)
		return -ENOMEM;
	tty_init(&pty->tty, &pty_driver);
	pty->tty.t.c_iflag &= ~(u32)IUTF8;
	pty->tty.t.c_cflag &= ~(u32)HUPCL;
	waitq_init(&pty->read_wait);
	waitq_init(&pty->room_wait);
	pty->number = number;
	pty->locked = true;
	ptys[number] = pty;
	file->priv = pty;
	make_node(pty);
	return 0;
}

const struct file_ops ptmx_ops = {
	.open = master_open,
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = master_ioctl,
	.release = master_release,
};
