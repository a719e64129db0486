/*
 * What sockets of both Internet families share, whatever their transport: the
 * options of SOL_IP and SOL_IPV6, names to bind to, control messages, and the
 * way out (ip(7), ipv6(7)).
 */
#ifndef NET_INET_H
#define NET_INET_H

#include "ip.h"
#include "socket.h"

struct inet_group { /* a multicast group that a socket has joined */
	struct list link;
	struct ipaddr addr;
	unsigned ifindex;
};

struct inet_options {
	u8 ttl, tos; /* IPv4: IP_TTL (0: the default), IP_TOS */
	u8 hops, tclass; /* IPv6 */
	u8 mc_ttl, mc_hops; /* of multicasts */
	u8 pmtu, pmtu6; /* IP_PMTUDISC_* */
	bool mc_loop, mc_loop6, mc_all, mc_all6;
	bool recverr, recverr6, pktinfo, pktinfo6, recvttl, recvhops, recvtos, recvtclass;
	bool freebind, transparent, header_included, dontfrag, no_port, autoflow;
	unsigned mc_ifindex, mc_ifindex6; /* 0: by the route */
	u32 mtu; /* of the path to the peer, for IP_MTU; 0: not connected */
	struct list groups;
};

void inet_options_init(struct inet_options *o);
void inet_options_release(struct inet_options *o); /* leaves the groups */

/* Levels SOL_IP and SOL_IPV6; -ENOPROTOOPT for others. bound: the socket has a
 * port (IPV6_V6ONLY is too late). */
int inet_setsockopt(struct socket *s, struct inet_options *o, bool bound, int level, int name,
		    const void *value, u32 len);
int inet_getsockopt(struct socket *s, struct inet_options *o, int level, int name, void *value,
		    u32 *len);

/* bind(2)'s name, with all checks but that the port is free: 0 or -errno. */
int inet_bind_name(const struct socket *s, const struct inet_options *o,
		   const struct sockname *name, struct ipaddr *addr, u16 *port, u32 *scope);
/* The unspecified address of the socket's family. */
struct ipaddr inet_any(const struct socket *s);

/* A packet on its way out: filled in from the options, the control messages
 * and the route. */
struct inet_out {
	struct ip_send to;
	struct ip_path path;
	u16 segment; /* UDP_SEGMENT, or 0 */
};
/* Begins with the socket's options for dst; src may be NULL, scope is of its
 * sockaddr_in6. */
void inet_out_init(struct inet_out *out, const struct socket *s, const struct inet_options *o,
		   const struct ipaddr *src, const struct ipaddr *dst, u32 scope);
int inet_out_control(struct inet_out *out, const struct sockmsg *msg); /* 0 or -EINVAL */
/* Finds the route, waiting for DHCP if need be; sets out->to.src. Broadcasts
 * need SO_BROADCAST (-EACCES). */
int inet_out_route(struct inet_out *out, const struct socket *s);
/* Whether and how the packet of `len` transport bytes may be fragmented. */
void inet_out_fragments(struct inet_out *out, const struct inet_options *o, u32 len);

/* The control messages that the socket wants of a received packet. */
void inet_put_control(struct sockmsg *msg, const struct socket *s, const struct inet_options *o,
		      const struct pkt *pkt);
/* Whether a socket may have a multicast packet. */
bool inet_wants_group(const struct inet_options *o, const struct pkt *pkt);

#endif
