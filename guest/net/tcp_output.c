/*
 * Segments to send: which, how long, and when (RFC 9293, 3.8.6: silly windows,
 * Nagle; RFC 5681). A packet's headers are in its front; its payload is
 * fragments that refer to the send queue's memory, up to what the interface
 * segments by itself. A retransmission refers to the same memory again.
 */
#include "tcp_conn.h"
#include <linux/virtio_net.h>

/* ---- sizes ---- */

static u32 ip_header_len(const struct tcp *c)
{
	return ip_is4(&c->node.remote) ? 20 : 40;
}

void tcp_set_mss(struct tcp *c)
{
	u32 mtu = MIN(c->path.mtu, 65535u); /* loopback's does not fit the header */
	u32 mss = mtu - ip_header_len(c) - sizeof(struct tcp_header);

	if (c->mss_peer != 0)
		mss = MIN(mss, c->mss_peer);
	if (c->mss_user != 0)
		mss = MIN(mss, c->mss_user);
	/* the MSS option counts no options (RFC 6691) */
	c->mss = MAX(mss, (u32)TCP_MIN_MSS) - (c->ts_ok ? TCP_TS_LEN : 0);
}

/* The most payload that one packet may have: whole segments. */
static u32 packet_limit(const struct tcp *c)
{
	u32 most = c->path.netif->gso_max, headers = ip_header_len(c) + TCP_HEADER_MAX;
	u32 mss = MAX(c->mss, 1u);

	if (most < headers + 2 * mss)
		return mss;
	most = MIN(most, 65535u) - headers;
	return most - most % mss;
}

/* ---- the window we offer (RFC 9293, 3.8.6.2.2) ---- */

/* Half of the buffer is for the packets' own memory, as with Linux. */
u32 tcp_window_to_offer(const struct tcp *c)
{
	u32 rcvbuf = c->s.opt.rcvbuf, most = 65535u << c->rcv_wscale;
	u32 room = c->rmem < rcvbuf ? (rcvbuf - c->rmem) / 2 : 0;
	u32 now = c->rcv_edge - c->rcv_nxt, unit = MIN(MAX(c->rcv_mss, 1u), rcvbuf / 4);

	if (c->window_clamp != 0)
		most = MIN(most, c->window_clamp);
	room = MIN(room, most);
	/* never shrunk, and moved by worthwhile steps only */
	return room < now + unit ? now : room;
}

static u16 take_window(struct tcp *c)
{
	u32 unit = 1u << c->rcv_wscale;
	u32 field = (tcp_window_to_offer(c) + unit - 1) >> c->rcv_wscale;

	field = MIN(field, 65535u);
	c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt + (field << c->rcv_wscale));
	return field;
}

/* ---- one segment ---- */

void tcp_ip_send(const struct tcp *c, struct ip_send *to)
{
	bool v4 = ip_is4(&c->node.remote);

	memset(to, 0, sizeof(*to));
	to->src = c->node.local;
	to->dst = c->node.remote;
	to->ifindex = c->ifindex;
	to->proto = IPPROTO_TCP;
	to->ttl = v4 ? c->inet.ttl : c->inet.hops;
	to->tos = (v4 ? c->inet.tos : c->inet.tclass) & ~3; /* the lowest bits are ECN's */
	to->dont_fragment = true;
}

static struct pkt *header(u16 source, u16 dest, u32 seq, u32 ack, u8 flags, u16 window,
			  const struct tcp_options *opt)
{
	u8 options[40];
	u32 n = tcp_options_build(options, opt);
	struct tcp_header *h;
	struct pkt *pkt = pkt_alloc();

	if (pkt == NULL)
		return NULL;
	h = pkt_put(pkt, sizeof(*h) + n);
	if (h == NULL) {
		pkt_free(pkt);
		return NULL;
	}
	h->source = htons(source);
	h->dest = htons(dest);
	h->seq = htonl(seq);
	h->ack = htonl(ack);
	h->offset = (sizeof(*h) + n) / 4 << 4;
	h->flags = flags;
	h->window = htons(window);
	h->checksum = h->urgent = 0;
	memcpy(h + 1, options, n);
	return pkt;
}

static void add_sack(struct tcp *c, struct tcp_options *opt)
{
	unsigned most = c->ts_ok ? 3 : 4; /* what fits */

	if (c->has_dsack)
		opt->sack[opt->nsack++] = c->dsack;
	for (unsigned i = 0; i < c->nblocks && opt->nsack < most; i++)
		opt->sack[opt->nsack++] = c->blocks[i];
}

/* The packet of a segment, which acknowledges all that came. */
static struct pkt *begin(struct tcp *c, u32 seq, u8 flags)
{
	struct tcp_options opt = { .ts = c->ts_ok };
	bool sack = flags == TH_ACK && (c->nblocks > 0 || c->has_dsack);
	struct pkt *pkt;

	opt.tsval = tcp_ts_clock() + c->ts_offset;
	opt.tsecr = c->ts_recent;
	if (sack)
		add_sack(c, &opt);
	pkt = header(c->node.lport, c->node.rport, seq, c->rcv_nxt, flags, take_window(c), &opt);
	if (pkt == NULL)
		return NULL;
	c->last_ack_sent = c->rcv_nxt;
	c->ack_now = c->ack_later = false;
	c->delack_at = NEVER;
	if (sack)
		c->has_dsack = false;
	c->quickacks -= c->quickacks > 0;
	return pkt;
}

/* Takes the packet. */
static int transmit(struct tcp *c, struct pkt *pkt, u32 len)
{
	struct ip_send to;

	if (len > c->mss) {
		pkt->gso_type = ip_is4(&c->node.remote) ? VIRTIO_NET_HDR_GSO_TCPV4 :
							  VIRTIO_NET_HDR_GSO_TCPV6;
		pkt->gso_size = c->mss;
	}
	tcp_ip_send(c, &to);
	ip_checksum_later(pkt, &to, TCP_CHECKSUM_AT);
	c->stats.segs_out++;
	return ip_output(pkt, &to);
}

/* Adds the queued bytes [seq, seq + len) to the packet; how many fit. */
static u32 add_data(struct tcp *c, struct pkt *pkt, u32 seq, u32 len)
{
	struct tcp_chunk *ch = len > 0 ? tcp_chunk_at(c, seq) : NULL;
	u32 done = 0;

	while (done < len) {
		u32 offset = seq + done - ch->seq, n = MIN(len - done, ch->len - offset);

		if (!pkt_add_frag(pkt, ch->mem, ch->data + offset, n))
			break;
		done += n;
		ch = container_of(ch->link.next, struct tcp_chunk, link);
	}
	if (done == len)
		return done;
	done = done > c->mss ? done - done % c->mss : done;
	pkt_trim(pkt, pkt->len + done);
	return done;
}

static u8 data_flags(const struct tcp *c, u32 end, bool fin)
{
	return TH_ACK | (end == c->snd_end ? TH_PSH : 0) | (fin ? TH_FIN : 0);
}

/* A packet of [seq, seq + *len) and perhaps FIN; *len: what it has become. */
static struct pkt *data_packet(struct tcp *c, u32 seq, u32 *len, bool *fin)
{
	struct pkt *pkt = begin(c, seq, data_flags(c, seq + *len, *fin) | TH_PSH);
	struct tcp_header *h;
	u32 want = *len;

	if (pkt == NULL)
		return NULL;
	*len = add_data(c, pkt, seq, want);
	if (*len < want)
		*fin = false;
	h = (struct tcp_header *)pkt->data;
	h->flags = data_flags(c, seq + *len, *fin);
	if (*len == 0 && want > 0) {
		pkt_free(pkt);
		return NULL;
	}
	return pkt;
}

static void count_data(struct tcp *c, u32 len, u64 now)
{
	c->stats.bytes_sent += len;
	c->stats.data_segs_out += (len + c->mss - 1) / c->mss;
	c->prr.out += len;
	/* an answer: more of this kind will carry acknowledgements */
	if (len > 0 && c->stats.bytes_received > 0 &&
	    now - c->stats.last_data_received < TCP_DELACK)
		c->pingpong = true;
	c->stats.last_data_sent = now;
}

bool tcp_send_new(struct tcp *c, u32 most)
{
	u32 edge = c->snd_una + c->snd_wnd, seq = c->snd_nxt, len;
	u32 room = seq_gt(edge, seq) ? edge - seq : 0;
	bool fin;
	struct tcp_segment *s;
	struct pkt *pkt;

	if (tcp_unsent(c) == 0)
		return false;
	len = MIN(MIN(c->snd_end - seq, most), room);
	fin = c->fin_queued && seq + len == c->snd_end && room > len;
	if (len == 0 && !fin)
		return false;
	pkt = data_packet(c, seq, &len, &fin);
	if (pkt == NULL)
		return false;
	s = tcp_segment_add(c, seq, seq + len + fin, fin);
	if (s == NULL) {
		pkt_free(pkt);
		return false;
	}
	c->snd_nxt = s->end;
	if (len < c->mss)
		c->snd_small = s->end;
	tcp_segment_sent(c, s, now_ns());
	count_data(c, len, s->when);
	transmit(c, pkt, len); /* what does not get out is lost, and found lost */
	return true;
}

/* Sends a segment, or at most the first `most` bytes of it, again. */
bool tcp_retransmit(struct tcp *c, struct tcp_segment *s, u32 most)
{
	u32 data = s->end - s->seq - s->fin, len = MIN(data, MIN(most, packet_limit(c)));
	u32 edge = seq_max(c->snd_una + c->snd_wnd, c->snd_una + c->mss);
	bool fin = s->fin && len == data;
	struct pkt *pkt;

	if (seq_ge(s->seq, edge))
		return false;
	if (len < data && len > c->mss)
		len -= len % c->mss;
	pkt = data_packet(c, s->seq, &len, &fin);
	if (pkt == NULL)
		return false;
	if (len + fin < s->end - s->seq && !tcp_segment_split(c, s, s->seq + len)) {
		pkt_free(pkt);
		return false;
	}
	if (c->undo_ts == 0 && c->ts_ok)
		c->undo_ts = tcp_ts_clock() + c->ts_offset;
	tcp_segment_sent(c, s, now_ns());
	count_data(c, len, s->when);
	c->stats.bytes_retrans += len;
	c->stats.retrans++;
	c->undo_count += (len + c->mss - 1) / c->mss;
	transmit(c, pkt, len);
	return true;
}

/* ---- what may go ---- */

/* Whether a segment shorter than full may go at the end of the queue. */
static bool tail_may_go(const struct tcp *c)
{
	if (c->fin_queued)
		return true;
	if (c->cork || c->more)
		return false;
	return c->nodelay || seq_le(c->snd_small, c->snd_una); /* Minshall's Nagle */
}

/* How many bytes of new data may go in the next packet; 0: none. */
static u32 allowed(struct tcp *c)
{
	u32 unsent = c->snd_end - c->snd_nxt, pipe = tcp_pipe(c), edge = c->snd_una + c->snd_wnd;
	u32 cwnd = pipe == 0 ? MAX(c->cwnd, c->mss) : c->cwnd, room = cwnd > pipe ? cwnd - pipe : 0;
	u32 window = seq_gt(edge, c->snd_nxt) ? edge - c->snd_nxt : 0;
	u32 len = MIN(unsent, MIN(window, packet_limit(c)));

	if (room < len) {
		c->cwnd_limited = true;
		len = room;
	}
	if (len % c->mss == 0 || (len == unsent && tail_may_go(c)))
		return len;
	if (len >= c->mss)
		return len - len % c->mss;
	/* less than a segment because of a small window: half of it, or none */
	return len == window && len < unsent && len >= c->max_wnd / 2 ? len : 0;
}

static bool send_lost(struct tcp *c)
{
	bool any = false;
	struct list *at;

	list_for_each (at, &c->segments) {
		struct tcp_segment *s = tcp_segment_of(at);
		u32 pipe, room;

		if (c->lost <= c->retrans)
			break;
		if (!s->lost || s->resent)
			continue;
		pipe = tcp_pipe(c);
		room = c->cwnd > pipe ? c->cwnd - pipe : 0;
		c->cwnd_limited = room < s->end - s->seq;
		if (room < MIN(s->end - s->seq, c->mss) || !tcp_retransmit(c, s, room))
			break;
		any = true;
	}
	return any;
}

static bool send_unsent(struct tcp *c)
{
	bool any = false;
	u32 n;

	if (list_empty(&c->segments) && tcp_unsent(c) > 0)
		tcp_cc_idle(c);
	while (tcp_unsent(c) > 0) {
		n = allowed(c);
		if ((n == 0 && c->snd_nxt != c->snd_end) || !tcp_send_new(c, n))
			break;
		any = true;
	}
	return any;
}

void tcp_output(struct tcp *c)
{
	bool lost, sent;

	if (!TCP_IN(c->state, TCP_SYNCHRONIZED))
		return;
	if (c->ack_now && (c->nblocks > 0 || c->has_dsack))
		tcp_send_ack(c); /* data segments have no room for SACK */
	c->cwnd_limited = false;
	lost = c->lost > c->retrans && send_lost(c);
	sent = send_unsent(c);
	if (lost || c->rtx == RTX_NONE || (sent && c->rtx != RTX_REORDER && c->rtx != RTX_RTO)) {
		if (!list_empty(&c->segments) || tcp_unsent(c) > 0)
			tcp_rtx_rearm(c);
	}
	if (sent || lost)
		tcp_tlp_arm(c, now_ns());
	if (c->ack_now)
		tcp_send_ack(c);
}

static void run_work(struct net_work *work)
{
	tcp_output(container_of(work, struct tcp, work));
}

void tcp_output_later(struct tcp *c)
{
	if (c->state == TCP_CLOSE)
		return;
	c->work.run = run_work;
	net_defer(&c->work);
}

/* ---- segments without data ---- */

void tcp_send_ack(struct tcp *c)
{
	struct pkt *pkt = begin(c, c->snd_nxt, TH_ACK);

	if (pkt != NULL)
		transmit(c, pkt, 0);
	else
		tcp_delack_arm(c, now_ns() + TCP_DELACK_MAX);
}

void tcp_send_probe(struct tcp *c)
{
	struct pkt *pkt = begin(c, c->snd_una - 1, TH_ACK);

	if (pkt != NULL)
		transmit(c, pkt, 0);
}

static u16 our_mss(const struct tcp *c)
{
	u32 mss = MIN(c->path.netif->mtu, 65535u) - ip_header_len(c) - sizeof(struct tcp_header);

	return c->mss_user != 0 ? MIN(mss, c->mss_user) : mss;
}

void tcp_send_syn(struct tcp *c)
{
	bool answer = c->state == TCP_SYN_RECV;
	struct tcp_options opt = {
		.mss = our_mss(c),
		.wscale_ok = !answer || c->wscale_ok,
		.wscale = TCP_WSCALE,
		.sack_ok = !answer || c->sack_ok,
		.ts = !answer || c->ts_ok,
		.tsval = tcp_ts_clock() + c->ts_offset,
		.tsecr = answer ? c->ts_recent : 0,
	};
	u16 window = MIN(c->s.opt.rcvbuf / 2, 65535u);
	struct pkt *pkt = header(c->node.lport, c->node.rport, c->iss, answer ? c->rcv_nxt : 0,
				 TH_SYN | (answer ? TH_ACK : 0), window, &opt);

	if (pkt == NULL)
		return;
	if (answer)
		c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt + window);
	transmit(c, pkt, 0);
}

int tcp_send_bare(const struct tcp_bare *b)
{
	struct ip_send to = {
		.src = b->local,
		.dst = b->remote,
		.ifindex = b->ifindex,
		.proto = IPPROTO_TCP,
		.dont_fragment = true,
	};
	struct pkt *pkt = header(b->lport, b->rport, b->seq, b->ack, b->flags, b->window, &b->opt);

	if (pkt == NULL)
		return -ENOMEM;
	ip_checksum_later(pkt, &to, TCP_CHECKSUM_AT);
	return ip_output(pkt, &to);
}

void tcp_send_reset(struct tcp *c)
{
	struct tcp_bare b = {
		.local = c->node.local,
		.remote = c->node.remote,
		.ifindex = c->ifindex,
		.lport = c->node.lport,
		.rport = c->node.rport,
		.seq = c->snd_nxt,
		.ack = c->rcv_nxt,
		.flags = TH_RST | TH_ACK,
	};

	tcp_send_bare(&b);
}

void tcp_reset_answer(const struct tcp_in *in)
{
	const struct tcp_header *h = (const struct tcp_header *)in->header;
	struct tcp_bare b = {
		.local = in->pkt->dst,
		.remote = in->pkt->src,
		.ifindex = in->pkt->netif->index,
		.lport = ntohs(h->dest),
		.rport = ntohs(h->source),
	};

	if (in->flags & TH_RST)
		return;
	if (in->flags & TH_ACK) {
		b.seq = in->ack;
		b.flags = TH_RST;
	} else {
		b.ack = in->end;
		b.flags = TH_RST | TH_ACK;
	}
	tcp_send_bare(&b);
}
