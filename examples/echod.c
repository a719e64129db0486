/*
 * echod [PORT]: gives back what it gets, over TCP and UDP, IPv4 and IPv6
 * (RFC 862; the port is 7 unless told).
 *
 * One thread, one epoll. What a TCP client does not take at once stays in its
 * connection, and until it took it nothing more is read from it: a client that
 * only sends is slowed down and costs one buffer. SIGTERM closes the door,
 * lets what was read go out, and ends.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "server.h"

#define DEFAULT_PORT  7
#define EVENTS        64
#define DATAGRAM_MOST 65536
#define DATAGRAMS     64 /* a turn, then the others get theirs */

/* A TCP client, and what it has not taken yet. */
struct client {
	int fd;
	bool blocked; /* waits to write, not to read */
	bool ended; /* has sent its last byte */
	size_t from, to; /* of buffer, still to be written */
	struct client *next, **link;
	char buffer[16384];
};

static int epoll, listener, udp;
static struct client *clients;
static bool full; /* no descriptor or memory for another client: not accepting */
static unsigned long connections, datagrams;
static unsigned long long bytes;

static void watch(int fd, void *data, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll, operation, fd, &event) < 0)
		die("epoll_ctl");
}

static void drop(struct client *client)
{
	close(client->fd);
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	free(client);
	if (full && !stopping) {
		full = false;
		watch(listener, &listener, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static bool add_client(int fd)
{
	struct client *client = malloc(sizeof(*client));

	if (!client)
		return false;
	memset(client, 0, offsetof(struct client, buffer));
	client->fd = fd;
	client->next = clients;
	client->link = &clients;
	if (clients)
		clients->link = &client->next;
	clients = client;
	connections++;
	watch(fd, client, EPOLL_CTL_ADD, EPOLLIN);
	return true;
}

static void accept_clients(void)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		if (!add_client(fd))
			close(fd);
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		full = clients != NULL; /* the next one that leaves opens the door again */
		if (full)
			watch(listener, NULL, EPOLL_CTL_DEL, 0);
	}
}

/* Takes the oldest bytes out as far as they go; false when the client is gone. */
static bool write_out(struct client *client)
{
	while (client->from < client->to) {
		ssize_t n = send(client->fd, client->buffer + client->from,
				 client->to - client->from, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		client->from += (size_t)n;
		bytes += (size_t)n;
	}
	client->from = client->to = 0;
	return true;
}

static bool read_in(struct client *client)
{
	ssize_t n = recv(client->fd, client->buffer, sizeof(client->buffer), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->ended = n == 0;
	client->to = (size_t)n;
	return write_out(client);
}

static void serve_client(struct client *client)
{
	bool alive = client->blocked ? write_out(client) : read_in(client);
	bool blocked = client->from < client->to;

	if (!alive || (!blocked && (client->ended || stopping))) {
		drop(client);
	} else if (blocked != client->blocked) {
		client->blocked = blocked;
		watch(client->fd, client, EPOLL_CTL_MOD, blocked ? EPOLLOUT : EPOLLIN);
	}
}

static void echo_datagrams(void)
{
	static char buffer[DATAGRAM_MOST];

	for (unsigned i = 0; i < DATAGRAMS; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		ssize_t n =
			recvfrom(udp, buffer, sizeof(buffer), 0, (struct sockaddr *)&peer, &len);

		if (n < 0)
			return; /* none, or an error of an earlier answer */
		datagrams++;
		/* Lost when there is no room, as datagrams are. */
		if (sendto(udp, buffer, (size_t)n, 0, (struct sockaddr *)&peer, len) == n)
			bytes += (size_t)n;
	}
}

static void turn(const sigset_t *unblocked)
{
	struct epoll_event event[EVENTS];
	int n = epoll_pwait(epoll, event, EVENTS, -1, unblocked);

	for (int i = 0; i < n; i++) {
		if (event[i].data.ptr == &listener)
			accept_clients();
		else if (event[i].data.ptr == &udp)
			echo_datagrams();
		else
			serve_client(event[i].data.ptr);
	}
}

/* Nothing new; what is on its way out gets a second a client at most. */
static void finish(void)
{
	struct epoll_event event[EVENTS];
	struct client *client, *next;
	int n = 1;

	close(listener);
	close(udp);
	for (client = clients; client; client = next) {
		next = client->next;
		if (!client->blocked)
			drop(client);
	}
	while (clients && n > 0) {
		n = epoll_wait(epoll, event, EVENTS, 1000);
		for (int i = 0; i < n; i++)
			serve_client(event[i].data.ptr);
	}
}

int main(int argc, char **argv)
{
	unsigned port = argc > 1 ? parse_number(argv[1], 65535) : DEFAULT_PORT;
	sigset_t unblocked;

	if (argc > 2 || port == 0) {
		fprintf(stderr, "usage: echod [PORT]\n");
		return 2;
	}
	raise_descriptor_limit();
	stop_on_signals(&unblocked);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		die("epoll_create1");
	listener = serve(SOCK_STREAM, (uint16_t)port);
	udp = serve(SOCK_DGRAM, (uint16_t)port);
	watch(listener, &listener, EPOLL_CTL_ADD, EPOLLIN);
	watch(udp, &udp, EPOLL_CTL_ADD, EPOLLIN);
	printf("echod: serving on port %u, TCP and UDP\n", port);
	fflush(stdout);
	while (!stopping)
		turn(&unblocked);
	finish();
	printf("echod: %lu connections, %lu datagrams, %llu bytes\n", connections, datagrams,
	       bytes);
	return 0;
}
