/*
 * What is in flight: the segments sent and not acknowledged, by sequence and
 * by time of transmission, and the sums that the pipe is computed from. The
 * sums change only here, with the flags that they are sums of:
 *
 *   sacked   delivered out of order
 *   lost     given up; `resent` once its retransmission is in flight, too
 *
 * A segment is on the list by time while it is thought to be in the network:
 * neither SACKed, nor lost without having been sent again.
 */
#include "tcp_conn.h"
#include "../libos/heap.h"

static u32 length(const struct tcp_segment *s)
{
	return s->end - s->seq;
}

enum sign { OUT, IN };

static void account(struct tcp *c, const struct tcp_segment *s, enum sign sign)
{
	u32 n = sign == IN ? length(s) : -length(s);

	c->sacked += s->sacked ? n : 0;
	c->lost += s->lost ? n : 0;
	c->retrans += s->resent ? n : 0;
}

static void not_in_network(struct tcp_segment *s)
{
	list_del(&s->sent);
}

struct tcp_segment *tcp_segment_add(struct tcp *c, u32 seq, u32 end, bool fin)
{
	struct tcp_segment *s = kalloc(sizeof(*s));

	if (s == NULL)
		return NULL;
	s->seq = seq;
	s->end = end;
	s->fin = fin;
	list_init(&s->sent);
	list_add_tail(&c->segments, &s->link);
	return s;
}

bool tcp_segment_split(struct tcp *c, struct tcp_segment *s, u32 seq)
{
	struct tcp_segment *rest = kalloc(sizeof(*rest));

	if (rest == NULL)
		return false;
	(void)c; /* the sums stay as they are */
	*rest = *s;
	rest->seq = s->end = seq;
	s->fin = false;
	list_add_tail(s->link.next, &rest->link);
	list_init(&rest->sent);
	if (!list_empty(&s->sent))
		list_add_tail(s->sent.next, &rest->sent);
	return true;
}

void tcp_segment_trim(struct tcp *c, struct tcp_segment *s, u32 seq)
{
	account(c, s, OUT);
	s->seq = seq;
	account(c, s, IN);
}

void tcp_segment_free(struct tcp *c, struct tcp_segment *s)
{
	account(c, s, OUT);
	if (c->sack_hint == s)
		c->sack_hint = NULL;
	list_del(&s->sent);
	list_del(&s->link);
	kfree(s);
}

void tcp_segment_sent(struct tcp *c, struct tcp_segment *s, u64 now)
{
	if (s->when != 0) {
		account(c, s, OUT);
		s->retransmitted = true;
		s->times += s->times < UINT8_MAX;
		s->resent = s->lost;
		account(c, s, IN);
	}
	s->when = now;
	list_del(&s->sent);
	list_add_tail(&c->sent, &s->sent);
}

void tcp_segment_lost(struct tcp *c, struct tcp_segment *s)
{
	account(c, s, OUT);
	s->lost = true;
	s->resent = false;
	account(c, s, IN);
	not_in_network(s);
}

void tcp_segment_found(struct tcp *c, struct tcp_segment *s)
{
	account(c, s, OUT);
	s->lost = s->resent = false;
	account(c, s, IN);
	if (list_empty(&s->sent))
		list_add_tail(&c->sent, &s->sent);
}

void tcp_segment_sacked(struct tcp *c, struct tcp_segment *s)
{
	account(c, s, OUT);
	s->sacked = true;
	s->lost = s->resent = false;
	account(c, s, IN);
	not_in_network(s);
}

void tcp_segments_all_lost(struct tcp *c)
{
	struct tcp_segment *first =
		list_empty(&c->segments) ? NULL : tcp_segment_of(c->segments.next);
	bool reneged = first != NULL && first->sacked;
	struct list *at;

	c->reno_sacked = 0;
	c->dupacks = 0;
	list_for_each (at, &c->segments) {
		struct tcp_segment *s = tcp_segment_of(at);

		if (s->sacked && !reneged)
			continue;
		account(c, s, OUT);
		s->sacked = false;
		account(c, s, IN);
		tcp_segment_lost(c, s);
	}
}

void tcp_segments_purge(struct tcp *c)
{
	while (!list_empty(&c->segments))
		tcp_segment_free(c, tcp_segment_of(c->segments.next));
	c->reno_sacked = 0;
}
