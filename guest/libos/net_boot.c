/*
 * The network at boot: the stack, the interfaces, their addresses and routes,
 * as the device tree has them; under another VMM, as mayfly.ip= and mayfly.gw= on
 * the command line have them. An interface without an IPv4 address asks for one
 * by DHCP. In a VM without a network device none of this is run.
 *
 * /etc/resolv.conf has the name servers of the device tree, then those that
 * DHCP or router advertisements told of, as many as the C libraries read.
 */
#include <linux/virtio_ids.h>
#include "../drv/net.h"
#include "../drv/virtio.h"
#include "../fs/vfs.h"
#include "../net/addr_text.h"
#include "../net/finish.h"
#include "../net/ip.h"
#include "boot_info.h"
#include "net_boot.h"
#include "sched.h"
#include "sys.h"

/* The string after s, or the first; NULL: that was the last. */
static const char *next_string(const struct strings *list, const char *s)
{
	s = s ? s + strlen(s) + 1 : list->data;
	return s && s < list->data + list->len ? s : NULL;
}

/* Whether one of them is IPv4. */
static bool add_addresses(struct netif *netif, const struct strings *texts)
{
	bool any4 = false;
	for (const char *s = NULL; (s = next_string(texts, s));) {
		struct ipaddr addr;
		unsigned prefix;
		if (!ip_parse_prefix(s, &addr, &prefix) ||
		    netif_add_addr(netif, &addr, prefix, ADDR_STATIC, NEVER, NEVER)) {
			klog("%s: the address %s cannot be used", netif->name, s);
			continue;
		}
		any4 |= ip_is4(&addr);
	}
	return any4;
}

static void add_gateways(struct netif *netif, const struct strings *texts)
{
	for (const char *s = NULL; (s = next_string(texts, s));) {
		struct ipaddr gateway, all = { { 0 } };
		bool good = ip_parse(s, &gateway);
		if (good && ip_is4(&gateway))
			all = ip_from4(0);
		if (!good || ip_add_gateway(netif, &all, 0, &gateway, 0, NEVER))
			klog("%s: the gateway %s cannot be used", netif->name, s);
	}
}

/* "nameserver A" lines; each server once. */
struct resolv {
	char *text;
	size_t size, len;
	struct ipaddr seen[NAMESERVERS];
	unsigned n;
};

static void add_nameserver(struct resolv *r, const struct ipaddr *addr)
{
	char name[IP_TEXT];
	for (unsigned i = 0; i < r->n; i++)
		if (ip_equal(&r->seen[i], addr))
			return;
	ip_format(addr, name);
	if (r->n == NAMESERVERS || r->len + strlen(name) + 13 > r->size)
		return;
	r->len += snprintf(r->text + r->len, r->size - r->len, "nameserver %s\n", name);
	r->seen[r->n++] = *addr;
}

static void write_resolv_conf(char *text, size_t size, bool wait)
{
	struct resolv r = { .text = text, .size = size };
	if (wait)
		while (!net_nameservers && dhcp_wait() == 0)
			;
	for (unsigned i = 0; i < boot_info.nvirtio; i++) {
		const struct strings *texts = &boot_info.virtio[i].net.nameservers;
		for (const char *s = NULL; (s = next_string(texts, s));) {
			struct ipaddr addr;
			if (ip_parse(s, &addr))
				add_nameserver(&r, &addr);
		}
	}
	for (unsigned i = 0; i < net_nameservers; i++)
		add_nameserver(&r, &net_nameserver[i]);
}

static void start_interface(const struct virtio_place *place, bool first)
{
	const struct net_place *net = &place->net;
	struct netif *netif = nic_start(place);
	if (!netif)
		return;
	if (first && boot_info.line_net.addresses.data)
		net = &boot_info.line_net;
	bool any4 = add_addresses(netif, &net->addresses);
	add_gateways(netif, &net->gateways);
	if (place->net.dhcp && !any4 && dhcp_start(netif))
		klog("%s: no memory for DHCP", netif->name);
}

void net_boot(void)
{
	const struct virtio_place *place = virtio_find(VIRTIO_ID_NET, 0);
	if (!place)
		return;
	if (net_init()) {
		klog("no memory for the network");
		return;
	}
	fs_resolv_conf = write_resolv_conf;
	net_nameservers_changed = fs_resolv_conf_changed;
	net_enter();
	for (unsigned n = 0; place; place = virtio_find(VIRTIO_ID_NET, ++n))
		start_interface(place, n == 0);
	net_leave();
}

void net_end(void)
{
	if (!net_up())
		return;
	sys_close_range(0, UINT32_MAX, 0);
	net_finish();
}
