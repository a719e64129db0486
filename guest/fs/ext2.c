/*
 * ext2, revision 1, read and write (Linux's Documentation/filesystems/ext2.rst).
 *
 *   ext2.c        mounting, the superblock
 *   ext2_block.c  blocks in the page cache of the disk
 *   ext2_alloc.c  bitmaps
 *   ext2_map.c    blocks of a file
 *   ext2_inode.c  inodes, from the first to the last moment
 *   ext2_dir.c    entries of directories
 *   ext2_name.c   operations on names and attributes
 *   ext2_xattr.c  extended attributes
 *   ext2_file.c   contents
 *
 * After a kill at any moment, e2fsck finds all that was fsynced. Contents and
 * metadata are pages of one cache, and fsync writes all of it; so what is left
 * to see to is that pages which are written later, in any order, don't harm
 * what was stable. Where they could, there is an order, each time by waiting
 * for a write: ext2_map.c (blocks of numbers), ext2_dir.c (new blocks),
 * ext2_name.c (renames), ext2_inode.c (what is freed).
 *
 * A file system that was not unmounted cleanly may have bitmaps that lie. It is
 * mounted to be read only.
 */
#include <asm/statfs.h>
#include "../libos/heap.h"
#include "blockdev.h"
#include "disk_fs.h"
#include "ext2.h"

static struct list mounted = { &mounted, &mounted };

/* ---- the superblock */

static struct ext2_disk_super *super_in(struct block_page *page)
{
	return (struct ext2_disk_super *)((u8 *)block_page_data(page) + EXT2_SUPER_AT);
}

/* Writes what changes of it; the state says whether it is in use. */
static int store_super(struct ext2 *fs, bool in_use)
{
	struct ext2_disk_super *s;
	struct block_page *page;
	int error = block_page_read(fs->cache, 0, &page);

	if (error < 0)
		return error;
	s = super_in(page);
	s->free_blocks = fs->free_blocks;
	s->free_inodes = fs->free_inodes;
	s->write_time = stamp_now().tv_sec;
	s->state = in_use ? fs->state & ~EXT2_STATE_VALID : fs->state;
	if (fs->damaged)
		s->state |= EXT2_STATE_ERRORS;
	block_page_dirty(page);
	block_page_put(page);
	return 0;
}

int ext2_note_xattrs(struct ext2 *fs)
{
	struct block_page *page;
	int error;

	if (fs->xattrs)
		return 0;
	error = block_page_read(fs->cache, 0, &page);
	if (error < 0)
		return error;
	super_in(page)->compat |= EXT2_COMPAT_XATTR;
	block_page_dirty(page);
	block_page_put(page);
	block_cache_write(fs->cache, 0, 0);
	fs->xattrs = true;
	return 0;
}

int ext2_sync(struct ext2 *fs)
{
	if (fs->sb.read_only)
		return 0;
	return block_cache_sync(fs->cache, 0, UINT64_MAX);
}

/* Has the disk say that all is well. */
static void finish(struct ext2 *fs)
{
	ext2_reap(fs, true);
	block_cache_sync(fs->cache, 0, UINT64_MAX);
	store_super(fs, false);
	block_cache_sync(fs->cache, 0, 0);
}

void ext2_sync_all(bool end)
{
	struct list *l;

	list_for_each (l, &mounted) {
		struct ext2 *fs = container_of(l, struct ext2, link);

		if (fs->sb.read_only)
			continue;
		ext2_lock(fs);
		if (end) { /* and stays locked: other threads may still run */
			finish(fs);
			continue;
		}
		ext2_reap(fs, false);
		store_super(fs, true);
		ext2_sync(fs);
		ext2_unlock(fs);
	}
}

static int stat_fs(struct super *sb, struct statfs *st)
{
	const struct ext2 *fs = ext2_of(sb);

	st->f_bsize = st->f_frsize = fs->block_size;
	st->f_blocks = fs->nblocks - fs->first_block;
	st->f_bfree = fs->free_blocks;
	st->f_bavail = fs->free_blocks - MIN(fs->free_blocks, fs->reserved);
	st->f_files = fs->ninodes;
	st->f_ffree = fs->free_inodes;
	return 0;
}

/* ---- mounting */

static int refuse(const struct ext2 *fs, const char *why)
{
	klog("mayfly: /dev/vd%c: ext2: %s", 'a' + fs->cache->disk->number, why);
	return -EINVAL;
}

static int check_features(struct ext2 *fs, const struct ext2_disk_super *s)
{
	char text[80];
	u32 unknown = s->incompat & ~EXT2_INCOMPAT_SUPPORTED;

	if (s->revision == 0)
		return 0;
	if (s->incompat & EXT2_INCOMPAT_RECOVER)
		return refuse(fs, "its journal must be replayed first: run e2fsck on the host");
	if (unknown != 0) {
		snprintf(text, sizeof(text),
			 "has features that are not supported (incompat %x): use mkfs.ext2",
			 unknown);
		return refuse(fs, text);
	}
	if (fs->sb.read_only)
		return 0;
	if ((s->ro_compat & ~EXT2_RO_COMPAT_SUPPORTED) != 0) {
		refuse(fs, "has features that only allow reading: it is mounted read-only");
		fs->sb.read_only = true;
	} else if (s->state != EXT2_STATE_VALID) {
		refuse(fs, "was not unmounted cleanly: it is mounted read-only; "
			   "run e2fsck -fy on the host");
		fs->sb.read_only = true;
	}
	return 0;
}

static bool is_power(u32 n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int read_geometry(struct ext2 *fs, const struct ext2_disk_super *s)
{
	u64 disk = fs->cache->disk->sectors * BLK_SECTOR, groups;
	u32 bits;

	if (s->log_block_size > 2)
		return refuse(fs, "blocks of more than 4 KiB are not supported");
	fs->block_size = 1024u << s->log_block_size;
	bits = fs->block_size * 8;
	fs->slots = fs->block_size / sizeof(u32);
	fs->inode_size = s->revision > 0 ? s->inode_size : EXT2_INODE_SIZE;
	fs->first_ino = s->revision > 0 ? s->first_ino : 11;
	fs->first_block = s->first_block;
	fs->nblocks = s->blocks;
	fs->ninodes = s->inodes;
	fs->blocks_per_group = s->blocks_per_group;
	fs->inodes_per_group = s->inodes_per_group;
	fs->reserved = s->reserved_blocks;
	fs->free_blocks = MIN(s->free_blocks, s->blocks);
	fs->free_inodes = MIN(s->free_inodes, s->inodes);
	fs->state = s->state;
	fs->no_features = s->revision == 0;
	fs->xattrs = s->revision > 0 && s->compat & EXT2_COMPAT_XATTR;
	fs->filetype = s->revision > 0 && s->incompat & EXT2_INCOMPAT_FILETYPE;
	fs->large = s->revision > 0 && s->ro_compat & EXT2_RO_COMPAT_LARGE;
	if (!is_power(fs->inode_size) || fs->inode_size < EXT2_INODE_SIZE ||
	    fs->inode_size > fs->block_size || fs->blocks_per_group == 0 ||
	    fs->blocks_per_group > bits || fs->inodes_per_group == 0 ||
	    fs->inodes_per_group > bits || fs->first_block != (fs->block_size == 1024) ||
	    fs->nblocks <= fs->first_block || fs->first_ino <= EXT2_ROOT_INO ||
	    fs->first_ino > fs->inodes_per_group)
		return refuse(fs, "the superblock makes no sense");
	if (fs->inodes_per_group % (fs->block_size / fs->inode_size) != 0)
		return refuse(fs, "the superblock makes no sense");
	if ((u64)fs->nblocks * fs->block_size > disk)
		return refuse(fs, "is larger than the disk");
	groups = ((u64)fs->nblocks - fs->first_block + fs->blocks_per_group - 1) /
		 fs->blocks_per_group;
	if (groups * fs->inodes_per_group != fs->ninodes || groups > 1u << 20)
		return refuse(fs, "the superblock makes no sense");
	fs->ngroups = groups;
	return 0;
}

static bool group_ok(const struct ext2 *fs, const struct ext2_disk_group *g)
{
	u32 table = fs->inodes_per_group / (fs->block_size / fs->inode_size);

	return ext2_block_ok(fs, g->block_bitmap) && ext2_block_ok(fs, g->inode_bitmap) &&
	       ext2_block_ok(fs, g->inode_table) && table <= fs->nblocks - g->inode_table;
}

static int read_groups(struct ext2 *fs)
{
	u32 per_block = fs->block_size / sizeof(struct ext2_disk_group);

	fs->group = kalloc(fs->ngroups * sizeof(struct ext2_disk_group));
	if (fs->group == NULL)
		return -ENOMEM;
	for (u32 g = 0; g < fs->ngroups; g += per_block) {
		u32 n = MIN(per_block, fs->ngroups - g);
		struct ext2_buf buf;
		int error = ext2_read(fs, fs->first_block + 1 + g / per_block, &buf);

		if (error < 0)
			return error;
		memcpy(&fs->group[g], buf.data, n * sizeof(struct ext2_disk_group));
		ext2_put(&buf);
	}
	for (u32 g = 0; g < fs->ngroups; g++)
		if (!group_ok(fs, &fs->group[g]))
			return refuse(fs, "a group descriptor makes no sense");
	return 0;
}

static int read_super(struct ext2 *fs)
{
	struct ext2_disk_super *s;
	struct block_page *page;
	int error;

	if (fs->cache->disk->sectors * BLK_SECTOR < EXT2_SUPER_AT + EXT2_SUPER_SIZE)
		return -EINVAL;
	error = block_page_read(fs->cache, 0, &page);
	if (error < 0)
		return error;
	s = super_in(page);
	error = s->magic == EXT2_MAGIC ? check_features(fs, s) : -EINVAL;
	if (error == 0)
		error = read_geometry(fs, s);
	block_page_put(page);
	return error;
}

static int make_root(struct ext2 *fs)
{
	struct inode *inode;
	int error = ext2_get_inode(fs, EXT2_ROOT_INO, &inode);

	if (error < 0)
		return error;
	error = super_set_root(&fs->sb, inode);
	return error == -ENOTDIR ? refuse(fs, "the root is no directory") : error;
}

static void count_mount(struct ext2 *fs)
{
	struct block_page *page;

	if (block_page_read(fs->cache, 0, &page) < 0)
		return;
	super_in(page)->mount_time = stamp_now().tv_sec;
	super_in(page)->mount_count++;
	block_page_put(page);
}

static int begin(struct ext2 *fs)
{
	int error = read_super(fs);

	if (error == 0)
		error = read_groups(fs);
	if (error == 0)
		error = make_root(fs);
	if (error < 0 || fs->sb.read_only)
		return error;
	count_mount(fs);
	/* the state is on the disk before anything changes */
	error = store_super(fs, true);
	if (error == 0)
		error = block_cache_sync(fs->cache, 0, 0);
	if (error < 0)
		dentry_put(fs->sb.root);
	return error;
}

struct super *ext2_mount(struct block_cache *cache, bool read_only, int *error)
{
	struct ext2 *fs = kalloc(sizeof(*fs));

	*error = -ENOMEM;
	if (fs == NULL)
		return NULL;
	fs->cache = cache;
	fs->sb.type = "ext2";
	fs->sb.magic = EXT2_MAGIC;
	fs->sb.dev = BLOCKDEV_RDEV(cache->disk->number);
	fs->sb.read_only = read_only || cache->disk->read_only;
	fs->sb.statfs = stat_fs;
	fs->sb.evict = ext2_evict;
	list_init(&fs->dead);
	waitq_init(&fs->unlocked);
	waitq_init(&fs->sb.names_unlocked);
	fs->sb.names_wait = true;
	*error = begin(fs);
	if (*error < 0) {
		kfree(fs->group);
		kfree(fs);
		return NULL;
	}
	list_add_tail(&mounted, &fs->link);
	return &fs->sb;
}

void ext2_unmount(struct super *sb)
{
	struct ext2 *fs = ext2_of(sb);

	dentry_put(sb->root);
	if (!sb->read_only)
		finish(fs);
	list_del(&fs->link);
	kfree(fs->group);
	kfree(fs);
}
