/*
 * The options of SOL_IP and SOL_IPV6 (ip(7), ipv6(7)). Most are numbers within
 * bounds: a table says where they are kept.
 */
#include <linux/capability.h>
#include "../libos/heap.h"
#include "../libos/process.h"
#include "inet.h"

#define IP_MULTICAST_ALL      49
#define MCAST_JOIN_GROUP      42
#define MCAST_LEAVE_GROUP     45
#define MAX_GROUPS            20 /* net.ipv4.igmp_max_memberships */
#define DEFAULT_MULTICAST_TTL 1

struct number {
	u16 name, offset;
	int16_t least, most;
	int16_t absent; /* what -1 means, or 0: it is not allowed */
	bool reduce; /* a switch: anything but 0 is 1 */
	bool datagram; /* not for streams */
};
#define AT(member) offsetof(struct inet_options, member)
#define SWITCH(n, m)                                         \
	{                                                    \
		.name = (n), .offset = AT(m), .reduce = true \
	}
#define NUMBER(n, m, ...)                                 \
	{                                                 \
		.name = (n), .offset = AT(m), __VA_ARGS__ \
	}

static const struct number numbers4[] = {
	NUMBER(IP_TOS, tos, .least = INT16_MIN, .most = INT16_MAX),
	NUMBER(IP_TTL, ttl, .least = 1, .most = 255, .absent = IP_DEFAULT_TTL),
	NUMBER(IP_MTU_DISCOVER, pmtu, .most = IP_PMTUDISC_OMIT),
	NUMBER(IP_MULTICAST_TTL, mc_ttl, .most = 255, .absent = DEFAULT_MULTICAST_TTL,
	       .datagram = true),
	NUMBER(IP_MULTICAST_ALL, mc_all, .most = 1),
	SWITCH(IP_MULTICAST_LOOP, mc_loop),
	SWITCH(IP_RECVERR, recverr),
	SWITCH(IP_PKTINFO, pktinfo),
	SWITCH(IP_RECVTTL, recvttl),
	SWITCH(IP_RECVTOS, recvtos),
	SWITCH(IP_FREEBIND, freebind),
	SWITCH(IP_BIND_ADDRESS_NO_PORT, no_port),
};
static const struct number numbers6[] = {
	NUMBER(IPV6_UNICAST_HOPS, hops, .least = 0, .most = 255, .absent = IP_DEFAULT_TTL),
	NUMBER(IPV6_MULTICAST_HOPS, mc_hops, .most = 255, .absent = DEFAULT_MULTICAST_TTL,
	       .datagram = true),
	NUMBER(IPV6_TCLASS, tclass, .most = 255, .absent = -1),
	NUMBER(IPV6_MTU_DISCOVER, pmtu6, .most = IPV6_PMTUDISC_OMIT),
	NUMBER(IPV6_MULTICAST_LOOP, mc_loop6, .most = 1),
	NUMBER(IPV6_MULTICAST_ALL, mc_all6, .most = 1),
	SWITCH(IPV6_RECVERR, recverr6),
	SWITCH(IPV6_RECVPKTINFO, pktinfo6),
	SWITCH(IPV6_RECVHOPLIMIT, recvhops),
	SWITCH(IPV6_RECVTCLASS, recvtclass),
	SWITCH(IPV6_FREEBIND, freebind),
	SWITCH(IPV6_DONTFRAG, dontfrag),
	SWITCH(IPV6_AUTOFLOWLABEL, autoflow),
};

static const struct number *find(int level, int name)
{
	const struct number *t = level == SOL_IP ? numbers4 : numbers6;
	size_t n = level == SOL_IP ? ARRAY_SIZE(numbers4) : ARRAY_SIZE(numbers6);

	for (size_t i = 0; i < n; i++)
		if (t[i].name == name)
			return &t[i];
	return NULL;
}

void inet_options_init(struct inet_options *o)
{
	memset(o, 0, sizeof(*o));
	o->mc_ttl = o->mc_hops = DEFAULT_MULTICAST_TTL;
	o->mc_loop = o->mc_loop6 = o->mc_all = o->mc_all6 = o->autoflow = true;
	o->pmtu = o->pmtu6 = IP_PMTUDISC_WANT;
	list_init(&o->groups);
}

/* ---- multicast groups ---- */

static void leave(struct inet_group *g)
{
	list_del(&g->link);
	kfree(g);
}

void inet_options_release(struct inet_options *o)
{
	while (!list_empty(&o->groups))
		leave(container_of(o->groups.next, struct inet_group, link));
}

/* The interface that a group is joined on: as asked for, by one of our
 * addresses, or by the route to the group. NULL: none. */
static struct netif *group_netif(const struct ipaddr *group, unsigned ifindex, be32 address)
{
	struct ip_path path;
	struct list *at;

	if (ifindex != 0)
		return netif_by_index(ifindex);
	if (address == 0)
		return ip_route(NULL, group, 0, &path) < 0 ? NULL : path.netif;
	list_for_each (at, &netifs) {
		struct netif *n = container_of(at, struct netif, link);

		for (unsigned i = 0; i < n->naddr4; i++)
			if (ip_get4(&n->addr4[i].addr) == address)
				return n;
	}
	return NULL;
}

static struct inet_group *find_group(struct inet_options *o, const struct ipaddr *addr,
				     unsigned ifindex)
{
	struct list *at;

	list_for_each (at, &o->groups) {
		struct inet_group *g = container_of(at, struct inet_group, link);

		if (ip_equal(&g->addr, addr) && (ifindex == 0 || g->ifindex == ifindex))
			return g;
	}
	return NULL;
}

static int join(struct inet_options *o, const struct ipaddr *group, const struct netif *netif)
{
	struct inet_group *g;
	unsigned count = 0;
	struct list *at;

	if (netif == NULL)
		return -ENODEV;
	if (find_group(o, group, netif->index) != NULL)
		return -EADDRINUSE;
	list_for_each (at, &o->groups)
		count++;
	if (count >= MAX_GROUPS)
		return -ENOBUFS;
	g = kalloc(sizeof(*g));
	if (g == NULL)
		return -ENOMEM;
	g->addr = *group;
	g->ifindex = netif->index;
	list_add_tail(&o->groups, &g->link);
	return 0;
}

static int membership(struct inet_options *o, bool add, const struct ipaddr *group,
		      unsigned ifindex, be32 address)
{
	struct inet_group *g;
	struct netif *netif;

	if (!ip_is_multicast(group))
		return -EINVAL;
	netif = group_netif(group, ifindex, address);
	if (add)
		return join(o, group, netif);
	if (netif == NULL && (ifindex != 0 || address != 0))
		return -ENODEV;
	g = find_group(o, group, ifindex != 0 || address != 0 ? netif->index : 0);
	if (g == NULL)
		return -EADDRNOTAVAIL;
	leave(g);
	return 0;
}

struct mreq4 { /* struct ip_mreqn; struct ip_mreq is without ifindex */
	be32 group, address;
	u32 ifindex;
};
struct mreq6 { /* struct ipv6_mreq */
	u8 group[16];
	u32 ifindex;
};

static int membership4(struct inet_options *o, bool add, const void *value, u32 len)
{
	struct mreq4 m = { 0, 0, 0 };
	struct ipaddr group;

	if (len < 8)
		return -EINVAL;
	memcpy(&m, value, MIN(len, (u32)sizeof(m)));
	if (len < sizeof(m))
		m.ifindex = 0;
	group = ip_from4(m.group);
	return membership(o, add, &group, m.ifindex, m.address);
}

static int membership6(struct inet_options *o, bool add, const void *value, u32 len)
{
	struct mreq6 m;
	struct ipaddr group;

	if (len < sizeof(m))
		return -EINVAL;
	memcpy(&m, value, sizeof(m));
	memcpy(group.b, m.group, sizeof(group.b));
	if (ip_is4(&group))
		return -EINVAL;
	return membership(o, add, &group, m.ifindex, 0);
}

/* RFC 3678, either family: an interface and a struct sockaddr_storage. */
static int membership_any(struct inet_options *o, bool add, const u8 *value, u32 len)
{
	struct ipaddr group;
	u16 family;
	u32 ifindex;
	be32 v4;

	if (len < 136)
		return -EINVAL;
	memcpy(&ifindex, value, sizeof(ifindex));
	memcpy(&family, value + 8, sizeof(family));
	memcpy(&v4, value + 12, sizeof(v4));
	group = ip_from4(v4);
	if (family == AF_INET6)
		memcpy(group.b, value + 16, sizeof(group.b));
	else if (family != AF_INET)
		return -EADDRNOTAVAIL;
	return membership(o, add, &group, ifindex, 0);
}

static int set_multicast_if4(struct inet_options *o, const void *value, u32 len)
{
	struct mreq4 m = { 0, 0, 0 };
	struct ipaddr any = ip_from4(htonl(0xe0000001));
	struct netif *netif;

	if (len < 4)
		return -EINVAL;
	if (len >= 8)
		memcpy(&m, value, MIN(len, (u32)sizeof(m)));
	else
		memcpy(&m.address, value, 4);
	if (len < sizeof(m))
		m.ifindex = 0;
	if (m.ifindex == 0 && m.address == 0) {
		o->mc_ifindex = 0;
		return 0;
	}
	netif = group_netif(&any, m.ifindex, m.address);
	if (netif == NULL)
		return -EADDRNOTAVAIL;
	o->mc_ifindex = netif->index;
	return 0;
}

/* ---- numbers ---- */

static int set_number(const struct socket *s, struct inet_options *o, const struct number *d, int n)
{
	u8 *at = (u8 *)o + d->offset;

	if (d->datagram && s->type == SOCK_STREAM)
		return -EINVAL;
	if (d->reduce) {
		*at = n != 0;
	} else if (n == -1 && d->absent != 0) {
		*at = d->datagram ? d->absent : 0;
	} else {
		if (n < d->least || n > d->most)
			return -EINVAL;
		*at = n;
	}
	return 0;
}

/* What a program reads where it has set nothing. */
static int get_number(const struct inet_options *o, const struct number *d)
{
	int n = *((const u8 *)o + d->offset);

	return n == 0 && d->absent > 0 && !d->datagram ? d->absent : n;
}

static int set_ip(struct socket *s, struct inet_options *o, int name, const void *value, u32 len)
{
	const struct number *d = find(SOL_IP, name);
	int n, error;

	switch (name) {
	case IP_ADD_MEMBERSHIP:
	case IP_DROP_MEMBERSHIP:
		return s->type == SOCK_STREAM ?
			       -EPROTO :
			       membership4(o, name == IP_ADD_MEMBERSHIP, value, len);
	case IP_MULTICAST_IF:
		return s->type == SOCK_STREAM ? -EINVAL : set_multicast_if4(o, value, len);
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP:
		return membership_any(o, name == MCAST_JOIN_GROUP, value, len);
	}
	error = sockopt_int(value, len, &n);
	if (name == IP_TRANSPARENT && error == 0) {
		if (n != 0 && !capable(CAP_NET_RAW) && !capable(CAP_NET_ADMIN))
			return -EPERM;
		o->transparent = o->freebind = n != 0;
		return 0;
	}
	if (name == IP_HDRINCL && s->type == SOCK_RAW && error == 0) {
		o->header_included = n != 0;
		return 0;
	}
	if (d == NULL)
		return -ENOPROTOOPT;
	return error < 0 ? error : set_number(s, o, d, n);
}

static int set_v6only(struct socket *s, bool bound, const void *value, u32 len)
{
	int n;

	if (len < sizeof(n) || bound)
		return -EINVAL;
	memcpy(&n, value, sizeof(n));
	s->opt.v6only = n != 0;
	return 0;
}

static int set_ipv6(struct socket *s, struct inet_options *o, bool bound, int name,
		    const void *value, u32 len)
{
	const struct number *d = find(SOL_IPV6, name);
	int n;

	switch (name) {
	case IPV6_V6ONLY:
		return set_v6only(s, bound, value, len);
	case IPV6_ADD_MEMBERSHIP:
	case IPV6_DROP_MEMBERSHIP:
		return s->type == SOCK_STREAM ?
			       -EPROTO :
			       membership6(o, name == IPV6_ADD_MEMBERSHIP, value, len);
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP:
		return membership_any(o, name == MCAST_JOIN_GROUP, value, len);
	case IPV6_MULTICAST_IF:
		if (s->type == SOCK_STREAM)
			return -ENOPROTOOPT;
		if (len < sizeof(n))
			return -EINVAL;
		memcpy(&n, value, sizeof(n));
		if (n != 0 && netif_by_index(n) == NULL)
			return -ENODEV;
		o->mc_ifindex6 = n;
		return 0;
	}
	if (d == NULL)
		return -ENOPROTOOPT;
	if (len < sizeof(n))
		return -EINVAL;
	memcpy(&n, value, sizeof(n));
	return set_number(s, o, d, n);
}

int inet_setsockopt(struct socket *s, struct inet_options *o, bool bound, int level, int name,
		    const void *value, u32 len)
{
	if (level == SOL_IP)
		return set_ip(s, o, name, value, len);
	if (level == SOL_IPV6 && s->family == AF_INET6)
		return set_ipv6(s, o, bound, name, value, len);
	return -ENOPROTOOPT;
}

static int get_mtu(const struct inet_options *o, void *value, u32 *len)
{
	return o->mtu == 0 ? -ENOTCONN : sockopt_put_int(value, len, o->mtu);
}

int inet_getsockopt(struct socket *s, struct inet_options *o, int level, int name, void *value,
		    u32 *len)
{
	const struct number *d;

	if (level != SOL_IP && (level != SOL_IPV6 || s->family != AF_INET6))
		return s->family == AF_INET ? -EOPNOTSUPP : -ENOPROTOOPT;
	d = find(level, name);
	if (d != NULL) {
		/* ip(7): a byte, where there is only room for one */
		if (level == SOL_IP && *len > 0 && *len < sizeof(int)) {
			*len = 1;
			*(u8 *)value = get_number(o, d);
			return 0;
		}
		return sockopt_put_int(value, len, get_number(o, d));
	}
	if (level == SOL_IP) {
		if (name == IP_MTU)
			return get_mtu(o, value, len);
		if (name == IP_TRANSPARENT)
			return sockopt_put_int(value, len, o->transparent);
		if (name == IP_HDRINCL && s->type == SOCK_RAW)
			return sockopt_put_int(value, len, o->header_included);
		return -ENOPROTOOPT;
	}
	switch (name) {
	case IPV6_V6ONLY:
		return sockopt_put_int(value, len, s->opt.v6only);
	case IPV6_MULTICAST_IF:
		return sockopt_put_int(value, len, o->mc_ifindex6);
	case IPV6_MTU:
		return get_mtu(o, value, len);
	}
	return -ENOPROTOOPT;
}
