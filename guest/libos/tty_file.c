/*
 * Files of terminals: read, write, poll and the ioctls of termios(3). The line
 * discipline is tty.c. When the host's standard input is no terminal, the
 * host's line discipline is at work on the output: bytes go out as they are,
 * and modes are remembered without effect.
 */
#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/signal.h>
#include "../../shared/abi.h"
#include "../drv/console.h"
#include "heap.h"
#include "poll.h"
#include "process.h"
#include "tty.h"

static struct tty *tty_of(const struct file *file)
{
	return file->priv != NULL ? file->priv : &console_tty;
}

static bool live(const struct tty *tty)
{
	return tty != &console_tty || console_kind(0) == STDIO_TTY;
}

/* Job control: a process of the session in the background is stopped. */
static int check_foreground(const struct tty *tty, int sig)
{
	const struct process *p = current_process();

	if (tty->session == 0 || p->sid != tty->session || p->pgid == tty->pgrp)
		return 0;
	signal_send_kernel(sig);
	return -EINTR;
}

/* ---- read ---- */

struct reading {
	long done;
	u64 deadline;
};

static u64 tenths_from_now(unsigned n)
{
	return now_ns() + n * 100000000ull;
}

/* Takes what there is. True when the read is over. */
static bool read_step(struct tty *tty, struct reading *r, struct uio *uio, size_t wanted)
{
	unsigned min = tty->t.c_cc[VMIN], time = tty->t.c_cc[VTIME];
	bool line;
	long moved = tty_take(tty, uio, &line);

	if (moved < 0) {
		r->done = r->done > 0 ? r->done : moved;
		return true;
	}
	r->done += moved;
	if (line || tty->hung_up)
		return true;
	if (tty_canonical(tty))
		return false;
	if (uio->resid == 0 || r->done >= (long)MIN(MAX(min, 1u), wanted))
		return true;
	if (min == 0 && time == 0)
		return true;
	/* VTIME is a limit for the whole read without VMIN, else between bytes */
	if (min == 0 && r->deadline == NEVER)
		r->deadline = tenths_from_now(time);
	else if (min > 0 && time > 0 && moved > 0)
		r->deadline = tenths_from_now(time);
	return false;
}

long tty_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct tty *tty = tty_of(file);
	struct reading r = { .deadline = NEVER };
	size_t wanted = uio->resid;
	int error = live(tty) ? check_foreground(tty, SIGTTIN) : -EIO;

	(void)pos;
	if (error < 0 || wanted == 0)
		return error;
	for (;;) {
		tty_flush_echo(tty);
		if (read_step(tty, &r, uio, wanted))
			break;
		if (file->flags & O_NONBLOCK)
			return r.done > 0 ? r.done : -EAGAIN;
		error = wait_on(&tty->read_wait, r.deadline);
		if (error < 0 && (error != -EINTR || tty_available(tty) == 0))
			return error == -ETIMEDOUT || r.done > 0 ? r.done : error;
	}
	if (r.done > 0 && tty->driver->read_some != NULL)
		tty->driver->read_some(tty);
	return r.done;
}

/* ---- write ---- */

#define CHUNK 512

/* Processes and writes one piece; how many of its n bytes went out. */
static long write_piece(struct file *file, const u8 *in, size_t n)
{
	struct tty *tty = tty_of(file);
	char out[CHUNK + 8];
	unsigned len = 0, taken = 0;
	long written;

	while (taken < n && len <= CHUNK)
		len += tty_process(tty, in[taken++], out + len);
	written = tty->driver->write(tty, out, len, file->flags);
	if (written < 0)
		return written;
	/* Cut short by a signal: count the bytes that are wholly out. */
	if (written < (long)len) {
		char again[8];

		for (taken = 0, len = 0; taken < n; taken++) {
			len += tty_process(tty, in[taken], again);
			if (len > (unsigned)written)
				break;
		}
	}
	return taken;
}

static int wait_resumed(struct file *file)
{
	struct tty *tty = tty_of(file);

	while (tty->stopped) {
		int error = file->flags & O_NONBLOCK ? -EAGAIN : wait_on(&tty->resume_wait, NEVER);

		if (error < 0 && tty->stopped)
			return error;
	}
	tty_flush_echo(tty);
	return 0;
}

/* Fetches a piece from the program and writes all of it. */
static long write_some(struct file *file, struct uio *uio)
{
	u8 in[CHUNK];
	long got = uio_from(uio, in, MIN(uio->resid, sizeof(in)));
	long done = 0;

	while (done < got) {
		long r = wait_resumed(file);

		if (r == 0)
			r = write_piece(file, in + done, got - done);
		if (r <= 0)
			return done > 0 ? done : r;
		done += r;
		if (signal_pending() && done < got)
			break;
	}
	return got < 0 ? got : done;
}

long tty_write(struct file *file, struct uio *uio, u64 *pos)
{
	struct tty *tty = tty_of(file);
	long done = 0, r = 0;

	(void)pos;
	if (tty->t.c_lflag & TOSTOP)
		r = check_foreground(tty, SIGTTOU);
	if (r < 0)
		return r;
	if (tty->hung_up && tty != &console_tty)
		return -EIO;
	if (tty->driver->write_raw != NULL && (!live(tty) || !(tty->t.c_oflag & OPOST))) {
		r = wait_resumed(file);
		return r < 0 ? r : tty->driver->write_raw(tty, file, uio);
	}
	while (uio->resid > 0) {
		size_t want = MIN(uio->resid, (size_t)CHUNK);

		r = write_some(file, uio);
		if (r <= 0)
			break;
		done += r;
		if ((size_t)r < want)
			break;
	}
	return done > 0 ? done : r;
}

u32 tty_poll(struct file *file, struct poll_table *table)
{
	struct tty *tty = tty_of(file);
	unsigned min = tty->t.c_cc[VMIN];
	u32 need = tty_canonical(tty) || tty->t.c_cc[VTIME] > 0 || min == 0 ? 1 : min;
	u32 mask = 0;

	poll_wait(table, &tty->read_wait);
	poll_wait(table, &tty->resume_wait);
	if (tty_available(tty) >= need)
		mask |= POLLIN | POLLRDNORM;
	if (!tty->stopped)
		mask |= POLLOUT | POLLWRNORM;
	if (tty->hung_up)
		mask |= POLLIN | POLLRDNORM | POLLHUP;
	return mask;
}

/* ---- ioctl ---- */

/* Which of TCSETS, TCSETSW, TCSETSF: the latter two wait for output, which is
 * always done when a write returns; the last drops input. */
static long set_modes(struct tty *tty, unsigned long arg, size_t size, bool flush)
{
	struct termios2 t = tty->t;
	int error = check_foreground(tty, SIGTTOU);

	if (error < 0)
		return error;
	if (copy_from_user(&t, (const void *)arg, size) < 0)
		return -EFAULT;
	if (flush)
		tty_flush_input(tty);
	tty_set_modes(tty, &t);
	return 0;
}

static long get_size(struct tty *tty, struct winsize *user)
{
	struct winsize size = tty->size;

	if (size.ws_row == 0 && size.ws_col == 0 && tty->driver->size != NULL)
		tty->driver->size(&size.ws_row, &size.ws_col);
	return copy_to_user(user, &size, sizeof(size));
}

static long set_size(struct tty *tty, const struct winsize *user)
{
	struct winsize size;

	if (get_user(size, user) < 0)
		return -EFAULT;
	if (memcmp(&size, &tty->size, sizeof(size)) != 0) {
		tty->size = size;
		tty_signal(tty, SIGWINCH);
	}
	return 0;
}

static long set_pgrp(struct tty *tty, const int *user)
{
	const struct process *p = current_process();
	int pgrp, error;

	error = check_foreground(tty, SIGTTOU);
	if (error < 0)
		return error;
	if (tty->session == 0 || p->sid != tty->session)
		return -ENOTTY;
	if (get_user(pgrp, user) < 0)
		return -EFAULT;
	if (pgrp < 0)
		return -EINVAL;
	tty->pgrp = pgrp;
	return 0;
}

static long session_ioctl(struct tty *tty, unsigned int cmd, unsigned long arg)
{
	const struct process *p = current_process();
	bool mine = tty->session != 0 && p->sid == tty->session;

	switch (cmd) {
	case TIOCGPGRP:
		return mine ? put_user((int *)arg, tty->pgrp) : -ENOTTY;
	case TIOCSPGRP:
		return set_pgrp(tty, (const int *)arg);
	case TIOCGSID:
		return mine ? put_user((int *)arg, tty->session) : -ENOTTY;
	case TIOCSCTTY:
		if (mine && p->pid == p->sid)
			return 0;
		if (p->pid != p->sid || (tty->session != 0 && arg != 1))
			return -EPERM;
		tty->session = p->sid;
		tty->pgrp = p->pgid;
		return 0;
	case TIOCNOTTY:
		if (!mine)
			return -ENOTTY;
		if (p->pid == p->sid)
			tty->session = 0;
		return 0;
	}
	return -ENOTTY;
}

/* To the other end, past what is held; unless there is none (0). */
static void send_now(struct tty *tty, u8 c)
{
	if (c != 0)
		tty->driver->echo(tty, &c, 1);
}

static long flow(struct tty *tty, unsigned long arg)
{
	switch (arg) {
	case TCOOFF:
		tty->held = true;
		tty_stop(tty);
		return 0;
	case TCOON:
		if (tty->held) {
			tty->held = false;
			tty_resume(tty);
		}
		return 0;
	case TCIOFF:
	case TCION:
		send_now(tty, tty->t.c_cc[arg == TCIOFF ? VSTOP : VSTART]);
		return 0;
	}
	return -EINVAL;
}

static long flush(struct tty *tty, unsigned long arg)
{
	if (arg > TCIOFLUSH)
		return -EINVAL;
	if (arg != TCOFLUSH)
		tty_flush_input(tty);
	if (arg != TCIFLUSH)
		tty_flush_output(tty);
	return 0;
}

long tty_modes_ioctl(struct tty *tty, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case TCGETS:
		return copy_to_user((void *)arg, &tty->t, sizeof(struct termios));
	case TCGETS2:
		return copy_to_user((void *)arg, &tty->t, sizeof(tty->t));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_modes(tty, arg, sizeof(struct termios), cmd == TCSETSF);
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return set_modes(tty, arg, sizeof(struct termios2), cmd == TCSETSF2);
	case TIOCGWINSZ:
		return get_size(tty, (struct winsize *)arg);
	case TIOCSWINSZ:
		return set_size(tty, (const struct winsize *)arg);
	case TIOCOUTQ:
		return put_user((int *)arg, 0);
	case TCFLSH:
		return flush(tty, arg);
	case TCXONC:
		return flow(tty, arg);
	case TCSBRK:
	case TCSBRKP:
		return 0;
	case TIOCGETD:
		return put_user((int *)arg, 0);
	}
	return session_ioctl(tty, cmd, arg);
}

long tty_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct tty *tty = tty_of(file);

	if (cmd == FIONREAD)
		return put_user((int *)arg, (int)tty_available(tty));
	return tty_modes_ioctl(tty, cmd, arg);
}

const struct file_ops tty_ops = {
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.async = ASYNC_TTY,
	.name = "/dev/console",
};
