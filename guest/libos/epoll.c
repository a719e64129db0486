/*
 * Sets of watched files (epoll(7)).
 *
 * An item leaves a waiter on each of its file's wait queues for as long as it
 * lives. A wake-up puts the item on the set's ready list and does no more; what
 * the file is ready for is asked when the events are collected. So a wait costs
 * as much as there are ready files, however many are watched. A level-triggered
 * item stays on the list until it is found not ready; an edge-triggered one is
 * off it until the next wake-up.
 *
 * Sets may watch sets. Wake-ups then go up from set to set by the same
 * waiters; that this ends is made sure when one is added.
 */
#include "epoll.h"
#include <asm/fcntl.h>
#include "../fs/vfs.h"
#include "heap.h"

#define FIRST_BUCKETS 16
#define MAX_NESTS     4 /* EP_MAX_NESTS of Linux */
#define PRIVATE_BITS  (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

struct epoll {
	struct file *file;
	struct epoll_item **buckets; /* by file and descriptor */
	u32 nbuckets, nitems;
	struct list ready; /* of items, the first come the first */
	struct waitq wait; /* those who wait for events */
	u64 walk; /* the last walk over nested sets that saw this one ... */
	unsigned below; /* ... and how many levels it found below */
};

struct item_waiter {
	struct waiter waiter;
	struct epoll_item *item;
	struct item_waiter *next;
};

struct epoll_item {
	struct epoll *ep;
	struct epoll_item *next; /* in its bucket */
	struct file *file; /* no reference: it takes the item along when it goes */
	int fd;
	u32 events; /* PRIVATE_BITS only: disabled by EPOLLONESHOT */
	u64 data;
	struct list ready;
	struct file_watch watch;
	struct item_waiter *waiters; /* all but the first are on the heap */
	struct item_waiter first;
};

static const struct file_ops epoll_ops;

struct epoll *epoll_of(struct file *file)
{
	return file->ops == &epoll_ops ? file->priv : NULL;
}

/* ---- the table of items ---- */

static struct epoll_item **bucket_of(struct epoll *ep, const struct file *file, int fd)
{
	u64 h = ((u64)(uintptr_t)file >> 4 ^ (u32)fd) * 0x9e3779b97f4a7c15;

	return &ep->buckets[(h >> 32) & (ep->nbuckets - 1)];
}

struct epoll_item *epoll_find(struct epoll *ep, const struct file *file, int fd)
{
	struct epoll_item *item = *bucket_of(ep, file, fd);

	while (item != NULL && (item->file != file || item->fd != fd))
		item = item->next;
	return item;
}

static void enter(struct epoll *ep, struct epoll_item *item)
{
	struct epoll_item **bucket = bucket_of(ep, item->file, item->fd);

	item->next = *bucket;
	*bucket = item;
}

/* Twice as many buckets; without the memory for them it just gets slower. */
static void grow(struct epoll *ep)
{
	struct epoll_item **old = ep->buckets, *item, *next;
	u32 n = ep->nbuckets;
	struct epoll_item **buckets = kalloc(2 * n * sizeof(struct epoll_item *));

	if (buckets == NULL)
		return;
	ep->buckets = buckets;
	ep->nbuckets = 2 * n;
	for (u32 i = 0; i < n; i++)
		for (item = old[i]; item != NULL; item = next) {
			next = item->next;
			enter(ep, item);
		}
	kfree(old);
}

/* ---- items ---- */

static void make_ready(struct epoll_item *item)
{
	if (!list_empty(&item->ready) || (item->events & ~PRIVATE_BITS) == 0)
		return;
	list_add_tail(&item->ep->ready, &item->ready);
	wake_all(&item->ep->wait);
}

static void item_woken(struct waiter *w)
{
	make_ready(container_of(w, struct item_waiter, waiter)->item);
}

struct registration {
	struct poll_table table;
	struct epoll_item *item;
	bool no_memory;
};

static void register_queue(struct poll_table *table, struct waitq *q)
{
	struct registration *r = container_of(table, struct registration, table);
	struct epoll_item *item = r->item;
	struct item_waiter *w = &item->first;

	if (item->waiters != NULL)
		w = kalloc(sizeof(*w));
	if (w == NULL) {
		r->no_memory = true;
		return;
	}
	w->item = item;
	w->next = item->waiters;
	item->waiters = w;
	wait_watch(q, &w->waiter, item_woken);
}

void epoll_remove(struct epoll_item *item)
{
	struct epoll *ep = item->ep;
	struct epoll_item **at = bucket_of(ep, item->file, item->fd);
	struct item_waiter *next;

	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	ep->nitems--;
	for (struct item_waiter *w = item->waiters; w != NULL; w = next) {
		next = w->next;
		wait_done(&w->waiter);
		if (w != &item->first)
			kfree(w);
	}
	list_del(&item->ready);
	list_del(&item->watch.link);
	kfree(item);
}

static void file_closed(struct file_watch *watch)
{
	epoll_remove(container_of(watch, struct epoll_item, watch));
}

static u32 ready_events(const struct epoll_item *item)
{
	return file_poll(item->file, NULL) & item->events & ~PRIVATE_BITS;
}

static void set_event(struct epoll_item *item, const struct epoll_event *event)
{
	item->events = event->events | EPOLLERR | EPOLLHUP;
	item->data = event->data;
}

void epoll_modify(struct epoll_item *item, const struct epoll_event *event)
{
	set_event(item, event);
	if (ready_events(item) != 0)
		make_ready(item);
}

bool epoll_is_exclusive(const struct epoll_item *item)
{
	return item->events & EPOLLEXCLUSIVE;
}

/* ---- sets in sets ---- */

static u64 walks;

static bool is_watched(const struct file *file)
{
	return file->watches.next != NULL && !list_empty((struct list *)&file->watches);
}

/* Levels of sets below; more than MAX_NESTS if `top` is among them. */
static unsigned levels_below(struct epoll *ep, const struct epoll *top, unsigned depth)
{
	unsigned most = 0;

	if (ep == top || depth > MAX_NESTS)
		return MAX_NESTS + 1;
	if (ep->walk == walks)
		return ep->below;
	for (u32 i = 0; i < ep->nbuckets; i++)
		for (struct epoll_item *item = ep->buckets[i]; item; item = item->next) {
			struct epoll *child = epoll_of(item->file);

			if (child != NULL)
				most = MAX(most, levels_below(child, top, depth + 1) + 1);
		}
	ep->walk = walks;
	ep->below = most;
	return most;
}

static unsigned levels_above(const struct epoll *ep, unsigned depth)
{
	unsigned most = 0;
	struct list *at;

	if (depth > MAX_NESTS || !is_watched(ep->file))
		return 0;
	list_for_each (at, &ep->file->watches) {
		struct file_watch *w = container_of(at, struct file_watch, link);

		if (w->closed == file_closed) {
			struct epoll_item *item = container_of(w, struct epoll_item, watch);

			most = MAX(most, levels_above(item->ep, depth + 1) + 1);
		}
	}
	return most;
}

static int check_nesting(struct epoll *ep, struct file *file)
{
	struct epoll *child = epoll_of(file);
	unsigned below;

	if (child == NULL)
		return 0;
	walks++;
	below = levels_below(child, ep, 0);
	return below + 1 + levels_above(ep, 0) > MAX_NESTS ? -ELOOP : 0;
}

int epoll_add(struct epoll *ep, struct file *file, int fd, const struct epoll_event *event)
{
	struct registration r = { .table.queue = register_queue };
	struct epoll_item *item;
	int error = check_nesting(ep, file);
	u32 ready;

	if (error < 0)
		return error;
	item = r.item = kalloc(sizeof(*item));
	if (item == NULL)
		return -ENOMEM;
	item->ep = ep;
	item->file = file;
	item->fd = fd;
	item->watch.closed = file_closed;
	list_init(&item->ready);
	set_event(item, event);
	if (ep->nitems++ > ep->nbuckets)
		grow(ep);
	enter(ep, item);
	if (file->watches.next == NULL)
		list_init(&file->watches);
	list_add_tail(&file->watches, &item->watch.link);
	ready = file_poll(file, &r.table);
	if (r.no_memory) {
		epoll_remove(item);
		return -ENOMEM;
	}
	if (ready & item->events & ~PRIVATE_BITS)
		make_ready(item);
	return 0;
}

/* ---- events ---- */

/* Moves what `from` has before all that `to` has. */
static void move_to_front(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->prev->next = to->next;
	to->next->prev = from->prev;
	to->next = from->next;
	from->next->prev = to;
	list_init(from);
}

/* What each item at work is put on: the items that become ready meanwhile,
 * and the level-triggered ones again, queue up behind those that have not had
 * their turn, as in Linux. */
long epoll_collect(struct epoll *ep, struct epoll_event *user, int most)
{
	struct list work;
	long n = 0;

	list_init(&work);
	move_to_front(&work, &ep->ready);
	while (n < most && !list_empty(&work)) {
		struct epoll_item *item = container_of(work.next, struct epoll_item, ready);
		struct epoll_event event = { .events = ready_events(item), .data = item->data };

		if (event.events != 0 && copy_to_user(&user[n], &event, sizeof(event)) < 0) {
			n = n > 0 ? n : -EFAULT;
			break;
		}
		list_del(&item->ready);
		if (event.events == 0)
			continue;
		n++;
		if (item->events & EPOLLONESHOT)
			item->events &= PRIVATE_BITS;
		else if (!(item->events & EPOLLET))
			list_add_tail(&ep->ready, &item->ready);
	}
	move_to_front(&ep->ready, &work);
	return n;
}

int epoll_sleep(struct epoll *ep, u64 deadline)
{
	return wait_on(&ep->wait, deadline);
}

/* ---- the file ---- */

static u32 epoll_poll(struct file *file, struct poll_table *table)
{
	struct epoll *ep = file->priv;

	poll_wait(table, &ep->wait);
	while (!list_empty(&ep->ready)) {
		struct epoll_item *item = container_of(ep->ready.next, struct epoll_item, ready);

		if (ready_events(item) != 0)
			return POLLIN | POLLRDNORM;
		list_del(&item->ready);
	}
	return 0;
}

static void epoll_release(struct file *file)
{
	struct epoll *ep = file->priv;

	for (u32 i = 0; i < ep->nbuckets; i++)
		while (ep->buckets[i] != NULL)
			epoll_remove(ep->buckets[i]);
	kfree(ep->buckets);
	kfree(ep);
}

static const struct file_ops epoll_ops = {
	.poll = epoll_poll,
	.release = epoll_release,
	.name = "[eventpoll]",
};

struct file *epoll_file(void)
{
	struct inode *inode = inode_anonymous(0600);
	struct epoll *ep = kalloc(sizeof(*ep));
	struct file *file = NULL;

	if (ep != NULL)
		ep->buckets = kalloc(FIRST_BUCKETS * sizeof(struct epoll_item *));
	if (inode != NULL && ep != NULL && ep->buckets != NULL)
		file = file_new(&epoll_ops, inode, O_RDWR, ep);
	if (file == NULL) {
		if (inode != NULL)
			inode_put(inode);
		if (ep != NULL)
			kfree(ep->buckets);
		kfree(ep);
		return NULL;
	}
	ep->nbuckets = FIRST_BUCKETS;
	list_init(&ep->ready);
	waitq_init(&ep->wait);
	ep->file = file;
	return file;
}
