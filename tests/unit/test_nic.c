// clang-format off
// link: tests/unit/fake_libos.c tests/unit/ring_peer.c guest/drv/net.c guest/drv/net_rx.c guest/drv/net_tx.c guest/drv/virtq.c guest/net/pkt.c guest/net/pkt_data.c vmm/queue.c
// clang-format on
/*
 * The virtio-net driver against a device made of the VMM's queue.c: what goes
 * in comes out, in order, through rings that fill up, with and without
 * EVENT_IDX and tables; memory that runs out loses packets, never the device;
 * headers that lie lose packets too. Physical addresses are the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <cmocka.h>
#include "fake_libos.h"
#include "ring_peer.h"
#include "../../guest/drv/net.h"
#include "../../guest/drv/nic.h"
#include "../../guest/libos/cpus.h"
#include "../../guest/libos/frames.h"
#include "../../guest/libos/heap.h"

#define BIT(n) (1ull << (n))
#define ALL                                                                                       \
	(BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |    \
	 BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_USO) | \
	 BIT(VIRTIO_NET_F_GUEST_TSO4))

static struct virtio_place place;
static uint8_t regs[4096];
static uint8_t rings[2][16384] __attribute__((aligned(4096)));
static struct nic *nic;
static uint64_t features;
static unsigned ring_size;

/* ---- the transport */

int virtio_setup(struct virtio *dev, const struct virtio_place *p, u64 wanted, unsigned nqueues)
{
	assert_int_equal(nqueues, 2);
	assert_true(wanted & BIT(VIRTIO_NET_F_MRG_RXBUF));
	dev->place = p;
	dev->regs = regs;
	dev->features = features & wanted;
	nic = container_of(dev, struct nic, dev);
	for (unsigned i = 0; i < 2; i++) {
		struct virtq *q = &dev->queue[i];

		memset(rings[i], 0, sizeof(rings[i]));
		q->desc = (void *)rings[i];
		q->avail = (void *)(rings[i] + 16 * ring_size);
		q->used = (void *)(rings[i] + 12288);
		q->size = ring_size;
		q->index = i;
		q->event_idx = features & BIT(VIRTIO_RING_F_EVENT_IDX);
		q->indirect = features & BIT(VIRTIO_RING_F_INDIRECT_DESC);
		peer_start(i, ring_size, rings[i], rings[i] + 16 * ring_size, rings[i] + 12288,
			   q->event_idx, q->indirect);
	}
	return 0;
}

u64 virtio_offered(const struct virtio_place *p)
{
	(void)p;
	return features;
}

void virtio_stop(struct virtio *dev)
{
	for (unsigned i = 0; i < 2; i++)
		virtq_free(&dev->queue[i]);
}

void klog(const char *format, ...)
{
	(void)format;
}

paddr_t frames_alloc_run(u64 n)
{
	(void)n;
	return 0; /* as in memory in pieces */
}

bool (*sched_idle_work)(void);
static unsigned spins;
static void (*while_it_spins)(void);

bool sched_spin(bool (*there)(void), u64 ns)
{
	assert_false(there());
	spins++;
	if (while_it_spins)
		while_it_spins();
	else
		fake_advance(ns);
	return there();
}

struct boot_info boot_info;
u32 flavour_soft;
static unsigned attended, said_goodbye;
static bool others_run;

bool sched_attend(u64 ns)
{
	attended++;
	if (!while_it_spins) {
		fake_advance(ns);
		return false;
	}
	while_it_spins();
	return true;
}

void cpus_attend(u32 microseconds)
{
	assert_int_equal(microseconds, 0);
	said_goodbye++;
}

bool cpus_others_run(void)
{
	return others_run;
}

struct waitq net_activity = WAITQ_INIT(net_activity);

/* ---- the stack */

static struct pkt *received[1000];
static unsigned nreceived, entered;

void net_enter(void)
{
	entered++;
}

void net_leave(void)
{
	if (nic->netif.dirty) {
		nic->netif.dirty = false;
		nic->netif.flush(&nic->netif);
	}
	entered--;
}

void netif_add(struct netif *netif)
{
	(void)netif;
}

void netif_receive(struct netif *netif, struct pkt *pkt)
{
	assert_ptr_equal(netif, &nic->netif);
	assert_int_equal(entered, 1);
	assert_true(nreceived < ARRAY_SIZE(received));
	received[nreceived++] = pkt;
}

static void forget(void)
{
	while (nreceived)
		pkt_free(received[--nreceived]);
}

/* ---- begin and end */

static struct peer_chain c;

static void start(uint64_t with, unsigned size, u64 frames)
{
	static const u8 mac[6] = { 2, 0, 0, 0, 0, 1 };

	fake_begin();
	fake_frames_max = frames;
	features = with;
	ring_size = size;
	memset(regs, 0xff, sizeof(regs));
	place = (struct virtio_place){ .ready = true, .features = with };
	place.net.mac = mac;
	assert_non_null(nic_start(&place));
	assert_int_equal(peer_pop(NIC_RX, &c), 0); /* not before it is needed */
	assert_false(sched_idle_work());
}

/* Everything that the rings hold is given back. */
static void stop(void)
{
	unsigned posted = 0;
	u32 len;
	void *page;
	struct pkt *pkt;

	forget();
	nic_open(nic);
	while (peer_pop(NIC_RX, &c) == 1)
		peer_push(NIC_RX, c.head, 0);
	while ((page = virtq_take(nic_queue(nic, NIC_RX), &len))) {
		frames_free((uintptr_t)page, 0);
		posted++;
	}
	assert_int_equal(posted, nic->npages); /* the ring was full */
	while (nic->pool) {
		page = nic->pool;
		memcpy(&nic->pool, (u8 *)page + PAGE_SIZE - 64 + sizeof(struct pkt_mem) + 8,
		       sizeof(void *));
		frames_free((uintptr_t)page, 0);
	}
	do {
		while (peer_pop(NIC_TX, &c) == 1)
			peer_push(NIC_TX, c.head, 0);
		nic->netif.flush(&nic->netif);
	} while (peer_has_work(NIC_TX));
	while ((pkt = virtq_take(nic_queue(nic, NIC_TX), &len)))
		pkt_free(pkt);
	pkt_reclaim();
	virtio_stop(&nic->dev);
	nics = nic->next;
	kfree(nic);
	assert_int_equal(pkt_count, 0);
	fake_end();
}

/* ---- receiving */

static u8 byte(unsigned packet, unsigned i)
{
	return packet * 31 + i * 7 + i / 256;
}

/* The device receives a frame of len bytes: whether there was room. */
static bool arrive(unsigned number, u32 len, struct virtio_net_hdr_v1 header)
{
	uint16_t head[20];
	u32 written[20], at = 0, all = len + sizeof(header);
	static u8 frame[70000];
	unsigned n = 0;

	for (u32 i = 0; i < len; i++)
		frame[sizeof(header) + i] = byte(number, i);
	while (at < all) {
		if (peer_pop(NIC_RX, &c) != 1)
			fail_msg("the device has no buffers");
		assert_int_equal(c.nout, 0);
		head[n] = c.head;
		written[n] = 0;
		for (unsigned i = 0; i < c.nin && at < all; i++) {
			u32 part = MIN(all - at, c.buf[i].len);

			memcpy(c.buf[i].base, frame + at, part);
			if (at == 0) {
				header.num_buffers = header.num_buffers ? header.num_buffers :
									  (all + c.buf[0].len - 1) /
										  c.buf[0].len;
				memcpy(c.buf[i].base, &header, sizeof(header));
			}
			at += part;
			written[n] += part;
		}
		n++;
	}
	for (unsigned i = 0; i < n; i++)
		peer_push(NIC_RX, head[i], written[i]);
	return peer_needs_interrupt(NIC_RX);
}

static const struct virtio_net_hdr_v1 plain;

static void assert_received(unsigned at, unsigned number, u32 len)
{
	static u8 copy[70000];

	assert_true(at < nreceived);
	assert_int_equal(received[at]->total, len);
	pkt_copy(received[at], 0, copy, len);
	for (u32 i = 0; i < len; i++)
		if (copy[i] != byte(number, i))
			fail_msg("byte %u of packet %u of %u bytes", i, number, len);
}

static void interrupt(void)
{
	nic->dev.interrupt(&nic->dev);
	assert_int_equal(entered, 0);
}

static const uint64_t variants[] = {
	ALL,
	ALL | BIT(VIRTIO_RING_F_EVENT_IDX),
	ALL | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC),
};

static void packets_of_all_sizes_come_in(void **state)
{
	static const u32 sizes[] = { 14,   60,   159,  160,  161,  1514,  4019,  4020,
				     4021, 4096, 8052, 8053, 9000, 40000, 65535, 65550 };

	(void)state;
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		start(variants[v], 64, 1 << 16);
		for (unsigned round = 0; round < 50; round++) {
			for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
				assert_true(arrive(i + round, sizes[i], plain));
				interrupt();
				assert_received(i, i + round, sizes[i]);
				assert_int_equal(received[i]->csum, CSUM_NONE);
			}
			assert_int_equal(nreceived, ARRAY_SIZE(sizes));
			forget();
		}
		stop();
	}
}

static void many_come_with_one_interrupt(void **state)
{
	(void)state;
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		start(variants[v], 64, 1 << 16);
		for (unsigned i = 0; i < 30; i++)
			assert_int_equal(arrive(i, 100 + 50 * i, plain),
					 i == 0 || !(variants[v] & BIT(VIRTIO_RING_F_EVENT_IDX)));
		interrupt();
		assert_int_equal(nreceived, 30);
		for (unsigned i = 0; i < 30; i++)
			assert_received(i, i, 100 + 50 * i);
		stop();
	}
}

static void pieces_that_come_late_are_waited_for(void **state)
{
	struct virtio_net_hdr_v1 header = { .num_buffers = 3 };
	u32 room = PAGE_SIZE - 64;

	(void)state;
	start(ALL, 64, 1 << 16);
	arrive(1, room - sizeof(header), header); /* of 3 the first */
	interrupt();
	assert_int_equal(nreceived, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(peer_pop(NIC_RX, &c), 1);
		memset(c.buf[0].base, i, 10);
		peer_push(NIC_RX, c.head, 10);
		assert_int_equal(nreceived, 0);
		interrupt();
	}
	assert_int_equal(nreceived, 1);
	assert_int_equal(received[0]->total, room - sizeof(header) + 20);
	stop();
}

static void checksum_and_segments_are_told(void **state)
{
	struct virtio_net_hdr_v1 header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 |
							VIRTIO_NET_HDR_GSO_ECN,
					    .gso_size = 1448,
					    .csum_start = 34,
					    .csum_offset = 16 };

	(void)state;
	start(ALL, 64, 1 << 16);
	arrive(0, 20000, header);
	header = (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	arrive(1, 100, header);
	interrupt();
	assert_int_equal(nreceived, 2);
	assert_int_equal(received[0]->csum, CSUM_PARTIAL);
	assert_ptr_equal(received[0]->csum_start, received[0]->data + 34);
	assert_int_equal(received[0]->csum_offset, 16);
	assert_int_equal(received[0]->gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(received[0]->gso_size, 1448);
	assert_int_equal(received[1]->csum, CSUM_GOOD);
	assert_int_equal(received[1]->gso_size, 0);
	stop();
}

static void headers_that_lie_lose_the_packet(void **state)
{
	static const struct virtio_net_hdr_v1 lies[] = {
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 90, .csum_offset = 9 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .csum_start = 0xffff,
		  .csum_offset = 0xffff },
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 }, /* of no size */
		{ .gso_type = 0x7f, .gso_size = 1000 },
	};

	(void)state;
	start(ALL, 64, 1 << 16);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++)
		arrive(i, 100, lies[i]);
	interrupt();
	assert_int_equal(nreceived, 0);
	assert_int_equal(nic->netif.stats.rx_errors, ARRAY_SIZE(lies));
	arrive(7, 100, plain);
	interrupt();
	assert_received(0, 7, 100);
	stop();
}

/* Lengths that are too short for a header, and more buffers than 64 KiB. */
static void shapes_that_lie_lose_the_packet(void **state)
{
	struct virtio_net_hdr_v1 header = { .num_buffers = 40 };

	(void)state;
	start(ALL, 64, 1 << 16);
	for (unsigned i = 0; i < 13; i++) {
		assert_int_equal(peer_pop(NIC_RX, &c), 1);
		peer_push(NIC_RX, c.head, i % 13);
	}
	interrupt();
	assert_int_equal(nreceived, 0);
	arrive(0, 5, header);
	for (unsigned i = 1; i < 40; i++) {
		assert_int_equal(peer_pop(NIC_RX, &c), 1);
		peer_push(NIC_RX, c.head, 100);
	}
	interrupt();
	assert_int_equal(nreceived, 0);
	arrive(3, 3000, plain);
	interrupt();
	assert_received(0, 3, 3000);
	stop();
}

static void without_memory_packets_are_lost_but_not_the_device(void **state)
{
	(void)state;
	start(ALL, 64, 1 << 16);
	fake_allocations_left = 5;
	for (unsigned i = 0; i < 1000; i++) {
		arrive(i, i % 2 ? 3000 : 20000, plain);
		interrupt();
	}
	assert_true(nreceived <= 2);
	assert_true(nic->netif.stats.rx_dropped >= 998);
	fake_allocations_left = -1;
	forget();
	arrive(3, 20000, plain);
	interrupt();
	assert_received(0, 3, 20000);
	stop();
}

/* Sockets that hold all that came take no buffer from the device. */
static void small_memory_has_a_small_ring(void **state)
{
	(void)state;
	start(ALL, 256, 256); /* 1 MiB */
	assert_int_equal(nic->npages, 24);
	for (unsigned i = 0; i < 900; i++) {
		arrive(i, 3000, plain);
		interrupt();
	}
	assert_true(nreceived > 150);
	assert_int_equal(nreceived + nic->netif.stats.rx_dropped, 900);
	fake_allocations_left = -1;
	stop();
	start(ALL, 256, 1 << 14);
	assert_int_equal(nic->npages, 256);
	stop();
}

static void a_flood_leaves_time_for_the_program(void **state)
{
	(void)state;
	start(ALL | BIT(VIRTIO_RING_F_EVENT_IDX), 256, 1 << 16);
	for (unsigned i = 0; i < 256; i++)
		arrive(i, 60, plain);
	interrupt();
	assert_int_equal(nreceived, 256);
	assert_false(arrive(256, 60, plain)); /* nobody listens now */
	assert_true(nic->again.armed);
	fake_advance(1000000);
	assert_int_equal(nreceived, 257);
	assert_false(nic->again.armed);
	assert_true(arrive(257, 60, plain));
	interrupt();
	forget();
	/* or as soon as the program waits */
	for (unsigned i = 0; i < 256; i++)
		arrive(i, 60, plain);
	interrupt();
	assert_false(arrive(256, 60, plain));
	assert_true(sched_idle_work());
	assert_int_equal(nreceived, 257);
	assert_false(nic->again.armed);
	assert_false(sched_idle_work());
	stop();
}

static void one_comes_unheard(void)
{
	assert_false(arrive(1, 60, plain));
}

static void what_comes_soon_is_awaited_awake(void **state)
{
	(void)state;
	start(ALL | BIT(VIRTIO_RING_F_EVENT_IDX), 256, 1 << 16);
	spins = 0;
	fake_advance(1000000); /* a long halt */
	assert_true(arrive(0, 60, plain));
	interrupt();
	assert_false(sched_idle_work());
	assert_int_equal(spins, 0);
	fake_advance(20000); /* a short one */
	assert_true(arrive(0, 60, plain));
	interrupt();
	while_it_spins = one_comes_unheard;
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(sched_idle_work());
		assert_int_equal(spins, i);
		assert_int_equal(nreceived, 2 + i);
	}
	while_it_spins = NULL; /* in vain: once */
	assert_false(sched_idle_work());
	assert_int_equal(spins, 4);
	assert_false(sched_idle_work());
	assert_int_equal(spins, 4);
	assert_true(arrive(1, 60, plain)); /* there are interrupts again */
	interrupt();
	forget();
	stop();
}

static void many_come_unheard(void)
{
	for (unsigned i = 0; i < 50; i++)
		assert_false(arrive(i, 60, plain));
}

/* Where many come at a time it waits in the VMM, not awake; where few come, or none,
 * not any more. */
static void many_are_awaited_in_the_vmm(void **state)
{
	(void)state;
	boot_info.attends = true;
	flavour_soft = 1;
	start(ALL | BIT(VIRTIO_RING_F_EVENT_IDX), 256, 1 << 16);
	attended = said_goodbye = spins = 0;
	for (unsigned round = 0; !attended; round++) {
		assert_true(round < 10);
		for (unsigned i = 0; i < 10; i++)
			arrive(i, 60, plain);
		interrupt();
		sched_idle_work();
		forget();
	}
	while_it_spins = many_come_unheard;
	spins = 0;
	for (unsigned i = 2; i <= 5; i++) {
		assert_true(sched_idle_work());
		assert_int_equal(attended, i);
		assert_int_equal(nreceived, 50);
		forget();
	}
	others_run = true; /* they will wait, too */
	assert_false(sched_idle_work());
	others_run = false;
	assert_int_equal(attended, 5);
	while_it_spins = one_comes_unheard;
	for (unsigned i = 0; i < 100 && !spins; i++)
		assert_true(sched_idle_work());
	assert_int_equal(said_goodbye, 1); /* the VMM was told, once */
	assert_int_equal(spins, 1);
	forget();
	while_it_spins = NULL;
	assert_false(sched_idle_work());
	assert_true(arrive(1, 60, plain)); /* there are interrupts */
	interrupt();
	forget();
	stop();
	boot_info.attends = false;
	flavour_soft = 0;
}

/* ---- transmitting */

static struct pkt *packet(unsigned number, u32 front, unsigned nfrags, u32 frag)
{
	struct pkt *pkt = pkt_alloc();
	u8 *p = pkt_put(pkt, front);
	u32 at = front;

	for (u32 i = 0; i < front; i++)
		p[i] = byte(number, i);
	for (unsigned i = 0; i < nfrags; i++) {
		struct pkt_mem *mem = pkt_mem_alloc(frag);

		for (u32 j = 0; j < frag; j++)
			mem->data[j] = byte(number, at++);
		assert_true(pkt_add_frag(pkt, mem, mem->data, frag));
		pkt_mem_put(mem);
	}
	return pkt;
}

static int send(struct pkt *pkt)
{
	int error = nic->netif.transmit(&nic->netif, pkt);

	nic->netif.dirty = true;
	return error;
}

static struct virtio_net_hdr_v1 sent_header;

/* The device takes one: its length, the header aside; 0: none. */
static u32 depart(unsigned number)
{
	static u8 frame[70000];
	u32 len = 0;

	if (peer_pop(NIC_TX, &c) != 1)
		return 0;
	assert_int_equal(c.nin, 0);
	for (unsigned i = 0; i < c.nout; i++) {
		memcpy(frame + len, c.buf[i].base, c.buf[i].len);
		len += c.buf[i].len;
	}
	assert_true(len > sizeof(sent_header));
	memcpy(&sent_header, frame, sizeof(sent_header));
	len -= sizeof(sent_header);
	for (u32 i = 0; i < len; i++)
		if (frame[sizeof(sent_header) + i] != byte(number, i))
			fail_msg("byte %u of packet %u of %u bytes", i, number, len);
	peer_push(NIC_TX, c.head, 0);
	return len;
}

static void packets_of_all_shapes_go_out(void **state)
{
	(void)state;
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		start(variants[v], 64, 1 << 16);
		for (unsigned i = 0; i < 300; i++) {
			unsigned nfrags = i % (PKT_FRAGS + 1);

			assert_int_equal(send(packet(i, 54, nfrags, 3600)), 0);
			assert_int_equal(depart(i), 0); /* not before the flush */
			net_enter();
			net_leave();
			assert_int_equal(depart(i), 54 + nfrags * 3600);
			assert_int_equal(sent_header.flags | sent_header.gso_type, 0);
		}
		assert_true(pkt_count <= 64);
		stop();
	}
}

static void what_the_device_does_is_asked_for(void **state)
{
	struct pkt *pkt;

	(void)state;
	start(ALL, 64, 1 << 16);
	assert_int_equal(nic->netif.offload, NETIF_CSUM | NETIF_TSO4 | NETIF_TSO6 | NETIF_USO);
	pkt = packet(0, 66, 3, 4000);
	pkt->data[34 + 12] = 0x80; /* 32 bytes of TCP header */
	pkt->csum = CSUM_PARTIAL;
	pkt->csum_start = pkt->data + 34;
	pkt->csum_offset = 16;
	pkt->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	pkt->gso_size = 1448;
	send(pkt);
	nic->netif.flush(&nic->netif);
	assert_int_equal(peer_pop(NIC_TX, &c), 1);
	memcpy(&sent_header, c.buf[0].base, sizeof(sent_header));
	assert_int_equal(sent_header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(sent_header.csum_start, 34);
	assert_int_equal(sent_header.csum_offset, 16);
	assert_int_equal(sent_header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(sent_header.gso_size, 1448);
	assert_int_equal(sent_header.hdr_len, 66);
	peer_push(NIC_TX, c.head, 0);
	stop();
}

static void a_full_ring_keeps_the_order(void **state)
{
	(void)state;
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		unsigned next = 0, interrupts = 0;

		start(variants[v], 64, 1 << 16);
		for (unsigned i = 0; i < 64 + 200; i++) {
			assert_int_equal(send(packet(i, 60, 0, 0)), 0);
			nic->netif.flush(&nic->netif);
		}
		assert_int_equal(nic->nbacklog, 200);
		while (depart(next)) {
			next++;
			if (!peer_needs_interrupt(NIC_TX))
				continue;
			interrupts++;
			interrupt();
		}
		assert_int_equal(next, 64 + 200);
		assert_int_equal(nic->nbacklog, 0);
		if (variants[v] & BIT(VIRTIO_RING_F_EVENT_IDX))
			assert_in_range(interrupts, 200 / 64, 200 / 24);
		/* and none when nothing waits */
		send(packet(0, 60, 0, 0));
		nic->netif.flush(&nic->netif);
		assert_int_equal(depart(0), 60);
		assert_false(peer_needs_interrupt(NIC_TX));
		stop();
	}
}

static void what_is_being_sent_is_known(void **state)
{
	(void)state;
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		unsigned interrupts = 0;

		start(variants[v], 64, 1 << 16);
		assert_false(nic->netif.busy(&nic->netif));
		for (unsigned i = 0; i < 10; i++)
			send(packet(i, 60, 0, 0));
		nic->netif.flush(&nic->netif);
		assert_true(nic->netif.busy(&nic->netif));
		for (unsigned i = 0; i < 10; i++) {
			assert_int_equal(depart(i), 60);
			interrupts += peer_needs_interrupt(NIC_TX);
		}
		if (variants[v] & BIT(VIRTIO_RING_F_EVENT_IDX))
			assert_int_equal(interrupts, 1); /* the last */
		assert_false(nic->netif.busy(&nic->netif));
		stop();
	}
}

static void a_long_backlog_is_refused(void **state)
{
	unsigned n = 0;

	(void)state;
	start(ALL, 64, 1 << 16);
	while (send(packet(n, 60, 0, 0)) == 0)
		n++;
	assert_int_equal(n, 64 + NIC_BACKLOG);
	assert_true(nic->netif.full);
	assert_int_equal(pkt_count, n);
	nic->netif.flush(&nic->netif);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(depart(i), 60);
		interrupt();
	}
	assert_false(nic->netif.full);
	assert_int_equal(send(packet(0, 60, 0, 0)), 0);
	stop();
}

static void a_broken_device_costs_packets(void **state)
{
	(void)state;
	start(ALL, 64, 1 << 16);
	for (unsigned i = 0; i < 100; i++)
		send(packet(i, 60, 0, 0));
	nic->netif.flush(&nic->netif);
	nic_queue(nic, NIC_TX)->used->idx += 1000;
	interrupt();
	assert_int_equal(send(packet(0, 60, 0, 0)), -ENOBUFS);
	assert_int_equal(nic->nbacklog, 0);
	/* for stop() */
	nic_queue(nic, NIC_TX)->used->idx -= 1000;
	nic_queue(nic, NIC_TX)->dead = false;
	stop();
}

/* ---- setting up */

static void no_memory_at_the_start(void **state)
{
	(void)state;
	for (long left = 0; left < 4; left++) {
		fake_begin();
		features = ALL;
		ring_size = 64;
		place = (struct virtio_place){ .ready = true, .features = ALL };
		fake_allocations_left = left;
		if (nic_start(&place)) { /* with what little there was */
			assert_int_equal(left, 3);
			assert_int_equal(nic->npages, 1);
			stop();
		} else {
			assert_true(left < 3);
			fake_end();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_all_sizes_come_in),
		cmocka_unit_test(many_come_with_one_interrupt),
		cmocka_unit_test(pieces_that_come_late_are_waited_for),
		cmocka_unit_test(checksum_and_segments_are_told),
		cmocka_unit_test(headers_that_lie_lose_the_packet),
		cmocka_unit_test(shapes_that_lie_lose_the_packet),
		cmocka_unit_test(without_memory_packets_are_lost_but_not_the_device),
		cmocka_unit_test(small_memory_has_a_small_ring),
		cmocka_unit_test(a_flood_leaves_time_for_the_program),
		cmocka_unit_test(what_comes_soon_is_awaited_awake),
		cmocka_unit_test(many_are_awaited_in_the_vmm),
		cmocka_unit_test(packets_of_all_shapes_go_out),
		cmocka_unit_test(what_the_device_does_is_asked_for),
		cmocka_unit_test(a_full_ring_keeps_the_order),
		cmocka_unit_test(what_is_being_sent_is_known),
		cmocka_unit_test(a_long_backlog_is_refused),
		cmocka_unit_test(a_broken_device_costs_packets),
		cmocka_unit_test(no_memory_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
