/*
 * virtio-net (virtio 1.2, 5.1), one pair of queues. With our VMM the device is
 * handed over ready and its configuration is in the device tree; under another
 * one it is negotiated and its configuration space read.
 *
 * Packets are handled when the library OS looks at its events, never in the
 * middle of something else. While it handles them it has no interrupt come: it
 * takes what there is, asks for an interrupt, and looks once more. At most BUDGET
 * buffers at a time: a flood of packets must not keep the program from running,
 * or none of its sockets would ever be read. What is left comes when the program
 * waits, and at the latest after PAUSE.
 *
 * The device learns of receive buffers with the first packet sent, or when the
 * program waits for the first time: a program that does neither does not pay for
 * the doorbell, which has the VMM begin to read.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include "../libos/boot_info.h"
#include "../libos/cpus.h"
#include "../libos/heap.h"
#include "../libos/random.h"
#include "net.h"
#include "nic.h"

#define BUDGET  256
#define PAUSE   500000 /* ns for the program, when a budget is used up */
#define GSO_MAX 65535
#define SPIN    200000 /* ns awake, as a host's KVM does (halt_poll_ns) */
#define SOON    100000 /* after the vCPU's halt, until the interrupt is served */
#define MANY    4 /* packets from one wait to the next, on average */
#define ATTEND  500000 /* ns in the VMM, before the vCPU halts */
#define BIT(n)  (1ull << (n))

#define WANTED_PLAIN                                                                               \
	(BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_NET_F_MAC) | \
	 BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CSUM) |               \
	 BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |                              \
	 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_USO) | BIT(VIRTIO_NET_F_MRG_RXBUF))
/* Packets of 64 KiB need buffers that can be put together. */
#define WANTED_MERGEABLE                                               \
	(BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | \
	 BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6))

struct nic *nics;

static bool has(const struct nic *nic, unsigned feature)
{
	return nic->dev.features & BIT(feature);
}

/* 8 and 16 bit fields of the configuration space (4.2.2.2). */
static u8 config8(const struct nic *nic, u32 offset)
{
	return nic->dev.regs[VIRTIO_MMIO_CONFIG + offset];
}

static u16 config16(const struct nic *nic, u32 offset)
{
	return *(volatile u16 *)(nic->dev.regs + VIRTIO_MMIO_CONFIG + offset);
}

/* ---- events ---- */

static void read_status(struct nic *nic)
{
	bool up = true;
	if (has(nic, VIRTIO_NET_F_STATUS))
		up = config16(nic, offsetof(struct virtio_net_config, status)) &
		     VIRTIO_NET_S_LINK_UP;
	nic->netif.flags &= ~NETIF_RUNNING;
	nic->netif.flags |= up ? NETIF_RUNNING : 0;
}

static unsigned came; /* buffers, since the vCPU waited last */

/* True when something was there. */
static bool serve(struct nic *nic)
{
	struct virtq *rx = nic_queue(nic, NIC_RX);
	u16 sent = nic_queue(nic, NIC_TX)->seen;
	unsigned left = BUDGET;
	virtq_disarm(rx);
	net_enter();
	nic_reclaim(nic);
	do
		left -= nic_receive(nic, left);
	while (left && virtq_arm(rx));
	net_leave();
	came += BUDGET - left;
	wake_all(&net_activity);
	if (!left)
		timer_arm(&nic->again, now_ns() + PAUSE);
	return left < BUDGET || sent != nic_queue(nic, NIC_TX)->seen;
}

void nic_open(struct nic *nic)
{
	if (nic->open)
		return;
	nic->open = true;
	virtq_kick(&nic->dev, nic_queue(nic, NIC_RX));
}

/* ---- waiting awake: where packets come one soon after the other, the vCPU does not
 * halt, since a halt and its end cost 35 us on the soft flavour. Where many come, it waits
 * in the VMM, which moves them meanwhile; else it looks for the next one itself. Whether
 * that is worth it, the last waits tell: an idle VM, or one that is asked now and then,
 * halts. ---- */

static bool waits; /* one vCPU does; the others halt */
static u64 halted; /* when it went to sleep; 0: no packet is awaited so */
static bool soon; /* the last halt was short */
static bool attends; /* the VMM expects the vCPU soon */

static bool is_there(void)
{
	for (struct nic *nic = nics; nic; nic = nic->next)
		if (virtq_any(nic_queue(nic, NIC_RX)))
			return true;
	return false;
}

/* Interrupts would cost what is to be saved. */
static void disarm_all(void)
{
	for (struct nic *nic = nics; nic; nic = nic->next)
		virtq_disarm(nic_queue(nic, NIC_RX));
}

/* True when something came meanwhile. */
static bool arm_all(void)
{
	bool any = false;
	for (struct nic *nic = nics; nic; nic = nic->next) {
		if (!virtq_arm(nic_queue(nic, NIC_RX)))
			continue;
		serve(nic);
		any = true;
	}
	return any;
}

static bool spin(void)
{
	if (attends)
		cpus_attend(0);
	attends = false;
	if (!soon)
		return false;
	waits = true;
	disarm_all();
	sched_spin(is_there, SPIN);
	waits = false;
	return arm_all();
}

static bool attend(void)
{
	waits = true;
	disarm_all();
	attends = sched_attend(ATTEND);
	waits = false;
	return arm_all() || attends;
}

/* Many packets came since it waited last, and then, and then. */
static bool many(void)
{
	static unsigned average; /* times 8 */
	average += came - average / 8;
	came = 0;
	return average >= 8 * MANY;
}

static bool finish_budgets(void)
{
	bool any = false;
	for (struct nic *nic = nics; nic; nic = nic->next) {
		nic_open(nic);
		if (!nic->again.armed)
			continue;
		timer_cancel(&nic->again);
		serve(nic);
		any = true;
	}
	return any;
}

static bool on_idle(void)
{
	if (finish_budgets())
		return true;
	if (waits || cpus_others_run())
		return false;
	soon = boot_info.attends && flavour_soft && many() ? attend() : spin();
	halted = soon ? 0 : now_ns();
	return soon;
}

static void on_interrupt(struct virtio *dev)
{
	struct nic *nic = container_of(dev, struct nic, dev);
	if (halted)
		soon = now_ns() - halted < SOON;
	halted = 0;
	/* Nothing received or sent: the configuration has changed, most likely. */
	if (!serve(nic) && has(nic, VIRTIO_NET_F_STATUS))
		read_status(nic);
}

static void on_timer(struct timer *timer)
{
	serve(container_of(timer, struct nic, again));
}

/* ---- setting up ---- */

static void configure(struct nic *nic)
{
	const struct net_place *place = &nic->dev.place->net;
	struct netif *netif = &nic->netif;
	netif->ethernet = true;
	netif->flags = NETIF_UP | NETIF_BROADCAST | NETIF_MULTICAST | NETIF_RUNNING;
	netif->mtu = place->mtu;
	if (!netif->mtu && has(nic, VIRTIO_NET_F_MTU))
		netif->mtu = config16(nic, offsetof(struct virtio_net_config, mtu));
	if (netif->mtu < 68) /* RFC 791's least; or not known */
		netif->mtu = 1500;
	if (place->mac) {
		memcpy(netif->mac, place->mac, sizeof(netif->mac));
	} else if (has(nic, VIRTIO_NET_F_MAC)) {
		for (unsigned i = 0; i < sizeof(netif->mac); i++)
			netif->mac[i] = config8(nic, i);
	} else {
		random_bytes(netif->mac, sizeof(netif->mac));
		netif->mac[0] = (netif->mac[0] & ~1) | 2; /* of one station, local */
	}
	/* Our VMM's link is up; the register would cost an exit. */
	if (!nic->dev.place->ready)
		read_status(nic);
}

static u32 offloads(const struct nic *nic)
{
	if (!has(nic, VIRTIO_NET_F_CSUM))
		return 0; /* the others need it (5.1.3.1) */
	return NETIF_CSUM | (has(nic, VIRTIO_NET_F_HOST_TSO4) ? NETIF_TSO4 : 0) |
	       (has(nic, VIRTIO_NET_F_HOST_TSO6) ? NETIF_TSO6 : 0) |
	       (has(nic, VIRTIO_NET_F_HOST_USO) ? NETIF_USO : 0);
}

static int set_up(struct nic *nic, const struct virtio_place *place)
{
	u64 wanted = WANTED_PLAIN | WANTED_MERGEABLE;
	nic->dev.interrupt = on_interrupt;
	nic->dev.ring_limit = NIC_RING;
	if (!place->ready && !(virtio_offered(place) & BIT(VIRTIO_NET_F_MRG_RXBUF)))
		wanted = WANTED_PLAIN;
	int error = virtio_setup(&nic->dev, place, wanted, 2);
	if (error)
		return error;
	configure(nic);
	nic->netif.offload = offloads(nic);
	nic->netif.gso_max = nic->netif.offload & ~NETIF_CSUM ? GSO_MAX : 0;
	nic->again.expired = on_timer;
	nic_transmit_start(nic);
	error = nic_receive_start(nic);
	if (error)
		virtio_stop(&nic->dev);
	return error;
}

struct netif *nic_start(const struct virtio_place *place)
{
	struct nic *nic = kalloc(sizeof(*nic));
	int error = nic ? set_up(nic, place) : -ENOMEM;
	if (error) {
		klog("virtio-net at %lx cannot be used: error %d", place->gpa, -error);
		kfree(nic);
		return NULL;
	}
	nic->next = nics;
	nics = nic;
	sched_idle_work = on_idle;
	netif_add(&nic->netif);
	virtq_arm(nic_queue(nic, NIC_RX));
	return &nic->netif;
}
