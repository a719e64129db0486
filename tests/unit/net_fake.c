/* See net_fake.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "net_fake.h"
#include "../../guest/net/addr_text.h"

struct list got_tcp, got_udp, sent;
struct got_error got_error[16];
unsigned got_errors, got_raw, flushes;
bool fake_raw;
struct netif eth;

void tcp_input(struct pkt *pkt)
{
	list_add_tail(&got_tcp, &pkt->link);
}

void udp_input(struct pkt *pkt)
{
	list_add_tail(&got_udp, &pkt->link);
}

static void keep_error(struct pkt *pkt, int error, u32 mtu)
{
	struct got_error *e = &got_error[got_errors++ % 16];

	*e = (struct got_error){ pkt->src, pkt->dst, error, mtu, pkt->proto, { 0 } };
	assert_true(pkt->total >= 8);
	pkt_copy(pkt, 0, e->first, 8);
}

void tcp_error(struct pkt *pkt, int error, u32 mtu)
{
	keep_error(pkt, error, mtu);
}

void udp_error(struct pkt *pkt, int error, u32 mtu)
{
	keep_error(pkt, error, mtu);
}

bool raw_input(struct pkt *pkt)
{
	(void)pkt;
	got_raw++;
	return fake_raw;
}

static int transmit(struct netif *netif, struct pkt *pkt)
{
	(void)netif;
	list_add_tail(&sent, &pkt->link);
	return 0;
}

static void flush(struct netif *netif)
{
	(void)netif;
	flushes++;
}

void eth_begin(u32 offload)
{
	memset(&eth, 0, sizeof(eth));
	memcpy(eth.mac, "\2\0\0\0\0\1", 6);
	eth.ethernet = true;
	eth.mtu = 1500;
	eth.flags = NETIF_UP | NETIF_RUNNING | NETIF_BROADCAST | NETIF_MULTICAST;
	eth.offload = offload;
	eth.transmit = transmit;
	eth.flush = flush;
	net_enter();
	netif_add(&eth);
	net_leave();
}

struct pkt *next_sent(void)
{
	return pkt_dequeue(&sent);
}

void net_fake_begin(void)
{
	fake_begin();
	list_init(&got_tcp);
	list_init(&got_udp);
	list_init(&sent);
	got_errors = got_raw = flushes = 0;
	fake_raw = false;
	assert_int_equal(net_init(), 0);
}

void net_fake_end(void)
{
	pkt_purge(&got_tcp);
	pkt_purge(&got_udp);
	pkt_purge(&sent);
	net_stop();
	assert_int_equal(fake_next_timer(), NEVER);
	assert_int_equal(pkt_count, 0);
	assert_int_equal(pkt_mem_count, 0);
	pkt_reclaim();
	fake_end();
}

struct ipaddr ip(const char *text)
{
	struct ipaddr addr;

	assert_true(ip_parse(text, &addr));
	return addr;
}

struct pkt *pkt_of_bytes(const void *data, u32 len)
{
	struct pkt_mem *mem = pkt_mem_alloc(len);

	memcpy(mem->data, data, len);
	return pkt_wrap(mem, mem->data, len);
}

void receive(struct netif *netif, const void *data, u32 len)
{
	net_enter();
	netif_receive(netif, pkt_of_bytes(data, len));
	net_leave();
}

u8 *flat(const struct pkt *pkt)
{
	static u8 bytes[1 << 17];

	pkt_copy(pkt, 0, bytes, pkt->total);
	return bytes;
}

/* ---- the peer ---- */

const u8 peer_mac[6] = { 2, 0, 0, 0, 0, 2 };
static u8 frame[70000];

static void fix_icmp(u8 *icmp, u32 len, u32 pseudo)
{
	u16 sum;

	memset(icmp + 2, 0, 2);
	sum = ~net_sum(icmp, len, pseudo);
	memcpy(icmp + 2, &sum, 2);
}

static void put_eth(const struct ipaddr *dst, u16 type)
{
	const u8 *a = dst->b;
	u8 group[6] = { 0x33, 0x33, a[12], a[13], a[14], a[15] };

	memcpy(frame, eth.mac, 6);
	if (netif_is_broadcast(&eth, dst))
		memset(frame, 0xff, 6);
	else if (ip_is_multicast(dst))
		memcpy(frame, group, 6);
	memcpy(frame + 6, peer_mac, 6);
	put_be16(frame + 12, type);
}

void from_peer4_fragment(const char *src, const char *dst, u8 proto, const void *payload, u32 len,
			 u16 id, u16 frag)
{
	struct ipaddr s = ip(src), d = ip(dst);
	struct ip4_hdr *h = (struct ip4_hdr *)(frame + 14);

	put_eth(&d, ETH_IP4);
	*h = (struct ip4_hdr){ .version_ihl = 0x45,
			       .len = htons(20 + len),
			       .id = htons(id),
			       .frag = htons(frag),
			       .ttl = 64,
			       .proto = proto,
			       .src = ip_get4(&s),
			       .dst = ip_get4(&d) };
	h->csum = ~net_sum(h, 20, 0);
	memcpy(h + 1, payload, len);
	if (proto == IPPROTO_ICMP && frag == 0 && len >= 4)
		fix_icmp((u8 *)(h + 1), len, 0);
	receive(&eth, frame, MAX(34 + len, 60));
}

void from_peer4(const char *src, const char *dst, u8 proto, const void *payload, u32 len)
{
	from_peer4_fragment(src, dst, proto, payload, len, 1, 0);
}

void from_peer6(const char *src, const char *dst, u8 next, u8 hops, const void *payload, u32 len)
{
	struct ipaddr s = ip(src), d = ip(dst);
	struct ip6_hdr *h = (struct ip6_hdr *)(frame + 14);

	put_eth(&d, ETH_IP6);
	*h = (struct ip6_hdr){ htonl(IP6_FLOW_VERSION), htons(len), next, hops, { 0 }, { 0 } };
	memcpy(h->src, &s, 16);
	memcpy(h->dst, &d, 16);
	memcpy(h + 1, payload, len);
	if (next == IPPROTO_ICMPV6 && len >= 4)
		fix_icmp((u8 *)(h + 1), len, ip_pseudo_sum(&s, &d, IPPROTO_ICMPV6, len));
	receive(&eth, frame, 54 + len);
}

void arp_from_peer(u16 op, const char *spa, const u8 sha[6], const char *tpa)
{
	struct ipaddr s = ip(spa), t = ip(tpa);
	struct arp_hdr *a = (struct arp_hdr *)(frame + 14);

	memset(frame, 0, 60);
	memcpy(frame, op == ARP_REPLY ? eth.mac : (const u8 *)"\xff\xff\xff\xff\xff\xff", 6);
	memcpy(frame + 6, sha, 6);
	put_be16(frame + 12, ETH_ARP);
	*a = (struct arp_hdr){ .hardware = htons(1),
			       .protocol = htons(ETH_IP4),
			       .hlen = 6,
			       .plen = 4,
			       .op = htons(op),
			       .spa = ip_get4(&s),
			       .tpa = ip_get4(&t) };
	memcpy(a->sha, sha, 6);
	receive(&eth, frame, 60);
}

void eth_with_peer(u32 offload)
{
	struct ipaddr four = ip("10.0.0.1"), six = ip("fd00::1"), peer = ip("fd00::2");
	u8 advert[32] = { ICMP6_NEIGHBOR_SOLICIT };

	eth_begin(offload);
	netif_add_addr(&eth, &four, 24, ADDR_STATIC, NEVER, NEVER);
	netif_add_addr(&eth, &six, 64, ADDR_STATIC, NEVER, NEVER);
	fake_advance(30 * SECOND); /* duplicate detection is over, and router solicitation */
	arp_from_peer(ARP_REQUEST, "10.0.0.2", peer_mac, "10.0.0.1");
	memcpy(advert + 8, &six, 16);
	advert[24] = advert[25] = 1;
	memcpy(advert + 26, peer_mac, 6);
	from_peer6("fd00::2", "ff02::1:ff00:1", IPPROTO_ICMPV6, 255, advert, sizeof(advert));
	ip_confirm(&peer); /* or it would be asked soon */
	pkt_purge(&sent);
	flushes = 0;
}

const u8 *sent_ip(u32 *len)
{
	struct pkt *pkt = next_sent();
	const u8 *bytes;

	assert_non_null(pkt);
	*len = pkt->total - 14;
	bytes = flat(pkt);
	pkt_free(pkt);
	assert_memory_equal(bytes + 6, eth.mac, 6);
	assert_int_equal(get_be16(bytes + 12), bytes[14] >> 4 == 4 ? ETH_IP4 : ETH_IP6);
	if (bytes[14] >> 4 == 4) {
		assert_int_equal(net_sum(bytes + 14, 20, 0), 0xffff);
		assert_int_equal(get_be16(bytes + 16), *len);
	} else {
		assert_int_equal(get_be16(bytes + 18), *len - 40);
	}
	return bytes + 14;
}
