/*
 * ext2: operations on names and attributes.
 *
 * A kill at any moment must not take what was made stable before. So where an
 * inode moves from one page of directories to another, the new entry is on the
 * disk before the old one goes; and what a removal or a rename leaves without
 * a name is freed only after the directory has been written (ext2_inode.c).
 */
#include "ext2.h"

static struct ext2 *fs_of(const struct dentry *d)
{
	return ext2_of(d->parent->inode->sb);
}

static struct ext2_inode *dir_of(const struct dentry *d)
{
	return ext2_inode(d->parent->inode);
}

static int lookup(struct inode *dir, struct dentry *d)
{
	struct ext2 *fs = ext2_of(dir->sb);
	struct ext2_slot slot;
	u32 ino = 0;
	int error;

	ext2_lock(fs);
	error = ext2_find(ext2_inode(dir), d->name, d->len, &slot);
	if (error == 0) {
		ino = slot.entry->ino;
		ext2_put(&slot.buf);
		error = ext2_get_inode(fs, ino, &d->inode);
	}
	if (error == 0)
		dentry_attach(d);
	ext2_unlock(fs);
	return error == -ENOENT ? 0 : error;
}

/* ---- making */

/* Enters a new inode, whose reference the dentry takes over, or undoes it. */
static int enter(struct dentry *d, struct inode *inode)
{
	u64 page;
	int error = ext2_add(dir_of(d), d->name, d->len, inode, &page);

	if (error < 0) {
		inode->nlink = 0;
		inode_put(inode);
		return error;
	}
	d->inode = inode;
	d->deleted = false;
	dentry_attach(d);
	return 0;
}

static int make(struct dentry *d, u32 mode, u32 rdev)
{
	struct inode *inode = NULL;
	int error = ext2_new_inode(&fs_of(d)->sb, d->parent->inode, mode, rdev, &inode);

	if (error < 0) {
		if (inode != NULL) {
			inode->nlink = 0;
			inode_put(inode);
		}
		return error;
	}
	return enter(d, inode);
}

static int create(struct dentry *d, u32 mode, u32 rdev)
{
	struct ext2 *fs = fs_of(d);
	int error;

	ext2_lock(fs);
	error = make(d, mode, rdev);
	ext2_unlock(fs);
	return error;
}

static int fill_dir(struct dentry *d, struct inode *inode)
{
	int error = ext2_make_dots(ext2_inode(inode), d->parent->inode->ino);

	if (error == 0) {
		inode->nlink = 2;
		error = ext2_store(ext2_inode(inode));
	}
	if (error < 0) {
		inode->nlink = 0;
		inode_put(inode);
		return error;
	}
	error = enter(d, inode);
	if (error == 0) {
		d->parent->inode->nlink++;
		error = ext2_store(dir_of(d));
	}
	return error;
}

static int make_dir(struct dentry *d, u32 mode)
{
	struct ext2 *fs = fs_of(d);
	struct inode *dir = d->parent->inode, *inode = NULL;
	int error;

	if (dir->nlink >= EXT2_LINK_MAX)
		return -EMLINK;
	ext2_lock(fs);
	error = ext2_new_inode(&fs->sb, dir, S_IFDIR | mode | (dir->mode & S_ISGID), 0, &inode);
	if (error == 0)
		error = fill_dir(d, inode);
	ext2_unlock(fs);
	return error;
}

static int put_target(struct ext2_inode *ei, const char *target, size_t len)
{
	struct ext2 *fs = ext2_fs(ei);
	bool is_fresh = false;
	struct ext2_buf buf;
	u32 block;
	int error;

	ei->inode.size = len;
	if (len < sizeof(ei->block)) {
		memcpy(ei->block, target, len);
		return ext2_store(ei);
	}
	if (len >= fs->block_size)
		return -ENAMETOOLONG;
	error = ext2_map(ei, 0, &block, &is_fresh);
	if (error == 0)
		error = ext2_zeroed(fs, block, &buf);
	if (error != 0)
		return error;
	memcpy(buf.data, target, len);
	ext2_dirty(&buf);
	ext2_put(&buf);
	return ext2_store(ei);
}

static int do_symlink(struct dentry *d, const char *target)
{
	struct inode *inode = NULL;
	int error = ext2_new_inode(&fs_of(d)->sb, d->parent->inode, S_IFLNK | 0777, 0, &inode);

	if (error == 0)
		error = put_target(ext2_inode(inode), target, strlen(target));
	if (error == 0)
		return enter(d, inode);
	if (inode != NULL) {
		inode->nlink = 0;
		inode_put(inode);
	}
	return error;
}

static int make_symlink(struct dentry *d, const char *target)
{
	struct ext2 *fs = fs_of(d);
	int error;

	ext2_lock(fs);
	error = do_symlink(d, target);
	ext2_unlock(fs);
	return error;
}

static int make_link(struct inode *inode, struct dentry *d)
{
	struct ext2 *fs = fs_of(d);
	u64 page;
	int error;

	if (inode->nlink >= EXT2_LINK_MAX)
		return -EMLINK;
	ext2_lock(fs);
	error = ext2_add(dir_of(d), d->name, d->len, inode, &page);
	if (error == 0) {
		inode->nlink++;
		inode_stamp(inode, false);
		error = ext2_store(ext2_inode(inode));
		d->inode = inode_get(inode);
		d->deleted = false;
		dentry_attach(d);
	}
	ext2_unlock(fs);
	return error;
}

static int make_nameless(struct super *sb, u32 mode, struct inode **inode)
{
	struct ext2 *fs = ext2_of(sb);
	int error;

	*inode = NULL;
	ext2_lock(fs);
	error = ext2_new_inode(sb, sb->root->inode, mode, 0, inode);
	if (*inode != NULL) {
		(*inode)->nlink = 0;
		if (error == 0)
			error = ext2_store(ext2_inode(*inode));
		if (error < 0)
			inode_put(*inode);
	}
	ext2_unlock(fs);
	return error;
}

/* ---- removing */

/* One name less. */
static int drop_link(struct inode *inode)
{
	if (inode->nlink > 0)
		inode->nlink--;
	inode_stamp(inode, false);
	return inode->nlink > 0 ? ext2_store(ext2_inode(inode)) : 0;
}

/* Takes the entry of a dentry away. */
static int remove_entry(struct dentry *d)
{
	struct ext2_slot slot;
	int error = ext2_find(dir_of(d), d->name, d->len, &slot);

	if (error < 0)
		return error;
	ext2_remove(&slot);
	ext2_put(&slot.buf);
	dir_of(d)->flags &= ~EXT2_INDEXED;
	inode_stamp(d->parent->inode, true);
	return ext2_store(dir_of(d));
}

static int unlink(struct dentry *d)
{
	struct ext2 *fs = fs_of(d);
	int error;

	ext2_lock(fs);
	error = remove_entry(d);
	if (error == 0) {
		dentry_detach(d);
		error = drop_link(d->inode);
	}
	ext2_unlock(fs);
	return error;
}

static int remove_dir(struct dentry *d)
{
	struct inode *dir = d->parent->inode;
	struct ext2 *fs = fs_of(d);
	int error;

	ext2_lock(fs);
	error = ext2_is_empty(ext2_inode(d->inode));
	if (error == 0)
		error = remove_entry(d);
	if (error == 0) {
		dentry_detach(d);
		d->inode->nlink = 0;
		dir->nlink -= dir->nlink > 2;
		error = ext2_store(ext2_inode(dir));
	}
	ext2_unlock(fs);
	return error;
}

/* ---- renaming */

/* A directory that moves gets another "..". */
static int set_parent(struct inode *inode, struct inode *from, struct inode *to)
{
	struct ext2_slot slot;
	int error;

	inode_stamp(inode, false);
	if (S_ISDIR(inode->mode) && from != to) {
		error = ext2_find(ext2_inode(inode), "..", 2, &slot);
		if (error < 0)
			return error;
		ext2_set(ext2_of(inode->sb), &slot, to);
		ext2_put(&slot.buf);
		from->nlink -= from->nlink > 2;
		to->nlink++;
	}
	return ext2_store(ext2_inode(inode));
}

/* Has the name `to` mean the inode: in its present entry or in a new one. */
static int point(struct dentry *to, struct inode *inode, u64 *page)
{
	struct ext2_slot slot;
	int error;

	if (to->inode == NULL)
		return ext2_add(dir_of(to), to->name, to->len, inode, page);
	error = ext2_find(dir_of(to), to->name, to->len, &slot);
	if (error < 0)
		return error;
	ext2_set(fs_of(to), &slot, inode);
	*page = slot.buf.page->index;
	ext2_put(&slot.buf);
	return 0;
}

static int store_dirs(struct dentry *from, struct dentry *to)
{
	int error;

	inode_stamp(from->parent->inode, true);
	inode_stamp(to->parent->inode, true);
	error = ext2_store(dir_of(from));
	return error < 0 ? error : ext2_store(dir_of(to));
}

static int exchange(struct dentry *from, struct dentry *to)
{
	struct inode *a = from->parent->inode, *b = to->parent->inode;
	u64 page;
	int error = point(to, from->inode, &page);

	if (error == 0)
		error = point(from, to->inode, &page);
	if (error == 0)
		error = set_parent(from->inode, a, b);
	if (error == 0)
		error = set_parent(to->inode, b, a);
	if (error == 0)
		error = store_dirs(from, to);
	if (error == 0)
		dentry_swap(from, to);
	return error;
}

/* The old entry goes; it may be in the page of the new one, but where the new
 * one is elsewhere, the disk has that first. */
static int leave(struct dentry *from, u64 new_page)
{
	struct ext2 *fs = fs_of(from);
	struct ext2_slot slot;
	int error = ext2_find(dir_of(from), from->name, from->len, &slot);

	if (error < 0)
		return error;
	if (slot.buf.page->index != new_page) {
		/* with what the entry's directory needs to be found itself */
		block_cache_write(fs->cache, 0, UINT64_MAX);
	}
	ext2_remove(&slot);
	ext2_put(&slot.buf);
	dir_of(from)->flags &= ~EXT2_INDEXED;
	return 0;
}

static int move(struct dentry *from, struct dentry *to)
{
	struct inode *old_dir = from->parent->inode, *new_dir = to->parent->inode;
	struct inode *victim = to->inode;
	u64 page;
	int error = 0;

	if (victim != NULL && S_ISDIR(victim->mode))
		error = ext2_is_empty(ext2_inode(victim));
	if (error == 0)
		error = point(to, from->inode, &page);
	if (error == 0)
		error = leave(from, page);
	if (error == 0)
		error = set_parent(from->inode, old_dir, new_dir);
	if (error < 0)
		return error;
	if (victim != NULL && S_ISDIR(victim->mode)) {
		victim->nlink = 0;
		new_dir->nlink -= new_dir->nlink > 2;
	} else if (victim != NULL) {
		error = drop_link(victim);
	}
	if (error == 0)
		error = store_dirs(from, to);
	dentry_move(from, to);
	return error;
}

static int rename(struct dentry *from, struct dentry *to, unsigned int flags)
{
	struct inode *new_dir = to->parent->inode;
	struct ext2 *fs = fs_of(from);
	int error;

	if (S_ISDIR(from->inode->mode) && from->parent != to->parent &&
	    new_dir->nlink >= EXT2_LINK_MAX)
		return -EMLINK;
	ext2_lock(fs);
	error = flags & RENAME_EXCHANGE ? exchange(from, to) : move(from, to);
	ext2_unlock(fs);
	return error;
}

/* ---- attributes and contents of other files */

static int get_attr(struct inode *inode, struct kstat *st)
{
	st->blocks = ext2_inode(inode)->sectors;
	st->blksize = ext2_of(inode->sb)->block_size;
	return 0;
}

static int do_setattr(struct inode *inode, const struct attr *attr)
{
	struct ext2_inode *ei = ext2_inode(inode);
	bool resized = attr->valid & ATTR_SIZE &&
		       (attr->size != inode->size || attr->valid & ATTR_OPEN_TRUNC);
	int error = 0;

	if (attr->valid & ATTR_SIZE && attr->size != inode->size)
		error = ext2_resize(ei, attr->size);
	if (error < 0)
		return error;
	inode_set_attr(inode, attr, resized);
	if (resized || (attr->valid & ATTR_OWNER && !S_ISDIR(inode->mode)))
		ext2_drop_capability(ei);
	return inode->nlink > 0 ? ext2_store(ei) : 0;
}

static int set_attr(struct inode *inode, const struct attr *attr)
{
	struct ext2 *fs = ext2_of(inode->sb);
	int error;

	ext2_lock(fs);
	error = do_setattr(inode, attr);
	ext2_unlock(fs);
	return error;
}

static long do_readlink(struct ext2_inode *ei, char *to, size_t size)
{
	struct ext2 *fs = ext2_fs(ei);
	struct ext2_buf buf;
	u32 block;
	int error;

	size = MIN(size, ei->inode.size);
	if (ext2_fast_link(ei)) {
		size = MIN(size, sizeof(ei->block) - 1);
		memcpy(to, ei->block, size);
		return size;
	}
	error = ext2_map(ei, 0, &block, NULL);
	if (error == 0)
		error = ext2_read(fs, block, &buf); /* a hole is no block */
	if (error != 0)
		return error;
	size = MIN(size, fs->block_size);
	memcpy(to, buf.data, size);
	ext2_put(&buf);
	return size;
}

static long read_link(struct inode *inode, char *to, size_t size)
{
	struct ext2 *fs = ext2_of(inode->sb);
	long n;

	ext2_lock(fs);
	n = do_readlink(ext2_inode(inode), to, size);
	ext2_unlock(fs);
	return n;
}

/* fsync tells an error of writing back once to each open file. */
static int open_file(struct inode *inode, struct file *file)
{
	file->priv = (void *)(uintptr_t)ext2_of(inode->sb)->cache->errors;
	return 0;
}

static long read_dir(struct file *file, struct dir_sink *sink)
{
	struct ext2 *fs = ext2_of(file->inode->sb);
	long r;

	ext2_lock(fs);
	r = ext2_readdir(file, sink);
	ext2_unlock(fs);
	return r;
}

#define XATTR_OPS \
	.getxattr = ext2_get_xattr, .setxattr = ext2_set_xattr, .listxattr = ext2_list_xattr

const struct inode_ops ext2_reg_ops = {
	.getattr = get_attr,
	.setattr = set_attr,
	.open = open_file,
	.get_page = ext2_get_page,
	.get_near = ext2_get_near,
	.mapped = ext2_note_mapped,
	XATTR_OPS,
};
const struct inode_ops ext2_dir_ops = {
	.lookup = lookup,
	.create = create,
	.mkdir = make_dir,
	.symlink = make_symlink,
	.link = make_link,
	.unlink = unlink,
	.rmdir = remove_dir,
	.rename = rename,
	.tmpfile = make_nameless,
	.getattr = get_attr,
	.setattr = set_attr,
	.open = open_file,
	XATTR_OPS,
};
const struct inode_ops ext2_link_ops = {
	.readlink = read_link,
	.getattr = get_attr,
	.setattr = set_attr,
	XATTR_OPS,
};
const struct inode_ops ext2_node_ops = {
	.getattr = get_attr,
	.setattr = set_attr,
	XATTR_OPS,
};
const struct file_ops ext2_dir_file_ops = {
	.readdir = read_dir,
	.lseek = dir_lseek,
	.fsync = ext2_fsync,
};
