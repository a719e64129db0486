/*
 * RACK-TLP (RFC 8985): a segment is lost when one that was sent sufficiently
 * later has been delivered. "Sufficiently" is the reordering window: nothing
 * until reordering was seen and losses are being repaired, else a quarter of
 * the round-trip time, more when the peer reports duplicates (D-SACK). A probe
 * (TLP) after two round-trip times of silence at the end of a flight makes the
 * peer tell, before the slow retransmission timeout.
 *
 * For peers without SACK there is NewReno (RFC 6582) in tcp_ack.c instead.
 */
#include "tcp_conn.h"

#define PROBES      3 /* in a row */
#define REO_PERSIST 16 /* recoveries that a wider window lasts (RFC 8985, 6.2 step 4) */

/* Sent later: by time, then by sequence number (RFC 8985, 6.2 step 2). */
static bool sent_after(u64 t1, u32 end1, u64 t2, u32 end2)
{
	return t1 > t2 || (t1 == t2 && seq_gt(end1, end2));
}

/* Of a segment that was sent twice: its ACK echoes a time before the second
 * transmission, or came quicker than any round trip. */
static bool of_the_original(const struct tcp *c, const struct tcp_segment *s, u64 rtt)
{
	if (c->echoed != 0)
		return seq_lt(c->echoed, (u32)(s->when / NS_PER_MS) + c->ts_offset);
	return rtt < tcp_min_get(&c->rtt_min);
}

/* Called before the segment is taken off or marked (step 2 and 3). */
void tcp_rack_delivered(struct tcp *c, const struct tcp_segment *s, u64 now)
{
	struct tcp_rack *r = &c->rack;
	u64 rtt = now - s->when;

	if (s->sacked)
		return;
	if (seq_lt(s->end, r->fack) && !s->retransmitted) {
		c->stats.reorder_seen += !r->reordering;
		r->reordering = true;
	}
	r->fack = seq_max(r->fack, s->end);
	if (s->retransmitted && of_the_original(c, s, rtt))
		return;
	r->rtt = rtt;
	if (sent_after(s->when, s->end, r->when, r->end)) {
		r->when = s->when;
		r->end = s->end;
	}
}

/* A duplicate was reported: something was resent in vain (step 4). */
void tcp_rack_dsack(struct tcp *c)
{
	c->rack.dsack = true;
}

static u64 reordering_window(struct tcp *c)
{
	struct tcp_rack *r = &c->rack;
	u64 window;

	if (r->dsack && seq_ge(c->snd_una, r->dsack_round)) { /* once a round trip */
		r->dsack = false;
		r->dsack_round = c->snd_nxt;
		r->reo_mult = MIN(r->reo_mult + 1, 255);
		r->reo_persist = REO_PERSIST;
	}
	if (!r->reordering && (c->ca >= CA_RECOVERY || c->sacked >= TCP_DUPACKS * c->mss))
		return 0;
	window = tcp_min_get(&c->rtt_min) / 4 * r->reo_mult;
	return MIN(window, c->srtt);
}

/* Step 5. */
void tcp_rack_detect(struct tcp *c, u64 now)
{
	struct tcp_rack *r = &c->rack;
	u64 window, wait = 0;
	bool found = false;

	if (r->when == 0 || !c->sack_ok)
		return;
	window = reordering_window(c);
	while (!list_empty(&c->sent)) {
		struct tcp_segment *s = container_of(c->sent.next, struct tcp_segment, sent);
		u64 due = s->when + r->rtt + window;

		if (!sent_after(r->when, r->end, s->when, s->end))
			break;
		if (due > now) {
			wait = due;
			break;
		}
		tcp_segment_lost(c, s);
		found = true;
	}
	if (found)
		tcp_cc_recovery(c);
	if (wait != 0)
		tcp_rtx_arm(c, RTX_REORDER, wait);
}

/* ---- tail loss probe (RFC 8985, 7) ---- */

/* 7.2: in place of the retransmission timer, if it comes earlier. Beyond the RFC,
 * in recovery too, when all that repairs may be lost itself; the first segment
 * is then the one to send, and again, each time after twice the wait, until
 * something is delivered or the last of a row is left to the timeout. */
void tcp_tlp_arm(struct tcp *c, u64 now)
{
	u64 pto = c->srtt != 0 ? 2 * c->srtt : TCP_RTO_INITIAL;

	if (!c->sack_ok || c->ca > CA_RECOVERY || c->rack.tlp_out || c->rtx != RTX_RTO ||
	    c->backoff > 0)
		return;
	if (tcp_flight(c) <= c->mss) /* the peer may put its ACK off */
		pto += TCP_DELACK_MAX;
	else
		pto += 2 * NS_PER_MS; /* for timers and batches at both ends */
	if (c->ca == CA_RECOVERY) {
		if (c->rack.probes >= PROBES)
			return;
		pto <<= c->rack.probes;
	}
	if (now + pto < c->rtx_at)
		tcp_rtx_arm(c, RTX_TLP, now + pto);
}

/* 7.3 */
void tcp_tlp_send(struct tcp *c)
{
	struct tcp_segment *last;

	if (list_empty(&c->segments)) {
		tcp_rtx_rearm(c);
		return;
	}
	if (c->ca == CA_RECOVERY) {
		tcp_retransmit(c, tcp_segment_of(c->segments.next), c->mss);
		c->rack.probes++;
		tcp_rtx_rearm(c);
		tcp_tlp_arm(c, now_ns());
		return;
	}
	c->rack.tlp_retransmission = false;
	if (!tcp_send_new(c, c->mss)) {
		last = tcp_segment_of(c->segments.prev);
		if (last->end - last->seq > c->mss &&
		    tcp_segment_split(c, last, last->end - c->mss))
			last = tcp_segment_of(c->segments.prev);
		tcp_retransmit(c, last, c->mss + 1);
		c->rack.tlp_retransmission = true;
	}
	c->rack.tlp_end = c->snd_nxt;
	c->rack.tlp_out = true;
	tcp_rtx_rearm(c);
}

/* 7.4: whether the probe repaired a loss, which is a sign of congestion. A
 * D-SACK, or an ACK that acknowledges nothing new, says that both came. */
void tcp_tlp_ack(struct tcp *c, const struct tcp_in *in, bool dsack)
{
	struct tcp_rack *r = &c->rack;

	if (!r->tlp_out || seq_lt(in->ack, r->tlp_end))
		return;
	if (!r->tlp_retransmission || dsack || (c->delivered_ack == 0 && in->len == 0)) {
		r->tlp_out = false;
	} else if (seq_gt(in->ack, r->tlp_end)) {
		r->tlp_out = false;
		if (c->ca < CA_CWR) {
			tcp_cc_recovery(c);
			tcp_cc_recovered(c);
		}
	}
}
