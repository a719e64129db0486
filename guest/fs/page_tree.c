/*
 * A radix tree of 64-way nodes over page indexes. A file of one page has no
 * node at all; one of 1 GiB has 4,161 nodes of 512 bytes. The tree grows at
 * the root, so small files stay shallow and an offset of 2^62 works.
 */
#include "page_tree.h"
#include "../libos/frames.h"
#include "../libos/heap.h"

#define BITS       6
#define FANOUT     (1u << BITS)
#define MAX_HEIGHT 9 /* 2^54 pages; file sizes end at 2^51 */

struct node {
	u64 slot[FANOUT]; /* frames in nodes of height 1, nodes above */
};

static struct node *node_at(u64 word)
{
	return (struct node *)(uintptr_t)word;
}

static u64 span(unsigned height) /* pages under a tree of this height */
{
	return (u64)1 << (BITS * height);
}

static unsigned slot_of(u64 index, unsigned height)
{
	return index >> (BITS * (height - 1)) & (FANOUT - 1);
}

paddr_t page_tree_get(const struct page_tree *tree, u64 index)
{
	u64 word = tree->root;

	if (index >= span(tree->height))
		return 0;
	for (unsigned h = tree->height; h > 0 && word != 0; h--)
		word = node_at(word)->slot[slot_of(index, h)];
	return word;
}

/* An empty tree may be of any height. */
static int grow(struct page_tree *tree, u64 index)
{
	while (index >= span(tree->height)) {
		BUG_ON(tree->height == MAX_HEIGHT);
		if (tree->root != 0) {
			struct node *node = kalloc(sizeof(*node));

			if (node == NULL)
				return -ENOMEM;
			node->slot[0] = tree->root;
			tree->root = (uintptr_t)node;
		}
		tree->height++;
	}
	return 0;
}

int page_tree_set(struct page_tree *tree, u64 index, paddr_t pa)
{
	u64 *word = &tree->root;

	if (grow(tree, index) < 0)
		return -ENOMEM;
	for (unsigned h = tree->height; h > 0; h--) {
		if (*word == 0) {
			*word = (uintptr_t)kalloc(sizeof(struct node));
			if (*word == 0)
				return -ENOMEM; /* empty nodes above do no harm */
		}
		word = &node_at(*word)->slot[slot_of(index, h)];
	}
	BUG_ON(*word != 0);
	*word = pa;
	tree->frames++;
	return 0;
}

void page_tree_replace(struct page_tree *tree, u64 index, u64 word)
{
	u64 *at = &tree->root;

	for (unsigned h = tree->height; h > 0; h--)
		at = &node_at(*at)->slot[slot_of(index, h)];
	*at = word;
}

u64 page_tree_next(const struct page_tree *tree, u64 index, bool present)
{
	while (index < span(tree->height)) {
		u64 word = tree->root;
		unsigned h = tree->height;

		while (h > 0 && word != 0) {
			word = node_at(word)->slot[slot_of(index, h)];
			h--;
		}
		if ((word != 0) == present)
			return index;
		/* nothing below this slot, or one frame: skip it whole */
		index = ALIGN_DOWN(index, span(h)) + span(h);
	}
	return present ? UINT64_MAX : index;
}

/* Takes what lies in first..last under *word, whose first page is base, out of
 * the tree, and frees the frames. */
static void prune(struct page_tree *tree, u64 *word, unsigned height, u64 base, u64 first, u64 last,
		  bool free)
{
	struct node *node = node_at(*word);
	bool empty = true;

	if (*word == 0 || base > last || base + span(height) - 1 < first)
		return;
	if (height == 0) {
		if (free)
			frames_free(*word, 0);
		tree->frames--;
		*word = 0;
		return;
	}
	for (unsigned i = 0; i < FANOUT; i++) {
		prune(tree, &node->slot[i], height - 1, base + i * span(height - 1), first, last,
		      free);
		empty = empty && node->slot[i] == 0;
	}
	if (empty) {
		kfree(node);
		*word = 0;
	}
}

void page_tree_remove(struct page_tree *tree, u64 first, u64 last)
{
	if (first > last)
		return;
	prune(tree, &tree->root, tree->height, 0, first, last, true);
	if (tree->root == 0)
		tree->height = 0;
}

void page_tree_take(struct page_tree *tree, u64 index)
{
	prune(tree, &tree->root, tree->height, 0, index, index, false);
	if (tree->root == 0)
		tree->height = 0;
}
