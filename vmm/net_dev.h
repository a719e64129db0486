/*
 * Inside of the network device: net.c (the device), net_rx.c, net_tx.c (frames
 * in and out), net_ctrl.c (the control queue), net_csum.c. All of it runs with
 * dev->lock held.
 */
#ifndef VMM_NET_DEV_H
#define VMM_NET_DEV_H

#include <linux/virtio_net.h>
#include "io.h"
#include "net.h"
#include "virtio.h"

#define NET_HDR    ((uint32_t)sizeof(struct virtio_net_hdr_v1)) /* in front of each frame */
#define NET_GSO    65562u /* header and largest frame with segmentation: 5.1.6.3.1 */
#define NET_BUDGET 64 /* frames that the I/O thread moves at a time */
#define RX_IOV     1024 /* IOV_MAX */

_Static_assert(sizeof(struct virtio_net_hdr_v1) == 12, "virtio 1.2, 5.1.6");

struct net;

struct net_count {
	uint64_t frames, bytes, dropped;
};

/* A buffer that was taken from the receive queue and not yet given back. */
struct rx_buffer {
	uint16_t head, niov;
	uint32_t len;
};

struct net_rx {
	struct io_op op; /* first: done() gets its address */
	struct net *net;
	unsigned q;
	bool waiting; /* op is with the I/O loop */
	/* Taken buffers, oldest first: buffer[(first + i) % NET_QUEUE_SIZE], their
	 * memory in iov[first_iov..first_iov + niov), `room` bytes. */
	unsigned first, count, first_iov, niov;
	uint64_t room;
	/* A frame for which there were too few buffers: its length with the
	 * header, and what did not fit, from spill[spill_from] on. */
	uint32_t pending, spill_from;
	uint8_t *spill;
	struct net_count counted;
	struct rx_buffer buffer[NET_QUEUE_SIZE];
	struct iovec iov[RX_IOV];
};

struct net_tx {
	struct io_op op; /* first */
	struct net *net;
	unsigned q;
	bool waiting; /* op is with the I/O loop */
	bool busy; /* chain is taken from the queue, and the backend was full */
	struct net_count counted;
	struct chain chain;
};

struct net {
	struct virtio_dev dev; /* first */
	struct virtio_ops ops; /* with as many queues as this one has */
	struct virtio_net_config config;
	struct net_backend backend;
	unsigned pairs_max, pairs; /* pairs: as many as the driver uses */
	bool configured; /* the backend knows the driver's offloads */
	bool gone; /* the backend will never work again */
	bool recorded; /* --pcap */
	enum net_mover mover; /* whose work the queues are */
	struct net_rx *rx; /* pairs_max of each */
	struct net_tx *tx;
};

static inline bool net_accepted(const struct net *net, unsigned feature)
{
	return net->dev.accepted & 1ull << feature;
}

/* If not, a vCPU's thread listens, and comes back by itself (attend.h). */
static inline bool net_by_io_thread(const struct net *net)
{
	return net->mover == NET_BY_IO_THREAD;
}

/* Frames at a time: the I/O thread has others to serve. */
static inline unsigned net_budget(const struct net *net)
{
	return net_by_io_thread(net) ? NET_BUDGET : NET_QUEUE_SIZE;
}

/* Works on a queue as far as possible: net_rx.c, net_tx.c, net_ctrl.c */
void rx_pump(struct net_rx *rx);
void tx_pump(struct net_tx *tx);
void tx_drain(struct net_tx *tx); /* the same without a next time */
void ctrl_pump(struct net *net, unsigned q);

void rx_init(struct net_rx *rx, struct net *net, unsigned pair);
void tx_init(struct net_tx *tx, struct net *net, unsigned pair);
void rx_reset(struct net_rx *rx);
void tx_reset(struct net_tx *tx);

/* The driver's offloads and number of queue pairs, told to the backend. */
void net_configure(struct net *net);
void net_set_pairs(struct net *net, unsigned pairs);

/* What a read or a write of the backend gave: keeps the link's state. True if
 * the backend is gone for good. */
bool net_result(struct net *net, ssize_t result);

/* Copies to buffers, or fills them, from byte `offset` on. They have room. */
void iov_store(const struct iovec *iov, uint32_t offset, const void *data, uint32_t len);
/* Copies from n buffers; returns how many bytes there were. */
uint32_t iov_load(const struct iovec *iov, unsigned n, uint32_t offset, void *data, uint32_t len);
/* The part of n buffers from byte `skip` on, at most `len` bytes; returns how
 * many entries in `out`. */
unsigned iov_slice(const struct iovec *iov, unsigned n, uint32_t skip, uint32_t len,
		   struct iovec *out);

/*
 * Completes the checksum of a frame of `len` bytes in n buffers, if the driver
 * left it to us (virtio 1.2, 5.1.6.2). Fills `out` with the frame as it is to
 * be sent, with the checksum in a buffer of our own: the driver's memory stays
 * as it is. out has room for n + 2 entries, `sum` lives as long. Returns how
 * many there are; 0: the header lies.
 */
unsigned csum_complete(const struct virtio_net_hdr_v1 *hdr, const struct iovec *iov, unsigned n,
		       uint32_t len, struct iovec *out, uint8_t sum[2]);

#endif
