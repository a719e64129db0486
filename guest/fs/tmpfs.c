/*
 * The file system in memory: names and attributes. A directory is nothing but
 * its dentries: each entry is an attached dentry on which the directory holds
 * a reference, so looking a name up is the VFS's own table, and what is not
 * there does not exist. Contents of regular files: tmpfs_file.c.
 *
 * Entries that most programs never look for (/etc, /dev, most of the root) are
 * made on the first lookup, by a function that the directory carries: a VM that
 * runs "hello" does not pay for them.
 */
#include "tmpfs.h"
#include <asm/statfs.h>
#include <linux/fcntl.h>
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "../libos/process.h"
#include "xattr.h"

#define MAX_LINKS 0xffff0000u

static const struct inode_ops link_ops, node_ops;

struct inode *tmpfs_new_inode(struct super *sb, u32 mode, u32 rdev)
{
	struct tmpfs_inode *ti = kalloc(sizeof(*ti));
	struct inode *inode;

	if (ti == NULL)
		return NULL;
	inode = &ti->inode;
	inode_init(inode, sb, mode);
	inode_set_owner(inode, NULL);
	inode->rdev = rdev;
	inode->ops = &node_ops;
	if (S_ISREG(mode)) {
		inode->seals = F_SEAL_SEAL;
		inode->ops = &tmpfs_regular_ops;
		inode->fops = &tmpfs_file_ops;
	} else if (S_ISDIR(mode)) {
		inode->ops = &tmpfs_dir_ops;
		inode->fops = &tmpfs_dir_file_ops;
		inode->nlink = 2;
		inode->size = 2 * TMPFS_ENTRY;
	} else if (S_ISLNK(mode)) {
		inode->ops = &link_ops;
	}
	return inode;
}

static void evict(struct inode *inode)
{
	struct tmpfs_inode *ti = tmpfs_inode(inode);

	if (S_ISREG(inode->mode))
		page_tree_remove(&ti->pages, 0, UINT64_MAX / PAGE_SIZE);
	else if (S_ISLNK(inode->mode))
		kfree(ti->target);
	xattr_free(&ti->xattrs);
	kfree(ti->lower);
	kfree(ti);
}

static void fill(struct dentry *dir, const char *name)
{
	struct tmpfs_inode *ti = tmpfs_inode(dir->inode);
	fill_function *make = ti->fill;

	if (make == NULL)
		return;
	if (name == NULL)
		ti->fill = NULL;
	if (make(dir, name))
		ti->fill = NULL;
}

/* ---- directories ---- */

/* Every entry is attached; so what is looked for here does not exist, unless
 * it is made now, and then the VFS finds it. */
static int lookup(struct inode *dir, struct dentry *d)
{
	(void)dir;
	fill(d->parent, d->name);
	return 0;
}

/* Takes over the caller's reference to the inode. */
void tmpfs_enter(struct dentry *d, struct inode *inode)
{
	struct inode *dir = d->parent->inode;

	d->inode = inode;
	d->deleted = false;
	dentry_attach(dentry_get(d));
	dir->size += TMPFS_ENTRY;
	inode_stamp(dir, true);
}

static void leave(struct dentry *d)
{
	struct inode *dir = d->parent->inode;

	dentry_detach(d);
	dir->size -= TMPFS_ENTRY;
	inode_stamp(dir, true);
	dentry_put(d);
}

static int create(struct dentry *d, u32 mode, u32 rdev)
{
	struct inode *inode = tmpfs_new_inode(d->parent->inode->sb, mode, rdev);

	if (inode == NULL)
		return -ENOSPC;
	inode_set_owner(inode, d->parent->inode);
	tmpfs_enter(d, inode);
	return 0;
}

static int make_dir(struct dentry *d, u32 mode)
{
	struct inode *dir = d->parent->inode;

	if (dir->mode & S_ISGID)
		mode |= S_ISGID;
	if (create(d, S_IFDIR | mode, 0) < 0)
		return -ENOSPC;
	dir->nlink++;
	return 0;
}

static int make_symlink(struct dentry *d, const char *target)
{
	struct inode *inode = tmpfs_new_inode(d->parent->inode->sb, S_IFLNK | 0777, 0);

	if (inode == NULL)
		return -ENOSPC;
	tmpfs_inode(inode)->target = kstrdup(target);
	if (tmpfs_inode(inode)->target == NULL) {
		inode_put(inode);
		return -ENOSPC;
	}
	inode->size = strlen(target);
	inode_set_owner(inode, d->parent->inode);
	tmpfs_enter(d, inode);
	return 0;
}

static int make_link(struct inode *inode, struct dentry *d)
{
	if (inode->nlink >= MAX_LINKS)
		return -EMLINK;
	inode->nlink++;
	inode_stamp(inode, false);
	tmpfs_enter(d, inode_get(inode));
	return 0;
}

/* A name that is taken away must not be made again. */
static int unlink(struct dentry *d)
{
	struct inode *inode = d->inode;

	fill(d->parent, NULL);
	inode->nlink--;
	inode_stamp(inode, false);
	leave(d);
	return 0;
}

static int remove_dir(struct dentry *d)
{
	fill(d, NULL);
	fill(d->parent, NULL);
	if (!list_empty(&d->children))
		return -ENOTEMPTY;
	d->inode->nlink = 0;
	d->parent->inode->nlink--;
	leave(d);
	return 0;
}

/* Directories moved between parents take their ".." along. */
static void moved(struct inode *inode, struct inode *old_dir, struct inode *new_dir)
{
	inode_stamp(inode, false);
	if (S_ISDIR(inode->mode)) {
		old_dir->nlink--;
		new_dir->nlink++;
	}
}

static int rename(struct dentry *from, struct dentry *to, unsigned int flags)
{
	struct inode *old_dir = from->parent->inode, *new_dir = to->parent->inode;
	int error = 0;

	fill(from->parent, NULL);
	if (flags & RENAME_EXCHANGE) {
		moved(from->inode, old_dir, new_dir);
		moved(to->inode, new_dir, old_dir);
		dentry_swap(from, to);
	} else {
		if (to->inode != NULL)
			error = S_ISDIR(to->inode->mode) ? remove_dir(to) : unlink(to);
		if (error < 0)
			return error;
		moved(from->inode, old_dir, new_dir);
		old_dir->size -= TMPFS_ENTRY;
		new_dir->size += TMPFS_ENTRY;
		dentry_move(from, to);
	}
	inode_stamp(old_dir, true);
	inode_stamp(new_dir, true);
	return 0;
}

/*
 * The position is the cookie to go on from. The file remembers the last entry
 * that it gave out (with a reference), so that going on needs no search; when
 * that entry has been removed or moved since, the search starts at the front,
 * where an emptying directory has nothing left.
 */
static struct list *first_from(struct file *file, struct dentry *dir)
{
	struct dentry *last = file->priv;
	struct list *l = dir->children.next;

	if (last != NULL && last->attached && last->parent == dir && last->cookie < file->pos)
		l = &last->siblings;
	while (l != &dir->children && container_of(l, struct dentry, siblings)->cookie < file->pos)
		l = l->next;
	return l;
}

static long read_dir(struct file *file, struct dir_sink *sink)
{
	struct dentry *dir = file->path.dentry;
	struct list *l;

	fill(dir, NULL);
	inode_accessed(dir->inode);
	if (!dir_emit_dots(file, sink))
		return 0;
	for (l = first_from(file, dir); l != &dir->children; l = l->next) {
		struct dentry *d = container_of(l, struct dentry, siblings);

		if (d->inode == NULL)
			continue;
		if (!sink->emit(sink, d->name, d->len, d->inode->ino, DT_OF(d->inode->mode),
				d->cookie + 1))
			break;
		file->pos = d->cookie + 1;
		dentry_get(d);
		dentry_put(file->priv);
		file->priv = d;
	}
	return 0;
}

static void release_dir(struct file *file)
{
	dentry_put(file->priv);
}

/* ---- attributes ---- */

static int get_attr(struct inode *inode, struct kstat *st)
{
	if (S_ISREG(inode->mode))
		st->blocks = tmpfs_blocks(tmpfs_inode(inode));
	return 0;
}

/* What the seals forbid; F_SEAL_EXEC: no right to execute may come or go. */
static bool is_sealed(const struct inode *inode, const struct attr *attr)
{
	if (attr->valid & ATTR_SIZE &&
	    ((attr->size < inode->size && inode->seals & F_SEAL_SHRINK) ||
	     (attr->size > inode->size && inode->seals & F_SEAL_GROW)))
		return true;
	return attr->valid & ATTR_MODE && inode->seals & F_SEAL_EXEC &&
	       (attr->mode ^ inode->mode) & 0111;
}

void tmpfs_drop_capability(struct tmpfs_inode *ti)
{
	if (unlikely(ti->xattrs != NULL))
		xattr_set(&ti->xattrs, XATTR_CAPABILITY, NULL, 0, 0);
}

static int set_attr(struct inode *inode, const struct attr *attr)
{
	bool resized = attr->valid & ATTR_SIZE &&
		       (attr->size != inode->size || attr->valid & ATTR_OPEN_TRUNC);

	if (is_sealed(inode, attr))
		return -EPERM;
	if (attr->valid & ATTR_SIZE && tmpfs_resize(tmpfs_inode(inode), attr->size) < 0)
		return -ENOSPC;
	inode_set_attr(inode, attr, resized);
	if (resized || (attr->valid & ATTR_OWNER && !S_ISDIR(inode->mode)))
		tmpfs_drop_capability(tmpfs_inode(inode));
	return 0;
}

static long get_xattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	long r = xattr_get(tmpfs_inode(inode)->xattrs, name, buf, size);

	/* but for those that an overlay has brought there are no access lists */
	return r == -ENODATA && strncmp(name, "system.", 7) == 0 ? -EOPNOTSUPP : r;
}

static int set_xattr(struct inode *inode, const char *name, const void *value, size_t size,
		     int flags)
{
	int error = xattr_set(&tmpfs_inode(inode)->xattrs, name, value, size, flags);

	if (error == 0)
		inode_stamp(inode, false);
	return error;
}

static long list_xattr(struct inode *inode, char *buf, size_t size, bool trusted)
{
	return xattr_list(tmpfs_inode(inode)->xattrs, buf, size, trusted);
}

static long read_link(struct inode *inode, char *buf, size_t size)
{
	size_t n = MIN(size, inode->size);

	memcpy(buf, tmpfs_inode(inode)->target, n);
	return n;
}

int tmpfs_nameless(struct super *sb, u32 mode, struct inode **inode)
{
	*inode = tmpfs_new_inode(sb, mode, 0);
	if (*inode == NULL)
		return -ENOSPC;
	(*inode)->nlink = 0;
	return 0;
}

#define XATTR_OPS .getxattr = get_xattr, .setxattr = set_xattr, .listxattr = list_xattr

const struct inode_ops tmpfs_regular_ops = {
	.getattr = get_attr,
	.setattr = set_attr,
	.fallocate = tmpfs_fallocate,
	.get_page = tmpfs_get_page,
	.get_run = tmpfs_get_run,
	XATTR_OPS,
};
const struct inode_ops tmpfs_dir_ops = {
	.lookup = lookup,
	.create = create,
	.mkdir = make_dir,
	.symlink = make_symlink,
	.link = make_link,
	.unlink = unlink,
	.rmdir = remove_dir,
	.rename = rename,
	.tmpfile = tmpfs_nameless,
	.setattr = set_attr,
	XATTR_OPS,
};
static const struct inode_ops link_ops = {
	.readlink = read_link,
	.setattr = set_attr,
	XATTR_OPS,
};
static const struct inode_ops node_ops = { .setattr = set_attr, XATTR_OPS };
const struct file_ops tmpfs_dir_file_ops = {
	.readdir = read_dir,
	.lseek = dir_lseek,
	.release = release_dir,
};

/* ---- the file system ---- */

static int stat_fs(struct super *sb, struct statfs *st)
{
	(void)sb;
	st->f_blocks = frames_total();
	st->f_bfree = st->f_bavail = frames_available();
	st->f_files = frames_total();
	st->f_ffree = frames_available();
	return 0;
}

void tmpfs_init_super(struct super *sb, u32 dev)
{
	sb->type = "tmpfs";
	sb->magic = TMPFS_MAGIC;
	sb->dev = dev;
	sb->statfs = stat_fs;
	sb->evict = evict;
}

int tmpfs_init(struct super *sb, u32 dev, u32 root_mode)
{
	tmpfs_init_super(sb, dev);
	sb->root = dentry_new(NULL, "", 0);
	if (sb->root == NULL)
		return -ENOMEM;
	sb->root->inode = tmpfs_new_inode(sb, S_IFDIR | root_mode, 0);
	if (sb->root->inode == NULL) {
		dentry_put(sb->root);
		return -ENOMEM;
	}
	return 0;
}

void tmpfs_populate_later(struct dentry *dir, fill_function *make)
{
	tmpfs_inode(dir->inode)->fill = make;
}

bool tmpfs_is_waiting(struct dentry *dir)
{
	return tmpfs_inode(dir->inode)->fill != NULL;
}
