// clang-format off
// link: tests/unit/fake_libos.c guest/net/ports.c
// clang-format on
/*
 * Local ports: who may share with whom (compare bind(2), ip(7), socket(7)),
 * and ephemeral ones until there are none left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fake_libos.h"
#include "../../guest/net/ports.h"

static struct port_table table;

static int begin(void **state)
{
	(void)state;
	fake_begin();
	ports_init(&table);
	return 0;
}

static struct ipaddr v4(u32 host)
{
	return ip_from4(htonl(host));
}

static const struct ipaddr any6, loop6 = { .b = { [15] = 1 } };

static void same_port_conflicts(void **state)
{
	struct port_binding a = { .addr = v4(0) }, b = { .addr = v4(0) };
	(void)state;

	assert_int_equal(ports_bind(&table, &a, 80), 0);
	assert_int_equal(a.port, 80);
	assert_int_equal(ports_bind(&table, &a, 81), -EINVAL);
	assert_int_equal(ports_bind(&table, &b, 80), -EADDRINUSE);
	assert_int_equal(ports_bind(&table, &b, 80 + PORTS_BUCKETS), 0);
	ports_unbind(&table, &b);
	ports_unbind(&table, &a);
	assert_int_equal(ports_bind(&table, &b, 80), 0);
	ports_unbind(&table, &b);
	ports_unbind(&table, &b);
}

static int both(struct ipaddr x, bool x_only, struct ipaddr y, bool y_only)
{
	struct port_binding a = { .addr = x, .v6only = x_only };
	struct port_binding b = { .addr = y, .v6only = y_only };
	int error;

	assert_int_equal(ports_bind(&table, &a, 80), 0);
	error = ports_bind(&table, &b, 80);
	ports_unbind(&table, &b);
	ports_unbind(&table, &a);
	return error;
}

static void addresses(void **state)
{
	(void)state;
	assert_int_equal(both(v4(1), false, v4(2), false), 0);
	assert_int_equal(both(v4(1), false, v4(0), false), -EADDRINUSE);
	assert_int_equal(both(v4(0), false, v4(1), false), -EADDRINUSE);
	assert_int_equal(both(any6, false, v4(1), false), -EADDRINUSE);
	assert_int_equal(both(v4(0), false, any6, false), -EADDRINUSE);
	assert_int_equal(both(any6, true, v4(0), false), 0);
	assert_int_equal(both(v4(0), false, any6, true), 0);
	assert_int_equal(both(any6, true, loop6, false), -EADDRINUSE);
	assert_int_equal(both(v4(0), false, loop6, false), 0);
	assert_int_equal(both(loop6, false, loop6, false), -EADDRINUSE);
}

static void interfaces(void **state)
{
	struct port_binding a = { .addr = v4(0), .ifindex = 1 }, b = a, c = a;
	(void)state;

	assert_int_equal(ports_bind(&table, &a, 80), 0);
	b.ifindex = 2;
	assert_int_equal(ports_bind(&table, &b, 80), 0);
	c.ifindex = 0;
	assert_int_equal(ports_bind(&table, &c, 80), -EADDRINUSE);
}

static void reuse_addr_until_one_listens(void **state)
{
	struct port_binding a = { .addr = v4(0), .reuse_addr = true }, b = a, c = a, d = a;
	(void)state;

	d.reuse_addr = false;
	assert_int_equal(ports_bind(&table, &a, 80), 0);
	assert_int_equal(ports_bind(&table, &b, 80), 0);
	assert_int_equal(ports_bind(&table, &d, 80), -EADDRINUSE);
	assert_int_equal(ports_listen(&table, &b), 0);
	assert_int_equal(ports_listen(&table, &a), -EADDRINUSE);
	assert_int_equal(ports_bind(&table, &c, 80), -EADDRINUSE);
	ports_unbind(&table, &b);
	assert_int_equal(ports_listen(&table, &a), 0);
}

static void reuse_port_is_for_listeners_too(void **state)
{
	struct port_binding a = { .addr = v4(0), .reuse_port = true }, b = a, c = a;
	(void)state;

	c.reuse_port = false;
	assert_int_equal(ports_bind(&table, &a, 80), 0);
	assert_int_equal(ports_listen(&table, &a), 0);
	assert_int_equal(ports_bind(&table, &b, 80), 0);
	assert_int_equal(ports_listen(&table, &b), 0);
	assert_int_equal(ports_bind(&table, &c, 80), -EADDRINUSE);
}

static void accepted_connections_keep_the_port(void **state)
{
	struct port_binding a = { .addr = v4(0), .reuse_addr = true }, conn, b = a, c = a;
	(void)state;

	c.reuse_addr = false;
	assert_int_equal(ports_bind(&table, &a, 80), 0);
	assert_int_equal(ports_listen(&table, &a), 0);
	ports_inherit(&table, &conn, &a);
	conn.addr = v4(1);
	ports_unbind(&table, &a);
	assert_int_equal(ports_bind(&table, &c, 80), -EADDRINUSE);
	assert_int_equal(ports_bind(&table, &b, 80), 0);
	assert_int_equal(ports_listen(&table, &b), 0);
	ports_unbind(&table, &conn);
}

static void connections_share(void **state)
{
	struct port_binding a = { .addr = v4(1) }, b = a, c = a, d = a;
	(void)state;

	assert_int_equal(ports_connect(&table, &a, 40000), 0);
	assert_int_equal(ports_connect(&table, &b, 40000), 0);
	assert_int_equal(ports_bind(&table, &c, 40000), -EADDRINUSE);
	assert_int_equal(ports_bind(&table, &c, 40001), 0);
	assert_int_equal(ports_connect(&table, &d, 40001), -EADDRINUSE);
}

static void ephemeral_ports_run_out(void **state)
{
	const unsigned n = PORT_EPHEMERAL_END - PORT_EPHEMERAL;
	static struct port_binding b[PORT_EPHEMERAL_END - PORT_EPHEMERAL + 1];
	static bool seen[65536];
	(void)state;

	for (unsigned i = 0; i <= n; i++)
		b[i].reuse_addr = b[i].reuse_port = true; /* shared only when asked for */
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(ports_bind(&table, &b[i], 0), 0);
		assert_in_range(b[i].port, PORT_EPHEMERAL, PORT_EPHEMERAL_END - 1);
		assert_false(seen[b[i].port]);
		seen[b[i].port] = true;
	}
	assert_int_equal(ports_bind(&table, &b[n], 0), -EADDRINUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(same_port_conflicts, begin),
		cmocka_unit_test_setup(addresses, begin),
		cmocka_unit_test_setup(interfaces, begin),
		cmocka_unit_test_setup(reuse_addr_until_one_listens, begin),
		cmocka_unit_test_setup(reuse_port_is_for_listeners_too, begin),
		cmocka_unit_test_setup(accepted_connections_keep_the_port, begin),
		cmocka_unit_test_setup(connections_share, begin),
		cmocka_unit_test_setup(ephemeral_ports_run_out, begin),
	};

	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
