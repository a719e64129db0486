/*
 * A connection's beginning and end.
 *
 *   tcp_new    → tcp_connect / an accepted request → tcp_establish
 *   release    the program closes: FIN, or a reset where data would be lost;
 *              the connection goes on as an *orphan* until its peer has all
 *   tcp_done   it is over: out of the table, nothing queued to send, no timer;
 *              what was received can still be read. An orphan is freed, when
 *              the stack is left, as its callers may still look at it.
 */
#include "tcp_conn.h"
#include "../libos/heap.h"

struct port_table tcp_ports;

static u32 tcp_poll(struct socket *s);
static int tcp_getname(struct socket *s, struct sockname *name, bool peer);

static const struct sock_ops tcp_ops = {
	.release = tcp_release,
	.bind = tcp_bind,
	.listen = tcp_listen,
	.accept = tcp_accept,
	.connect = tcp_connect,
	.shutdown = tcp_shutdown,
	.getname = tcp_getname,
	.send = tcp_send,
	.recv = tcp_recv,
	.poll = tcp_poll,
	.setsockopt = tcp_setsockopt,
	.getsockopt = tcp_getsockopt,
	.option = tcp_option,
	.ioctl = tcp_ioctl,
};

/* ---- beginning ---- */

static void init_once(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	tcp_table_init();
	ports_init(&tcp_ports);
	tcp_listeners_init();
}

static void init_lists(struct tcp *c)
{
	list_init(&c->chunks);
	list_init(&c->segments);
	list_init(&c->sent);
	list_init(&c->received);
	list_init(&c->disordered);
	list_init(&c->requests);
	list_init(&c->accepted);
	list_init(&c->accept_link);
	list_init(&c->listener_link);
}

struct tcp *tcp_new(int family)
{
	struct tcp *c;

	init_once();
	c = kalloc(sizeof(*c));
	if (c == NULL)
		return NULL;
	socket_init(&c->s, &tcp_ops, family, SOCK_STREAM, IPPROTO_TCP);
	init_lists(c);
	inet_options_init(&c->inet);
	c->node.kind = NODE_CONN;
	c->state = TCP_CLOSE;
	c->timer.expired = tcp_timer_expired;
	c->rtx_at = c->delack_at = c->keep_at = NEVER;
	c->rto = TCP_RTO_INITIAL;
	c->cwnd = TCP_INITIAL_WINDOW * 536;
	c->ssthresh = UINT32_MAX;
	c->mss = c->rcv_mss = 536;
	c->syn_retries = TCP_SYN_RETRIES;
	c->keep_idle = TCP_KEEPALIVE_IDLE;
	c->keep_intvl = TCP_KEEPALIVE_INTVL;
	c->keep_cnt = TCP_KEEPALIVE_PROBES;
	c->quickacks = TCP_QUICKACKS;
	c->linger2 = TCP_FIN_TIMEOUT / NS_PER_S;
	c->port.addr = c->node.local = c->node.remote = inet_any(&c->s);
	return c;
}

int tcp_socket(int family, struct socket **out)
{
	struct tcp *c = tcp_new(family);

	if (c == NULL)
		return -ENOMEM;
	*out = &c->s;
	return 0;
}

/* The handshake is complete: snd_una, snd_wnd and the options are set. */
void tcp_establish(struct tcp *c)
{
	u64 now = now_ns();

	c->state = TCP_ESTABLISHED;
	c->retries = c->backoff = 0;
	c->rtx_since = 0;
	c->soft_error = 0;
	tcp_rtx_cancel(c);
	tcp_rto_update(c);
	if (c->srtt == 0)
		c->rto = TCP_RTO_INITIAL;
	tcp_cc_init(c);
	tcp_sndbuf_tune(c);
	c->tune_since = now;
	c->tune_space = c->s.opt.rcvbuf / 4;
	c->stats.last_ack_received = c->stats.last_data_received = now;
	tcp_keep_arm(c);
	tcp_wake(c);
}

void tcp_wake(struct tcp *c)
{
	wake_all(&c->s.wait);
}

/* ---- end ---- */

static void destroy(struct net_work *work)
{
	struct tcp *c = container_of(work, struct tcp, work);

	tcp_received_purge(c);
	tcp_timer_cancel(&c->timer);
	inet_options_release(&c->inet);
	kfree(c);
}

static void destroy_later(struct tcp *c)
{
	c->work.run = destroy;
	net_defer(&c->work);
}

void tcp_done(struct tcp *c, int error)
{
	if (c->state == TCP_CLOSE)
		return;
	c->state = TCP_CLOSE;
	c->shutdown = 3;
	tcp_table_del(&c->node);
	if (!c->port_locked)
		ports_unbind(&tcp_ports, &c->port);
	tcp_rtx_cancel(c);
	c->delack_at = c->keep_at = NEVER;
	tcp_timer_cancel(&c->timer);
	tcp_segments_purge(c);
	tcp_chunks_purge(c);
	c->snd_una = c->snd_nxt = c->snd_end;
	c->fin_queued = false;
	c->ack_now = c->ack_later = false;
	net_undefer(&c->work);
	if (c->orphan) {
		ports_unbind(&tcp_ports, &c->port);
		destroy_later(c);
		return;
	}
	if (error != 0)
		c->s.error = error;
	tcp_wake(c);
}

void tcp_abort(struct tcp *c, int error)
{
	if (TCP_IN(c->state, TCP_SYNCHRONIZED | 1u << TCP_SYN_RECV))
		tcp_send_reset(c);
	tcp_done(c, error);
}

/* Puts a FIN behind what is queued (RFC 9293, 3.10.4); false: not in a state
 * to. */
static bool send_fin(struct tcp *c)
{
	switch (c->state) {
	case TCP_SYN_RECV:
	case TCP_ESTABLISHED:
		c->state = TCP_FIN_WAIT1;
		break;
	case TCP_CLOSE_WAIT:
		c->state = TCP_LAST_ACK;
		break;
	default:
		return false;
	}
	c->fin_queued = true;
	c->shutdown |= 2;
	tcp_output(c);
	return true;
}

int tcp_shutdown(struct socket *s, int how)
{
	struct tcp *c = tcp_of(s);

	if (c->state == TCP_LISTEN) {
		if (how != SHUT_WR)
			tcp_listener_close(c);
		return 0;
	}
	if (c->state == TCP_CLOSE)
		return -ENOTCONN;
	if (c->state == TCP_SYN_SENT) {
		tcp_done(c, how == SHUT_RD ? 0 : ECONNRESET);
		return 0;
	}
	if (how != SHUT_WR)
		c->shutdown |= 1;
	if (how != SHUT_RD && !(c->shutdown & 2))
		send_fin(c);
	tcp_wake(c);
	return 0;
}

/* SO_LINGER: until the peer has everything, or the time is over. */
static void linger(struct tcp *c)
{
	u64 deadline = socket_deadline(c->s.opt.linger_seconds * NS_PER_S);

	while (TCP_IN(c->state, TCP_FIN_QUEUED))
		if (socket_wait(&c->s, false, deadline) < 0)
			return;
}

static void become_orphan(struct tcp *c)
{
	c->orphan = true;
	c->keep_at = NEVER;
	if (c->state == TCP_CLOSE) {
		ports_unbind(&tcp_ports, &c->port);
		destroy_later(c);
	} else if (c->state == TCP_FIN_WAIT2) {
		tcp_time_wait(c, TCP_FIN_WAIT2);
	}
}

void tcp_release(struct socket *s)
{
	struct tcp *c = tcp_of(s);
	bool unread = tcp_readable(c) > 0;

	if (c->state == TCP_LISTEN)
		tcp_listener_close(c);
	tcp_received_purge(c);
	if (c->state == TCP_SYN_SENT) {
		tcp_done(c, 0);
	} else if (unread || (s->opt.linger && s->opt.linger_seconds == 0)) {
		tcp_abort(c, 0); /* RFC 2525, 2.17: the peer must know that data was lost */
	} else {
		send_fin(c);
		if (s->opt.linger && c->state != TCP_CLOSE)
			linger(c);
	}
	become_orphan(c);
}

void tcp_discard(struct tcp *c)
{
	tcp_received_purge(c);
	tcp_abort(c, 0);
	become_orphan(c);
}

/* ---- what poll(2) and getsockname(2) see ---- */

static u32 tcp_poll(struct socket *s)
{
	struct tcp *c = tcp_of(s);
	u32 mask = 0;

	if (c->state == TCP_LISTEN)
		return list_empty(&c->accepted) ? 0 : POLLIN | POLLRDNORM;
	if (c->shutdown == 3 || c->state == TCP_CLOSE)
		mask |= POLLHUP;
	if (c->shutdown & 1)
		mask |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (c->state != TCP_SYN_SENT && c->state != TCP_SYN_RECV) {
		if (tcp_readable(c) >= MAX(s->opt.rcvlowat, 1u))
			mask |= POLLIN | POLLRDNORM;
		if (c->shutdown & 2 || tcp_writable(c))
			mask |= POLLOUT | POLLWRNORM;
		else
			c->nospace = true;
	} else {
		c->nospace = true;
	}
	return mask | (s->error != 0 ? POLLERR : 0);
}

static int tcp_getname(struct socket *s, struct sockname *name, bool peer)
{
	struct tcp *c = tcp_of(s);

	if (!peer) {
		bool bound = c->node.lport != 0 && c->state != TCP_CLOSE && c->state != TCP_LISTEN;

		sockname_set(s, name, bound ? &c->node.local : &c->port.addr, c->port.port,
			     c->ifindex);
		return 0;
	}
	if (c->node.rport == 0 || c->state == TCP_CLOSE || c->state == TCP_SYN_SENT)
		return -ENOTCONN;
	sockname_set(s, name, &c->node.remote, c->node.rport, c->ifindex);
	return 0;
}
