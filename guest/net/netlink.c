/*
 * Netlink sockets (netlink(7)): requests to the kernel about routes and sockets,
 * whose answers are queued at once. There is nobody else to talk to, and
 * nothing is announced unasked, but for what mq_notify(2) was asked for.
 */
#include "netlink.h"
#include <asm/ioctls.h>
#include "../libos/heap.h"
#include "../libos/process.h"

#define REQUEST_MAX 4096
#define QUEUE_MAX   256 /* replies: 1 MiB */

struct nl_name { /* struct sockaddr_nl */
	u16 family, pad;
	u32 port, groups;
};

struct netlink {
	struct socket s;
	u32 port, groups;
	struct list queue;
};

static const struct sock_ops netlink_ops;
static u32 sockets; /* so that each has a port of its own */

static struct netlink *nl_sock(struct socket *s)
{
	return container_of(s, struct netlink, s);
}

/* ---- answers ---- */

static bool new_reply(struct nl_answer *a)
{
	a->reply = kalloc(sizeof(*a->reply));
	if (a->reply == NULL) {
		a->failed = true;
		return false;
	}
	list_add_tail(a->queue, &a->reply->link);
	return true;
}

void *nl_begin(struct nl_answer *a, u16 type, u32 len, u32 most)
{
	u32 need = NLMSG_ALIGN(sizeof(struct nlmsghdr) + len) + most;

	a->msg = NULL;
	if (a->failed || need > NL_REPLY)
		return NULL;
	if ((a->reply == NULL || a->reply->len + need > NL_REPLY) && !new_reply(a))
		return NULL;
	a->msg = (struct nlmsghdr *)(a->reply->data + a->reply->len);
	*a->msg = (struct nlmsghdr){ .nlmsg_len = sizeof(struct nlmsghdr) + NLMSG_ALIGN(len),
				     .nlmsg_type = type,
				     .nlmsg_flags = a->flags,
				     .nlmsg_seq = a->seq,
				     .nlmsg_pid = a->port };
	a->reply->len += a->msg->nlmsg_len;
	return a->msg + 1;
}

void nl_put(struct nl_answer *a, u16 type, const void *data, u32 len)
{
	struct nlattr attr = { .nla_len = sizeof(attr) + len, .nla_type = type };
	u32 whole = NLMSG_ALIGN(attr.nla_len);
	u8 *at;

	if (a->msg == NULL || a->reply->len + whole > NL_REPLY)
		return;
	at = a->reply->data + a->reply->len;
	memcpy(at, &attr, sizeof(attr));
	memcpy(at + sizeof(attr), data, len);
	a->msg->nlmsg_len += whole;
	a->reply->len += whole;
}

static void put_error(struct nl_answer *a, const struct nlmsghdr *request, int error)
{
	struct nlmsgerr *e;

	a->flags = 0;
	e = nl_begin(a, NLMSG_ERROR, sizeof(*e), 0);
	if (e == NULL)
		return;
	e->error = error;
	e->msg = *request;
}

static void put_done(struct nl_answer *a)
{
	int *status;

	a->flags = NLM_F_MULTI;
	status = nl_begin(a, NLMSG_DONE, sizeof(*status), 0);
	if (status != NULL)
		*status = 0;
}

static void request(struct netlink *n, const struct nlmsghdr *h, const u8 *body, u32 len)
{
	bool dump = (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	struct nl_answer a = { .queue = &n->queue,
			       .seq = h->nlmsg_seq,
			       .port = n->port,
			       .flags = dump ? NLM_F_MULTI : 0 };
	int error;

	if (!(h->nlmsg_flags & NLM_F_REQUEST) || h->nlmsg_type < NLMSG_MIN_TYPE)
		return;
	error = n->s.protocol == NETLINK_ROUTE ? rtnetlink_request(&a, h, body, len) :
						 sock_diag_request(&a, h, body, len);
	if (a.failed)
		n->s.error = ENOBUFS;
	else if (error < 0 || (h->nlmsg_flags & NLM_F_ACK && !dump))
		put_error(&a, h, error);
	else if (dump)
		put_done(&a);
}

/* ---- the socket ---- */

static void autobind(struct netlink *n)
{
	if (n->port == 0)
		n->port = sockets++ == 0 ? (u32)current_process()->pid : 0xfffff000 - sockets;
}

static int get_name(const struct sockname *name, struct nl_name *out)
{
	if (name->len < sizeof(*out))
		return -EINVAL;
	memcpy(out, name->bytes, sizeof(*out));
	return out->family == AF_NETLINK ? 0 : -EINVAL;
}

static int netlink_bind(struct socket *s, const struct sockname *name)
{
	struct netlink *n = nl_sock(s);
	struct nl_name nl;
	int error = get_name(name, &nl);

	if (error < 0)
		return error;
	if (n->port != 0 && nl.port != n->port && nl.port != 0)
		return -EINVAL;
	n->groups = nl.groups;
	if (nl.port != 0)
		n->port = nl.port;
	autobind(n);
	return 0;
}

static int netlink_connect(struct socket *s, const struct sockname *name, bool nonblock)
{
	struct nl_name nl;
	int error;

	(void)nonblock;
	if (name->len >= sizeof(name->family) && name->family == AF_UNSPEC)
		return 0;
	error = get_name(name, &nl);
	if (error == 0 && nl.port != 0)
		error = -ECONNREFUSED;
	autobind(nl_sock(s));
	return error;
}

static int netlink_getname(struct socket *s, struct sockname *name, bool peer)
{
	struct netlink *n = nl_sock(s);
	struct nl_name nl = { .family = AF_NETLINK };

	if (!peer) {
		nl.port = n->port;
		nl.groups = n->groups;
	}
	memcpy(name->bytes, &nl, sizeof(nl));
	name->len = sizeof(nl);
	return 0;
}

static bool queue_full(const struct netlink *n)
{
	const struct list *at;
	unsigned count = 0;

	list_for_each (at, &n->queue)
		count++;
	return count >= QUEUE_MAX;
}

struct nl_reply *netlink_message(u32 len)
{
	struct nl_reply *message = kalloc(offsetof(struct nl_reply, data) + len);

	if (message != NULL)
		message->len = len;
	return message;
}

int netlink_room(struct socket *s)
{
	int error = s->ops == &netlink_ops ? 0 : -EINVAL;

	while (error == 0 && queue_full(nl_sock(s)))
		error = socket_wait(s, false, NEVER);
	return error;
}

void netlink_post(struct socket *s, struct nl_reply *message)
{
	list_add_tail(&nl_sock(s)->queue, &message->link);
	wake_all(&s->wait);
}

static void requests(struct netlink *n, const u8 *buf, u32 len)
{
	while (len >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		u32 whole;

		memcpy(&h, buf, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
			return;
		request(n, &h, buf + sizeof(h), h.nlmsg_len - sizeof(h));
		whole = MIN(NLMSG_ALIGN(h.nlmsg_len), len);
		buf += whole;
		len -= whole;
	}
}

static long netlink_send(struct socket *s, struct sockmsg *msg)
{
	struct netlink *n = nl_sock(s);
	size_t len = msg->uio->resid;
	struct nl_name nl;
	u8 *buf;
	long r = 0;

	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (msg->name != NULL) {
		r = get_name(msg->name, &nl);
		if (r == 0 && nl.port != 0)
			r = -ECONNREFUSED;
	}
	if (r == 0 && len > REQUEST_MAX)
		r = -EMSGSIZE;
	if (r == 0 && queue_full(n))
		r = -ENOBUFS;
	if (r < 0)
		return r;
	buf = kalloc(MAX(len, 1ul));
	if (buf == NULL)
		return -ENOBUFS;
	autobind(n);
	if (len > 0 && uio_from(msg->uio, buf, len) != (long)len) {
		r = -EFAULT;
	} else {
		requests(n, buf, len);
		wake_all(&s->wait);
		r = len;
	}
	kfree(buf);
	return r;
}

static long netlink_recv(struct socket *s, struct sockmsg *msg)
{
	struct netlink *n = nl_sock(s);
	u64 deadline = socket_deadline(s->opt.rcvtimeo_ns);
	struct nl_reply *reply;
	long r;
	u32 take;

	while (list_empty(&n->queue)) {
		r = socket_take_error(s);
		if (r == 0)
			r = socket_wait(s, msg->nonblock, deadline);
		if (r < 0)
			return r;
	}
	reply = container_of(n->queue.next, struct nl_reply, link);
	take = MIN(msg->uio->resid, (size_t)reply->len);
	r = uio_to(msg->uio, reply->data, take) == (long)take ? (long)take : -EFAULT;
	if (take < reply->len)
		msg->out_flags |= MSG_TRUNC;
	if (r >= 0 && msg->flags & MSG_TRUNC)
		r = reply->len;
	if (msg->name != NULL) { /* the kernel */
		struct nl_name nl = { .family = AF_NETLINK };

		memcpy(msg->name->bytes, &nl, sizeof(nl));
		msg->name->len = sizeof(nl);
	}
	if (!(msg->flags & MSG_PEEK)) {
		if (queue_full(n))
			wake_all(&s->wait);
		list_del(&reply->link);
		kfree(reply);
	}
	return r;
}

static u32 netlink_poll(struct socket *s)
{
	u32 mask = POLLOUT | POLLWRNORM | POLLWRBAND;

	if (!list_empty(&nl_sock(s)->queue))
		mask |= POLLIN | POLLRDNORM;
	return s->error != 0 ? mask | POLLERR : mask;
}

/* Of the options those are accepted that only change what is announced, or how
 * errors are told in more detail. */
static int netlink_setsockopt(struct socket *s, int level, int name, const void *value, u32 len)
{
	(void)s;
	(void)value;
	if (level != 270 /* SOL_NETLINK */)
		return -ENOPROTOOPT;
	if (len < sizeof(int))
		return -EINVAL;
	switch (name) {
	case NETLINK_ADD_MEMBERSHIP:
	case NETLINK_DROP_MEMBERSHIP:
	case NETLINK_NO_ENOBUFS:
	case NETLINK_CAP_ACK:
	case NETLINK_EXT_ACK:
		return 0;
	}
	return -ENOPROTOOPT;
}

static void netlink_release(struct socket *s)
{
	struct netlink *n = nl_sock(s);

	while (!list_empty(&n->queue)) {
		struct nl_reply *reply = container_of(n->queue.next, struct nl_reply, link);

		list_del(&reply->link);
		kfree(reply);
	}
	kfree(n);
}

static const struct sock_ops netlink_ops = {
	.release = netlink_release,
	.bind = netlink_bind,
	.connect = netlink_connect,
	.getname = netlink_getname,
	.send = netlink_send,
	.recv = netlink_recv,
	.poll = netlink_poll,
	.setsockopt = netlink_setsockopt,
};

int netlink_socket(int type, int protocol, struct socket **out)
{
	struct netlink *n;

	if (protocol != NETLINK_ROUTE && protocol != NETLINK_SOCK_DIAG)
		return -EPROTONOSUPPORT;
	n = kalloc(sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	socket_init(&n->s, &netlink_ops, AF_NETLINK, type, protocol);
	list_init(&n->queue);
	*out = &n->s;
	return 0;
}
