/*
 * Pseudo-terminals: /dev/ptmx makes a pair. The slave, /dev/pts/N, is a terminal
 * as the host's is (tty_file.c), with the master at its other end: what is
 * written to that is typed here, what the slave shows is read there.
 *
 *   master write -> line discipline -> slave read
 *   master read  <- out             <- slave write, echo
 *
 * When the master closes, the slave is hung up; when the last slave closes, the
 * master reads EIO once `out` is empty.
 *
 * In packet mode (TIOCPKT, ioctl_tty(2)) what the master reads begins with a byte:
 * 0, and then what the slave shows, or alone, first, and told by POLLPRI, what has
 * happened to the slave. (The master is pty_master.c.)
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
#include "pty_parts.h"

struct pty *ptys[PTYS_MAX];

static struct pty *pty_of_tty(struct tty *tty)
{
	return container_of(tty, struct pty, tty);
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

static size_t put_out(struct pty *pty, const u8 *buf, size_t n)
{
	n = MIN(n, (size_t)(PTY_OUT - pty_waiting(pty)));
	for (size_t i = 0; i < n; i++)
		pty->out[pty->head++ % PTY_OUT] = buf[i];
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

/* Of two that are each other's opposite the last one counts. */
static void slave_tells(struct tty *tty, u8 event)
{
	static const u8 opposites[] = { TIOCPKT_STOP | TIOCPKT_START,
					TIOCPKT_DOSTOP | TIOCPKT_NOSTOP };
	struct pty *pty = pty_of_tty(tty);

	if (!pty->packet)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(opposites); i++)
		if (event & opposites[i])
			pty->events &= ~opposites[i];
	pty->events |= event;
	wake_all(&pty->read_wait);
}

const struct tty_driver pty_driver = {
	.write = slave_shows,
	.echo = slave_echoes,
	.read_some = slave_has_read,
	.tell = slave_tells,
};

/* ---- the end ---- */

void pty_free(struct pty *pty)
{
	ptys[pty->number] = NULL;
	kfree(pty);
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
	return pty_waiting(pty) < PTY_OUT ? mask : mask & ~(u32)(POLLOUT | POLLWRNORM);
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
	.async = ASYNC_TTY,
};
const struct file_ops pty_controlling_ops = {
	.open = controlling_open,
	.read = slave_read,
	.write = tty_write,
	.poll = slave_poll,
	.ioctl = slave_ioctl,
	.release = slave_release,
	.async = ASYNC_TTY,
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
