// clang-format off
// link: tests/unit/fake_libos.c tests/unit/tcp_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/socket.c guest/net/ports.c
// link: guest/net/tcp_ack.c guest/net/tcp_cc.c guest/net/tcp_connect.c guest/net/tcp_cookie.c guest/net/tcp_input.c guest/net/tcp_listen.c guest/net/tcp_options.c guest/net/tcp_output.c guest/net/tcp_rack.c
// link: guest/net/tcp_recv.c guest/net/tcp_sack.c guest/net/tcp_segment.c guest/net/tcp_send.c guest/net/tcp_sockopt.c guest/net/tcp_state.c guest/net/tcp_syn_sent.c guest/net/tcp_table.c guest/net/tcp_timer.c guest/net/tcp_timewait.c
// flags: -DLIBOS_HOST_TEST
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
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("tcp", tests, NULL, NULL);
}
