// link: tests/unit/fake_libos.c guest/net/[a-t]*.c guest/net/udp*.c
// libs: -lcmocka
/*
 * A hostile network: any frames, at any time, into a stack with lo and eth0
 * (10.0.0.1/24, fd00::1/64, its link-local address, DHCP), a TCP server, and a
 * UDP server that answers. What the stack sends is checked, and after each input
 * nothing may be left behind.
 *
 * Input: operations, a byte each with its operands. Checksums, and the
 * transaction number of DHCP, are put right where the operation says so, since
 * they would keep a fuzzer out; OP_PEER answers the last TCP segment that was
 * sent, with some of it wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "input.h"
#include "../unit/fake_libos.h"
#include "../../guest/net/addr_text.h"
#include "../../guest/net/dhcp_wire.h"
#include "../../guest/net/eth.h"
#include "../../guest/net/socket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OP_FRAME, /* length: 2 bytes, split: 1 byte if OP_SPLIT, then the bytes */
	OP_FRAME_RAW, /* the same, with nothing put right */
	OP_PEER, /* flags, seq and ack off by, length, options' length and bytes */
	OP_WAIT, /* 10 ms: 2 bytes */
	OP_SERVE, /* accept, receive, send, close */
	OP_CONNECT, /* to the peer, which OP_PEER then is */
	OP_SEND_UDP, /* length: 2 bytes */
	OP_COUNT
};
#define OP_SPLIT 0x08 /* the first bytes in a row, the rest in fragments of 100 */
#define OP_GOOD  0x10 /* the device has verified the checksum */

#define CHECK(condition)                  \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)
#define SOCKETS 4

static const u8 mac[6] = { 2, 0, 0, 0, 0, 1 }, peer_mac[6] = { 2, 0, 0, 0, 0, 2 };
static struct netif eth;
static struct socket *tcp_server, *udp_server, *connection[SOCKETS];
static u8 last_tcp[2048]; /* the last TCP segment sent, from the IP header on */
static u32 last_tcp_len, last_xid;

/* ---- what the stack sends ---- */

static void check_ip4(const u8 *p, u32 len, bool gso)
{
	u32 hlen = (p[0] & 15) * 4;

	CHECK(len >= 20 && hlen >= 20 && get_be16(p + 2) == len);
	CHECK(gso || len <= 1500);
	CHECK(net_sum(p, hlen, 0) == 0xffff);
	if (p[9] == 6 && !(get_be16(p + 6) & 0x3fff) && len <= sizeof(last_tcp)) {
		CHECK(len >= hlen + 20);
		memcpy(last_tcp, p, len);
		last_tcp_len = len;
	}
	if (p[9] == 17 && len >= hlen + 8 + sizeof(struct dhcp_msg) &&
	    get_be16(p + hlen + 2) == DHCP_SERVER_PORT)
		memcpy(&last_xid, p + hlen + 8 + 4, 4);
}

static void check_ip6(const u8 *p, u32 len, bool gso)
{
	CHECK(len >= 40 && get_be16(p + 4) == len - 40 && p[0] >> 4 == 6);
	CHECK(gso || len <= 1500);
	if (p[6] == 6 && len <= sizeof(last_tcp)) {
		CHECK(len >= 60);
		memcpy(last_tcp, p, len);
		last_tcp_len = len;
	}
}

static int transmit(struct netif *netif, struct pkt *pkt)
{
	static u8 frame[1 << 17];
	u32 len = pkt->total;
	u16 type;

	CHECK(netif == &eth && len >= 14 && len < sizeof(frame));
	CHECK((u32)(pkt->data - pkt->start) >= 12); /* room for virtio's header */
	CHECK(pkt->csum != CSUM_PARTIAL ||
	      (pkt->csum_start >= pkt->data &&
	       pkt->csum_start + pkt->csum_offset + 2 <= pkt->data + pkt->len));
	pkt_copy(pkt, 0, frame, len);
	CHECK(memcmp(frame + 6, mac, 6) == 0);
	type = get_be16(frame + 12);
	if (type == ETH_IP4)
		check_ip4(frame + 14, len - 14, pkt->gso_size > 0);
	else if (type == ETH_IP6)
		check_ip6(frame + 14, len - 14, pkt->gso_size > 0);
	else
		CHECK(type == ETH_ARP && len == 42);
	pkt_free(pkt);
	return len % 97 == 0 ? -ENOBUFS : 0;
}

static void flush(struct netif *netif)
{
	(void)netif;
}

/* ---- what it is sent ---- */

static void put_sum(u8 *field, u32 sum)
{
	u16 value = ~sum;

	memcpy(field, &value, 2);
}

static void fix_transport(u8 *ip, u8 proto, u8 *t, u32 len)
{
	static const u8 field[256] = { [1] = 2, [6] = 16, [17] = 6, [58] = 2 };
	struct ipaddr src, dst;
	u32 pseudo;

	if (field[proto] == 0 || len < field[proto] + 2u)
		return;
	if (ip[0] >> 4 == 4) {
		be32 a[2];

		memcpy(a, ip + 12, 8);
		src = ip_from4(a[0]);
		dst = ip_from4(a[1]);
	} else {
		memcpy(&src, ip + 8, 16);
		memcpy(&dst, ip + 24, 16);
	}
	if (proto == 17 && len >= 8 + sizeof(struct dhcp_msg) &&
	    get_be16(t + 2) == DHCP_CLIENT_PORT) {
		memcpy(t + 8 + 4, &last_xid, 4);
		memcpy(t + 8 + 28, mac, 6);
	}
	pseudo = proto == 1 ? 0 : ip_pseudo_sum(&src, &dst, proto, len);
	memset(t + field[proto], 0, 2);
	put_sum(t + field[proto], net_sum(t, len, pseudo));
}

/* Puts right what a fuzzer cannot. */
static void fix(u8 *frame, u32 len)
{
	u8 *ip = frame + 14;
	u32 left = len - 14, hlen;

	if (len < 14 + 20)
		return;
	if (get_be16(frame + 12) == ETH_IP4) {
		hlen = (ip[0] & 15) * 4;
		if (hlen < 20 || hlen > left)
			return;
		memset(ip + 10, 0, 2);
		put_sum(ip + 10, net_sum(ip, hlen, 0));
		left = MIN(left, get_be16(ip + 2));
		if (!(get_be16(ip + 6) & 0x3fff) && left > hlen)
			fix_transport(ip, ip[9], ip + hlen, left - hlen);
	} else if (get_be16(frame + 12) == ETH_IP6 && left >= 40) {
		u8 next = ip[6];

		left = MIN(left - 40, get_be16(ip + 4));
		ip += 40;
		while ((next == 0 || next == 43 || next == 60) && left >= 8 &&
		       left > (ip[1] + 1u) * 8) {
			next = ip[0];
			left -= (ip[1] + 1) * 8;
			ip += (ip[1] + 1) * 8;
		}
		fix_transport(frame + 14, next, ip, left);
	}
}

static void receive(const u8 *frame, u32 len, u32 split, u8 op)
{
	u32 front = op & OP_SPLIT ? MIN(split, len) : len, n;
	struct pkt_mem *mem = pkt_mem_alloc(MAX(front, 1));
	struct pkt *pkt;

	CHECK(mem != NULL);
	/* At the block's end, so that the sanitizer sees what goes beyond. */
	memcpy(mem->data + mem->size - front, frame, front);
	pkt = pkt_wrap(mem, mem->data + mem->size - front, front);
	for (u32 at = front; at < len; at += n) {
		n = MIN(len - at, 100);
		mem = pkt_mem_alloc(n);
		memcpy(mem->data + mem->size - n, frame + at, n);
		if (!pkt_add_frag(pkt, mem, mem->data + mem->size - n, n))
			at = len;
		pkt_mem_put(mem);
	}
	pkt->csum = op & OP_GOOD ? CSUM_GOOD : CSUM_NONE;
	net_enter();
	netif_receive(&eth, pkt);
	net_leave();
}

static void frame_op(struct input *in, u8 op)
{
	u8 frame[2048];
	u32 len = take(in, 2) % sizeof(frame), split = op & OP_SPLIT ? take(in, 1) : 0;

	len = MIN(len, in->left);
	memcpy(frame, in->at, len);
	in->at += len;
	in->left -= len;
	if (op % 8 == OP_FRAME)
		fix(frame, len);
	receive(frame, len, split, op);
}

/* The other end of the last TCP segment that was sent. */
static void peer_op(struct input *in, u8 op)
{
	u8 frame[14 + 40 + 60 + 256] = { 0 }, *ip = frame + 14, *t, flags = take(in, 1);
	u32 seq_off = (signed char)take(in, 1), ack_off = (signed char)take(in, 1),
	    len = take(in, 1);
	u32 options = take(in, 1) % 11 * 4;
	bool v4 = last_tcp[0] >> 4 == 4;
	u32 hlen = v4 ? (last_tcp[0] & 15) * 4u : 40;
	const u8 *their = last_tcp + hlen;
	u32 their_len;

	if (last_tcp_len < hlen + 20)
		return;
	memcpy(frame, mac, 6);
	memcpy(frame + 6, peer_mac, 6);
	put_be16(frame + 12, v4 ? ETH_IP4 : ETH_IP6);
	t = ip + (v4 ? 20 : 40);
	if (v4) {
		ip[0] = 0x45;
		ip[8] = 64;
		ip[9] = 6;
		put_be16(ip + 2, 20 + 20 + options + len);
		memcpy(ip + 12, last_tcp + 16, 4);
		memcpy(ip + 16, last_tcp + 12, 4);
	} else {
		ip[0] = 0x60;
		ip[6] = 6;
		ip[7] = 64;
		put_be16(ip + 4, 20 + options + len);
		memcpy(ip + 8, last_tcp + 24, 16);
		memcpy(ip + 24, last_tcp + 8, 16);
	}
	memcpy(t, their + 2, 2);
	memcpy(t + 2, their, 2);
	their_len = last_tcp_len - hlen - (their[12] >> 4) * 4;
	put_be32(t + 4, get_be32(their + 8) + seq_off);
	put_be32(t + 8, get_be32(their + 4) + their_len + !!(their[13] & 3) + ack_off);
	t[12] = (5 + options / 4) << 4;
	t[13] = flags;
	put_be16(t + 14, take(in, 2));
	for (u32 i = 0; i < options; i++)
		t[20 + i] = take(in, 1);
	fix(frame, t - frame + 20 + options + len);
	receive(frame, t - frame + 20 + options + len, take(in, 1), op);
}

/* ---- the programs ---- */

static struct sockname name4(u8 last, u16 port)
{
	struct sockname n = { .in = { .family = AF_INET, .port = htons(port) }, .len = 16 };

	n.in.addr = last ? htonl(0x0a000000 | last) : 0;
	return n;
}

static void one_message(struct socket *s, bool datagram)
{
	static u8 bytes[4096];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = sizeof(bytes), .kernel = true };
	struct sockname from = { .len = 0 };
	struct sockmsg msg = { .uio = &uio, .name = &from, .nonblock = true };
	long n = s->ops->recv(s, &msg);

	CHECK(n <= (long)sizeof(bytes));
	s->ops->poll(s);
	if (n < (datagram ? 0 : 1))
		return;
	iov.iov_len = n;
	uio = (struct uio){ .iov = &iov, .niov = 1, .resid = n, .kernel = true };
	msg = (struct sockmsg){ .uio = &uio, .name = datagram ? &from : NULL, .nonblock = true };
	s->ops->send(s, &msg);
}

static void release(struct socket **s)
{
	if (*s != NULL)
		(*s)->ops->release(*s);
	*s = NULL;
}

static void serve(struct input *in)
{
	u32 which = take(in, 1);
	struct socket **s = &connection[which % SOCKETS];

	if (udp_server != NULL)
		one_message(udp_server, true);
	if (*s == NULL && tcp_server != NULL)
		tcp_server->ops->accept(tcp_server, s, true);
	if (*s == NULL)
		return;
	if (which & 0x80)
		one_message(*s, false);
	if (which & 0x40)
		(*s)->ops->shutdown(*s, which % 3);
	if (which & 0x20)
		release(s);
}

static void connect_op(struct input *in)
{
	struct socket **s = &connection[take(in, 1) % SOCKETS];
	struct sockname to = name4(2, 4000);

	if (*s == NULL && tcp_socket(AF_INET, s) == 0)
		(*s)->ops->connect(*s, &to, true);
}

static void send_udp(struct input *in)
{
	static u8 bytes[65536];
	u32 len = take(in, 2);
	struct iovec iov = { bytes, len };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = len, .kernel = true };
	struct sockname to = name4(len % 4 + 1, 7);
	struct sockmsg msg = { .uio = &uio, .name = &to, .nonblock = true };

	if (udp_server != NULL)
		udp_server->ops->send(udp_server, &msg);
}

static void enter_and(void (*op)(struct input *in), struct input *in)
{
	net_enter();
	op(in);
	net_leave();
}

/* ---- one input ---- */

/* Sending waits while DHCP has begun and there is no route: DHCP is a part of this. */
static int interrupted(u64 deadline)
{
	(void)deadline;
	return -EINTR;
}

static void start(void)
{
	struct ipaddr addr;
	unsigned prefix;
	struct sockname any7 = name4(0, 7), any80 = name4(0, 80);

	fake_begin();
	fake_signal_pending = true; /* nothing waits */
	fake_wait = interrupted;
	CHECK(net_init() == 0);
	memset(&eth, 0, sizeof(eth));
	memcpy(eth.mac, mac, 6);
	eth.ethernet = true;
	eth.mtu = 1500;
	eth.flags = NETIF_UP | NETIF_RUNNING | NETIF_BROADCAST | NETIF_MULTICAST;
	eth.offload = NETIF_CSUM | NETIF_TSO4;
	eth.gso_max = 65535;
	eth.transmit = transmit;
	eth.flush = flush;
	net_enter();
	netif_add(&eth);
	CHECK(ip_parse_prefix("10.0.0.1/24", &addr, &prefix));
	netif_add_addr(&eth, &addr, prefix, ADDR_STATIC, NEVER, NEVER);
	CHECK(ip_parse_prefix("fd00::1/64", &addr, &prefix));
	netif_add_addr(&eth, &addr, prefix, ADDR_STATIC, NEVER, NEVER);
	CHECK(dhcp_start(&eth) == 0);
	net_leave();
	CHECK(udp_socket(AF_INET, &udp_server) == 0 &&
	      udp_server->ops->bind(udp_server, &any7) == 0);
	CHECK(tcp_socket(AF_INET, &tcp_server) == 0 &&
	      tcp_server->ops->bind(tcp_server, &any80) == 0 &&
	      tcp_server->ops->listen(tcp_server, 4) == 0);
	last_tcp_len = 0;
}

static void stop(void)
{
	net_enter();
	for (unsigned i = 0; i < SOCKETS; i++)
		release(&connection[i]);
	release(&tcp_server);
	release(&udp_server);
	net_leave();
	for (unsigned i = 0; i < 40; i++) /* orphans and TIME-WAIT come to their end */
		fake_advance(60000000000);
	net_stop();
	CHECK(pkt_count == 0);
	CHECK(pkt_mem_count == 0);
	CHECK(fake_next_timer() == NEVER);
	pkt_reclaim();
	CHECK(fake_frames == 0);
	CHECK(fake_objects == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	start();
	while (in.left > 0) {
		u8 op = take(&in, 1);

		switch (op % 8) {
		case OP_FRAME:
		case OP_FRAME_RAW:
			frame_op(&in, op);
			break;
		case OP_PEER:
			peer_op(&in, op);
			break;
		case OP_WAIT:
			fake_advance(take(&in, 2) * 10000000ull);
			break;
		case OP_SERVE:
			enter_and(serve, &in);
			break;
		case OP_CONNECT:
			enter_and(connect_op, &in);
			break;
		case OP_SEND_UDP:
			enter_and(send_udp, &in);
			break;
		default:
			break;
		}
	}
	stop();
	return 0;
}
