/*
 * What all sockets have in common: defaults, errors, waiting, names, control
 * messages.
 */
#include "socket.h"
#include "../libos/frames.h"
#include "../libos/timespec.h"
#include "pkt.h"
#include "stack.h"

#define DEFAULT_BUFFER 212992 /* net.core.rmem_default, wmem_default */
#define TCP_SNDBUF     16384 /* net.ipv4.tcp_wmem; tuned from there */
#define TCP_RCVBUF     131072 /* net.ipv4.tcp_rmem */

void socket_init(struct socket *s, const struct sock_ops *ops, int family, int type, int protocol)
{
	bool tcp = type == SOCK_STREAM && family != AF_UNIX;

	s->ops = ops;
	s->family = family;
	s->type = type;
	s->protocol = protocol;
	waitq_init(&s->wait);
	s->peer = (struct sock_cred){ 0, UINT32_MAX, UINT32_MAX };
	s->opt.sndbuf = tcp ? TCP_SNDBUF : DEFAULT_BUFFER;
	s->opt.rcvbuf = tcp ? TCP_RCVBUF : DEFAULT_BUFFER;
	s->opt.rcvlowat = 1;
	s->opt.rcvtimeo_ns = s->opt.sndtimeo_ns = NEVER;
}

int socket_take_error(struct socket *s)
{
	int error = s->error;

	s->error = 0;
	return -error;
}

u64 socket_deadline(u64 timeout_ns)
{
	return timeout_ns == NEVER ? NEVER : deadline_after(now_ns(), timeout_ns);
}

int socket_wait(struct socket *s, bool nonblock, u64 deadline)
{
	return socket_wait_on(&s->wait, nonblock, deadline);
}

int socket_wait_on(struct waitq *q, bool nonblock, u64 deadline)
{
	struct waiter w;
	unsigned depth;
	int r;

	if (nonblock || (deadline != NEVER && now_ns() >= deadline))
		return -EAGAIN;
	/* Queued first: what leaving does may be what is waited for. */
	wait_add(q, &w);
	depth = net_leave_all();
	r = wait_sleep(deadline);
	net_enter_again(depth);
	wait_done(&w);
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

/* ---- names ---- */

#define IN_LEN      16 /* sizeof(struct sockaddr_in) */
#define IN6_LEN     28
#define IN6_MIN_LEN 24 /* RFC 2133's, without the scope */

static int get_in(const struct sockname *name, struct ipaddr *addr, u16 *port)
{
	if (name->len < IN_LEN)
		return -EINVAL;
	*addr = ip_from4(name->in.addr);
	*port = ntohs(name->in.port);
	return 0;
}

static int get_in6(const struct socket *s, const struct sockname *name, struct ipaddr *addr,
		   u16 *port, u32 *scope)
{
	if (name->len < IN6_MIN_LEN)
		return -EINVAL;
	memcpy(addr->b, name->in6.addr, sizeof(addr->b));
	*port = ntohs(name->in6.port);
	if (name->len >= IN6_LEN)
		*scope = name->in6.scope;
	return s->opt.v6only && ip_is4(addr) ? -ENETUNREACH : 0;
}

int sockname_get(const struct socket *s, const struct sockname *name, struct ipaddr *addr,
		 u16 *port, u32 *scope)
{
	*scope = 0;
	if (name->len < sizeof(name->family))
		return -EINVAL;
	if (s->family == AF_INET)
		return name->len >= IN_LEN && name->family != AF_INET ? -EAFNOSUPPORT :
									get_in(name, addr, port);
	if (name->family == AF_INET)
		return s->opt.v6only ? -ENETUNREACH : get_in(name, addr, port);
	if (name->family != AF_INET6)
		return name->len < IN6_MIN_LEN ? -EINVAL : -EAFNOSUPPORT;
	return get_in6(s, name, addr, port, scope);
}

void sockname_set(const struct socket *s, struct sockname *name, const struct ipaddr *addr,
		  u16 port, u32 scope)
{
	memset(name, 0, sizeof(*name));
	name->family = s->family;
	if (s->family == AF_INET) {
		name->in.port = htons(port);
		name->in.addr = ip_get4(addr);
		name->len = IN_LEN;
		return;
	}
	name->in6.port = htons(port);
	memcpy(name->in6.addr, addr->b, sizeof(addr->b));
	name->in6.scope = ip_is_link_local(addr) ? scope : 0;
	name->len = IN6_LEN;
}

/* ---- options and control messages ---- */

int sockopt_int(const void *value, u32 len, int *n)
{
	if (len >= sizeof(*n))
		memcpy(n, value, sizeof(*n));
	else if (len >= 1)
		*n = *(const u8 *)value;
	else
		return -EINVAL;
	return 0;
}

int sockopt_put_int(void *value, u32 *len, int n)
{
	*len = MIN(*len, (u32)sizeof(n));
	memcpy(value, &n, *len);
	return 0;
}

struct control_header { /* struct cmsghdr */
	u64 len;
	i32 level, type;
};
#define CONTROL_ALIGN(n) ALIGN_UP(n, 8u)

/* put_cmsg() of Linux: what does not fit is cut, and the flag says so. */
void sockmsg_put_control(struct sockmsg *msg, int level, int type, const void *data, u32 len)
{
	u32 room = msg->control_room - msg->control_len;
	u32 whole = sizeof(struct control_header) + len;
	struct control_header h = { .len = MIN(whole, room), .level = level, .type = type };
	u8 *at = msg->control + msg->control_len;

	if (room < whole)
		msg->out_flags |= MSG_CTRUNC;
	if (room < sizeof(h))
		return;
	memset(at, 0, MIN(CONTROL_ALIGN(h.len), room));
	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), data, h.len - sizeof(h));
	msg->control_len += MIN(CONTROL_ALIGN(h.len), room);
}

int sockmsg_next_control(const struct sockmsg *msg, u32 *at, struct sock_control *c)
{
	struct control_header h;
	u32 left = msg->control_len - MIN(*at, msg->control_len);

	if (left < sizeof(h))
		return 0;
	memcpy(&h, msg->control + *at, sizeof(h));
	if (h.len < sizeof(h) || h.len > left)
		return -EINVAL;
	*c = (struct sock_control){ h.level, h.type, msg->control + *at + sizeof(h),
				    h.len - sizeof(h) };
	*at += CONTROL_ALIGN(h.len);
	return 1;
}

/* ---- memory ---- */

bool socket_memory_ok(void)
{
	/* A block of packet memory is a frame or more; counting them is near
	 * enough, and what is left over all counts more than who has it. */
	return pkt_mem_count < frames_total() / 4 && frames_available() > frames_total() / 32;
}
