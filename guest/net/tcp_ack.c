/*
 * What an acknowledgement tells: bytes that arrived, the peer's window, the
 * round-trip time (RFC 6298), and whether something is lost: with SACK by
 * RACK, without by counting duplicate ACKs (NewReno, RFC 6582).
 */
#include "tcp_conn.h"

/* ---- round-trip times ---- */

void tcp_min_put(struct tcp_min *m, u64 value, u64 now)
{
	if (m->since == 0 || now - m->since > 5 * NS_PER_S) {
		m->value[1] = m->since == 0 ? value : m->value[0];
		m->value[0] = value;
		m->since = now;
	}
	m->value[0] = MIN(m->value[0], value);
}

u64 tcp_min_get(const struct tcp_min *m)
{
	return MIN(m->value[0], m->value[1]);
}

/* RFC 6298, 2.3, with Linux's lower bound: on the variance, so that a timeout
 * stays clear of the peer's delayed ACKs. */
void tcp_rto_update(struct tcp *c)
{
	c->rto = MIN(c->srtt + MAX(4 * c->rttvar, TCP_RTO_MIN), TCP_RTO_MAX);
}

void tcp_rtt_sample(struct tcp *c, u64 rtt)
{
	u64 delta = rtt > c->srtt ? rtt - c->srtt : c->srtt - rtt;

	rtt = MAX(rtt, 1ull);
	if (c->srtt == 0) {
		c->srtt = rtt;
		c->rttvar = rtt / 2;
	} else {
		c->rttvar = c->rttvar - c->rttvar / 4 + delta / 4;
		c->srtt = c->srtt - c->srtt / 8 + rtt / 8;
	}
	tcp_min_put(&c->rtt_min, rtt, now_ns());
	tcp_rto_update(c);
	tcp_cc_rtt(c, rtt);
}

/* Of segments that were sent twice only the timestamp can tell (RFC 7323, 4). */
static void sample_by_timestamp(struct tcp *c, const struct tcp_in *in)
{
	u32 ms = tcp_ts_clock() + c->ts_offset - in->opt.tsecr;

	if (c->ts_ok && in->opt.ts && in->opt.tsecr != 0 && ms < TCP_RTO_MAX / NS_PER_MS)
		tcp_rtt_sample(c, ms * NS_PER_MS);
}

/* ---- the window (RFC 9293, 3.10.7.4) ---- */

static bool update_window(struct tcp *c, const struct tcp_in *in)
{
	u32 window = in->window << c->snd_wscale;
	bool changed = window != c->snd_wnd;

	if (!seq_lt(c->snd_wl1, in->seq) && (c->snd_wl1 != in->seq || seq_lt(in->ack, c->snd_wl2)))
		return false;
	c->snd_wl1 = in->seq;
	c->snd_wl2 = in->ack;
	c->snd_wnd = window;
	c->max_wnd = MAX(c->max_wnd, window);
	return changed;
}

/* ---- what is acknowledged ---- */

/* A segment, or its part up to `end`, has arrived. */
static void acked(struct tcp *c, const struct tcp_segment *s, u32 end, u64 now)
{
	struct tcp_segment part = *s;

	if (s->sacked)
		return;
	part.end = end;
	c->delivered_ack += end - s->seq;
	tcp_rack_delivered(c, &part, now);
}

/* Takes what is acknowledged off the list. *resent: the first of it had been
 * sent twice; *rtt: the round trip of the oldest segment, or NEVER. What comes
 * behind a segment that was sent twice has only been waiting for it: that is no
 * round trip. */
static void clean(struct tcp *c, u32 ack, u64 now, bool *resent, u64 *rtt)
{
	bool first = true, twice = false;

	while (!list_empty(&c->segments)) {
		struct tcp_segment *s = tcp_segment_of(c->segments.next);
		u32 end = seq_le(s->end, ack) ? s->end : ack;

		if (seq_le(end, s->seq))
			break;
		if (first)
			*resent = s->retransmitted;
		first = false;
		twice |= s->retransmitted;
		if (!twice && !s->sacked && *rtt == NEVER)
			*rtt = now - s->when;
		acked(c, s, end, now);
		if (end == s->end)
			tcp_segment_free(c, s);
		else
			tcp_segment_trim(c, s, end);
	}
}

/* The first retransmission's timestamp is later than the one echoed. */
static bool spurious(const struct tcp *c, const struct tcp_in *in, bool resent)
{
	return resent && c->undo_ts != 0 && c->ca >= CA_RECOVERY && c->ts_ok && in->opt.ts &&
	       in->opt.tsecr != 0 && seq_lt(in->opt.tsecr, c->undo_ts);
}

static void advance(struct tcp *c, const struct tcp_in *in)
{
	u32 n = in->ack - c->snd_una;
	bool resent = false;
	u64 rtt = NEVER;

	clean(c, in->ack, in->now, &resent, &rtt);
	c->snd_una = in->ack;
	c->stats.bytes_acked += n;
	tcp_chunks_acked(c);
	c->retries = c->backoff = 0;
	c->rtx_since = 0;
	c->soft_error = 0;
	if (rtt != NEVER)
		tcp_rtt_sample(c, rtt);
	else
		sample_by_timestamp(c, in);
	if (spurious(c, in, resent))
		tcp_cc_undo(c);
	c->undo_ts = 0;
	if (in->now - c->confirmed_at > NS_PER_S) { /* a look-up: not for each ACK */
		c->confirmed_at = in->now;
		ip_confirm(&c->node.remote);
	}
}

/* ---- NewReno, for peers without SACK ---- */

static void first_is_lost(struct tcp *c)
{
	struct tcp_segment *s;

	if (list_empty(&c->segments))
		return;
	s = tcp_segment_of(c->segments.next);
	if (s->end - s->seq > c->mss)
		tcp_segment_split(c, s, s->seq + c->mss);
	tcp_segment_lost(c, s);
	tcp_cc_recovery(c);
}

static void reno(struct tcp *c, u32 n, bool duplicate)
{
	if (duplicate) {
		c->dupacks += c->dupacks < UINT8_MAX;
		if (c->reno_sacked + c->lost + c->mss <= tcp_flight(c)) {
			c->reno_sacked += c->mss;
			c->delivered_ack += c->mss;
		}
		if (c->dupacks == TCP_DUPACKS && c->ca < CA_RECOVERY)
			first_is_lost(c);
		return;
	}
	if (n == 0)
		return;
	c->dupacks = 0;
	if (c->ca == CA_RECOVERY && seq_lt(c->snd_una, c->recover)) {
		/* a partial ACK: the next one is lost too */
		c->reno_sacked -= MIN(c->reno_sacked, n);
		if (!list_empty(&c->segments) && !tcp_segment_of(c->segments.next)->retransmitted)
			first_is_lost(c);
	} else {
		c->reno_sacked = 0;
	}
}

/* ---- the whole ---- */

static void congestion(struct tcp *c, u32 n, u32 lost_before, u64 now)
{
	if (c->ca >= CA_RECOVERY && seq_ge(c->snd_una, c->recover)) {
		if (c->ca == CA_RECOVERY)
			tcp_cc_recovered(c);
		c->ca = CA_OPEN;
		c->reno_sacked = 0;
	}
	if (c->ca == CA_RECOVERY)
		tcp_cc_in_recovery(c, c->delivered_ack, n > 0 && c->lost <= lost_before);
	else if (n > 0)
		tcp_cc_acked(c, n, now);
	if (c->ca < CA_CWR)
		c->ca = c->sacked > 0 || c->dupacks > 0 ? CA_DISORDER : CA_OPEN;
}

static void digest(struct tcp *c, struct tcp_in *in)
{
	u32 prior = c->snd_una, n = in->ack - prior, lost = c->lost;
	bool window = update_window(c, in), dsack;
	bool duplicate = n == 0 && !window && in->len == 0 && !(in->flags & TH_FIN) &&
			 !list_empty(&c->segments);

	c->delivered_ack = 0;
	c->echoed = c->ts_ok && in->opt.ts ? in->opt.tsecr : 0;
	c->probes = 0;
	if (n > 0)
		advance(c, in);
	dsack = tcp_sack_input(c, in, prior);
	if (c->delivered_ack > 0)
		c->rack.probes = 0;
	if (n > 0 || (window && list_empty(&c->segments))) {
		if (window)
			c->backoff = 0;
		tcp_rtx_rearm(c);
	}
	if (c->rack.tlp_out)
		tcp_tlp_ack(c, in, dsack);
	if (c->sack_ok)
		tcp_rack_detect(c, in->now);
	else
		reno(c, n, duplicate);
	congestion(c, n, lost, in->now);
	if (n > 0) {
		tcp_sndbuf_tune(c);
		tcp_wake_writers(c);
	}
	if (tcp_unsent(c) > 0 || c->lost > c->retrans)
		tcp_output_later(c);
	else if (n > 0)
		tcp_tlp_arm(c, in->now);
}

bool tcp_ack(struct tcp *c, struct tcp_in *in)
{
	c->stats.last_ack_received = in->now;
	c->keep_probes = 0;
	if (seq_gt(in->ack, c->snd_nxt) || seq_lt(in->ack, c->snd_una - c->max_wnd)) {
		tcp_challenge_ack(c); /* RFC 5961, 5.2 */
		return false;
	}
	if (seq_lt(in->ack, c->snd_una))
		return true; /* overtaken by a later one */
	if (in->ack == c->snd_una && list_empty(&c->segments) && in->opt.nsack == 0 &&
	    in->window << c->snd_wscale == c->snd_wnd) {
		c->probes = 0;
		c->snd_wl1 = seq_max(c->snd_wl1, in->seq);
		return true; /* of a flow in the other direction: nothing new */
	}
	digest(c, in);
	return true;
}
