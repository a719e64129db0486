/*
 * The host's terminal: what is behind /dev/console, and fd 0 to 2.
 */
#include <asm/fcntl.h>
#include "../../shared/abi.h"
#include "../drv/console.h"
#include "process.h"
#include "tty.h"

/* The host's descriptor where the terminal's output goes. */
static int out_fd(void)
{
	return console_kind(1) == STDIO_TTY || console_kind(2) != STDIO_TTY ? 1 : 2;
}

static long write_out(struct tty *tty, const void *buf, size_t n, u32 flags)
{
	(void)tty;
	return console_write(out_fd(), buf, n, flags & O_NONBLOCK);
}

static long echo_out(struct tty *tty, const void *buf, size_t n)
{
	(void)tty;
	return console_echo(buf, n);
}

static long write_raw(struct tty *tty, struct file *file, struct uio *uio)
{
	(void)tty;
	return console_copy_out(file, out_fd(), uio);
}

static const struct tty_driver console_driver = {
	.write = write_out,
	.echo = echo_out,
	.write_raw = write_raw,
	.size = console_size,
};

void console_tty_init(void)
{
	tty_init(&console_tty, &console_driver);
}

void tty_input(const void *buf, size_t n)
{
	console_tty_init();
	if (n == 0)
		tty_hang_up(&console_tty);
	else
		tty_receive(&console_tty, buf, n);
}

void tty_resized(void)
{
	tty_signal(&console_tty, SIGWINCH);
}
