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
#include "tty.h"
#include <asm/signal.h>
#include "../drv/console.h"
#include "process.h"

struct tty tty;

#define CC(name) (tty.t.c_cc[name])
#define I(flag) (tty.t.c_iflag & (flag))
#define O(flag) (tty.t.c_oflag & (flag))
#define L(flag) (tty.t.c_lflag & (flag))

static bool is_char(u8 c, unsigned name)
{
	return CC(name) != 0 && c == CC(name); /* 0: disabled */
}

static bool is_control(u8 c)
{
	return c < 0x20 || c == 0x7f;
}

static bool continues(u8 c) /* a further byte of a character in UTF-8 */
{
	return I(IUTF8) && (c & 0xc0) == 0x80;
}

static u8 *at(u32 pos)
{
	return &tty.buf[pos % TTY_BUFFER];
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
		.c_cc = { [VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21,
			  [VEOF] = 4, [VMIN] = 1, [VSTART] = 17, [VSTOP] = 19,
			  [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15,
			  [VWERASE] = 23, [VLNEXT] = 22 },
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
	return L(ICANON);
}

/* ---- output ---- */

static unsigned spaces(char *out, unsigned n)
{
	memset(out, ' ', n);
	return n;
}

unsigned tty_process(u8 c, char *out)
{
	out[0] = c;
	if (!O(OPOST))
		return 1;
	switch (c) {
	case '\n':
		if (O(ONLRET))
			tty.column = 0;
		if (!O(ONLCR))
			return 1;
		tty.column = 0;
		out[0] = '\r';
		out[1] = '\n';
		return 2;
	case '\r':
		if (O(ONOCR) && tty.column == 0)
			return 0;
		if (!O(OCRNL) || O(ONLRET))
			tty.column = 0;
		if (O(OCRNL))
			out[0] = '\n';
		return 1;
	case '\t': {
		unsigned n = 8 - (tty.column & 7);

		tty.column += n;
		return O(TABDLY) == XTABS ? spaces(out, n) : 1;
	}
	case '\b':
		tty.column -= tty.column > 0;
		return 1;
	}
	if (!is_control(c) && !continues(c))
		tty.column++;
	if (O(OLCUC) && c >= 'a' && c <= 'z')
		out[0] = c - 'a' + 'A';
	return 1;
}

/* ---- echo ---- */

static void echo_bytes(const char *text, unsigned n)
{
	if (tty.echo_len + n <= TTY_ECHO) {
		memcpy(tty.echo + tty.echo_len, text, n);
		tty.echo_len += n;
	}
}

static void echo_raw(u8 c)
{
	char out[8];

	echo_bytes(out, tty_process(c, out));
}

static void echo_text(const char *text)
{
	while (*text != 0)
		echo_raw(*text++);
}

static void echo_char(u8 c)
{
	if (L(ECHOCTL) && is_control(c) && c != '\t') {
		char out[2] = { '^', c ^ 0100 };

		echo_bytes(out, 2);
		tty.column += 2;
	} else {
		echo_raw(c);
	}
}

static void echo_taken(long n)
{
	if (n <= 0)
		return;
	tty.echo_len -= n;
	memmove(tty.echo, tty.echo + n, tty.echo_len);
}

void tty_flush_echo(void)
{
	while (tty.echo_len > 0 && !tty.stopped) {
		u8 copy[128]; /* more may be echoed while the write waits */
		unsigned n = MIN(tty.echo_len, sizeof(copy));

		memcpy(copy, tty.echo, n);
		echo_taken(n);
		if (console_write(1, copy, n, false) < 0)
			break;
	}
}

/* ---- editing ---- */

/* Backspaces over a tab: back to where the character before it ended. */
static void erase_tab(void)
{
	u32 pos = tty.head, width = 0;
	bool after_tab = false;

	while (pos != tty.canon) {
		u8 c = *at(--pos);

		if (c == '\t') {
			after_tab = true;
			break;
		}
		if (is_control(c))
			width += L(ECHOCTL) ? 2 : 0;
		else if (!continues(c))
			width++;
	}
	if (!after_tab)
		width += tty.line_column;
	for (width = 8 - (width & 7); width > 0; width--)
		echo_raw('\b');
}

static void erase_echo(u8 c)
{
	if (c == '\t') {
		erase_tab();
		return;
	}
	if (is_control(c) && L(ECHOCTL))
		echo_text("\b \b");
	if (!is_control(c) || L(ECHOCTL))
		echo_text("\b \b");
}

static bool is_word(u8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c >= 0xc0;
}

/* Takes the last character (all its bytes) off the line; its first byte, or -1
 * when there is no whole one. */
static int last_char(u32 *pos)
{
	u32 p = tty.head;

	if (p == tty.canon)
		return -1;
	do
		p--;
	while (continues(*at(p)) && p != tty.canon);
	if (continues(*at(p)))
		return -1;
	*pos = p;
	return *at(p);
}

static void erase_char(void)
{
	u32 pos;
	int c = last_char(&pos);

	if (c < 0)
		return;
	tty.head = pos;
	if (L(ECHO) && !L(ECHOE))
		echo_char(CC(VERASE));
	else if (L(ECHO))
		erase_echo(c);
}

static void erase_word(void)
{
	bool in_word = false;
	u32 pos;
	int c;

	while ((c = last_char(&pos)) >= 0) {
		if (is_word(c))
			in_word = true;
		else if (in_word)
			break;
		tty.head = pos;
		if (L(ECHO))
			erase_echo(c);
	}
}

static void erase_line(void)
{
	u32 pos;
	int c;

	if (tty.head == tty.canon)
		return;
	if (L(ECHO) && (!L(ECHOK) || !L(ECHOKE) || !L(ECHOE))) {
		echo_char(CC(VKILL));
		if (L(ECHOK))
			echo_raw('\n');
	}
	while ((c = last_char(&pos)) >= 0) {
		tty.head = pos;
		if (L(ECHO) && L(ECHOK) && L(ECHOKE) && L(ECHOE))
			erase_echo(c);
	}
	tty.head = tty.canon;
}

static void reprint(void)
{
	echo_char(CC(VREPRINT));
	echo_raw('\n');
	for (u32 pos = tty.canon; pos != tty.head; pos++)
		echo_char(*at(pos));
}

/* ---- input ---- */

/* A line's last free byte is kept for its end. */
static void put(u8 c, bool end)
{
	u32 used = tty.head - tty.tail, room = TTY_BUFFER - 1 + (end || !L(ICANON));

	if (used >= room) {
		if (I(IMAXBEL))
			echo_raw('\a');
		return;
	}
	*at(tty.head) = c;
	mark(tty.head, end);
	tty.head++;
	if (end)
		tty.canon = tty.head;
}

static void put_echoed(u8 c)
{
	if (L(ECHO)) {
		if (tty.head == tty.canon)
			tty.line_column = tty.column;
		if (c == '\n')
			echo_raw(c);
		else
			echo_char(c);
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
	int sig = is_char(c, VINTR)   ? SIGINT
		  : is_char(c, VQUIT) ? SIGQUIT
		  : is_char(c, VSUSP) ? SIGTSTP
				      : 0;

	if (sig == 0)
		return false;
	signal_send_kernel(sig);
	if (!L(NOFLSH))
		tty_flush_input();
	if (I(IXON))
		tty_resume();
	if (L(ECHO))
		echo_char(c);
	return true;
}

/* Editing and line ends: canonical mode only. */
static bool canonical_char(u8 c)
{
	if (is_char(c, VERASE)) {
		erase_char();
	} else if (is_char(c, VKILL)) {
		erase_line();
	} else if (is_char(c, VWERASE) && L(IEXTEN)) {
		erase_word();
	} else if (is_char(c, VLNEXT) && L(IEXTEN)) {
		tty.lnext = true;
		if (L(ECHO) && L(ECHOCTL))
			echo_text("^\b");
	} else if (is_char(c, VREPRINT) && L(ECHO) && L(IEXTEN)) {
		reprint();
	} else if (c == '\n') {
		if (L(ECHO | ECHONL))
			echo_raw('\n');
		put(c, true);
	} else if (is_char(c, VEOF)) {
		put(0, true);
	} else if (is_char(c, VEOL) || (is_char(c, VEOL2) && L(IEXTEN))) {
		if (L(ECHO))
			echo_char(c);
		put(c, true);
	} else {
		return false;
	}
	return true;
}

static void receive(u8 c)
{
	if (I(ISTRIP))
		c &= 0x7f;
	if (tty.lnext) {
		tty.lnext = false;
		put_echoed(c);
		return;
	}
	if (I(IXON) && is_char(c, VSTOP)) {
		tty.stopped = true;
		return;
	}
	if (tty.stopped && I(IXON) && (is_char(c, VSTART) || I(IXANY)))
		tty_resume();
	if (I(IXON) && is_char(c, VSTART))
		return;
	if (L(ISIG) && signal_char(c))
		return;
	if (c == '\r') {
		if (I(IGNCR))
			return;
		if (I(ICRNL))
			c = '\n';
	} else if (c == '\n' && I(INLCR)) {
		c = '\r';
	}
	if (!L(ICANON) || !canonical_char(c))
		put_echoed(c);
}

/* Where the driver cannot take output in event context, echo waits for a
 * thread. */
__attribute__((weak)) long console_echo(const void *buf, size_t n)
{
	(void)buf;
	(void)n;
	return 0;
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
		echo_taken(console_echo(tty.echo, tty.echo_len));
	wake_all(&tty.read_wait);
}

void tty_resized(void)
{
	signal_send_kernel(SIGWINCH);
}

/* ---- what a read takes ---- */

u32 tty_available(void)
{
	return (L(ICANON) ? tty.canon : tty.head) - tty.tail;
}

/* Bytes up to `n` that lie together in the ring before pos `end`. */
static long take_run(struct uio *uio, u32 n)
{
	long done = 0;

	while (n > 0) {
		u32 run = MIN(n, TTY_BUFFER - tty.tail % TTY_BUFFER);
		long moved = uio_to(uio, at(tty.tail), run);

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
	if (!L(ICANON))
		return take_run(uio, MIN(avail, uio->resid));
	if (avail == 0)
		return 0;
	/* up to and with the line's end, if the buffer holds it; an end of file
	 * behind the last byte that fits goes with it, though it is none */
	while (n < avail && !marked(tty.tail + n))
		n++;
	eof = n < avail && *at(tty.tail + n) == 0;
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
	bool was = L(ICANON);

	tty.t = *t;
	if (!was && L(ICANON)) {
		/* what is there becomes a line, so that it can be read */
		for (u32 pos = tty.tail; pos != tty.head; pos++)
			mark(pos, pos + 1 == tty.head);
		tty.canon = tty.head;
	}
	if (!I(IXON) && tty.stopped)
		tty_resume();
	wake_all(&tty.read_wait);
}
