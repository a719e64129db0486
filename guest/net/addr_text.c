/*
 * Addresses as text. IPv6 has up to eight groups of four hexadecimal digits;
 * one run of groups that are zero may be left out ("::"), and the last two may
 * be written as an IPv4 address (RFC 4291, 2.2). IPv4 has four decimal numbers
 * without leading zeros: some read those as octal, so they are refused.
 */
#include "addr_text.h"

#define GROUPS 8

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* A number of at most `most` digits, none of them a leading zero in base 10;
 * behind it, or NULL. */
static const char *number(const char *s, unsigned base, unsigned most, unsigned *value)
{
	const char *start = s;
	*value = 0;
	while ((unsigned)digit(*s) < base) {
		*value = *value * base + digit(*s++);
		if ((unsigned)(s - start) > most)
			return NULL;
	}
	if (s == start || (base == 10 && *start == '0' && s - start > 1))
		return NULL;
	return s;
}

/* Four numbers; behind them, or NULL. */
static const char *parse4(const char *s, u8 out[4])
{
	unsigned value;
	for (unsigned i = 0; i < 4; i++) {
		if (i && *s++ != '.')
			return NULL;
		s = number(s, 10, 3, &value);
		if (!s || value > 255)
			return NULL;
		out[i] = value;
	}
	return s;
}

/* Groups into b; where "::" was goes to *gap, -1 if nowhere. Their number,
 * or 0. */
static unsigned parse_groups(const char **at, u8 b[16], int *gap)
{
	const char *s = *at, *end;
	unsigned n = 0, value;
	*gap = -1;
	if (s[0] == ':' && s[1] == ':') {
		*gap = 0;
		s += 2;
	}
	while (n < GROUPS && digit(*s) < 16) {
		if (n + 2 <= GROUPS && (end = parse4(s, b + 2 * n))) {
			*at = end;
			return n + 2;
		}
		s = number(s, 16, 4, &value);
		if (!s)
			return 0;
		put_be16(b + 2 * n++, value);
		if (*s != ':' || n == GROUPS)
			break;
		if (s[1] == ':') {
			if (*gap >= 0)
				return 0;
			*gap = n;
			s++;
		} else if (digit(s[1]) >= 16) {
			return 0; /* ends with a single colon */
		}
		s++;
	}
	*at = s;
	return n;
}

static const char *parse6(const char *s, u8 out[16])
{
	u8 b[16] = { 0 };
	int gap;
	bool all_zero = s[0] == ':' && s[1] == ':' && digit(s[2]) >= 16;
	unsigned n = parse_groups(&s, b, &gap);
	if (all_zero)
		n = 0;
	else if (!n)
		return NULL;
	if (gap < 0 ? n != GROUPS : n >= GROUPS)
		return NULL;
	memset(out, 0, 16);
	unsigned head = gap < 0 ? n : (unsigned)gap;
	memcpy(out, b, 2 * head);
	memcpy(out + 16 - 2 * (n - head), b + 2 * head, 2 * (n - head));
	return s;
}

static const char *parse(const char *s, struct ipaddr *addr)
{
	u8 b4[4];
	be32 v4;
	const char *end = parse4(s, b4);
	if (!end)
		return parse6(s, addr->b);
	memcpy(&v4, b4, sizeof(v4));
	*addr = ip_from4(v4);
	return end;
}

bool ip_parse(const char *s, struct ipaddr *addr)
{
	const char *end = parse(s, addr);
	return end && !*end;
}

bool ip_parse_prefix(const char *s, struct ipaddr *addr, unsigned *prefix)
{
	const char *end = parse(s, addr);
	if (!end || *end != '/')
		return false;
	end = number(end + 1, 10, 3, prefix);
	return end && !*end && *prefix <= (ip_is4(addr) ? 32 : 128);
}

/* The longest run of two or more zero groups, the first of those (RFC 5952,
 * 4.2): where it begins and ends; 8, 8: there is none. */
static void find_gap(const struct ipaddr *a, unsigned *start, unsigned *end)
{
	*start = *end = GROUPS;
	for (unsigned i = 0; i < GROUPS; i++) {
		unsigned j = i;
		while (j < GROUPS && !get_be16(a->b + 2 * j))
			j++;
		if (j - i >= 2 && j - i > *end - *start) {
			*start = i;
			*end = j;
		}
	}
}

unsigned ip_format(const struct ipaddr *a, char text[IP_TEXT])
{
	unsigned len = 0, start, end;
	if (ip_is4(a))
		return snprintf(text, IP_TEXT, "%u.%u.%u.%u", a->b[12], a->b[13], a->b[14],
				a->b[15]);
	find_gap(a, &start, &end);
	for (unsigned i = 0; i < GROUPS; i++) {
		if (i == start) {
			len += snprintf(text + len, IP_TEXT - len, "::");
			i = end - 1;
			continue;
		}
		len += snprintf(text + len, IP_TEXT - len, "%s%x", i && i != end ? ":" : "",
				get_be16(a->b + 2 * i));
	}
	return len;
}
