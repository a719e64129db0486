/*
 * DHCP's messages (RFC 2131, 2; RFC 2132; RFC 3442).
 */
#ifndef NET_DHCP_WIRE_H
#define NET_DHCP_WIRE_H

#include "wire.h"

#define DHCP_UDP_HLEN    8
#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68
#define DHCP_BOOTREQUEST 1
#define DHCP_BOOTREPLY   2
#define DHCP_BROADCAST   0x8000
#define DHCP_COOKIE      0x63825363
#define DHCP_FOREVER     0xffffffff
#define DHCP_LONGEST     1472 /* what we say that we take, less IP and UDP */
#define DHCP_SENT        300 /* a message of ours, with padding: BOOTP's least */
#define DHCP_MTU_LEAST   576

#define DHCP_DISCOVER 1
#define DHCP_OFFER    2
#define DHCP_REQUEST  3
#define DHCP_ACK      5
#define DHCP_NAK      6

struct PACKED dhcp_msg {
	u8 op, htype, hlen, hops;
	u32 xid;
	be16 secs, flags;
	be32 ciaddr, yiaddr, siaddr, giaddr;
	u8 chaddr[16], sname[64], file[128];
	be32 cookie;
	u8 options[];
};

#define DHCP_ROUTES  16
#define DHCP_SERVERS 3
struct dhcp_lease {
	be32 addr, server; /* the address for us; who gave it */
	u8 prefix;
	u32 seconds, t1, t2; /* t1, t2 0: not said */
	u32 mtu; /* 0: not said */
	unsigned nroutes, nservers;
	struct {
		be32 to, via;
		u8 prefix;
	} route[DHCP_ROUTES];
	be32 server_addr[DHCP_SERVERS]; /* name servers */
};

/* Writes the options of a message of ours, with the end: 43 bytes at most. offer:
 * the one that is asked for, or NULL. */
void dhcp_put_options(u8 *at, u8 type, const u8 mac[6], const struct dhcp_lease *offer);

/* Understands an answer to us: its type, or 0: it is none, or makes no sense. */
u8 dhcp_parse(const u8 *bytes, u32 len, u32 xid, const u8 mac[6], struct dhcp_lease *lease);

#endif
