/*
 * TCP's timers. All of them stand in one pairing heap, of whose earliest the
 * library OS's own timer is armed: O(1) to arm, O(log n) to take the earliest,
 * no memory beyond the nodes. A connection has one node for its three
 * deadlines, and a deadline that moves further away, as the retransmission
 * timer's does with each ACK, leaves the heap alone: the node comes out too
 * early, once, and is put back (tcp_timer_expired()).
 *
 *   retransmission  RFC 6298's timeout, or RACK's reordering window, or the
 *                   tail loss probe, or the zero-window probe: one at a time
 *   delayed ACK     RFC 9293, 3.8.6.3
 *   keep-alive      RFC 9293, 3.8.4; the end of an orphan's wait
 */
#include "tcp_conn.h"
#include "../libos/thread.h"

/* ---- the heap ---- */

static struct tcp_timer *root;
static struct timer clock;

static struct tcp_timer *merge(struct tcp_timer *a, struct tcp_timer *b)
{
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	if (b->key < a->key) {
		struct tcp_timer *t = a;

		a = b;
		b = t;
	}
	b->sibling = a->child;
	if (b->sibling != NULL)
		b->sibling->back = &b->sibling;
	b->back = &a->child;
	a->child = b;
	return a;
}

/* Merges a list of siblings: in pairs, then all pairs from the last one on. */
static struct tcp_timer *merge_siblings(struct tcp_timer *first)
{
	struct tcp_timer *pairs = NULL, *heap = NULL;

	while (first != NULL) {
		struct tcp_timer *a = first, *b = a->sibling;

		first = b != NULL ? b->sibling : NULL;
		a->sibling = NULL;
		if (b != NULL)
			b->sibling = NULL;
		a = merge(a, b);
		a->sibling = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		struct tcp_timer *next = pairs->sibling;

		pairs->sibling = NULL;
		heap = merge(heap, pairs);
		pairs = next;
	}
	return heap;
}

static void set_root(struct tcp_timer *heap)
{
	root = heap;
	if (root != NULL) {
		root->sibling = NULL;
		root->back = &root;
	}
}

static void insert(struct tcp_timer *t, u64 key)
{
	t->key = key;
	t->child = t->sibling = NULL;
	t->armed = true;
	set_root(merge(root, t));
}

static void take_out(struct tcp_timer *t)
{
	struct tcp_timer *rest = merge_siblings(t->child);

	t->child = NULL;
	t->armed = false;
	if (t == root) {
		set_root(rest);
		return;
	}
	*t->back = t->sibling;
	if (t->sibling != NULL)
		t->sibling->back = t->back;
	set_root(merge(root, rest));
}

static void run(struct timer *timer)
{
	u64 now = now_ns();

	(void)timer;
	net_enter();
	while (root != NULL && root->key <= now) {
		struct tcp_timer *t = root;

		take_out(t);
		t->expired(t);
	}
	net_leave();
	if (root != NULL)
		timer_arm(&clock, root->key);
}

void tcp_timer_arm(struct tcp_timer *t, u64 deadline)
{
	if (t->armed && t->key <= deadline)
		return;
	if (t->armed)
		take_out(t);
	insert(t, deadline);
	if (root == t && (!clock.armed || clock.deadline > deadline)) {
		clock.expired = run;
		timer_arm(&clock, deadline);
	}
}

void tcp_timer_cancel(struct tcp_timer *t)
{
	if (t->armed)
		take_out(t);
	if (root == NULL)
		timer_cancel(&clock);
}

/* ---- a connection's deadlines ---- */

static u64 earliest(const struct tcp *c)
{
	return MIN(c->rtx_at, MIN(c->delack_at, c->keep_at));
}

void tcp_rtx_arm(struct tcp *c, u8 what, u64 at)
{
	c->rtx = what;
	c->rtx_at = at;
	tcp_timer_arm(&c->timer, at);
}

void tcp_rtx_cancel(struct tcp *c)
{
	c->rtx = RTX_NONE;
	c->rtx_at = NEVER;
}

void tcp_delack_arm(struct tcp *c, u64 at)
{
	c->delack_at = at;
	tcp_timer_arm(&c->timer, at);
}

static u64 backed_off(const struct tcp *c)
{
	u64 rto = c->rto << MIN(c->backoff, 16);

	return MIN(rto, TCP_RTO_MAX);
}

/* What is to be waited for now: an acknowledgement, or a window. */
void tcp_rtx_rearm(struct tcp *c)
{
	u64 now = now_ns();

	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV)
		tcp_rtx_arm(c, RTX_RTO, now + backed_off(c));
	else if (!list_empty(&c->segments))
		tcp_rtx_arm(c, RTX_RTO, now + backed_off(c));
	else if (tcp_unsent(c) > 0)
		tcp_rtx_arm(c, RTX_PROBE, now + backed_off(c));
	else
		tcp_rtx_cancel(c);
}

void tcp_keep_arm(struct tcp *c)
{
	u64 now = now_ns(), last;

	c->keep_at = NEVER;
	if (c->orphan || !c->s.opt.keep_alive || !TCP_IN(c->state, TCP_SYNCHRONIZED))
		return;
	last = MAX(c->stats.last_ack_received, c->stats.last_data_received);
	if (c->keep_probes > 0)
		c->keep_at = now + c->keep_intvl * NS_PER_S;
	else
		c->keep_at = MAX(last + c->keep_idle * NS_PER_S, now);
	tcp_timer_arm(&c->timer, c->keep_at);
}

/* ---- expiry ---- */

/* Whether a row of fruitless retransmissions has lasted long enough. */
static bool given_up(const struct tcp *c)
{
	u8 most = c->orphan ? TCP_ORPHAN_RETRIES : TCP_RETRIES;

	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV)
		most = c->syn_retries;
	if (c->user_timeout_ms != 0 && c->rtx_since != 0)
		return now_ns() - c->rtx_since >= c->user_timeout_ms * NS_PER_MS;
	return c->retries >= most;
}

static void time_out(struct tcp *c)
{
	tcp_done(c, c->soft_error != 0 ? c->soft_error : ETIMEDOUT);
}

static void retransmission_timeout(struct tcp *c)
{
	if (c->rtx_since == 0)
		c->rtx_since = now_ns();
	if (given_up(c)) {
		time_out(c);
		return;
	}
	c->retries++;
	c->backoff++;
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV) {
		c->stats.retrans++;
		tcp_send_syn(c);
	} else {
		tcp_cc_timeout(c);
		tcp_segments_all_lost(c);
		tcp_output(c);
	}
}

/* The persist timer (RFC 9293, 3.8.6.1): the window is zero, or too small for
 * what is to be sent, or the segment at the end was held back long enough. */
static void probe_timeout(struct tcp *c)
{
	if (c->probes == 0)
		c->rtx_since = now_ns();
	/* a peer that answers keeps a program's connection, but not an orphan */
	if (c->probes >= TCP_RETRIES || (c->orphan && c->backoff >= TCP_ORPHAN_RETRIES) ||
	    (c->user_timeout_ms != 0 &&
	     now_ns() - c->rtx_since >= c->user_timeout_ms * NS_PER_MS)) {
		time_out(c);
		return;
	}
	if (!tcp_send_new(c, c->mss)) {
		c->probes++;
		c->backoff++;
		tcp_send_probe(c);
	}
}

static void rtx_timeout(struct tcp *c, u8 what)
{
	switch (what) {
	case RTX_TLP:
		tcp_tlp_send(c);
		break;
	case RTX_REORDER:
		tcp_rack_detect(c, now_ns());
		tcp_output(c);
		break;
	case RTX_PROBE:
		probe_timeout(c);
		break;
	default:
		retransmission_timeout(c);
	}
	if (c->rtx == RTX_NONE && c->state != TCP_CLOSE)
		tcp_rtx_rearm(c);
}

static void keep_timeout(struct tcp *c)
{
	u64 last = MAX(c->stats.last_ack_received, c->stats.last_data_received);
	u64 now = now_ns();

	if (c->orphan) {
		tcp_done(c, 0);
		return;
	}
	/* data in flight is probe enough */
	if (now - last < c->keep_idle * NS_PER_S || !list_empty(&c->segments)) {
		c->keep_probes = 0;
	} else if (c->keep_probes >= c->keep_cnt ||
		   (c->user_timeout_ms != 0 && c->keep_probes > 0 &&
		    now - last >= c->user_timeout_ms * NS_PER_MS)) {
		tcp_send_reset(c);
		time_out(c);
		return;
	} else {
		c->keep_probes++;
		tcp_send_probe(c);
	}
	tcp_keep_arm(c);
}

/* One deadline a time: the heap calls again at once if another has passed. */
void tcp_timer_expired(struct tcp_timer *timer)
{
	struct tcp *c = container_of(timer, struct tcp, timer);
	u64 now = now_ns();
	bool delack = c->delack_at <= now, rtx = !delack && c->rtx_at <= now;
	bool keep = !delack && !rtx && c->keep_at <= now;
	u8 what = c->rtx;

	if (delack)
		c->delack_at = NEVER;
	else if (rtx)
		tcp_rtx_cancel(c);
	else if (keep)
		c->keep_at = NEVER;
	if (earliest(c) != NEVER)
		tcp_timer_arm(timer, earliest(c));
	if (delack) {
		c->pingpong = false; /* the answer didn't come */
		c->ack_now |= c->ack_later;
		tcp_output(c);
	} else if (rtx) {
		rtx_timeout(c, what);
	} else if (keep) {
		keep_timeout(c);
	}
}
