/*
 * Answers to our SYN (RFC 9293, 3.10.7.3), a simultaneous open among them
 * (3.5, figure 7), and what both sides' options come to.
 */
#include "tcp_conn.h"

void tcp_negotiated(struct tcp *c, const struct tcp_options *opt)
{
	c->ts_ok = opt->ts;
	c->sack_ok = opt->sack_ok;
	c->wscale_ok = opt->wscale_ok;
	c->snd_wscale = opt->wscale_ok ? opt->wscale : 0;
	c->rcv_wscale = opt->wscale_ok ? TCP_WSCALE : 0;
	/* RFC 9293, 3.7.1: the default of the family */
	c->mss_peer = opt->mss != 0 ? opt->mss : ip_is4(&c->node.remote) ? 536 : 1220;
	if (opt->ts) {
		c->ts_recent = opt->tsval;
		c->ts_recent_when = now_ns();
	}
	tcp_set_mss(c);
	c->rcv_mss = MIN(c->mss, 1460u);
}

static void receive_begins(struct tcp *c, const struct tcp_in *in)
{
	c->irs = in->seq;
	c->rcv_nxt = c->copied = c->last_ack_sent = in->seq + 1;
	c->rcv_edge = c->rcv_nxt + MIN(c->s.opt.rcvbuf / 2, 65535u); /* our SYN's window */
	tcp_negotiated(c, &in->opt);
}

static void connected(struct tcp *c, struct tcp_in *in)
{
	receive_begins(c, in);
	c->snd_una = in->ack;
	c->snd_wnd = c->max_wnd = in->window; /* not scaled in a SYN */
	c->snd_wl1 = in->seq;
	c->snd_wl2 = in->ack;
	if (c->stats.retrans == 0)
		tcp_rtt_sample(c, in->now - c->rtx_since);
	tcp_establish(c);
	c->ack_now = true;
	tcp_output_later(c);
	/* data with the SYN-ACK, or a FIN */
	in->seq++;
	in->flags &= ~TH_SYN;
	if (in->len > 0 || in->flags & TH_FIN)
		tcp_data_input(c, in);
}

static void both_open(struct tcp *c, const struct tcp_in *in)
{
	receive_begins(c, in);
	c->state = TCP_SYN_RECV;
	c->retries = c->backoff = 0;
	tcp_send_syn(c);
	tcp_rtx_rearm(c);
}

void tcp_syn_sent_input(struct tcp *c, struct tcp_in *in)
{
	bool ack = in->flags & TH_ACK;

	if (ack && (seq_le(in->ack, c->iss) || seq_gt(in->ack, c->snd_nxt))) {
		tcp_reset_answer(in);
		return;
	}
	if (in->flags & TH_RST) {
		if (ack)
			tcp_done(c, ECONNREFUSED);
		return;
	}
	if (!(in->flags & TH_SYN))
		return;
	if (ack)
		connected(c, in);
	else
		both_open(c, in);
}
