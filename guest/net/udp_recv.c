/*
 * UDP: from IP to the program. A datagram for one host goes to the one socket
 * that fits best: a connected one before one that is bound to the address,
 * that before one bound to the port only. Among equals with SO_REUSEPORT the
 * flow's hash decides, so a flow stays with its socket. A multicast or
 * broadcast goes to all that fit.
 */
#include <linux/udp.h>
#include "../libos/random.h"
#include "dhcp.h"
#include "udp.h"

#define PORT_DHCP_CLIENT 68

struct flow { /* of a datagram, seen from here */
	const struct ipaddr *local, *remote;
	u16 local_port, remote_port;
	unsigned ifindex;
};

/* ---- whose it is ---- */

/* 0: not this socket's; else the more, the better. */
static unsigned score(const struct udp_socket *u, const struct flow *f)
{
	unsigned points = 1;

	if (u->local.port != f->local_port)
		return 0;
	if (ip_is4(f->local) ? u->s.opt.v6only : u->s.family == AF_INET)
		return 0;
	if (!ip_is_any(&u->local.addr)) {
		if (!ip_equal(&u->local.addr, f->local))
			return 0;
		points += 4;
	}
	if (u->connected) {
		if (u->remote_port != f->remote_port || !ip_equal(&u->remote, f->remote))
			return 0;
		points += 8;
	}
	if (u->s.opt.ifindex != 0) {
		if (u->s.opt.ifindex != f->ifindex)
			return 0;
		points += 4;
	}
	/* of two that are bound to all, the one of the family */
	return points * 2 + (ip_is4(f->local) && u->s.family == AF_INET);
}

static u32 flow_hash(const struct flow *f)
{
	static u64 key;
	u64 h, word;

	if (key == 0)
		random_bytes(&key, sizeof(key));
	h = key ^ ((u64)f->local_port << 16 | f->remote_port);
	for (unsigned i = 0; i < sizeof(f->remote->b); i += sizeof(word)) {
		memcpy(&word, f->remote->b + i, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15;
		memcpy(&word, f->local->b + i, sizeof(word));
		h = (h ^ word ^ h >> 29) * 0xbf58476d1ce4e5b9;
	}
	return h >> 32;
}

/* The n-th of those with the best score that share the port, or `found`. */
static struct udp_socket *nth(struct list *bucket, const struct flow *f, unsigned best, unsigned n,
			      struct udp_socket *found)
{
	struct list *at;

	list_for_each (at, bucket) {
		struct udp_socket *u = udp_of_binding(at);

		if (u->s.opt.reuse_port && score(u, f) == best && n-- == 0)
			return u;
	}
	return found;
}

static struct list *bucket_of(u16 port)
{
	return &udp_ports()->bucket[port % PORTS_BUCKETS];
}

static struct udp_socket *find(const struct flow *f)
{
	struct list *bucket = bucket_of(f->local_port), *at;
	struct udp_socket *found = NULL;
	unsigned best = 0, equals = 0;

	list_for_each (at, bucket) {
		struct udp_socket *u = udp_of_binding(at);
		unsigned points = score(u, f);

		if (points == 0 || points < best)
			continue;
		equals = points > best ? 1 : equals + 1;
		best = points;
		found = u; /* the latest bound, among those with SO_REUSEADDR */
	}
	if (equals > 1 && found->s.opt.reuse_port)
		found = nth(bucket, f, best, flow_hash(f) % equals, found);
	return found;
}

/* ---- into the queue ---- */

static void enqueue(struct udp_socket *u, struct pkt *pkt)
{
	u32 size = pkt_truesize(pkt);

	/* one is always taken, however small the buffer is */
	if ((u->queued > 0 && u->queued + size > u->s.opt.rcvbuf) || !socket_memory_ok()) {
		u->drops++;
		pkt_free(pkt);
		return;
	}
	u->queued += size;
	list_add_tail(&u->queue, &pkt->link);
	wake_all(&u->s.wait);
}

/* One of several datagrams that arrived as one. */
static struct pkt *piece(const struct pkt *pkt, u32 from, u32 len)
{
	struct pkt *p = pkt_alloc();

	if (p == NULL)
		return NULL;
	if (!pkt_append(p, pkt, from, len)) {
		pkt_free(p);
		return NULL;
	}
	p->netif = pkt->netif;
	p->src = pkt->src;
	p->dst = pkt->dst;
	p->from_link = pkt->from_link;
	p->when = pkt->when;
	p->ttl = pkt->ttl;
	p->tos = pkt->tos;
	memcpy(p->cb, pkt->cb, sizeof(p->cb));
	return p;
}

static void deliver_pieces(struct udp_socket *u, struct pkt *pkt)
{
	for (u32 from = 0; from < pkt->total; from += pkt->gso_size) {
		struct pkt *p = piece(pkt, from, MIN(pkt->total - from, (u32)pkt->gso_size));

		if (p != NULL)
			enqueue(u, p);
		else
			u->drops++;
	}
	pkt_free(pkt);
}

void udp_deliver(struct udp_socket *u, struct pkt *pkt)
{
	if (u->no_read) {
		pkt_free(pkt);
		return;
	}
	if (pkt->gso_size != 0 && pkt->total > pkt->gso_size) {
		if (!u->gro) {
			deliver_pieces(u, pkt);
			return;
		}
		udp_info(pkt)->segment = pkt->gso_size;
	}
	enqueue(u, pkt);
}

static bool may_have_group(const struct udp_socket *u, const struct pkt *pkt)
{
	return !ip_is_multicast(&pkt->dst) || inet_wants_group(&u->inet, pkt);
}

/* To all that fit; the last one gets the packet itself. */
static bool deliver_many(struct pkt *pkt, const struct flow *f)
{
	struct list *bucket = bucket_of(f->local_port), *at;
	struct udp_socket *last = NULL;

	list_for_each (at, bucket) {
		struct udp_socket *u = udp_of_binding(at);

		if (score(u, f) == 0 || !may_have_group(u, pkt))
			continue;
		if (last != NULL) {
			struct pkt *copy = pkt_clone(pkt);

			if (copy != NULL)
				udp_deliver(last, copy);
		}
		last = u;
	}
	if (last == NULL)
		return false;
	udp_deliver(last, pkt);
	return true;
}

/* ---- arrival ---- */

/* The header, with the packet cut to the length that it says; NULL: bad. */
static const u8 *take_header(struct pkt *pkt)
{
	const u8 *h = pkt_header(pkt, UDP_HEADER);
	u32 len;

	if (h == NULL)
		return NULL;
	len = get_be16(h + 4);
	/* a larger super-packet's length does not fit into the field */
	if (len == 0 && pkt->gso_size != 0)
		len = pkt->total;
	if (len < UDP_HEADER || len > pkt->total)
		return NULL;
	pkt_trim(pkt, len);
	/* RFC 768: no checksum; RFC 8200, 8.1: not with IPv6 */
	if (get_be16(h + 6) == 0 && pkt->csum == CSUM_NONE)
		return ip_is4(&pkt->src) ? h : NULL;
	return ip_checksum_good(pkt) ? h : NULL;
}

void udp_input(struct pkt *pkt)
{
	const u8 *h = take_header(pkt);
	struct flow f = { .local = &pkt->dst, .remote = &pkt->src };
	struct udp_socket *u;

	if (h == NULL) {
		pkt->netif->stats.rx_errors++;
		pkt_free(pkt);
		return;
	}
	f.remote_port = get_be16(h);
	f.local_port = get_be16(h + 2);
	f.ifindex = pkt->netif->index;
	if (f.local_port == PORT_DHCP_CLIENT && dhcp_input(pkt))
		return;
	if (pkt->from_link == PKT_HOST && !ip_is_multicast(&pkt->dst)) {
		u = find(&f);
		if (u == NULL) {
			icmp_port_unreachable(pkt);
			pkt_free(pkt);
			return;
		}
		udp_info(pkt)->port = f.remote_port;
		udp_info(pkt)->segment = 0;
		pkt_skip(pkt, UDP_HEADER);
		udp_deliver(u, pkt);
		return;
	}
	udp_info(pkt)->port = f.remote_port;
	udp_info(pkt)->segment = 0;
	pkt_skip(pkt, UDP_HEADER);
	if (!deliver_many(pkt, &f))
		pkt_free(pkt);
}

/* Errors reach connected sockets, and those that asked (IP_RECVERR); a host or
 * network that cannot be reached now may be later: those only the latter. */
void udp_error(struct pkt *pkt, int error, u32 mtu)
{
	const u8 *h = pkt_header(pkt, UDP_HEADER);
	struct flow f = { .local = &pkt->src, .remote = &pkt->dst };
	bool hard = error != EHOSTUNREACH && error != ENETUNREACH;
	struct udp_socket *u;
	bool asked;

	if (h == NULL)
		return;
	f.local_port = get_be16(h);
	f.remote_port = get_be16(h + 2);
	f.ifindex = pkt->netif != NULL ? pkt->netif->index : 0;
	u = find(&f);
	if (u == NULL)
		return;
	if (error == EMSGSIZE) {
		if (u->connected)
			u->inet.mtu = mtu;
		if ((ip_is4(f.local) ? u->inet.pmtu : u->inet.pmtu6) == IP_PMTUDISC_DONT)
			return;
	}
	asked = ip_is4(f.local) ? u->inet.recverr : u->inet.recverr6;
	if (!asked && (!hard || !u->connected))
		return;
	u->s.error = error;
	wake_all(&u->s.wait);
}

/* ---- to the program ---- */

static void forget(struct udp_socket *u, struct pkt *pkt)
{
	list_del(&pkt->link);
	u->queued -= pkt_truesize(pkt);
	pkt_free(pkt);
}

/* Waits for a datagram; NULL: *r is the result. */
static struct pkt *next(struct udp_socket *u, const struct sockmsg *msg, long *r)
{
	u64 deadline = socket_deadline(u->s.opt.rcvtimeo_ns);

	for (;;) {
		*r = socket_take_error(&u->s);
		if (*r < 0)
			return NULL;
		if (!list_empty(&u->queue))
			return pkt_of(u->queue.next);
		if (u->no_read)
			return NULL;
		*r = socket_wait(&u->s, msg->nonblock, deadline);
		if (*r < 0)
			return NULL;
	}
}

static long take(struct udp_socket *u, struct sockmsg *msg, struct pkt *pkt)
{
	u32 n = MIN(msg->uio->resid, (size_t)pkt->total);
	int segment = udp_info(pkt)->segment;

	if (n > 0 && pkt_to_uio(pkt, 0, msg->uio, n) != (long)n)
		return -EFAULT;
	if (n < pkt->total)
		msg->out_flags |= MSG_TRUNC;
	if (msg->name != NULL)
		sockname_set(&u->s, msg->name, &pkt->src, udp_info(pkt)->port, pkt->netif->index);
	inet_put_control(msg, &u->s, &u->inet, pkt);
	if (segment != 0)
		sockmsg_put_control(msg, SOL_UDP, UDP_GRO, &segment, sizeof(segment));
	return msg->flags & MSG_TRUNC ? pkt->total : n;
}

long udp_recv(struct socket *s, struct sockmsg *msg)
{
	struct udp_socket *u = udp_sock(s);
	struct pkt *pkt;
	long r;

	if (msg->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	pkt = next(u, msg, &r);
	if (pkt == NULL)
		return r;
	r = take(u, msg, pkt);
	if (!(msg->flags & MSG_PEEK))
		forget(u, pkt);
	return r;
}
