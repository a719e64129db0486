/*
 * --net user: a network without privilege, by libslirp, in a process of its
 * own.
 *
 * libslirp is a NAT in user space: it ends the guest's TCP connections and
 * makes them anew with the host's sockets. It runs in build/vmm-slirp
 * (net/slirp), because the VMM is static and Debian's libslirp is not, and
 * because what parses the guest's packets must not hold the VM's descriptors.
 * A socket of messages connects the two, each message a frame.
 *
 *     guest <--virtio-net--> VMM <--socket--> vmm-slirp <--sockets--> host
 *
 * The process starts while the guest boots, and frames wait for it in the
 * socket. Only published ports are waited for, just before the guest runs: who
 * is told by the guest that it serves must be able to connect. What can be wrong
 * with them is found out here, by binding each port for a moment. The process
 * ends with the VMM, whatever ends that: it reads the end of the socket, and
 * dies with its parent (PR_SET_PDEATHSIG).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../vmm/fail.h"
#include "../vmm/load.h"
#include "../vmm/net.h"
#include "../vmm/options.h"
#include "slirp/setup.h"

#define BUSY_TRIES    60
#define BUSY_PAUSE_US 5000

#define PUBLISHED_MS 20000 /* 1.5 ms, when nobody else wants the CPU */

#define SOCKET_BYTES (1 << 20) /* in flight in each direction: 16 large frames */

/* ---- the ports to publish */

static socklen_t address_size(const struct publish_option *p)
{
	return p->host.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
					       sizeof(struct sockaddr_in);
}

/* As it stands on the command line: "[::1]:8080/tcp". */
static const char *name(const struct publish_option *p)
{
	static char text[INET6_ADDRSTRLEN + 16];
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&p->host;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&p->host;
	const bool is_v6 = p->host.ss_family == AF_INET6;
	char address[INET6_ADDRSTRLEN];

	inet_ntop(p->host.ss_family, is_v6 ? (const void *)&v6->sin6_addr : &v4->sin_addr, address,
		  sizeof(address));
	snprintf(text, sizeof(text), is_v6 ? "[%s]:%u/%s" : "%s:%u/%s", address,
		 ntohs(v4->sin_port), p->udp ? "udp" : "tcp");
	return text;
}

static _Noreturn void fail_publish(const struct publish_option *p, int error)
{
	const char *at = name(p);

	switch (error) {
	case EADDRINUSE:
		fail(EXIT_VMM,
		     "--publish: %s is in use; publish another port, or end the program that has "
		     "it (ss -lntup shows it)",
		     at);
	case EACCES:
		fail(EXIT_VMM,
		     "--publish: %s may not be used without privilege; take a port from 1024 on",
		     at);
	case EADDRNOTAVAIL:
		fail(EXIT_VMM,
		     "--publish: %s: this host does not have that address; give one of its own "
		     "(ip addr shows them), or 127.0.0.1, or 0.0.0.0 for all",
		     at);
	case EAFNOSUPPORT:
		fail(EXIT_VMM, "--publish: %s: this host has no IPv6; give an IPv4 address", at);
	default:
		fail(EXIT_VMM, "--publish: %s cannot be used: %s; publish another port", at,
		     strerror(error));
	}
}

/* SO_REUSEADDR as libslirp has it for TCP, or connections that ended lately
 * would be in the way; for UDP it would hide another socket's port. 0 or errno. */
static int try_port(const struct publish_option *p)
{
	const int on = 1;
	int fd = socket(p->host.ss_family, (p->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0)
		return errno;
	if (!p->udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (p->host.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&p->host, address_size(p)) < 0)
		error = errno;
	close(fd);
	return error;
}

/* A VM that has just ended lets go of its ports a moment later than of its
 * user, who may have started us with the same ones. */
static void check_port(const struct publish_option *p)
{
	int error = try_port(p);

	for (unsigned i = 0; error == EADDRINUSE && i < BUSY_TRIES; i++) {
		usleep(BUSY_PAUSE_US);
		error = try_port(p);
	}
	if (error)
		fail_publish(p, error);
}

static bool is_any(const struct publish_option *p)
{
	static const struct in6_addr any6;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&p->host;

	if (p->host.ss_family == AF_INET6)
		return !memcmp(&v6->sin6_addr, &any6, sizeof(any6));
	return ((const struct sockaddr_in *)&p->host)->sin_addr.s_addr == INADDR_ANY;
}

static bool overlap(const struct publish_option *a, const struct publish_option *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->host;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)&b->host;

	if (a->udp != b->udp || a4->sin_family != b4->sin_family || a4->sin_port != b4->sin_port)
		return false;
	return is_any(a) || is_any(b) || !memcmp(&a->host, &b->host, address_size(a));
}

static void check_publish(const struct publish_option *publish, unsigned n)
{
	if (n > SLIRP_PUBLISH_MAX)
		fail(EXIT_VMM, "--publish: at most %u ports of one VM; leave some out",
		     SLIRP_PUBLISH_MAX);
	for (unsigned i = 0; i < n; i++) {
		for (unsigned j = 0; j < i; j++)
			if (overlap(&publish[i], &publish[j]))
				fail(EXIT_VMM, "--publish: %s is there twice; leave one out",
				     name(&publish[i]));
		check_port(&publish[i]);
	}
}

/* ---- the process */

/* pair[1] is for the process, and outlives its execve(). */
static void make_socket(int pair[2])
{
	const int bytes = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0 ||
	    fcntl(pair[0], F_SETFD, FD_CLOEXEC) < 0)
		fail(EXIT_VMM, "--net user: socketpair: %s; raise the limit of open files",
		     strerror(errno));
	for (unsigned i = 0; i < 2; i++)
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
			setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void send_setup(int fd, const struct publish_option *publish, unsigned n, unsigned index)
{
	static struct slirp_setup setup;
	size_t size = offsetof(struct slirp_setup, publish) + n * sizeof(*publish);

	setup.index = index;
	setup.npublish = n;
	memcpy(setup.publish, publish, n * sizeof(*publish));
	if (send(fd, &setup, size, MSG_NOSIGNAL) != (ssize_t)size)
		fail(EXIT_VMM, "--net user: cannot tell vmm-slirp what to do: %s; publish less",
		     strerror(errno));
}

/* What the new process reads until its execve(), beside us; never freed. */
static struct child {
	struct child *older;
	char path[PATH_MAX], fd[12];
	char *argv[3];
	char stack[4096] __attribute__((aligned(16)));
} * children;

/* Shares our memory, errno too, so nothing of libc is called. When it fails, the
 * device finds the socket at its end. */
static int run_child(void *arg)
{
	const struct child *child = arg;
	long result = SYS_execve;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(child->path), "S"(child->argv), "d"(environ)
			 : "rcx", "r11", "memory");
	__asm__ volatile("syscall" : : "a"((long)SYS_exit), "D"(127L) : "rcx", "r11", "memory");
	__builtin_unreachable();
}

static struct child *find_child(void)
{
	struct child *child = malloc(sizeof(*child));

	if (!child)
		fail(EXIT_VMM, "--net user: out of memory");
	child->older = children;
	children = child;
	if (!load_find_slirp(child->path, sizeof(child->path)))
		fail(EXIT_VMM,
		     "--net user: vmm-slirp is not beside this program, nor at %s; build it with "
		     "\"make\", or set MAYFLY_SLIRP to its path",
		     child->path);
	return child;
}

/*
 * As vfork(), but we go on meanwhile: an execve() takes 150 us on an idle
 * machine and milliseconds on a busy one. The process begins with all signals
 * blocked, since their handlers are ours; it lets them in itself.
 */
static void start_process(struct child *child, int fd)
{
	sigset_t all, old;
	int pid;

	snprintf(child->fd, sizeof(child->fd), "%d", fd);
	child->argv[0] = child->path;
	child->argv[1] = child->fd;
	child->argv[2] = NULL;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = clone(run_child, child->stack + sizeof(child->stack), CLONE_VM | SIGCHLD, child);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		fail(EXIT_VMM,
		     "--net user: no process for vmm-slirp: %s; raise their limit (ulimit -u)",
		     strerror(errno));
}

void user_wait_published(const struct net_backend *backend)
{
	struct pollfd p = { .fd = backend->fd[0], .events = POLLIN };
	uint8_t message = 0;
	int n;

	do
		n = poll(&p, 1, PUBLISHED_MS);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		fail(EXIT_VMM,
		     "--publish: vmm-slirp does not open the ports within %d s; try "
		     "again when the host is less busy",
		     PUBLISHED_MS / 1000);
	if (recv(p.fd, &message, sizeof(message), 0) != 1 || message != SLIRP_PUBLISHED)
		fail(EXIT_VMM, "--publish: vmm-slirp ended before it opened the ports; the line "
			       "above says why, or set MAYFLY_SLIRP to the one of this vmm");
}

void user_open(struct net_backend *backend, const struct net_option *option,
	       const struct publish_option *publish, unsigned npublish, unsigned index)
{
	struct child *child;
	int pair[2];

	(void)option; /* its MAC address is the device's */
	if (index >= SLIRP_NETWORKS_MAX)
		fail(EXIT_VMM, "--net user: at most %d of them; leave some out",
		     SLIRP_NETWORKS_MAX);
	check_publish(publish, npublish);
	child = find_child();
	make_socket(pair);
	send_setup(pair[0], publish, npublish, index);
	start_process(child, pair[1]);
	close(pair[1]);
	*backend = (struct net_backend){ .fd = { pair[0] }, .nfds = 1, .mtu = SLIRP_MTU };
	snprintf(backend->name, sizeof(backend->name), "user network");
}

void user_addresses(struct user_addresses *a, unsigned index)
{
	const unsigned net = SLIRP_NETWORK4 + (index << 8);
	const unsigned a1 = net >> 24, a2 = net >> 16 & 255, a3 = net >> 8 & 255;

	snprintf(a->guest4, sizeof(a->guest4), "%u.%u.%u.%d/24", a1, a2, a3, SLIRP_GUEST);
	snprintf(a->gateway4, sizeof(a->gateway4), "%u.%u.%u.%d", a1, a2, a3, SLIRP_HOST);
	snprintf(a->nameserver4, sizeof(a->nameserver4), "%u.%u.%u.%d", a1, a2, a3,
		 SLIRP_NAMESERVER);
	snprintf(a->guest6, sizeof(a->guest6), "fd00:0:0:%x::%x/64", index, SLIRP_GUEST);
	snprintf(a->gateway6, sizeof(a->gateway6), "fd00:0:0:%x::%x", index, SLIRP_HOST);
}
