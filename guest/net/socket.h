/*
 * Sockets: what the system calls (guest/libos/sys_socket.c) and the protocols
 * agree on. A socket is the private part of an open file; one that accept(2)
 * has not returned yet has no file.
 *
 * The socket layer copies addresses, options and control data from and to the
 * program, checks descriptors and lengths, and keeps the options of SOL_SOCKET;
 * the protocols see library-OS memory only, but for the data itself (uio).
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <asm/poll.h>
#include <asm/socket.h>
#include "../libos/file.h"
#include "../libos/sched.h"
#include "addr.h"

/* Linux's, which no header that builds freestanding has. */
#define AF_UNSPEC        0
#define AF_UNIX          1
#define AF_INET          2
#define AF_INET6         10
#define AF_NETLINK       16
#define SOCK_STREAM      1
#define SOCK_DGRAM       2
#define SOCK_RAW         3
#define SOCK_SEQPACKET   5
#define SHUT_RD          0
#define SHUT_WR          1
#define SHUT_RDWR        2
#define MSG_OOB          0x1
#define MSG_PEEK         0x2
#define MSG_DONTROUTE    0x4
#define MSG_CTRUNC       0x8
#define MSG_TRUNC        0x20
#define MSG_DONTWAIT     0x40
#define MSG_EOR          0x80
#define MSG_WAITALL      0x100
#define MSG_CONFIRM      0x800
#define MSG_ERRQUEUE     0x2000
#define MSG_NOSIGNAL     0x4000
#define MSG_MORE         0x8000
#define MSG_WAITFORONE   0x10000
#define MSG_ZEROCOPY     0x4000000
#define MSG_CMSG_CLOEXEC 0x40000000
#define SOL_IP           0
#define SOL_TCP          6
#define SOL_UDP          17
#define SOL_IPV6         41
#define SOMAXCONN        4096

struct socket;

/* sockaddr_storage, by any of its names. */
struct sockname {
	union {
		u16 family;
		struct {
			u16 family;
			be16 port;
			be32 addr;
		} in;
		struct {
			u16 family;
			be16 port;
			be32 flowinfo;
			u8 addr[16];
			u32 scope;
		} in6;
		struct {
			u16 family;
			char path[108];
		} un;
		u8 bytes[128];
	};
	u32 len;
};

/* One sendmsg or recvmsg. */
struct sockmsg {
	struct uio *uio;
	struct sockname *name; /* send: the destination; receive: filled; NULL: none */
	u32 flags; /* MSG_* */
	u32 out_flags; /* receive: MSG_TRUNC, MSG_CTRUNC ... */
	bool nonblock; /* by the file or by MSG_DONTWAIT */
	u8 *control; /* library-OS memory; send: what came; receive: room */
	u32 control_len; /* send: its length; receive: what is used */
	u32 control_room; /* receive: the room */
};

struct sock_ops {
	void (*release)(struct socket *s); /* close: frees the socket, now or later */
	int (*bind)(struct socket *s, const struct sockname *name);
	int (*listen)(struct socket *s, int backlog);
	/* A connection with its own struct socket; waits unless nonblock. */
	int (*accept)(struct socket *s, struct socket **connection, bool nonblock);
	int (*connect)(struct socket *s, const struct sockname *name, bool nonblock);
	int (*shutdown)(struct socket *s, int how); /* SHUT_RD, SHUT_WR, SHUT_RDWR */
	int (*getname)(struct socket *s, struct sockname *name, bool peer);
	/* Bytes or -errno. The socket layer sends SIGPIPE for a stream's -EPIPE. */
	long (*send)(struct socket *s, struct sockmsg *msg);
	long (*recv)(struct socket *s, struct sockmsg *msg);
	u32 (*poll)(struct socket *s); /* POLL* now; s->wait is woken at changes */
	/* Levels other than SOL_SOCKET; value in library-OS memory, *len its room
	 * and then its length. -ENOPROTOOPT for what is unknown. See sockopt_int()
	 * below. */
	int (*setsockopt)(struct socket *s, int level, int name, const void *value, u32 len);
	int (*getsockopt)(struct socket *s, int level, int name, void *value, u32 *len);
	/* A SOL_SOCKET option has changed (buffer sizes, keep-alive); may be NULL. */
	void (*option)(struct socket *s, int name);
	long (*ioctl)(struct socket *s, unsigned cmd,
		      unsigned long arg); /* SIOCINQ, SIOCOUTQ ... */
};

/* The options of SOL_SOCKET, as the program set them. */
struct sock_options {
	bool reuse_addr, reuse_port, keep_alive, broadcast, dont_route, oob_inline, timestamp,
		timestamp_ns, pass_cred, linger, v6only, no_check;
	u32 linger_seconds;
	u32 sndbuf,
		rcvbuf; /* bytes of packet memory, as getsockopt shows them (twice what was set) */
	bool sndbuf_locked, rcvbuf_locked; /* set by the program: no tuning */
	u32 rcvlowat;
	u64 rcvtimeo_ns, sndtimeo_ns; /* NEVER: none */
	u32 priority, mark;
	unsigned ifindex; /* SO_BINDTODEVICE */
};

/* SO_PEERCRED, SCM_CREDENTIALS. */
struct sock_cred {
	i32 pid;
	u32 uid, gid;
};

struct socket {
	const struct sock_ops *ops;
	int family, type, protocol; /* AF_INET ..., SOCK_STREAM ... */
	struct file *file; /* no reference; NULL: none (yet) */
	struct inode *inode; /* what fstat shows; the socket layer's */
	struct waitq wait; /* woken at every change that poll() would show */
	int error; /* a positive errno for SO_ERROR and the next call; 0: none */
	bool listening; /* SO_ACCEPTCONN */
	struct sock_cred peer; /* SO_PEERCRED: AF_UNIX sets it */
	struct sock_options opt;
};

/* Initialises the part common to all: defaults of the options. */
void socket_init(struct socket *s, const struct sock_ops *ops, int family, int type, int protocol);

/* s->error as -errno, and forgets it; 0: none. */
int socket_take_error(struct socket *s);

/* Waits on s->wait: 0 (look again), -EAGAIN (nonblock, or the deadline of
 * SO_RCVTIMEO or SO_SNDTIMEO has passed), -EINTR. Deadlines begin with the
 * call: socket_deadline() once, then socket_wait() in the loop. It leaves the
 * network meanwhile, so what was sent is on its way (and anything may happen). */
u64 socket_deadline(u64 timeout_ns);
int socket_wait(struct socket *s, bool nonblock, u64 deadline);
int socket_wait_on(struct waitq *q, bool nonblock, u64 deadline); /* another queue than s->wait */

/* Makes a socket of a protocol: 0 or -errno. */
int tcp_socket(int family, struct socket **out);
int udp_socket(int family, struct socket **out);
int raw_socket(int family, int type, int protocol, struct socket **out); /* raw, and ICMP "ping" */
int unix_socket(int type, struct socket **out);
int unix_pair(int type, struct socket **a, struct socket **b);
int netlink_socket(int type, int protocol, struct socket **out);

/* Names: an IPv4 socket takes AF_INET, an IPv6 socket AF_INET6 (mapped
 * addresses are IPv4 unless v6only). 0, -EAFNOSUPPORT or -EINVAL (length). */
int sockname_get(const struct socket *s, const struct sockname *name, struct ipaddr *addr,
		 u16 *port, u32 *scope);
void sockname_set(const struct socket *s, struct sockname *name, const struct ipaddr *addr,
		  u16 port, u32 scope);

/* An option that is a number, as most levels take it: an int, or a byte when
 * there is only one (ip_sockglue.c). 0 or -EINVAL. */
int sockopt_int(const void *value, u32 len, int *n);
/* The same to the program: cut to its room. Always 0. */
int sockopt_put_int(void *value, u32 *len, int n);

/* Appends a control message to msg->control, or sets MSG_CTRUNC. */
void sockmsg_put_control(struct sockmsg *msg, int level, int type, const void *data, u32 len);

/* Control messages of a send, one after the other; *at begins with 0. 1: *c is
 * one; 0: there are no more; -EINVAL: not well formed. */
struct sock_control {
	int level, type;
	const u8 *data;
	u32 len;
};
int sockmsg_next_control(const struct sockmsg *msg, u32 *at, struct sock_control *c);

/* Memory in packet buffers of all sockets, and its limit (a quarter of the
 * VM's memory): protocols ask before they keep more. */
bool socket_memory_ok(void);

#endif
