/*
 * Raw sockets (raw(7)), which see every packet of their protocol number, and
 * ping sockets (icmp(7)), whose identifier the stack chooses and whose echo
 * requests are all that they may send. Their packets are in raw_io.c.
 */
#include <asm/ioctls.h>
#include "../libos/heap.h"
#include "raw.h"

#define FILTER     1 /* ICMP_FILTER, ICMPV6_FILTER */
#define CHECKSUM   7 /* IPV6_CHECKSUM */
#define SOL_RAW    255
#define SOL_ICMPV6 58

struct list raw_sockets = { &raw_sockets, &raw_sockets };

/* ---- names ---- */

static int raw_bind(struct socket *s, const struct sockname *name)
{
	struct raw *r = raw_sock(s);
	struct sockname without_port = *name;
	struct ipaddr addr;
	u16 port;
	u32 scope;
	int error;

	if (!raw_is_ping(r))
		without_port.in.port = 0;
	error = inet_bind_name(s, &r->inet, &without_port, &addr, &port, &scope);
	if (error < 0)
		return error;
	r->local = addr;
	if (raw_is_ping(r) && port != 0)
		r->id = port;
	return raw_is_ping(r) ? raw_choose_id(r) : 0;
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
		sockname_set(s, name, &r->local, raw_is_ping(r) ? r->id : s->protocol,
			     s->opt.ifindex);
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
	if (name != FILTER || raw_is_ping(r))
		return false;
	if (r->s.family == AF_INET)
		return level == SOL_RAW && r->s.protocol == IPPROTO_ICMP;
	return level == SOL_ICMPV6 && raw_is_icmp6(r);
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
		if (len < sizeof(n) || raw_is_icmp6(r))
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
	list_add_tail(&raw_sockets, &r->link);
	*out = &r->s;
	return 0;
}
