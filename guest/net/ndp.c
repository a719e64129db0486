/*
 * Neighbour discovery (RFC 4861) and duplicate address detection (RFC 4862,
 * 5.4). The cache is neigh.c; routers are router.c.
 *
 * An address of our own making is TENTATIVE at first: one solicitation asks
 * whether anybody has it, and if nobody says so within a second, it is ours.
 * Addresses that we were told to use are used at once. An interface has one
 * timer, at the earliest of all that is to be done on it: solicitations,
 * reports, and the ends of addresses' lives. What begins with the interface
 * begins after up to a second (RFC 4861, 6.3.7), so that a program which ends
 * sooner has sent nothing.
 *
 * Redirects are ignored: a host with one router has no use for them, and they
 * cannot be told from lies.
 */
#include "../libos/heap.h"
#include "../libos/random.h"
#include "icmp.h"
#include "ndp.h"
#include "neigh.h"

#define DAD_TIME       SECOND /* RetransTimer * DupAddrDetectTransmits */
#define SOLICITS       3 /* MAX_RTR_SOLICITATIONS */
#define SOLICIT_TIME   (4 * SECOND)
#define LONGEST        1232 /* a message that fits in the least MTU */
#define NA_SOLICITED   0x40000000
#define NA_OVERRIDE    0x20000000
#define HOPS           255
#define TARGET_MESSAGE 24 /* NS and NA without options */

static const struct ipaddr all_nodes = { .b = { 0xff, 2, [15] = 1 } }, unspecified;

/* ---- options ---- */

bool nd_options_ok(const u8 *options, u32 len)
{
	for (u32 at = 0; at < len; at += options[at + 1] * 8)
		if (len - at < 8 || options[at + 1] == 0 || options[at + 1] * 8u > len - at)
			return false;
	return true;
}

u8 nd_option(struct nd_options *o, const u8 **option, u32 *len)
{
	if (o->left == 0)
		return 0;
	*option = o->at;
	*len = o->at[1] * 8;
	o->at += *len;
	o->left -= *len;
	return (*option)[0];
}

static const u8 *find_mac(const u8 *options, u32 left, u8 wanted)
{
	struct nd_options o = { options, left };
	const u8 *option;
	u32 len;
	u8 type;

	while ((type = nd_option(&o, &option, &len)) != 0)
		if (type == wanted && len == 8 && !(option[2] & 1))
			return option + 2;
	return NULL;
}

void nd_put_mac(struct pkt *pkt, u8 type, const u8 mac[6])
{
	u8 *at = pkt_put(pkt, 8);

	at[0] = type;
	at[1] = 1;
	__builtin_memcpy(at + 2, mac, ETH_ALEN);
}

/* ---- sending ---- */

bool nd_link_local(const struct nd *nd, struct ipaddr *addr)
{
	const struct netif *netif = nd->netif;

	for (unsigned i = 0; i < netif->naddr6; i++)
		if (ip_is_link_local(&netif->addr6[i].addr) &&
		    netif_addr_usable(&netif->addr6[i])) {
			*addr = netif->addr6[i].addr;
			return true;
		}
	return false;
}

void nd_checksum(struct pkt *pkt, const struct ipaddr *src, const struct ipaddr *dst)
{
	((struct icmp_hdr *)pkt->data)->csum =
		~pkt_sum(pkt, 0, pkt->total, ip_pseudo_sum(src, dst, IPPROTO_ICMPV6, pkt->total));
}

void nd_transmit(struct nd *nd, struct pkt *pkt, const struct ipaddr *src, const struct ipaddr *dst,
		 u8 next, u8 hops)
{
	struct ip_send to = { .src = *src, .dst = *dst, .proto = next, .ttl = hops };
	struct ip_path path = { nd->netif, *src, *dst, nd->netif->mtu };

	ip6_output(pkt, &to, &path);
}

/* NS or NA: the target behind the header, then perhaps our MAC address. */
static void send_target(struct nd *nd, u8 type, u32 flags, const struct ipaddr *target,
			u8 mac_option, const struct ipaddr *src, const struct ipaddr *dst)
{
	struct pkt *pkt = icmp_make(type, 0, htonl(flags));

	if (pkt == NULL)
		return;
	__builtin_memcpy(pkt_put(pkt, sizeof(*target)), target, sizeof(*target));
	if (mac_option != 0)
		nd_put_mac(pkt, mac_option, nd->netif->mac);
	nd_checksum(pkt, src, dst);
	nd_transmit(nd, pkt, src, dst, IPPROTO_ICMPV6, HOPS);
}

void ndp_solicit(struct netif *netif, const struct ipaddr *target, const u8 *mac)
{
	struct ipaddr group = mld_solicited_node(target), src;

	if (netif->nd != NULL && ip_choose_source(netif, target, &src))
		send_target(netif->nd, ICMP6_NEIGHBOR_SOLICIT, 0, target, ND_SOURCE_MAC, &src,
			    mac ? target : &group);
}

/* ---- what is to be done, and when ---- */

static u64 soon(void)
{
	u32 random;

	random_bytes(&random, sizeof(random));
	return now_ns() + random % (u32)SECOND;
}

void nd_wake(struct nd *nd, u64 when)
{
	if (when != NEVER && (!nd->timer.armed || when < nd->timer.deadline))
		timer_arm(&nd->timer, when);
}

static void probe(struct nd *nd, struct netif_addr *a)
{
	struct ipaddr group = mld_solicited_node(&a->addr);

	mld_report(nd);
	send_target(nd, ICMP6_NEIGHBOR_SOLICIT, 0, &a->addr, 0, &unspecified, &group);
	a->dad_sent = true;
	a->dad_at = now_ns() + DAD_TIME;
}

/* One address's own: false when its life is over. */
static bool run_addr(struct nd *nd, struct netif_addr *a, u64 now)
{
	if (a->valid_until <= now)
		return false;
	if (a->state == ADDR_TENTATIVE && a->dad_at <= now) {
		if (!a->dad_sent) {
			probe(nd, a);
		} else {
			a->state = ADDR_PREFERRED;
			net_generation++;
		}
	}
	if (a->state == ADDR_PREFERRED && a->preferred_until <= now) {
		a->state = ADDR_DEPRECATED;
		net_generation++;
	}
	if (a->state == ADDR_TENTATIVE)
		nd_wake(nd, a->dad_at);
	if (a->state == ADDR_PREFERRED)
		nd_wake(nd, a->preferred_until);
	nd_wake(nd, a->valid_until);
	return true;
}

static void run(struct timer *timer)
{
	struct nd *nd = container_of(timer, struct nd, timer);
	struct netif *netif = nd->netif;
	u64 now = now_ns();

	net_enter();
	for (unsigned i = netif->naddr6; i-- > 0;)
		if (!run_addr(nd, &netif->addr6[i], now))
			netif_del_addr(netif, &netif->addr6[i].addr);
	if (nd->report_at <= now) {
		nd->report_at = NEVER;
		mld_report(nd);
	}
	if (nd->solicit_at <= now) {
		nd->solicit_at = --nd->solicits > 0 ? now + SOLICIT_TIME : NEVER;
		router_solicit(nd);
	}
	nd_wake(nd, nd->report_at);
	nd_wake(nd, nd->solicit_at);
	net_leave();
}

struct ipaddr nd_address(const struct ipaddr *prefix, const u8 mac[6])
{
	struct ipaddr addr = {
		{ [8] = mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] }
	};

	__builtin_memcpy(&addr, prefix, 8);
	return addr;
}

void ndp_start(struct netif *netif)
{
	static const struct ipaddr prefix = { { 0xfe, 0x80 } };
	struct ipaddr addr = nd_address(&prefix, netif->mac);
	struct nd *nd = netif->mtu >= IP6_MIN_MTU ? kalloc(sizeof(*nd)) : NULL;

	netif->nd = nd;
	if (nd == NULL)
		return;
	nd->netif = netif;
	nd->timer.expired = run;
	nd->mtu = netif->mtu;
	nd->hops = IP_DEFAULT_TTL;
	nd->solicits = SOLICITS;
	nd->solicit_at = soon();
	nd->report_at = NEVER;
	netif_add_addr(netif, &addr, 64, ADDR_LINK_LOCAL, NEVER, NEVER);
	nd_wake(nd, nd->solicit_at);
}

void ndp_added(struct netif *netif, struct netif_addr *a)
{
	struct nd *nd = netif->nd;

	if (a->origin == ADDR_SLAAC || a->origin == ADDR_LINK_LOCAL) {
		a->state = ADDR_TENTATIVE;
		a->dad_at = a->origin == ADDR_LINK_LOCAL ? nd->solicit_at : now_ns();
	} else if (nd->report_at == NEVER) {
		nd->report_at = soon();
	}
	ndp_renewed(netif);
}

void ndp_renewed(struct netif *netif)
{
	struct nd *nd = netif->nd;
	u64 first = nd->report_at;

	for (unsigned i = 0; i < netif->naddr6; i++) {
		const struct netif_addr *a = &netif->addr6[i];

		if (a->state == ADDR_TENTATIVE)
			first = MIN(first, a->dad_at);
		first = MIN(first, MIN(a->preferred_until, a->valid_until));
	}
	nd_wake(nd, first);
}

u32 ndp_mtu(const struct netif *netif)
{
	return netif->nd ? MIN(netif->nd->mtu, netif->mtu) : netif->mtu;
}

u8 ndp_hop_limit(const struct netif *netif)
{
	return netif->nd ? netif->nd->hops : IP_DEFAULT_TTL;
}

bool ndp_has_group(const struct netif *netif, const struct ipaddr *group)
{
	if (ip_equal(group, &all_nodes))
		return true;
	for (unsigned i = 0; i < netif->naddr6; i++) {
		struct ipaddr own = mld_solicited_node(&netif->addr6[i].addr);

		if (ip_equal(group, &own))
			return true;
	}
	return false;
}

/* ---- receiving ---- */

static struct netif_addr *own_addr(struct netif *netif, const struct ipaddr *addr)
{
	for (unsigned i = 0; i < netif->naddr6; i++)
		if (ip_equal(&netif->addr6[i].addr, addr))
			return &netif->addr6[i];
	return NULL;
}

/* Somebody has an address that we were about to use (RFC 4862, 5.4.5). */
static void duplicate(struct nd *nd, struct netif_addr *a)
{
	klog("%s: another host has our IPv6 address", nd->netif->name);
	a->state = ADDR_DUPLICATE;
	net_generation++;
	if (a->origin == ADDR_LINK_LOCAL)
		nd->off = true;
}

static void solicited(struct nd *nd, const struct pkt *pkt, const struct ipaddr *target,
		      const u8 *mac)
{
	struct netif_addr *a = own_addr(nd->netif, target);
	bool probing = ip_is_any(&pkt->src);

	/* RFC 4861, 7.1.1: a probe goes to the group, and names no source. */
	if (a == NULL || (probing && (mac != NULL || !ip_is_multicast(&pkt->dst))))
		return;
	if (a->state == ADDR_TENTATIVE && probing)
		duplicate(nd, a);
	if (!netif_addr_usable(a))
		return;
	if (mac != NULL)
		neigh_seen(nd->netif, &pkt->src, mac);
	send_target(nd, ICMP6_NEIGHBOR_ADVERT, NA_OVERRIDE | (probing ? 0 : NA_SOLICITED), target,
		    ND_TARGET_MAC, target, probing ? &all_nodes : &pkt->src);
}

static void advertised(struct nd *nd, const struct pkt *pkt, u32 flags, const struct ipaddr *target,
		       const u8 *mac)
{
	struct netif_addr *a = own_addr(nd->netif, target);
	bool answer = flags & NA_SOLICITED && !ip_is_multicast(&pkt->dst);

	if (flags & NA_SOLICITED && !answer)
		return; /* RFC 4861, 7.1.2 */
	if (a == NULL)
		neigh_advertised(nd->netif, target, mac, answer, flags & NA_OVERRIDE);
	else if (a->state == ADDR_TENTATIVE)
		duplicate(nd, a);
}

void ndp_input(struct pkt *pkt)
{
	struct nd *nd = pkt->netif->nd;
	u32 len = pkt->total, fixed;
	u8 message[LONGEST];
	struct ipaddr target;
	const u8 *options;

	if (nd == NULL || len > LONGEST)
		return;
	pkt_copy(pkt, 0, message, len);
	if (message[0] == ICMP6_MLD_QUERY) {
		if (pkt->ttl == 1 && ip_is_link_local(&pkt->src))
			mld_query(nd, message, len);
		return;
	}
	fixed = message[0] == ICMP6_ROUTER_ADVERT ? 16 : TARGET_MESSAGE;
	if (pkt->ttl != HOPS || message[1] != 0 || len < fixed ||
	    !nd_options_ok(message + fixed, len - fixed))
		return;
	if (message[0] == ICMP6_ROUTER_ADVERT) {
		if (ip_is_link_local(&pkt->src))
			router_advertised(nd, &pkt->src, message, len);
		return;
	}
	__builtin_memcpy(&target, message + 8, sizeof(target));
	options = message + fixed;
	if (ip_is_multicast(&target))
		return;
	if (message[0] == ICMP6_NEIGHBOR_SOLICIT)
		solicited(nd, pkt, &target, find_mac(options, len - fixed, ND_SOURCE_MAC));
	else if (message[0] == ICMP6_NEIGHBOR_ADVERT)
		advertised(nd, pkt, get_be32(message + 4), &target,
			   find_mac(options, len - fixed, ND_TARGET_MAC));
}

void ndp_stop(void)
{
	struct list *at;

	list_for_each (at, &netifs) {
		struct netif *netif = container_of(at, struct netif, link);

		if (netif->nd != NULL)
			timer_cancel(&netif->nd->timer);
		kfree(netif->nd);
		netif->nd = NULL;
	}
	nameservers_set(NAMESERVERS_RA, NULL, 0);
}
