/*
 * For tests of the network stack: transports that keep what they are given, an
 * Ethernet device that keeps what is sent, and packets made from bytes.
 */
#ifndef TESTS_NET_FAKE_H
#define TESTS_NET_FAKE_H

#include "fake_libos.h"
#include "../../guest/net/stack.h"

void net_fake_begin(void); /* fake_begin() and a stack with lo */
void net_fake_end(void); /* and that nothing is left behind */

/* What the transports were given, in order, until somebody takes it. */
extern struct list got_tcp, got_udp;
struct got_error {
	struct ipaddr src, dst;
	int error;
	u32 mtu;
	u8 proto, first[8];
};
extern struct got_error got_error[16];
extern unsigned got_errors, got_raw;
extern bool fake_raw; /* raw sockets want everything */

/* eth0, MAC 02:00:00:00:00:01, MTU 1500; frames that it was given to send. */
extern struct netif eth;
extern struct list sent;
extern unsigned flushes;
void eth_begin(u32 offload);
struct pkt *next_sent(void); /* NULL: none; the caller frees it */

struct ipaddr ip(const char *text);
struct pkt *pkt_of_bytes(const void *data, u32 len); /* received */
void receive(struct netif *netif, const void *data, u32 len);
u8 *flat(const struct pkt *pkt); /* static */

/*
 * A peer on eth0's link, 02:00:00:00:00:02: whole frames from it. Addresses
 * are text; checksums of ICMP are put right when the packet is no fragment.
 */
extern const u8 peer_mac[6];
void from_peer4(const char *src, const char *dst, u8 proto, const void *payload, u32 len);
void from_peer4_fragment(const char *src, const char *dst, u8 proto, const void *payload, u32 len,
			 u16 id, u16 frag);
void from_peer6(const char *src, const char *dst, u8 next, u8 hops, const void *payload, u32 len);
void arp_from_peer(u16 op, const char *spa, const u8 sha[6], const char *tpa);
/* 10.0.0.1/24 and fd00::1/64 on eth0, and both of the peer's addresses,
 * 10.0.0.2 and fd00::2, in the neighbour cache; nothing is left in `sent`. */
void eth_with_peer(u32 offload);
/* The next packet that was sent: its bytes from the IP header on, its length;
 * fails if there is none, or its Ethernet header or IPv4 checksum is wrong. */
const u8 *sent_ip(u32 *len);

#endif
