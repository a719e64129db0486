/*
 * TCP on the wire: the header (RFC 9293, 3.1) and its options (RFC 9293, 3.2;
 * RFC 7323; RFC 2018).
 */
#ifndef NET_TCP_WIRE_H
#define NET_TCP_WIRE_H

#include "addr.h"

struct __attribute__((packed)) tcp_header { /* lies at any address */
	be16 source, dest;
	be32 seq, ack;
	u8 offset; /* in words, upper four bits */
	u8 flags;
	be16 window, checksum, urgent;
};
_Static_assert(sizeof(struct tcp_header) == 20, "RFC 9293, 3.1");

#define TH_FIN 0x01
#define TH_SYN 0x02
#define TH_RST 0x04
#define TH_PSH 0x08
#define TH_ACK 0x10
#define TH_URG 0x20

#define TCP_CHECKSUM_AT 16
#define TCP_HEADER_MAX  60

#define TCPOPT_EOL       0
#define TCPOPT_NOP       1
#define TCPOPT_MSS       2 /* length 4 */
#define TCPOPT_WSCALE    3 /* 3 */
#define TCPOPT_SACK_OK   4 /* 2 */
#define TCPOPT_SACK      5 /* 2 + 8 a block */
#define TCPOPT_TIMESTAMP 8 /* 10 */

#define TCP_WSCALE_MAX 14 /* RFC 7323, 2.3 */
#define TCP_TS_LEN     12 /* the timestamp option with two NOPs before it */
#define TCP_SACK_MAX   4

struct tcp_block { /* of a SACK option: [start, end) */
	u32 start, end;
};

/* A header's options, checked and in host order. */
struct tcp_options {
	bool ts, sack_ok, wscale_ok;
	u8 wscale, nsack;
	u16 mss; /* 0: none */
	u32 tsval, tsecr;
	struct tcp_block sack[TCP_SACK_MAX];
};

/* Reads the len bytes of options; unknown and malformed ones are passed over. */
void tcp_options_parse(struct tcp_options *opt, const u8 *p, u32 len, bool syn);
/* Writes them to p, a multiple of four bytes; how many (at most 40). */
u32 tcp_options_build(u8 *p, const struct tcp_options *opt);

/* Sequence numbers, modulo 2^32 (RFC 9293, 3.4). */
static inline bool seq_lt(u32 a, u32 b)
{
	return (i32)(a - b) < 0;
}
static inline bool seq_le(u32 a, u32 b)
{
	return (i32)(a - b) <= 0;
}
static inline bool seq_gt(u32 a, u32 b)
{
	return seq_lt(b, a);
}
static inline bool seq_ge(u32 a, u32 b)
{
	return seq_le(b, a);
}
static inline u32 seq_max(u32 a, u32 b)
{
	return seq_lt(a, b) ? b : a;
}

#endif
