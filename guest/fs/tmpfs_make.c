/*
 * Entries of tmpfs that the library OS makes itself, without a path: what
 * the root, /dev and /sys are filled with, nameless files, existing memory.
 */
#include "tmpfs.h"

/* The library OS's own entries: NULL when there is no memory or the name is
 * taken. The result is the directory's; the caller gets no reference. */
static struct dentry *fresh(struct dentry *dir, const char *name)
{
	struct dentry *d = dentry_find(dir, name, strlen(name));

	if (d != NULL) {
		dentry_put(d);
		return NULL;
	}
	return dentry_new(dir, name, strlen(name));
}

struct dentry *tmpfs_make(struct dentry *dir, const char *name, u32 mode, u32 rdev)
{
	const struct inode_ops *ops = dir->inode->ops;
	struct dentry *d = fresh(dir, name);
	int error;

	if (d == NULL)
		return NULL;
	error = S_ISDIR(mode) ? ops->mkdir(d, mode & 07777) : ops->create(d, mode, rdev);
	dentry_put(d);
	return error < 0 ? NULL : d;
}

int tmpfs_put_inode(struct dentry *dir, const char *name, struct inode *inode)
{
	struct dentry *d = fresh(dir, name);

	if (d == NULL) {
		inode_put(inode);
		return -ENOSPC;
	}
	tmpfs_enter(d, inode);
	dentry_put(d);
	return 0;
}

struct dentry *tmpfs_make_link(struct dentry *dir, const char *name, const char *target)
{
	struct dentry *d = fresh(dir, name);
	int error;

	if (d == NULL)
		return NULL;
	error = dir->inode->ops->symlink(d, target);
	dentry_put(d);
	return error < 0 ? NULL : d;
}

int tmpfs_put_text(struct dentry *d, const char *text)
{
	struct iovec iov = { (void *)text, strlen(text) };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = iov.iov_len, .kernel = true };
	struct file file = { .inode = d->inode };
	u64 pos = 0;

	return tmpfs_file_ops.write(&file, &uio, &pos) == (long)iov.iov_len ? 0 : -ENOSPC;
}

void tmpfs_set_mapped(struct inode *inode, paddr_t pa, u64 size)
{
	struct tmpfs_inode *ti = tmpfs_inode(inode);

	ti->mapped = pa;
	ti->mapped_pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	inode->size = size;
}

struct inode *tmpfs_new_file(u32 mode)
{
	static struct super nameless; /* as the root may be another's */
	struct inode *inode;

	tmpfs_init_super(&nameless, MKDEV(0, 25));
	return tmpfs_nameless(&nameless, S_IFREG | mode, &inode) < 0 ? NULL : inode;
}
