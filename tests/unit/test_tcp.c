// clang-format off
// link: tests/unit/fake_libos.c tests/unit/tcp_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/socket.c guest/net/ports.c guest/net/inet.c guest/net/inet_opt.c
// link: guest/net/tcp_ack.c guest/net/tcp_cc.c guest/net/tcp_connect.c guest/net/tcp_cookie.c guest/net/tcp_input.c guest/net/tcp_listen.c guest/net/tcp_options.c guest/net/tcp_output.c guest/net/tcp_rack.c
// link: guest/net/tcp_recv.c guest/net/tcp_sack.c guest/net/tcp_segment.c guest/net/tcp_send.c guest/net/tcp_sockopt.c guest/net/tcp_state.c guest/net/tcp_syn_sent.c guest/net/tcp_table.c guest/net/tcp_timer.c guest/net/tcp_timewait.c
// clang-format on
/*
 * TCP between two sockets: handshakes, transfers over bad wires, closing in
 * every order, memory that runs out. See test_tcp_script.c for single segments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tcp_fake.h"

static struct socket *a, *b;
static u8 buffer[1 << 20];

static int begin(void **state)
{
	(void)state;
	tcp_fake_begin();
	return 0;
}

static int end(void **state)
{
	(void)state;
	run_for(200 * NS_PER_S);
	tcp_fake_end();
	return 0;
}

/* ---- the basics ---- */

static void hello(void **state)
{
	char text[16];
	(void)state;

	connect_pair(&a, &b);
	assert_int_equal(STATE(a), TCP_ESTABLISHED);
	assert_int_equal(poll_of(a), POLLOUT | POLLWRNORM);
	assert_int_equal(send_to(a, "hello", 5, 0), 5);
	assert_int_equal(recv_from(b, text, sizeof(text), 0), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(send_to(b, "hi", 2, 0), 2);
	assert_int_equal(recv_from(a, text, sizeof(text), 0), 2);
	end_socket(a);
	run_for(NS_PER_S / 10);
	assert_int_equal(poll_of(b), POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM);
	assert_int_equal(recv_from(b, text, sizeof(text), 0), 0);
	end_socket(b);
}

static void six(void **state)
{
	struct socket *l = listen_at("::1", 80, 8);
	struct sockname name;
	char text[4];
	(void)state;

	a = connect_to("::1", 80);
	b = accept_from(l);
	assert_int_equal(send_to(a, "six", 3, 0), 3);
	assert_int_equal(recv_from(b, text, 4, 0), 3);
	assert_int_equal(b->ops->getname(b, &name, true), 0);
	assert_int_equal(name.family, AF_INET6);
	assert_int_equal(name.in6.port, htons(tcp_of(a)->port.port));
	end_socket(a);
	end_socket(b);
	end_socket(l);
}

static void four_at_a_listener_of_six(void **state)
{
	struct socket *l = listen_at("::", 80, 8);
	struct sockname name;
	(void)state;

	a = connect_to("127.0.0.1", 80);
	b = accept_from(l);
	assert_int_equal(b->ops->getname(b, &name, true), 0);
	assert_int_equal(name.family, AF_INET6);
	assert_int_equal(name.in6.addr[10], 0xff);
	end_socket(a);
	end_socket(b);
	end_socket(l);
}

static void refused(void **state)
{
	struct sockname name = name_of(AF_INET, "127.0.0.1", 9);
	(void)state;

	a = new_socket(AF_INET);
	assert_int_equal(poll_of(a), POLLHUP | POLLOUT | POLLWRNORM);
	net_enter();
	assert_int_equal(a->ops->connect(a, &name, false), -ECONNREFUSED);
	assert_int_equal(a->ops->connect(a, &name, true), -EINPROGRESS);
	assert_int_equal(a->ops->connect(a, &name, true), -EALREADY);
	net_leave();
	run_for(NS_PER_S);
	assert_int_equal(a->error, ECONNREFUSED);
	assert_int_equal(poll_of(a) & (POLLHUP | POLLERR | POLLIN), POLLHUP | POLLERR | POLLIN);
	end_socket(a);
}

static void nobody_answers(void **state)
{
	struct sockname name = name_of(AF_INET, "127.0.0.1", 80);
	u64 start = fake_clock;
	(void)state;

	wire.loss = 1000;
	a = new_socket(AF_INET);
	net_enter();
	assert_int_equal(a->ops->connect(a, &name, false), -ETIMEDOUT);
	net_leave();
	assert_int_equal(wire.packets, 1 + TCP_SYN_RETRIES);
	assert_in_range(fake_clock - start, 120 * NS_PER_S, 130 * NS_PER_S);
	end_socket(a);
}

/* ---- transfers ---- */

/* Sends n bytes each way, in random portions, and checks them. */
struct flow {
	struct socket *from, *to;
	u32 sent, received, total;
	u8 salt;
};

static void push(struct flow *f)
{
	u32 n = 1 + fake_random(fake_random(4) == 0 ? 70000 : 3000);
	long r;

	n = MIN(n, f->total - f->sent);
	for (u32 i = 0; i < n; i++)
		buffer[i] = pattern(f->sent + i) ^ f->salt;
	if (n == 0)
		return;
	r = send_to(f->from, buffer, n, MSG_DONTWAIT | (fake_random(5) == 0 ? MSG_MORE : 0));
	if (r < 0)
		assert_true(r == -EAGAIN || r == -ENOMEM);
	else
		f->sent += r;
}

static void pull(struct flow *f)
{
	long r = recv_from(f->to, buffer, 1 + fake_random(100000), MSG_DONTWAIT);

	if (r < 0) {
		assert_true(r == -EAGAIN || r == -ENOMEM);
		return;
	}
	for (long i = 0; i < r; i++)
		if (buffer[i] != (u8)(pattern(f->received + i) ^ f->salt))
			fail_msg("wrong byte at %u", f->received + (u32)i);
	f->received += r;
	assert_true(f->received <= f->sent);
}

/* Both ways at once; the time it took. */
static u64 transfer(u32 there, u32 back)
{
	struct flow f[2] = { { a, b, 0, 0, there, 1 }, { b, a, 0, 0, back, 2 } };
	u64 start = fake_clock;
	unsigned rounds = 0;

	while (f[0].received < there || f[1].received < back) {
		for (int i = 0; i < 2; i++) {
			push(&f[i]);
			if (fake_random(3) != 0)
				pull(&f[i]);
		}
		run_for(fake_random(4) == 0 ? wire.delay / 2 : fake_random(1000));
		if (++rounds % 1024 == 0)
			run_for(NS_PER_S / 100);
		if (fake_clock - start > 3600 * NS_PER_S)
			fail_msg("stuck: %u of %u, %u of %u", f[0].received, there, f[1].received,
				 back);
	}
	return fake_clock - start;
}

static void close_both(void)
{
	char c;

	end_socket(a);
	run_for(100 * NS_PER_S);
	assert_int_equal(recv_from(b, &c, 1, 0), 0);
	end_socket(b);
}

static void transfer_on_a_good_wire(void **state)
{
	(void)state;
	connect_pair(&a, &b);
	transfer(3 << 20, 1 << 20);
	assert_int_equal(tcp_of(a)->stats.retrans, 0);
	assert_int_equal(tcp_of(b)->stats.retrans, 0);
	close_both();
}

static void transfer_in_large_packets(void **state)
{
	(void)state;
	fake_if.gso_max = 65535;
	connect_pair(&a, &b);
	transfer(8 << 20, 0);
	assert_true(wire.longest > 60000);
	assert_int_equal(tcp_of(a)->stats.retrans, 0);
	close_both();
}

static void loopback_sizes(void **state)
{
	(void)state;
	fake_if.mtu = 65536;
	fake_if.gso_max = 65535;
	connect_pair(&a, &b);
	transfer(8 << 20, 1 << 20);
	close_both();
}

static void one_bad_wire(u64 seed)
{
	fake_seed(seed);
	wire.delay = 1 + fake_random(20 * NS_PER_MS);
	wire.loss = fake_random(2) ? fake_random(150) : 0;
	wire.repeat = fake_random(2) ? fake_random(100) : 0;
	wire.damage = fake_random(4) ? 0 : fake_random(50);
	wire.jitter = fake_random(2) ? fake_random(3 * wire.delay) : 0;
	wire.segment = fake_random(2);
	fake_if.gso_max = fake_random(2) ? 65535 : 0;
	fake_if.mtu = fake_random(4) == 0 ? 576 + fake_random(9000) : 1500;
	connect_pair(&a, &b);
	if (fake_random(4) == 0)
		tcp_of(a)->sack_ok = tcp_of(b)->sack_ok = false;
	set_int(a, 1, fake_random(2)); /* TCP_NODELAY */
	transfer(1 + fake_random(400000), fake_random(3) ? fake_random(100000) : 0);
	close_both();
	run_for(400 * NS_PER_S);
	wire.loss = wire.repeat = wire.damage = wire.jitter = 0;
}

static void bad_wires(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= 300; seed++) {
		one_bad_wire(seed);
		tcp_fake_end();
		tcp_fake_begin();
	}
}

/* Loss and reordering at a short round trip: repaired without waiting for the
 * retransmission timer, and packets that take six times their data's memory do
 * not make the receiver go back on its SACKs. */
static void a_bad_wire_is_not_slow(void **state)
{
	(void)state;
	wire.delay = 300 * 1000;
	wire.jitter = 300 * 1000;
	wire.loss = 50;
	wire.segment = true;
	fake_if.gso_max = 65535;
	connect_pair(&a, &b);
	assert_in_range(transfer(2 << 20, 0), 0, 2 * NS_PER_S);
	wire.loss = wire.jitter = 0;
	close_both();
}

/* ---- memory ---- */

static void memory_comes_and_goes(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= 60; seed++) {
		struct flow f = { NULL, NULL, 0, 0, 300000, 3 };
		u64 start;

		fake_seed(seed);
		wire.loss = fake_random(2) ? 30 : 0;
		wire.segment = true;
		fake_if.gso_max = 65535;
		connect_pair(&a, &b);
		f.from = a;
		f.to = b;
		start = fake_clock;
		while (f.received < f.total) {
			fake_allocations_left = fake_random(3) ? (long)fake_random(30) : -1;
			push(&f);
			run_for(fake_random(3 * NS_PER_MS));
			pull(&f);
			if (fake_clock - start > 3600 * NS_PER_S)
				fail_msg("stuck: %u of %u", f.received, f.total);
		}
		fake_allocations_left = -1;
		wire.loss = 0;
		close_both();
		run_for(400 * NS_PER_S);
		tcp_fake_end();
		tcp_fake_begin();
	}
}

/* Whatever allocation fails, a connection opens later, or says why not. */
static void no_memory_to_open(void **state)
{
	(void)state;
	for (long n = 0; n < 60; n++) {
		struct sockname name = name_of(AF_INET, "127.0.0.1", 80);
		struct socket *l = listen_at("127.0.0.1", 80, 4), *s = NULL;
		int error;

		fake_allocations_left = n;
		error = tcp_socket(AF_INET, &s);
		if (error == 0) {
			net_enter();
			error = s->ops->connect(s, &name, true);
			net_leave();
			assert_int_equal(error, -EINPROGRESS);
			run_for(NS_PER_S / 2);
		}
		fake_allocations_left = -1;
		run_for(20 * NS_PER_S);
		if (s != NULL) {
			assert_int_equal(STATE(s), TCP_ESTABLISHED);
			b = accept_from(l);
			end_socket(b);
			end_socket(s);
		}
		end_socket(l);
	}
}

static void ten_thousand_connections(void **state)
{
	struct socket *l = listen_at("127.0.0.1", 80, 16);
	unsigned before = fake_objects;
	char c;
	(void)state;

	wire.delay = 10000;
	for (int i = 0; i < 10000; i++) {
		a = connect_to("127.0.0.1", 80);
		b = accept_from(l);
		assert_int_equal(send_to(a, "x", 1, 0), 1);
		assert_int_equal(recv_from(b, &c, 1, 0), 1);
		end_socket(i % 2 ? a : b);
		run_for(100000);
		end_socket(i % 2 ? b : a);
	}
	run_for(1000000);
	assert_in_range(fake_objects - before, 10000, 10100); /* TIME-WAIT, and packets at hand */
	run_for(100 * NS_PER_S);
	pkt_reclaim();
	fake_lasting = 1; /* the table has grown */
	assert_true(fake_objects <= before + fake_lasting);
	end_socket(l);
}

static void time_waits_are_few(void **state)
{
	struct socket *l = listen_at("127.0.0.1", 80, 16);
	unsigned before = fake_objects;
	(void)state;

	fake_frames_max = 16384; /* 64 MiB: 2,048 of them */
	for (int i = 0; i < 5000; i++) {
		a = connect_to("127.0.0.1", 80);
		b = accept_from(l);
		end_socket(a);
		run_for(3 * wire.delay);
		end_socket(b);
		run_for(3 * wire.delay);
	}
	assert_in_range(fake_objects - before, 2000, 2200);
	end_socket(l);
}

/* ---- closing, waiting ---- */

static void lingering(void **state)
{
	u64 start;
	(void)state;

	connect_pair(&a, &b);
	wire.delay = 50 * NS_PER_MS;
	assert_int_equal(send_to(a, buffer, 5000, 0), 5000);
	a->opt.linger = true;
	a->opt.linger_seconds = 10;
	start = fake_clock;
	end_socket(a);
	assert_in_range(fake_clock - start, 100 * NS_PER_MS, 200 * NS_PER_MS);
	assert_int_equal(recv_from(b, buffer, 10000, MSG_WAITALL), 5000);
	/* nobody acknowledges: ten seconds */
	wire.loss = 1000;
	assert_int_equal(send_to(b, buffer, 10, 0), 10);
	b->opt.linger = true;
	b->opt.linger_seconds = 10;
	start = fake_clock;
	end_socket(b);
	assert_in_range(fake_clock - start, 10 * NS_PER_S, 10 * NS_PER_S + 1000000);
	wire.loss = 0;
	run_for(700 * NS_PER_S);
}

static void blocking_until_there_is_room(void **state)
{
	long r, total = 0;
	(void)state;
	connect_pair(&a, &b);
	a->opt.sndbuf_locked = b->opt.rcvbuf_locked = true;
	a->opt.sndbuf = 10000;
	b->opt.rcvbuf = 20000;
	a->opt.sndtimeo_ns = NS_PER_S;
	/* as far as both buffers go, then the timeout */
	while ((r = send_to(a, buffer, sizeof(buffer), 0)) > 0)
		total += r;
	assert_int_equal(r, -EAGAIN);
	assert_in_range(total, 30000, 200000);
	fake_signal_pending = true;
	assert_int_equal(send_to(a, buffer, 1, 0), -EINTR);
	fake_signal_pending = false;
	end_socket(b); /* unread data: a reset */
	run_for(NS_PER_S);
	assert_int_equal(send_to(a, buffer, 1, 0), -ECONNRESET);
	assert_int_equal(send_to(a, buffer, 1, 0), -EPIPE);
	end_socket(a);
}

static void several_listeners_share_a_port(void **state)
{
	struct socket *l[4], *c[64];
	struct sockname name = name_of(AF_INET, "127.0.0.1", 80);
	unsigned used = 0;
	(void)state;

	for (int i = 0; i < 4; i++) {
		l[i] = new_socket(AF_INET);
		l[i]->opt.reuse_port = true;
		assert_int_equal(l[i]->ops->bind(l[i], &name), 0);
		assert_int_equal(l[i]->ops->listen(l[i], 64), 0);
	}
	for (int i = 0; i < 64; i++)
		c[i] = connect_to("127.0.0.1", 80);
	run_for(NS_PER_S);
	for (int i = 0; i < 4; i++)
		used += tcp_of(l[i])->naccepted > 3;
	assert_int_equal(used, 4);
	for (int i = 0; i < 4; i++)
		end_socket(l[i]); /* with all that nobody accepted */
	run_for(NS_PER_S);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(STATE(c[i]), TCP_CLOSE);
		end_socket(c[i]);
	}
}

static void a_server_starts_again(void **state)
{
	struct sockname name = name_of(AF_INET, "127.0.0.1", 80);
	struct socket *l;
	(void)state;

	connect_pair(&a, &b);
	l = new_socket(AF_INET);
	assert_int_equal(l->ops->bind(l, &name), -EADDRINUSE); /* its connection has it */
	l->opt.reuse_addr = true;
	assert_int_equal(l->ops->bind(l, &name), 0);
	assert_int_equal(l->ops->listen(l, 4), 0);
	end_socket(b);
	end_socket(a);
	end_socket(l);
}

static void connecting_from_a_bound_port(void **state)
{
	struct socket *l = listen_at("127.0.0.1", 80, 8);
	struct sockname to = name_of(AF_INET, "127.0.0.1", 80);
	struct sockname from = name_of(AF_INET, "127.0.0.1", 4000);
	(void)state;

	for (int i = 0; i < 3; i++) {
		a = new_socket(AF_INET);
		a->opt.reuse_addr = true;
		assert_int_equal(a->ops->bind(a, &from), 0);
		net_enter();
		assert_int_equal(a->ops->connect(a, &to, false), 0);
		assert_int_equal(a->ops->connect(a, &to, false), -EISCONN);
		net_leave();
		b = accept_from(l);
		end_socket(a); /* TIME-WAIT is at our end... */
		run_for(NS_PER_S / 10);
		end_socket(b);
		run_for(2 * NS_PER_S); /* ...and may be followed after a second */
	}
	end_socket(l);
}

static void disconnect_and_connect_again(void **state)
{
	struct sockname none = { .family = AF_UNSPEC, .len = 16 };
	struct sockname to = name_of(AF_INET, "127.0.0.1", 80);
	struct socket *l = listen_at("127.0.0.1", 80, 8);
	(void)state;

	a = connect_to("127.0.0.1", 80);
	for (int i = 0; i < 3; i++) {
		b = accept_from(l);
		assert_int_equal(send_to(a, "x", 1, 0), 1);
		assert_int_equal(recv_from(b, buffer, 1, 0), 1);
		net_enter();
		assert_int_equal(a->ops->connect(a, &none, false), 0);
		net_leave();
		assert_int_equal(poll_of(a), POLLHUP | POLLOUT | POLLWRNORM);
		run_for(NS_PER_S);
		assert_int_equal(recv_from(b, buffer, 1, 0), -ECONNRESET);
		end_socket(b);
		net_enter();
		assert_int_equal(a->ops->connect(a, &to, false), 0);
		net_leave();
	}
	end_socket(a);
	end_socket(l);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(hello),
		T(six),
		T(four_at_a_listener_of_six),
		T(refused),
		T(nobody_answers),
		T(transfer_on_a_good_wire),
		T(transfer_in_large_packets),
		T(loopback_sizes),
		T(bad_wires),
		T(a_bad_wire_is_not_slow),
		T(memory_comes_and_goes),
		T(no_memory_to_open),
		T(ten_thousand_connections),
		T(time_waits_are_few),
		T(lingering),
		T(blocking_until_there_is_room),
		T(several_listeners_share_a_port),
		T(a_server_starts_again),
		T(connecting_from_a_bound_port),
		T(disconnect_and_connect_again),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("tcp", tests, NULL, NULL);
}
