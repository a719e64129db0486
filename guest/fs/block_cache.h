/*
 * The page cache of a disk: its contents in pages of 4 KiB, for /dev/vdX and
 * for file systems on it.
 *
 * A page is found by its index (byte offset / 4096). Whoever has one from
 * block_page_read() or block_page_new() holds a reference, and it stays until
 * that is put. Its bytes are at block_page_data(); who changes them calls
 * block_page_dirty() afterwards. Nothing here is ever undone by a signal: waits
 * end with the disk's answer.
 */
#ifndef FS_BLOCK_CACHE_H
#define FS_BLOCK_CACHE_H

#include "../drv/blk.h"
#include "../libos/frames.h"
#include "page_tree.h"

#define BLOCK_NS_TO_STABLE 5000000000ull /* written back no later than so long after */
#define BLOCK_IO_PAGES     256 /* pages of one request at most: 1 MiB */

struct block_cache {
	struct blk_disk *disk;
	u64 npages; /* of the disk; the last one may be partial */
	struct page_tree tree; /* of struct block_page *, by index */
	struct list dirty; /* pages to be written, the oldest first */
	u64 ndirty;
	u64 reading, writing; /* pages in flight */
	struct timer timer; /* armed while anything is dirty */
	int error; /* of the last write that failed */
	u32 errors; /* how many failed */
	u64 bytes_read, bytes_written; /* by the cache */
	struct page_tree mapped; /* by index: who has pages mapped; mapped_page.c's */
};

struct block_page {
	struct block_cache *cache;
	u64 index;
	paddr_t pa;
	struct list lru, dirty;
	u32 refs;
	bool valid : 1; /* holds the disk's contents, or newer ones */
	bool is_dirty : 1;
	bool busy : 1; /* being read or written */
	bool used : 1; /* since reclaim last came by */
	bool mapped : 1; /* a program may write to it: block_page_leaves() knows */
};

static inline void *block_page_data(const struct block_page *page)
{
	return phys_to_virt(page->pa);
}

/* The cache of a disk, made when first asked for; NULL: no memory. */
struct block_cache *block_cache_of(struct blk_disk *disk);

/* A page with the disk's contents, with a reference. Waits. -EIO, -ENOMEM, or
 * -ENXIO beyond the end. */
int block_page_read(struct block_cache *cache, u64 index, struct block_page **page);
/* The same for one that is about to be overwritten as a whole: nothing is read,
 * and until block_page_dirty() the contents mean nothing. */
int block_page_new(struct block_cache *cache, u64 index, struct block_page **page);
void block_page_put(struct block_page *page);
/* The page was changed, or filled: it is valid, and to be written. Starts
 * writing, or waits for it, when too much is dirty. */
void block_page_dirty(struct block_page *page);

/* Whether a page's contents can be had without waiting. */
bool block_page_is_there(const struct block_cache *cache, u64 index);

/* Called before a page that is `mapped` is written: what comes after is another
 * change. Waits for nothing. */
extern void (*block_page_leaves)(struct block_page *page);

/* Starts reading what is missing of [index, index + n), without waiting for
 * it: read-ahead. As far as memory goes; how many from the first on are there
 * or on their way. */
u64 block_cache_fetch(struct block_cache *cache, u64 index, u64 n);

/* Writes what is dirty of pages first..last and waits until nothing of them is
 * being written. On the disk's stable storage only after block_cache_sync(). */
void block_cache_write(struct block_cache *cache, u64 first, u64 last);
/* Writes pages first..last and makes all that was written stable. 0 or the
 * flush's error; errors of writing are counted in the cache: `errors`. */
int block_cache_sync(struct block_cache *cache, u64 first, u64 last);
/* Forgets pages first..last as far as nobody holds a reference; what is dirty
 * among them was written before or is not wanted any more. */
void block_cache_drop(struct block_cache *cache, u64 first, u64 last);

/* sync(2) and the end of the VM: all caches. */
void block_sync_all(void);

/* Gives back up to n frames of clean pages; how many. Called when memory runs
 * out; waits for nothing. */
u64 block_reclaim(u64 n);
u64 block_cached_frames(void); /* of all caches */
u64 block_cache_limit(void); /* how many pages all caches may have */

#endif
