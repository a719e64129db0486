/*
 * The masters of pseudo-terminals: see pty.c.
 */
#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/poll.h>
#include "../fs/vfs.h"
#include "fd.h"
#include "heap.h"
#include "poll.h"
#include "pty_parts.h"

#define PEER_FLAGS (O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)

static long take_out(struct pty *pty, struct uio *uio)
{
	long done = 0;

	while (pty_waiting(pty) > 0 && uio->resid > 0) {
		u32 run = MIN(pty_waiting(pty), PTY_OUT - pty->tail % PTY_OUT);
		long moved = uio_to(uio, &pty->out[pty->tail % PTY_OUT], run);

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

static bool has_event(const struct pty *pty)
{
	return pty->packet && pty->events != TIOCPKT_DATA;
}

/* What there is, behind what says which it is. */
static long take_packet(struct pty *pty, struct uio *uio)
{
	u8 event = pty->events;
	long moved = uio_to(uio, &event, 1);

	if (moved <= 0)
		return moved;
	pty->events = TIOCPKT_DATA;
	moved = event == TIOCPKT_DATA ? take_out(pty, uio) : 0;
	return 1 + MAX(moved, 0l);
}

static long master_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct pty *pty = pty_of(file);

	(void)pos;
	while (pty_waiting(pty) == 0 && !has_event(pty) && uio->resid > 0) {
		int error = 0;

		if (slave_closed(pty))
			return -EIO;
		error = file->flags & O_NONBLOCK ? -EAGAIN : wait_on(&pty->read_wait, NEVER);
		if (error < 0 && pty_waiting(pty) == 0 && !has_event(pty))
			return error;
	}
	return pty->packet ? take_packet(pty, uio) : take_out(pty, uio);
}

/* What the slave can take: a line that is too long loses its rest, as typed
 * ones do; else there is a limit. */
static size_t room(struct pty *pty)
{
	struct tty *tty = &pty->tty;

	if (pty->held)
		return 0;
	return tty_canonical(tty) ? TTY_BUFFER : TTY_BUFFER - (tty->head - tty->tail);
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
	return (pty_waiting(pty) > 0 ? POLLIN | POLLRDNORM : 0) |
	       (has_event(pty) ? POLLPRI | POLLIN | POLLRDNORM : 0) |
	       (room(pty) > 0 ? POLLOUT | POLLWRNORM : 0) | (slave_closed(pty) ? POLLHUP : 0);
}

/* The slave, wherever /dev/pts is and whoever may open it there. */
static long open_peer(const struct pty *pty, unsigned long flags)
{
	int error;
	struct file *file = vfs_open(&pty->node, (flags & PEER_FLAGS) | O_LARGEFILE, &error);

	return file != NULL ? fd_install_or_put(file, flags) : error;
}

static long set_packet(struct pty *pty, const int *user)
{
	int on;

	if (get_user(on, user) < 0)
		return -EFAULT;
	if (!pty->packet)
		pty->events = TIOCPKT_DATA;
	pty->packet = on != 0;
	return 0;
}

static long set_lock(struct pty *pty, const int *user)
{
	int locked;

	if (get_user(locked, user) < 0)
		return -EFAULT;
	pty->locked = locked != 0;
	return 0;
}

/* A master has a VSTOP and a VSTART of its own, which nothing changes. */
static long flow(struct pty *pty, unsigned long arg)
{
	switch (arg) {
	case TCOOFF:
		pty->held = true;
		return 0;
	case TCOON:
		pty->held = false;
		wake_all(&pty->room_wait);
		return 0;
	case TCIOFF:
		tty_receive(&pty->tty, "\023", 1);
		return 0;
	case TCION:
		tty_receive(&pty->tty, "\021", 1);
		return 0;
	}
	return -EINVAL;
}

/* What the master writes is at the slave at once: nothing is left to flush. */
static long flush(struct pty *pty, unsigned long arg)
{
	if (arg > TCIOFLUSH)
		return -EINVAL;
	if (arg != TCOFLUSH) {
		pty->tail = pty->head;
		wake_all(&pty->room_wait);
	}
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
		return put_user((int *)arg, (int)pty_waiting(pty));
	case TIOCGPGRP:
		return put_user((int *)arg, pty->tty.pgrp);
	case TIOCGSID:
		return pty->tty.session != 0 ? put_user((int *)arg, pty->tty.session) : -ENOTTY;
	case TCXONC:
		return flow(pty, arg);
	case TCFLSH:
		return flush(pty, arg);
	case TIOCSIG:
		if (arg < 1 || arg > 64)
			return -EINVAL;
		tty_signal(&pty->tty, arg);
		return 0;
	case TIOCPKT:
		return set_packet(pty, (const int *)arg);
	case TIOCGPKT:
		return put_user((int *)arg, (int)pty->packet);
	}
	return tty_modes_ioctl(&pty->tty, cmd, arg);
}

/* ---- from its open to its end ---- */

static int master_open(struct file *file)
{
	unsigned number = 0;
	struct pty *pty;
	int error;

	while (number < PTYS_MAX && ptys[number] != NULL)
		number++;
	if (number == PTYS_MAX)
		return -ENOSPC;
	pty = kalloc(sizeof(*pty));
	if (pty == NULL)
		return -ENOMEM;
	error = devpts_add(number, &pty->node);
	if (error < 0) {
		kfree(pty);
		return error;
	}
	tty_init(&pty->tty, &pty_driver);
	pty->tty.t.c_iflag &= ~(u32)IUTF8;
	pty->tty.t.c_cflag &= ~(u32)HUPCL;
	waitq_init(&pty->read_wait);
	waitq_init(&pty->room_wait);
	pty->number = number;
	pty->locked = true;
	ptys[number] = pty;
	file->priv = pty;
	return 0;
}

static void master_release(struct file *file)
{
	struct pty *pty = pty_of(file);

	devpts_remove(&pty->node);
	tty_hang_up(&pty->tty);
	pty->tty.session = 0;
	wake_all(&pty->room_wait);
	if (pty->slaves == 0)
		pty_free(pty);
}

const struct file_ops ptmx_ops = {
	.open = master_open,
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = master_ioctl,
	.release = master_release,
	.async = ASYNC_TTY,
};
