// clang-format off
// link: tests/unit/fake_libos.c tests/unit/tcp_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/socket.c guest/net/ports.c guest/net/inet.c guest/net/inet_opt.c
// link: guest/net/tcp_ack.c guest/net/tcp_cc.c guest/net/tcp_connect.c guest/net/tcp_cookie.c guest/net/tcp_input.c guest/net/tcp_listen.c guest/net/tcp_options.c guest/net/tcp_output.c guest/net/tcp_rack.c
// link: guest/net/tcp_recv.c guest/net/tcp_sack.c guest/net/tcp_segment.c guest/net/tcp_send.c guest/net/tcp_sockopt.c guest/net/tcp_state.c guest/net/tcp_syn_sent.c guest/net/tcp_table.c guest/net/tcp_timer.c guest/net/tcp_timewait.c
// clang-format on
/*
 * TCP, segment by segment: the test is the peer, says what it sends and what
 * it expects to be sent (numbers relative to the initial ones). In the order
 * of RFC 9293, 3.10, then recovery, timers and queues.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <linux/tcp.h>
#include "tcp_fake.h"

static const struct tcp_options plain = { .mss = 1460 };
static const struct tcp_options sack = { .mss = 1460, .sack_ok = true };
static const struct tcp_options full = { .mss = 1460,
					 .wscale_ok = true,
					 .wscale = 7,
					 .sack_ok = true,
					 .ts = true,
					 .tsval = 1000 };
#define ACK   TH_ACK
#define MSS   1460
#define MS(n) ((n)*NS_PER_MS)

static struct peer p;
static struct socket *l, *s;
static u8 data[1 << 17], back[1 << 17];

static int begin(void **state)
{
	(void)state;
	tcp_fake_begin();
	memset(&p, 0, sizeof(p));
	l = s = NULL;
	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (s != NULL) {
		s->opt.linger = true; /* with a reset, at once */
		s->opt.linger_seconds = 0;
		end_socket(s);
	}
	if (l != NULL)
		end_socket(l);
	run_for(700 * NS_PER_S); /* orphans give up */
	tcp_fake_end();
	return 0;
}

static void open_passive(const struct tcp_options *opt)
{
	l = listen_at("0.0.0.0", 80, 8);
	s = passive_open(&p, l, opt);
	assert_int_equal(STATE(s), TCP_ESTABLISHED);
	expect_nothing();
}

/* What the program reads is `n` bytes of the pattern from `at` on. */
static void reads(u32 at, u32 n)
{
	assert_int_equal(recv_from(s, back, sizeof(back), MSG_DONTWAIT), n);
	assert_memory_equal(back, data + at, n);
}

static void sends(u32 n)
{
	assert_int_equal(send_to(s, data, n, MSG_DONTWAIT), n);
}

/* ---- handshakes ---- */

static void options_of_both_sides(void **state)
{
	(void)state;
	open_passive(&full);
	assert_int_equal(tcp_of(s)->mss, MSS - 12);
	assert_int_equal(tcp_of(s)->snd_wscale, 7);
	assert_int_equal(tcp_of(s)->snd_wnd, 65535 << 7);
	sends(10);
	expect(&p, ACK, 1, 1, 10);
	assert_true(got.ts);
	assert_int_equal(got.tsecr, 1000);
}

static void what_the_syn_ack_offers(void **state)
{
	struct tcp_options syn = full;
	(void)state;

	l = listen_at("0.0.0.0", 80, 8);
	s = passive_open(&p, l, &syn);
	(void)s;
	/* a second one, whose SYN-ACK is looked at */
	p.rport = 5001;
	p.opt = syn;
	inject(&p, TH_SYN, 0, 0, 0);
	p.iss = 0;
	expect(&p, TH_SYN | ACK, 0, 1, 0);
	assert_true(got.ts && got.sack_ok && got.wscale_ok);
	assert_int_equal(got.mss, 1460);
	assert_int_equal(got.tsecr, 1000);
	assert_int_equal(got_window, 65535);
	p.rport = 5002;
	p.opt = plain;
	inject(&p, TH_SYN, 0, 0, 0);
	p.iss = 0;
	expect(&p, TH_SYN | ACK, 0, 1, 0);
	assert_false(got.ts || got.sack_ok || got.wscale_ok);
}

static void syn_ack_is_sent_again(void **state)
{
	(void)state;
	l = listen_at("0.0.0.0", 80, 8);
	s = passive_open(&p, l, &plain);
	p.rport = 6000;
	p.iss = 0;
	p.opt = plain;
	inject(&p, TH_SYN, 0, 0, 0);
	expect(&p, TH_SYN | ACK, 0, 1, 0);
	inject(&p, TH_SYN, 0, 0, 0); /* ours was lost */
	expect(&p, TH_SYN | ACK, 0, 1, 0);
	run_for(MS(1000));
	expect(&p, TH_SYN | ACK, 0, 1, 0);
	run_for(MS(2000));
	expect(&p, TH_SYN | ACK, 0, 1, 0);
	inject(&p, TH_RST, 1, 0, 0);
	run_for(100 * NS_PER_S);
	expect_nothing();
}

static void active(void **state)
{
	(void)state;
	s = active_open(&p, &full);
	assert_int_equal(tcp_of(s)->mss, MSS - 12);
	sends(5);
	expect(&p, ACK, 1, 1, 5);
	inject(&p, ACK, 1, 6, 3);
	expect(&p, ACK, 6, 4, 0);
	reads(0, 3);
}

static void active_and_refused(void **state)
{
	(void)state;
	wire.script = true;
	s = active_open(&p, &plain);
	end_socket(s);
	expect(&p, TH_FIN | ACK, 1, 1, 0);
	inject(&p, TH_RST | ACK, 1, 2, 0);
	memset(&p, 0, sizeof(p));
	s = connect_to(PEER, 7);
	p.rport = 7;
	ip_parse(PEER, &p.remote);
	ip_parse(OURS, &p.local);
	expect(&p, TH_SYN, 0, 0, 0);
	inject(&p, TH_RST | ACK, 0, 0, 0); /* not of our SYN */
	assert_int_equal(STATE(s), TCP_SYN_SENT);
	inject(&p, ACK, 0, 7, 0); /* neither: answered by a reset */
	expect(&p, TH_RST, 7, 0, 0);
	inject(&p, TH_RST | ACK, 0, 1, 0);
	assert_int_equal(STATE(s), TCP_CLOSE);
	assert_int_equal(s->error, ECONNREFUSED);
}

static void both_open_at_once(void **state)
{
	(void)state;
	s = active_open(&p, &sack);
	end_socket(s);
	expect(&p, TH_FIN | ACK, 1, 1, 0);
	inject(&p, TH_RST | ACK, 1, 2, 0);
	p.iss = p.lport = 0;
	s = connect_to(PEER, 7);
	expect(&p, TH_SYN, 0, 0, 0);
	p.opt = sack;
	inject(&p, TH_SYN, 0, 0, 0);
	expect(&p, TH_SYN | ACK, 0, 1, 0);
	assert_int_equal(STATE(s), TCP_SYN_RECV);
	p.opt = (struct tcp_options){ 0 };
	inject(&p, ACK, 1, 1, 4);
	assert_int_equal(STATE(s), TCP_ESTABLISHED);
	reads(0, 4);
}

/* ---- received segments ---- */

static void in_order(void **state)
{
	(void)state;
	open_passive(&plain);
	inject(&p, ACK, 1, 1, 100);
	expect(&p, ACK, 1, 101, 0);
	inject(&p, ACK | TH_PSH, 101, 1, 1);
	expect(&p, ACK, 1, 102, 0);
	reads(0, 101);
	assert_int_equal(recv_from(s, back, 1, MSG_DONTWAIT), -EAGAIN);
}

static void acknowledgements_wait(void **state)
{
	(void)state;
	open_passive(&plain);
	set_int(s, TCP_QUICKACK, 0);
	inject(&p, ACK, 1, 1, 100);
	expect_nothing();
	run_for(MS(39));
	expect_nothing();
	run_for(MS(2));
	expect(&p, ACK, 1, 101, 0);
	inject(&p, ACK, 101, 1, MSS);
	expect_nothing();
	inject(&p, ACK, 101 + MSS, 1, MSS); /* every second full one */
	expect(&p, ACK, 1, 101 + 2 * MSS, 0);
	inject(&p, ACK, 101 + 2 * MSS, 1, 10);
	sends(10); /* the answer carries it */
	expect(&p, ACK, 1, 111 + 2 * MSS, 10);
	run_for(MS(100));
	expect_nothing();
	reads(0, 110 + 2 * MSS);
}

static void out_of_order(void **state)
{
	(void)state;
	open_passive(&sack);
	inject(&p, ACK, 101, 1, 100);
	expect(&p, ACK, 1, 1, 0);
	assert_int_equal(got.nsack, 1);
	assert_int_equal(got.sack[0].start - p.irs, 101);
	assert_int_equal(got.sack[0].end - p.irs, 201);
	inject(&p, ACK, 301, 1, 100);
	expect(&p, ACK, 1, 1, 0);
	assert_int_equal(got.nsack, 2);
	assert_int_equal(got.sack[0].start - p.irs, 301); /* the latest first */
	inject(&p, ACK, 201, 1, 100);
	expect(&p, ACK, 1, 1, 0);
	assert_int_equal(got.nsack, 1);
	assert_int_equal(got.sack[0].end - p.irs, 401);
	inject(&p, ACK, 1, 1, 150); /* overlaps */
	expect(&p, ACK, 1, 401, 0);
	assert_int_equal(got.nsack, 0);
	reads(0, 400);
}

static void duplicates_are_reported(void **state)
{
	(void)state;
	open_passive(&sack);
	inject(&p, ACK, 1, 1, 100);
	expect(&p, ACK, 1, 101, 0);
	inject(&p, ACK, 1, 1, 100);
	expect(&p, ACK, 1, 101, 0);
	assert_int_equal(got.nsack, 1); /* RFC 2883 */
	assert_int_equal(got.sack[0].start - p.irs, 1);
	assert_int_equal(got.sack[0].end - p.irs, 101);
	inject(&p, ACK, 301, 1, 100);
	expect(&p, ACK, 1, 101, 0);
	assert_int_equal(got.nsack, 1);
	inject(&p, ACK, 301, 1, 100);
	expect(&p, ACK, 1, 101, 0);
	assert_int_equal(got.nsack, 2);
	assert_int_equal(got.sack[0].start - p.irs, 301);
	reads(0, 100);
}

static void a_fin_overtakes_data(void **state)
{
	(void)state;
	open_passive(&sack);
	inject(&p, ACK | TH_FIN, 101, 1, 0);
	expect(&p, ACK, 1, 1, 0);
	assert_int_equal(STATE(s), TCP_ESTABLISHED);
	inject(&p, ACK, 1, 1, 100);
	expect(&p, ACK, 1, 102, 0);
	assert_int_equal(STATE(s), TCP_CLOSE_WAIT);
	reads(0, 100);
	assert_int_equal(recv_from(s, back, 1, MSG_DONTWAIT), 0);
}

static void beyond_the_window(void **state)
{
	u32 at;
	(void)state;
	open_passive(&plain);
	s->opt.rcvbuf_locked = true;
	inject(&p, ACK, 65536 + 1, 1, 100);
	expect(&p, ACK, 1, 1, 0);
	inject(&p, ACK, 65530, 1, 100); /* in part */
	expect(&p, ACK, 1, 1, 0);
	assert_int_equal(tcp_of(s)->stats.rcv_ooo, 1);
	for (at = 1; got_window >= 1024; at += 1024) {
		set_int(s, TCP_QUICKACK, 1);
		inject(&p, ACK, at, 1, 1024);
		expect(&p, ACK, 1, at + 1024, 0);
	}
	assert_in_range(at, 65536, 110000);
	reads(0, at - 1);
	expect(&p, ACK, 1, at, 0); /* the window has opened */
	assert_true(got_window > 32000);
}

static void tiny_segments_take_little_memory(void **state)
{
	u32 most = 0;
	(void)state;

	open_passive(&plain);
	s->opt.rcvbuf_locked = true;
	for (u32 at = 1; at <= 30000; at++) {
		inject(&p, ACK, at, 1, 1);
		most = MAX(most, tcp_of(s)->rmem);
		drain();
	}
	assert_int_equal(tcp_readable(tcp_of(s)), 30000);
	assert_true(most < 60000);
	reads(0, 30000);
	expect_nothing();
	/* and out of order */
	for (u32 at = 30002; at <= 50000; at++)
		inject(&p, ACK, at, 1, 1);
	assert_true(tcp_of(s)->rmem < 60000);
	inject(&p, ACK, 30001, 1, 1);
	reads(30000, 20000);
}

/* ---- RFC 5961 and PAWS ---- */

static void only_the_exact_reset_counts(void **state)
{
	(void)state;
	open_passive(&plain);
	inject(&p, TH_RST, 70000, 0, 0);
	expect_nothing();
	inject(&p, TH_RST, 2, 0, 0);
	expect(&p, ACK, 1, 1, 0); /* the challenge */
	inject(&p, TH_RST, 3, 0, 0);
	expect_nothing(); /* not so often */
	assert_int_equal(STATE(s), TCP_ESTABLISHED);
	run_for(MS(501));
	inject(&p, TH_RST, 4, 0, 0);
	expect(&p, ACK, 1, 1, 0);
	inject(&p, TH_RST, 1, 0, 0);
	assert_int_equal(STATE(s), TCP_CLOSE);
	assert_int_equal(poll_of(s), POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM |
					     POLLHUP | POLLERR);
	assert_int_equal(recv_from(s, back, 1, 0), -ECONNRESET);
	assert_int_equal(recv_from(s, back, 1, 0), 0);
	assert_int_equal(send_to(s, data, 1, 0), -EPIPE);
}

static void a_syn_is_challenged(void **state)
{
	(void)state;
	open_passive(&plain);
	inject(&p, TH_SYN, 1, 0, 0);
	expect(&p, ACK, 1, 1, 0);
	run_for(MS(501));
	inject(&p, TH_SYN | ACK, 5, 1, 0);
	expect(&p, ACK, 1, 1, 0);
	assert_int_equal(STATE(s), TCP_ESTABLISHED);
}

static void acks_of_what_was_never_sent(void **state)
{
	(void)state;
	open_passive(&plain);
	inject(&p, ACK, 1, 2, 10);
	expect(&p, ACK, 1, 1, 0);
	assert_int_equal(tcp_readable(tcp_of(s)), 0);
	run_for(MS(501));
	inject(&p, ACK, 1, -70000, 10);
	expect(&p, ACK, 1, 1, 0);
	assert_int_equal(tcp_readable(tcp_of(s)), 0);
	inject(&p, ACK, 1, 0, 10); /* old, but not too old */
	reads(0, 10);
}

static void old_timestamps(void **state)
{
	(void)state;
	open_passive(&full);
	p.opt.tsval = 2000;
	inject(&p, ACK, 1, 1, 10);
	expect(&p, ACK, 1, 11, 0);
	assert_int_equal(got.tsecr, 2000);
	p.opt.tsval = 1999;
	inject(&p, ACK, 11, 1, 10);
	expect(&p, ACK, 1, 11, 0);
	assert_int_equal(got.tsecr, 2000);
	assert_int_equal(tcp_readable(tcp_of(s)), 10);
	p.opt.tsval = 2001;
	inject(&p, ACK, 11, 1, 10);
	expect(&p, ACK, 1, 21, 0);
	reads(0, 20);
	/* the clock stands still for 25 days: then anything goes */
	tcp_of(s)->ts_recent_when = 1;
	fake_clock += 25ull * 24 * 3600 * NS_PER_S;
	p.opt.tsval = 5;
	inject(&p, ACK, 21, 1, 10);
	reads(20, 10);
}

/* ---- sending ---- */

static void nagle_and_cork(void **state)
{
	(void)state;
	open_passive(&plain);
	sends(10);
	expect(&p, ACK, 1, 1, 10);
	sends(10); /* the first is not acknowledged yet */
	expect_nothing();
	inject(&p, ACK, 1, 11, 0);
	expect(&p, ACK, 11, 1, 10);
	set_int(s, TCP_NODELAY, 1);
	sends(10);
	expect(&p, ACK, 21, 1, 10);
	inject(&p, ACK, 1, 31, 0);
	set_int(s, TCP_CORK, 1);
	sends(100);
	expect_nothing();
	sends(MSS);
	expect(&p, ACK, 31, 1, MSS);
	set_int(s, TCP_CORK, 0);
	expect(&p, ACK, 31 + MSS, 1, 100);
	inject(&p, ACK, 1, 131 + MSS, 0);
	assert_int_equal(send_to(s, data, 50, MSG_MORE), 50);
	expect_nothing();
	run_for(MS(250)); /* but not for ever */
	expect(&p, ACK, 131 + MSS, 1, 50);
	inject(&p, ACK, 1, 181 + MSS, 0);
	assert_int_equal(send_to(s, data, 50, MSG_MORE), 50);
	sends(10);
	expect(&p, ACK, 181 + MSS, 1, 60);
}

static void the_initial_window_is_ten(void **state)
{
	(void)state;
	open_passive(&plain);
	s->opt.sndbuf = 1 << 16;
	sends(20 * MSS);
	for (u32 i = 0; i < 10; i++)
		expect(&p, ACK, 1 + i * MSS, 1, MSS);
	expect_nothing();
	inject(&p, ACK, 1, 1 + 2 * MSS, 0); /* slow start: two for each one */
	for (u32 i = 10; i < 14; i++)
		expect(&p, ACK, 1 + i * MSS, 1, MSS);
	expect_nothing();
}

static void a_closed_window_is_probed(void **state)
{
	u64 wait = MS(1000), start;
	(void)state;

	open_passive(&plain);
	p.window = 0;
	inject(&p, ACK, 1, 1, 0);
	start = fake_clock;
	sends(100);
	for (unsigned i = 0; i < 4; i++) {
		struct tcp_header h;
		u32 len;

		while (!next_segment(&h, &len))
			run_for(MS(10));
		assert_int_equal(ntohl(h.seq), p.iss);
		assert_int_equal(len, 0);
		assert_in_range(fake_clock - start, wait / 8, wait + MS(20));
		start = fake_clock;
		wait *= 2;
		inject(&p, ACK, 1, 1, 0);
	}
	assert_int_equal(STATE(s), TCP_ESTABLISHED);
	p.window = 50; /* half of the largest or a segment: not yet */
	inject(&p, ACK, 1, 1, 0);
	expect_nothing();
	p.window = 5000;
	inject(&p, ACK, 1, 1, 0);
	expect(&p, ACK, 1, 1, 100);
}

static void a_closed_window_for_ever(void **state)
{
	unsigned n = 0;
	struct tcp_header h;
	u32 len;
	(void)state;

	open_passive(&plain);
	p.window = 0;
	inject(&p, ACK, 1, 1, 0);
	sends(100);
	run_for(3600 * NS_PER_S);
	while (next_segment(&h, &len))
		n++;
	assert_int_equal(n, TCP_RETRIES);
	assert_int_equal(STATE(s), TCP_CLOSE);
	assert_int_equal(s->error, ETIMEDOUT);
}

static void retransmission_backs_off(void **state)
{
	u64 last = 0, gap = 0;
	unsigned n = 0;
	struct tcp_header h;
	u32 len;
	(void)state;

	open_passive(&plain);
	sends(100);
	expect(&p, ACK, 1, 1, 100);
	last = fake_clock;
	while (STATE(s) != TCP_CLOSE) {
		run_for(MS(10));
		while (next_segment(&h, &len)) {
			assert_int_equal(ntohl(h.seq), p.iss + 1);
			assert_int_equal(len, 100);
			if (gap != 0 && gap < MS(60000))
				assert_in_range(fake_clock - last, gap * 19 / 10, gap * 21 / 10);
			gap = fake_clock - last;
			last = fake_clock;
			n++;
		}
	}
	assert_int_equal(n, TCP_RETRIES);
	assert_int_equal(s->error, ETIMEDOUT);
	assert_true(fake_clock - 1000000000 > 900 * NS_PER_S);
}

static void user_timeout(void **state)
{
	u64 start;
	(void)state;

	open_passive(&plain);
	set_int(s, TCP_USER_TIMEOUT, 5000);
	sends(100);
	start = fake_clock;
	while (STATE(s) != TCP_CLOSE)
		run_for(MS(100));
	assert_in_range(fake_clock - start, MS(5000), MS(13000));
	assert_int_equal(s->error, ETIMEDOUT);
	drain();
}

/* ---- loss ---- */

static void flight(unsigned n)
{
	s->opt.sndbuf = 1 << 17;
	sends(n * MSS);
	for (u32 i = 0; i < n; i++)
		expect(&p, ACK, 1 + i * MSS, 1, MSS);
	run_for(MS(1));
}

static void say(u32 ack, u32 from, u32 to)
{
	p.opt.nsack = from != to;
	p.opt.sack[0] = (struct tcp_block){ p.iss + from, p.iss + to };
	inject(&p, ACK, 1, ack, 0);
	p.opt.nsack = 0;
}

static void sack_shows_a_loss(void **state)
{
	(void)state;
	open_passive(&sack);
	flight(10);
	say(1, 1 + MSS, 1 + 2 * MSS);
	expect_nothing(); /* may be reordering */
	say(1, 1 + MSS, 1 + 4 * MSS);
	expect(&p, ACK, 1, 1, MSS);
	assert_int_equal(tcp_of(s)->ca, CA_RECOVERY);
	assert_int_equal(tcp_of(s)->ssthresh, 10220);
	say(1 + 10 * MSS, 0, 0);
	assert_int_equal(tcp_of(s)->ca, CA_OPEN);
	assert_int_equal(tcp_of(s)->cwnd, 10220);
	assert_int_equal(tcp_of(s)->stats.retrans, 1);
}

static void three_duplicates_show_a_loss(void **state)
{
	(void)state;
	open_passive(&plain);
	flight(10);
	inject(&p, ACK, 1, 1, 0);
	inject(&p, ACK, 1, 1, 0);
	expect_nothing();
	inject(&p, ACK, 1, 1, 0);
	expect(&p, ACK, 1, 1, MSS);
	inject(&p, ACK, 1, 1 + 4 * MSS, 0); /* partial: the next is lost too */
	expect(&p, ACK, 1 + 4 * MSS, 1, MSS);
	inject(&p, ACK, 1, 1 + 10 * MSS, 0);
	assert_int_equal(tcp_of(s)->ca, CA_OPEN);
	assert_int_equal(tcp_of(s)->stats.retrans, 2);
}

static void a_probe_at_the_end_of_a_flight(void **state)
{
	(void)state;
	open_passive(&sack);
	tcp_of(s)->srtt = MS(10);
	flight(5);
	run_for(MS(15));
	expect_nothing();
	run_for(MS(10));
	expect(&p, ACK, 1 + 4 * MSS, 1, MSS); /* RFC 8985, 7: the last one */
	run_for(MS(2));
	say(1, 1 + 4 * MSS, 1 + 5 * MSS);
	assert_int_equal(tcp_of(s)->ca, CA_RECOVERY);
	assert_int_equal(tcp_of(s)->lost, 4 * MSS);
	expect(&p, ACK, 1, 1, MSS); /* one for each that is delivered (RFC 6937), or two */
	expect_nothing();
	say(1 + MSS, 1 + 4 * MSS, 1 + 5 * MSS);
	expect(&p, ACK, 1 + MSS, 1, MSS);
	expect(&p, ACK, 1 + 2 * MSS, 1, MSS);
	say(1 + 3 * MSS, 1 + 4 * MSS, 1 + 5 * MSS);
	expect(&p, ACK, 1 + 3 * MSS, 1, MSS);
	say(1 + 5 * MSS, 0, 0);
	run_for(NS_PER_S);
	expect_nothing();
}

/* Recovery with a lost retransmission: the first segment is sent again after
 * twice the round trip, then after twice that. */
static void expect_recovery_probes(void)
{
	for (u64 wait = 22; wait <= 88; wait *= 2) {
		run_for(MS(wait - 3));
		expect_nothing();
		run_for(MS(4));
		expect(&p, ACK, 1, 1, MSS);
	}
	assert_int_equal(tcp_of(s)->ca, CA_RECOVERY);
	run_for(MS(500));
	assert_int_equal(tcp_of(s)->ca, CA_LOSS);
	drain();
}

/* The probe at the end of a flight that showed the loss is no reason not to
 * probe for what repairs it. */
static void recovery_after_a_probe_probes(void **state)
{
	(void)state;
	open_passive(&sack);
	tcp_of(s)->srtt = MS(10);
	flight(5);
	run_for(MS(25));
	expect(&p, ACK, 1 + 4 * MSS, 1, MSS);
	say(1, 1 + 4 * MSS, 1 + 5 * MSS);
	tcp_of(s)->srtt = MS(10);
	expect(&p, ACK, 1, 1, MSS);
	expect_recovery_probes();
}

/* An ACK that a retransmission brought says nothing about the round trip of
 * what came before it and was only waiting for it. */
static void no_round_trip_from_a_filled_hole(void **state)
{
	u64 srtt;
	(void)state;

	open_passive(&sack);
	flight(6);
	say(1, 1 + MSS, 1 + 4 * MSS);
	expect(&p, ACK, 1, 1, MSS);
	srtt = tcp_of(s)->srtt;
	run_for(MS(100));
	drain();
	say(1 + 6 * MSS, 0, 0);
	assert_int_equal(tcp_of(s)->srtt, srtt);
}

/* RFC 8985, 6.2 step 4: the window grows until it is a round trip. */
static void duplicates_widen_the_reordering_window(void **state)
{
	(void)state;
	open_passive(&sack);
	for (u32 i = 0; i < 60; i++) {
		sends(MSS);
		drain();
		say(1 + (i + 1) * MSS, 1 + i * MSS, 1 + (i + 1) * MSS);
	}
	assert_in_range(tcp_of(s)->rack.reo_mult, 60, 61);
}

static void a_timeout_sends_everything_again(void **state)
{
	(void)state;
	open_passive(&plain);
	flight(4);
	run_for(MS(300));
	expect(&p, ACK, 1, 1, MSS);
	expect_nothing();
	assert_int_equal(tcp_of(s)->ca, CA_LOSS);
	assert_int_equal(tcp_of(s)->cwnd, MSS);
	inject(&p, ACK, 1, 1 + MSS, 0);
	expect(&p, ACK, 1 + MSS, 1, MSS);
	expect(&p, ACK, 1 + 2 * MSS, 1, MSS);
	inject(&p, ACK, 1, 1 + 4 * MSS, 0);
	assert_int_equal(tcp_of(s)->ca, CA_OPEN);
}

static void a_timeout_for_nothing_is_undone(void **state)
{
	u32 cwnd;
	(void)state;

	open_passive(&full);
	flight(0);
	sends(4 * (MSS - 12));
	for (u32 i = 0; i < 4; i++)
		expect(&p, ACK, 1 + i * (MSS - 12), 1, MSS - 12);
	p.opt.tsecr = got.tsval;
	cwnd = tcp_of(s)->cwnd;
	run_for(MS(500));
	drain();
	assert_int_equal(tcp_of(s)->ca, CA_LOSS);
	inject(&p, ACK, 1, 1 + MSS - 12, 0); /* of the original: RFC 4015 */
	assert_int_equal(tcp_of(s)->ca, CA_OPEN);
	assert_true(tcp_of(s)->cwnd >= cwnd);
	expect_nothing();
}

static void sack_that_lies(void **state)
{
	(void)state;
	open_passive(&sack);
	flight(4);
	say(1, 1 + 3 * MSS, 1 + 7 * MSS); /* more than was sent */
	say(1, 1, 1 + MSS); /* the first one, not acknowledged */
	say(1, (u32)-5000, 1);
	say(1 + 4 * MSS, 1 + 2 * MSS, 1 + 3 * MSS);
	assert_int_equal(tcp_of(s)->sacked, 0);
	assert_int_equal(tcp_flight(tcp_of(s)), 0);
}

static void a_peer_that_takes_its_word_back(void **state)
{
	(void)state;
	open_passive(&sack);
	flight(4);
	say(1, 1 + MSS, 1 + 4 * MSS);
	drain();
	say(1 + MSS, 0, 0);
	drain();
	assert_int_equal(tcp_of(s)->sacked, 3 * MSS);
	run_for(MS(2000));
	expect(&p, ACK, 1 + MSS, 1, MSS); /* RFC 2018, 8 */
	assert_int_equal(tcp_of(s)->sacked, 0);
}

static void path_mtu(void **state)
{
	(void)state;
	open_passive(&plain);
	wire.mtu_limit = 1000;
	s->opt.sndbuf = 1 << 16;
	sends(3000);
	/* the error comes while more is being sent: that is the right size */
	expect(&p, ACK, 1461, 1, 960);
	expect(&p, ACK, 2421, 1, 580);
	expect(&p, ACK, 1, 1, 960);
	expect(&p, ACK, 961, 1, 500);
	assert_int_equal(tcp_of(s)->mss, 960);
	assert_int_equal(wire.lost, 1);
}

/* ---- closing ---- */

static void close_first(void **state)
{
	(void)state;
	open_passive(&plain);
	end_socket(s);
	s = NULL;
	expect(&p, TH_FIN | ACK, 1, 1, 0);
	inject(&p, ACK, 1, 2, 0);
	expect_nothing();
	inject(&p, TH_FIN | ACK, 1, 2, 0);
	expect(&p, ACK, 2, 2, 0);
	run_for(NS_PER_S);
	inject(&p, TH_FIN | ACK, 1, 2, 0); /* again: ours was lost */
	expect(&p, ACK, 2, 2, 0);
	inject(&p, TH_RST, 2, 0, 0); /* RFC 1337 */
	run_for(59 * NS_PER_S);
	inject(&p, TH_FIN | ACK, 1, 2, 0);
	expect(&p, ACK, 2, 2, 0);
	run_for(61 * NS_PER_S);
	inject(&p, ACK, 2, 2, 0);
	expect(&p, TH_RST, 2, 0, 0); /* nobody is there any more */
}

static void close_second(void **state)
{
	(void)state;
	open_passive(&plain);
	inject(&p, TH_FIN | ACK, 1, 1, 10);
	expect(&p, ACK, 1, 12, 0);
	reads(0, 10);
	assert_int_equal(recv_from(s, back, 1, 0), 0);
	sends(5); /* the other direction is open */
	expect(&p, ACK, 1, 12, 5);
	end_socket(s);
	s = NULL;
	expect(&p, TH_FIN | ACK, 6, 12, 0);
	inject(&p, ACK, 12, 7, 0);
	inject(&p, ACK, 12, 7, 0);
	expect(&p, TH_RST, 7, 0, 0);
}

static void close_at_once(void **state)
{
	(void)state;
	open_passive(&plain);
	end_socket(s);
	s = NULL;
	expect(&p, TH_FIN | ACK, 1, 1, 0);
	inject(&p, TH_FIN | ACK, 1, 1, 0); /* it crossed ours */
	expect(&p, ACK, 2, 2, 0);
	inject(&p, ACK, 2, 2, 0);
	inject(&p, TH_FIN | ACK, 1, 2, 0);
	expect(&p, ACK, 2, 2, 0); /* TIME-WAIT */
}

static void fin_and_its_ack_together(void **state)
{
	(void)state;
	open_passive(&plain);
	end_socket(s);
	s = NULL;
	expect(&p, TH_FIN | ACK, 1, 1, 0);
	inject(&p, TH_FIN | ACK, 1, 2, 0);
	expect(&p, ACK, 2, 2, 0);
	run_for(NS_PER_S);
	inject(&p, TH_FIN | ACK, 1, 2, 0);
	expect(&p, ACK, 2, 2, 0);
}

static void unread_data_is_told(void **state)
{
	(void)state;
	open_passive(&plain);
	inject(&p, ACK, 1, 1, 10);
	expect(&p, ACK, 1, 11, 0);
	end_socket(s);
	s = NULL;
	expect(&p, TH_RST | ACK, 1, 11, 0); /* RFC 2525, 2.17 */
	expect_nothing();
}

static void data_for_nobody(void **state)
{
	(void)state;
	open_passive(&plain);
	end_socket(s);
	s = NULL;
	expect(&p, TH_FIN | ACK, 1, 1, 0);
	inject(&p, ACK, 1, 1, 10);
	expect(&p, TH_RST | ACK, 2, 1, 0);
	expect_nothing();
	run_for(NS_PER_S);
	expect_nothing();
}

static void data_in_fin_wait_2(void **state)
{
	(void)state;
	open_passive(&plain);
	end_socket(s);
	s = NULL;
	expect(&p, TH_FIN | ACK, 1, 1, 0);
	inject(&p, ACK, 1, 2, 0);
	inject(&p, ACK, 1, 2, 10);
	expect(&p, TH_RST, 2, 0, 0);
	run_for(NS_PER_S);
	expect_nothing();
}

static void shut_down_but_reading(void **state)
{
	(void)state;
	open_passive(&plain);
	net_enter();
	assert_int_equal(s->ops->shutdown(s, SHUT_WR), 0);
	net_leave();
	expect(&p, TH_FIN | ACK, 1, 1, 0);
	assert_int_equal(send_to(s, data, 1, 0), -EPIPE);
	inject(&p, ACK, 1, 2, 10);
	expect(&p, ACK, 2, 11, 0);
	assert_int_equal(STATE(s), TCP_FIN_WAIT2);
	reads(0, 10);
	inject(&p, TH_FIN | ACK, 11, 2, 0);
	expect(&p, ACK, 2, 12, 0);
	assert_int_equal(recv_from(s, back, 1, 0), 0);
}

static void linger_zero_resets(void **state)
{
	(void)state;
	open_passive(&plain);
	sends(10);
	expect(&p, ACK, 1, 1, 10);
	s->opt.linger = true;
	end_socket(s);
	s = NULL;
	expect(&p, TH_RST | ACK, 11, 1, 0);
	inject(&p, ACK, 1, 11, 0);
	expect(&p, TH_RST, 11, 0, 0);
}

static void orphans_die(void **state)
{
	(void)state;
	open_passive(&plain);
	sends(10);
	end_socket(s);
	s = NULL;
	run_for(600 * NS_PER_S);
	drain();
	inject(&p, ACK, 1, 1, 0);
	expect(&p, TH_RST, 1, 0, 0);
}

static void a_new_syn_ends_time_wait(void **state)
{
	u32 iss;
	(void)state;

	open_passive(&full);
	end_socket(s);
	s = NULL;
	expect(&p, TH_FIN | ACK, 1, 1, 0);
	inject(&p, TH_FIN | ACK, 1, 2, 0);
	expect(&p, ACK, 2, 2, 0);
	iss = p.iss;
	p.opt = full;
	inject(&p, TH_SYN, 1, 0, 0); /* old */
	run_for(NS_PER_S);
	drain();
	p.opt.tsval = 1001;
	p.iss = 0;
	inject(&p, TH_SYN, 1000, 0, 0);
	expect(&p, TH_SYN | ACK, 0, 1001, 0);
	assert_true(seq_gt(p.iss, iss + 2 + 65535));
	p.opt = (struct tcp_options){ .ts = true, .tsval = 1002, .tsecr = got.tsval };
	inject(&p, ACK, 1001, 1, 0);
	s = accept_from(l);
}

/* ---- listeners ---- */

static void half_open(u16 port, u32 ack)
{
	p.rport = port;
	p.opt = full;
	p.iss = 0;
	inject(&p, TH_SYN, 0, 0, 0);
	expect(&p, TH_SYN | ACK, 0, 1, 0);
	p.opt = (struct tcp_options){ .ts = true, .tsval = 1001, .tsecr = got.tsval };
	if (ack)
		inject(&p, ACK, 1, 1, 0);
}

static void the_accept_queue_is_full(void **state)
{
	struct socket *c[8];
	struct peer last;
	(void)state;

	l = listen_at("0.0.0.0", 80, 1);
	s = passive_open(&p, l, &full);
	half_open(6000, 1);
	half_open(6001, 1);
	assert_int_equal(tcp_of(l)->naccepted, 2);
	p.rport = 6002;
	p.opt = full;
	inject(&p, TH_SYN, 0, 0, 0);
	expect_nothing(); /* it will come again */
	c[0] = accept_from(l);
	c[1] = NULL;
	half_open(6002, 0);
	half_open(6003, 0);
	last = p;
	/* meanwhile the queue is filled */
	p.rport = 6002;
	inject(&last, ACK, 1, 1, 0);
	assert_int_equal(tcp_of(l)->naccepted, 2);
	c[1] = accept_from(l);
	c[2] = accept_from(l);
	for (int i = 0; i < 3; i++)
		end_socket(c[i]);
	drain();
}

static void a_flood_of_syns(void **state)
{
	unsigned before;
	struct socket *c;
	(void)state;

	open_passive(&full);
	before = fake_objects;
	for (u16 port = 10000; port < 20000; port++)
		half_open(port, 0);
	assert_int_equal(tcp_of(l)->nrequests, 9);
	assert_true(fake_objects < before + 300); /* kept packets; no requests */
	/* who answers a cookie gets in, with all options */
	half_open(30000, 1);
	c = accept_from(l);
	assert_true(tcp_of(c)->ts_ok && tcp_of(c)->sack_ok && tcp_of(c)->wscale_ok);
	assert_int_equal(tcp_of(c)->snd_wscale, 7);
	assert_int_equal(tcp_of(c)->mss_peer, 1460);
	inject(&p, ACK, 1, 1, 10);
	assert_int_equal(recv_from(c, back, 100, MSG_DONTWAIT), 10);
	drain();
	end_socket(c);
	drain();
	/* who makes one up does not */
	half_open(30001, 0);
	p.iss++;
	inject(&p, ACK, 1, 1, 0);
	expect(&p, TH_RST, 1, 0, 0);
	/* nor does an old one */
	half_open(30002, 0);
	fake_clock += 200 * NS_PER_S;
	inject(&p, ACK, 1, 1, 0);
	expect(&p, TH_RST, 1, 0, 0);
	assert_int_equal(STATE(s), TCP_ESTABLISHED);
	run_for(300 * NS_PER_S);
	drain();
	assert_int_equal(tcp_of(l)->nrequests, 0);
}

static void accepting_waits_for_data(void **state)
{
	struct socket *c;
	(void)state;

	open_passive(&full);
	set_int(l, TCP_DEFER_ACCEPT, 30);
	half_open(6000, 1);
	assert_int_equal(tcp_of(l)->naccepted, 0);
	assert_int_equal(poll_of(l), 0);
	inject(&p, ACK, 1, 1, 10);
	assert_int_equal(poll_of(l), POLLIN | POLLRDNORM);
	c = accept_from(l);
	assert_int_equal(recv_from(c, back, 100, MSG_DONTWAIT), 10);
	drain();
	end_socket(c);
	drain();
}

static void a_listener_goes_away(void **state)
{
	(void)state;
	open_passive(&full);
	half_open(6000, 0);
	half_open(6001, 1);
	end_socket(l);
	l = NULL;
	expect(&p, TH_RST | ACK, 1, 1, 0);
	expect_nothing();
	inject(&p, TH_SYN, 5, 0, 0);
	expect(&(struct peer){ .rport = 6001, .irs = p.irs, .iss = p.iss, .lport = 80 },
	       TH_RST | ACK, -p.iss, 6, 0);
}

/* ---- keep-alive ---- */

static void keep_alive(void **state)
{
	(void)state;
	open_passive(&plain);
	set_int(s, TCP_KEEPIDLE, 10);
	set_int(s, TCP_KEEPINTVL, 2);
	set_int(s, TCP_KEEPCNT, 3);
	s->opt.keep_alive = true;
	s->ops->option(s, SO_KEEPALIVE);
	run_for(MS(9900));
	expect_nothing();
	run_for(MS(200));
	expect(&p, ACK, 0, 1, 0);
	inject(&p, ACK, 1, 1, 0); /* alive */
	run_for(MS(9900));
	expect_nothing();
	run_for(MS(200));
	expect(&p, ACK, 0, 1, 0);
	run_for(MS(2000));
	expect(&p, ACK, 0, 1, 0);
	run_for(MS(2000));
	expect(&p, ACK, 0, 1, 0);
	assert_int_equal(STATE(s), TCP_ESTABLISHED);
	run_for(MS(2000));
	expect(&p, TH_RST | ACK, 1, 1, 0);
	assert_int_equal(s->error, ETIMEDOUT);
}

/* ---- the calls ---- */

static void ways_to_receive(void **state)
{
	(void)state;
	open_passive(&plain);
	inject(&p, ACK, 1, 1, 100);
	inject(&p, ACK, 101, 1, 1200);
	assert_int_equal(recv_from(s, back, 200, MSG_PEEK), 200);
	assert_memory_equal(back, data, 200);
	assert_int_equal(recv_from(s, back, 50, 0), 50);
	assert_int_equal(recv_from(s, back, 100, MSG_TRUNC), 100);
	assert_int_equal(recv_from(s, back, 100, MSG_PEEK), 100);
	assert_memory_equal(back, data + 150, 100);
	assert_int_equal(recv_from(s, back, 5000, MSG_WAITALL | MSG_DONTWAIT), 1150);
	assert_memory_equal(back, data + 150, 1150);
	assert_int_equal(recv_from(s, back, 1, MSG_OOB), -EINVAL);
	s->opt.rcvtimeo_ns = MS(500);
	drain();
	wire.script = false;
	assert_int_equal(recv_from(s, back, 1, 0), -EAGAIN);
	wire.script = true;
	s->opt.rcvlowat = 10;
	inject(&p, ACK, 1301, 1, 9);
	assert_int_equal(poll_of(s) & POLLIN, 0);
	inject(&p, ACK, 1310, 1, 1);
	assert_int_equal(poll_of(s) & POLLIN, POLLIN);
}

static void a_bad_buffer(void **state)
{
	(void)state;
	open_passive(&plain);
	fake_fault_start = data + 100;
	fake_fault_end = data + sizeof(data);
	assert_int_equal(send_to(s, data + 100, 10, 0), -EFAULT);
	assert_int_equal(send_to(s, data, 200, 0), 100);
	expect(&p, ACK, 1, 1, 100);
	fake_fault_start = back + 4;
	fake_fault_end = back + 100;
	inject(&p, ACK, 1, 1, 10);
	assert_int_equal(recv_from(s, back, 10, 0), 4);
	assert_int_equal(recv_from(s, back + 4, 6, 0), -EFAULT);
	fake_fault_start = fake_fault_end = NULL;
	assert_int_equal(recv_from(s, back, 10, 0), 6);
	assert_memory_equal(back, data + 4, 6);
}

static void memory_of_the_caller(void **state)
{
	struct pkt_mem *mem = pkt_mem_alloc(10000);
	long r;
	(void)state;

	open_passive(&plain);
	memcpy(mem->data, data, 10000);
	net_enter();
	r = tcp_send_mem(s, mem, mem->data, 10000, true, false);
	net_leave();
	assert_int_equal(r, 10000);
	assert_true(mem->refs > 1);
	for (u32 i = 0; i < 6; i++)
		expect(&p, ACK, 1 + i * MSS, 1, MSS);
	assert_memory_equal(got_data, data + 5 * MSS, MSS);
	expect(&p, ACK, 1 + 6 * MSS, 1, 10000 - 6 * MSS);
	inject(&p, ACK, 1, 10001, 0);
	assert_int_equal(mem->refs, 1);
	pkt_mem_put(mem);
}

static void room_to_send(void **state)
{
	(void)state;
	open_passive(&plain);
	s->opt.sndbuf = 20000;
	s->opt.sndbuf_locked = true;
	assert_int_equal(send_to(s, data, 50000, MSG_DONTWAIT), 20000);
	assert_int_equal(send_to(s, data, 1, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(poll_of(s), 0);
	drain();
	inject(&p, ACK, 1, 1001, 0);
	assert_int_equal(poll_of(s), 0); /* a third must be free */
	fake_wakes = 0;
	inject(&p, ACK, 1, 14001, 0);
	assert_int_equal(fake_wakes, 1);
	assert_int_equal(poll_of(s), POLLOUT | POLLWRNORM);
}

static void options_of_sockets(void **state)
{
	char name[16] = "";
	u32 len = sizeof(name);
	struct tcp_info info;
	int n = 0;
	(void)state;

	open_passive(&full);
	assert_int_equal(s->ops->getsockopt(s, SOL_TCP, TCP_CONGESTION, name, &len), 0);
	assert_string_equal(name, "cubic");
	assert_int_equal(s->ops->setsockopt(s, SOL_TCP, TCP_CONGESTION, "cubic", 5), 0);
	assert_int_equal(s->ops->setsockopt(s, SOL_TCP, TCP_CONGESTION, "reno", 4), -ENOENT);
	assert_int_equal(set_int(s, TCP_KEEPIDLE, 0), -EINVAL);
	assert_int_equal(set_int(s, TCP_KEEPCNT, 128), -EINVAL);
	assert_int_equal(set_int(s, TCP_FASTOPEN, 1), -ENOPROTOOPT);
	assert_int_equal(set_int(s, 999, 1), -ENOPROTOOPT);
	len = sizeof(n);
	assert_int_equal(s->ops->getsockopt(s, SOL_TCP, TCP_MAXSEG, &n, &len), 0);
	assert_int_equal(n, MSS - 12);
	len = sizeof(n);
	assert_int_equal(s->ops->getsockopt(s, SOL_IP, IP_MTU, &n, &len), 0);
	assert_int_equal(n, 1500);
	n = 0x10;
	assert_int_equal(s->ops->setsockopt(s, SOL_IP, IP_TOS, &n, sizeof(n)), 0);
	sends(1);
	assert_int_equal(wire.tos, 0x10);
	len = sizeof(info);
	assert_int_equal(s->ops->getsockopt(s, SOL_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(info.tcpi_state, TCP_ESTABLISHED);
	assert_int_equal(info.tcpi_options, TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE);
	assert_int_equal(info.tcpi_snd_cwnd, 10);
	len = 8;
	assert_int_equal(s->ops->getsockopt(s, SOL_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(len, 8);
}

/* ---- icmp ---- */

static void unreachable(void **state)
{
	struct pkt *quoted;
	u8 bytes[8] = { 0 };
	(void)state;

	open_passive(&plain);
	put_be16(bytes, p.lport);
	put_be16(bytes + 2, p.rport);
	put_be32(bytes + 4, p.iss + 5000); /* forged: not in flight */
	for (int i = 0; i < 2; i++) {
		struct pkt_mem *mem = pkt_mem_alloc(8);

		memcpy(mem->data, bytes, 8);
		quoted = pkt_wrap(mem, mem->data, 8);
		quoted->src = p.local;
		quoted->dst = p.remote;
		net_enter();
		tcp_error(quoted, EHOSTUNREACH, 0);
		net_leave();
		pkt_free(quoted);
		assert_int_equal(tcp_of(s)->soft_error, i == 0 ? 0 : EHOSTUNREACH);
		put_be32(bytes + 4, p.iss + 1);
	}
	assert_int_equal(STATE(s), TCP_ESTABLISHED); /* it may pass */
	sends(1);
	run_for(2000 * NS_PER_S);
	assert_int_equal(s->error, EHOSTUNREACH);
	drain();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(options_of_both_sides),
		T(what_the_syn_ack_offers),
		T(syn_ack_is_sent_again),
		T(active),
		T(active_and_refused),
		T(both_open_at_once),
		T(in_order),
		T(acknowledgements_wait),
		T(out_of_order),
		T(duplicates_are_reported),
		T(a_fin_overtakes_data),
		T(beyond_the_window),
		T(tiny_segments_take_little_memory),
		T(only_the_exact_reset_counts),
		T(a_syn_is_challenged),
		T(acks_of_what_was_never_sent),
		T(old_timestamps),
		T(nagle_and_cork),
		T(the_initial_window_is_ten),
		T(a_closed_window_is_probed),
		T(a_closed_window_for_ever),
		T(retransmission_backs_off),
		T(user_timeout),
		T(sack_shows_a_loss),
		T(three_duplicates_show_a_loss),
		T(a_probe_at_the_end_of_a_flight),
		T(recovery_after_a_probe_probes),
		T(no_round_trip_from_a_filled_hole),
		T(duplicates_widen_the_reordering_window),
		T(a_timeout_sends_everything_again),
		T(a_timeout_for_nothing_is_undone),
		T(sack_that_lies),
		T(a_peer_that_takes_its_word_back),
		T(path_mtu),
		T(close_first),
		T(close_second),
		T(close_at_once),
		T(fin_and_its_ack_together),
		T(unread_data_is_told),
		T(data_for_nobody),
		T(data_in_fin_wait_2),
		T(shut_down_but_reading),
		T(linger_zero_resets),
		T(orphans_die),
		T(a_new_syn_ends_time_wait),
		T(the_accept_queue_is_full),
		T(a_flood_of_syns),
		T(accepting_waits_for_data),
		T(a_listener_goes_away),
		T(keep_alive),
		T(ways_to_receive),
		T(a_bad_buffer),
		T(memory_of_the_caller),
		T(room_to_send),
		T(options_of_sockets),
		T(unreachable),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("tcp_script", tests, NULL, NULL);
}
