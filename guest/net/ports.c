/*
 * Who is bound to which local port. A table has its bindings in buckets by
 * port; a check walks one bucket. Connections that a listener accepted, and
 * the remains of those in TIME-WAIT, are bindings too: a later bind(2) meets
 * them, as on Linux, unless all have SO_REUSEADDR.
 */
#include "ports.h"
#include "../libos/random.h"

#define RANDOM_TRIES 8

static struct list *bucket_of(struct port_table *table, u16 port)
{
	return &table->bucket[port % PORTS_BUCKETS];
}

void ports_init(struct port_table *table)
{
	for (unsigned i = 0; i < PORTS_BUCKETS; i++)
		list_init(&table->bucket[i]);
	random_bytes(&table->hint, sizeof(table->hint));
}

/* Whether a packet might be for both. The unspecified IPv6 address stands for
 * all of IPv4 too, unless the socket has IPV6_V6ONLY. */
static bool overlap(const struct port_binding *a, const struct port_binding *b)
{
	bool any_a = ip_is_any(&a->addr), any_b = ip_is_any(&b->addr);
	bool a4 = ip_is4(&a->addr), b4 = ip_is4(&b->addr);

	if (a->ifindex != 0 && b->ifindex != 0 && a->ifindex != b->ifindex)
		return false;
	if (!any_a && !any_b)
		return ip_equal(&a->addr, &b->addr);
	if (a4 == b4)
		return true;
	return a4 ? any_b && !b->v6only : any_a && !a->v6only;
}

/* Whether both agree to share (socket(7)). */
static bool shared(const struct port_binding *a, const struct port_binding *b)
{
	return (a->reuse_addr && b->reuse_addr && !b->listening) ||
	       (a->reuse_port && b->reuse_port);
}

/* Whether somebody else has the port; `strict`: also one who would share it. */
static bool taken(struct port_table *table, const struct port_binding *b, u16 port, bool strict)
{
	struct list *at;

	list_for_each (at, bucket_of(table, port)) {
		struct port_binding *other = container_of(at, struct port_binding, link);

		if (other != b && other->port == port && overlap(b, other) &&
		    (strict || !shared(b, other)))
			return true;
	}
	return false;
}

/* A port that nobody has: at random (RFC 6056, 3.3.2), and when those tried
 * are taken, the next free one. 0: none. */
static u16 ephemeral(struct port_table *table, const struct port_binding *b)
{
	const u32 range = PORT_EPHEMERAL_END - PORT_EPHEMERAL;
	u16 random[RANDOM_TRIES];

	random_bytes(random, sizeof(random));
	for (unsigned i = 0; i < RANDOM_TRIES; i++) {
		u16 port = PORT_EPHEMERAL + random[i] % range;

		if (!taken(table, b, port, true))
			return port;
	}
	for (u32 i = 0; i < range; i++) {
		u16 port = PORT_EPHEMERAL + table->hint++ % range;

		if (!taken(table, b, port, true))
			return port;
	}
	return 0;
}

static void add(struct port_table *table, struct port_binding *b, u16 port)
{
	b->port = port;
	list_add_tail(bucket_of(table, port), &b->link);
}

int ports_bind(struct port_table *table, struct port_binding *b, u16 port)
{
	if (b->port != 0)
		return -EINVAL;
	if (port == 0)
		port = ephemeral(table, b);
	else if (taken(table, b, port, false))
		return -EADDRINUSE;
	if (port == 0)
		return -EADDRINUSE;
	add(table, b, port);
	return 0;
}

void ports_unbind(struct port_table *table, struct port_binding *b)
{
	(void)table;
	if (b->port == 0)
		return;
	list_del(&b->link);
	b->port = 0;
	b->listening = false;
}

int ports_listen(struct port_table *table, struct port_binding *b)
{
	if (taken(table, b, b->port, false))
		return -EADDRINUSE;
	b->listening = true;
	return 0;
}

int ports_connect(struct port_table *table, struct port_binding *b, u16 port)
{
	struct list *at;

	list_for_each (at, bucket_of(table, port)) {
		struct port_binding *other = container_of(at, struct port_binding, link);

		if (other->port == port && !other->connecting && overlap(b, other))
			return -EADDRINUSE;
	}
	b->connecting = true;
	add(table, b, port);
	return 0;
}

void ports_inherit(struct port_table *table, struct port_binding *b,
		   const struct port_binding *from)
{
	*b = *from;
	b->listening = false;
	add(table, b, from->port);
}
