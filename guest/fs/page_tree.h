/*
 * The content of a file in memory: frames by page index, with holes. Whoever
 * only uses _get, _set, _next and _take can have other words than frames in it.
 */
#ifndef FS_PAGE_TREE_H
#define FS_PAGE_TREE_H

#include "../libos/lib.h"

/* All zero is an empty tree. */
struct page_tree {
	u64 root; /* height 0: the frame of page 0; else the address of a node */
	u64 frames; /* how many the tree holds */
	unsigned height;
};

paddr_t page_tree_get(const struct page_tree *tree, u64 index); /* 0: a hole */
/* Puts a frame where there is none; the tree owns it. 0 or -ENOMEM. */
int page_tree_set(struct page_tree *tree, u64 index, paddr_t pa);
/* Another word where there is one. */
void page_tree_replace(struct page_tree *tree, u64 index, u64 word);
/* The first page >= index that has a frame (or, not `present`, has none);
 * UINT64_MAX when there is none with a frame. */
u64 page_tree_next(const struct page_tree *tree, u64 index, bool present);
/* Takes the page's frame out: the caller's from then on. */
void page_tree_take(struct page_tree *tree, u64 index);
/* Frees the frames of pages first..last. */
void page_tree_remove(struct page_tree *tree, u64 first, u64 last);

#endif
