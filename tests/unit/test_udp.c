// clang-format off
// link: tests/unit/fake_libos.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/netif.c guest/net/loopback.c guest/net/offload.c guest/net/route.c guest/net/ip.c guest/net/ip4.c guest/net/ip6.c guest/net/icmp.c guest/net/icmp6.c guest/net/icmp_msg.c
// link: guest/net/reass.c guest/net/eth.c guest/net/arp.c guest/net/neigh.c guest/net/ndp.c guest/net/mld.c guest/net/router.c guest/net/nameserver.c guest/net/dhcp.c guest/net/dhcp_wire.c guest/net/socket.c guest/net/ports.c guest/net/inet.c guest/net/inet_opt.c
// link: guest/net/udp.c guest/net/udp_recv.c guest/net/udp_send.c guest/net/raw.c guest/net/raw_io.c
// clang-format on
/*
 * UDP and raw sockets over the loopback interface of the real stack: who gets a
 * datagram, what lying headers do, how much is kept, and that nothing is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fake_libos.h"
#include "../../guest/net/addr_text.h"
#include "../../guest/net/stack.h"
#include "../../guest/net/udp.h"

void tcp_input(struct pkt *pkt)
{
	pkt_free(pkt);
}

void tcp_error(struct pkt *pkt, int error, u32 mtu)
{
	(void)pkt, (void)error, (void)mtu;
}

/* ---- helpers ---- */

static u8 out[70000], in[70000];

static int begin(void **state)
{
	(void)state;
	fake_begin();
	assert_int_equal(net_init(), 0);
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + i / 251;
	return 0;
}

static int end(void **state)
{
	(void)state;
	net_stop();
	assert_int_equal(pkt_count, 0);
	assert_int_equal(pkt_mem_count, 0);
	pkt_reclaim();
	fake_end();
	return 0;
}

static struct sockname name_of(const char *text, u16 port)
{
	struct sockname name = { .len = 28 };
	struct ipaddr addr;

	assert_true(ip_parse(text, &addr));
	if (ip_is4(&addr)) {
		name.len = 16;
		name.in.family = AF_INET;
		name.in.port = htons(port);
		name.in.addr = ip_get4(&addr);
	} else {
		name.in6.family = AF_INET6;
		name.in6.port = htons(port);
		memcpy(name.in6.addr, addr.b, 16);
	}
	return name;
}

static struct socket *make(int family)
{
	struct socket *s;

	assert_int_equal(udp_socket(family, &s), 0);
	return s;
}

static struct socket *bound(const char *text, u16 port)
{
	struct sockname name = name_of(text, port);
	struct socket *s = make(name.family);

	assert_int_equal(s->ops->bind(s, &name), 0);
	return s;
}

static void release(struct socket *s)
{
	s->ops->release(s);
}

static long send_to(struct socket *s, const void *data, size_t n, struct sockname *name)
{
	struct iovec iov = { (void *)data, n };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = n, .kernel = true };
	struct sockmsg msg = { .uio = &uio, .name = name, .nonblock = true };
	long r;

	net_enter();
	r = s->ops->send(s, &msg);
	net_leave();
	return r;
}

static long recv_from(struct socket *s, size_t n, struct sockname *name, u32 *flags)
{
	struct iovec iov = { in, n };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = n, .kernel = true };
	struct sockmsg msg = { .uio = &uio, .name = name, .nonblock = true };
	long r = s->ops->recv(s, &msg);

	if (flags != NULL)
		*flags = msg.out_flags;
	return r;
}

static long next_length(struct socket *s)
{
	return recv_from(s, sizeof(in), NULL, NULL);
}

/* ---- whose a datagram is ---- */

static void the_best_match_gets_it(void **state)
{
	struct socket *any = make(AF_INET6), *wild, *exact, *peer;
	struct sockname name = name_of("::", 1000), from = name_of("127.0.0.1", 2000);
	(void)state;

	any->opt.reuse_addr = true;
	assert_int_equal(any->ops->bind(any, &name), 0);
	wild = make(AF_INET);
	wild->opt.reuse_addr = true;
	name = name_of("0.0.0.0", 1000);
	assert_int_equal(wild->ops->bind(wild, &name), 0);
	exact = make(AF_INET);
	exact->opt.reuse_addr = true;
	name = name_of("127.0.0.1", 1000);
	assert_int_equal(exact->ops->bind(exact, &name), 0);
	peer = bound("127.0.0.1", 2000);

	name = name_of("127.0.0.1", 1000);
	assert_int_equal(send_to(peer, out, 1, &name), 1);
	assert_int_equal(next_length(exact), 1);
	name = name_of("127.0.0.2", 1000);
	assert_int_equal(send_to(peer, out, 2, &name), 2);
	assert_int_equal(next_length(wild), 2);
	name = name_of("::1", 1000);
	struct socket *six = make(AF_INET6);
	assert_int_equal(send_to(six, out, 3, &name), 3);
	assert_int_equal(next_length(any), 3);
	/* the connected one before the exact one */
	assert_int_equal(wild->ops->connect(wild, &from, true), 0);
	name = name_of("127.0.0.1", 1000);
	assert_int_equal(send_to(peer, out, 4, &name), 4);
	assert_int_equal(next_length(wild), 4);
	assert_int_equal(next_length(exact), -EAGAIN);
	release(any);
	release(wild);
	release(exact);
	release(peer);
	release(six);
}

static void a_flow_stays_with_its_socket(void **state)
{
	struct socket *group[4], *from;
	struct sockname name = name_of("127.0.0.1", 1000);
	unsigned got[4] = { 0 }, total = 0;
	(void)state;

	for (int i = 0; i < 4; i++) {
		group[i] = make(AF_INET);
		group[i]->opt.reuse_port = true;
		assert_int_equal(group[i]->ops->bind(group[i], &name), 0);
	}
	for (u16 port = 2000; port < 2200; port++) {
		int hits = 0;

		from = bound("127.0.0.1", port);
		for (int k = 0; k < 3; k++)
			assert_int_equal(send_to(from, out, 1, &name), 1);
		for (int i = 0; i < 4; i++) {
			unsigned n = 0;

			while (next_length(group[i]) == 1)
				n++;
			assert_true(n == 0 || n == 3);
			got[i] += n;
			hits += n > 0;
		}
		assert_int_equal(hits, 1);
		release(from);
	}
	for (int i = 0; i < 4; i++) {
		assert_true(got[i] > 60 && got[i] < 300);
		total += got[i];
		release(group[i]);
	}
	assert_int_equal(total, 600);
}

/* ---- sizes ---- */

static void any_length_arrives(void **state)
{
	struct socket *a = bound("127.0.0.1", 1000), *b = bound("127.0.0.1", 1001);
	struct sockname name = name_of("127.0.0.1", 1001), from;
	static const u32 lengths[] = { 0, 1, 127, 128, 129, 160, 161, 4095, 4096, 30000, 65507 };
	u32 flags;
	(void)state;

	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		assert_int_equal(send_to(a, out, lengths[i], &name), lengths[i]);
		assert_int_equal(recv_from(b, sizeof(in), &from, &flags), lengths[i]);
		assert_memory_equal(in, out, lengths[i]);
		assert_int_equal(ntohs(from.in.port), 1000);
		assert_int_equal(flags, 0);
	}
	assert_int_equal(send_to(a, out, 65508, &name), -EMSGSIZE);
	assert_int_equal(send_to(a, out, 100, &name), 100);
	assert_int_equal(recv_from(b, 40, &from, &flags), 40);
	assert_int_equal(flags, MSG_TRUNC);
	release(a);
	release(b);
}

static void segments_are_datagrams(void **state)
{
	struct socket *a = bound("127.0.0.1", 1000), *b = bound("127.0.0.1", 1001);
	struct sockname name = name_of("127.0.0.1", 1001);
	int size = 1000;
	(void)state;

	assert_int_equal(a->ops->setsockopt(a, SOL_UDP, 103, &size, sizeof(size)), 0);
	assert_int_equal(send_to(a, out, 10500, &name), 10500);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(next_length(b), 1000);
		assert_memory_equal(in, out + i * 1000, 1000);
	}
	assert_int_equal(next_length(b), 500);
	assert_int_equal(next_length(b), -EAGAIN);
	release(a);
	release(b);
}

/* What nobody reads is dropped, not kept. */
static void the_queue_is_bounded(void **state)
{
	struct socket *a = bound("127.0.0.1", 1000), *b = bound("127.0.0.1", 1001);
	struct sockname name = name_of("127.0.0.1", 1001);
	unsigned n = 0;
	(void)state;

	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(send_to(a, out, 1000, &name), 1000);
	assert_true(udp_sock(b)->queued <= b->opt.rcvbuf);
	while (next_length(b) == 1000)
		n++;
	assert_true(n > 20 && n < 1000);
	assert_int_equal(n + udp_sock(b)->drops, 5000);
	assert_int_equal(udp_sock(b)->queued, 0);
	release(a);
	release(b);
}

/* ---- hostile headers ---- */

static void deliver(const u8 *udp, u32 len, u32 front)
{
	struct pkt_mem *mem = pkt_mem_alloc(MAX(len, 1u));
	struct pkt *pkt;

	memcpy(mem->data, udp, len);
	pkt = pkt_alloc();
	if (front > 0)
		memcpy(pkt_put(pkt, MIN(front, len)), udp, MIN(front, len));
	if (front < len)
		assert_true(pkt_add_frag(pkt, mem, mem->data + front, len - front));
	pkt_mem_put(mem);
	pkt->netif = net_loopback;
	assert_true(ip_parse("127.0.0.1", &pkt->src));
	pkt->dst = pkt->src;
	pkt->proto = IPPROTO_UDP;
	pkt->network = pkt->data;
	pkt->when = now_ns();
	net_enter();
	udp_input(pkt);
	net_leave();
}

static void put_checksum(u8 *udp, u32 len)
{
	struct ipaddr lo;
	u32 sum;
	u16 field;

	assert_true(ip_parse("127.0.0.1", &lo));
	put_be16(udp + 6, 0);
	sum = net_sum(udp, len, ip_pseudo_sum(&lo, &lo, IPPROTO_UDP, len));
	field = ~sum;
	memcpy(udp + 6, &field, 2);
}

static void lying_headers_are_dropped(void **state)
{
	struct socket *s = bound("127.0.0.1", 1000);
	u8 udp[64];
	(void)state;

	for (u32 front = 0; front <= 32; front += 4)
		for (u32 said = 0; said < 80; said++)
			for (u32 len = 0; len <= 40; len += 4) {
				bool good = said >= 8 && said <= len;

				memset(udp, 0x55, sizeof(udp));
				put_be16(udp, 2000);
				put_be16(udp + 2, 1000);
				put_be16(udp + 4, said);
				if (good)
					put_checksum(udp, said);
				deliver(udp, len, front);
				assert_int_equal(next_length(s), good ? (long)said - 8 : -EAGAIN);
			}
	/* a wrong sum; none */
	memset(udp, 1, sizeof(udp));
	put_be16(udp + 2, 1000);
	put_be16(udp + 4, 20);
	put_checksum(udp, 20);
	udp[12] ^= 4;
	deliver(udp, 20, 20);
	assert_int_equal(next_length(s), -EAGAIN);
	put_be16(udp + 6, 0);
	deliver(udp, 20, 20);
	assert_int_equal(next_length(s), 12);
	release(s);
}

/* ---- errors ---- */

static void a_refused_datagram_is_told(void **state)
{
	struct socket *s = bound("127.0.0.1", 1000);
	struct sockname name = name_of("127.0.0.1", 1001);
	(void)state;

	assert_int_equal(send_to(s, out, 10, &name), 10);
	assert_int_equal(next_length(s), -EAGAIN); /* not connected: not told */
	assert_int_equal(s->ops->connect(s, &name, true), 0);
	assert_int_equal(send_to(s, out, 10, NULL), 10);
	assert_int_equal(next_length(s), -ECONNREFUSED);
	assert_int_equal(next_length(s), -EAGAIN);
	release(s);
}

/* ---- without memory ---- */

static void any_allocation_may_fail(void **state)
{
	struct sockname name = name_of("127.0.0.1", 1001);
	(void)state;

	for (long n = 0; n < 40; n++) {
		struct socket *a = bound("127.0.0.1", 1000), *b = bound("127.0.0.1", 1001), *c;
		int size = 500;

		pkt_reclaim();
		a->ops->setsockopt(a, SOL_UDP, 103, &size, sizeof(size));
		fake_allocations_left = n;
		send_to(a, out, 4000, &name);
		send_to(a, out, 40, &name);
		while (next_length(b) >= 0)
			;
		if (udp_socket(AF_INET6, &c) == 0) {
			u8 group[20] = { 0xff, 2, [15] = 77, 1 };

			c->ops->setsockopt(c, SOL_IPV6, IPV6_ADD_MEMBERSHIP, group, sizeof(group));
			release(c);
		}
		fake_allocations_left = -1;
		release(a);
		release(b);
	}
}

/* ---- raw ---- */

static void a_ping_is_answered(void **state)
{
	struct sockname name = name_of("127.0.0.1", 0);
	struct socket *ping, *raw;
	u8 echo[20] = { 8, 0, 0xff, 0xff, 1, 2, 0, 5, 'd', 'a', 't', 'a' };
	(void)state;

	assert_int_equal(raw_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP, &ping), 0);
	assert_int_equal(raw_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP, &raw), 0);
	assert_int_equal(send_to(ping, echo, sizeof(echo), &name), sizeof(echo));
	assert_int_equal(next_length(ping), sizeof(echo));
	assert_int_equal(in[0], 0);
	assert_memory_equal(in + 6, echo + 6, sizeof(echo) - 6);
	assert_int_equal(next_length(ping), -EAGAIN);
	/* the other has seen both, with their headers */
	assert_int_equal(next_length(raw), sizeof(echo) + 20);
	assert_int_equal(in[20], 8);
	assert_int_equal(next_length(raw), sizeof(echo) + 20);
	assert_int_equal(in[20], 0);
	/* only requests, and whole ones */
	assert_int_equal(send_to(ping, echo, 7, &name), -EINVAL);
	echo[0] = 13;
	assert_int_equal(send_to(ping, echo, sizeof(echo), &name), -EINVAL);
	release(ping);
	release(raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
		TEST(the_best_match_gets_it),     TEST(a_flow_stays_with_its_socket),
		TEST(any_length_arrives),         TEST(segments_are_datagrams),
		TEST(the_queue_is_bounded),       TEST(lying_headers_are_dropped),
		TEST(a_refused_datagram_is_told), TEST(any_allocation_may_fail),
		TEST(a_ping_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
