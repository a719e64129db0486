/*
 * httpd [PORT [FOLDER]]: serves the files of a folder over HTTP/1.1, and
 * /status, which says how it is. The port is 80 unless told, the folder ".".
 *
 * One thread, one epoll, nothing blocks. A connection reads until it has a
 * whole request, answers it, and reads on; while its client does not take an
 * answer it reads nothing. It holds buffers only while there is something in
 * them, so an idle one costs about a hundred bytes. Connections stand in the
 * order of their last progress, and those that make none for IDLE_SECONDS are
 * closed, from the oldest on.
 *
 *      reading --whole request--> writing --all taken--> reading
 *                                    `--not kept alive--> draining --> gone
 *
 * Draining: closing a socket that has unread bytes resets the connection, and
 * the client may lose the answer. So it is only shut down at first, and what
 * still comes is thrown away.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "httpd.h"
#include "server.h"

#define DEFAULT_PORT 80
#define EVENTS       256
#define ACCEPTS      256 /* a turn, then others get theirs */
#define IDLE_SECONDS 30
#define END_SECONDS  5 /* for answers on their way when SIGTERM comes */
#define PIECE        (1 << 20) /* of a large file, then others get their turn */

struct server server;
static int epoll, listener;
static bool accepting = true;
static struct connection *newest, *oldest;
static time_t now; /* monotonic, of this turn */

static void watch(int fd, void *data, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll, operation, fd, &event) < 0)
		die("epoll_ctl");
}

/* RFC 9110, 5.6.7 */
static void look_at_clocks(void)
{
	static time_t shown;
	time_t today = time(NULL);
	struct timespec t;
	struct tm tm;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = t.tv_sec;
	if (today != shown && gmtime_r(&today, &tm)) {
		strftime(server.date, sizeof(server.date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		shown = today;
	}
}

/* ---- the list of connections */

static void unlink_connection(struct connection *c)
{
	*(c->newer ? &c->newer->older : &newest) = c->older;
	*(c->older ? &c->older->newer : &oldest) = c->newer;
}

static void link_newest(struct connection *c)
{
	c->progress = now;
	c->older = newest;
	c->newer = NULL;
	*(newest ? &newest->newer : &oldest) = c;
	newest = c;
}

static void made_progress(struct connection *c)
{
	if (c->progress == now)
		return;
	unlink_connection(c);
	link_newest(c);
}

static void drop(struct connection *c)
{
	unlink_connection(c);
	forget_answer(c);
	free(c->in);
	close(c->fd);
	free(c);
	server.open--;
	if (!accepting && !stopping) {
		accepting = true;
		watch(listener, &listener, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static void add(int fd)
{
	struct connection *c = calloc(1, sizeof(*c));
	const int on = 1;

	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->file = -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* answers are whole */
	link_newest(c);
	server.open++;
	server.connections++;
	watch(fd, c, EPOLL_CTL_ADD, EPOLLIN);
}

static void accept_connections(void)
{
	int fd;

	for (unsigned i = 0; i < ACCEPTS; i++) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			break;
		add(fd);
	}
	/* No descriptor left: the next connection that ends opens the door again. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		accepting = server.open == 0;
		if (!accepting)
			watch(listener, NULL, EPOLL_CTL_DEL, 0);
	}
}

/* ---- a connection's turn */

/* Sends what is left: 1 all of it went, 0 not yet, -1 the client is gone. */
static int write_out(struct connection *c)
{
	ssize_t n;

	while (c->out_from < c->out_to) {
		n = send(c->fd, c->out + c->out_from, c->out_to - c->out_from,
			 MSG_NOSIGNAL | (c->file >= 0 ? MSG_MORE : 0));
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		c->out_from += (size_t)n;
		server.bytes += (size_t)n;
		made_progress(c);
	}
	if (c->file >= 0 && c->file_from < c->file_to) {
		const off_t left = c->file_to - c->file_from;

		n = sendfile(c->fd, c->file, &c->file_from, left < PIECE ? (size_t)left : PIECE);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		if (n == 0)
			return -1; /* it became shorter: the client must not take it for all */
		server.bytes += (size_t)n;
		made_progress(c);
		if (c->file_from < c->file_to)
			return 0;
	}
	forget_answer(c);
	return 1;
}

static void set_state(struct connection *c, int state, bool watched_for_write)
{
	const bool writes = state == WRITING;

	c->state = state;
	if (writes != watched_for_write)
		watch(c->fd, c, EPOLL_CTL_MOD, writes ? EPOLLOUT : EPOLLIN);
}

/* Takes the next whole request out of c->in and begins to answer it. */
static bool next_request(struct connection *c)
{
	static struct http_request request;
	size_t n = c->in ? http_parse(&request, c->in, c->in_len) : 0;

	if (n == 0)
		return false;
	answer(c, &request);
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
	if (c->in_len == 0) {
		free(c->in);
		c->in = NULL;
	}
	made_progress(c);
	return true;
}

/* From one answer to the next, as far as it goes. */
static void go_on(struct connection *c, bool watched_for_write)
{
	int sent;

	while (c->state == WRITING || next_request(c)) {
		sent = write_out(c);
		if (sent < 0) {
			drop(c);
			return;
		}
		if (sent == 0)
			break;
		if (!c->keep_alive || stopping) {
			shutdown(c->fd, SHUT_WR);
			c->state = DRAINING;
			break;
		}
		c->state = READING;
	}
	set_state(c, (int)c->state, watched_for_write);
}

static void drain(struct connection *c)
{
	static char waste[HTTP_REQUEST_MOST];
	ssize_t n = recv(c->fd, waste, sizeof(waste), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(c);
}

static void read_in(struct connection *c)
{
	ssize_t n;

	if (!c->in)
		c->in = malloc(HTTP_REQUEST_MOST);
	if (!c->in) {
		drop(c);
		return;
	}
	n = recv(c->fd, c->in + c->in_len, HTTP_REQUEST_MOST - c->in_len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->in_len += (size_t)n;
	go_on(c, false);
}

static void serve_connection(struct connection *c)
{
	if (c->state == READING)
		read_in(c);
	else if (c->state == WRITING)
		go_on(c, true);
	else
		drain(c);
}

/* ---- the server */

static void drop_idle(void)
{
	while (oldest && now - oldest->progress >= IDLE_SECONDS)
		drop(oldest);
}

static int wait_milliseconds(void)
{
	return oldest ? (int)(oldest->progress + IDLE_SECONDS - now) * 1000 : -1;
}

static void turn(const sigset_t *unblocked, int timeout)
{
	struct epoll_event event[EVENTS];
	int n = epoll_pwait(epoll, event, EVENTS, timeout, unblocked);

	look_at_clocks();
	for (int i = 0; i < n; i++) {
		if (event[i].data.ptr == &listener)
			accept_connections();
		else
			serve_connection(event[i].data.ptr);
	}
	drop_idle();
}

/* No new connections; answers on their way get some time. */
static void finish(void)
{
	const time_t end = now + END_SECONDS;
	struct connection *c, *next;

	close(listener);
	while (newest && now < end) {
		for (c = newest; c; c = next) {
			next = c->older;
			if (c->state != WRITING)
				drop(c);
		}
		if (newest)
			turn(NULL, 1000);
	}
}

int main(int argc, char **argv)
{
	unsigned port = argc > 1 ? parse_number(argv[1], 65535) : DEFAULT_PORT;
	const char *path = argc > 2 ? argv[2] : ".";
	sigset_t unblocked;

	if (argc > 3 || port == 0) {
		fprintf(stderr, "usage: httpd [PORT [FOLDER]]\n");
		return 2;
	}
	server.folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (server.folder < 0)
		die(path);
	raise_descriptor_limit();
	stop_on_signals(&unblocked);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		die("epoll_create1");
	listener = serve(SOCK_STREAM, (uint16_t)port);
	watch(listener, &listener, EPOLL_CTL_ADD, EPOLLIN);
	clock_gettime(CLOCK_MONOTONIC, &server.start);
	look_at_clocks();
	printf("httpd: serving %s on port %u\n", path, port);
	fflush(stdout);
	while (!stopping)
		turn(&unblocked, wait_milliseconds());
	finish();
	printf("httpd: %" PRIu64 " requests, %" PRIu64 " bytes\n", server.requests, server.bytes);
	return 0;
}
