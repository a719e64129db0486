/*
 * Local ports of a transport: who is bound to which address and port, and
 * whether another may be (bind(2), ip(7), socket(7): SO_REUSEADDR,
 * SO_REUSEPORT). TCP and UDP have a table each.
 */
#ifndef NET_PORTS_H
#define NET_PORTS_H

#include "addr.h"

#define PORTS_BUCKETS      128
#define PORT_EPHEMERAL     32768 /* Linux's ip_local_port_range */
#define PORT_EPHEMERAL_END 61000

struct port_table {
	struct list bucket[PORTS_BUCKETS]; /* by port */
	u16 hint; /* the next ephemeral port to try */
};

struct port_binding {
	struct list link; /* zero before its first use */
	struct ipaddr addr; /* unspecified: any */
	u16 port; /* host order; 0: not bound */
	unsigned ifindex; /* SO_BINDTODEVICE, or 0 */
	bool v6only; /* an IPv6 socket that takes no IPv4 */
	bool reuse_addr, reuse_port;
	bool listening; /* TCP: conflicts in spite of reuse_addr */
	bool connecting; /* TCP: bound by connect(2), shared with others of that kind */
};

void ports_init(struct port_table *table);
/* Binds to b->addr and `port`, 0: a free ephemeral one, first tries at random
 * (RFC 6056). 0, -EADDRINUSE, -EINVAL (bound already). */
int ports_bind(struct port_table *table, struct port_binding *b, u16 port);
void ports_unbind(struct port_table *table, struct port_binding *b);

/* For TCP. A bound one is to listen: 0, or -EADDRINUSE (another has been
 * quicker; both had SO_REUSEADDR). */
int ports_listen(struct port_table *table, struct port_binding *b);
/* Binds for an outgoing connection, whose caller has made sure that the four
 * addresses and ports are unique: 0, or -EADDRINUSE (bound by bind(2)). */
int ports_connect(struct port_table *table, struct port_binding *b, u16 port);
/* A connection that shares the port of another binding, or takes its place. */
void ports_inherit(struct port_table *table, struct port_binding *b,
		   const struct port_binding *from);

#endif
