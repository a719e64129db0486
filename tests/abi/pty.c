/*
 * Pseudo-terminals: /dev/ptmx and /dev/pts. Nobody's controlling terminal, so
 * that no signals are sent.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "abi.h"

static int master, slave;
static char name[64];

static void open_pair(void)
{
	int unlock = 0;
	unsigned n;

	master = NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	NEED(ioctl(master, TIOCSPTLCK, &unlock));
	NEED(ioctl(master, TIOCGPTN, &n));
	snprintf(name, sizeof(name), "/dev/pts/%u", n);
	slave = NEED(open(name, O_RDWR | O_NOCTTY));
}

static void close_pair(void)
{
	close(slave);
	close(master);
}

static void set_raw(int min, int time)
{
	struct termios t;

	NEED(tcgetattr(slave, &t));
	t.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	t.c_oflag &= ~OPOST;
	t.c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	t.c_cc[VMIN] = min;
	t.c_cc[VTIME] = time;
	NEED(tcsetattr(slave, TCSANOW, &t));
}

/* What a read gives now, printable. */
static void show_read(const char *who, int fd)
{
	char buf[256], text[1024];
	size_t at = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, 200); /* Linux moves bytes by a worker */
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

#define SEND(fd, text) SHOW(write(fd, text, strlen(text)))

CASE(pair)
{
	int n = -1;
	struct stat st;

	master = NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	SHOW(ioctl(master, TIOCGPTLCK, &n));
	say("locked %d", n);
	CHECK(ioctl(master, TIOCGPTN, &n) == 0 && n >= 0);
	snprintf(name, sizeof(name), "/dev/pts/%d", n);
	SHOW(open(name, O_RDWR | O_NOCTTY));
	n = 0;
	SHOW(ioctl(master, TIOCSPTLCK, &n));
	slave = NEED(open(name, O_RDWR | O_NOCTTY));
	CHECK(isatty(master) && isatty(slave));
	CHECK(ptsname(master) != NULL && strcmp(ptsname(master), name) == 0);
	CHECK(ttyname(slave) != NULL && strcmp(ttyname(slave), name) == 0);
	NEED(fstat(slave, &st));
	say("slave: major %u", (unsigned)(st.st_rdev >> 8));
	NEED(fstat(master, &st));
	say("master: device %lx", (long)st.st_rdev);
	close_pair();
	SHOW(access(name, F_OK));
}

CASE(cooked)
{
	open_pair();
	SEND(master, "hello\n");
	show_read("slave", slave);
	show_read("echo", master);
	SEND(master, "ab\177c\025xyz\r");
	show_read("slave", slave);
	show_read("echo", master);
	SEND(master, "part");
	show_read("slave", slave);
	SEND(master, "\004");
	show_read("slave", slave);
	SEND(master, "\004");
	show_read("slave", slave);
	show_read("echo", master);
	SEND(slave, "one\ntwo\n");
	show_read("master", master);
	close_pair();
}

CASE(modes_by_both)
{
	struct termios a, b;

	open_pair();
	NEED(tcgetattr(slave, &a));
	say("i %x o %x c %x l %x", a.c_iflag, a.c_oflag, a.c_cflag, a.c_lflag);
	NEED(tcgetattr(master, &b));
	CHECK(a.c_lflag == b.c_lflag);
	b.c_lflag &= ~ECHO;
	SHOW(tcsetattr(master, TCSANOW, &b));
	NEED(tcgetattr(slave, &a));
	CHECK(!(a.c_lflag & ECHO));
	SEND(master, "unseen\n");
	show_read("slave", slave);
	show_read("master", master);
	close_pair();
}

CASE(raw)
{
	int n;

	open_pair();
	set_raw(1, 0);
	SEND(master, "\003x\n\r\177");
	show_read("slave", slave);
	show_read("master", master);
	SEND(slave, "a\nb\tc");
	SHOW(ioctl(master, FIONREAD, &n));
	show_read("master", master);
	SEND(master, "123");
	struct pollfd p = { .fd = slave, .events = POLLIN };
	poll(&p, 1, 200);
	SHOW(ioctl(slave, FIONREAD, &n));
	say("%d bytes", n);
	SHOW(tcflush(slave, TCIFLUSH));
	show_read("slave", slave);
	set_raw(0, 0);
	SHOW(read(slave, name, 1));
	close_pair();
}

CASE(window_size)
{
	struct winsize size = { 1, 1, 1, 1 };

	open_pair();
	SHOW(ioctl(slave, TIOCGWINSZ, &size));
	say("%u %u", size.ws_row, size.ws_col);
	size = (struct winsize){ 40, 100, 0, 0 };
	SHOW(ioctl(master, TIOCSWINSZ, &size));
	memset(&size, 0, sizeof(size));
	SHOW(ioctl(slave, TIOCGWINSZ, &size));
	say("%u %u", size.ws_row, size.ws_col);
	close_pair();
}

static short events_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	poll(&p, 1, 0);
	return p.revents;
}

CASE(slave_closes)
{
	open_pair();
	SEND(slave, "last");
	say("master %x slave %x", events_of(master), events_of(slave));
	close(slave);
	say("master %x", events_of(master));
	show_read("master", master);
	show_read("master", master);
	say("master %x", events_of(master));
	slave = NEED(open(name, O_RDWR | O_NOCTTY));
	say("master %x", events_of(master));
	show_read("master", master);
	close_pair();
}

CASE(master_closes)
{
	struct termios t;
	char c;

	open_pair();
	SEND(master, "line\n");
	close(master);
	say("slave %x", events_of(slave));
	SHOW(read(slave, &c, 1));
	SHOW(write(slave, "x", 1));
	SHOW(tcgetattr(slave, &t));
	SHOW(open(name, O_RDWR | O_NOCTTY));
	close(slave);
}

CASE(peer)
{
	int zero = 0;

	master = NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	SHOW(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	NEED(ioctl(master, TIOCSPTLCK, &zero));
	slave = NEED(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	say("cloexec %d", fcntl(slave, F_GETFD));
	SEND(master, "to the peer\n");
	show_read("slave", slave);
	close_pair();
}

CASE(several)
{
	int m[3], s[3], zero = 0;

	for (int i = 0; i < 3; i++) {
		m[i] = NEED(posix_openpt(O_RDWR | O_NOCTTY));
		NEED(grantpt(m[i]));
		NEED(unlockpt(m[i]));
		NEED(ioctl(m[i], TIOCSPTLCK, &zero));
		s[i] = NEED(open(ptsname(m[i]), O_RDWR | O_NOCTTY));
	}
	for (int i = 0; i < 3; i++)
		dprintf(s[i], "number %d", i);
	for (int i = 2; i >= 0; i--)
		show_read("master", m[i]);
	for (int i = 0; i < 3; i++) {
		close(m[i]);
		close(s[i]);
	}
}

static void *drain(void *arg)
{
	static char buf[4096];
	long *total = arg;
	ssize_t n;

	while ((n = read(master, buf, sizeof(buf))) > 0)
		*total += n;
	return NULL;
}

/* More than fits: the writer waits for the reader. */
CASE(much_output)
{
	static char text[100000];
	pthread_t thread;
	long total = 0;

	open_pair();
	set_raw(1, 0);
	memset(text, 'x', sizeof(text));
	pthread_create(&thread, NULL, drain, &total);
	long done = 0;
	while (done < (long)sizeof(text)) {
		ssize_t n = write(slave, text + done, sizeof(text) - done);
		if (n <= 0)
			break;
		done += n;
	}
	say("written %ld", done);
	close(slave);
	pthread_join(thread, NULL);
	say("read %ld", total);
	close(master);
}

CASE(wrong)
{
	int n = 0;

	open_pair();
	SHOW(ioctl(slave, TIOCGPTN, &n));
	SHOW(ioctl(slave, TIOCSPTLCK, &n));
	SHOW(ioctl(master, TIOCGPTN, bad_ptr()));
	SHOW(ioctl(master, TIOCSPTLCK, bad_ptr()));
	SHOW(lseek(master, 0, SEEK_SET));
	SHOW(lseek(slave, 0, SEEK_SET));
	SHOW(read(slave, bad_ptr(), 0));
	SHOW(open("/dev/pts/9999", O_RDWR));
	close_pair();
}
