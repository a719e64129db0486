/*
 * Extended attributes of the overlay, see overlay.h: those of files and directories
 * are read below, as few programs ask for them, until all are copied.
 */
#include "overlay.h"
#include "xattr.h"
#include "../libos/heap.h"

static bool has_any(const struct inode *low)
{
	return low->ops != NULL && low->ops->listxattr != NULL;
}

static int copy_one(struct inode *low, const char *name, struct xattr **to)
{
	long size = low->ops->getxattr(low, name, NULL, 0);
	void *value = size >= 0 ? kalloc(MAX(size, 1l)) : NULL;

	if (value == NULL)
		return size < 0 ? size : -ENOMEM;
	size = low->ops->getxattr(low, name, value, MAX(size, 1l));
	if (size >= 0)
		size = xattr_set(to, name, value, size, 0);
	kfree(value);
	return MIN(size, 0l);
}

int overlay_copy_xattrs(struct inode *low, struct xattr **to)
{
	long len = has_any(low) ? low->ops->listxattr(low, NULL, 0, true) : 0;
	int error = 0;
	char *names;

	if (len <= 0)
		return len == -EOPNOTSUPP ? 0 : len;
	names = kalloc(len);
	if (names == NULL)
		return -ENOMEM;
	len = low->ops->listxattr(low, names, len, true);
	for (long at = 0; at < len && error == 0; at += (long)strlen(names + at) + 1) {
		error = copy_one(low, names + at, to);
		if (error == -ENODATA) /* it has just gone */
			error = 0;
	}
	kfree(names);
	return MIN(len, (long)error);
}

int overlay_take_xattrs(struct inode *inode)
{
	struct tmpfs_inode *ti = tmpfs_inode(inode);
	struct xattr *list = NULL;
	struct path low;
	int error;

	if (!ti->xattrs_below)
		return 0;
	error = overlay_find(inode, &low);
	if (error < 0)
		return error;
	error = overlay_copy_xattrs(low.dentry->inode, &list);
	path_put(&low);
	if (error == 0 && ti->xattrs_below) { /* nobody was faster */
		ti->xattrs = list;
		ti->xattrs_below = false;
		return 0;
	}
	xattr_free(&list);
	return error;
}

/* ---- operations */

static long get(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct path low;
	long r;

	if (!tmpfs_inode(inode)->xattrs_below)
		return tmpfs_dir_ops.getxattr(inode, name, buf, size);
	r = overlay_find(inode, &low);
	if (r < 0)
		return r;
	r = -EOPNOTSUPP;
	if (has_any(low.dentry->inode))
		r = low.dentry->inode->ops->getxattr(low.dentry->inode, name, buf, size);
	path_put(&low);
	return r;
}

static long list(struct inode *inode, char *buf, size_t size, bool trusted)
{
	struct path low;
	long r;

	if (!tmpfs_inode(inode)->xattrs_below)
		return tmpfs_dir_ops.listxattr(inode, buf, size, trusted);
	r = overlay_find(inode, &low);
	if (r < 0)
		return r;
	if (has_any(low.dentry->inode))
		r = low.dentry->inode->ops->listxattr(low.dentry->inode, buf, size, trusted);
	path_put(&low);
	return r;
}

static int set(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	int error = overlay_take_xattrs(inode);

	return error < 0 ? error : tmpfs_dir_ops.setxattr(inode, name, value, size, flags);
}

void overlay_set_xattr_ops(struct inode_ops *ops)
{
	ops->getxattr = get;
	ops->listxattr = list;
	ops->setxattr = set;
}
