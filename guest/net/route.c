/*
 * Routes. There is no table: an interface's addresses say what is on its link,
 * and ip_gateways what lies behind a gateway (or, with the unspecified address
 * as gateway, is on the link as well). What a look-up found is kept, by source,
 * destination and interface, until net_generation changes.
 *
 * Path MTUs (RFC 1191, 8201) are a small table in which a new destination
 * takes the oldest's place; an entry is forgotten after ten minutes, so that a
 * larger MTU is found again.
 */
#include "../libos/heap.h"
#include "../libos/thread.h"
#include "neigh.h"

#define CACHED       64
#define GATEWAYS     64 /* most; router advertisements may add */
#define PMTUS        64
#define PMTU_SECONDS 600

struct cached {
	struct ipaddr src, dst; /* as asked for */
	unsigned ifindex;
	u32 generation; /* 0: empty */
	struct ip_path path;
};

struct pmtu {
	struct ipaddr dst;
	u32 mtu; /* 0: free */
	u64 until;
};

struct list ip_gateways = { &ip_gateways, &ip_gateways };
static unsigned ngateways;
static struct cached cache[CACHED];
static struct pmtu pmtu[PMTUS];
static void expire(struct timer *timer);
static struct timer expiry = { .expired = expire };

/* ---- expiry ---- */

static void expire_by(u64 when)
{
	if (when != NEVER && (!expiry.armed || when < expiry.deadline))
		timer_arm(&expiry, when);
}

static void gateway_free(struct ip_gateway *g)
{
	list_del(&g->link);
	kfree(g);
	ngateways--;
	net_generation++;
}

static void expire(struct timer *timer)
{
	u64 now = now_ns();
	struct list *at, *next;

	(void)timer;
	for (at = ip_gateways.next; at != &ip_gateways; at = next) {
		struct ip_gateway *g = container_of(at, struct ip_gateway, link);

		next = at->next;
		if (g->valid_until <= now)
			gateway_free(g);
		else
			expire_by(g->valid_until);
	}
	for (unsigned i = 0; i < PMTUS; i++) {
		if (pmtu[i].mtu == 0)
			continue;
		if (pmtu[i].until <= now) {
			pmtu[i].mtu = 0;
			net_generation++;
		} else {
			expire_by(pmtu[i].until);
		}
	}
}

/* ---- path MTUs ---- */

void pmtu_learn(const struct ipaddr *dst, u32 mtu)
{
	struct pmtu *slot = &pmtu[0];

	for (unsigned i = 0; i < PMTUS; i++) {
		if (pmtu[i].mtu != 0 && ip_equal(&pmtu[i].dst, dst)) {
			slot = &pmtu[i];
			break;
		}
		if (slot->mtu != 0 && (pmtu[i].mtu == 0 || pmtu[i].until < slot->until))
			slot = &pmtu[i];
	}
	*slot = (struct pmtu){ *dst, mtu, now_ns() + PMTU_SECONDS * SECOND };
	expire_by(slot->until);
	net_generation++;
}

static u32 mtu_of(const struct netif *netif, const struct ipaddr *dst)
{
	u32 mtu = ip_is4(dst) ? MIN(netif->mtu, IP4_MAX) : ndp_mtu(netif);

	for (unsigned i = 0; i < PMTUS; i++)
		if (pmtu[i].mtu != 0 && ip_equal(&pmtu[i].dst, dst))
			return MIN(mtu, pmtu[i].mtu);
	return mtu;
}

/* ---- gateways ---- */

static bool in_prefix(const struct ipaddr *a, const struct ipaddr *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	for (unsigned i = 0; i < bytes; i++)
		if (a->b[i] != b->b[i])
			return false;
	return rest == 0 || ((a->b[bytes] ^ b->b[bytes]) >> (8 - rest)) == 0;
}

bool ip_in_prefix(const struct ipaddr *a, const struct ipaddr *b, unsigned prefix)
{
	bool v4 = ip_is4(a);

	return v4 == ip_is4(b) && in_prefix(a, b, v4 ? 96 + prefix : prefix);
}

static struct ip_gateway *gateway_find(const struct netif *netif, const struct ipaddr *destination,
				       unsigned prefix, const struct ipaddr *gateway)
{
	struct list *at;

	list_for_each (at, &ip_gateways) {
		struct ip_gateway *g = container_of(at, struct ip_gateway, link);

		if (g->netif == netif && g->prefix == prefix &&
		    ip_equal(&g->destination, destination) && ip_equal(&g->gateway, gateway))
			return g;
	}
	return NULL;
}

static void gateway_insert(struct ip_gateway *g)
{
	struct list *at;

	list_for_each (at, &ip_gateways) {
		struct ip_gateway *other = container_of(at, struct ip_gateway, link);

		if (other->prefix < g->prefix ||
		    (other->prefix == g->prefix && other->metric > g->metric))
			break;
	}
	list_add_tail(at, &g->link);
}

int ip_add_gateway(struct netif *netif, const struct ipaddr *destination, unsigned prefix,
		   const struct ipaddr *gateway, u32 metric, u64 valid_until)
{
	struct ip_gateway *g = gateway_find(netif, destination, prefix, gateway);

	if (prefix > (ip_is4(destination) ? 32u : 128u))
		return -EINVAL;
	if (g != NULL) {
		list_del(&g->link);
	} else {
		g = ngateways < GATEWAYS ? kalloc(sizeof(*g)) : NULL;
		if (g == NULL)
			return -ENOMEM;
		ngateways++;
	}
	*g = (struct ip_gateway){ { NULL, NULL }, netif,  *destination, *gateway,
				  prefix,         metric, valid_until };
	gateway_insert(g);
	expire_by(valid_until);
	net_generation++;
	return 0;
}

int ip_del_gateway(struct netif *netif, const struct ipaddr *destination, unsigned prefix,
		   const struct ipaddr *gateway)
{
	struct ip_gateway *g = gateway_find(netif, destination, prefix, gateway);

	if (g == NULL)
		return -ESRCH;
	gateway_free(g);
	return 0;
}

void route_stop(void)
{
	while (!list_empty(&ip_gateways))
		gateway_free(container_of(ip_gateways.next, struct ip_gateway, link));
	memset(pmtu, 0, sizeof(pmtu));
	timer_cancel(&expiry);
	net_generation++;
}

/* ---- source addresses ---- */

static unsigned scope(const struct ipaddr *a)
{
	if (!ip_is4(a) && ip_is_multicast(a))
		return a->b[1] & 15; /* RFC 4291, 2.7 */
	return ip_is_link_local(a) || ip_is_loopback(a) ? 2 : 14;
}

static unsigned common_prefix(const struct ipaddr *a, const struct ipaddr *b)
{
	unsigned bits = 0;

	while (bits < 128 && in_prefix(a, b, bits + 1))
		bits++;
	return bits;
}

/* RFC 6724, 5: whether a is a better source for dst than b (NULL: none). */
static bool better(const struct netif_addr *a, const struct netif_addr *b, const struct ipaddr *dst)
{
	unsigned sa, sb, sd = scope(dst);

	if (b == NULL)
		return true;
	sa = scope(&a->addr);
	sb = scope(&b->addr);
	if (sa != sb) /* rule 2 */
		return sa < sb ? sa >= sd : sb < sd;
	if (a->state != b->state) /* rule 3 */
		return a->state == ADDR_PREFERRED;
	return common_prefix(&a->addr, dst) > common_prefix(&b->addr, dst); /* rule 8 */
}

bool ip_choose_source(const struct netif *netif, const struct ipaddr *dst, struct ipaddr *src)
{
	bool v4 = ip_is4(dst);
	const struct netif_addr *best = NULL, *a = v4 ? netif->addr4 : netif->addr6;
	unsigned n = v4 ? netif->naddr4 : netif->naddr6;

	for (unsigned i = 0; i < n; i++)
		if (netif_addr_usable(&a[i]) && better(&a[i], best, dst))
			best = &a[i];
	if (best != NULL)
		*src = best->addr;
	return best != NULL;
}

/* ---- looking up ---- */

struct found {
	struct netif *netif;
	struct ipaddr next_hop;
	int prefix; /* -1: nothing yet */
};

static bool may_use(const struct netif *netif, unsigned ifindex)
{
	return netif->flags & NETIF_UP && !(netif->flags & NETIF_LOOPBACK) &&
	       (ifindex == 0 || netif->index == ifindex);
}

static void look_at_links(const struct ipaddr *dst, unsigned ifindex, struct found *f)
{
	struct list *at;

	list_for_each (at, &netifs) {
		struct netif *netif = container_of(at, struct netif, link);
		bool v4 = ip_is4(dst);
		const struct netif_addr *a = v4 ? netif->addr4 : netif->addr6;
		unsigned n = v4 ? netif->naddr4 : netif->naddr6;

		if (!may_use(netif, ifindex))
			continue;
		for (unsigned i = 0; i < n; i++)
			if (netif_addr_usable(&a[i]) && a[i].prefix > f->prefix &&
			    ip_in_prefix(dst, &a[i].addr, a[i].prefix))
				*f = (struct found){ netif, *dst, a[i].prefix };
	}
}

/* The gateway of the longest prefix; of several, the first whose neighbour has
 * not failed us (RFC 4861, 6.3.6). */
static void look_at_gateways(const struct ipaddr *dst, unsigned ifindex, struct found *f)
{
	struct list *at;
	bool failed = false;

	list_for_each (at, &ip_gateways) {
		struct ip_gateway *g = container_of(at, struct ip_gateway, link);

		if (failed ? g->prefix < f->prefix : g->prefix <= f->prefix)
			return;
		if (!may_use(g->netif, ifindex) || !ip_in_prefix(dst, &g->destination, g->prefix))
			continue;
		if (failed && neigh_failed(g->netif, &g->gateway))
			continue;
		*f = (struct found){ g->netif, ip_is_any(&g->gateway) ? *dst : g->gateway,
				     g->prefix };
		failed = neigh_failed(g->netif, &g->gateway);
		if (!failed)
			return;
	}
}

/* Multicast and broadcast leave by the interface that was asked for, else by
 * the source's, else by the first. */
static void look_for_many(const struct ipaddr *src, const struct ipaddr *dst, unsigned ifindex,
			  struct found *f)
{
	struct list *at;

	list_for_each (at, &netifs) {
		struct netif *netif = container_of(at, struct netif, link);
		bool is_source = !ip_is_any(src) && netif_has_addr(netif, src);

		if (may_use(netif, ifindex) && (f->netif == NULL || is_source))
			*f = (struct found){ netif, *dst, 0 };
	}
}

static bool for_many(const struct ipaddr *dst)
{
	return ip_is_multicast(dst) || (ip_is4(dst) && ip_get4(dst) == 0xffffffff) ||
	       (!ip_is4(dst) && ip_is_link_local(dst));
}

static int look_up(const struct ipaddr *src, const struct ipaddr *dst, unsigned ifindex,
		   struct ip_path *path)
{
	struct found f = { NULL, *dst, -1 };
	bool local = net_is_local(dst);

	if (local)
		f.netif = net_loopback;
	else if (for_many(dst))
		look_for_many(src, dst, ifindex, &f);
	else if (!ip_is_any(dst) && !ip_is_loopback(dst)) {
		look_at_links(dst, ifindex, &f);
		look_at_gateways(dst, ifindex, &f);
	}
	if (f.netif == NULL)
		return -ENETUNREACH;
	*path = (struct ip_path){ f.netif, *src, f.next_hop, mtu_of(f.netif, dst) };
	if (!ip_is_any(src))
		return net_is_local(src) && ip_is4(src) == ip_is4(dst) &&
				       (local || !ip_is_loopback(src)) ?
			       0 :
			       -EADDRNOTAVAIL;
	if (local)
		path->src = *dst;
	else if (!ip_choose_source(f.netif, dst, &path->src))
		return -ENETUNREACH;
	return 0;
}

static u32 hash(const struct ipaddr *src, const struct ipaddr *dst, unsigned ifindex)
{
	u64 s, d;

	__builtin_memcpy(&s, src->b + 8, sizeof(s));
	__builtin_memcpy(&d, dst->b + 8, sizeof(d));
	return ((d + s * 31 + ifindex) * 0x9e3779b97f4a7c15) >> 58;
}

int ip_route(const struct ipaddr *src, const struct ipaddr *dst, unsigned ifindex,
	     struct ip_path *path)
{
	static const struct ipaddr any;
	struct cached *c;
	int error;

	if (src == NULL)
		src = &any;
	c = &cache[hash(src, dst, ifindex) % CACHED];
	if (c->generation != net_generation || c->ifindex != ifindex || !ip_equal(&c->dst, dst) ||
	    !ip_equal(&c->src, src)) {
		c->generation = 0;
		error = look_up(src, dst, ifindex, &c->path);
		if (error < 0)
			return error;
		c->src = *src;
		c->dst = *dst;
		c->ifindex = ifindex;
		c->generation = net_generation;
	}
	*path = c->path;
	return 0;
}
