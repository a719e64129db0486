// clang-format off
// link: tests/unit/fake_libos.c guest/net/tcp_table.c
// clang-format on
/*
 * The table of TCP connections: what was added is found, whether the table could
 * grow or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fake_libos.h"
#include "../../guest/net/tcp_conn.h"

#define NODES 5000

static struct tcp_node node[NODES];

static struct ipaddr host(u32 n)
{
	return ip_from4(htonl(0x0a000000 + n));
}

static struct tcp_node *find(u32 n)
{
	struct ipaddr local = host(1), remote = host(n);

	return tcp_table_find(&local, 80, &remote, (u16)(1024 + n));
}

static void add(u32 n)
{
	node[n] = (struct tcp_node){
		.local = host(1), .remote = host(n), .lport = 80, .rport = (u16)(1024 + n)
	};
	tcp_table_add(&node[n]);
}

static void count(struct tcp_node *n, void *arg)
{
	(void)n;
	++*(unsigned *)arg;
}

static void add_find_and_delete(void)
{
	unsigned n = 0;

	for (u32 i = 0; i < NODES; i++)
		add(i);
	for (u32 i = 0; i < NODES; i++)
		assert_ptr_equal(find(i), &node[i]);
	assert_null(find(NODES));
	tcp_table_visit(count, &n);
	assert_int_equal(n, NODES);
	for (u32 i = 0; i < NODES; i += 2)
		tcp_table_del(&node[i]);
	for (u32 i = 0; i < NODES; i++)
		assert_ptr_equal(find(i), i % 2 ? &node[i] : NULL);
	for (u32 i = 0; i < NODES; i++)
		tcp_table_del(&node[i]); /* half of them again, which is harmless */
	n = 0;
	tcp_table_visit(count, &n);
	assert_int_equal(n, 0);
}

static void without_memory(void **state)
{
	(void)state;
	fake_begin();
	tcp_table_init();
	fake_allocations_left = 0;
	add_find_and_delete();
	fake_allocations_left = -1;
}

static void grown(void **state)
{
	(void)state;
	fake_begin();
	tcp_table_init();
	add_find_and_delete();
	add_find_and_delete();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory),
		cmocka_unit_test(grown),
	};

	return cmocka_run_group_tests_name("tcp_table", tests, NULL, NULL);
}
