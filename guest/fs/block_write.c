/*
 * The page cache of disks: writing back.
 *
 * Dirty pages stand in a list, the oldest first. Writing takes the oldest one
 * with its dirty neighbours, so that what was written in pieces leaves as a
 * whole. It begins when
 *
 *   - a tenth of what the caches may hold is dirty: in the background;
 *   - half of it is: whoever makes more dirty waits;
 *   - the oldest has been dirty for 5 s (one timer, armed only then);
 *   - somebody asks for it: fsync, sync, the end of the VM, or reclaim.
 *
 * While a page is being written it may be changed; it is then dirty again,
 * and written again. A page that could not be written counts as clean, as in
 * Linux, or memory would fill with what nobody can get rid of; the error is
 * kept for fsync.
 */
#include "block_io.h"

void (*block_page_leaves)(struct block_page *page);

void block_page_clean(struct block_page *page)
{
	if (!page->is_dirty)
		return;
	page->is_dirty = false;
	list_del(&page->dirty);
	page->cache->ndirty--;
	if (page->cache->ndirty == 0)
		timer_cancel(&page->cache->timer);
}

static void write_done(struct blk_request *req, int error)
{
	struct block_io *io = container_of(req, struct block_io, req);
	struct block_cache *cache = io->cache;

	for (u64 i = 0; i < io->count; i++)
		block_page_find(cache, io->first + i)->busy = false;
	cache->writing -= io->count;
	if (error != 0) {
		cache->error = error;
		cache->errors++;
	} else {
		cache->bytes_written += io->count * PAGE_SIZE;
	}
	block_io_free(io);
}

static bool can_write(const struct block_page *page)
{
	return page != NULL && page->is_dirty && !page->busy;
}

/* Starts writing from page `index` on; how many pages, 0: no memory. */
static u64 write_run(struct block_cache *cache, u64 index, u64 last)
{
	struct block_io *io = block_io_new(cache, BLK_WRITE, index, write_done);
	struct block_page *page;
	u64 count;

	if (io == NULL)
		return 0;
	while (index + io->count <= last &&
	       can_write(page = block_page_find(cache, index + io->count)) &&
	       block_io_add(io, page)) {
		block_page_clean(page);
		page->busy = true;
		if (page->mapped)
			block_page_leaves(page);
	}
	count = io->count;
	cache->writing += count;
	block_io_submit(io);
	return count;
}

/* The oldest that can be written, or NULL. */
static struct block_page *oldest(struct block_cache *cache)
{
	struct list *at;

	list_for_each (at, &cache->dirty) {
		struct block_page *page = container_of(at, struct block_page, dirty);

		if (!page->busy)
			return page;
	}
	return NULL;
}

bool block_write_start(struct block_cache *cache, u64 n)
{
	struct block_page *page;
	u64 started = 0;

	while (started < n && (page = oldest(cache)) != NULL) {
		u64 index = page->index, before = 0, count;

		while (before < BLOCK_IO_PAGES / 2 && index > 0 &&
		       can_write(block_page_find(cache, index - 1))) {
			index--;
			before++;
		}
		count = write_run(cache, index, UINT64_MAX);
		if (count == 0)
			break;
		started += count;
	}
	blk_kick(cache->disk);
	return started > 0;
}

static void timer_expired(struct timer *timer)
{
	struct block_cache *cache = container_of(timer, struct block_cache, timer);

	block_write_start(cache, UINT64_MAX);
	if (cache->ndirty > 0) /* being written, or no memory */
		timer_arm(timer, now_ns() + BLOCK_NS_TO_STABLE);
}

void block_write_init(struct block_cache *cache)
{
	cache->timer.expired = timer_expired;
}

void block_page_dirty(struct block_page *page)
{
	struct block_cache *cache = page->cache;
	u64 limit = block_cache_limit();

	page->valid = true;
	if (!page->is_dirty) {
		page->is_dirty = true;
		list_add_tail(&cache->dirty, &page->dirty);
		if (cache->ndirty++ == 0)
			timer_arm(&cache->timer, now_ns() + BLOCK_NS_TO_STABLE);
	}
	if (cache->ndirty > limit / 10 && cache->writing < limit / 10)
		block_write_start(cache, BLOCK_IO_PAGES);
	while (cache->ndirty + cache->writing > limit / 2 && cache->disk->in_flight > 0) {
		blk_wait(cache->disk, 1);
		block_write_start(cache, BLOCK_IO_PAGES);
	}
}

/* ---- on demand */

/* Starts the writing of all that can be written of pages first..last. */
static void write_range(struct block_cache *cache, u64 first, u64 last)
{
	for (u64 index = first; cache->ndirty > 0; index++) {
		struct block_page *page;

		index = page_tree_next(&cache->tree, index, true);
		if (index > last || index >= cache->npages)
			break;
		while ((page = block_page_find(cache, index)) != NULL && page->is_dirty) {
			/* once more, after the write that is under way; or no memory */
			if (can_write(page) && write_run(cache, index, last) > 0)
				break;
			if (cache->disk->in_flight == 0)
				return;
			blk_wait(cache->disk, 1);
		}
	}
	blk_kick(cache->disk);
}

void block_cache_write(struct block_cache *cache, u64 first, u64 last)
{
	if (cache->ndirty > 0)
		write_range(cache, first, last);
	while (cache->writing > 0)
		blk_wait(cache->disk, 1);
}

int block_cache_sync(struct block_cache *cache, u64 first, u64 last)
{
	block_cache_write(cache, first, last);
	return blk_flush(cache->disk);
}

void block_sync_all(void)
{
	struct blk_disk *disk;

	for (unsigned i = 0; (disk = blk_disk_in_use(i)) != NULL; i++) {
		struct block_cache *cache = disk->read_only ? NULL : block_cache_of(disk);

		if (cache != NULL)
			block_cache_sync(cache, 0, UINT64_MAX);
	}
}
