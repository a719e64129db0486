/*
 * Wire formats of the layers below the transports. All fields are as they lie
 * on the wire; structures are packed, since headers may lie at any address.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include "addr.h"

#define PACKED __attribute__((packed))

/* Ethernet II. */
#define ETH_ALEN     6
#define ETH_HLEN     14
#define ETH_IP4      0x0800
#define ETH_ARP      0x0806
#define ETH_IP6      0x86dd
#define ETH_MIN_TYPE 0x0600 /* below: a length (IEEE 802.3) */
struct PACKED eth_hdr {
	u8 dst[6], src[6];
	be16 type;
};

/* RFC 826, for IPv4 over Ethernet. */
#define ARP_ETHERNET 1
#define ARP_REQUEST  1
#define ARP_REPLY    2
struct PACKED arp_hdr {
	be16 hardware, protocol;
	u8 hlen, plen;
	be16 op;
	u8 sha[6];
	be32 spa;
	u8 tha[6];
	be32 tpa;
};

/* RFC 791, 3.1. */
#define IP4_HLEN     20
#define IP4_DF       0x4000
#define IP4_MF       0x2000
#define IP4_OFFSET   0x1fff /* in units of 8 bytes */
#define IP4_MAX      65535
#define IP4_OPT_END  0
#define IP4_OPT_NOP  1
#define IP4_OPT_LSRR 0x83
#define IP4_OPT_SSRR 0x89
struct PACKED ip4_hdr {
	u8 version_ihl, tos;
	be16 len, id, frag;
	u8 ttl, proto;
	be16 csum;
	be32 src, dst;
};

/* RFC 8200, 3 and 4. */
#define IP6_HLEN         40
#define IP6_MIN_MTU      1280
#define IP6_HOPOPTS      0
#define IP6_ROUTING      43
#define IP6_FRAGMENT     44
#define IP6_NONE         59
#define IP6_DSTOPTS      60
#define IP6_FRAG_OFFSET  0xfff8 /* in bytes */
#define IP6_FRAG_MORE    1
#define IP6_OPT_PAD1     0
#define IP6_OPT_ROUTER   5 /* router alert, RFC 2711 */
#define IP6_FLOW_VERSION 0x60000000
struct PACKED ip6_hdr {
	be32 version_class_flow;
	be16 len;
	u8 next, hops;
	u8 src[16], dst[16];
};
struct PACKED ip6_frag {
	u8 next, reserved;
	be16 offset; /* and IP6_FRAG_MORE */
	be32 id;
};

/* RFC 792 and 4443: the first 8 bytes of each message. */
struct PACKED icmp_hdr {
	u8 type, code;
	be16 csum;
	union {
		be32 word;
		struct PACKED {
			be16 unused, mtu; /* RFC 1191, 4 */
		};
		struct PACKED {
			be16 id, sequence;
		};
	};
};
#define ICMP4_ECHO_REPLY       0
#define ICMP4_UNREACHABLE      3
#define ICMP4_ECHO             8
#define ICMP4_TIME_EXCEEDED    11
#define ICMP4_PARAMETER        12
#define ICMP6_UNREACHABLE      1
#define ICMP6_TOO_BIG          2
#define ICMP6_TIME_EXCEEDED    3
#define ICMP6_PARAMETER        4
#define ICMP6_ECHO             128
#define ICMP6_ECHO_REPLY       129
#define ICMP6_MLD_QUERY        130
#define ICMP6_ROUTER_SOLICIT   133
#define ICMP6_ROUTER_ADVERT    134
#define ICMP6_NEIGHBOR_SOLICIT 135
#define ICMP6_NEIGHBOR_ADVERT  136
#define ICMP6_REDIRECT         137
#define ICMP6_MLD2_REPORT      143

#endif
