// clang-format off
// link: tests/unit/fake_libos.c tests/unit/net_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/netif.c
// link: guest/net/loopback.c guest/net/offload.c guest/net/route.c guest/net/ip.c guest/net/ip4.c guest/net/ip6.c guest/net/icmp.c guest/net/icmp6.c guest/net/icmp_msg.c
// link: guest/net/reass.c guest/net/eth.c guest/net/arp.c guest/net/neigh.c guest/net/ndp.c guest/net/mld.c guest/net/router.c guest/net/nameserver.c
// flags: -DLIBOS_HOST_TEST
// clang-format on
/*
 * IP: loopback, routes, headers good and bad, fragments out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "net_fake.h"
#include "../../guest/net/eth.h"

static int begin(void **state)
{
	(void)state;
	net_fake_begin();
	return 0;
}

static int end(void **state)
{
	(void)state;
	net_fake_end();
	return 0;
}

static struct ip_send to_self(const char *text)
{
	struct ip_send to = { .dst = ip(text), .proto = IPPROTO_UDP };
	struct ip_path path;

	assert_int_equal(ip_route(NULL, &to.dst, 0, &path), 0);
	to.src = path.src;
	return to;
}

static void test_loopback(void **state)
{
	static const char *const dst[] = { "127.0.0.1", "127.9.9.9", "::1" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(dst); i++) {
		struct ip_send to = to_self(dst[i]);
		struct pkt *pkt = pkt_alloc(), *got;

		memcpy(pkt_put(pkt, 16), "\x12\x34\x00\x50\x00\x10\x00\x00payload!", 16);
		net_enter();
		ip_checksum_later(pkt, &to, 6);
		assert_int_equal(ip_output(pkt, &to), 0);
		assert_true(list_empty(&got_udp)); /* not by recursion */
		net_leave();
		got = pkt_dequeue(&got_udp);
		assert_non_null(got);
		assert_true(ip_equal(&got->src, &to.src));
		assert_true(ip_equal(&got->dst, &to.dst));
		assert_int_equal(got->total, 16);
		assert_true(ip_checksum_good(got));
		offload_checksum(got); /* and it really is, once completed */
		assert_int_equal(got->csum, CSUM_NONE);
		assert_true(ip_checksum_good(got));
		got->data[9] ^= 1;
		assert_false(ip_checksum_good(got));
		pkt_free(got);
	}
}

/* ---- a peer on the link: 10.0.0.2, 02:00:00:00:00:02 ---- */

static void arp_from_peer(u16 op, const char *spa, const u8 sha[6], const char *tpa)
{
	struct ipaddr s = ip(spa), t = ip(tpa);
	u8 frame[60] = { 0 };
	struct eth_hdr *e = (struct eth_hdr *)frame;
	struct arp_hdr *a = (struct arp_hdr *)(e + 1);

	memcpy(e->dst, op == ARP_REPLY ? eth.mac : eth_broadcast, 6);
	memcpy(e->src, sha, 6);
	e->type = htons(ETH_ARP);
	*a = (struct arp_hdr){ .hardware = htons(1),
			       .protocol = htons(ETH_IP4),
			       .hlen = 6,
			       .plen = 4,
			       .op = htons(op),
			       .spa = ip_get4(&s),
			       .tpa = ip_get4(&t) };
	memcpy(a->sha, sha, 6);
	receive(&eth, frame, sizeof(frame));
}

static void test_ping_over_ethernet(void **state)
{
	/* 10.0.0.2 to 10.0.0.1, echo request 1, "abcd" */
	static const u8 ping[] = "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0"
				 "\x45\0\0\x20\0\1\0\0\x40\1\x66\xda\x0a\0\0\2\x0a\0\0\1"
				 "\x08\0\x33\x37\0\1\0\1"
				 "abcd";
	struct ipaddr own = ip("10.0.0.1");
	struct pkt *pkt;

	(void)state;
	eth_begin(0);
	netif_add_addr(&eth, &own, 24, ADDR_STATIC, NEVER, NEVER);
	receive(&eth, ping, 14 + 32);
	pkt = next_sent();
	assert_non_null(pkt); /* "who has 10.0.0.2" */
	assert_int_equal(pkt->total, 42);
	assert_memory_equal(flat(pkt), "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x08\x06", 14);
	assert_null(next_sent());
	assert_int_equal(flushes, 1);
	pkt_free(pkt);
	arp_from_peer(ARP_REPLY, "10.0.0.2", (u8 *)"\2\0\0\0\0\2", "10.0.0.1");
	pkt = next_sent();
	assert_non_null(pkt);
	assert_int_equal(pkt->total, 46);
	assert_memory_equal(flat(pkt), "\2\0\0\0\0\2\2\0\0\0\0\1\x08\0", 14);
	assert_int_equal(net_sum(flat(pkt) + 14, 20, 0), 0xffff);
	assert_memory_equal(flat(pkt) + 26, "\x0a\0\0\1\x0a\0\0\2\0\0\x3b\x37\0\1\0\1abcd", 20);
	pkt_free(pkt);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_loopback),
		T(test_ping_over_ethernet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
