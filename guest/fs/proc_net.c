/*
 * /proc/net: interfaces, sockets and routes, in the layout of Linux
 * (proc_net(5)). Most programs ask for them by rtnetlink; these are for netstat
 * and its like.
 */
#include "../net/stack.h"
#include "../net/tcp_conn.h"
#include "../net/udp.h"
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

struct line {
	struct ipaddr local, remote;
	u16 lport, rport;
	unsigned state;
	u64 unsent, unread, inode;
};

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

static void print_socket(struct table *table, const struct line *l)
{
	struct proc_text *t = table->text;

	proc_print(t, "%4u: ", table->count++);
	print_end(t, &l->local, l->lport, table->v6);
	print_end(t, &l->remote, l->rport, table->v6);
	proc_print(t, "%02X %08X:%08X 00:00000000 00000000 %5u %8d %lu\n", l->state,
		   (unsigned)l->unsent, (unsigned)l->unread, 0u, 0, l->inode);
}

static void print_head(struct table *table)
{
	proc_print(table->text,
		   "  sl  %s  st tx_queue rx_queue tr tm->when retrnsmt   uid  "
		   "timeout inode\n",
		   table->v6 ? "local_address                         remote_address" :
			       "local_address rem_address");
}

static u64 inode_of(const struct socket *s)
{
	return s->file != NULL && s->inode != NULL ? s->inode->ino : 0;
}

static void print_node(struct tcp_node *node, void *arg)
{
	struct table *table = arg;
	const struct tcp *c = container_of(node, const struct tcp, node);
	struct line l = { .local = node->local,
			  .remote = node->remote,
			  .lport = node->lport,
			  .rport = node->rport,
			  .state = node->kind == NODE_REQUEST ? TCP_SYN_RECV : TCP_TIME_WAIT };
	bool v6 = !ip_is4(&node->local);

	if (node->kind == NODE_CONN) {
		v6 = c->s.family == AF_INET6;
		l.state = c->state;
		l.unsent = c->snd_end - c->snd_una;
		l.unread = tcp_readable(c);
		l.inode = inode_of(&c->s);
	}
	if (v6 == table->v6)
		print_socket(table, &l);
}

static void print_listeners(struct table *table)
{
	for (unsigned i = 0; i < PORTS_BUCKETS; i++) {
		struct list *bucket = &tcp_ports.bucket[i], *at;

		if (bucket->next == NULL) /* TCP has not begun */
			return;
		list_for_each (at, bucket) {
			const struct port_binding *b = container_of(at, struct port_binding, link);
			const struct tcp *c = container_of(b, const struct tcp, port);
			struct line l = { .local = b->addr, .lport = b->port, .state = TCP_LISTEN };

			if (!b->listening || (c->s.family == AF_INET6) != table->v6)
				continue;
			l.inode = inode_of(&c->s);
			print_socket(table, &l);
		}
	}
}

static void print_tcp(struct proc_text *t, bool v6)
{
	struct table table = { t, v6, 0 };

	print_head(&table);
	print_listeners(&table);
	tcp_table_visit(print_node, &table);
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
	for (unsigned i = 0; i < PORTS_BUCKETS; i++) {
		struct list *bucket = &udp_ports()->bucket[i], *at;

		list_for_each (at, bucket) {
			const struct udp_socket *u = udp_of_binding(at);
			struct line l = { .local = u->local.addr,
					  .remote = u->remote,
					  .lport = u->local.port,
					  .rport = u->remote_port,
					  .state = u->connected ? TCP_ESTABLISHED : TCP_CLOSE,
					  .unread = u->queued,
					  .inode = inode_of(&u->s) };

			if ((u->s.family == AF_INET6) == v6)
				print_socket(&table, &l);
		}
	}
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

static void show_unix(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	const struct unix_socket *u = NULL;

	UNUSED(pi, p);
	proc_print(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	while ((u = unix_next_bound(u)) != NULL) {
		const struct sockname *name = &u->addr->name;

		proc_print(t, "0000000000000000: %08X 00000000 %08X %04X %02X %5lu ", u->refs,
			   u->state == UNIX_LISTENING ? FLAG_LISTENING : 0, u->s.type,
			   u->state == UNIX_CONNECTED ? 3 : 1, inode_of(&u->s));
		for (u32 i = 0; i < name->len - UNIX_PATH; i++) {
			char c = name->un.path[i];

			if (c != 0 || i == 0)
				proc_bytes(t, c != 0 ? &c : "@", 1);
		}
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
