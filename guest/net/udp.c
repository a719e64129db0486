/*
 * UDP (RFC 768, RFC 8200 for IPv6): sockets, their names and options. What
 * arrives is in udp_recv.c, what leaves in udp_send.c.
 *
 * A socket has a local address and port from bind(2), connect(2) or its first
 * send; while it has a port it is in the table of ports, where arriving
 * datagrams look for it. A connected one takes datagrams of its peer only, and
 * hears of the errors that its own have met.
 */
#include "udp.h"
#include <asm/ioctls.h>
#include <linux/udp.h>
#include "../libos/heap.h"

static struct port_table ports;

struct port_table *udp_ports(void)
{
	static bool ready;

	if (!ready)
		ports_init(&ports);
	ready = true;
	return &ports;
}

struct udp_socket *udp_sock(struct socket *s)
{
	return container_of(s, struct udp_socket, s);
}

/* ---- names ---- */

static int take_port(struct udp_socket *u, u16 port)
{
	u->local.ifindex = u->s.opt.ifindex;
	u->local.v6only = u->s.opt.v6only;
	u->local.reuse_addr = u->s.opt.reuse_addr;
	u->local.reuse_port = u->s.opt.reuse_port;
	return ports_bind(udp_ports(), &u->local, port);
}

int udp_autobind(struct udp_socket *u)
{
	return u->local.port != 0 || take_port(u, 0) == 0 ? 0 : -EAGAIN;
}

static int udp_bind(struct socket *s, const struct sockname *name)
{
	struct udp_socket *u = udp_sock(s);
	struct ipaddr addr;
	u32 scope;
	u16 port;
	int error = inet_bind_name(s, &u->inet, name, &addr, &port, &scope);

	if (error < 0)
		return error;
	if (u->local.port != 0 || u->connected)
		return -EINVAL;
	u->local.addr = addr;
	error = take_port(u, port);
	if (error < 0) {
		u->local.addr = inet_any(s);
		return error;
	}
	if (scope != 0)
		s->opt.ifindex = u->local.ifindex = scope;
	u->local_given = !ip_is_any(&addr);
	u->port_given = port != 0;
	return 0;
}

static int disconnect(struct udp_socket *u)
{
	u->connected = false;
	u->inet.mtu = 0;
	u->remote_port = 0;
	if (!u->local_given)
		u->local.addr = inet_any(&u->s);
	if (!u->port_given)
		ports_unbind(udp_ports(), &u->local);
	return 0;
}

static int udp_connect(struct socket *s, const struct sockname *name, bool nonblock)
{
	struct udp_socket *u = udp_sock(s);
	struct ipaddr addr;
	struct inet_out out;
	u32 scope;
	u16 port;
	int error;

	(void)nonblock;
	if (name->len < sizeof(name->family))
		return -EINVAL;
	if (name->family == AF_UNSPEC)
		return disconnect(u);
	error = udp_autobind(u);
	if (error == 0)
		error = sockname_get(s, name, &addr, &port, &scope);
	if (error < 0)
		return error;
	inet_out_init(&out, s, &u->inet, u->local_given ? &u->local.addr : NULL, &addr, scope);
	error = inet_out_route(&out, s);
	if (error < 0)
		return error;
	u->remote = out.to.dst;
	u->remote_port = port;
	u->remote_scope = scope;
	u->inet.mtu = out.path.mtu;
	if (ip_is_any(&u->local.addr) || !u->local_given)
		u->local.addr = out.to.src;
	u->connected = true;
	return 0;
}

static int udp_getname(struct socket *s, struct sockname *name, bool peer)
{
	struct udp_socket *u = udp_sock(s);

	if (!peer)
		sockname_set(s, name, &u->local.addr, u->local.port, s->opt.ifindex);
	else if (u->connected && u->remote_port != 0)
		sockname_set(s, name, &u->remote, u->remote_port, u->remote_scope);
	else
		return -ENOTCONN;
	return 0;
}

/* Takes effect without a connection too, whatever it returns (inet_shutdown()
 * of Linux): so a thread that waits in recv() can be told to leave. */
static int udp_shutdown(struct socket *s, int how)
{
	struct udp_socket *u = udp_sock(s);

	u->no_read |= how == SHUT_RD || how == SHUT_RDWR;
	u->no_write |= how == SHUT_WR || how == SHUT_RDWR;
	wake_all(&s->wait);
	return u->connected ? 0 : -ENOTCONN;
}

/* ---- options ---- */

static int set_udp(struct udp_socket *u, int name, const void *value, u32 len)
{
	int n;

	if (len < sizeof(n))
		return -EINVAL;
	memcpy(&n, value, sizeof(n));
	switch (name) {
	case UDP_SEGMENT:
		if (n < 0 || n > UINT16_MAX)
			return -EINVAL;
		u->segment = n;
		return 0;
	case UDP_GRO:
		u->gro = n != 0;
		return 0;
	case UDP_NO_CHECK6_RX:
		u->no_check6 = n != 0;
		return 0;
	}
	return -ENOPROTOOPT;
}

static int udp_setsockopt(struct socket *s, int level, int name, const void *value, u32 len)
{
	struct udp_socket *u = udp_sock(s);

	if (level == SOL_UDP)
		return set_udp(u, name, value, len);
	return inet_setsockopt(s, &u->inet, u->local.port != 0, level, name, value, len);
}

static int udp_getsockopt(struct socket *s, int level, int name, void *value, u32 *len)
{
	struct udp_socket *u = udp_sock(s);

	if (level != SOL_UDP)
		return inet_getsockopt(s, &u->inet, level, name, value, len);
	switch (name) {
	case UDP_CORK:
		return sockopt_put_int(value, len, 0);
	case UDP_SEGMENT:
		return sockopt_put_int(value, len, u->segment);
	case UDP_GRO:
		return sockopt_put_int(value, len, u->gro);
	case UDP_NO_CHECK6_RX:
		return sockopt_put_int(value, len, u->no_check6);
	}
	return -ENOPROTOOPT;
}

static void udp_option(struct socket *s, int name)
{
	struct udp_socket *u = udp_sock(s);

	if (name == SO_BINDTODEVICE)
		u->local.ifindex = s->opt.ifindex;
	else if (name == SO_REUSEADDR)
		u->local.reuse_addr = s->opt.reuse_addr;
	else if (name == SO_REUSEPORT)
		u->local.reuse_port = s->opt.reuse_port;
}

/* ---- the rest ---- */

static u32 udp_poll(struct socket *s)
{
	struct udp_socket *u = udp_sock(s);
	u32 mask = POLLOUT | POLLWRNORM | POLLWRBAND;

	if (!list_empty(&u->queue))
		mask |= POLLIN | POLLRDNORM;
	if (u->no_read)
		mask |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (u->no_read && u->no_write)
		mask |= POLLHUP;
	if (s->error != 0)
		mask |= POLLERR;
	return mask;
}

static long udp_ioctl(struct socket *s, unsigned int cmd, unsigned long arg)
{
	struct udp_socket *u = udp_sock(s);

	if (cmd == FIONREAD) /* the next datagram's length */
		return put_user((int *)arg,
				list_empty(&u->queue) ? 0 : (int)pkt_of(u->queue.next)->total);
	if (cmd == TIOCOUTQ) /* all is with the device */
		return put_user((int *)arg, 0);
	return -ENOTTY;
}

static void udp_release(struct socket *s)
{
	struct udp_socket *u = udp_sock(s);

	ports_unbind(udp_ports(), &u->local);
	pkt_purge(&u->queue);
	inet_options_release(&u->inet);
	kfree(u);
}

const struct sock_ops udp_ops = {
	.release = udp_release,
	.bind = udp_bind,
	.connect = udp_connect,
	.shutdown = udp_shutdown,
	.getname = udp_getname,
	.send = udp_send,
	.recv = udp_recv,
	.poll = udp_poll,
	.setsockopt = udp_setsockopt,
	.getsockopt = udp_getsockopt,
	.option = udp_option,
	.ioctl = udp_ioctl,
};

int udp_socket(int family, struct socket **out)
{
	struct udp_socket *u = kalloc(sizeof(*u));

	if (u == NULL)
		return -ENOMEM;
	socket_init(&u->s, &udp_ops, family, SOCK_DGRAM, IPPROTO_UDP);
	inet_options_init(&u->inet);
	list_init(&u->queue);
	u->local.addr = inet_any(&u->s);
	*out = &u->s;
	return 0;
}
