/*
 * SYN cookies (RFC 4987, 3.6): when a listener's queue of requests is full,
 * its SYN-ACK carries in its sequence number what has to be remembered, and
 * nothing is kept:
 *
 *     31..29  the time, in units of 64 s
 *     28..26  the peer's MSS, as an index
 *     25..0   a keyed hash of both, the addresses, ports and the peer's number
 *
 * and, if the peer uses timestamps, in the lowest bits of ours, which it
 * echoes: its window scale (15: none) in bits 3..0, SACK-permitted in bit 4.
 */
#include "tcp_conn.h"

#define UNIT_NS     (64 * NS_PER_S)
#define MAX_AGE     2 /* units: a handshake takes less than two minutes */
#define HASH_BITS   26
#define TS_BITS     6
#define TS_NO_SCALE 15
#define TS_SACK     16

static const u16 sizes[8] = { 536, 1220, 1300, 1360, 1400, 1440, 1460, 8960 };

static u32 cookie(const struct tcp_node *node, u32 irs, u64 time, u32 index)
{
	u64 extra = (time << 3 | index) << 32 | irs;

	return (u32)time << 29 | index << HASH_BITS |
	       (u32)(tcp_keyed_hash(node, extra) & ((1u << HASH_BITS) - 1));
}

u32 tcp_cookie_make(const struct tcp_node *node, u32 irs, u16 mss)
{
	u32 index = ARRAY_SIZE(sizes) - 1;

	while (index > 0 && sizes[index] > mss)
		index--;
	return cookie(node, irs, now_ns() / UNIT_NS, index);
}

u32 tcp_cookie_timestamp(const struct tcp_node *node, const struct tcp_options *opt)
{
	u32 now = tcp_ts_clock(), bits = opt->wscale_ok ? opt->wscale : TS_NO_SCALE;
	u32 stamp = now >> TS_BITS << TS_BITS;

	stamp |= bits | (opt->sack_ok ? TS_SACK : 0);
	if (seq_gt(stamp, now)) /* never from the future */
		stamp -= 1u << TS_BITS;
	return stamp + tcp_ts_offset(node);
}

bool tcp_cookie_check(const struct tcp_node *node, const struct tcp_in *in, struct tcp_options *syn)
{
	u32 number = in->ack - 1, index = number >> HASH_BITS & 7, bits;
	u64 now = now_ns() / UNIT_NS, age;

	for (age = 0; age < MAX_AGE; age++)
		if (now >= age && cookie(node, in->seq - 1, now - age, index) == number)
			break;
	if (age == MAX_AGE || now < age)
		return false;
	memset(syn, 0, sizeof(*syn));
	syn->mss = sizes[index];
	if (!in->opt.ts)
		return true;
	syn->ts = true;
	syn->tsval = in->opt.tsval;
	bits = in->opt.tsecr - tcp_ts_offset(node);
	syn->sack_ok = bits & TS_SACK;
	syn->wscale_ok = (bits & 15) != TS_NO_SCALE;
	syn->wscale = syn->wscale_ok ? bits & 15 : 0;
	return true;
}
