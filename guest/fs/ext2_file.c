/*
 * ext2: the content of regular files.
 *
 * The bytes of the last block behind the end of the file are zero: a new block
 * is, and who shortens a file clears them. A write whose memory faults gives
 * blocks back that it took in vain.
 */
#include "ext2.h"
#include "../libos/heap.h"

#define AHEAD_BYTES (256u << 10)
#define COPIED      (64u << 10) /* bytes of a write at once, where they have to be copied */

/* ---- reading */

void ext2_read_ahead(struct ext2_inode *ei, u64 n, u64 want)
{
	u32 size = ext2_fs(ei)->block_size;
	u64 last = (ei->inode.size - 1) / size, count = MIN(want, 2ull * AHEAD_BYTES / size);

	if (n >= ei->ahead_start && n < ei->ahead_end)
		return;
	if (n == ei->ahead_end)
		count = MAX(count, (u64)AHEAD_BYTES / size);
	count = MIN(count, last - n + 1);
	if (count > 1)
		ext2_fetch(ei, n, count);
	ei->ahead_start = n;
	ei->ahead_end = n + count;
}

/* The block that has the byte at pos; no page: a hole. */
static int find_block(struct ext2_inode *ei, u64 pos, size_t want, struct ext2_buf *buf)
{
	struct ext2 *fs = ext2_fs(ei);
	u64 n = pos / fs->block_size;
	u32 block;
	int error;

	buf->page = NULL;
	ext2_read_ahead(ei, n, (pos % fs->block_size + want + fs->block_size - 1) / fs->block_size);
	error = ext2_map(ei, n, &block, NULL);
	if (error == 0 && block != 0)
		error = ext2_read(fs, block, buf);
	if (error == 0)
		ext2_settle_at(ei, pos, false);
	return error;
}

/*
 * The buffers may be mappings of files here, whose pages faults bring in: not under
 * the lock. Should the file have lost blocks while a fault waited, what came may be
 * another file's.
 */
static long read_block(struct ext2_inode *ei, struct uio *uio, u64 pos, size_t len)
{
	struct ext2 *fs = ext2_fs(ei);
	struct uio before = *uio;
	struct ext2_buf buf;
	u32 cuts = ei->cuts;
	long moved;
	int error = find_block(ei, pos, uio->resid, &buf);

	if (error < 0)
		return error;
	ext2_unlock(fs);
	if (buf.page != NULL)
		moved = uio_to(uio, buf.data + pos % fs->block_size, len);
	else
		moved = uio_zero(uio, len);
	ext2_lock(fs);
	if (buf.page != NULL)
		ext2_put(&buf);
	if (cuts == ei->cuts)
		return moved;
	*uio = before;
	return -EAGAIN;
}

static void note_access(struct file *file)
{
	struct inode *inode = file->inode;
	struct __kernel_timespec before = inode->atime;

	if (file->flags & O_NOATIME || inode->sb->read_only)
		return;
	inode_accessed(inode);
	if (before.tv_sec != inode->atime.tv_sec || before.tv_nsec != inode->atime.tv_nsec)
		ext2_store(ext2_inode(inode));
}

static long do_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct ext2_inode *ei = ext2_inode(file->inode);
	u32 size = ext2_fs(ei)->block_size;
	long done = 0, moved = 0;

	while (uio->resid > 0 && *pos < ei->inode.size) {
		size_t want = MIN(MIN(uio->resid, size - *pos % size), ei->inode.size - *pos);

		moved = read_block(ei, uio, *pos, want);
		if (moved == -EAGAIN)
			continue;
		if (moved < 0)
			break;
		*pos += moved;
		done += moved;
		if ((size_t)moved < want)
			break;
	}
	note_access(file);
	return done > 0 ? done : moved;
}

static long ext2_file_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct ext2 *fs = ext2_of(file->inode->sb);
	long r;

	ext2_lock(fs);
	r = do_read(file, uio, pos);
	ext2_unlock(fs);
	return r;
}

/* ---- writing */

static long write_block(struct ext2_inode *ei, struct uio *uio, u64 pos, size_t len)
{
	struct ext2 *fs = ext2_fs(ei);
	size_t size = fs->block_size;
	bool is_fresh = false, whole;
	struct ext2_buf buf;
	u32 block;
	long moved;
	int error;

	ext2_settle_at(ei, pos, true);
	error = ext2_map(ei, pos / size, &block, &is_fresh);

	if (error < 0)
		return error;
	whole = len == size;
	if (is_fresh && !whole)
		error = ext2_zeroed(fs, block, &buf);
	else
		error = whole ? ext2_overwrite(fs, block, &buf) : ext2_read(fs, block, &buf);
	if (error < 0)
		return error;
	moved = uio_from(uio, buf.data + pos % size, len);
	if (is_fresh && whole && moved < (long)size)
		memset(buf.data + MAX(moved, 0l), 0, size - MAX(moved, 0l));
	if (is_fresh || (moved > 0 && (buf.page->valid || moved == (long)len)))
		ext2_dirty(&buf);
	else if (moved > 0) /* a fault, and the rest of the block means nothing */
		moved = -EFAULT;
	ext2_put(&buf);
	return moved;
}

/* Files of 2 GiB and more are a feature that the superblock names. */
static int allow_size(struct ext2 *fs, u64 size)
{
	struct ext2_buf buf;
	int error;

	if (size <= INT32_MAX || fs->large)
		return 0;
	error = block_page_read(fs->cache, 0, &buf.page);
	if (error < 0)
		return error;
	buf.data = (u8 *)block_page_data(buf.page) + EXT2_SUPER_AT;
	((struct ext2_disk_super *)buf.data)->ro_compat |= EXT2_RO_COMPAT_LARGE;
	ext2_dirty(&buf);
	ext2_put(&buf);
	fs->large = true;
	return 0;
}

static long write_blocks(struct ext2_inode *ei, struct uio *uio, u64 *pos)
{
	u32 size = ext2_fs(ei)->block_size;
	long done = 0, moved = 0;

	while (uio->resid > 0) {
		size_t want = MIN(uio->resid, size - *pos % size);

		moved = write_block(ei, uio, *pos, want);
		if (moved < 0)
			break;
		*pos += moved;
		done += moved;
		ei->inode.size = MAX(ei->inode.size, *pos);
		if ((size_t)moved < want)
			break;
	}
	if (moved < 0)
		ext2_cut(ei, (ei->inode.size + size - 1) / size);
	return done > 0 ? done : moved;
}

static long do_write(struct file *file, struct uio *uio, u64 *pos)
{
	struct ext2_inode *ei = ext2_inode(file->inode);
	struct ext2 *fs = ext2_fs(ei);
	u64 max = ext2_max_size(fs);
	long done;
	int error;

	if (file->flags & O_APPEND)
		*pos = ei->inode.size;
	if (uio->resid == 0)
		return 0;
	if (*pos >= max)
		return -EFBIG;
	uio->resid = MIN(uio->resid, max - *pos);
	error = allow_size(fs, *pos + uio->resid);
	if (error < 0)
		return error;
	if (*pos + uio->resid > ei->inode.size)
		ext2_settle_end(ei, *pos + uio->resid);
	done = write_blocks(ei, uio, pos);
	if (done > 0) {
		inode_written(file->inode);
		ext2_drop_capability(ei);
	}
	error = ext2_store(ei);
	return error < 0 ? error : done;
}

static long write_locked(struct file *file, struct uio *uio, u64 *pos)
{
	struct ext2 *fs = ext2_of(file->inode->sb);
	long r;

	ext2_lock(fs);
	r = do_write(file, uio, pos);
	if (r > 0 && file->flags & O_DSYNC) {
		int error = ext2_sync(fs);

		r = error < 0 ? error : r;
	}
	ext2_unlock(fs);
	return r;
}

/* From memory that may be a mapping of a file here, whose page a fault cannot bring
 * in under the lock. */
static long write_copied(struct file *file, struct uio *uio, u64 *pos)
{
	size_t room = MIN(uio->resid, (size_t)COPIED);
	u8 *bytes = kalloc(room);
	long done = 0, r = 0;

	if (bytes == NULL)
		return -ENOMEM;
	while (uio->resid > 0) {
		long n = uio_from(uio, bytes, MIN(uio->resid, room));
		struct iovec iov = { bytes, MAX(n, 0l) };
		struct uio copy = { .iov = &iov, .niov = 1, .resid = iov.iov_len, .kernel = true };

		r = n < 0 ? n : write_locked(file, &copy, pos);
		if (r < 0)
			break;
		done += r;
		if (r < (long)room)
			break; /* the end, a fault, or the disk is full */
	}
	kfree(bytes);
	return done > 0 ? done : r;
}

static long ext2_file_write(struct file *file, struct uio *uio, u64 *pos)
{
	if (ext2_mapped > 0 && uio->resid > 0 && !uio->kernel)
		return write_copied(file, uio, pos);
	return write_locked(file, uio, pos);
}

/* ---- size */

/* Clears the last block behind the new end. */
static int clear_tail(struct ext2_inode *ei, u64 size)
{
	struct ext2 *fs = ext2_fs(ei);
	u32 offset = size % fs->block_size, block;
	struct ext2_buf buf;
	int error;

	if (offset == 0)
		return 0;
	error = ext2_map(ei, size / fs->block_size, &block, NULL);
	if (error < 0 || block == 0)
		return error;
	error = ext2_read(fs, block, &buf);
	if (error < 0)
		return error;
	memset(buf.data + offset, 0, fs->block_size - offset);
	ext2_dirty(&buf);
	ext2_put(&buf);
	return 0;
}

int ext2_resize(struct ext2_inode *ei, u64 size)
{
	struct ext2 *fs = ext2_fs(ei);
	u64 old = ei->inode.size;
	int error;

	if (size > ext2_max_size(fs))
		return -EFBIG;
	ext2_settle_end(ei, size);
	if (size > old) {
		error = allow_size(fs, size);
		if (error == 0)
			ei->inode.size = size;
		return error;
	}
	error = clear_tail(ei, size);
	if (error < 0)
		return error;
	ei->inode.size = size;
	error = ext2_cut(ei, (size + fs->block_size - 1) / fs->block_size);
	if (error < 0)
		ei->inode.size = old;
	return error;
}

/* ---- the rest */

long ext2_fsync(struct file *file)
{
	struct ext2 *fs = ext2_of(file->inode->sb);
	u32 seen = (uintptr_t)file->priv;
	int error;

	ext2_lock(fs);
	error = ext2_sync(fs);
	ext2_unlock(fs);
	if (fs->cache->errors != seen) { /* of writing back, told once to each file */
		file->priv = (void *)(uintptr_t)fs->cache->errors;
		return fs->cache->error;
	}
	return error;
}

static i64 find_data(struct ext2_inode *ei, u64 offset, bool data)
{
	u32 size = ext2_fs(ei)->block_size;

	for (u64 n = offset / size; n * size < ei->inode.size;) {
		u32 block;
		int error = ext2_map(ei, n, &block, NULL);

		if (error < 0)
			return error;
		if ((block != 0) == data)
			return MAX(offset, n * size);
		n = block != 0 ? n + 1 : ext2_hole_end(ei, n);
	}
	return data ? -ENXIO : (i64)ei->inode.size;
}

static i64 ext2_lseek(struct file *file, i64 offset, int whence)
{
	struct ext2_inode *ei = ext2_inode(file->inode);
	i64 found;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return file_lseek(file, offset, whence);
	if (offset < 0 || (u64)offset >= ei->inode.size)
		return -ENXIO;
	ext2_lock(ext2_fs(ei));
	found = find_data(ei, offset, whence == SEEK_DATA);
	ext2_unlock(ext2_fs(ei));
	if (found >= 0)
		file->pos = found;
	return found;
}

const struct file_ops ext2_file_ops = {
	.read = ext2_file_read,
	.write = ext2_file_write,
	.lseek = ext2_lseek,
	.fsync = ext2_fsync,
};
