/*
 * UDP: from the program to IP. A send is a datagram, or with UDP_SEGMENT
 * several of one size, which the device cuts apart, or netif_transmit().
 */
#include <linux/udp.h>
#include "udp.h"

#define LONGEST      65535
#define SMALL        128 /* such a datagram's bytes go beside its headers */
#define MAX_SEGMENTS 128 /* UDP_MAX_SEGMENTS of Linux */

static int destination(struct udp_socket *u, const struct sockmsg *msg, struct ipaddr *addr,
		       u16 *port, u32 *scope)
{
	int error;

	if (msg->name == NULL || (u->connected && msg->name->family == AF_UNSPEC)) {
		*addr = u->remote;
		*port = u->remote_port;
		*scope = u->remote_scope;
		return u->connected ? 0 : -EDESTADDRREQ;
	}
	error = sockname_get(&u->s, msg->name, addr, port, scope);
	if (error < 0)
		return error;
	return *port != 0 ? 0 : -EINVAL;
}

/* The packet with the payload, its front empty or a small payload. */
static int make_packet(struct uio *uio, u32 len, struct pkt **out)
{
	struct pkt *pkt = pkt_alloc();
	void *front = NULL;
	long r = 0;

	if (pkt == NULL)
		return -ENOBUFS;
	if (len <= SMALL)
		front = pkt_put(pkt, len);
	if (front == NULL)
		r = pkt_from_uio(pkt, uio, len);
	else if (len > 0 && uio_from(uio, front, len) != (long)len)
		r = -EFAULT;
	if (r < 0) {
		pkt_free(pkt);
		return r == -ENOMEM ? -ENOBUFS : r;
	}
	*out = pkt;
	return 0;
}

static int check_segments(const struct inet_out *out, u32 len)
{
	u32 header = UDP_HEADER + (ip_is4(&out->to.dst) ? 20 : 40);

	if (out->segment == 0 || len <= out->segment)
		return 0;
	if (header + out->segment > out->path.mtu || len > (u32)out->segment * MAX_SEGMENTS)
		return -EINVAL;
	return 0;
}

static void put_header(struct pkt *pkt, const struct inet_out *out, u16 from, u16 to, u32 len,
		       bool checksum)
{
	u8 *h = pkt_push(pkt, UDP_HEADER);

	put_be16(h, from);
	put_be16(h + 2, to);
	put_be16(h + 4, UDP_HEADER + len);
	put_be16(h + 6, 0);
	if (out->segment != 0 && len > out->segment) {
		pkt->gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
		pkt->gso_size = out->segment;
	}
	if (checksum || pkt->gso_size != 0)
		ip_checksum_later(pkt, &out->to, 6);
}

/* While the device has no room, as Linux waits for some in the send buffer. A
 * non-blocking send goes on, and may be dropped: nothing would tell when to try
 * again, since poll(2) always has room. */
static int wait_for_room(struct udp_socket *u, const struct sockmsg *msg, struct netif *netif)
{
	u64 deadline = socket_deadline(u->s.opt.sndtimeo_ns);
	int r = 0;

	while (r == 0 && netif->full && !msg->nonblock)
		r = socket_wait_on(&netif->room, false, deadline);
	return r;
}

static long send_to(struct udp_socket *u, struct sockmsg *msg, struct inet_out *out, u16 port)
{
	bool checksum = !u->s.opt.no_check || !ip_is4(&out->to.dst);
	u32 len = msg->uio->resid;
	struct pkt *pkt;
	int error = check_segments(out, len);

	if (error == 0)
		error = make_packet(msg->uio, len, &pkt);
	if (error < 0)
		return error;
	inet_out_fragments(out, &u->inet, UDP_HEADER + len);
	put_header(pkt, out, u->local.port, port, len, checksum);
	error = ip_output(pkt, &out->to);
	/* A full ring drops, as a router would (udp(7)). */
	if (error == -ENOBUFS && !u->inet.recverr)
		error = 0;
	return error < 0 ? error : (long)len;
}

long udp_send(struct socket *s, struct sockmsg *msg)
{
	struct udp_socket *u = udp_sock(s);
	struct ipaddr addr;
	struct inet_out out;
	u32 scope;
	u16 port;
	int error;

	if (msg->uio->resid > LONGEST - UDP_HEADER)
		return -EMSGSIZE;
	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	error = destination(u, msg, &addr, &port, &scope);
	if (error == 0 && u->no_write)
		error = -EPIPE;
	if (error == 0)
		error = socket_take_error(s);
	if (error == 0)
		error = udp_autobind(u);
	if (error < 0)
		return error;
	inet_out_init(&out, s, &u->inet, &u->local.addr, &addr, scope);
	out.to.proto = IPPROTO_UDP;
	out.segment = u->segment;
	error = inet_out_control(&out, msg);
	if (error == 0)
		error = inet_out_route(&out, s);
	if (error == 0)
		error = wait_for_room(u, msg, out.path.netif);
	return error < 0 ? error : send_to(u, msg, &out, port);
}
