/*
 * Terminals: what the line discipline (tty.c) and its files (tty_file.c) share,
 * and what is behind them: the host's terminal (console_tty.c), or a program
 * (pty.c).
 */
#ifndef LIBOS_TTY_H
#define LIBOS_TTY_H

#include <asm/termbits.h>
#include <asm/termios.h>
#include "file.h"

#define TTY_BUFFER 4096 /* input not yet read; a line is at most one less */
#define TTY_ECHO   1024

struct tty;

/* What is at a terminal's other end. */
struct tty_driver {
	/* Puts out n bytes, processed; may wait, unless O_NONBLOCK is in flags.
	 * How many, or -errno. */
	long (*write)(struct tty *tty, const void *buf, size_t n, u32 flags);
	/* As many bytes of echo as can be put out without waiting. */
	long (*echo)(struct tty *tty, const void *buf, size_t n);
	/* Of output that needs no processing; NULL: as any other. */
	long (*write_raw)(struct tty *tty, struct file *file, struct uio *uio);
	void (*read_some)(struct tty *tty); /* room for input, or NULL */
	void (*tell)(struct tty *tty, u8 event); /* one of TIOCPKT_*, or NULL */
	void (*size)(u16 *rows, u16 *columns); /* when nobody has set one, or NULL */
};

struct tty {
	const struct tty_driver *driver;
	struct termios2 t;
	/* Input: buf[tail..head), positions modulo TTY_BUFFER; in canonical mode
	 * what lies before `canon` is whole lines, whose ends are marked. */
	u32 tail, canon, head;
	u8 buf[TTY_BUFFER];
	u64 marks[TTY_BUFFER / 64];
	u32 column; /* of the cursor, as far as output tells */
	u32 line_column; /* where the input line began, for erasing tabs */
	bool lnext; /* the next byte is literal (VLNEXT) */
	bool stopped; /* VSTOP, or */
	bool held; /* TCOOFF: until TCOON */
	bool hung_up; /* the host's terminal is gone */
	u32 echo_len; /* echo that waits for the console */
	u8 echo[TTY_ECHO];
	int pgrp, session; /* in the foreground; whose terminal it is, or 0 */
	struct winsize size; /* as set by TIOCSWINSZ; 0: ask the driver */
	struct waitq read_wait, resume_wait;
};

extern struct tty console_tty; /* the host's */
void console_tty_init(void); /* idempotent */

void tty_init(struct tty *tty, const struct tty_driver *driver); /* default modes; idempotent */
/* The terminal of the current process's session, or NULL. */
struct tty *tty_controlling(void);
/* A signal to who is in the foreground. */
void tty_signal(struct tty *tty, int sig);
/* What comes from the other end: to be read, or to do something. */
void tty_receive(struct tty *tty, const void *buf, size_t n);
/* Nobody is at the other end any more. */
void tty_hang_up(struct tty *tty);
bool tty_canonical(struct tty *tty);
/* Moves input that a read may have now. Bytes, 0, -EFAULT; *line: in canonical
 * mode the line ended (with an end of file perhaps, and no byte). */
long tty_take(struct tty *tty, struct uio *uio, bool *line);
u32 tty_available(struct tty *tty); /* bytes that a read would find */
/* One byte of output processing: bytes put to out (at most 8). */
unsigned tty_process(struct tty *tty, u8 c, char *out);
void tty_flush_echo(struct tty *tty); /* may wait: from a thread only */
void tty_flush_input(struct tty *tty);
void tty_flush_output(struct tty *tty); /* which is out already */
void tty_set_modes(struct tty *tty, const struct termios2 *t);
void tty_stop(struct tty *tty);
void tty_resume(struct tty *tty); /* unless it is held */

/* The host's terminal, as fd 0, 1, 2 and behind /dev/tty and /dev/console. */
extern const struct file_ops tty_ops;
/* Of any terminal: file->priv is the struct tty, NULL the host's. tty_file.c */
long tty_read(struct file *file, struct uio *uio, u64 *pos);
long tty_write(struct file *file, struct uio *uio, u64 *pos);
u32 tty_poll(struct file *file, struct poll_table *table);
long tty_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
/* Modes, size and session: also by the other end of a pseudo-terminal. */
long tty_modes_ioctl(struct tty *tty, unsigned int cmd, unsigned long arg);
/* The host's streams that are not a terminal; file->priv is the host's
 * descriptor number. stdio.c */
extern const struct file_ops console_ops;
/* Writes through a bounded copy; file->flags' O_NONBLOCK counts. */
long console_copy_out(struct file *file, int out, struct uio *uio);

#endif
