/*
 * ext2: inodes in memory and on the disk, and the end of them.
 *
 * A deleted inode without references is "dead", and freed later with others,
 * in an order that a kill at any moment leaves repairable: what was removed
 * from directories is written; then the inodes are marked deleted, and that is
 * written; only then their blocks and numbers may be used for something else.
 * So nothing that was made stable is ever shared with an older owner.
 */
#include "ext2.h"
#include "mapped_page.h"
#include "../libos/heap.h"
#include "../libos/random.h"

static struct ext2_inode **bucket(struct ext2 *fs, u64 ino)
{
	return &fs->hash[ino % EXT2_HASH];
}

static void unhash(struct ext2 *fs, struct ext2_inode *ei)
{
	struct ext2_inode **p = bucket(fs, ei->inode.ino);

	while (*p != ei)
		p = &(*p)->next;
	*p = ei->next;
}

static void hash_in(struct ext2 *fs, struct ext2_inode *ei)
{
	struct ext2_inode **p = bucket(fs, ei->inode.ino);

	ei->next = *p;
	*p = ei;
}

/* ---- on the disk */

int ext2_inode_at(struct ext2 *fs, u64 ino, struct ext2_buf *buf, struct ext2_disk_inode **raw)
{
	u32 g = (ino - 1) / fs->inodes_per_group;
	u64 at = (ino - 1) % fs->inodes_per_group * fs->inode_size;
	int error = ext2_read(fs, fs->group[g].inode_table + at / fs->block_size, buf);

	if (error < 0)
		return error;
	*raw = (struct ext2_disk_inode *)(buf->data + at % fs->block_size);
	return 0;
}

/* The second part, if the inode has it. */
static struct ext2_disk_times *times_of(const struct ext2 *fs, struct ext2_disk_inode *raw)
{
	struct ext2_disk_times *t = (struct ext2_disk_times *)(raw + 1);

	if (fs->inode_size < EXT2_INODE_SIZE + EXT2_EXTRA_SIZE ||
	    t->extra_size < sizeof(struct ext2_disk_times))
		return NULL;
	return t;
}

/* Seconds are signed; two bits of the second word go above them. */
static struct __kernel_timespec time_from(u32 seconds, u32 more)
{
	u32 ns = more >> 2;

	return (struct __kernel_timespec){ .tv_sec = (i32)seconds + ((i64)(more & 3) << 32),
					   .tv_nsec = ns < 1000000000 ? ns : 0 };
}

static u32 time_more(const struct __kernel_timespec *t)
{
	return (u32)t->tv_nsec << 2 | (((u64)t->tv_sec - (u64)(i64)(i32)t->tv_sec) >> 32 & 3);
}

static void load_times(struct inode *inode, const struct ext2_disk_inode *raw,
		       const struct ext2_disk_times *t)
{
	inode->atime = time_from(raw->atime, t != NULL ? t->atime : 0);
	inode->mtime = time_from(raw->mtime, t != NULL ? t->mtime : 0);
	inode->ctime = time_from(raw->ctime, t != NULL ? t->ctime : 0);
	inode->btime = time_from(t != NULL ? t->btime_seconds : 0, t != NULL ? t->btime : 0);
}

static void store_times(const struct inode *inode, struct ext2_disk_inode *raw,
			struct ext2_disk_times *t)
{
	raw->atime = inode->atime.tv_sec;
	raw->mtime = inode->mtime.tv_sec;
	raw->ctime = inode->ctime.tv_sec;
	if (t == NULL)
		return;
	t->atime = time_more(&inode->atime);
	t->mtime = time_more(&inode->mtime);
	t->ctime = time_more(&inode->ctime);
	t->btime_seconds = inode->btime.tv_sec;
	t->btime = time_more(&inode->btime);
}

/* Special files: in the old form the number is 8:8 bits, in the new one Linux's. */
static u32 load_rdev(const struct ext2_inode *ei)
{
	if (ei->block[0] != 0)
		return MKDEV(ei->block[0] >> 8 & 0xff, ei->block[0] & 0xff);
	return ei->block[1];
}

static void set_ops(struct inode *inode)
{
	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		inode->ops = &ext2_reg_ops;
		inode->fops = &ext2_file_ops;
		break;
	case S_IFDIR:
		inode->ops = &ext2_dir_ops;
		inode->fops = &ext2_dir_file_ops;
		break;
	case S_IFLNK:
		inode->ops = &ext2_link_ops;
		break;
	default:
		inode->ops = &ext2_node_ops;
	}
}

static bool type_ok(u32 mode)
{
	u32 type = mode & S_IFMT;

	return type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFCHR ||
	       type == S_IFBLK || type == S_IFIFO || type == S_IFSOCK;
}

static int load(struct ext2 *fs, struct ext2_inode *ei, struct ext2_disk_inode *raw)
{
	struct inode *inode = &ei->inode;
	u64 blocks;

	inode->mode = raw->mode;
	inode->nlink = raw->links;
	inode->uid = raw->uid | (u32)raw->uid_high << 16;
	inode->gid = raw->gid | (u32)raw->gid_high << 16;
	inode->size = raw->size | (S_ISREG(raw->mode) ? (u64)raw->size_high << 32 : 0);
	load_times(inode, raw, times_of(fs, raw));
	memcpy(ei->block, raw->block, sizeof(ei->block));
	ei->sectors = raw->sectors;
	ei->flags = raw->flags;
	ei->generation = raw->generation;
	ei->attributes = raw->attributes;
	if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISLNK(inode->mode))
		inode->rdev = load_rdev(ei);
	blocks = inode->size / fs->block_size;
	if (!type_ok(inode->mode) || inode->nlink == 0 || inode->size > ext2_max_size(fs) ||
	    (S_ISDIR(inode->mode) && (inode->size % fs->block_size || blocks > fs->nblocks)) ||
	    (S_ISLNK(inode->mode) && inode->size >= PATH_MAX))
		return -EIO;
	return 0;
}

static struct ext2_inode *fresh(struct ext2 *fs, u32 ino, u32 mode)
{
	struct ext2_inode *ei = kalloc(sizeof(*ei));

	if (ei == NULL)
		return NULL;
	inode_init(&ei->inode, &fs->sb, mode);
	ei->inode.ino = ino;
	list_init(&ei->dead);
	ei->goal = ext2_group_start(fs, ino);
	return ei;
}

int ext2_get_inode(struct ext2 *fs, u32 ino, struct inode **out)
{
	struct ext2_disk_inode *raw;
	struct ext2_inode *ei;
	struct ext2_buf buf;
	int error;

	if (ino == 0 || ino > fs->ninodes || (ino < fs->first_ino && ino != EXT2_ROOT_INO))
		return -EIO;
	for (ei = *bucket(fs, ino); ei != NULL; ei = ei->next) {
		if (ei->inode.ino != ino)
			continue;
		if (ei->inode.refs == 0) /* deleted, yet something names it */
			return -EIO;
		*out = inode_get(&ei->inode);
		return 0;
	}
	error = ext2_inode_at(fs, ino, &buf, &raw);
	if (error < 0)
		return error;
	ei = fresh(fs, ino, raw->mode);
	error = ei != NULL ? load(fs, ei, raw) : -ENOMEM;
	ext2_put(&buf);
	if (error < 0) {
		fs->damaged |= error == -EIO;
		kfree(ei);
		return error;
	}
	set_ops(&ei->inode);
	hash_in(fs, ei);
	*out = &ei->inode;
	return 0;
}

static void store_raw(struct ext2_inode *ei, struct ext2_disk_inode *raw)
{
	const struct inode *inode = &ei->inode;

	raw->mode = inode->mode;
	raw->links = inode->nlink;
	raw->uid = inode->uid;
	raw->uid_high = inode->uid >> 16;
	raw->gid = inode->gid;
	raw->gid_high = inode->gid >> 16;
	raw->size = inode->size;
	if (S_ISREG(inode->mode))
		raw->size_high = inode->size >> 32;
	store_times(inode, raw, times_of(ext2_fs(ei), raw));
	memcpy(raw->block, ei->block, sizeof(ei->block));
	raw->sectors = ei->sectors;
	raw->flags = ei->flags;
	raw->generation = ei->generation;
	raw->attributes = ei->attributes;
	raw->dtime = 0;
}

static int store(struct ext2_inode *ei, bool now)
{
	struct ext2 *fs = ext2_fs(ei);
	struct ext2_disk_inode *raw;
	struct ext2_buf buf;
	int error = ext2_inode_at(fs, ei->inode.ino, &buf, &raw);

	if (error < 0)
		return error;
	store_raw(ei, raw);
	ext2_dirty(&buf);
	if (now)
		ext2_write_now(fs, &buf);
	ext2_put(&buf);
	return 0;
}

int ext2_store(struct ext2_inode *ei)
{
	return store(ei, false);
}

int ext2_store_now(struct ext2_inode *ei)
{
	return store(ei, true);
}

/* ---- new ones */

/* Clears what an earlier inode has left. */
static int clear_place(struct ext2 *fs, u32 ino)
{
	struct ext2_disk_inode *raw;
	struct ext2_buf buf;
	int error = ext2_inode_at(fs, ino, &buf, &raw);

	if (error < 0)
		return error;
	memset(raw, 0, fs->inode_size);
	if (fs->inode_size >= EXT2_INODE_SIZE + EXT2_EXTRA_SIZE)
		((struct ext2_disk_times *)(raw + 1))->extra_size = EXT2_EXTRA_SIZE;
	ext2_dirty(&buf);
	ext2_put(&buf);
	return 0;
}

int ext2_new_inode(struct super *sb, struct inode *dir, u32 mode, u32 rdev, struct inode **out)
{
	struct ext2 *fs = ext2_of(sb);
	struct ext2_inode *ei;
	u32 ino;
	int error = ext2_alloc_ino(fs, dir, S_ISDIR(mode), &ino);

	if (error < 0)
		return error;
	ei = fresh(fs, ino, mode);
	error = ei != NULL ? clear_place(fs, ino) : -ENOMEM;
	if (error < 0) {
		kfree(ei);
		ext2_free_ino(fs, ino, S_ISDIR(mode));
		return error;
	}
	random_bytes(&ei->generation, sizeof(ei->generation));
	inode_set_owner(&ei->inode, dir);
	ei->inode.rdev = rdev;
	if (S_ISCHR(mode) || S_ISBLK(mode))
		ei->block[1] = rdev;
	set_ops(&ei->inode);
	hash_in(fs, ei);
	*out = &ei->inode;
	return ext2_store(ei);
}

/* ---- the end */

/* The last reference is gone. Waits for nothing. */
void ext2_evict(struct inode *inode)
{
	struct ext2_inode *ei = ext2_inode(inode);
	struct ext2 *fs = ext2_fs(ei);

	mapped_pages_release(&ei->mapped, 0, UINT64_MAX / PAGE_SIZE);
	if (inode->nlink == 0 && !fs->sb.read_only) {
		list_add_tail(&fs->dead, &ei->dead);
		fs->ndead++;
		return;
	}
	unhash(fs, ei);
	kfree(ei);
}

static void mark_deleted(struct ext2 *fs, struct ext2_inode *ei)
{
	struct ext2_disk_inode *raw;
	struct ext2_buf buf;

	if (ext2_inode_at(fs, ei->inode.ino, &buf, &raw) < 0) {
		fs->damaged = true;
		return;
	}
	raw->links = 0;
	raw->size = raw->size_high = raw->sectors = raw->attributes = 0;
	raw->dtime = stamp_now().tv_sec;
	memset(raw->block, 0, sizeof(raw->block));
	ext2_dirty(&buf);
	ext2_put(&buf);
}

static void free_inode(struct ext2 *fs, struct ext2_inode *ei)
{
	u32 mode = ei->inode.mode;

	if (S_ISREG(mode) || S_ISDIR(mode) || (S_ISLNK(mode) && !ext2_fast_link(ei)))
		ext2_free_all(ei);
	ext2_free_xattrs(fs, ei->attributes);
	ext2_free_ino(fs, ei->inode.ino, S_ISDIR(mode));
}

/* At the end of the VM programs may still have deleted files open. */
static void bury_open(struct ext2 *fs)
{
	for (unsigned i = 0; i < EXT2_HASH; i++) {
		for (struct ext2_inode *ei = fs->hash[i]; ei != NULL; ei = ei->next) {
			if (ei->inode.nlink > 0 || !list_empty(&ei->dead))
				continue;
			list_add_tail(&fs->dead, &ei->dead);
			fs->ndead++;
		}
	}
}

void ext2_reap(struct ext2 *fs, bool all)
{
	struct list batch, *l;

	if (all)
		bury_open(fs);
	if (fs->ndead == 0)
		return;
	block_cache_write(fs->cache, 0, UINT64_MAX);
	batch = fs->dead;
	batch.next->prev = batch.prev->next = &batch;
	list_init(&fs->dead);
	fs->ndead = 0;
	list_for_each (l, &batch)
		mark_deleted(fs, container_of(l, struct ext2_inode, dead));
	block_cache_write(fs->cache, 0, UINT64_MAX);
	while (!list_empty(&batch)) {
		struct ext2_inode *ei = container_of(batch.next, struct ext2_inode, dead);

		list_del(&ei->dead);
		free_inode(fs, ei);
		if (ei->inode.refs > 0)
			continue; /* the end of the VM */
		unhash(fs, ei);
		kfree(ei);
	}
}
