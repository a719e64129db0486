// clang-format off
// link: tests/unit/ring_peer.c guest/drv/net.c guest/drv/net_rx.c guest/drv/net_tx.c guest/drv/virtq.c guest/net/pkt.c guest/net/pkt_data.c vmm/queue.c
// clang-format on
/*
 * A hostile network device against the driver: used rings with any contents,
 * headers and lengths that lie, interrupts at any time, and memory that runs
 * out, while packets go both ways. Packets that come in must be well-formed,
 * and each page is in the ring, in the pool or in one packet.
 *
 * Input: operations, a byte each with its operands.
 */
#include <string.h>
#include <linux/virtio_config.h>
#include "input.h"
#include "../unit/ring_peer.h"
#include "../../guest/drv/net.h"
#include "../../guest/drv/nic.h"
#include "../../guest/libos/cpus.h"
#include "../../guest/libos/frames.h"
#include "../../guest/libos/heap.h"
#include "../../guest/libos/random.h"

/* <stdlib.h> does not go together with the library OS's headers. */
void *calloc(size_t n, size_t size);
void *aligned_alloc(size_t align, size_t size);
void free(void *p);
_Noreturn void abort(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OP_RECEIVE, /* a frame: buffers, header, length of the last */
	OP_SENT, /* the device has sent some */
	OP_USED, /* an element of a used ring, and its index: anything */
	OP_INTERRUPT,
	OP_TIME,
	OP_IDLE,
	OP_TRANSMIT, /* fragments, offloads */
	OP_FREE, /* received packets */
	OP_MEMORY, /* how many allocations still succeed */
	OP_COUNT
};

#define CHECK(condition)                  \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)
#define BIT(n) (1ull << (n))
#define RING   32
#define ALL                                                                                    \
	(BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | \
	 BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO4))

static struct virtio_place place;
static uint8_t regs[4096], rings[2][4096] __attribute__((aligned(64)));
static struct nic *nic;
static uint64_t features;
static struct peer_chain chain;

/* ---- the library OS ---- */

bool (*sched_idle_work)(void);

bool sched_spin(bool (*there)(void), u64 ns)
{
	(void)ns;
	return there();
}

struct boot_info boot_info = { .attends = true };
u32 flavour_soft = 1;

bool sched_attend(u64 ns)
{
	return ns != 0;
}

void cpus_attend(u32 microseconds)
{
	(void)microseconds;
}

bool cpus_others_run(void)
{
	return false;
}

struct waitq net_activity = WAITQ_INIT(net_activity);
static void *object[4096]; /* all that is in use, to be freed at the end */
static bool is_frame[ARRAY_SIZE(object)];
static unsigned nobjects, frames;
static long allocations_left; /* < 0: any number */
static u64 clock_ns;
static struct timer *timer; /* the driver has one */

static void *keep(void *p, bool frame)
{
	CHECK(p && nobjects < ARRAY_SIZE(object));
	is_frame[nobjects] = frame;
	object[nobjects++] = p;
	frames += frame;
	return p;
}

static void let_go(void *p, bool frame)
{
	unsigned i = 0;

	while (i < nobjects && object[i] != p)
		i++;
	CHECK(i < nobjects && is_frame[i] == frame);
	object[i] = object[--nobjects];
	is_frame[i] = is_frame[nobjects];
	frames -= frame;
	free(p);
}

static bool allowed(void)
{
	if (allocations_left > 0)
		allocations_left--;
	return allocations_left != 0 && nobjects < ARRAY_SIZE(object);
}

void *kalloc(size_t size)
{
	return allowed() ? keep(calloc(1, size), false) : NULL;
}

void kfree(void *p)
{
	if (p)
		let_go(p, false);
}

paddr_t frames_alloc_dirty(unsigned order)
{
	return allowed() ? (uintptr_t)keep(aligned_alloc(PAGE_SIZE, PAGE_SIZE << order), true) : 0;
}

paddr_t frames_alloc_run(u64 n)
{
	(void)n;
	return 0;
}

void frames_free(paddr_t pa, unsigned order)
{
	(void)order;
	let_go((void *)(uintptr_t)pa, true);
}

u64 frames_total(void)
{
	return 1 << 16;
}

paddr_t virt_to_phys(const void *p)
{
	return (uintptr_t)p;
}

void random_bytes(void *buf, size_t n)
{
	memset(buf, 1, n);
}

void klog(const char *format, ...)
{
	(void)format;
}

void panic(const char *format, ...)
{
	(void)format;
	abort();
}

u64 now_ns(void)
{
	return clock_ns;
}

void timer_arm(struct timer *t, u64 deadline)
{
	t->deadline = deadline;
	t->armed = true;
	timer = t;
}

void timer_cancel(struct timer *t)
{
	t->armed = false;
}

void wake_all(struct waitq *q)
{
	(void)q;
}

long uio_to(struct uio *uio, const void *src, size_t n)
{
	(void)uio, (void)src;
	return n;
}

long uio_from(struct uio *uio, void *dst, size_t n)
{
	(void)uio, (void)dst;
	return n;
}

/* ---- the transport ---- */

int virtio_setup(struct virtio *dev, const struct virtio_place *p, u64 wanted, unsigned nqueues)
{
	CHECK(nqueues == 2);
	dev->place = p;
	dev->regs = regs;
	dev->features = features & wanted;
	nic = container_of(dev, struct nic, dev);
	memset(rings, 0, sizeof(rings));
	for (unsigned i = 0; i < 2; i++) {
		struct virtq *q = &dev->queue[i];

		q->desc = (void *)rings[i];
		q->avail = (void *)(rings[i] + 1024);
		q->used = (void *)(rings[i] + 2048);
		q->size = RING;
		q->index = i;
		q->event_idx = features & BIT(VIRTIO_RING_F_EVENT_IDX);
		q->indirect = features & BIT(VIRTIO_RING_F_INDIRECT_DESC);
		peer_start(i, RING, rings[i], rings[i] + 1024, rings[i] + 2048, q->event_idx,
			   q->indirect);
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
	(void)dev;
}

/* ---- the stack ---- */

static struct pkt *received[256];
static unsigned nreceived;

void net_enter(void)
{
}

void net_leave(void)
{
	if (nic->netif.dirty) {
		nic->netif.dirty = false;
		nic->netif.flush(&nic->netif);
	}
}

void netif_add(struct netif *netif)
{
	(void)netif;
}

void netif_receive(struct netif *netif, struct pkt *pkt)
{
	static u8 copy[1 << 17];

	CHECK(netif == &nic->netif && pkt->total > 0 && pkt->total < sizeof(copy));
	pkt_copy(pkt, 0, copy, pkt->total); /* all of it can be read */
	if (pkt->csum == CSUM_PARTIAL) {
		CHECK(pkt->csum_start >= pkt->data);
		CHECK(pkt->csum_start + pkt->csum_offset + 2 <= pkt->data + pkt->len);
	}
	CHECK(!pkt->gso_type || pkt->gso_size);
	if (nreceived == ARRAY_SIZE(received))
		pkt_free(pkt);
	else
		received[nreceived++] = pkt;
}

/* ---- operations ---- */

static void receive(struct input *in)
{
	unsigned n = take(in, 1) % 24;
	u32 last = take(in, 2);

	for (unsigned i = 0; i < n && peer_pop(NIC_RX, &chain) == 1; i++) {
		struct virtio_net_hdr_v1 header = { .num_buffers = n };

		memset(chain.buf[0].base, i, chain.buf[0].len);
		if (i == 0 && take(in, 1) & 1) {
			header.flags = take(in, 1);
			header.gso_type = take(in, 1);
			header.gso_size = take(in, 2);
			header.csum_start = take(in, 2);
			header.csum_offset = take(in, 2);
			header.num_buffers = take(in, 2);
		}
		if (i == 0)
			memcpy(chain.buf[0].base, &header, sizeof(header));
		peer_push(NIC_RX, chain.head, i + 1 < n ? chain.buf[0].len : last);
	}
}

static void sent(struct input *in)
{
	for (unsigned n = take(in, 1) % RING; n > 0 && peer_pop(NIC_TX, &chain) == 1; n--) {
		CHECK(chain.nin == 0 && chain.buf[0].len >= NIC_HEADER);
		peer_push(NIC_TX, chain.head, take(in, 1));
	}
}

static void lie(struct input *in)
{
	u32 what = take(in, 1);
	struct virtq *q = nic_queue(nic, what & 1);
	struct vring_used *used = (struct vring_used *)q->used;

	used->ring[what >> 1 & (RING - 1)].id = what & 0x40 ? take(in, 1) % RING : take(in, 4);
	used->ring[what >> 1 & (RING - 1)].len = take(in, 4);
	used->idx += take(in, what & 0x80 ? 2 : 1);
}

static void transmit(struct input *in)
{
	u32 shape = take(in, 1);
	struct pkt *pkt = pkt_alloc();
	u8 *front = pkt ? pkt_put(pkt, 14 + shape % 64) : NULL;

	if (!front)
		return;
	memset(front, shape, pkt->len);
	for (unsigned i = 0; i < shape % (PKT_FRAGS + 1); i++) {
		struct pkt_mem *mem = pkt_mem_alloc(100);

		if (!mem)
			break;
		pkt_add_frag(pkt, mem, mem->data, 100);
		pkt_mem_put(mem);
	}
	if (shape & 0x80) {
		pkt->csum = CSUM_PARTIAL;
		pkt->csum_start = pkt->data + take(in, 1) % (pkt->len - 2);
		pkt->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		pkt->gso_size = take(in, 2);
	}
	nic->netif.transmit(&nic->netif, pkt);
	nic->netif.dirty = true;
	if (shape & 0x40)
		net_leave();
}

static void operate(struct input *in)
{
	switch (take(in, 1) % OP_COUNT) {
	case OP_RECEIVE:
		receive(in);
		break;
	case OP_SENT:
		sent(in);
		break;
	case OP_USED:
		lie(in);
		break;
	case OP_INTERRUPT:
		nic->dev.interrupt(&nic->dev);
		break;
	case OP_TIME:
		clock_ns += 1000000;
		if (timer && timer->armed) {
			timer->armed = false;
			timer->expired(timer);
		}
		break;
	case OP_IDLE:
		sched_idle_work();
		break;
	case OP_TRANSMIT:
		transmit(in);
		break;
	case OP_FREE:
		for (unsigned n = take(in, 1); n > 0 && nreceived > 0; n--)
			pkt_free(received[--nreceived]);
		break;
	case OP_MEMORY:
		allocations_left = (long)take(in, 1) - 1;
		break;
	default:
		break;
	}
}

/* ---- begin and end ---- */

static void end(void)
{
	while (nreceived > 0)
		pkt_free(received[--nreceived]);
	pkt_free(nic->building);
	CHECK(nic_queue(nic, NIC_RX)->in_flight <= nic->npages);
	CHECK(nic->nbacklog <= NIC_RING);
	/* what is left belongs to the rings, the pool, or packets not sent */
	pkt_purge(&nic->backlog);
	pkt_reclaim();
	if (pkt_count == 0)
		CHECK(frames == nic->npool + nic_queue(nic, NIC_RX)->in_flight);
	pkt_count = pkt_mem_count = 0;
	nics = NULL;
	timer = NULL;
	while (nobjects > 0)
		free(object[--nobjects]);
	frames = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	u32 which = take(&in, 1);

	features = ALL | (which & 1 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0) |
		   (which & 2 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0);
	if (which & 4)
		features &= ~BIT(VIRTIO_NET_F_MRG_RXBUF);
	place = (struct virtio_place){ .ready = true, .features = features };
	allocations_left = -1;
	CHECK(nic_start(&place));
	while (in.left > 0)
		operate(&in);
	end();
	return 0;
}
