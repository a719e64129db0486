/*
 * IPv6 on a link: neighbour and router discovery, addresses of our own making,
 * and the groups that these need.
 */
#ifndef NET_NDP_H
#define NET_NDP_H

#include "../libos/thread.h"
#include "stack.h"

/* An interface's part. Times are now_ns(), NEVER: not to be done. */
struct nd {
	struct netif *netif;
	struct timer timer; /* at the earliest of all that is to be done */
	u32 mtu; /* RFC 4861, 6.3.4: the router's, or the interface's */
	u8 hops;
	u8 solicits; /* router solicitations left to send */
	bool off; /* the link-local address is somebody else's (RFC 4862, 5.4.5) */
	bool queried; /* the report answers a query */
	u64 solicit_at, report_at;
};

/* IPv6 begins on the interface, unless its MTU is too small or memory is. */
void ndp_start(struct netif *netif);
/* A new address: duplicate detection begins, if it is of our own making. */
void ndp_added(struct netif *netif, struct netif_addr *addr);
void ndp_renewed(struct netif *netif); /* an address's life has changed */

/* Neighbour discovery's options (RFC 4861, 4.6), from a copy of the message. */
#define ND_SOURCE_MAC 1
#define ND_TARGET_MAC 2
#define ND_PREFIX     3
#define ND_MTU        5
#define ND_RDNSS      25
struct nd_options {
	const u8 *at;
	u32 left;
};
/* The next one: its type, with *option at its first byte and *len in bytes;
 * 0: the end. */
u8 nd_option(struct nd_options *o, const u8 **option, u32 *len);
bool nd_options_ok(const u8 *options, u32 len);

/* Router discovery. router.c */
void router_solicit(struct nd *nd);
void router_advertised(struct nd *nd, const struct ipaddr *router, const u8 *message, u32 len);

/* Groups. mld.c */
struct ipaddr mld_solicited_node(const struct ipaddr *addr);
void mld_report(struct nd *nd);
void mld_query(struct nd *nd, const u8 *message, u32 len);

/* Sends a message of ICMPv6 on the link; `next` is what comes first in the
 * packet: IPPROTO_ICMPV6 or an extension header. Takes the packet. */
void nd_transmit(struct nd *nd, struct pkt *pkt, const struct ipaddr *src, const struct ipaddr *dst,
		 u8 next, u8 hops);
/* ICMPv6's checksum, over the packet as it is now. */
void nd_checksum(struct pkt *pkt, const struct ipaddr *src, const struct ipaddr *dst);
/* The link-local address, if it is usable. */
bool nd_link_local(const struct nd *nd, struct ipaddr *addr);
/* Appends an option with our MAC address. */
void nd_put_mac(struct pkt *pkt, u8 type, const u8 mac[6]);
/* A prefix of 64 bits and an EUI-64 (RFC 4291, 2.5.1 and appendix A). */
struct ipaddr nd_address(const struct ipaddr *prefix, const u8 mac[6]);
/* Has the timer come at `when`, or earlier. */
void nd_wake(struct nd *nd, u64 when);

/* Name servers that are known from one side; those of all, in the order of the
 * sides, are net_nameserver. nameserver.c */
enum { NAMESERVERS_DHCP, NAMESERVERS_RA, NAMESERVER_SIDES };
void nameservers_set(unsigned side, const struct ipaddr *server, unsigned n);

#endif
