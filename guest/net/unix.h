/*
 * AF_UNIX sockets: what unix.c (life, connections), unix_name.c (addresses),
 * unix_msg.c (messages, what travels with them) and unix_io.c (send, recv)
 * share.
 */
#ifndef NET_UNIX_H
#define NET_UNIX_H

#include "socket.h"

#define UNIX_PATH    2 /* offsetof(struct sockaddr_un, sun_path) */
#define UNIX_NAMELEN 110 /* sizeof(struct sockaddr_un) */
#define SCM_MAX_FD   253

/* An address, of its socket and of all that accept() made from it. */
struct unix_addr {
	u32 refs;
	struct sockname name;
	struct inode *inode; /* with a reference, when it is a path */
};

enum unix_state { UNIX_CLOSED, UNIX_LISTENING, UNIX_CONNECTED };

struct unix_socket {
	struct socket s;
	u32 refs; /* its owner's (file or queue of connections), peers', messages' */
	enum unix_state state; /* streams and sequenced packets */
	bool dead; /* closed: only references are left */
	bool no_read, no_write; /* shutdown(2), or the peer's end */
	struct unix_addr *addr; /* or NULL */
	struct list all; /* those that are not dead */
	struct list bound; /* in the table of addresses, while it is bound there */
	struct unix_socket *peer; /* with a reference; or NULL */
	struct list connected; /* datagram sockets whose peer we are */
	struct list connected_link;
	struct list queue; /* of messages; of a listening socket: connections */
	struct list queue_link; /* while it waits to be accepted */
	u32 queued; /* how many are in the queue */
	u32 backlog;
	u32 sent; /* memory of messages that others have not taken yet */
	struct waitq room; /* for those who found the queue full */
	struct sock_cred owner; /* of a listening socket: who called listen() */
	/* unix_gc.c: */
	u32 in_flight; /* references of messages on their way to its file, */
	struct file *file; /* which is this one then, and it is in a list */
	struct list flying, garbage;
	u32 outside; /* of these, in queues that may be read yet */
	bool candidate;
};

static inline struct unix_socket *unix_sock(struct socket *s)
{
	return container_of(s, struct unix_socket, s);
}
static inline bool unix_is_stream(const struct unix_socket *u)
{
	return u->s.type != SOCK_DGRAM;
}

struct unix_socket *unix_get(struct unix_socket *u);
void unix_put(struct unix_socket *u);
/* Messages, or connections that nobody will accept. */
void unix_drop_queue(struct unix_socket *u);
bool unix_queue_full(const struct unix_socket *u);
bool unix_writable(const struct unix_socket *u);
bool unix_may_send(const struct unix_socket *from, const struct unix_socket *to);
void unix_set_peer(struct unix_socket *u, struct unix_socket *peer); /* or NULL */
struct sock_cred unix_cred_now(void);
/* Waits on another socket's queue, as socket_wait(). */
int unix_wait_room(struct unix_socket *other, bool nonblock, u64 deadline);

/* unix_name.c */
int unix_bind(struct socket *s, const struct sockname *name);
int unix_autobind(struct unix_socket *u); /* 0 also if it has a name */
void unix_unbind(struct unix_socket *u);
struct unix_addr *unix_addr_get(struct unix_addr *a);
void unix_addr_put(struct unix_addr *a); /* NULL is allowed */
int unix_check_name(const struct sockname *name); /* 0 or -EINVAL */
/* The socket of a type that has the name, with a reference: 0, -ECONNREFUSED,
 * -ENOENT, -EPROTOTYPE ... */
int unix_find(const struct sockname *name, int type, struct unix_socket **out);

/* The next of all sockets, from NULL on: for those who list them. */
const struct unix_socket *unix_next(const struct unix_socket *after);
int unix_unread(const struct unix_socket *u); /* as FIONREAD has it */

/* unix_msg.c */
struct unix_msg {
	struct list link; /* of the receiver's queue */
	struct unix_socket *sender; /* with a reference: its memory */
	struct unix_addr *from;
	struct sock_cred cred;
	struct file **files; /* with references, or NULL */
	u32 nfiles;
	u32 size; /* of memory, as counted */
	u8 *data;
	u32 len, taken;
	paddr_t frames; /* of the data, or 0: behind this */
	unsigned order;
};
struct unix_rights { /* SCM_RIGHTS and SCM_CREDENTIALS on their way in */
	struct file **files;
	u32 nfiles;
	struct sock_cred cred;
};
int unix_rights_get(const struct sockmsg *msg, struct unix_rights *r);
void unix_rights_drop(struct unix_rights *r);
/* A message of the next len bytes; takes the files over. -ENOBUFS, -EFAULT. */
int unix_msg_new(struct unix_socket *sender, struct uio *uio, u32 len, struct unix_rights *r,
		 struct unix_msg **out);
void unix_msg_free(struct unix_msg *m);
/* Gives the program what travels with a message: descriptors (which stay with
 * it when peeking), credentials. */
void unix_msg_control(struct unix_socket *u, struct unix_msg *m, struct sockmsg *msg);

/* unix_gc.c: files begin to be, or are no longer, in a message; and the end of
 * sockets that nobody can receive any more. */
void unix_files_fly(struct file **files, u32 n);
void unix_files_land(struct file **files, u32 n);
void unix_collect(void);

/* unix_io.c */
long unix_send(struct socket *s, struct sockmsg *msg);
long unix_recv(struct socket *s, struct sockmsg *msg);

#endif
