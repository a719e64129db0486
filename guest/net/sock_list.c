/*
 * Listing sockets: what TCP's table of connections, its listeners and UDP's ports
 * have, in one form.
 */
#include "sock_list.h"
#include "../fs/vfs.h"
#include "udp.h"

struct listing {
	sock_visit *visit;
	void *arg;
};

u64 sock_inode(const struct socket *s)
{
	return s != NULL && s->file != NULL && s->inode != NULL ? s->inode->ino : 0;
}

static void list_node(struct tcp_node *node, void *arg)
{
	const struct listing *l = arg;
	struct sock_entry e = { .family = ip_is4(&node->local) ? AF_INET : AF_INET6,
				.local = node->local,
				.remote = node->remote,
				.lport = node->lport,
				.rport = node->rport,
				.state = TCP_SYN_RECV };

	if (node->kind == NODE_TIMEWAIT)
		e.state = tcp_timewait_state(node, &e.timewait_end);
	if (node->kind == NODE_CONN) {
		const struct tcp *c = tcp_of_node(node);

		e.family = c->s.family;
		e.state = c->state;
		e.unsent = c->snd_end + c->fin_queued - c->snd_una;
		e.unread = tcp_readable(c) + (c->had_fin && !c->fin_read);
		e.shut = c->shutdown;
		e.s = &c->s;
		e.tcp = c;
	}
	l->visit(&e, l->arg);
}

static void list_listener(const struct tcp *c, const struct listing *l)
{
	struct sock_entry e = { .family = c->s.family,
				.local = c->port.addr,
				.remote = inet_any(&c->s),
				.lport = c->port.port,
				.state = TCP_LISTEN,
				.waiting = c->naccepted,
				.backlog = c->backlog,
				.s = &c->s,
				.tcp = c };

	l->visit(&e, l->arg);
}

void tcp_list(sock_visit *visit, void *arg)
{
	struct listing l = { visit, arg };

	for (unsigned i = 0; i < PORTS_BUCKETS; i++) {
		struct list *bucket = &tcp_ports.bucket[i], *at;

		if (bucket->next == NULL) /* TCP has not begun */
			return;
		list_for_each (at, bucket) {
			const struct port_binding *b = container_of(at, struct port_binding, link);

			if (b->listening)
				list_listener(container_of(b, const struct tcp, port), &l);
		}
	}
	tcp_table_visit(list_node, &l);
}

void udp_list(sock_visit *visit, void *arg)
{
	for (unsigned i = 0; i < PORTS_BUCKETS; i++) {
		struct list *bucket = &udp_ports()->bucket[i], *at;

		if (bucket->next == NULL) /* nor has UDP */
			return;
		list_for_each (at, bucket) {
			const struct udp_socket *u = udp_of_binding(at);
			struct sock_entry e = { .family = u->s.family,
						.local = u->local.addr,
						.remote =
							u->connected ? u->remote : inet_any(&u->s),
						.lport = u->local.port,
						.rport = u->remote_port,
						.state = u->connected ? TCP_ESTABLISHED : TCP_CLOSE,
						.shut = u->no_read | u->no_write << 1,
						.unread = u->queued,
						.s = &u->s };

			visit(&e, arg);
		}
	}
}
