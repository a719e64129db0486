/*
 * Selective acknowledgements, both ways (RFC 2018, 2883, 6675).
 *
 * Received ones mark segments. Blocks are bounded by what we sent; a segment
 * that a block covers in part is cut. The search begins where the last one
 * ended, as blocks grow at their ends, so a long queue costs no walk for each
 * ACK.
 *
 * What we report: the block that changed last comes first, then those changed
 * before, so that each is reported several times (RFC 2018, 4); a duplicate
 * (D-SACK) before all of them (RFC 2883).
 */
#include "tcp_conn.h"

/* ---- received ---- */

/* The first segment that ends after seq, or NULL. */
static struct tcp_segment *find(struct tcp *c, u32 seq)
{
	struct list *at = c->sack_hint != NULL ? &c->sack_hint->link : c->segments.next;

	while (at != &c->segments && seq_le(tcp_segment_of(at)->end, seq))
		at = at->next;
	if (at == &c->segments)
		at = at->prev;
	while (at->prev != &c->segments && at != &c->segments &&
	       seq_gt(tcp_segment_of(at->prev)->end, seq))
		at = at->prev;
	if (at == &c->segments || seq_le(tcp_segment_of(at)->end, seq))
		return NULL;
	return tcp_segment_of(at);
}

static void delivered(struct tcp *c, struct tcp_segment *s, u64 now)
{
	c->delivered_ack += s->end - s->seq;
	tcp_rack_delivered(c, s, now);
	tcp_segment_sacked(c, s);
}

static void mark(struct tcp *c, const struct tcp_block *b, u64 now)
{
	struct tcp_segment *s = find(c, b->start);
	struct list *at;

	if (s == NULL)
		return;
	for (at = &s->link; at != &c->segments; at = at->next) {
		s = tcp_segment_of(at);
		if (seq_ge(s->seq, b->end))
			break;
		c->sack_hint = s;
		if (s->sacked)
			continue;
		if (seq_lt(s->seq, b->start)) {
			if (!tcp_segment_split(c, s, b->start))
				break;
			continue;
		}
		if (seq_gt(s->end, b->end) && !tcp_segment_split(c, s, b->end))
			break;
		delivered(c, s, now);
	}
}

/* RFC 2883, 4: the first block is below the ACK, or within the second one. */
static bool is_dsack(const struct tcp_in *in)
{
	const struct tcp_block *b = in->opt.sack;

	if (seq_le(b[0].end, in->ack))
		return true;
	return in->opt.nsack > 1 && seq_ge(b[0].start, b[1].start) && seq_le(b[0].end, b[1].end);
}

bool tcp_sack_input(struct tcp *c, const struct tcp_in *in, u32 prior_una)
{
	bool dsack = false;
	unsigned i = 0;

	if (in->opt.nsack == 0 || !c->sack_ok)
		return false;
	if (is_dsack(in)) {
		/* only of what was sent, and not long ago */
		if (seq_le(in->opt.sack[0].end, c->snd_nxt) &&
		    seq_ge(in->opt.sack[0].start, prior_una - c->max_wnd)) {
			c->stats.dsacks++;
			tcp_rack_dsack(c);
			tcp_cc_duplicate(c, &in->opt.sack[0]);
			dsack = true;
		}
		i = 1;
	}
	for (; i < in->opt.nsack; i++) {
		const struct tcp_block *b = &in->opt.sack[i];

		if (seq_gt(b->start, c->snd_una) && seq_le(b->end, c->snd_nxt) &&
		    seq_lt(b->start, b->end))
			mark(c, b, in->now);
	}
	return dsack;
}

/* ---- reported ---- */

static void drop_block(struct tcp *c, unsigned i)
{
	c->nblocks--;
	memmove(&c->blocks[i], &c->blocks[i + 1], (c->nblocks - i) * sizeof(c->blocks[0]));
}

void tcp_sack_add(struct tcp *c, u32 start, u32 end)
{
	unsigned i = 0;

	if (!c->sack_ok)
		return;
	while (i < c->nblocks) {
		const struct tcp_block *b = &c->blocks[i];

		if (seq_gt(start, b->end) || seq_lt(end, b->start)) {
			i++;
			continue;
		}
		start = seq_lt(b->start, start) ? b->start : start;
		end = seq_max(b->end, end);
		drop_block(c, i);
	}
	c->nblocks = MIN(c->nblocks, TCP_SACK_MAX - 1);
	memmove(&c->blocks[1], &c->blocks[0], c->nblocks * sizeof(c->blocks[0]));
	c->blocks[0] = (struct tcp_block){ start, end };
	c->nblocks++;
}

void tcp_sack_advance(struct tcp *c)
{
	for (unsigned i = 0; i < c->nblocks;) {
		if (seq_le(c->blocks[i].end, c->rcv_nxt))
			drop_block(c, i);
		else
			i++;
	}
}

void tcp_dsack_set(struct tcp *c, u32 start, u32 end)
{
	if (!c->sack_ok)
		return;
	c->dsack = (struct tcp_block){ start, end };
	c->has_dsack = true;
}
