/*
 * The options that all sockets have, and their timeouts.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "sockets.h"

#define MS 1000000

static void common_options(int fd)
{
	static const int values[] = { -1, 0, 1, 2, 100, 5000, 100000 };

	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
		SET_GET(fd, SOL_SOCKET, SO_REUSEADDR, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_KEEPALIVE, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_BROADCAST, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_DONTROUTE, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_OOBINLINE, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_RCVLOWAT, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_SNDLOWAT, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_PRIORITY, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_MARK, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_TIMESTAMP, values[i]);
		if (values[i] >= 0) { /* the most: options_largest_buffers */
			SET_GET(fd, SOL_SOCKET, SO_SNDBUF, values[i]);
			SET_GET(fd, SOL_SOCKET, SO_RCVBUF, values[i]);
		}
		SET_GET(fd, SOL_SOCKET, SO_TYPE, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_ERROR, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_PROTOCOL, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_DOMAIN, values[i]);
		SET_GET(fd, SOL_SOCKET, SO_ACCEPTCONN, values[i]);
	}
}

CASE(options_unix)
{
	int fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0));

	common_options(fd);
	SET_GET(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	close(fd);
}

CASE(options_udp)
{
	int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0));

	common_options(fd);
	SET_GET(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	close(fd);
}

static int number_in(const char *path)
{
	char text[16] = "";
	int fd = NEED(open(path, O_RDONLY));

	NEED(read(fd, text, sizeof(text) - 1));
	close(fd);
	return (int)strtol(text, NULL, 10);
}

static void largest(int type, int option, const char *limit)
{
	int fd = NEED(socket(type, SOCK_DGRAM, 0)), value = -1;
	socklen_t len = sizeof(value);

	SHOW(setsockopt(fd, SOL_SOCKET, option, &value, len));
	SHOW(getsockopt(fd, SOL_SOCKET, option, &value, &len));
	CHECK(value == 2 * number_in(limit));
	close(fd);
}

CASE(options_largest_buffers)
{
	largest(AF_UNIX, SO_SNDBUF, "/proc/sys/net/core/wmem_max");
	largest(AF_UNIX, SO_RCVBUF, "/proc/sys/net/core/rmem_max");
	largest(AF_INET, SO_SNDBUF, "/proc/sys/net/core/wmem_max");
	largest(AF_INET, SO_RCVBUF, "/proc/sys/net/core/rmem_max");
}

CASE(options_defaults)
{
	static const int names[] = { SO_SNDBUF,   SO_RCVBUF,    SO_RCVLOWAT,  SO_TYPE,
				     SO_DOMAIN,   SO_PROTOCOL,  SO_REUSEADDR, SO_LINGER,
				     SO_RCVTIMEO, SO_ACCEPTCONN };
	int fds[3] = { NEED(socket(AF_UNIX, SOCK_SEQPACKET, 0)),
		       NEED(socket(AF_UNIX, SOCK_DGRAM, 0)),
		       NEED(socket(AF_INET6, SOCK_DGRAM, 0)) };

	for (int i = 0; i < 3; i++) {
		for (unsigned k = 0; k < sizeof(names) / sizeof(*names); k++) {
			int got[4] = { -77, -77, -77, -77 };
			socklen_t len = sizeof(got);
			int r = getsockopt(fds[i], SOL_SOCKET, names[k], got, &len);

			say("%d: %d, %d %d, length %u", names[k], r, got[0], got[1], len);
		}
		close(fds[i]);
	}
}

CASE(option_errors)
{
	int fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), n = 1;
	struct linger linger = { 1, 30 };
	socklen_t len = sizeof(n);
	char name[20] = "nothere";

	SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &n, 3));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &n, -1));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bad_ptr(), 4));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bad_ptr(), 3));
	SHOW(setsockopt(fd, SOL_SOCKET, 9999, &n, 4));
	SHOW(setsockopt(fd, 77, 1, &n, 4));
	SHOW(setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &n, 4));
	SHOW(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bad_ptr(), &len));
	SHOW(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &n, bad_ptr()));
	len = -1;
	SHOW(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &n, &len));
	len = 2;
	n = 0x55555555;
	SHOW(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &n, &len));
	say("%#x %u", n, len);
	len = 4;
	SHOW(getsockopt(fd, SOL_SOCKET, 9999, &n, &len));
	SHOW(getsockopt(fd, 77, 1, &n, &len));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	linger = (struct linger){ 0, 0 };
	len = sizeof(linger);
	SHOW(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	say("%d %d %u", linger.l_onoff, linger.l_linger, len);
	SHOW(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, sizeof(name)));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, 0));
	close(fd);
}

CASE(timeouts)
{
	struct timeval tv = { 0, 30000 }, bad = { 0, 1000000 }, got;
	socklen_t len = sizeof(got);
	char c;

	open_pair(SOCK_STREAM);
	SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof(bad)));
	SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, 8));
	SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	SHOW(getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &got, &len));
	CHECK(got.tv_sec == 0 && got.tv_usec >= 30000 && got.tv_usec < 50000);
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	SHOW(recv(pair[0], &c, 1, 0));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 30 * MS);
	tv = (struct timeval){ 2, 0 };
	SHOW(setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	len = sizeof(got);
	SHOW(getsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &got, &len));
	say("%ld %ld %u", (long)got.tv_sec, (long)got.tv_usec, len);
	close_pair();
}

static volatile int ticks;

static void on_tick(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	if (++ticks == 3)
		NEED(write(pair[1], "x", 1));
}

static void start_ticks(int flags)
{
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } };

	on_signal(SIGALRM, on_tick, flags);
	NEED(setitimer(ITIMER_REAL, &it, NULL));
}

CASE(interrupted, ALONE)
{
	char c;

	open_pair(SOCK_STREAM);
	start_ticks(0);
	SHOW(recv(pair[0], &c, 1, 0));
	SHOW(ticks);
	start_ticks(SA_RESTART);
	SHOW(recv(pair[0], &c, 1, 0));
	CHECK(ticks >= 3);
}

CASE(interrupted_with_timeout, ALONE)
{
	struct timeval tv = { 60, 0 };
	char c;

	open_pair(SOCK_STREAM);
	NEED(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	/* is not restarted */
	start_ticks(SA_RESTART);
	SHOW(recv(pair[0], &c, 1, 0));
	SHOW(ticks);
}

/* ---- of UDP ---- */

CASE(options_ip)
{
	int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0)), n = 0;
	static const int values[] = { -2, -1, 0, 1, 2, 200, 255, 256 };
	unsigned char byte = 5;
	socklen_t len;

	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
		SET_GET(fd, SOL_IP, IP_TTL, values[i]);
		SET_GET(fd, SOL_IP, IP_TOS, values[i]);
		SET_GET(fd, SOL_IP, IP_MULTICAST_TTL, values[i]);
		SET_GET(fd, SOL_IP, IP_MULTICAST_LOOP, values[i]);
		SET_GET(fd, SOL_IP, IP_MTU_DISCOVER, values[i]);
		SET_GET(fd, SOL_IP, IP_RECVERR, values[i]);
		SET_GET(fd, SOL_IP, IP_PKTINFO, values[i]);
		SET_GET(fd, SOL_IP, IP_FREEBIND, values[i]);
	}
	SHOW(setsockopt(fd, SOL_IP, IP_TTL, &byte, 1));
	len = 1;
	SHOW(getsockopt(fd, SOL_IP, IP_TTL, &n, &len));
	say("%d %u", n, len);
	len = 0;
	SHOW(getsockopt(fd, SOL_IP, IP_TTL, &n, &len));
	len = -1;
	SHOW(getsockopt(fd, SOL_IP, IP_TTL, &n, &len));
	SHOW(setsockopt(fd, SOL_IP, IP_TTL, &n, 0));
	SHOW(setsockopt(fd, SOL_IP, 999, &n, sizeof(n)));
	len = sizeof(n);
	SHOW(getsockopt(fd, SOL_IP, 999, &n, &len));
	SHOW(getsockopt(fd, SOL_IP, IP_MTU, &n, &len));
	SHOW(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &n, sizeof(n)));
	SHOW(setsockopt(fd, 77, 1, &n, sizeof(n)));
	SHOW(getsockopt(fd, 77, 1, &n, &len));
	close(fd);
}

CASE(options_ipv6)
{
	int fd = NEED(socket(AF_INET6, SOCK_DGRAM, 0)), n = 0;
	static const int values[] = { -2, -1, 0, 1, 200, 255, 256 };

	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
		if (values[i] != 0) /* here the default */
			SET_GET(fd, SOL_IPV6, IPV6_UNICAST_HOPS, values[i]);
		SET_GET(fd, SOL_IPV6, IPV6_MULTICAST_HOPS, values[i]);
		SET_GET(fd, SOL_IPV6, IPV6_MULTICAST_LOOP, values[i]);
		SET_GET(fd, SOL_IPV6, IPV6_TCLASS, values[i]);
		SET_GET(fd, SOL_IPV6, IPV6_RECVPKTINFO, values[i]);
		SET_GET(fd, SOL_IPV6, IPV6_V6ONLY, values[i]);
		SET_GET(fd, SOL_IP, IP_TTL, values[i]);
	}
	SHOW(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &n, 1));
	SHOW(setsockopt(fd, SOL_IPV6, 999, &n, sizeof(n)));
	close(fd);
}

CASE(multicast)
{
	struct sockaddr_in group = in4("239.1.2.3", 0), any = in4("0.0.0.0", 0);
	int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0));
	struct ip_mreqn m = { .imr_ifindex = 1 };
	socklen_t len = sizeof(any);

	m.imr_multiaddr = group.sin_addr;
	NEED(BIND(fd, any));
	NEED(getsockname(fd, (struct sockaddr *)&any, &len));
	SHOW(setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SHOW(setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SHOW(setsockopt(fd, SOL_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	SHOW(setsockopt(fd, SOL_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	m.imr_ifindex = 99;
	SHOW(setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	m.imr_ifindex = 1;
	SHOW(setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, &m, 4));
	SHOW(setsockopt(fd, SOL_IP, IP_MULTICAST_IF, &m, 3));
	m.imr_multiaddr.s_addr = htonl(0x7f000001);
	SHOW(setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	close(fd);
}
