/*
 * Block devices: buffered reads and writes through the page cache of the disk.
 *
 * Read-ahead is by open file: a read that goes on where the last one ended asks
 * for a window of pages, which doubles from 128 KiB to 1 MiB; the next window
 * is asked for when half of it is left, so that the disk works while the
 * program does. A read elsewhere asks for just its pages, all at once.
 *
 * As in Linux, a write beyond the end fails with ENOSPC, one to a read-only
 * disk with EPERM, and an error of writing back comes out of fsync, once for
 * each open file.
 */
#include "blockdev.h"
#include "../libos/heap.h"

#define WINDOW_FIRST 32
#define WINDOW_MAX   256

/* ---- reading */

static void read_ahead(struct blockdev *dev, u64 index, u64 want)
{
	if (index >= dev->start && index < dev->ahead) {
		if (dev->window == 0 || dev->ahead - index > dev->window / 2 ||
		    dev->ahead >= dev->cache->npages)
			return;
		dev->window = MIN(dev->window * 2, (u64)WINDOW_MAX);
		dev->ahead += block_cache_fetch(dev->cache, dev->ahead, dev->window);
		return;
	}
	if (index == dev->next)
		dev->window = MIN(MAX(dev->window * 2, (u64)WINDOW_FIRST), (u64)WINDOW_MAX);
	else
		dev->window = 0;
	dev->start = index;
	dev->ahead = index + block_cache_fetch(dev->cache, index,
					       MAX(MIN(want, (u64)WINDOW_MAX), dev->window));
}

static long read_page(struct blockdev *dev, struct uio *uio, u64 pos)
{
	u64 index = pos / PAGE_SIZE, offset = pos % PAGE_SIZE;
	struct block_page *page;
	long moved;
	int error;

	read_ahead(dev, index, (offset + uio->resid + PAGE_SIZE - 1) / PAGE_SIZE);
	error = block_page_read(dev->cache, index, &page);
	if (error < 0)
		return error;
	dev->next = index + 1;
	moved = uio_to(uio, (u8 *)block_page_data(page) + offset, PAGE_SIZE - offset);
	block_page_put(page);
	return moved;
}

static long blockdev_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct blockdev *dev = blockdev_of(file);
	u64 size = blockdev_size(dev);
	long done = 0, moved = 0;

	if (*pos >= size)
		return 0;
	uio->resid = MIN(uio->resid, size - *pos);
	if (file->flags & O_DIRECT)
		return blockdev_direct(file, uio, pos, BLK_READ);
	while (uio->resid > 0) {
		size_t want = MIN(uio->resid, PAGE_SIZE - *pos % PAGE_SIZE);

		moved = read_page(dev, uio, *pos);
		if (moved < 0)
			break;
		*pos += moved;
		done += moved;
		if ((size_t)moved < want)
			break;
	}
	return done > 0 ? done : moved;
}

/* ---- writing */

static long write_page(struct blockdev *dev, struct uio *uio, u64 pos)
{
	u64 index = pos / PAGE_SIZE, offset = pos % PAGE_SIZE;
	size_t n = MIN(uio->resid, PAGE_SIZE - offset);
	bool whole = n == PAGE_SIZE || (offset == 0 && pos + n == blockdev_size(dev));
	struct block_page *page;
	long moved;
	int error;

	error = whole ? block_page_new(dev->cache, index, &page) :
			block_page_read(dev->cache, index, &page);
	if (error < 0)
		return error;
	moved = uio_from(uio, (u8 *)block_page_data(page) + offset, n);
	if (moved > 0 && (page->valid || (size_t)moved == n))
		block_page_dirty(page);
	else if (moved > 0) /* a fault, and the rest of the page means nothing */
		moved = -EFAULT;
	block_page_put(page);
	return moved;
}

int blockdev_write_error(struct blockdev *dev)
{
	if (dev->errors == dev->cache->errors)
		return 0;
	dev->errors = dev->cache->errors;
	return dev->cache->error;
}

static long make_stable(struct blockdev *dev, u64 from, u64 end)
{
	int error = block_cache_sync(dev->cache, from / PAGE_SIZE, (end - 1) / PAGE_SIZE);
	int earlier = blockdev_write_error(dev);

	return earlier != 0 ? earlier : error;
}

static long write_pages(struct blockdev *dev, struct uio *uio, u64 *pos)
{
	long done = 0, moved = 0;

	while (uio->resid > 0) {
		size_t want = MIN(uio->resid, PAGE_SIZE - *pos % PAGE_SIZE);

		moved = write_page(dev, uio, *pos);
		if (moved < 0)
			break;
		*pos += moved;
		done += moved;
		if ((size_t)moved < want)
			break;
	}
	return done > 0 ? done : moved;
}

static long blockdev_write(struct file *file, struct uio *uio, u64 *pos)
{
	struct blockdev *dev = blockdev_of(file);
	u64 size = blockdev_size(dev), start = *pos;
	long done, error;

	if (dev->cache->disk->read_only)
		return -EPERM;
	if (uio->resid == 0)
		return 0;
	if (start >= size)
		return -ENOSPC;
	uio->resid = MIN(uio->resid, size - start);
	if (file->flags & O_DIRECT)
		return blockdev_direct(file, uio, pos, BLK_WRITE);
	done = write_pages(dev, uio, pos);
	if (done <= 0)
		return done;
	inode_stamp(file->inode, true);
	error = file->flags & O_DSYNC ? make_stable(dev, start, *pos) : 0;
	return error < 0 ? error : done;
}

static long blockdev_fsync(struct file *file)
{
	return make_stable(blockdev_of(file), 0, blockdev_size(blockdev_of(file)));
}

/* ---- the rest */

static i64 blockdev_lseek(struct file *file, i64 offset, int whence)
{
	i64 size = blockdev_size(blockdev_of(file)), base;

	switch (whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		base = file->pos;
		break;
	case SEEK_END:
		base = size;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, offset, &base) || base < 0 || base > size)
		return -EINVAL;
	return file->pos = base;
}

static void blockdev_release(struct file *file)
{
	kfree(file->priv);
}

const struct file_ops blockdev_ops = {
	.read = blockdev_read,
	.write = blockdev_write,
	.lseek = blockdev_lseek,
	.ioctl = blockdev_ioctl,
	.fsync = blockdev_fsync,
	.release = blockdev_release,
};

int blockdev_open(struct inode *inode, struct file *file)
{
	struct blk_disk *disk;
	struct blockdev *dev;
	int error;

	if (DEV_MAJOR(inode->rdev) != BLOCKDEV_MAJOR || DEV_MINOR(inode->rdev) % 16 != 0)
		return -ENXIO;
	disk = blk_disk(DEV_MINOR(inode->rdev) / 16, &error);
	if (disk == NULL)
		return error;
	dev = kalloc(sizeof(*dev));
	if (dev == NULL)
		return -ENOMEM;
	dev->cache = block_cache_of(disk);
	if (dev->cache == NULL) {
		kfree(dev);
		return -ENOMEM;
	}
	dev->errors = dev->cache->errors;
	file->ops = &blockdev_ops;
	file->priv = dev;
	return 0;
}
