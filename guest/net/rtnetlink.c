/*
 * What rtnetlink tells: interfaces, addresses, routes. As much as getifaddrs(3),
 * if_nameindex(3) and ip(8) need to show them; nothing can be changed here
 * (ioctl(2) can, netdevice(7)).
 */
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include "netlink.h"
#include "stack.h"

#define ARPHRD_ETHER    1 /* linux/if_arp.h does not build freestanding */
#define ARPHRD_LOOPBACK 772
#define OPER_UNKNOWN    0
#define OPER_DOWN       2
#define OPER_UP         6
#define LOWER_UP        0x10000
#define TX_QUEUE        1000
#define MOST            512 /* attributes of one message */
#define FAMILY_4        2
#define FAMILY_6        10

/* ---- interfaces ---- */

static void put_stats(struct nl_answer *a, const struct netif *netif)
{
	const struct netif_stats *s = &netif->stats;
	struct rtnl_link_stats64 all = { .rx_packets = s->rx_packets,
					 .tx_packets = s->tx_packets,
					 .rx_bytes = s->rx_bytes,
					 .tx_bytes = s->tx_bytes,
					 .rx_errors = s->rx_errors,
					 .tx_errors = s->tx_errors,
					 .rx_dropped = s->rx_dropped,
					 .tx_dropped = s->tx_dropped,
					 .multicast = s->multicast };
	struct rtnl_link_stats low = { .rx_packets = s->rx_packets,
				       .tx_packets = s->tx_packets,
				       .rx_bytes = s->rx_bytes,
				       .tx_bytes = s->tx_bytes,
				       .rx_errors = s->rx_errors,
				       .tx_errors = s->tx_errors,
				       .rx_dropped = s->rx_dropped,
				       .tx_dropped = s->tx_dropped,
				       .multicast = s->multicast };

	nl_put(a, IFLA_STATS64, &all, sizeof(all));
	nl_put(a, IFLA_STATS, &low, sizeof(low));
}

static u8 operational_state(const struct netif *netif)
{
	if (netif->flags & NETIF_LOOPBACK)
		return OPER_UNKNOWN;
	return netif->flags & NETIF_RUNNING ? OPER_UP : OPER_DOWN;
}

static void put_link(struct nl_answer *a, const struct netif *netif)
{
	static const u8 all_ones[6] = { 255, 255, 255, 255, 255, 255 }, zeros[6];
	const u8 *broadcast = netif->flags & NETIF_LOOPBACK ? zeros : all_ones;
	struct ifinfomsg *i = nl_begin(a, RTM_NEWLINK, sizeof(*i), MOST);
	u8 state = operational_state(netif);

	if (i == NULL)
		return;
	i->ifi_type = netif->flags & NETIF_LOOPBACK ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	i->ifi_index = netif->index;
	i->ifi_flags = netif->flags | (netif->flags & NETIF_RUNNING ? LOWER_UP : 0);
	nl_put(a, IFLA_IFNAME, netif->name, strlen(netif->name) + 1);
	nl_put_u32(a, IFLA_TXQLEN, TX_QUEUE);
	nl_put(a, IFLA_OPERSTATE, &state, sizeof(state));
	nl_put_u32(a, IFLA_MTU, netif->mtu);
	nl_put(a, IFLA_ADDRESS, netif->mac, sizeof(netif->mac));
	nl_put(a, IFLA_BROADCAST, broadcast, 6);
	put_stats(a, netif);
}

static int get_links(struct nl_answer *a)
{
	struct list *at;

	list_for_each (at, &netifs)
		put_link(a, container_of(at, struct netif, link));
	return 0;
}

/* The name among the attributes of a request, which are not trusted. */
static struct netif *named(const u8 *attrs, u32 len)
{
	char name[NETIF_NAME] = "";
	struct nlattr h;

	while (len >= sizeof(h)) {
		u32 whole;

		memcpy(&h, attrs, sizeof(h));
		if (h.nla_len < sizeof(h) || h.nla_len > len)
			break;
		if (h.nla_type == IFLA_IFNAME) {
			memcpy(name, attrs + sizeof(h),
			       MIN(h.nla_len - sizeof(h), sizeof(name) - 1));
			return netif_by_name(name);
		}
		whole = MIN((u32)NLA_ALIGN(h.nla_len), len);
		attrs += whole;
		len -= whole;
	}
	return NULL;
}

static int get_link(struct nl_answer *a, const u8 *body, u32 len)
{
	struct ifinfomsg i;
	struct netif *netif;

	if (len < sizeof(i))
		return -EINVAL;
	memcpy(&i, body, sizeof(i));
	netif = i.ifi_index > 0 ? netif_by_index(i.ifi_index) :
				  named(body + sizeof(i), len - sizeof(i));
	if (netif == NULL)
		return -ENODEV;
	put_link(a, netif);
	return 0;
}

/* ---- addresses ---- */

static u8 scope_of(const struct ipaddr *addr)
{
	if (ip_is_loopback(addr))
		return RT_SCOPE_HOST;
	return ip_is_link_local(addr) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

static u32 flags_of(const struct netif_addr *addr)
{
	u32 flags = addr->valid_until == NEVER ? IFA_F_PERMANENT : 0;

	if (addr->state == ADDR_TENTATIVE)
		flags |= IFA_F_TENTATIVE;
	if (addr->state == ADDR_DEPRECATED)
		flags |= IFA_F_DEPRECATED;
	if (addr->state == ADDR_DUPLICATE)
		flags |= IFA_F_DADFAILED;
	return flags;
}

static u32 seconds_left(u64 until)
{
	u64 now = now_ns();

	if (until == NEVER)
		return UINT32_MAX;
	return until > now ? (until - now) / SECOND : 0;
}

static void put_v4(struct nl_answer *a, const struct netif *netif, const struct netif_addr *addr)
{
	be32 v4 = ip_get4(&addr->addr);

	nl_put_u32(a, IFA_ADDRESS, v4);
	nl_put_u32(a, IFA_LOCAL, v4);
	if (netif->flags & NETIF_BROADCAST && addr->prefix < 31)
		nl_put_u32(a, IFA_BROADCAST, v4 | htonl(UINT32_MAX >> addr->prefix));
	nl_put(a, IFA_LABEL, netif->name, strlen(netif->name) + 1);
}

static void put_addr(struct nl_answer *a, const struct netif *netif, const struct netif_addr *addr)
{
	bool v4 = ip_is4(&addr->addr);
	struct ifaddrmsg *i = nl_begin(a, RTM_NEWADDR, sizeof(*i), MOST);
	struct ifa_cacheinfo life = { .ifa_prefered = seconds_left(addr->preferred_until),
				      .ifa_valid = seconds_left(addr->valid_until) };

	if (i == NULL)
		return;
	i->ifa_family = v4 ? FAMILY_4 : FAMILY_6;
	i->ifa_prefixlen = addr->prefix;
	i->ifa_flags = flags_of(addr);
	i->ifa_scope = scope_of(&addr->addr);
	i->ifa_index = netif->index;
	if (v4)
		put_v4(a, netif, addr);
	else
		nl_put(a, IFA_ADDRESS, addr->addr.b, sizeof(addr->addr.b));
	nl_put_u32(a, IFA_FLAGS, flags_of(addr));
	nl_put(a, IFA_CACHEINFO, &life, sizeof(life));
}

static int get_addrs(struct nl_answer *a, u8 family)
{
	struct list *at;

	list_for_each (at, &netifs) {
		const struct netif *netif = container_of(at, struct netif, link);

		for (unsigned i = 0; family != FAMILY_6 && i < netif->naddr4; i++)
			put_addr(a, netif, &netif->addr4[i]);
	}
	list_for_each (at, &netifs) {
		const struct netif *netif = container_of(at, struct netif, link);

		for (unsigned i = 0; family != FAMILY_4 && i < netif->naddr6; i++)
			put_addr(a, netif, &netif->addr6[i]);
	}
	return 0;
}

/* ---- routes ---- */

struct route {
	const struct netif *netif;
	const struct ipaddr *destination, *gateway, *source; /* or NULL */
	u8 prefix;
	u32 metric;
};

static void put_ip(struct nl_answer *a, u16 type, const struct ipaddr *addr)
{
	if (ip_is4(addr))
		nl_put_u32(a, type, ip_get4(addr));
	else
		nl_put(a, type, addr->b, sizeof(addr->b));
}

static void put_route(struct nl_answer *a, const struct route *r)
{
	bool v4 = ip_is4(r->destination);
	struct rtmsg *m = nl_begin(a, RTM_NEWROUTE, sizeof(*m), MOST);
	bool gateway = r->gateway != NULL && !ip_is_any(r->gateway);

	if (m == NULL)
		return;
	m->rtm_family = v4 ? FAMILY_4 : FAMILY_6;
	m->rtm_dst_len = r->prefix;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = gateway ? RTPROT_BOOT : RTPROT_KERNEL;
	m->rtm_scope = gateway || !v4 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	m->rtm_type = RTN_UNICAST;
	nl_put_u32(a, RTA_TABLE, RT_TABLE_MAIN);
	if (r->prefix > 0)
		put_ip(a, RTA_DST, r->destination);
	if (r->metric != 0)
		nl_put_u32(a, RTA_PRIORITY, r->metric);
	if (gateway)
		put_ip(a, RTA_GATEWAY, r->gateway);
	if (r->source != NULL)
		put_ip(a, RTA_PREFSRC, r->source);
	nl_put_u32(a, RTA_OIF, r->netif->index);
}

/* The network that an address is in. */
static struct ipaddr network_of(const struct netif_addr *addr)
{
	struct ipaddr n = addr->addr;
	unsigned bits = ip_is4(&n) ? 96 + addr->prefix : addr->prefix;

	for (unsigned i = 0; i < sizeof(n.b); i++)
		if (i * 8 + 8 > bits)
			n.b[i] &= i * 8 >= bits ? 0 : 0xff << (8 - bits % 8);
	return n;
}

static void put_link_routes(struct nl_answer *a, const struct netif *netif,
			    const struct netif_addr *addrs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct ipaddr network = network_of(&addrs[i]);
		struct route r = { .netif = netif,
				   .destination = &network,
				   .source = ip_is4(&network) ? &addrs[i].addr : NULL,
				   .prefix = addrs[i].prefix };

		if (!ip_is_loopback(&addrs[i].addr) && netif_addr_usable(&addrs[i]))
			put_route(a, &r);
	}
}

static int get_routes(struct nl_answer *a, u8 family)
{
	struct list *at;

	list_for_each (at, &ip_gateways) {
		const struct ip_gateway *g = container_of(at, struct ip_gateway, link);
		struct route r = { .netif = g->netif,
				   .destination = &g->destination,
				   .gateway = &g->gateway,
				   .prefix = g->prefix,
				   .metric = g->metric };

		if (family == 0 || family == (ip_is4(&g->destination) ? FAMILY_4 : FAMILY_6))
			put_route(a, &r);
	}
	list_for_each (at, &netifs) {
		const struct netif *netif = container_of(at, struct netif, link);

		if (family != FAMILY_6)
			put_link_routes(a, netif, netif->addr4, netif->naddr4);
		if (family != FAMILY_4)
			put_link_routes(a, netif, netif->addr6, netif->naddr6);
	}
	return 0;
}

int rtnetlink_request(struct nl_answer *a, const struct nlmsghdr *h, const u8 *body, u32 len)
{
	bool dump = (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	u8 family = len > 0 ? body[0] : 0;

	switch (h->nlmsg_type) {
	case RTM_GETLINK:
		return dump ? get_links(a) : get_link(a, body, len);
	case RTM_GETADDR:
		return dump ? get_addrs(a, family) : -EOPNOTSUPP;
	case RTM_GETROUTE:
		return dump ? get_routes(a, family) : -EOPNOTSUPP;
	}
	return -EOPNOTSUPP;
}
