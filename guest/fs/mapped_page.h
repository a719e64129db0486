/*
 * Pages of files on disks, as programs have them mapped.
 *
 * Where a block of the file fills a page that is the page of the disk's cache:
 * one page for mappings, read() and write(). Where it does not (smaller blocks,
 * holes) it is a frame of its own, put together from the blocks; its file system
 * settles or releases it before it reads or writes those.
 *
 * A page that a program may write to has its blocks dirty in the cache. When
 * these are about to be written, the program's right to write is taken back: it
 * asks again for its next change.
 *
 * So many pages are kept at most; then the oldest are taken away from the
 * program, whose next access brings them back.
 */
#ifndef FS_MAPPED_PAGE_H
#define FS_MAPPED_PAGE_H

#include "block_cache.h"
#include "vfs.h"

#define MAPPED_PARTS 4 /* blocks of a page at most */
#define MAPPED_NEAR  16 /* pages that are brought in together: a fault's window */

/* One block of the page. */
struct mapped_part {
	struct block_page *block; /* a reference; NULL: a hole */
	u32 offset; /* in its page */
	/* private to mapped_page.c */
	struct mapped_page *page;
	struct mapped_part *next; /* of other pages with the same `block` */
};

struct mapped_page {
	struct inode *inode;
	struct page_tree *tree; /* of the inode, by index */
	u64 index;
	paddr_t pa;
	struct list order;
	bool own; /* a frame of its own */
	bool writable; /* all its blocks are dirty */
	bool linked; /* its blocks know it */
	unsigned nparts;
	struct mapped_part part[];
};

static inline struct mapped_page *mapped_page_find(const struct page_tree *tree, u64 index)
{
	return (struct mapped_page *)(uintptr_t)page_tree_get(tree, index);
}

/* Makes page `index` of blocks of the same size in a row; takes over their references,
 * whatever comes out. 0 or -ENOMEM. */
int mapped_page_add(struct page_tree *tree, struct inode *inode, u64 index,
		    struct mapped_part *part, unsigned nparts);
/* Makes it of a frame, which it takes over. */
int mapped_page_add_frame(struct page_tree *tree, struct inode *inode, u64 index, paddr_t pa);

/* The program is to write to it: its blocks become dirty. Waits: -EAGAIN when the
 * page is not there any more, or its blocks are not dirty any more. */
int mapped_page_allow_write(struct page_tree *tree, u64 index);
/* What the program has written goes to the blocks. */
void mapped_page_settle(struct mapped_page *page);
/* Takes pages first..last away from the program; they are settled. */
void mapped_pages_release(struct page_tree *tree, u64 first, u64 last);

#endif
