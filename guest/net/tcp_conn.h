/*
 * TCP's own: a connection and what its files agree on.
 *
 * Theory of operation. A connection (struct tcp) is a socket with a place in
 * the table of connections, where tcp_input.c finds it by addresses and ports.
 * The same table has two smaller kinds of node: a *request*, half a connection
 * that a listener answered with SYN-ACK (tcp_listen.c), and a *time-wait*,
 * what remains of a closed one (tcp_timewait.c).
 *
 *   to send      tcp_send.c queues the program's bytes as *chunks* of shared
 *                memory; tcp_output.c cuts packets out of them, which refer to
 *                the same memory, and keeps a *segment* record for each range
 *                in flight: when it was sent, whether it is SACKed or lost.
 *   received     tcp_input.c checks and orders (RFC 9293, 3.10.7), tcp_recv.c
 *                queues packets for the program, tcp_ack.c digests what the
 *                peer acknowledges: tcp_sack.c marks segments, tcp_rack.c
 *                finds the lost ones, tcp_cc.c sets the congestion window.
 *   in time      tcp_timer.c keeps all deadlines in one heap.
 *   at the end   of a batch of packets (net_leave) tcp_output_later()'s work
 *                sends what the window allows now and the acknowledgement, if
 *                it is due.
 *
 * Sizes are in bytes, times in ns of now_ns() unless their names say otherwise.
 */
#ifndef NET_TCP_CONN_H
#define NET_TCP_CONN_H

#include "inet.h"
#include "ip.h"
#include "pkt.h"
#include "ports.h"
#include "socket.h"
#include "tcp_wire.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* The numbers that TCP_INFO and /proc/net/tcp show. */
enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
};
#define TCP_IN(state, mask) ((mask) >> (state)&1)
#define TCP_CAN_SEND        (1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT)
#define TCP_CAN_RECEIVE     (1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2)
#define TCP_FIN_QUEUED      (1u << TCP_FIN_WAIT1 | 1u << TCP_CLOSING | 1u << TCP_LAST_ACK)
#define TCP_SYNCHRONIZED    (TCP_CAN_SEND | TCP_CAN_RECEIVE | TCP_FIN_QUEUED)

/* Linux's times and limits (tcp(7)). */
#define TCP_RTO_MIN          (200 * NS_PER_MS)
#define TCP_RTO_MAX          (120 * NS_PER_S)
#define TCP_RTO_INITIAL      (1 * NS_PER_S) /* RFC 6298, 2.1 */
#define TCP_DELACK           (40 * NS_PER_MS)
#define TCP_DELACK_MAX       (200 * NS_PER_MS)
#define TCP_2MSL             (60 * NS_PER_S)
#define TCP_FIN_TIMEOUT      (60 * NS_PER_S)
#define TCP_SYN_RETRIES      6
#define TCP_SYNACK_RETRIES   5
#define TCP_RETRIES          15 /* tcp_retries2: about a quarter of an hour */
#define TCP_ORPHAN_RETRIES   8
#define TCP_KEEPALIVE_IDLE   7200 /* s */
#define TCP_KEEPALIVE_INTVL  75
#define TCP_KEEPALIVE_PROBES 9
#define TCP_QUICKACKS        16
#define TCP_MIN_MSS          88
#define TCP_DUPACKS          3
#define TCP_WSCALE           7 /* what we offer: windows up to 8 MiB */
#define TCP_INITIAL_WINDOW   10 /* segments, RFC 6928 */

#define TCP_SNDBUF_MAX (4u << 20) /* tcp_wmem, tcp_rmem */
#define TCP_RCVBUF_MAX (6u << 20)

/* ---- the table of connections (tcp_table.c) ---- */

enum { NODE_CONN, NODE_REQUEST, NODE_TIMEWAIT };

struct tcp_node {
	struct tcp_node *next;
	struct ipaddr local, remote;
	u16 lport, rport; /* host order */
	u32 hash;
	u8 kind; /* NODE_* */
	bool hashed;
};

void tcp_table_init(void);
void tcp_table_add(struct tcp_node *node);
void tcp_table_del(struct tcp_node *node); /* harmless when it isn't there */
struct tcp_node *tcp_table_find(const struct ipaddr *local, u16 lport, const struct ipaddr *remote,
				u16 rport);
/* Calls visit() for every node: for /proc/net/tcp. */
void tcp_table_visit(void (*visit)(struct tcp_node *node, void *arg), void *arg);

/* Secrets (RFC 6528): 64 keyed bits of the addresses and `extra`. */
u64 tcp_keyed_hash(const struct tcp_node *node, u64 extra);
u32 tcp_initial_seq(const struct tcp_node *node);
u32 tcp_ts_offset(const struct tcp_node *node);
static inline u32 tcp_ts_clock(void) /* 1 ms a tick */
{
	return now_ns() / NS_PER_MS;
}

/* ---- timers (tcp_timer.c) ---- */

/* A node of a pairing heap. Its key may be earlier than its owner's deadline:
 * putting a deadline off costs nothing until then. */
struct tcp_timer {
	struct tcp_timer *child, *sibling, **back;
	u64 key;
	void (*expired)(struct tcp_timer *timer); /* not armed when called */
	bool armed;
};
void tcp_timer_arm(struct tcp_timer *timer, u64 deadline); /* moves it, if earlier */
void tcp_timer_cancel(struct tcp_timer *timer);

enum { RTX_NONE, RTX_RTO, RTX_TLP, RTX_REORDER, RTX_PROBE };

/* ---- sending ---- */

/* Bytes to send, in sequence: [seq, seq + len) are at data in mem. */
struct tcp_chunk {
	struct list link;
	struct pkt_mem *mem;
	u8 *data;
	u32 seq, len;
};

/* A range that was sent and not acknowledged yet; a FIN counts one at its end. */
struct tcp_segment {
	struct list link; /* by sequence */
	struct list sent; /* by time of transmission, while in flight */
	u64 when;
	u32 seq, end;
	bool fin, sacked, lost, retransmitted;
	bool resent; /* for lost ones: and in flight again */
	u8 times; /* retransmissions */
};

/* The minimum of the last ten seconds or so, in two halves. */
struct tcp_min {
	u64 value[2], since;
};

struct tcp_cubic {
	u64 epoch; /* 0: none */
	u32 w_max, w_last_max, origin; /* bytes */
	u32 k_ms; /* until the window is at its origin again */
	u64 w_est; /* what Reno would have */
	u32 acked; /* since cwnd grew last */
	/* HyStart++ (RFC 9406) */
	u32 round_end;
	u64 round_min, last_round_min, css_min;
	u8 samples, css_rounds;
	bool css;
};

struct tcp_prr { /* RFC 6937 */
	u32 delivered, out, flight;
};

struct tcp_rack { /* RFC 8985 */
	u64 when, rtt; /* of the latest sent segment that was delivered */
	u32 end;
	u32 fack; /* highest sequence number delivered */
	u32 reo_mult, reo_persist, dsack_round;
	bool reordering, dsack;
	u32 tlp_end; /* the probe's, when tlp_out */
	bool tlp_out, tlp_retransmission;
	u8 probes; /* in recovery, since something was delivered */
};

enum tcp_ca { CA_OPEN, CA_DISORDER, CA_CWR, CA_RECOVERY, CA_LOSS }; /* as TCP_INFO has them */

struct tcp_stats {
	u64 bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	u32 segs_out, segs_in, data_segs_in, data_segs_out, retrans, dsacks, reorder_seen, rcv_ooo;
	u64 last_data_sent, last_data_received, last_ack_received;
};

struct tcp {
	struct socket s;
	struct tcp_node node;
	u8 state; /* enum tcp_state */
	bool orphan; /* the program has closed it */
	bool connecting; /* connect(2) has not told its outcome yet */
	bool had_fin; /* received: SOCK_DONE */
	bool fin_read; /* the program knows */
	bool port_locked; /* by bind(2) to a number: survives the connection */
	u8 shutdown; /* 1: no receiving, 2: no sending */
	int soft_error; /* positive errno from ICMP: what a timeout is reported as */
	unsigned ifindex; /* for link-local addresses */
	struct inet_options inet; /* of SOL_IP and SOL_IPV6 */
	struct port_binding port;
	struct ip_path path;
	struct net_work work;

	/* Send sequence variables (RFC 9293, 3.3.1). */
	u32 iss, snd_una, snd_nxt;
	u32 snd_end; /* of the queued data, without FIN */
	u32 snd_wnd, snd_wl1, snd_wl2, max_wnd;
	u32 mss; /* payload of a full segment, options taken off */
	u16 mss_peer, mss_user;
	u8 snd_wscale, rcv_wscale;
	bool wscale_ok, ts_ok, sack_ok;
	bool fin_queued; /* behind snd_end */
	bool nodelay, cork, more; /* more: of the last send */
	bool nospace; /* somebody waits for room */
	u32 snd_small; /* end of the last segment shorter than mss (Minshall) */

	struct list chunks;
	struct tcp_chunk *chunk_hint;
	struct pkt_mem *block; /* what small writes are put into, and... */
	u32 block_used; /* ...how much of it is taken */

	struct list segments, sent;
	struct tcp_segment *sack_hint;
	u32 sacked, lost, retrans; /* bytes: SACKed, lost, lost but in flight again */
	u32 reno_sacked; /* duplicate ACKs of a peer without SACK, in bytes */
	u8 dupacks;

	/* Round-trip times (RFC 6298); 0: not measured. */
	u64 srtt, rttvar, rto;
	struct tcp_min rtt_min;
	u8 backoff;

	u32 cwnd, ssthresh;
	u8 ca; /* enum tcp_ca */
	u32 recover; /* snd_nxt when recovery began */
	u32 prior_cwnd, prior_ssthresh; /* before it, for undoing */
	u32 undo_ts; /* the timestamp of the first retransmission, or 0 */
	bool undo_armed; /* the last reduction may turn out to be for nothing: */
	u32 undo_from, undo_count; /* segments sent again since snd_una was this */
	u32 delivered_ack; /* newly delivered by the segment being processed... */
	u32 echoed; /* ...and the timestamp in it, or 0 */
	bool cwnd_limited;
	struct tcp_cubic cubic;
	struct tcp_prr prr;
	struct tcp_rack rack;

	/* Receive sequence variables. */
	u32 irs, rcv_nxt, rcv_edge; /* right edge of the advertised window */
	u32 copied; /* sequence number of the program's next byte */
	u32 last_ack_sent;
	u32 rcv_mss; /* what full segments seem to be */
	u32 ts_recent;
	u64 ts_recent_when;
	u32 ts_offset;
	struct list received, disordered; /* packets; see struct tcp_cb */
	u32 rmem; /* their pkt_truesize() */
	struct tcp_block blocks[TCP_SACK_MAX + 1], dsack; /* to report */
	u8 nblocks;
	bool has_dsack;
	bool ack_now, ack_later; /* due at once; due with the timer */
	bool pingpong; /* an interactive flow: answers carry the ACKs */
	u8 quickacks;
	u64 challenged_at, confirmed_at; /* see tcp_challenge_ack(), ip_confirm() */
	/* Tuning of the receive buffer: what the program took since. */
	u64 tune_since;
	u32 tune_copied, tune_space;

	struct tcp_timer timer; /* at the earliest of: */
	u64 rtx_at, delack_at, keep_at; /* NEVER: not armed */
	u8 rtx; /* RTX_*: what rtx_at is for */
	u64 rtx_since; /* the first of a row of retransmissions without progress */
	u8 retries, probes; /* in a row, unanswered */
	u8 keep_probes;

	u32 keep_idle, keep_intvl, keep_cnt; /* s, s, probes */
	u8 syn_retries;
	u32 user_timeout_ms, defer_accept;
	int linger2;
	u32 notsent_lowat, window_clamp;

	/* Of a listener; link and parent: of a connection that waits in one. */
	struct list listener_link; /* in the table of listeners */
	struct list requests, accepted;
	u32 nrequests, naccepted, backlog;
	u64 cookies_at; /* when one was sent last; 0: never */
	struct list accept_link;
	struct tcp *parent;

	struct tcp_stats stats;
};

static inline struct tcp *tcp_of(struct socket *s)
{
	return container_of(s, struct tcp, s);
}
static inline struct tcp *tcp_of_node(struct tcp_node *node)
{
	return container_of(node, struct tcp, node);
}

/* In pkt->cb of received packets on `received` and `disordered`. */
struct tcp_cb {
	u32 seq, end; /* of the data in the packet */
	u32 truesize; /* as it is counted in rmem */
	bool fin; /* behind it */
	bool collected; /* a copy of several small ones, with room at its end */
};
static inline struct tcp_cb *tcp_cb(struct pkt *pkt)
{
	return (struct tcp_cb *)pkt->cb;
}

/* A received segment as it is processed. */
struct tcp_in {
	struct pkt *pkt; /* at its data; NULL once it is queued */
	const u8 *header;
	u32 seq, ack, len; /* of the data */
	u32 end; /* seq + len, and SYN and FIN */
	u32 window; /* as in the header */
	u8 flags;
	struct tcp_options opt;
	u64 now;
	u32 iss; /* a SYN in TIME-WAIT: our next initial number; 0: any */
};

/* ---- tcp_input.c ---- */
void tcp_conn_input(struct tcp *c, struct tcp_in *in);
/* Whether another answer to an unacceptable segment may go (RFC 5961, 7). */
void tcp_challenge_ack(struct tcp *c);

/* ---- tcp_syn_sent.c ---- */
void tcp_syn_sent_input(struct tcp *c, struct tcp_in *in);
/* What SYN and SYN-ACK agreed on, for both sides. */
void tcp_negotiated(struct tcp *c, const struct tcp_options *opt);

/* ---- tcp_ack.c ---- */
/* Processes the ACK field; false: the segment is to be dropped. */
bool tcp_ack(struct tcp *c, struct tcp_in *in);
void tcp_rtt_sample(struct tcp *c, u64 rtt);
void tcp_rto_update(struct tcp *c);
static inline u32 tcp_flight(const struct tcp *c)
{
	return c->snd_nxt - c->snd_una;
}
/* What is queued and was never sent; FIN counts one. */
static inline u32 tcp_unsent(const struct tcp *c)
{
	return c->snd_end + c->fin_queued - c->snd_nxt;
}
/* RFC 6675's pipe: what is thought to be in the network. */
static inline u32 tcp_pipe(const struct tcp *c)
{
	return tcp_flight(c) - MIN(tcp_flight(c), c->sacked + c->reno_sacked + c->lost) +
	       c->retrans;
}
u64 tcp_min_get(const struct tcp_min *m);
void tcp_min_put(struct tcp_min *m, u64 value, u64 now);

/* ---- tcp_segment.c: what is in flight ---- */
struct tcp_segment *tcp_segment_add(struct tcp *c, u32 seq, u32 end, bool fin);
/* Cuts a segment in two at seq; false: no memory. */
bool tcp_segment_split(struct tcp *c, struct tcp_segment *s, u32 seq);
/* Its bytes before seq are acknowledged. */
void tcp_segment_trim(struct tcp *c, struct tcp_segment *s, u32 seq);
void tcp_segment_free(struct tcp *c, struct tcp_segment *s);
void tcp_segment_sent(struct tcp *c, struct tcp_segment *s, u64 now); /* (again) */
void tcp_segment_lost(struct tcp *c, struct tcp_segment *s);
void tcp_segment_found(struct tcp *c, struct tcp_segment *s); /* it was not lost */
void tcp_segment_sacked(struct tcp *c, struct tcp_segment *s);
/* Everything in flight that is not SACKed is lost (RFC 6298, 5.4); a SACKed
 * first segment means that the peer broke its word: nothing counts as SACKed
 * any more (RFC 2018, 8). */
void tcp_segments_all_lost(struct tcp *c);
void tcp_segments_purge(struct tcp *c);
static inline struct tcp_segment *tcp_segment_of(struct list *link)
{
	return container_of(link, struct tcp_segment, link);
}

/* ---- tcp_sack.c ---- */
/* True: it reports a duplicate. */
bool tcp_sack_input(struct tcp *c, const struct tcp_in *in, u32 prior_una);
/* What we report: a segment [start, end) came out of order; the window moved. */
void tcp_sack_add(struct tcp *c, u32 start, u32 end);
void tcp_sack_advance(struct tcp *c);
void tcp_dsack_set(struct tcp *c, u32 start, u32 end);

/* ---- tcp_rack.c ---- */
void tcp_rack_delivered(struct tcp *c, const struct tcp_segment *s, u64 now);
void tcp_rack_dsack(struct tcp *c);
/* Marks what is lost and arms the timer for what may be soon. */
void tcp_rack_detect(struct tcp *c, u64 now);
void tcp_tlp_arm(struct tcp *c, u64 now);
void tcp_tlp_send(struct tcp *c);
void tcp_tlp_ack(struct tcp *c, const struct tcp_in *in, bool dsack);

/* ---- tcp_cc.c ---- */
void tcp_cc_init(struct tcp *c);
void tcp_cc_acked(struct tcp *c, u32 acked, u64 now);
void tcp_cc_rtt(struct tcp *c, u64 rtt);
void tcp_cc_recovery(struct tcp *c); /* loss found: fast recovery begins */
void tcp_cc_in_recovery(struct tcp *c, u32 delivered, bool progress); /* an ACK in it */
void tcp_cc_recovered(struct tcp *c);
void tcp_cc_timeout(struct tcp *c);
void tcp_cc_undo(struct tcp *c);
void tcp_cc_duplicate(struct tcp *c, const struct tcp_block *dsack);
void tcp_cc_idle(struct tcp *c); /* RFC 5681, 4.1 */

/* ---- tcp_output.c ---- */
void tcp_output(struct tcp *c); /* whatever may be sent now */
void tcp_output_later(struct tcp *c); /* the same at net_leave() */
void tcp_send_syn(struct tcp *c); /* or SYN-ACK, in SYN-RECV */
void tcp_send_ack(struct tcp *c);
void tcp_send_probe(struct tcp *c); /* an old sequence number, to be answered */
void tcp_send_reset(struct tcp *c); /* of an existing connection */
bool tcp_retransmit(struct tcp *c, struct tcp_segment *s, u32 most);
bool tcp_send_new(struct tcp *c, u32 most); /* one packet */
void tcp_set_mss(struct tcp *c);
u32 tcp_window_to_offer(const struct tcp *c);
void tcp_ip_send(const struct tcp *c, struct ip_send *to);

/* A segment without a connection: header and options only. */
struct tcp_bare {
	struct ipaddr local, remote;
	unsigned ifindex;
	u16 lport, rport;
	u32 seq, ack;
	u16 window;
	u8 flags;
	struct tcp_options opt;
};
int tcp_send_bare(const struct tcp_bare *b);
/* Answers a segment that belongs nowhere (RFC 9293, 3.10.7.1). */
void tcp_reset_answer(const struct tcp_in *in);

/* ---- tcp_send.c: the send queue ---- */
/* The chunk that the byte with sequence number seq is in. */
struct tcp_chunk *tcp_chunk_at(struct tcp *c, u32 seq);
void tcp_chunks_acked(struct tcp *c); /* gives back what is before snd_una */
void tcp_chunks_purge(struct tcp *c);
long tcp_send(struct socket *s, struct sockmsg *msg);
u32 tcp_send_room(const struct tcp *c); /* bytes */
bool tcp_writable(const struct tcp *c); /* as poll(2) means it */
void tcp_sndbuf_tune(struct tcp *c);
void tcp_wake_writers(struct tcp *c);

/* ---- tcp_recv.c ---- */
long tcp_recv(struct socket *s, struct sockmsg *msg);
void tcp_data_input(struct tcp *c, struct tcp_in *in);
void tcp_received_purge(struct tcp *c);
u32 tcp_readable(const struct tcp *c); /* bytes */
/* The ACK that was received data's due: now or with the timer. */
void tcp_ack_schedule(struct tcp *c);

/* ---- tcp_listen.c, tcp_cookie.c ---- */
void tcp_listeners_init(void);
int tcp_listen(struct socket *s, int backlog);
int tcp_accept(struct socket *s, struct socket **connection, bool nonblock);
struct tcp *tcp_listener_find(const struct tcp_in *in);
void tcp_listener_input(struct tcp *l, struct tcp_in *in);
void tcp_request_input(struct tcp_node *node, struct tcp_in *in);
void tcp_request_error(struct tcp_node *node, u32 seq, int error);
void tcp_listener_close(struct tcp *l);
void tcp_listeners_visit(void (*visit)(struct tcp *l, void *arg), void *arg);
u32 tcp_cookie_make(const struct tcp_node *node, u32 irs, u16 mss);
u32 tcp_cookie_timestamp(const struct tcp_node *node, const struct tcp_options *opt);
/* What the SYN had, from the ACK of our SYN-ACK; false: not a cookie of ours. */
bool tcp_cookie_check(const struct tcp_node *node, const struct tcp_in *in,
		      struct tcp_options *syn);

/* ---- tcp_timewait.c ---- */
/* The connection's last state is kept in a small object; the connection is
 * done. substate: TCP_TIME_WAIT, or TCP_FIN_WAIT2 for one that nobody reads. */
void tcp_time_wait(struct tcp *c, enum tcp_state substate);
/* True: the segment is a SYN that opens a new connection (RFC 6191); the old
 * one is gone. */
bool tcp_timewait_input(struct tcp_node *node, struct tcp_in *in);
enum tcp_state tcp_timewait_state(const struct tcp_node *node, u64 *end);
/* Whether connect() may take the place of one (RFC 6191), which is freed. */
bool tcp_timewait_reuse(struct tcp_node *node, u32 *iss);
void tcp_timewait_purge(void); /* all of them: for tests */

/* ---- tcp_state.c: beginning and end ---- */
extern struct port_table tcp_ports;
struct tcp *tcp_new(int family); /* NULL: no memory */
void tcp_establish(struct tcp *c);
/* The connection is over; error: a positive errno for the program, or 0. It is
 * freed if nobody has it. */
void tcp_done(struct tcp *c, int error);
void tcp_abort(struct tcp *c, int error); /* with a reset to the peer */
void tcp_release(struct socket *s);
void tcp_discard(struct tcp *c); /* of a closed listener: nobody will accept it */
int tcp_shutdown(struct socket *s, int how);
void tcp_wake(struct tcp *c);

/* ---- tcp_connect.c ---- */
int tcp_bind(struct socket *s, const struct sockname *name);
int tcp_connect(struct socket *s, const struct sockname *name, bool nonblock);

/* ---- tcp_sockopt.c ---- */
int tcp_setsockopt(struct socket *s, int level, int name, const void *value, u32 len);
int tcp_getsockopt(struct socket *s, int level, int name, void *value, u32 *len);
void tcp_option(struct socket *s, int name);
long tcp_ioctl(struct socket *s, unsigned cmd, unsigned long arg);

/* ---- tcp_timer.c, of a connection ---- */
void tcp_rtx_arm(struct tcp *c, u8 what, u64 at);
void tcp_rtx_cancel(struct tcp *c);
void tcp_rtx_rearm(struct tcp *c); /* after an ACK or a transmission */
void tcp_delack_arm(struct tcp *c, u64 at);
void tcp_keep_arm(struct tcp *c); /* keep-alive, or FIN-WAIT-2's end */
void tcp_timer_expired(struct tcp_timer *timer);

#endif
