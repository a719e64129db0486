/*
 * ext2: pages of regular files for mappings of them, see mapped_page.h.
 *
 * A hole is mapped as a frame of zeroes, to be read; the program's first change
 * gives the page its blocks, as far as the file goes.
 */
#include "ext2.h"
#include "mapped_page.h"

#define LAST_PAGE (UINT64_MAX / PAGE_SIZE)

unsigned ext2_mapped;

static unsigned parts_of(const struct ext2 *fs)
{
	return PAGE_SIZE / fs->block_size;
}

static int get_part(struct ext2_inode *ei, u64 n, bool write, struct mapped_part *part)
{
	struct ext2 *fs = ext2_fs(ei);
	struct ext2_buf buf;
	bool fresh = false;
	u32 block;
	int error;

	part->block = NULL;
	if (n * fs->block_size >= ei->inode.size)
		return 0;
	error = ext2_map(ei, n, &block, write ? &fresh : NULL);
	if (error < 0 || block == 0)
		return error;
	error = fresh ? ext2_zeroed(fs, block, &buf) : ext2_read(fs, block, &buf);
	if (error < 0)
		return error;
	part->block = buf.page;
	part->offset = buf.data - (u8 *)block_page_data(buf.page);
	return 0;
}

static int make(struct ext2_inode *ei, u64 index, bool write)
{
	struct mapped_part part[MAPPED_PARTS];
	unsigned n = parts_of(ext2_fs(ei)), i;
	int error = 0;

	for (i = 0; i < n && error == 0; i++)
		error = get_part(ei, index * n + i, write, &part[i]);
	if (write && ext2_store(ei) < 0 && error == 0) /* also of what it took in vain */
		error = -EIO;
	if (error == 0)
		return mapped_page_add(&ei->mapped, &ei->inode, index, part, n);
	while (i-- > 0)
		if (part[i].block != NULL)
			block_page_put(part[i].block);
	return error;
}

/* Whether it could be made without waiting: no hole, and all in the cache. */
static bool is_there(struct ext2_inode *ei, u64 index)
{
	struct ext2 *fs = ext2_fs(ei);
	unsigned parts = parts_of(fs);

	for (u64 n = index * parts; n < (index + 1) * parts; n++) {
		u32 block;

		if (n * fs->block_size < ei->inode.size &&
		    (ext2_map(ei, n, &block, NULL) < 0 || block == 0 ||
		     !block_page_is_there(fs->cache, (u64)block * fs->block_size / PAGE_SIZE)))
			return false;
	}
	return true;
}

/* What the cache has around a page, for ext2_get_near(). */
static void make_near(struct ext2_inode *ei, u64 index)
{
	u64 pages = (ei->inode.size + PAGE_SIZE - 1) / PAGE_SIZE;
	u64 first = ALIGN_DOWN(index, (u64)MAPPED_NEAR), end = MIN(first + MAPPED_NEAR, pages);

	for (u64 i = first; i < end; i++)
		if (mapped_page_find(&ei->mapped, i) == NULL && is_there(ei, i) &&
		    make(ei, i, false) < 0)
			return;
}

static bool has_all_blocks(const struct ext2_inode *ei, const struct mapped_page *page)
{
	u32 size = ext2_fs(ei)->block_size;

	for (unsigned i = 0; i < page->nparts; i++)
		if (page->part[i].block == NULL &&
		    page->index * PAGE_SIZE + i * size < ei->inode.size)
			return false;
	return true;
}

static int bring(struct ext2_inode *ei, u64 index, bool write)
{
	unsigned parts = parts_of(ext2_fs(ei));
	int error;

	ext2_read_ahead(ei, index * parts, parts);
	error = make(ei, index, write);
	if (error == 0)
		make_near(ei, index);
	return error;
}

static int allow_write(struct ext2_inode *ei, const struct mapped_page *page)
{
	int error;

	if (page->writable)
		return 0;
	if (!has_all_blocks(ei, page)) {
		mapped_pages_release(&ei->mapped, page->index, page->index);
		return -EAGAIN;
	}
	inode_stamp(&ei->inode, true);
	error = ext2_store(ei);
	return error < 0 ? error : mapped_page_allow_write(&ei->mapped, page->index);
}

/* Any wait may have changed all but the lock. */
static int get_page(struct ext2_inode *ei, u64 index, bool write, paddr_t *pa)
{
	for (;;) {
		struct mapped_page *page = mapped_page_find(&ei->mapped, index);
		int error;

		if (index >= (ei->inode.size + PAGE_SIZE - 1) / PAGE_SIZE)
			return -ENXIO;
		if (page == NULL) {
			error = bring(ei, index, write);
		} else {
			error = write ? allow_write(ei, page) : 0;
			page = mapped_page_find(&ei->mapped, index);
			if (error == 0 && page != NULL) {
				*pa = page->pa;
				return 0;
			}
		}
		if (error < 0 && error != -EAGAIN)
			return error;
	}
}

int ext2_get_page(struct inode *inode, u64 index, bool write, paddr_t *pa)
{
	struct ext2 *fs = ext2_of(inode->sb);
	int error;

	ext2_lock(fs);
	error = get_page(ext2_inode(inode), index, write, pa);
	ext2_unlock(fs);
	return error;
}

paddr_t ext2_get_near(struct inode *inode, u64 index)
{
	const struct mapped_page *page = mapped_page_find(&ext2_inode(inode)->mapped, index);

	return page != NULL ? page->pa : 0;
}

void ext2_note_mapped(struct inode *inode, bool any)
{
	if (any)
		ext2_mapped++;
	else
		ext2_mapped--;
	if (!any)
		mapped_pages_release(&ext2_inode(inode)->mapped, 0, LAST_PAGE);
}

void ext2_settle_at(struct ext2_inode *ei, u64 pos, bool change)
{
	u64 index = pos / PAGE_SIZE;
	struct mapped_page *page = mapped_page_find(&ei->mapped, index);

	if (page == NULL || !page->own)
		return;
	if (change)
		mapped_pages_release(&ei->mapped, index, index);
	else
		mapped_page_settle(page);
}

void ext2_settle_end(struct ext2_inode *ei, u64 size)
{
	u64 old = ei->inode.size, keep = (size + PAGE_SIZE - 1) / PAGE_SIZE;

	mapped_pages_release(&ei->mapped, old / PAGE_SIZE, old / PAGE_SIZE);
	if (size >= old)
		return;
	inode_unmap(&ei->inode, keep, LAST_PAGE, true);
	mapped_pages_release(&ei->mapped, size / PAGE_SIZE, LAST_PAGE);
}
