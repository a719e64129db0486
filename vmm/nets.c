/* The networks of a VM, see nets.h. */
#include <stdlib.h>
#include <string.h>
#include "fail.h"
#include "net.h"
#include "nets.h"
#include "../net/pcap.h"

#define NETS_MAX 17 /* --net, and one more that --publish implies */

/* ---- networks */

/* What fdt points to, for a user network. */
struct user_net {
	unsigned index; /* among them */
	struct user_addresses addresses;
	char *address[3], *gateway[3], *nameserver[2];
};

static struct {
	struct net_option option[NETS_MAX];
	struct fdt_net fdt[NETS_MAX];
	struct user_net user[NETS_MAX];
	unsigned count, users;
	struct publish_option *publish;
	unsigned npublish;
	struct net_backend publisher; /* has them; no descriptor: nobody has */
} nets;

static bool same_port(const struct publish_option *a, const struct publish_option *b)
{
	return a->udp == b->udp && !memcmp(&a->host, &b->host, sizeof(a->host));
}

static void parse_publish(const struct string_list *list)
{
	nets.npublish = list->count;
	nets.publish = calloc(list->count + 1, sizeof(*nets.publish));
	if (!nets.publish)
		fail(EXIT_VMM, "out of memory for options");
	for (unsigned i = 0; i < list->count; i++) {
		publish_parse(list->item[i], &nets.publish[i]);
		for (unsigned j = 0; j < i; j++)
			if (same_port(&nets.publish[i], &nets.publish[j]))
				fail(EXIT_VMM,
				     "--publish \"%s\": this port of the host is published twice; "
				     "give each its own",
				     list->item[i]);
	}
}

/* Fills nets.option from --net, and adds what --publish implies. */
static void parse_nets(const struct options *opt)
{
	bool user = false;

	if (opt->net.count >= NETS_MAX)
		fail(EXIT_VMM, "more than %d --net: give fewer", NETS_MAX - 1);
	for (unsigned i = 0; i < opt->net.count; i++) {
		struct net_option *net = &nets.option[nets.count++];

		net_parse(opt->net.item[i], net);
		user |= net->kind == NET_USER;
		for (unsigned j = 0; j < i; j++)
			if (net->kind == NET_TAP && nets.option[j].kind == NET_TAP &&
			    !strcmp(net->tap, nets.option[j].tap))
				fail(EXIT_VMM, "--net tap=%s is there twice; give each its own tap",
				     net->tap);
	}
	parse_publish(&opt->publish);
	if (opt->publish.count && !user)
		net_parse("user", &nets.option[nets.count++]);
}

void nets_open(const struct options *opt)
{
	if (!opt->net.count && !opt->publish.count)
		return;
	parse_nets(opt);
	if (opt->pcap)
		pcap_open(opt->pcap);
}

unsigned nets_count(void)
{
	return nets.count;
}

struct virtio_dev *nets_add(struct vm *vm, unsigned i)
{
	const struct net_option *option = &nets.option[i];
	struct net_backend backend;

	if (option->kind == NET_TAP) {
		tap_open(&backend, option, vm->opt->cpus);
	} else {
		nets.user[i].index = nets.users++;
		user_open(&backend, option, nets.publish, nets.npublish, nets.user[i].index);
		if (nets.npublish)
			nets.publisher = backend;
		nets.npublish = 0; /* all ports go to the first */
	}
	return net_add(vm, &backend, option, i);
}

void nets_wait_published(void)
{
	if (nets.publisher.nfds)
		user_wait_published(&nets.publisher);
}

/* The user network's addresses are known: nobody has to ask DHCP. */
static void describe_user(struct fdt_net *fdt, struct user_net *user)
{
	struct user_addresses *a = &user->addresses;

	user_addresses(a, user->index);
	memcpy(user->address, (char *[3]){ a->guest4, a->guest6 }, sizeof(user->address));
	memcpy(user->gateway, (char *[3]){ a->gateway4, a->gateway6 }, sizeof(user->gateway));
	user->nameserver[0] = a->nameserver4;
	fdt->addresses = user->address;
	fdt->gateways = user->gateway;
	fdt->nameservers = user->nameserver;
}

const struct fdt_net *nets_describe(const struct virtio_dev *dev, unsigned i)
{
	struct net_option *option = &nets.option[i];
	struct fdt_net *fdt = &nets.fdt[i];

	memcpy(fdt->mac, net_mac(dev), sizeof(fdt->mac));
	fdt->mtu = net_mtu(dev);
	if (option->kind == NET_USER) {
		describe_user(fdt, &nets.user[i]);
		return fdt;
	}
	fdt->addresses = option->ip;
	fdt->gateways = option->gw;
	fdt->dhcp = !option->ip[0];
	return fdt;
}
