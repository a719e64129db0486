/*
 * AF_UNIX: send and recv. Streams cut what is sent into messages and glue them
 * together again on the other side; datagrams and sequenced packets are one
 * message each.
 */
#include "unix.h"

#define STREAM_PIECE 32768

static struct unix_msg *first_msg(const struct unix_socket *u)
{
	return container_of(u->queue.next, struct unix_msg, link);
}

static void deliver(struct unix_socket *to, struct unix_msg *m)
{
	list_add_tail(&to->queue, &m->link);
	to->queued++;
	wake_all(&to->s.wait);
}

/* ---- sending ---- */

/* Until the send buffer has room: 0, -EAGAIN, -EINTR, -EPIPE or the socket's
 * error. */
static int wait_writable(struct unix_socket *u, bool nonblock, u64 deadline)
{
	for (;;) {
		int r = socket_take_error(&u->s);

		if (r < 0)
			return r;
		if (u->no_write)
			return -EPIPE;
		if (u->sent < u->s.opt.sndbuf)
			return 0;
		r = socket_wait(&u->s, nonblock, deadline);
		if (r < 0)
			return r;
	}
}

static long send_piece(struct unix_socket *u, struct sockmsg *msg, struct unix_rights *rights,
		       u64 deadline)
{
	u32 most = MIN(u->s.opt.sndbuf / 2, (u32)STREAM_PIECE);
	u32 n = MIN(msg->uio->resid, (size_t)most);
	struct unix_msg *m;
	int error = wait_writable(u, msg->nonblock, deadline);

	if (error < 0)
		return error;
	if (u->peer->dead || u->peer->no_read)
		return -EPIPE;
	error = unix_msg_new(u, msg->uio, n, rights, &m);
	if (error < 0)
		return error;
	deliver(u->peer, m);
	return n;
}

static long send_stream(struct unix_socket *u, struct sockmsg *msg, struct unix_rights *rights)
{
	u64 deadline = socket_deadline(u->s.opt.sndtimeo_ns);
	long done = 0;

	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (msg->name != NULL)
		return u->state == UNIX_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	if (u->peer == NULL)
		return -ENOTCONN;
	if (u->no_write)
		return -EPIPE;
	while (msg->uio->resid > 0) {
		long n = send_piece(u, msg, rights, deadline);

		if (n < 0)
			return done > 0 ? done : n;
		done += n;
	}
	return done;
}

/* The datagram's receiver, with a reference. */
static int receiver(struct unix_socket *u, const struct sockname *name, struct unix_socket **out)
{
	int error;

	if (name != NULL) {
		error = unix_check_name(name);
		return error < 0 ? error : unix_find(name, u->s.type, out);
	}
	if (u->peer == NULL)
		return -ENOTCONN;
	if (u->peer->dead) {
		if (u->s.type == SOCK_SEQPACKET)
			return -EPIPE;
		unix_set_peer(u, NULL);
		return -ECONNREFUSED;
	}
	*out = unix_get(u->peer);
	return 0;
}

static int check_receiver(const struct unix_socket *u, const struct unix_socket *to)
{
	if (to->dead)
		return -ECONNREFUSED;
	if (!unix_may_send(u, to))
		return -EPERM;
	return to->no_read ? -EPIPE : 0;
}

/* Until the receiver has room, unless it is the one that reads our mail only. */
static int wait_receiver(struct unix_socket *u, struct unix_socket *to, bool nonblock, u64 deadline)
{
	for (;;) {
		int r = check_receiver(u, to);

		if (r < 0 || to->peer == u || !unix_queue_full(to))
			return r;
		r = unix_wait_room(to, nonblock, deadline);
		if (r < 0)
			return r;
	}
}

static long send_packet(struct unix_socket *u, struct sockmsg *msg, struct unix_rights *rights)
{
	u64 deadline = socket_deadline(u->s.opt.sndtimeo_ns);
	size_t len = msg->uio->resid;
	struct unix_socket *to;
	struct unix_msg *m;
	int error;

	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	error = receiver(u, u->s.type == SOCK_DGRAM ? msg->name : NULL, &to);
	if (error < 0)
		return error;
	if (len > u->s.opt.sndbuf - 32)
		error = -EMSGSIZE;
	if (error == 0 && u->s.opt.pass_cred)
		error = unix_autobind(u);
	if (error == 0)
		error = wait_writable(u, msg->nonblock, deadline);
	if (error == 0)
		error = wait_receiver(u, to, msg->nonblock, deadline);
	if (error == 0)
		error = unix_msg_new(u, msg->uio, len, rights, &m);
	if (error == 0)
		deliver(to, m);
	unix_put(to);
	return error < 0 ? error : (long)len;
}

long unix_send(struct socket *s, struct sockmsg *msg)
{
	struct unix_socket *u = unix_sock(s);
	struct unix_rights rights;
	long r = unix_rights_get(msg, &rights);

	if (r < 0)
		return r;
	if (s->type == SOCK_SEQPACKET && u->state != UNIX_CONNECTED)
		r = -ENOTCONN;
	else if (s->type == SOCK_STREAM)
		r = send_stream(u, msg, &rights);
	else
		r = send_packet(u, msg, &rights);
	unix_rights_drop(&rights);
	return r;
}

/* ---- receiving ---- */

static void put_name(struct sockmsg *msg, const struct unix_msg *m)
{
	if (msg->name != NULL && m->from != NULL)
		*msg->name = m->from->name;
}

/* Those who wait for room to send datagrams, in poll(2) or in send(2). */
static void tell_senders(struct unix_socket *u)
{
	struct list *at;

	wake_all(&u->room);
	list_for_each (at, &u->connected)
		wake_all(&container_of(at, struct unix_socket, connected_link)->s.wait);
}

static void drop_first(struct unix_socket *u)
{
	struct unix_msg *m = first_msg(u);
	bool was_full = unix_queue_full(u);

	list_del(&m->link);
	u->queued--;
	unix_msg_free(m);
	if (was_full)
		tell_senders(u);
}

/* Until there is a message: 1; 0: there will be none; or -errno. */
static int wait_msg(struct unix_socket *u, const struct sockmsg *msg, u64 deadline)
{
	for (;;) {
		int r;

		if (!list_empty(&u->queue))
			return 1;
		r = socket_take_error(&u->s);
		if (r < 0)
			return r;
		/* a datagram socket may be shut down and still be asked */
		if (u->no_read && (unix_is_stream(u) || !msg->nonblock))
			return 0;
		r = socket_wait(&u->s, msg->nonblock, deadline);
		if (r < 0)
			return r;
	}
}

static bool same_cred(const struct sock_cred *a, const struct sock_cred *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

/* Whether a stream's next message may follow what has been read: not one of
 * another sender, for one who asks who that is. */
static bool may_glue(const struct unix_socket *u, const struct sock_cred *cred)
{
	return !u->s.opt.pass_cred || same_cred(&first_msg(u)->cred, cred);
}

/* Bytes of a message, from `skip` on: all that fit, or -EFAULT. */
static long take_bytes(const struct unix_msg *m, struct sockmsg *msg, u32 skip)
{
	u32 n = MIN((size_t)(m->len - skip), msg->uio->resid);

	return n == 0 || uio_to(msg->uio, m->data + skip, n) == (long)n ? (long)n : -EFAULT;
}

struct progress {
	long done, target;
	struct sock_cred cred;
	u64 deadline;
};

/* One message's share. 1: go on; 0: enough; or -errno. */
static long read_message(struct unix_socket *u, struct sockmsg *msg, struct progress *p)
{
	struct unix_msg *m = first_msg(u);
	bool had_files = m->nfiles > 0;
	long n;

	if (p->done > 0 && !may_glue(u, &p->cred))
		return 0;
	if (p->done == 0) {
		p->cred = m->cred;
		put_name(msg, m);
	}
	n = take_bytes(m, msg, m->taken);
	if (n < 0)
		return n;
	if (p->done == 0 || had_files)
		unix_msg_control(u, m, msg);
	p->done += n;
	m->taken += n;
	if (m->taken == m->len)
		drop_first(u);
	return msg->uio->resid > 0 && !had_files;
}

/* A peek looks at as many messages as fit, and takes none. */
static long peek_stream(struct unix_socket *u, struct sockmsg *msg)
{
	struct sock_cred cred = first_msg(u)->cred;
	struct list *at;
	long done = 0;

	put_name(msg, first_msg(u));
	list_for_each (at, &u->queue) {
		struct unix_msg *m = container_of(at, struct unix_msg, link);
		long n;

		if (u->s.opt.pass_cred && !same_cred(&m->cred, &cred))
			break;
		n = take_bytes(m, msg, m->taken);
		if (n < 0)
			return done > 0 ? done : n;
		if (at == u->queue.next || m->nfiles > 0)
			unix_msg_control(u, m, msg);
		done += n;
		if (msg->uio->resid == 0 || m->nfiles > 0)
			break;
	}
	return done;
}

static long recv_stream(struct unix_socket *u, struct sockmsg *msg)
{
	struct progress p = { .deadline = socket_deadline(u->s.opt.rcvtimeo_ns) };
	size_t size = msg->uio->resid;
	long r;

	if (u->state != UNIX_CONNECTED)
		return -EINVAL;
	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	p.target = msg->flags & MSG_WAITALL ? size : MIN(size, (size_t)u->s.opt.rcvlowat);
	p.target = MAX(p.target, 1); /* a recv of nothing waits too */
	for (;;) {
		if (list_empty(&u->queue) && p.done >= p.target)
			break;
		r = wait_msg(u, msg, p.deadline);
		if (r == 1)
			r = msg->flags & MSG_PEEK ? peek_stream(u, msg) : read_message(u, msg, &p);
		else if (r == 0)
			return p.done;
		if (msg->flags & MSG_PEEK)
			return r;
		if (r < 0)
			return p.done > 0 ? p.done : r;
		if (r == 0)
			break;
	}
	return p.done;
}

static long recv_packet(struct unix_socket *u, struct sockmsg *msg)
{
	u64 deadline = socket_deadline(u->s.opt.rcvtimeo_ns);
	struct unix_msg *m;
	long n;

	if (u->s.type == SOCK_SEQPACKET && u->state != UNIX_CONNECTED)
		return -ENOTCONN;
	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	n = wait_msg(u, msg, deadline);
	if (n <= 0)
		return n;
	m = first_msg(u);
	put_name(msg, m);
	n = take_bytes(m, msg, 0);
	if (n >= 0) {
		if (n < (long)m->len)
			msg->out_flags |= MSG_TRUNC;
		if (msg->flags & MSG_TRUNC)
			n = m->len;
		unix_msg_control(u, m, msg);
	}
	if (!(msg->flags & MSG_PEEK))
		drop_first(u);
	return n;
}

long unix_recv(struct socket *s, struct sockmsg *msg)
{
	struct unix_socket *u = unix_sock(s);

	return s->type == SOCK_STREAM ? recv_stream(u, msg) : recv_packet(u, msg);
}
