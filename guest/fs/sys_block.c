/*
 * /sys/block, and what leads there: disks as lsblk(8) reads them. A disk is asked
 * when its directory is first looked into.
 */
#include "blockdev.h"
#include "sys.h"

static void put_number(struct dentry *dir, const char *path, u64 n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu\n", n);
	sys_put_file(dir, path, text);
}

static void put_queue(struct dentry *dir, const struct blk_disk *disk)
{
	u64 discard = (u64)disk->max_discard * BLK_SECTOR;

	put_number(dir, "queue/logical_block_size", disk->logical);
	put_number(dir, "queue/hw_sector_size", disk->logical);
	put_number(dir, "queue/physical_block_size", disk->physical);
	put_number(dir, "queue/minimum_io_size", disk->physical);
	put_number(dir, "queue/optimal_io_size", 0);
	put_number(dir, "queue/rotational", 1); /* Linux does not know of a virtio disk either */
	put_number(dir, "queue/discard_granularity", discard != 0 ? disk->logical : 0);
	put_number(dir, "queue/discard_max_bytes", discard);
	put_number(dir, "queue/discard_zeroes_data", 0);
	put_number(dir, "queue/write_same_max_bytes", 0);
	sys_put_file(dir, "queue/scheduler", "[none]\n");
	sys_put_file(dir, "queue/write_cache",
		     disk->can_flush ? "write back\n" : "write through\n");
	sys_put_file(dir, "queue/zoned", "none\n");
}

/* block/vdX */
static bool fill_disk(struct dentry *dir, const char *name)
{
	unsigned n = dir->name[2] - 'a';
	const struct blk_disk *disk;
	char text[80];
	int error;

	(void)name;
	disk = blk_disk(n, &error);
	put_number(dir, "size", disk != NULL ? disk->sectors : 0);
	put_number(dir, "ro", disk != NULL && disk->read_only);
	snprintf(text, sizeof(text), "%u:%u\n", BLOCKDEV_MAJOR, DEV_MINOR(BLOCKDEV_RDEV(n)));
	sys_put_file(dir, "dev", text);
	snprintf(text, sizeof(text), "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=disk\n",
		 BLOCKDEV_MAJOR, DEV_MINOR(BLOCKDEV_RDEV(n)), dir->name);
	sys_put_file(dir, "uevent", text);
	put_number(dir, "removable", 0);
	put_number(dir, "hidden", 0);
	put_number(dir, "range", 16);
	put_number(dir, "ext_range", 256);
	put_number(dir, "alignment_offset", 0);
	put_number(dir, "discard_alignment", 0);
	tmpfs_make(dir, "holders", S_IFDIR | 0755, 0);
	tmpfs_make(dir, "slaves", S_IFDIR | 0755, 0);
	if (disk != NULL)
		put_queue(dir, disk);
	return true;
}

void sys_put_block(struct dentry *sys)
{
	char path[32], target[32];

	sys_put_dir(sys, "block", NULL);
	sys_put_dir(sys, "class/block", NULL);
	sys_put_dir(sys, "dev/block", NULL);
	for (unsigned n = 0; n < blk_count(); n++) {
		snprintf(path, sizeof(path), "block/vd%c", 'a' + n);
		sys_put_dir(sys, path, fill_disk);
		snprintf(target, sizeof(target), "../../%s", path);
		snprintf(path, sizeof(path), "class/block/vd%c", 'a' + n);
		sys_put_link(sys, path, target);
		snprintf(path, sizeof(path), "dev/block/%u:%u", BLOCKDEV_MAJOR,
			 DEV_MINOR(BLOCKDEV_RDEV(n)));
		sys_put_link(sys, path, target);
	}
}
