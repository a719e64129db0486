// link: vmm/net_options.c
/* The values of --net and --publish. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "../../vmm/net_options.h"

static void net_rejects(const char *value, const char *part)
{
	struct net_option net;
	const char *why = net_parse(value, &net);

	if (!why || !strstr(why, part))
		fail_msg("\"%s\": wanted '%s', got '%s'", value, part, why ? why : "(fine)");
	assert_ptr_equal(net_check(value), why);
}

static void net_accepts(const char *value, struct net_option *net)
{
	const char *why = net_parse(value, net);

	if (why)
		fail_msg("\"%s\": %s", value, why);
	assert_null(net_check(value));
}

static void taps(void **state)
{
	struct net_option net;

	(void)state;
	net_accepts("tap=mf0", &net);
	assert_int_equal(net.kind, NET_TAP);
	assert_string_equal(net.tap, "mf0");
	assert_false(net.has_mac);
	assert_null(net.ip[0]);
	assert_null(net.gw[0]);
}

static void names(void **state)
{
	struct net_option net;

	(void)state;
	net_accepts("tap=a=b.c-d_e%01234", &net);
	assert_string_equal(net.tap, "a=b.c-d_e%01234");
	net_rejects("tap=a=b.c-d_e%012345", "1 to 15 characters");
	net_rejects("tap=", "needs the name");
	net_rejects("tap=,mac=02:00:00:00:00:01", "needs the name");
	net_rejects("tap=.", "1 to 15");
	net_rejects("tap=..", "1 to 15");
	net_rejects("tap=a/b", "1 to 15");
	net_rejects("tap=a:1", "1 to 15");
	net_rejects("tap=a b", "1 to 15");
	net_rejects("tap=a\n", "1 to 15");
	net_rejects("", "give tap=NAME");
	net_rejects("eth0", "give tap=NAME");
	net_rejects("users", "give tap=NAME");
	net_rejects("tap", "give tap=NAME");
	net_rejects(",tap=a", "give tap=NAME");
}

static void macs(void **state)
{
	static const uint8_t want[6] = { 0x02, 0x0a, 0xbc, 0, 0, 0xfe };
	struct net_option net;

	(void)state;
	net_accepts("tap=t,mac=02:0a:Bc:00:00:fE", &net);
	assert_true(net.has_mac);
	assert_memory_equal(net.mac, want, 6);
	net_accepts("user,mac=02:0a:Bc:00:00:fE", &net);
	assert_memory_equal(net.mac, want, 6);
	net_rejects("tap=t,mac=01:00:5e:00:00:01", "multicast");
	net_rejects("tap=t,mac=ff:ff:ff:ff:ff:ff", "multicast");
	net_rejects("tap=t,mac=00:00:00:00:00:00", "all zeroes");
	net_rejects("tap=t,mac=", "six pairs");
	net_rejects("tap=t,mac=02", "six pairs");
	net_rejects("tap=t,mac=02:00:00:00:00", "six pairs");
	net_rejects("tap=t,mac=02:00:00:00:00:01:02", "six pairs");
	net_rejects("tap=t,mac=02:00:00:00:00:0", "six pairs");
	net_rejects("tap=t,mac=02:00:00:00:00:0g", "six pairs");
	net_rejects("tap=t,mac=02-00-00-00-00-01", "six pairs");
	net_rejects("tap=t,mac=02:00:00:00:00:01,mac=02:00:00:00:00:01", "twice");
}

static void addresses(void **state)
{
	struct net_option net;

	(void)state;
	net_accepts("tap=t,ip=192.0.2.2/24,gw=192.0.2.1", &net);
	assert_string_equal(net.ip[0], "192.0.2.2/24");
	assert_null(net.ip[1]);
	assert_string_equal(net.gw[0], "192.0.2.1");
	assert_null(net.gw[1]);
	net_accepts("tap=t,gw=2001:db8::1,ip=192.0.2.2/32,ip=2001:db8::2/64,ip=10.0.0.1/31,"
		    "gw=10.0.0.0",
		    &net);
	assert_string_equal(net.ip[2], "10.0.0.1/31");
	assert_null(net.ip[3]);
	assert_string_equal(net.gw[1], "10.0.0.0");
	net_accepts("tap=t,ip=2001:db8::2/64,gw=fe80::1", &net);
	net_rejects("tap=t,ip=192.0.2.2", "length of its prefix");
	net_rejects("tap=t,ip=192.0.2.2/", "1 to 32 bits");
	net_rejects("tap=t,ip=192.0.2.2/0", "1 to 32 bits");
	net_rejects("tap=t,ip=192.0.2.2/33", "1 to 32 bits");
	net_rejects("tap=t,ip=192.0.2.2/-1", "1 to 32 bits");
	net_rejects("tap=t,ip=192.0.2.2/24/24", "1 to 32 bits");
	net_rejects("tap=t,ip=192.0.2.2/4294967297", "1 to 32 bits");
	net_rejects("tap=t,ip=2001:db8::2/129", "1 to 128 bits");
	net_rejects("tap=t,ip=/24", "not an address");
	net_rejects("tap=t,ip=192.0.2/24", "not an address");
	net_rejects("tap=t,ip=host/24", "not an address");
	net_rejects("tap=t,ip=[2001:db8::2]/64", "not an address");
	net_rejects("tap=t,ip=1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111/64",
		    "not an address");
	net_rejects("tap=t,ip=127.0.0.1/8", "one host");
	net_rejects("tap=t,ip=0.0.0.0/8", "one host");
	net_rejects("tap=t,ip=224.0.0.1/8", "one host");
	net_rejects("tap=t,ip=255.255.255.255/32", "one host");
	net_rejects("tap=t,ip=::1/128", "one host");
	net_rejects("tap=t,ip=::/64", "one host");
	net_rejects("tap=t,ip=ff02::1/64", "one host");
	net_rejects("tap=t,ip=192.0.2.0/24", "broadcast");
	net_rejects("tap=t,ip=192.0.2.255/24", "broadcast");
	net_rejects("tap=t,ip=192.0.2.2/24,ip=192.0.2.2/25", "twice");
	net_rejects("tap=t,ip=10.0.0.1/8,ip=10.0.0.2/8,ip=10.0.0.3/8,ip=10.0.0.4/8,ip=10.0.0.5/8",
		    "at most four");
	net_rejects("user,ip=192.0.2.2/24", "leave ip= and gw= out");
	net_rejects("user,gw=192.0.2.2", "leave ip= and gw= out");
}

static void gateways(void **state)
{
	(void)state;
	net_rejects("tap=t,gw=192.0.2.1", "needs an ip= of the same family");
	net_rejects("tap=t,ip=2001:db8::2/64,gw=192.0.2.1", "same family");
	net_rejects("tap=t,ip=192.0.2.2/24,gw=192.0.3.1", "not in the subnet");
	net_rejects("tap=t,ip=192.0.2.2/25,gw=192.0.2.129", "not in the subnet");
	net_rejects("tap=t,ip=2001:db8::2/63,gw=2001:db8:0:2::1", "not in the subnet");
	net_rejects("tap=t,ip=192.0.2.2/24,gw=192.0.2.2", "own address");
	net_rejects("tap=t,ip=192.0.2.2/24,gw=192.0.2.1,gw=192.0.2.3", "at most one gw=");
	net_rejects("tap=t,ip=192.0.2.2/24,gw=192.0.2.1/24", "not an address");
	net_rejects("tap=t,ip=192.0.2.2/24,gw=", "not an address");
	net_rejects("tap=t,ip=192.0.2.2/24,gw=127.0.0.1", "one host");
}

static void other_words(void **state)
{
	char longer[300] = "tap=t";

	(void)state;
	net_rejects("tap=t,", "with commas between");
	net_rejects("tap=t,mac", "with commas between");
	net_rejects("tap=t,dhcp=yes", "with commas between");
	net_rejects("tap=t,IP=192.0.2.2/24", "with commas between");
	net_rejects("user,tap=t", "with commas between");
	memset(longer + 5, ',', sizeof(longer) - 6);
	net_rejects(longer, "longer than any real one");
}

/* ---- --publish */

static void publish_rejects(const char *value, const char *part)
{
	struct publish_option publish;
	const char *why = publish_parse(value, &publish);

	if (!why || !strstr(why, part))
		fail_msg("\"%s\": wanted '%s', got '%s'", value, part, why ? why : "(fine)");
	assert_ptr_equal(publish_check(value), why);
}

static void publish_accepts(const char *value, const char *address, int port, int guest, bool udp)
{
	struct publish_option publish;
	const char *why = publish_parse(value, &publish);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&publish.host;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&publish.host;
	char text[INET6_ADDRSTRLEN];

	if (why)
		fail_msg("\"%s\": %s", value, why);
	assert_int_equal(publish.guest_port, guest);
	assert_int_equal(publish.udp, udp);
	if (publish.host.ss_family == AF_INET) {
		assert_non_null(inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)));
		assert_int_equal(ntohs(v4->sin_port), port);
	} else {
		assert_int_equal(publish.host.ss_family, AF_INET6);
		assert_non_null(inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)));
		assert_int_equal(ntohs(v6->sin6_port), port);
	}
	assert_string_equal(text, address);
}

static void ports(void **state)
{
	(void)state;
	publish_accepts("8080:80", "127.0.0.1", 8080, 80, false);
	publish_accepts("8080:80/tcp", "127.0.0.1", 8080, 80, false);
	publish_accepts("65535:1/udp", "127.0.0.1", 65535, 1, true);
	publish_accepts("0.0.0.0:1:65535", "0.0.0.0", 1, 65535, false);
	publish_accepts("[::1]:8080:80", "::1", 8080, 80, false);
	publish_accepts("[2001:db8::2]:53:5353/udp", "2001:db8::2", 53, 5353, true);
	publish_accepts("[::]:8:9", "::", 8, 9, false);
}

static void bad_ports(void **state)
{
	char longer[300];

	(void)state;
	publish_rejects("", "give [ADDRESS:]");
	publish_rejects("80", "give [ADDRESS:]");
	publish_rejects("0:80", "host's port must be");
	publish_rejects("65536:80", "host's port must be");
	publish_rejects("-1:80", "host's port must be");
	publish_rejects(":80", "host's port must be");
	publish_rejects("http:80", "host's port must be");
	publish_rejects("80:0", "guest's port must be");
	publish_rejects("80:65536", "guest's port must be");
	publish_rejects("80:-1", "guest's port must be");
	publish_rejects("80:", "guest's port must be");
	publish_rejects("80: 80", "guest's port must be");
	publish_rejects("80:18446744073709551617", "guest's port must be");
	publish_rejects("80:80/sctp", "/tcp or /udp");
	publish_rejects("80:80/", "/tcp or /udp");
	publish_rejects("80:80/udp/tcp", "/tcp or /udp");
	publish_rejects(":80:80", "not an IPv4 address");
	publish_rejects("localhost:80:80", "not an IPv4 address");
	publish_rejects("1.2.3:80:80", "not an IPv4 address");
	publish_rejects("*:80:80", "not an IPv4 address");
	publish_rejects("::1:80:80", "into brackets");
	publish_rejects("[::1:80:80", "into brackets");
	publish_rejects("[1.2.3.4]:80:80", "in [..] is not");
	publish_rejects("[]:80:80", "in [..] is not");
	publish_rejects("[:80:80", "not an IPv4 address");
	memset(longer, '1', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	publish_rejects(longer, "give [ADDRESS:]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taps),     cmocka_unit_test(names),
		cmocka_unit_test(macs),     cmocka_unit_test(addresses),
		cmocka_unit_test(gateways), cmocka_unit_test(other_words),
		cmocka_unit_test(ports),    cmocka_unit_test(bad_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
