/*
 * UDP, for those who list its sockets (/proc/net).
 */
#ifndef NET_UDP_H
#define NET_UDP_H

#include "inet.h"
#include "ports.h"

struct udp_socket {
	struct socket s;
	struct inet_options inet;
	struct port_binding local;
	bool local_given, port_given; /* by bind(2), and so kept by a disconnect */
	bool connected;
	struct ipaddr remote;
	u16 remote_port;
	u32 remote_scope;
	bool no_read, no_write; /* shutdown(2) */
	u16 segment; /* UDP_SEGMENT */
	bool gro; /* UDP_GRO: received in one piece */
	bool no_check6; /* UDP_NO_CHECK6_RX */
	struct list queue; /* received */
	u32 queued; /* bytes of memory in it */
	u64 drops;
};

struct port_table *udp_ports(void);
static inline struct udp_socket *udp_of_binding(struct list *link)
{
	return container_of(link, struct udp_socket, local.link);
}

extern const struct sock_ops udp_ops;
struct udp_socket *udp_sock(struct socket *s);

/* udp_send.c, udp_recv.c */
long udp_send(struct socket *s, struct sockmsg *msg);
long udp_recv(struct socket *s, struct sockmsg *msg);
int udp_autobind(struct udp_socket *u);
void udp_deliver(struct udp_socket *u, struct pkt *pkt); /* takes it */

#define UDP_HEADER 8
/* What the queue knows of a datagram beside its packet. */
struct udp_info {
	u16 port; /* of the sender */
	u16 segment; /* UDP_GRO: the size of the pieces, or 0 */
};
static inline struct udp_info *udp_info(struct pkt *pkt)
{
	return (struct udp_info *)pkt->cb;
}

#endif
