/*
 * virtio-net, device side (virtio 1.2, 5.1), on any descriptor that gives and
 * takes one frame a read and a write: a tap, or the socket of the user network
 * (net/slirp).
 */
#ifndef VMM_NET_H
#define VMM_NET_H

#include "net_options.h"
#include "vm.h"

/* What the device is connected to. Frames have a struct virtio_net_hdr_v1 in
 * front when `vnet_header`. Opened by net/tap.c or net/user.c. */
struct net_backend {
	int fd[8]; /* one a queue pair */
	unsigned nfds;
	bool vnet_header;
	uint64_t offloads; /* VIRTIO_NET_F_* that the backend can serve: CSUM, GUEST_CSUM, HOST_TSO4
			      ... */
	/* Tells the backend which VIRTIO_NET_F_GUEST_* the driver accepted; may
	 * be NULL. */
	void (*set_offloads)(struct net_backend *backend, uint64_t features);
	uint16_t mtu; /* 0: unknown */
	char name[32]; /* for messages: "tap mf0" */
};

/* Opens what one --net (and, for user, all of --publish) asks for; ends the
 * process with a line that names the remedy. net/tap.c, net/user.c */
void tap_open(struct net_backend *backend, const struct net_option *option, unsigned queues);
struct publish_option;
void user_open(struct net_backend *backend, const struct net_option *option,
	       const struct publish_option *publish, unsigned npublish);

/* Adds the device. The backend becomes its own. `index`: for a default MAC
 * address. */
struct virtio_dev *net_add(struct vm *vm, const struct net_backend *backend,
			   const struct net_option *option, unsigned index);
/* Its MAC address, for the device tree. */
const uint8_t *net_mac(const struct virtio_dev *dev);

#endif
