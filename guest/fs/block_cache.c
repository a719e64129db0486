/*
 * The page cache of disks: finding, reading and giving pages back. Writing is
 * in block_write.c.
 *
 *            fetch                done(0)
 *   (none) --------> busy, !valid --------> valid <-----> dirty --> writing
 *      ^                  | done(error)       |             (block_write.c)
 *      +------------------+-------------------+ reclaim, drop
 *
 * Pages hang in a tree by index and in one list of all pages of all disks, in
 * which they move to the end when reclaim finds them used (second chance). All
 * caches together take at most a quarter of memory; when frames run out,
 * frames.c asks for clean pages back. That happens inside any allocation,
 * ours too, so nothing is given back while a tree is being changed.
 */
#include "../libos/heap.h"
#include "block_io.h"

#define RESERVE 16

static struct list pages = { &pages, &pages }; /* of all caches, by lru */
static u64 npages;
static bool hold; /* a tree is being changed: nothing may be taken out */

u64 block_cached_frames(void)
{
	return npages;
}

u64 block_cache_limit(void)
{
	return MAX(frames_total() / 4, 16ull);
}

/* ---- the tree */

struct block_page *block_page_find(const struct block_cache *cache, u64 index)
{
	return (struct block_page *)(uintptr_t)page_tree_get(&cache->tree, index);
}

bool block_page_is_there(const struct block_cache *cache, u64 index)
{
	const struct block_page *page = block_page_find(cache, index);

	return page != NULL && page->valid;
}

void block_page_free(struct block_page *page)
{
	BUG_ON(page->refs || page->busy);
	block_page_clean(page);
	hold = true;
	page_tree_take(&page->cache->tree, page->index);
	hold = false;
	list_del(&page->lru);
	npages--;
	frames_free(page->pa, 0);
	kfree(page);
}

/* A page without contents, or NULL. */
static struct block_page *add_page(struct block_cache *cache, u64 index)
{
	struct block_page *page = kalloc(sizeof(*page));
	int error;

	if (page == NULL)
		return NULL;
	page->pa = frames_alloc_dirty(0);
	if (page->pa == 0) {
		kfree(page);
		return NULL;
	}
	page->cache = cache;
	page->index = index;
	hold = true;
	error = page_tree_set(&cache->tree, index, (uintptr_t)page);
	hold = false;
	if (error < 0) {
		frames_free(page->pa, 0);
		kfree(page);
		return NULL;
	}
	list_init(&page->dirty);
	list_add_tail(&pages, &page->lru);
	npages++;
	return page;
}

/* ---- giving back */

u64 block_reclaim(u64 n)
{
	u64 freed = 0, look = 2 * npages; /* a used page has one round's grace */

	if (hold)
		return 0;
	while (freed < n && npages > 0 && look-- > 0) {
		struct block_page *page = container_of(pages.next, struct block_page, lru);

		list_del(&page->lru);
		list_add_tail(&pages, &page->lru);
		if (page->refs > 0 || page->busy || page->is_dirty)
			continue;
		if (page->used) {
			page->used = false;
			continue;
		}
		block_page_free(page);
		freed++;
	}
	return freed;
}

/* Room for n more pages within the limit, of what can be had without waiting. */
static bool make_room(u64 n)
{
	u64 limit = block_cache_limit();

	/* for the nodes of a tree, which nothing can be given back for */
	if (frames_available() < RESERVE)
		block_reclaim(RESERVE);
	if (npages + n > limit)
		block_reclaim(npages + n - limit);
	return npages + n <= limit;
}

/* Waits for a write to end, so that its pages can be given back. False: there
 * is none. */
static bool wait_for_room(void)
{
	struct blk_disk *disk;

	for (unsigned i = 0; (disk = blk_disk_in_use(i)) != NULL; i++) {
		struct block_cache *cache = block_cache_of(disk);

		if (cache == NULL)
			continue;
		if (cache->writing == 0 && cache->reading == 0)
			block_write_start(cache, BLOCK_IO_PAGES);
		if (disk->in_flight > 0) {
			blk_wait(disk, 1);
			return true;
		}
	}
	return false;
}

/* ---- requests */

struct block_io *block_io_new(struct block_cache *cache, enum blk_type type, u64 first,
			      void (*done)(struct blk_request *req, int error))
{
	struct block_io *io = kalloc(sizeof(*io));

	if (io == NULL)
		return NULL;
	blk_prepare(&io->req, type, first * (PAGE_SIZE / BLK_SECTOR), done);
	io->cache = cache;
	io->first = first;
	return io;
}

/* Bytes of the page that the disk has. */
static u32 bytes_on_disk(const struct block_page *page)
{
	u64 size = page->cache->disk->sectors * BLK_SECTOR, start = page->index * PAGE_SIZE;

	return MIN(size - start, (u64)PAGE_SIZE);
}

bool block_io_add(struct block_io *io, const struct block_page *page)
{
	if (io->count == BLOCK_IO_PAGES || page->index != io->first + io->count ||
	    !blk_add_buffer(io->cache->disk, &io->req, page->pa, bytes_on_disk(page)))
		return false;
	io->count++;
	return true;
}

void block_io_submit(struct block_io *io)
{
	blk_submit(io->cache->disk, &io->req);
}

void block_io_free(struct block_io *io)
{
	kfree(io);
}

/* ---- reading */

static void read_done(struct blk_request *req, int error)
{
	struct block_io *io = container_of(req, struct block_io, req);
	struct block_cache *cache = io->cache;

	for (u64 i = 0; i < io->count; i++) {
		struct block_page *page = block_page_find(cache, io->first + i);
		u32 bytes = bytes_on_disk(page);

		page->busy = false;
		page->valid = error == 0;
		if (bytes < PAGE_SIZE)
			memset((u8 *)block_page_data(page) + bytes, 0, PAGE_SIZE - bytes);
		if (error != 0 && page->refs == 0)
			block_page_free(page);
	}
	cache->reading -= io->count;
	cache->bytes_read += error == 0 ? io->count * PAGE_SIZE : 0;
	block_io_free(io);
}

/* Starts reading pages from index on that are not there, at most n in one
 * request; how many. */
static u64 read_run(struct block_cache *cache, u64 index, u64 n)
{
	struct block_io *io = block_io_new(cache, BLK_READ, index, read_done);
	u64 count;

	if (io == NULL)
		return 0;
	for (u64 i = 0; i < n && block_page_find(cache, index + i) == NULL; i++) {
		struct block_page *page = make_room(1) ? add_page(cache, index + i) : NULL;

		if (page == NULL)
			break;
		if (!block_io_add(io, page)) {
			block_page_free(page);
			break;
		}
		page->busy = true;
	}
	count = io->count;
	cache->reading += count;
	if (count > 0)
		block_io_submit(io);
	else
		block_io_free(io);
	return count;
}

u64 block_cache_fetch(struct block_cache *cache, u64 index, u64 n)
{
	u64 at = index,
	    end = index >= cache->npages ? index : index + MIN(n, cache->npages - index);

	while (at < end) {
		u64 done = 1;

		if (block_page_find(cache, at) == NULL)
			done = read_run(cache, at, end - at);
		if (done == 0)
			break;
		at += done;
	}
	blk_kick(cache->disk);
	return at - index;
}

/* The page, with a reference, if need be with a read of it under way. */
static int get_page(struct block_cache *cache, u64 index, struct block_page **found)
{
	struct block_page *page;

	if (index >= cache->npages)
		return -ENXIO;
	while ((page = block_page_find(cache, index)) == NULL) {
		if (block_cache_fetch(cache, index, 1) == 0 && !wait_for_room())
			return -ENOMEM;
	}
	page->refs++;
	page->used = true;
	*found = page;
	return 0;
}

static void wait_for_page(struct block_page *page)
{
	while (page->busy)
		blk_wait(page->cache->disk, 1);
}

int block_page_read(struct block_cache *cache, u64 index, struct block_page **found)
{
	struct block_page *page;
	int error = get_page(cache, index, &page);

	if (error < 0)
		return error;
	while (!page->valid && page->busy)
		blk_wait(cache->disk, 1);
	if (!page->valid) { /* read in vain, or never filled: once more */
		block_page_put(page);
		return -EIO;
	}
	*found = page;
	return 0;
}

int block_page_new(struct block_cache *cache, u64 index, struct block_page **found)
{
	struct block_page *page;

	if (index >= cache->npages)
		return -ENXIO;
	while ((page = block_page_find(cache, index)) == NULL) {
		if (make_room(1) && add_page(cache, index) != NULL)
			continue;
		if (!wait_for_room())
			return -ENOMEM;
	}
	page->refs++;
	page->used = true;
	if (!page->valid)
		wait_for_page(page); /* or the read would overwrite what comes */
	*found = page;
	return 0;
}

void block_page_put(struct block_page *page)
{
	BUG_ON(page->refs == 0);
	page->refs--;
	if (page->refs == 0 && !page->valid && !page->busy)
		block_page_free(page);
}

void block_cache_drop(struct block_cache *cache, u64 first, u64 last)
{
	u64 index = first;

	while ((index = page_tree_next(&cache->tree, index, true)) <= last &&
	       index < cache->npages) {
		struct block_page *page = block_page_find(cache, index);

		index++;
		if (page->refs > 0)
			continue;
		page->refs++;
		wait_for_page(page);
		if (--page->refs == 0)
			block_page_free(page);
	}
}

/* ---- the caches */

static struct block_cache *caches[BLK_DISKS]; /* by number of the disk */

struct block_cache *block_cache_of(struct blk_disk *disk)
{
	struct block_cache *cache = caches[disk->number];
	const u64 per_page = PAGE_SIZE / BLK_SECTOR;

	if (cache != NULL)
		return cache;
	cache = kalloc(sizeof(*cache));
	if (cache == NULL)
		return NULL;
	cache->disk = disk;
	cache->npages = (disk->sectors + per_page - 1) / per_page;
	list_init(&cache->dirty);
	block_write_init(cache);
	caches[disk->number] = cache;
	return cache;
}
