/*
 * The terminal: what the line discipline (tty.c) and its files (tty_file.c)
 * share.
 */
#ifndef LIBOS_TTY_H
#define LIBOS_TTY_H

#include <asm/termbits.h>
#include <asm/termios.h>
#include "file.h"

#define TTY_BUFFER 4096 /* input not yet read; a line is at most one less */
#define TTY_ECHO   1024

struct tty {
	struct termios2 t;
	/* Input: buf[tail..head), positions modulo TTY_BUFFER; in canonical mode
	 * what lies before `canon` is whole lines, whose ends are marked. */
	u32 tail, canon, head;
	u8 buf[TTY_BUFFER];
	u64 marks[TTY_BUFFER / 64];
	u32 column; /* of the cursor, as far as output tells */
	u32 line_column; /* where the input line began, for erasing tabs */
	bool lnext; /* the next byte is literal (VLNEXT) */
	bool stopped; /* VSTOP */
	bool hung_up; /* the host's terminal is gone */
	u32 echo_len; /* echo that waits for the console */
	u8 echo[TTY_ECHO];
	int pgrp, session; /* in the foreground; whose terminal it is, or 0 */
	struct winsize size; /* as set by TIOCSWINSZ; 0: ask the host */
	struct waitq read_wait, resume_wait;
};

extern struct tty tty;

void tty_init(void); /* default modes; idempotent */
bool tty_canonical(void);
/* Moves input that a read may have now. Bytes, 0, -EFAULT; *line: in canonical
 * mode the line ended (with an end of file perhaps, and no byte). */
long tty_take(struct uio *uio, bool *line);
u32 tty_available(void); /* bytes that a read would find */
/* One byte of output processing: bytes put to out (at most 8). */
unsigned tty_process(u8 c, char *out);
void tty_flush_echo(void); /* may wait: from a thread only */
void tty_flush_input(void);
void tty_set_modes(const struct termios2 *t);
void tty_resume(void);

/* The terminal, as fd 0, 1, 2 and behind /dev/tty and /dev/console. */
extern const struct file_ops tty_ops;
/* The host's streams that are not a terminal; file->priv is the host's
 * descriptor number. stdio.c */
extern const struct file_ops console_ops;
/* Writes through a bounded copy; file->flags' O_NONBLOCK counts. */
long console_copy_out(struct file *file, int out, struct uio *uio);

#endif
