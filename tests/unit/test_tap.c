// link: net/tap.c
/*
 * Tap devices, in a network namespace of the test's own: what is opened, with
 * how many queues, and what is said when it cannot be. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../vmm/fail.h"
#include "../../vmm/net.h"
#include "../../vmm/options.h"

#define HDR 12

#define give_up(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

_Noreturn void fail(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vdprintf(STDOUT_FILENO, format, args);
	va_end(args);
	_exit(status);
}

static unsigned warnings;

void warn(const char *format, ...)
{
	(void)format;
	warnings++;
}

static bool namespace_of_its_own;

#define NEED_ROOT()                        \
	do {                               \
		(void)state;               \
		if (!namespace_of_its_own) \
			skip();            \
	} while (0)

/* ---- interfaces */

static void interface_ioctl(unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, request, ifr), 0);
	close(fd);
}

static void set_up(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_UP };

	strcpy(ifr.ifr_name, name);
	interface_ioctl(SIOCSIFFLAGS, &ifr);
}

/* A device that stays, like that of `ip tuntap add`. */
static void make(const char *name, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
	set_up(name);
}

static void open_it(struct net_backend *backend, const char *name, unsigned queues)
{
	struct net_option option = { .kind = NET_TAP };

	strcpy(option.tap, name);
	tap_open(backend, &option, queues);
}

static void close_it(struct net_backend *backend)
{
	for (unsigned i = 0; i < backend->nfds; i++)
		close(backend->fd[i]);
}

/* Opening ends the process with this in its line. */
static void refuses(const char *name, const char *part)
{
	char text[1024] = "";
	int out[2], status;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct net_backend backend;

		dup2(out[1], STDOUT_FILENO);
		open_it(&backend, name, 1);
		_exit(0);
	}
	close(out[1]);
	assert_true(read(out[0], text, sizeof(text) - 1) >= 0);
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_VMM || !strstr(text, part))
		give_up("wanted '%s', got %#x and '%s'", part, status, text);
}

/* ---- tests */

static void opens_one_queue(void **state)
{
	struct ifreq ifr = { .ifr_name = "t0", .ifr_mtu = 1400 };
	struct net_backend backend;
	int size = 0;

	NEED_ROOT();
	make("t0", IFF_TAP | IFF_NO_PI);
	interface_ioctl(SIOCSIFMTU, &ifr);
	for (unsigned queues = 1; queues <= 4; queues += 3) {
		open_it(&backend, "t0", queues);
		assert_int_equal(backend.nfds, 1);
		assert_true(backend.vnet_header);
		assert_int_equal(backend.mtu, 1400);
		assert_string_equal(backend.name, "tap t0");
		assert_null(backend.set_queues);
		assert_false(backend.down);
		assert_int_equal(ioctl(backend.fd[0], TUNGETVNETHDRSZ, &size), 0);
		assert_int_equal(size, HDR);
		assert_true(fcntl(backend.fd[0], F_GETFL) & O_NONBLOCK);
		close_it(&backend);
	}
}

/* How many of its first queues the kernel gives frames to: a queue is attached
 * if it is refused to attach it, and then the state is as before. */
static unsigned attached(const struct net_backend *backend)
{
	unsigned n = 0;

	for (; n < backend->nfds; n++) {
		struct ifreq ifr = { .ifr_flags = IFF_ATTACH_QUEUE };

		if (ioctl(backend->fd[n], TUNSETQUEUE, &ifr) == 0) {
			ifr.ifr_flags = IFF_DETACH_QUEUE;
			assert_int_equal(ioctl(backend->fd[n], TUNSETQUEUE, &ifr), 0);
			break;
		}
	}
	return n;
}

static void opens_several_queues(void **state)
{
	struct net_backend backend;
	uint8_t frame[HDR + 60] = { [HDR] = 0xff, [HDR + 12] = 0x88, [HDR + 13] = 0xb5 };

	NEED_ROOT();
	make("t1", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
	open_it(&backend, "t1", 1);
	assert_int_equal(backend.nfds, 1);
	close_it(&backend);
	open_it(&backend, "t1", 20);
	assert_int_equal(backend.nfds, NET_PAIRS_MAX);
	assert_non_null(backend.set_queues);
	assert_int_equal(attached(&backend), 1);
	backend.set_queues(&backend, 2);
	backend.set_queues(&backend, 2);
	assert_int_equal(attached(&backend), 2);
	backend.set_queues(&backend, NET_PAIRS_MAX);
	assert_int_equal(attached(&backend), NET_PAIRS_MAX);
	backend.set_queues(&backend, 1);
	assert_int_equal(attached(&backend), 1);
	assert_int_equal(write(backend.fd[0], frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(write(backend.fd[1], frame, sizeof(frame)), sizeof(frame));
	close_it(&backend);
}

/* Whatever a driver accepts, the kernel takes it or leaves it; what it leaves
 * would come segmented. */
static void takes_any_offloads(void **state)
{
	struct net_backend backend;

	NEED_ROOT();
	make("t2", IFF_TAP | IFF_NO_PI);
	open_it(&backend, "t2", 1);
	assert_true(backend.offloads & 1ull << VIRTIO_NET_F_CSUM);
	assert_true(backend.offloads & 1ull << VIRTIO_NET_F_GUEST_TSO4);
	for (uint64_t some = 0; some < 1u << 10; some++)
		backend.set_offloads(&backend,
				     (some & 0x3) | (some & 0x7c) << 5 | (some & 0x380) << 47);
	close_it(&backend);
}

static void a_tap_that_is_down(void **state)
{
	struct ifreq ifr = { .ifr_name = "t3", .ifr_flags = 0 };
	struct net_backend backend;

	NEED_ROOT();
	make("t3", IFF_TAP | IFF_NO_PI);
	interface_ioctl(SIOCSIFFLAGS, &ifr);
	warnings = 0;
	open_it(&backend, "t3", 1);
	assert_int_equal(warnings, 1);
	assert_true(backend.down);
	close_it(&backend);
}

static void refusals(void **state)
{
	struct net_backend backend;

	NEED_ROOT();
	refuses("none", "there is no such interface; net/up.sh none makes it");
	assert_int_equal(if_nametoindex("none"), 0);
	refuses("lo", "is no tap device");
	make("tun0", IFF_TUN | IFF_NO_PI);
	refuses("tun0", "is no tap device");
	make("t4", IFF_TAP | IFF_NO_PI);
	open_it(&backend, "t4", 1);
	refuses("t4", "another process");
	close_it(&backend);
}

static int enter_namespace(void **state)
{
	(void)state;
	namespace_of_its_own =
		access("/dev/net/tun", R_OK | W_OK) == 0 && unshare(CLONE_NEWNET) == 0;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_one_queue),    cmocka_unit_test(opens_several_queues),
		cmocka_unit_test(takes_any_offloads), cmocka_unit_test(a_tap_that_is_down),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
