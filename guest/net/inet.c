/*
 * The way out of and into an Internet socket: names, routes, control messages.
 */
#include "inet.h"
#include <linux/capability.h>
#include "../libos/process.h"
#include "../libos/timespec.h"
#include "stack.h"

#define PORT_PRIVILEGED 1024 /* net.ipv4.ip_unprivileged_port_start */

struct ipaddr inet_any(const struct socket *s)
{
	return s->family == AF_INET ? ip_from4(0) : (struct ipaddr){ .b = { 0 } };
}

/* ---- bind ---- */

static bool is_broadcast(const struct ipaddr *addr)
{
	struct list *at;

	list_for_each (at, &netifs)
		if (netif_is_broadcast(container_of(at, struct netif, link), addr))
			return true;
	return false;
}

static int check_bind_name(const struct socket *s, const struct sockname *name)
{
	if (s->family == AF_INET) {
		if (name->len < 16)
			return -EINVAL;
		/* ancient programs leave the family out */
		if (name->family != AF_INET && (name->family != AF_UNSPEC || name->in.addr != 0))
			return -EAFNOSUPPORT;
		return 0;
	}
	if (name->len < 24)
		return -EINVAL;
	return name->family == AF_INET6 ? 0 : -EAFNOSUPPORT;
}

static int check_address(const struct socket *s, const struct inet_options *o,
			 const struct ipaddr *addr, u32 scope)
{
	if (s->family == AF_INET6 && ip_is4(addr) && s->opt.v6only)
		return -EINVAL;
	if (!ip_is4(addr) && ip_is_link_local(addr) && scope == 0 && s->opt.ifindex == 0)
		return -EINVAL;
	if (scope != 0 && ip_is_link_local(addr) && netif_by_index(scope) == NULL)
		return -ENODEV;
	if (ip_is_any(addr) || ip_is_multicast(addr) || is_broadcast(addr) || o->freebind)
		return 0;
	return net_is_local(addr) ? 0 : -EADDRNOTAVAIL;
}

int inet_bind_name(const struct socket *s, const struct inet_options *o,
		   const struct sockname *name, struct ipaddr *addr, u16 *port, u32 *scope)
{
	int error = check_bind_name(s, name);

	if (error < 0)
		return error;
	*scope = 0;
	if (s->family == AF_INET) {
		*addr = ip_from4(name->in.addr);
		*port = ntohs(name->in.port);
	} else {
		memcpy(addr->b, name->in6.addr, sizeof(addr->b));
		*port = ntohs(name->in6.port);
		if (name->len >= 28 && ip_is_link_local(addr))
			*scope = name->in6.scope;
	}
	error = check_address(s, o, addr, *scope);
	if (error < 0)
		return error;
	if (*port != 0 && *port < PORT_PRIVILEGED && !capable(CAP_NET_BIND_SERVICE))
		return -EACCES;
	return 0;
}

/* ---- out ---- */

/* What is sent to nobody in particular stays here, as on Linux. */
static struct ipaddr real_destination(const struct ipaddr *dst)
{
	if (!ip_is_any(dst))
		return *dst;
	return ip_is4(dst) ? ip_from4(htonl(0x7f000001)) : (struct ipaddr){ .b = { [15] = 1 } };
}

void inet_out_init(struct inet_out *out, const struct socket *s, const struct inet_options *o,
		   const struct ipaddr *src, const struct ipaddr *dst, u32 scope)
{
	struct ip_send *to = &out->to;
	bool group, v4;

	memset(out, 0, sizeof(*out));
	to->dst = real_destination(dst);
	group = ip_is_multicast(&to->dst);
	v4 = ip_is4(&to->dst);
	to->src = src == NULL || ip_is_multicast(src) || is_broadcast(src) ? inet_any(s) : *src;
	to->tos = v4 ? o->tos : o->tclass;
	if (group)
		to->ttl = v4 ? o->mc_ttl : o->mc_hops;
	else
		to->ttl = v4 ? o->ttl : o->hops;
	to->ifindex = s->opt.ifindex;
	if (to->ifindex == 0)
		to->ifindex = scope;
	if (to->ifindex == 0 && group)
		to->ifindex = v4 ? o->mc_ifindex : o->mc_ifindex6;
}

struct pktinfo4 { /* struct in_pktinfo */
	u32 ifindex;
	be32 spec_dst, addr;
};
struct pktinfo6 { /* struct in6_pktinfo */
	u8 addr[16];
	u32 ifindex;
};

static int control_ip(struct ip_send *to, const struct sock_control *c)
{
	struct pktinfo4 info;
	int n = 0;

	switch (c->type) {
	case IP_PKTINFO:
		if (c->len != sizeof(info))
			return -EINVAL;
		memcpy(&info, c->data, sizeof(info));
		if (info.ifindex != 0)
			to->ifindex = info.ifindex;
		if (info.spec_dst != 0)
			to->src = ip_from4(info.spec_dst);
		return 0;
	case IP_TTL:
		if (c->len != sizeof(n))
			return -EINVAL;
		memcpy(&n, c->data, sizeof(n));
		to->ttl = n;
		return n < 1 || n > 255 ? -EINVAL : 0;
	case IP_TOS:
		to->tos = c->len > 0 ? c->data[0] : 0;
		return c->len == 1 || c->len == sizeof(n) ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static int control_ipv6(struct ip_send *to, const struct sock_control *c)
{
	struct pktinfo6 info;
	struct ipaddr src;
	int n;

	if (c->type == IPV6_PKTINFO) {
		if (c->len < sizeof(info))
			return -EINVAL;
		memcpy(&info, c->data, sizeof(info));
		memcpy(src.b, info.addr, sizeof(src.b));
		if (info.ifindex != 0)
			to->ifindex = info.ifindex;
		if (!ip_is_any(&src))
			to->src = src;
		return 0;
	}
	if (c->len != sizeof(n))
		return -EINVAL;
	memcpy(&n, c->data, sizeof(n));
	if (n < -1 || n > 255)
		return -EINVAL;
	if (c->type == IPV6_HOPLIMIT)
		to->ttl = n < 0 ? 0 : n;
	else if (c->type == IPV6_TCLASS)
		to->tos = n < 0 ? 0 : n;
	else
		return -EINVAL;
	return 0;
}

#define UDP_SEGMENT 103

int inet_out_control(struct inet_out *out, const struct sockmsg *msg)
{
	struct sock_control c;
	u32 at = 0;
	int r;

	while ((r = sockmsg_next_control(msg, &at, &c)) > 0) {
		if (c.level == SOL_IP)
			r = control_ip(&out->to, &c);
		else if (c.level == SOL_IPV6)
			r = control_ipv6(&out->to, &c);
		else if (c.level == SOL_UDP && c.type == UDP_SEGMENT && c.len == 2)
			memcpy(&out->segment, c.data, sizeof(out->segment));
		if (r < 0)
			return r;
	}
	return r;
}

int inet_out_route(struct inet_out *out, const struct socket *s)
{
	struct ip_send *to = &out->to;
	int error, waited;

	if (is_broadcast(&to->dst) && !s->opt.broadcast)
		return -EACCES;
	for (;;) {
		error = ip_route(&to->src, &to->dst, to->ifindex, &out->path);
		if (error != -ENETUNREACH)
			break;
		waited = dhcp_wait();
		if (waited < 0)
			return waited == -EINTR ? waited : error;
	}
	if (error == 0)
		to->src = out->path.src;
	return error;
}

void inet_out_fragments(struct inet_out *out, const struct inet_options *o, u32 len)
{
	u32 header = ip_is4(&out->to.dst) ? 20 : 40;
	u8 pmtu = ip_is4(&out->to.dst) ? o->pmtu : o->pmtu6;

	out->to.dont_fragment = pmtu == IP_PMTUDISC_DO || pmtu == IP_PMTUDISC_PROBE ||
				(pmtu == IP_PMTUDISC_WANT && len + header <= out->path.mtu) ||
				(!ip_is4(&out->to.dst) && o->dontfrag);
}

/* ---- in ---- */

bool inet_wants_group(const struct inet_options *o, const struct pkt *pkt)
{
	struct list *at;

	if (ip_is4(&pkt->dst) ? o->mc_all : o->mc_all6)
		return true;
	list_for_each (at, &o->groups) {
		const struct inet_group *g = container_of(at, struct inet_group, link);

		if (ip_equal(&g->addr, &pkt->dst) && g->ifindex == pkt->netif->index)
			return true;
	}
	return false;
}

/* Of the two ways to have the time of arrival: the wall clock's. */
static void put_timestamp(struct sockmsg *msg, const struct socket *s, const struct pkt *pkt)
{
	u64 ns = realtime_ns() - (now_ns() - pkt->when);
	struct __kernel_timespec ts = ns_timespec(ns);
	struct timeval tv = ns_timeval(ns);

	if (s->opt.timestamp_ns)
		sockmsg_put_control(msg, SOL_SOCKET, SO_TIMESTAMPNS, &ts, sizeof(ts));
	else if (s->opt.timestamp)
		sockmsg_put_control(msg, SOL_SOCKET, SO_TIMESTAMP, &tv, sizeof(tv));
}

static void put_control4(struct sockmsg *msg, const struct inet_options *o, const struct pkt *pkt)
{
	be32 dst = ip_get4(&pkt->dst);
	struct pktinfo4 info = { pkt->netif->index, dst, dst };
	int ttl = pkt->ttl;

	if (o->pktinfo) {
		if (pkt->from_link != PKT_HOST && pkt->netif->naddr4 > 0)
			info.spec_dst = ip_get4(&pkt->netif->addr4[0].addr);
		sockmsg_put_control(msg, SOL_IP, IP_PKTINFO, &info, sizeof(info));
	}
	if (o->recvttl)
		sockmsg_put_control(msg, SOL_IP, IP_TTL, &ttl, sizeof(ttl));
	if (o->recvtos)
		sockmsg_put_control(msg, SOL_IP, IP_TOS, &pkt->tos, sizeof(pkt->tos));
}

static void put_control6(struct sockmsg *msg, const struct inet_options *o, const struct pkt *pkt)
{
	struct pktinfo6 info = { .ifindex = pkt->netif->index };
	int hops = pkt->ttl, tclass = pkt->tos;

	memcpy(info.addr, pkt->dst.b, sizeof(info.addr));
	if (o->pktinfo6)
		sockmsg_put_control(msg, SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	if (o->recvhops)
		sockmsg_put_control(msg, SOL_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
	if (o->recvtclass)
		sockmsg_put_control(msg, SOL_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
}

void inet_put_control(struct sockmsg *msg, const struct socket *s, const struct inet_options *o,
		      const struct pkt *pkt)
{
	put_timestamp(msg, s, pkt);
	if (s->family == AF_INET6)
		put_control6(msg, o, pkt);
	if (ip_is4(&pkt->dst))
		put_control4(msg, o, pkt);
}
