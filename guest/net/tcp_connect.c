/*
 * bind(2) and connect(2).
 */
#include "tcp_conn.h"

/* ---- bind ---- */

int tcp_bind(struct socket *s, const struct sockname *name)
{
	struct tcp *c = tcp_of(s);
	struct ipaddr addr;
	u32 scope;
	u16 port;
	int error = inet_bind_name(s, &c->inet, name, &addr, &port, &scope);

	if (error < 0)
		return error;
	if (c->state != TCP_CLOSE || c->port.port != 0)
		return -EINVAL;
	if (ip_is_multicast(&addr))
		return -EADDRNOTAVAIL;
	c->port.addr = addr;
	c->port.ifindex = s->opt.ifindex != 0 ? s->opt.ifindex : scope;
	c->port.v6only = s->opt.v6only;
	c->port.reuse_addr = s->opt.reuse_addr;
	c->port.reuse_port = s->opt.reuse_port;
	error = ports_bind(&tcp_ports, &c->port, port);
	c->port_locked = error == 0 && port != 0;
	return error;
}

/* ---- connect ---- */

/* Whether the connection's four numbers are free, or in a TIME-WAIT that may
 * be followed (RFC 6191); *iss is then where to go on from. */
static bool unique(struct tcp *c, u32 *iss)
{
	struct tcp_node *n =
		tcp_table_find(&c->node.local, c->node.lport, &c->node.remote, c->node.rport);

	*iss = 0;
	if (n == NULL)
		return true;
	return n->kind == NODE_TIMEWAIT && tcp_timewait_reuse(n, iss);
}

/* RFC 6056, 3.3.3: from a place that depends on the peer, on a little each
 * time. A port may serve several peers. */
static int choose_port(struct tcp *c, u32 *iss)
{
	const u32 range = PORT_EPHEMERAL_END - PORT_EPHEMERAL;
	static u32 counter;
	u32 offset;

	c->node.lport = 0;
	offset = tcp_keyed_hash(&c->node, 0);
	c->port.addr = c->node.local;
	c->port.v6only = c->s.opt.v6only;
	c->port.reuse_addr = c->s.opt.reuse_addr;
	c->port.reuse_port = c->s.opt.reuse_port;
	for (u32 i = 0; i < range; i++) {
		c->node.lport = PORT_EPHEMERAL + (offset + counter++) % range;
		if (unique(c, iss) && ports_connect(&tcp_ports, &c->port, c->node.lport) == 0)
			return 0;
	}
	return -EADDRNOTAVAIL;
}

static int find_path(struct tcp *c, const struct ipaddr *remote)
{
	int error;

	/* while DHCP is still asking, there may soon be a route */
	do
		error = ip_route(&c->port.addr, remote, c->ifindex, &c->path);
	while (error == -ENETUNREACH && dhcp_wait() == 0);
	return error;
}

static int set_ends(struct tcp *c, const struct sockname *name)
{
	struct ipaddr remote, loop6 = { .b = { [15] = 1 } };
	u32 scope;
	u16 port;
	int error = sockname_get(&c->s, name, &remote, &port, &scope);

	if (error < 0)
		return error;
	if (ip_is_any(&remote)) /* this host, as on Linux */
		remote = ip_is4(&remote) ? ip_from4(htonl(0x7f000001)) : loop6;
	if (ip_is_multicast(&remote) || (ip_is4(&remote) && ip_get4(&remote) == 0xffffffff))
		return -ENETUNREACH;
	c->ifindex = c->s.opt.ifindex != 0 ? c->s.opt.ifindex : scope;
	if (c->ifindex == 0 && c->port.ifindex != 0)
		c->ifindex = c->port.ifindex;
	if (ip_is_link_local(&remote) && !ip_is4(&remote) && c->ifindex == 0)
		return -EINVAL;
	error = find_path(c, &remote);
	if (error < 0)
		return error;
	c->node.local = c->path.src;
	c->node.remote = remote;
	c->node.rport = port;
	return 0;
}

static int set_ports(struct tcp *c, u32 *iss)
{
	if (c->port.port == 0)
		return choose_port(c, iss);
	c->node.lport = c->port.port;
	return unique(c, iss) ? 0 : -EADDRNOTAVAIL;
}

/* A socket can connect again after it failed, or was disconnected. */
static void begin_anew(struct tcp *c, u32 iss)
{
	tcp_received_purge(c);
	c->iss = iss;
	c->snd_una = c->iss;
	c->snd_nxt = c->snd_end = c->iss + 1;
	c->rcv_nxt = c->copied = c->rcv_edge = c->last_ack_sent = 0;
	c->snd_wnd = c->max_wnd = 0;
	c->snd_small = c->iss;
	c->shutdown = 0;
	c->had_fin = c->fin_read = c->fin_queued = false;
	c->retries = c->backoff = c->probes = c->keep_probes = 0;
	c->srtt = c->rttvar = 0;
	c->rto = TCP_RTO_INITIAL;
	c->ts_ok = c->sack_ok = c->wscale_ok = false;
	c->mss_peer = 0;
	memset(&c->stats, 0, sizeof(c->stats));
	memset(&c->rack, 0, sizeof(c->rack));
	memset(&c->cubic, 0, sizeof(c->cubic));
	memset(&c->rtt_min, 0, sizeof(c->rtt_min));
}

static int start(struct tcp *c, const struct sockname *name)
{
	u32 iss;
	int error = set_ends(c, name);

	if (error == 0)
		error = set_ports(c, &iss);
	if (error < 0) {
		c->node.rport = 0;
		return error;
	}
	begin_anew(c, iss != 0 ? iss : tcp_initial_seq(&c->node));
	c->ts_offset = tcp_ts_offset(&c->node);
	tcp_set_mss(c);
	tcp_table_add(&c->node);
	c->state = TCP_SYN_SENT;
	c->connecting = true;
	c->s.error = 0;
	c->rtx_since = now_ns();
	tcp_send_syn(c);
	tcp_rtx_rearm(c);
	return 0;
}

/* Waits for the handshake's outcome and tells it, once. */
static int finish(struct tcp *c, bool nonblock)
{
	u64 deadline = socket_deadline(c->s.opt.sndtimeo_ns);

	while (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV) {
		int error = socket_wait(&c->s, nonblock, deadline);

		if (error == -EAGAIN)
			return -EINPROGRESS;
		if (error < 0)
			return error;
	}
	c->connecting = false;
	if (c->state != TCP_CLOSE)
		return 0;
	c->node.rport = 0;
	return c->s.error != 0 ? socket_take_error(&c->s) : -ECONNABORTED;
}

static int disconnect(struct tcp *c)
{
	if (c->state == TCP_LISTEN)
		tcp_listener_close(c);
	tcp_abort(c, 0);
	tcp_received_purge(c);
	c->connecting = false;
	c->shutdown = 0;
	c->s.error = 0;
	c->node.rport = c->node.lport = 0;
	return 0;
}

int tcp_connect(struct socket *s, const struct sockname *name, bool nonblock)
{
	struct tcp *c = tcp_of(s);
	int error;

	if (name->len < sizeof(name->family))
		return -EINVAL;
	if (name->family == AF_UNSPEC)
		return disconnect(c);
	if (c->connecting) {
		bool waiting = c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV;

		error = finish(c, nonblock);
		return waiting && error == -EINPROGRESS ? -EALREADY : error;
	}
	if (c->state != TCP_CLOSE)
		return -EISCONN;
	error = start(c, name);
	return error < 0 ? error : finish(c, nonblock);
}
