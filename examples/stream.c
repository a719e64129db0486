/*
 * stream: moves bytes over TCP as fast as they go, and says how fast that was.
 *
 *   stream sink PORT                         takes all that comes, until SIGTERM
 *   stream recv PORT                         the same for one run, then ends
 *   stream send HOST PORT AMOUNT [STREAMS]   sends to one of these
 *   stream source PORT                       sends to all who connect
 *   stream get HOST PORT AMOUNT [STREAMS]    connects to it, and receives
 *
 * AMOUNT is a number of seconds, or with K, M or G of bytes for each stream.
 * -c before the command checks every byte received: byte N of a stream is byte
 * N modulo PERIOD of a table, and since PERIOD is a prime, bytes that are
 * lost, doubled or swapped do not fit.
 *
 * One thread, one epoll, non-blocking. A run is what happens from the first
 * connection until the last has ended; the sender's includes the receiver's
 * end of stream, so that nothing is counted that was only buffered.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "server.h"

#define PERIOD  1048573 /* the largest prime below 2^20 */
#define PIECE   (256 * 1024)
#define EVENTS  64
#define STREAMS 1024

struct stream {
	int fd;
	bool sends;
	bool finished; /* has sent all, and waits for the other's end of stream */
	unsigned long long bytes;
};

static struct {
	bool sends, check;
	unsigned long long amount; /* bytes a stream, 0: no limit */
	unsigned seconds; /* 0: no limit */
} option;

static unsigned char pattern[PERIOD + PIECE], piece[PIECE];
static int epoll, listener = -1;
static unsigned open_streams, streams; /* of this run */
static unsigned long long total;
static double began;
static bool failed;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fill_pattern(void)
{
	unsigned long long x = 88172645463325252ull; /* xorshift64 */

	for (unsigned i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (unsigned char)x;
	}
	memcpy(pattern + PERIOD, pattern, PIECE);
}

static void complain(const struct stream *stream, const char *what)
{
	fprintf(stderr, "stream: %s after %llu bytes\n", what, stream->bytes);
	failed = true;
}

/* ---- a stream's life */

static void watch(int fd, void *data, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll, operation, fd, &event) < 0)
		die("epoll_ctl");
}

static void begin(int fd, bool connecting)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		die("memory");
	if (open_streams++ == 0) {
		began = now();
		total = streams = 0;
	}
	streams++;
	stream->fd = fd;
	stream->sends = option.sends;
	watch(fd, stream, EPOLL_CTL_ADD, stream->sends || connecting ? EPOLLOUT : EPOLLIN);
}

static void report(void)
{
	double seconds = now() - began;

	printf("stream: %s %llu bytes in %.3f s, %u stream%s: %.3f Gbit/s\n",
	       option.sends ? "sent" : "received", total, seconds, streams, streams == 1 ? "" : "s",
	       (double)total * 8 / 1e9 / seconds);
	fflush(stdout);
}

static void end(struct stream *stream)
{
	close(stream->fd);
	total += stream->bytes;
	free(stream);
	if (--open_streams == 0)
		report();
}

/* ---- moving bytes */

static bool time_is_up(void)
{
	return stopping || (option.seconds > 0 && now() - began >= option.seconds);
}

static void finish_sending(struct stream *stream)
{
	stream->finished = true;
	shutdown(stream->fd, SHUT_WR);
	watch(stream->fd, stream, EPOLL_CTL_MOD, EPOLLIN);
}

static size_t piece_left(const struct stream *stream)
{
	const unsigned long long left = option.amount - stream->bytes;

	return option.amount > 0 && left < PIECE ? (size_t)left : PIECE;
}

/* One piece, and then it is another stream's turn. */
static void send_some(struct stream *stream)
{
	size_t n = piece_left(stream);
	ssize_t sent;

	if (n == 0 || time_is_up()) {
		finish_sending(stream);
		return;
	}
	sent = send(stream->fd, pattern + stream->bytes % PERIOD, n, MSG_NOSIGNAL);
	if (sent >= 0) {
		stream->bytes += (unsigned long long)sent;
	} else if (errno != EAGAIN && errno != EINTR) {
		/* to who leaves us when it has enough, that is the end of it */
		if (listener < 0 || (errno != EPIPE && errno != ECONNRESET))
			complain(stream, strerror(errno));
		end(stream);
	}
}

static void receive_some(struct stream *stream)
{
	ssize_t n = recv(stream->fd, piece, piece_left(stream), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		complain(stream, strerror(errno));
	if (n <= 0) {
		if (n == 0 && option.amount > 0 && stream->bytes < option.amount)
			complain(stream, "the sender ended");
		end(stream);
		return;
	}
	if (option.check && memcmp(piece, pattern + stream->bytes % PERIOD, (size_t)n) != 0) {
		complain(stream, "wrong bytes: they differ from what was sent");
		end(stream);
		return;
	}
	stream->bytes += (unsigned long long)n;
	if (listener < 0 && (time_is_up() || (option.amount && stream->bytes >= option.amount)))
		end(stream);
}

/* The receiver has read all and closed: only now it counts as sent. */
static void await_end(struct stream *stream)
{
	ssize_t n = recv(stream->fd, piece, sizeof(piece), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		complain(stream, strerror(errno));
	if (n <= 0)
		end(stream);
}

/* The outcome of connect() comes as the first event (connect(2), EINPROGRESS). */
static bool connected(struct stream *stream)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		complain(stream, strerror(error));
		end(stream);
	} else if (!stream->sends) {
		watch(stream->fd, stream, EPOLL_CTL_MOD, EPOLLIN);
	}
	return !error;
}

static void on_event(struct stream *stream, uint32_t events)
{
	if (listener < 0 && stream->bytes == 0 && (events & EPOLLOUT) && !connected(stream))
		return;
	if (stream->finished)
		await_end(stream);
	else if (stream->sends)
		send_some(stream);
	else
		receive_some(stream);
}

static void accept_streams(void)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		begin(fd, false);
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		die("accept4");
}

/* ---- the command line */

static void connect_stream(const char *host, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool v6 = inet_pton(AF_INET6, host, &in6.sin6_addr) == 1;
	int fd;

	if (!v6 && inet_pton(AF_INET, host, &in4.sin_addr) != 1) {
		fprintf(stderr, "stream: %s is no IPv4 or IPv6 address\n", host);
		exit(2);
	}
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (connect(fd, v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in4,
		    v6 ? sizeof(in6) : sizeof(in4)) < 0 &&
	    errno != EINPROGRESS)
		die(host);
	begin(fd, true);
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: stream [-c] sink PORT | recv PORT | source PORT\n"
			"       stream [-c] send HOST PORT SECONDS|BYTES{K,M,G} [STREAMS]\n"
			"       stream [-c] get HOST PORT SECONDS|BYTES{K,M,G} [STREAMS]\n");
	exit(2);
}

static unsigned need_number(const char *text, unsigned most)
{
	unsigned n = text ? parse_number(text, most) : 0;

	if (n == 0)
		usage();
	return n;
}

static void parse_amount(char *text)
{
	static const char unit[] = "KMG";
	size_t len = text ? strlen(text) : 0;
	const char *u = len > 1 ? strchr(unit, text[len - 1]) : NULL;

	if (u) {
		text[len - 1] = 0;
		option.amount = (unsigned long long)need_number(text, 1 << 20)
				<< 10 * (u - unit + 1);
	} else {
		option.seconds = need_number(text, 1 << 20);
	}
}

/* argv: HOST PORT AMOUNT [STREAMS] */
static void be_client(char **argv)
{
	unsigned n = 1;

	if (!argv[0] || !argv[1] || !argv[2])
		usage();
	parse_amount(argv[2]);
	if (argv[3])
		n = need_number(argv[3], STREAMS);
	for (unsigned i = 0; i < n; i++)
		connect_stream(argv[0], (uint16_t)need_number(argv[1], 65535));
}

static void be_server(char **argv)
{
	listener = serve(SOCK_STREAM, (uint16_t)need_number(argv[0], 65535));
	watch(listener, &listener, EPOLL_CTL_ADD, EPOLLIN);
	printf("stream: serving on port %s\n", argv[0]);
	fflush(stdout);
}

/* True when it is the last run. */
static bool start(const char *command, char **argv)
{
	option.sends = !strcmp(command, "send") || !strcmp(command, "source");
	if (!strcmp(command, "send") || !strcmp(command, "get")) {
		be_client(argv);
		return true;
	}
	if (strcmp(command, "sink") && strcmp(command, "recv") && strcmp(command, "source"))
		usage();
	be_server(argv);
	return !strcmp(command, "recv");
}

int main(int argc, char **argv)
{
	struct epoll_event event[EVENTS];
	sigset_t unblocked;
	bool once;

	option.check = argc > 1 && !strcmp(argv[1], "-c");
	argv += 1 + option.check;
	argc -= 1 + option.check;
	if (argc < 2)
		usage();
	raise_descriptor_limit();
	stop_on_signals(&unblocked);
	fill_pattern();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		die("epoll_create1");
	once = start(argv[0], argv + 1);
	while (!stopping && (!once || open_streams > 0 || streams == 0)) {
		int n = epoll_pwait(epoll, event, EVENTS, -1, &unblocked);

		for (int i = 0; i < n; i++) {
			if (event[i].data.ptr == &listener)
				accept_streams();
			else
				on_event(event[i].data.ptr, event[i].events);
		}
	}
	return failed;
}
