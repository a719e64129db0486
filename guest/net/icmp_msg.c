/*
 * Making ICMP messages, and understanding the packets that errors quote.
 *
 * Errors that we send are limited by a token bucket for all of them together
 * (RFC 1812, 4.3.2.8; RFC 4443, 2.4 (f)).
 */
#include "icmp.h"

#define BURST        50
#define PER_SECOND   100
#define QUOTE_LEAST  8 /* bytes of the transport header that must be quoted */
#define EXT_MAX      8
#define HEADERS_MOST 120 /* bytes of IP headers that we quote: they are copied */

static bool token(void)
{
	static u64 tokens = BURST, last;
	u64 now = now_ns(), fresh = (now - last) / (SECOND / PER_SECOND);

	if (fresh > 0) {
		tokens = MIN(tokens + fresh, BURST);
		last = now;
	}
	if (tokens == 0)
		return false;
	tokens--;
	return true;
}

struct pkt *icmp_make(u8 type, u8 code, be32 word)
{
	struct pkt *pkt = pkt_alloc();

	if (pkt != NULL)
		*(struct icmp_hdr *)pkt_put(pkt, sizeof(struct icmp_hdr)) =
			(struct icmp_hdr){ .type = type, .code = code, .word = word };
	return pkt;
}

/* Whether the received packet is one to which an error may be sent at all. */
static bool answerable(const struct pkt *pkt)
{
	if (pkt->network == NULL || pkt->from_link != PKT_HOST || ip_is_any(&pkt->src) ||
	    ip_is_multicast(&pkt->src) || ip_is_multicast(&pkt->dst) ||
	    netif_is_broadcast(pkt->netif, &pkt->dst))
		return false;
	if (*pkt->network >> 4 == 4 && ((struct ip4_hdr *)pkt->network)->frag & htons(IP4_OFFSET))
		return false;
	/* Not about an ICMP error; about other ICMP messages we have none to send. */
	return pkt->proto != IPPROTO_ICMP && pkt->proto != IPPROTO_ICMPV6;
}

struct pkt *icmp_quote(const struct pkt *pkt, u8 type, u8 code, be32 word, u32 most)
{
	u32 headers, rest;
	struct pkt *out;
	u8 *at;

	if (!answerable(pkt))
		return NULL;
	headers = pkt->data - pkt->network;
	if (headers > HEADERS_MOST || !token())
		return NULL;
	out = icmp_make(type, code, word);
	if (out == NULL)
		return NULL;
	at = pkt_put(out, headers);
	rest = MIN(pkt->total, most - headers);
	if (at == NULL || !pkt_append(out, pkt, 0, rest)) {
		pkt_free(out);
		return NULL;
	}
	memcpy(at, pkt->network, headers);
	return out;
}

/* ---- what an error is about ---- */

static bool quoted4(struct pkt *pkt)
{
	const struct ip4_hdr *h = pkt_header(pkt, IP4_HLEN);
	u32 hlen = h ? (h->version_ihl & 15) * 4 : 0;

	if (hlen < IP4_HLEN || h->frag & htons(IP4_OFFSET))
		return false;
	pkt->src = ip_from4(h->src);
	pkt->dst = ip_from4(h->dst);
	pkt->proto = h->proto;
	return pkt_pull(pkt, hlen) != NULL;
}

static bool quoted6(struct pkt *pkt)
{
	const struct ip6_hdr *h = pkt_pull(pkt, IP6_HLEN);

	if (h == NULL)
		return false;
	__builtin_memcpy(&pkt->src, h->src, sizeof(pkt->src));
	__builtin_memcpy(&pkt->dst, h->dst, sizeof(pkt->dst));
	pkt->proto = h->next;
	for (unsigned i = 0; i < EXT_MAX; i++) {
		const u8 *ext;
		u8 type = pkt->proto;

		if (type != IP6_HOPOPTS && type != IP6_ROUTING && type != IP6_DSTOPTS &&
		    type != IP6_FRAGMENT)
			return !ip_is4(&pkt->src) && !ip_is4(&pkt->dst);
		ext = pkt_header(pkt, 8);
		if (ext == NULL)
			return false;
		if (type == IP6_FRAGMENT && get_be16(ext + 2) & IP6_FRAG_OFFSET)
			return false;
		pkt->proto = ext[0];
		if (pkt_pull(pkt, type == IP6_FRAGMENT ? 8 : (ext[1] + 1) * 8) == NULL)
			return false;
	}
	return false;
}

void icmp_report(struct pkt *pkt, int error, u32 mtu)
{
	const u8 *first = pkt_header(pkt, 1);

	if (first == NULL)
		return;
	pkt->network = pkt->data;
	if (*first >> 4 == 4 ? !quoted4(pkt) : *first >> 4 != 6 || !quoted6(pkt))
		return;
	if (pkt_header(pkt, QUOTE_LEAST) == NULL || !net_is_local(&pkt->src))
		return;
	if (error == EMSGSIZE)
		pmtu_learn(&pkt->dst, mtu);
	if (pkt->proto == IPPROTO_TCP)
		tcp_error(pkt, error, mtu);
	else if (pkt->proto == IPPROTO_UDP)
		udp_error(pkt, error, mtu);
}

void ip_send_failed(struct pkt *pkt, int error)
{
	icmp_report(pkt, error, 0);
	pkt_free(pkt);
}
