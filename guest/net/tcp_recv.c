/*
 * Received data: packets in order wait for the program, which they are copied
 * to once; those that came too early wait in a queue of their own, by
 * sequence number. All count against the receive buffer with the memory they
 * keep busy, which may be many times their data: so small packets are
 * collected in blocks, and when the buffer is full all others too; then what
 * the window has promised always fits.
 */
#include "tcp_conn.h"
#include "../libos/frames.h"

#define COLLECTOR      (16u << 10)
#define SMALL          1024 /* packets up to this size are copied together */
#define TUNE_RTT_LEAST (1 * NS_PER_MS)

u32 tcp_readable(const struct tcp *c)
{
	return c->rcv_nxt - c->copied - c->had_fin;
}

/* ---- queues ---- */

static void count(struct tcp *c, struct pkt *pkt)
{
	struct tcp_cb *cb = tcp_cb(pkt);

	c->rmem -= cb->truesize;
	cb->truesize = pkt_truesize(pkt);
	c->rmem += cb->truesize;
}

static void drop(struct tcp *c, struct pkt *pkt)
{
	c->rmem -= tcp_cb(pkt)->truesize;
	list_del(&pkt->link);
	pkt_free(pkt);
}

void tcp_received_purge(struct tcp *c)
{
	while (!list_empty(&c->received))
		drop(c, pkt_of(c->received.next));
	while (!list_empty(&c->disordered))
		drop(c, pkt_of(c->disordered.next));
	c->nblocks = 0;
}

/* An empty packet with room for small ones behind `tail`, or NULL. */
static struct pkt *collector(const struct pkt *tail, u32 room)
{
	struct pkt_mem *mem = pkt_mem_alloc(room);
	struct pkt *pkt;

	if (mem == NULL && room > PAGE_SIZE)
		mem = pkt_mem_alloc(PAGE_SIZE);
	pkt = mem != NULL ? pkt_wrap(mem, mem->data, mem->size) : NULL;
	if (pkt == NULL)
		return NULL;
	pkt_trim(pkt, 0);
	*tcp_cb(pkt) = (struct tcp_cb){ .seq = tcp_cb((struct pkt *)tail)->end,
					.end = tcp_cb((struct pkt *)tail)->end,
					.collected = true };
	return pkt;
}

/* Whether a packet is better copied together with others. */
static bool wasteful(const struct tcp *c, const struct pkt *pkt)
{
	return pkt->total <= SMALL || (c->rmem > c->s.opt.rcvbuf && pkt->total <= COLLECTOR &&
				       pkt_truesize(pkt) > 2 * pkt->total);
}

/* Copies pkt behind tail's data and frees it; false: no room. */
static bool collect(struct pkt *tail, struct pkt *pkt)
{
	void *at = pkt_put(tail, pkt->total);

	if (at == NULL)
		return false;
	pkt_copy(pkt, 0, at, pkt->total);
	tcp_cb(tail)->end = tcp_cb(pkt)->end;
	pkt_free(pkt);
	return true;
}

/* Puts a packet behind `after` in a queue, which has data up to where it
 * begins, or nothing there; together with small ones before it. */
static void enqueue(struct tcp *c, struct list *after, struct list *queue, struct pkt *pkt)
{
	struct pkt *tail = pkt_of(after), *fresh;

	if (after != queue && wasteful(c, pkt) && !tcp_cb(pkt)->fin && !tcp_cb(tail)->fin &&
	    tcp_cb(tail)->end == tcp_cb(pkt)->seq) {
		if (tcp_cb(tail)->collected && collect(tail, pkt))
			return;
		fresh = collector(tail, c->rmem > c->s.opt.rcvbuf ? COLLECTOR : PAGE_SIZE);
		if (fresh != NULL && collect(fresh, pkt))
			pkt = fresh;
		else
			pkt_free(fresh);
	}
	list_add_tail(after->next, &pkt->link);
	count(c, pkt);
}

/* ---- in order ---- */

static void fin_reached(struct tcp *c)
{
	c->rcv_nxt++;
	c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt);
	c->had_fin = true;
	c->shutdown |= 1;
	c->ack_now = true;
	tcp_wake(c);
	switch (c->state) {
	case TCP_SYN_RECV:
	case TCP_ESTABLISHED:
		c->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT1:
		c->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT2:
		tcp_send_ack(c);
		tcp_time_wait(c, TCP_TIME_WAIT);
		break;
	default:
		break;
	}
}

/* The packet's data is the next. True: with the FIN behind it. */
static bool accept_data(struct tcp *c, struct pkt *pkt)
{
	bool fin = tcp_cb(pkt)->fin;

	c->rcv_nxt = tcp_cb(pkt)->end;
	c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt);
	c->stats.bytes_received += pkt->total;
	tcp_cb(pkt)->fin = false;
	if (pkt->total > 0)
		enqueue(c, c->received.prev, &c->received, pkt);
	else
		pkt_free(pkt);
	return fin;
}

/* Takes over what has become the next of the early packets. */
static bool take_disordered(struct tcp *c)
{
	bool fin = false;

	while (!list_empty(&c->disordered) && !fin) {
		struct pkt *pkt = pkt_of(c->disordered.next);
		struct tcp_cb *cb = tcp_cb(pkt);

		if (seq_gt(cb->seq, c->rcv_nxt))
			break;
		list_del(&pkt->link);
		c->rmem -= cb->truesize;
		cb->truesize = 0;
		if (seq_lt(cb->end, c->rcv_nxt) || (cb->end == c->rcv_nxt && !cb->fin)) {
			pkt_free(pkt);
			continue;
		}
		pkt_skip(pkt, c->rcv_nxt - cb->seq);
		cb->seq = c->rcv_nxt;
		fin = accept_data(c, pkt);
	}
	return fin;
}

static void in_order(struct tcp *c, struct tcp_in *in)
{
	bool waiting = !list_empty(&c->disordered), fin;
	u32 size = in->pkt->gso_size != 0 ? in->pkt->gso_size : in->len;

	/* what a full segment is: the largest, which may also become smaller */
	if (size >= c->rcv_mss)
		c->rcv_mss = MIN(size, 65535u);
	else if (size >= 536 && in->len == size)
		c->rcv_mss -= (c->rcv_mss - size) / 8;
	fin = accept_data(c, in->pkt);
	in->pkt = NULL;
	if (waiting) {
		fin = fin || take_disordered(c);
		tcp_sack_advance(c);
		c->ack_now = true; /* RFC 5681, 4.2: a gap is being filled */
	}
	if (tcp_readable(c) >= MIN(c->s.opt.rcvlowat, c->s.opt.rcvbuf / 2))
		tcp_wake(c);
	if (fin)
		fin_reached(c);
}

/* ---- out of order ---- */

/* Where it belongs: behind the last packet that begins no later. */
static struct list *place(struct tcp *c, u32 seq)
{
	struct list *at = c->disordered.prev;

	while (at != &c->disordered && seq_gt(tcp_cb(pkt_of(at))->seq, seq))
		at = at->prev;
	return at;
}

static void out_of_order(struct tcp *c, struct tcp_in *in)
{
	struct list *after = place(c, in->seq);
	struct pkt *pkt = in->pkt;
	u32 start = in->seq, end = in->seq + in->len;

	c->stats.rcv_ooo++;
	c->ack_now = true; /* RFC 5681, 4.2 */
	if (after != &c->disordered && seq_ge(tcp_cb(pkt_of(after))->end, end) &&
	    !tcp_cb(pkt)->fin) {
		tcp_dsack_set(c, start, end);
		return; /* nothing new in it */
	}
	while (after->next != &c->disordered && seq_le(tcp_cb(pkt_of(after->next))->end, end) &&
	       !tcp_cb(pkt_of(after->next))->fin)
		drop(c, pkt_of(after->next));
	in->pkt = NULL;
	enqueue(c, after, &c->disordered, pkt);
	if (end != start)
		tcp_sack_add(c, start, end);
}

/* ---- from the network ---- */

static bool memory_for(const struct tcp *c, u32 most)
{
	return c->rmem == 0 || (c->rmem <= most && socket_memory_ok());
}

/* Whether there is memory for a packet: the window promises no more than half
 * of the buffer, and a packet of one MSS takes a page and its description,
 * three times its data, so what was promised may take one and a half buffers;
 * small ones more. The next one in order is what everything waits for: in need
 * the last ones give way to it (RFC 2018, 8 allows that), but a sender that was
 * told of them sends them again only after a timeout. */
static bool room_for(struct tcp *c, const struct tcp_in *in)
{
	u32 most = 4 * c->s.opt.rcvbuf;

	if (memory_for(c, most / 2))
		return true;
	if (in->seq != c->rcv_nxt)
		return false;
	while (!list_empty(&c->disordered) && !memory_for(c, most)) {
		drop(c, pkt_of(c->disordered.prev));
		c->nblocks = 0;
	}
	return memory_for(c, most);
}

/* Cuts off what was received before, and what is beyond the window. False:
 * nothing is left. */
static bool trim(struct tcp *c, struct tcp_in *in)
{
	u32 end = in->seq + in->len;

	if (seq_lt(in->seq, c->rcv_nxt)) {
		u32 old = MIN(c->rcv_nxt - in->seq, in->len);

		if (old > 0)
			tcp_dsack_set(c, in->seq, in->seq + old);
		c->ack_now = true;
		if (seq_le(in->end, c->rcv_nxt))
			return false;
		pkt_skip(in->pkt, old);
		in->seq += old;
		in->len -= old;
	}
	if (seq_gt(end, c->rcv_edge)) {
		in->flags &= ~TH_FIN;
		c->ack_now = true;
		if (seq_ge(in->seq, c->rcv_edge))
			return false;
		in->len = c->rcv_edge - in->seq;
		pkt_trim(in->pkt, in->len);
	}
	return true;
}

void tcp_data_input(struct tcp *c, struct tcp_in *in)
{
	if (in->len == 0 && !(in->flags & TH_FIN))
		return;
	c->stats.data_segs_in++;
	if (!trim(c, in))
		return;
	if (!room_for(c, in)) {
		c->ack_now = true;
		return;
	}
	c->stats.last_data_received = in->now;
	*tcp_cb(in->pkt) = (struct tcp_cb){ .seq = in->seq,
					    .end = in->seq + in->len,
					    .fin = in->flags & TH_FIN };
	if (in->seq == c->rcv_nxt)
		in_order(c, in);
	else
		out_of_order(c, in);
}

/* ---- acknowledging (RFC 5681, 4.2) ---- */

void tcp_ack_schedule(struct tcp *c)
{
	u32 unacked = c->rcv_nxt - c->last_ack_sent;

	if (c->ack_now || unacked > c->rcv_mss || (c->quickacks > 0 && !c->pingpong)) {
		c->ack_now = true;
		tcp_output_later(c);
	} else if (unacked > 0 && !c->ack_later) {
		c->ack_later = true;
		tcp_delack_arm(c, now_ns() + TCP_DELACK);
	}
}

/* ---- to the program ---- */

/* The buffer grows to twice what the program takes in a round trip, so that
 * the window is never what limits a transfer (as Linux's tcp_moderate_rcvbuf). */
static void tune(struct tcp *c, u32 n)
{
	u64 now = now_ns(), rtt = MAX(c->srtt, TUNE_RTT_LEAST);
	u32 want;

	c->tune_copied += n;
	if (now - c->tune_since < rtt)
		return;
	if (c->tune_copied > c->tune_space && !c->s.opt.rcvbuf_locked && socket_memory_ok()) {
		want = MIN(4 * (u64)c->tune_copied, (u64)TCP_RCVBUF_MAX);
		c->s.opt.rcvbuf = MAX(c->s.opt.rcvbuf, want);
		c->tune_space = c->tune_copied;
	}
	c->tune_copied = 0;
	c->tune_since = now;
}

/* The program has taken n bytes: perhaps the peer should know. */
static void taken(struct tcp *c, u32 n)
{
	u32 now = c->rcv_edge - c->rcv_nxt, offer;

	tune(c, n);
	if (!TCP_IN(c->state, TCP_CAN_RECEIVE))
		return;
	offer = tcp_window_to_offer(c);
	if ((offer >= 2 * now && offer > now) ||
	    (c->ack_later && c->rcv_nxt - c->last_ack_sent > c->rcv_mss)) {
		c->ack_now = true;
		tcp_output_later(c);
	}
}

/* Moves bytes that begin `skip` behind the first to the program, or forgets
 * them; takes them off the queue unless it peeks. Bytes or -EFAULT. */
static long move(struct tcp *c, struct sockmsg *msg, u32 skip)
{
	bool peek = msg->flags & MSG_PEEK;
	struct list *at = c->received.next, *next;
	long done = 0, moved;

	for (; at != &c->received && msg->uio->resid > 0; at = next) {
		struct pkt *pkt = pkt_of(at);
		u32 n;

		next = at->next;
		if (skip >= pkt->total) {
			skip -= pkt->total;
			continue;
		}
		n = MIN(pkt->total - skip, msg->uio->resid);
		moved = n;
		if (msg->flags & MSG_TRUNC)
			msg->uio->resid -= n;
		else
			moved = pkt_to_uio(pkt, skip, msg->uio, n);
		if (moved < 0)
			return done > 0 ? done : moved;
		done += moved;
		skip = 0;
		if (!peek && (u32)moved == pkt->total)
			drop(c, pkt);
		else if (!peek)
			pkt_skip(pkt, moved);
		if ((u32)moved < n)
			break;
	}
	if (!peek)
		c->copied += done;
	return done;
}

/* Why there is nothing (more) to come: 0 (the end), -errno, or 1: wait. */
static int nothing(struct tcp *c)
{
	if (c->had_fin) {
		c->fin_read = true;
		return 0;
	}
	if (c->s.error != 0)
		return socket_take_error(&c->s);
	if (c->shutdown & 1)
		return 0;
	return c->state == TCP_CLOSE || c->state == TCP_LISTEN ? -ENOTCONN : 1;
}

long tcp_recv(struct socket *s, struct sockmsg *msg)
{
	struct tcp *c = tcp_of(s);
	u64 deadline = socket_deadline(s->opt.rcvtimeo_ns);
	size_t len = msg->uio->resid;
	size_t target = msg->flags & MSG_WAITALL ? len : MIN(s->opt.rcvlowat, len);
	long done = 0, n;
	int why;

	if (msg->flags & MSG_OOB)
		return -EINVAL;
	for (;;) {
		n = move(c, msg, msg->flags & MSG_PEEK ? done : 0);
		if (n < 0)
			return done > 0 ? done : n;
		done += n;
		if (n > 0 && !(msg->flags & MSG_PEEK))
			taken(c, n);
		if ((size_t)done >= MAX(target, 1ul) || (len == 0 && tcp_readable(c) > 0))
			return done;
		if (done > 0 && (c->s.error != 0 || c->shutdown & 1 || c->state == TCP_CLOSE))
			return done;
		why = nothing(c);
		if (why <= 0)
			return why;
		why = socket_wait(s, msg->nonblock, deadline);
		if (why < 0)
			return done > 0 ? done : why;
	}
}
