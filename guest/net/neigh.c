/*
 * The neighbour cache, with RFC 4861's states (7.3.2) for IPv4 too:
 *
 *   INCOMPLETE  asked, by multicast; packets wait        -> REACHABLE, FAILED
 *   REACHABLE   confirmed within the last 30 s           -> STALE, when used later
 *   STALE       known, not confirmed                     -> DELAY, when used
 *   DELAY       used; somebody above may confirm yet     -> PROBE, after 5 s
 *   PROBE       asked, by unicast                        -> REACHABLE, FAILED
 *   FAILED      did not answer; packets are refused      -> INCOMPLETE, a while later
 *
 * REACHABLE needs no timer: its end is noticed when the entry is used. The
 * cache is bounded: a new entry takes the place of the one that was not used
 * for longest; entries that others tell us about, without our having asked,
 * are made only while the cache is half empty, so that a flood of them does
 * not push out what is in use.
 */
#include "../libos/heap.h"
#include "../libos/thread.h"
#include "eth.h"
#include "neigh.h"

#define MOST           256
#define BUCKETS        64
#define PENDING        101 /* packets waiting for one neighbour, as in Linux */
#define TRIES          3 /* MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
#define RETRANS        SECOND
#define REACHABLE_TIME (30 * SECOND)
#define DELAY_TIME     (5 * SECOND)
#define FAILED_TIME    (1 * SECOND)
#define LOCK_TIME      SECOND /* a change right after a change is not believed */

enum state { INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED };

struct neigh {
	struct list link; /* bucket */
	struct netif *netif;
	struct ipaddr addr;
	u8 mac[6];
	u8 state, tries, npending;
	u64 used, confirmed, changed; /* when */
	struct timer timer;
	struct list pending;
};

static struct list bucket[BUCKETS];
static unsigned count;

static struct list *bucket_of(const struct ipaddr *addr)
{
	struct list *b;
	u32 low;

	__builtin_memcpy(&low, addr->b + 12, sizeof(low));
	b = &bucket[(low * 0x9e3779b1u) >> 26];
	if (b->next == NULL)
		list_init(b);
	return b;
}

static struct neigh *find(const struct netif *netif, const struct ipaddr *addr)
{
	struct list *b = bucket_of(addr), *at;

	list_for_each (at, b) {
		struct neigh *n = container_of(at, struct neigh, link);

		if (n->netif == netif && ip_equal(&n->addr, addr))
			return n;
	}
	return NULL;
}

bool neigh_pending(void)
{
	struct list *at;

	for (unsigned i = 0; i < BUCKETS; i++) {
		if (bucket[i].next == NULL)
			continue;
		list_for_each (at, &bucket[i])
			if (!list_empty(&container_of(at, struct neigh, link)->pending))
				return true;
	}
	return false;
}

/* ---- life ---- */

static void set_state(struct neigh *n, enum state state)
{
	if ((n->state == FAILED) != (state == FAILED))
		net_generation++; /* another gateway may be better */
	n->state = state;
}

static void remove(struct neigh *n)
{
	timer_cancel(&n->timer);
	pkt_purge(&n->pending);
	set_state(n, STALE);
	list_del(&n->link);
	kfree(n);
	count--;
}

static void remove_oldest(void)
{
	struct neigh *oldest = NULL;
	struct list *at;

	for (unsigned i = 0; i < BUCKETS; i++) {
		if (bucket[i].next == NULL)
			continue;
		list_for_each (at, &bucket[i]) {
			struct neigh *n = container_of(at, struct neigh, link);

			if (oldest == NULL || n->used < oldest->used)
				oldest = n;
		}
	}
	remove(oldest);
}

static void expired(struct timer *timer);

static struct neigh *make(struct netif *netif, const struct ipaddr *addr, enum state state)
{
	struct neigh *n = kalloc(sizeof(*n));

	if (n == NULL)
		return NULL;
	if (count == MOST)
		remove_oldest();
	n->netif = netif;
	n->addr = *addr;
	n->state = state;
	n->timer.expired = expired;
	list_init(&n->pending);
	list_add_tail(bucket_of(addr), &n->link);
	count++;
	return n;
}

/* ---- asking ---- */

static void ask(struct neigh *n)
{
	const u8 *mac = n->state == PROBE ? n->mac : NULL;

	n->tries++;
	timer_arm(&n->timer, now_ns() + RETRANS);
	if (ip_is4(&n->addr))
		arp_solicit(n->netif, &n->addr, mac);
	else
		ndp_solicit(n->netif, &n->addr, mac);
}

static void begin_asking(struct neigh *n, enum state state)
{
	set_state(n, state);
	n->tries = 0;
	ask(n);
}

static void fail(struct neigh *n)
{
	struct list refused;
	struct pkt *pkt;

	set_state(n, FAILED);
	timer_arm(&n->timer, now_ns() + FAILED_TIME);
	n->npending = 0;
	n->netif->stats.tx_errors++;
	/* What the transports do now may push this entry out of the cache. */
	list_init(&refused);
	while ((pkt = pkt_dequeue(&n->pending)) != NULL)
		list_add_tail(&refused, &pkt->link);
	while ((pkt = pkt_dequeue(&refused)) != NULL)
		ip_send_failed(pkt, EHOSTUNREACH);
}

static void expired(struct timer *timer)
{
	struct neigh *n = container_of(timer, struct neigh, timer);

	net_enter();
	if (n->state == DELAY)
		begin_asking(n, PROBE);
	else if (n->state == FAILED)
		remove(n);
	else if (n->tries < TRIES)
		ask(n);
	else
		fail(n);
	net_leave();
}

static int wait_for(struct neigh *n, struct pkt *pkt)
{
	if (n->npending == PENDING) {
		pkt_free(pkt_dequeue(&n->pending)); /* the oldest (RFC 4861, 7.2.2) */
		n->netif->stats.tx_dropped++;
		n->npending--;
	}
	n->npending++;
	list_add_tail(&n->pending, &pkt->link);
	return 0;
}

int neigh_output(struct netif *netif, const struct ipaddr *next_hop, struct pkt *pkt)
{
	struct neigh *n = find(netif, next_hop);
	u64 now = now_ns();

	if (unlikely(n == NULL)) {
		n = make(netif, next_hop, INCOMPLETE);
		if (n == NULL) {
			pkt_free(pkt);
			return -ENOMEM;
		}
		n->used = now;
		wait_for(n, pkt);
		begin_asking(n, INCOMPLETE);
		return 0;
	}
	n->used = now;
	if (unlikely(n->state == INCOMPLETE))
		return wait_for(n, pkt);
	if (unlikely(n->state == FAILED)) {
		pkt_free(pkt);
		return -EHOSTUNREACH;
	}
	if (n->state == STALE || (n->state == REACHABLE && now - n->confirmed > REACHABLE_TIME)) {
		set_state(n, DELAY);
		timer_arm(&n->timer, now + DELAY_TIME);
	}
	return eth_transmit(netif, pkt, n->mac, ip_is4(next_hop) ? ETH_IP4 : ETH_IP6);
}

/* ---- answers ---- */

static void confirm(struct neigh *n)
{
	timer_cancel(&n->timer);
	set_state(n, REACHABLE);
	n->confirmed = now_ns();
}

static void send_pending(struct neigh *n)
{
	struct pkt *pkt;

	n->npending = 0;
	while ((pkt = pkt_dequeue(&n->pending)) != NULL)
		eth_transmit(n->netif, pkt, n->mac, ip_is4(&n->addr) ? ETH_IP4 : ETH_IP6);
}

static void set_mac(struct neigh *n, const u8 mac[6])
{
	__builtin_memcpy(n->mac, mac, ETH_ALEN);
	n->changed = now_ns();
}

static void become_stale(struct neigh *n)
{
	timer_cancel(&n->timer);
	set_state(n, STALE);
}

void neigh_seen(struct netif *netif, const struct ipaddr *addr, const u8 mac[6])
{
	struct neigh *n = find(netif, addr);
	bool unknown;

	if (n == NULL) {
		if (count >= MOST / 2)
			return;
		n = make(netif, addr, STALE);
		if (n != NULL)
			set_mac(n, mac);
		return;
	}
	unknown = n->state == INCOMPLETE || n->state == FAILED;
	if (!unknown && (memcmp(n->mac, mac, ETH_ALEN) == 0 || now_ns() - n->changed < LOCK_TIME))
		return;
	set_mac(n, mac);
	become_stale(n);
	send_pending(n);
}

void neigh_advertised(struct netif *netif, const struct ipaddr *addr, const u8 *mac, bool solicited,
		      bool override)
{
	struct neigh *n = find(netif, addr);
	bool differs;

	if (n == NULL)
		return;
	if (n->state == INCOMPLETE || n->state == FAILED) {
		if (mac == NULL)
			return;
		differs = true;
	} else {
		differs = mac != NULL && memcmp(n->mac, mac, ETH_ALEN) != 0;
		if (differs && !override) {
			if (n->state == REACHABLE)
				become_stale(n);
			return;
		}
		if (differs && !solicited && now_ns() - n->changed < LOCK_TIME)
			return;
	}
	if (differs)
		set_mac(n, mac);
	if (solicited)
		confirm(n);
	else if (differs)
		become_stale(n);
	send_pending(n);
}

bool neigh_awaited(const struct netif *netif, const struct ipaddr *addr)
{
	const struct neigh *n = find(netif, addr);

	return n != NULL && (n->state == INCOMPLETE || n->state == PROBE);
}

void neigh_confirm(const struct netif *netif, const struct ipaddr *addr)
{
	struct neigh *n = find(netif, addr);

	if (n != NULL && n->state != INCOMPLETE && n->state != FAILED)
		confirm(n);
}

bool neigh_failed(const struct netif *netif, const struct ipaddr *addr)
{
	const struct neigh *n = find(netif, addr);

	return n != NULL && n->state == FAILED;
}

bool neigh_get(unsigned index, struct neigh_info *info)
{
	struct list *at;

	for (unsigned i = 0; i < BUCKETS; i++) {
		if (bucket[i].next == NULL)
			continue;
		list_for_each (at, &bucket[i]) {
			const struct neigh *n = container_of(at, struct neigh, link);

			if (n->state == INCOMPLETE || n->state == FAILED || index-- > 0)
				continue;
			*info = (struct neigh_info){ .netif = n->netif, .addr = n->addr };
			memcpy(info->mac, n->mac, ETH_ALEN);
			return true;
		}
	}
	return false;
}

void neigh_stop(void)
{
	while (count > 0)
		remove_oldest();
}
