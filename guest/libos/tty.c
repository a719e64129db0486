/*
 * The line discipline of the terminal (Linux: drivers/tty/n_tty.c).
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
#include <asm/signal.h>
#include "../drv/console.h"
#include "process.h"

struct tty tty;

static bool is_char(u8 c, unsigned name)
{
	return TTY_CC(name) != 0 && c == TTY_CC(name); /* 0: disabled */
}

static bool marked(u32 pos)
{
	return tty.marks[pos % TTY_BUFFER / 64] >> pos % 64 & 1;
}

static void mark(u32 pos, bool on)
{
	u64 bit = (u64)1 << pos % 64, *word = &tty.marks[pos % TTY_BUFFER / 64];

	*word = on ? *word | bit : *word & ~bit;
}

void tty_init(void)
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

	if (tty.read_wait.waiters.next != NULL)
		return;
	tty.t = defaults;
	waitq_init(&tty.read_wait);
	waitq_init(&tty.resume_wait);
}

bool tty_canonical(void)
{
	return TTY_L(ICANON);
}

/* ---- input ---- */

/* A line's last free byte is kept for its end. */
static void put(u8 c, bool end)
{
	u32 used = tty.head - tty.tail, room = TTY_BUFFER - 1 + (end || !TTY_L(ICANON));

	if (used >= room) {
		if (TTY_I(IMAXBEL))
			tty_echo_raw('\a');
		return;
	}
	*tty_at(tty.head) = c;
	mark(tty.head, end);
	tty.head++;
	if (end)
		tty.canon = tty.head;
}

static void put_echoed(u8 c)
{
	if (TTY_L(ECHO)) {
		if (tty.head == tty.canon)
			tty.line_column = tty.column;
		if (c == '\n')
			tty_echo_raw(c);
		else
			tty_echo_char(c);
	}
	put(c, false);
}

void tty_flush_input(void)
{
	tty.tail = tty.canon = tty.head;
	tty.lnext = false;
}

void tty_resume(void)
{
	tty.stopped = false;
	wake_all(&tty.resume_wait);
}

static bool signal_char(u8 c)
{
	int sig = is_char(c, VINTR) ? SIGINT :
		  is_char(c, VQUIT) ? SIGQUIT :
		  is_char(c, VSUSP) ? SIGTSTP :
				      0;

	if (sig == 0)
		return false;
	signal_send_kernel(sig);
	if (!TTY_L(NOFLSH))
		tty_flush_input();
	if (TTY_I(IXON))
		tty_resume();
	if (TTY_L(ECHO))
		tty_echo_char(c);
	return true;
}

/* Editing and line ends: canonical mode only. */
static bool canonical_char(u8 c)
{
	if (is_char(c, VERASE)) {
		tty_erase_char();
	} else if (is_char(c, VKILL)) {
		tty_erase_line();
	} else if (is_char(c, VWERASE) && TTY_L(IEXTEN)) {
		tty_erase_word();
	} else if (is_char(c, VLNEXT) && TTY_L(IEXTEN)) {
		tty.lnext = true;
		if (TTY_L(ECHO) && TTY_L(ECHOCTL))
			tty_echo_text("^\b");
	} else if (is_char(c, VREPRINT) && TTY_L(ECHO) && TTY_L(IEXTEN)) {
		tty_reprint();
	} else if (c == '\n') {
		if (TTY_L(ECHO | ECHONL))
			tty_echo_raw('\n');
		put(c, true);
	} else if (is_char(c, VEOF)) {
		put(0, true);
	} else if (is_char(c, VEOL) || (is_char(c, VEOL2) && TTY_L(IEXTEN))) {
		if (TTY_L(ECHO))
			tty_echo_char(c);
		put(c, true);
	} else {
		return false;
	}
	return true;
}

static void receive(u8 c)
{
	if (TTY_I(ISTRIP))
		c &= 0x7f;
	if (tty.lnext) {
		tty.lnext = false;
		put_echoed(c);
		return;
	}
	if (TTY_I(IXON) && is_char(c, VSTOP)) {
		tty.stopped = true;
		return;
	}
	if (tty.stopped && TTY_I(IXON) && (is_char(c, VSTART) || TTY_I(IXANY)))
		tty_resume();
	if (TTY_I(IXON) && is_char(c, VSTART))
		return;
	if (TTY_L(ISIG) && signal_char(c))
		return;
	if (c == '\r') {
		if (TTY_I(IGNCR))
			return;
		if (TTY_I(ICRNL))
			c = '\n';
	} else if (c == '\n' && TTY_I(INLCR)) {
		c = '\r';
	}
	if (!TTY_L(ICANON) || !canonical_char(c))
		put_echoed(c);
}

void tty_input(const void *buf, size_t n)
{
	const u8 *c = buf;

	tty_init();
	if (n == 0) {
		tty.hung_up = true;
		signal_send_kernel(SIGHUP);
	}
	for (size_t i = 0; i < n; i++)
		receive(c[i]);
	if (tty.echo_len > 0 && !tty.stopped)
		tty_echo_taken(console_echo(tty.echo, tty.echo_len));
	wake_all(&tty.read_wait);
}

void tty_resized(void)
{
	signal_send_kernel(SIGWINCH);
}

/* ---- what a read takes ---- */

u32 tty_available(void)
{
	return (TTY_L(ICANON) ? tty.canon : tty.head) - tty.tail;
}

/* Bytes up to `n` that lie together in the ring before pos `end`. */
static long take_run(struct uio *uio, u32 n)
{
	long done = 0;

	while (n > 0) {
		u32 run = MIN(n, TTY_BUFFER - tty.tail % TTY_BUFFER);
		long moved = uio_to(uio, tty_at(tty.tail), run);

		if (moved < 0)
			return done > 0 ? done : moved;
		tty.tail += moved;
		done += moved;
		n -= moved;
		if ((u32)moved < run)
			break;
	}
	return done;
}

long tty_take(struct uio *uio, bool *line)
{
	u32 avail = tty_available(), n = 0;
	long moved;
	bool eof;

	*line = false;
	if (!TTY_L(ICANON))
		return take_run(uio, MIN(avail, uio->resid));
	if (avail == 0)
		return 0;
	/* up to and with the line's end, if the buffer holds it; an end of file
	 * behind the last byte that fits goes with it, though it is none */
	while (n < avail && !marked(tty.tail + n))
		n++;
	eof = n < avail && *tty_at(tty.tail + n) == 0;
	*line = true;
	if (!eof)
		n++;
	if (n > uio->resid) {
		n = uio->resid;
		eof = false;
	}
	moved = take_run(uio, n);
	if (eof && (moved == (long)n))
		tty.tail++;
	return moved;
}

void tty_set_modes(const struct termios2 *t)
{
	bool was = TTY_L(ICANON);

	tty.t = *t;
	if (!was && TTY_L(ICANON)) {
		/* what is there becomes a line, so that it can be read */
		for (u32 pos = tty.tail; pos != tty.head; pos++)
			mark(pos, pos + 1 == tty.head);
		tty.canon = tty.head;
	}
	if (!TTY_I(IXON) && tty.stopped)
		tty_resume();
	wake_all(&tty.read_wait);
}
