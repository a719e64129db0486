/*
 * vmm-slirp FD: the process of the user network, see net/user.c. The VMM starts
 * it; the socket to it has that number.
 *
 * libslirp does the work; here is what it asks of its surroundings: a loop
 * that polls its sockets and the VMM's, frames there and back, clock and
 * timers. While the guest does not take its frames, the sockets are not
 * polled, so that what their peers send stays with them.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "../../vmm/fail.h"
#include "../../vmm/options.h"
#include "link.h"
#include "sandbox.h"
#include "setup.h"

/* A guest can open as many connections; libslirp has up to 256 KiB in each. */
#define DESCRIPTORS_MOST 4096
#define BACKLOG          4096 /* connections not yet accepted; libslirp asks for one */
#define MEMORY_MOST      (128u << 20)
#define MEMORY_A_SOCKET  (640u << 10) /* two buffers of 128 KiB, packets of up to 64 each */
#define EXPIRY_MS        1000 /* after which libslirp drops what waits for ARP */
#define FRAMES_A_TURN    256 /* then the sockets get their turn */
#define ACCEPTS_A_TURN   64
#define TIMERS           4 /* libslirp 4.7 has one, for router advertisements */
#define POLL_EVENTS      (POLLIN | POLLOUT | POLLPRI | POLLERR | POLLHUP)

struct timer {
	SlirpTimerCb run; /* NULL: free */
	void *opaque;
	int64_t at; /* milliseconds; INT64_MAX: not set */
};

static struct slirp_setup setup;
static Slirp *slirp;
static struct link to_vmm;
static struct timer timers[TIMERS];
static struct pollfd polled[DESCRIPTORS_MOST];
static unsigned npolled;
static struct pollfd listener[SLIRP_PUBLISH_MAX];
static unsigned nlisteners;
static bool registered[DESCRIPTORS_MOST]; /* by number */
static unsigned nsockets;

/* ---- what libslirp asks for */

static ssize_t send_packet(const void *frame, size_t len, void *opaque)
{
	(void)opaque;
	link_send(&to_vmm, frame, len);
	return (ssize_t)len;
}

static void guest_error(const char *message, void *opaque)
{
	(void)message; /* the guest's own affair */
	(void)opaque;
}

static int64_t clock_ns(void *opaque)
{
	struct timespec t;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *timer_new(SlirpTimerCb run, void *opaque, void *ours)
{
	(void)ours;
	for (unsigned i = 0; i < TIMERS; i++) {
		if (timers[i].run)
			continue;
		timers[i] = (struct timer){ run, opaque, INT64_MAX };
		return &timers[i];
	}
	fail(EXIT_VMM, "vmm-slirp: this libslirp wants more than %d timers", TIMERS);
}

static void timer_free(void *timer, void *opaque)
{
	(void)opaque;
	((struct timer *)timer)->run = NULL;
}

static void timer_mod(void *timer, int64_t at, void *opaque)
{
	(void)opaque;
	((struct timer *)timer)->at = at;
}

/* We poll what slirp_pollfds_fill() names. But these say how many sockets there
 * are; unregister also comes for those that never were registered. */
static void register_fd(int fd, void *opaque)
{
	(void)opaque;
	if (fd < 0 || fd >= DESCRIPTORS_MOST || registered[fd])
		return;
	registered[fd] = true;
	nsockets++;
}

static void unregister_fd(int fd, void *opaque)
{
	(void)opaque;
	if (fd < 0 || fd >= DESCRIPTORS_MOST || !registered[fd])
		return;
	registered[fd] = false;
	nsockets--;
}

static void notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = register_fd,
	.unregister_poll_fd = unregister_fd,
	.notify = notify,
};

/* ---- set-up */

static void receive_setup(void)
{
	ssize_t n = recv(SLIRP_FD, &setup, sizeof(setup), MSG_DONTWAIT);

	if (n < 0 && (errno == EBADF || errno == ENOTSOCK))
		fail(EXIT_VMM, "vmm-slirp is a part of vmm, which starts it: vmm run --net user");
	if (n <= 0)
		exit(0); /* the VMM is gone already */
}

static struct in_addr address4(unsigned host)
{
	return (struct in_addr){ htonl(SLIRP_NETWORK4 + (setup.index << 8) + host) };
}

static struct in6_addr address6(unsigned host)
{
	return (struct in6_addr){
		.s6_addr = { [0] = 0xfd, [7] = (uint8_t)setup.index, [15] = (uint8_t)host }
	};
}

static void start_slirp(void)
{
	const SlirpConfig config = {
		.version = 4,
		.in_enabled = true,
		.vnetwork = address4(0),
		.vnetmask = { htonl(0xffffff00) },
		.vhost = address4(SLIRP_HOST),
		.vdhcp_start = address4(SLIRP_GUEST),
		.vnameserver = address4(SLIRP_NAMESERVER),
		.in6_enabled = true,
		.vprefix_addr6 = address6(0),
		.vprefix_len = 64,
		.vhost6 = address6(SLIRP_HOST),
		.vnameserver6 = address6(SLIRP_NAMESERVER),
		.if_mtu = SLIRP_MTU,
		.if_mru = SLIRP_MTU,
	};

	slirp = slirp_new(&config, &callbacks, NULL);
	if (!slirp)
		fail(EXIT_VMM,
		     "--net user: libslirp does not start; install libslirp 4.7 or later");
}

static void publish(const struct publish_option *p)
{
	const in_port_t port = htons(p->guest_port);
	const struct sockaddr_in to4 = { .sin_family = AF_INET,
					 .sin_port = port,
					 .sin_addr = address4(SLIRP_GUEST) };
	const struct sockaddr_in6 to6 = { .sin6_family = AF_INET6,
					  .sin6_port = port,
					  .sin6_addr = address6(SLIRP_GUEST) };
	const bool v6 = p->host.ss_family == AF_INET6;
	const socklen_t size = v6 ? sizeof(to6) : sizeof(to4);

	if (slirp_add_hostxfwd(slirp, (const struct sockaddr *)&p->host, size,
			       v6 ? (const struct sockaddr *)&to6 : (const struct sockaddr *)&to4,
			       size, (p->udp ? SLIRP_HOSTFWD_UDP : 0) | SLIRP_HOSTFWD_V6ONLY) < 0)
		fail(EXIT_VMM, "--publish: port %u was taken meanwhile: %s; publish another",
		     ntohs(((const struct sockaddr_in *)&p->host)->sin_port), strerror(errno));
}

/* libslirp listens with a backlog of 1, and a burst of clients would wait a
 * second for the next SYN. Listening again only changes the backlog. */
static void find_listeners(void)
{
	int listens;
	socklen_t size = sizeof(listens);

	for (int fd = SLIRP_FD + 1; fd < SLIRP_FD + 16 + (int)setup.npublish; fd++)
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens) {
			listen(fd, BACKLOG);
			listener[nlisteners++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
}

/* The VMM waits for this. Connections from here on wait for us in the backlog. */
static void tell_published(void)
{
	const uint8_t published = SLIRP_PUBLISHED;

	if (setup.npublish)
		link_send(&to_vmm, &published, sizeof(published));
}

/* In a session of its own, so that Ctrl-C reaches only the VM; with no
 * descriptor but the socket and standard error. */
static void detach(int fd)
{
	const int null = open("/dev/null", O_RDWR);
	sigset_t none;

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	dup2(fd, SLIRP_FD);
	close_range(SLIRP_FD + 1, ~0u, 0);
	setsid();
	signal(SIGINT, SIG_IGN); /* one that came before setsid() */
	signal(SIGQUIT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void prepare_process(int fd)
{
	struct rlimit files;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	detach(fd);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur =
			files.rlim_max < DESCRIPTORS_MOST ? files.rlim_max : DESCRIPTORS_MOST;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	/* A connection has two buffers of 128 KiB, from where on malloc would map
	 * and unmap each one. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

/* ---- the loop */

static int add_poll(int fd, int events, void *opaque)
{
	struct pollfd *p = &polled[npolled];

	(void)opaque;
	if (npolled == DESCRIPTORS_MOST)
		return -1;
	*p = (struct pollfd){ .fd = fd };
	p->events |= events & SLIRP_POLL_IN ? POLLIN : 0;
	p->events |= events & SLIRP_POLL_OUT ? POLLOUT : 0;
	p->events |= events & SLIRP_POLL_PRI ? POLLPRI : 0;
	return (int)npolled++;
}

static int revents(int index, void *opaque)
{
	const int r = index < 0 ? 0 : polled[index].revents;

	(void)opaque;
	return (r & POLLIN ? SLIRP_POLL_IN : 0) | (r & POLLOUT ? SLIRP_POLL_OUT : 0) |
	       (r & POLLPRI ? SLIRP_POLL_PRI : 0) | (r & POLLERR ? SLIRP_POLL_ERR : 0) |
	       (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static int listener_revents(int index, void *opaque)
{
	(void)opaque;
	for (unsigned i = 0; index >= 0 && i < nlisteners; i++)
		if (polled[index].fd == listener[i].fd)
			return listener[i].revents & POLLIN ? SLIRP_POLL_IN : 0;
	return 0;
}

/* libslirp accepts one client a turn, which takes milliseconds when there are
 * many. So it gets turns in which nothing but that has happened. */
static void accept_more(void)
{
	for (unsigned i = 0; i < ACCEPTS_A_TURN && poll(listener, nlisteners, 0) > 0; i++)
		slirp_pollfds_poll(slirp, 0, listener_revents, NULL);
}

/* libslirp keeps what waits for an ARP reply or for the rest of its fragments,
 * without a limit. So a guest that has that much of ours is not listened to. */
static bool owes_too_much(void)
{
	return mallinfo2().uordblks > MEMORY_MOST + (size_t)nsockets * MEMORY_A_SOCKET;
}

/* In milliseconds; -1: for ever. */
static int time_to_wait(uint32_t slirp_wants)
{
	const int64_t now = clock_ns(NULL) / 1000000;
	int64_t wait = slirp_wants == UINT32_MAX ? INT64_MAX : slirp_wants;

	for (unsigned i = 0; i < TIMERS; i++)
		if (timers[i].run && timers[i].at != INT64_MAX && timers[i].at - now < wait)
			wait = timers[i].at - now;
	if (wait > EXPIRY_MS && owes_too_much())
		wait = EXPIRY_MS;
	if (wait == INT64_MAX)
		return -1;
	return wait < 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

static void run_timers(void)
{
	const int64_t now = clock_ns(NULL) / 1000000;

	for (unsigned i = 0; i < TIMERS; i++) {
		if (!timers[i].run || timers[i].at > now)
			continue;
		timers[i].at = INT64_MAX;
		timers[i].run(timers[i].opaque);
	}
}

static void take_frames(void)
{
	static uint8_t frame[LINK_FRAME_MOST];
	const bool deaf = owes_too_much();
	size_t len;

	for (unsigned i = 0; i < FRAMES_A_TURN; i++) {
		len = link_receive(&to_vmm, frame);
		if (len == 0)
			break;
		if (!deaf)
			slirp_input(slirp, frame, (int)len);
	}
}

static void turn(void)
{
	const bool congested = link_congested(&to_vmm);
	uint32_t wait = UINT32_MAX;
	int n;

	polled[0] = (struct pollfd){
		.fd = SLIRP_FD,
		.events = (short)(POLLIN | (to_vmm.first ? POLLOUT : 0)),
	};
	npolled = 1;
	if (!congested)
		slirp_pollfds_fill(slirp, &wait, add_poll, NULL);
	n = poll(polled, npolled, time_to_wait(wait));
	if (n < 0 && errno != EINTR)
		fail(EXIT_VMM, "vmm-slirp: poll: %s", strerror(errno));
	if (n > 0 && polled[0].revents & POLLOUT)
		link_flush(&to_vmm);
	if (n > 0 && polled[0].revents & ~POLLOUT)
		take_frames();
	/* The frames first: packets that waited for an ARP reply go out here. */
	if (!congested) {
		slirp_pollfds_poll(slirp, n < 0, revents, NULL);
		accept_more();
	}
	run_timers();
}

int main(int argc, char **argv)
{
	prepare_process(argc == 2 ? (int)strtol(argv[1], NULL, 10) : -1);
	receive_setup();
	link_init(&to_vmm, SLIRP_FD);
	start_slirp();
	for (unsigned i = 0; i < setup.npublish; i++)
		publish(&setup.publish[i]);
	find_listeners();
	tell_published();
	sandbox_enter();
	while (!to_vmm.ended)
		turn();
	_exit(0); /* at once: the VMM's ports are to be free */
}
