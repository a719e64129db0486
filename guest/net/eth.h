/*
 * Ethernet (IEEE 802.3, RFC 894, RFC 2464).
 */
#ifndef NET_ETH_H
#define NET_ETH_H

#include "stack.h"

extern const u8 eth_broadcast[6];

/* A received frame. Takes it. */
void eth_input(struct netif *netif, struct pkt *pkt);
/* Puts the header before it and transmits. Takes the packet. */
int eth_transmit(struct netif *netif, struct pkt *pkt, const u8 dst[6], u16 type);
/* An IP packet to a next hop: one neighbour, a group, or all. Takes it. */
int eth_output(struct netif *netif, const struct ipaddr *next_hop, struct pkt *pkt);

/* arp.c */
void arp_input(struct netif *netif, struct pkt *pkt);
/* Tells the link that the address is ours (RFC 5227, 2.3). */
void arp_announce(struct netif *netif, const struct ipaddr *addr);

#endif
