/*
 * Receiving. The ring has pages; the device fills one, or several in a row for
 * a large packet (virtio 1.2, 5.1.6.4: mergeable buffers), and a packet is made
 * of them without copying: its front is in the first page, behind the
 * device's header, the other pages are fragments. What is as small as an
 * acknowledgement is copied, and its page goes straight back.
 *
 * A page describes itself in its last 64 bytes, which the device is not given,
 * from the moment that it has data: so filling the ring touches no page, and
 * needs no other memory. Pages that packets are done with go to a pool, and
 * come from there before new ones, so that those in use stay few and in the
 * caches.
 *
 * A page leaves the ring only when there is another one for its place; else
 * its packet is dropped. So however short memory is, the device never runs out
 * of buffers, and what holds the memory (the sockets' receive buffers) is
 * what has to be read for packets to come in again.
 *
 * The device's header and lengths are read once and bounded.
 */
#include "../libos/frames.h"
#include "nic.h"

#define RX_DATA  (PAGE_SIZE - 64)
#define RX_LEAST 24 /* one packet of 64 KiB, and some */
#define RX_COPY  (PKT_ROOM - PKT_HEADROOM)

struct rx_page {
	u8 data[RX_DATA];
	struct pkt_mem mem;
	struct nic *nic;
	struct rx_page *next; /* in the pool */
	u8 pad[64 - sizeof(struct pkt_mem) - 16];
};
_Static_assert(sizeof(struct rx_page) == PAGE_SIZE, "a page is one");

/* ---- pages ---- */

static struct rx_page *page_get(struct nic *nic)
{
	struct rx_page *page = nic->pool;
	if (page) {
		nic->pool = page->next;
		nic->npool--;
		return page;
	}
	paddr_t pa = frames_alloc_dirty(0);
	return pa ? phys_to_virt(pa) : NULL;
}

/* At most as many pages wait as the ring has. */
static void page_put(struct nic *nic, struct rx_page *page)
{
	if (nic->npool >= nic->npages) {
		frames_free(virt_to_phys(page), 0);
		return;
	}
	page->next = nic->pool;
	nic->pool = page;
	nic->npool++;
}

static void page_release(struct pkt_mem *mem)
{
	struct rx_page *page = container_of(mem, struct rx_page, mem);
	page_put(page->nic, page);
}

/* A page with data becomes memory of packets: one reference. */
static struct pkt_mem *page_mem(struct nic *nic, struct rx_page *page)
{
	page->mem = (struct pkt_mem){ 1, RX_DATA, page->data, page_release };
	page->nic = nic;
	return &page->mem;
}

/* Gives the device a page. There is room in the ring for those that it had;
 * without memory for slots, at the first, or when it is dead: false. */
static bool post(struct nic *nic, struct rx_page *page)
{
	struct virtq_buf buf = { virt_to_phys(page), RX_DATA };
	if (!virtq_add(nic_queue(nic, NIC_RX), &buf, 0, 1, page))
		return true;
	page_put(nic, page);
	return false;
}

int nic_receive_start(struct nic *nic)
{
	/* 1 MiB of 64 and more; a 64th, where there is less */
	unsigned n = MAX(frames_total() / 64, RX_LEAST);
	n = MIN(MIN(n, NIC_RING), nic_queue(nic, NIC_RX)->size);
	paddr_t run = frames_alloc_run(n);
	for (unsigned i = 0; i < n; i++) {
		paddr_t pa = run ? run + i * PAGE_SIZE : frames_alloc_dirty(0);
		if (pa && post(nic, phys_to_virt(pa)))
			nic->npages++;
	}
	return nic->npages ? 0 : -ENOMEM;
}

/* ---- packets ---- */

/* What the header says about checksum and segments (5.1.6.4.1); false: lies. */
static bool read_header(struct pkt *pkt, const struct virtio_net_hdr_v1 *header)
{
	u32 start = header->csum_start, offset = header->csum_offset;
	u8 type = header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (start + offset + 2 > pkt->len)
			return false;
		pkt->csum = CSUM_PARTIAL;
		pkt->csum_start = pkt->data + start;
		pkt->csum_offset = offset;
	} else if (header->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		pkt->csum = CSUM_GOOD;
	}
	if (type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	if (type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6 &&
	    type != VIRTIO_NET_HDR_GSO_UDP_L4)
		return false;
	pkt->gso_type = type;
	pkt->gso_size = header->gso_size;
	return pkt->gso_size != 0;
}

/* A small packet: the page goes back. NULL: no memory. */
static struct pkt *copy_packet(struct nic *nic, struct rx_page *page, u32 len)
{
	struct pkt *pkt = pkt_alloc();
	if (pkt)
		memcpy(pkt_put(pkt, len), page->data + NIC_HEADER, len);
	post(nic, page);
	return pkt;
}

/* A packet around the page. NULL: no memory; the page went back. */
static struct pkt *wrap_packet(struct nic *nic, struct rx_page *page, u32 len)
{
	struct rx_page *other = page_get(nic);
	if (!other) {
		post(nic, page);
		return NULL;
	}
	post(nic, other);
	struct pkt *pkt = pkt_wrap(page_mem(nic, page), page->data, NIC_HEADER + len);
	if (pkt)
		pkt_pull(pkt, NIC_HEADER); /* its room serves who sends the packet back */
	return pkt;
}

/* The first page of a packet. */
static void first_page(struct nic *nic, struct rx_page *page, u32 len)
{
	struct virtio_net_hdr_v1 header;
	memcpy(&header, page->data, sizeof(header));
	bool merge = nic->dev.features & 1ull << VIRTIO_NET_F_MRG_RXBUF;
	unsigned n = merge ? header.num_buffers : 1;
	if (len <= NIC_HEADER || !n) {
		nic->netif.stats.rx_errors++;
		post(nic, page);
		return;
	}
	len -= NIC_HEADER;
	struct pkt *pkt = n == 1 && len <= RX_COPY ? copy_packet(nic, page, len) :
						     wrap_packet(nic, page, len);
	if (!pkt) {
		nic->netif.stats.rx_dropped++;
	} else if (!read_header(pkt, &header)) {
		nic->netif.stats.rx_errors++;
		pkt_free(pkt);
		pkt = NULL;
	}
	nic->building = pkt;
	nic->missing = n - 1;
}

/* A further one: the page becomes a fragment, or the packet is dropped. */
static void next_page(struct nic *nic, struct rx_page *page, u32 len)
{
	struct rx_page *other = nic->building ? page_get(nic) : NULL;
	nic->missing--;
	if (!other) {
		post(nic, page);
		if (nic->building)
			nic->netif.stats.rx_dropped++;
		pkt_free(nic->building);
		nic->building = NULL;
		return;
	}
	post(nic, other);
	struct pkt_mem *mem = page_mem(nic, page);
	if (!pkt_add_frag(nic->building, mem, page->data, len)) {
		nic->netif.stats.rx_errors++; /* more than 64 KiB */
		pkt_free(nic->building);
		nic->building = NULL;
	}
	pkt_mem_put(mem);
}

unsigned nic_receive(struct nic *nic, unsigned budget)
{
	struct virtq *q = nic_queue(nic, NIC_RX);
	struct rx_page *page;
	unsigned n = 0;
	u32 len;
	while (n < budget && (page = virtq_take(q, &len))) {
		n++;
		if (nic->missing)
			next_page(nic, page, len);
		else
			first_page(nic, page, len);
		if (nic->missing || !nic->building)
			continue;
		struct pkt *pkt = nic->building;
		nic->building = NULL;
		netif_receive(&nic->netif, pkt);
	}
	virtq_kick(&nic->dev, q);
	return n;
}
