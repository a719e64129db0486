/*
 * Netlink (netlink(7)): sockets in netlink.c, what is answered in rtnetlink.c
 * (rtnetlink(7)) and sock_diag.c (sock_diag(7)).
 */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include <linux/netlink.h>
#include "socket.h"

#define NL_REPLY 3584 /* one datagram of a dump: readers have a page of room or more */

struct nl_reply {
	struct list link;
	u32 len;
	u8 data[NL_REPLY];
};

/* An answer in the making: datagrams with messages, messages with attributes.
 * Without memory, `failed`, and the rest does nothing. */
struct nl_answer {
	struct list *queue;
	struct nl_reply *reply; /* the last one */
	struct nlmsghdr *msg; /* the message that is being put together */
	u32 seq, port;
	u16 flags; /* of all its messages */
	bool failed;
};
/* Begins a message whose fixed part has `len` bytes, zeroed, and returns that
 * part; `most`: what the attributes may need. NULL: failed. */
void *nl_begin(struct nl_answer *a, u16 type, u32 len, u32 most);
void nl_put(struct nl_answer *a, u16 type, const void *data, u32 len);
static inline void nl_put_u32(struct nl_answer *a, u16 type, u32 value)
{
	nl_put(a, type, &value, sizeof(value));
}

/* For mq_notify(2): a datagram of `len` bytes; NULL: no memory. */
struct nl_reply *netlink_message(u32 len);
/* Waits until there is room for one in the socket's queue: 0, -EINTR, or -EINVAL: it is
 * not a netlink socket. */
int netlink_room(struct socket *s);
void netlink_post(struct socket *s, struct nl_reply *message); /* which is the socket's then */

/* These answer one request, whose body is whole; 0 or -errno. */
int rtnetlink_request(struct nl_answer *a, const struct nlmsghdr *h, const u8 *body, u32 len);
int sock_diag_request(struct nl_answer *a, const struct nlmsghdr *h, const u8 *body, u32 len);

#endif
