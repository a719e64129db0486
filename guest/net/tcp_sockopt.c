/*
 * Socket options and ioctls of TCP (tcp(7)).
 */
#include "tcp_conn.h"
#include <asm/ioctls.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include "../libos/uaccess.h"

#define MAX_KEEP_TIME  32767
#define MAX_KEEP_COUNT 127
#define MAX_SYNCNT     127
#define MIN_MAXSEG     88
#define MAX_MAXSEG     32767
#define CA_NAME        "cubic"
#define CA_NAME_LEN    16
#define MAX_LINGER2    (120)

static bool in_range(int n, int least, int most)
{
	return n >= least && n <= most;
}

/* ---- setting ---- */

static int set_bool(struct tcp *c, int name, bool on)
{
	switch (name) {
	case TCP_NODELAY:
		c->nodelay = on;
		break;
	case TCP_CORK:
		c->cork = on;
		if (!on)
			c->more = false;
		break;
	case TCP_QUICKACK:
		c->pingpong = !on;
		c->quickacks = on ? TCP_QUICKACKS : 0;
		c->ack_now |= on && c->ack_later;
		break;
	default:
		return -ENOPROTOOPT;
	}
	tcp_output(c);
	return 0;
}

static int set_keep(struct tcp *c, u32 *value, int n, int most)
{
	if (!in_range(n, 1, most))
		return -EINVAL;
	*value = n;
	tcp_keep_arm(c);
	return 0;
}

static int set_number(struct tcp *c, int name, int n)
{
	switch (name) {
	case TCP_MAXSEG:
		if (n != 0 && !in_range(n, MIN_MAXSEG, MAX_MAXSEG))
			return -EINVAL;
		c->mss_user = n;
		break;
	case TCP_SYNCNT:
		if (!in_range(n, 1, MAX_SYNCNT))
			return -EINVAL;
		c->syn_retries = n;
		break;
	case TCP_USER_TIMEOUT:
		if (n < 0)
			return -EINVAL;
		c->user_timeout_ms = n;
		break;
	case TCP_DEFER_ACCEPT:
		c->defer_accept = MAX(n, 0);
		break;
	case TCP_LINGER2:
		c->linger2 = n < 0 ? -1 : n == 0 || n > MAX_LINGER2 ? 60 : n;
		break;
	case TCP_NOTSENT_LOWAT:
		c->notsent_lowat = n;
		tcp_wake_writers(c);
		break;
	case TCP_WINDOW_CLAMP:
		if (n < 0)
			return -EINVAL;
		c->window_clamp = n;
		break;
	default:
		return -ENOPROTOOPT;
	}
	return 0;
}

static int set_congestion(const void *value, u32 len)
{
	/* the program may give it with its NUL, or without */
	u32 n = strnlen(value, MIN(len, (u32)CA_NAME_LEN));

	if (len == 0)
		return -EINVAL;
	return n == strlen(CA_NAME) && memcmp(value, CA_NAME, n) == 0 ? 0 : -ENOENT;
}

static int set_tcp(struct tcp *c, int name, const void *value, u32 len)
{
	int n, error;

	if (name == TCP_CONGESTION)
		return set_congestion(value, len);
	if (len < sizeof(n))
		return -EINVAL;
	error = sockopt_int(value, len, &n);
	if (error < 0)
		return error;
	switch (name) {
	case TCP_NODELAY:
	case TCP_CORK:
	case TCP_QUICKACK:
		return set_bool(c, name, n != 0);
	case TCP_KEEPIDLE:
		return set_keep(c, &c->keep_idle, n, MAX_KEEP_TIME);
	case TCP_KEEPINTVL:
		return set_keep(c, &c->keep_intvl, n, MAX_KEEP_TIME);
	case TCP_KEEPCNT:
		return set_keep(c, &c->keep_cnt, n, MAX_KEEP_COUNT);
	default:
		return set_number(c, name, n);
	}
}

int tcp_setsockopt(struct socket *s, int level, int name, const void *value, u32 len)
{
	struct tcp *c = tcp_of(s);

	if (level == SOL_TCP)
		return set_tcp(c, name, value, len);
	return inet_setsockopt(s, &c->inet, c->port.port != 0, level, name, value, len);
}

/* ---- getting ---- */

static u32 in_segments(const struct tcp *c, u32 bytes)
{
	return (bytes + c->mss - 1) / c->mss;
}

static u32 ms_since(u64 when)
{
	return when == 0 ? 0 : (now_ns() - when) / NS_PER_MS;
}

static void info_times(const struct tcp *c, struct tcp_info *i)
{
	u64 min = tcp_min_get(&c->rtt_min);

	i->tcpi_rto = c->rto / 1000;
	i->tcpi_ato = TCP_DELACK / 1000;
	i->tcpi_rtt = c->srtt / 1000;
	i->tcpi_rttvar = c->rttvar / 1000;
	i->tcpi_min_rtt = min / 1000;
	i->tcpi_last_data_sent = ms_since(c->stats.last_data_sent);
	i->tcpi_last_data_recv = ms_since(c->stats.last_data_received);
	i->tcpi_last_ack_recv = ms_since(c->stats.last_ack_received);
}

static void info_counts(const struct tcp *c, struct tcp_info *i)
{
	const struct tcp_stats *st = &c->stats;

	i->tcpi_total_retrans = st->retrans;
	i->tcpi_bytes_acked = st->bytes_acked;
	i->tcpi_bytes_received = st->bytes_received;
	i->tcpi_bytes_sent = st->bytes_sent;
	i->tcpi_bytes_retrans = st->bytes_retrans;
	i->tcpi_segs_out = st->segs_out;
	i->tcpi_segs_in = st->segs_in;
	i->tcpi_data_segs_in = st->data_segs_in;
	i->tcpi_data_segs_out = st->data_segs_out;
	i->tcpi_dsack_dups = st->dsacks;
	i->tcpi_reord_seen = st->reorder_seen;
	i->tcpi_rcv_ooopack = st->rcv_ooo;
}

static void info(const struct tcp *c, struct tcp_info *i)
{
	memset(i, 0, sizeof(*i));
	i->tcpi_state = c->state;
	i->tcpi_ca_state = c->ca;
	i->tcpi_retransmits = c->retries;
	i->tcpi_probes = c->probes;
	i->tcpi_backoff = c->backoff;
	i->tcpi_options = (c->ts_ok ? TCPI_OPT_TIMESTAMPS : 0) | (c->sack_ok ? TCPI_OPT_SACK : 0) |
			  (c->wscale_ok ? TCPI_OPT_WSCALE : 0);
	i->tcpi_snd_wscale = c->snd_wscale;
	i->tcpi_rcv_wscale = c->rcv_wscale;
	i->tcpi_snd_mss = i->tcpi_advmss = c->mss;
	i->tcpi_rcv_mss = c->rcv_mss;
	i->tcpi_unacked = c->state == TCP_LISTEN ? c->naccepted : in_segments(c, tcp_flight(c));
	i->tcpi_sacked = c->state == TCP_LISTEN ? c->backlog : in_segments(c, c->sacked);
	i->tcpi_lost = in_segments(c, c->lost);
	i->tcpi_retrans = in_segments(c, c->retrans);
	i->tcpi_pmtu = c->path.mtu;
	i->tcpi_rcv_ssthresh = tcp_window_to_offer(c);
	i->tcpi_snd_ssthresh = c->ssthresh == UINT32_MAX ? INT32_MAX : in_segments(c, c->ssthresh);
	i->tcpi_snd_cwnd = in_segments(c, c->cwnd);
	i->tcpi_reordering = TCP_DUPACKS;
	i->tcpi_rcv_space = c->s.opt.rcvbuf / 2;
	i->tcpi_notsent_bytes = tcp_unsent(c);
	i->tcpi_snd_wnd = c->snd_wnd;
	info_times(c, i);
	info_counts(c, i);
}

static int get_number(const struct tcp *c, int name, int *n)
{
	switch (name) {
	case TCP_NODELAY:
		*n = c->nodelay;
		return 0;
	case TCP_CORK:
		*n = c->cork;
		return 0;
	case TCP_MAXSEG:
		*n = c->state == TCP_CLOSE || c->state == TCP_LISTEN ?
			     c->mss_user != 0 ? c->mss_user : 536 :
			     c->mss;
		return 0;
	case TCP_KEEPIDLE:
		*n = c->keep_idle;
		return 0;
	case TCP_KEEPINTVL:
		*n = c->keep_intvl;
		return 0;
	case TCP_KEEPCNT:
		*n = c->keep_cnt;
		return 0;
	case TCP_SYNCNT:
		*n = c->syn_retries;
		return 0;
	case TCP_LINGER2:
		*n = c->linger2;
		return 0;
	case TCP_DEFER_ACCEPT:
		*n = c->defer_accept;
		return 0;
	case TCP_WINDOW_CLAMP:
		*n = c->window_clamp;
		return 0;
	case TCP_QUICKACK:
		*n = !c->pingpong;
		return 0;
	case TCP_USER_TIMEOUT:
		*n = c->user_timeout_ms;
		return 0;
	case TCP_NOTSENT_LOWAT:
		*n = c->notsent_lowat;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_tcp(struct tcp *c, int name, void *value, u32 *len)
{
	char ca[CA_NAME_LEN] = CA_NAME;
	struct tcp_info i;
	int n, error;

	if (name == TCP_INFO) {
		info(c, &i);
		*len = MIN(*len, (u32)sizeof(i));
		memcpy(value, &i, *len);
		return 0;
	}
	if (name == TCP_CONGESTION) {
		*len = MIN(*len, (u32)sizeof(ca));
		memcpy(value, ca, *len);
		return 0;
	}
	error = get_number(c, name, &n);
	return error < 0 ? error : sockopt_put_int(value, len, n);
}

int tcp_getsockopt(struct socket *s, int level, int name, void *value, u32 *len)
{
	struct tcp *c = tcp_of(s);

	if (level == SOL_TCP)
		return get_tcp(c, name, value, len);
	c->inet.mtu = TCP_IN(c->state, TCP_SYNCHRONIZED) ? c->path.mtu : 0;
	return inet_getsockopt(s, &c->inet, level, name, value, len);
}

void tcp_option(struct socket *s, int name)
{
	struct tcp *c = tcp_of(s);

	c->port.reuse_addr = s->opt.reuse_addr;
	c->port.reuse_port = s->opt.reuse_port;
	if (name == SO_KEEPALIVE)
		tcp_keep_arm(c);
	tcp_wake_writers(c);
}

/* ---- ioctl ---- */

long tcp_ioctl(struct socket *s, unsigned cmd, unsigned long arg)
{
	struct tcp *c = tcp_of(s);
	int n;

	if (c->state == TCP_LISTEN)
		return -EINVAL;
	switch (cmd) {
	case FIONREAD: /* SIOCINQ */
		n = tcp_readable(c);
		break;
	case TIOCOUTQ: /* SIOCOUTQ */
		n = c->snd_end + c->fin_queued - c->snd_una;
		break;
	case SIOCOUTQNSD:
		n = tcp_unsent(c);
		break;
	case SIOCATMARK: /* urgent data comes inline */
		n = 0;
		break;
	default:
		return -ENOTTY;
	}
	return copy_to_user((void *)arg, &n, sizeof(n));
}
