/*
 * virtio-net, device side (virtio 1.2, 5.1), on any descriptor that gives and
 * takes one frame a read and a write and that does not block: a tap, or the
 * socket of the user network (net/user.c).
 */
#ifndef VMM_NET_H
#define VMM_NET_H

#include "net_options.h"
#include "vm.h"

/* virtio 1.2, 5.1.3, newer than the kernel headers of some hosts */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO   56
#endif

#define NET_PAIRS_MAX  8 /* pairs of queues */
#define NET_QUEUE_SIZE 256

/* What the device is connected to. Frames have a struct virtio_net_hdr_v1 in
 * front when `vnet_header`. Opened by net/tap.c or net/user.c. */
struct net_backend {
	int fd[NET_PAIRS_MAX]; /* O_NONBLOCK; one a pair of queues */
	unsigned nfds;
	bool vnet_header;
	uint64_t offloads; /* VIRTIO_NET_F_* that the backend can serve: CSUM, GUEST_CSUM, HOST_TSO4
			      ... */
	/* Tells the backend which VIRTIO_NET_F_GUEST_* the driver accepted; may
	 * be NULL. */
	void (*set_offloads)(struct net_backend *backend, uint64_t features);
	/* Only the first n descriptors are used from now on; NULL if nfds is 1. */
	void (*set_queues)(struct net_backend *backend, unsigned n);
	uint16_t mtu; /* 0: unknown */
	bool down; /* at first; a frame that passes shows that it is up */
	char name[32]; /* for messages: "tap mf0" */
};

/* Opens what one --net (and, for user, all of --publish) asks for; ends the
 * process with a line that names the remedy. net/tap.c, net/user.c */
void tap_open(struct net_backend *backend, const struct net_option *option, unsigned queues);
struct publish_option;
/* The index-th user network of this VM; all ports are published by the first. */
void user_open(struct net_backend *backend, const struct net_option *option,
	       const struct publish_option *publish, unsigned npublish, unsigned index);
/* Until the ports are open that this backend was given. */
void user_wait_published(const struct net_backend *backend);

/* What its guest is called and whom it can ask, for the device tree: a guest
 * that knows needs no DHCP. */
struct user_addresses {
	char guest4[24], guest6[48]; /* "10.0.2.15/24" */
	char gateway4[24], gateway6[48];
	char nameserver4[24];
};
void user_addresses(struct user_addresses *addresses, unsigned index);

/* Adds the device. The backend becomes its own. `index`: for a default MAC
 * address. */
struct virtio_dev *net_add(struct vm *vm, const struct net_backend *backend,
			   const struct net_option *option, unsigned index);
/* Sends what drivers have handed over, as far as the backends take it: the end
 * of the VM must not overtake the I/O thread. */
void net_drain(struct vm *vm);
/* For tests; a VM just exits. The I/O loop has ended. */
void net_free(struct virtio_dev *dev);
/* Its MAC address, for the device tree. */
const uint8_t *net_mac(const struct virtio_dev *dev);
uint16_t net_mtu(const struct virtio_dev *dev); /* 0: not known */
/* The features with which a device of `offered` is handed over to our own
 * guest image: one pair of queues, all offloads that its driver knows. */
uint64_t net_ready_features(uint64_t offered);

/* Who moves the frames of all devices (attend.h): the I/O thread; a vCPU's thread, which
 * waits for them; or the same, while it runs the guest for a moment. */
enum net_mover { NET_BY_IO_THREAD, NET_INSIDE, NET_NEAR };
/* Moves what there is, both ways; from now on that is the mover's work. True: drivers have
 * frames that they have not looked at. Any thread. */
bool net_move(struct vm *vm, enum net_mover mover);

/* Where frames come from: how many descriptors, to be polled for POLLIN. */
#define NET_FDS_MAX (VIRTIO_MMIO_MAX * NET_PAIRS_MAX)
struct pollfd;
unsigned net_fds(const struct vm *vm, struct pollfd *fds);

#endif
