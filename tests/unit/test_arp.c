// clang-format off
// link: tests/unit/fake_libos.c tests/unit/net_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/netif.c
// link: guest/net/loopback.c guest/net/offload.c guest/net/route.c guest/net/ip.c guest/net/ip4.c guest/net/ip6.c guest/net/icmp.c guest/net/icmp6.c guest/net/icmp_msg.c
// link: guest/net/reass.c guest/net/eth.c guest/net/arp.c guest/net/neigh.c guest/net/ndp.c guest/net/mld.c guest/net/router.c guest/net/nameserver.c guest/net/dhcp.c guest/net/dhcp_wire.c
// clang-format on
/*
 * The neighbour cache, by ARP: asking, answering, waiting, giving up; what
 * others say without being asked; and how large it gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "net_fake.h"
#include "../../guest/net/eth.h"
#include "../../guest/net/neigh.h"

static const u8 other_mac[6] = { 2, 0, 0, 0, 0, 9 };

static int begin(void **state)
{
	struct ipaddr own = ip("10.0.0.1");

	(void)state;
	net_fake_begin();
	eth_begin(0);
	netif_add_addr(&eth, &own, 24, ADDR_STATIC, NEVER, NEVER);
	fake_advance(30 * SECOND);
	pkt_purge(&sent);
	return 0;
}

static int end(void **state)
{
	(void)state;
	net_fake_end();
	return 0;
}

static int send_to(const char *dst)
{
	struct ip_send to = { .src = ip("10.0.0.1"), .dst = ip(dst), .proto = IPPROTO_UDP };
	struct pkt *pkt = pkt_alloc();
	int error;

	memcpy(pkt_put(pkt, 8), "\0\7\0\x09\0\x08\0\0", 8);
	net_enter();
	error = ip_output(pkt, &to);
	net_leave();
	return error;
}

/* The next frame is an ARP packet with this content. */
static void assert_arp(u16 op, const u8 dst[6], const char *spa, const char *tpa)
{
	struct pkt *pkt = next_sent();
	struct ipaddr s = ip(spa), t = ip(tpa);
	const u8 *p;

	assert_non_null(pkt);
	assert_int_equal(pkt->total, 42);
	p = flat(pkt);
	pkt_free(pkt);
	assert_memory_equal(p, dst, 6);
	assert_memory_equal(p + 6, eth.mac, 6);
	assert_memory_equal(p + 12, "\x08\x06\0\1\x08\0\6\4", 8);
	assert_int_equal(get_be16(p + 20), op);
	assert_memory_equal(p + 22, eth.mac, 6);
	assert_memory_equal(p + 28, &s.b[12], 4);
	assert_memory_equal(p + 38, &t.b[12], 4);
}

static void assert_data(const u8 dst[6])
{
	struct pkt *pkt = next_sent();

	assert_non_null(pkt);
	assert_memory_equal(flat(pkt), dst, 6);
	assert_int_equal(get_be16(flat(pkt) + 12), ETH_IP4);
	pkt_free(pkt);
}

static void test_ask_and_send(void **state)
{
	(void)state;
	assert_int_equal(send_to("10.0.0.2"), 0);
	assert_arp(ARP_REQUEST, eth_broadcast, "10.0.0.1", "10.0.0.2");
	assert_int_equal(send_to("10.0.0.2"), 0); /* waits too, no second question */
	assert_null(next_sent());
	fake_advance(SECOND);
	assert_arp(ARP_REQUEST, eth_broadcast, "10.0.0.1", "10.0.0.2");
	arp_from_peer(ARP_REPLY, "10.0.0.2", peer_mac, "10.0.0.1");
	assert_data(peer_mac);
	assert_data(peer_mac);
	assert_int_equal(send_to("10.0.0.2"), 0);
	assert_data(peer_mac);
	fake_advance(60 * SECOND);
	assert_null(next_sent()); /* nothing is asked while nothing is sent */
}

static void test_only_so_many_wait(void **state)
{
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 120; i++)
		assert_int_equal(send_to("10.0.0.2"), 0);
	assert_int_equal(pkt_count, 101 + 1);
	pkt_purge(&sent);
	arp_from_peer(ARP_REPLY, "10.0.0.2", peer_mac, "10.0.0.1");
	for (struct pkt *pkt; (pkt = next_sent()) != NULL; n++)
		pkt_free(pkt);
	assert_int_equal(n, 101);
}

static void test_no_answer(void **state)
{
	(void)state;
	send_to("10.0.0.3");
	for (unsigned i = 0; i < 3; i++) {
		assert_arp(ARP_REQUEST, eth_broadcast, "10.0.0.1", "10.0.0.3");
		assert_null(next_sent());
		fake_advance(SECOND);
	}
	assert_int_equal(got_errors, 1);
	assert_int_equal(got_error[0].error, EHOSTUNREACH);
	assert_int_equal(got_error[0].proto, IPPROTO_UDP);
	assert_int_equal(send_to("10.0.0.3"), -EHOSTUNREACH); /* for a while */
	assert_null(next_sent());
	fake_advance(SECOND);
	assert_int_equal(send_to("10.0.0.3"), 0);
	assert_arp(ARP_REQUEST, eth_broadcast, "10.0.0.1", "10.0.0.3");
	fake_advance(10 * SECOND);
	pkt_purge(&sent);
}

static void test_unreachable_gateway(void **state)
{
	struct ipaddr any = ip("0.0.0.0"), a = ip("10.0.0.251"), b = ip("10.0.0.252");

	(void)state;
	ip_add_gateway(&eth, &any, 0, &a, 1, NEVER);
	ip_add_gateway(&eth, &any, 0, &b, 2, NEVER);
	send_to("8.8.8.8");
	assert_arp(ARP_REQUEST, eth_broadcast, "10.0.0.1", "10.0.0.251");
	fake_advance(SECOND * 7 / 2);
	pkt_purge(&sent);
	assert_int_equal(send_to("8.8.8.8"), 0); /* then the other */
	assert_arp(ARP_REQUEST, eth_broadcast, "10.0.0.1", "10.0.0.252");
	fake_advance(10 * SECOND);
	pkt_purge(&sent);
}

static void learn(const char *addr, const u8 mac[6])
{
	send_to(addr);
	arp_from_peer(ARP_REPLY, addr, mac, "10.0.0.1");
	pkt_purge(&sent);
}

/* REACHABLE, STALE, DELAY, PROBE (RFC 4861, 7.3). */
static void test_probing(void **state)
{
	struct ipaddr peer = ip("10.0.0.2");

	(void)state;
	learn("10.0.0.2", peer_mac);
	fake_advance(31 * SECOND);
	send_to("10.0.0.2");
	assert_data(peer_mac);
	fake_advance(4 * SECOND);
	ip_confirm(&peer); /* from above: no need to ask */
	fake_advance(3 * SECOND);
	assert_null(next_sent());
	fake_advance(31 * SECOND);
	send_to("10.0.0.2");
	assert_data(peer_mac);
	fake_advance(5 * SECOND);
	assert_arp(ARP_REQUEST, peer_mac, "10.0.0.1", "10.0.0.2");
	arp_from_peer(ARP_REPLY, "10.0.0.2", peer_mac, "10.0.0.1");
	fake_advance(10 * SECOND);
	assert_null(next_sent());
	fake_advance(31 * SECOND);
	send_to("10.0.0.2");
	pkt_purge(&sent);
	fake_advance(5 * SECOND);
	for (unsigned i = 0; i < 3; i++) {
		assert_arp(ARP_REQUEST, peer_mac, "10.0.0.1", "10.0.0.2");
		send_to("10.0.0.2");
		assert_data(peer_mac); /* meanwhile to where it was */
		fake_advance(SECOND);
	}
	assert_int_equal(send_to("10.0.0.2"), -EHOSTUNREACH);
}

static void test_answering(void **state)
{
	(void)state;
	arp_from_peer(ARP_REQUEST, "10.0.0.2", peer_mac, "10.0.0.1");
	assert_arp(ARP_REPLY, peer_mac, "10.0.0.1", "10.0.0.2");
	arp_from_peer(ARP_REQUEST, "0.0.0.0", peer_mac, "10.0.0.1"); /* a probe */
	assert_arp(ARP_REPLY, peer_mac, "10.0.0.1", "0.0.0.0");
	arp_from_peer(ARP_REQUEST, "10.0.0.2", peer_mac, "10.0.0.7");
	arp_from_peer(ARP_REQUEST, "10.0.0.2", peer_mac, "127.0.0.1");
	assert_null(next_sent());
	send_to("10.0.0.2"); /* who asked is known */
	assert_data(peer_mac);
	fake_advance(20 * SECOND);
	pkt_purge(&sent);
}

static bool knows(const char *addr, const u8 mac[6])
{
	struct neigh_info info;
	struct ipaddr a = ip(addr);

	for (unsigned i = 0; neigh_get(i, &info); i++)
		if (ip_equal(&info.addr, &a))
			return memcmp(info.mac, mac, 6) == 0;
	return false;
}

static void test_unasked(void **state)
{
	(void)state;
	arp_from_peer(ARP_REPLY, "10.0.0.5", other_mac, "10.0.0.1"); /* nobody asked */
	arp_from_peer(ARP_REQUEST, "10.0.0.5", other_mac, "10.0.0.5");
	assert_false(knows("10.0.0.5", other_mac));
	learn("10.0.0.2", peer_mac);
	arp_from_peer(ARP_REPLY, "10.0.0.2", other_mac, "10.0.0.1"); /* right after: no */
	assert_true(knows("10.0.0.2", peer_mac));
	fake_advance(2 * SECOND);
	arp_from_peer(ARP_REQUEST, "10.0.0.2", other_mac, "10.0.0.2"); /* it has moved */
	assert_true(knows("10.0.0.2", other_mac));
	fake_advance(2 * SECOND);
	arp_from_peer(ARP_REPLY, "10.0.0.2", (const u8 *)"\3\0\0\0\0\1", "10.0.0.1");
	arp_from_peer(ARP_REPLY, "10.0.0.2", eth.mac, "10.0.0.1");
	assert_true(knows("10.0.0.2", other_mac));
	send_to("10.0.0.2"); /* STALE: in use, and asked about soon */
	assert_data(other_mac);
	fake_advance(5 * SECOND);
	assert_arp(ARP_REQUEST, other_mac, "10.0.0.1", "10.0.0.2");
	fake_advance(10 * SECOND);
	pkt_purge(&sent);
}

static void test_conflict(void **state)
{
	(void)state;
	arp_from_peer(ARP_REQUEST, "10.0.0.1", other_mac, "10.0.0.1");
	assert_arp(ARP_REQUEST, eth_broadcast, "10.0.0.1", "10.0.0.1");
	assert_int_equal(fake_klogs, 1);
	arp_from_peer(ARP_REPLY, "10.0.0.1", other_mac, "10.0.0.2");
	assert_null(next_sent()); /* once in ten seconds */
	fake_advance(11 * SECOND);
	arp_from_peer(ARP_REPLY, "10.0.0.1", other_mac, "10.0.0.2");
	assert_arp(ARP_REQUEST, eth_broadcast, "10.0.0.1", "10.0.0.1");
	assert_false(knows("10.0.0.1", other_mac));
}

static void test_malformed(void **state)
{
	u8 f[60] = { 2, 0, 0, 0, 0, 1, 2, 0,  0, 0, 0, 2, 8, 6, 0, 1, 8, 0,  6, 4, 0,
		     1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1 };
	static const u8 at[] = { 15, 17, 18, 19, 21, 22 }, value[] = { 6, 6, 8, 16, 3, 3 };

	(void)state;
	for (unsigned i = 0; i < sizeof(at); i++) {
		u8 good = f[at[i]];

		f[at[i]] = value[i];
		receive(&eth, f, 60);
		assert_null(next_sent());
		f[at[i]] = good;
	}
	for (u32 len = 0; len < 42; len++)
		receive(&eth, f, len);
	assert_null(next_sent());
	receive(&eth, f, 42);
	assert_arp(ARP_REPLY, peer_mac, "10.0.0.1", "10.0.0.2");
}

/* Floods: of questions to us, which do not push out what we use; and of our
 * own, which push out the oldest. */
static void test_bounded(void **state)
{
	char text[20];
	struct neigh_info info;
	unsigned n;

	(void)state;
	learn("10.0.0.2", peer_mac);
	for (unsigned i = 3; i < 250; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u", i);
		arp_from_peer(ARP_REQUEST, text, other_mac, "10.0.0.1");
	}
	for (n = 0; neigh_get(n, &info); n++)
		;
	assert_int_equal(n, 128);
	assert_true(knows("10.0.0.2", peer_mac));
	pkt_purge(&sent);
	for (unsigned i = 0; i < 1000; i++) {
		struct ipaddr any = ip("11.0.0.0"), via = ip("0.0.0.0");

		if (i == 0)
			ip_add_gateway(&eth, &any, 8, &via, 0, NEVER);
		fake_clock++;
		snprintf(text, sizeof(text), "11.0.%u.%u", i / 250, i % 250);
		assert_int_equal(send_to(text), 0);
		pkt_purge(&sent);
	}
	assert_int_equal(pkt_count, 256); /* one packet waits for each */
	fake_advance(10 * SECOND);
	pkt_purge(&sent);
	assert_int_equal(pkt_count, 0);
}

static void test_no_memory(void **state)
{
	(void)state;
	pkt_reclaim();
	fake_allocations_left = 1; /* the packet, but not the neighbour */
	assert_int_equal(send_to("10.0.0.2"), -ENOMEM);
	fake_allocations_left = 2; /* nor the question */
	assert_int_equal(send_to("10.0.0.2"), 0);
	fake_allocations_left = -1;
	fake_advance(SECOND);
	assert_arp(ARP_REQUEST, eth_broadcast, "10.0.0.1", "10.0.0.2");
	fake_advance(10 * SECOND);
	pkt_purge(&sent);
}

static void test_multicast_and_broadcast(void **state)
{
	(void)state;
	send_to("224.1.200.3");
	assert_data((const u8 *)"\x01\x00\x5e\x01\xc8\x03");
	send_to("225.129.2.3");
	assert_data((const u8 *)"\x01\x00\x5e\x01\x02\x03");
	send_to("10.0.0.255");
	assert_data(eth_broadcast);
	send_to("255.255.255.255");
	assert_data(eth_broadcast);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_ask_and_send), T(test_only_so_many_wait),
		T(test_no_answer),    T(test_unreachable_gateway),
		T(test_probing),      T(test_answering),
		T(test_unasked),      T(test_conflict),
		T(test_malformed),    T(test_bounded),
		T(test_no_memory),    T(test_multicast_and_broadcast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
