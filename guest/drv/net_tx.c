/*
 * Transmitting. A packet, with the device's header pushed before its frame,
 * becomes one chain: the front part, then each fragment; the device reads
 * the memory where it is. The doorbell waits for flush(), so one exit serves all
 * that a system call or an interrupt had to send.
 *
 * What the device has sent is freed when there is something else to do here:
 * at the next flush, or when something is received (an acknowledgement, mostly,
 * for what was sent). No interrupt comes for it, but when the ring is full:
 * then packets wait in a backlog, in order, and the device is asked to
 * interrupt once most of the ring has been sent.
 */
#include "../libos/frames.h"
#include "nic.h"

/* Bytes of the headers that each segment begins with: a hint (5.1.6.2). */
static u32 header_length(const struct pkt *pkt, u32 start)
{
	u32 transport = 8;
	if (pkt->gso_type != VIRTIO_NET_HDR_GSO_UDP_L4) {
		if (start + 13 > pkt->len)
			return pkt->len;
		transport = (pkt->csum_start[12] >> 4) * 4;
	}
	return MIN(start + transport, pkt->len);
}

static void write_header(struct pkt *pkt)
{
	struct virtio_net_hdr_v1 header = { 0 };
	if (pkt->csum == CSUM_PARTIAL) {
		header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header.csum_start = pkt->csum_start - pkt->data;
		header.csum_offset = pkt->csum_offset;
	}
	if (pkt->gso_type && pkt->gso_size && pkt->csum == CSUM_PARTIAL) {
		header.gso_type = pkt->gso_type;
		header.gso_size = pkt->gso_size;
		header.hdr_len = header_length(pkt, header.csum_start);
	}
	memcpy(pkt_push(pkt, NIC_HEADER), &header, sizeof(header));
}

/* Into the ring, header and all: 0 or virtq_add()'s error. */
static int put(struct nic *nic, struct pkt *pkt)
{
	struct virtq_buf buf[1 + PKT_FRAGS];
	buf[0] = (struct virtq_buf){ virt_to_phys(pkt->data), pkt->len };
	for (unsigned i = 0; i < pkt->nfrags; i++)
		buf[1 + i] =
			(struct virtq_buf){ virt_to_phys(pkt->frag[i].data), pkt->frag[i].len };
	return virtq_add(nic_queue(nic, NIC_TX), buf, 1 + pkt->nfrags, 0, pkt);
}

static void free_sent(struct nic *nic)
{
	struct pkt *pkt;
	u32 len;
	while ((pkt = virtq_take(nic_queue(nic, NIC_TX), &len)))
		pkt_free(pkt);
}

/* As many as there is room for; false: some are left. */
static bool send_backlog(struct nic *nic)
{
	struct pkt *pkt;
	while ((pkt = pkt_dequeue(&nic->backlog))) {
		int error = put(nic, pkt);
		if (error == -ENOSPC) {
			/* back to where it was: before the first */
			list_add_tail(nic->backlog.next, &pkt->link);
			return false;
		}
		nic->nbacklog--;
		nic->netif.dirty = true;
		if (error) {
			nic->netif.stats.tx_dropped++;
			pkt_free(pkt);
		}
	}
	return true;
}

void nic_reclaim(struct nic *nic)
{
	struct virtq *q = nic_queue(nic, NIC_TX);
	free_sent(nic);
	/* An interrupt after three quarters of what is in flight; again at once,
	 * if those are done already. */
	while (!list_empty(&nic->backlog) && !send_backlog(nic)) {
		virtq_kick(&nic->dev, q);
		if (!virtq_arm_after(q, q->in_flight * 3 / 4))
			return;
		free_sent(nic);
	}
	virtq_disarm(q);
	if (nic->netif.full) {
		nic->netif.full = false;
		wake_all(&nic->netif.room);
	}
}

/* The caller counts it. */
static int drop(struct pkt *pkt)
{
	pkt_free(pkt);
	return -ENOBUFS;
}

static int transmit(struct netif *netif, struct pkt *pkt)
{
	struct nic *nic = netif->driver;
	if ((u32)(pkt->data - pkt->start) < NIC_HEADER)
		return drop(pkt); /* made without PKT_HEADROOM */
	if (nic->nbacklog >= NIC_BACKLOG)
		return drop(pkt);
	write_header(pkt);
	if (list_empty(&nic->backlog)) {
		int error = put(nic, pkt);
		if (error != -ENOSPC)
			return error ? drop(pkt) : 0;
	}
	list_add_tail(&nic->backlog, &pkt->link);
	nic->nbacklog++;
	netif->full = true;
	nic_reclaim(nic);
	return 0;
}

static void flush(struct netif *netif)
{
	struct nic *nic = netif->driver;
	nic_open(nic);
	nic_reclaim(nic);
	virtq_kick(&nic->dev, nic_queue(nic, NIC_TX));
}

/* While it is, the device is to interrupt when it has sent all. */
static bool busy(struct netif *netif)
{
	struct nic *nic = netif->driver;
	struct virtq *q = nic_queue(nic, NIC_TX);
	nic_reclaim(nic);
	while (q->in_flight && !q->dead) {
		if (!virtq_arm_after(q, q->in_flight - 1))
			return true;
		nic_reclaim(nic);
	}
	return false;
}

void nic_transmit_start(struct nic *nic)
{
	list_init(&nic->backlog);
	virtq_disarm(nic_queue(nic, NIC_TX));
	nic->netif.driver = nic;
	waitq_init(&nic->netif.room);
	nic->netif.transmit = transmit;
	nic->netif.flush = flush;
	nic->netif.busy = busy;
}
