/*
 * DHCP, for UDP: the client has no socket.
 */
#ifndef NET_DHCP_H
#define NET_DHCP_H

#include "pkt.h"

/* A datagram for port 68, its UDP header at pkt->data, whose checksum is good.
 * True: it was the client's, and taken. */
bool dhcp_input(struct pkt *pkt);

#endif
