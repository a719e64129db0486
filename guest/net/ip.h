/*
 * What the transports need of the IP layer, IPv4 (RFC 791, 1122) and IPv6
 * (RFC 8200) alike.
 */
#ifndef NET_IP_H
#define NET_IP_H

#include <linux/in.h>
#include <linux/in6.h>
#include "netif.h"

#define IP_DEFAULT_TTL 64

/* Where packets to an address go. */
struct ip_path {
	struct netif *netif;
	struct ipaddr src; /* ours: as asked for, or chosen (RFC 6724) */
	struct ipaddr next_hop;
	u32 mtu; /* of the path: the interface's, or less (RFC 1191, 8201) */
};

/* src may be NULL or the unspecified address; ifindex 0: any interface. 0,
 * -ENETUNREACH (no route), -EADDRNOTAVAIL (src is not ours), -EACCES never
 * (broadcast is the caller's business). */
int ip_route(const struct ipaddr *src, const struct ipaddr *dst, unsigned ifindex,
	     struct ip_path *path);

struct ip_send {
	struct ipaddr src, dst; /* src as ip_route() chose it */
	unsigned ifindex; /* 0: any */
	u8 proto, ttl /* 0: the default */, tos;
	bool dont_fragment; /* IPv4: DF; longer than the path MTU: -EMSGSIZE */
	bool header_included; /* raw sockets: the IP header is there */
};

/* Sends a transport packet: adds the header, fragments where allowed and
 * needed (packets with gso_size are not), finds the neighbour (the packet
 * waits for an answer), transmits; or loops it back. Takes the packet. 0 or
 * -errno: -ENETUNREACH, -EHOSTUNREACH (a neighbour that did not answer lately),
 * -EMSGSIZE, -ENOBUFS, -ENOMEM. */
int ip_output(struct pkt *pkt, const struct ip_send *to);

/* The pseudo-header's sum, not complemented, for a transport packet of len
 * bytes (RFC 9293, 3.1; RFC 8200, 8.1). */
u32 ip_pseudo_sum(const struct ipaddr *src, const struct ipaddr *dst, u8 proto, u32 len);
/* Verifies the checksum of a received transport packet (pkt->data at the
 * transport header), unless the device has. */
bool ip_checksum_good(const struct pkt *pkt);
/* For a packet to be sent whose transport header is at pkt->data and whose
 * checksum field is at `offset` in it: leaves it to the device, or to
 * netif_transmit(). */
void ip_checksum_later(struct pkt *pkt, const struct ip_send *to, u16 offset);

/* Word from below that the peer is reachable, e.g. that it acknowledges new
 * data (RFC 4861, 7.3.1). */
void ip_confirm(const struct ipaddr *dst);

/*
 * Transports: pkt->data is at the transport header; src, dst, proto, ttl, tos,
 * network, netif and from_link are set. They take the packet. What nobody
 * wants is answered by the IP layer with icmp_unreachable().
 */
void tcp_input(struct pkt *pkt);
void udp_input(struct pkt *pkt);
/* An ICMP error about a packet of ours: `pkt` is at the transport header of
 * the quoted packet (at least 8 bytes are there), src and dst are those of the
 * quoted packet, so src is ours. error: a positive errno (ECONNREFUSED,
 * EHOSTUNREACH, EMSGSIZE ...); mtu is set with EMSGSIZE. Not taken. */
void tcp_error(struct pkt *pkt, int error, u32 mtu);
void udp_error(struct pkt *pkt, int error, u32 mtu);
/* Every packet for us, before its transport sees it, for raw and ping sockets
 * (guest/net/raw.c); looks and clones, does not take. True: somebody has it. */
bool raw_input(struct pkt *pkt);

/* Answers a received packet, whose network header is still there, with
 * "port unreachable" (RFC 792, 4443), within the limits of RFC 1812, 4.3.2.8. */
void icmp_port_unreachable(const struct pkt *pkt);

/* Static configuration, and what SIOCGRT-like questions and /proc/net need. */
struct ip_gateway {
	struct list link;
	struct netif *netif;
	struct ipaddr destination, gateway;
	u8 prefix;
	u32 metric;
	u64 valid_until; /* now_ns(), or NEVER */
};
extern struct list ip_gateways; /* longest prefix first, then lowest metric */
int ip_add_gateway(struct netif *netif, const struct ipaddr *destination, unsigned prefix,
		   const struct ipaddr *gateway, u32 metric, u64 valid_until);
int ip_del_gateway(struct netif *netif, const struct ipaddr *destination, unsigned prefix,
		   const struct ipaddr *gateway);

/* DHCP (RFC 2131) on an interface without a static IPv4 address. done() is
 * called each time its outcome changes. */
int dhcp_start(struct netif *netif);
/* While an interface waits for its first DHCP answer: connect() and sends that
 * have no route wait here, at most the time that is left: 0 (look again),
 * -ETIMEDOUT (nothing to wait for), -EINTR. */
int dhcp_wait(void);
/* The name servers that DHCP or router advertisements gave, for
 * /etc/resolv.conf; changed() is called when they do. */
#define NAMESERVERS 3
extern struct ipaddr net_nameserver[NAMESERVERS];
extern unsigned net_nameservers;
extern void (*net_nameservers_changed)(void);

#endif
