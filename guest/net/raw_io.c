/*
 * Raw and ping sockets: packets in and out. Both look at packets before their
 * transport does (raw_input()) and get clones: of IPv4 with the header, of IPv6
 * without.
 */
#include "../libos/random.h"
#include "raw.h"
#include "stack.h"

#define LONGEST     65535
#define ECHO        8 /* ICMP_ECHO, ICMP_ECHOREPLY */
#define ECHO_REPLY  0
#define ECHO6       128
#define ECHO6_REPLY 129

/* ---- in ---- */

static bool filtered(const struct raw *r, u8 type)
{
	return r->filter[type / 32] >> type % 32 & 1;
}

/* A ping socket hears the answers to its own requests. */
static bool is_answer(const struct raw *r, const struct pkt *pkt, const u8 *icmp)
{
	u8 reply = r->s.family == AF_INET ? ECHO_REPLY : ECHO6_REPLY;

	(void)pkt;
	return icmp != NULL && icmp[0] == reply && get_be16(icmp + 4) == r->id && r->id != 0;
}

static bool wants(const struct raw *r, const struct pkt *pkt, const u8 *icmp)
{
	if (r->s.protocol != pkt->proto || (r->s.family == AF_INET) != ip_is4(&pkt->dst))
		return false;
	if (!ip_is_any(&r->local) && !ip_equal(&r->local, &pkt->dst))
		return false;
	if (r->connected && !ip_is_any(&r->remote) && !ip_equal(&r->remote, &pkt->src))
		return false;
	if (r->s.opt.ifindex != 0 && r->s.opt.ifindex != pkt->netif->index)
		return false;
	if (ip_is_multicast(&pkt->dst) && !inet_wants_group(&r->inet, pkt))
		return false;
	if (raw_is_ping(r))
		return is_answer(r, pkt, icmp);
	return icmp == NULL || !filtered(r, icmp[0]);
}

/* The clone begins with its IPv4 header, which is in the front of it. */
static bool uncover_header(struct pkt *pkt)
{
	u32 n = pkt->network != NULL ? pkt->data - pkt->network : 0;

	if (pkt->network == NULL || (u32)(pkt->data - pkt->start) < n)
		return false;
	pkt_push(pkt, n);
	return true;
}

static void deliver(struct raw *r, const struct pkt *original)
{
	struct pkt *pkt = pkt_clone(original);
	u32 size;

	if (pkt == NULL)
		return;
	size = pkt_truesize(pkt);
	if (r->no_read || (r->queued > 0 && r->queued + size > r->s.opt.rcvbuf) ||
	    !socket_memory_ok() ||
	    (!raw_is_ping(r) && r->s.family == AF_INET && !uncover_header(pkt))) {
		pkt_free(pkt);
		return;
	}
	r->queued += size;
	list_add_tail(&r->queue, &pkt->link);
	wake_all(&r->s.wait);
}

bool raw_input(struct pkt *pkt)
{
	bool is_icmp = pkt->proto == IPPROTO_ICMP || pkt->proto == IPPROTO_ICMPV6, seen = false;
	const u8 *icmp = NULL;
	struct list *at;

	if (likely(list_empty(&raw_sockets)))
		return false;
	if (is_icmp) {
		icmp = pkt_header(pkt, 8);
		if (icmp == NULL)
			return false;
	}
	list_for_each (at, &raw_sockets) {
		struct raw *r = container_of(at, struct raw, link);

		if (wants(r, pkt, icmp)) {
			deliver(r, pkt);
			seen = true;
		}
	}
	return seen;
}

long raw_recv(struct socket *s, struct sockmsg *msg)
{
	struct raw *r = raw_sock(s);
	u64 deadline = socket_deadline(s->opt.rcvtimeo_ns);
	struct pkt *pkt;
	long n;

	if (msg->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	while (list_empty(&r->queue)) {
		n = socket_take_error(s);
		if (n == 0 && r->no_read)
			return 0;
		if (n == 0)
			n = socket_wait(s, msg->nonblock, deadline);
		if (n < 0)
			return n;
	}
	pkt = pkt_of(r->queue.next);
	n = MIN(msg->uio->resid, (size_t)pkt->total);
	if (n > 0 && pkt_to_uio(pkt, 0, msg->uio, n) != n)
		n = -EFAULT;
	if (n >= 0 && n < (long)pkt->total)
		msg->out_flags |= MSG_TRUNC;
	if (n >= 0 && msg->flags & MSG_TRUNC)
		n = pkt->total;
	if (n >= 0 && msg->name != NULL)
		sockname_set(s, msg->name, &pkt->src, 0, pkt->netif->index);
	if (n >= 0)
		inet_put_control(msg, s, &r->inet, pkt);
	if (!(msg->flags & MSG_PEEK)) {
		list_del(&pkt->link);
		r->queued -= pkt_truesize(pkt);
		pkt_free(pkt);
	}
	return n;
}

/* ---- out ---- */

static int destination(struct raw *r, const struct sockmsg *msg, struct ipaddr *addr, u32 *scope)
{
	u16 port;

	if (msg->name == NULL) {
		*addr = r->remote;
		*scope = r->remote_scope;
		return r->connected ? 0 : -EDESTADDRREQ;
	}
	return sockname_get(&r->s, msg->name, addr, &port, scope);
}

int raw_choose_id(struct raw *r)
{
	struct list *at;
	u16 id;

	for (unsigned tries = 0; r->id == 0 && tries < 100; tries++) {
		bool taken = false;

		random_bytes(&id, sizeof(id));
		list_for_each (at, &raw_sockets) {
			const struct raw *other = container_of(at, struct raw, link);

			taken |= raw_is_ping(other) && other->id == id &&
				 other->s.family == r->s.family;
		}
		if (!taken)
			r->id = id;
	}
	return r->id != 0 ? 0 : -EADDRINUSE;
}

/* What a program may send as "ping": an echo request, with our identifier and
 * checksum. */
static int complete_echo(struct raw *r, struct pkt *pkt)
{
	u8 *icmp = pkt_header(pkt, 8);
	u8 request = r->s.family == AF_INET ? ECHO : ECHO6;
	int error;

	if (icmp == NULL || icmp[0] != request || icmp[1] != 0)
		return -EINVAL;
	error = raw_choose_id(r);
	if (error < 0)
		return error;
	put_be16(icmp + 2, 0);
	put_be16(icmp + 4, r->id);
	return 0;
}

static void put_sum(struct pkt *pkt, const struct inet_out *out, u32 at)
{
	u8 *field = pkt_header(pkt, at + 2);
	u16 sum = 0;

	if (field == NULL)
		return;
	memcpy(field + at, &sum, sizeof(sum));
	sum = ip_is4(&out->to.dst) ?
		      0 :
		      ip_pseudo_sum(&out->to.src, &out->to.dst, out->to.proto, pkt->total);
	sum = ~pkt_sum(pkt, 0, pkt->total, sum);
	memcpy(field + at, &sum, sizeof(sum));
}

static int complete(struct raw *r, struct pkt *pkt, const struct inet_out *out)
{
	int error = raw_is_ping(r) ? complete_echo(r, pkt) : 0;

	if (error < 0)
		return error;
	if (raw_is_ping(r) || raw_is_icmp6(r))
		put_sum(pkt, out, 2);
	else if (r->checksum_at >= 0 && r->s.family == AF_INET6)
		put_sum(pkt, out, r->checksum_at);
	return 0;
}

static long send_packet(struct raw *r, struct sockmsg *msg, struct inet_out *out)
{
	u32 len = msg->uio->resid;
	struct pkt *pkt = pkt_alloc();
	int error;

	if (pkt == NULL)
		return -ENOBUFS;
	error = len > 0 ? pkt_from_uio(pkt, msg->uio, len) : 0;
	if (error == 0)
		error = complete(r, pkt, out);
	if (error < 0) {
		pkt_free(pkt);
		return error;
	}
	inet_out_fragments(out, &r->inet, len);
	error = ip_output(pkt, &out->to);
	if (error == -ENOBUFS && !r->inet.recverr)
		error = 0;
	return error < 0 ? error : (long)len;
}

long raw_send(struct socket *s, struct sockmsg *msg)
{
	struct raw *r = raw_sock(s);
	struct ipaddr addr;
	struct inet_out out;
	u32 scope = 0;
	int error;

	if (msg->uio->resid > LONGEST)
		return -EMSGSIZE;
	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	error = destination(r, msg, &addr, &scope);
	if (error == 0 && r->no_write)
		error = -EPIPE;
	if (error == 0)
		error = socket_take_error(s);
	if (error < 0)
		return error;
	inet_out_init(&out, s, &r->inet, &r->local, &addr, scope);
	out.to.proto = s->protocol;
	out.to.header_included = r->inet.header_included && s->family == AF_INET;
	error = inet_out_control(&out, msg);
	if (error == 0)
		error = inet_out_route(&out, s);
	return error < 0 ? error : send_packet(r, msg, &out);
}
