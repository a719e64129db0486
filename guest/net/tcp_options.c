/*
 * The options of a TCP header, read and written. What comes from the network
 * is bounded by the header's length; an option with a wrong length ends the
 * reading, as the rest cannot be trusted to be aligned with it.
 */
#include "tcp_wire.h"

/* NOP, NOP, timestamp, 10: how nearly every segment begins (RFC 7323, App. A) */
#define TS_ALIGNED 0x0101080a

static void parse_sack(struct tcp_options *opt, const u8 *p, u32 len)
{
	if (len % 8 != 2)
		return;
	for (u32 i = 2; i < len && opt->nsack < TCP_SACK_MAX; i += 8) {
		struct tcp_block b = { get_be32(p + i), get_be32(p + i + 4) };

		if (seq_lt(b.start, b.end))
			opt->sack[opt->nsack++] = b;
	}
}

static void parse_one(struct tcp_options *opt, const u8 *p, u32 len, bool syn)
{
	if (p[0] == TCPOPT_TIMESTAMP && len == 10) {
		opt->ts = true;
		opt->tsval = get_be32(p + 2);
		opt->tsecr = get_be32(p + 6);
	} else if (p[0] == TCPOPT_SACK && !syn) {
		parse_sack(opt, p, len);
	} else if (p[0] == TCPOPT_MSS && len == 4 && syn) {
		opt->mss = get_be16(p + 2);
	} else if (p[0] == TCPOPT_WSCALE && len == 3 && syn) {
		opt->wscale_ok = true;
		opt->wscale = MIN(p[2], TCP_WSCALE_MAX);
	} else if (p[0] == TCPOPT_SACK_OK && len == 2 && syn) {
		opt->sack_ok = true;
	}
}

void tcp_options_parse(struct tcp_options *opt, const u8 *p, u32 len, bool syn)
{
	opt->ts = opt->sack_ok = opt->wscale_ok = false;
	opt->nsack = 0;
	opt->wscale = 0;
	opt->mss = 0;
	if (len == TCP_TS_LEN && get_be32(p) == TS_ALIGNED) {
		parse_one(opt, p + 2, 10, syn);
		return;
	}
	for (u32 i = 0; i < len && p[i] != TCPOPT_EOL;) {
		if (p[i] == TCPOPT_NOP) {
			i++;
			continue;
		}
		if (len - i < 2 || p[i + 1] < 2 || p[i + 1] > len - i)
			return;
		parse_one(opt, p + i, p[i + 1], syn);
		i += p[i + 1];
	}
}

static u32 build_sack(u8 *p, const struct tcp_options *opt)
{
	p[0] = p[1] = TCPOPT_NOP;
	p[2] = TCPOPT_SACK;
	p[3] = 2 + 8 * opt->nsack;
	for (unsigned i = 0; i < opt->nsack; i++) {
		put_be32(p + 4 + 8 * i, opt->sack[i].start);
		put_be32(p + 8 + 8 * i, opt->sack[i].end);
	}
	return 4 + 8 * opt->nsack;
}

u32 tcp_options_build(u8 *p, const struct tcp_options *opt)
{
	u32 n = 0;

	if (opt->mss != 0) {
		p[n] = TCPOPT_MSS;
		p[n + 1] = 4;
		put_be16(p + n + 2, opt->mss);
		n += 4;
	}
	if (opt->wscale_ok) {
		p[n] = TCPOPT_NOP;
		p[n + 1] = TCPOPT_WSCALE;
		p[n + 2] = 3;
		p[n + 3] = opt->wscale;
		n += 4;
	}
	if (opt->sack_ok) {
		p[n] = p[n + 1] = TCPOPT_NOP;
		p[n + 2] = TCPOPT_SACK_OK;
		p[n + 3] = 2;
		n += 4;
	}
	if (opt->ts) {
		put_be32(p + n, TS_ALIGNED);
		put_be32(p + n + 4, opt->tsval);
		put_be32(p + n + 8, opt->tsecr);
		n += TCP_TS_LEN;
	}
	if (opt->nsack > 0)
		n += build_sack(p + n, opt);
	return n;
}
