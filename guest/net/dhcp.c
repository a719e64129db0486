/*
 * A DHCP client (RFC 2131, 4.4), beneath the sockets: until it has an answer
 * there is no address that a socket could have.
 *
 *   SELECTING   DISCOVER sent                   OFFER -> REQUESTING
 *   REQUESTING  REQUEST sent, for an offer      ACK -> BOUND, NAK or no answer -> SELECTING
 *   BOUND       nothing to do until T1
 *   RENEWING    REQUEST sent to the server      ACK -> BOUND, at T2 -> REBINDING
 *   REBINDING   REQUEST sent to all             ACK -> BOUND, at the end -> SELECTING
 *
 * Messages are sent again after 2, 4, 8 ... 64 seconds, give or take one
 * (4.1); in RENEWING and REBINDING after half the time that is left, a minute
 * at least. We ask for answers by broadcast (the B bit), since the IP layer
 * does not take packets to an address that it has not got.
 */
#include "../libos/heap.h"
#include "../libos/random.h"
#include "../libos/thread.h"
#include "dhcp.h"
#include "dhcp_wire.h"
#include "eth.h"
#include "ndp.h"

#define FIRST_WAIT  (15 * SECOND) /* how long programs wait for the first answer */
#define FIRST_RETRY 2 /* seconds */
#define LAST_RETRY  64
#define REQUESTS    4 /* for one offer */
#define RENEW_LEAST (60 * SECOND)
#define LEASE_LEAST 60 /* seconds; a server that says less is not obeyed */
#define METRIC      100

enum state { SELECTING, REQUESTING, BOUND, RENEWING, REBINDING };

struct dhcp {
	struct netif *netif;
	struct timer timer;
	u8 state;
	u32 xid;
	unsigned retry, tries; /* seconds; REQUESTs sent */
	u64 begun, wait_until; /* wait_until 0: nobody has to wait any more */
	struct dhcp_lease lease; /* offered, or ours */
	u64 t1, t2, end; /* now_ns() */
	bool bound; /* the address is on the interface */
};

static struct waitq waiting = WAITQ_INIT(waiting);

/* ---- sending ---- */

static void fill_message(struct dhcp *d, struct dhcp_msg *m, u8 type)
{
	m->op = DHCP_BOOTREQUEST;
	m->htype = ARP_ETHERNET;
	m->hlen = ETH_ALEN;
	m->xid = d->xid;
	m->secs = htons(MIN((now_ns() - d->begun) / SECOND, 0xffff));
	memcpy(m->chaddr, d->netif->mac, ETH_ALEN);
	m->cookie = htonl(DHCP_COOKIE);
	if (d->state == RENEWING || d->state == REBINDING)
		m->ciaddr = d->lease.addr;
	else
		m->flags = htons(DHCP_BROADCAST);
	dhcp_put_options(m->options, type, d->netif->mac,
			 d->state == REQUESTING ? &d->lease : NULL);
}

/* The packet lies in memory of its own, since it is longer than room[]. */
static struct pkt *message(struct dhcp *d, u8 type)
{
	struct pkt_mem *mem = pkt_mem_alloc(PAGE_SIZE);
	struct pkt *pkt = mem ? pkt_wrap(mem, mem->data, mem->size) : NULL;

	if (pkt == NULL)
		return NULL;
	/* Everything of the block is room, but for the headers to come. */
	pkt->data += PKT_HEADROOM;
	pkt->len = pkt->total = 0;
	fill_message(d, memset(pkt_put(pkt, DHCP_SENT), 0, DHCP_SENT), type);
	return pkt;
}

static void send(struct dhcp *d, u8 type)
{
	struct netif *netif = d->netif;
	struct ip_send to = { .src = ip_from4(0),
			      .dst = ip_from4(0xffffffff),
			      .proto = IPPROTO_UDP };
	struct ip_path path = { .netif = netif, .mtu = netif->mtu };
	struct pkt *pkt = message(d, type);
	u8 *udp;

	if (pkt == NULL)
		return;
	if (d->state == RENEWING || d->state == REBINDING)
		to.src = ip_from4(d->lease.addr);
	if (d->state == RENEWING)
		to.dst = ip_from4(d->lease.server);
	udp = pkt_push(pkt, DHCP_UDP_HLEN);
	put_be16(udp, DHCP_CLIENT_PORT);
	put_be16(udp + 2, DHCP_SERVER_PORT);
	put_be16(udp + 4, pkt->total);
	ip_checksum_later(pkt, &to, 6);
	if (d->state == RENEWING) { /* the server may be behind a gateway */
		to.ifindex = netif->index;
		ip_output(pkt, &to);
		return;
	}
	path.src = to.src;
	path.next_hop = to.dst;
	ip4_output(pkt, &to, &path);
}

/* ---- states ---- */

static void enter(struct dhcp *d, enum state state)
{
	d->state = state;
	d->retry = FIRST_RETRY;
	d->tries = 0;
}

/* When to send again, unless an answer comes. */
static u64 next_retry(struct dhcp *d)
{
	u32 random;
	u64 wait;

	random_bytes(&random, sizeof(random));
	wait = d->retry * SECOND - SECOND + (u64)random % (2 * SECOND);
	d->retry = MIN(d->retry * 2, LAST_RETRY);
	return now_ns() + wait;
}

/* The next moment in a phase that ends at `limit` (4.4.5). */
static u64 half_way(u64 limit)
{
	u64 now = now_ns(), left = limit > now ? limit - now : 0;

	return MIN(limit, now + MAX(left / 2, RENEW_LEAST));
}

static void discover(struct dhcp *d)
{
	random_bytes(&d->xid, sizeof(d->xid));
	d->begun = now_ns();
	enter(d, SELECTING);
	send(d, DHCP_DISCOVER);
	timer_arm(&d->timer, next_retry(d));
}

static void unbind(struct dhcp *d)
{
	struct ipaddr addr = ip_from4(d->lease.addr);

	if (!d->bound)
		return;
	d->bound = false;
	for (unsigned i = 0; i < d->lease.nroutes; i++) {
		struct ipaddr to = ip_from4(d->lease.route[i].to),
			      via = ip_from4(d->lease.route[i].via);

		ip_del_gateway(d->netif, &to, d->lease.route[i].prefix, &via);
	}
	netif_del_addr(d->netif, &addr);
	nameservers_set(NAMESERVERS_DHCP, NULL, 0);
}

static void bind(struct dhcp *d)
{
	struct ipaddr addr = ip_from4(d->lease.addr), server[NAMESERVERS];
	unsigned n = MIN(d->lease.nservers, NAMESERVERS);

	d->bound = true;
	netif_add_addr(d->netif, &addr, d->lease.prefix, ADDR_DHCP, NEVER, NEVER);
	for (unsigned i = 0; i < d->lease.nroutes; i++) {
		struct ipaddr to = ip_from4(d->lease.route[i].to),
			      via = ip_from4(d->lease.route[i].via);

		ip_add_gateway(d->netif, &to, d->lease.route[i].prefix, &via, METRIC, NEVER);
	}
	for (unsigned i = 0; i < n; i++)
		server[i] = ip_from4(d->lease.server_addr[i]);
	nameservers_set(NAMESERVERS_DHCP, server, n);
	if (d->lease.mtu >= DHCP_MTU_LEAST && d->lease.mtu < d->netif->mtu)
		d->netif->mtu = d->lease.mtu;
	net_generation++;
}

/* T1 and T2 as the server says, if they make sense (4.4.5). */
static void set_times(struct dhcp *d, const struct dhcp_lease *l)
{
	u64 now = now_ns(), lease = MAX(l->seconds, LEASE_LEAST);
	u64 t1 = l->t1 > 0 && l->t1 < lease ? l->t1 : lease / 2;
	u64 t2 = l->t2 > t1 && l->t2 < lease ? l->t2 : MAX(lease * 7 / 8, t1);

	if (l->seconds == DHCP_FOREVER) {
		d->t1 = d->t2 = d->end = NEVER;
		timer_cancel(&d->timer);
		return;
	}
	d->t1 = now + t1 * SECOND;
	d->t2 = now + t2 * SECOND;
	d->end = now + lease * SECOND;
	timer_arm(&d->timer, d->t1);
}

static void acknowledged(struct dhcp *d, const struct dhcp_lease *lease)
{
	bool renewed = d->bound && d->lease.addr == lease->addr;

	unbind(d);
	d->lease = *lease;
	enter(d, BOUND);
	bind(d);
	set_times(d, lease);
	if (!renewed) {
		struct ipaddr addr = ip_from4(lease->addr);

		arp_announce(d->netif, &addr);
	}
	d->wait_until = 0; /* programs may go on */
	wake_all(&waiting);
}

static void start_over(struct dhcp *d)
{
	unbind(d);
	discover(d);
}

static void request_again(struct dhcp *d)
{
	if (++d->tries > REQUESTS) {
		discover(d);
		return;
	}
	send(d, DHCP_REQUEST);
	timer_arm(&d->timer, next_retry(d));
}

/* T1, T2 or the end has come, or there is no answer yet. */
static void keep_lease(struct dhcp *d)
{
	u64 now = now_ns();

	if (now >= d->end) {
		start_over(d);
		return;
	}
	d->state = now >= d->t2 ? REBINDING : RENEWING;
	send(d, DHCP_REQUEST);
	timer_arm(&d->timer, half_way(d->state == RENEWING ? d->t2 : d->end));
}

static void expired(struct timer *timer)
{
	struct dhcp *d = container_of(timer, struct dhcp, timer);

	net_enter();
	switch (d->state) {
	case SELECTING:
		send(d, DHCP_DISCOVER);
		timer_arm(&d->timer, next_retry(d));
		break;
	case REQUESTING:
		request_again(d);
		break;
	default:
		keep_lease(d);
	}
	net_leave();
}

/* ---- receiving ---- */

static void answer(struct dhcp *d, u8 type, const struct dhcp_lease *lease)
{
	if (type == DHCP_OFFER && d->state == SELECTING) {
		d->lease = *lease;
		enter(d, REQUESTING);
		request_again(d);
	} else if (type == DHCP_ACK && (d->state == REQUESTING || d->state >= RENEWING)) {
		if (d->state == REQUESTING && lease->addr != d->lease.addr)
			return;
		acknowledged(d, lease);
	} else if (type == DHCP_NAK && (d->state == REQUESTING || d->state >= RENEWING)) {
		unbind(d); /* and not at once again: it may well say no again */
		enter(d, SELECTING);
		timer_arm(&d->timer, next_retry(d));
	}
}

bool dhcp_input(struct pkt *pkt)
{
	struct dhcp *d = pkt->netif->dhcp;
	struct dhcp_lease lease;
	u8 bytes[DHCP_LONGEST];
	const u8 *udp;
	u32 len;
	u8 type;

	if (d == NULL || !ip_is4(&pkt->dst))
		return false;
	udp = pkt_header(pkt, DHCP_UDP_HLEN);
	if (udp == NULL || get_be16(udp) != DHCP_SERVER_PORT)
		return false;
	len = get_be16(udp + 4);
	if (len <= pkt->total && len >= DHCP_UDP_HLEN && len - DHCP_UDP_HLEN <= DHCP_LONGEST) {
		len -= DHCP_UDP_HLEN;
		pkt_copy(pkt, DHCP_UDP_HLEN, bytes, len);
		type = dhcp_parse(bytes, len, d->xid, d->netif->mac, &lease);
		if (type != 0)
			answer(d, type, &lease);
	}
	pkt_free(pkt);
	return true;
}

/* ---- beginning ---- */

int dhcp_start(struct netif *netif)
{
	struct dhcp *d = kalloc(sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	d->netif = netif;
	d->timer.expired = expired;
	d->wait_until = now_ns() + FIRST_WAIT;
	netif->dhcp = d;
	net_enter();
	discover(d);
	net_leave();
	return 0;
}

int dhcp_wait(void)
{
	u64 until = 0;
	struct list *at;
	unsigned depth;
	int error;

	list_for_each (at, &netifs) {
		const struct dhcp *d = container_of(at, struct netif, link)->dhcp;

		if (d != NULL)
			until = MAX(until, d->wait_until);
	}
	if (until <= now_ns())
		return -ETIMEDOUT;
	depth = net_leave_all();
	error = wait_on(&waiting, until);
	net_enter_again(depth);
	return error;
}

void dhcp_stop(void)
{
	struct list *at;

	list_for_each (at, &netifs) {
		struct netif *netif = container_of(at, struct netif, link);

		if (netif->dhcp != NULL)
			timer_cancel(&netif->dhcp->timer);
		kfree(netif->dhcp);
		netif->dhcp = NULL;
	}
	nameservers_set(NAMESERVERS_DHCP, NULL, 0);
}
