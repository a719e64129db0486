/*
 * Opens a tap device that exists (Documentation/networking/tuntap.rst), with a
 * virtio header in front of each frame, and tells the kernel which offloads
 * the driver takes. Making one is left to net/up.sh: it needs privilege, and
 * addresses and routes that only the user knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "../vmm/fail.h"
#include "../vmm/net.h"

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define BIT(n) (1ull << (n))

#define DEVICE  "/dev/net/tun"
#define BUSY_MS 300

/* What every kernel with virtio headers takes and gives. */
#define OFFLOADS                                                                                   \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |     \
	 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_GUEST_TSO4) | \
	 BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN))
#define OFFLOADS_USO \
	(BIT(VIRTIO_NET_F_HOST_USO) | BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6))

/* ---- the interface, before it is touched */

/* Asking TUNSETIFF at once would make an interface that is not there. */
static void look_at(struct net_backend *backend, const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	if (fd < 0)
		fail(EXIT_VMM, "--net tap=%s: cannot look at interfaces: %s", name,
		     strerror(errno));
	strcpy(request.ifr_name, name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		fail(EXIT_VMM, "--net tap=%s: there is no such interface; net/up.sh %s makes it",
		     name, name);
	backend->down = !(request.ifr_flags & IFF_UP);
	if (backend->down)
		warn("--net tap=%s: the interface is down; ip link set %s up", name, name);
	if (ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu <= UINT16_MAX)
		backend->mtu = (uint16_t)request.ifr_mtu;
	close(fd);
}

/* ---- its queues */

static int open_device(const char *name)
{
	int fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		fail(EXIT_VMM,
		     "--net tap=%s: " DEVICE " is not there; load the module: modprobe "
		     "tun",
		     name);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		fail(EXIT_VMM,
		     "--net tap=%s: " DEVICE ": permission denied; chmod 666 " DEVICE
		     " gives it to everybody, as distributions do",
		     name);
	if (fd < 0)
		fail(EXIT_VMM, "--net tap=%s: " DEVICE ": %s", name, strerror(errno));
	return fd;
}

static _Noreturn void fail_attach(const char *name, int error)
{
	switch (error) {
	case EBUSY:
		fail(EXIT_VMM,
		     "--net tap=%s: another process (another VM?) uses it; give each VM a "
		     "tap of its own, net/up.sh makes them",
		     name);
	case EPERM:
		fail(EXIT_VMM,
		     "--net tap=%s: permission denied, it belongs to another user; "
		     "net/up.sh %s --user %u makes it yours",
		     name, name, getuid());
	case EINVAL:
		fail(EXIT_VMM,
		     "--net tap=%s: is no tap device but another kind of interface; "
		     "net/up.sh makes taps",
		     name);
	default:
		fail(EXIT_VMM, "--net tap=%s: cannot attach to it: %s", name, strerror(error));
	}
}

/*
 * The kernel lets go of a tap some milliseconds after the VM that had it has
 * exited: what its io_uring still held goes in the background. The next VM on
 * the same tap must not fail for that.
 */
static int set_interface(int fd, struct ifreq *request)
{
	for (int left = BUSY_MS;; left--) {
		if (ioctl(fd, TUNSETIFF, request) == 0)
			return 0;
		if (errno != EBUSY || left == 0)
			return -errno;
		usleep(1000);
	}
}

/* One queue of the tap; 0 or -errno. */
static int attach(int fd, const char *name, bool multi)
{
	struct ifreq request = {
		.ifr_flags =
			(short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi ? IFF_MULTI_QUEUE : 0)),
	};
	int size = sizeof(struct virtio_net_hdr_v1);
	int r;

	strcpy(request.ifr_name, name);
	r = set_interface(fd, &request);
	if (r)
		return r;
	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
		return -errno;
	return 0;
}

/*
 * A tap was made for one queue or for several, and says so only by refusing
 * the other: EINVAL. Whether the VM wants one or several, both kinds serve.
 */
static void attach_all(struct net_backend *backend, const char *name, unsigned queues)
{
	bool multi = queues > 1;
	int r;

	backend->fd[0] = open_device(name);
	r = attach(backend->fd[0], name, multi);
	if (r == -EINVAL) {
		multi = !multi;
		r = attach(backend->fd[0], name, multi);
	}
	if (r)
		fail_attach(name, -r);
	backend->nfds = 1;
	while (multi && backend->nfds < queues) {
		int fd = open_device(name);

		if (attach(fd, name, true)) { /* the tap has no more */
			close(fd);
			break;
		}
		backend->fd[backend->nfds++] = fd;
	}
}

static void set_queues(struct net_backend *backend, unsigned n)
{
	for (unsigned i = 1; i < backend->nfds; i++) {
		struct ifreq request = { .ifr_flags = i < n ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

		/* refused if that is how it is already */
		ioctl(backend->fd[i], TUNSETQUEUE, &request);
	}
}

/* ---- offloads */

static const struct {
	unsigned feature, flag;
} guest_offload[] = {
	{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },   { VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
	{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN }, { VIRTIO_NET_F_GUEST_USO4, TUN_F_USO4 },
	{ VIRTIO_NET_F_GUEST_USO6, TUN_F_USO6 },
};

static void set_offloads(struct net_backend *backend, uint64_t features)
{
	unsigned flags = 0;

	if (features & BIT(VIRTIO_NET_F_GUEST_CSUM)) { /* the others build on it */
		flags = TUN_F_CSUM;
		for (unsigned i = 0; i < sizeof(guest_offload) / sizeof(guest_offload[0]); i++)
			if (features & BIT(guest_offload[i].feature))
				flags |= guest_offload[i].flag;
	}
	/* USO comes in both families or not at all. */
	if ((flags & (TUN_F_USO4 | TUN_F_USO6)) != (TUN_F_USO4 | TUN_F_USO6))
		flags &= ~(unsigned)(TUN_F_USO4 | TUN_F_USO6);
	ioctl(backend->fd[0], TUNSETOFFLOAD, (unsigned long)flags);
}

void tap_open(struct net_backend *backend, const struct net_option *option, unsigned queues)
{
	*backend = (struct net_backend){ .vnet_header = true,
					 .offloads = OFFLOADS,
					 .set_offloads = set_offloads };
	snprintf(backend->name, sizeof(backend->name), "tap %s", option->tap);
	look_at(backend, option->tap);
	attach_all(backend, option->tap, queues < NET_PAIRS_MAX ? queues : NET_PAIRS_MAX);
	if (ioctl(backend->fd[0], TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6) == 0)
		backend->offloads |= OFFLOADS_USO;
	set_offloads(backend, 0);
	if (backend->nfds > 1) {
		backend->set_queues = set_queues;
		set_queues(backend, 1);
	}
}
