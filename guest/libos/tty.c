/*
 * The line discipline of terminals (Linux: drivers/tty/n_tty.c).
 *
 * When the host's standard input is a terminal it is in raw mode, and what the
 * user types comes here by tty_input() as it arrives, whether the program
 * reads or computes. Here ^C becomes a signal, and a line is edited before the
 * program sees it. What is to be seen of that (the echo) goes to the console
 * without waiting; what the console has no room for waits in a small buffer
 * until the next read or write.
 *
 * Output is processed (OPOST: a newline becomes CR LF) because the raw host
 * terminal doesn't; the column is followed for tabs, as they are erased with
 * as many backspaces as they took.
 */
#include "tty_line.h"
#include <asm/ioctls.h>
#include <asm/signal.h>
#include "../drv/console.h"
#include "process.h"

struct tty console_tty;

static bool is_char(struct tty *tty, u8 c, unsigned name)
{
	return TTY_CC(name) != 0 && c == TTY_CC(name); /* 0: disabled */
}

static bool marked(struct tty *tty, u32 pos)
{
	return tty->marks[pos % TTY_BUFFER / 64] >> pos % 64 & 1;
}

static void mark(struct tty *tty, u32 pos, bool on)
{
	u64 bit = (u64)1 << pos % 64, *word = &tty->marks[pos % TTY_BUFFER / 64];

	*word = on ? *word | bit : *word & ~bit;
}

void tty_init(struct tty *tty, const struct tty_driver *driver)
{
	static const struct termios2 defaults = {
		.c_iflag = ICRNL | IXON | IUTF8,
		.c_oflag = OPOST | ONLCR,
		.c_cflag = B38400 | CS8 | CREAD | HUPCL,
		.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		.c_cc = { [VINTR] = 3,
			  [VQUIT] = 28,
			  [VERASE] = 127,
			  [VKILL] = 21,
			  [VEOF] = 4,
			  [VMIN] = 1,
			  [VSTART] = 17,
			  [VSTOP] = 19,
			  [VSUSP] = 26,
			  [VREPRINT] = 18,
			  [VDISCARD] = 15,
			  [VWERASE] = 23,
			  [VLNEXT] = 22 },
		.c_ispeed = 38400,
		.c_ospeed = 38400,
	};

	if (tty->read_wait.waiters.next != NULL)
		return;
	tty->driver = driver;
	tty->t = defaults;
	waitq_init(&tty->read_wait);
	waitq_init(&tty->resume_wait);
}

/* With EXTPROC lines are edited at the other end. */
static bool by_lines(const struct termios2 *t)
{
	return (t->c_lflag & (ICANON | EXTPROC)) == ICANON;
}

bool tty_canonical(struct tty *tty)
{
	return by_lines(&tty->t);
}

static void tell(struct tty *tty, u8 event)
{
	if (tty->driver->tell != NULL)
		tty->driver->tell(tty, event);
}

/* ---- input ---- */

/* A line's last free byte is kept for its end. */
static void put(struct tty *tty, u8 c, bool end)
{
	u32 used = tty->head - tty->tail, room = TTY_BUFFER - 1 + (end || !tty_canonical(tty));

	if (used >= room) {
		if (TTY_I(IMAXBEL))
			tty_echo_raw(tty, '\a');
		return;
	}
	*tty_at(tty, tty->head) = c;
	mark(tty, tty->head, end);
	tty->head++;
	if (end)
		tty->canon = tty->head;
}

static void put_echoed(struct tty *tty, u8 c)
{
	if (TTY_L(ECHO)) {
		if (tty->head == tty->canon)
			tty->line_column = tty->column;
		if (c == '\n')
			tty_echo_raw(tty, c);
		else
			tty_echo_char(tty, c);
	}
	put(tty, c, false);
}

void tty_flush_input(struct tty *tty)
{
	tty->tail = tty->canon = tty->head;
	tty->lnext = false;
	tell(tty, TIOCPKT_FLUSHREAD);
}

void tty_flush_output(struct tty *tty)
{
	tell(tty, TIOCPKT_FLUSHWRITE);
}

void tty_stop(struct tty *tty)
{
	if (tty->stopped)
		return;
	tty->stopped = true;
	tell(tty, TIOCPKT_STOP);
}

void tty_resume(struct tty *tty)
{
	if (!tty->stopped || tty->held)
		return;
	tty->stopped = false;
	tell(tty, TIOCPKT_START);
	wake_all(&tty->resume_wait);
}

static bool signal_char(struct tty *tty, u8 c)
{
	int sig = is_char(tty, c, VINTR) ? SIGINT :
		  is_char(tty, c, VQUIT) ? SIGQUIT :
		  is_char(tty, c, VSUSP) ? SIGTSTP :
					   0;

	if (sig == 0)
		return false;
	tty_signal(tty, sig);
	if (!TTY_L(NOFLSH)) {
		tty_flush_output(tty);
		tty_flush_input(tty);
	}
	if (TTY_I(IXON))
		tty_resume(tty);
	if (TTY_L(ECHO))
		tty_echo_char(tty, c);
	return true;
}

/* Editing and line ends: canonical mode only. */
static bool canonical_char(struct tty *tty, u8 c)
{
	if (is_char(tty, c, VERASE)) {
		tty_erase_char(tty);
	} else if (is_char(tty, c, VKILL)) {
		tty_erase_line(tty);
	} else if (is_char(tty, c, VWERASE) && TTY_L(IEXTEN)) {
		tty_erase_word(tty);
	} else if (is_char(tty, c, VLNEXT) && TTY_L(IEXTEN)) {
		tty->lnext = true;
		if (TTY_L(ECHO) && TTY_L(ECHOCTL))
			tty_echo_text(tty, "^\b");
	} else if (is_char(tty, c, VREPRINT) && TTY_L(ECHO) && TTY_L(IEXTEN)) {
		tty_reprint(tty);
	} else if (c == '\n') {
		if (TTY_L(ECHO | ECHONL))
			tty_echo_raw(tty, '\n');
		put(tty, c, true);
	} else if (is_char(tty, c, VEOF)) {
		put(tty, 0, true);
	} else if (is_char(tty, c, VEOL) || (is_char(tty, c, VEOL2) && TTY_L(IEXTEN))) {
		if (TTY_L(ECHO))
			tty_echo_char(tty, c);
		put(tty, c, true);
	} else {
		return false;
	}
	return true;
}

static void receive(struct tty *tty, u8 c)
{
	if (TTY_L(EXTPROC)) {
		put(tty, c, false);
		return;
	}
	if (TTY_I(ISTRIP))
		c &= 0x7f;
	if (tty->lnext) {
		tty->lnext = false;
		put_echoed(tty, c);
		return;
	}
	if (TTY_I(IXON) && is_char(tty, c, VSTOP)) {
		tty_stop(tty);
		return;
	}
	if (tty->stopped && TTY_I(IXON) && (is_char(tty, c, VSTART) || TTY_I(IXANY)))
		tty_resume(tty);
	if (TTY_I(IXON) && is_char(tty, c, VSTART))
		return;
	if (TTY_L(ISIG) && signal_char(tty, c))
		return;
	if (c == '\r') {
		if (TTY_I(IGNCR))
			return;
		if (TTY_I(ICRNL))
			c = '\n';
	} else if (c == '\n' && TTY_I(INLCR)) {
		c = '\r';
	}
	if (!TTY_L(ICANON) || !canonical_char(tty, c))
		put_echoed(tty, c);
}

void tty_receive(struct tty *tty, const void *buf, size_t n)
{
	const u8 *c = buf;

	for (size_t i = 0; i < n; i++)
		receive(tty, c[i]);
	if (tty->echo_len > 0 && !tty->stopped)
		tty_echo_taken(tty, tty->driver->echo(tty, tty->echo, tty->echo_len));
	wake_all(&tty->read_wait);
}

void tty_hang_up(struct tty *tty)
{
	tty->hung_up = true;
	tty_signal(tty, SIGHUP);
	wake_all(&tty->read_wait);
	tty->stopped = tty->held = false;
	wake_all(&tty->resume_wait);
}

/* All of the host's are the one process's. */
void tty_signal(struct tty *tty, int sig)
{
	if (tty == &console_tty || (tty->session != 0 && tty->pgrp == current_process()->pgid))
		signal_send_kernel(sig);
}

/* ---- what a read takes ---- */

u32 tty_available(struct tty *tty)
{
	return (tty_canonical(tty) ? tty->canon : tty->head) - tty->tail;
}

/* Bytes up to `n` that lie together in the ring before pos `end`. */
static long take_run(struct tty *tty, struct uio *uio, u32 n)
{
	long done = 0;

	while (n > 0) {
		u32 run = MIN(n, TTY_BUFFER - tty->tail % TTY_BUFFER);
		long moved = uio_to(uio, tty_at(tty, tty->tail), run);

		if (moved < 0)
			return done > 0 ? done : moved;
		tty->tail += moved;
		done += moved;
		n -= moved;
		if ((u32)moved < run)
			break;
	}
	return done;
}

long tty_take(struct tty *tty, struct uio *uio, bool *line)
{
	u32 avail = tty_available(tty), n = 0;
	long moved;
	bool eof;

	*line = false;
	if (!tty_canonical(tty))
		return take_run(tty, uio, MIN(avail, uio->resid));
	if (avail == 0)
		return 0;
	/* up to and with the line's end, if the buffer holds it; an end of file
	 * behind the last byte that fits goes with it, though it is none */
	while (n < avail && !marked(tty, tty->tail + n))
		n++;
	eof = n < avail && *tty_at(tty, tty->tail + n) == 0;
	*line = true;
	if (!eof)
		n++;
	if (n > uio->resid) {
		n = uio->resid;
		eof = false;
	}
	moved = take_run(tty, uio, n);
	if (eof && (moved == (long)n))
		tty->tail++;
	return moved;
}

/* ---- modes */

static bool usual_flow(const struct termios2 *t)
{
	return t->c_iflag & IXON && t->c_cc[VSTOP] == 19 && t->c_cc[VSTART] == 17;
}

/* Whether who is at the other end may stop the output himself. */
static void tell_modes(struct tty *tty, const struct termios2 *old)
{
	bool flow = usual_flow(&tty->t);

	if (flow != usual_flow(old))
		tell(tty, flow ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP);
	if ((old->c_lflag | tty->t.c_lflag) & EXTPROC)
		tell(tty, TIOCPKT_IOCTL);
}

void tty_set_modes(struct tty *tty, const struct termios2 *t)
{
	struct termios2 old = tty->t;

	tty->t = *t;
	tell_modes(tty, &old);
	if (!by_lines(&old) && tty_canonical(tty)) {
		/* what is there becomes a line, so that it can be read */
		for (u32 pos = tty->tail; pos != tty->head; pos++)
			mark(tty, pos, pos + 1 == tty->head);
		tty->canon = tty->head;
	}
	if (!TTY_I(IXON))
		tty_resume(tty);
	wake_all(&tty->read_wait);
}
