/*
 * ext2: its blocks, which are pages of the disk's cache or parts of them, and
 * the lock.
 */
#include "ext2.h"

void ext2_lock(struct ext2 *fs)
{
	while (fs->locked)
		wait_uninterruptible(&fs->unlocked);
	fs->locked = true;
}

void ext2_unlock(struct ext2 *fs)
{
	if (fs->ndead >= EXT2_REAP_AFTER)
		ext2_reap(fs, false);
	fs->locked = false;
	wake_all(&fs->unlocked);
}

static void place(const struct ext2 *fs, u32 block, u64 *index, u32 *offset)
{
	u64 at = (u64)block * fs->block_size;

	*index = at / PAGE_SIZE;
	*offset = at % PAGE_SIZE;
}

int ext2_read(struct ext2 *fs, u32 block, struct ext2_buf *buf)
{
	u32 offset;
	u64 index;
	int error;

	if (!ext2_block_ok(fs, block)) {
		fs->damaged = true;
		return -EIO;
	}
	place(fs, block, &index, &offset);
	error = block_page_read(fs->cache, index, &buf->page);
	if (error == 0)
		buf->data = (u8 *)block_page_data(buf->page) + offset;
	return error == -ENXIO ? -EIO : error;
}

int ext2_overwrite(struct ext2 *fs, u32 block, struct ext2_buf *buf)
{
	int error;

	if (fs->block_size < PAGE_SIZE || !ext2_block_ok(fs, block))
		return ext2_read(fs, block, buf);
	error = block_page_new(fs->cache, block, &buf->page);
	if (error == 0)
		buf->data = block_page_data(buf->page);
	return error == -ENXIO ? -EIO : error;
}

int ext2_zeroed(struct ext2 *fs, u32 block, struct ext2_buf *buf)
{
	int error = ext2_overwrite(fs, block, buf);

	if (error < 0)
		return error;
	memset(buf->data, 0, fs->block_size);
	ext2_dirty(buf);
	return 0;
}

void ext2_dirty(struct ext2_buf *buf)
{
	block_page_dirty(buf->page);
}

void ext2_put(struct ext2_buf *buf)
{
	block_page_put(buf->page);
	buf->page = NULL;
}

void ext2_write_now(struct ext2 *fs, const struct ext2_buf *buf)
{
	block_cache_write(fs->cache, buf->page->index, buf->page->index);
}
