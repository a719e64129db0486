/*
 * Packets: their life and their shape. struct pkt and blocks of memory come
 * and go at packet rate, so a bounded number of free ones is kept at hand; of
 * a new packet only the part before the fragments is cleared.
 *
 * A front part that is too short for a header (a driver with small buffers, a
 * packet put together from pieces) is copied to the packet's room[], together
 * with the network header before it, and continued there. The block that it
 * was in stays with the packet, because upper layers may still look at it.
 */
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "pkt.h"

#define KEPT_PACKETS 256
#define KEPT_BYTES   (1u << 20) /* and not more than 1/32 of the memory */
#define MAX_ORDER    4 /* 64 KiB */
#define PULL_MAX     128

struct block {
	struct pkt_mem mem;
	struct block *next; /* of kept ones */
	u32 order;
};

u64 pkt_count, pkt_mem_count;
static struct list kept_packets = { &kept_packets, &kept_packets };
static unsigned nkept;
static struct block *kept_blocks[MAX_ORDER + 1];
static u32 kept_bytes;

/* ---- blocks ---- */

static void block_free(struct block *block)
{
	frames_free(virt_to_phys(block->mem.data), block->order);
	kfree(block);
}

static void block_release(struct pkt_mem *mem)
{
	struct block *block = container_of(mem, struct block, mem);

	pkt_mem_count--;
	if (kept_bytes + mem->size > KEPT_BYTES || kept_bytes >> PAGE_SHIFT > frames_total() / 32) {
		block_free(block);
		return;
	}
	block->next = kept_blocks[block->order];
	kept_blocks[block->order] = block;
	kept_bytes += mem->size;
}

static struct block *block_new(u32 order)
{
	struct block *block = kalloc(sizeof(*block));
	paddr_t pa = block ? frames_alloc_dirty(order) : 0;

	if (pa == 0) {
		kfree(block);
		return NULL;
	}
	block->mem.data = phys_to_virt(pa);
	block->mem.size = PAGE_SIZE << order;
	block->mem.release = block_release;
	block->order = order;
	return block;
}

struct pkt_mem *pkt_mem_alloc(u32 size)
{
	struct block *block;
	u32 order = 0;

	while ((u32)PAGE_SIZE << order < size)
		order++;
	if (order > MAX_ORDER)
		return NULL;
	block = kept_blocks[order];
	if (block != NULL) {
		kept_blocks[order] = block->next;
		kept_bytes -= block->mem.size;
	} else {
		block = block_new(order);
		if (block == NULL)
			return NULL;
	}
	block->mem.refs = 1;
	pkt_mem_count++;
	return &block->mem;
}

void pkt_reclaim(void)
{
	struct block *block;
	struct pkt *pkt;

	for (u32 order = 0; order <= MAX_ORDER; order++)
		while ((block = kept_blocks[order]) != NULL) {
			kept_blocks[order] = block->next;
			block_free(block);
		}
	kept_bytes = 0;
	while ((pkt = pkt_dequeue(&kept_packets)) != NULL)
		kfree(pkt);
	nkept = 0;
}

/* ---- life ---- */

static struct pkt *pkt_new(void)
{
	struct pkt *pkt;

	if (nkept > 0) {
		pkt = pkt_dequeue(&kept_packets);
		nkept--;
		memset(pkt, 0, offsetof(struct pkt, frag));
	} else {
		pkt = kalloc(sizeof(*pkt));
		if (pkt == NULL)
			return NULL;
	}
	pkt_count++;
	return pkt;
}

static void use_room(struct pkt *pkt, u32 before, u32 len)
{
	pkt->start = pkt->room;
	pkt->end = pkt->room + PKT_ROOM;
	pkt->data = pkt->room + before;
	pkt->len = len;
}

struct pkt *pkt_alloc(void)
{
	struct pkt *pkt = pkt_new();

	if (pkt != NULL)
		use_room(pkt, PKT_HEADROOM, 0);
	return pkt;
}

struct pkt *pkt_wrap(struct pkt_mem *mem, u8 *data, u32 len)
{
	struct pkt *pkt = pkt_new();

	if (pkt == NULL) {
		pkt_mem_put(mem);
		return NULL;
	}
	pkt->mem = mem;
	pkt->start = pkt->data = data;
	pkt->end = data + len;
	pkt->len = pkt->total = len;
	return pkt;
}

static void drop_frags(struct pkt *pkt, u32 from)
{
	for (u32 i = from; i < pkt->nfrags; i++)
		pkt_mem_put(pkt->frag[i].mem);
	pkt->nfrags = MIN(pkt->nfrags, from);
}

void pkt_free(struct pkt *pkt)
{
	if (pkt == NULL)
		return;
	pkt_count--;
	drop_frags(pkt, 0);
	if (pkt->mem != NULL)
		pkt_mem_put(pkt->mem);
	if (nkept == KEPT_PACKETS) {
		kfree(pkt);
		return;
	}
	nkept++;
	list_add_tail(kept_packets.next, &pkt->link); /* the last one is in the cache */
}

static bool in_room(const struct pkt *pkt, const u8 *p)
{
	return p >= pkt->room && p < pkt->room + PKT_ROOM;
}

/* A pointer into the first packet's front, or to what was pulled off it, at the
 * same place of its copy; NULL when that has no such place. */
static u8 *same_place(const struct pkt *from, const u8 *p, const struct pkt *to)
{
	long distance;

	if (p == NULL)
		return NULL;
	distance = p - from->data;
	if (distance < to->start - to->data || distance > (long)to->len)
		return NULL;
	return to->data + distance;
}

struct pkt *pkt_clone(const struct pkt *pkt)
{
	/* The network header goes along, for those who answer the packet. */
	u32 before = pkt->network && pkt->network < pkt->data ? pkt->data - pkt->network : 0;
	u32 front = pkt->len, room;
	struct pkt *copy;

	if (!in_room(pkt, pkt->data)) /* the rest of it becomes a fragment */
		front = MIN(front, PKT_ROOM - PKT_HEADROOM);
	room = MIN(PKT_HEADROOM, PKT_ROOM - front);
	if (before > room || pkt->nfrags + (front < pkt->len) > PKT_FRAGS)
		return NULL;
	copy = pkt_new();
	if (copy == NULL)
		return NULL;
	memcpy((u8 *)copy + offsetof(struct pkt, netif), (u8 *)pkt + offsetof(struct pkt, netif),
	       offsetof(struct pkt, frag) - offsetof(struct pkt, netif));
	use_room(copy, room, front);
	copy->total = front;
	memcpy(copy->data - before, pkt->data - before, before + front);
	copy->network = same_place(pkt, pkt->network, copy);
	copy->csum_start = same_place(pkt, pkt->csum_start, copy);
	if (front < pkt->len)
		pkt_add_frag(copy, pkt->mem, pkt->data + front, pkt->len - front);
	for (u32 i = 0; i < pkt->nfrags; i++)
		pkt_add_frag(copy, pkt->frag[i].mem, pkt->frag[i].data, pkt->frag[i].len);
	return copy;
}

/* ---- shape ---- */

void *pkt_push(struct pkt *pkt, u32 n)
{
	BUG_ON((u32)(pkt->data - pkt->start) < n);
	pkt->data -= n;
	pkt->len += n;
	pkt->total += n;
	return pkt->data;
}

void *pkt_put(struct pkt *pkt, u32 n)
{
	u8 *at = pkt->data + pkt->len;

	if (pkt->nfrags > 0 || (u32)(pkt->end - at) < n)
		return NULL;
	pkt->len += n;
	pkt->total += n;
	return at;
}

/* Takes n bytes off the fragments. */
static void skip_frags(struct pkt *pkt, u32 n)
{
	u32 i = 0;

	while (n > 0 && n >= pkt->frag[i].len) {
		n -= pkt->frag[i].len;
		pkt_mem_put(pkt->frag[i++].mem);
	}
	pkt->nfrags -= i;
	if (i > 0)
		memmove(pkt->frag, pkt->frag + i, pkt->nfrags * sizeof(pkt->frag[0]));
	if (n > 0) {
		pkt->frag[0].data += n;
		pkt->frag[0].len -= n;
	}
}

/* Has the first n bytes in a row in room[], or returns false. */
static bool gather(struct pkt *pkt, u32 n)
{
	u8 saved[PKT_ROOM];
	u8 *begin = pkt->network && pkt->network < pkt->data ? pkt->network : pkt->data;
	u32 before = pkt->data - begin, front = pkt->len;

	if (n > PULL_MAX || before + n > PKT_ROOM)
		return false;
	memcpy(saved, begin, before);
	pkt_copy(pkt, 0, saved + before, n);
	skip_frags(pkt, n - front);
	if (pkt->csum_start >= begin && pkt->csum_start <= pkt->data + front)
		pkt->csum_start = pkt->room + (pkt->csum_start - begin);
	if (pkt->network)
		pkt->network = pkt->room + (pkt->network - begin);
	memcpy(pkt->room, saved, before + n);
	use_room(pkt, before, n);
	return true;
}

void *pkt_header(struct pkt *pkt, u32 n)
{
	if (likely(n <= pkt->len))
		return pkt->data;
	if (n > pkt->total || !gather(pkt, n))
		return NULL;
	return pkt->data;
}

void *pkt_pull(struct pkt *pkt, u32 n)
{
	u8 *at = pkt_header(pkt, n);

	if (at == NULL)
		return NULL;
	pkt->data += n;
	pkt->len -= n;
	pkt->total -= n;
	return at;
}

void pkt_skip(struct pkt *pkt, u32 n)
{
	u32 front = MIN(n, pkt->len);

	BUG_ON(n > pkt->total);
	pkt->data += front;
	pkt->len -= front;
	pkt->total -= n;
	skip_frags(pkt, n - front);
}

void pkt_trim(struct pkt *pkt, u32 n)
{
	u32 left, i;

	BUG_ON(n > pkt->total);
	pkt->total = n;
	if (n <= pkt->len) {
		pkt->len = n;
		drop_frags(pkt, 0);
		return;
	}
	left = n - pkt->len;
	for (i = 0; left > 0; i++) {
		pkt->frag[i].len = MIN(pkt->frag[i].len, left);
		left -= pkt->frag[i].len;
	}
	drop_frags(pkt, i);
}

/* ---- queues ---- */

struct pkt *pkt_dequeue(struct list *queue)
{
	struct list *first = queue->next;

	if (first == queue)
		return NULL;
	list_del(first);
	return pkt_of(first);
}

void pkt_purge(struct list *queue)
{
	struct pkt *pkt;

	while ((pkt = pkt_dequeue(queue)) != NULL)
		pkt_free(pkt);
}
