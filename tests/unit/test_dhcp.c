// clang-format off
// link: tests/unit/fake_libos.c tests/unit/net_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/netif.c
// link: guest/net/loopback.c guest/net/offload.c guest/net/route.c guest/net/ip.c guest/net/ip4.c guest/net/ip6.c guest/net/icmp.c guest/net/icmp6.c guest/net/icmp_msg.c
// link: guest/net/reass.c guest/net/eth.c guest/net/arp.c guest/net/neigh.c guest/net/ndp.c guest/net/mld.c guest/net/router.c guest/net/nameserver.c guest/net/dhcp.c guest/net/dhcp_wire.c
// clang-format on
/*
 * The DHCP client against a server of hand-made messages: a lease from its
 * beginning to its end, and everything that a server may get wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "net_fake.h"
#include "../../guest/net/dhcp.h"
#include "../../guest/net/dhcp_wire.h"

static int begin(void **state)
{
	(void)state;
	net_fake_begin();
	eth_begin(0);
	eth.flags |= NETIF_UP;
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

/* ---- what the client sends ---- */

struct message {
	u8 type;
	u32 xid, ciaddr, wanted, server, src, dst;
	bool broadcast;
	u8 mac[6];
	bool valid;
};

static u32 option4(const u8 *options, u8 wanted)
{
	for (; *options != 255; options += *options ? 2 + options[1] : 1)
		if (*options == wanted)
			return options[1] == 1 ? options[2] : get_be32(options + 2);
	return 0;
}

/* The next one sent; announcements (ARP) are passed over. */
static struct message next_dhcp(void)
{
	struct message m = { 0 };
	struct pkt *pkt;
	const u8 *p, *d;
	struct ipaddr s, t;

	while ((pkt = next_sent()) != NULL && get_be16(flat(pkt) + 12) != ETH_IP4)
		pkt_free(pkt);
	if (pkt == NULL)
		return m;
	p = flat(pkt) + 14;
	assert_int_equal(pkt->total, 14 + 20 + 8 + 300);
	pkt_free(pkt);
	d = p + 28;
	assert_int_equal(get_be32(p + 20), 68 << 16 | 67);
	m.src = get_be32(p + 12);
	m.dst = get_be32(p + 16);
	s = ip_from4(htonl(m.src));
	t = ip_from4(htonl(m.dst));
	assert_int_equal(net_sum(p + 20, 308, ip_pseudo_sum(&s, &t, 17, 308)), 0xffff);
	assert_memory_equal(d, "\1\1\6\0", 4);
	memcpy(&m.xid, d + 4, 4);
	m.broadcast = get_be16(d + 10) == 0x8000;
	m.ciaddr = get_be32(d + 12);
	assert_memory_equal(d + 28, eth.mac, 6);
	assert_int_equal(get_be32(d + 236), DHCP_COOKIE);
	m.type = option4(d + 240, 53);
	m.wanted = option4(d + 240, 50);
	m.server = option4(d + 240, 54);
	m.valid = true;
	return m;
}

/* ---- what the server sends ---- */

static u8 reply[600];
static u32 reply_len;

static void option(u8 type, const void *value, u8 len)
{
	reply[reply_len] = type;
	reply[reply_len + 1] = len;
	memcpy(reply + reply_len + 2, value, len);
	reply_len += 2 + len;
}

static void reply_begin(u8 type, u32 xid)
{
	memset(reply, 0, sizeof(reply));
	memcpy(reply + 8, "\2\1\6", 3);
	memcpy(reply + 8 + 4, &xid, 4);
	memcpy(reply + 8 + 16, "\x0a\0\0\x63", 4); /* 10.0.0.99 */
	memcpy(reply + 8 + 28, eth.mac, 6);
	put_be32(reply + 8 + 236, DHCP_COOKIE);
	reply_len = 8 + 240;
	option(53, &type, 1);
	option(54, "\x0a\0\0\2", 4);
}

static void reply_end(void)
{
	reply[reply_len++] = 255;
	put_be16(reply, 67);
	put_be16(reply + 2, 68);
	put_be16(reply + 4, reply_len);
	/* udp_input() is the test's own: hand on what it was given. */
	from_peer4("10.0.0.2", "255.255.255.255", 17, reply, reply_len);
	for (struct pkt *pkt; (pkt = pkt_dequeue(&got_udp)) != NULL;) {
		net_enter();
		assert_true(dhcp_input(pkt));
		net_leave();
	}
}

static void lease(u8 type, u32 xid)
{
	reply_begin(type, xid);
	option(51, "\0\0\x0e\x10", 4); /* an hour */
	option(1, "\xff\xff\xff\0", 4);
	option(3, "\x0a\0\0\xfe\x0a\0\0\xfd", 8);
	option(6, "\x0a\0\0\2\x08\x08\x08\x08", 8);
	option(26, "\5\x78", 2); /* 1400 */
	reply_end();
}

static struct message start_and_get_offer(void)
{
	struct message m;

	assert_int_equal(dhcp_start(&eth), 0);
	m = next_dhcp();
	assert_int_equal(m.type, DHCP_DISCOVER);
	assert_int_equal(m.dst, 0xffffffff);
	assert_int_equal(m.src, 0);
	assert_true(m.broadcast);
	lease(DHCP_OFFER, m.xid);
	m = next_dhcp();
	assert_int_equal(m.type, DHCP_REQUEST);
	assert_int_equal(m.wanted, 0x0a000063);
	assert_int_equal(m.server, 0x0a000002);
	assert_int_equal(m.ciaddr, 0);
	assert_int_equal(m.dst, 0xffffffff);
	return m;
}

static struct message get_lease(void)
{
	struct message m = start_and_get_offer();
	struct pkt *pkt;

	lease(DHCP_ACK, m.xid);
	pkt = next_sent(); /* announced */
	assert_memory_equal(flat(pkt) + 12, "\x08\x06", 2);
	assert_int_equal(get_be32(flat(pkt) + 38), 0x0a000063);
	pkt_free(pkt);
	assert_null(next_sent());
	return m;
}

static struct ip_path route(const char *dst, int result)
{
	struct ipaddr d = ip(dst);
	struct ip_path path = { 0 };

	assert_int_equal(ip_route(NULL, &d, 0, &path), result);
	return path;
}

static void assert_ip(const struct ipaddr *addr, const char *text)
{
	struct ipaddr expected = ip(text);

	assert_true(ip_equal(addr, &expected));
}

static void assert_goes(const char *dst, const char *via)
{
	struct ip_path path = route(dst, 0);

	assert_ip(&path.next_hop, via);
}

/* ---- tests ---- */

static void test_lease(void **state)
{
	struct ip_path p;

	(void)state;
	get_lease();
	p = route("8.8.8.8", 0);
	assert_ip(&p.src, "10.0.0.99");
	assert_ip(&p.next_hop, "10.0.0.254");
	assert_int_equal(p.mtu, 1400);
	assert_goes("10.0.0.7", "10.0.0.7");
	assert_int_equal(net_nameservers, 2);
	assert_ip(&net_nameserver[1], "8.8.8.8");
	assert_int_equal(eth.addr4[0].origin, ADDR_DHCP);
}

/* The server's MAC address for unicasts to it. */
static void know_server(void)
{
	arp_from_peer(ARP_REQUEST, "10.0.0.2", peer_mac, "10.0.0.99");
	pkt_purge(&sent);
}

static void test_renewing(void **state)
{
	struct message m;

	(void)state;
	get_lease();
	fake_advance(1799 * SECOND);
	assert_false(next_dhcp().valid);
	know_server();
	fake_advance(SECOND);
	m = next_dhcp(); /* T1: by unicast */
	assert_int_equal(m.type, DHCP_REQUEST);
	assert_int_equal(m.dst, 0x0a000002);
	assert_int_equal(m.src, 0x0a000063);
	assert_int_equal(m.ciaddr, 0x0a000063);
	assert_int_equal(m.wanted, 0);
	assert_int_equal(m.server, 0);
	lease(DHCP_ACK, m.xid);
	route("8.8.8.8", 0);
	fake_advance(1799 * SECOND);
	know_server();
	fake_advance(SECOND);
	assert_int_equal(next_dhcp().type, DHCP_REQUEST); /* T1 again */
	pkt_purge(&sent);
	fake_advance(1800 * SECOND - 1);
	route("8.8.8.8", 0);
	pkt_purge(&sent);
	fake_advance(1);
	route("8.8.8.8", -ENETUNREACH); /* the end */
	assert_int_equal(eth.naddr4, 0);
	assert_int_equal(net_nameservers, 0);
	assert_int_equal(next_dhcp().type, DHCP_DISCOVER);
}

static void test_rebinding_by_broadcast(void **state)
{
	struct message m;

	(void)state;
	get_lease();
	fake_advance(3149 * SECOND);
	pkt_purge(&sent);
	fake_advance(2 * SECOND);
	m = next_dhcp();
	assert_true(m.valid);
	assert_int_equal(m.dst, 0xffffffff);
	assert_int_equal(m.src, 0x0a000063);
	assert_int_equal(m.ciaddr, 0x0a000063);
	lease(DHCP_ACK, m.xid);
	fake_advance(1000 * SECOND);
	route("8.8.8.8", 0);
	pkt_purge(&sent);
}

static void test_refused(void **state)
{
	struct message m = start_and_get_offer();

	(void)state;
	reply_begin(DHCP_NAK, m.xid);
	reply_end();
	assert_false(next_dhcp().valid); /* not at once */
	fake_advance(4 * SECOND);
	assert_int_equal(next_dhcp().type, DHCP_DISCOVER);
	lease(DHCP_OFFER, m.xid);
	m = next_dhcp();
	lease(DHCP_ACK, m.xid);
	route("8.8.8.8", 0);
	pkt_purge(&sent);
	fake_advance(3200 * SECOND);
	pkt_purge(&sent);
	reply_begin(DHCP_NAK, m.xid); /* in REBINDING: the address is gone */
	reply_end();
	route("8.8.8.8", -ENETUNREACH);
}

static void test_backoff(void **state)
{
	static const unsigned limit[][2] = { { 1, 3 },   { 3, 5 },   { 7, 9 },  { 15, 17 },
					     { 31, 33 }, { 63, 65 }, { 63, 65 } };

	(void)state;
	dhcp_start(&eth);
	assert_true(next_dhcp().valid);
	for (unsigned i = 0; i < ARRAY_SIZE(limit); i++) {
		u64 began = fake_clock, waited;

		while (!next_dhcp().valid)
			fake_advance(SECOND / 10);
		waited = fake_clock - began;
		assert_in_range(waited, limit[i][0] * SECOND - SECOND / 5,
				limit[i][1] * SECOND + SECOND / 5);
	}
}

/* The offer's server does not answer: it begins anew. */
static void test_no_acknowledgement(void **state)
{
	struct message m = start_and_get_offer();
	unsigned requests = 1;

	(void)state;
	for (;;) {
		fake_advance(SECOND);
		m = next_dhcp();
		if (m.type == DHCP_DISCOVER)
			break;
		requests += m.valid;
		assert_true(requests < 10);
	}
	assert_int_equal(requests, 4);
}

static void test_nonsense(void **state)
{
	struct message m;
	static const struct {
		u8 at, value;
	} changes[] = { { 0, 1 },    { 1, 6 },    { 2, 8 },  { 4, 9 },  { 16, 0 },
			{ 16, 127 }, { 16, 230 }, { 28, 9 }, { 236, 0 } };

	(void)state;
	dhcp_start(&eth);
	m = next_dhcp();
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		reply_begin(DHCP_OFFER, m.xid);
		option(51, "\0\0\x0e\x10", 4);
		reply[8 + changes[i].at] ^= changes[i].at == 16 ? 10 ^ changes[i].value : 9;
		reply_end();
		assert_false(next_dhcp().valid);
	}
	reply_begin(DHCP_OFFER, m.xid); /* no lease time */
	reply_end();
	reply_begin(DHCP_OFFER, m.xid); /* a mask with a hole is none, and */
	option(51, "\0\0\x0e\x10", 4);
	option(1, "\xff\0\xff\0", 4);
	reply[reply_len++] = 3; /* an option that goes on behind the end */
	reply[reply_len++] = 90;
	reply_end();
	assert_false(next_dhcp().valid);
	reply_begin(DHCP_ACK, m.xid); /* not asked for yet */
	option(51, "\0\0\x0e\x10", 4);
	reply_end();
	assert_int_equal(eth.naddr4, 0);
	for (u32 len = 0; len < 248; len++) { /* cut short anywhere */
		reply_begin(DHCP_OFFER, m.xid);
		put_be16(reply, 67);
		put_be16(reply + 2, 68);
		put_be16(reply + 4, MAX(len, 8));
		from_peer4("10.0.0.2", "255.255.255.255", 17, reply, MAX(len, 8));
		net_enter();
		assert_true(dhcp_input(pkt_dequeue(&got_udp)));
		net_leave();
	}
	assert_false(next_dhcp().valid);
}

static void test_classless_routes(void **state)
{
	struct message m = start_and_get_offer();

	(void)state;
	reply_begin(DHCP_ACK, m.xid);
	option(51, "\xff\xff\xff\xff", 4); /* forever */
	option(3, "\x0a\0\0\xfe", 4); /* does not count beside the next (RFC 3442) */
	option(121, "\x18\xc0\xa8\5\x0a\0\0\x07\x0c\xac\x1f\x0a\0\0\x08\x20\1\2\3\4\0\0\0\0", 24);
	reply_end();
	pkt_purge(&sent);
	assert_goes("192.168.5.1", "10.0.0.7");
	assert_goes("172.16.0.1", "10.0.0.8");
	assert_goes("1.2.3.4", "1.2.3.4");
	route("8.8.8.8", -ENETUNREACH);
	assert_int_equal(eth.addr4[0].prefix, 8); /* no mask: of the class */
	fake_advance(1000000 * SECOND);
	assert_null(next_sent());
	route("192.168.5.1", 0);
}

static void test_overload(void **state)
{
	struct message m = start_and_get_offer();

	(void)state;
	reply_begin(DHCP_ACK, m.xid);
	option(52, "\3", 1);
	memcpy(reply + 8 + 108, "\x33\4\0\0\x0e\x10\xff", 7); /* file */
	memcpy(reply + 8 + 44, "\1\4\xff\xff\0\0\xff", 7); /* sname */
	reply_end();
	pkt_purge(&sent);
	assert_int_equal(eth.naddr4, 1);
	assert_int_equal(eth.addr4[0].prefix, 16);
}

static unsigned waits;

static int answer_while_waiting(u64 deadline)
{
	assert_in_range(deadline - fake_clock, 1, 15 * SECOND);
	waits++;
	if (waits == 1) {
		struct message m = next_dhcp();

		lease(DHCP_OFFER, m.xid);
		return 0;
	}
	lease(DHCP_ACK, next_dhcp().xid);
	return 0;
}

static void test_waiting(void **state)
{
	(void)state;
	waits = 0;
	assert_int_equal(dhcp_wait(), -ETIMEDOUT); /* nothing to wait for */
	dhcp_start(&eth);
	fake_wait = answer_while_waiting;
	net_enter();
	assert_int_equal(dhcp_wait(), 0);
	assert_int_equal(dhcp_wait(), 0);
	assert_int_equal(dhcp_wait(), -ETIMEDOUT); /* there is an answer */
	net_leave();
	assert_int_equal(waits, 2);
	assert_int_equal(eth.naddr4, 1);
	assert_int_equal(fake_wakes, 1);
	pkt_purge(&sent);
}

static void test_waiting_in_vain(void **state)
{
	(void)state;
	dhcp_start(&eth);
	fake_advance(15 * SECOND);
	assert_int_equal(dhcp_wait(), -ETIMEDOUT);
	pkt_purge(&sent);
}

/* Other packets to the port, and interfaces without a client. */
static void test_not_for_the_client(void **state)
{
	struct pkt *pkt;

	(void)state;
	from_peer4("10.0.0.2", "255.255.255.255", 17, "\0\x43\0\x44\0\x08\0\0", 8);
	pkt = pkt_dequeue(&got_udp);
	assert_false(dhcp_input(pkt));
	pkt_free(pkt);
	dhcp_start(&eth);
	from_peer4("10.0.0.2", "255.255.255.255", 17, "\0\x99\0\x44\0\x08\0\0", 8);
	pkt = pkt_dequeue(&got_udp);
	assert_false(dhcp_input(pkt));
	pkt_free(pkt);
	pkt_purge(&sent);
}

static void test_no_memory(void **state)
{
	(void)state;
	fake_allocations_left = 0;
	assert_int_equal(dhcp_start(&eth), -ENOMEM);
	pkt_reclaim();
	fake_allocations_left = 1;
	assert_int_equal(dhcp_start(&eth), 0); /* but nothing could be sent */
	fake_allocations_left = -1;
	assert_false(next_dhcp().valid);
	fake_advance(4 * SECOND);
	assert_int_equal(next_dhcp().type, DHCP_DISCOVER);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_lease),     T(test_renewing),         T(test_rebinding_by_broadcast),
		T(test_refused),   T(test_backoff),          T(test_no_acknowledgement),
		T(test_nonsense),  T(test_classless_routes), T(test_overload),
		T(test_waiting),   T(test_waiting_in_vain),  T(test_not_for_the_client),
		T(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
