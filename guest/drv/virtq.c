/*
 * Split virtqueues, driver side, with many requests in flight (virtio 1.2,
 * 2.7). virtq.h's other half, one request at a time, is in virtio.c.
 *
 * Free descriptors are kept in a list of our own, last in, first out, so that
 * a queue that is never full touches few cache lines. A slot a descriptor
 * says what its chain's head stands for: the token, how many descriptors the
 * chain has, how much the device may write, and the indirect table, which is
 * made when the slot first needs one and then stays.
 *
 * The device writes the used ring. It is read once, bounded, and only the
 * copy is used; a device that gives what it does not have makes the queue dead:
 * nothing is added to it or taken from it any more.
 *
 * With VIRTIO_RING_F_EVENT_IDX each side tells the other at which index it
 * wants to hear of it (2.7.7, 2.7.10): used_event follows the available ring,
 * avail_event follows the used ring.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "virtio.h"

#define TABLE_MAX 32 /* descriptors of an indirect table: 512 bytes */

struct virtq_slot {
	void *token; /* NULL: not the head of a chain in flight */
	struct vring_desc *table;
	u32 in_len; /* what the device may write */
	u16 count; /* descriptors of the ring that the chain has */
	u16 next; /* in the list of free ones, or in the chain */
};

static volatile u16 *used_event(struct virtq *q)
{
	return &q->avail->ring[q->size];
}

static u16 avail_event(const struct virtq *q)
{
	return *(volatile u16 *)&q->used->ring[q->size];
}

/* All descriptors become free, in order. */
static int start(struct virtq *q)
{
	q->slot = kalloc(q->size * sizeof(*q->slot));
	if (!q->slot)
		return -ENOMEM;
	for (unsigned i = 0; i < q->size; i++)
		q->slot[i].next = i + 1;
	return 0;
}

void virtq_free(struct virtq *q)
{
	for (unsigned i = 0; q->slot && i < q->size; i++)
		kfree(q->slot[i].table);
	kfree(q->slot);
	q->slot = NULL;
}

static void die(struct virtq *q, const char *why)
{
	q->dead = true;
	klog("virtio: queue %u stops, the device breaks the rules: %s", q->index, why);
}

unsigned virtq_room(const struct virtq *q)
{
	return q->dead ? 0 : q->size - q->taken;
}

static u16 flags_of(unsigned i, unsigned nout, unsigned n)
{
	return (i < nout ? 0 : VRING_DESC_F_WRITE) | (i + 1 < n ? VRING_DESC_F_NEXT : 0);
}

/* A chain in the ring's own table; where the free list goes on behind it. */
static u16 fill_ring(struct virtq *q, const struct virtq_buf *buf, unsigned nout, unsigned n)
{
	u16 at = q->free;
	for (unsigned i = 0; i < n; i++) {
		volatile struct vring_desc *desc = &q->desc[at];
		desc->addr = buf[i].pa;
		desc->len = buf[i].len;
		desc->flags = flags_of(i, nout, n);
		desc->next = q->slot[at].next;
		at = q->slot[at].next;
	}
	return at;
}

/* A chain in a table of its own (2.7.5.3), which takes one descriptor. */
static u16 fill_table(struct virtq *q, const struct virtq_buf *buf, unsigned nout, unsigned n)
{
	struct virtq_slot *slot = &q->slot[q->free];
	volatile struct vring_desc *desc = &q->desc[q->free];
	for (unsigned i = 0; i < n; i++)
		slot->table[i] =
			(struct vring_desc){ buf[i].pa, buf[i].len, flags_of(i, nout, n), i + 1 };
	desc->addr = virt_to_phys(slot->table);
	desc->len = n * sizeof(*slot->table);
	desc->flags = VRING_DESC_F_INDIRECT;
	return slot->next;
}

static bool want_table(struct virtq *q, unsigned n)
{
	if (!q->indirect || n < 2 || n > TABLE_MAX || q->taken == q->size)
		return false;
	struct virtq_slot *slot = &q->slot[q->free];
	if (!slot->table)
		slot->table = kalloc(TABLE_MAX * sizeof(*slot->table));
	return slot->table != NULL; /* else as without tables */
}

int virtq_add(struct virtq *q, const struct virtq_buf *buf, unsigned nout, unsigned nin,
	      void *token)
{
	unsigned n = nout + nin, i;
	if (q->dead)
		return -EIO;
	if (!q->slot && start(q))
		return -ENOMEM;
	bool table = want_table(q, n);
	unsigned count = table ? 1 : n;
	if (!count || count > virtq_room(q))
		return -ENOSPC;
	u16 head = q->free;
	struct virtq_slot *slot = &q->slot[head];
	q->free = table ? fill_table(q, buf, nout, n) : fill_ring(q, buf, nout, n);
	q->taken += count;
	q->in_flight++;
	slot->token = token;
	slot->count = count;
	slot->in_len = 0;
	for (i = nout; i < n; i++)
		slot->in_len += buf[i].len;
	q->avail->ring[q->next++ % q->size] = head;
	return 0;
}

void virtq_kick(struct virtio *dev, struct virtq *q)
{
	u16 before = q->shown;
	if (before == q->next || q->dead)
		return;
	q->shown = q->next;
	/* pairs with the device's acquire of avail->idx */
	__atomic_store_n(&q->avail->idx, q->next, __ATOMIC_RELEASE);
	/* the device must see idx before we look whether it wants a doorbell */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->event_idx ? vring_need_event(avail_event(q), q->next, before) :
			   !(q->used->flags & VRING_USED_F_NO_NOTIFY)) {
		q->doorbells++;
		*(volatile u32 *)(dev->regs + VIRTIO_MMIO_QUEUE_NOTIFY) = q->index;
	}
}

/* Gives a chain's descriptors back. */
static void put_back(struct virtq *q, u16 head)
{
	u16 last = head;
	for (unsigned i = 1; i < q->slot[head].count; i++)
		last = q->slot[last].next;
	q->slot[last].next = q->free;
	q->free = head;
	q->taken -= q->slot[head].count;
	q->in_flight--;
}

void *virtq_take(struct virtq *q, u32 *len)
{
	/* pairs with the device's release of used->idx */
	u16 done = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) - q->seen;
	if (!done || q->dead)
		return NULL;
	u32 id = q->used->ring[q->seen % q->size].id;
	u32 written = q->used->ring[q->seen % q->size].len;
	if (done > q->in_flight)
		die(q, "it is done with more than it has");
	else if (id >= q->size || !q->slot[id].token)
		die(q, "it is done with what it does not have");
	if (q->dead)
		return NULL;
	struct virtq_slot *slot = &q->slot[id];
	void *token = slot->token;
	slot->token = NULL;
	q->seen++;
	*len = MIN(written, slot->in_len);
	put_back(q, id);
	return token;
}

bool virtq_any(const struct virtq *q)
{
	return __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) != q->seen && !q->dead;
}

bool virtq_arm_after(struct virtq *q, unsigned n)
{
	if (q->event_idx)
		*used_event(q) = q->seen + n;
	else
		q->avail->flags = 0;
	/* The device must see this before we look at the used ring again; pairs
	 * with its fence between used->idx and reading the above (2.7.7.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return (u16)(__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) - q->seen) > n && !q->dead;
}

bool virtq_arm(struct virtq *q)
{
	return virtq_arm_after(q, 0);
}

void virtq_disarm(struct virtq *q)
{
	/* an index that has passed: reached again after 65,535 requests only */
	if (q->event_idx)
		*used_event(q) = q->seen - 1;
	else
		q->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}
