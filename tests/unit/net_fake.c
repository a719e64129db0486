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
