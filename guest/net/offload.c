/*
 * What a device cannot do: completing checksums, and cutting large TCP and UDP
 * packets into segments. The pieces share the payload's memory; only headers
 * are copied.
 *
 * The large packet's transport checksum field holds the pseudo-header's sum
 * with its own length, as virtio wants it (virtio 1.2, 5.1.6.2); a segment's is
 * that, less the old length, plus the new.
 */
#include "stack.h"

#define TCP_SEQ      4
#define TCP_DOFF     12
#define TCP_FLAGS    13
#define TCP_FIN_PSH  0x09
#define TCP_CWR      0x80
#define TCP_CSUM     16
#define TCP_HLEN_MIN 20
#define UDP_LEN      4
#define UDP_CSUM     6
#define UDP_HLEN     8

void offload_checksum(struct pkt *pkt)
{
	u32 start = pkt->csum_start - pkt->data;
	u16 sum = ~pkt_sum(pkt, start, pkt->total - start, 0);

	/* Zero would mean "none" in UDP (RFC 768); both are zero (RFC 1624). */
	sum = sum ? sum : 0xffff;
	__builtin_memcpy(pkt->csum_start + pkt->csum_offset, &sum, sizeof(sum));
	pkt->csum = CSUM_NONE;
}

/* The large packet, and where its headers are. */
struct cut {
	const struct pkt *pkt;
	u32 ip, transport, payload; /* offsets */
	bool v4, tcp;
	u16 pseudo; /* the sum in it without the length */
	u32 done; /* payload bytes */
};

static bool cut_begin(struct cut *c, const struct pkt *pkt)
{
	const u8 *transport = pkt->csum_start;
	u32 hlen;

	c->pkt = pkt;
	c->tcp = pkt->gso_type != VIRTIO_NET_HDR_GSO_UDP_L4;
	c->ip = pkt->network - pkt->data;
	c->v4 = *pkt->network >> 4 == 4;
	c->transport = transport - pkt->data;
	if (pkt->csum != CSUM_PARTIAL || pkt->len < c->transport + UDP_HLEN)
		return false;
	if (c->tcp && pkt->len < c->transport + TCP_HLEN_MIN)
		return false;
	hlen = c->tcp ? (transport[TCP_DOFF] >> 4) * 4 : UDP_HLEN;
	c->payload = c->transport + hlen;
	if (hlen < UDP_HLEN || pkt->len < c->payload || c->payload > PKT_ROOM - PKT_HEADROOM)
		return false;
	/* One's complement: adding the complement subtracts. */
	__builtin_memcpy(&c->pseudo, transport + (c->tcp ? TCP_CSUM : UDP_CSUM), sizeof(c->pseudo));
	u16 length = htons((u16)(pkt->total - c->transport));
	u16 upper = htons((u16)((pkt->total - c->transport) >> 16));
	u32 sum = c->pseudo + (u16)~length + (u16)~upper;
	sum = (sum & 0xffff) + (sum >> 16);
	c->pseudo = (sum & 0xffff) + (sum >> 16);
	return true;
}

static void cut_ip_header(const struct cut *c, u8 *ip, u32 packet, unsigned index)
{
	if (c->v4) {
		struct ip4_hdr *h = (struct ip4_hdr *)ip;

		h->len = htons(packet);
		h->id = htons(ntohs(h->id) + index);
		h->csum = 0;
		h->csum = ~net_sum(h, (h->version_ihl & 15) * 4, 0);
	} else {
		((struct ip6_hdr *)ip)->len = htons(packet - IP6_HLEN);
	}
}

static void cut_transport_header(const struct cut *c, u8 *t, u32 len, u32 offset, bool last)
{
	u32 sum = c->pseudo + htons((u16)len);
	u16 folded = (sum & 0xffff) + (sum >> 16);

	__builtin_memcpy(t + (c->tcp ? TCP_CSUM : UDP_CSUM), &folded, sizeof(folded));
	if (!c->tcp) {
		put_be16(t + UDP_LEN, len);
		return;
	}
	put_be32(t + TCP_SEQ, get_be32(t + TCP_SEQ) + offset);
	if (offset > 0)
		t[TCP_FLAGS] &= ~TCP_CWR; /* once (RFC 3168, 6.1.2) */
	if (!last)
		t[TCP_FLAGS] &= ~TCP_FIN_PSH;
}

static struct pkt *cut_next(struct cut *c, unsigned index)
{
	u32 left = c->pkt->total - c->payload - c->done, n = MIN(left, c->pkt->gso_size);
	struct pkt *seg = pkt_alloc();
	u8 *at;

	if (seg == NULL)
		return NULL;
	at = pkt_put(seg, c->payload);
	pkt_copy(c->pkt, 0, at, c->payload);
	if (!pkt_append(seg, c->pkt, c->payload + c->done, n)) {
		pkt_free(seg);
		return NULL;
	}
	seg->csum = CSUM_PARTIAL;
	seg->csum_start = at + c->transport;
	seg->csum_offset = c->pkt->csum_offset;
	seg->network = at + c->ip;
	cut_ip_header(c, at + c->ip, c->payload - c->ip + n, index);
	cut_transport_header(c, at + c->transport, c->payload - c->transport + n, c->done,
			     n == left);
	c->done += n;
	return seg;
}

int offload_segment(struct netif *netif, struct pkt *pkt, bool checksum,
		    int (*transmit)(struct netif *netif, struct pkt *pkt))
{
	struct cut c = { 0 };
	int error = cut_begin(&c, pkt) ? 0 : -EINVAL;

	for (unsigned i = 0; error == 0 && (i == 0 || c.payload + c.done < pkt->total); i++) {
		struct pkt *seg = cut_next(&c, i);

		if (seg == NULL) {
			error = -ENOMEM;
			break;
		}
		if (checksum)
			offload_checksum(seg);
		error = transmit(netif, seg);
	}
	pkt_free(pkt);
	return error;
}
