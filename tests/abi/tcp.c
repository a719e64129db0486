/*
 * TCP over the loopback interface.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "sockets.h"

#define MS 1000000

static int listener(struct sockaddr_in *name)
{
	socklen_t len = sizeof(*name);
	int fd = NEED(socket(AF_INET, SOCK_STREAM, 0));

	*name = in4("127.0.0.1", 0);
	NEED(BIND(fd, *name));
	NEED(listen(fd, 8));
	NEED(getsockname(fd, (struct sockaddr *)name, &len));
	return fd;
}

static int both[2];

/* A connection: [0] has called, [1] was accepted. */
static void open_both(void)
{
	struct sockaddr_in name;
	int l = listener(&name);

	both[0] = NEED(socket(AF_INET, SOCK_STREAM, 0));
	NEED(CONNECT(both[0], name));
	both[1] = NEED(accept(l, NULL, NULL));
	close(l);
}

static void close_both(void)
{
	close(both[0]);
	close(both[1]);
}

/* The same once it has become so; what is on its way takes its time. */
static void await_events(const char *what, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	poll(&p, 1, 2000);
	show_events(what, fd);
}

static void show_name(const char *what, int r, const struct sockaddr_in *name, int known_port)
{
	show(what, r);
	if (r == 0)
		say("  %d %s %s", name->sin_family, inet_ntoa(name->sin_addr),
		    name->sin_port == 0                 ? "none" :
		    ntohs(name->sin_port) == known_port ? "known" :
							  "other");
}

static void show_names(int fd, int known_port)
{
	struct sockaddr_in name;
	socklen_t len = sizeof(name);
	int r = getsockname(fd, (struct sockaddr *)&name, &len);

	show_name("getsockname", r, &name, known_port);
	len = sizeof(name);
	r = getpeername(fd, (struct sockaddr *)&name, &len);
	show_name("getpeername", r, &name, known_port);
}

static int sock_error(int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	NEED(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
	return error;
}

/* ---- connections ---- */

CASE(tcp_connect)
{
	struct sockaddr_in name, from;
	socklen_t len = sizeof(from);
	int l = listener(&name), c = NEED(socket(AF_INET, SOCK_STREAM, 0)), a;

	show_events("fresh", c);
	show_events("listening", l);
	show_names(c, ntohs(name.sin_port));
	show_names(l, ntohs(name.sin_port));
	SHOW(CONNECT(c, name));
	await_events("called", l, POLLIN);
	show_events("connected", c);
	SHOW(CONNECT(c, name));
	show_names(c, ntohs(name.sin_port));
	SHOW(a = accept4(l, (struct sockaddr *)&from, &len, SOCK_NONBLOCK));
	CHECK(fcntl(a, F_GETFL) == (O_RDWR | O_NONBLOCK));
	SHOW(len);
	show_names(a, ntohs(name.sin_port));
	fcntl(l, F_SETFL, O_NONBLOCK);
	SHOW(accept(l, NULL, NULL));
	SHOW(CONNECT(l, name));
	SHOW(send(l, "x", 1, MSG_NOSIGNAL));
	show_recv(l, 0);
	close(a);
	close(c);
	close(l);
}

CASE(tcp_data)
{
	struct iovec out[3] = { { "ab", 2 }, { "", 0 }, { "cdefg", 5 } };
	char buf[20] = "";
	int n;

	open_both();
	SHOW(write(both[0], "hello", 5));
	await_events("arrived", both[1], POLLIN);
	SHOW(ioctl(both[1], FIONREAD, &n));
	SHOW(n);
	show_recv(both[1], MSG_PEEK);
	SHOW(recv(both[1], buf, 2, 0));
	show_recv(both[1], 0);
	show_recv(both[1], MSG_DONTWAIT);
	SHOW(writev(both[1], out, 3));
	await_events("back", both[0], POLLIN);
	show_recv(both[0], 0);
	SHOW(send(both[0], "", 0, 0));
	SHOW(write(both[0], bad_ptr(), 10));
	SHOW(write(both[0], kernel_ptr(), 10));
	SHOW(read(both[0], kernel_ptr(), 10));
	NEED(write(both[0], "12", 2));
	NEED(write(both[0], "34", 2));
	SHOW(recv(both[1], buf, 4, MSG_WAITALL));
	say("%.4s", buf);
	NEED(write(both[0], "56", 2));
	await_events("more", both[1], POLLIN);
	/* thrown away */
	SHOW(recv(both[1], NULL, 2, MSG_TRUNC));
	show_recv(both[1], MSG_DONTWAIT);
	close_both();
}

CASE(tcp_much)
{
	static unsigned char out[3000000], in[3000000];
	size_t sent = 0, got = 0;

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = i * 31 + i / 257;
	open_both();
	while (got < sizeof(in)) {
		long n = sent < sizeof(out) ?
				 send(both[0], out + sent, sizeof(out) - sent, MSG_DONTWAIT) :
				 0;
		if (n > 0)
			sent += n;
		n = recv(both[1], in + got, sizeof(in) - got, MSG_DONTWAIT);
		if (n > 0)
			got += n;
	}
	CHECK(memcmp(in, out, sizeof(in)) == 0);
	show_recv(both[1], MSG_DONTWAIT);
	close_both();
}

CASE(tcp_close)
{
	open_both();
	NEED(write(both[0], "last", 4));
	close(both[0]);
	await_events("closed", both[1], POLLRDHUP);
	show_recv(both[1], 0);
	show_recv(both[1], 0);
	show_recv(both[1], 0);
	close(both[1]);
}

CASE(tcp_shutdown)
{
	open_both();
	SHOW(shutdown(both[0], SHUT_WR));
	await_events("half", both[1], POLLRDHUP);
	show_events("own", both[0]);
	SHOW(send(both[0], "x", 1, MSG_NOSIGNAL));
	show_recv(both[1], 0);
	SHOW(send(both[1], "still", 5, 0));
	await_events("data", both[0], POLLIN);
	show_recv(both[0], 0);
	SHOW(shutdown(both[1], SHUT_WR));
	await_events("whole", both[0], POLLHUP);
	show_events("whole", both[1]);
	show_recv(both[0], 0);
	SHOW(shutdown(both[0], 9));
	close_both();
	open_both();
	SHOW(shutdown(both[0], SHUT_RD));
	show_events("reader", both[0]);
	show_recv(both[0], 0);
	SHOW(send(both[0], "x", 1, 0));
	close_both();
	int fd = NEED(socket(AF_INET, SOCK_STREAM, 0));
	SHOW(shutdown(fd, SHUT_RD));
	close(fd);
}

CASE(tcp_reset)
{
	struct linger now = { 1, 0 };

	open_both();
	SHOW(setsockopt(both[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(both[0]);
	await_events("reset", both[1], POLLHUP);
	show_recv(both[1], 0);
	show_recv(both[1], 0);
	SHOW(send(both[1], "x", 1, MSG_NOSIGNAL));
	close(both[1]);
	/* closed with something unread */
	open_both();
	NEED(write(both[0], "unread", 6));
	await_events("arrived", both[1], POLLIN);
	close(both[1]);
	await_events("reset", both[0], POLLHUP);
	say("%s", errno_name(sock_error(both[0])));
	show_recv(both[0], 0);
	close(both[0]);
}

static void on_pipe(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	say("%s", signal_name(sig));
}

CASE(tcp_sigpipe, ALONE)
{
	on_signal(SIGPIPE, on_pipe, 0);
	open_both();
	SHOW(shutdown(both[0], SHUT_WR));
	SHOW(write(both[0], "x", 1));
	SHOW(send(both[0], "x", 1, 0));
	SHOW(send(both[0], "x", 1, MSG_NOSIGNAL));
}

/* ---- without waiting ---- */

CASE(tcp_nonblocking)
{
	struct sockaddr_in name;
	int l = listener(&name), c = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), a;
	int r = CONNECT(c, name);

	CHECK(r == 0 || errno == EINPROGRESS);
	await_events("connected", c, POLLOUT);
	SHOW(sock_error(c));
	SHOW(CONNECT(c, name));
	a = NEED(accept(l, NULL, NULL));
	show_recv(c, 0);
	SHOW(write(c, "x", 1));
	show_recv(a, 0);
	close(a);
	close(c);
	close(l);
}

CASE(tcp_refused)
{
	struct sockaddr_in name;
	int l = listener(&name), c = NEED(socket(AF_INET, SOCK_STREAM, 0));

	close(l);
	SHOW(CONNECT(c, name));
	SHOW(sock_error(c));
	SHOW(CONNECT(c, name));
	close(c);
	c = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	CHECK(CONNECT(c, name) < 0);
	await_events("refused", c, POLLOUT);
	say("%s", errno_name(sock_error(c)));
	SHOW(sock_error(c));
	show_recv(c, 0);
	close(c);
}

CASE(tcp_accept_waits)
{
	struct sockaddr_in name;
	int l = listener(&name), c, a;
	struct timeval tv = { 0, 30000 };

	SHOW(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(accept(l, NULL, NULL));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 30 * MS);
	c = NEED(socket(AF_INET, SOCK_STREAM, 0));
	NEED(CONNECT(c, name));
	a = NEED(accept(l, NULL, NULL));
	before = clock_ns(CLOCK_MONOTONIC);
	NEED(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	show_recv(a, 0);
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 30 * MS);
	close(a);
	close(c);
	close(l);
}

CASE(tcp_backpressure)
{
	static char buf[100000];
	long total = 0, got = 0, n;
	struct pollfd p;

	open_both();
	fcntl(both[0], F_SETFL, O_NONBLOCK);
	/* until nothing goes even after some time */
	do {
		while ((n = write(both[0], buf, sizeof(buf))) > 0)
			total += n;
		p = (struct pollfd){ both[0], POLLOUT, 0 };
	} while (poll(&p, 1, 100) > 0);
	show("write", n);
	CHECK(total > 100000);
	show_events("full", both[0]);
	while (got < total && (n = read(both[1], buf, sizeof(buf))) > 0)
		got += n;
	CHECK(got == total);
	await_events("empty", both[0], POLLOUT);
	close_both();
}

CASE(tcp_epoll)
{
	struct sockaddr_in name;
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int ep = NEED(epoll_create1(0)), l = listener(&name), c, a;

	e.data.fd = 1;
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e));
	SHOW(epoll_wait(ep, &e, 1, 0));
	c = NEED(socket(AF_INET, SOCK_STREAM, 0));
	NEED(CONNECT(c, name));
	SHOW(epoll_wait(ep, &e, 1, 2000));
	say("%d %#x", e.data.fd, e.events);
	SHOW(epoll_wait(ep, &e, 1, 0));
	a = NEED(accept(l, NULL, NULL));
	e = (struct epoll_event){ .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = 2 };
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, a, &e));
	SHOW(epoll_wait(ep, &e, 1, 0));
	for (int i = 0; i < 2; i++) {
		NEED(write(c, "x", 1));
		SHOW(epoll_wait(ep, &e, 1, 2000));
		say("%d %#x", e.data.fd, e.events);
		SHOW(epoll_wait(ep, &e, 1, 0));
	}
	close(c);
	SHOW(epoll_wait(ep, &e, 1, 2000));
	say("%d %#x", e.data.fd, e.events);
	close(a);
	close(l);
	close(ep);
}

/* ---- names ---- */

CASE(tcp_bind)
{
	struct sockaddr_in name, other;
	int l = listener(&name), fd = NEED(socket(AF_INET, SOCK_STREAM, 0)), on = 1;

	SHOW(BIND(fd, name));
	NEED(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SHOW(BIND(fd, name));
	other = in4("127.0.0.2", ntohs(name.sin_port));
	SHOW(BIND(fd, other));
	SHOW(BIND(fd, other));
	SHOW(listen(fd, 1));
	SHOW(listen(fd, 5));
	other = in4("192.0.2.1", 0);
	close(fd);
	fd = NEED(socket(AF_INET, SOCK_STREAM, 0));
	SHOW(BIND(fd, other));
	/* listening without a name takes any port */
	SHOW(listen(fd, 1));
	show_names(fd, -1);
	close(fd);
	close(l);
}

CASE(tcp_port_again)
{
	struct sockaddr_in name;
	int l = listener(&name), c = NEED(socket(AF_INET, SOCK_STREAM, 0)), a, on = 1;

	NEED(CONNECT(c, name));
	a = NEED(accept(l, NULL, NULL));
	close(a); /* first: its end is in TIME-WAIT */
	close(l);
	show_recv(c, 0);
	close(c);
	l = NEED(socket(AF_INET, SOCK_STREAM, 0));
	SHOW(BIND(l, name));
	NEED(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SHOW(BIND(l, name));
	SHOW(listen(l, 1));
	close(l);
}

CASE(tcp_ipv6)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6 }, from;
	socklen_t len = sizeof(name);
	int l = NEED(socket(AF_INET6, SOCK_STREAM, 0)), c, a;
	char text[64];

	SHOW(BIND(l, name));
	SHOW(listen(l, 5));
	NEED(getsockname(l, (struct sockaddr *)&name, &len));
	/* both families reach it */
	struct sockaddr_in v4 = in4("127.0.0.1", ntohs(name.sin6_port));
	c = NEED(socket(AF_INET, SOCK_STREAM, 0));
	SHOW(CONNECT(c, v4));
	SHOW(a = accept(l, (struct sockaddr *)&from, &len));
	say("%s %u", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof(text)), len);
	close(a);
	close(c);
	c = NEED(socket(AF_INET6, SOCK_STREAM, 0));
	inet_pton(AF_INET6, "::1", &name.sin6_addr);
	SHOW(CONNECT(c, name));
	SHOW(a = accept(l, (struct sockaddr *)&from, &len));
	say("%s %u", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof(text)), len);
	SHOW(write(c, "six", 3));
	show_recv(a, 0);
	close(a);
	close(c);
	close(l);
}

/* ---- options ---- */

CASE(tcp_options)
{
	int fd = NEED(socket(AF_INET, SOCK_STREAM, 0)), n = -1;
	static const int values[] = { -1, 0, 1, 30, 40000 };
	socklen_t len = sizeof(n);

	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
		SET_GET(fd, SOL_TCP, TCP_NODELAY, values[i]);
		SET_GET(fd, SOL_TCP, TCP_CORK, values[i]);
		SET_GET(fd, SOL_TCP, TCP_KEEPIDLE, values[i]);
		SET_GET(fd, SOL_TCP, TCP_KEEPINTVL, values[i]);
		SET_GET(fd, SOL_TCP, TCP_KEEPCNT, values[i]);
		SET_GET(fd, SOL_TCP, TCP_SYNCNT, values[i]);
		SET_GET(fd, SOL_TCP, TCP_QUICKACK, values[i]);
		SET_GET(fd, SOL_TCP, TCP_USER_TIMEOUT, values[i]);
	}
	SHOW(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, &len));
	SHOW(n);
	SHOW(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, &len));
	SHOW(n);
	SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &n, &len));
	SHOW(n);
	SHOW(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &n, &len));
	SHOW(n);
	SHOW(setsockopt(fd, SOL_TCP, TCP_NODELAY, &n, 1));
	SHOW(setsockopt(fd, SOL_TCP, 999, &n, sizeof(n)));
	SHOW(getsockopt(fd, SOL_TCP, 999, &n, &len));
	close(fd);
}

CASE(accepted_options)
{
	struct sockaddr_in name;
	int l = listener(&name), c = NEED(socket(AF_INET, SOCK_STREAM, 0)), a, on = 1;

	NEED(setsockopt(l, SOL_TCP, TCP_NODELAY, &on, sizeof(on)));
	NEED(setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
	fcntl(l, F_SETFL, O_NONBLOCK);
	NEED(CONNECT(c, name));
	await_events("called", l, POLLIN);
	a = NEED(accept(l, NULL, NULL));
	/* options are inherited, the file's flags are not */
	CHECK(fcntl(a, F_GETFL) == O_RDWR);
	SET_GET(a, SOL_SOCKET, SO_ACCEPTCONN, 1);
	int n = 0;
	socklen_t len = sizeof(n);
	SHOW(getsockopt(a, SOL_TCP, TCP_NODELAY, &n, &len));
	SHOW(n);
	SHOW(getsockopt(a, SOL_SOCKET, SO_KEEPALIVE, &n, &len));
	SHOW(n);
	SHOW(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &n, &len));
	SHOW(n);
	close(a);
	close(c);
	close(l);
}

/* ---- copies without the program ---- */

CASE(tcp_sendfile, IN_DIR)
{
	static char buf[300000], back[300000];
	size_t done = 0;
	off_t at = 100;
	int fd;

	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = i * 13 + i / 1000;
	fd = NEED(open("file", O_RDWR | O_CREAT, 0600));
	NEED(write(fd, buf, sizeof(buf)));
	open_both();
	fcntl(both[0], F_SETFL, O_NONBLOCK);
	while (done < sizeof(buf) - 100) {
		long n = syscall(SYS_sendfile, both[0], fd, &at, sizeof(buf));

		if (n < 0 && errno != EAGAIN) {
			show("sendfile", n);
			break;
		}
		n = recv(both[1], back + done, sizeof(back) - done, MSG_DONTWAIT);
		if (n > 0)
			done += n;
	}
	SHOW(at);
	SHOW(done);
	CHECK(memcmp(buf + 100, back, done) == 0);
	SHOW(syscall(SYS_sendfile, both[0], fd, &at, 10));
	/* by the file's own position */
	NEED(lseek(fd, 10, SEEK_SET));
	SHOW(syscall(SYS_sendfile, both[0], fd, NULL, 5));
	SHOW(lseek(fd, 0, SEEK_CUR));
	await_events("arrived", both[1], POLLIN);
	SHOW(recv(both[1], back, 100, 0));
	CHECK(memcmp(buf + 10, back, 5) == 0);
	/* the file may change as soon as it has been sent */
	NEED(lseek(fd, 0, SEEK_SET));
	SHOW(syscall(SYS_sendfile, both[0], fd, NULL, 5));
	close(fd);
	unlink("file");
	await_events("arrived", both[1], POLLIN);
	SHOW(recv(both[1], back, 100, 0));
	CHECK(memcmp(buf, back, 5) == 0);
	close_both();
}
