/* See tcp_fake.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tcp_fake.h"
#include "../../guest/net/addr_text.h"
#include "../../guest/net/stack.h"

struct wire wire;
struct netif fake_if;
struct tcp_options got;
u16 got_window;
u8 got_data[1 << 17];

/* ---- chance ---- */

static u64 state;

void fake_seed(u64 seed)
{
	state = seed * 0x9e3779b97f4a7c15 + 1;
}

u32 fake_random(u32 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % below;
}

/* ---- the door ---- */

static unsigned depth;
static struct list works = { &works, &works };

void net_enter(void)
{
	depth++;
}

void net_leave(void)
{
	assert_true(depth > 0);
	while (depth == 1 && !list_empty(&works)) {
		struct net_work *w = container_of(works.next, struct net_work, link);

		list_del(&w->link);
		w->run(w);
	}
	depth--;
}

unsigned net_leave_all(void)
{
	unsigned was = depth;

	while (depth > 0)
		net_leave();
	return was;
}

void net_enter_again(unsigned was)
{
	depth = was;
}

void net_defer(struct net_work *work)
{
	assert_true(depth > 0);
	if (work->link.next == NULL || list_empty(&work->link))
		list_add_tail(&works, &work->link);
}

void net_undefer(struct net_work *work)
{
	if (work->link.next != NULL)
		list_del(&work->link);
}

struct list netifs = { &netifs, &netifs };

struct netif *netif_by_index(unsigned index)
{
	return index == fake_if.index ? &fake_if : NULL;
}

bool netif_is_broadcast(const struct netif *netif, const struct ipaddr *addr)
{
	(void)netif;
	(void)addr;
	return false;
}

bool net_is_local(const struct ipaddr *addr)
{
	return ip_is_loopback(addr) || (ip_is4(addr) && ip_get4(addr) == htonl(0xc0000201));
}

/* ---- the wire ---- */

struct event {
	struct list link; /* by time */
	u64 at;
	struct pkt *pkt;
};
void *malloc(size_t n);
void free(void *p);
static struct list events = { &events, &events };

static void put_on_wire(struct pkt *pkt)
{
	struct event *e = malloc(sizeof(*e));
	struct list *at;

	e->pkt = pkt;
	e->at = fake_clock + wire.delay + (wire.jitter ? fake_random(wire.jitter) : 0);
	list_for_each (at, &events)
		if (container_of(at, struct event, link)->at > e->at)
			break;
	list_add_tail(at, &e->link);
}

static struct pkt *take_event(void)
{
	struct event *e = container_of(events.next, struct event, link);
	struct pkt *pkt = e->pkt;

	list_del(&e->link);
	free(e);
	return pkt;
}

/* In a network: memory of its own, the addresses where IP puts them. */
static struct pkt *on_its_way(const struct pkt *pkt, const struct ip_send *to, u32 from, u32 len)
{
	struct pkt_mem *front, *data;
	u32 header = pkt->len;
	struct pkt *copy;
	long left = fake_allocations_left;

	fake_allocations_left = -1; /* the network has its own memory */
	front = pkt_mem_alloc(header);
	copy = pkt_wrap(front, front->data, header);
	data = pkt_mem_alloc(MAX(len, 1u));
	fake_allocations_left = left;
	pkt_copy(pkt, 0, front->data, header);
	pkt_copy(pkt, header + from, data->data, len);
	pkt_add_frag(copy, data, data->data, len);
	pkt_mem_put(data);
	copy->src = to->src;
	copy->dst = to->dst;
	copy->netif = &fake_if;
	copy->proto = IPPROTO_TCP;
	return copy;
}

static void send_one(const struct pkt *pkt, const struct ip_send *to, u32 from, u32 len, bool last)
{
	struct pkt *copy = on_its_way(pkt, to, from, len);
	struct tcp_header *h = (struct tcp_header *)copy->data;

	if (!last)
		h->flags &= ~(TH_FIN | TH_PSH);
	h->seq = htonl(ntohl(h->seq) + from);
	wire.packets++;
	wire.longest = MAX(wire.longest, len);
	if (!wire.script &&
	    ((wire.lose != NULL && wire.lose(h, len)) || fake_random(1000) < wire.loss)) {
		wire.lost++;
		pkt_free(copy);
		return;
	}
	if (fake_random(1000) < wire.damage)
		copy->csum = 77; /* ip_checksum_good() will see it */
	put_on_wire(copy);
	if (fake_random(1000) < wire.repeat)
		put_on_wire(on_its_way(copy, to, 0, copy->total - copy->len));
}

static void icmp_too_long(const struct pkt *pkt, const struct ip_send *to)
{
	struct pkt *quoted = on_its_way(pkt, to, 0, 0);

	net_enter();
	tcp_error(quoted, EMSGSIZE, wire.mtu_limit);
	net_leave();
	pkt_free(quoted);
}

int ip_output(struct pkt *pkt, const struct ip_send *to)
{
	u32 header = ((struct tcp_header *)pkt->data)->offset >> 4 << 2, data = pkt->total - header;
	u32 size = pkt->gso_size != 0 ? pkt->gso_size : data, at = 0;
	int error = wire.error;

	wire.tos = to->tos;
	assert_int_equal(pkt->csum, CSUM_PARTIAL);
	assert_true(depth > 0);
	if (pkt->gso_size != 0)
		assert_true(data + header + 40 <= MAX(fake_if.gso_max, fake_if.mtu));
	assert_true(size + header + 20 <= fake_if.mtu);
	if (error == 0 && wire.mtu_limit != 0 && size + header + 20 > wire.mtu_limit) {
		icmp_too_long(pkt, to);
		wire.lost++;
	} else if (error == 0) {
		if (!wire.segment)
			size = MAX(data, 1u);
		do {
			u32 n = MIN(size, data - at);

			send_one(pkt, to, at, n, at + n == data);
			at += n;
		} while (at < data);
	}
	pkt_free(pkt);
	return error;
}

void ip_checksum_later(struct pkt *pkt, const struct ip_send *to, u16 offset)
{
	(void)to;
	assert_int_equal(offset, 16);
	pkt->csum = CSUM_PARTIAL;
}

bool ip_checksum_good(const struct pkt *pkt)
{
	return pkt->csum != 77;
}

void ip_confirm(const struct ipaddr *dst)
{
	(void)dst;
}

int dhcp_wait(void)
{
	return -ETIMEDOUT;
}

int ip_route(const struct ipaddr *src, const struct ipaddr *dst, unsigned ifindex,
	     struct ip_path *path)
{
	(void)ifindex;
	if (wire.error != 0)
		return wire.error;
	path->netif = &fake_if;
	path->mtu = fake_if.mtu;
	path->next_hop = *dst;
	if (src != NULL && !ip_is_any(src))
		path->src = *src;
	else if (ip_is_loopback(dst))
		path->src = *dst;
	else
		ip_parse(OURS, &path->src);
	return 0;
}

/* ---- the world ---- */

static void deliver(struct pkt *pkt)
{
	net_enter();
	tcp_input(pkt);
	net_leave();
}

/* The next event, not later than `end`; false: there is none. */
static bool step(u64 end)
{
	u64 timer = fake_next_timer(), packet = NEVER;

	if (!wire.script && !list_empty(&events))
		packet = MAX(container_of(events.next, struct event, link)->at, fake_clock);
	if (MIN(timer, packet) > end)
		return false;
	if (packet <= timer) {
		fake_advance(packet - fake_clock);
		deliver(take_event());
	} else {
		fake_advance(MAX(timer, fake_clock) - fake_clock);
	}
	return true;
}

void run_for(u64 ns)
{
	u64 end = fake_clock + ns;

	while (step(end))
		;
	fake_advance(end - fake_clock);
}

/* Sleeping: fake_libos.c counts who is woken. */
static unsigned wakes_at_add;

void wait_add(struct waitq *q, struct waiter *w)
{
	(void)q;
	(void)w;
	wakes_at_add = fake_wakes;
}

void wait_done(struct waiter *w)
{
	(void)w;
}

int wait_sleep(u64 deadline)
{
	if (fake_signal_pending)
		return -EINTR;
	while (fake_wakes == wakes_at_add)
		if (!step(deadline)) {
			if (deadline == NEVER)
				fail_msg("waits for ever");
			fake_advance(deadline - fake_clock);
			return -ETIMEDOUT;
		}
	return 0;
}

void tcp_fake_begin(void)
{
	fake_begin();
	memset(&wire, 0, sizeof(wire));
	wire.delay = 1 * NS_PER_MS;
	memset(&fake_if, 0, sizeof(fake_if));
	fake_if.index = 1;
	fake_if.mtu = 1500;
	fake_seed(1);
}

void tcp_fake_end(void)
{
	net_enter();
	tcp_timewait_purge();
	net_leave();
	while (!list_empty(&events))
		pkt_free(take_event());
	assert_int_equal(depth, 0);
	assert_int_equal(pkt_count, 0);
	assert_int_equal(pkt_mem_count, 0);
	assert_int_equal(fake_next_timer(), NEVER);
	pkt_reclaim();
	fake_end();
}

/* ---- sockets ---- */

struct socket *new_socket(int family)
{
	struct socket *s;

	assert_int_equal(tcp_socket(family, &s), 0);
	return s;
}

struct sockname name_of(int family, const char *addr, u16 port)
{
	struct sockname name = { .family = family };
	struct ipaddr ip;

	assert_true(ip_parse(addr, &ip));
	if (family == AF_INET) {
		name.in.port = htons(port);
		name.in.addr = ip_get4(&ip);
		name.len = 16;
	} else {
		name.in6.port = htons(port);
		memcpy(name.in6.addr, ip.b, 16);
		name.len = 28;
	}
	return name;
}

static int family_of(const char *addr)
{
	return strchr(addr, ':') ? AF_INET6 : AF_INET;
}

struct socket *listen_at(const char *addr, u16 port, int backlog)
{
	struct sockname name = name_of(family_of(addr), addr, port);
	struct socket *s = new_socket(family_of(addr));

	s->opt.reuse_addr = true;
	assert_int_equal(s->ops->bind(s, &name), 0);
	assert_int_equal(s->ops->listen(s, backlog), 0);
	return s;
}

struct socket *connect_to(const char *addr, u16 port)
{
	struct sockname name = name_of(family_of(addr), addr, port);
	struct socket *s = new_socket(family_of(addr));
	int error;

	net_enter();
	error = s->ops->connect(s, &name, wire.script);
	net_leave();
	assert_int_equal(error, wire.script ? -EINPROGRESS : 0);
	return s;
}

struct socket *accept_from(struct socket *l)
{
	struct socket *s;
	int error;

	net_enter();
	error = l->ops->accept(l, &s, wire.script);
	net_leave();
	assert_int_equal(error, 0);
	return s;
}

void connect_pair(struct socket **client, struct socket **server)
{
	struct socket *l = listen_at("127.0.0.1", 80, 8);

	*client = connect_to("127.0.0.1", 80);
	*server = accept_from(l);
	end_socket(l);
}

void end_socket(struct socket *s)
{
	net_enter();
	s->ops->release(s);
	net_leave();
}

long send_to(struct socket *s, const void *data, size_t n, u32 flags)
{
	struct iovec iov = { (void *)data, n };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = n };
	struct sockmsg msg = { .uio = &uio, .flags = flags, .nonblock = flags & MSG_DONTWAIT };
	long r;

	net_enter();
	r = s->ops->send(s, &msg);
	net_leave();
	return r;
}

long recv_from(struct socket *s, void *data, size_t n, u32 flags)
{
	struct iovec iov = { data, n };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = n };
	struct sockmsg msg = { .uio = &uio, .flags = flags, .nonblock = flags & MSG_DONTWAIT };
	long r;

	net_enter();
	r = s->ops->recv(s, &msg);
	net_leave();
	return r;
}

u32 poll_of(struct socket *s)
{
	return s->ops->poll(s);
}

int set_int(struct socket *s, int name, int value)
{
	int r;

	net_enter();
	r = s->ops->setsockopt(s, SOL_TCP, name, &value, sizeof(value));
	net_leave();
	return r;
}

/* ---- scripts ---- */

u8 pattern(u32 at)
{
	return at * 7 + at / 251;
}

void inject_raw(const struct peer *p, u8 flags, u32 seq, u32 ack, const void *data, u32 len)
{
	struct pkt_mem *mem = pkt_mem_alloc(64 + len);
	struct tcp_header *h = (struct tcp_header *)mem->data;
	u32 n = sizeof(*h) + tcp_options_build((u8 *)(h + 1), &p->opt);
	struct pkt *pkt;

	h->source = htons(p->rport);
	h->dest = htons(p->lport);
	h->seq = htonl(seq);
	h->ack = htonl(ack);
	h->offset = n / 4 << 4;
	h->flags = flags;
	h->window = htons(p->window);
	h->checksum = h->urgent = 0;
	if (len > 0)
		memcpy(mem->data + n, data, len);
	pkt = pkt_wrap(mem, mem->data, n + len);
	pkt->src = p->remote;
	pkt->dst = p->local;
	pkt->netif = &fake_if;
	pkt->proto = IPPROTO_TCP;
	deliver(pkt);
}

void inject(struct peer *p, u8 flags, u32 seq, u32 ack, u32 len)
{
	static u8 bytes[1 << 16];

	for (u32 i = 0; i < len; i++)
		bytes[i] = pattern(seq - 1 + i); /* the first byte of data has number 1 */
	inject_raw(p, flags, p->irs + seq, flags & TH_ACK ? p->iss + ack : 0, bytes, len);
}

bool next_segment(struct tcp_header *h, u32 *len)
{
	struct pkt *pkt;
	u32 n;

	if (list_empty(&events))
		return false;
	pkt = take_event();
	pkt_copy(pkt, 0, h, sizeof(*h));
	n = (h->offset >> 4) * 4;
	tcp_options_parse(&got, pkt->data + sizeof(*h), n - sizeof(*h), h->flags & TH_SYN);
	got_window = ntohs(h->window);
	*len = pkt->total - n;
	pkt_copy(pkt, n, got_data, *len);
	pkt_free(pkt);
	return true;
}

void drain(void)
{
	struct tcp_header h;
	u32 len;

	while (next_segment(&h, &len))
		;
}

void expect(struct peer *p, u8 flags, u32 seq, u32 ack, u32 len)
{
	struct tcp_header h;
	u32 n;

	if (!next_segment(&h, &n))
		fail_msg("nothing was sent");
	if (p->iss == 0)
		p->iss = ntohl(h.seq) - seq;
	if (p->lport == 0)
		p->lport = ntohs(h.source);
	assert_int_equal(ntohs(h.dest), p->rport);
	assert_int_equal(h.flags & ~TH_PSH, flags & ~TH_PSH);
	assert_int_equal(ntohl(h.seq) - p->iss, seq);
	if (flags & TH_ACK)
		assert_int_equal(ntohl(h.ack) - p->irs, ack);
	assert_int_equal(n, len);
}

void expect_nothing(void)
{
	assert_true(list_empty(&events));
}

static void peer_begin(struct peer *p)
{
	wire.script = true;
	ip_parse(OURS, &p->local);
	ip_parse(PEER, &p->remote);
	p->irs = 0xfffff000; /* wraps soon */
	p->window = 65535;
}

struct socket *passive_open(struct peer *p, struct socket *l, const struct tcp_options *opt)
{
	struct tcp_options later = { .ts = opt->ts, .tsval = opt->tsval };

	peer_begin(p);
	p->opt = *opt;
	p->lport = tcp_of(l)->port.port;
	if (p->rport == 0)
		p->rport = 5000;
	inject(p, TH_SYN, 0, 0, 0);
	p->iss = 0;
	expect(p, TH_SYN | TH_ACK, 0, 1, 0);
	run_for(1 * NS_PER_MS);
	p->opt = later;
	p->opt.tsecr = got.tsval;
	inject(p, TH_ACK, 1, 1, 0);
	return accept_from(l);
}

struct socket *active_open(struct peer *p, const struct tcp_options *opt)
{
	struct tcp_options later = { .ts = opt->ts, .tsval = opt->tsval };
	struct socket *s;

	peer_begin(p);
	p->rport = 7;
	s = connect_to(PEER, 7);
	expect(p, TH_SYN, 0, 0, 0);
	run_for(1 * NS_PER_MS);
	p->opt = *opt;
	p->opt.tsecr = got.tsval;
	inject(p, TH_SYN | TH_ACK, 0, 1, 0);
	expect(p, TH_ACK, 1, 1, 0);
	later.tsecr = got.tsval;
	p->opt = later;
	assert_int_equal(STATE(s), TCP_ESTABLISHED);
	return s;
}
