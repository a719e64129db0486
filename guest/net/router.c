/*
 * Router discovery (RFC 4861, 6.3) and addresses from prefixes (SLAAC, RFC
 * 4862, 5.5.3), name servers (RFC 8106). How many routers, prefixes and
 * addresses an advertisement can make us keep is bounded.
 *
 * Interface identifiers are EUI-64s: a VM has nowhere to keep the secret that
 * stable opaque ones (RFC 7217) need, and servers want an address that stays.
 */
#include "icmp.h"
#include "ndp.h"
#include "neigh.h"

#define ROUTERS       4 /* default routers and prefixes kept, an interface */
#define PREFIXES      8
#define ADDRESSES     8
#define ONLINK        0x80
#define AUTONOMOUS    0x40
#define TWO_HOURS     (7200 * SECOND)
#define FOREVER       0xffffffff
#define PREFIX_METRIC 256 /* Linux's */
#define ROUTER_METRIC 1024
#define PREFIX_LEN    32 /* bytes of a prefix option */
#define ADVERT_LEN    16

static const struct ipaddr any6;

void router_solicit(struct nd *nd)
{
	static const struct ipaddr routers = { { 0xff, 2, [15] = 2 } };
	struct pkt *pkt = icmp_make(ICMP6_ROUTER_SOLICIT, 0, 0);
	struct ipaddr src = { { 0 } };

	if (pkt == NULL)
		return;
	if (nd_link_local(nd, &src))
		nd_put_mac(pkt, ND_SOURCE_MAC, nd->netif->mac);
	nd_checksum(pkt, &src, &routers);
	nd_transmit(nd, pkt, &src, &routers, IPPROTO_ICMPV6, 255);
}

static u64 until(u32 seconds)
{
	return seconds == FOREVER ? NEVER : now_ns() + seconds * SECOND;
}

/* How many routes by router advertisements there are already, of a kind. */
static unsigned count_routes(const struct netif *netif, bool routers)
{
	unsigned n = 0;
	struct list *at;

	list_for_each (at, &ip_gateways) {
		const struct ip_gateway *g = container_of(at, struct ip_gateway, link);

		n += g->netif == netif && !ip_is4(&g->destination) && (g->prefix == 0) == routers &&
		     g->metric >= PREFIX_METRIC;
	}
	return n;
}

static void set_route(struct nd *nd, const struct ipaddr *destination, unsigned prefix,
		      const struct ipaddr *gateway, u32 metric, u32 seconds)
{
	bool known = ip_del_gateway(nd->netif, destination, prefix, gateway) == 0;
	bool router = prefix == 0;

	if (seconds == 0 ||
	    (!known && count_routes(nd->netif, router) >= (router ? ROUTERS : PREFIXES)))
		return;
	ip_add_gateway(nd->netif, destination, prefix, gateway, metric, until(seconds));
}

/* The default router (RFC 4861, 6.3.4) and its preference (RFC 4191, 2.1). */
static void set_router(struct nd *nd, const struct ipaddr *router, u8 flags, u32 seconds)
{
	u32 metric = ROUTER_METRIC;

	if ((flags >> 3 & 3) == 1)
		metric /= 2;
	else if ((flags >> 3 & 3) == 3)
		metric *= 2;
	set_route(nd, &any6, 0, router, metric, seconds);
}

static struct netif_addr *find(struct netif *netif, const struct ipaddr *addr, unsigned *made)
{
	struct netif_addr *found = NULL;

	*made = 0;
	for (unsigned i = 0; i < netif->naddr6; i++) {
		if (ip_equal(&netif->addr6[i].addr, addr))
			found = &netif->addr6[i];
		*made += netif->addr6[i].origin == ADDR_SLAAC;
	}
	return found;
}

/* RFC 4862, 5.5.3 (d), (e): an address with this prefix, made or renewed. One
 * advertisement shortens a life to two hours at most, unless it is that short. */
static void make_address(struct nd *nd, const struct ipaddr *prefix, bool onlink, u32 preferred,
			 u32 valid)
{
	struct ipaddr addr = nd_address(prefix, nd->netif->mac);
	u64 end = until(valid), now = now_ns();
	struct netif_addr *old;
	unsigned made;

	old = find(nd->netif, &addr, &made);
	if (old == NULL) {
		if (valid > 0 && made < ADDRESSES)
			netif_add_addr(nd->netif, &addr, onlink ? 64 : 128, ADDR_SLAAC,
				       until(preferred), end);
		return;
	}
	if (old->origin != ADDR_SLAAC)
		return;
	if (valid * SECOND <= TWO_HOURS && end < old->valid_until)
		end = MIN(old->valid_until, now + TWO_HOURS);
	netif_add_addr(nd->netif, &addr, old->prefix, ADDR_SLAAC, until(preferred), end);
}

static void prefix_option(struct nd *nd, const u8 *option)
{
	u8 bits = option[2], flags = option[3];
	u32 valid = get_be32(option + 4), preferred = get_be32(option + 8);
	struct ipaddr prefix;

	__builtin_memcpy(&prefix, option + 16, sizeof(prefix));
	if (bits > 128 || preferred > valid || ip_is_link_local(&prefix) ||
	    ip_is_multicast(&prefix) || ip_is4(&prefix))
		return;
	for (unsigned i = bits; i < 128; i++) /* the rest is to be ignored */
		prefix.b[i / 8] &= ~(0x80 >> i % 8);
	if (flags & ONLINK && bits > 0)
		set_route(nd, &prefix, bits, &any6, PREFIX_METRIC, valid);
	if (flags & AUTONOMOUS && bits == 64)
		make_address(nd, &prefix, flags & ONLINK, preferred, valid);
}

static void nameserver_option(const u8 *option, u32 len)
{
	struct ipaddr server[NAMESERVERS];
	unsigned n = 0;

	if (get_be32(option + 4) > 0)
		for (u32 at = 8; at + 16 <= len && n < NAMESERVERS; at += 16)
			__builtin_memcpy(&server[n++], option + at, 16);
	nameservers_set(NAMESERVERS_RA, server, n);
}

static void mtu_option(struct nd *nd, const u8 *option)
{
	u32 mtu = get_be32(option + 4);

	if (mtu < IP6_MIN_MTU || mtu > nd->netif->mtu)
		return;
	nd->mtu = mtu;
	net_generation++;
}

void router_advertised(struct nd *nd, const struct ipaddr *router, const u8 *message, u32 len)
{
	struct nd_options o = { message + ADVERT_LEN, len - ADVERT_LEN };
	const u8 *option;
	u8 type;

	if (nd->off)
		return;
	if (message[4] != 0)
		nd->hops = message[4];
	set_router(nd, router, message[5], get_be16(message + 6));
	while ((type = nd_option(&o, &option, &len)) != 0) {
		if (type == ND_SOURCE_MAC && len == 8 && !(option[2] & 1))
			neigh_seen(nd->netif, router, option + 2);
		else if (type == ND_PREFIX && len == PREFIX_LEN)
			prefix_option(nd, option);
		else if (type == ND_MTU && len == 8)
			mtu_option(nd, option);
		else if (type == ND_RDNSS && len >= 24)
			nameserver_option(option, len);
	}
	if (get_be16(message + 6) > 0) /* RFC 4861, 6.3.7 */
		nd->solicit_at = NEVER;
}
