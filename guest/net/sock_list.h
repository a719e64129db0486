/*
 * All sockets of a transport, for those who list them: /proc/net and sock_diag.
 */
#ifndef NET_SOCK_LIST_H
#define NET_SOCK_LIST_H

#include "tcp_conn.h"

struct sock_entry {
	int family;
	struct ipaddr local, remote;
	u16 lport, rport; /* host order */
	u8 state; /* enum tcp_state, whatever the transport */
	u32 unsent, unread;
	u32 waiting, backlog; /* of a listener: connections, and how many may wait */
	u8 shut; /* shutdown(2): 1: reading, 2: writing */
	u64 timewait_end; /* of what is left of a connection; else 0 */
	const struct socket *s; /* NULL: a request, or what is left of a connection */
	const struct tcp *tcp; /* NULL: not one of these, or no socket */
};
typedef void sock_visit(const struct sock_entry *e, void *arg);

void tcp_list(sock_visit *visit, void *arg);
void udp_list(sock_visit *visit, void *arg);

/* 0: it has no file (yet). */
u64 sock_inode(const struct socket *s);

#endif
