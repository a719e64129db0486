/*
 * Congestion control: slow start with HyStart++ (RFC 9406), CUBIC (RFC 9438),
 * proportional rate reduction while a loss is repaired (RFC 6937, with the
 * bounds of its revision), and going back on it all where the loss turns out
 * not to have been one (RFC 4015). Windows are in bytes; CUBIC's arithmetic is
 * in whole numbers, with times in ms.
 *
 *   CA_OPEN      all is well (CA_DISORDER: something is SACKed)
 *   CA_RECOVERY  segments were lost and are sent again, until `recover`
 *   CA_LOSS      the retransmission timer expired: everything is sent again
 */
#include "tcp_conn.h"

/* RFC 9438: beta 0.7; C 0.4 segments/s^3; Reno-friendly alpha 0.529 */
#define BETA(w)       ((u64)(w)*7 / 10)
#define MAX_MS        100000 /* beyond, the cube would not fit; the clamps rule long before */
#define CWND_MAX      (64u << 20)
#define HY_SAMPLES    8 /* RFC 9406, 4.2 ... */
#define HY_MIN        (4 * NS_PER_MS)
#define HY_MAX        (16 * NS_PER_MS)
#define HY_CSS_DIV    4
#define HY_CSS_ROUNDS 5

static u32 initial_window(const struct tcp *c)
{
	return MIN(TCP_INITIAL_WINDOW * c->mss, MAX(2 * c->mss, 14600u)); /* RFC 6928, 2 */
}

void tcp_cc_init(struct tcp *c)
{
	c->cwnd = initial_window(c);
	c->ssthresh = UINT32_MAX;
	c->ca = CA_OPEN;
	c->cubic.round_end = c->snd_nxt;
	c->cubic.round_min = c->cubic.last_round_min = NEVER;
	c->rack.reo_mult = 1;
	c->rack.fack = c->snd_una;
	c->rack.dsack_round = c->snd_una;
}

/* ---- slow start ---- */

static void hystart_round(struct tcp *c)
{
	struct tcp_cubic *q = &c->cubic;

	q->last_round_min = q->round_min;
	q->round_min = NEVER;
	q->round_end = c->snd_nxt;
	q->samples = 0;
	if (q->css && ++q->css_rounds >= HY_CSS_ROUNDS) {
		c->ssthresh = c->cwnd;
		q->css = false;
	}
}

/* A round-trip time in slow start: whether a queue is building up. */
void tcp_cc_rtt(struct tcp *c, u64 rtt)
{
	struct tcp_cubic *q = &c->cubic;
	u64 threshold;

	if (c->cwnd >= c->ssthresh)
		return;
	q->round_min = MIN(q->round_min, rtt);
	q->samples += q->samples < HY_SAMPLES;
	if (q->samples < HY_SAMPLES || q->last_round_min == NEVER)
		return;
	threshold = MAX(HY_MIN, MIN(q->last_round_min / 8, HY_MAX));
	if (!q->css && q->round_min >= q->last_round_min + threshold) {
		q->css = true;
		q->css_rounds = 0;
		q->css_min = q->round_min;
	} else if (q->css && q->round_min < q->css_min) {
		q->css = false;
	}
}

static u32 slow_start(struct tcp *c, u32 acked)
{
	u32 grow = MIN(acked, c->ssthresh - c->cwnd);

	c->cwnd += c->cubic.css ? grow / HY_CSS_DIV : grow;
	return acked - grow;
}

/* ---- CUBIC ---- */

static u32 cube_root(u64 x)
{
	u64 root = 0;

	for (int bit = 20; bit >= 0; bit--) {
		u64 t = root | 1ull << bit;

		if (t * t * t <= x)
			root = t;
	}
	return root;
}

/* 4.2: where the curve begins after a reduction. */
static void begin_epoch(struct tcp *c, u64 now)
{
	struct tcp_cubic *q = &c->cubic;

	q->epoch = now;
	q->w_est = c->cwnd;
	if (c->cwnd < q->w_max) {
		q->k_ms = cube_root((u64)(q->w_max - c->cwnd) * 2500000000ull / c->mss);
		q->origin = q->w_max;
	} else {
		q->k_ms = 0;
		q->origin = c->cwnd;
	}
}

/* W_cubic(t), 4.1: C * (t - K)^3 + origin. */
static u32 curve(const struct tcp *c, u64 ms)
{
	const struct tcp_cubic *q = &c->cubic;
	bool below = ms < q->k_ms;
	u64 d = MIN(below ? q->k_ms - ms : ms - q->k_ms, (u64)MAX_MS);
	u64 delta = d * d * d / 1000 * c->mss / 2500000; /* C = 0.4; ms, not s */

	if (below)
		return delta < q->origin ? q->origin - delta : 0;
	return MIN(q->origin + delta, (u64)CWND_MAX);
}

static void avoid_congestion(struct tcp *c, u32 acked, u64 now)
{
	struct tcp_cubic *q = &c->cubic;
	u64 target;

	if (q->epoch == 0)
		begin_epoch(c, now);
	target = curve(c, (now - q->epoch + c->srtt) / NS_PER_MS);
	target = MAX((u64)c->cwnd, MIN(target, (u64)c->cwnd * 3 / 2)); /* 4.4 */
	/* 4.3: no slower than Reno */
	q->w_est += (u64)acked * c->mss * (q->w_est < q->w_last_max ? 529 : 1000) / 1000 / c->cwnd;
	q->acked += acked;
	if (q->acked >= c->mss) {
		c->cwnd += (target - c->cwnd) * q->acked / c->cwnd;
		q->acked = 0;
	}
	if (q->w_est > c->cwnd && curve(c, (now - q->epoch) / NS_PER_MS) < q->w_est)
		c->cwnd = q->w_est;
}

/* New data was acknowledged, outside of recovery. */
void tcp_cc_acked(struct tcp *c, u32 acked, u64 now)
{
	if (c->cwnd < c->ssthresh && seq_ge(c->snd_una, c->cubic.round_end))
		hystart_round(c);
	if (!c->cwnd_limited) /* RFC 9438, 4.2: not while the program sends too little */
		return;
	if (c->cwnd < c->ssthresh)
		acked = slow_start(c, acked);
	if (acked > 0 && c->cwnd >= c->ssthresh)
		avoid_congestion(c, acked, now);
	c->cwnd = MIN(c->cwnd, CWND_MAX);
}

/* ---- reductions ---- */

/* 4.6, 4.7 (fast convergence) */
static void reduce(struct tcp *c)
{
	struct tcp_cubic *q = &c->cubic;

	c->prior_cwnd = c->cwnd;
	c->prior_ssthresh = c->ssthresh;
	c->undo_armed = true;
	c->undo_from = c->snd_una;
	c->undo_count = 0;
	q->epoch = 0;
	q->css = false;
	q->w_last_max = c->cwnd;
	q->w_max = c->cwnd < q->w_max ? (u64)c->cwnd * 17 / 20 : c->cwnd;
	c->ssthresh = MAX((u32)BETA(c->cwnd), 2 * c->mss);
}

void tcp_cc_recovery(struct tcp *c)
{
	if (c->ca >= CA_RECOVERY)
		return;
	reduce(c);
	c->ca = CA_RECOVERY;
	c->recover = c->snd_nxt;
	c->undo_ts = 0;
	c->rack.tlp_out = false; /* its loss is being repaired */
	c->rack.probes = 0;
	c->prr = (struct tcp_prr){ .flight = MAX(tcp_flight(c), 1u) };
}

/* RFC 6937, 3; `progress`: snd_una moves and nothing new was found lost. */
void tcp_cc_in_recovery(struct tcp *c, u32 delivered, bool progress)
{
	struct tcp_prr *p = &c->prr;
	u32 pipe = tcp_pipe(c), n;

	p->delivered += delivered;
	if (pipe > c->ssthresh) {
		u64 due = ((u64)p->delivered * c->ssthresh + p->flight - 1) / p->flight;

		n = due > p->out ? due - p->out : 0;
	} else {
		u32 limit = p->delivered > p->out ? p->delivered - p->out : 0;

		limit = MAX(limit, delivered) + (progress ? c->mss : 0);
		n = MIN(c->ssthresh - pipe, limit);
	}
	if (p->out == 0)
		n = MAX(n, c->mss); /* the first retransmission goes at once */
	c->cwnd = pipe + n;
}

void tcp_cc_recovered(struct tcp *c)
{
	c->cwnd = MAX(c->ssthresh, 2 * c->mss);
	c->ca = CA_OPEN;
	if (c->rack.reo_persist > 0 && --c->rack.reo_persist == 0)
		c->rack.reo_mult = 1;
}

void tcp_cc_timeout(struct tcp *c)
{
	/* RFC 5681, 3.1: a segment lost again reduces nothing again */
	if (c->ca < CA_RECOVERY || (c->ca == CA_LOSS && c->retries <= 1))
		reduce(c);
	if (c->ca != CA_LOSS)
		c->undo_ts = 0;
	c->ca = CA_LOSS;
	c->recover = c->snd_nxt;
	c->cwnd = c->mss;
	c->cubic.epoch = 0;
	c->rack.tlp_out = false;
}

/* The first segment that was sent again had arrived the first time: nothing
 * was lost (RFC 4015, 3.2). */
void tcp_cc_undo(struct tcp *c)
{
	struct list *at;

	list_for_each (at, &c->segments) {
		struct tcp_segment *s = tcp_segment_of(at);

		if (s->lost)
			tcp_segment_found(c, s);
	}
	c->cwnd = MAX(c->cwnd, c->prior_cwnd);
	c->ssthresh = MAX(c->ssthresh, c->prior_ssthresh);
	c->cubic.w_max = MAX(c->cubic.w_max, c->prior_cwnd);
	c->ca = CA_OPEN;
	c->undo_ts = 0;
	c->undo_armed = false;
}

/* A duplicate was reported. When all that was sent again since the reduction
 * has arrived twice, it was reordering and no loss (RFC 3708). */
void tcp_cc_duplicate(struct tcp *c, const struct tcp_block *dsack)
{
	u32 n = (dsack->end - dsack->start + c->mss - 1) / c->mss;

	if (!c->undo_armed || c->undo_count == 0 || seq_le(dsack->end, c->undo_from))
		return;
	c->undo_count -= MIN(n, c->undo_count);
	if (c->undo_count == 0)
		tcp_cc_undo(c);
}

/* RFC 5681, 4.1: after a silence the window is not trusted; it halves for each
 * timeout's time of it, as on Linux. */
void tcp_cc_idle(struct tcp *c)
{
	u32 floor = initial_window(c);
	u64 idle = now_ns() - c->stats.last_data_sent;

	if (c->stats.last_data_sent == 0 || idle < c->rto)
		return;
	c->ssthresh = MAX(c->ssthresh, c->cwnd / 4 * 3);
	for (; idle >= c->rto && c->cwnd > floor; idle -= c->rto)
		c->cwnd /= 2;
	c->cubic.epoch = 0;
}
