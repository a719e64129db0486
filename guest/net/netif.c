/*
 * Interfaces, their addresses, and the door into the stack (netif.h).
 *
 * An interface has at most NETIF_ADDRS addresses of a family, in the order in
 * which they were added; a VM has few interfaces, so all look-ups are linear.
 * Changes of anything that routes depend on count net_generation up.
 */
#include "eth.h"
#include "ndp.h"
#include "neigh.h"

struct list netifs = { &netifs, &netifs };
u32 net_generation = 1;
static unsigned depth, ninterfaces;
static struct list works = { &works, &works };

/* ---- the door ---- */

void net_enter(void)
{
	depth++;
}

static void flush_all(void)
{
	struct list *at;

	list_for_each (at, &netifs) {
		struct netif *netif = container_of(at, struct netif, link);

		if (netif->dirty) {
			netif->dirty = false;
			netif->flush(netif);
		}
	}
}

void net_leave(void)
{
	if (depth == 1) {
		while (!list_empty(&works)) {
			struct net_work *work = container_of(works.next, struct net_work, link);

			list_del(&work->link);
			work->run(work);
		}
		flush_all();
	}
	depth--;
}

unsigned net_leave_all(void)
{
	unsigned was = depth;

	while (depth > 0)
		net_leave();
	return was;
}

void net_enter_again(unsigned was)
{
	depth = was;
}

void net_defer(struct net_work *work)
{
	if (work->link.next == NULL || list_empty(&work->link))
		list_add_tail(&works, &work->link);
}

void net_undefer(struct net_work *work)
{
	if (work->link.next != NULL)
		list_del(&work->link);
}

/* ---- interfaces ---- */

int net_init(void)
{
	return net_up() ? 0 : loopback_init();
}

void net_stop(void)
{
	struct list *at, *next;

	loopback_stop();
	route_stop();
	neigh_stop();
	reass_stop();
	ndp_stop();
	dhcp_stop();
	for (at = netifs.next; at != &netifs; at = next) {
		next = at->next;
		list_del(at);
	}
	list_init(&works);
	ninterfaces = 0;
}

bool net_up(void)
{
	return net_loopback != NULL;
}

struct netif *netif_by_index(unsigned index)
{
	struct list *at;

	list_for_each (at, &netifs)
		if (container_of(at, struct netif, link)->index == index)
			return container_of(at, struct netif, link);
	return NULL;
}

struct netif *netif_by_name(const char *name)
{
	struct list *at;

	list_for_each (at, &netifs)
		if (strcmp(container_of(at, struct netif, link)->name, name) == 0)
			return container_of(at, struct netif, link);
	return NULL;
}

void netif_add(struct netif *netif)
{
	netif->index = ++ninterfaces;
	if (netif->flags & NETIF_LOOPBACK)
		snprintf(netif->name, sizeof(netif->name), "lo");
	else /* lo is the first of all */
		snprintf(netif->name, sizeof(netif->name), "eth%u", ninterfaces - 2);
	list_add_tail(&netifs, &netif->link);
	net_generation++;
	if (netif->ethernet)
		ndp_start(netif);
}

/* ---- addresses ---- */

struct addrs {
	struct netif_addr *addr;
	unsigned *n;
};

static struct addrs addrs_of(struct netif *netif, bool v4)
{
	return v4 ? (struct addrs){ netif->addr4, &netif->naddr4 } :
		    (struct addrs){ netif->addr6, &netif->naddr6 };
}

static struct netif_addr *find(struct netif *netif, const struct ipaddr *addr)
{
	struct addrs a = addrs_of(netif, ip_is4(addr));

	for (unsigned i = 0; i < *a.n; i++)
		if (ip_equal(&a.addr[i].addr, addr))
			return a.addr + i;
	return NULL;
}

int netif_add_addr(struct netif *netif, const struct ipaddr *addr, unsigned prefix, int origin,
		   u64 preferred_until, u64 valid_until)
{
	bool v4 = ip_is4(addr);
	struct addrs a = addrs_of(netif, v4);
	struct netif_addr *found = find(netif, addr);

	net_generation++;
	if (found != NULL) {
		found->preferred_until = preferred_until;
		found->valid_until = valid_until;
		if (found->state == ADDR_DEPRECATED && preferred_until > now_ns())
			found->state = ADDR_PREFERRED;
		if (netif->nd != NULL && !v4)
			ndp_renewed(netif);
		return -EEXIST;
	}
	if (*a.n == NETIF_ADDRS)
		return -ENOSPC;
	a.addr[(*a.n)++] = (struct netif_addr){ .addr = *addr,
						.prefix = MIN(prefix, v4 ? 32 : 128),
						.state = ADDR_PREFERRED,
						.origin = origin,
						.preferred_until = preferred_until,
						.valid_until = valid_until };
	if (netif->nd != NULL && !v4)
		ndp_added(netif, &a.addr[*a.n - 1]);
	return 0;
}

int netif_del_addr(struct netif *netif, const struct ipaddr *addr)
{
	struct addrs a = addrs_of(netif, ip_is4(addr));
	struct netif_addr *found = find(netif, addr);

	if (found == NULL)
		return -EADDRNOTAVAIL;
	net_generation++;
	memmove(found, found + 1, (a.addr + --*a.n - found) * sizeof(*found));
	return 0;
}

/* Whether it is an address of this interface, and usable. */
bool netif_has_addr(const struct netif *netif, const struct ipaddr *addr)
{
	bool v4 = ip_is4(addr);
	const struct netif_addr *a = v4 ? netif->addr4 : netif->addr6;
	unsigned n = v4 ? netif->naddr4 : netif->naddr6;

	for (unsigned i = 0; i < n; i++)
		if (ip_equal(&a[i].addr, addr))
			return netif_addr_usable(&a[i]);
	return netif->flags & NETIF_LOOPBACK && ip_is_loopback(addr);
}

bool net_is_local(const struct ipaddr *addr)
{
	struct list *at;

	list_for_each (at, &netifs)
		if (netif_has_addr(container_of(at, struct netif, link), addr))
			return true;
	return false;
}

/* 255.255.255.255, or all ones in a prefix of the interface (RFC 1122,
 * 3.2.1.3; not in those of 31 and 32 bits, RFC 3021). */
bool netif_is_broadcast(const struct netif *netif, const struct ipaddr *addr)
{
	u32 v4;

	if (!ip_is4(addr))
		return false;
	v4 = ntohl(ip_get4(addr));
	if (v4 == 0xffffffff)
		return true;
	for (unsigned i = 0; i < netif->naddr4; i++) {
		const struct netif_addr *a = &netif->addr4[i];
		u32 hosts = a->prefix < 31 ? 0xffffffff >> a->prefix : 0;

		if (hosts != 0 && v4 == (ntohl(ip_get4(&a->addr)) | hosts))
			return true;
	}
	return false;
}

bool netif_accepts(const struct netif *netif, const struct ipaddr *dst)
{
	if (netif_has_addr(netif, dst))
		return true;
	if (ip_is_multicast(dst))
		return netif->flags & (NETIF_MULTICAST | NETIF_LOOPBACK);
	if (netif_is_broadcast(netif, dst))
		return true;
	/* An address of another interface, as Linux has it (RFC 1122, 3.3.4.2);
	 * but the loopback's and a link's own belong to it alone. */
	return !ip_is_loopback(dst) && (ip_is4(dst) || !ip_is_link_local(dst)) && net_is_local(dst);
}

/* ---- packets ---- */

/* Frames that are IP packets. */
static void input(struct netif *netif, struct pkt *pkt)
{
	const u8 *first = pkt_header(pkt, 1);

	if (first != NULL && *first >> 4 == 4) {
		ip4_input(netif, pkt);
	} else if (first != NULL && *first >> 4 == 6) {
		ip6_input(netif, pkt);
	} else {
		netif->stats.rx_errors++;
		pkt_free(pkt);
	}
}

void netif_receive(struct netif *netif, struct pkt *pkt)
{
	netif->stats.rx_packets++;
	netif->stats.rx_bytes += pkt->total;
	pkt->netif = netif;
	pkt->network = NULL;
	pkt->from_link = PKT_HOST;
	pkt->when = now_ns();
	if (likely(netif->ethernet))
		eth_input(netif, pkt);
	else
		input(netif, pkt);
}

static int transmit(struct netif *netif, struct pkt *pkt)
{
	u32 bytes = pkt->total;
	int error = netif->transmit(netif, pkt);

	netif->dirty = true;
	if (error < 0) {
		netif->stats.tx_dropped++;
		return error;
	}
	netif->stats.tx_packets++;
	netif->stats.tx_bytes += bytes;
	return 0;
}

static u32 segmentation_of(const struct pkt *pkt)
{
	switch (pkt->gso_type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return NETIF_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return NETIF_TSO6;
	default:
		return NETIF_USO;
	}
}

int netif_transmit(struct netif *netif, struct pkt *pkt)
{
	bool checksum = pkt->csum == CSUM_PARTIAL && !(netif->offload & NETIF_CSUM);

	pkt->netif = netif;
	if (unlikely(pkt->gso_size > 0 && !(netif->offload & segmentation_of(pkt))))
		return offload_segment(netif, pkt, checksum, transmit);
	if (checksum)
		offload_checksum(pkt);
	return transmit(netif, pkt);
}
