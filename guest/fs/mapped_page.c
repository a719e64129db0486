/* See mapped_page.h. */
#include "mapped_page.h"
#include "../libos/heap.h"

#define LEAST 32 /* two windows: a fault must not take away what it has brought */

static struct list pages = { &pages, &pages }; /* the oldest first */
static u64 npages;

static void leaves(struct block_page *block);

/* ---- who has which block: a tree for each cache */

static struct mapped_part *parts_of(const struct block_page *block)
{
	return (struct mapped_part *)(uintptr_t)page_tree_get(&block->cache->mapped, block->index);
}

static int link_part(struct mapped_part *part)
{
	struct block_page *block = part->block;
	struct page_tree *tree = &block->cache->mapped;

	part->next = parts_of(block);
	if (part->next != NULL)
		page_tree_replace(tree, block->index, (uintptr_t)part);
	else if (page_tree_set(tree, block->index, (uintptr_t)part) < 0)
		return -ENOMEM;
	block->mapped = true;
	return 0;
}

static void unlink_part(struct mapped_part *part)
{
	struct block_page *block = part->block;
	struct page_tree *tree = &block->cache->mapped;
	struct mapped_part *first = parts_of(block), **at = &first;

	while (*at != NULL && *at != part)
		at = &(*at)->next;
	if (first == NULL) /* there was no memory for it, but perhaps for a part of the way */
		page_tree_remove(tree, block->index, block->index);
	if (*at == NULL)
		return;
	*at = part->next;
	block->mapped = first != NULL;
	if (first != NULL)
		page_tree_replace(tree, block->index, (uintptr_t)first);
	else
		page_tree_take(tree, block->index);
}

/* Its blocks are to tell when they are written. */
static int link_parts(struct mapped_page *page)
{
	if (page->linked)
		return 0;
	page->linked = true;
	block_page_leaves = leaves;
	for (unsigned i = 0; i < page->nparts; i++)
		if (page->part[i].block != NULL && link_part(&page->part[i]) < 0)
			return -ENOMEM;
	return 0;
}

static void unlink_parts(struct mapped_page *page)
{
	for (unsigned i = 0; i < page->nparts && page->linked; i++)
		if (page->part[i].block != NULL)
			unlink_part(&page->part[i]);
	page->linked = false;
}

/* ---- settling */

static u32 part_size(const struct mapped_page *page)
{
	return PAGE_SIZE / page->nparts;
}

static u8 *part_bytes(const struct mapped_part *part)
{
	return (u8 *)block_page_data(part->block) + part->offset;
}

void mapped_page_settle(struct mapped_page *page)
{
	u64 end = page->inode->size - MIN(page->inode->size, page->index * PAGE_SIZE);

	if (!page->writable)
		return;
	if (end < PAGE_SIZE) /* what lies behind the end of the file is nobody's */
		memset(phys_to_virt(page->pa + end), 0, PAGE_SIZE - end);
	for (unsigned i = 0; i < page->nparts && page->own; i++)
		if (page->part[i].block != NULL)
			memcpy(part_bytes(&page->part[i]),
			       phys_to_virt(page->pa + i * part_size(page)), part_size(page));
}

static void leaves(struct block_page *block)
{
	for (struct mapped_part *part = parts_of(block); part != NULL; part = part->next) {
		struct mapped_page *page = part->page;

		if (!page->writable)
			continue;
		space_protect_file(page->inode, page->index);
		mapped_page_settle(page);
		page->writable = false;
	}
}

/* ---- the beginning and the end of one */

static void free_page(struct mapped_page *page)
{
	unlink_parts(page);
	for (unsigned i = 0; i < page->nparts; i++)
		if (page->part[i].block != NULL)
			block_page_put(page->part[i].block);
	if (page->own)
		frames_free(page->pa, 0);
	kfree(page);
}

static void release(struct mapped_page *page)
{
	inode_unmap(page->inode, page->index, page->index, false);
	mapped_page_settle(page);
	page_tree_take(page->tree, page->index);
	list_del(&page->order);
	npages--;
	free_page(page);
}

void mapped_pages_release(struct page_tree *tree, u64 first, u64 last)
{
	for (u64 i = first; (i = page_tree_next(tree, i, true)) <= last && i != UINT64_MAX; i++)
		release(mapped_page_find(tree, i));
	page_tree_remove(tree, first, last); /* the way to where there was no memory for one */
}

/* Pages that are mapped cannot be given back when memory runs out: an eighth of it. */
static void make_room(void)
{
	u64 most = MAX(block_cache_limit() / 2, (u64)LEAST);

	if (npages < most)
		return;
	for (unsigned i = 0; i < MAPPED_NEAR; i++)
		release(container_of(pages.next, struct mapped_page, order));
}

static int enter(struct mapped_page *page)
{
	if (page_tree_set(page->tree, page->index, (uintptr_t)page) < 0) {
		free_page(page);
		return -ENOMEM;
	}
	list_add_tail(&pages, &page->order);
	npages++;
	return 0;
}

static struct mapped_page *new_page(struct page_tree *tree, struct inode *inode, u64 index,
				    unsigned nparts)
{
	struct mapped_page *page;

	make_room();
	page = kalloc(sizeof(*page) + nparts * sizeof(page->part[0]));
	if (page == NULL)
		return NULL;
	page->inode = inode;
	page->tree = tree;
	page->index = index;
	page->nparts = nparts;
	return page;
}

int mapped_page_add_frame(struct page_tree *tree, struct inode *inode, u64 index, paddr_t pa)
{
	struct mapped_page *page = new_page(tree, inode, index, 0);

	if (page == NULL) {
		frames_free(pa, 0);
		return -ENOMEM;
	}
	page->own = true;
	page->pa = pa;
	return enter(page);
}

/* Puts its own frame together. */
static int fill(struct mapped_page *page)
{
	page->pa = frames_alloc(0);
	page->own = page->pa != 0;
	for (unsigned i = 0; i < page->nparts && page->own; i++)
		if (page->part[i].block != NULL)
			memcpy(phys_to_virt(page->pa + i * part_size(page)),
			       part_bytes(&page->part[i]), part_size(page));
	return page->own ? 0 : -ENOMEM;
}

int mapped_page_add(struct page_tree *tree, struct inode *inode, u64 index,
		    struct mapped_part *part, unsigned nparts)
{
	struct mapped_page *page = new_page(tree, inode, index, nparts);
	int error = 0;

	for (unsigned i = 0; i < nparts; i++) {
		if (page == NULL && part[i].block != NULL)
			block_page_put(part[i].block);
		if (page == NULL)
			continue;
		page->part[i] = part[i];
		page->part[i].page = page;
	}
	if (page == NULL)
		return -ENOMEM;
	if (nparts == 1 && part->block != NULL)
		page->pa = part->block->pa;
	else
		error = fill(page);
	if (error < 0) {
		free_page(page);
		return error;
	}
	return enter(page);
}

/* ---- writing */

/* The blocks, with references, as all may change while one is made dirty. */
static unsigned take_blocks(const struct mapped_page *page, struct block_page *block[MAPPED_PARTS])
{
	unsigned n = 0;

	for (unsigned i = 0; i < page->nparts; i++) {
		if (page->part[i].block == NULL)
			continue;
		block[n] = page->part[i].block;
		block[n++]->refs++;
	}
	return n;
}

static bool all_dirty(const struct mapped_page *page)
{
	for (unsigned i = 0; i < page->nparts; i++)
		if (page->part[i].block != NULL && !page->part[i].block->is_dirty)
			return false;
	return page->linked;
}

int mapped_page_allow_write(struct page_tree *tree, u64 index)
{
	struct mapped_page *page = mapped_page_find(tree, index);
	struct block_page *block[MAPPED_PARTS];
	unsigned n;

	if (page == NULL)
		return -EAGAIN;
	if (link_parts(page) < 0) {
		unlink_parts(page);
		return -ENOMEM;
	}
	n = take_blocks(page, block);
	for (unsigned i = 0; i < n; i++) {
		block_page_dirty(block[i]);
		block_page_put(block[i]);
	}
	page = mapped_page_find(tree, index);
	if (page == NULL || !all_dirty(page))
		return -EAGAIN;
	page->writable = true;
	return 0;
}
