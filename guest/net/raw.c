/*
 * Raw sockets (raw(7)), which see every packet of their protocol number, and
 * ping sockets (icmp(7)), whose identifier the stack chooses and whose echo
 * requests are all that they may send.
 *
 * Both look at packets before their transport does (raw_input()) and get
 * clones: of IPv4 with the header, of IPv6 without.
 */
#include <asm/ioctls.h>
#include "../libos/heap.h"
#include "../libos/random.h"
#include "icmp.h"
#include "inet.h"
#include "stack.h"

#define LONGEST     65535
#define ECHO        8 /* ICMP_ECHO, ICMP_ECHOREPLY */
#define ECHO_REPLY  0
#define ECHO6       128
#define ECHO6_REPLY 129
#define FILTER      1 /* ICMP_FILTER, ICMPV6_FILTER */
#define CHECKSUM    7 /* IPV6_CHECKSUM */
#define SOL_RAW     255
#define SOL_ICMPV6  58

struct raw {
	struct socket s;
	struct inet_options inet;
	struct list link; /* of all raw and ping sockets */
	struct ipaddr local, remote;
	bool connected, no_read, no_write;
	u32 remote_scope;
	u16 id; /* ping: the echo identifier, host order; 0: not yet */
	u32 filter[8]; /* a bit for each ICMP type that is not wanted */
	int checksum_at; /* IPV6_CHECKSUM: -1: none */
	struct list queue;
	u32 queued;
};

static struct list sockets = { &sockets, &sockets };

static struct raw *raw_sock(struct socket *s)
{
	return container_of(s, struct raw, s);
}

static bool is_ping(const struct raw *r)
{
	return r->s.type == SOCK_DGRAM;
}

static bool is_icmp6(const struct raw *r)
{
	return r->s.family == AF_INET6 && r->s.protocol == IPPROTO_ICMPV6;
}

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
	if (is_ping(r))
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
	    (!is_ping(r) && r->s.family == AF_INET && !uncover_header(pkt))) {
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

	if (likely(list_empty(&sockets)))
		return false;
	if (is_icmp) {
		icmp = pkt_header(pkt, 8);
		if (icmp == NULL)
			return false;
	}
	list_for_each (at, &sockets) {
		struct raw *r = container_of(at, struct raw, link);

		if (wants(r, pkt, icmp)) {
			deliver(r, pkt);
			seen = true;
		}
	}
	return seen;
}

static long raw_recv(struct socket *s, struct sockmsg *msg)
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

static int choose_id(struct raw *r)
{
	struct list *at;
	u16 id;

	for (unsigned tries = 0; r->id == 0 && tries < 100; tries++) {
		bool taken = false;

		random_bytes(&id, sizeof(id));
		list_for_each (at, &sockets) {
			const struct raw *other = container_of(at, struct raw, link);

			taken |=
				is_ping(other) && other->id == id && other->s.family == r->s.family;
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
	error = choose_id(r);
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
	int error = is_ping(r) ? complete_echo(r, pkt) : 0;

	if (error < 0)
		return error;
	if (is_ping(r) || is_icmp6(r))
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

static long raw_send(struct socket *s, struct sockmsg *msg)
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

/* ---- names ---- */

static int raw_bind(struct socket *s, const struct sockname *name)
{
	struct raw *r = raw_sock(s);
	struct sockname without_port = *name;
	struct ipaddr addr;
	u16 port;
	u32 scope;
	int error;

	if (!is_ping(r))
		without_port.in.port = 0;
	error = inet_bind_name(s, &r->inet, &without_port, &addr, &port, &scope);
	if (error < 0)
		return error;
	r->local = addr;
	if (is_ping(r) && port != 0)
		r->id = port;
	return is_ping(r) ? choose_id(r) : 0;
}

static int raw_connect(struct socket *s, const struct sockname *name, bool nonblock)
{
	struct raw *r = raw_sock(s);
	struct inet_out out;
	struct ipaddr addr;
	u16 port;
	u32 scope;
	int error;

	(void)nonblock;
	if (name->len < sizeof(name->family))
		return -EINVAL;
	if (name->family == AF_UNSPEC) {
		r->connected = false;
		r->local = inet_any(s);
		return 0;
	}
	error = sockname_get(s, name, &addr, &port, &scope);
	if (error < 0)
		return error;
	inet_out_init(&out, s, &r->inet, &r->local, &addr, scope);
	error = inet_out_route(&out, s);
	if (error < 0)
		return error;
	r->remote = out.to.dst;
	r->remote_scope = scope;
	r->local = out.to.src;
	r->inet.mtu = out.path.mtu;
	r->connected = true;
	return 0;
}

static int raw_getname(struct socket *s, struct sockname *name, bool peer)
{
	struct raw *r = raw_sock(s);

	if (peer && !r->connected)
		return -ENOTCONN;
	if (peer)
		sockname_set(s, name, &r->remote, 0, r->remote_scope);
	else
		sockname_set(s, name, &r->local, is_ping(r) ? r->id : s->protocol, s->opt.ifindex);
	return 0;
}

/* ---- the rest ---- */

static int raw_shutdown(struct socket *s, int how)
{
	struct raw *r = raw_sock(s);

	r->no_read |= how == SHUT_RD || how == SHUT_RDWR;
	r->no_write |= how == SHUT_WR || how == SHUT_RDWR;
	wake_all(&s->wait);
	return r->connected ? 0 : -ENOTCONN;
}

static bool is_filter(const struct raw *r, int level, int name)
{
	if (name != FILTER || is_ping(r))
		return false;
	if (r->s.family == AF_INET)
		return level == SOL_RAW && r->s.protocol == IPPROTO_ICMP;
	return level == SOL_ICMPV6 && is_icmp6(r);
}

static int raw_setsockopt(struct socket *s, int level, int name, const void *value, u32 len)
{
	struct raw *r = raw_sock(s);
	int n;

	if (is_filter(r, level, name)) {
		u32 room = s->family == AF_INET ? sizeof(u32) : sizeof(r->filter);

		memcpy(r->filter, value, MIN(len, room));
		return 0;
	}
	if ((level == SOL_RAW || level == SOL_IPV6) && name == CHECKSUM && s->family == AF_INET6) {
		if (len < sizeof(n) || is_icmp6(r))
			return -EINVAL;
		memcpy(&n, value, sizeof(n));
		if (n > 0 && n % 2 != 0)
			return -EINVAL;
		r->checksum_at = n < 0 || n > 100 ? -1 : n;
		return 0;
	}
	return inet_setsockopt(s, &r->inet, false, level, name, value, len);
}

static int raw_getsockopt(struct socket *s, int level, int name, void *value, u32 *len)
{
	struct raw *r = raw_sock(s);

	if (is_filter(r, level, name)) {
		*len = MIN(*len, s->family == AF_INET ? (u32)sizeof(u32) : (u32)sizeof(r->filter));
		memcpy(value, r->filter, *len);
		return 0;
	}
	return inet_getsockopt(s, &r->inet, level, name, value, len);
}

static u32 raw_poll(struct socket *s)
{
	struct raw *r = raw_sock(s);
	u32 mask = POLLOUT | POLLWRNORM | POLLWRBAND;

	if (!list_empty(&r->queue))
		mask |= POLLIN | POLLRDNORM;
	if (r->no_read)
		mask |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (r->no_read && r->no_write)
		mask |= POLLHUP;
	return s->error != 0 ? mask | POLLERR : mask;
}

static long raw_ioctl(struct socket *s, unsigned int cmd, unsigned long arg)
{
	struct raw *r = raw_sock(s);

	if (cmd == FIONREAD)
		return put_user((int *)arg,
				list_empty(&r->queue) ? 0 : (int)pkt_of(r->queue.next)->total);
	if (cmd == TIOCOUTQ)
		return put_user((int *)arg, 0);
	return -ENOTTY;
}

static void raw_release(struct socket *s)
{
	struct raw *r = raw_sock(s);

	list_del(&r->link);
	pkt_purge(&r->queue);
	inet_options_release(&r->inet);
	kfree(r);
}

static const struct sock_ops raw_ops = {
	.release = raw_release,
	.bind = raw_bind,
	.connect = raw_connect,
	.shutdown = raw_shutdown,
	.getname = raw_getname,
	.send = raw_send,
	.recv = raw_recv,
	.poll = raw_poll,
	.setsockopt = raw_setsockopt,
	.getsockopt = raw_getsockopt,
	.ioctl = raw_ioctl,
};

int raw_socket(int family, int type, int protocol, struct socket **out)
{
	struct raw *r = kalloc(sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	socket_init(&r->s, &raw_ops, family, type, protocol);
	inet_options_init(&r->inet);
	r->inet.header_included = protocol == IPPROTO_RAW;
	r->checksum_at = -1;
	r->local = inet_any(&r->s);
	list_init(&r->queue);
	list_add_tail(&sockets, &r->link);
	*out = &r->s;
	return 0;
}
