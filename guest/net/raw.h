/*
 * What the two halves of raw and ping sockets share: raw.c has the sockets,
 * raw_io.c the packets.
 */
#ifndef NET_RAW_H
#define NET_RAW_H

#include "inet.h"

struct raw {
	struct socket s;
	struct inet_options inet;
	struct list link; /* of all raw and ping sockets */
	struct ipaddr local, remote;
	bool connected, no_read, no_write;
	u32 remote_scope;
	u16 id; /* ping: the echo identifier, host order; 0: not yet */
	u32 filter[8]; /* a bit for each ICMP type that is not wanted */
	int checksum_at; /* IPV6_CHECKSUM: -1: none */
	struct list queue;
	u32 queued;
};

extern struct list raw_sockets;

static inline struct raw *raw_sock(struct socket *s)
{
	return container_of(s, struct raw, s);
}
static inline bool raw_is_ping(const struct raw *r)
{
	return r->s.type == SOCK_DGRAM;
}
static inline bool raw_is_icmp6(const struct raw *r)
{
	return r->s.family == AF_INET6 && r->s.protocol == IPPROTO_ICMPV6;
}

/* A ping socket's identifier, chosen if it has none: 0 or -EADDRINUSE. */
int raw_choose_id(struct raw *r);

long raw_send(struct socket *s, struct sockmsg *msg);
long raw_recv(struct socket *s, struct sockmsg *msg);

#endif
