/*
 * EROFS, read-only and not compressed (Linux's Documentation/filesystems/erofs.rst).
 *
 *   erofs.c        mounting, the superblock
 *   erofs_inode.c  inodes
 *   erofs_file.c   contents: reading and mapping
 *   erofs_dir.c    directories
 *   erofs_xattr.c  extended attributes
 *
 * Every number of the disk is hostile: a place is checked against the disk's end
 * when it is read from, and what a directory's block says against that block.
 */
#include <asm/statfs.h>
#include "../libos/heap.h"
#include "blockdev.h"
#include "disk_fs.h"
#include "erofs.h"

int erofs_copy(struct erofs *fs, u64 at, void *to, size_t n)
{
	u8 *bytes = to;

	if (at > fs->end || n > fs->end - at)
		return -EIO;
	while (n > 0) {
		size_t offset = at % PAGE_SIZE, part = MIN(n, PAGE_SIZE - offset);
		struct block_page *page;
		int error = block_page_read(fs->cache, at / PAGE_SIZE, &page);

		if (error < 0)
			return error == -ENXIO ? -EIO : error;
		memcpy(bytes, (u8 *)block_page_data(page) + offset, part);
		block_page_put(page);
		bytes += part;
		at += part;
		n -= part;
	}
	return 0;
}

static int stat_fs(struct super *sb, struct statfs *st)
{
	const struct erofs *fs = erofs_of(sb);

	st->f_bsize = st->f_frsize = fs->block_size;
	st->f_blocks = fs->end / fs->block_size;
	return 0;
}

/* ---- mounting */

static int refuse(const struct erofs *fs, const char *why)
{
	klog("mayfly: /dev/vd%c: erofs: %s", 'a' + fs->cache->disk->number, why);
	return -EINVAL;
}

static u32 crc32c(u32 crc, const void *data, size_t n)
{
	const u8 *bytes = data;

	while (n-- > 0) {
		crc ^= *bytes++;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* Of the rest of the superblock's block, as if it had no checksum in it. */
static int check_sum(struct erofs *fs, const struct erofs_disk_super *s)
{
	u32 size = 1u << s->block_bits;
	u32 end = size > EROFS_SUPER_AT ? size : EROFS_SUPER_AT + size;
	struct erofs_disk_super part = *s;
	u32 crc;

	part.checksum = 0;
	crc = crc32c(~0u, &part, sizeof(part));
	for (u32 at = EROFS_SUPER_AT + sizeof(part); at < end; at += sizeof(part)) {
		int error = erofs_copy(fs, at, &part, sizeof(part));

		if (error < 0)
			return error;
		crc = crc32c(crc, &part, sizeof(part));
	}
	return crc == s->checksum ? 0 :
				    refuse(fs, "the superblock's checksum is wrong: the image "
					       "is damaged");
}

static int read_geometry(struct erofs *fs, const struct erofs_disk_super *s)
{
	u64 disk = fs->cache->disk->sectors * BLK_SECTOR;
	char text[80];
	int error = 0;

	if (s->block_bits < 9 || s->block_bits > 12)
		return refuse(fs, "blocks must have 512 to 4096 bytes");
	if (s->compat & EROFS_COMPAT_CHECKSUM)
		error = check_sum(fs, s);
	if (error < 0)
		return error;
	if (s->incompat & EROFS_INCOMPAT_COMPRESSED)
		return refuse(fs, "is compressed: make it by mkfs.erofs without -z");
	if (s->incompat & ~EROFS_INCOMPAT_SUPPORTED) {
		snprintf(text, sizeof(text), "has features that are not supported (incompat %x)",
			 s->incompat);
		return refuse(fs, text);
	}
	fs->block_size = 1u << s->block_bits;
	fs->end = (u64)s->blocks << s->block_bits;
	fs->meta = (u64)s->meta_block << s->block_bits;
	fs->xattrs = (u64)s->xattr_block << s->block_bits;
	fs->built.tv_sec = s->build_time;
	fs->built.tv_nsec = s->build_ns < 1000000000 ? s->build_ns : 0;
	if (fs->end > disk)
		return refuse(fs, "is larger than the disk");
	return 0;
}

static int read_super(struct erofs *fs, u64 *root)
{
	struct erofs_disk_super s;
	int error;

	fs->end = fs->cache->disk->sectors * BLK_SECTOR;
	if (fs->end < EROFS_SUPER_AT + sizeof(s))
		return -EINVAL;
	error = erofs_copy(fs, EROFS_SUPER_AT, &s, sizeof(s));
	if (error < 0)
		return error;
	error = s.magic == EROFS_MAGIC ? read_geometry(fs, &s) : -EINVAL;
	*root = s.root;
	return error;
}

static int make_root(struct erofs *fs, u64 nid)
{
	struct inode *inode;
	int error = erofs_get_inode(fs, nid, &inode);

	if (error < 0)
		return error;
	error = super_set_root(&fs->sb, inode);
	return error == -ENOTDIR ? refuse(fs, "the root is no directory") : error;
}

struct super *erofs_mount(struct block_cache *cache, bool read_only, int *error)
{
	struct erofs *fs = kalloc(sizeof(*fs));
	u64 root;

	(void)read_only;
	*error = -ENOMEM;
	if (fs == NULL)
		return NULL;
	fs->cache = cache;
	fs->sb.type = "erofs";
	fs->sb.magic = EROFS_MAGIC;
	fs->sb.dev = BLOCKDEV_RDEV(cache->disk->number);
	fs->sb.read_only = true;
	fs->sb.statfs = stat_fs;
	fs->sb.evict = erofs_evict;
	*error = read_super(fs, &root);
	if (*error == 0)
		*error = make_root(fs, root);
	if (*error == 0)
		return &fs->sb;
	kfree(fs);
	return NULL;
}

void erofs_unmount(struct super *sb)
{
	dentry_put(sb->root);
	kfree(erofs_of(sb));
}
