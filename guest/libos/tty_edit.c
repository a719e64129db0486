/*
 * The line discipline's screen: output processing, the echo of what is typed,
 * and taking it back. Linux: drivers/tty/n_tty.c.
 */
#include "tty_line.h"

static bool continues(struct tty *tty, u8 c) /* a further byte of a character in UTF-8 */
{
	return TTY_I(IUTF8) && (c & 0xc0) == 0x80;
}

/* ---- output ---- */

static unsigned spaces(char *out, unsigned n)
{
	memset(out, ' ', n);
	return n;
}

unsigned tty_process(struct tty *tty, u8 c, char *out)
{
	out[0] = c;
	if (!TTY_O(OPOST))
		return 1;
	switch (c) {
	case '\n':
		if (TTY_O(ONLRET))
			tty->column = 0;
		if (!TTY_O(ONLCR))
			return 1;
		tty->column = 0;
		out[0] = '\r';
		out[1] = '\n';
		return 2;
	case '\r':
		if (TTY_O(ONOCR) && tty->column == 0)
			return 0;
		if (!TTY_O(OCRNL) || TTY_O(ONLRET))
			tty->column = 0;
		if (TTY_O(OCRNL))
			out[0] = '\n';
		return 1;
	case '\t': {
		unsigned n = 8 - (tty->column & 7);

		tty->column += n;
		return TTY_O(TABDLY) == XTABS ? spaces(out, n) : 1;
	}
	case '\b':
		tty->column -= tty->column > 0;
		return 1;
	}
	if (!tty_is_control(c) && !continues(tty, c))
		tty->column++;
	if (TTY_O(OLCUC) && c >= 'a' && c <= 'z')
		out[0] = c - 'a' + 'A';
	return 1;
}

/* ---- echo ---- */

static void echo_bytes(struct tty *tty, const char *text, unsigned n)
{
	if (tty->echo_len + n <= TTY_ECHO) {
		memcpy(tty->echo + tty->echo_len, text, n);
		tty->echo_len += n;
	}
}

void tty_echo_raw(struct tty *tty, u8 c)
{
	char out[8];

	echo_bytes(tty, out, tty_process(tty, c, out));
}

void tty_echo_text(struct tty *tty, const char *text)
{
	while (*text != 0)
		tty_echo_raw(tty, *text++);
}

void tty_echo_char(struct tty *tty, u8 c)
{
	if (TTY_L(ECHOCTL) && tty_is_control(c) && c != '\t') {
		char out[2] = { '^', c ^ 0100 };

		echo_bytes(tty, out, 2);
		tty->column += 2;
	} else {
		tty_echo_raw(tty, c);
	}
}

void tty_echo_taken(struct tty *tty, long n)
{
	if (n <= 0)
		return;
	tty->echo_len -= n;
	memmove(tty->echo, tty->echo + n, tty->echo_len);
}

void tty_flush_echo(struct tty *tty)
{
	while (tty->echo_len > 0 && !tty->stopped) {
		u8 copy[128]; /* more may be echoed while the write waits */
		unsigned n = MIN(tty->echo_len, sizeof(copy));

		memcpy(copy, tty->echo, n);
		tty_echo_taken(tty, n);
		if (tty->driver->write(tty, copy, n, 0) < 0)
			break;
	}
}

/* ---- editing ---- */

/* Backspaces over a tab: back to where the character before it ended. */
static void erase_tab(struct tty *tty)
{
	u32 pos = tty->head, width = 0;
	bool after_tab = false;

	while (pos != tty->canon) {
		u8 c = *tty_at(tty, --pos);

		if (c == '\t') {
			after_tab = true;
			break;
		}
		if (tty_is_control(c))
			width += TTY_L(ECHOCTL) ? 2 : 0;
		else if (!continues(tty, c))
			width++;
	}
	if (!after_tab)
		width += tty->line_column;
	for (width = 8 - (width & 7); width > 0; width--)
		tty_echo_raw(tty, '\b');
}

static void erase_echo(struct tty *tty, u8 c)
{
	if (c == '\t') {
		erase_tab(tty);
		return;
	}
	if (tty_is_control(c) && TTY_L(ECHOCTL))
		tty_echo_text(tty, "\b \b");
	if (!tty_is_control(c) || TTY_L(ECHOCTL))
		tty_echo_text(tty, "\b \b");
}

static bool is_word(u8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c >= 0xc0;
}

/* Takes the last character (all its bytes) off the line; its first byte, or -1
 * when there is no whole one. */
static int last_char(struct tty *tty, u32 *pos)
{
	u32 p = tty->head;

	if (p == tty->canon)
		return -1;
	do
		p--;
	while (continues(tty, *tty_at(tty, p)) && p != tty->canon);
	if (continues(tty, *tty_at(tty, p)))
		return -1;
	*pos = p;
	return *tty_at(tty, p);
}

void tty_erase_char(struct tty *tty)
{
	u32 pos;
	int c = last_char(tty, &pos);

	if (c < 0)
		return;
	tty->head = pos;
	if (TTY_L(ECHO) && !TTY_L(ECHOE))
		tty_echo_char(tty, TTY_CC(VERASE));
	else if (TTY_L(ECHO))
		erase_echo(tty, c);
}

void tty_erase_word(struct tty *tty)
{
	bool in_word = false;
	u32 pos;
	int c;

	while ((c = last_char(tty, &pos)) >= 0) {
		if (is_word(c))
			in_word = true;
		else if (in_word)
			break;
		tty->head = pos;
		if (TTY_L(ECHO))
			erase_echo(tty, c);
	}
}

void tty_erase_line(struct tty *tty)
{
	u32 pos;
	int c;

	if (tty->head == tty->canon)
		return;
	if (TTY_L(ECHO) && (!TTY_L(ECHOK) || !TTY_L(ECHOKE) || !TTY_L(ECHOE))) {
		tty_echo_char(tty, TTY_CC(VKILL));
		if (TTY_L(ECHOK))
			tty_echo_raw(tty, '\n');
	}
	while ((c = last_char(tty, &pos)) >= 0) {
		tty->head = pos;
		if (TTY_L(ECHO) && TTY_L(ECHOK) && TTY_L(ECHOKE) && TTY_L(ECHOE))
			erase_echo(tty, c);
	}
	tty->head = tty->canon;
}

void tty_reprint(struct tty *tty)
{
	tty_echo_char(tty, TTY_CC(VREPRINT));
	tty_echo_raw(tty, '\n');
	for (u32 pos = tty->canon; pos != tty->head; pos++)
		tty_echo_char(tty, *tty_at(tty, pos));
}
