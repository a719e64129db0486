/*
 * Received segments, in the order of RFC 9293, 3.10.7: to whom, whether
 * acceptable, RST, SYN, ACK, data, FIN.
 *
 * What is not acceptable is answered with an ACK, and so are RST and SYN that
 * might be forged (RFC 5961), but not often: somebody might want us to send.
 */
#include "tcp_conn.h"

#define CHALLENGE_INTERVAL (500 * NS_PER_MS) /* tcp_invalid_ratelimit */
#define PAWS_LIMIT         (24ull * 24 * 3600 * NS_PER_S) /* RFC 7323, 5.5 */

void tcp_challenge_ack(struct tcp *c)
{
	u64 now = now_ns();

	if (c->challenged_at != 0 && now - c->challenged_at < CHALLENGE_INTERVAL)
		return;
	c->challenged_at = now;
	c->ack_now = true;
	tcp_output_later(c);
}

/* ---- whether acceptable ---- */

/* RFC 7323, 5.3 R1: older than what came last, and that is not itself old. */
static bool paws_reject(const struct tcp *c, const struct tcp_in *in)
{
	return c->ts_ok && in->opt.ts && seq_lt(in->opt.tsval, c->ts_recent) &&
	       in->now - c->ts_recent_when < PAWS_LIMIT && !(in->flags & TH_RST);
}

static void update_timestamp(struct tcp *c, const struct tcp_in *in)
{
	if (c->ts_ok && in->opt.ts && seq_le(in->seq, c->last_ack_sent) &&
	    (seq_ge(in->opt.tsval, c->ts_recent) || in->now - c->ts_recent_when >= PAWS_LIMIT)) {
		c->ts_recent = in->opt.tsval;
		c->ts_recent_when = in->now;
	}
}

/* 3.10.7.4, first step. Its left edge is where we last acknowledged, so that
 * an ACK in a retransmission counts. */
static bool in_window(const struct tcp *c, const struct tcp_in *in)
{
	return seq_ge(in->end, c->last_ack_sent) && seq_le(in->seq, c->rcv_edge);
}

static void refuse(struct tcp *c, const struct tcp_in *in)
{
	if (in->flags & TH_RST)
		return;
	if (in->len == 0 && !(in->flags & (TH_SYN | TH_FIN))) {
		tcp_challenge_ack(c);
		return;
	}
	if (in->len > 0 && seq_lt(in->seq, c->rcv_nxt))
		tcp_dsack_set(c, in->seq, in->seq + in->len);
	c->ack_now = true;
	tcp_output_later(c);
}

/* RFC 5961, 3.2: only the very next number is believed. */
static void reset(struct tcp *c, const struct tcp_in *in)
{
	if (in->seq != c->rcv_nxt) {
		tcp_challenge_ack(c);
		return;
	}
	switch (c->state) {
	case TCP_SYN_RECV:
		tcp_done(c, ECONNREFUSED);
		break;
	case TCP_CLOSE_WAIT:
		tcp_done(c, EPIPE);
		break;
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		tcp_done(c, 0);
		break;
	default:
		tcp_done(c, ECONNRESET);
	}
}

static bool acceptable(struct tcp *c, struct tcp_in *in)
{
	if (likely(in->seq == c->rcv_nxt && (in->flags & (TH_RST | TH_SYN | TH_ACK)) == TH_ACK &&
		   !paws_reject(c, in)))
		return true;
	if (paws_reject(c, in) || !in_window(c, in)) {
		refuse(c, in);
		return false;
	}
	if (in->flags & TH_RST) {
		reset(c, in);
		return false;
	}
	if (in->flags & TH_SYN) { /* RFC 5961, 4.2 */
		tcp_challenge_ack(c);
		return false;
	}
	return in->flags & TH_ACK;
}

/* ---- states ---- */

/* Our FIN is acknowledged (3.10.7.4, fifth step). */
static void fin_acked(struct tcp *c)
{
	switch (c->state) {
	case TCP_FIN_WAIT1:
		c->state = TCP_FIN_WAIT2;
		tcp_wake(c);
		break;
	case TCP_CLOSING:
		tcp_time_wait(c, TCP_TIME_WAIT);
		break;
	case TCP_LAST_ACK:
		tcp_done(c, 0);
		break;
	default:
		break;
	}
}

static void data(struct tcp *c, struct tcp_in *in)
{
	bool any = in->len > 0 || in->flags & TH_FIN;

	if (!any)
		return;
	if (!TCP_IN(c->state, TCP_CAN_RECEIVE)) {
		c->ack_now = true; /* of a FIN that came before: again */
	} else if (c->orphan && in->len > 0 && seq_gt(in->seq + in->len, c->rcv_nxt)) {
		/* RFC 9293, 3.6.1: nobody will ever read it */
		tcp_abort(c, 0);
		return;
	} else {
		tcp_data_input(c, in);
	}
	if (c->state != TCP_CLOSE)
		tcp_ack_schedule(c);
}

void tcp_conn_input(struct tcp *c, struct tcp_in *in)
{
	c->stats.segs_in++;
	if (unlikely(c->state == TCP_SYN_SENT)) {
		tcp_syn_sent_input(c, in);
		return;
	}
	if (!acceptable(c, in))
		return;
	update_timestamp(c, in);
	if (unlikely(c->state == TCP_SYN_RECV)) {
		if (in->ack != c->snd_nxt) {
			tcp_reset_answer(in);
			return;
		}
		c->snd_una = in->ack;
		c->snd_wnd = c->max_wnd = in->window << c->snd_wscale;
		c->snd_wl1 = in->seq;
		c->snd_wl2 = in->ack;
		tcp_establish(c);
	}
	if (!tcp_ack(c, in))
		return;
	if (unlikely(c->fin_queued && c->snd_una == c->snd_end + 1))
		fin_acked(c);
	if (c->state != TCP_CLOSE)
		data(c, in);
	if (unlikely(c->state == TCP_FIN_WAIT2 && c->orphan)) /* nobody is left to read */
		tcp_time_wait(c, TCP_FIN_WAIT2);
}

/* ---- to whom ---- */

static bool parse(struct tcp_in *in, struct pkt *pkt)
{
	struct tcp_header *h = pkt_header(pkt, sizeof(*h));
	u32 header;

	if (h == NULL || pkt->from_link != PKT_HOST || ip_is_multicast(&pkt->dst) ||
	    ip_is_any(&pkt->src) || !ip_checksum_good(pkt))
		return false;
	header = (h->offset >> 4) * 4;
	if (header < sizeof(*h) || header > pkt->total)
		return false;
	h = pkt_pull(pkt, header);
	if (h == NULL)
		return false;
	in->pkt = pkt;
	in->header = (u8 *)h;
	in->seq = ntohl(h->seq);
	in->ack = ntohl(h->ack);
	in->window = ntohs(h->window);
	in->flags = h->flags;
	in->len = pkt->total;
	in->end = in->seq + in->len + !!(h->flags & TH_SYN) + !!(h->flags & TH_FIN);
	in->now = now_ns();
	in->iss = 0;
	tcp_options_parse(&in->opt, in->header + sizeof(*h), header - sizeof(*h),
			  h->flags & TH_SYN);
	return true;
}

static void dispatch(struct tcp_node *node, struct tcp_in *in)
{
	struct tcp *l;

	if (node != NULL && node->kind == NODE_CONN) {
		tcp_conn_input(tcp_of_node(node), in);
		return;
	}
	if (node != NULL && node->kind == NODE_REQUEST) {
		tcp_request_input(node, in);
		return;
	}
	if (node != NULL && !tcp_timewait_input(node, in))
		return;
	l = tcp_listener_find(in);
	if (l != NULL)
		tcp_listener_input(l, in);
	else
		tcp_reset_answer(in);
}

void tcp_input(struct pkt *pkt)
{
	const struct tcp_header *h;
	struct tcp_in in;

	if (!parse(&in, pkt)) {
		pkt_free(pkt);
		return;
	}
	h = (const struct tcp_header *)in.header;
	dispatch(tcp_table_find(&pkt->dst, ntohs(h->dest), &pkt->src, ntohs(h->source)), &in);
	pkt_free(in.pkt);
}

/* ---- ICMP (RFC 5927: only about what is in flight) ---- */

static void too_long(struct tcp *c, u32 mtu)
{
	struct ip_path path;

	if (ip_route(&c->node.local, &c->node.remote, c->ifindex, &path) < 0)
		return;
	path.mtu = MIN(path.mtu, MAX(mtu, ip_is4(&c->node.remote) ? 552u : 1280u));
	if (path.mtu >= c->path.mtu)
		return;
	c->path = path;
	tcp_set_mss(c);
	/* what is in flight is too long too: again, at once (RFC 8899, 3) */
	if (TCP_IN(c->state, TCP_SYNCHRONIZED)) {
		tcp_segments_all_lost(c);
		tcp_output_later(c);
	}
}

static void conn_error(struct tcp *c, u32 seq, int error, u32 mtu)
{
	if (seq_lt(seq, c->snd_una) || seq_gt(seq, c->snd_nxt))
		return;
	if (error == EMSGSIZE) {
		too_long(c, mtu);
	} else if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV) {
		tcp_done(c, error); /* RFC 9293, 3.9.2.2: while connecting, as Linux */
	} else {
		c->soft_error = error; /* it may pass */
	}
}

void tcp_error(struct pkt *pkt, int error, u32 mtu)
{
	const struct tcp_header *h = pkt_header(pkt, 8);
	struct tcp_node *node;

	if (h == NULL)
		return;
	node = tcp_table_find(&pkt->src, ntohs(h->source), &pkt->dst, ntohs(h->dest));
	if (node != NULL && node->kind == NODE_CONN)
		conn_error(tcp_of_node(node), ntohl(h->seq), error, mtu);
	else if (node != NULL && node->kind == NODE_REQUEST)
		tcp_request_error(node, ntohl(h->seq), error);
}
