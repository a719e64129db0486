/*
 * DHCP's messages: writing ours, understanding the server's. What a server says
 * is believed only where it makes sense: options that are too short, masks with
 * holes, addresses that no host can have, are as if they were not there.
 */
#include "dhcp_wire.h"

enum {
	PAD = 0,
	MASK = 1,
	ROUTER = 3,
	NAME_SERVER = 6,
	MTU = 26,
	WANTED_ADDR = 50,
	LEASE = 51,
	OVERLOAD = 52,
	TYPE = 53,
	SERVER = 54,
	PARAMETERS = 55,
	MAX_SIZE = 57,
	T1 = 58,
	T2 = 59,
	CLIENT = 61,
	CLASSLESS = 121,
	END = 255
};

/* ---- ours ---- */

static u8 *put(u8 *at, u8 option, const void *value, u8 len)
{
	at[0] = option;
	at[1] = len;
	memcpy(at + 2, value, len);
	return at + 2 + len;
}

void dhcp_put_options(u8 *at, u8 type, const u8 mac[6], const struct dhcp_lease *offer)
{
	/* CLASSLESS before ROUTER: RFC 3442. */
	static const u8 parameters[] = { MASK, CLASSLESS, ROUTER, NAME_SERVER, MTU, LEASE, T1, T2 };
	u8 client[7] = { ARP_ETHERNET }, size[2];

	memcpy(client + 1, mac, ETH_ALEN);
	put_be16(size, DHCP_LONGEST + IP4_HLEN + DHCP_UDP_HLEN);
	at = put(at, TYPE, &type, 1);
	at = put(at, CLIENT, client, sizeof(client));
	at = put(at, MAX_SIZE, size, sizeof(size));
	at = put(at, PARAMETERS, parameters, sizeof(parameters));
	if (offer != NULL) {
		at = put(at, WANTED_ADDR, &offer->addr, 4);
		at = put(at, SERVER, &offer->server, 4);
	}
	*at = END;
}

/* ---- the server's ---- */

/* Where options may stand: behind the cookie, and in the fields that option 52
 * says (RFC 2131, 4.1), in this order. */
struct area {
	const u8 *at;
	u32 len;
};

struct answer {
	u8 type, overload;
	be32 mask, router;
	bool classless;
	struct dhcp_lease *lease;
};

static bool host_address(be32 addr)
{
	u32 a = ntohl(addr);

	return a >> 24 != 0 && a >> 24 != 127 && a < 0xe0000000;
}

static void name_servers(struct dhcp_lease *lease, const u8 *value, u32 len)
{
	for (u32 i = 0; i + 4 <= len && lease->nservers < DHCP_SERVERS; i += 4) {
		be32 addr;

		memcpy(&addr, value + i, 4);
		if (host_address(addr))
			lease->server_addr[lease->nservers++] = addr;
	}
}

static void add_route(struct dhcp_lease *lease, be32 to, u8 prefix, be32 via)
{
	if (lease->nroutes == DHCP_ROUTES || (via != 0 && !host_address(via)))
		return;
	lease->route[lease->nroutes].to = to;
	lease->route[lease->nroutes].via = via;
	lease->route[lease->nroutes++].prefix = prefix;
}

/* RFC 3442: a prefix length, as many bytes of the prefix as it covers, a
 * router; again and again. */
static void classless(struct dhcp_lease *lease, const u8 *value, u32 len)
{
	while (len >= 5) {
		u8 bits = value[0], bytes = (bits + 7) / 8;
		be32 to = 0, via;

		if (bits > 32 || len < 5u + bytes)
			return;
		memcpy(&to, value + 1, bytes);
		memcpy(&via, value + 1 + bytes, 4);
		to &= bits == 0 ? 0 : htonl(0xffffffffu << (32 - bits));
		add_route(lease, to, bits, via);
		value += 5 + bytes;
		len -= 5 + bytes;
	}
}

static void option(struct answer *a, u8 type, const u8 *value, u32 len)
{
	struct dhcp_lease *lease = a->lease;

	if (type == TYPE && len == 1)
		a->type = *value;
	else if (type == OVERLOAD && len == 1)
		a->overload = *value;
	else if (type == MASK && len == 4)
		memcpy(&a->mask, value, 4);
	else if (type == ROUTER && len >= 4)
		memcpy(&a->router, value, 4);
	else if (type == SERVER && len == 4)
		memcpy(&lease->server, value, 4);
	else if (type == LEASE && len == 4)
		lease->seconds = get_be32(value);
	else if (type == T1 && len == 4)
		lease->t1 = get_be32(value);
	else if (type == T2 && len == 4)
		lease->t2 = get_be32(value);
	else if (type == MTU && len == 2)
		lease->mtu = get_be16(value);
	else if (type == NAME_SERVER)
		name_servers(lease, value, len);
	else if (type == CLASSLESS) {
		a->classless = true;
		classless(lease, value, len);
	}
}

static bool options(struct answer *a, struct area area)
{
	while (area.len > 0 && *area.at != END) {
		u32 len = 1;

		if (*area.at != PAD) {
			if (area.len < 2 || area.at[1] > area.len - 2)
				return false;
			len = 2 + area.at[1];
			option(a, area.at[0], area.at + 2, area.at[1]);
		}
		area.at += len;
		area.len -= len;
	}
	return true;
}

/* The mask's length; without one, or with holes in it, that of the class. */
static u8 prefix_of(be32 mask, be32 addr)
{
	u32 m = ntohl(mask), first = ntohl(addr) >> 24;
	u8 bits = 0;

	while (bits < 32 && m & 0x80000000u >> bits)
		bits++;
	if (bits > 0 && m == (u32)(0xffffffffull << (32 - bits)))
		return bits;
	return first < 128 ? 8 : first < 192 ? 16 : 24;
}

static bool sensible(struct answer *a)
{
	struct dhcp_lease *lease = a->lease;

	if (a->type == DHCP_NAK)
		return true;
	if ((a->type != DHCP_OFFER && a->type != DHCP_ACK) || !host_address(lease->addr) ||
	    !host_address(lease->server) || lease->seconds == 0)
		return false;
	lease->prefix = prefix_of(a->mask, lease->addr);
	if (!a->classless && a->router != 0)
		add_route(lease, 0, 0, a->router);
	return true;
}

u8 dhcp_parse(const u8 *bytes, u32 len, u32 xid, const u8 mac[6], struct dhcp_lease *lease)
{
	const struct dhcp_msg *m = (const struct dhcp_msg *)bytes;
	struct answer a = { .lease = lease };

	memset(lease, 0, sizeof(*lease));
	if (len < sizeof(*m) || m->op != DHCP_BOOTREPLY || m->htype != ARP_ETHERNET ||
	    m->hlen != ETH_ALEN || m->xid != xid || memcmp(m->chaddr, mac, ETH_ALEN) != 0 ||
	    m->cookie != htonl(DHCP_COOKIE))
		return 0;
	lease->addr = m->yiaddr;
	if (!options(&a, (struct area){ m->options, len - sizeof(*m) }) ||
	    (a.overload & 1 && !options(&a, (struct area){ m->file, sizeof(m->file) })) ||
	    (a.overload & 2 && !options(&a, (struct area){ m->sname, sizeof(m->sname) })))
		return 0;
	return sensible(&a) ? a.type : 0;
}
