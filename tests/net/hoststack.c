// link: tests/unit/fake_libos.c tests/unit/cable.c guest/net/[a-t]*.c guest/net/udp*.c
// libs: -lcmocka
/*
 * The guest's network stack as a host of its own, on a tap device, against the
 * host's kernel, under sanitizers:
 *
 *   hoststack TAP [address=A/LEN]... [gateway=A] [dhcp] [loss=P] [reorder=P]
 *             [duplicate=P] [corrupt=P] [ping=A] [fetch=A:PORT] [send=A:PORT:BYTES]
 *
 * It echoes on port 7 of TCP and UDP. fetch reads a connection to its end;
 * send writes that many bytes of a pattern, shuts down and reads to the end;
 * both print how it went. Until SIGTERM; then it takes the stack down and says what is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "../unit/cable.h"
#include "../unit/fake_libos.h"
#include "../../guest/net/addr_text.h"
#include "../../guest/net/socket.h"
#include "../../guest/net/stack.h"

#define SERVED 128
#define CHUNK  65536

struct session {
	struct socket *s; /* NULL: free */
	u8 *buf; /* what is to go out: [sent, len) of CHUNK */
	u32 len, sent;
	u64 left, received, sum; /* clients: to be sent; what has come */
	bool client, closed_out, ended_in;
	const char *what;
};

static struct netif eth;
static struct session session[SERVED];
static struct socket *udp[2], *listener;
static u64 echoes;

unsigned long strtoul(const char *s, char **end, int base);
_Noreturn void exit(int status);
void *malloc(size_t n);
void free(void *p);

/* ---- the device ---- */

static int transmit(struct netif *netif, struct pkt *pkt)
{
	u8 frame[CABLE_FRAME];
	u32 len = pkt->total;

	(void)netif;
	if (len > sizeof(frame) || pkt->csum == CSUM_PARTIAL) {
		fprintf(stderr, "hoststack: a frame of %u bytes, not finished\n", len);
		exit(1);
	}
	pkt_copy(pkt, 0, frame, len);
	pkt_free(pkt);
	cable_send(frame, len);
	return 0;
}

static void flush(struct netif *netif)
{
	(void)netif;
}

static void received(const u8 *frame, u32 len)
{
	struct pkt_mem *mem = pkt_mem_alloc(len);
	struct pkt *pkt;

	if (mem == NULL)
		return;
	memcpy(mem->data, frame, len);
	pkt = pkt_wrap(mem, mem->data, len);
	net_enter();
	if (pkt != NULL)
		netif_receive(&eth, pkt);
	net_leave();
}

/* ---- programs ---- */

static long move(struct socket *s, void *buf, u32 len, bool out, struct sockname *name)
{
	struct iovec iov = { buf, len };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = len, .kernel = true };
	struct sockmsg msg = { .uio = &uio, .name = name, .nonblock = true };
	long n;

	net_enter();
	n = out ? s->ops->send(s, &msg) : s->ops->recv(s, &msg);
	net_leave();
	return n;
}

static void serve_udp(struct socket *s)
{
	static u8 buf[CHUNK];
	struct sockname from = { .len = 0 };
	long n;

	while ((n = move(s, buf, sizeof(buf), false, &from)) >= 0) {
		move(s, buf, n, true, &from);
		echoes++;
	}
}

static struct session *begin(struct socket *s, bool client, const char *what)
{
	for (unsigned i = 0; i < SERVED; i++)
		if (session[i].s == NULL) {
			session[i] = (struct session){
				.s = s, .buf = malloc(CHUNK), .client = client, .what = what
			};
			return &session[i];
		}
	s->ops->release(s);
	return NULL;
}

static void end(struct session *c, long error)
{
	if (c->client)
		printf("%s: %s, received %llu bytes, sum %llx\n", c->what,
		       error == 0 ? "done" : "failed", (unsigned long long)c->received,
		       (unsigned long long)c->sum);
	net_enter();
	c->s->ops->release(c->s);
	net_leave();
	c->s = NULL;
	free(c->buf);
}

static void took(struct session *c, const u8 *bytes, long n)
{
	for (long i = 0; i < n; i++)
		c->sum = c->sum * 31 + bytes[i];
	c->received += n;
}

/* The pattern that a client sends. */
static void fill(struct session *c)
{
	static u32 at;

	c->len = MIN(c->left, CHUNK);
	c->sent = 0;
	c->left -= c->len;
	for (u32 i = 0; i < c->len; i++, at++)
		c->buf[i] = at * 7 + at / 251;
}

/* As much as goes without waiting; false: nothing went. */
static bool step(struct session *c)
{
	u8 in[CHUNK];
	long n;

	if (c->sent == c->len && c->left > 0)
		fill(c);
	if (c->sent < c->len) {
		n = move(c->s, c->buf + c->sent, c->len - c->sent, true, NULL);
		if (n < 0 && n != -EAGAIN && n != -ENOTCONN) {
			end(c, n);
			return false;
		}
		c->sent += n > 0 ? n : 0;
		if (n > 0 || (!c->client && n != -EAGAIN))
			return n > 0;
		if (!c->client)
			return false;
	}
	if (c->client && c->len > 0 && c->sent == c->len && !c->closed_out) {
		c->closed_out = true;
		c->s->ops->shutdown(c->s, SHUT_WR);
	}
	if (c->ended_in) {
		if (c->sent == c->len && c->left == 0)
			end(c, 0);
		return false;
	}
	n = move(c->s, c->client ? in : c->buf, CHUNK, false, NULL);
	if (n == -EAGAIN || n == -ENOTCONN)
		return false;
	if (n == 0 && c->client) {
		c->ended_in = true;
		return true;
	}
	if (n <= 0) {
		end(c, n);
		return false;
	}
	if (c->client) {
		took(c, in, n);
	} else {
		c->len = n;
		c->sent = 0;
	}
	return true;
}

static void serve(void)
{
	struct socket *s;

	serve_udp(udp[0]);
	serve_udp(udp[1]);
	while (listener->ops->accept(listener, &s, true) == 0)
		begin(s, false, "echo");
	for (unsigned i = 0; i < SERVED; i++)
		while (session[i].s != NULL && step(&session[i]))
			;
}

static struct socket *server(int (*make)(int, struct socket **), int family)
{
	struct sockname any = { .family = family, .len = family == AF_INET ? 16 : 28 };
	struct socket *s;

	any.in.port = htons(7);
	if (make(family, &s) != 0)
		exit(1);
	s->opt.v6only = make == udp_socket && family == AF_INET6;
	if (s->ops->bind(s, &any) != 0) {
		fprintf(stderr, "hoststack: cannot bind\n");
		exit(1);
	}
	return s;
}

static void client(const char *what, const char *to, u64 bytes)
{
	char text[64];
	const char *colon = strrchr(to, ':');
	struct ipaddr addr;
	struct sockname name = { .len = 28 };
	struct socket *s;
	struct session *c;
	int error;

	snprintf(text, sizeof(text), "%.*s", (int)(colon - to), to);
	if (!ip_parse(text, &addr) || tcp_socket(AF_INET6, &s) != 0)
		exit(1);
	s->opt.v6only = false;
	name.in6.family = AF_INET6;
	name.in6.port = htons((u16)strtoul(colon + 1, NULL, 10));
	memcpy(name.in6.addr, &addr, 16);
	c = begin(s, true, what);
	c->left = bytes;
	net_enter();
	error = s->ops->connect(s, &name, true);
	net_leave();
	if (error != 0 && error != -EINPROGRESS)
		end(c, error);
}

/* ---- ping: an echo request of our own every second ---- */

static struct ipaddr ping_to;

static void ping(struct timer *timer)
{
	struct ip_send to = { .dst = ping_to };
	bool v4 = ip_is4(&to.dst);
	struct ip_path path;
	struct pkt *pkt;
	u8 *m;
	u16 sum;

	timer_arm(timer, now_ns() + SECOND / 5);
	net_enter();
	if (ip_route(NULL, &to.dst, 0, &path) == 0 && (pkt = pkt_alloc()) != NULL) {
		to.src = path.src;
		to.proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		m = memset(pkt_put(pkt, 40), 0, 40);
		m[0] = v4 ? ICMP4_ECHO : ICMP6_ECHO;
		sum = ~pkt_sum(pkt, 0, 40,
			       v4 ? 0 : ip_pseudo_sum(&to.src, &to.dst, IPPROTO_ICMPV6, 40));
		memcpy(m + 2, &sum, 2);
		ip_output(pkt, &to);
	}
	net_leave();
}

static struct timer pinger = { .expired = ping };

/* ---- begin and end ---- */

static void start(const char *tap)
{
	cable_open(tap);
	fake_begin();
	fake_clock = cable_now();
	fake_signal_pending = true;
	if (net_init() != 0)
		exit(1);
	memcpy(eth.mac, "\2\0\0\0\0\7", 6);
	eth.ethernet = true;
	eth.mtu = 1500;
	eth.flags = NETIF_UP | NETIF_RUNNING | NETIF_BROADCAST | NETIF_MULTICAST;
	eth.transmit = transmit;
	eth.flush = flush;
	net_enter();
	netif_add(&eth);
	net_leave();
	udp[0] = server(udp_socket, AF_INET);
	udp[1] = server(udp_socket, AF_INET6);
	listener = server(tcp_socket, AF_INET6);
	if (listener->ops->listen(listener, 100) != 0)
		exit(1);
}

static unsigned *fault(const char *name)
{
	return strcmp(name, "loss") == 0      ? &cable_faults.loss :
	       strcmp(name, "reorder") == 0   ? &cable_faults.reorder :
	       strcmp(name, "duplicate") == 0 ? &cable_faults.duplicate :
	       strcmp(name, "corrupt") == 0   ? &cable_faults.corrupt :
						NULL;
}

static bool gateway(const char *text)
{
	struct ipaddr addr, any;

	if (!ip_parse(text, &addr))
		return false;
	any = ip_is4(&addr) ? ip_from4(0) : (struct ipaddr){ { 0 } };
	return ip_add_gateway(&eth, &any, 0, &addr, 0, NEVER) == 0;
}

static bool option(char *arg)
{
	char *value = strchr(arg, '='), *bytes;
	struct ipaddr addr;
	unsigned prefix;

	if (value == NULL)
		return strcmp(arg, "dhcp") == 0 && dhcp_start(&eth) == 0;
	*value++ = 0;
	if (fault(arg) != NULL) {
		*fault(arg) = strtoul(value, NULL, 10);
		return true;
	}
	if (strcmp(arg, "address") == 0)
		return ip_parse_prefix(value, &addr, &prefix) &&
		       netif_add_addr(&eth, &addr, prefix, ADDR_STATIC, NEVER, NEVER) == 0;
	if (strcmp(arg, "gateway") == 0)
		return gateway(value);
	if (strcmp(arg, "ping") == 0) {
		timer_arm(&pinger, now_ns());
		return ip_parse(value, &ping_to);
	}
	if (strcmp(arg, "fetch") == 0) {
		client("fetch", value, 0);
		return true;
	}
	bytes = strrchr(value, ':');
	if (strcmp(arg, "send") != 0 || bytes == NULL)
		return false;
	*bytes++ = 0;
	client("send", value, strtoul(bytes, NULL, 10));
	return true;
}

static int stop(void)
{
	net_enter();
	udp[0]->ops->release(udp[0]);
	udp[1]->ops->release(udp[1]);
	listener->ops->release(listener);
	for (unsigned i = 0; i < SERVED; i++)
		if (session[i].s != NULL)
			end(&session[i], -EINTR);
	net_leave();
	timer_cancel(&pinger);
	for (unsigned i = 0; i < 40; i++) /* orphans and TIME-WAIT */
		fake_advance(60 * SECOND);
	net_stop();
	pkt_reclaim();
	printf("left: %u packets, %u blocks, %u objects, %u frames\n", (unsigned)pkt_count,
	       (unsigned)pkt_mem_count, fake_objects, fake_frames);
	printf("mangled: %u, echoes: %u\n", (unsigned)cable_mangled, (unsigned)echoes);
	return pkt_count + pkt_mem_count + fake_objects + fake_frames != 0;
}

int main(int argc, char **argv)
{
	u8 frame[CABLE_FRAME];

	if (argc < 2) {
		fprintf(stderr, "usage: hoststack TAP OPTION...\n");
		return 2;
	}
	start(argv[1]);
	for (int i = 2; i < argc; i++)
		if (!option(argv[i])) {
			fprintf(stderr, "hoststack: what is %s?\n", argv[i]);
			return 2;
		}
	while (!cable_stopped) {
		u32 len = cable_receive(frame, MIN(fake_next_timer(), cable_now() + SECOND));

		fake_advance(cable_now() - fake_clock);
		if (len > 0)
			received(frame, len);
		serve();
		fflush(stdout);
	}
	return stop();
}
