/*
 * Operations on names: what every file system must check alike, in the order
 * in which Linux reports errors (fs/namei.c), before the file system acts.
 *
 * The caller has looked the name up: a dentry with an inode exists, one
 * without does not, and stays so, since the caller holds names_lock() from then
 * on. Who finds a dentry without asking the file system does not need it.
 */
#include "notify.h"
#include <asm/statfs.h>

bool names_lock(struct super *sb)
{
	bool waited = sb->names_locked;

	while (sb->names_locked)
		wait_uninterruptible(&sb->names_unlocked);
	sb->names_locked = sb->names_wait;
	return waited;
}

void names_unlock(struct super *sb)
{
	if (!sb->names_locked)
		return;
	sb->names_locked = false;
	wake_all(&sb->names_unlocked);
}

/* What is known already: the dentry, or NULL. */
static struct dentry *find_known(struct dentry *dir, const char *name, size_t len)
{
	const struct inode *inode = dir->inode;
	struct dentry *d = dentry_find(dir, name, len);

	if (d != NULL && inode->ops->revalidate != NULL && !inode->ops->revalidate(d)) {
		dentry_put(d);
		return NULL;
	}
	return d;
}

static int ask_for(struct dentry *dir, const char *name, size_t len, const char *ahead,
		   struct dentry **out)
{
	struct dentry *d = dentry_new(dir, name, len);
	int error;

	if (d == NULL)
		return -ENOMEM;
	d->ahead = ahead;
	error = dir->inode->ops->lookup(dir->inode, d);
	if (!d->attached)
		d->ahead = NULL;
	if (error == 0 && d->inode == NULL && !d->attached) {
		/* The lookup may have filled the directory (populate). */
		struct dentry *now = dentry_find(dir, name, len);

		if (now != NULL) {
			dentry_put(d);
			d = now;
		}
	}
	if (error < 0)
		dentry_put(d);
	else
		*out = d;
	return error;
}

static int may_look(const struct dentry *dir, size_t len)
{
	if (!S_ISDIR(dir->inode->mode) || dir->inode->ops->lookup == NULL)
		return -ENOTDIR;
	return len > NAME_MAX ? -ENAMETOOLONG : 0;
}

int vfs_find(struct dentry *dir, const char *name, size_t len, struct dentry **out)
{
	int error = may_look(dir, len);

	if (error < 0)
		return error;
	*out = find_known(dir, name, len);
	return *out != NULL ? 0 : ask_for(dir, name, len, "", out);
}

int vfs_lookup_ahead(struct dentry *dir, const char *name, size_t len, const char *ahead,
		     struct dentry **out)
{
	struct super *sb = dir->inode->sb;
	int error = may_look(dir, len);

	if (error < 0)
		return error;
	*out = find_known(dir, name, len);
	if (*out != NULL)
		return 0;
	if (names_lock(sb)) /* somebody may have found it meanwhile */
		*out = find_known(dir, name, len);
	if (*out == NULL)
		error = ask_for(dir, name, len, ahead, out);
	names_unlock(sb);
	return error;
}

int vfs_lookup(struct dentry *dir, const char *name, size_t len, struct dentry **out)
{
	return vfs_lookup_ahead(dir, name, len, "", out);
}

int vfs_writable(const struct path *p)
{
	const struct super *sb = p->dentry->inode->sb;

	return (p->mnt != NULL && p->mnt->read_only) || sb->read_only ? -EROFS : 0;
}

/* What all that make a name have in common. */
static int may_create(struct path *dir, struct dentry *d)
{
	if (d->inode != NULL)
		return -EEXIST;
	if (vfs_writable(dir) < 0)
		return -EROFS;
	if (dir->dentry->inode->nlink == 0) /* a removed directory */
		return -ENOENT;
	return vfs_permission(dir, 3);
}

int vfs_create(struct path *dir, struct dentry *d, u32 mode, u32 rdev)
{
	int error = may_create(dir, d);

	if (error < 0)
		return error;
	if (dir->dentry->inode->ops->create == NULL)
		return S_ISREG(mode) ? -EACCES : -EPERM;
	error = dir->dentry->inode->ops->create(d, mode, rdev);
	if (error == 0)
		notify_name(dir->dentry, d, IN_CREATE);
	return error;
}

int vfs_mkdir(struct path *dir, struct dentry *d, u32 mode)
{
	int error = may_create(dir, d);

	if (error < 0)
		return error;
	if (dir->dentry->inode->ops->mkdir == NULL)
		return -EPERM;
	error = dir->dentry->inode->ops->mkdir(d, mode);
	if (error == 0)
		notify_name(dir->dentry, d, IN_CREATE);
	return error;
}

int vfs_symlink(struct path *dir, struct dentry *d, const char *target)
{
	int error = may_create(dir, d);

	if (error < 0)
		return error;
	if (dir->dentry->inode->ops->symlink == NULL)
		return -EPERM;
	error = dir->dentry->inode->ops->symlink(d, target);
	if (error == 0)
		notify_name(dir->dentry, d, IN_CREATE);
	return error;
}

static void notify_linked(struct dentry *dir, struct dentry *d)
{
	if (likely(!notify_watches))
		return;
	notify_itself_now(d->inode, IN_ATTRIB);
	notify_name_now(dir, d, IN_CREATE);
}

int vfs_link(struct path *dir, struct inode *inode, struct dentry *d)
{
	int error = may_create(dir, d);

	if (error < 0)
		return error;
	if (inode->sb != dir->dentry->inode->sb)
		return -EXDEV;
	if (dir->dentry->inode->ops->link == NULL || S_ISDIR(inode->mode))
		return -EPERM;
	if (inode->nlink == 0 && !inode->linkable)
		return -ENOENT;
	error = dir->dentry->inode->ops->link(inode, d);
	if (error == 0)
		notify_linked(dir->dentry, d);
	return error;
}

/* What all that take a name away have in common. */
static int may_delete(const struct path *dir, struct dentry *d, bool want_dir)
{
	int error = vfs_permission(dir, 3);

	if (error < 0)
		return error;
	if (vfs_sticky(dir->dentry->inode, d->inode))
		return -EPERM;
	if (want_dir && !S_ISDIR(d->inode->mode))
		return -ENOTDIR;
	if (!want_dir && S_ISDIR(d->inode->mode))
		return -EISDIR;
	if (dir->dentry->inode->nlink == 0)
		return -ENOENT;
	if (d->mounted)
		return -EBUSY;
	return 0;
}

static void removed(struct path *dir, struct dentry *d)
{
	d->deleted = true;
	if (unlikely(notify_watches))
		notify_unlinked_now(dir->dentry, d);
}

int vfs_unlink(struct path *dir, struct dentry *d)
{
	int error = may_delete(dir, d, false);

	if (error < 0)
		return error;
	if (dir->dentry->inode->ops->unlink == NULL)
		return -EPERM;
	error = dir->dentry->inode->ops->unlink(d);
	if (error == 0)
		removed(dir, d);
	return error;
}

int vfs_rmdir(struct path *dir, struct dentry *d)
{
	int error = may_delete(dir, d, true);

	if (error < 0)
		return error;
	if (dir->dentry->inode->ops->rmdir == NULL)
		return -EPERM;
	error = dir->dentry->inode->ops->rmdir(d);
	if (error == 0)
		removed(dir, d);
	return error;
}

static bool is_below(const struct dentry *d, const struct dentry *above)
{
	for (; d != NULL; d = d->parent)
		if (d == above)
			return true;
	return false;
}

int vfs_rename(struct dentry *from, struct path *to_dir, struct dentry *to, unsigned int flags)
{
	struct path from_dir = { to_dir->mnt, from->parent };
	bool dir = S_ISDIR(from->inode->mode);
	struct inode *victim = to->inode;
	int error;

	if (is_below(to->parent, from))
		return -EINVAL;
	if (victim != NULL && is_below(from->parent, to))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	if (from->inode == victim)
		return 0;
	error = may_delete(&from_dir, from, dir);
	if (error == 0 && victim == NULL)
		error = may_create(to_dir, to);
	else if (error == 0)
		error = may_delete(to_dir, to,
				   flags & RENAME_EXCHANGE ? S_ISDIR(victim->mode) : dir);
	if (error < 0)
		return error;
	if (from->parent->inode->ops->rename == NULL)
		return -EPERM;
	error = from->parent->inode->ops->rename(from, to, flags);
	if (error == 0 && victim != NULL && !(flags & RENAME_EXCHANGE))
		to->deleted = true;
	if (error == 0 && unlikely(notify_watches))
		notify_renamed_now(from_dir.dentry, from, to, victim, flags & RENAME_EXCHANGE);
	return error;
}

int vfs_setattr(const struct path *p, const struct attr *attr)
{
	struct inode *inode = p->dentry->inode;
	int error;

	if (vfs_writable(p) < 0)
		return -EROFS;
	if (inode->ops == NULL || inode->ops->setattr == NULL)
		return -EPERM;
	error = inode->ops->setattr(inode, attr);
	if (error == 0 && unlikely(notify_watches))
		notify_attr_now(p->dentry, attr);
	return error;
}

int vfs_truncate(const struct path *p, u64 size)
{
	struct inode *inode = p->dentry->inode;
	struct attr attr = { .valid = ATTR_SIZE, .size = size };
	int error;

	if (S_ISDIR(inode->mode))
		return -EISDIR;
	if (!S_ISREG(inode->mode))
		return -EINVAL;
	error = inode_start_write(inode);
	if (error < 0)
		return error;
	error = vfs_setattr(p, &attr);
	inode_end_write(inode);
	return error;
}

int vfs_getattr(struct inode *inode, struct kstat *st)
{
	inode_stat(inode, st);
	if (inode->ops != NULL && inode->ops->getattr != NULL)
		return inode->ops->getattr(inode, st);
	return 0;
}

/* ---- positions and directories ---- */

static i64 lseek_to(struct file *file, i64 base, i64 offset)
{
	i64 pos;

	if (__builtin_add_overflow(base, offset, &pos) || pos < 0)
		return -EINVAL;
	file->pos = pos;
	return pos;
}

i64 file_lseek(struct file *file, i64 offset, int whence)
{
	switch (whence) {
	case SEEK_SET:
		return lseek_to(file, 0, offset);
	case SEEK_CUR:
		return lseek_to(file, file->pos, offset);
	case SEEK_END:
		return lseek_to(file, file->inode->size, offset);
	case SEEK_DATA: /* without holes: data up to the end */
	case SEEK_HOLE:
		if (offset < 0 || (u64)offset >= file->inode->size)
			return -ENXIO;
		return lseek_to(file, 0, whence == SEEK_DATA ? offset : (i64)file->inode->size);
	}
	return -EINVAL;
}

i64 dir_lseek(struct file *file, i64 offset, int whence)
{
	if (whence == SEEK_SET)
		return lseek_to(file, 0, offset);
	if (whence == SEEK_CUR)
		return lseek_to(file, file->pos, offset);
	return -EINVAL;
}

bool dir_emit_dots(struct file *file, struct dir_sink *sink)
{
	struct dentry *d = file->path.dentry;
	struct inode *up = d->parent != NULL ? d->parent->inode : d->inode;

	if (file->pos == 0) {
		if (!sink->emit(sink, ".", 1, d->inode->ino, DT_OF(S_IFDIR), 1))
			return false;
		file->pos = 1;
	}
	if (file->pos == 1) {
		if (!sink->emit(sink, "..", 2, up->ino, DT_OF(S_IFDIR), 2))
			return false;
		file->pos = 2;
	}
	return true;
}
