/*
 * Listeners. A SYN makes a request: a small object in the table of
 * connections, with a timer that sends its SYN-ACK again. The ACK of that makes
 * a connection and puts it into the listener's accept queue. Both queues are
 * bounded by the backlog: when the accept queue is full, SYNs and ACKs are
 * dropped, and come again; when too many requests wait, SYN cookies take over,
 * so that a flood of SYNs keeps nobody out and costs no memory.
 */
#include "tcp_conn.h"
#include "../libos/heap.h"

#define LISTENER_BUCKETS 64
#define COOKIE_TIME      (128 * NS_PER_S) /* as long as one is valid */

struct tcp_request {
	struct tcp_node node;
	struct list link; /* the listener's requests */
	struct tcp_timer timer;
	struct tcp *listener;
	struct ip_path path;
	u32 iss, irs;
	struct tcp_options syn;
	u64 since; /* its first SYN-ACK */
	u8 retries;
	unsigned ifindex;
};

static struct list listeners[LISTENER_BUCKETS]; /* by port */

void tcp_listeners_init(void)
{
	for (unsigned i = 0; i < LISTENER_BUCKETS; i++)
		list_init(&listeners[i]);
}

static struct tcp_request *request_of(struct tcp_node *node)
{
	return container_of(node, struct tcp_request, node);
}

/* ---- finding one ---- */

/* How well a listener fits: 0: not at all. */
static unsigned score(const struct tcp *l, const struct tcp_in *in, u16 port)
{
	const struct ipaddr *addr = &l->port.addr;
	unsigned fit = l->port.ifindex != 0 ? 8 : 0;

	if (l->port.port != port ||
	    (l->port.ifindex != 0 && l->port.ifindex != in->pkt->netif->index))
		return 0;
	if (!ip_is_any(addr))
		return ip_equal(addr, &in->pkt->dst) ? fit + 4 : 0;
	if (ip_is4(addr) == ip_is4(&in->pkt->dst))
		return fit + 2;
	return !ip_is4(addr) && !l->port.v6only ? fit + 1 : 0;
}

/* The best one; of several (SO_REUSEPORT) the n-th modulo their number. */
static struct tcp *choose(const struct tcp_in *in, u16 port, unsigned best, u32 n)
{
	struct list *at;

	list_for_each (at, &listeners[port % LISTENER_BUCKETS]) {
		struct tcp *l = container_of(at, struct tcp, listener_link);

		if (score(l, in, port) == best && n-- == 0)
			return l;
	}
	return NULL;
}

struct tcp *tcp_listener_find(const struct tcp_in *in)
{
	const struct tcp_header *h = (const struct tcp_header *)in->header;
	unsigned best = 0, count = 0;
	u16 port = ntohs(h->dest);
	struct list *at;

	if (listeners[0].next == NULL)
		return NULL; /* no socket was ever made */
	list_for_each (at, &listeners[port % LISTENER_BUCKETS]) {
		unsigned s = score(container_of(at, struct tcp, listener_link), in, port);

		if (s > best)
			count = 0;
		best = MAX(best, s);
		count += s != 0 && s == best;
	}
	if (count == 0)
		return NULL;
	return choose(in, port, best, count > 1 ? (in->seq ^ h->source) * 0x9e3779b9 % count : 0);
}

void tcp_listeners_visit(void (*visit)(struct tcp *l, void *arg), void *arg)
{
	for (unsigned i = 0; i < LISTENER_BUCKETS && listeners[i].next != NULL; i++)
		for (struct list *at = listeners[i].next, *next; at != &listeners[i]; at = next) {
			next = at->next;
			visit(container_of(at, struct tcp, listener_link), arg);
		}
}

/* ---- requests ---- */

static void request_free(struct tcp_request *r)
{
	tcp_table_del(&r->node);
	tcp_timer_cancel(&r->timer);
	list_del(&r->link);
	r->listener->nrequests--;
	kfree(r);
}

static u16 syn_window(const struct tcp *l)
{
	return MIN(l->s.opt.rcvbuf / 2, 65535u);
}

/* What we put into the SYN-ACK for what the SYN had. */
static struct tcp_options answer_options(const struct tcp *l, const struct tcp_options *syn,
					 const struct ip_path *path, bool v4)
{
	u32 mss = MIN(path->netif->mtu, 65535u) - (v4 ? 40 : 60);
	struct tcp_options opt = {
		.mss = l->mss_user != 0 ? MIN(mss, l->mss_user) : mss,
		.wscale_ok = syn->wscale_ok,
		.wscale = TCP_WSCALE,
		.sack_ok = syn->sack_ok,
		.ts = syn->ts,
		.tsecr = syn->tsval,
	};

	return opt;
}

static void send_answer(const struct tcp *l, const struct tcp_node *node, unsigned ifindex, u32 iss,
			u32 irs, const struct tcp_options *opt)
{
	struct tcp_bare b = {
		.local = node->local,
		.remote = node->remote,
		.ifindex = ifindex,
		.lport = node->lport,
		.rport = node->rport,
		.seq = iss,
		.ack = irs + 1,
		.window = syn_window(l),
		.flags = TH_SYN | TH_ACK,
		.opt = *opt,
	};

	tcp_send_bare(&b);
}

static void request_answer(struct tcp_request *r)
{
	struct tcp_options opt =
		answer_options(r->listener, &r->syn, &r->path, ip_is4(&r->node.local));

	opt.tsval = tcp_ts_clock() + tcp_ts_offset(&r->node);
	send_answer(r->listener, &r->node, r->ifindex, r->iss, r->irs, &opt);
}

static void request_expired(struct tcp_timer *timer)
{
	struct tcp_request *r = container_of(timer, struct tcp_request, timer);

	if (r->retries++ >= TCP_SYNACK_RETRIES) {
		request_free(r);
		return;
	}
	request_answer(r);
	tcp_timer_arm(&r->timer, now_ns() + (TCP_RTO_INITIAL << r->retries));
}

static bool accept_queue_full(const struct tcp *l)
{
	return l->naccepted > l->backlog;
}

static struct tcp_node node_of(const struct tcp_in *in, u8 kind)
{
	const struct tcp_header *h = (const struct tcp_header *)in->header;

	return (struct tcp_node){
		.local = in->pkt->dst,
		.remote = in->pkt->src,
		.lport = ntohs(h->dest),
		.rport = ntohs(h->source),
		.kind = kind,
	};
}

static void answer_with_cookie(struct tcp *l, const struct tcp_in *in, const struct ip_path *path)
{
	struct tcp_node node = node_of(in, NODE_REQUEST);
	struct tcp_options opt = answer_options(l, &in->opt, path, ip_is4(&node.local));
	u16 mss = in->opt.mss != 0 ? in->opt.mss : 536;

	if (opt.ts) {
		opt.tsval = tcp_cookie_timestamp(&node, &in->opt);
	} else { /* they could not be remembered */
		opt.wscale_ok = false;
		opt.sack_ok = false;
	}
	l->cookies_at = in->now;
	send_answer(l, &node, in->pkt->netif->index, tcp_cookie_make(&node, in->seq, mss), in->seq,
		    &opt);
}

/* For a link-local peer the interface belongs to its address. */
static unsigned interface_of(const struct tcp *l, const struct tcp_in *in)
{
	if (l->s.opt.ifindex != 0)
		return l->s.opt.ifindex;
	return !ip_is4(&in->pkt->src) && ip_is_link_local(&in->pkt->src) ? in->pkt->netif->index :
									   0;
}

static void new_request(struct tcp *l, const struct tcp_in *in, const struct ip_path *path)
{
	struct tcp_request *r = NULL;

	if (l->nrequests <= l->backlog)
		r = kalloc(sizeof(*r));
	if (r == NULL) {
		answer_with_cookie(l, in, path);
		return;
	}
	r->node = node_of(in, NODE_REQUEST);
	r->listener = l;
	r->path = *path;
	r->ifindex = interface_of(l, in);
	r->irs = in->seq;
	r->iss = in->iss != 0 ? in->iss : tcp_initial_seq(&r->node);
	r->syn = in->opt;
	r->since = in->now;
	r->timer.expired = request_expired;
	list_add_tail(&l->requests, &r->link);
	l->nrequests++;
	tcp_table_add(&r->node);
	tcp_timer_arm(&r->timer, in->now + TCP_RTO_INITIAL);
	request_answer(r);
}

/* ---- connections ---- */

static void inherit(struct tcp *c, const struct tcp *l)
{
	c->s.opt = l->s.opt;
	c->nodelay = l->nodelay;
	c->keep_idle = l->keep_idle;
	c->keep_intvl = l->keep_intvl;
	c->keep_cnt = l->keep_cnt;
	c->user_timeout_ms = l->user_timeout_ms;
	c->mss_user = l->mss_user;
	c->linger2 = l->linger2;
	c->notsent_lowat = l->notsent_lowat;
	c->window_clamp = l->window_clamp;
	c->inet = l->inet;
	list_init(&c->inet.groups);
	ports_inherit(&tcp_ports, &c->port, &l->port);
	c->port.addr = c->node.local;
}

/* The handshake is complete: a connection in the accept queue, or NULL. */
static struct tcp *new_connection(struct tcp *l, const struct tcp_node *node,
				  const struct tcp_options *syn, struct tcp_in *in)
{
	struct tcp *c;
	struct ip_path path;

	if (ip_route(&node->local, &node->remote, interface_of(l, in), &path) < 0)
		return NULL;
	c = tcp_new(l->s.family);
	if (c == NULL)
		return NULL;
	c->node = *node;
	c->node.kind = NODE_CONN;
	inherit(c, l);
	c->path = path;
	c->ifindex = interface_of(l, in);
	c->ts_offset = tcp_ts_offset(&c->node);
	c->iss = in->ack - 1;
	c->snd_una = c->snd_nxt = c->snd_end = c->snd_small = in->ack;
	c->irs = in->seq - 1;
	c->rcv_nxt = c->copied = c->last_ack_sent = c->irs + 1;
	c->rcv_edge = c->rcv_nxt + syn_window(l);
	tcp_negotiated(c, syn);
	c->snd_wnd = c->max_wnd = in->window << c->snd_wscale;
	c->snd_wl1 = in->seq;
	c->snd_wl2 = in->ack;
	tcp_table_add(&c->node);
	c->parent = l;
	list_add_tail(&l->accepted, &c->accept_link);
	l->naccepted++;
	tcp_establish(c);
	tcp_wake(l);
	return c;
}

/* Whether a segment on a request is the ACK of its SYN-ACK. */
static bool completes(struct tcp_request *r, struct tcp_in *in)
{
	u32 next = r->irs + 1;

	if (in->flags & TH_RST) {
		if (in->seq == next)
			request_free(r);
		return false;
	}
	if (in->flags & TH_SYN) {
		if (in->seq == r->irs && !(in->flags & TH_ACK))
			request_answer(r); /* ours was lost */
		return false;
	}
	if (!(in->flags & TH_ACK) || seq_lt(in->end, next) ||
	    seq_gt(in->seq, next + syn_window(r->listener)))
		return false;
	if (r->syn.ts && in->opt.ts && seq_lt(in->opt.tsval, r->syn.tsval))
		return false;
	if (in->ack != r->iss + 1) {
		tcp_reset_answer(in);
		return false;
	}
	return true;
}

/* TCP_DEFER_ACCEPT: without data the ACK does not count, for some time. */
static bool deferred(const struct tcp_request *r, const struct tcp_in *in)
{
	return r->listener->defer_accept != 0 && in->len == 0 && !(in->flags & TH_FIN) &&
	       in->now - r->since < r->listener->defer_accept * NS_PER_S;
}

void tcp_request_input(struct tcp_node *node, struct tcp_in *in)
{
	struct tcp_request *r = request_of(node);
	struct tcp_in first;
	struct tcp *c;

	if (!completes(r, in) || deferred(r, in) || accept_queue_full(r->listener))
		return;
	tcp_table_del(&r->node);
	first = *in;
	first.seq = r->irs + 1; /* data may have overtaken the ACK */
	c = new_connection(r->listener, &r->node, &r->syn, &first);
	if (c == NULL) {
		tcp_table_add(&r->node);
		return;
	}
	if (r->retries == 0)
		tcp_rtt_sample(c, in->now - r->since);
	request_free(r);
	tcp_conn_input(c, in);
}

void tcp_request_error(struct tcp_node *node, u32 seq, int error)
{
	struct tcp_request *r = request_of(node);

	if (seq == r->iss && error != EMSGSIZE)
		request_free(r);
}

static void cookie_ack(struct tcp *l, struct tcp_in *in)
{
	struct tcp_node node = node_of(in, NODE_CONN);
	struct tcp_options syn;
	struct tcp *c;

	if (l->cookies_at == 0 || in->now - l->cookies_at > COOKIE_TIME ||
	    !tcp_cookie_check(&node, in, &syn)) {
		tcp_reset_answer(in);
		return;
	}
	if (accept_queue_full(l))
		return;
	c = new_connection(l, &node, &syn, in);
	if (c != NULL)
		tcp_conn_input(c, in);
}

void tcp_listener_input(struct tcp *l, struct tcp_in *in)
{
	struct ip_path path;

	if (in->flags & TH_RST)
		return;
	if (in->flags & TH_ACK) {
		if (in->flags & TH_SYN)
			tcp_reset_answer(in);
		else
			cookie_ack(l, in);
		return;
	}
	if (!(in->flags & TH_SYN) || in->flags & TH_FIN || accept_queue_full(l))
		return;
	if (ip_route(&in->pkt->dst, &in->pkt->src, interface_of(l, in), &path) == 0)
		new_request(l, in, &path);
}

/* ---- the calls ---- */

int tcp_listen(struct socket *s, int backlog)
{
	struct tcp *c = tcp_of(s);
	int error = 0;

	c->backlog = MIN((u32)backlog, (u32)SOMAXCONN); /* negative: the most */
	if (c->state == TCP_LISTEN)
		return 0;
	if (c->state != TCP_CLOSE || c->connecting)
		return -EINVAL;
	c->port.v6only = s->opt.v6only;
	c->port.reuse_addr = s->opt.reuse_addr;
	c->port.reuse_port = s->opt.reuse_port;
	if (c->port.port == 0)
		error = ports_bind(&tcp_ports, &c->port, 0);
	if (error == 0)
		error = ports_listen(&tcp_ports, &c->port);
	if (error < 0)
		return error;
	c->state = TCP_LISTEN;
	c->shutdown = 0;
	s->listening = true;
	list_add_tail(&listeners[c->port.port % LISTENER_BUCKETS], &c->listener_link);
	return 0;
}

void tcp_listener_close(struct tcp *l)
{
	while (!list_empty(&l->requests))
		request_free(container_of(l->requests.next, struct tcp_request, link));
	while (!list_empty(&l->accepted)) {
		struct tcp *c = container_of(l->accepted.next, struct tcp, accept_link);

		list_del(&c->accept_link);
		c->parent = NULL;
		tcp_discard(c);
	}
	l->naccepted = 0;
	list_del(&l->listener_link);
	l->s.listening = false;
	l->port.listening = false;
	l->state = TCP_CLOSE;
	if (!l->port_locked)
		ports_unbind(&tcp_ports, &l->port);
	tcp_wake(l);
}

int tcp_accept(struct socket *s, struct socket **connection, bool nonblock)
{
	struct tcp *l = tcp_of(s), *c;
	u64 deadline = socket_deadline(s->opt.rcvtimeo_ns);

	for (;;) {
		int error;

		if (l->state != TCP_LISTEN)
			return -EINVAL;
		if (!list_empty(&l->accepted))
			break;
		error = socket_wait(s, nonblock, deadline);
		if (error < 0)
			return error;
	}
	c = container_of(l->accepted.next, struct tcp, accept_link);
	list_del(&c->accept_link);
	l->naccepted--;
	c->parent = NULL;
	*connection = &c->s;
	return 0;
}
