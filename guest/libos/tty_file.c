/*
 * Files of the terminal: read, write, poll and the ioctls of termios(3). The
 * line discipline is tty.c. When the host's standard input is no terminal,
 * the host's line discipline is at work on the output: bytes go out as they
 * are, and modes are remembered without effect.
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

static bool live(void)
{
	return console_kind(0) == STDIO_TTY;
}

/* The host's descriptor where the terminal's output goes. */
static int out_fd(void)
{
	return console_kind(1) == STDIO_TTY || console_kind(2) != STDIO_TTY ? 1 : 2;
}

/* Job control: a process of the session in the background is stopped. */
static int check_foreground(int sig)
{
	const struct process *p = current_process();

	if (tty.session == 0 || p->sid != tty.session || p->pgid == tty.pgrp)
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
static bool read_step(struct reading *r, struct uio *uio, size_t wanted)
{
	unsigned min = tty.t.c_cc[VMIN], time = tty.t.c_cc[VTIME];
	bool line;
	long moved = tty_take(uio, &line);

	if (moved < 0) {
		r->done = r->done > 0 ? r->done : moved;
		return true;
	}
	r->done += moved;
	if (line || tty.hung_up)
		return true;
	if (tty_canonical())
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

static long tty_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct reading r = { .deadline = NEVER };
	size_t wanted = uio->resid;
	int error = live() ? check_foreground(SIGTTIN) : -EIO;

	(void)pos;
	if (error < 0 || wanted == 0)
		return error;
	for (;;) {
		tty_flush_echo();
		if (read_step(&r, uio, wanted))
			return r.done;
		if (file->flags & O_NONBLOCK)
			return r.done > 0 ? r.done : -EAGAIN;
		error = wait_on(&tty.read_wait, r.deadline);
		if (error < 0 && (error != -EINTR || tty_available() == 0))
			return error == -ETIMEDOUT || r.done > 0 ? r.done : error;
	}
}

/* ---- write ---- */

#define CHUNK 512

/* Processes and writes one piece; how many of its n bytes went out. */
static long write_piece(struct file *file, const u8 *in, size_t n)
{
	char out[CHUNK + 8];
	unsigned len = 0, taken = 0;
	long written;

	while (taken < n && len <= CHUNK)
		len += tty_process(in[taken++], out + len);
	written = console_write(out_fd(), out, len, file->flags & O_NONBLOCK);
	if (written < 0)
		return written;
	/* Cut short by a signal: count the bytes that are wholly out. */
	if (written < (long)len) {
		char again[8];

		for (taken = 0, len = 0; taken < n; taken++) {
			len += tty_process(in[taken], again);
			if (len > (unsigned)written)
				break;
		}
	}
	return taken;
}

static int wait_resumed(struct file *file)
{
	while (tty.stopped) {
		int error = file->flags & O_NONBLOCK ? -EAGAIN : wait_on(&tty.resume_wait, NEVER);

		if (error < 0 && tty.stopped)
			return error;
	}
	tty_flush_echo();
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

static long tty_write(struct file *file, struct uio *uio, u64 *pos)
{
	long done = 0, r = 0;

	(void)pos;
	if (tty.t.c_lflag & TOSTOP)
		r = check_foreground(SIGTTOU);
	if (r < 0)
		return r;
	if (!live() || !(tty.t.c_oflag & OPOST)) {
		r = wait_resumed(file);
		return r < 0 ? r : console_copy_out(file, out_fd(), uio);
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

static u32 tty_poll(struct file *file, struct poll_table *table)
{
	unsigned min = tty.t.c_cc[VMIN];
	u32 need = tty_canonical() || tty.t.c_cc[VTIME] > 0 || min == 0 ? 1 : min;
	u32 mask = 0;

	(void)file;
	poll_wait(table, &tty.read_wait);
	poll_wait(table, &tty.resume_wait);
	if (tty_available() >= need)
		mask |= POLLIN | POLLRDNORM;
	if (!tty.stopped)
		mask |= POLLOUT | POLLWRNORM;
	if (tty.hung_up)
		mask |= POLLIN | POLLRDNORM | POLLHUP;
	return mask;
}

/* ---- ioctl ---- */

/* Which of TCSETS, TCSETSW, TCSETSF: the latter two wait for output, which is
 * always done when a write returns; the last drops input. */
static long set_modes(unsigned long arg, size_t size, bool flush)
{
	struct termios2 t = tty.t;
	int error = check_foreground(SIGTTOU);

	if (error < 0)
		return error;
	if (copy_from_user(&t, (const void *)arg, size) < 0)
		return -EFAULT;
	if (flush)
		tty_flush_input();
	tty_set_modes(&t);
	return 0;
}

static long get_size(struct winsize *user)
{
	struct winsize size = tty.size;

	if (size.ws_row == 0 && size.ws_col == 0)
		console_size(&size.ws_row, &size.ws_col);
	return copy_to_user(user, &size, sizeof(size));
}

static long set_size(const struct winsize *user)
{
	struct winsize size;

	if (get_user(size, user) < 0)
		return -EFAULT;
	if (memcmp(&size, &tty.size, sizeof(size)) != 0) {
		tty.size = size;
		signal_send_kernel(SIGWINCH);
	}
	return 0;
}

static long set_pgrp(const int *user)
{
	const struct process *p = current_process();
	int pgrp, error;

	error = check_foreground(SIGTTOU);
	if (error < 0)
		return error;
	if (tty.session == 0 || p->sid != tty.session)
		return -ENOTTY;
	if (get_user(pgrp, user) < 0)
		return -EFAULT;
	if (pgrp < 0)
		return -EINVAL;
	tty.pgrp = pgrp;
	return 0;
}

static long session_ioctl(unsigned int cmd, unsigned long arg)
{
	const struct process *p = current_process();
	bool mine = tty.session != 0 && p->sid == tty.session;

	switch (cmd) {
	case TIOCGPGRP:
		return mine ? put_user((int *)arg, tty.pgrp) : -ENOTTY;
	case TIOCSPGRP:
		return set_pgrp((const int *)arg);
	case TIOCGSID:
		return mine ? put_user((int *)arg, tty.session) : -ENOTTY;
	case TIOCSCTTY:
		if (mine && p->pid == p->sid)
			return 0;
		if (p->pid != p->sid || (tty.session != 0 && arg != 1))
			return -EPERM;
		tty.session = p->sid;
		tty.pgrp = p->pgid;
		return 0;
	case TIOCNOTTY:
		if (!mine)
			return -ENOTTY;
		if (p->pid == p->sid)
			tty.session = 0;
		return 0;
	}
	return -ENOTTY;
}

static long flow(unsigned long arg)
{
	switch (arg) {
	case TCOOFF:
		tty.stopped = true;
		return 0;
	case TCOON:
		tty_resume();
		return 0;
	case TCIOFF:
	case TCION:
		return 0;
	}
	return -EINVAL;
}

static long flush(unsigned long arg)
{
	if (arg > TCIOFLUSH)
		return -EINVAL;
	if (arg != TCOFLUSH)
		tty_flush_input();
	return 0;
}

static long tty_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	(void)file;
	switch (cmd) {
	case TCGETS:
		return copy_to_user((void *)arg, &tty.t, sizeof(struct termios));
	case TCGETS2:
		return copy_to_user((void *)arg, &tty.t, sizeof(tty.t));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_modes(arg, sizeof(struct termios), cmd == TCSETSF);
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return set_modes(arg, sizeof(struct termios2), cmd == TCSETSF2);
	case TIOCGWINSZ:
		return get_size((struct winsize *)arg);
	case TIOCSWINSZ:
		return set_size((const struct winsize *)arg);
	case FIONREAD:
		return put_user((int *)arg, (int)tty_available());
	case TIOCOUTQ:
		return put_user((int *)arg, 0);
	case TCFLSH:
		return flush(arg);
	case TCXONC:
		return flow(arg);
	case TCSBRK:
	case TCSBRKP:
		return 0;
	case TIOCGETD:
		return put_user((int *)arg, 0);
	}
	return session_ioctl(cmd, arg);
}

const struct file_ops tty_ops = {
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.name = "/dev/console",
};
