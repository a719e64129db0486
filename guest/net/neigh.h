/*
 * The neighbour cache (RFC 4861, 7.3), for ARP and NDP alike.
 */
#ifndef NET_NEIGH_H
#define NET_NEIGH_H

#include "stack.h"

/* A whole IP packet (header at pkt->data) to a neighbour, now or when its
 * address is known. Takes the packet: 0, -EHOSTUNREACH, -ENOMEM or what the
 * device says. */
int neigh_output(struct netif *netif, const struct ipaddr *next_hop, struct pkt *pkt);

/* The neighbour asked us something, and so told its address: an entry is made,
 * if there is room, or changed (RFC 4861, 7.2.3). */
void neigh_seen(struct netif *netif, const struct ipaddr *addr, const u8 mac[6]);
/* An advertisement (RFC 4861, 7.2.5): no entry is made. mac NULL: it names
 * none. */
void neigh_advertised(struct netif *netif, const struct ipaddr *addr, const u8 *mac, bool solicited,
		      bool override);
/* Whether packets wait for any neighbour's address. */
bool neigh_pending(void);
/* Whether we have asked for this neighbour and wait for the answer. */
bool neigh_awaited(const struct netif *netif, const struct ipaddr *addr);
/* Word from above that it is there. */
void neigh_confirm(const struct netif *netif, const struct ipaddr *addr);
/* It did not answer, lately. */
bool neigh_failed(const struct netif *netif, const struct ipaddr *addr);

/* For /proc/net/arp and its like: the index-th entry with a known address;
 * false: there are no more. */
struct neigh_info {
	struct netif *netif;
	struct ipaddr addr;
	u8 mac[6];
};
bool neigh_get(unsigned index, struct neigh_info *info);
void neigh_stop(void);

/* Asks: everybody on the link, or with a MAC address that one. arp.c, ndp.c */
void arp_solicit(struct netif *netif, const struct ipaddr *target, const u8 *mac);
void ndp_solicit(struct netif *netif, const struct ipaddr *target, const u8 *mac);

#endif
