/*
 * AF_UNIX sockets (unix(7)): streams, sequenced packets and datagrams between
 * programs of one VM. No packet and no protocol is involved: a send puts a
 * message into the other socket's queue.
 *
 * A stream's connect makes the other end at once and queues it at the listening
 * socket, where accept finds it; data may be sent before that. A socket lives
 * as long as anybody refers to it (its peer, a message on its way), but is dead
 * from its close on.
 */
#include "unix.h"
#include <asm/ioctls.h>
#include "../libos/heap.h"
#include "../libos/process.h"

#define MAX_DGRAM_QUEUE 10 /* net.unix.max_dgram_qlen */

static const struct sock_ops unix_ops;
static struct list sockets = { &sockets, &sockets };

struct sock_cred unix_cred_now(void)
{
	const struct process *p = current_process();

	return (struct sock_cred){ p->pid, p->cred.uid.effective, p->cred.gid.effective };
}

struct unix_socket *unix_get(struct unix_socket *u)
{
	u->refs++;
	return u;
}

void unix_put(struct unix_socket *u)
{
	if (--u->refs > 0)
		return;
	unix_addr_put(u->addr);
	kfree(u);
}

bool unix_queue_full(const struct unix_socket *u)
{
	return u->queued > u->backlog;
}

/* unix_writable() of Linux: poll(2) says so when a good part is free. */
bool unix_writable(const struct unix_socket *u)
{
	return u->state != UNIX_LISTENING && (u64)u->sent * 4 <= u->s.opt.sndbuf;
}

/* A connected datagram socket takes messages of its peer only. */
bool unix_may_send(const struct unix_socket *from, const struct unix_socket *to)
{
	return unix_is_stream(to) || to->peer == NULL || to->peer == from;
}

void unix_set_peer(struct unix_socket *u, struct unix_socket *peer)
{
	struct unix_socket *old = u->peer;

	u->peer = peer != NULL ? unix_get(peer) : NULL;
	if (!unix_is_stream(u)) {
		list_del(&u->connected_link);
		if (peer != NULL)
			list_add_tail(&peer->connected, &u->connected_link);
	}
	if (old != NULL)
		unix_put(old);
}

int unix_wait_room(struct unix_socket *other, bool nonblock, u64 deadline)
{
	int r;

	if (nonblock || (deadline != NEVER && now_ns() >= deadline))
		return -EAGAIN;
	r = wait_on(&other->room, deadline);
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

static struct unix_socket *make(int type)
{
	struct unix_socket *u = kalloc(sizeof(*u));

	if (u == NULL)
		return NULL;
	socket_init(&u->s, &unix_ops, AF_UNIX, type, 0);
	u->refs = 1;
	u->backlog = MAX_DGRAM_QUEUE;
	waitq_init(&u->room);
	list_add_tail(&sockets, &u->all);
	list_init(&u->bound);
	list_init(&u->connected);
	list_init(&u->connected_link);
	list_init(&u->queue);
	list_init(&u->queue_link);
	return u;
}

/* ---- the end ---- */

static void close_socket(struct unix_socket *u);

void unix_drop_queue(struct unix_socket *u)
{
	while (!list_empty(&u->queue)) {
		struct list *first = u->queue.next;

		list_del(first);
		u->queued--;
		if (u->state == UNIX_LISTENING) {
			struct unix_socket *c = container_of(first, struct unix_socket, queue_link);

			if (c->peer != NULL)
				c->peer->s.error = ECONNRESET;
			close_socket(c);
		} else {
			unix_msg_free(container_of(first, struct unix_msg, link));
		}
	}
}

static void tell_stream_peer(struct unix_socket *u)
{
	struct unix_socket *peer = u->peer;

	peer->no_read = peer->no_write = true;
	if (!list_empty(&u->queue)) /* what it sent is lost */
		peer->s.error = ECONNRESET;
	wake_all(&peer->s.wait);
}

/* Those who sent datagrams here find out when they send again. */
static void tell_datagram_peers(struct unix_socket *u)
{
	while (!list_empty(&u->connected)) {
		struct unix_socket *c =
			container_of(u->connected.next, struct unix_socket, connected_link);

		list_del(&c->connected_link);
		wake_all(&c->s.wait);
	}
	wake_all(&u->room);
}

/* Takes over the owner's reference. */
static void close_socket(struct unix_socket *u)
{
	u->dead = true;
	u->no_read = u->no_write = true;
	list_del(&u->all);
	unix_unbind(u);
	if (u->peer != NULL && unix_is_stream(u))
		tell_stream_peer(u);
	tell_datagram_peers(u);
	unix_drop_queue(u);
	unix_set_peer(u, NULL);
	unix_put(u);
}

static void unix_release(struct socket *s)
{
	close_socket(unix_sock(s));
	unix_collect();
}

/* ---- connections ---- */

static int unix_listen(struct socket *s, int backlog)
{
	struct unix_socket *u = unix_sock(s);

	if (!unix_is_stream(u))
		return -EOPNOTSUPP;
	if (u->addr == NULL || u->state == UNIX_CONNECTED)
		return -EINVAL;
	u->state = UNIX_LISTENING;
	u->owner = unix_cred_now();
	s->listening = true;
	if ((u32)backlog > u->backlog)
		wake_all(&u->room);
	u->backlog = backlog;
	return 0;
}

/* The other end, in the listening socket's queue. */
static int queue_connection(struct unix_socket *u, struct unix_socket *listener)
{
	struct unix_socket *c = make(u->s.type);

	if (c == NULL)
		return -ENOMEM;
	c->state = u->state = UNIX_CONNECTED;
	c->addr = unix_addr_get(listener->addr);
	c->s.opt.pass_cred = listener->s.opt.pass_cred;
	c->s.peer = unix_cred_now();
	u->s.peer = listener->owner;
	unix_set_peer(c, u);
	unix_set_peer(u, c);
	list_add_tail(&listener->queue, &c->queue_link);
	listener->queued++;
	wake_all(&listener->s.wait);
	return 0;
}

static int connect_once(struct unix_socket *u, struct unix_socket *listener, bool nonblock,
			u64 deadline)
{
	for (;;) {
		int r;

		if (listener->state != UNIX_LISTENING || listener->no_read)
			return -ECONNREFUSED;
		if (u->state == UNIX_CONNECTED)
			return -EISCONN;
		if (u->state != UNIX_CLOSED)
			return -EINVAL;
		if (!unix_queue_full(listener))
			return queue_connection(u, listener);
		r = unix_wait_room(listener, nonblock, deadline);
		if (r < 0)
			return r;
	}
}

static int connect_stream(struct unix_socket *u, const struct sockname *name, bool nonblock)
{
	u64 deadline = socket_deadline(u->s.opt.sndtimeo_ns);
	struct unix_socket *listener;
	int error = unix_check_name(name);

	if (error == 0 && u->s.opt.pass_cred)
		error = unix_autobind(u);
	if (error == 0)
		error = unix_find(name, u->s.type, &listener);
	if (error != 0)
		return error;
	error = connect_once(u, listener, nonblock, deadline);
	unix_put(listener);
	return error;
}

static int connect_datagram(struct unix_socket *u, const struct sockname *name)
{
	struct unix_socket *peer = NULL;
	int error = name->len < UNIX_PATH ? -EINVAL : 0;

	if (error == 0 && name->family != AF_UNSPEC) {
		error = unix_check_name(name);
		if (error == 0 && u->s.opt.pass_cred)
			error = unix_autobind(u);
		if (error == 0)
			error = unix_find(name, u->s.type, &peer);
	}
	if (error < 0)
		return error;
	if (peer != NULL && !unix_may_send(u, peer))
		error = -EPERM;
	else
		unix_set_peer(u, peer);
	if (peer != NULL)
		unix_put(peer);
	wake_all(&u->s.wait);
	return error;
}

static int unix_connect(struct socket *s, const struct sockname *name, bool nonblock)
{
	struct unix_socket *u = unix_sock(s);

	return unix_is_stream(u) ? connect_stream(u, name, nonblock) : connect_datagram(u, name);
}

static int unix_accept(struct socket *s, struct socket **connection, bool nonblock)
{
	struct unix_socket *u = unix_sock(s), *c;
	u64 deadline = socket_deadline(s->opt.rcvtimeo_ns);

	if (!unix_is_stream(u))
		return -EOPNOTSUPP;
	if (u->state != UNIX_LISTENING)
		return -EINVAL;
	while (list_empty(&u->queue)) {
		int r = u->no_read && !nonblock ? -EINVAL : socket_wait(s, nonblock, deadline);

		if (r < 0)
			return r;
	}
	c = container_of(u->queue.next, struct unix_socket, queue_link);
	list_del(&c->queue_link);
	u->queued--;
	wake_all(&u->room);
	*connection = &c->s;
	return 0;
}

static void join_pair(struct unix_socket *a, struct unix_socket *b)
{
	unix_set_peer(a, b);
	if (unix_is_stream(a))
		a->state = UNIX_CONNECTED;
	a->s.peer = unix_cred_now();
}

static int socket_type(int type)
{
	switch (type) {
	case SOCK_STREAM:
	case SOCK_DGRAM:
	case SOCK_SEQPACKET:
		return type;
	case SOCK_RAW: /* once allowed by mistake */
		return SOCK_DGRAM;
	}
	return -ESOCKTNOSUPPORT;
}

int unix_socket(int type, struct socket **out)
{
	struct unix_socket *u;

	type = socket_type(type);
	if (type < 0)
		return type;
	u = make(type);
	if (u == NULL)
		return -ENOMEM;
	*out = &u->s;
	return 0;
}

int unix_pair(int type, struct socket **a, struct socket **b)
{
	int error = unix_socket(type, a);

	if (error < 0)
		return error;
	error = unix_socket(type, b);
	if (error < 0) {
		unix_release(*a);
		return error;
	}
	join_pair(unix_sock(*a), unix_sock(*b));
	join_pair(unix_sock(*b), unix_sock(*a));
	return 0;
}

/* ---- the rest ---- */

static int unix_shutdown(struct socket *s, int how)
{
	struct unix_socket *u = unix_sock(s);
	bool read = how != SHUT_WR, write = how != SHUT_RD;

	u->no_read |= read;
	u->no_write |= write;
	wake_all(&s->wait);
	wake_all(&u->room);
	if (u->peer != NULL && unix_is_stream(u)) {
		u->peer->no_write |= read;
		u->peer->no_read |= write;
		wake_all(&u->peer->s.wait);
	}
	return 0;
}

static int unix_getname(struct socket *s, struct sockname *name, bool peer)
{
	const struct unix_socket *u = unix_sock(s);

	if (peer) {
		u = u->peer;
		if (u == NULL)
			return -ENOTCONN;
	}
	if (u->addr != NULL) {
		*name = u->addr->name;
	} else {
		name->family = AF_UNIX;
		name->len = UNIX_PATH;
	}
	return 0;
}

static u32 unix_poll(struct socket *s)
{
	struct unix_socket *u = unix_sock(s);
	bool writable = unix_writable(u);
	u32 mask = 0;

	if (s->error != 0)
		mask |= POLLERR;
	if (u->no_read && u->no_write)
		mask |= POLLHUP;
	if (u->no_read)
		mask |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (!list_empty(&u->queue))
		mask |= POLLIN | POLLRDNORM;
	if (unix_is_stream(u))
		mask |= u->state == UNIX_CLOSED ? POLLHUP : 0;
	else if (u->peer != NULL && u->peer->peer != u && unix_queue_full(u->peer))
		writable = false;
	return writable ? mask | POLLOUT | POLLWRNORM | POLLWRBAND : mask;
}

const struct unix_socket *unix_next(const struct unix_socket *after)
{
	const struct list *next = after != NULL ? after->all.next : sockets.next;

	return next != &sockets ? container_of(next, const struct unix_socket, all) : NULL;
}

int unix_unread(const struct unix_socket *u)
{
	struct list *at;
	int n = 0;

	list_for_each (at, &u->queue) {
		const struct unix_msg *m = container_of(at, struct unix_msg, link);

		n += m->len - m->taken;
		if (!unix_is_stream(u))
			break;
	}
	return n;
}

static long unix_ioctl(struct socket *s, unsigned int cmd, unsigned long arg)
{
	struct unix_socket *u = unix_sock(s);

	switch (cmd) {
	case FIONREAD:
		if (u->state == UNIX_LISTENING)
			return -EINVAL;
		return put_user((int *)arg, unix_unread(u));
	case TIOCOUTQ:
		return put_user((int *)arg, (int)u->sent);
	}
	return -ENOTTY;
}

static const struct sock_ops unix_ops = {
	.release = unix_release,
	.bind = unix_bind,
	.listen = unix_listen,
	.accept = unix_accept,
	.connect = unix_connect,
	.shutdown = unix_shutdown,
	.getname = unix_getname,
	.send = unix_send,
	.recv = unix_recv,
	.poll = unix_poll,
	.ioctl = unix_ioctl,
};
