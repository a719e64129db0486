/*
 * What the parts of the virtio-net driver share: net.c sets a device up and
 * serves its interrupt, net_rx.c receives, net_tx.c transmits.
 */
#ifndef DRV_NIC_H
#define DRV_NIC_H

#include <linux/virtio_net.h>
#include "../libos/thread.h"
#include "../net/netif.h"
#include "virtio.h"

/* virtio 1.2, 5.1.3 and 5.1.6; not in older kernels' headers */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO   56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define NIC_RX   0 /* receiveq1 */
#define NIC_TX   1 /* transmitq1 */
#define NIC_RING 256
/* Packets that may wait for the ring. A thousand connections send two each at
 * once, an acknowledgement and an answer; what is dropped here is sent again
 * after a second or more. */
#define NIC_BACKLOG 4096

#define NIC_HEADER sizeof(struct virtio_net_hdr_v1)

struct nic {
	struct virtio dev;
	struct netif netif;
	struct nic *next; /* in nics, the list of all */

	/* net_rx.c */
	struct rx_page *pool; /* free pages, the last one used first */
	unsigned npool, npages; /* there; those that the ring has when full */
	struct pkt *building; /* a packet of several buffers; NULL: being dropped */
	unsigned missing; /* buffers of it that are still to come */
	bool open; /* the device has been told of buffers */
	struct timer again; /* continues what a budget cut short */

	/* net_tx.c */
	struct list backlog; /* of packets for which the ring had no room */
	unsigned nbacklog;
};

extern struct nic *nics;

static inline struct virtq *nic_queue(struct nic *nic, unsigned index)
{
	return &nic->dev.queue[index];
}

/* Has the device receive, from now on. */
void nic_open(struct nic *nic);

/* Makes the receive ring's first buffers, without a doorbell. 0 or -ENOMEM. */
int nic_receive_start(struct nic *nic);
/* Takes in at most `budget` received buffers: how many it were. Between
 * net_enter() and net_leave(). */
unsigned nic_receive(struct nic *nic, unsigned budget);

void nic_transmit_start(struct nic *nic);
/* Frees what the device has sent and sends what waits. */
void nic_reclaim(struct nic *nic);

#endif
