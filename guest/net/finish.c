/*
 * The end of the VM. A kernel goes on sending what a program that has exited
 * left behind; a VM that ends with its program must do so before. It waits while
 *
 *   - a connection has data or a FIN that the peer has not acknowledged,
 *   - packets wait for a neighbour's address,
 *   - the device has not sent all that it was given,
 *
 * at most PATIENCE without progress, LIMIT in all, and no longer than until a
 * signal. With a peer that is there it takes a round trip.
 */
#include "finish.h"
#include "neigh.h"
#include "tcp_conn.h"

#define PATIENCE (2 * NS_PER_S)
#define LIMIT    (60 * NS_PER_S)

struct waitq net_activity = WAITQ_INIT(net_activity);

struct unfinished {
	bool any;
	u64 progress; /* changes when there is some */
};

static void look_at_connection(struct tcp_node *node, void *arg)
{
	struct unfinished *u = arg;

	if (node->kind == NODE_CONN && TCP_IN(tcp_of_node(node)->state, TCP_FIN_QUEUED)) {
		u->any = true;
		u->progress += tcp_of_node(node)->snd_una + 1;
	}
}

static bool unfinished(struct unfinished *u)
{
	struct list *at;

	*u = (struct unfinished){ neigh_pending(), 0 };
	tcp_table_visit(look_at_connection, u);
	list_for_each (at, &netifs) {
		struct netif *netif = container_of(at, struct netif, link);

		if (netif->busy != NULL)
			u->any |= netif->busy(netif);
	}
	return u->any;
}

void net_finish(void)
{
	u64 limit = now_ns() + LIMIT, until = now_ns() + PATIENCE, last = 0;
	struct unfinished u;

	while (unfinished(&u)) {
		if (u.progress != last)
			until = MIN(now_ns() + PATIENCE, limit);
		last = u.progress;
		if (wait_on(&net_activity, until) < 0)
			break; /* a signal, or the time is up */
	}
}
