/*
 * epoll over pipes, eventfds, sockets and itself.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define MS 1000000

static int ctl(int ep, int op, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	return epoll_ctl(ep, op, fd, &e);
}

/* What is ready now, as offsets from a descriptor. */
static void show_wait(int ep, int base, int most)
{
	struct epoll_event e[20];
	int n = epoll_wait(ep, e, most, 0);

	show("epoll_wait", n);
	for (int i = 0; i < n; i++)
		say("  %d: %#x", e[i].data.fd - base, e[i].events);
}

static void drain(int fd)
{
	char buf[100];

	NEED(read(fd, buf, sizeof(buf)));
}

/* ---- levels and edges ---- */

CASE(level)
{
	int ep = NEED(epoll_create1(0)), p[2];

	NEED(pipe(p));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	show_wait(ep, p[0], 10);
	NEED(write(p[1], "x", 1));
	show_wait(ep, p[0], 10);
	show_wait(ep, p[0], 10);
	drain(p[0]);
	show_wait(ep, p[0], 10);
	NEED(write(p[1], "x", 1));
	NEED(write(p[1], "x", 1));
	show_wait(ep, p[0], 10);
	close(p[1]);
	show_wait(ep, p[0], 10);
	drain(p[0]);
	show_wait(ep, p[0], 10);
	SHOW(ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	show_wait(ep, p[0], 10);
	close(p[0]);
	close(ep);
}

CASE(edge)
{
	int ep = NEED(epoll_create1(0)), p[2];

	NEED(pipe(p));
	NEED(write(p[1], "x", 1));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET));
	/* ready when added: one event */
	show_wait(ep, p[0], 10);
	show_wait(ep, p[0], 10);
	drain(p[0]);
	show_wait(ep, p[0], 10);
	NEED(write(p[1], "x", 1));
	show_wait(ep, p[0], 10);
	show_wait(ep, p[0], 10);
	/* changing it looks again */
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET));
	show_wait(ep, p[0], 10);
	show_wait(ep, p[0], 10);
	drain(p[0]);
	/* written and read before the wait: nothing */
	NEED(write(p[1], "x", 1));
	drain(p[0]);
	show_wait(ep, p[0], 10);
	close(p[0]);
	close(p[1]);
	close(ep);
}

CASE(edge_eventfd)
{
	int ep = NEED(epoll_create1(0)), fd = NEED(eventfd(0, EFD_NONBLOCK));

	SHOW(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET));
	show_wait(ep, fd, 10);
	for (int i = 0; i < 3; i++) {
		NEED(eventfd_write(fd, 1));
		/* each write is an edge, without a read between */
		show_wait(ep, fd, 10);
		show_wait(ep, fd, 10);
	}
	close(fd);
	close(ep);
}

CASE(oneshot)
{
	int ep = NEED(epoll_create1(0)), p[2];

	NEED(pipe(p));
	NEED(write(p[1], "x", 1));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLONESHOT));
	show_wait(ep, p[0], 10);
	show_wait(ep, p[0], 10);
	NEED(write(p[1], "x", 1));
	show_wait(ep, p[0], 10);
	close(p[1]);
	show_wait(ep, p[0], 10);
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT));
	show_wait(ep, p[0], 10);
	show_wait(ep, p[0], 10);
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	close(p[0]);
	close(ep);
}

CASE(interest_changes)
{
	int ep = NEED(epoll_create1(0)), s[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	SHOW(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN));
	show_wait(ep, s[0], 10);
	SHOW(ctl(ep, EPOLL_CTL_MOD, s[0], EPOLLIN | EPOLLOUT));
	show_wait(ep, s[0], 10);
	NEED(write(s[1], "x", 1));
	show_wait(ep, s[0], 10);
	SHOW(ctl(ep, EPOLL_CTL_MOD, s[0], 0));
	show_wait(ep, s[0], 10);
	SHOW(ctl(ep, EPOLL_CTL_MOD, s[0], EPOLLIN));
	show_wait(ep, s[0], 10);
	/* errors and hang-ups are told unasked */
	SHOW(ctl(ep, EPOLL_CTL_MOD, s[0], 0));
	close(s[1]);
	show_wait(ep, s[0], 10);
	close(s[0]);
	close(ep);
}

/* ---- several ---- */

CASE(turns)
{
	int ep = NEED(epoll_create1(0)), fds[6];

	for (int i = 0; i < 6; i++) {
		fds[i] = NEED(eventfd(1, 0));
		NEED(ctl(ep, EPOLL_CTL_ADD, fds[i], EPOLLIN));
	}
	/* the same ones do not come first each time */
	show_wait(ep, fds[0], 2);
	show_wait(ep, fds[0], 2);
	show_wait(ep, fds[0], 3);
	show_wait(ep, fds[0], 10);
	drain(fds[1]);
	show_wait(ep, fds[0], 10);
	for (int i = 0; i < 6; i++)
		close(fds[i]);
	show_wait(ep, fds[0], 10);
	close(ep);
}

CASE(order_of_wakes)
{
	int ep = NEED(epoll_create1(0)), fds[4];
	static const int order[] = { 2, 0, 3, 1 };

	for (int i = 0; i < 4; i++) {
		fds[i] = NEED(eventfd(0, 0));
		NEED(ctl(ep, EPOLL_CTL_ADD, fds[i], EPOLLIN | EPOLLET));
	}
	for (int i = 0; i < 4; i++)
		NEED(eventfd_write(fds[order[i]], 1));
	show_wait(ep, fds[0], 10);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	close(ep);
}

CASE(hundreds)
{
	int ep = NEED(epoll_create1(0)), p[2], n;
	static struct epoll_event e[400];
	bool seen[400] = { false };

	NEED(pipe(p));
	NEED(write(p[1], "x", 1));
	for (int i = 0; i < 300; i++) {
		int fd = NEED(fcntl(p[0], F_DUPFD, 500 + i));

		NEED(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN));
	}
	n = epoll_wait(ep, e, 400, 0);
	SHOW(n);
	for (int i = 0; i < n; i++)
		seen[e[i].data.fd - 500] = true;
	n = 0;
	for (int i = 0; i < 300; i++)
		n += seen[i];
	SHOW(n);
	for (int i = 0; i < 300; i += 2)
		NEED(ctl(ep, EPOLL_CTL_DEL, 500 + i, 0));
	SHOW(epoll_wait(ep, e, 400, 0));
	drain(p[0]);
	SHOW(epoll_wait(ep, e, 400, 0));
	for (int i = 0; i < 300; i++)
		close(500 + i);
	close(p[0]);
	close(p[1]);
	close(ep);
}

/* ---- descriptors and open files ---- */

CASE(closing_removes)
{
	int ep = NEED(epoll_create1(0)), p[2], copy;

	NEED(pipe(p));
	NEED(write(p[1], "x", 1));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	copy = NEED(dup(p[0]));
	/* the open file is still there */
	close(p[0]);
	show_wait(ep, p[0], 10);
	SHOW(ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	SHOW(ctl(ep, EPOLL_CTL_MOD, copy, EPOLLIN));
	close(copy);
	show_wait(ep, p[0], 10);
	close(p[1]);
	close(ep);
}

CASE(same_file_twice)
{
	struct epoll_event e[10];
	int ep = NEED(epoll_create1(0)), p[2], copy;

	NEED(pipe(p));
	copy = NEED(dup(p[0]));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SHOW(ctl(ep, EPOLL_CTL_ADD, copy, EPOLLIN));
	NEED(write(p[1], "x", 1));
	/* two events; which comes first is nobody's business */
	SHOW(epoll_wait(ep, e, 10, 0));
	close(copy);
	close(p[0]);
	close(p[1]);
	close(ep);
}

/* ---- sets in sets ---- */

CASE(nested)
{
	int outer = NEED(epoll_create1(0)), inner = NEED(epoll_create1(0)), p[2];
	struct pollfd pfd = { .fd = outer, .events = POLLIN };

	NEED(pipe(p));
	SHOW(ctl(inner, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SHOW(ctl(outer, EPOLL_CTL_ADD, inner, EPOLLIN));
	show_wait(outer, inner, 10);
	SHOW(poll(&pfd, 1, 0));
	NEED(write(p[1], "x", 1));
	SHOW(poll(&pfd, 1, 0));
	show_wait(outer, inner, 10);
	show_wait(outer, inner, 10);
	show_wait(inner, p[0], 10);
	drain(p[0]);
	show_wait(outer, inner, 10);
	SHOW(poll(&pfd, 1, 0));
	close(inner);
	show_wait(outer, inner, 10);
	close(outer);
	close(p[0]);
	close(p[1]);
}

CASE(loops)
{
	int fds[8];

	for (int i = 0; i < 8; i++)
		fds[i] = NEED(epoll_create1(0));
	SHOW(ctl(fds[0], EPOLL_CTL_ADD, fds[0], EPOLLIN));
	SHOW(ctl(fds[0], EPOLL_CTL_ADD, fds[1], EPOLLIN));
	SHOW(ctl(fds[1], EPOLL_CTL_ADD, fds[0], EPOLLIN));
	SHOW(ctl(fds[1], EPOLL_CTL_ADD, fds[2], EPOLLIN));
	SHOW(ctl(fds[2], EPOLL_CTL_ADD, fds[0], EPOLLIN));
	SHOW(ctl(fds[2], EPOLL_CTL_ADD, fds[3], EPOLLIN));
	SHOW(ctl(fds[3], EPOLL_CTL_ADD, fds[4], EPOLLIN));
	SHOW(ctl(fds[4], EPOLL_CTL_ADD, fds[5], EPOLLIN));
	for (int i = 0; i < 8; i++)
		close(fds[i]);
}

/* ---- waiting ---- */

CASE(timeouts)
{
	int ep = NEED(epoll_create1(0));
	struct epoll_event e;
	struct timespec ts = { 0, 20 * MS }, zero = { 0, 0 }, bad = { 0, -1 };

	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(epoll_wait(ep, &e, 1, 25));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 25 * MS);
	before = clock_ns(CLOCK_MONOTONIC);
	long r = syscall(SYS_epoll_pwait2, ep, &e, 1, &ts, NULL, 8);
	SHOW(r);
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 20 * MS);
	SHOW(syscall(SYS_epoll_pwait2, ep, &e, 1, &zero, NULL, 8));
	SHOW(syscall(SYS_epoll_pwait2, ep, &e, 1, &bad, NULL, 8));
	SHOW(syscall(SYS_epoll_pwait2, ep, &e, 1, bad_ptr(), NULL, 8));
	close(ep);
}

static volatile int ticks;
static int alarm_fd;

static void on_tick(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	ticks++;
	if (alarm_fd > 0)
		(void)!write(alarm_fd, "x", 1);
}

static void start_ticks(int flags)
{
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } };

	on_signal(SIGALRM, on_tick, flags);
	NEED(setitimer(ITIMER_REAL, &it, NULL));
}

CASE(interrupted, ALONE)
{
	int ep = NEED(epoll_create1(0));
	struct epoll_event e;

	start_ticks(SA_RESTART);
	SHOW(epoll_wait(ep, &e, 1, -1));
	SHOW(epoll_wait(ep, &e, 1, 60000));
	CHECK(ticks > 0);
}

CASE(woken_by_handler, ALONE)
{
	int ep = NEED(epoll_create1(0)), p[2], n;
	struct epoll_event e;

	NEED(pipe(p));
	NEED(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	alarm_fd = p[1];
	start_ticks(0);
	while ((n = epoll_wait(ep, &e, 1, -1)) < 0 && errno == EINTR)
		;
	SHOW(n);
	say("%#x", e.events);
}

CASE(pwait_mask, ALONE)
{
	int ep = NEED(epoll_create1(0));
	struct epoll_event e;
	sigset_t set, none;

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	on_signal(SIGALRM, on_tick, 0);
	raise(SIGALRM);
	SHOW(epoll_wait(ep, &e, 1, 0));
	SHOW(ticks);
	SHOW(epoll_pwait(ep, &e, 1, -1, &none));
	SHOW(ticks);
	SHOW(syscall(SYS_epoll_pwait, ep, &e, 1, 0, &none, 5));
	SHOW(syscall(SYS_epoll_pwait, ep, &e, 1, 0, bad_ptr(), 8));
}

/* ---- errors ---- */

CASE(create_errors)
{
	SHOW(syscall(SYS_epoll_create, 0));
	SHOW(syscall(SYS_epoll_create, -1));
	SHOW(epoll_create1(1));
	int fd = NEED(epoll_create1(EPOLL_CLOEXEC));
	SHOW(fcntl(fd, F_GETFD));
	close(fd);
	fd = NEED(syscall(SYS_epoll_create, 7));
	SHOW(fcntl(fd, F_GETFD));
	CHECK(fcntl(fd, F_GETFL) == O_RDWR);
	SHOW(read(fd, &fd, 1));
	close(fd);
}

CASE(ctl_errors, IN_DIR)
{
	int ep = NEED(epoll_create1(0)), p[2], file, dir;

	NEED(pipe(p));
	make_file("file", "x");
	file = NEED(open("file", O_RDONLY));
	dir = NEED(open(".", O_RDONLY));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], bad_ptr()));
	SHOW(epoll_ctl(-1, EPOLL_CTL_ADD, p[0], bad_ptr()));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], bad_ptr()));
	SHOW(ctl(-1, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SHOW(ctl(ep, EPOLL_CTL_ADD, -1, EPOLLIN));
	SHOW(ctl(ep, EPOLL_CTL_ADD, 999, EPOLLIN));
	SHOW(ctl(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN));
	SHOW(ctl(p[0], EPOLL_CTL_ADD, file, EPOLLIN));
	SHOW(ctl(ep, EPOLL_CTL_ADD, ep, EPOLLIN));
	SHOW(ctl(ep, EPOLL_CTL_ADD, file, EPOLLIN));
	SHOW(ctl(ep, EPOLL_CTL_ADD, dir, EPOLLIN));
	SHOW(ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], 0));
	SHOW(ctl(ep, 77, p[0], 0));
	SHOW(ctl(ep, 0, p[0], 0));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE));
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN));
	SHOW(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE));
	SHOW(ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
	int inner = NEED(epoll_create1(0));
	SHOW(ctl(ep, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE));
	close(inner);
	close(file);
	close(dir);
	close(p[0]);
	close(p[1]);
	close(ep);
}

CASE(wait_errors)
{
	int ep = NEED(epoll_create1(0)), p[2];
	struct epoll_event e;

	NEED(pipe(p));
	NEED(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SHOW(epoll_wait(ep, &e, 0, 0));
	SHOW(epoll_wait(ep, &e, -1, 0));
	SHOW(epoll_wait(ep, &e, INT_MAX, 0));
	SHOW(epoll_wait(-1, &e, 1, 0));
	SHOW(epoll_wait(p[0], &e, 1, 0));
	SHOW(epoll_wait(ep, kernel_ptr(), 1, 0));
	SHOW(epoll_wait(ep, bad_ptr(), 1, 0));
	NEED(write(p[1], "x", 1));
	SHOW(epoll_wait(ep, bad_ptr(), 1, 0));
	/* the event is not lost by that */
	show_wait(ep, p[0], 1);
	close(p[0]);
	close(p[1]);
	close(ep);
}

/* 6.1 looks at the number first. */
CASE(wait_errors_at_once, SINCE(6, 18))
{
	struct epoll_event e;

	SHOW(epoll_wait(-1, &e, 0, 0));
}

CASE(fault_in_the_middle)
{
	int ep = NEED(epoll_create1(0)), fds[3];
	char *page = pages(1);
	struct epoll_event *e = (struct epoll_event *)(page + 4096 - 2 * sizeof(*e));

	for (int i = 0; i < 3; i++) {
		fds[i] = NEED(eventfd(1, 0));
		NEED(ctl(ep, EPOLL_CTL_ADD, fds[i], EPOLLIN | EPOLLET));
	}
	SHOW(epoll_wait(ep, e, 3, 0));
	show_wait(ep, fds[0], 3);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(ep);
}

/* ---- both ends ---- */

CASE(writable_edge)
{
	int ep = NEED(epoll_create1(0)), p[2];
	static char buf[65536];

	NEED(pipe2(p, O_NONBLOCK));
	SHOW(ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET));
	show_wait(ep, p[1], 10);
	show_wait(ep, p[1], 10);
	SHOW(write(p[1], buf, sizeof(buf)));
	show_wait(ep, p[1], 10);
	SHOW(read(p[0], buf, sizeof(buf)));
	show_wait(ep, p[1], 10);
	close(p[0]);
	show_wait(ep, p[1], 10);
	close(p[1]);
	close(ep);
}
