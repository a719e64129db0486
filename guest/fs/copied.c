/*
 * The files of --copy (struct copied_file, shared/abi.h), made in the root file
 * system when something is first looked for there: whatever process looks then,
 * they are root's, so names are walked here without anyone's permissions, root
 * directory or umask. Contents stay where the VMM has mapped them.
 */
#include "../libos/boot_info.h"
#include "../libos/heap.h"
#include "../libos/memory.h"
#include "tmpfs.h"

#define LINKS_MAX 8

struct maker {
	struct path dir; /* of the last file */
	const char *dir_name; /* its path, in the list */
	size_t dir_len;
	unsigned failed;
};

static int enter(struct path *at, struct dentry *d, unsigned links);

/* The entry in a directory; made as a directory where there is none. */
static int step(struct path *at, const char *name, size_t len, unsigned links)
{
	struct dentry *d;
	int error = vfs_lookup(at->dentry, name, len, &d);

	if (error < 0)
		return error;
	if (d->inode == NULL) {
		const struct inode_ops *ops = at->dentry->inode->ops;

		error = ops->mkdir != NULL ? ops->mkdir(d, 0755) : -EROFS;
		if (error == 0)
			d->inode->uid = d->inode->gid = 0;
	}
	if (error == 0)
		error = enter(at, d, links);
	dentry_put(d);
	return error;
}

static int walk(struct path *at, const char *path, size_t len, unsigned links)
{
	int error = 0;

	while (len > 0 && error == 0) {
		const char *slash = memchr(path, '/', len);
		size_t part = slash != NULL ? (size_t)(slash - path) : len;

		if (part > 0)
			error = step(at, path, part, links);
		part += slash != NULL;
		path += part;
		len -= part;
	}
	return error;
}

static void to_root(struct path *at)
{
	path_put(at);
	*at = (struct path){ root_mount, root_mount->root };
	path_get(at);
}

/* Symbolic links are followed as far as the library OS makes them itself:
 * /var/run is /run. */
static int enter(struct path *at, struct dentry *d, unsigned links)
{
	char target[256];
	struct path next;
	long n;

	if (S_ISDIR(d->inode->mode)) {
		next = (struct path){ at->mnt, d };
		path_get(&next);
		path_into_mounts(&next);
		path_put(at);
		*at = next;
		return 0;
	}
	if (!S_ISLNK(d->inode->mode) || d->inode->ops->readlink == NULL || links == LINKS_MAX)
		return -ENOTDIR;
	n = d->inode->ops->readlink(d->inode, target, sizeof(target));
	if (n <= 0 || n == (long)sizeof(target) || target[0] != '/')
		return -ENOTDIR;
	to_root(at);
	return walk(at, target, n, links + 1);
}

static struct __kernel_timespec time_of(i64 ns)
{
	i64 s = ns / 1000000000 - (ns % 1000000000 < 0);

	return (struct __kernel_timespec){ .tv_sec = s, .tv_nsec = ns - s * 1000000000 };
}

static int make(struct dentry *d, const struct copied_file *f, const char *target)
{
	const struct inode_ops *ops = d->parent->inode->ops;
	int error;

	if (ops->mkdir == NULL || ops->symlink == NULL || ops->create == NULL)
		return -EROFS;
	if (S_ISDIR(f->mode))
		return ops->mkdir(d, f->mode & 07777);
	if (!S_ISLNK(f->mode))
		return ops->create(d, f->mode, f->rdev);
	char *text = kalloc(f->link_len + 1);
	if (text == NULL)
		return -ENOMEM;
	memcpy(text, target, f->link_len);
	error = ops->symlink(d, text);
	kfree(text);
	return error;
}

/* What is there already, the library OS has made: it gives way, unless both
 * are directories. */
static int make_at(struct path *dir, const char *name, const struct copied_file *f,
		   const char *target, struct inode **inode)
{
	size_t len = f->name_len - (name - (const char *)(f + 1));
	struct dentry *d;
	int error = vfs_lookup(dir->dentry, name, len, &d);

	if (error == 0 && d->inode != NULL && !(S_ISDIR(d->inode->mode) && S_ISDIR(f->mode))) {
		const struct inode_ops *ops = dir->dentry->inode->ops;

		error = S_ISDIR(d->inode->mode) ? -EISDIR :
			ops->unlink != NULL     ? ops->unlink(d) :
						  -EROFS;
		dentry_put(d);
		if (error == 0)
			error = vfs_lookup(dir->dentry, name, len, &d);
	}
	if (error < 0)
		return error;
	if (d->inode == NULL)
		error = make(d, f, target);
	if (error == 0)
		*inode = inode_get(d->inode);
	dentry_put(d);
	return error;
}

static int add(struct path *dir, const char *name, const struct copied_file *f, const char *target)
{
	struct inode *parent = dir->dentry->inode, *inode = NULL;
	struct __kernel_timespec before = parent->mtime;
	int error = make_at(dir, name, f, target, &inode);

	if (inode == NULL)
		return error;
	parent->mtime = before; /* parents come first in the list, with their times */
	inode->mode = (inode->mode & S_IFMT) | (f->mode & 07777);
	inode->uid = f->uid;
	inode->gid = f->gid;
	inode->atime = inode->mtime = time_of(f->mtime_ns);
	if (S_ISREG(f->mode) && inode->fops == &tmpfs_file_ops)
		tmpfs_set_mapped(inode, f->gpa, f->size);
	else if (S_ISREG(f->mode) && f->size > 0)
		error = -EROFS;
	inode_put(inode);
	return error;
}

/* Files of one directory often follow each other. */
static int find_dir(struct maker *m, const char *path, size_t len)
{
	int error;

	if (m->dir_name != NULL && len == m->dir_len && memcmp(path, m->dir_name, len) == 0)
		return 0;
	to_root(&m->dir);
	error = walk(&m->dir, path, len, 0);
	m->dir_name = error == 0 ? path : NULL;
	m->dir_len = len;
	return error;
}

static void report(const char *path, size_t len, int error)
{
	char text[200];

	len = MIN(len, sizeof(text) - 1);
	memcpy(text, path, len);
	text[len] = 0;
	klog("mayfly: --copy: cannot make /%s (error %d)", text, -error);
}

static void add_next(struct maker *m, const struct copied_file *f)
{
	const char *path = (const char *)(f + 1), *name = path + f->name_len;
	int error;

	while (name > path && name[-1] != '/')
		name--;
	error = find_dir(m, path, name > path ? name - path - 1 : 0);
	if (error == 0)
		error = add(&m->dir, name, f, path + f->name_len);
	if (error < 0 && m->failed++ == 0)
		report(path, f->name_len, error);
}

void copied_make(void)
{
	const struct boot_info *b = &boot_info;
	const char *at, *end;
	struct maker m = { .failed = 0 };
	static bool done;

	if (done || b->files_size == 0)
		return;
	done = true; /* making them looks names up again */
	at = physical_bytes(b->files, b->files_size);
	if (at == NULL) {
		klog("mayfly: --copy: no memory for the list of files");
		return;
	}
	for (end = at + b->files_size; at < end;) {
		const struct copied_file *f = (const struct copied_file *)at;

		add_next(&m, f);
		at += ALIGN_UP(sizeof(*f) + f->name_len + f->link_len, 8);
	}
	path_put(&m.dir);
	if (m.failed > 1)
		klog("mayfly: --copy: %u files could not be made", m.failed);
}
