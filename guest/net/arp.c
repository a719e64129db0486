/*
 * ARP (RFC 826) for IPv4 on Ethernet. Who asks for us is answered, and is
 * remembered, since we shall want to answer more. Replies change what we know
 * only about neighbours that we have talked to. A neighbour that claims our own
 * address is told otherwise, at most once in ten seconds (RFC 5227, 2.4 (c)).
 */
#include "eth.h"
#include "neigh.h"

#define DEFEND_INTERVAL (10 * SECOND)

static void send(struct netif *netif, u16 op, be32 spa, const u8 *tha, be32 tpa, const u8 dst[6])
{
	struct pkt *pkt = pkt_alloc();
	struct arp_hdr *h;

	if (pkt == NULL)
		return;
	h = pkt_put(pkt, sizeof(*h));
	*h = (struct arp_hdr){ .hardware = htons(ARP_ETHERNET),
			       .protocol = htons(ETH_IP4),
			       .hlen = ETH_ALEN,
			       .plen = 4,
			       .op = htons(op),
			       .spa = spa,
			       .tpa = tpa };
	__builtin_memcpy(h->sha, netif->mac, ETH_ALEN);
	if (tha != NULL)
		__builtin_memcpy(h->tha, tha, ETH_ALEN);
	pkt->network = pkt->data;
	eth_transmit(netif, pkt, dst, ETH_ARP);
}

void arp_solicit(struct netif *netif, const struct ipaddr *target, const u8 *mac)
{
	struct ipaddr src;

	/* Ask from the address that shares the target's prefix. */
	if (!ip_choose_source(netif, target, &src))
		src = ip_from4(0);
	send(netif, ARP_REQUEST, ip_get4(&src), NULL, ip_get4(target), mac ? mac : eth_broadcast);
}

void arp_announce(struct netif *netif, const struct ipaddr *addr)
{
	send(netif, ARP_REQUEST, ip_get4(addr), NULL, ip_get4(addr), eth_broadcast);
}

static void defend(struct netif *netif, const struct ipaddr *addr)
{
	static u64 next;

	if (now_ns() < next)
		return;
	next = now_ns() + DEFEND_INTERVAL;
	klog("%s: another host uses our IPv4 address", netif->name);
	arp_announce(netif, addr);
}

static void handle(struct netif *netif, const struct arp_hdr *h)
{
	struct ipaddr sender = ip_from4(h->spa), target = ip_from4(h->tpa);
	bool for_us = netif_has_addr(netif, &target);

	if (h->sha[0] & 1 || ip_is_multicast(&sender) || netif_is_broadcast(netif, &sender) ||
	    ip_is_loopback(&sender))
		return;
	if (memcmp(h->sha, netif->mac, ETH_ALEN) == 0)
		return; /* an echo of our own */
	if (netif_has_addr(netif, &sender)) {
		defend(netif, &sender);
		return;
	}
	if (h->op == htons(ARP_REQUEST) && for_us) {
		if (h->spa != 0) /* not a probe (RFC 5227, 1.1) */
			neigh_seen(netif, &sender, h->sha);
		send(netif, ARP_REPLY, h->tpa, h->sha, h->spa, h->sha);
	} else if (h->spa != 0) {
		neigh_advertised(netif, &sender, h->sha, for_us && neigh_awaited(netif, &sender),
				 true);
	}
}

void arp_input(struct netif *netif, struct pkt *pkt)
{
	const struct arp_hdr *h = pkt_header(pkt, sizeof(*h));

	if (h != NULL && h->hardware == htons(ARP_ETHERNET) && h->protocol == htons(ETH_IP4) &&
	    h->hlen == ETH_ALEN && h->plen == 4 &&
	    (h->op == htons(ARP_REQUEST) || h->op == htons(ARP_REPLY)))
		handle(netif, h);
	else
		netif->stats.rx_errors++;
	pkt_free(pkt);
}
