/*
 * The multicast listener's side of MLDv2 (RFC 3810), as far as neighbour
 * discovery needs it: switches that listen in learn which solicited-node groups
 * we are in (RFC 4291, 2.7.1). All of them are in every report.
 */
#include "../libos/random.h"
#include "icmp.h"
#include "ndp.h"

#define MODE_IS_EXCLUDE   2 /* the answer to a query */
#define CHANGE_TO_EXCLUDE 4 /* "we have joined" */
#define QUERY_LEAST       24
#define DELAY_MOST        10000 /* ms; more is a poor joke */
#define RECORDS           6 /* in one report: what fits in the front of a packet */

struct PACKED record {
	u8 type, aux;
	be16 sources;
	u8 group[16];
};

struct ipaddr mld_solicited_node(const struct ipaddr *addr)
{
	return (struct ipaddr){ { 0xff, 2, [11] = 1, [12] = 0xff, addr->b[13], addr->b[14],
				  addr->b[15] } };
}

/* A report on the addresses from `first` on; where the next one begins. */
static unsigned send(struct nd *nd, unsigned first, u8 type)
{
	static const struct ipaddr routers = { { 0xff, 2, [15] = 0x16 } };
	/* Hop-by-hop: router alert, MLD (RFC 2711, 2.1), and padding. */
	static const u8 alert[8] = { IPPROTO_ICMPV6, 0, IP6_OPT_ROUTER, 2, 0, 0, 1, 0 };
	struct netif *netif = nd->netif;
	unsigned n = MIN(netif->naddr6 - first, RECORDS);
	struct pkt *pkt = icmp_make(ICMP6_MLD2_REPORT, 0, htonl(n));
	struct ipaddr src = { { 0 } };

	if (pkt == NULL)
		return netif->naddr6;
	for (unsigned i = 0; i < n; i++) {
		struct record *r = pkt_put(pkt, sizeof(*r));
		struct ipaddr group = mld_solicited_node(&netif->addr6[first + i].addr);

		*r = (struct record){ .type = type };
		__builtin_memcpy(r->group, &group, sizeof(group));
	}
	nd_link_local(nd, &src); /* or the unspecified address, RFC 3810, 5.2.13 */
	nd_checksum(pkt, &src, &routers);
	__builtin_memcpy(pkt_push(pkt, sizeof(alert)), alert, sizeof(alert));
	nd_transmit(nd, pkt, &src, &routers, IP6_HOPOPTS, 1);
	return first + n;
}

void mld_report(struct nd *nd)
{
	unsigned at = 0;

	while (at < nd->netif->naddr6)
		at = send(nd, at, nd->queried ? MODE_IS_EXCLUDE : CHANGE_TO_EXCLUDE);
	nd->queried = false;
}

void mld_query(struct nd *nd, const u8 *message, u32 len)
{
	u32 most, random;

	if (len < QUERY_LEAST || nd->report_at != NEVER)
		return;
	most = MAX(MIN(get_be16(message + 4), DELAY_MOST), 1);
	random_bytes(&random, sizeof(random));
	nd->queried = true;
	nd->report_at = now_ns() + (u64)(random % most) * 1000000;
	nd_wake(nd, nd->report_at);
}
