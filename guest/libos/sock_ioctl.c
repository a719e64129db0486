/*
 * Network devices by ioctl (netdevice(7)), on any socket: asking, and for who
 * may, changing IPv4 addresses, flags, MTU and routes.
 */
#include <linux/capability.h>
#include <linux/sockios.h>
#include "../net/inet.h"
#include "../net/stack.h"
#include "process.h"
#include "sock.h"

#define ARPHRD_ETHER    1
#define ARPHRD_LOOPBACK 772
#define TX_QUEUE        1000
#define MTU_LEAST       68 /* RFC 791 */
#define RTF_GATEWAY     2

struct name4 { /* struct sockaddr_in, as struct sockaddr holds it */
	u16 family;
	be16 port;
	be32 addr;
	u64 pad;
};
struct request { /* struct ifreq */
	char name[NETIF_NAME];
	union {
		struct name4 addr;
		struct {
			u16 family;
			u8 data[14];
		} hw;
		int16_t flags;
		int n;
		u8 bytes[24];
	};
};
struct listing { /* struct ifconf */
	int len;
	struct request *requests; /* the program's */
};
struct route { /* struct rtentry */
	u64 pad1;
	struct name4 destination, gateway, mask;
	u16 flags;
	int16_t pad2;
	u64 pad3;
	void *pad4;
	int16_t metric;
	const char *device;
	u64 mtu, window;
	u16 irtt;
};

/* ---- asking ---- */

static long list_interfaces(struct listing *user)
{
	struct listing l;
	struct list *at;
	int len = 0;

	if (get_user(l, user) < 0)
		return -EFAULT;
	list_for_each (at, &netifs) {
		const struct netif *netif = container_of(at, struct netif, link);

		for (unsigned i = 0; i < netif->naddr4; i++) {
			struct request r = { .addr.family = AF_INET,
					     .addr.addr = ip_get4(&netif->addr4[i].addr) };

			memcpy(r.name, netif->name, sizeof(r.name));
			if (l.requests != NULL) {
				if (len + (int)sizeof(r) > l.len)
					break;
				if (copy_to_user((char *)l.requests + len, &r, sizeof(r)) < 0)
					return -EFAULT;
			}
			len += sizeof(r);
		}
	}
	return put_user(&user->len, len);
}

static long name_of_index(struct request *user)
{
	struct request r;
	struct netif *netif;

	if (get_user(r, user) < 0)
		return -EFAULT;
	netif = netif_by_index(r.n);
	if (netif == NULL)
		return -ENODEV;
	memcpy(r.name, netif->name, sizeof(r.name));
	return put_user(user, r);
}

static u32 mask_of(unsigned prefix)
{
	return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

/* The questions about its IPv4 address. */
static long get_address(const struct netif *netif, unsigned int cmd, struct request *r)
{
	const struct netif_addr *a = &netif->addr4[0];
	be32 addr;

	if (netif->naddr4 == 0)
		return -EADDRNOTAVAIL;
	addr = ip_get4(&a->addr);
	memset(r->bytes, 0, sizeof(r->bytes));
	r->addr.family = AF_INET;
	r->addr.addr = addr;
	if (cmd == SIOCGIFNETMASK)
		r->addr.addr = htonl(mask_of(a->prefix));
	else if (cmd == SIOCGIFBRDADDR)
		r->addr.addr =
			netif->flags & NETIF_BROADCAST ? addr | htonl(~mask_of(a->prefix)) : 0;
	return 0;
}

static void get_hardware(const struct netif *netif, struct request *r)
{
	memset(r->bytes, 0, sizeof(r->bytes));
	r->hw.family = netif->flags & NETIF_LOOPBACK ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	memcpy(r->hw.data, netif->mac, sizeof(netif->mac));
}

static long get(const struct netif *netif, unsigned int cmd, struct request *r)
{
	switch (cmd) {
	case SIOCGIFFLAGS:
		r->flags = netif->flags;
		return 0;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
		return get_address(netif, cmd, r);
	case SIOCGIFHWADDR:
		get_hardware(netif, r);
		return 0;
	case SIOCGIFMTU:
		r->n = netif->mtu;
		return 0;
	case SIOCGIFINDEX:
		r->n = netif->index;
		return 0;
	case SIOCGIFTXQLEN:
		r->n = TX_QUEUE;
		return 0;
	case SIOCGIFMETRIC:
		r->n = 0;
		return 0;
	case SIOCGIFMAP:
		memset(r->bytes, 0, sizeof(r->bytes));
		return 0;
	}
	return -ENOTTY;
}

/* ---- changing ---- */

static unsigned class_prefix(be32 addr)
{
	u8 first = ntohl(addr) >> 24;

	return first < 128 ? 8 : first < 192 ? 16 : 24;
}

static long set_address(struct netif *netif, const struct request *r)
{
	struct ipaddr addr = ip_from4(r->addr.addr);

	if (r->addr.family != AF_INET)
		return -EINVAL;
	if (netif->naddr4 > 0)
		netif_del_addr(netif, &netif->addr4[0].addr);
	if (r->addr.addr == 0)
		return 0;
	return netif_add_addr(netif, &addr, class_prefix(r->addr.addr), ADDR_STATIC, NEVER, NEVER);
}

static long set_mask(struct netif *netif, const struct request *r)
{
	u32 mask = ntohl(r->addr.addr);

	if (netif->naddr4 == 0)
		return -EADDRNOTAVAIL;
	if ((~mask & (~mask + 1)) != 0) /* a hole in it */
		return -EINVAL;
	netif->addr4[0].prefix = mask == 0 ? 0 : 32 - __builtin_ctz(mask);
	net_generation++;
	return 0;
}

static long set(struct netif *netif, unsigned int cmd, const struct request *r)
{
	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	switch (cmd) {
	case SIOCSIFADDR:
		return set_address(netif, r);
	case SIOCSIFNETMASK:
		return set_mask(netif, r);
	case SIOCSIFBRDADDR: /* it follows from address and mask */
		return 0;
	case SIOCSIFFLAGS:
		netif->flags = (netif->flags & ~NETIF_UP) | (r->flags & NETIF_UP);
		net_generation++;
		return 0;
	case SIOCSIFMTU:
		if (r->n < MTU_LEAST || (u32)r->n > netif->mtu)
			return -EINVAL;
		netif->mtu = r->n;
		net_generation++;
		return 0;
	}
	return -ENOTTY;
}

static long change_route(const struct route *user, bool add)
{
	struct ipaddr destination, gateway;
	struct ip_path path;
	struct route r;
	unsigned prefix;
	u32 mask;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	if (get_user(r, user) < 0)
		return -EFAULT;
	if (r.destination.family != AF_INET)
		return -EAFNOSUPPORT;
	if (!(r.flags & RTF_GATEWAY) || r.gateway.family != AF_INET)
		return -EINVAL;
	mask = ntohl(r.mask.addr);
	prefix = mask == 0 ? 0 : 32 - __builtin_ctz(mask);
	destination = ip_from4(r.destination.addr & r.mask.addr);
	gateway = ip_from4(r.gateway.addr);
	if (ip_route(NULL, &gateway, 0, &path) < 0)
		return -ENETUNREACH;
	return add ? ip_add_gateway(path.netif, &destination, prefix, &gateway, 0, NEVER) :
		     ip_del_gateway(path.netif, &destination, prefix, &gateway);
}

/* ---- both ---- */

static long about_interface(unsigned int cmd, struct request *user)
{
	struct request r;
	struct netif *netif;
	char *colon;
	long error;

	if (get_user(r, user) < 0)
		return -EFAULT;
	r.name[sizeof(r.name) - 1] = 0;
	colon = strchr(r.name, ':'); /* an alias is its interface */
	if (colon != NULL)
		*colon = 0;
	netif = netif_by_name(r.name);
	if (netif == NULL)
		return -ENODEV;
	if (colon != NULL)
		*colon = ':';
	error = get(netif, cmd, &r);
	if (error != -ENOTTY)
		return error < 0 ? error : put_user(user, r);
	return set(netif, cmd, &r);
}

static bool is_known(unsigned int cmd)
{
	switch (cmd) {
	case SIOCGIFFLAGS:
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFHWADDR:
	case SIOCGIFMTU:
	case SIOCGIFINDEX:
	case SIOCGIFTXQLEN:
	case SIOCGIFMETRIC:
	case SIOCGIFMAP:
	case SIOCSIFADDR:
	case SIOCSIFNETMASK:
	case SIOCSIFBRDADDR:
	case SIOCSIFFLAGS:
	case SIOCSIFMTU:
		return true;
	}
	return false;
}

static long dispatch(unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case SIOCGIFCONF:
		return list_interfaces((struct listing *)arg);
	case SIOCGIFNAME:
		return name_of_index((struct request *)arg);
	case SIOCADDRT:
	case SIOCDELRT:
		return change_route((const struct route *)arg, cmd == SIOCADDRT);
	}
	return is_known(cmd) ? about_interface(cmd, (struct request *)arg) : -ENOTTY;
}

long netif_ioctl(unsigned int cmd, unsigned long arg)
{
	long r = net_up() ? 0 : net_init();

	if (r < 0)
		return r;
	net_enter();
	r = dispatch(cmd, arg);
	net_leave();
	return r;
}
