/*
 * The host's standard input, output and error (virtio-console, or the serial
 * port where there is no virtio console). Bytes only: the terminal's line
 * discipline is guest/libos/tty.c.
 */
#ifndef DRV_CONSOLE_H
#define DRV_CONSOLE_H

#include "../libos/lib.h"
#include "../libos/sched.h"

/* shared/abi.h STDIO_*: what the host has at descriptor 0, 1 or 2. */
unsigned console_kind(int fd);

/*
 * Writes to the host's descriptor 1 or 2 (`out`), waiting as long as the host
 * makes it wait. Bytes written (short only after a signal or an error), or
 * -errno as the host gave it: -EPIPE, -ENOSPC, -EIO; -EINTR before any byte;
 * -EAGAIN with nonblock. The buffer is library-OS memory.
 */
long console_write(int out, const void *buf, size_t n, bool nonblock);

/* Output from event context (the terminal's echo): never waits, so that it may
 * take less than n bytes, or none. How many it took. */
long console_echo(const void *buf, size_t n);

/*
 * Reads what one read() of the host's descriptor 0 gives, at most n bytes:
 * bytes, 0 at the end of file, -EINTR, -EAGAIN (nonblock; a read of one byte
 * is then left waiting in the host, so that console_poll_in() can tell).
 */
long console_read(void *buf, size_t n, bool nonblock);

/* True when console_read() would not wait. Asks the host for one byte. */
bool console_poll_in(void);

/* Woken when input has come, and when a write has completed. */
extern struct waitq console_in_wait, console_out_wait;

/* Rows and columns; 0 where the host has no terminal. tty.c supplies
 * tty_resized() (sends SIGWINCH), called when they change. */
void console_size(u16 *rows, u16 *cols);

/* At boot: asks for the terminal's input. */
void console_start(void);

/* guest/libos/tty.c: input of a terminal, in event context; and word that
 * the terminal's size has changed. */
void tty_input(const void *buf, size_t n);
void tty_resized(void);

#endif
