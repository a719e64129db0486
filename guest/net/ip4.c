/*
 * IPv4 (RFC 791, RFC 1122 section 3). We are a host: nothing is forwarded, and
 * source routes are refused (RFC 7126, 4.3).
 */
#include "../libos/random.h"
#include "stack.h"

#define ID_COUNTERS 64

/* ---- in ---- */

/* Walks over the options of a whole header: false if they are malformed or ask
 * for a route of the sender's choice. */
static bool options_ok(const u8 *option, u32 left)
{
	while (left > 0 && *option != IP4_OPT_END) {
		u32 len = 1;

		if (*option != IP4_OPT_NOP) {
			if (left < 2 || option[1] < 2 || option[1] > left)
				return false;
			if (*option == IP4_OPT_LSRR || *option == IP4_OPT_SSRR)
				return false;
			len = option[1];
		}
		option += len;
		left -= len;
	}
	return true;
}

/* Checks the header and takes what it says; its length, or 0: to be dropped. */
static u32 parse(struct netif *netif, struct pkt *pkt)
{
	struct ip4_hdr *h = pkt_header(pkt, IP4_HLEN);
	u32 hlen, len;

	if (h == NULL)
		return 0;
	hlen = (h->version_ihl & 15) * 4;
	len = ntohs(h->len);
	if (h->version_ihl >> 4 != 4 || hlen < IP4_HLEN || len < hlen || len > pkt->total)
		return 0;
	if (unlikely(hlen > IP4_HLEN)) {
		h = pkt_header(pkt, hlen);
		if (h == NULL || !options_ok((u8 *)(h + 1), hlen - IP4_HLEN))
			return 0;
	}
	if (net_sum(h, hlen, 0) != 0xffff)
		return 0;
	pkt_trim(pkt, len); /* Ethernet pads */
	pkt->network = (u8 *)h;
	pkt->src = ip_from4(h->src);
	pkt->dst = ip_from4(h->dst);
	pkt->proto = h->proto;
	pkt->ttl = h->ttl;
	pkt->tos = h->tos;
	return ip_source_ok(netif, &pkt->src) ? hlen : 0;
}

/* Whether it is for us: on the link (RFC 1122, 3.3.6) and by its address. */
static bool for_us(const struct netif *netif, const struct pkt *pkt)
{
	if (unlikely(pkt->from_link != PKT_HOST) && !ip_is_multicast(&pkt->dst) &&
	    !netif_is_broadcast(netif, &pkt->dst))
		return false;
	return netif_accepts(netif, &pkt->dst);
}

void ip4_input(struct netif *netif, struct pkt *pkt)
{
	u32 hlen = parse(netif, pkt);
	struct ip4_hdr *h = (struct ip4_hdr *)pkt->network;

	if (hlen == 0 || !for_us(netif, pkt)) {
		netif->stats.rx_dropped++;
		pkt_free(pkt);
		return;
	}
	pkt_pull(pkt, hlen);
	if (unlikely(h->frag & htons(IP4_MF | IP4_OFFSET))) {
		pkt = reass_input4(pkt);
		if (pkt == NULL)
			return;
	}
	if (!ip_deliver(pkt)) {
		icmp_error(pkt, ICMP4_UNREACHABLE, 2 /* protocol */, 0);
		pkt_free(pkt);
	}
}

/* ---- out ---- */

/* Identifications count up for each pair of addresses, from a random start
 * (RFC 7739, 5.3 in spirit): hard to guess, and long before they repeat. */
static u16 next_id(const struct ip_send *to, unsigned count)
{
	static u16 counter[ID_COUNTERS];
	static u32 key;
	u32 bucket;
	u16 id;

	if (key == 0) {
		random_bytes(counter, sizeof(counter));
		random_bytes(&key, sizeof(key));
		key |= 1;
	}
	bucket = ((ip_get4(&to->dst) ^ to->proto) * key + ip_get4(&to->src)) * 0x9e3779b1u;
	id = counter[bucket >> 26];
	counter[bucket >> 26] += count;
	return id;
}

static int send_piece(struct pkt *pkt, const struct ip_path *path, const struct ip4_hdr *header,
		      u16 frag)
{
	struct ip4_hdr *h = pkt_push(pkt, sizeof(*h));

	*h = *header;
	h->len = htons(pkt->total);
	h->frag = htons(frag);
	h->csum = 0;
	h->csum = ~net_sum(h, sizeof(*h), 0);
	return ip_transmit(pkt, path);
}

static int fragment(struct pkt *pkt, const struct ip_path *path, const struct ip4_hdr *header)
{
	u32 most = ALIGN_DOWN(path->mtu - IP4_HLEN, 8), done = 0;
	int error = 0;

	if (pkt->csum == CSUM_PARTIAL)
		offload_checksum(pkt);
	while (error == 0 && done < pkt->total) {
		u32 n = MIN(most, pkt->total - done);
		struct pkt *piece = pkt_alloc();

		if (piece == NULL || !pkt_append(piece, pkt, done, n)) {
			pkt_free(piece);
			error = -ENOMEM;
			break;
		}
		error = send_piece(piece, path, header,
				   done / 8 | (done + n < pkt->total ? IP4_MF : 0));
		done += n;
	}
	pkt_free(pkt);
	return error;
}

int ip4_output(struct pkt *pkt, const struct ip_send *to, const struct ip_path *path)
{
	struct ip4_hdr h = { .version_ihl = 0x45,
			     .tos = to->tos,
			     .ttl = to->ttl ? to->ttl : IP_DEFAULT_TTL,
			     .proto = to->proto,
			     .src = ip_get4(&path->src),
			     .dst = ip_get4(&to->dst) };
	bool long_one = pkt->total + IP4_HLEN > path->mtu && pkt->gso_size == 0;

	if (unlikely(pkt->total + IP4_HLEN > IP4_MAX || (long_one && to->dont_fragment))) {
		pkt_free(pkt);
		return -EMSGSIZE;
	}
	/* Segments of a large packet count up from its identification. */
	h.id = htons(next_id(to, pkt->gso_size ? pkt->total / pkt->gso_size + 1 : 1));
	if (unlikely(long_one))
		return fragment(pkt, path, &h);
	return send_piece(pkt, path, &h, to->dont_fragment ? IP4_DF : 0);
}
