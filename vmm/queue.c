/*
 * Split virtqueues, device side (virtio 1.2, 2.7).
 *
 * The driver writes the descriptor table and the available ring, the device
 * writes the used ring; the driver may be hostile and may write everything,
 * at any time, from another vCPU. So each field is fetched exactly once, by
 * load16() or by fetch_desc(), and every decision is made on that copy. The
 * rings themselves were checked to lie in guest memory when the queue became
 * ready, and neither their place nor their size can change until a reset.
 *
 * A request that breaks a rule gives -EINVAL and the caller stops the device:
 * no attempt is made to resynchronise with a driver that is wrong.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <linux/virtio_ring.h>
#include "queue.h"

_Static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2, 2.7.5");
_Static_assert(sizeof(struct vring_used_elem) == 8, "virtio 1.2, 2.7.8");

/* One fetch, never repeated by the compiler. */
static uint16_t load16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store16(uint16_t *p, uint16_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

/* Copies a descriptor; afterwards the compiler must take guest memory as
 * changed, so it can't fetch a field a second time. An indirect table need
 * not be aligned (virtio 1.2, 2.7.5.3), hence memcpy(). */
static struct vring_desc fetch_desc(const void *table, unsigned index)
{
	struct vring_desc copy;

	memcpy(&copy, (const uint8_t *)table + index * sizeof(copy), sizeof(copy));
	__asm__ volatile("" : : : "memory");
	return copy;
}

/* virtio 1.2, 2.7.7: used_event follows the available ring, 2.7.10:
 * avail_event follows the used ring. */
static uint16_t *used_event(const struct virtqueue *q)
{
	return &((struct vring_avail *)q->avail)->ring[q->size];
}

static uint16_t *avail_event(const struct virtqueue *q)
{
	return (uint16_t *)&((struct vring_used *)q->used)->ring[q->size];
}

int queue_enable(struct virtqueue *q, const struct guest_mem *mem)
{
	uint64_t n = q->size;

	if (n == 0 || n > QUEUE_MAX || (n & (n - 1)))
		return -EINVAL;
	/* Alignment: virtio 1.2, table in 2.7 */
	if (q->desc_gpa % 16 || q->driver_gpa % 2 || q->device_gpa % 4)
		return -EINVAL;
	q->desc = mem_at(mem, q->desc_gpa, n * sizeof(struct vring_desc));
	q->avail = mem_at(mem, q->driver_gpa, sizeof(struct vring_avail) + 2 * n + 2);
	q->used = mem_at(mem, q->device_gpa,
			 sizeof(struct vring_used) + sizeof(struct vring_used_elem) * n + 2);
	if (!q->desc || !q->avail || !q->used)
		return -EINVAL;
	q->next_avail = q->next_used = q->signalled_used = 0;
	memset(q->in_flight, 0, sizeof(q->in_flight));
	q->ready = true;
	return 0;
}

/* Adds one buffer to the chain. Zero-length buffers are legal and vanish. */
static int add_buffer(struct chain *c, const struct guest_mem *mem, const struct vring_desc *d)
{
	unsigned n = c->nout + c->nin;
	bool in = d->flags & VRING_DESC_F_WRITE;
	void *host = in ? mem_at(mem, d->addr, d->len) : (void *)mem_to_read(mem, d->addr, d->len);

	/* 2.7.4.2: device-readable buffers come before device-writable ones */
	if (!host || n >= CHAIN_MAX || (!in && c->nin))
		return -EINVAL;
	if (!d->len)
		return 0;
	c->iov[n] = (struct iovec){ .iov_base = host, .iov_len = d->len };
	if (in) {
		c->nin++;
		c->in_len += d->len;
	} else {
		c->nout++;
		c->out_len += d->len;
	}
	return 0;
}

/*
 * Follows one table from `index` for at most `limit` descriptors, so that a
 * loop ends as an error. Returns 0, -EINVAL, or 1 with *indirect set when
 * the last one refers to a table.
 */
static int walk(const struct virtqueue *q, const struct guest_mem *mem, const void *table,
		unsigned size, unsigned index, struct chain *c, struct vring_desc *indirect)
{
	for (unsigned seen = 0; seen < size; seen++) {
		struct vring_desc d = fetch_desc(table, index);

		if (d.flags & VRING_DESC_F_INDIRECT) {
			/* 2.7.5.3.1: negotiated, only in the ring's own table,
			 * never with NEXT; its WRITE flag is ignored (2.7.5.3.2) */
			if (!q->indirect || !indirect || (d.flags & VRING_DESC_F_NEXT))
				return -EINVAL;
			*indirect = d;
			return 1;
		}
		if (add_buffer(c, mem, &d))
			return -EINVAL;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		index = d.next;
		if (index >= size)
			return -EINVAL;
	}
	return -EINVAL;
}

static int read_chain(const struct virtqueue *q, const struct guest_mem *mem, struct chain *c)
{
	struct vring_desc d;
	int r = walk(q, mem, q->desc, q->size, c->head, c, &d);

	if (r == 1) {
		const void *table = mem_at(mem, d.addr, d.len);
		uint32_t n = d.len / sizeof(struct vring_desc);

		if (!table || d.len % sizeof(struct vring_desc) || n == 0 || n > CHAIN_MAX)
			return -EINVAL;
		r = walk(q, mem, table, n, 0, c, NULL);
	}
	if (r)
		return r;
	/* 2.7.5: at most 2^32 bytes; less one, because used.len has 32 bits */
	return c->out_len > UINT32_MAX || c->in_len > UINT32_MAX ? -EINVAL : 0;
}

uint16_t queue_waiting(const struct virtqueue *q)
{
	return load16(&((struct vring_avail *)q->avail)->idx) - q->next_avail;
}

int queue_pop(struct virtqueue *q, const struct guest_mem *mem, struct chain *chain)
{
	struct vring_avail *avail = q->avail;
	uint16_t ready = queue_waiting(q);
	uint16_t taken = q->next_avail - q->next_used;
	uint16_t head;

	if (!ready)
		return 0;
	/* A driver has only `size` descriptors to hand out. */
	if (ready > q->size || taken >= q->size)
		return -EINVAL;
	/* Pairs with the driver's write barrier between the ring entry with its
	 * descriptors and avail->idx (2.7.13.3.1). */
	atomic_thread_fence(memory_order_acquire);
	head = load16(&avail->ring[q->next_avail % q->size]);
	if (head >= q->size || (q->in_flight[head / 32] & (1u << head % 32)))
		return -EINVAL;
	chain->head = head;
	chain->nout = chain->nin = 0;
	chain->out_len = chain->in_len = 0;
	if (read_chain(q, mem, chain))
		return -EINVAL;
	q->in_flight[head / 32] |= 1u << head % 32;
	q->next_avail++;
	return 1;
}

void queue_stage(struct virtqueue *q, uint16_t head, uint32_t len)
{
	struct vring_used *used = q->used;
	struct vring_used_elem elem = { .id = head, .len = len };

	memcpy(&used->ring[q->next_used % q->size], &elem, sizeof(elem));
	q->in_flight[head / 32] &= ~(1u << head % 32);
	q->next_used++;
	q->total++;
}

void queue_publish(struct virtqueue *q)
{
	struct vring_used *used = q->used;

	/* Pairs with the driver's read barrier between used->idx and the
	 * elements (2.7.14): elements and data first. */
	__atomic_store_n(&used->idx, q->next_used, __ATOMIC_RELEASE);
}

void queue_push(struct virtqueue *q, uint16_t head, uint32_t len)
{
	queue_stage(q, head, len);
	queue_publish(q);
}

bool queue_needs_interrupt(struct virtqueue *q)
{
	struct vring_avail *avail = q->avail;
	uint16_t old = q->signalled_used, now = q->next_used;

	if (now == old)
		return false;
	q->signalled_used = now;
	/* Pairs with the driver's full barrier between storing used_event (or
	 * flags) and looking at used->idx again (2.7.7.1): one of the two
	 * sides sees what the other stored. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!q->event_idx)
		return !(load16(&avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	return vring_need_event(load16(used_event(q)), now, old);
}

bool queue_unseen(const struct virtqueue *q)
{
	return !q->event_idx || (uint16_t)(load16(used_event(q)) + 1) != q->next_used;
}

bool queue_ask_kick(struct virtqueue *q, uint16_t n)
{
	struct vring_used *used = q->used;

	if (q->event_idx)
		store16(avail_event(q), q->next_avail + n - 1);
	else
		store16(&used->flags, 0);
	/* Pairs with the driver's full barrier between storing avail->idx and
	 * reading avail_event or flags (2.7.13.4.1). */
	atomic_thread_fence(memory_order_seq_cst);
	return queue_waiting(q) >= (q->event_idx ? n : 1);
}

bool queue_suppress_kicks(struct virtqueue *q, bool suppress)
{
	struct vring_used *used = q->used;

	if (!suppress)
		return queue_ask_kick(q, 1);
	/* With EVENT_IDX an avail_event left behind does the same. */
	if (!q->event_idx)
		store16(&used->flags, VRING_USED_F_NO_NOTIFY);
	return false;
}
