// clang-format off
// link: tests/unit/fake_libos.c tests/unit/net_fake.c guest/net/pkt.c guest/net/pkt_data.c guest/net/addr_text.c guest/net/netif.c guest/net/loopback.c guest/net/offload.c guest/net/route.c guest/net/ip.c guest/net/ip4.c guest/net/ip6.c guest/net/weak.c
// flags: -DLIBOS_HOST_TEST
// clang-format on
/*
 * IP: loopback, routes, headers good and bad, fragments out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "net_fake.h"

static int begin(void **state)
{
	(void)state;
	net_fake_begin();
	return 0;
}

static int end(void **state)
{
	(void)state;
	net_fake_end();
	return 0;
}

static struct ip_send to_self(const char *text)
{
	struct ip_send to = { .dst = ip(text), .proto = IPPROTO_UDP };
	struct ip_path path;

	assert_int_equal(ip_route(NULL, &to.dst, 0, &path), 0);
	to.src = path.src;
	return to;
}

static void test_loopback(void **state)
{
	static const char *const dst[] = { "127.0.0.1", "127.9.9.9", "::1" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(dst); i++) {
		struct ip_send to = to_self(dst[i]);
		struct pkt *pkt = pkt_alloc(), *got;

		memcpy(pkt_put(pkt, 16), "\x12\x34\x00\x50\x00\x10\x00\x00payload!", 16);
		net_enter();
		ip_checksum_later(pkt, &to, 6);
		assert_int_equal(ip_output(pkt, &to), 0);
		assert_true(list_empty(&got_udp)); /* not by recursion */
		net_leave();
		got = pkt_dequeue(&got_udp);
		assert_non_null(got);
		assert_true(ip_equal(&got->src, &to.src));
		assert_true(ip_equal(&got->dst, &to.dst));
		assert_int_equal(got->total, 16);
		assert_true(ip_checksum_good(got));
		offload_checksum(got); /* and it really is, once completed */
		assert_int_equal(got->csum, CSUM_NONE);
		assert_true(ip_checksum_good(got));
		got->data[9] ^= 1;
		assert_false(ip_checksum_good(got));
		pkt_free(got);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_loopback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
