// clang-format off
// link: tests/unit/fake_libos.c tests/unit/net_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/netif.c
// link: guest/net/loopback.c guest/net/offload.c guest/net/route.c guest/net/ip.c guest/net/ip4.c guest/net/ip6.c guest/net/icmp.c guest/net/icmp6.c guest/net/icmp_msg.c
// link: guest/net/reass.c guest/net/eth.c guest/net/arp.c guest/net/neigh.c guest/net/ndp.c guest/net/mld.c guest/net/router.c guest/net/nameserver.c guest/net/dhcp.c guest/net/dhcp_wire.c
// clang-format on
/*
 * Neighbour discovery, addresses of our own making, routers, groups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "net_fake.h"
#include "../../guest/net/ndp.h"

#define OURS   "fe80::ff:fe00:1"
#define THEIRS "fe80::ff:fe00:2"

static int begin(void **state)
{
	(void)state;
	net_fake_begin();
	eth_begin(0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	net_fake_end();
	return 0;
}

static struct netif_addr *addr_of(const char *text)
{
	struct ipaddr a = ip(text);

	for (unsigned i = 0; i < eth.naddr6; i++)
		if (ip_equal(&eth.addr6[i].addr, &a))
			return &eth.addr6[i];
	return NULL;
}

/* The next message sent of that type, from the IP header on; others before it
 * are passed over. */
static const u8 *next_message(u8 type, const char *src, const char *dst)
{
	struct ipaddr s = ip(src), d = ip(dst);
	const u8 *p;
	u32 len, at;

	do {
		p = sent_ip(&len);
		at = p[6] == IP6_HOPOPTS ? 48 : 40;
	} while (p[at] != type);
	assert_memory_equal(p + 8, &s, 16);
	assert_memory_equal(p + 24, &d, 16);
	assert_int_equal(net_sum(p + at, len - at, ip_pseudo_sum(&s, &d, 58, len - at)), 0xffff);
	if (type != ICMP6_MLD2_REPORT && type != ICMP6_ECHO_REPLY)
		assert_int_equal(p[7], 255);
	return p + at;
}

/* NS or NA: an address, and perhaps an option with a MAC address. */
static void nd_from(const u8 mac[6], u8 type, const char *src, const char *dst, const char *target,
		    u32 flags, u8 option)
{
	u8 m[32] = { type };
	struct ipaddr t = ip(target);

	put_be32(m + 4, flags);
	memcpy(m + 8, &t, 16);
	m[24] = option;
	m[25] = 1;
	memcpy(m + 26, mac, 6);
	from_peer6(src, dst, 58, 255, m, option ? 32 : 24);
}

static void nd(u8 type, const char *src, const char *dst, const char *target, u32 flags, u8 option)
{
	nd_from(peer_mac, type, src, dst, target, flags, option);
}

static u8 advert[300];
static u32 advert_len;

static void ra_begin(u8 hops, u8 flags, u16 lifetime)
{
	memset(advert, 0, sizeof(advert));
	advert[0] = ICMP6_ROUTER_ADVERT;
	advert[4] = hops;
	advert[5] = flags;
	put_be16(advert + 6, lifetime);
	advert_len = 16;
}

static void ra_prefix(const char *prefix, u8 bits, u8 flags, u32 valid, u32 preferred)
{
	struct ipaddr p = ip(prefix);
	u8 *o = advert + advert_len;

	o[0] = 3;
	o[1] = 4;
	o[2] = bits;
	o[3] = flags;
	put_be32(o + 4, valid);
	put_be32(o + 8, preferred);
	memcpy(o + 16, &p, 16);
	advert_len += 32;
}

static void ra_send(const char *src)
{
	from_peer6(src, "ff02::1", 58, 255, advert, advert_len);
}

static bool reaches(const char *dst, const char *via)
{
	struct ipaddr d = ip(dst), v = ip(via);
	struct ip_path path;

	return ip_route(NULL, &d, 0, &path) == 0 && ip_equal(&path.next_hop, &v);
}

static void test_beginning(void **state)
{
	const u8 *m;
	struct ipaddr group = ip("ff02::1:ff00:1");

	(void)state;
	assert_null(next_sent()); /* not at once */
	assert_int_equal(addr_of(OURS)->state, ADDR_TENTATIVE);
	fake_advance(SECOND);
	m = next_message(ICMP6_MLD2_REPORT, "::", "ff02::16");
	assert_int_equal(get_be16(m + 6), 1);
	assert_int_equal(m[8], 4);
	assert_memory_equal(m + 12, &group, 16);
	m = next_message(ICMP6_NEIGHBOR_SOLICIT, "::", "ff02::1:ff00:1");
	next_message(ICMP6_ROUTER_SOLICIT, "::", "ff02::2");
	assert_null(next_sent());
	fake_advance(SECOND);
	assert_int_equal(addr_of(OURS)->state, ADDR_PREFERRED);
	fake_advance(20 * SECOND);
	m = next_message(ICMP6_ROUTER_SOLICIT, OURS, "ff02::2");
	assert_memory_equal(m + 8, "\1\1\2\0\0\0\0\1", 8);
	next_message(ICMP6_ROUTER_SOLICIT, OURS, "ff02::2");
	assert_null(next_sent()); /* three in all */
	assert_int_equal(fake_next_timer(), NEVER); /* and then it is quiet */
}

/* Others probe for or have our address while we probe. */
static void test_duplicates(void **state)
{
	struct ipaddr global = ip("fd00::1");

	(void)state;
	fake_advance(SECOND);
	nd(ICMP6_NEIGHBOR_SOLICIT, "::", "ff02::1:ff00:1", OURS, 0, 0);
	assert_int_equal(addr_of(OURS)->state, ADDR_DUPLICATE);
	fake_advance(10 * SECOND);
	assert_int_equal(addr_of(OURS)->state, ADDR_DUPLICATE);
	pkt_purge(&sent);
	ra_begin(64, 0, 1800); /* IPv6 is off */
	ra_send(THEIRS);
	assert_false(reaches("2001:db8::1", THEIRS));
	netif_add_addr(&eth, &global, 64, ADDR_SLAAC, NEVER, NEVER);
	fake_advance(0);
	assert_int_equal(addr_of("fd00::1")->state, ADDR_TENTATIVE);
	nd(ICMP6_NEIGHBOR_SOLICIT, "fd00::2", "ff02::1:ff00:1", "fd00::1", 0, 1);
	assert_int_equal(addr_of("fd00::1")->state, ADDR_TENTATIVE); /* only asks */
	nd(ICMP6_NEIGHBOR_ADVERT, "fd00::1", "ff02::1", "fd00::1", 0x20000000, 2);
	assert_int_equal(addr_of("fd00::1")->state, ADDR_DUPLICATE);
	assert_int_equal(fake_klogs, 2);
	pkt_purge(&sent);
	nd(ICMP6_NEIGHBOR_SOLICIT, "fd00::2", "ff02::1:ff00:1", "fd00::1", 0, 1);
	assert_null(next_sent()); /* it is not ours */
}

static void test_answering(void **state)
{
	const u8 *m;

	(void)state;
	fake_advance(30 * SECOND);
	pkt_purge(&sent);
	nd(ICMP6_NEIGHBOR_SOLICIT, THEIRS, "ff02::1:ff00:1", OURS, 0, 1);
	m = next_message(ICMP6_NEIGHBOR_ADVERT, OURS, THEIRS);
	assert_int_equal(get_be32(m + 4), 0x60000000);
	assert_memory_equal(m + 24, "\2\1\2\0\0\0\0\1", 8);
	nd(ICMP6_NEIGHBOR_SOLICIT, "::", "ff02::1:ff00:1", OURS, 0, 0); /* late */
	m = next_message(ICMP6_NEIGHBOR_ADVERT, OURS, "ff02::1");
	assert_int_equal(get_be32(m + 4), 0x20000000);
	/* Not for us, or not as they should be. */
	nd(ICMP6_NEIGHBOR_SOLICIT, THEIRS, "ff02::1:ff00:1", "fe80::9", 0, 1);
	nd(ICMP6_NEIGHBOR_SOLICIT, "::", "ff02::1:ff00:1", OURS, 0, 1);
	nd(ICMP6_NEIGHBOR_SOLICIT, "::", OURS, OURS, 0, 0);
	nd(ICMP6_NEIGHBOR_SOLICIT, THEIRS, OURS, "ff02::1", 0, 1);
	assert_null(next_sent());
	fake_advance(20 * SECOND);
	pkt_purge(&sent);
}

static void test_invalid(void **state)
{
	u8 m[40] = { ICMP6_NEIGHBOR_SOLICIT };
	struct ipaddr t = ip(OURS);

	(void)state;
	fake_advance(30 * SECOND);
	pkt_purge(&sent);
	memcpy(m + 8, &t, 16);
	from_peer6(THEIRS, OURS, 58, 254, m, 24); /* came over a router */
	from_peer6(THEIRS, OURS, 58, 255, m, 23); /* too short */
	from_peer6(THEIRS, OURS, 58, 255, m, 32); /* option of length 0 */
	m[25] = 2;
	from_peer6(THEIRS, OURS, 58, 255, m, 32); /* option too long */
	m[25] = 1;
	from_peer6(THEIRS, OURS, 58, 255, m, 36); /* half an option */
	m[1] = 1;
	from_peer6(THEIRS, OURS, 58, 255, m, 32); /* code */
	assert_null(next_sent());
	m[1] = 0;
	from_peer6(THEIRS, OURS, 44, 255, "\x3a\0\0\0\0\0\0\x09\x87\0\0\0\0\0\0\0",
		   16); /* a fragment */
	m[24] = 99; /* an unknown option */
	from_peer6(THEIRS, OURS, 58, 255, m, 32);
	assert_non_null(sent.next != &sent ? sent.next : NULL);
	fake_advance(20 * SECOND);
	pkt_purge(&sent);
}

static int ping(const char *dst)
{
	struct ip_send to = { .dst = ip(dst), .proto = IPPROTO_ICMPV6, .ifindex = eth.index };
	struct ip_path path;
	struct pkt *pkt = pkt_alloc();
	int error = ip_route(NULL, &to.dst, eth.index, &path);

	assert_int_equal(error, 0);
	to.src = path.src;
	memset(pkt_put(pkt, 8), 0, 8);
	pkt->data[0] = ICMP6_ECHO_REPLY;
	nd_checksum(pkt, &to.src, &to.dst);
	net_enter();
	error = ip_output(pkt, &to);
	net_leave();
	return error;
}

static void test_resolving(void **state)
{
	(void)state;
	fake_advance(30 * SECOND);
	pkt_purge(&sent);
	assert_int_equal(ping(THEIRS), 0);
	next_message(ICMP6_NEIGHBOR_SOLICIT, OURS, "ff02::1:ff00:2");
	assert_null(next_sent());
	nd(ICMP6_NEIGHBOR_ADVERT, THEIRS, OURS, THEIRS, 0x60000000, 0); /* names no MAC */
	assert_null(next_sent());
	nd(ICMP6_NEIGHBOR_ADVERT, THEIRS, "ff02::1", THEIRS, 0x60000000, 2); /* 7.1.2 */
	assert_null(next_sent());
	nd(ICMP6_NEIGHBOR_ADVERT, THEIRS, OURS, THEIRS, 0x60000000, 2);
	next_message(ICMP6_ECHO_REPLY, OURS, THEIRS);
	fake_advance(31 * SECOND);
	ping(THEIRS);
	next_message(ICMP6_ECHO_REPLY, OURS, THEIRS);
	fake_advance(5 * SECOND);
	next_message(ICMP6_NEIGHBOR_SOLICIT, OURS, THEIRS); /* by unicast */
	nd(ICMP6_NEIGHBOR_ADVERT, THEIRS, OURS, THEIRS, 0x40000000, 0);
	fake_advance(5 * SECOND);
	assert_null(next_sent());
	/* Somebody else claims to be the peer, without "override". */
	nd_from((const u8 *)"\2\0\0\0\0\x09", ICMP6_NEIGHBOR_ADVERT, THEIRS, OURS, THEIRS,
		0x40000000, 2);
	ping(THEIRS);
	next_message(ICMP6_ECHO_REPLY, OURS, THEIRS); /* to where it was, but doubted */
	fake_advance(5 * SECOND);
	next_message(ICMP6_NEIGHBOR_SOLICIT, OURS, THEIRS);
	fake_advance(10 * SECOND);
	pkt_purge(&sent);
	assert_int_equal(ping(THEIRS), 0);
	fake_advance(10 * SECOND);
	pkt_purge(&sent);
}

static void test_router(void **state)
{
	(void)state;
	fake_advance(3 * SECOND);
	pkt_purge(&sent);
	ra_begin(33, 0, 1800);
	ra_prefix("2001:db8::99", 64, 0xc0, 7200, 3600);
	ra_prefix("2001:db8:1::", 64, 0x40, 7200, 3600); /* not on the link */
	ra_prefix("2001:db8:2::", 48, 0x80, 7200, 3600); /* no addresses */
	ra_prefix("2001:db8:3::", 48, 0x40, 7200, 3600); /* wrong length */
	ra_prefix("fe80::", 64, 0xc0, 7200, 3600);
	ra_prefix("2001:db8:4::", 64, 0xc0, 100, 200); /* preferred > valid */
	ra_send("2001:db8::2"); /* not from a link-local address */
	assert_int_equal(eth.naddr6, 1);
	ra_send(THEIRS);
	assert_int_equal(eth.naddr6, 3);
	assert_int_equal(addr_of("2001:db8::ff:fe00:1")->state, ADDR_TENTATIVE);
	fake_advance(0);
	next_message(ICMP6_NEIGHBOR_SOLICIT, "::", "ff02::1:ff00:1");
	fake_advance(20 * SECOND); /* and no more router solicitations */
	pkt_purge(&sent);
	assert_int_equal(addr_of("2001:db8::ff:fe00:1")->state, ADDR_PREFERRED);
	assert_true(reaches("2001:db8::5", "2001:db8::5"));
	assert_true(reaches("2001:db8:1::5", THEIRS));
	assert_true(reaches("2001:db8:2::5", "2001:db8:2::5"));
	assert_true(reaches("2001:db8:9::5", THEIRS));
	assert_int_equal(ndp_hop_limit(&eth), 33);
	/* Time: deprecated, the router gone, the address gone. */
	fake_advance(3600 * SECOND);
	assert_int_equal(addr_of("2001:db8::ff:fe00:1")->state, ADDR_DEPRECATED);
	assert_false(reaches("2001:db8:9::5", THEIRS));
	fake_advance(3600 * SECOND);
	assert_null(addr_of("2001:db8::ff:fe00:1"));
	assert_int_equal(eth.naddr6, 1);
	assert_true(list_empty(&ip_gateways));
}

static void test_router_says_no(void **state)
{
	(void)state;
	fake_advance(3 * SECOND);
	ra_begin(0, 0, 1800);
	ra_prefix("2001:db8::", 64, 0xc0, 86400, 86400);
	ra_send(THEIRS);
	fake_advance(10 * SECOND);
	assert_true(reaches("2001:db8:9::5", THEIRS));
	ra_begin(0, 0, 0);
	ra_prefix("2001:db8::", 64, 0xc0, 0, 0);
	ra_send(THEIRS);
	assert_false(reaches("2001:db8:9::5", THEIRS));
	fake_advance(SECOND);
	/* A life is not cut below two hours (RFC 4862, 5.5.3 (e)). */
	assert_int_equal(addr_of("2001:db8::ff:fe00:1")->state, ADDR_DEPRECATED);
	fake_advance(7100 * SECOND);
	assert_non_null(addr_of("2001:db8::ff:fe00:1"));
	fake_advance(200 * SECOND);
	assert_null(addr_of("2001:db8::ff:fe00:1"));
	pkt_purge(&sent);
}

static void test_router_preference(void **state)
{
	(void)state;
	fake_advance(3 * SECOND);
	ra_begin(0, 0x18, 1800); /* low */
	ra_send("fe80::3");
	assert_true(reaches("2001:db8::1", "fe80::3"));
	ra_begin(0, 0, 1800);
	ra_send("fe80::4");
	assert_true(reaches("2001:db8::1", "fe80::4"));
	ra_begin(0, 8, 1800); /* high */
	ra_send("fe80::5");
	assert_true(reaches("2001:db8::1", "fe80::5"));
	pkt_purge(&sent);
}

static void test_router_options(void **state)
{
	struct ipaddr dns = ip("2001:db8::53"), dst = ip("2001:db8:9::1");
	struct ip_path path;

	(void)state;
	fake_advance(3 * SECOND);
	ra_begin(0, 0, 1800);
	memcpy(advert + 16, "\1\1\2\0\0\0\0\2\5\1\0\0\0\0\5\x78\x19\3\0\0\0\0\1\0", 24);
	memcpy(advert + 40, &dns, 16);
	advert_len = 56;
	ra_send(THEIRS);
	assert_int_equal(net_nameservers, 1);
	assert_true(ip_equal(&net_nameserver[0], &dns));
	assert_int_equal(ip_route(NULL, &dst, 0, &path), 0);
	assert_int_equal(path.mtu, 1400);
	put_be32(advert + 28, 1000); /* less than IPv6 allows */
	put_be32(advert + 36, 0); /* and no server any more */
	ra_send(THEIRS);
	assert_int_equal(net_nameservers, 0);
	assert_int_equal(ip_route(NULL, &dst, 0, &path), 0);
	assert_int_equal(path.mtu, 1400);
	pkt_purge(&sent);
}

/* A flood of routers and prefixes. */
static void test_router_flood(void **state)
{
	unsigned routes = 0;
	struct list *at;
	char text[40];

	(void)state;
	fake_advance(3 * SECOND);
	for (unsigned i = 0; i < 500; i++) {
		ra_begin(0, 0, 1800);
		snprintf(text, sizeof(text), "2001:db8:%x::", i);
		ra_prefix(text, 64, 0xc0, 7200, 7200);
		snprintf(text, sizeof(text), "fe80::%x", i + 16);
		ra_send(text);
	}
	list_for_each (at, &ip_gateways)
		routes++;
	assert_int_equal(routes, 4 + 8);
	assert_int_equal(eth.naddr6, 1 + 8);
	fake_advance(3 * SECOND);
	pkt_purge(&sent);
}

static void test_groups(void **state)
{
	struct ipaddr a = ip("fd00::1:2:3");
	const u8 *m;

	(void)state;
	fake_advance(30 * SECOND);
	netif_add_addr(&eth, &a, 64, ADDR_STATIC, NEVER, NEVER);
	assert_int_equal(addr_of("fd00::1:2:3")->state, ADDR_PREFERRED); /* at once */
	pkt_purge(&sent);
	fake_advance(SECOND);
	m = next_message(ICMP6_MLD2_REPORT, OURS, "ff02::16");
	assert_int_equal(get_be16(m + 6), 2);
	assert_memory_equal(m - 8, "\x3a\0\5\2\0\0\1\0", 8); /* router alert */
	from_peer6(THEIRS, "ff02::1", 0, 1,
		   "\x3a\0\5\2\0\0\1\0\x82\0\x00\x00\x03\xe8\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		   "\0\0\0",
		   36);
	assert_null(next_sent()); /* the checksum was wrong */
	from_peer6(THEIRS, "ff02::1", 58, 1,
		   "\x82\0\0\0\x03\xe8\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28);
	fake_advance(SECOND);
	m = next_message(ICMP6_MLD2_REPORT, OURS, "ff02::16");
	assert_int_equal(m[8], 2);
	assert_null(next_sent());
}

static void test_small_link(void **state)
{
	static struct netif small;

	(void)state;
	memset(&small, 0, sizeof(small));
	small.ethernet = true;
	small.mtu = 1000; /* too small for IPv6 */
	small.flags = NETIF_UP;
	net_enter();
	netif_add(&small);
	net_leave();
	assert_int_equal(small.naddr6, 0);
	assert_ptr_equal(netif_by_name("eth1"), &small);
	assert_ptr_equal(netif_by_index(3), &small);
	assert_null(netif_by_index(4));
	fake_advance(30 * SECOND);
	pkt_purge(&sent);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_beginning),      T(test_duplicates),
		T(test_answering),      T(test_invalid),
		T(test_resolving),      T(test_router),
		T(test_router_says_no), T(test_router_preference),
		T(test_router_options), T(test_router_flood),
		T(test_groups),         T(test_small_link),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
