// clang-format off
// link: tests/unit/fake_libos.c tests/unit/tcp_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/socket.c guest/net/ports.c guest/net/inet.c guest/net/inet_opt.c
// link: guest/net/tcp_ack.c guest/net/tcp_cc.c guest/net/tcp_connect.c guest/net/tcp_cookie.c guest/net/tcp_input.c guest/net/tcp_listen.c guest/net/tcp_options.c guest/net/tcp_output.c guest/net/tcp_rack.c guest/net/tcp_recv.c guest/net/tcp_sack.c guest/net/tcp_segment.c guest/net/tcp_send.c guest/net/tcp_sockopt.c guest/net/tcp_state.c guest/net/tcp_syn_sent.c guest/net/tcp_table.c guest/net/tcp_timer.c guest/net/tcp_timewait.c
// libs: -lcmocka
// clang-format on
/*
 * A hostile peer: any segments into a listener, a connection that is being
 * opened and an open one, while the program sends, receives and closes, time
 * passes and memory runs out. Sequence numbers are near those in use, since
 * others get no further than the first check. At the end everything is closed
 * and nothing may be left.
 *
 * Input: operations, a byte each with its operands behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../unit/tcp_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OP_SEGMENT,
	OP_SEND,
	OP_RECV,
	OP_TIME,
	OP_CLOSE,
	OP_SHUT,
	OP_ACCEPT,
	OP_MEMORY,
	OP_OPTION,
	OPS
};
enum { LISTENER, CONNECTING, OPEN, TARGETS };

struct input {
	const uint8_t *at;
	size_t left;
};

static u32 take(struct input *in, unsigned bytes)
{
	u32 value = 0;

	while (bytes-- > 0 && in->left > 0) {
		value = value << 8 | *in->at++;
		in->left--;
	}
	return value;
}

static struct socket *sock[8];
static unsigned nsock;
static struct peer peer[TARGETS];
static u8 bytes[1 << 16];

/* A number near one in use, or any. */
static u32 number(struct input *in, u32 base)
{
	u32 how = take(in, 1), off = take(in, 2);

	switch (how % 4) {
	case 0:
		return base;
	case 1:
		return base + off;
	case 2:
		return base - off;
	default:
		return base + off * 0x10001;
	}
}

static struct tcp *conn_of(const struct peer *p)
{
	struct tcp_node *n = tcp_table_find(&p->local, p->lport, &p->remote, p->rport);

	return n != NULL && n->kind == NODE_CONN ? tcp_of_node(n) : NULL;
}

/* Header and options from the input, the ports and numbers put in place. */
static void segment(struct input *in)
{
	struct peer *p = &peer[take(in, 1) % TARGETS];
	struct tcp *c = conn_of(p);
	u8 flags = take(in, 1), options = take(in, 1) % 44, offset = take(in, 1);
	u32 len = take(in, 1) % 4 == 0 ? take(in, 2) % 4096 : take(in, 1) % 8;
	u32 seq = number(in, c != NULL ? c->rcv_nxt : p->irs);
	u32 ack = number(in, c != NULL ? c->snd_nxt : p->iss);
	struct pkt_mem *mem = pkt_mem_alloc(8192);
	struct tcp_header *h;
	struct pkt *pkt;

	if (mem == NULL)
		return;
	h = (struct tcp_header *)mem->data;
	h->source = htons(p->rport);
	h->dest = htons(p->lport);
	h->seq = htonl(seq);
	h->ack = htonl(ack);
	h->offset = offset % 8 == 0 ? offset : (u8)((sizeof(*h) + options) / 4 << 4);
	h->flags = flags;
	h->window = take(in, 2);
	h->checksum = h->urgent = 0;
	for (u8 i = 0; i < options; i++)
		mem->data[sizeof(*h) + i] = take(in, 1);
	pkt = pkt_wrap(mem, mem->data, sizeof(*h) + options + len);
	if (pkt == NULL)
		return;
	pkt->src = p->remote;
	pkt->dst = p->local;
	pkt->netif = &fake_if;
	pkt->proto = IPPROTO_TCP;
	net_enter();
	if (flags & 0x40) /* as what an ICMP error quotes, from us to the peer */
		pkt->src = p->local, pkt->dst = p->remote, h->source = htons(p->lport),
		h->dest = htons(p->rport), tcp_error(pkt, flags & 1 ? EMSGSIZE : EHOSTUNREACH, len);
	else
		tcp_input(pkt), pkt = NULL;
	net_leave();
	pkt_free(pkt);
}

static void close_one(unsigned i)
{
	if (i >= nsock)
		return;
	end_socket(sock[i]);
	sock[i] = sock[--nsock];
}

static void accept_one(void)
{
	for (unsigned i = 0; i < nsock && nsock < ARRAY_SIZE(sock); i++) {
		struct socket *s;
		int error;

		if (!sock[i]->listening)
			continue;
		net_enter();
		error = sock[i]->ops->accept(sock[i], &s, true);
		net_leave();
		if (error == 0)
			sock[nsock++] = s;
		return;
	}
}

static void option(struct socket *s, u32 name, u32 value)
{
	static const u8 names[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 18, 25 };

	s->opt.keep_alive = value & 1;
	s->opt.linger = value & 2;
	s->opt.rcvbuf = MAX(value * 64, 2304u);
	s->opt.rcvbuf_locked = value & 4;
	set_int(s, names[name % sizeof(names)], value);
	s->ops->option(s, SO_KEEPALIVE);
}

static void operation(struct input *in)
{
	u32 op = take(in, 1) % (OPS + 8);
	struct socket *s = nsock > 0 ? sock[take(in, 1) % nsock] : NULL;

	if (op >= OPS || s == NULL)
		op = OP_SEGMENT;
	switch (op) {
	case OP_SEGMENT:
		segment(in);
		break;
	case OP_SEND:
		send_to(s, bytes, take(in, 2), MSG_DONTWAIT | (take(in, 1) & 1 ? MSG_MORE : 0));
		break;
	case OP_RECV:
		recv_from(s, bytes, take(in, 2), MSG_DONTWAIT | (take(in, 1) & MSG_PEEK));
		break;
	case OP_TIME:
		run_for((u64)take(in, 2) * take(in, 1) * 10000);
		break;
	case OP_CLOSE:
		close_one(take(in, 1) % 8);
		break;
	case OP_SHUT:
		net_enter();
		s->ops->shutdown(s, take(in, 1) % 3);
		net_leave();
		break;
	case OP_ACCEPT:
		accept_one();
		break;
	case OP_MEMORY:
		fake_allocations_left = take(in, 1) & 1 ? (long)take(in, 1) : -1;
		break;
	case OP_OPTION:
		option(s, take(in, 1), take(in, 2));
		break;
	}
	if (nsock > 0)
		poll_of(sock[0]);
	drain();
}

static void targets(void)
{
	struct tcp_options opt = {
		.mss = 1460, .ts = true, .tsval = 5, .sack_ok = true, .wscale_ok = true, .wscale = 2
	};
	struct socket *l;

	memset(peer, 0, sizeof(peer));
	sock[1] = active_open(&peer[OPEN], &opt);
	peer[CONNECTING] = peer[OPEN];
	sock[2] = connect_to(PEER, 8);
	peer[CONNECTING].rport = 8;
	peer[CONNECTING].lport = tcp_of(sock[2])->node.lport;
	peer[CONNECTING].iss = tcp_of(sock[2])->iss;
	l = listen_at("0.0.0.0", 80, 2);
	sock[0] = l;
	peer[LISTENER] = peer[OPEN];
	peer[LISTENER].lport = 80;
	peer[LISTENER].rport = 9;
	nsock = 3;
	drain();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	tcp_fake_begin();
	wire.script = true;
	targets();
	while (in.left > 0 && nsock > 0)
		operation(&in);
	fake_allocations_left = -1;
	while (nsock > 0) {
		sock[0]->opt.linger = false;
		close_one(0);
	}
	run_for(2000 * NS_PER_S);
	tcp_fake_end();
	return 0;
}
