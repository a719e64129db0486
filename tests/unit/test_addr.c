// link: guest/net/addr_text.c
/*
 * Addresses as text, against the host's inet_pton() and inet_ntop().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#undef htons
#undef ntohs
#undef htonl
#undef ntohl
#include "../../guest/net/addr_text.h"

/* What the host makes of it. */
static bool host_parse(const char *s, struct ipaddr *addr)
{
	be32 v4;

	if (inet_pton(AF_INET, s, &v4) == 1) {
		*addr = ip_from4(v4);
		return true;
	}
	return inet_pton(AF_INET6, s, addr->b) == 1;
}

static void check(const char *s)
{
	struct ipaddr ours, theirs;
	bool good = host_parse(s, &theirs);

	if (ip_parse(s, &ours) != good)
		fail_msg("\"%s\" is %s address", s, good ? "an" : "no");
	if (good && !ip_equal(&ours, &theirs))
		fail_msg("\"%s\" is another address", s);
}

static void texts_are_those_of_the_host(void **state)
{
	static const char *const texts[] = {
		"192.0.2.1",
		"0.0.0.0",
		"255.255.255.255",
		"256.0.0.1",
		"1.2.3",
		"1.2.3.4.5",
		"1.2.3.",
		".1.2.3",
		"1..2.3",
		"01.2.3.4",
		"1.2.3.04",
		"1.2.3.4 ",
		"",
		" 1.2.3.4",
		"1.2.3.1111",
		"::",
		"::1",
		"1::",
		"1::2",
		"2001:db8::1",
		"2001:DB8::aBcD",
		"1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7::",
		"::2:3:4:5:6:7:8",
		"1::3:4:5:6:7:8",
		"1:2:3:4:5:6:7:8::",
		"::1:2:3:4:5:6:7:8",
		"1::2::3",
		":::",
		":1",
		"1:",
		"1:2:3:4:5:6:7:",
		"12345::",
		"g::",
		"::g",
		"::ffff:192.0.2.1",
		"::192.0.2.1",
		"1:2:3:4:5:6:192.0.2.1",
		"1:2:3:4:5:6:7:192.0.2.1",
		"1::192.0.2.1",
		"192.0.2.1::",
		"::192.0.2.1:1",
		"::192.0.2",
		"::1.2.3.4.5",
		"fe80::1%eth0",
		"1:2:3:4:5:6:7:8:",
		"::0:0",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		check(texts[i]);
}

static void random_texts(void **state)
{
	static const char letters[] = "::::....001259afF/g ";

	(void)state;
	srand(1);
	for (int i = 0; i < 300000; i++) {
		char s[24];
		unsigned n = rand() % (sizeof(s) - 1);

		for (unsigned j = 0; j < n; j++)
			s[j] = letters[rand() % (sizeof(letters) - 1)];
		s[n] = 0;
		check(s);
	}
}

static void random_addresses(void **state)
{
	(void)state;
	srand(2);
	for (int i = 0; i < 100000; i++) {
		struct ipaddr a = { { 0 } };
		char ours[IP_TEXT], theirs[64];
		unsigned len;

		for (int j = 0; j < 16; j++)
			a.b[j] = rand() % 3 ? 0 : rand() >> (rand() % 8);
		if (!get_be32(a.b) && !get_be32(a.b + 4) && !get_be32(a.b + 8))
			a.b[0] = 1; /* which the host may write as ::1.2.3.4 */
		inet_ntop(AF_INET6, a.b, theirs, sizeof(theirs));
		len = ip_format(&a, ours);
		assert_int_equal(len, strlen(ours));
		assert_string_equal(ours, theirs);
		check(ours);
	}
}

static void formats(void **state)
{
	static const char *const texts[] = { "0.0.0.0",
					     "255.255.255.255",
					     "::",
					     "::1",
					     "1::",
					     "1:2:3:4:5:6:7:8",
					     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct ipaddr a;
		char text[IP_TEXT];

		assert_true(ip_parse(texts[i], &a));
		ip_format(&a, text);
		assert_string_equal(text, texts[i]);
	}
}

static void prefixes(void **state)
{
	static const struct {
		const char *text;
		int prefix; /* -1: wrong */
	} cases[] = {
		{ "192.0.2.1/24", 24 },    { "192.0.2.1/0", 0 }, { "192.0.2.1/32", 32 },
		{ "192.0.2.1/33", -1 },    { "192.0.2.1/", -1 }, { "192.0.2.1", -1 },
		{ "2001:db8::/128", 128 }, { "::/0", 0 },        { "::1/129", -1 },
		{ "::1/064", -1 },         { "::1/64 ", -1 },    { "::1/4294967360", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ipaddr a;
		unsigned prefix;
		bool good = ip_parse_prefix(cases[i].text, &a, &prefix);

		assert_int_equal(good ? (int)prefix : -1, cases[i].prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_those_of_the_host),
		cmocka_unit_test(random_texts),
		cmocka_unit_test(random_addresses),
		cmocka_unit_test(formats),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
