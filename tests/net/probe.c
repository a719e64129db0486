/*
 * probe: a client that looks closely, for tests/net and bench/net.
 *
 *   probe echo tcp|udp HOST PORT COUNT      round trips of many sizes, each checked;
 *                                           prints median and 99th percentile in us
 *   probe ping tcp|udp HOST PORT COUNT      the same with 32 bytes, after a warm-up
 *   probe churn HOST PORT COUNT AT_ONCE     connections: opened, one echo, closed
 *   probe hold HOST PORT COUNT FILE         connections that stay and echo now and
 *                                           then, until FILE is gone: all must live
 *   probe flood HOST PORT SECONDS SOURCE    SYNs from addresses of SOURCE/16, raw
 *
 * HOST is an IPv4 address. Ends with 0 when all was right.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 10000

static struct sockaddr_in server = { .sin_family = AF_INET };

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 0 || n > 1000000000) {
		errno = EINVAL;
		die(text);
	}
	return (int)n;
}

static int open_socket(int type)
{
	const struct timeval limit = { .tv_sec = WAIT_MS / 1000 };
	const int one = 1;
	int fd = socket(AF_INET, type, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		die("connect");
	return fd;
}

/* ---- echoes */

static uint8_t sent[65536], got[65536];

/* Seconds for one round trip of n bytes. A datagram that is lost (nobody
 * promised more) is sent again, up to three times. */
static double round_trip(int fd, int type, size_t n)
{
	for (unsigned tries = 0;; tries++) {
		double begin = now();
		size_t have = 0;

		if (send(fd, sent, n, 0) != (ssize_t)n)
			die("send");
		while (have < n) {
			ssize_t r = recv(fd, got + have, sizeof(got) - have, 0);

			if (r < 0 && type == SOCK_DGRAM && errno == EAGAIN && tries < 3)
				break;
			if (r <= 0)
				die(r ? "recv" : "the other side closed");
			have += (size_t)r;
		}
		if (have < n)
			continue;
		if (have != n || memcmp(sent, got, n) != 0) {
			errno = EBADMSG;
			die("the echo differs");
		}
		return now() - begin;
	}
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int echo(char **argv, bool small)
{
	const int type = strcmp(argv[0], "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
	const int count = number(argv[3]);
	double *times = calloc((size_t)count, sizeof(*times));
	int fd = open_socket(type);

	if (!times)
		die("memory");
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + i / 256);
	for (int i = 0; small && i < count / 10 + 1; i++)
		round_trip(fd, type, 32);
	for (int i = 0; i < count; i++) {
		/* datagrams beyond the MTU are fragments */
		size_t most = type == SOCK_STREAM ? 60000 : 1400;
		size_t n = small ? 32 : 1 + (size_t)i * 7919 % most;

		sent[0] = (uint8_t)i;
		times[i] = round_trip(fd, type, n);
	}
	qsort(times, (size_t)count, sizeof(*times), by_size);
	printf("%.1f %.1f\n", times[count / 2] * 1e6, times[(long)count * 99 / 100] * 1e6);
	free(times);
	close(fd);
	return 0;
}

/* ---- many connections */

static void raise_limit(void)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* A connection of churn(): sends a byte once it is open, closes at the echo. */
static int begin_one(int epoll)
{
	struct epoll_event e = { .events = EPOLLOUT };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	e.data.fd = fd;
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll_ctl");
	return fd;
}

/* True when the connection is done with. */
static bool go_on(int epoll, int fd, uint32_t events)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
	char byte = 'c';

	if (events & EPOLLOUT) {
		if (send(fd, &byte, 1, 0) != 1)
			die("send");
		if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e) < 0)
			die("epoll_ctl");
		return false;
	}
	if (recv(fd, &byte, 1, 0) != 1 || byte != 'c')
		die("recv");
	close(fd);
	return true;
}

static int churn(char **argv)
{
	const int count = number(argv[2]), most = number(argv[3]);
	int epoll = epoll_create1(0), begun = 0, done = 0;

	raise_limit();
	while (done < count) {
		struct epoll_event event[64];
		int n;

		while (begun < count && begun - done < most) {
			begin_one(epoll);
			begun++;
		}
		n = epoll_wait(epoll, event, 64, WAIT_MS);
		if (n <= 0) {
			errno = ETIMEDOUT;
			die("epoll_wait");
		}
		for (int i = 0; i < n; i++)
			done += go_on(epoll, event[i].data.fd, event[i].events);
	}
	return 0;
}

static int hold(char **argv)
{
	const int count = number(argv[2]);
	int *fd = calloc((size_t)count, sizeof(*fd));
	unsigned long turns = 0;

	raise_limit();
	if (!fd)
		die("memory");
	for (int i = 0; i < count; i++)
		fd[i] = open_socket(SOCK_STREAM);
	puts("holding");
	fflush(stdout);
	for (; access(argv[3], F_OK) == 0; turns++) {
		for (int i = 0; i < count; i++) {
			sent[0] = (uint8_t)turns;
			round_trip(fd[i], SOCK_STREAM, 100);
		}
		usleep(20000);
	}
	printf("%lu turns\n", turns);
	free(fd);
	return 0;
}

/* ---- a flood */

struct syn {
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t mss[4];
};

static uint32_t add_words(uint32_t sum, const void *p, size_t n)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int flood(char **argv)
{
	const double end = now() + number(argv[2]);
	const in_addr_t net = inet_addr(argv[3]);
	struct syn s;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	unsigned long n = 0;

	if (fd < 0)
		die("raw socket");
	memset(&s, 0, sizeof(s));
	s.ip.version = 4;
	s.ip.ihl = 5;
	s.ip.ttl = 64;
	s.ip.protocol = IPPROTO_TCP;
	s.ip.tot_len = htons(sizeof(s));
	s.ip.daddr = server.sin_addr.s_addr;
	s.tcp.dest = server.sin_port;
	s.tcp.syn = 1;
	s.tcp.doff = 6;
	s.tcp.window = htons(65535);
	memcpy(s.mss, (uint8_t[]){ 2, 4, 1460 >> 8, 1460 & 255 }, 4);
	srandom((unsigned)time(NULL));
	for (; now() < end; n++) {
		uint32_t r = (uint32_t)random();

		s.ip.saddr = net | htonl(r & 0xffff);
		s.ip.id = (uint16_t)n;
		s.tcp.source = htons((uint16_t)(1024 + (r >> 16) % 60000));
		s.tcp.seq = (uint32_t)random();
		s.ip.check = 0;
		s.ip.check = fold(add_words(0, &s.ip, sizeof(s.ip)));
		s.tcp.check = 0;
		s.tcp.check = fold(
			add_words(add_words(IPPROTO_TCP + sizeof(s) - sizeof(s.ip), &s.ip.saddr, 8),
				  &s.tcp, sizeof(s) - sizeof(s.ip)));
		if (sendto(fd, &s, sizeof(s), 0, (struct sockaddr *)&server, sizeof(server)) < 0 &&
		    errno != ENOBUFS)
			die("sendto");
	}
	printf("%lu SYNs\n", n);
	return n == 0;
}

/* ---- the command line */

static void set_server(const char *host, const char *port)
{
	if (inet_pton(AF_INET, host, &server.sin_addr) != 1) {
		errno = EINVAL;
		die(host);
	}
	server.sin_port = htons((uint16_t)number(port));
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	const bool small = !strcmp(command, "ping");

	if (argc == 6 && (small || !strcmp(command, "echo"))) {
		set_server(argv[3], argv[4]);
		return echo(argv + 2, small);
	}
	if (argc == 6) {
		set_server(argv[2], argv[3]);
		if (!strcmp(command, "churn"))
			return churn(argv + 2);
		if (!strcmp(command, "hold"))
			return hold(argv + 2);
		if (!strcmp(command, "flood"))
			return flood(argv + 2);
	}
	fprintf(stderr, "usage: see the top of tests/net/probe.c\n");
	return 2;
}
