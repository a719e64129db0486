/*
 * UDP over the loopback interface.
 */
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "sockets.h"

/* A socket bound to a free port of addr, which it leaves in *name. */
static int bound(const char *addr, struct sockaddr_in *name)
{
	socklen_t len = sizeof(*name);
	int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0));

	*name = in4(addr, 0);
	NEED(BIND(fd, *name));
	NEED(getsockname(fd, (struct sockaddr *)name, &len));
	return fd;
}

static void show_name(const char *what, int r, const void *name, socklen_t len, int known_port)
{
	const struct sockaddr_in *in = name;
	const struct sockaddr_in6 *i6 = name;
	char text[64] = "";
	int port = ntohs(in->sin_port);

	show(what, r);
	if (r < 0)
		return;
	if (in->sin_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	else if (in->sin_family == AF_INET6)
		inet_ntop(AF_INET6, &i6->sin6_addr, text, sizeof(text));
	say("  family %d %s port %s length %u", in->sin_family, text,
	    port == 0          ? "0" :
	    port == known_port ? "known" :
				 "other",
	    len);
}

static void show_local(int fd, int known_port)
{
	struct sockaddr_in6 name = { .sin6_family = 0 };
	socklen_t len = sizeof(name);
	int r = getsockname(fd, (struct sockaddr *)&name, &len);

	show_name("getsockname", r, &name, len, known_port);
}

static void show_peer(int fd, int known_port)
{
	struct sockaddr_in6 name = { .sin6_family = 0 };
	socklen_t len = sizeof(name);
	int r = getpeername(fd, (struct sockaddr *)&name, &len);

	show_name("getpeername", r, &name, len, known_port);
}

static void show_recvfrom(int fd, int flags, int known_port)
{
	struct sockaddr_in6 name = { .sin6_family = 0 };
	socklen_t len = sizeof(name);
	char buf[100] = "";
	long r = recvfrom(fd, buf, sizeof(buf) - 1, flags | MSG_DONTWAIT, (struct sockaddr *)&name,
			  &len);

	show_name("recvfrom", r, &name, len, known_port);
	if (r >= 0)
		say("  \"%s\"", buf);
}

static short events(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	poll(&p, 1, 0);
	return p.revents;
}

/* ---- datagrams ---- */

CASE(echo)
{
	struct sockaddr_in a, b;
	int fa = bound("127.0.0.1", &a), fb = bound("127.0.0.1", &b);

	say("%#x", events(fb));
	SHOW(SENDTO(fa, "hello", b));
	say("%#x", events(fb));
	show_recvfrom(fb, 0, ntohs(a.sin_port));
	say("%#x", events(fb));
	show_recvfrom(fb, 0, 0);
	SHOW(SENDTO(fb, "and back", a));
	show_recvfrom(fa, 0, ntohs(b.sin_port));
	close(fa);
	close(fb);
}

CASE(empty_and_order)
{
	struct sockaddr_in a, b;
	int fa = bound("127.0.0.1", &a), fb = bound("127.0.0.1", &b), n;

	SHOW(SENDTO(fa, "one", b));
	SHOW(SENDTO(fa, "", b));
	SHOW(SENDTO(fa, "three", b));
	SHOW(ioctl(fb, FIONREAD, &n));
	SHOW(n);
	show_recvfrom(fb, MSG_PEEK, ntohs(a.sin_port));
	show_recvfrom(fb, 0, ntohs(a.sin_port));
	SHOW(ioctl(fb, FIONREAD, &n));
	SHOW(n);
	/* a read of nothing leaves the datagram */
	SHOW(read(fb, &n, 0));
	show_recvfrom(fb, 0, ntohs(a.sin_port));
	show_recvfrom(fb, 0, ntohs(a.sin_port));
	SHOW(write(fb, "", 0));
	close(fa);
	close(fb);
}

CASE(truncation)
{
	struct sockaddr_in a, b;
	int fa = bound("127.0.0.1", &a), fb = bound("127.0.0.1", &b);
	char buf[5] = "";
	struct iovec iov = { buf, 4 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	for (int i = 0; i < 4; i++)
		NEED(SENDTO(fa, "0123456789", b));
	SHOW(recv(fb, buf, 4, 0));
	SHOW(recv(fb, buf, 4, MSG_TRUNC));
	SHOW(recvmsg(fb, &m, 0));
	CHECK(m.msg_flags == MSG_TRUNC);
	SHOW(recv(fb, NULL, 0, MSG_TRUNC));
	close(fa);
	close(fb);
}

CASE(connected)
{
	struct sockaddr_in a, b, c;
	int fa = bound("127.0.0.1", &a), fb = bound("127.0.0.1", &b), fc = bound("127.0.0.1", &c);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	char buf[10] = "";

	show_peer(fa, 0);
	SHOW(send(fa, "x", 1, 0));
	SHOW(write(fa, "x", 1));
	SHOW(CONNECT(fa, b));
	show_peer(fa, ntohs(b.sin_port));
	SHOW(send(fa, "to b", 4, 0));
	SHOW(SENDTO(fa, "to c", c));
	show_recvfrom(fb, 0, ntohs(a.sin_port));
	show_recvfrom(fc, 0, ntohs(a.sin_port));
	/* only the peer is heard */
	SHOW(SENDTO(fc, "from c", a));
	SHOW(SENDTO(fb, "from b", a));
	SHOW(read(fa, buf, sizeof(buf)));
	say("%.6s", buf);
	show_recvfrom(fa, 0, 0);
	SHOW(connect(fa, &none, sizeof(none)));
	show_peer(fa, 0);
	show_local(fa, ntohs(a.sin_port));
	SHOW(SENDTO(fc, "again", a));
	show_recvfrom(fa, 0, ntohs(c.sin_port));
	close(fa);
	close(fb);
	close(fc);
}

CASE(autobind)
{
	struct sockaddr_in a;
	int fa = bound("127.0.0.1", &a), fd = NEED(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	show_local(fd, -1);
	SHOW(CONNECT(fd, a));
	show_local(fd, -1);
	SHOW(connect(fd, &none, sizeof(none)));
	show_local(fd, -1);
	SHOW(SENDTO(fd, "x", a));
	show_local(fd, -1);
	close(fd);
	close(fa);
}

CASE(refused)
{
	struct sockaddr_in a, b;
	int fa = bound("127.0.0.1", &a), fb = bound("127.0.0.1", &b), error = 0;
	socklen_t len = sizeof(error);

	close(fb);
	SHOW(SENDTO(fa, "nobody", b));
	SHOW(getsockopt(fa, SOL_SOCKET, SO_ERROR, &error, &len));
	SHOW(error);
	SHOW(CONNECT(fa, b));
	SHOW(send(fa, "nobody", 6, 0));
	say("%#x", events(fa));
	show_recvfrom(fa, 0, 0);
	say("%#x", events(fa));
	SHOW(send(fa, "nobody", 6, 0));
	SHOW(getsockopt(fa, SOL_SOCKET, SO_ERROR, &error, &len));
	say("%s", errno_name(error));
	SHOW(send(fa, "nobody", 6, 0));
	SHOW(send(fa, "nobody", 6, 0));
	SHOW(send(fa, "nobody", 6, 0));
	close(fa);
}

CASE(to_nobody_in_particular)
{
	struct sockaddr_in a, any;
	int fa = bound("0.0.0.0", &a), fb = NEED(socket(AF_INET, SOCK_DGRAM, 0));

	any = in4("0.0.0.0", ntohs(a.sin_port));
	SHOW(SENDTO(fb, "x", any));
	show_recvfrom(fa, 0, -1);
	SHOW(CONNECT(fb, any));
	show_peer(fb, ntohs(a.sin_port));
	show_local(fa, ntohs(a.sin_port));
	any = in4("127.1.2.3", ntohs(a.sin_port));
	SHOW(SENDTO(fb, "y", any));
	show_recvfrom(fa, 0, -1);
	close(fa);
	close(fb);
}

/* ---- bind ---- */

CASE(bind_errors)
{
	struct sockaddr_in a, other;
	int fa = bound("127.0.0.1", &a), fb = NEED(socket(AF_INET, SOCK_DGRAM, 0));

	SHOW(BIND(fb, a));
	SHOW(BIND(fa, a));
	SHOW(bind(fb, (struct sockaddr *)&a, 3));
	SHOW(bind(fb, (struct sockaddr *)&a, -1));
	SHOW(bind(fb, (struct sockaddr *)&a, 200));
	SHOW(bind(fb, bad_ptr(), sizeof(a)));
	other = in4("192.0.2.77", 0);
	SHOW(BIND(fb, other));
	other = in4("127.0.0.1", 0);
	other.sin_family = AF_INET6;
	SHOW(BIND(fb, other));
	other.sin_family = AF_UNSPEC;
	SHOW(BIND(fb, other));
	other = in4("0.0.0.0", 0);
	other.sin_family = AF_UNSPEC;
	SHOW(BIND(fb, other));
	show_local(fb, -1);
	close(fa);
	close(fb);
}

CASE(bind_reuse)
{
	struct sockaddr_in a, any;
	int fa = bound("127.0.0.1", &a), fb = NEED(socket(AF_INET, SOCK_DGRAM, 0)), on = 1;

	any = in4("0.0.0.0", ntohs(a.sin_port));
	SHOW(BIND(fb, any));
	NEED(setsockopt(fb, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SHOW(BIND(fb, any));
	NEED(setsockopt(fa, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SHOW(BIND(fb, any));
	/* the more exact one gets it */
	SHOW(SENDTO(fb, "x", a));
	show_recvfrom(fa, 0, ntohs(a.sin_port));
	any = in4("127.0.0.2", ntohs(a.sin_port));
	SHOW(SENDTO(fa, "y", any));
	show_recvfrom(fb, 0, ntohs(a.sin_port));
	close(fa);
	close(fb);
}

CASE(bind_reuse_port)
{
	struct sockaddr_in a = in4("127.0.0.1", 0), from;
	int fds[4], on = 1, total = 0, most = 0;
	socklen_t len = sizeof(a);

	for (int i = 0; i < 4; i++) {
		fds[i] = NEED(socket(AF_INET, SOCK_DGRAM, 0));
		NEED(setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
		SHOW(BIND(fds[i], a));
		NEED(getsockname(fds[i], (struct sockaddr *)&a, &len));
	}
	for (int i = 0; i < 64; i++) {
		int fd = bound("127.0.0.1", &from);

		NEED(SENDTO(fd, "x", a));
		close(fd);
	}
	for (int i = 0; i < 4; i++) {
		char c;
		int n = 0;

		while (recv(fds[i], &c, 1, MSG_DONTWAIT) == 1)
			n++;
		total += n;
		most = n > most ? n : most;
		close(fds[i]);
	}
	SHOW(total);
	CHECK(most < 50);
}

/* ---- errors ---- */

CASE(send_errors)
{
	static char big[70000];
	struct sockaddr_in a, b;
	int fa = bound("127.0.0.1", &a), fb = bound("127.0.0.1", &b);

	SHOW(sendto(fa, "x", 1, 0, (struct sockaddr *)&b, 5));
	SHOW(sendto(fa, "x", 1, 0, (struct sockaddr *)&b, -1));
	SHOW(sendto(fa, "x", 1, 0, bad_ptr(), sizeof(b)));
	SHOW(sendto(fa, bad_ptr(), 100, 0, (struct sockaddr *)&b, sizeof(b)));
	SHOW(sendto(fa, kernel_ptr(), 100, 0, (struct sockaddr *)&b, sizeof(b)));
	SHOW(sendto(fa, bad_ptr(), 1000, 0, (struct sockaddr *)&b, sizeof(b)));
	SHOW(sendto(fa, big, 65507, 0, (struct sockaddr *)&b, sizeof(b)));
	SHOW(sendto(fa, big, 65508, 0, (struct sockaddr *)&b, sizeof(b)));
	SHOW(sendto(fa, big, 66000, 0, (struct sockaddr *)&b, sizeof(b)));
	SHOW(sendto(fa, "x", 1, MSG_OOB, (struct sockaddr *)&b, sizeof(b)));
	SHOW(recv(fb, big, sizeof(big), 0));
	SHOW(recv(fb, big, sizeof(big), MSG_DONTWAIT));
	SHOW(recv(fb, big, sizeof(big), MSG_OOB | MSG_DONTWAIT));
	SHOW(recv(fb, big, sizeof(big), MSG_ERRQUEUE));
	b.sin_port = 0;
	SHOW(SENDTO(fa, "x", b));
	b = in4("255.255.255.255", 9);
	SHOW(SENDTO(fa, "x", b));
	b = in4("127.0.0.1", 9);
	b.sin_family = 77;
	SHOW(SENDTO(fa, "x", b));
	SHOW(CONNECT(fa, b));
	SHOW(connect(fa, (struct sockaddr *)&b, 1));
	SHOW(listen(fa, 1));
	SHOW(accept(fa, NULL, NULL));
	SHOW(sendto(-1, "x", 1, 0, NULL, 0));
	SHOW(sendto(1, "x", 1, 0, NULL, 0));
	close(fa);
	close(fb);
}

CASE(recv_errors)
{
	struct sockaddr_in a, from;
	int fa = bound("127.0.0.1", &a);
	socklen_t len = -1;
	char c;

	for (int i = 0; i < 6; i++)
		NEED(SENDTO(fa, "x", a));
	SHOW(recvfrom(fa, &c, 1, 0, (struct sockaddr *)&from, &len));
	len = 4;
	SHOW(recvfrom(fa, &c, 1, 0, (struct sockaddr *)&from, &len));
	SHOW(len);
	SHOW(recvfrom(fa, &c, 1, 0, (struct sockaddr *)&from, bad_ptr()));
	SHOW(recvfrom(fa, &c, 1, 0, bad_ptr(), &len));
	SHOW(recvfrom(fa, bad_ptr(), 1, 0, NULL, NULL));
	SHOW(recvfrom(fa, &c, 1, 0, (struct sockaddr *)&from, NULL));
	SHOW(recvfrom(fa, &c, 1, MSG_DONTWAIT, NULL, NULL));
	close(fa);
}

/* ---- shutdown ---- */

CASE(shutdown_udp)
{
	struct sockaddr_in a;
	int fa = bound("127.0.0.1", &a);
	char c;

	SHOW(shutdown(fa, 3));
	SHOW(shutdown(fa, SHUT_RD));
	say("%#x", events(fa));
	SHOW(recv(fa, &c, 1, 0));
	SHOW(CONNECT(fa, a));
	SHOW(shutdown(fa, SHUT_WR));
	say("%#x", events(fa));
	SHOW(send(fa, "x", 1, 0));
	close(fa);
}

/* ---- IPv6 ---- */

CASE(ipv6)
{
	struct sockaddr_in6 a = in6("::1", 0);
	int fa = NEED(socket(AF_INET6, SOCK_DGRAM, 0)), fb = NEED(socket(AF_INET6, SOCK_DGRAM, 0));
	socklen_t len = sizeof(a);

	show_local(fa, 0);
	SHOW(BIND(fa, a));
	NEED(getsockname(fa, (struct sockaddr *)&a, &len));
	SHOW(SENDTO(fb, "six", a));
	show_recvfrom(fa, 0, -1);
	SHOW(CONNECT(fb, a));
	show_peer(fb, ntohs(a.sin6_port));
	show_local(fb, -1);
	SHOW(write(fb, "more", 4));
	show_recvfrom(fa, 0, -1);
	close(fa);
	close(fb);
}

CASE(ipv6_dual)
{
	struct sockaddr_in6 a = in6("::", 0), mapped;
	struct sockaddr_in v4;
	int fa = NEED(socket(AF_INET6, SOCK_DGRAM, 0)), fb = NEED(socket(AF_INET, SOCK_DGRAM, 0));
	socklen_t len = sizeof(a);

	SHOW(BIND(fa, a));
	NEED(getsockname(fa, (struct sockaddr *)&a, &len));
	v4 = in4("127.0.0.1", ntohs(a.sin6_port));
	SHOW(SENDTO(fb, "four", v4));
	show_recvfrom(fa, 0, -1);
	SHOW(BIND(fb, v4));
	/* back by a mapped address */
	len = sizeof(v4);
	NEED(getsockname(fb, (struct sockaddr *)&v4, &len));
	mapped = in6("::ffff:127.0.0.1", ntohs(v4.sin_port));
	SHOW(SENDTO(fa, "mapped", mapped));
	show_recvfrom(fb, 0, ntohs(a.sin6_port));
	SHOW(SENDTO(fa, "plain", v4));
	show_recvfrom(fb, 0, ntohs(a.sin6_port));
	SHOW(CONNECT(fa, mapped));
	show_local(fa, ntohs(a.sin6_port));
	show_peer(fa, ntohs(v4.sin_port));
	close(fa);
	close(fb);
}

CASE(ipv6_only)
{
	struct sockaddr_in6 a = in6("::", 0), mapped;
	struct sockaddr_in v4;
	int fa = NEED(socket(AF_INET6, SOCK_DGRAM, 0)), fb = NEED(socket(AF_INET, SOCK_DGRAM, 0));
	int on = 1, got = -1;
	socklen_t len = sizeof(a);

	SHOW(setsockopt(fa, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	SHOW(BIND(fa, a));
	SHOW(setsockopt(fa, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	NEED(getsockname(fa, (struct sockaddr *)&a, &len));
	len = sizeof(got);
	SHOW(getsockopt(fa, SOL_IPV6, IPV6_V6ONLY, &got, &len));
	SHOW(got);
	v4 = in4("0.0.0.0", ntohs(a.sin6_port));
	SHOW(BIND(fb, v4));
	v4 = in4("127.0.0.1", ntohs(a.sin6_port));
	SHOW(SENDTO(fb, "four", v4));
	show_recvfrom(fb, 0, ntohs(a.sin6_port));
	show_recvfrom(fa, 0, 0);
	mapped = in6("::ffff:127.0.0.1", ntohs(v4.sin_port));
	SHOW(SENDTO(fa, "mapped", mapped));
	SHOW(SENDTO(fa, "plain", v4));
	close(fa);
	close(fb);
}

CASE(ipv6_bind_errors)
{
	struct sockaddr_in6 a = in6("2001:db8::1", 0);
	struct sockaddr_in v4 = in4("127.0.0.1", 0);
	int fd = NEED(socket(AF_INET6, SOCK_DGRAM, 0)), on = 1;

	SHOW(BIND(fd, a));
	SHOW(BIND(fd, v4));
	a = in6("fe80::1", 0);
	SHOW(BIND(fd, a));
	a = in6("::1", 0);
	SHOW(bind(fd, (struct sockaddr *)&a, 23));
	a.sin6_family = AF_INET;
	SHOW(BIND(fd, a));
	a = in6("::ffff:127.0.0.1", 0);
	SHOW(BIND(fd, a));
	show_local(fd, -1);
	close(fd);
	fd = NEED(socket(AF_INET6, SOCK_DGRAM, 0));
	NEED(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	SHOW(BIND(fd, a));
	close(fd);
}

/* ---- control messages ---- */

static void show_control(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		say("  level %d type %d length %zu", c->cmsg_level, c->cmsg_type,
		    (size_t)c->cmsg_len);
		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo *p = (struct in_pktinfo *)CMSG_DATA(c);

			say("  if %d to %s", p->ipi_ifindex, inet_ntoa(p->ipi_addr));
		} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TTL) {
			say("  ttl %d", *(int *)CMSG_DATA(c));
		} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS) {
			say("  tos %d", *CMSG_DATA(c));
		}
	}
	say("  flags %#x", m->msg_flags);
}

CASE(control)
{
	struct sockaddr_in a, b;
	int fa = bound("0.0.0.0", &a), fb = bound("127.0.0.1", &b), on = 1, ttl = 77, tos = 0x10;
	char buf[10], control[300];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };

	NEED(setsockopt(fa, SOL_IP, IP_PKTINFO, &on, sizeof(on)));
	NEED(setsockopt(fa, SOL_IP, IP_RECVTTL, &on, sizeof(on)));
	NEED(setsockopt(fa, SOL_IP, IP_RECVTOS, &on, sizeof(on)));
	SHOW(setsockopt(fb, SOL_IP, IP_TTL, &ttl, sizeof(ttl)));
	SHOW(setsockopt(fb, SOL_IP, IP_TOS, &tos, sizeof(tos)));
	a = in4("127.0.0.5", ntohs(a.sin_port));
	for (int i = 0; i < 3; i++)
		NEED(SENDTO(fb, "x", a));
	SHOW(recvmsg(fa, &m, 0));
	show_control(&m);
	m.msg_controllen = 40;
	SHOW(recvmsg(fa, &m, 0));
	show_control(&m);
	m.msg_controllen = 0;
	SHOW(recvmsg(fa, &m, 0));
	show_control(&m);
	close(fa);
	close(fb);
}

CASE(control_send)
{
	struct sockaddr_in a, b;
	int fa = bound("0.0.0.0", &a), fb = bound("0.0.0.0", &b), on = 1;
	char control[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_name = &a,
			    .msg_namelen = sizeof(a),
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct in_pktinfo *p = (struct in_pktinfo *)CMSG_DATA(c);
	char back[200];
	struct msghdr r = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = back };

	NEED(setsockopt(fa, SOL_IP, IP_RECVTTL, &on, sizeof(on)));
	c->cmsg_level = SOL_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(*p));
	inet_pton(AF_INET, "127.0.0.9", &p->ipi_spec_dst);
	c = CMSG_NXTHDR(&m, c);
	c->cmsg_level = SOL_IP;
	c->cmsg_type = IP_TTL;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)CMSG_DATA(c) = 9;
	a = in4("127.0.0.1", ntohs(a.sin_port));
	SHOW(sendmsg(fb, &m, 0));
	char buf[10];
	iov = (struct iovec){ buf, sizeof(buf) };
	r.msg_controllen = sizeof(back);
	SHOW(recvmsg(fa, &r, 0));
	show_control(&r);
	*(int *)CMSG_DATA(c) = 300;
	SHOW(sendmsg(fb, &m, 0));
	c->cmsg_len = 3;
	SHOW(sendmsg(fb, &m, 0));
	c->cmsg_len = CMSG_LEN(sizeof(int));
	c->cmsg_level = 99;
	SHOW(sendmsg(fb, &m, 0));
	show_recvfrom(fa, 0, 0);
	close(fa);
	close(fb);
}

CASE(many)
{
	struct sockaddr_in a, b;
	int fa = bound("127.0.0.1", &a), fb = bound("127.0.0.1", &b);
	struct mmsghdr m[4];
	struct iovec iov[4];
	char bufs[4][10];
	struct timespec ts = { 0, 1000000 }, bad = { 0, 1000000000 };

	memset(m, 0, sizeof(m));
	for (int i = 0; i < 4; i++) {
		iov[i] = (struct iovec){ "abcd", i + 1 };
		m[i].msg_hdr = (struct msghdr){ .msg_name = &b,
						.msg_namelen = sizeof(b),
						.msg_iov = &iov[i],
						.msg_iovlen = 1 };
	}
	SHOW(sendmmsg(fa, m, 4, 0));
	for (int i = 0; i < 4; i++) {
		say("%u", m[i].msg_len);
		iov[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
		m[i].msg_hdr.msg_name = NULL;
	}
	SHOW(recvmmsg(fb, m, 3, 0, NULL));
	for (int i = 0; i < 3; i++)
		say("%u", m[i].msg_len);
	SHOW(recvmmsg(fb, m, 4, MSG_WAITFORONE, NULL));
	SHOW(recvmmsg(fb, m, 4, MSG_DONTWAIT, NULL));
	NEED(SENDTO(fa, "x", b));
	SHOW(recvmmsg(fb, m, 4, MSG_DONTWAIT, &ts));
	SHOW(recvmmsg(fb, m, 4, MSG_DONTWAIT, &bad));
	SHOW(recvmmsg(fb, m, 0, MSG_DONTWAIT, NULL));
	SHOW(recvmmsg(99, m, 0, MSG_DONTWAIT, NULL));
	SHOW(syscall(SYS_recvmmsg, fb, bad_ptr(), 1, MSG_DONTWAIT, NULL));
	SHOW(syscall(SYS_sendmmsg, fa, bad_ptr(), 1, 0));
	close(fa);
	close(fb);
}

CASE(segments)
{
	struct sockaddr_in a, b;
	int fa = bound("127.0.0.1", &a), fb = bound("127.0.0.1", &b), size = 4, got = 0;
	socklen_t len = sizeof(got);

	SHOW(setsockopt(fa, SOL_UDP, 103, &size, sizeof(size)));
	SHOW(getsockopt(fa, SOL_UDP, 103, &got, &len));
	SHOW(got);
	SHOW(SENDTO(fa, "aaaabbbbcccc!!", b));
	for (int i = 0; i < 5; i++)
		show_recvfrom(fb, 0, ntohs(a.sin_port));
	SHOW(SENDTO(fa, "four", b));
	show_recvfrom(fb, 0, ntohs(a.sin_port));
	size = -1;
	SHOW(setsockopt(fa, SOL_UDP, 103, &size, sizeof(size)));
	size = 70000;
	SHOW(setsockopt(fa, SOL_UDP, 103, &size, sizeof(size)));
	SHOW(setsockopt(fa, SOL_UDP, 999, &size, sizeof(size)));
	close(fa);
	close(fb);
}
