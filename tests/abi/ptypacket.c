/*
 * Pseudo-terminals in packet mode: what their master is told of the slave.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

#include "abi.h"
#include "pty.h"

/* What has happened to the slave, or what it shows. */
static void show_packet(int events)
{
	struct pollfd p = { .fd = master, .events = POLLIN | POLLPRI };

	if (events) { /* Linux may only be about to see what it was sent */
		p.events = events;
		poll(&p, 1, 2000);
		p.events = POLLIN | POLLPRI;
	}
	poll(&p, 1, 0);
	say("poll %x", p.revents);
	show_read_now("packet", master);
}

static void set_packet(int on)
{
	SHOW(ioctl(master, TIOCPKT, &on));
	on = -1;
	SHOW(ioctl(master, TIOCGPKT, &on));
	say("packet mode %d", on);
}

CASE(data)
{
	char c[2] = "";

	open_pair();
	SEND(slave, "before");
	set_packet(1);
	show_packet(POLLIN);
	SEND(slave, "more"); /* a newline might come in a read of its own */
	show_packet(POLLIN);
	show_packet(0);
	SEND(slave, "xyz");
	struct pollfd p = { .fd = master, .events = POLLIN };
	poll(&p, 1, 200);
	SHOW(read(master, c, 0));
	SHOW(read(master, c, 1));
	say("byte %d", c[0]);
	SHOW(read(master, c, 2));
	say("bytes %d %c", c[0], c[1]);
	set_packet(7);
	show_packet(POLLIN);
	set_packet(0);
	SEND(slave, "plain");
	show_read("plain", master);
	close_pair();
}

CASE(events)
{
	struct termios t, old;

	open_pair();
	SHOW(tcflow(slave, TCOOFF));
	SHOW(tcflow(slave, TCOON));
	set_packet(1); /* what was before it is not told */
	show_packet(0);
	SEND(master, "\023");
	show_packet(POLLPRI);
	SEND(master, "\023\021");
	show_packet(POLLPRI);
	SHOW(tcflow(slave, TCOOFF));
	show_packet(POLLPRI);
	SEND(master, "\021");
	show_packet(0);
	SHOW(tcflow(slave, TCOON));
	show_packet(POLLPRI);
	SHOW(tcflush(slave, TCIFLUSH));
	show_packet(POLLPRI);
	SHOW(tcflush(slave, TCOFLUSH));
	show_packet(POLLPRI);
	SHOW(tcflush(slave, TCIOFLUSH));
	show_packet(POLLPRI);
	NEED(tcgetattr(slave, &old));
	t = old;
	t.c_iflag &= ~IXON;
	SHOW(tcsetattr(slave, TCSANOW, &t));
	show_packet(POLLPRI);
	SHOW(tcsetattr(slave, TCSANOW, &t));
	show_packet(0);
	SHOW(tcsetattr(master, TCSANOW, &old));
	show_packet(POLLPRI);
	t = old;
	t.c_cc[VSTOP] = 'x';
	SHOW(tcsetattr(slave, TCSAFLUSH, &t));
	show_packet(POLLPRI);
	SHOW(tcsetattr(slave, TCSANOW, &old));
	SHOW(tcsetattr(slave, TCSANOW, &t));
	show_packet(POLLPRI);
	SEND(master, "\003");
	usleep(50000); /* Linux flushes one after the other, and then echoes */
	show_packet(POLLPRI);
	show_packet(POLLIN);
	close_pair();
}

/* What has happened comes first, and a read ends with it. */
CASE(order)
{
	int on = 1;

	open_pair();
	SHOW(ioctl(master, TIOCPKT, &on));
	SEND(slave, "text");
	SHOW(tcflush(slave, TCIFLUSH));
	show_packet(POLLPRI);
	show_packet(POLLIN);
	SHOW(tcflush(slave, TCIFLUSH));
	SHOW(ioctl(master, TIOCPKT, &on));
	show_packet(POLLPRI);
	SHOW(tcflush(slave, TCIFLUSH));
	on = 0;
	SHOW(ioctl(master, TIOCPKT, &on));
	show_packet(0);
	on = 1;
	SHOW(ioctl(master, TIOCPKT, &on));
	show_packet(0);
	SEND(slave, "last");
	close(slave);
	show_packet(POLLIN);
	show_packet(0);
	close(master);
}

/* Lines are edited at the other end, which is told of changes of the modes. */
CASE(extproc)
{
	struct termios t;
	int on = 1;

	open_pair();
	NEED(ioctl(master, TIOCPKT, &on));
	NEED(tcgetattr(slave, &t));
	t.c_lflag |= EXTPROC;
	SHOW(tcsetattr(slave, TCSANOW, &t));
	show_packet(POLLPRI);
	SEND(master, "ab\177\003c");
	show_read("slave", slave);
	show_packet(0);
	t.c_lflag &= ~ECHO;
	SHOW(tcsetattr(slave, TCSANOW, &t));
	show_packet(POLLPRI);
	t.c_lflag &= ~EXTPROC;
	SHOW(tcsetattr(slave, TCSANOW, &t));
	show_packet(POLLPRI);
	SEND(master, "ab\177c\n");
	show_read("slave", slave);
	close_pair();
}

CASE(by_select_and_epoll)
{
	struct epoll_event e = { .events = EPOLLPRI };
	struct timeval soon = { 2, 0 };
	int on = 1, ep = NEED(epoll_create1(0));
	fd_set set;

	open_pair();
	NEED(ioctl(master, TIOCPKT, &on));
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, master, &e));
	SHOW(epoll_wait(ep, &e, 1, 0));
	SHOW(tcflush(slave, TCIFLUSH));
	SHOW(epoll_wait(ep, &e, 1, 2000));
	say("events %x", e.events);
	FD_ZERO(&set);
	FD_SET(master, &set);
	SHOW(select(master + 1, NULL, NULL, &set, &soon));
	show_packet(0);
	SHOW(epoll_wait(ep, &e, 1, 0));
	close(ep);
	close_pair();
}

CASE(errors)
{
	int on = 1;

	open_pair();
	SHOW(ioctl(slave, TIOCPKT, &on));
	SHOW(ioctl(slave, TIOCGPKT, &on));
	SHOW(ioctl(master, TIOCPKT, bad_ptr()));
	SHOW(ioctl(master, TIOCGPKT, bad_ptr()));
	SHOW(ioctl(master, TIOCPKT, &on));
	struct pollfd p = { .fd = master, .events = POLLIN };
	SEND(slave, "x");
	poll(&p, 1, 200);
	SHOW(read(master, bad_ptr(), 10));
	SHOW(tcflush(slave, TCIFLUSH));
	SHOW(read(master, bad_ptr(), 10));
	close_pair();
}
