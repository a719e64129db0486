/*
 * fdrace SECONDS [SEED [memory]]: threads that make, use, wait for and close one small table
 * of descriptors at random and at once: pipes, sockets of all kinds, epoll, eventfd,
 * timerfd, signals in between. Any of them may be another object, or none, by the
 * time that it is used, so every answer is right but these: a thread that does not
 * end, with `memory` the system's that does not come back, a VM that dies. Prints "good" or what
 * was wrong; how often each operation succeeded on stderr if VERBOSE is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "memory.h"
#include "random.h"

#define THREADS 8
#define TABLE   40
#define SLACK   600 /* KiB: tables that have grown */
#define ROUNDS  3

static atomic_int table[TABLE];
static atomic_bool all_here, over;
static bool memory;
static atomic_int running;
static pthread_t threads[THREADS];
static int listener;
static struct sockaddr_in address;

static int any(uint64_t *random)
{
	return table[pick(random, TABLE)];
}

/* Into the table; what was there is closed, whoever uses it. */
static int keep(uint64_t *random, int fd)
{
	if (fd < 0)
		return -1;
	int old = atomic_exchange(&table[pick(random, TABLE)], fd);
	if (old >= 0)
		close(old);
	return 0;
}

static int keep_both(uint64_t *random, const int pair[2])
{
	keep(random, pair[0]);
	return keep(random, pair[1]);
}

/* Waits in the library OS end by themselves or by a signal; what is left of a
 * connection does not stay for a minute where memory is counted. */
static void bound(int fd)
{
	const struct timeval some = { .tv_usec = 20000 };
	const struct linger reset = { .l_onoff = memory };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &some, sizeof(some));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &some, sizeof(some));
}

static int do_pipe(uint64_t *random)
{
	int pair[2];
	return pipe2(pair, pick(random, 2) ? O_NONBLOCK : 0) ? -1 : keep_both(random, pair);
}

static int do_pair(uint64_t *random)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	int pair[2];
	if (socketpair(AF_UNIX, types[pick(random, 3)], 0, pair))
		return -1;
	bound(pair[0]);
	bound(pair[1]);
	return keep_both(random, pair);
}

static int do_event(uint64_t *random)
{
	return keep(random, eventfd(pick(random, 3), pick(random, 2) ? EFD_NONBLOCK : 0));
}

static int do_timer(uint64_t *random)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 1 + pick(random, 3000000),
					 .it_interval.tv_nsec = pick(random, 2000000) };
	int fd = timerfd_create(CLOCK_MONOTONIC, pick(random, 2) ? TFD_NONBLOCK : 0);
	timerfd_settime(fd, 0, &soon, NULL);
	return keep(random, fd);
}

static int do_epoll(uint64_t *random)
{
	return keep(random, epoll_create1(0));
}

static int do_connect(uint64_t *random)
{
	int fd = socket(AF_INET, SOCK_STREAM | (pick(random, 2) ? SOCK_NONBLOCK : 0), 0);
	bound(fd);
	connect(fd, (struct sockaddr *)&address, sizeof(address));
	return keep(random, fd);
}

static int do_accept(uint64_t *random)
{
	int fd = accept4(listener, NULL, NULL, pick(random, 2) ? SOCK_NONBLOCK : 0);
	if (fd >= 0)
		bound(fd);
	return keep(random, fd);
}

static int do_udp(uint64_t *random)
{
	struct sockaddr_in any_port = address;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	any_port.sin_port = 0;
	bound(fd);
	bind(fd, (struct sockaddr *)&any_port, sizeof(any_port));
	return keep(random, fd);
}

static int do_close(uint64_t *random)
{
	int fd = atomic_exchange(&table[pick(random, TABLE)], -1);
	return fd < 0 ? -1 : close(fd);
}

static int do_dup(uint64_t *random)
{
	return keep(random, dup(any(random)));
}

/* Over one that others use. */
static int do_dup2(uint64_t *random)
{
	int to = any(random), from = any(random);
	return to < 3 ? -1 : dup2(from, to);
}

static char data[65536];

static int do_write(uint64_t *random)
{
	return (int)write(any(random), data, 1 + pick(random, sizeof(data) - 1));
}

static int do_read(uint64_t *random)
{
	char *to = malloc(sizeof(data));
	int r = (int)read(any(random), to, 1 + pick(random, sizeof(data) - 1));
	free(to);
	return r;
}

static int do_sendmsg(uint64_t *random)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { .head = { .cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(2 * sizeof(int)) } };
	int fds[2] = { any(random), any(random) };
	struct iovec iov = { data, 1 + pick(random, 3000) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
	if (pick(random, 2)) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return (int)sendmsg(any(random), &message,
			    MSG_NOSIGNAL | (pick(random, 2) ? MSG_DONTWAIT : 0));
}

static int do_recvmsg(uint64_t *random)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control;
	char to[4096];
	struct iovec iov = { to, sizeof(to) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int r = (int)recvmsg(any(random), &message, pick(random, 2) ? MSG_DONTWAIT : 0);
	if (r < 0)
		return r;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		for (size_t i = 0;
		     c->cmsg_type == SCM_RIGHTS && CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len;
		     i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			keep(random, fd);
		}
	}
	return r;
}

static int do_shutdown(uint64_t *random)
{
	return shutdown(any(random), (int)pick(random, 3));
}

static int do_watch(uint64_t *random)
{
	static const int how[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT |
					       (pick(random, 2) ? EPOLLET : 0) |
					       (pick(random, 4) ? 0 : EPOLLONESHOT) };
	return epoll_ctl(any(random), how[pick(random, 4)], any(random), &event);
}

static int do_epoll_wait(uint64_t *random)
{
	struct epoll_event events[8];
	return epoll_wait(any(random), events, 8, (int)pick(random, 4));
}

static int do_poll(uint64_t *random)
{
	struct pollfd fds[6];
	for (int i = 0; i < 6; i++)
		fds[i] = (struct pollfd){ any(random), POLLIN | POLLOUT, 0 };
	return poll(fds, 6, (int)pick(random, 4));
}

static int do_splice(uint64_t *random)
{
	return (int)splice(any(random), NULL, any(random), NULL, 1 + pick(random, 9000),
			   pick(random, 2) ? SPLICE_F_NONBLOCK : 0);
}

static int do_tee(uint64_t *random)
{
	return (int)tee(any(random), any(random), 4096, SPLICE_F_NONBLOCK);
}

static int do_fcntl(uint64_t *random)
{
	return fcntl(any(random), F_SETFL, pick(random, 2) ? O_NONBLOCK : 0);
}

static int do_signal(uint64_t *random)
{
	return pthread_kill(threads[pick(random, THREADS)], SIGUSR1);
}

static int do_memfd(uint64_t *random)
{
	int fd = memfd_create("x", 0);
	(void)!write(fd, data, 1 + pick(random, 9000));
	lseek(fd, 0, SEEK_SET);
	return keep(random, fd);
}

static int do_sendfile(uint64_t *random)
{
	return (int)sendfile(any(random), any(random), NULL, 1 + pick(random, 20000));
}

static const struct operation {
	const char *name;
	int (*work)(uint64_t *random);
} operations[] = {
	{ "pipe", do_pipe },         { "socketpair", do_pair }, { "eventfd", do_event },
	{ "timerfd", do_timer },     { "epoll", do_epoll },     { "connect", do_connect },
	{ "accept", do_accept },     { "udp", do_udp },         { "close", do_close },
	{ "dup", do_dup },           { "dup2", do_dup2 },       { "write", do_write },
	{ "read", do_read },         { "sendmsg", do_sendmsg }, { "recvmsg", do_recvmsg },
	{ "shutdown", do_shutdown }, { "epoll_ctl", do_watch }, { "epoll_wait", do_epoll_wait },
	{ "poll", do_poll },         { "splice", do_splice },   { "tee", do_tee },
	{ "fcntl", do_fcntl },       { "signal", do_signal },   { "memfd", do_memfd },
	{ "sendfile", do_sendfile },
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))
static atomic_ulong succeeded[OPERATIONS];

static void *run(void *seed)
{
	uint64_t random = 88172645463325252ull ^ (uint64_t)(uintptr_t)seed * 0x9e3779b97f4a7c15ull;
	while (!all_here)
		;
	while (!over) {
		unsigned i = pick(&random, OPERATIONS);
		if (operations[i].work(&random) >= 0)
			succeeded[i]++;
	}
	running--;
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Whoever still waits is woken by a signal; one that is not will be missed. */
static void end_all(void)
{
	over = true;
	for (int i = 0; i < 3000 && running; i++) {
		for (int t = 0; t < THREADS; t++)
			pthread_kill(threads[t], SIGUSR1);
		usleep(10000);
	}
	if (running) {
		printf("%d threads do not end\n", running);
		fflush(stdout);
		_exit(1);
	}
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (int i = 0; i < TABLE; i++) {
		int fd = atomic_exchange(&table[i], -1);
		if (fd >= 0)
			close(fd);
	}
}

static void listen_here(void)
{
	socklen_t len = sizeof(address);
	address = (struct sockaddr_in){ .sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&address, &len)) {
		perror("fdrace: listen");
		exit(2);
	}
	/* dup2() may put anything else in its place */
	listener = fcntl(listener, F_DUPFD, 500);
}

static void round_of(double seconds, uintptr_t seed)
{
	over = false;
	running = THREADS;
	for (uintptr_t t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, run, (void *)(seed * THREADS + t + 1));
	all_here = true;
	usleep((unsigned)(seconds * 1e6));
	end_all();
	all_here = false;
}

/* Some connections end in their time only. */
static bool comes_back(long before)
{
	long now = 0;
	for (int i = 0; i < 100; i++) {
		now = not_the_systems_kib();
		if (now + SLACK >= before)
			return true;
		usleep(100000);
	}
	printf("memory: %ld KiB before, %ld after\n", before, now);
	return false;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	uintptr_t seed = argc > 2 ? (uintptr_t)atol(argv[2]) : 1;
	const struct sigaction action = { .sa_handler = on_signal };

	memory = argc > 3;
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < TABLE; i++)
		table[i] = -1;
	listen_here();
	long before = 0;
	bool good = true;
	for (int i = 0; i < ROUNDS; i++) {
		round_of(seconds / ROUNDS, seed * ROUNDS + (uintptr_t)i);
		if (i == 0)
			before = not_the_systems_kib();
	}
	if (memory)
		good = comes_back(before);
	if (getenv("VERBOSE"))
		for (size_t i = 0; i < OPERATIONS; i++)
			fprintf(stderr, "%s %lu\n", operations[i].name, succeeded[i]);
	if (good)
		printf("good\n");
	return !good;
}
