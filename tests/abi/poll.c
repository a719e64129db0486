/*
 * Waiting for descriptors: poll, ppoll, select, pselect.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define MS 1000000ll

static int ends[2];

static void open_pipe(int flags)
{
	NEED(pipe2(ends, flags));
}

static void close_pipe(void)
{
	close(ends[0]);
	close(ends[1]);
}

static void show_events(const char *label, int events)
{
	say("%s:%s%s%s%s%s%s%s%s", label, events & POLLIN ? " IN" : "",
	    events & POLLOUT ? " OUT" : "", events & POLLPRI ? " PRI" : "",
	    events & POLLERR ? " ERR" : "", events & POLLHUP ? " HUP" : "",
	    events & POLLNVAL ? " NVAL" : "", events & POLLRDNORM ? " RDNORM" : "",
	    events & POLLWRNORM ? " WRNORM" : "");
}

/* Asks at once for all that can be said of one descriptor. */
static void poll_one(const char *label, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLPRI, -1 };
	int n = poll(&p, 1, 0);

	show(label, n);
	show_events(label, p.revents);
}

/* ---- poll ---- */

CASE(poll_pipe_states)
{
	static char buf[65536];

	open_pipe(O_NONBLOCK);
	poll_one("empty, read end", ends[0]);
	poll_one("empty, write end", ends[1]);
	NEED(write(ends[1], "x", 1));
	poll_one("one byte, read end", ends[0]);
	NEED(read(ends[0], buf, 1));
	NEED(write(ends[1], buf, sizeof(buf)));
	poll_one("full, read end", ends[0]);
	poll_one("full, write end", ends[1]);
	close_pipe();
}

CASE(poll_pipe_closed)
{
	open_pipe(0);
	close(ends[1]);
	poll_one("writer gone", ends[0]);
	close(ends[0]);
	open_pipe(0);
	NEED(write(ends[1], "x", 1));
	close(ends[1]);
	poll_one("writer gone, data left", ends[0]);
	close(ends[0]);
	open_pipe(0);
	close(ends[0]);
	poll_one("reader gone", ends[1]);
	close(ends[1]);
}

CASE(poll_files, IN_DIR)
{
	make_file("f", "");
	int f = NEED(open("f", O_RDWR)), in = NEED(open("f", O_RDONLY));
	int dir = NEED(open(".", O_RDONLY));
	int null = NEED(open("/dev/null", O_RDWR));

	poll_one("file", f);
	poll_one("file to read", in);
	poll_one("directory", dir);
	poll_one("/dev/null", null);
	close(f);
	close(in);
	close(dir);
	close(null);
}

CASE(poll_eventfd)
{
	uint64_t v = UINT64_MAX - 1;
	int fd = NEED(eventfd(0, EFD_NONBLOCK));

	poll_one("zero", fd);
	NEED(write(fd, &v, 8));
	poll_one("full", fd);
	NEED(read(fd, &v, 8));
	v = 1;
	NEED(write(fd, &v, 8));
	poll_one("one", fd);
	close(fd);
}

CASE(poll_bad_descriptors)
{
	struct pollfd p[3] = { { 999, POLLIN, -1 }, { -1, POLLIN, -1 }, { -77, POLLIN, -1 } };

	SHOW(poll(p, 3, 0));
	show_events("999", p[0].revents);
	show_events("-1", p[1].revents);
	show_events("-77", p[2].revents);
	/* one that is ready by being bad: no waiting */
	SHOW(poll(p, 1, 60000));
}

CASE(poll_asks_for_nothing)
{
	struct pollfd p;

	open_pipe(0);
	NEED(write(ends[1], "x", 1));
	p = (struct pollfd){ ends[0], 0, -1 };
	SHOW(poll(&p, 1, 0));
	SHOW(p.revents);
	close(ends[1]);
	/* a hangup comes unasked */
	SHOW(poll(&p, 1, 0));
	show_events("hangup", p.revents);
	close(ends[0]);
}

CASE(poll_several)
{
	struct pollfd p[4];

	open_pipe(0);
	NEED(write(ends[1], "x", 1));
	p[0] = (struct pollfd){ ends[0], POLLIN, 0 };
	p[1] = (struct pollfd){ ends[1], POLLOUT, 0 };
	p[2] = (struct pollfd){ ends[0], POLLOUT, 0 };
	p[3] = (struct pollfd){ ends[0], POLLIN | POLLRDNORM, 0 };
	SHOW(poll(p, 4, 1000));
	for (int i = 0; i < 4; i++)
		show_events("revents", p[i].revents);
	close_pipe();
}

CASE(poll_timeouts)
{
	struct pollfd p;

	open_pipe(0);
	p = (struct pollfd){ ends[0], POLLIN, -1 };
	SHOW(poll(&p, 1, 0));
	SHOW(p.revents);
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(poll(&p, 1, 25));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 25 * MS);
	before = clock_ns(CLOCK_MONOTONIC);
	SHOW(poll(NULL, 0, 25));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 25 * MS);
	NEED(write(ends[1], "x", 1));
	SHOW(poll(&p, 1, -1));
	close_pipe();
}

CASE(poll_errors, ALONE)
{
	static struct pollfd p[30];
	struct rlimit lim;

	SHOW(syscall(SYS_poll, bad_ptr(), 1, 0));
	SHOW(syscall(SYS_poll, bad_ptr(), 0, 0));
	NEED(getrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_cur = 20;
	NEED(setrlimit(RLIMIT_NOFILE, &lim));
	for (int i = 0; i < 30; i++)
		p[i].fd = -1;
	SHOW(poll(p, 20, 0));
	SHOW(poll(p, 21, 0));
}

static volatile int ticks;

static void on_tick(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	ticks++;
}

static void start_ticks(int flags)
{
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } };

	on_signal(SIGALRM, on_tick, flags);
	NEED(setitimer(ITIMER_REAL, &it, NULL));
}

CASE(poll_interrupted, ALONE)
{
	struct pollfd p;

	open_pipe(0);
	p = (struct pollfd){ ends[0], POLLIN, 0 };
	/* never restarted after a handler */
	start_ticks(SA_RESTART);
	SHOW(poll(&p, 1, -1));
	CHECK(ticks > 0);
	SHOW(poll(&p, 1, 60000));
}

static void write_pipe(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	if (ticks++ == 0)
		NEED(write(ends[1], "x", 1));
}

CASE(poll_ready_by_handler, ALONE)
{
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } };
	struct pollfd p;
	int n;

	open_pipe(0);
	p = (struct pollfd){ ends[0], POLLIN, 0 };
	on_signal(SIGALRM, write_pipe, 0);
	NEED(setitimer(ITIMER_REAL, &it, NULL));
	while ((n = poll(&p, 1, -1)) < 0 && errno == EINTR)
		;
	SHOW(n);
	show_events("then", p.revents);
}

CASE(ppoll_cases)
{
	struct timespec zero = { 0, 0 }, bad = { 0, 1000000000 };
	struct timespec wait = { 0, 20 * MS };
	struct pollfd p;

	open_pipe(0);
	p = (struct pollfd){ ends[0], POLLIN, 0 };
	SHOW(ppoll(&p, 1, &zero, NULL));
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(ppoll(&p, 1, &wait, NULL));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 20 * MS);
	SHOW(ppoll(&p, 1, &bad, NULL));
	NEED(write(ends[1], "x", 1));
	SHOW(ppoll(&p, 1, NULL, NULL));
	SHOW(syscall(SYS_ppoll, &p, 1, bad_ptr(), NULL, 8));
	SHOW(syscall(SYS_ppoll, &p, 1, NULL, bad_ptr(), 8));
	SHOW(syscall(SYS_ppoll, &p, 1, NULL, &p, 5));
	close_pipe();
}

CASE(ppoll_mask, ALONE)
{
	struct timespec wait = { 60, 0 };
	sigset_t set, none;

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	on_signal(SIGALRM, on_tick, 0);
	raise(SIGALRM);
	SHOW(ticks);
	SHOW(ppoll(NULL, 0, &wait, &none));
	SHOW(ticks);
	NEED(sigprocmask(SIG_BLOCK, NULL, &set));
	SHOW(sigismember(&set, SIGALRM));
}

/* ---- select ---- */

static fd_set make_set(int fd)
{
	fd_set set;

	FD_ZERO(&set);
	if (fd >= 0)
		FD_SET(fd, &set);
	return set;
}

CASE(select_pipe)
{
	struct timeval zero = { 0, 0 };

	open_pipe(0);
	fd_set in = make_set(ends[0]), out = make_set(ends[1]);
	SHOW(select(ends[1] + 1, &in, &out, NULL, &zero));
	say("%d %d", !!FD_ISSET(ends[0], &in), !!FD_ISSET(ends[1], &out));
	NEED(write(ends[1], "x", 1));
	in = make_set(ends[0]);
	out = make_set(ends[1]);
	fd_set except = make_set(ends[0]);
	SHOW(select(ends[1] + 1, &in, &out, &except, NULL));
	say("%d %d %d", !!FD_ISSET(ends[0], &in), !!FD_ISSET(ends[1], &out),
	    !!FD_ISSET(ends[0], &except));
	close_pipe();
}

CASE(select_hangup)
{
	struct timeval zero = { 0, 0 };

	open_pipe(0);
	close(ends[1]);
	fd_set in = make_set(ends[0]);
	SHOW(select(ends[0] + 1, &in, NULL, NULL, &zero));
	SHOW(!!FD_ISSET(ends[0], &in));
	close(ends[0]);
	open_pipe(0);
	close(ends[0]);
	fd_set out = make_set(ends[1]);
	SHOW(select(ends[1] + 1, NULL, &out, NULL, &zero));
	SHOW(!!FD_ISSET(ends[1], &out));
	close(ends[1]);
}

CASE(select_timeouts)
{
	struct timeval tv = { 0, 25000 };

	open_pipe(0);
	fd_set in = make_set(ends[0]);
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(syscall(SYS_select, ends[0] + 1, &in, NULL, NULL, &tv));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 25 * MS);
	SHOW(!!FD_ISSET(ends[0], &in));
	/* Linux leaves the time that was left */
	say("left %ld %ld", (long)tv.tv_sec, (long)tv.tv_usec);
	tv = (struct timeval){ 0, 20000 };
	before = clock_ns(CLOCK_MONOTONIC);
	SHOW(select(0, NULL, NULL, NULL, &tv));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 20 * MS);
	close_pipe();
}

CASE(select_time_left)
{
	struct timeval tv = { 1000, 0 };

	open_pipe(0);
	fd_set out = make_set(ends[1]);
	SHOW(syscall(SYS_select, ends[1] + 1, NULL, &out, NULL, &tv));
	CHECK(tv.tv_sec >= 900 && tv.tv_sec <= 1000);
	close_pipe();
}

CASE(select_errors)
{
	struct timeval bad = { -1, 0 }, zero = { 0, 0 };
	fd_set in = make_set(60);

	/*
	 * Below 64: Linux looks at no descriptor past the end of its table, which is
	 * larger in a child of a process that had a high descriptor open.
	 */
	SHOW(select(61, &in, NULL, NULL, &zero));
	in = make_set(-1);
	SHOW(select(-1, &in, NULL, NULL, &zero));
	SHOW(syscall(SYS_select, 0, NULL, NULL, NULL, &bad));
	SHOW(syscall(SYS_select, 5, bad_ptr(), NULL, NULL, &zero));
	SHOW(syscall(SYS_select, 0, NULL, NULL, NULL, bad_ptr()));
	/* bits above nfds are not looked at */
	in = make_set(60);
	SHOW(select(50, &in, NULL, NULL, &zero));
}

CASE(select_interrupted, ALONE)
{
	open_pipe(0);
	fd_set in = make_set(ends[0]);
	start_ticks(SA_RESTART);
	SHOW(select(ends[0] + 1, &in, NULL, NULL, NULL));
	CHECK(ticks > 0);
}

CASE(pselect_cases)
{
	struct timespec zero = { 0, 0 }, bad = { 0, -1 };

	open_pipe(0);
	fd_set in = make_set(ends[0]);
	SHOW(pselect(ends[0] + 1, &in, NULL, NULL, &zero, NULL));
	NEED(write(ends[1], "x", 1));
	in = make_set(ends[0]);
	SHOW(pselect(ends[0] + 1, &in, NULL, NULL, NULL, NULL));
	SHOW(!!FD_ISSET(ends[0], &in));
	SHOW(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &bad, NULL));
	SHOW(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &zero, bad_ptr()));
	close_pipe();
}

CASE(pselect_mask, ALONE)
{
	struct timespec wait = { 60, 0 };
	sigset_t set, none;

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	start_ticks(0);
	SHOW(pselect(0, NULL, NULL, NULL, &wait, &none));
	CHECK(ticks > 0);
}

CASE(select_high_descriptor)
{
	struct timeval zero = { 0, 0 };

	open_pipe(0);
	int high = NEED(fcntl(ends[0], F_DUPFD, 200));
	NEED(write(ends[1], "x", 1));
	fd_set in = make_set(high);
	SHOW(select(high + 1, &in, NULL, NULL, &zero));
	SHOW(!!FD_ISSET(high, &in));
	close(high);
	close_pipe();
}
