/*
 * Block devices as files: /dev/vda and so on.
 */
#ifndef FS_BLOCKDEV_H
#define FS_BLOCKDEV_H

#include "block_cache.h"
#include "vfs.h"

#define BLOCKDEV_MAJOR   254 /* what Linux gives to the first of virtblk usually */
#define BLOCKDEV_RDEV(n) MKDEV(BLOCKDEV_MAJOR, (n)*16) /* minors for partitions between */

/* Gives the file its operations. -ENXIO: no such disk. */
int blockdev_open(struct inode *inode, struct file *file);
extern const struct file_ops blockdev_ops;

/* An open block device: file->priv. */
struct blockdev {
	struct block_cache *cache;
	u32 errors; /* those of the cache that were told */
	u64 next; /* page that would go on where the last read ended */
	u64 start, ahead; /* pages that were asked for: [start, ahead) */
	u64 window; /* how many to ask for at once when read in order */
};
static inline struct blockdev *blockdev_of(const struct file *file)
{
	return file->priv;
}
static inline u64 blockdev_size(const struct blockdev *dev)
{
	return dev->cache->disk->sectors * BLK_SECTOR;
}
/* The error of a write since this was last asked, or 0. */
int blockdev_write_error(struct blockdev *dev);

long blockdev_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* block_direct.c: between the disk and the program's memory. The range is on
 * the disk. */
long blockdev_direct(struct file *file, struct uio *uio, u64 *pos, enum blk_type type);

/*
 * The same without waiting: how many bytes were submitted, and done() is called
 * once when they have been transferred, or d->error says why not; or, with
 * nothing submitted, 0 or -errno. Nothing that it goes to or comes from may be
 * unmapped meanwhile.
 */
struct direct {
	void (*done)(struct direct *d); /* NULL: nothing is called */
	int error;
	/* private to block_direct.c */
	struct blk_disk *disk;
	enum blk_type type;
	unsigned pending;
};
long blockdev_direct_start(struct file *file, struct uio *uio, u64 pos, enum blk_type type,
			   struct direct *d);
/* What of uio->resid at pos is on the disk: 0 beyond its end. */
static inline size_t blockdev_clip(const struct blockdev *dev, u64 pos, size_t n)
{
	u64 size = blockdev_size(dev);

	return pos >= size ? 0 : MIN(n, size - pos);
}

#endif
