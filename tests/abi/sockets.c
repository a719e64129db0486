/* For the programs about sockets, see sockets.h. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "sockets.h"

struct sockaddr_in in4(const char *addr, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, addr, &in.sin_addr);
	return in;
}

struct sockaddr_in6 in6(const char *addr, int port)
{
	struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	inet_pton(AF_INET6, addr, &in.sin6_addr);
	return in;
}

struct sockaddr_un named(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	strcpy(un.sun_path, path);
	return un;
}

int pair[2];

void open_pair(int type)
{
	NEED(socketpair(AF_UNIX, type, 0, pair));
}

void close_pair(void)
{
	close(pair[0]);
	close(pair[1]);
}

void show_events(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	poll(&p, 1, 0);
	say("%s: %#x", what, p.revents);
}

void show_recv(int fd, int flags)
{
	char buf[100] = "";
	long r = recv(fd, buf, sizeof(buf) - 1, flags);

	show("recv", r);
	if (r > 0)
		say("  \"%s\"", buf);
}

void set_get(int fd, const char *what, int level, int name, int value)
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

void show_unix_name(const char *what, int r, const struct sockaddr_un *un, socklen_t len)
{
	show(what, r);
	if (r < 0)
		return;
	if (len <= 2)
		say("  family %d length %u", un->sun_family, len);
	else if (un->sun_path[0])
		say("  family %d length %u %s", un->sun_family, len, un->sun_path);
	else
		say("  family %d length %u @%.*s", un->sun_family, len, (int)len - 3,
		    un->sun_path + 1);
}

void show_unix_local(int fd)
{
	struct sockaddr_un un = { .sun_family = 77 };
	socklen_t len = sizeof(un);
	int r = getsockname(fd, (struct sockaddr *)&un, &len);

	show_unix_name("getsockname", r, &un, len);
}

void show_unix_peer(int fd)
{
	struct sockaddr_un un = { .sun_family = 77 };
	socklen_t len = sizeof(un);
	int r = getpeername(fd, (struct sockaddr *)&un, &len);

	show_unix_name("getpeername", r, &un, len);
}
