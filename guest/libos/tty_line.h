/*
 * Between the two halves of the line discipline: tty.c takes input, tty_edit.c
 * shows and edits the line.
 */
#ifndef LIBOS_TTY_LINE_H
#define LIBOS_TTY_LINE_H

#include "tty.h"

#define TTY_CC(name) (tty->t.c_cc[name])
#define TTY_I(flag)  (tty->t.c_iflag & (flag))
#define TTY_O(flag)  (tty->t.c_oflag & (flag))
#define TTY_L(flag)  (tty->t.c_lflag & (flag))

static inline bool tty_is_control(u8 c)
{
	return c < 0x20 || c == 0x7f;
}
static inline u8 *tty_at(struct tty *tty, u32 pos)
{
	return &tty->buf[pos % TTY_BUFFER];
}

/* Echo: shown when the console takes it. */
void tty_echo_raw(struct tty *tty, u8 c);
void tty_echo_char(struct tty *tty, u8 c); /* control characters as ^X */
void tty_echo_text(struct tty *tty, const char *text);
void tty_echo_taken(struct tty *tty, long n); /* the console has taken so much */

void tty_erase_char(struct tty *tty);
void tty_erase_word(struct tty *tty);
void tty_erase_line(struct tty *tty);
void tty_reprint(struct tty *tty);

#endif
