// clang-format off
// link: tests/unit/fake_libos.c tests/unit/net_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/netif.c
// link: guest/net/loopback.c guest/net/offload.c guest/net/route.c guest/net/ip.c guest/net/ip4.c guest/net/ip6.c guest/net/icmp.c guest/net/icmp6.c guest/net/icmp_msg.c
// link: guest/net/reass.c guest/net/eth.c guest/net/arp.c guest/net/neigh.c guest/net/ndp.c guest/net/mld.c guest/net/router.c guest/net/nameserver.c guest/net/dhcp.c guest/net/dhcp_wire.c
// clang-format on
/*
 * Reassembly: every order, copies, overlaps, what does not fit, time and
 * memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "net_fake.h"

static u8 data[70000];

static int begin(void **state)
{
	(void)state;
	net_fake_begin();
	eth_with_peer(0);
	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = i * 11 + i / 256;
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_advance(100 * SECOND);
	net_fake_end();
	return 0;
}

static void piece4(u16 id, u32 from, u32 len, bool more)
{
	from_peer4_fragment("10.0.0.2", "10.0.0.1", 17, data + from, len, id,
			    from / 8 | (more ? IP4_MF : 0));
}

static void piece6(u32 id, u32 from, u32 len, bool more)
{
	static u8 bytes[70000];

	bytes[0] = 17;
	bytes[1] = 0;
	put_be16(bytes + 2, from | more);
	put_be32(bytes + 4, id);
	memcpy(bytes + 8, data + from, len);
	from_peer6("fd00::2", "fd00::1", IP6_FRAGMENT, 64, bytes, 8 + len);
}

static void piece(bool six, u32 id, u32 from, u32 len, bool more)
{
	if (six)
		piece6(id, from, len, more);
	else
		piece4(id, from, len, more);
}

static void assert_whole(u32 len)
{
	struct pkt *pkt = pkt_dequeue(&got_udp);

	assert_non_null(pkt);
	assert_int_equal(pkt->total, len);
	assert_memory_equal(flat(pkt), data, len);
	assert_int_equal(pkt->proto, 17);
	assert_true(pkt->network < pkt->data);
	if (*pkt->network == 0x45) {
		assert_int_equal(get_be16(pkt->network + 2), 20 + len);
		assert_int_equal(get_be16(pkt->network + 6), 0);
		assert_int_equal(net_sum(pkt->network, 20, 0), 0xffff);
	}
	pkt_free(pkt);
	assert_null(pkt_dequeue(&got_udp));
}

static void assert_nothing(void)
{
	assert_true(list_empty(&got_udp));
}

/* All orders of four pieces. */
static void test_orders(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 2 * 256; n++) {
		unsigned seen = 0;

		for (unsigned i = 0; i < 4; i++)
			seen |= 1u << (n >> 2 * i & 3);
		if (seen != 15)
			continue;
		for (unsigned i = 0; i < 4; i++) {
			unsigned p = n >> 2 * i & 3;

			assert_nothing();
			piece(n >= 256, n, p * 800, p < 3 ? 800 : 333, p < 3);
		}
		assert_whole(2733);
	}
}

static void test_largest(void **state)
{
	(void)state;
	for (u32 at = 0; at < 65515; at += 1480)
		piece4(1, at, MIN(1480, 65515 - at), at + 1480 < 65515);
	assert_whole(65515);
	for (u32 at = 0; at < 65535; at += 1448)
		piece6(1, at, MIN(1448, 65535 - at), at + 1448 < 65535);
	assert_whole(65535);
}

static void test_copies_and_others(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		piece(six, 1, 0, 800, true);
		piece(six, 1, 0, 800, true);
		piece(six, 2, 800, 100, false); /* another datagram's */
		assert_nothing();
		piece(six, 1, 800, 100, false);
		assert_whole(900);
		piece(six, 1, 800, 100, false); /* once more: a new one begins */
		assert_nothing();
	}
	from_peer4_fragment("10.0.0.2", "10.0.0.1", 99, data, 800, 2, IP4_MF); /* protocol */
	from_peer4_fragment("10.0.0.9", "10.0.0.1", 17, data, 800, 2, IP4_MF); /* source */
	assert_nothing();
	piece4(2, 0, 800, true);
	assert_whole(900);
}

/* Pieces that overlap end the whole, whatever comes later. */
static void test_overlaps(void **state)
{
	static const struct {
		u32 from, len;
		bool more;
	} bad[] = {
		{ 0, 408, true },  { 392, 8, true },   { 392, 800, true },  { 392, 16, true },
		{ 8, 392, false }, { 792, 16, true },  { 600, 100, false }, { 400, 400, false },
		{ 1200, 8, true }, { 392, 400, true }, /* as many bytes as are missing */
	};

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(bad); i++) {
		bool six = i % 2;

		piece(six, 7, 0, 400, true);
		piece(six, 7, 800, 400, false);
		piece(six, 7, bad[i / 2].from, bad[i / 2].len, bad[i / 2].more);
		piece(six, 7, 400, 400, true);
		assert_nothing();
		fake_advance(100 * SECOND);
		pkt_purge(&sent);
	}
}

static void test_bad_pieces(void **state)
{
	u32 len;
	const u8 *p;

	(void)state;
	piece4(1, 0, 801, true); /* not a multiple of 8 */
	piece4(1, 65528, 100, false); /* beyond the end */
	piece4(1, 800, 0, false); /* nothing */
	assert_int_equal(pkt_count, 0);
	piece6(1, 0, 801, true);
	p = sent_ip(&len);
	assert_memory_equal(p + 40, "\4\0", 2);
	assert_int_equal(get_be32(p + 44), 4); /* the length */
	piece6(1, 65528, 100, false);
	p = sent_ip(&len);
	assert_memory_equal(p + 40, "\4\0", 2);
	assert_int_equal(get_be32(p + 44), 42); /* the offset */
	piece6(1, 800, 0, false);
	from_peer6("fd00::2", "fd00::1", IP6_FRAGMENT, 64, data, 7);
	assert_int_equal(pkt_count, 0);
	piece6(9, 0, 100, false); /* the only one: RFC 6946 */
	assert_whole(100);
}

static void test_time(void **state)
{
	struct ipaddr peer = ip("10.0.0.2");
	u32 len;
	const u8 *p;

	(void)state;
	piece4(1, 0, 800, true);
	piece4(2, 800, 800, true);
	piece6(3, 0, 800, true);
	fake_advance(29 * SECOND);
	assert_null(next_sent());
	fake_advance(2 * SECOND);
	p = sent_ip(&len);
	assert_memory_equal(p + 20, "\x0b\1", 2);
	assert_memory_equal(p + 48, data, 500); /* quotes the first */
	assert_null(next_sent()); /* of the second there was no first */
	ip_confirm(&peer);
	piece4(1, 800, 100, false);
	assert_nothing();
	fake_advance(30 * SECOND);
	p = sent_ip(&len);
	assert_memory_equal(p + 40, "\3\1", 2);
	assert_null(next_sent());
}

static void test_bounded(void **state)
{
	(void)state;
	for (u32 i = 0; i < 1000; i++)
		piece4(i, 0, 8, true);
	assert_int_equal(pkt_count, 64);
	piece4(999, 8, 8, false); /* the latest are kept */
	assert_whole(16);
	for (u32 i = 0; i < 4000; i++) /* crumbs, of one datagram */
		piece4(5000, i * 16, 8, true);
	assert_true(pkt_count < 1 << 8);
	fake_advance(100 * SECOND);
	pkt_purge(&sent);
	assert_int_equal(pkt_count, 0);
}

static void test_no_memory(void **state)
{
	(void)state;
	for (long left = 0; left < 20; left++) {
		for (u32 p = 0; p < 30; p++)
			piece4(left, p * 104, 104, true);
		pkt_reclaim();
		fake_allocations_left = left;
		/* The peer's packet needs two allocations of its own. */
		if (left >= 3)
			piece4(left, 30 * 104, 100, false);
		fake_allocations_left = -1;
		if (!list_empty(&got_udp))
			assert_whole(30 * 104 + 100);
		fake_advance(100 * SECOND);
		pkt_purge(&sent);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_orders),     T(test_largest), T(test_copies_and_others), T(test_overlaps),
		T(test_bad_pieces), T(test_time),    T(test_bounded),           T(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
