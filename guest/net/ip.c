/*
 * What IPv4 and IPv6 have in common: the way out and the way up, and the
 * transports' checksums.
 */
#include "eth.h"
#include "neigh.h"

/* ---- checksums ---- */

u32 ip_pseudo_sum(const struct ipaddr *src, const struct ipaddr *dst, u8 proto, u32 len)
{
	u64 sum = htons(proto) + htons((u16)len) + htons((u16)(len >> 16));

	if (!ip_is4(src))
		return net_sum(dst, sizeof(*dst), net_sum(src, sizeof(*src), sum));
	sum += (u64)ip_get4(src) + ip_get4(dst);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

bool ip_checksum_good(const struct pkt *pkt)
{
	if (pkt->csum != CSUM_NONE)
		return true;
	return pkt_sum(pkt, 0, pkt->total,
		       ip_pseudo_sum(&pkt->src, &pkt->dst, pkt->proto, pkt->total)) == 0xffff;
}

void ip_checksum_later(struct pkt *pkt, const struct ip_send *to, u16 offset)
{
	u16 sum = ip_pseudo_sum(&to->src, &to->dst, to->proto, pkt->total);

	__builtin_memcpy(pkt->data + offset, &sum, sizeof(sum));
	pkt->csum = CSUM_PARTIAL;
	pkt->csum_start = pkt->data;
	pkt->csum_offset = offset;
}

/* ---- out ---- */

int ip_transmit(struct pkt *pkt, const struct ip_path *path)
{
	pkt->network = pkt->data;
	return path->netif->ethernet ? eth_output(path->netif, &path->next_hop, pkt) :
				       netif_transmit(path->netif, pkt);
}

void ip_confirm(const struct ipaddr *dst)
{
	struct ip_path path;

	if (ip_route(NULL, dst, 0, &path) == 0 && path.netif->ethernet)
		neigh_confirm(path.netif, &path.next_hop);
}

/* The program wrote the header; what it may leave out is filled in (raw(7)). */
static int output_raw(struct pkt *pkt, const struct ip_send *to, const struct ip_path *path)
{
	u8 *header = pkt_header(pkt, ip_is4(&to->dst) ? IP4_HLEN : IP6_HLEN);
	struct ip4_hdr *h = (struct ip4_hdr *)header;

	if (header == NULL || pkt->total > path->mtu) {
		pkt_free(pkt);
		return header == NULL ? -EINVAL : -EMSGSIZE;
	}
	if (ip_is4(&to->dst)) {
		u32 hlen = (h->version_ihl & 15) * 4;

		if (hlen < IP4_HLEN || hlen > pkt->len) {
			pkt_free(pkt);
			return -EINVAL;
		}
		if (h->src == 0)
			h->src = ip_get4(&path->src);
		h->len = htons(pkt->total);
		h->csum = 0;
		h->csum = ~net_sum(h, hlen, 0);
	}
	return ip_transmit(pkt, path);
}

int ip_output(struct pkt *pkt, const struct ip_send *to)
{
	struct ip_path path;
	int error = ip_route(&to->src, &to->dst, to->ifindex, &path);

	if (unlikely(error < 0)) {
		pkt_free(pkt);
		return error;
	}
	if (unlikely(to->header_included))
		return output_raw(pkt, to, &path);
	return ip_is4(&to->dst) ? ip4_output(pkt, to, &path) : ip6_output(pkt, to, &path);
}

/* ---- in ---- */

bool ip_source_ok(const struct netif *netif, const struct ipaddr *src)
{
	if (ip_is_multicast(src) || netif_is_broadcast(netif, src))
		return false;
	if (netif->flags & NETIF_LOOPBACK)
		return true;
	/* A packet from outside is not from us (RFC 1122, 3.2.1.3). */
	return !ip_is_loopback(src) && !net_is_local(src);
}

bool ip_deliver(struct pkt *pkt)
{
	bool seen = raw_input(pkt), v4 = ip_is4(&pkt->dst);

	if (pkt->proto == IPPROTO_TCP)
		tcp_input(pkt);
	else if (pkt->proto == IPPROTO_UDP)
		udp_input(pkt);
	else if (pkt->proto == IPPROTO_ICMP && v4)
		icmp_input(pkt);
	else if (pkt->proto == IPPROTO_ICMPV6 && !v4)
		icmp6_input(pkt);
	else if (seen)
		pkt_free(pkt);
	else
		return false;
	return true;
}
