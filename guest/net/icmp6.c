/*
 * ICMPv6 (RFC 4443): as icmp.c. The checksum covers the pseudo-header. Neighbour
 * discovery's messages are valid only if no router has touched them (RFC 4861,
 * 7.1) and they were not fragmented (RFC 6980, 5).
 */
#include "icmp.h"

#define QUOTE_MOST (IP6_MIN_MTU - IP6_HLEN - 8)

static void send(struct pkt *pkt, const struct ipaddr *src, const struct ipaddr *dst,
		 unsigned ifindex, u8 tos)
{
	struct ip_send to = {
		.dst = *dst, .ifindex = ifindex, .proto = IPPROTO_ICMPV6, .tos = tos
	};
	struct icmp_hdr *h = (struct icmp_hdr *)pkt->data;
	struct ip_path path;

	if (ip_route(src, dst, ifindex, &path) < 0) {
		pkt_free(pkt);
		return;
	}
	to.src = path.src;
	h->csum = ~pkt_sum(pkt, 0, pkt->total,
			   ip_pseudo_sum(&to.src, dst, IPPROTO_ICMPV6, pkt->total));
	ip_output(pkt, &to);
}

/* Where the answer to a packet has to leave: by the same link, if the address
 * has a meaning only there. */
static unsigned link_of(const struct pkt *pkt)
{
	return ip_is_link_local(&pkt->src) ? pkt->netif->index : 0;
}

static void echo(const struct pkt *pkt)
{
	const struct icmp_hdr *h = (const struct icmp_hdr *)pkt->data;
	bool multicast = ip_is_multicast(&pkt->dst);
	struct pkt *reply;

	if (ip_is_any(&pkt->src) || (multicast && !ndp_has_group(pkt->netif, &pkt->dst)))
		return;
	reply = icmp_make(ICMP6_ECHO_REPLY, 0, h->word);
	if (reply == NULL)
		return;
	if (!pkt_append(reply, pkt, sizeof(*h), pkt->total - sizeof(*h))) {
		pkt_free(reply);
		return;
	}
	send(reply, multicast ? NULL : &pkt->dst, &pkt->src, link_of(pkt), pkt->tos);
}

static int unreachable(u8 code)
{
	static const u8 errors[] = { ENETUNREACH,  EACCES, EHOSTUNREACH, EHOSTUNREACH,
				     ECONNREFUSED, EACCES, EACCES };

	return code < ARRAY_SIZE(errors) ? errors[code] : EPROTO;
}

/* Errors: 0: not one that concerns us. */
static int error_of(const struct icmp_hdr *h)
{
	switch (h->type) {
	case ICMP6_UNREACHABLE:
		return unreachable(h->code);
	case ICMP6_TOO_BIG: /* RFC 8201, 4: never less than what IPv6 asks of a link */
		return ntohl(h->word) >= IP6_MIN_MTU ? EMSGSIZE : 0;
	case ICMP6_TIME_EXCEEDED:
		return EHOSTUNREACH;
	case ICMP6_PARAMETER:
		return EPROTO;
	default:
		return 0;
	}
}

void icmp6_input(struct pkt *pkt)
{
	const struct icmp_hdr *h = pkt_header(pkt, sizeof(*h));
	int error;
	u32 word;

	if (h == NULL ||
	    pkt_sum(pkt, 0, pkt->total,
		    ip_pseudo_sum(&pkt->src, &pkt->dst, IPPROTO_ICMPV6, pkt->total)) != 0xffff) {
		pkt->netif->stats.rx_errors++;
		pkt_free(pkt);
		return;
	}
	if (h->type == ICMP6_ECHO) {
		echo(pkt);
	} else if (h->type >= ICMP6_MLD_QUERY) {
		if (!(pkt->cb[IP6_CB_FRAGMENTED]))
			ndp_input(pkt);
	} else {
		error = error_of(h);
		word = ntohl(h->word);
		pkt_skip(pkt, sizeof(*h));
		if (error != 0)
			icmp_report(pkt, error, error == EMSGSIZE ? word : 0);
	}
	pkt_free(pkt);
}

void icmp6_error(const struct pkt *pkt, u8 type, u8 code, u32 word)
{
	struct pkt *error = icmp_quote(pkt, type, code, htonl(word), QUOTE_MOST);

	if (error != NULL)
		send(error, &pkt->dst, &pkt->src, link_of(pkt), 0);
}
