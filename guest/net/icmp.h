/*
 * What ICMP and ICMPv6 share.
 */
#ifndef NET_ICMP_H
#define NET_ICMP_H

#include "stack.h"

/* A new message of the header's 8 bytes, checksum zero; NULL: no memory. */
struct pkt *icmp_make(u8 type, u8 code, be32 word);
/* The same, quoting the received packet from its IP header on, `most` bytes at
 * most, if such an error may be sent at all (limits of rate; RFC 1122, 3.2.2;
 * RFC 4443, 2.4 (e), (f)); else NULL. */
struct pkt *icmp_quote(const struct pkt *pkt, u8 type, u8 code, be32 word, u32 most);
/* An error about a packet of ours, whose IP header is at pkt->data: tells the
 * transport. A positive errno. The packet is not taken. */
void icmp_report(struct pkt *pkt, int error, u32 mtu);
/* A path MTU from an ICMP message is believed down to this. */
#define PMTU_LEAST4 552 /* as Linux has it: less would only serve an attack */

/* Neighbour discovery's messages, checksum and hop limit checked. ndp.c */
void ndp_input(struct pkt *pkt);

#endif
