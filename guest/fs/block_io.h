/*
 * Inside of the block cache: what block_cache.c and block_write.c share.
 */
#ifndef FS_BLOCK_IO_H
#define FS_BLOCK_IO_H

#include "block_cache.h"

/* A read or a write of consecutive pages. */
struct block_io {
	struct blk_request req;
	struct block_cache *cache;
	u64 first, count; /* pages */
};

/* NULL: no memory. Given back by the request's done(). */
struct block_io *block_io_new(struct block_cache *cache, enum blk_type type, u64 first,
			      void (*done)(struct blk_request *req, int error));
/* Adds the next page; false: the request is full. */
bool block_io_add(struct block_io *io, const struct block_page *page);
void block_io_submit(struct block_io *io);
void block_io_free(struct block_io *io);

struct block_page *block_page_find(const struct block_cache *cache, u64 index);
/* Takes a page out of its cache and frees it: no references, not busy. */
void block_page_free(struct block_page *page);

/* block_write.c */
void block_write_init(struct block_cache *cache);
/* Starts writing the oldest dirty pages, about n of them; false: nothing could
 * be started. */
bool block_write_start(struct block_cache *cache, u64 n);
void block_page_clean(struct block_page *page); /* it needs no writing any more */

#endif
