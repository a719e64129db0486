/*
 * Frames. Memory that was never used is kept apart from freed memory: in
 * ranges from which small runs are taken at the bottom and 2 MiB blocks at
 * the top, without ever touching it, since each first touch costs the host a
 * page. Freed runs go to buddy lists, linked through the runs themselves;
 * order_of[] says for each frame that begins a free run which order it has. Free
 * blocks whose memory the host has back (drv/balloon.c) are the last of their list:
 * what is used again first is what is still there.
 *
 * The direct map of the first GiB is made at link time; the rest comes in
 * pieces of DIRECT_STEP when memory is taken there. Page tables must lie in it
 * (KCALL_DONATE): where there is more memory, some is set aside for them.
 */
#include "../kernel/kcall.h"
#include "boot_info.h"
#include "entry.h"
#include "frames.h"
#include "heap.h"
#include "memory.h"
#include "space.h"
#include "../drv/balloon.h"
#include "../fs/block_cache.h"

#define MAX_RANGES  16
#define GIVEN_BACK  0x80 /* in free_order: the host has this block's memory back */
#define ORDERS      (BLOCK_ORDER + 1)
#define DIRECT_STEP (128ull << 20)
#define STATIC_MAP  (1ull << 30)
#define RECLAIM     32ull /* how many times what is missing the caches are asked for */
#define MAX_MEMORY  (64ull << 30)
#define SHOW_STEP   (8ull << 20) /* of files of the host at once */
#define PER_TABLE                                                             \
	256 /* bytes of memory for each of its page tables: twice what a full \
	     * table and the direct map's take */

struct range {
	paddr_t start, end;
};

static struct range ram[MAX_RANGES]; /* what the allocator was ever given */
static struct range fresh[MAX_RANGES]; /* what of it was never used; some are empty */
static struct range tables; /* blocks for page tables, above what others get */
static unsigned nram, nfresh;
static struct list free_runs[ORDERS];
static u8 *free_order; /* by frame: order + 1 of the free run it begins, or 0 */
static u64 total, available;
static u8 direct_done[MAX_MEMORY / DIRECT_STEP / 8];

/* Makes [pa, pa + len) reachable by phys_to_virt(). */
static void direct_map(paddr_t pa, u64 len)
{
	for (paddr_t at = ALIGN_DOWN(pa, DIRECT_STEP); at < pa + len; at += DIRECT_STEP) {
		unsigned step = at / DIRECT_STEP;
		if (at < STATIC_MAP || direct_done[step / 8] & (1 << step % 8))
			continue;
		direct_done[step / 8] |= 1 << step % 8;
		const struct map_run run = { DIRECT_MAP + at, at | PTE_PS | PTE_P | PTE_W | PTE_NX,
					     DIRECT_STEP / BLOCK_SIZE };
		long error;
		do {
			vcpu()->run[0] = run;
			error = kcall(KCALL_MAP, 1, 0, 0);
		} while (error && frames_feed_kernel());
		if (error)
			panic("no page table for the direct map of %lx", at);
	}
}

void *map_physical(paddr_t pa, u64 len)
{
	direct_map(pa, len);
	return phys_to_virt(pa);
}

bool frames_are_contents(paddr_t pa)
{
	return pa - boot_info.contents < boot_info.contents_size ||
	       pa - boot_info.dax < boot_info.dax_size;
}

/* Blocks of the contents that are not in the direct map yet, for reading. */
static bool show_contents(paddr_t pa, u64 len)
{
	paddr_t end = ALIGN_UP(pa + len, SHOW_STEP);
	for (paddr_t at = ALIGN_DOWN(pa, BLOCK_SIZE); at < pa + len; at += BLOCK_SIZE) {
		u64 size;
		if (page_entry(DIRECT_MAP + at, &size))
			continue;
		return !pages_map(DIRECT_MAP + at, at, PTE_PS | PTE_P | PTE_NX,
				  (end - at) / BLOCK_SIZE);
	}
	return true;
}

const void *physical_bytes(paddr_t pa, u64 len)
{
	if (!frames_are_contents(pa))
		return map_physical(pa, len);
	return show_contents(pa, len) ? phys_to_virt(pa) : NULL;
}

paddr_t virt_to_phys(const void *p)
{
	u64 va = (u64)p;
	return va >= IMAGE_BASE ? va - IMAGE_BASE : va - DIRECT_MAP;
}

/* One more, if there is room. */
static bool add_fresh(paddr_t start, paddr_t end)
{
	unsigned i = 0;
	while (i < nfresh && fresh[i].start < fresh[i].end)
		i++;
	if (i == MAX_RANGES)
		return false;
	fresh[i] = (struct range){ start, end };
	nfresh = MAX(nfresh, i + 1);
	return true;
}

/* What alignment skipped stays fresh, or is lost to the used memory. */
static void keep_gap(paddr_t start, paddr_t end)
{
	if (add_fresh(start, end))
		return;
	for (; start < end; start += PAGE_SIZE) {
		direct_map(start, PAGE_SIZE);
		frames_free(start, 0);
		available--; /* it was counted all along */
	}
}

static paddr_t take_small(unsigned order)
{
	u64 size = PAGE_SIZE << order;
	for (unsigned i = 0; i < nfresh; i++) {
		struct range *r = &fresh[i];
		paddr_t pa = ALIGN_UP(r->start, size);
		if (pa + size > r->end)
			continue;
		if (r->start < pa)
			keep_gap(r->start, pa);
		r->start = pa + size;
		return pa;
	}
	return 0;
}

/* A block from the top of a range; what lies above it is kept as a range of
 * its own. With `low`, only memory that the kernel can reach (KCALL_DONATE). */
static paddr_t take_block(bool low)
{
	for (unsigned i = 0; i < nfresh; i++) {
		struct range *r = &fresh[i];
		paddr_t limit = low ? MIN(r->end, STATIC_MAP) : r->end;
		paddr_t end = ALIGN_DOWN(limit, BLOCK_SIZE);
		if (end < BLOCK_SIZE || end - BLOCK_SIZE < r->start || end - BLOCK_SIZE == 0)
			continue;
		if (end < r->end && !add_fresh(end, r->end))
			continue;
		r->end = end - BLOCK_SIZE;
		return r->end;
	}
	return 0;
}

static paddr_t take_freed(unsigned order)
{
	unsigned o = order;
	while (o < ORDERS && list_empty(&free_runs[o]))
		o++;
	if (o == ORDERS)
		return 0;
	struct list *run = free_runs[o].next;
	paddr_t pa = virt_to_phys(run);
	list_del(run);
	free_order[pa >> PAGE_SHIFT] = 0;
	while (o > order) { /* give the upper halves back */
		paddr_t upper = pa + (PAGE_SIZE << --o);
		free_order[upper >> PAGE_SHIFT] = o + 1;
		list_add_tail(&free_runs[o], phys_to_virt(upper));
	}
	return pa;
}

static paddr_t take_once(unsigned order, bool zero)
{
	paddr_t pa = take_freed(order);
	if (pa) {
		if (zero)
			memset(phys_to_virt(pa), 0, PAGE_SIZE << order);
	} else {
		pa = order == BLOCK_ORDER ? take_block(false) : take_small(order);
		if (!pa)
			return 0;
		direct_map(pa, PAGE_SIZE << order);
	}
	available -= 1ull << order;
	return pa;
}

/* Caches are asked only for what cannot be made up of smaller pieces: whole
 * blocks of theirs would hardly be neighbours. */
u64 (*frames_reclaim_more)(u64 n);

static paddr_t take(unsigned order, bool zero)
{
	paddr_t pa = take_once(order, zero);
	if (!pa && order < BLOCK_ORDER && block_reclaim(RECLAIM << order))
		pa = take_once(order, zero);
	if (!pa && order < BLOCK_ORDER && frames_reclaim_more &&
	    frames_reclaim_more(RECLAIM << order))
		pa = take_once(order, zero);
	if (!pa && order < BLOCK_ORDER && heap_reclaim())
		pa = take_once(order, zero);
	return pa;
}

paddr_t frames_alloc(unsigned order)
{
	return take(order, true);
}

paddr_t frames_alloc_dirty(unsigned order)
{
	return take(order, false);
}

/* A run from freed memory: the smallest piece that holds it, less its rest. */
static paddr_t run_of_freed(u64 n)
{
	unsigned order = 0;
	while (1ull << order < n)
		order++;
	paddr_t pa = order < ORDERS ? take_freed(order) : 0;
	if (!pa)
		return 0;
	available -= 1ull << order;
	frames_free_run(pa + (n << PAGE_SHIFT), (1ull << order) - n);
	memset(phys_to_virt(pa), 0, n << PAGE_SHIFT);
	return pa;
}

/* Freed memory first: fresh memory costs the host a page for each of its own. */
paddr_t frames_alloc_run(u64 n)
{
	paddr_t freed = run_of_freed(n);
	if (freed)
		return freed;
	for (unsigned i = 0; i < nfresh; i++) {
		struct range *r = &fresh[i];
		if (r->end - r->start < n << PAGE_SHIFT)
			continue;
		paddr_t pa = r->start;
		r->start += n << PAGE_SHIFT;
		available -= n;
		direct_map(pa, n << PAGE_SHIFT);
		return pa;
	}
	return 0;
}

bool frames_are_ours(paddr_t pa)
{
	for (unsigned i = 0; i < nram; i++)
		if (pa >= ram[i].start && pa < ram[i].end)
			return true;
	return false;
}

void frames_free(paddr_t pa, unsigned order)
{
	available += 1ull << order;
	while (order < BLOCK_ORDER) {
		paddr_t buddy = pa ^ (PAGE_SIZE << order);
		if (!frames_are_ours(buddy) || free_order[buddy >> PAGE_SHIFT] != order + 1)
			break;
		list_del(phys_to_virt(buddy));
		free_order[buddy >> PAGE_SHIFT] = 0;
		pa = MIN(pa, buddy);
		order++;
	}
	free_order[pa >> PAGE_SHIFT] = order + 1;
	if (order != BLOCK_ORDER) {
		list_add_tail(&free_runs[order], phys_to_virt(pa));
		return;
	}
	list_add_tail(free_runs[BLOCK_ORDER].next, phys_to_virt(pa)); /* the first */
	balloon_block_freed();
}

void frames_free_run(paddr_t pa, u64 n)
{
	while (n > 0) {
		u64 page = pa >> PAGE_SHIFT;
		unsigned order = page ? MIN(__builtin_ctzll(page), BLOCK_ORDER) : BLOCK_ORDER;
		while (1ull << order > n)
			order--;
		frames_free(pa, order);
		pa += PAGE_SIZE << order;
		n -= 1ull << order;
	}
}

paddr_t frames_take_idle(void)
{
	paddr_t pa;
	if (list_empty(&free_runs[BLOCK_ORDER]))
		return 0;
	pa = virt_to_phys(free_runs[BLOCK_ORDER].next);
	return free_order[pa >> PAGE_SHIFT] & GIVEN_BACK ? 0 : take_freed(BLOCK_ORDER);
}

void frames_put_idle(paddr_t pa, bool given_back)
{
	free_order[pa >> PAGE_SHIFT] = BLOCK_ORDER + 1;
	if (given_back) {
		free_order[pa >> PAGE_SHIFT] |= GIVEN_BACK;
		list_add_tail(&free_runs[BLOCK_ORDER], phys_to_virt(pa));
	} else {
		list_add_tail(free_runs[BLOCK_ORDER].next, phys_to_virt(pa));
	}
}

/* A freed block that the kernel can reach, zeroed; or 0. */
static paddr_t take_freed_low(void)
{
	struct list *at;
	list_for_each (at, &free_runs[BLOCK_ORDER]) {
		paddr_t pa = virt_to_phys(at);
		if (pa >= STATIC_MAP)
			continue;
		list_del(at);
		free_order[pa >> PAGE_SHIFT] = 0;
		memset(phys_to_virt(pa), 0, BLOCK_SIZE);
		return pa;
	}
	return 0;
}

/* The kernel needs memory for page tables. */
bool frames_feed_kernel(void)
{
	paddr_t pa = tables.start;
	if (pa < tables.end) {
		tables.start += BLOCK_SIZE;
	} else {
		pa = take_block(true);
		pa = pa ? pa : take_freed_low();
		if (!pa)
			return false;
		available -= 1ull << BLOCK_ORDER;
	}
	return kcall(KCALL_DONATE, pa, 0, 0) == 0;
}

u64 frames_total(void)
{
	return total;
}

u64 frames_available(void)
{
	return available;
}

void frames_add(paddr_t start, paddr_t end)
{
	start = ALIGN_UP(start, PAGE_SIZE);
	end = ALIGN_DOWN(MIN(end, MAX_MEMORY), PAGE_SIZE);
	if (start >= end || nram == MAX_RANGES / 2)
		return;
	ram[nram++] = (struct range){ start, end };
	if (start < STATIC_MAP && end > STATIC_MAP) {
		fresh[nfresh++] = (struct range){ start, STATIC_MAP };
		fresh[nfresh++] = (struct range){ STATIC_MAP, end };
	} else {
		fresh[nfresh++] = (struct range){ start, end };
	}
	total += (end - start) >> PAGE_SHIFT;
	available = total;
}

/* At the end of the first GiB. Where that is all, tables can be anywhere. */
static void set_tables_aside(u64 highest)
{
	u64 bytes = ALIGN_UP((highest >> PAGE_SHIFT) * (PAGE_SIZE / PER_TABLE), BLOCK_SIZE);
	for (unsigned i = 0; i < nfresh && highest > STATIC_MAP; i++) {
		struct range *r = &fresh[i];
		if (r->end != STATIC_MAP || r->end - r->start < 2 * bytes)
			continue;
		tables = (struct range){ r->end - bytes, r->end };
		r->end = tables.start;
		available -= bytes >> PAGE_SHIFT;
	}
}

void frames_init(void)
{
	u64 highest = 0;
	for (unsigned i = 0; i < ORDERS; i++)
		list_init(&free_runs[i]);
	for (unsigned i = 0; i < nram; i++)
		highest = MAX(highest, ram[i].end);
	u64 bytes = ALIGN_UP(highest >> PAGE_SHIFT, PAGE_SIZE);
	for (unsigned i = 0; i < nfresh && !free_order; i++) {
		struct range *r = &fresh[i];
		if (r->end - r->start < bytes)
			continue;
		free_order = map_physical(r->start, bytes);
		r->start += bytes;
		available -= bytes >> PAGE_SHIFT;
	}
	if (!free_order)
		panic("not enough memory: %lu KiB free", available * 4);
	set_tables_aside(highest);
}
