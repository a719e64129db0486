/*
 * The values of --net and --publish, see net_options.h. All addresses are
 * literals: looking a name up would make a start depend on the network.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include "net_options.h"

/* ---- numbers and addresses */

/* The whole of text is a decimal number, at most max. */
static bool parse_number(const char *text, unsigned max, unsigned *value)
{
	unsigned n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = 10 * n + (unsigned)(*text - '0');
		if (n > max)
			return false;
	}
	*value = n;
	return true;
}

struct address {
	int family;
	unsigned bits; /* 32 or 128 */
	uint8_t bytes[16];
};

static bool parse_address(const char *text, struct address *address)
{
	*address = (struct address){ .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	address->bits = address->family == AF_INET ? 32 : 128;
	return inet_pton(address->family, text, address->bytes) == 1;
}

/* Whether the first n bits are the same. */
static bool same_bits(const struct address *a, const struct address *b, unsigned n)
{
	const unsigned whole = n / 8, mask = 0xff00 >> n % 8;

	return a->family == b->family && !memcmp(a->bytes, b->bytes, whole) &&
	       (n % 8 == 0 || !((a->bytes[whole] ^ b->bytes[whole]) & mask & 0xff));
}

static bool is_link_local(const struct address *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* One host's: RFC 6890 for IPv4, RFC 4291 2.4 for IPv6. */
static bool is_host(const struct address *a)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	if (a->family == AF_INET)
		return a->bytes[0] != 0 && a->bytes[0] != 127 && a->bytes[0] < 224;
	return a->bytes[0] != 0xff && memcmp(a->bytes, loopback, 16) != 0 &&
	       memcmp(a->bytes, (uint8_t[16]){ 0 }, 16) != 0;
}

/* The first or the last of its subnet: RFC 919, 7; RFC 3021 for /31. */
static bool is_edge(const struct address *a, unsigned prefix)
{
	uint32_t host, mask;

	if (a->family != AF_INET || prefix > 30)
		return false;
	memcpy(&host, a->bytes, sizeof(host));
	mask = UINT32_MAX >> prefix;
	host = ntohl(host) & mask;
	return host == 0 || host == mask;
}

/* "192.0.2.2/24"; text is left as it was. */
static const char *parse_subnet(const char *text, struct address *address, unsigned *prefix)
{
	const char *slash = strchrnul(text, '/');
	char alone[INET6_ADDRSTRLEN];

	if ((size_t)(slash - text) >= sizeof(alone))
		return "ip= is not an address, give one such as ip=192.0.2.2/24";
	*(char *)mempcpy(alone, text, (size_t)(slash - text)) = 0;
	if (!parse_address(alone, address))
		return "ip= is not an address, give one such as ip=192.0.2.2/24";
	if (!*slash)
		return "ip= lacks the length of its prefix, as in ip=192.0.2.2/24";
	if (!parse_number(slash + 1, address->bits, prefix) || *prefix == 0)
		return address->family == AF_INET ?
			       "the prefix of an IPv4 address has 1 to 32 bits" :
			       "the prefix of an IPv6 address has 1 to 128 bits";
	if (!is_host(address))
		return "ip= must be the address of one host, not loopback, multicast or "
		       "\"any\"";
	if (is_edge(address, *prefix))
		return "ip= is the subnet's own or its broadcast address; give another of "
		       "the subnet";
	return NULL;
}

/* ---- --net */

static const char *set_tap(struct net_option *net, const char *name)
{
	if (!*name)
		return "tap= needs the name of a tap device; net/up.sh makes one";
	/* As the kernel has it (dev_valid_name), which ends at ',' here. */
	if (strlen(name) >= sizeof(net->tap) || strpbrk(name, "/: \t\n\v\f\r") ||
	    !strcmp(name, ".") || !strcmp(name, ".."))
		return "the name of an interface has 1 to 15 characters, none of them \"/\", "
		       "\":\" or a space";
	strcpy(net->tap, name);
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *set_mac(struct net_option *net, const char *text)
{
	static const char bad[] = "mac= takes six pairs of hexadecimal digits, as in "
				  "mac=02:00:00:00:00:01";
	uint8_t any = 0;

	if (net->has_mac)
		return "mac= is there twice";
	for (unsigned i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i < 5 ? ':' : 0))
			return bad;
		net->mac[i] = (uint8_t)(high << 4 | low);
		any |= net->mac[i];
	}
	if (net->mac[0] & 1)
		return "mac= is a multicast address; make its first byte even, as in 02";
	if (!any)
		return "mac= is all zeroes; give a real one, as in mac=02:00:00:00:00:01";
	net->has_mac = true;
	return NULL;
}

static const char *set_ip(struct net_option *net, char *text)
{
	struct address address, other = { 0 };
	unsigned prefix, n;
	const char *why = parse_subnet(text, &address, &prefix);

	if (why)
		return why;
	for (n = 0; net->ip[n]; n++) {
		parse_subnet(net->ip[n], &other, &prefix);
		if (same_bits(&address, &other, address.bits))
			return "the same ip= is there twice";
	}
	if (n == NET_ADDRESSES)
		return "at most four ip= for one interface";
	net->ip[n] = text;
	return NULL;
}

static const char *set_gw(struct net_option *net, char *text)
{
	struct address address, other;
	unsigned n;

	if (!parse_address(text, &address))
		return "gw= is not an address, give one such as gw=192.0.2.1";
	if (!is_host(&address))
		return "gw= must be the address of one host, not loopback, multicast or \"any\"";
	for (n = 0; net->gw[n]; n++) {
		parse_address(net->gw[n], &other);
		if (other.family == address.family)
			return "at most one gw= of each family, IPv4 and IPv6";
	}
	net->gw[n] = text;
	return NULL;
}

/* A gateway must be a neighbour, or no packet would ever reach it. */
static const char *check_gateway(const struct net_option *net, const char *text)
{
	struct address gateway, own = { 0 };
	bool family = false, reached = false;
	unsigned prefix = 0;

	parse_address(text, &gateway);
	for (unsigned i = 0; net->ip[i]; i++) {
		parse_subnet(net->ip[i], &own, &prefix);
		if (same_bits(&gateway, &own, gateway.bits))
			return "gw= is the interface's own address; give the router's";
		family |= own.family == gateway.family;
		reached |= same_bits(&gateway, &own, prefix);
	}
	if (!family)
		return "gw= needs an ip= of the same family; without ip=, DHCP gives both";
	if (!reached && !is_link_local(&gateway))
		return "gw= is not in the subnet of any ip=; give the router's address there";
	return NULL;
}

static const char *set_key(struct net_option *net, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = 0;
	if (value && !strcmp(word, "mac"))
		return set_mac(net, value);
	if (value && net->kind == NET_USER && (!strcmp(word, "ip") || !strcmp(word, "gw")))
		return "the user network gives addresses by DHCP; leave ip= and gw= out";
	if (value && !strcmp(word, "ip"))
		return set_ip(net, value);
	if (value && !strcmp(word, "gw"))
		return set_gw(net, value);
	return "after the kind come mac=, ip=ADDRESS/LENGTH and gw=ADDRESS, with commas between";
}

const char *net_parse(const char *value, struct net_option *net)
{
	char *rest = net->text, *word;
	const char *why = NULL;

	memset(net, 0, sizeof(*net));
	if (strlen(value) >= sizeof(net->text))
		return "is longer than any real one; give tap=NAME[,mac=][,ip=][,gw=] or user";
	strcpy(net->text, value);
	word = strsep(&rest, ",");
	net->kind = strcmp(word, "user") ? NET_TAP : NET_USER;
	if (net->kind == NET_TAP && strncmp(word, "tap=", 4) != 0)
		return "give tap=NAME[,mac=MAC][,ip=ADDRESS/LENGTH][,gw=ADDRESS], or "
		       "user[,mac=MAC]";
	if (net->kind == NET_TAP)
		why = set_tap(net, word + 4);
	while (!why && (word = strsep(&rest, ",")))
		why = set_key(net, word);
	for (unsigned i = 0; !why && net->gw[i]; i++)
		why = check_gateway(net, net->gw[i]);
	return why;
}

const char *net_check(const char *value)
{
	struct net_option net = { 0 };

	return net_parse(value, &net);
}

/* ---- --publish */

static const char bad_publish[] = "give [ADDRESS:]HOSTPORT:GUESTPORT[/tcp or /udp], as in 8080:80, "
				  "0.0.0.0:8080:80 or [::1]:5353:53/udp";

/* Behind an address the rest of the value; the ports without one. */
static const char *set_host_address(struct publish_option *publish, char *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&publish->host;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&publish->host;
	size_t len = strlen(address);

	if (address[0] == '[' && address[len - 1] == ']') {
		address[len - 1] = 0;
		v6->sin6_family = AF_INET6;
		if (inet_pton(AF_INET6, address + 1, &v6->sin6_addr) != 1)
			return "what is in [..] is not an IPv6 address, give one such as [::1]";
		return NULL;
	}
	if (strchr(address, ':'))
		return "put an IPv6 address into brackets, as in [::1]:8080:80";
	v4->sin_family = AF_INET;
	if (inet_pton(AF_INET, address, &v4->sin_addr) != 1)
		return "the address to listen on is not an IPv4 address; give one such as "
		       "127.0.0.1, or 0.0.0.0 for all";
	return NULL;
}

static const char *set_ports(struct publish_option *publish, const char *host, const char *guest)
{
	/* sin_port and sin6_port are at the same place */
	struct sockaddr_in *at = (struct sockaddr_in *)&publish->host;
	unsigned from, to;

	if (!parse_number(host, 65535, &from) || from == 0)
		return "the host's port must be a number from 1 to 65535";
	if (!parse_number(guest, 65535, &to) || to == 0)
		return "the guest's port must be a number from 1 to 65535";
	at->sin_port = htons((uint16_t)from);
	publish->guest_port = (uint16_t)to;
	return NULL;
}

_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
	       "set_ports() relies on it");

const char *publish_parse(const char *value, struct publish_option *publish)
{
	char text[128], *slash, *guest, *host;
	const char *why;

	memset(publish, 0, sizeof(*publish));
	if (strlen(value) >= sizeof(text))
		return bad_publish;
	strcpy(text, value);
	slash = strchr(text, '/');
	if (slash) {
		*slash++ = 0;
		publish->udp = !strcmp(slash, "udp");
		if (!publish->udp && strcmp(slash, "tcp") != 0)
			return "after the ports comes /tcp or /udp, or nothing, which is /tcp";
	}
	guest = strrchr(text, ':');
	if (!guest)
		return bad_publish;
	*guest++ = 0;
	host = strrchr(text, ':');
	if (host)
		*host++ = 0;
	why = set_host_address(publish, host ? text : (char[]){ "127.0.0.1" });
	return why ? why : set_ports(publish, host ? host : text, guest);
}

const char *publish_check(const char *value)
{
	struct publish_option publish = { 0 };

	return publish_parse(value, &publish);
}
