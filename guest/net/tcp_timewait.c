/*
 * TIME-WAIT (RFC 9293, 3.6.1): for a minute the four numbers of a connection
 * that ended are kept in a small object, so that a repeated FIN is answered
 * and late segments harm no successor. FIN-WAIT-2 of a connection that nobody
 * will read is kept in the same way. There are only so many; the oldest gives
 * way.
 *
 * A SYN that is clearly newer opens a new connection at once (RFC 6191); a
 * reset does not end the wait (RFC 1337).
 */
#include "tcp_conn.h"
#include "../libos/frames.h"
#include "../libos/heap.h"

#define MOST         16384
#define ACK_INTERVAL (500 * NS_PER_MS)
#define ISS_STEP     65537 /* beyond any window without scaling, as on Linux */
#define REUSE_AFTER  (1 * NS_PER_S)

struct timewait {
	struct tcp_node node;
	struct port_binding port;
	struct list link; /* by age */
	struct tcp_timer timer;
	u8 state; /* TCP_TIME_WAIT, TCP_FIN_WAIT2 */
	bool ts_ok;
	u16 window;
	u32 rcv_nxt, snd_nxt, ts_recent, ts_offset;
	u64 since, acked_at;
	unsigned ifindex;
};

static struct list all = { &all, &all };
static unsigned count;

static struct timewait *timewait_of(struct tcp_node *node)
{
	return container_of(node, struct timewait, node);
}

enum tcp_state tcp_timewait_state(const struct tcp_node *node, u64 *end)
{
	const struct timewait *w = container_of(node, const struct timewait, node);

	*end = w->since + TCP_2MSL;
	return w->state;
}

static void timewait_free(struct timewait *w)
{
	tcp_table_del(&w->node);
	ports_unbind(&tcp_ports, &w->port);
	tcp_timer_cancel(&w->timer);
	list_del(&w->link);
	count--;
	kfree(w);
}

static void expired(struct tcp_timer *timer)
{
	timewait_free(container_of(timer, struct timewait, timer));
}

void tcp_timewait_purge(void)
{
	while (!list_empty(&all))
		timewait_free(container_of(all.next, struct timewait, link));
}

/* A 32nd of the memory at most: 4,096 of them in 128 MiB. */
static unsigned most(void)
{
	return MIN(MAX(frames_total() / 8, 64ul), (u64)MOST);
}

static void restart(struct timewait *w, u64 time)
{
	tcp_timer_cancel(&w->timer);
	tcp_timer_arm(&w->timer, now_ns() + time);
}

static struct timewait *make(const struct tcp *c, enum tcp_state substate)
{
	struct timewait *w;

	if (count >= most())
		timewait_free(container_of(all.next, struct timewait, link));
	w = kalloc(sizeof(*w));
	if (w == NULL)
		return NULL;
	w->node = c->node;
	w->node.kind = NODE_TIMEWAIT;
	w->node.hashed = false;
	w->timer.expired = expired;
	w->state = substate;
	w->ts_ok = c->ts_ok;
	w->window = MIN((c->rcv_edge - c->rcv_nxt) >> c->rcv_wscale, 65535u);
	w->rcv_nxt = c->rcv_nxt;
	w->snd_nxt = c->snd_nxt;
	w->ts_recent = c->ts_recent;
	w->ts_offset = c->ts_offset;
	w->ifindex = c->ifindex;
	w->since = now_ns();
	list_add_tail(&all, &w->link);
	count++;
	return w;
}

void tcp_time_wait(struct tcp *c, enum tcp_state substate)
{
	struct timewait *w = substate == TCP_FIN_WAIT2 && c->linger2 < 0 ? NULL : make(c, substate);
	u64 time = TCP_2MSL;

	if (c->ack_now)
		tcp_send_ack(c);
	if (w != NULL) {
		if (substate == TCP_FIN_WAIT2 && c->linger2 > 0)
			time = c->linger2 * NS_PER_S;
		if (c->port.port != 0)
			ports_inherit(&tcp_ports, &w->port, &c->port);
	}
	tcp_done(c, 0);
	if (w != NULL) {
		tcp_table_add(&w->node);
		restart(w, time);
	}
}

static void acknowledge(struct timewait *w)
{
	struct tcp_bare b = {
		.local = w->node.local,
		.remote = w->node.remote,
		.ifindex = w->ifindex,
		.lport = w->node.lport,
		.rport = w->node.rport,
		.seq = w->snd_nxt,
		.ack = w->rcv_nxt,
		.window = w->window,
		.flags = TH_ACK,
		.opt = { .ts = w->ts_ok, .tsecr = w->ts_recent },
	};
	u64 now = now_ns();

	if (w->acked_at != 0 && now - w->acked_at < ACK_INTERVAL)
		return;
	w->acked_at = now;
	b.opt.tsval = tcp_ts_clock() + w->ts_offset;
	tcp_send_bare(&b);
}

/* The peer's FIN, or what should not come any more, at a half-closed one. */
static void half_closed(struct timewait *w, const struct tcp_in *in)
{
	bool fin = in->flags & TH_FIN;

	if (seq_lt(in->end, w->rcv_nxt) || (in->end == w->rcv_nxt && in->end != in->seq)) {
		acknowledge(w); /* sent again */
		return;
	}
	if (in->flags & TH_RST) {
		if (in->seq == w->rcv_nxt)
			timewait_free(w);
		return;
	}
	if (in->end != in->seq && (in->end - w->rcv_nxt != 1 || !fin)) {
		tcp_reset_answer(in); /* data that nobody will read, or a SYN */
		timewait_free(w);
		return;
	}
	if (!fin)
		return;
	w->rcv_nxt = in->end;
	w->state = TCP_TIME_WAIT;
	w->since = in->now;
	if (in->opt.ts)
		w->ts_recent = in->opt.tsval;
	restart(w, TCP_2MSL);
	w->acked_at = 0;
	acknowledge(w);
}

static bool newer_syn(const struct timewait *w, const struct tcp_in *in)
{
	if ((in->flags & (TH_SYN | TH_ACK | TH_RST)) != TH_SYN)
		return false;
	if (w->ts_ok && in->opt.ts)
		return seq_gt(in->opt.tsval, w->ts_recent) ||
		       (in->opt.tsval == w->ts_recent && seq_gt(in->seq, w->rcv_nxt));
	return seq_gt(in->seq, w->rcv_nxt);
}

bool tcp_timewait_input(struct tcp_node *node, struct tcp_in *in)
{
	struct timewait *w = timewait_of(node);

	if (w->state == TCP_FIN_WAIT2) {
		half_closed(w, in);
		return false;
	}
	if (newer_syn(w, in)) {
		in->iss = w->snd_nxt + ISS_STEP;
		in->iss += in->iss == 0;
		timewait_free(w);
		return true;
	}
	if (in->flags & TH_RST)
		return false;
	if (in->end != in->seq || in->seq != w->rcv_nxt) {
		if (in->flags & TH_FIN)
			restart(w, TCP_2MSL);
		acknowledge(w);
	}
	return false;
}

bool tcp_timewait_reuse(struct tcp_node *node, u32 *iss)
{
	struct timewait *w = timewait_of(node);

	if (!w->ts_ok || now_ns() - w->since < REUSE_AFTER)
		return false;
	*iss = w->snd_nxt + ISS_STEP;
	*iss += *iss == 0;
	timewait_free(w);
	return true;
}
