// clang-format off
// link: tests/unit/fake_libos.c tests/unit/net_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/netif.c
// link: guest/net/loopback.c guest/net/offload.c guest/net/route.c guest/net/ip.c guest/net/ip4.c guest/net/ip6.c guest/net/icmp.c guest/net/icmp6.c guest/net/icmp_msg.c
// link: guest/net/reass.c guest/net/eth.c guest/net/arp.c guest/net/neigh.c guest/net/ndp.c guest/net/mld.c guest/net/router.c guest/net/nameserver.c guest/net/dhcp.c guest/net/dhcp_wire.c
// clang-format on
/*
 * IP: loopback, routes, headers good and bad, fragments out, what devices
 * cannot do, ICMP.
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

/* ---- routes ---- */

static struct ip_path route(const char *src, const char *dst, unsigned ifindex, int result)
{
	struct ipaddr s = src ? ip(src) : ip("::"), d = ip(dst);
	struct ip_path path = { 0 };

	/* Twice: the second time it is in the cache. */
	assert_int_equal(ip_route(src ? &s : NULL, &d, ifindex, &path), result);
	assert_int_equal(ip_route(src ? &s : NULL, &d, ifindex, &path), result);
	return path;
}

static void assert_ip(const struct ipaddr *addr, const char *text)
{
	struct ipaddr expected = ip(text);

	assert_true(ip_equal(addr, &expected));
}

static void add_gateway(const char *to, unsigned prefix, const char *via, u32 metric, u64 until)
{
	struct ipaddr t = ip(to), v = ip(via);

	assert_int_equal(ip_add_gateway(&eth, &t, prefix, &v, metric, until), 0);
}

static void test_routes(void **state)
{
	struct ipaddr to = ip("0.0.0.0"), via = ip("10.0.0.254");
	struct ip_path p;

	(void)state;
	route(NULL, "10.0.0.2", 0, -ENETUNREACH);
	eth_with_peer(0);
	p = route(NULL, "10.0.0.2", 0, 0);
	assert_ptr_equal(p.netif, &eth);
	assert_ip(&p.next_hop, "10.0.0.2");
	assert_ip(&p.src, "10.0.0.1");
	assert_int_equal(p.mtu, 1500);
	route(NULL, "192.0.2.1", 0, -ENETUNREACH);
	route("10.0.0.9", "10.0.0.2", 0, -EADDRNOTAVAIL);
	route("127.0.0.1", "10.0.0.2", 0, -EADDRNOTAVAIL);
	route("fd00::1", "10.0.0.2", 0, -EADDRNOTAVAIL);
	route(NULL, "10.0.0.2", 7, -ENETUNREACH);
	route(NULL, "0.0.0.0", 0, -ENETUNREACH);
	p = route(NULL, "10.0.0.1", eth.index, 0); /* to ourselves */
	assert_ptr_equal(p.netif, net_loopback);
	assert_ip(&p.src, "10.0.0.1");

	add_gateway("0.0.0.0", 0, "10.0.0.254", 10, NEVER);
	add_gateway("192.0.0.0", 16, "10.0.0.253", 10, NEVER);
	add_gateway("192.0.0.0", 16, "10.0.0.252", 5, NEVER);
	add_gateway("172.16.0.0", 12, "0.0.0.0", 0, NEVER); /* on the link */
	p = route(NULL, "192.0.2.1", 0, 0);
	assert_ip(&p.next_hop, "10.0.0.252"); /* longest, then cheapest */
	p = route(NULL, "8.8.8.8", 0, 0);
	assert_ip(&p.next_hop, "10.0.0.254");
	p = route(NULL, "172.17.1.1", 0, 0);
	assert_ip(&p.next_hop, "172.17.1.1");
	assert_int_equal(ip_del_gateway(&eth, &to, 0, &via), 0);
	assert_int_equal(ip_del_gateway(&eth, &to, 0, &via), -ESRCH);
	route(NULL, "8.8.8.8", 0, -ENETUNREACH);
	add_gateway("0.0.0.0", 0, "10.0.0.254", 10, fake_clock + SECOND);
	route(NULL, "8.8.8.8", 0, 0);
	fake_advance(2 * SECOND);
	route(NULL, "8.8.8.8", 0, -ENETUNREACH);
	p = route(NULL, "255.255.255.255", 0, 0);
	assert_ptr_equal(p.netif, &eth);
	p = route(NULL, "224.0.0.251", 0, 0);
	assert_ptr_equal(p.netif, &eth);
	netif_del_addr(&eth, &p.src);
	route(NULL, "10.0.0.2", 0, -ENETUNREACH);
	pkt_purge(&sent);
}

static void test_gateways_are_bounded(void **state)
{
	struct ipaddr via = ip("10.0.0.254");
	int error = 0;

	(void)state;
	eth_with_peer(0);
	for (u32 i = 0; i < 1000 && error == 0; i++) {
		struct ipaddr to = ip_from4(htonl(0x14000000 + i));

		error = ip_add_gateway(&eth, &to, 32, &via, 0, NEVER);
	}
	assert_int_equal(error, -ENOMEM);
}

static void test_source_selection(void **state)
{
	struct ipaddr other = ip("2001:db8::1"), old = ip("2001:db8::2");
	struct ip_path p;

	(void)state;
	eth_with_peer(0);
	add_gateway("::", 0, "fe80::2", 10, NEVER);
	p = route(NULL, "fe80::2", 0, 0);
	assert_int_equal(p.src.b[0], 0xfe); /* RFC 6724, rule 2 */
	p = route(NULL, "2001:db8:9::1", 0, 0);
	assert_ip(&p.src, "fd00::1");
	netif_add_addr(&eth, &old, 64, ADDR_STATIC, fake_clock + SECOND, NEVER);
	p = route(NULL, "2001:db8::9", 0, 0);
	assert_ip(&p.src, "2001:db8::2"); /* rule 8 */
	netif_add_addr(&eth, &other, 64, ADDR_STATIC, NEVER, NEVER);
	fake_advance(2 * SECOND);
	p = route(NULL, "2001:db8::3", 0, 0);
	assert_ip(&p.src, "2001:db8::1"); /* rule 3: the other is deprecated */
	pkt_purge(&sent);
}

/* ---- headers ---- */

static const u8 udp9[16] = { 0, 7, 0, 9, 0, 16, 0, 0, 'p', 'a', 'y', 'l', 'o', 'a', 'd', '!' };

/* A frame from the peer to 10.0.0.1 with a UDP packet, `at` byte changed. */
static void changed(u32 at, u8 value, bool fix)
{
	u8 f[60] = { 2,  0, 0, 0, 0, 1,  2,  0, 0, 0,  0, 2, 8, 0,  0x45, 0, 0,
		     36, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0,    0, 1 };
	u16 sum;

	memcpy(f + 34, udp9, sizeof(udp9));
	f[at] = value;
	sum = ~net_sum(f + 14, 20, 0);
	if (fix)
		memcpy(f + 24, &sum, 2);
	receive(&eth, f, sizeof(f));
}

static unsigned count(struct list *queue)
{
	unsigned n = 0;
	struct list *at;

	list_for_each (at, queue)
		n++;
	pkt_purge(queue);
	return n;
}

static void test_headers4(void **state)
{
	static const struct {
		u8 at, value;
		bool good;
	} cases[] = {
		{ 0, 2, true }, /* as it should be */
		{ 5, 9, false }, /* somebody else's frame */
		{ 6, 3, false }, /* from a group */
		{ 12, 9, false }, /* unknown type */
		{ 14, 0x55, false }, /* version */
		{ 14, 0x44, false }, /* header too short */
		{ 14, 0x4f, false }, /* header longer than the packet */
		{ 17, 19, false }, /* shorter than the header */
		{ 17, 47, false }, /* longer than the frame */
		{ 17, 28, true }, /* padded */
		{ 26, 127, false }, /* from 127/8 */
		{ 26, 224, false }, /* from a group */
		{ 29, 1, false }, /* from ourselves */
		{ 29, 255, false }, /* from a broadcast address */
		{ 33, 9, false }, /* to somebody else */
		{ 30, 127, false }, /* to 127/8 */
		{ 33, 255, true }, /* to the subnet */
		{ 30, 224, true }, /* to a group */
	};

	(void)state;
	eth_with_peer(0);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		changed(cases[i].at, cases[i].value, true);
		assert_int_equal(count(&got_udp), cases[i].good);
	}
	changed(0, 2, false); /* no checksum */
	assert_int_equal(count(&got_udp), 0);
	/* For all on the link, for us by its address (RFC 1122, 3.3.6). */
	changed(0, 0xff, true);
	assert_int_equal(count(&got_udp), 0);
	for (u32 len = 0; len < 50; len++) /* cut short anywhere */
		receive(&eth,
			"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0\x45\0\0\x24\0\1\0\0\x40\x11\x66\xc6"
			"\x0a\0\0\2\x0a\0\0\1\0\7\0\x09\0\x10\0\0payload!",
			len);
	assert_int_equal(count(&got_udp), 0);
	assert_null(next_sent());
}

static void test_options4(void **state)
{
	/* Header length in words, options, whether the packet is good. */
	static const struct {
		u8 option[8];
		bool good;
	} cases[] = {
		{ { 1, 1, 1, 0 }, true },
		{ { 7, 7, 4, 0, 0, 0, 0 }, true },
		{ { 0x83, 7, 4, 1, 2, 3, 4 }, false },
		{ { 1, 0x89, 3, 4 }, false },
		{ { 7, 0 }, false },
		{ { 7, 1 }, false },
		{ { 7, 9 }, false },
		{ { 1, 1, 1, 1, 1, 1, 1, 7 }, false },
		{ { 0, 0x83, 7 }, true },
	};

	(void)state;
	eth_with_peer(0);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		u8 f[60] = { 2,  0, 0, 0, 0, 1,  2,  0, 0, 0,  0, 2, 8, 0,  0x47, 0, 0,
			     44, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0,    0, 1 };
		u16 sum;

		memcpy(f + 34, cases[i].option, 8);
		memcpy(f + 42, udp9, 16);
		sum = ~net_sum(f + 14, 28, 0);
		memcpy(f + 24, &sum, 2);
		receive(&eth, f, sizeof(f));
		assert_int_equal(count(&got_udp), cases[i].good);
	}
}

static void test_headers6(void **state)
{
	u8 ext[120];

	(void)state;
	eth_with_peer(0);
	from_peer6("fd00::2", "fd00::1", IPPROTO_UDP, 64, udp9, 16);
	assert_int_equal(count(&got_udp), 1);
	from_peer6("fd00::2", "fd00::9", IPPROTO_UDP, 64, udp9, 16);
	from_peer6("ff02::2", "fd00::1", IPPROTO_UDP, 64, udp9, 16);
	from_peer6("::1", "fd00::1", IPPROTO_UDP, 64, udp9, 16);
	from_peer6("::ffff:10.0.0.2", "fd00::1", IPPROTO_UDP, 64, udp9, 16);
	from_peer6("fd00::1", "fd00::1", IPPROTO_UDP, 64, udp9, 16);
	assert_int_equal(count(&got_udp), 0);
	assert_null(next_sent());
	/* Hop-by-hop, destination options, routing with nothing left, UDP. */
	memset(ext, 0, sizeof(ext));
	memcpy(ext, "\x3c\0\1\4\0\0\0\0\x2b\0\x05\2\0\0\1\0\x11\0\0\0\0\0\0\0", 24);
	memcpy(ext + 24, udp9, 16);
	from_peer6("fd00::2", "fd00::1", 0, 64, ext, 40);
	assert_int_equal(count(&got_udp), 1);
	from_peer6("fd00::2", "fd00::1", IP6_NONE, 64, ext, 40);
	ext[0] = 0; /* a second hop-by-hop header */
	from_peer6("fd00::2", "fd00::1", 0, 64, ext, 40);
	ext[0] = 60;
	ext[3] = 200; /* an option longer than the header */
	from_peer6("fd00::2", "fd00::1", 0, 64, ext, 40);
	assert_int_equal(count(&got_udp), 0);
	assert_null(next_sent());
	/* As many options as nobody needs. */
	memset(ext, 0, sizeof(ext));
	memcpy(ext, "\x11\4", 2);
	for (u32 i = 0; i < 16; i++)
		ext[2 + 2 * i] = 0x1e; /* unknown, to be skipped */
	memcpy(ext + 40, udp9, 16);
	from_peer6("fd00::2", "fd00::1", 60, 64, ext, 56);
	assert_int_equal(count(&got_udp), 1);
	ext[34] = 0x1e;
	from_peer6("fd00::2", "fd00::1", 60, 64, ext, 56);
	assert_int_equal(count(&got_udp), 0);
	/* As many headers as nobody needs. */
	for (u32 i = 0; i < 80; i += 8)
		memcpy(ext + i, "\x3c\0\1\4\0\0\0\0", 8);
	ext[72] = 17;
	memcpy(ext + 80, udp9, 16);
	from_peer6("fd00::2", "fd00::1", 60, 64, ext, 96);
	assert_int_equal(count(&got_udp), 0);
}

/* The answer to what may not stand in a header (RFC 8200, 4.2, 4.4, 4). */
static void test_parameter_problems(void **state)
{
	static const struct {
		u8 next, ext[8], code, pointer;
	} cases[] = {
		{ 60, { 17, 0, 0x80, 4 }, 2, 42 }, { 60, { 17, 0, 1, 0, 0xc0, 2 }, 2, 44 },
		{ 43, { 17, 0, 0, 1 }, 0, 42 },    { 99, { 0 }, 1, 6 },
		{ 60, { 99, 0, 1, 4 }, 1, 40 },
	};
	u8 bytes[24];
	u32 len;

	(void)state;
	eth_with_peer(0);
	memcpy(bytes + 8, udp9, 16);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const u8 *p;

		memcpy(bytes, cases[i].ext, 8);
		from_peer6("fd00::2", "fd00::1", cases[i].next, 64, bytes, sizeof(bytes));
		p = sent_ip(&len);
		assert_int_equal(p[40], ICMP6_PARAMETER);
		assert_int_equal(p[41], cases[i].code);
		assert_int_equal(get_be32(p + 44), cases[i].pointer);
		assert_int_equal(len, 40 + 8 + 40 + 24);
		assert_memory_equal(p + 48 + 40, bytes, 24);
		from_peer6("fd00::2", "ff02::1", cases[i].next, 64, bytes, sizeof(bytes));
		assert_null(next_sent()); /* to a group: no answer */
	}
	bytes[2] = 0x40; /* to be dropped in silence */
	from_peer6("fd00::2", "fd00::1", 60, 64, bytes, sizeof(bytes));
	assert_null(next_sent());
	assert_int_equal(count(&got_udp), 0);
}

/* ---- out ---- */

static struct pkt *payload(u32 len)
{
	static u8 bytes[70000];
	struct pkt *pkt = pkt_alloc();
	struct pkt_mem *mem;

	for (u32 i = 0; i < sizeof(bytes); i++)
		bytes[i] = i / 7;
	memcpy(pkt_put(pkt, 8), bytes, 8);
	for (u32 done = 8; done < len; done += 4000) {
		u32 n = MIN(4000, len - done);

		mem = pkt_mem_alloc(n);
		memcpy(mem->data, bytes + done, n);
		assert_true(pkt_add_frag(pkt, mem, mem->data, n));
		pkt_mem_put(mem);
	}
	return pkt;
}

static int send_payload(const char *src, const char *dst, u32 len, bool df)
{
	struct ip_send to = {
		.src = ip(src), .dst = ip(dst), .proto = IPPROTO_UDP, .dont_fragment = df
	};
	struct pkt *pkt = payload(len);
	int error;

	net_enter();
	ip_checksum_later(pkt, &to, 6);
	error = ip_output(pkt, &to);
	net_leave();
	return error;
}

/* What was sent, put together again: the UDP checksum must be good. */
static void test_fragments_out(void **state)
{
	static const u32 lens[] = { 1472, 1480, 1481, 3000, 9000, 65515 };

	(void)state;
	eth_with_peer(0);
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++)
		for (int six = 0; six < 2; six++) {
			struct ipaddr s = ip(six ? "fd00::1" : "10.0.0.1"),
				      d = ip(six ? "fd00::2" : "10.0.0.2");
			u32 header = six ? 40 : 20, done = 0, len, id = 0;
			static u8 whole[70000];
			bool more = true;

			assert_int_equal(send_payload(six ? "fd00::1" : "10.0.0.1",
						      six ? "fd00::2" : "10.0.0.2", lens[i], false),
					 0);
			while (more) {
				const u8 *p = sent_ip(&len);
				u32 offset = 0, at = header;

				assert_true(len <= 1500);
				more = false;
				if (six && p[6] == IP6_FRAGMENT) {
					offset = get_be16(p + 42) & 0xfff8;
					more = get_be16(p + 42) & 1;
					assert_true(done == 0 || id == get_be32(p + 44));
					id = get_be32(p + 44);
					at += 8;
				} else if (!six) {
					offset = (get_be16(p + 6) & 0x1fff) * 8;
					more = get_be16(p + 6) & IP4_MF;
					assert_true(done == 0 || id == get_be16(p + 4));
					id = get_be16(p + 4);
				}
				assert_int_equal(offset, done);
				memcpy(whole + done, p + at, len - at);
				done += len - at;
			}
			assert_int_equal(done, lens[i]);
			assert_int_equal(net_sum(whole, done, ip_pseudo_sum(&s, &d, 17, done)),
					 0xffff);
			assert_null(next_sent());
		}
	assert_int_equal(send_payload("10.0.0.1", "10.0.0.2", 1481, true), -EMSGSIZE);
	assert_int_equal(send_payload("10.0.0.1", "10.0.0.2", 65516, false), -EMSGSIZE);
	assert_int_equal(send_payload("fd00::1", "fd00::2", 65536, false), -EMSGSIZE);
	assert_int_equal(send_payload("10.0.0.1", "10.0.0.2", 1480, true), 0);
	assert_int_equal(get_be16(flat(pkt_of(sent.next)) + 20), IP4_DF);
	assert_int_equal(flushes, 13);
}

/* A device that can do nothing: TCP and UDP cut into segments. */
static void cut(bool six, bool tcp, u32 len, u32 size)
{
	struct ip_send to = { .src = ip(six ? "fd00::1" : "10.0.0.1"),
			      .dst = ip(six ? "fd00::2" : "10.0.0.2"),
			      .proto = tcp ? IPPROTO_TCP : IPPROTO_UDP,
			      .dont_fragment = true };
	u32 ip_len = six ? 40 : 20, header = tcp ? 32 : 8, done = 0, n;
	struct pkt *pkt = pkt_alloc();
	u8 *h = memset(pkt_put(pkt, header), 0, header);

	if (tcp) {
		put_be32(h + 4, 0xfffffff0); /* wraps */
		h[12] = 0x80;
		h[13] = 0x99; /* CWR ACK PSH FIN */
	}
	for (u32 at = 0; at < len; at += 4096) {
		struct pkt_mem *mem = pkt_mem_alloc(4096);

		memset(mem->data, at / 4096 + 1, 4096);
		pkt_add_frag(pkt, mem, mem->data, MIN(4096, len - at));
		pkt_mem_put(mem);
	}
	pkt->gso_size = size;
	pkt->gso_type = !tcp ? VIRTIO_NET_HDR_GSO_UDP_L4 :
			six  ? VIRTIO_NET_HDR_GSO_TCPV6 :
			       VIRTIO_NET_HDR_GSO_TCPV4;
	net_enter();
	ip_checksum_later(pkt, &to, tcp ? 16 : 6);
	assert_int_equal(ip_output(pkt, &to), 0);
	net_leave();
	for (unsigned i = 0; done < len; i++, done += n - ip_len - header) {
		const u8 *p = sent_ip(&n), *t = p + ip_len;
		bool last = done + size >= len;

		assert_int_equal(n, ip_len + header + MIN(size, len - done));
		assert_int_equal(net_sum(t, n - ip_len,
					 ip_pseudo_sum(&to.src, &to.dst, to.proto, n - ip_len)),
				 0xffff);
		if (tcp) {
			assert_int_equal(get_be32(t + 4), 0xfffffff0 + done);
			assert_int_equal(t[13], 0x10 | (i == 0 ? 0x80 : 0) | (last ? 9 : 0));
		} else {
			assert_int_equal(get_be16(t + 4), n - ip_len);
		}
		assert_int_equal(t[header], done / 4096 + 1);
	}
	assert_null(next_sent());
}

static void test_segmentation(void **state)
{
	(void)state;
	eth_with_peer(0);
	cut(false, true, 65000, 1448);
	cut(true, true, 65000, 1428);
	cut(false, true, 1448, 1448);
	cut(false, true, 1449, 1448);
	cut(false, false, 60000, 1400);
	cut(true, false, 3000, 1000);
	eth.offload = NETIF_TSO4; /* one family only */
	cut(true, true, 3, 2);
}

/* A device that can: whole packets, sums left to it. */
static void test_offload(void **state)
{
	struct pkt *pkt;

	(void)state;
	eth_with_peer(NETIF_CSUM);
	assert_int_equal(send_payload("10.0.0.1", "10.0.0.2", 100, true), 0);
	pkt = next_sent();
	assert_int_equal(pkt->csum, CSUM_PARTIAL);
	assert_ptr_equal(pkt->csum_start, pkt->data + 34);
	assert_int_equal(pkt->csum_offset, 6);
	pkt_free(pkt);
}

static void test_no_memory_out(void **state)
{
	(void)state;
	eth_with_peer(0);
	for (long left = 0; left < 20; left++) {
		struct ip_send to = { .src = ip("10.0.0.1"),
				      .dst = ip("10.0.0.2"),
				      .proto = IPPROTO_UDP };
		struct pkt *pkt = payload(9000);
		int error;

		pkt_reclaim();
		fake_allocations_left = left;
		net_enter();
		ip_checksum_later(pkt, &to, 6);
		error = ip_output(pkt, &to);
		net_leave();
		assert_true(error == 0 || error == -ENOMEM);
		fake_allocations_left = -1;
		pkt_purge(&sent);
	}
}

static void test_raw_header(void **state)
{
	struct ip_send to = { .dst = ip("10.0.0.2"), .header_included = true };
	struct pkt *pkt = pkt_alloc();
	const u8 *p;
	u32 len;
	u8 *h;

	(void)state;
	eth_with_peer(0);
	h = memset(pkt_put(pkt, 28), 0, 28);
	h[0] = 0x45;
	memcpy(h + 16, &to.dst.b[12], 4);
	assert_int_equal(ip_output(pkt, &to), 0);
	p = sent_ip(&len); /* length, source and checksum were filled in */
	assert_int_equal(len, 28);
	assert_int_equal(get_be32(p + 12), 0x0a000001);
	pkt = pkt_alloc();
	pkt_put(pkt, 19);
	assert_int_equal(ip_output(pkt, &to), -EINVAL);
	pkt = pkt_alloc();
	h = memset(pkt_put(pkt, 20), 0, 20);
	h[0] = 0x4f;
	assert_int_equal(ip_output(pkt, &to), -EINVAL);
}

/* ---- ICMP ---- */

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

static void test_ping6(void **state)
{
	u32 len;
	const u8 *p;
	struct ipaddr s = ip("fd00::1"), d = ip("fd00::2");

	(void)state;
	eth_with_peer(0);
	from_peer6("fd00::2", "fd00::1", 58, 64, "\x80\0\0\0\0\1\0\1hello", 13);
	p = sent_ip(&len);
	assert_int_equal(len, 53);
	assert_int_equal(p[40], ICMP6_ECHO_REPLY);
	assert_memory_equal(p + 44, "\0\1\0\1hello", 9);
	assert_int_equal(net_sum(p + 40, 13, ip_pseudo_sum(&s, &d, 58, 13)), 0xffff);
	from_peer6("fd00::2", "ff02::1", 58, 64, "\x80\0\0\0\0\1\0\1hello", 13);
	p = sent_ip(&len);
	assert_memory_equal(p + 8, &s, 16); /* from an address of ours */
	from_peer6("fd00::2", "ff02::9", 58, 64, "\x80\0\0\0\0\1\0\1hello", 13);
	assert_null(next_sent());
	from_peer4("10.0.0.2", "10.0.0.255", 1, "\x08\0\0\0\0\1\0\1hello", 13);
	from_peer4("10.0.0.2", "224.0.0.1", 1, "\x08\0\0\0\0\1\0\1hello", 13);
	from_peer4("10.0.0.2", "10.0.0.1", 1, "\x08\0\0", 3);
	assert_null(next_sent());
}

static void test_unreachable(void **state)
{
	u32 len;
	const u8 *p;
	unsigned n;

	(void)state;
	eth_with_peer(0);
	from_peer4("10.0.0.2", "10.0.0.1", 99, udp9, 16); /* no such protocol */
	p = sent_ip(&len);
	assert_memory_equal(p + 20, "\3\2", 2);
	assert_int_equal(len, 20 + 8 + 36);
	assert_int_equal(p[28], 0x45);
	assert_memory_equal(p + 48, udp9, 16);
	assert_int_equal(net_sum(p + 20, 44, 0), 0xffff);
	fake_raw = true; /* a raw socket took it */
	from_peer4("10.0.0.2", "10.0.0.1", 99, udp9, 16);
	assert_null(next_sent());
	fake_raw = false;
	from_peer4("10.0.0.2", "10.0.0.255", 99, udp9, 16); /* never about a broadcast */
	assert_null(next_sent());
	from_peer4("10.0.0.2", "10.0.0.1", 17, udp9, 16);
	net_enter();
	icmp_port_unreachable(pkt_of(got_udp.next));
	net_leave();
	p = sent_ip(&len);
	assert_memory_equal(p + 20, "\3\3", 2);
	from_peer6("fd00::2", "fd00::1", 17, 64, udp9, 16);
	net_enter();
	icmp_port_unreachable(pkt_of(got_udp.prev));
	net_leave();
	p = sent_ip(&len);
	assert_memory_equal(p + 40, "\1\4", 2);
	/* In a flood, so many and no more. */
	for (n = 0; n < 1000; n++)
		from_peer4("10.0.0.2", "10.0.0.1", 99, udp9, 16);
	n = count(&sent);
	assert_true(n > 0 && n <= 50);
	fake_advance(SECOND / 10);
	for (n = 0; n < 1000; n++)
		from_peer4("10.0.0.2", "10.0.0.1", 99, udp9, 16);
	assert_int_equal(count(&sent), 10);
}

/* An error about a UDP packet of ours to 10.0.0.9. */
static void error4(u8 type, u8 code, u16 mtu)
{
	u8 m[36] = { type, code, 0,  0, 0, 0, mtu >> 8, mtu, 0x45, 0, 0, 100, 0, 1, 0, 0,  64, 17,
		     0,    0,    10, 0, 0, 1, 10,       0,   0,    9, 0, 7,   0, 9, 0, 80, 1,  2 };

	from_peer4("10.0.0.2", "10.0.0.1", 1, m, sizeof(m));
}

static void test_errors_in(void **state)
{
	static const struct {
		u8 type, code;
		int error;
	} cases[] = { { 3, 0, ENETUNREACH },  { 3, 1, EHOSTUNREACH },  { 3, 2, ENOPROTOOPT },
		      { 3, 3, ECONNREFUSED }, { 3, 13, EHOSTUNREACH }, { 11, 0, EHOSTUNREACH },
		      { 12, 0, EPROTO } };

	(void)state;
	eth_with_peer(0);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		error4(cases[i].type, cases[i].code, 0);
		assert_int_equal(got_errors, i + 1);
		assert_int_equal(got_error[i].error, cases[i].error);
		assert_ip(&got_error[i].src, "10.0.0.1");
		assert_ip(&got_error[i].dst, "10.0.0.9");
		assert_int_equal(got_error[i].proto, 17);
		assert_memory_equal(got_error[i].first, "\0\7\0\x09\0\x50\1\2", 8);
	}
	error4(5, 1, 0); /* redirects are not for us */
	assert_int_equal(got_errors, ARRAY_SIZE(cases));
}

static void test_path_mtu(void **state)
{
	u8 m[8 + 40 + 8] = { ICMP6_TOO_BIG, 0, 0, 0, 0, 0, 5, 0x14 /* 1300 */, 0x60 };
	struct ipaddr s = ip("fd00::1"), d = ip("fd00::9");

	(void)state;
	eth_with_peer(0);
	error4(3, 4, 1400);
	assert_int_equal(got_error[0].error, EMSGSIZE);
	assert_int_equal(got_error[0].mtu, 1400);
	assert_int_equal(route(NULL, "10.0.0.9", 0, 0).mtu, 1400);
	assert_int_equal(route(NULL, "10.0.0.2", 0, 0).mtu, 1500);
	error4(3, 4, 60); /* not below a limit */
	assert_int_equal(route(NULL, "10.0.0.9", 0, 0).mtu, 552);
	error4(3, 4, 0);
	assert_int_equal(route(NULL, "10.0.0.9", 0, 0).mtu, 576);
	fake_advance(601 * SECOND);
	assert_int_equal(route(NULL, "10.0.0.9", 0, 0).mtu, 1500);
	m[14] = 17;
	memcpy(m + 16, &s, 16);
	memcpy(m + 32, &d, 16);
	from_peer6("fd00::2", "fd00::1", 58, 64, m, sizeof(m));
	assert_int_equal(got_error[3].mtu, 1300);
	assert_int_equal(route(NULL, "fd00::9", 0, 0).mtu, 1300);
	m[6] = 4; /* less than IPv6 allows */
	from_peer6("fd00::2", "fd00::1", 58, 64, m, sizeof(m));
	memset(m + 16, 9, 16); /* about a packet that was not ours */
	m[6] = 5;
	from_peer6("fd00::2", "fd00::1", 58, 64, m, sizeof(m));
	assert_int_equal(got_errors, 4);
	for (u32 i = 0; i < 1000; i++) { /* the table is bounded */
		d = ip_from4(htonl(0x0a000000 + i));
		pmtu_learn(&d, 1000);
	}
	assert_int_equal(route(NULL, "fd00::9", 0, 0).mtu, 1500);
	pkt_purge(&sent);
}

static void runs(struct net_work *work)
{
	(void)work;
	flushes += 100;
}

static void test_deferred_work(void **state)
{
	struct net_work work = { .run = runs };

	(void)state;
	eth_with_peer(0);
	net_enter();
	net_defer(&work);
	net_defer(&work);
	net_enter();
	assert_int_equal(send_payload("10.0.0.1", "10.0.0.2", 10, true), 0);
	net_leave();
	assert_int_equal(flushes, 0);
	net_leave();
	assert_int_equal(flushes, 101); /* the work once, then one doorbell */
	net_enter();
	net_defer(&work);
	net_undefer(&work);
	net_leave();
	assert_int_equal(flushes, 101);
}

static void test_loopback_is_bounded(void **state)
{
	struct ip_send to = to_self("127.0.0.1");
	int error = 0;
	unsigned n;

	(void)state;
	net_enter();
	for (n = 0; n < 5000 && error == 0; n++)
		error = ip_output(payload(8), &to);
	net_leave();
	assert_int_equal(error, -ENOBUFS);
	assert_int_equal(count(&got_udp), n - 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_loopback),
		T(test_loopback_is_bounded),
		T(test_routes),
		T(test_gateways_are_bounded),
		T(test_source_selection),
		T(test_headers4),
		T(test_options4),
		T(test_headers6),
		T(test_parameter_problems),
		T(test_fragments_out),
		T(test_segmentation),
		T(test_offload),
		T(test_no_memory_out),
		T(test_raw_header),
		T(test_ping_over_ethernet),
		T(test_ping6),
		T(test_unreachable),
		T(test_errors_in),
		T(test_path_mtu),
		T(test_deferred_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
