/*
 * wake: how long a packet takes to wake the program that waits for it.
 *
 *   wake listen PORT                  waits in recv() for datagrams, and answers each
 *                                     with the TSC that it read on return
 *   wake send HOST PORT COUNT GAP_US  sends the TSC that it read just before, once
 *                                     every GAP_US, so that the other side has gone
 *                                     idle; prints median, 10th and 90th percentile
 *                                     of the differences, in microseconds
 *
 * Both sides read one and the same counter: a guest has the host's, see
 * vmm/vcpu.c. HOST is an IPv4 address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_S     5
#define COUNT_MOST 1000000
#define WARM_UP    20 /* ARP, and the first use of everything */

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "wake: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned number(const char *text, unsigned long most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !*text || n == 0 || n > most) {
		errno = EINVAL;
		die(text);
	}
	return (unsigned)n;
}

static uint64_t tsc(void)
{
	uint32_t low, high;

	/* lfence: not before what stands before it */
	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static int listen_forever(unsigned port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t size;
	uint64_t times[2];

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		die("bind");
	puts("wake: listening");
	fflush(stdout);
	for (;;) {
		size = sizeof(name);
		if (recvfrom(fd, times, sizeof(times), 0, (struct sockaddr *)&name, &size) !=
		    (ssize_t)sizeof(times))
			die("recvfrom");
		times[1] = tsc();
		if (sendto(fd, times, sizeof(times), 0, (struct sockaddr *)&name, size) !=
		    (ssize_t)sizeof(times))
			die("sendto");
	}
}

/* In TSC units. */
static uint64_t one(int fd)
{
	uint64_t times[2] = { 0, 0 }, sent = tsc();

	times[0] = sent;
	if (send(fd, times, sizeof(times), 0) != (ssize_t)sizeof(times))
		die("send");
	do /* the answer to one that was given up may still come */
		if (recv(fd, times, sizeof(times), 0) != (ssize_t)sizeof(times))
			die("recv");
	while (times[0] != sent);
	if (times[1] < sent) {
		errno = ERANGE;
		die("the other side has another TSC");
	}
	return times[1] - sent;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int send_all(const char *host, unsigned port, unsigned count, unsigned gap)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	const struct timeval limit = { .tv_sec = WAIT_S };
	uint64_t *took = calloc(count, sizeof(*took)), first;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	double begin, a_us;

	if (!took)
		die("memory");
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1) {
		errno = EINVAL;
		die(host);
	}
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	begin = seconds();
	first = tsc();
	for (unsigned i = 0; i < count + WARM_UP; i++) {
		usleep(gap);
		took[i < WARM_UP ? 0 : i - WARM_UP] = one(fd);
	}
	a_us = (double)(tsc() - first) / (seconds() - begin) / 1e6;
	qsort(took, count, sizeof(*took), ascending);
	printf("%.1f %.1f %.1f\n", (double)took[count / 2] / a_us, (double)took[count / 10] / a_us,
	       (double)took[count * 9UL / 10] / a_us);
	free(took);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "listen"))
		return listen_forever(number(argv[2], 65535));
	if (argc == 6 && !strcmp(argv[1], "send"))
		return send_all(argv[2], number(argv[3], 65535), number(argv[4], COUNT_MOST),
				number(argv[5], 1000000));
	fprintf(stderr, "usage: wake listen PORT | wake send HOST PORT COUNT GAP_US\n");
	return 2;
}
