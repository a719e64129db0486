/*
 * ioctls of block devices: <linux/fs.h>, <linux/hdreg.h>.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#undef BLOCK_SIZE /* of <linux/fs.h>, not ours */
#include "blockdev.h"
#include "../libos/heap.h"
#include "../libos/process.h"

#define PUT(type, value) put_user((type *)arg, (type)(value))

/* ---- ranges */

static void range_done(struct blk_request *req, int error)
{
	(void)req;
	(void)error; /* blk_do() says it */
}

static int do_range(struct blk_disk *disk, enum blk_type type, u64 sector, u64 end, u32 most)
{
	struct blk_request *req = kalloc(sizeof(*req));
	int error = req != NULL ? 0 : -ENOMEM;

	while (error == 0 && sector < end) {
		blk_prepare(req, type, sector, range_done);
		req->sectors = MIN(end - sector, (u64)most);
		error = blk_do(disk, req);
		sector += req->sectors;
	}
	kfree(req);
	return error;
}

/* Where the device has no request for it. */
static int write_zeroes(struct block_cache *cache, u64 start, u64 end)
{
	while (start < end) {
		u64 offset = start % PAGE_SIZE, n = MIN(end - start, PAGE_SIZE - offset);
		struct block_page *page;
		int error = n == PAGE_SIZE ? block_page_new(cache, start / PAGE_SIZE, &page) :
					     block_page_read(cache, start / PAGE_SIZE, &page);

		if (error < 0)
			return error;
		memset((u8 *)block_page_data(page) + offset, 0, n);
		block_page_dirty(page);
		block_page_put(page);
		start += n;
	}
	return 0;
}

static long change_range(struct file *file, enum blk_type type, const u64 *user)
{
	struct blockdev *dev = blockdev_of(file);
	struct block_cache *cache = dev->cache;
	struct blk_disk *disk = cache->disk;
	u32 most = type == BLK_DISCARD ? disk->max_discard : disk->max_zeroes;
	u64 range[2], end;
	int error;

	if (!file_writable(file))
		return -EBADF;
	if (disk->read_only)
		return -EPERM;
	if (type == BLK_DISCARD && most == 0)
		return -EOPNOTSUPP;
	if (copy_from_user(range, user, sizeof(range)) < 0)
		return -EFAULT;
	if ((range[0] | range[1]) % disk->logical || range[1] == 0 ||
	    __builtin_add_overflow(range[0], range[1], &end) || end > blockdev_size(dev))
		return -EINVAL;
	block_cache_write(cache, range[0] / PAGE_SIZE, (end - 1) / PAGE_SIZE);
	error = -EOPNOTSUPP;
	if (most > 0) {
		block_cache_drop(cache, range[0] / PAGE_SIZE, (end - 1) / PAGE_SIZE);
		error = do_range(disk, type, range[0] / BLK_SECTOR, end / BLK_SECTOR, most);
	}
	if (error == -EOPNOTSUPP && type == BLK_ZEROES)
		error = write_zeroes(cache, range[0], end);
	return error;
}

/* ---- the others */

static long flush_buffers(struct blockdev *dev)
{
	int error;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	error = block_cache_sync(dev->cache, 0, UINT64_MAX);
	block_cache_drop(dev->cache, 0, UINT64_MAX);
	return error;
}

/* What Linux's virtio-blk says of a disk that has no geometry. */
static long geometry(const struct blk_disk *disk, void *user)
{
	struct hd_geometry geo = { .heads = 64, .sectors = 32, .cylinders = disk->sectors >> 11 };

	return copy_to_user(user, &geo, sizeof(geo));
}

long blockdev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct blockdev *dev = blockdev_of(file);
	const struct blk_disk *disk = dev->cache->disk;

	switch (cmd) {
	case BLKGETSIZE64:
		return PUT(u64, blockdev_size(dev));
	case BLKGETSIZE:
		return PUT(unsigned long, disk->sectors);
	case BLKSSZGET:
		return PUT(int, disk->logical);
	case BLKPBSZGET:
	case BLKIOMIN:
		return PUT(unsigned int, disk->physical);
	case BLKBSZGET:
		return PUT(int, PAGE_SIZE);
	case BLKIOOPT:
	case BLKALIGNOFF:
	case BLKDISCARDZEROES:
		return PUT(unsigned int, 0);
	case BLKROGET:
		return PUT(int, disk->read_only);
	case BLKRAGET:
	case BLKFRAGET:
		return PUT(long, BLOCK_IO_PAGES *(PAGE_SIZE / BLK_SECTOR));
	case BLKSECTGET:
		return PUT(unsigned short, BLK_SEGMENTS *(PAGE_SIZE / BLK_SECTOR));
	case BLKROTATIONAL:
		return PUT(unsigned short, 0);
	case BLKFLSBUF:
		return flush_buffers(dev);
	case BLKDISCARD:
	case BLKZEROOUT:
		return change_range(file, cmd == BLKDISCARD ? BLK_DISCARD : BLK_ZEROES,
				    (const u64 *)arg);
	case HDIO_GETGEO:
		return geometry(disk, (void *)arg);
	default:
		return -ENOTTY;
	}
}
