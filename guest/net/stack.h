/*
 * What the files below the transports share with each other and with nobody
 * else.
 */
#ifndef NET_STACK_H
#define NET_STACK_H

#include "../libos/sched.h"
#include "ip.h"
#include "wire.h"

#define SECOND 1000000000ull

extern struct netif *net_loopback;
int loopback_init(void);
/* Takes the stack down, so that a test can begin with a new one. */
void net_stop(void);
void loopback_stop(void);
void route_stop(void);
void reass_stop(void);
void ndp_stop(void);
void dhcp_stop(void);

/* Leaves the stack entirely and enters it again as deep, to sleep in between. */
unsigned net_leave_all(void);
void net_enter_again(unsigned depth);

/* Changes each time that a route may have: addresses, gateways, path MTUs,
 * interfaces. What was looked up under another number is to be looked up
 * again. */
extern u32 net_generation;

static inline bool netif_addr_usable(const struct netif_addr *a)
{
	return a->state == ADDR_PREFERRED || a->state == ADDR_DEPRECATED;
}
bool netif_has_addr(const struct netif *netif, const struct ipaddr *addr);
bool netif_is_broadcast(const struct netif *netif, const struct ipaddr *addr);

/* offload.c: completes CSUM_PARTIAL. */
void offload_checksum(struct pkt *pkt);
/* Cuts a packet with gso_size into segments, whole frames each, and gives them
 * to the device. Takes the packet. */
int offload_segment(struct netif *netif, struct pkt *pkt, bool checksum,
		    int (*transmit)(struct netif *netif, struct pkt *pkt));

/* A received IP packet, its header at pkt->data. They take it. ip4.c, ip6.c */
void ip4_input(struct netif *netif, struct pkt *pkt);
void ip6_input(struct netif *netif, struct pkt *pkt);
/* A packet to the path, without its IP header. They take it. */
int ip4_output(struct pkt *pkt, const struct ip_send *to, const struct ip_path *path);
int ip6_output(struct pkt *pkt, const struct ip_send *to, const struct ip_path *path);
/* A whole IP packet to the path's next hop. Takes it. ip.c */
int ip_transmit(struct pkt *pkt, const struct ip_path *path);
/* To the transport; false: no transport has that protocol number, the packet
 * is still the caller's. ip.c */
bool ip_deliver(struct pkt *pkt);
/* Whether an address may be a packet's source, seen on that interface. */
bool ip_source_ok(const struct netif *netif, const struct ipaddr *src);

/* A whole IP packet of ours that could not be sent: tells its transport. Takes
 * it. icmp_msg.c */
void ip_send_failed(struct pkt *pkt, int error);

/* IPv6's own of an interface: ndp.c */
u32 ndp_mtu(const struct netif *netif);
u8 ndp_hop_limit(const struct netif *netif);
/* Whether a group is one of those that a node belongs to (RFC 4291, 2.8). */
bool ndp_has_group(const struct netif *netif, const struct ipaddr *group);

/* pkt->cb[], on the way through IPv6's headers: where the present protocol's
 * number stood; that it came in fragments. */
enum { IP6_CB_NEXT, IP6_CB_FRAGMENTED };

/* Fragments: take the packet; the whole one when it is complete, its data at
 * the transport header; else NULL. reass.c */
struct pkt *reass_input4(struct pkt *pkt);
struct pkt *reass_input6(struct pkt *pkt);

/* The best source for a destination among an interface's addresses. */
bool ip_choose_source(const struct netif *netif, const struct ipaddr *dst, struct ipaddr *src);
bool ip_in_prefix(const struct ipaddr *a, const struct ipaddr *b, unsigned prefix);

/* Path MTUs that are less than the interface's, learnt from ICMP: route.c */
void pmtu_learn(const struct ipaddr *dst, u32 mtu);

/* A received ICMP message, at pkt->data. They take it. */
void icmp_input(struct pkt *pkt);
void icmp6_input(struct pkt *pkt);
/* Answers a received packet, whose network header is still there, with an
 * error, as often as the limits allow. `word` is the message's second. The
 * packet is not taken. */
void icmp_error(const struct pkt *pkt, u8 type, u8 code, u32 word);
void icmp6_error(const struct pkt *pkt, u8 type, u8 code, u32 word);

#endif
