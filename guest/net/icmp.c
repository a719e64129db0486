/*
 * ICMP (RFC 792, RFC 1122, 3.2.2). Echo requests are answered, errors go to the
 * transport whose packet they quote. Redirects, and whatever else tells a host
 * how to route, are not believed. Raw and ping sockets see everything before.
 */
#include "icmp.h"

#define QUOTE_MOST 548 /* 576 less our headers (RFC 1812, 4.3.2.3) */

static void send(struct pkt *pkt, const struct ipaddr *src, const struct ipaddr *dst, u8 tos)
{
	struct ip_send to = { .dst = *dst, .proto = IPPROTO_ICMP, .tos = tos };
	struct icmp_hdr *h = (struct icmp_hdr *)pkt->data;

	if (src != NULL)
		to.src = *src;
	h->csum = ~pkt_sum(pkt, 0, pkt->total, 0);
	ip_output(pkt, &to);
}

static void echo(const struct pkt *pkt)
{
	const struct icmp_hdr *h = (const struct icmp_hdr *)pkt->data;
	struct pkt *reply;

	/* RFC 1122, 3.2.2.6: broadcasts may be ignored, and better are. */
	if (pkt->from_link != PKT_HOST || ip_is_multicast(&pkt->dst) ||
	    netif_is_broadcast(pkt->netif, &pkt->dst))
		return;
	reply = icmp_make(ICMP4_ECHO_REPLY, 0, h->word);
	if (reply == NULL)
		return;
	if (!pkt_append(reply, pkt, sizeof(*h), pkt->total - sizeof(*h))) {
		pkt_free(reply);
		return;
	}
	send(reply, &pkt->dst, &pkt->src, pkt->tos);
}

/* The errno of each code of "unreachable" (RFC 1122, 4.2.3.9; Linux's). */
static int unreachable(u8 code)
{
	static const u8 errors[] = { ENETUNREACH, EHOSTUNREACH, ENOPROTOOPT,  ECONNREFUSED,
				     EMSGSIZE,    EOPNOTSUPP,   ENETUNREACH,  EHOSTDOWN,
				     ENONET,      ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
				     EHOSTUNREACH };

	return code < ARRAY_SIZE(errors) ? errors[code] : EHOSTUNREACH;
}

/* A router that does not tell the MTU (RFC 1191, 7.1) has us try this. */
static u32 told_mtu(const struct icmp_hdr *h)
{
	u32 mtu = ntohs(h->mtu);

	return mtu == 0 ? 576 : MAX(mtu, PMTU_LEAST4);
}

void icmp_input(struct pkt *pkt)
{
	const struct icmp_hdr *h = pkt_header(pkt, sizeof(*h));
	int error = 0;
	u32 mtu = 0;

	if (h == NULL || pkt_sum(pkt, 0, pkt->total, 0) != 0xffff) {
		pkt->netif->stats.rx_errors++;
		pkt_free(pkt);
		return;
	}
	switch (h->type) {
	case ICMP4_ECHO:
		echo(pkt);
		break;
	case ICMP4_UNREACHABLE:
		error = unreachable(h->code);
		mtu = error == EMSGSIZE ? told_mtu(h) : 0;
		break;
	case ICMP4_TIME_EXCEEDED:
		error = EHOSTUNREACH;
		break;
	case ICMP4_PARAMETER:
		error = EPROTO;
		break;
	default:
		break;
	}
	if (error != 0) {
		pkt_skip(pkt, sizeof(*h));
		icmp_report(pkt, error, mtu);
	}
	pkt_free(pkt);
}

void icmp_error(const struct pkt *pkt, u8 type, u8 code, u32 word)
{
	struct pkt *error = icmp_quote(pkt, type, code, htonl(word), QUOTE_MOST);

	if (error != NULL)
		send(error, &pkt->dst, &pkt->src, 0);
}

void icmp_port_unreachable(const struct pkt *pkt)
{
	if (ip_is4(&pkt->dst))
		icmp_error(pkt, ICMP4_UNREACHABLE, 3, 0);
	else
		icmp6_error(pkt, ICMP6_UNREACHABLE, 4, 0);
}
