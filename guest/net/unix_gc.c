/*
 * Sockets that only messages refer to. A message may carry a socket into the
 * socket's own queue, or two may carry each other's: once the program has closed
 * them, nobody can receive these messages, and nothing would ever end them.
 *
 * Candidates are the sockets all of whose references are on their way in messages.
 * Those with a message outside the candidates' queues can be received, and so can
 * what waits in their queues, and so on; the others are garbage. (Linux:
 * net/unix/garbage.c.)
 */
#include "../libos/process.h"
#include "../libos/sock.h"
#include "unix.h"

#define FLYING_LEAST 16 /* so many do not matter */

static struct list flying = { &flying, &flying }; /* who is in messages */
static u32 nflying, enough = FLYING_LEAST;

static struct unix_socket *unix_of(struct file *file)
{
	struct socket *s = socket_of(file);

	return s != NULL && s->family == AF_UNIX ? unix_sock(s) : NULL;
}

void unix_files_fly(struct file **files, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		struct unix_socket *u = unix_of(files[i]);

		if (u == NULL || u->in_flight++ > 0)
			continue;
		u->file = files[i];
		list_add_tail(&flying, &u->flying);
		nflying++;
	}
}

/* Looking at all of them is worth it only if many are new. */
static u32 twice_as_many(void)
{
	return MAX(2 * nflying, (u32)FLYING_LEAST);
}

void unix_files_land(struct file **files, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		struct unix_socket *u = unix_of(files[i]);

		if (u == NULL || --u->in_flight > 0)
			continue;
		list_del(&u->flying);
		nflying--;
	}
	enough = MIN(enough, twice_as_many());
}

/* ---- who waits in whose queue */

static void each_in_messages(struct unix_socket *u, void (*see)(struct unix_socket *))
{
	struct list *at;

	list_for_each (at, &u->queue) {
		const struct unix_msg *m = container_of(at, struct unix_msg, link);

		for (u32 i = 0; i < m->nfiles; i++) {
			struct unix_socket *other = unix_of(m->files[i]);

			if (other != NULL && other->candidate)
				see(other);
		}
	}
}

/* Of candidates; also in the connections that nobody has accepted yet. */
static void each_in_queue(struct unix_socket *u, void (*see)(struct unix_socket *))
{
	struct list *at;

	if (u->state != UNIX_LISTENING) {
		each_in_messages(u, see);
		return;
	}
	list_for_each (at, &u->queue)
		each_in_messages(container_of(at, struct unix_socket, queue_link), see);
}

static void found_inside(struct unix_socket *u)
{
	u->outside--;
}

static void choose_candidates(void)
{
	struct list *at;

	list_for_each (at, &flying) {
		struct unix_socket *u = container_of(at, struct unix_socket, flying);

		u->candidate = u->file->refs == u->in_flight;
		u->outside = u->in_flight;
	}
	list_for_each (at, &flying) {
		struct unix_socket *u = container_of(at, struct unix_socket, flying);

		if (u->candidate)
			each_in_queue(u, found_inside);
	}
}

static struct list reachable = { &reachable, &reachable }; /* to be looked into */

static void reach(struct unix_socket *u)
{
	u->candidate = false;
	list_del(&u->flying);
	list_add_tail(&reachable, &u->flying);
}

/* What is left in the list of who flies is garbage. */
static void spare_reachable(void)
{
	struct list *at, *next;

	for (at = flying.next; at != &flying; at = next) {
		struct unix_socket *u = container_of(at, struct unix_socket, flying);

		next = at->next;
		if (!u->candidate || u->outside > 0)
			reach(u);
	}
	list_for_each (at, &reachable)
		each_in_queue(container_of(at, struct unix_socket, flying), reach);
}

/* ---- the end of the others */

/* They stay until all of their messages have gone, so that none ends in another. */
static void hold_garbage(struct list *garbage)
{
	struct list *at;

	list_init(garbage);
	list_for_each (at, &flying) {
		struct unix_socket *u = container_of(at, struct unix_socket, flying);

		file_get(u->file);
		unix_get(u);
		list_add_tail(garbage, &u->garbage);
	}
}

static void end_garbage(struct list *garbage)
{
	struct list *at;

	list_for_each (at, garbage)
		unix_drop_queue(container_of(at, struct unix_socket, garbage));
	while (!list_empty(garbage)) {
		struct unix_socket *u = container_of(garbage->next, struct unix_socket, garbage);

		list_del(&u->garbage);
		file_put(u->file);
		unix_put(u);
	}
}

void unix_collect(void)
{
	static bool busy;
	struct list garbage;

	if (nflying < enough || busy)
		return;
	busy = true;
	choose_candidates();
	spare_reachable();
	hold_garbage(&garbage);
	while (!list_empty(&reachable)) {
		struct list *first = reachable.next;

		list_del(first);
		list_add_tail(&flying, first);
	}
	end_garbage(&garbage);
	enough = twice_as_many();
	busy = false;
}
