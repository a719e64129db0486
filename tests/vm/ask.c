/*
 * ask udp|tcp ADDRESS PORT TEXT: sends TEXT and prints what comes back. Tries
 * again for five seconds: a datagram may be lost, a server may not be up yet.
 * TCP's answer is all until the other's end of stream; UDP's one datagram.
 * With an empty TEXT, TCP only connects.
 * Used on the host and in VMs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TRIES     50
#define MS_A_TRY  100
#define ANSWER_MS 10000

static int ready(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static int connected(int type, const char *host, const char *port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	int fd, failed, is_v6 = inet_pton(AF_INET6, host, &in6.sin6_addr) == 1;

	in4.sin_port = in6.sin6_port = htons((unsigned short)strtoul(port, NULL, 10));
	if (!is_v6 && inet_pton(AF_INET, host, &in4.sin_addr) != 1) {
		fprintf(stderr, "ask: %s is no address\n", host);
		exit(2);
	}
	fd = socket(is_v6 ? AF_INET6 : AF_INET, type, 0);
	failed = is_v6 ? connect(fd, (struct sockaddr *)&in6, sizeof(in6)) :
			 connect(fd, (struct sockaddr *)&in4, sizeof(in4));
	if (!failed)
		return fd;
	close(fd);
	return -1;
}

/* True when an answer was printed. */
static int ask_udp(int fd, const char *text)
{
	static char answer[65536];
	ssize_t n;

	if (send(fd, text, strlen(text), 0) < 0 || !ready(fd, MS_A_TRY))
		return 0;
	n = recv(fd, answer, sizeof(answer), 0);
	return n >= 0 && write(1, answer, (size_t)n) == n;
}

static int ask_tcp(int fd, const char *text)
{
	static char answer[65536];
	int any = 0;
	ssize_t n;

	if (!*text)
		return 1;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0 || shutdown(fd, SHUT_WR) < 0)
		return 0;
	while (ready(fd, ANSWER_MS)) {
		n = recv(fd, answer, sizeof(answer), 0);
		if (n <= 0 || write(1, answer, (size_t)n) != n)
			return any && n == 0;
		any = 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = MS_A_TRY * 1000000 };
	int udp, fd, done;

	if (argc != 5)
		return 2;
	udp = !strcmp(argv[1], "udp");
	for (unsigned i = 0; i < TRIES; i++) {
		fd = connected(udp ? SOCK_DGRAM : SOCK_STREAM, argv[2], argv[3]);
		done = fd >= 0 && (udp ? ask_udp(fd, argv[4]) : ask_tcp(fd, argv[4]));
		if (fd >= 0)
			close(fd);
		if (done)
			return 0;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "ask: no answer: %s\n", strerror(errno));
	return 1;
}
