/*
 * /proc/net: interfaces, sockets and routes, in the layout of Linux
 * (proc_net(5)). Most programs ask for them by rtnetlink; these are for netstat
 * and its like.
 */
#include "../net/sock_list.h"
#include "../net/stack.h"
#include "../net/unix.h"
#include "proc.h"

#define UNUSED(pi, p) ((void)(pi), (void)(p))

/* ---- interfaces ---- */

static void show_dev(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	struct list *at;

	UNUSED(pi, p);
	proc_print(t, "Inter-|   Receive                                                |"
		      "  Transmit\n");
	proc_print(t, " face |bytes    packets errs drop fifo frame compressed multicast|"
		      "bytes    packets errs drop fifo colls carrier compressed\n");
	list_for_each (at, &netifs) {
		const struct netif *n = container_of(at, struct netif, link);
		const struct netif_stats *s = &n->stats;

		proc_print(t, "%6s: %7lu %7lu %4lu %4lu    0     0          0 %9lu", n->name,
			   s->rx_bytes, s->rx_packets, s->rx_errors, s->rx_dropped, s->multicast);
		proc_print(t, " %8lu %7lu %4lu %4lu    0     0       0          0\n", s->tx_bytes,
			   s->tx_packets, s->tx_errors, s->tx_dropped);
	}
}

static void print_v6(struct proc_text *t, const struct ipaddr *addr)
{
	for (unsigned i = 0; i < sizeof(addr->b); i++)
		proc_print(t, "%02x", addr->b[i]);
}

static unsigned v6_scope(const struct ipaddr *addr)
{
	return ip_is_loopback(addr) ? 0x10 : ip_is_link_local(addr) ? 0x20 : 0;
}

static void show_if_inet6(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	struct list *at;

	UNUSED(pi, p);
	list_for_each (at, &netifs) {
		const struct netif *n = container_of(at, struct netif, link);

		for (unsigned i = 0; i < n->naddr6; i++) {
			const struct netif_addr *a = &n->addr6[i];

			print_v6(t, &a->addr);
			proc_print(t, " %02x %02x %02x %02x ", n->index, a->prefix,
				   v6_scope(&a->addr), a->valid_until == NEVER ? 0x80 : 0);
			proc_print(t, "%8s\n", n->name);
		}
	}
}

/* ---- routes ---- */

static void print_route(struct proc_text *t, const struct netif *n, be32 destination, be32 gateway,
			unsigned prefix, u32 metric)
{
	u32 mask = prefix == 0 ? 0 : htonl(UINT32_MAX << (32 - prefix));

	proc_print(t, "%s\t%08X\t%08X\t%04X\t0\t0\t%u\t%08X\t0\t0\t0\n", n->name, destination,
		   gateway, gateway != 0 ? 3 : 1, metric, mask);
}

static void show_route(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	struct list *at;

	UNUSED(pi, p);
	proc_print(t, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
		      "Window\tIRTT\n");
	list_for_each (at, &ip_gateways) {
		const struct ip_gateway *g = container_of(at, struct ip_gateway, link);

		if (ip_is4(&g->destination))
			print_route(t, g->netif, ip_get4(&g->destination), ip_get4(&g->gateway),
				    g->prefix, g->metric);
	}
	list_for_each (at, &netifs) {
		const struct netif *n = container_of(at, struct netif, link);

		for (unsigned i = 0; i < n->naddr4 && !(n->flags & NETIF_LOOPBACK); i++) {
			unsigned prefix = n->addr4[i].prefix;
			u32 mask = prefix == 0 ? 0 : htonl(UINT32_MAX << (32 - prefix));

			print_route(t, n, ip_get4(&n->addr4[i].addr) & mask, 0, prefix, 0);
		}
	}
}

/* ---- sockets ---- */

static void print_end(struct proc_text *t, const struct ipaddr *addr, u16 port, bool v6)
{
	u32 word;

	for (unsigned i = v6 ? 0 : 12; i < sizeof(addr->b); i += sizeof(word)) {
		memcpy(&word, addr->b + i, sizeof(word));
		proc_print(t, "%08X", word);
	}
	proc_print(t, ":%04X ", port);
}

struct table {
	struct proc_text *text;
	bool v6; /* the table for sockets of that family */
	unsigned count;
};

static void print_socket(const struct sock_entry *e, void *arg)
{
	struct table *table = arg;
	struct proc_text *t = table->text;

	if ((e->family == AF_INET6) != table->v6)
		return;
	proc_print(t, "%4u: ", table->count++);
	print_end(t, &e->local, e->lport, table->v6);
	print_end(t, &e->remote, e->rport, table->v6);
	proc_print(t, "%02X %08X:%08X 00:00000000 00000000 %5u %8d %lu\n", e->state, e->unsent,
		   e->state == TCP_LISTEN ? e->waiting : e->unread, 0u, 0, sock_inode(e->s));
}

static void print_head(struct table *table)
{
	proc_print(table->text,
		   "  sl  %s  st tx_queue rx_queue tr tm->when retrnsmt   uid  "
		   "timeout inode\n",
		   table->v6 ? "local_address                         remote_address" :
			       "local_address rem_address");
}

static void print_tcp(struct proc_text *t, bool v6)
{
	struct table table = { t, v6, 0 };

	print_head(&table);
	tcp_list(print_socket, &table);
}

static void show_tcp(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	UNUSED(pi, p);
	print_tcp(t, false);
}

static void show_tcp6(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	UNUSED(pi, p);
	print_tcp(t, true);
}

static void print_udp(struct proc_text *t, bool v6)
{
	struct table table = { t, v6, 0 };

	print_head(&table);
	udp_list(print_socket, &table);
}

static void show_udp(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	UNUSED(pi, p);
	print_udp(t, false);
}

static void show_udp6(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	UNUSED(pi, p);
	print_udp(t, true);
}

#define FLAG_LISTENING 0x10000 /* __SO_ACCEPTCON */

/* Behind a space; an abstract one begins with @. */
static void print_name(struct proc_text *t, const struct sockname *name)
{
	proc_bytes(t, " ", 1);
	for (u32 i = 0; i < name->len - UNIX_PATH; i++) {
		char c = name->un.path[i];

		if (c != 0 || i == 0)
			proc_bytes(t, c != 0 ? &c : "@", 1);
	}
}

static void show_unix(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	const struct unix_socket *u = NULL;

	UNUSED(pi, p);
	proc_print(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	while ((u = unix_next(u)) != NULL) {
		proc_print(t, "0000000000000000: %08X 00000000 %08X %04X %02X %5lu", u->refs,
			   u->state == UNIX_LISTENING ? FLAG_LISTENING : 0, u->s.type,
			   u->state == UNIX_CONNECTED ? 3 : 1, sock_inode(&u->s));
		if (u->addr != NULL)
			print_name(t, &u->addr->name);
		proc_bytes(t, "\n", 1);
	}
}

const struct proc_entry proc_net_table[] = {
	{ .name = "dev", .mode = S_IFREG | 0444, .show = show_dev },
	{ .name = "if_inet6", .mode = S_IFREG | 0444, .show = show_if_inet6 },
	{ .name = "route", .mode = S_IFREG | 0444, .show = show_route },
	{ .name = "tcp", .mode = S_IFREG | 0444, .show = show_tcp },
	{ .name = "tcp6", .mode = S_IFREG | 0444, .show = show_tcp6 },
	{ .name = "udp", .mode = S_IFREG | 0444, .show = show_udp },
	{ .name = "udp6", .mode = S_IFREG | 0444, .show = show_udp6 },
	{ .name = "unix", .mode = S_IFREG | 0444, .show = show_unix },
	{ .name = NULL },
};
