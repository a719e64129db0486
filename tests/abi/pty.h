/*
 * A pseudo-terminal, and what is read from it.
 */
#ifndef ABI_PTY_H
#define ABI_PTY_H

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "abi.h"

static int master, slave;
static char name[64];

static void open_by(const char *ptmx)
{
	int unlock = 0;
	unsigned n;

	master = NEED(open(ptmx, O_RDWR | O_NOCTTY));
	NEED(ioctl(master, TIOCSPTLCK, &unlock));
	NEED(ioctl(master, TIOCGPTN, &n));
	snprintf(name, sizeof(name), "/dev/pts/%u", n);
	slave = NEED(open(name, O_RDWR | O_NOCTTY));
}

static void open_pair(void)
{
	open_by("/dev/ptmx");
}

static void close_pair(void)
{
	close(slave);
	close(master);
}

/* What a read gives now, printable. */
static void show_read_now(const char *who, int fd)
{
	char buf[256], text[1024];
	size_t at = 0;

	int flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	ssize_t n = read(fd, buf, sizeof(buf));
	fcntl(fd, F_SETFL, flags);
	if (n < 0) {
		show(who, -1);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		at += snprintf(text + at, sizeof(text) - at,
			       buf[i] >= ' ' && buf[i] < 127 ? "%c" : "\\%03o",
			       (unsigned char)buf[i]);
	text[at] = 0;
	say("%s: %zd \"%s\"", who, n, text);
}

static inline void show_read(const char *who, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, 200); /* Linux moves bytes by a worker */
	show_read_now(who, fd);
}

#define SEND(fd, text) SHOW(write(fd, text, strlen(text)))

#endif
