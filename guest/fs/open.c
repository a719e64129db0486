/*
 * From a place in the tree to an open file: which operations it gets, by the
 * type of the inode. Flags have been checked and the object exists.
 */
#include "blockdev.h"
#include "notify.h"

/* O_PATH: only a place in the tree. */
static const struct file_ops path_file_ops = { .name = NULL };

static int open_special(struct inode *inode, struct file *file)
{
	switch (inode->mode & S_IFMT) {
	case S_IFCHR:
		file->ops = chrdev_ops(inode->rdev);
		if (file->ops == NULL)
			return -ENXIO;
		return file->ops->open != NULL ? file->ops->open(file) : 0;
	case S_IFBLK:
		return blockdev_open(inode, file);
	case S_IFIFO:
		return fifo_open(inode, file);
	case S_IFLNK:
		return -ELOOP;
	case S_IFREG:
	case S_IFDIR:
		return -EACCES; /* its file system gave no operations */
	}
	return -ENXIO;
}

static int open_ops(struct inode *inode, struct file *file)
{
	int error = 0;

	if (file->flags & O_PATH) {
		file->ops = &path_file_ops;
		return 0;
	}
	if (S_ISREG(inode->mode) && file_writable(file)) {
		error = inode_start_write(inode);
		if (error < 0)
			return error;
		file->writer = true;
	}
	if (inode->fops != NULL)
		file->ops = inode->fops;
	else
		error = open_special(inode, file);
	if (error == 0 && inode->ops != NULL && inode->ops->open != NULL)
		error = inode->ops->open(inode, file);
	return error;
}

#define NOT_KEPT (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)

struct file *vfs_open(const struct path *p, u32 flags, int *error)
{
	struct inode *inode = p->dentry->inode;
	struct file *file = file_new(&path_file_ops, inode, flags & ~NOT_KEPT, NULL);

	if (file == NULL) {
		*error = -ENOMEM;
		return NULL;
	}
	inode_get(inode);
	/* A nameless place (a pipe through /proc) shows as what it is. */
	if (p->mnt != NULL || p->dentry->len > 0) {
		file->path = *p;
		path_get(&file->path);
	}
	*error = open_ops(inode, file);
	if (*error < 0) {
		file->ops = &path_file_ops; /* nothing to release */
		file_put(file);
		return NULL;
	}
	if (!(flags & O_PATH))
		notify_file(file, IN_OPEN);
	if (S_ISCHR(inode->mode) && !(flags & (O_PATH | O_NOCTTY)))
		tty_opened(file);
	return file;
}
