/*
 * Frames from the backend to the driver.
 *
 * Buffers are taken from the receive queue ahead, enough for the largest frame
 * that can come, and readv(2) puts a frame straight into them; how many it
 * took is told to the driver in the header, and the rest is kept for the next
 * one. If the driver has posted fewer, the end of the frame goes to `spill`
 * and is copied when it posts more, so that no size of the queue is too small
 * for the traffic to go on.
 *
 *   listening --readable--> reading --backend empty--> listening
 *                            |  ^
 *          no buffer (posted) v  | doorbell
 *                          starving
 *
 * The backend is listened to by the I/O thread, or by a vCPU's (attend.h).
 * Nothing that is in flight refers to guest memory, so a reset needs no care.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fail.h"
#include "net_dev.h"
#include "../net/pcap.h"

#define FRAME_OVERHEAD (14 + 4) /* Ethernet header and a VLAN tag */
#define MTU_UNKNOWN    1500

static struct rx_buffer *buffer_at(struct net_rx *rx, unsigned i)
{
	return &rx->buffer[(rx->first + i) % NET_QUEUE_SIZE];
}

static struct iovec *rx_iov(struct net_rx *rx)
{
	return &rx->iov[rx->first_iov];
}

/* ---- taking and giving back buffers */

/* What to take buffers for. */
static uint32_t wanted(const struct net *net)
{
	const uint64_t large = 1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6 |
			       1ull << VIRTIO_NET_F_GUEST_USO4 | 1ull << VIRTIO_NET_F_GUEST_USO6;
	const uint32_t mtu = net->backend.mtu ? net->backend.mtu : MTU_UNKNOWN;

	if (net->dev.accepted & large)
		return NET_GSO;
	return NET_HDR + FRAME_OVERHEAD + mtu;
}

static void append(struct net_rx *rx, const struct chain *chain)
{
	if (rx->first_iov + rx->niov + CHAIN_MAX >= RX_IOV) {
		memmove(rx->iov, rx_iov(rx), rx->niov * sizeof(rx->iov[0]));
		rx->first_iov = 0;
	}
	memcpy(rx_iov(rx) + rx->niov, chain->iov, chain->nin * sizeof(rx->iov[0]));
	*buffer_at(rx, rx->count++) = (struct rx_buffer){ .head = chain->head,
							  .niov = (uint16_t)chain->nin,
							  .len = (uint32_t)chain->in_len };
	rx->niov += chain->nin;
	rx->room += chain->in_len;
}

/* Takes one more buffer; false when there is none, or no place to note it
 * (one entry stays free for `spill`). */
static bool take_buffer(struct net_rx *rx)
{
	struct virtio_dev *dev = &rx->net->dev;
	struct chain chain;
	int r;

	if (rx->count == NET_QUEUE_SIZE || rx->niov + CHAIN_MAX >= RX_IOV)
		return false;
	r = queue_pop(&dev->queue[rx->q], &dev->vm->mem, &chain);
	if (r == 1 && (chain.nout || chain.in_len < NET_HDR))
		r = -EINVAL; /* 5.1.6.3.1 */
	if (r < 0)
		virtio_broken(dev, "receive buffer");
	if (r <= 0)
		return false;
	append(rx, &chain);
	return true;
}

/* Without mergeable buffers, a frame has one. */
static void take_buffers(struct net_rx *rx)
{
	const bool merge = net_accepted(rx->net, VIRTIO_NET_F_MRG_RXBUF);
	const uint32_t want = wanted(rx->net);

	while ((merge ? rx->room < want : rx->count == 0) && take_buffer(rx))
		;
}

/* Gives the driver `len` bytes in the oldest buffers, `n` of them. */
static void give_back(struct net_rx *rx, unsigned n, uint32_t len)
{
	struct virtqueue *queue = &rx->net->dev.queue[rx->q];

	for (; n; n--) {
		const struct rx_buffer *b = buffer_at(rx, 0);
		const uint32_t used = len < b->len ? len : b->len;

		queue_stage(queue, b->head, used);
		len -= used;
		rx->room -= b->len;
		rx->niov -= b->niov;
		rx->first_iov += b->niov;
		rx->first = (rx->first + 1) % NET_QUEUE_SIZE;
		rx->count--;
	}
	queue_publish(queue);
}

/* ---- one frame */

/* Takes the bytes of the header out of the buffers, whose old state goes to
 * `saved`; returns how many entries that changed. */
static unsigned hide_header(struct iovec *iov, struct iovec saved[NET_HDR])
{
	uint32_t left = NET_HDR;
	unsigned n = 0;

	for (; left; n++) {
		const size_t part = iov[n].iov_len < left ? iov[n].iov_len : left;

		saved[n] = iov[n];
		iov[n].iov_base = (uint8_t *)iov[n].iov_base + part;
		iov[n].iov_len -= part;
		left -= (uint32_t)part;
	}
	return n;
}

/* Reads a frame behind all taken buffers into spill. Its length with the
 * header, or -errno. */
static ssize_t read_frame(struct net_rx *rx)
{
	const bool vnet = rx->net->backend.vnet_header;
	struct iovec saved[NET_HDR], *iov = rx_iov(rx);
	const unsigned hidden = vnet ? 0 : hide_header(iov, saved);
	ssize_t r;

	iov[rx->niov] = (struct iovec){ rx->spill, NET_GSO };
	do
		r = readv(rx->net->backend.fd[rx->q / 2], iov, (int)rx->niov + 1);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		r = -errno;
	memcpy(iov, saved, hidden * sizeof(saved[0]));
	if (r == 0)
		return -EPIPE; /* the other end of a socket is closed */
	if (r < 0)
		return r;
	if (!vnet)
		r += NET_HDR;
	return r < (ssize_t)NET_HDR ? -EPROTO : r; /* a tap gives the header, always */
}

static void write_header(struct net_rx *rx, uint16_t buffers)
{
	struct virtio_net_hdr_v1 hdr = { .num_buffers = buffers };

	if (rx->net->backend.vnet_header) {
		iov_store(rx_iov(rx), offsetof(struct virtio_net_hdr_v1, num_buffers), &buffers,
			  sizeof(buffers));
		return;
	}
	/* What such a backend gives has not crossed any wire. */
	if (net_accepted(rx->net, VIRTIO_NET_F_GUEST_CSUM))
		hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	iov_store(rx_iov(rx), 0, &hdr, sizeof(hdr));
}

static void deliver(struct net_rx *rx, uint32_t len)
{
	uint64_t room = 0;
	unsigned n = 0;

	while (room < len)
		room += buffer_at(rx, n++)->len;
	write_header(rx, (uint16_t)n);
	if (rx->net->recorded)
		pcap_frame(rx_iov(rx), rx->niov, NET_HDR, len - NET_HDR);
	give_back(rx, n, len);
	rx->counted.frames++;
	rx->counted.bytes += len - NET_HDR;
}

/* Takes buffers for the end of the frame in `spill`. False: the driver has to
 * post more. A frame that no number of buffers holds is dropped. */
static bool deliver_pending(struct net_rx *rx)
{
	const struct virtqueue *queue = &rx->net->dev.queue[rx->q];
	const bool merge = net_accepted(rx->net, VIRTIO_NET_F_MRG_RXBUF);

	while (merge && rx->room < rx->pending) {
		const uint32_t had = (uint32_t)rx->room;
		uint64_t part;

		if (!take_buffer(rx)) {
			if (rx->count < queue->size && rx->niov + CHAIN_MAX < RX_IOV)
				return false;
			break;
		}
		part = rx->room - had;
		if (part > rx->pending - had)
			part = rx->pending - had;
		iov_store(rx_iov(rx), had, rx->spill + rx->spill_from, (uint32_t)part);
		rx->spill_from += (uint32_t)part;
	}
	if (rx->room < rx->pending)
		rx->counted.dropped++;
	else
		deliver(rx, rx->pending);
	rx->pending = 0;
	return true;
}

/* ---- the queue */

static void listen_to_backend(struct net_rx *rx)
{
	struct net *net = rx->net;

	if (!net_by_io_thread(net) || rx->waiting)
		return;
	rx->waiting = true;
	io_poll(net->dev.vm, &rx->op, net->backend.fd[rx->q / 2], POLLIN);
}

/* Asks for a doorbell; false when buffers have come meanwhile. */
static bool starve(struct net_rx *rx)
{
	return !virtio_live(&rx->net->dev, rx->q) ||
	       !queue_suppress_kicks(&rx->net->dev.queue[rx->q], false);
}

/* One step: false when there is nothing more to do now. */
static bool receive(struct net_rx *rx)
{
	struct net *net = rx->net;
	ssize_t r;

	if (rx->pending)
		return deliver_pending(rx) || !starve(rx);
	take_buffers(rx);
	if (!virtio_live(&net->dev, rx->q))
		return false; /* broken */
	if (!rx->count)
		return !starve(rx);
	r = read_frame(rx);
	if (r == -EAGAIN) {
		listen_to_backend(rx);
		return false;
	}
	if (net_result(net, r))
		return false;
	if (r < 0) { /* ENOMEM and the like: another turn of the loop */
		rx->counted.dropped++;
		listen_to_backend(rx);
		return false;
	}
	if ((uint64_t)r <= rx->room) {
		deliver(rx, (uint32_t)r);
	} else {
		rx->pending = (uint32_t)r;
		rx->spill_from = 0;
	}
	return true;
}

static void continue_later(struct net_rx *rx)
{
	if (!net_by_io_thread(rx->net))
		return;
	rx->waiting = true;
	io_defer(rx->net->dev.vm, &rx->op);
}

void rx_pump(struct net_rx *rx)
{
	struct net *net = rx->net;
	struct virtio_dev *dev = &net->dev;
	unsigned budget = net_budget(net);

	if (net_by_io_thread(net) && rx->waiting)
		return;
	if (net->gone || rx->q / 2 >= net->pairs || !virtio_live(dev, rx->q))
		return;
	if (!rx->spill && !(rx->spill = malloc(NET_GSO)))
		fail(EXIT_VMM, "no memory for the network device");
	queue_suppress_kicks(&dev->queue[rx->q], true);
	while (receive(rx)) {
		if (--budget == 0) {
			continue_later(rx);
			break;
		}
	}
	virtio_notify_used(dev, rx->q);
}

/* I/O thread: the backend has frames, or it is our turn again. */
static void rx_ready(struct io_op *op, int result)
{
	struct net_rx *rx = (struct net_rx *)op;

	(void)result; /* what is wrong with the backend, readv() will say */
	pthread_mutex_lock(&rx->net->dev.lock);
	rx->waiting = false;
	if (net_by_io_thread(rx->net))
		rx_pump(rx);
	pthread_mutex_unlock(&rx->net->dev.lock);
}

void rx_init(struct net_rx *rx, struct net *net, unsigned pair)
{
	rx->op.done = rx_ready;
	rx->net = net;
	rx->q = 2 * pair;
}

/* Forgets the driver's buffers, and the frames that were meant for it: the next
 * one may not take their offloads. As many as a tap holds by default. */
void rx_reset(struct net_rx *rx)
{
	uint8_t start[64];
	unsigned most = 1000;

	while (!rx->net->gone && most-- &&
	       read(rx->net->backend.fd[rx->q / 2], start, sizeof(start)) > 0)
		;
	rx->first = rx->count = rx->first_iov = rx->niov = 0;
	rx->room = 0;
	rx->pending = 0;
}
