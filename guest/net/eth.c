/*
 * Ethernet: framing, and which frames are for us.
 */
#include "eth.h"
#include "neigh.h"

const u8 eth_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static bool same(const u8 a[6], const u8 b[6])
{
	return get_be32(a) == get_be32(b) && get_be16(a + 4) == get_be16(b + 4);
}

/* Whom the frame is for (PKT_*), or -1: somebody else. */
static int addressee(const struct netif *netif, const u8 dst[6])
{
	if (likely(same(dst, netif->mac)))
		return PKT_HOST;
	if (!(dst[0] & 1))
		return -1;
	return same(dst, eth_broadcast) ? PKT_BROADCAST : PKT_MULTICAST;
}

void eth_input(struct netif *netif, struct pkt *pkt)
{
	const struct eth_hdr *h = pkt_pull(pkt, sizeof(*h));
	int to = h != NULL ? addressee(netif, h->dst) : -1;

	if (unlikely(to < 0 || h->src[0] & 1)) {
		netif->stats.rx_dropped++;
		pkt_free(pkt);
		return;
	}
	pkt->from_link = to;
	netif->stats.multicast += to == PKT_MULTICAST;
	switch (ntohs(h->type)) {
	case ETH_IP4:
		ip4_input(netif, pkt);
		break;
	case ETH_IP6:
		ip6_input(netif, pkt);
		break;
	case ETH_ARP:
		arp_input(netif, pkt);
		break;
	default:
		netif->stats.rx_dropped++;
		pkt_free(pkt);
	}
}

int eth_transmit(struct netif *netif, struct pkt *pkt, const u8 dst[6], u16 type)
{
	struct eth_hdr *h = pkt_push(pkt, sizeof(*h));

	__builtin_memcpy(h->dst, dst, ETH_ALEN);
	__builtin_memcpy(h->src, netif->mac, ETH_ALEN);
	h->type = htons(type);
	return netif_transmit(netif, pkt);
}

int eth_output(struct netif *netif, const struct ipaddr *next_hop, struct pkt *pkt)
{
	const u8 *a = next_hop->b;
	bool v4 = ip_is4(next_hop);

	if (unlikely(ip_is_multicast(next_hop))) {
		/* RFC 1112, 6.4; RFC 2464, 7 */
		u8 group4[6] = { 0x01, 0x00, 0x5e, a[13] & 0x7f, a[14], a[15] };
		u8 group6[6] = { 0x33, 0x33, a[12], a[13], a[14], a[15] };

		return eth_transmit(netif, pkt, v4 ? group4 : group6, v4 ? ETH_IP4 : ETH_IP6);
	}
	if (unlikely(netif_is_broadcast(netif, next_hop)))
		return eth_transmit(netif, pkt, eth_broadcast, ETH_IP4);
	return neigh_output(netif, next_hop, pkt);
}
