/*
 * TCP over the loopback interface, raw and ping sockets, network devices by
 * ioctl and netlink: what programs see of them.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define MS 1000000

static struct sockaddr_in in4(const char *addr, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, addr, &in.sin_addr);
	return in;
}

#define BIND(fd, name)    bind(fd, (struct sockaddr *)&(name), sizeof(name))
#define CONNECT(fd, name) connect(fd, (struct sockaddr *)&(name), sizeof(name))

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

static void show_events(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	poll(&p, 1, 0);
	say("%s: %#x", what, p.revents);
}

/* The same once it has become so; what is on its way takes its time. */
static void await_events(const char *what, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	poll(&p, 1, 2000);
	show_events(what, fd);
}

static void show_recv(int fd, int flags)
{
	char buf[100] = "";
	long r = recv(fd, buf, sizeof(buf) - 1, flags);

	show("recv", r);
	if (r > 0)
		say("  \"%s\"", buf);
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

static void set_get(int fd, const char *what, int level, int name, int value)
{
	int got = -77;
	socklen_t len = sizeof(got);
	char label[100];

	snprintf(label, sizeof(label), "%s to %d", what, value);
	show(label, setsockopt(fd, level, name, &value, sizeof(value)));
	if (getsockopt(fd, level, name, &got, &len) < 0)
		say("  %s", errno_name(errno));
	else
		say("  is %d, length %u", got, len);
}
#define SET_GET(fd, level, name, value) set_get(fd, #name, level, name, value)

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

/* ---- raw and ping ---- */

static uint16_t checksum(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

CASE(raw_icmp)
{
	struct sockaddr_in to = in4("127.0.0.1", 0), from;
	struct icmphdr echo = { .type = ICMP_ECHO, .un.echo = { htons(77), htons(1) } };
	socklen_t len = sizeof(from);
	int fd = NEED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	uint8_t buf[200];
	long n;

	echo.checksum = checksum(&echo, sizeof(echo));
	SHOW(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, sizeof(to)));
	for (int i = 0; i < 2; i++) { /* the request is seen too */
		struct pollfd p = { fd, POLLIN, 0 };

		poll(&p, 1, 2000);
		SHOW(n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from,
				  &len));
		if (n < 28)
			continue;
		say("  %d %d: type %d id %d sequence %d, from %s", buf[0], buf[9], buf[20],
		    buf[24] << 8 | buf[25], buf[26] << 8 | buf[27], inet_ntoa(from.sin_addr));
	}
	SHOW(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	SHOW(send(fd, &echo, sizeof(echo), 0));
	SHOW(listen(fd, 1));
	close(fd);
}

CASE(raw_own_protocol)
{
	struct sockaddr_in to = in4("127.0.0.1", 0), other = in4("127.0.0.5", 0);
	int fd = NEED(socket(AF_INET, SOCK_RAW, 253)), out = NEED(socket(AF_INET, SOCK_RAW, 253));
	char buf[100] = "";

	SHOW(BIND(fd, to));
	SHOW(sendto(out, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)));
	struct pollfd p = { fd, POLLIN, 0 };
	poll(&p, 1, 2000);
	SHOW(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	say("%.5s", buf + 20);
	/* not for that address */
	SHOW(sendto(out, "hello", 5, 0, (struct sockaddr *)&other, sizeof(other)));
	SHOW(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	SHOW(recv(out, buf, sizeof(buf), MSG_DONTWAIT));
	SHOW(CONNECT(out, to));
	SHOW(send(out, "again", 5, 0));
	poll(&p, 1, 2000);
	SHOW(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	close(fd);
	close(out);
}

CASE(raw_header_included)
{
	struct sockaddr_in to = in4("127.0.0.1", 0);
	uint8_t packet[28] = { 0x45, 7, 0,   0, 0, 9, 0,   0,   33,  253, 0, 0, 127, 0,
			       0,    9, 127, 0, 0, 1, 'r', 'a', 'w', '!', 0, 0, 0,   0 };
	uint8_t buf[100] = "";
	int fd = NEED(socket(AF_INET, SOCK_RAW, 253)),
	    out = NEED(socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
	struct sockaddr_in from;
	socklen_t len = sizeof(from);

	SHOW(sendto(out, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)));
	struct pollfd p = { fd, POLLIN, 0 };
	poll(&p, 1, 2000);
	SHOW(recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len));
	say("%d %d %d %d %.4s from %s", buf[0], buf[1], buf[3], buf[8], buf + 20,
	    inet_ntoa(from.sin_addr));
	close(fd);
	close(out);
}

CASE(raw_errors)
{
	int fd = NEED(socket(AF_INET, SOCK_RAW, 253));
	struct sockaddr_in bad = in4("127.0.0.1", 0);

	SHOW(sendto(fd, "x", 1, 0, (struct sockaddr *)&bad, 5));
	SHOW(sendto(fd, "x", 1, MSG_OOB, (struct sockaddr *)&bad, sizeof(bad)));
	bad.sin_family = 77;
	SHOW(sendto(fd, "x", 1, 0, (struct sockaddr *)&bad, sizeof(bad)));
	bad = in4("192.0.2.1", 0);
	SHOW(BIND(fd, bad));
	SHOW(bind(fd, (struct sockaddr *)&bad, 3));
	SHOW(accept(fd, NULL, NULL));
	close(fd);
}

/* ---- devices ---- */

CASE(ioctl_loopback)
{
	int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq r = { .ifr_name = "lo" };

	SHOW(ioctl(fd, SIOCGIFINDEX, &r));
	SHOW(r.ifr_ifindex);
	memset(&r, 0, sizeof(r));
	r.ifr_ifindex = 1;
	SHOW(ioctl(fd, SIOCGIFNAME, &r));
	say("%s", r.ifr_name);
	SHOW(ioctl(fd, SIOCGIFFLAGS, &r));
	say("%#x", (unsigned)r.ifr_flags);
	SHOW(ioctl(fd, SIOCGIFADDR, &r));
	say("%s", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
	SHOW(ioctl(fd, SIOCGIFNETMASK, &r));
	say("%s", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
	SHOW(ioctl(fd, SIOCGIFMTU, &r));
	SHOW(r.ifr_mtu);
	SHOW(ioctl(fd, SIOCGIFHWADDR, &r));
	say("%d", r.ifr_hwaddr.sa_family);
	SHOW(ioctl(fd, SIOCGIFTXQLEN, &r));
	strcpy(r.ifr_name, "nothere");
	SHOW(ioctl(fd, SIOCGIFFLAGS, &r));
	SHOW(ioctl(fd, SIOCGIFINDEX, &r));
	r.ifr_ifindex = 9999;
	SHOW(ioctl(fd, SIOCGIFNAME, &r));
	SHOW(ioctl(fd, SIOCGIFFLAGS, bad_ptr()));
	SHOW(ioctl(fd, SIOCGIFCONF, bad_ptr()));
	SHOW(ioctl(fd, TIOCGWINSZ, &r));
	close(fd);
	fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
	strcpy(r.ifr_name, "lo");
	SHOW(ioctl(fd, SIOCGIFINDEX, &r));
	close(fd);
}

CASE(ioctl_list)
{
	int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0)), all;
	static struct ifreq r[50];
	struct ifconf c = { .ifc_len = sizeof(r), .ifc_req = r };

	SHOW(ioctl(fd, SIOCGIFCONF, &c));
	all = c.ifc_len;
	CHECK(all >= (int)sizeof(*r) && all % sizeof(*r) == 0);
	say("%s %s", r[0].ifr_name, inet_ntoa(((struct sockaddr_in *)&r[0].ifr_addr)->sin_addr));
	c = (struct ifconf){ .ifc_len = 0, .ifc_req = NULL };
	SHOW(ioctl(fd, SIOCGIFCONF, &c));
	CHECK(c.ifc_len == all);
	c = (struct ifconf){ .ifc_len = sizeof(*r) + 10, .ifc_req = r };
	SHOW(ioctl(fd, SIOCGIFCONF, &c));
	CHECK(c.ifc_len == sizeof(*r));
	close(fd);
}

CASE(getifaddrs_loopback)
{
	struct ifaddrs *all;
	char text[64];

	SHOW(getifaddrs(&all));
	for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		int family = i->ifa_addr != NULL ? i->ifa_addr->sa_family : -1;

		if (strcmp(i->ifa_name, "lo") != 0)
			continue;
		say("lo family %d flags %#x", family, i->ifa_flags);
		if (family == AF_INET) {
			say("  %s", inet_ntoa(((struct sockaddr_in *)i->ifa_addr)->sin_addr));
			say("  %s", inet_ntoa(((struct sockaddr_in *)i->ifa_netmask)->sin_addr));
		} else if (family == AF_INET6) {
			say("  %s",
			    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr,
				      text, sizeof(text)));
			say("  %s",
			    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)i->ifa_netmask)->sin6_addr,
				      text, sizeof(text)));
		}
	}
	freeifaddrs(all);
	struct if_nameindex *names = if_nameindex();
	CHECK(names != NULL && names[0].if_index == 1);
	say("%s", names[0].if_name);
	if_freenameindex(names);
	SHOW(if_nametoindex("lo"));
	SHOW(if_nametoindex("nothere"));
	char name[IF_NAMESIZE];
	CHECK(if_indextoname(1, name) != NULL);
}
