/*
 * sockets NAME PROGRAM ARG...: makes sockets of many kinds and states, one of them of
 * that abstract name, and becomes the program, which is to list them.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int need(const char *what, int r)
{
	if (r < 0) {
		perror(what);
		exit(1);
	}
	return r;
}
#define NEED(expr) need(#expr, expr)

static int bound4(int type, const char *addr, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int s = NEED(socket(AF_INET, type, 0)), on = 1;

	inet_pton(AF_INET, addr, &a.sin_addr);
	NEED(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	NEED(bind(s, (struct sockaddr *)&a, sizeof(a)));
	return s;
}

static int bound6(int type, const char *addr, int port, int only)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int s = NEED(socket(AF_INET6, type, 0));

	inet_pton(AF_INET6, addr, &a.sin6_addr);
	NEED(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)));
	NEED(bind(s, (struct sockaddr *)&a, sizeof(a)));
	return s;
}

/* From 127.0.0.1:port to 127.0.0.1:to */
static int connected(int type, int port, int to)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(to),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = bound4(type, "127.0.0.1", port);

	NEED(connect(s, (struct sockaddr *)&a, sizeof(a)));
	return s;
}

static void make_internet(void)
{
	int l = bound4(SOCK_STREAM, "127.0.0.1", 18080);

	NEED(listen(l, 5));
	NEED(send(connected(SOCK_STREAM, 18090, 18080), "unread", 6, 0));
	NEED(accept(l, NULL, NULL));
	connected(SOCK_STREAM, 18091, 18080);
	close(NEED(accept(l, NULL, NULL)));
	connected(SOCK_STREAM, 18092, 18080); /* waits to be accepted */
	NEED(shutdown(connected(SOCK_STREAM, 18094, 18080), SHUT_WR));
	NEED(listen(bound4(SOCK_STREAM, "0.0.0.0", 18081), 7));
	l = bound6(SOCK_STREAM, "::", 18082, 0);
	NEED(listen(l, 9));
	connected(SOCK_STREAM, 18093, 18082);
	NEED(accept(l, NULL, NULL));
	NEED(listen(bound6(SOCK_STREAM, "::1", 18083, 1), 9));
	bound4(SOCK_DGRAM, "127.0.0.1", 18053);
	connected(SOCK_DGRAM, 18054, 18053);
	bound6(SOCK_DGRAM, "::", 18055, 0);
	bound6(SOCK_DGRAM, "::", 18056, 1);
}

static void make_unix(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
	int l = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
	int pair[2];

	memcpy(un.sun_path + 1, name, strlen(name));
	NEED(bind(l, (struct sockaddr *)&un, len));
	NEED(listen(l, 3));
	NEED(connect(c, (struct sockaddr *)&un, len));
	NEED(accept(l, NULL, NULL));
	NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	NEED(socket(AF_UNIX, SOCK_STREAM, 0));
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	close_range(3, ~0u, 0); /* what the test's shell had open */
	make_internet();
	make_unix(argv[1]);
	usleep(200000); /* until the last FIN has come */
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
