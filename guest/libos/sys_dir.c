/*
 * Names and directories: making, removing, linking, renaming, listing, and the
 * working directory.
 */
#include <linux/capability.h>
#include "heap.h"
#include "path.h"
#include "process.h"
#include "sys.h"

/* ---- making names ---- */

/*
 * A walk to the directory of a name that is to be made, and the name's
 * dentry: negative, or -EEXIST. `dir`: the name may end in a slash. From
 * making_begin() to making_end() nobody else changes names there.
 */
struct making {
	struct pathname pn;
	struct walk walk;
	struct dentry *d;
};

static int making_find(struct making *m, bool dir)
{
	int error = walk_last(&m->walk, &m->d);

	if (error < 0)
		return error;
	if (m->d->inode != NULL)
		error = -EEXIST;
	else if (m->walk.last.slash && !dir)
		error = -ENOENT;
	if (error < 0)
		dentry_put(m->d);
	return error;
}

static int making_look(struct making *m, bool dir)
{
	int error = walk_parent(&m->walk, m->pn.text);

	if (error < 0)
		return error;
	if (m->walk.last.type != LAST_NAME)
		return -EEXIST;
	names_lock(walk_super(&m->walk));
	error = making_find(m, dir);
	if (error < 0)
		names_unlock(walk_super(&m->walk));
	return error;
}

static int making_begin(struct making *m, int dirfd, const char *user, bool dir)
{
	int error = pathname_get(&m->pn, user, false);

	if (error < 0)
		return error;
	error = walk_begin(&m->walk, dirfd, m->pn.text, 0);
	if (error == 0) {
		error = making_look(m, dir);
		if (error < 0)
			walk_end(&m->walk);
	}
	if (error < 0)
		pathname_put(&m->pn);
	return error;
}

static void making_end(struct making *m)
{
	names_unlock(walk_super(&m->walk));
	dentry_put(m->d);
	walk_end(&m->walk);
	pathname_put(&m->pn);
}

static u32 masked(u32 mode)
{
	return mode & ~current_process()->fs->umask;
}

long sys_mkdirat(int dirfd, const char *path, u32 mode)
{
	struct making m;
	long r = making_begin(&m, dirfd, path, true);

	if (r < 0)
		return r;
	r = vfs_mkdir(&m.walk.at, m.d, masked(mode & 01777));
	making_end(&m);
	return r;
}

long sys_mkdir(const char *path, u32 mode)
{
	return sys_mkdirat(AT_FDCWD, path, mode);
}

long sys_mknodat(int dirfd, const char *path, u32 mode, u32 dev)
{
	struct making m;
	u32 type = mode & S_IFMT;
	long r;

	if (type == 0)
		type = S_IFREG;
	if (type == S_IFDIR)
		return -EPERM;
	if (type != S_IFREG && type != S_IFCHR && type != S_IFBLK && type != S_IFIFO &&
	    type != S_IFSOCK)
		return -EINVAL;
	r = making_begin(&m, dirfd, path, false);
	if (r < 0)
		return r;
	if (type != S_IFCHR && type != S_IFBLK)
		dev = 0;
	else if (!capable(CAP_MKNOD))
		r = -EPERM;
	if (r == 0)
		r = vfs_create(&m.walk.at, m.d, type | masked(mode & 07777), dev);
	making_end(&m);
	return r;
}

long sys_mknod(const char *path, u32 mode, u32 dev)
{
	return sys_mknodat(AT_FDCWD, path, mode, dev);
}

long sys_symlinkat(const char *target, int dirfd, const char *path)
{
	struct pathname text;
	struct making m;
	long r = pathname_get(&text, target, false);

	if (r < 0)
		return r;
	r = making_begin(&m, dirfd, path, false);
	if (r == 0) {
		r = vfs_symlink(&m.walk.at, m.d, text.text);
		making_end(&m);
	}
	pathname_put(&text);
	return r;
}

long sys_symlink(const char *target, const char *path)
{
	return sys_symlinkat(target, AT_FDCWD, path);
}

long sys_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	struct making m;
	struct path old;
	u32 lookup = flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0;
	long r;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_SYMLINK_FOLLOW)
		lookup |= LOOKUP_FOLLOW;
	r = user_lookup(from_fd, from, lookup, &old);
	if (r < 0)
		return r;
	r = making_begin(&m, to_fd, to, false);
	if (r == 0) {
		if (old.mnt != m.walk.at.mnt)
			r = -EXDEV;
		else
			r = vfs_link(&m.walk.at, old.dentry->inode, m.d);
		making_end(&m);
	}
	path_put(&old);
	return r;
}

long sys_link(const char *from, const char *to)
{
	return sys_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---- removing ---- */

static long remove_name(struct walk *w, bool dir)
{
	struct dentry *d;
	long r = walk_last(w, &d);

	if (r < 0)
		return r;
	if (d->inode == NULL)
		r = -ENOENT;
	else if (!dir && w->last.slash)
		r = S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
	else
		r = dir ? vfs_rmdir(&w->at, d) : vfs_unlink(&w->at, d);
	dentry_put(d);
	return r;
}

static long remove_last(struct walk *w, bool dir)
{
	long r;

	if (w->last.type != LAST_NAME) {
		if (!dir)
			return -EISDIR;
		return w->last.type == LAST_DOTDOT ? -ENOTEMPTY :
		       w->last.type == LAST_DOT    ? -EINVAL :
						     -EBUSY;
	}
	names_lock(walk_super(w));
	r = remove_name(w, dir);
	names_unlock(walk_super(w));
	return r;
}

long sys_unlinkat(int dirfd, const char *path, int flags)
{
	struct pathname pn;
	struct walk w;
	long r;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	r = pathname_get(&pn, path, false);
	if (r < 0)
		return r;
	r = walk_begin(&w, dirfd, pn.text, 0);
	if (r == 0) {
		r = walk_parent(&w, pn.text);
		if (r == 0)
			r = remove_last(&w, flags & AT_REMOVEDIR);
		walk_end(&w);
	}
	pathname_put(&pn);
	return r;
}

long sys_unlink(const char *path)
{
	return sys_unlinkat(AT_FDCWD, path, 0);
}

long sys_rmdir(const char *path)
{
	return sys_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* ---- renaming ---- */

static long rename_dentries(struct walk *from, struct dentry *old, struct walk *to,
			    struct dentry *new, unsigned int flags)
{
	bool dir;

	if (old->inode == NULL)
		return -ENOENT;
	dir = S_ISDIR(old->inode->mode);
	if (flags & RENAME_NOREPLACE && new->inode != NULL)
		return -EEXIST;
	if (flags & RENAME_EXCHANGE) {
		if (new->inode == NULL)
			return -ENOENT;
		if (to->last.slash && !S_ISDIR(new->inode->mode))
			return -ENOTDIR;
	}
	if (!dir && (from->last.slash || (to->last.slash && !(flags & RENAME_EXCHANGE))))
		return -ENOTDIR;
	return vfs_rename(old, &to->at, new, flags);
}

static long rename_names(struct walk *from, struct walk *to, unsigned int flags)
{
	struct dentry *old, *new;
	long r = walk_last(from, &old);

	if (r < 0)
		return r;
	r = walk_last(to, &new);
	if (r == 0) {
		r = rename_dentries(from, old, to, new, flags);
		dentry_put(new);
	}
	dentry_put(old);
	return r;
}

static long rename_walks(struct walk *from, struct walk *to, unsigned int flags)
{
	long r;

	if (from->at.mnt != to->at.mnt)
		return -EXDEV;
	if (from->last.type != LAST_NAME)
		return -EBUSY;
	if (to->last.type != LAST_NAME)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	names_lock(walk_super(from));
	r = rename_names(from, to, flags);
	names_unlock(walk_super(from));
	return r;
}

static long rename_texts(int from_fd, const char *from, int to_fd, const char *to,
			 unsigned int flags)
{
	struct walk old, new;
	long r = walk_begin(&old, from_fd, from, 0);

	if (r < 0)
		return r;
	r = walk_parent(&old, from);
	if (r == 0) {
		r = walk_begin(&new, to_fd, to, 0);
		if (r == 0) {
			r = walk_parent(&new, to);
			if (r == 0)
				r = rename_walks(&old, &new, flags);
			walk_end(&new);
		}
	}
	walk_end(&old);
	return r;
}

long sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
	struct pathname old, new;
	long r;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT) ||
	    (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT) && flags & RENAME_EXCHANGE) ||
	    flags & RENAME_WHITEOUT)
		return -EINVAL;
	r = pathname_get(&old, from, false);
	if (r < 0)
		return r;
	r = pathname_get(&new, to, false);
	if (r == 0) {
		r = rename_texts(from_fd, old.text, to_fd, new.text, flags);
		pathname_put(&new);
	}
	pathname_put(&old);
	return r;
}

long sys_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return sys_renameat2(from_fd, from, to_fd, to, 0);
}

long sys_rename(const char *from, const char *to)
{
	return sys_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---- the working directory and the root ---- */

/* Takes over the path's references. */
static long enter_directory(struct path *slot, struct path *p)
{
	long r = S_ISDIR(p->dentry->inode->mode) ? vfs_permission(p, 1) : -ENOTDIR;

	if (r < 0) {
		path_put(p);
		return r;
	}
	path_put(slot);
	*slot = *p;
	return 0;
}

long sys_chdir(const char *path)
{
	struct path p;
	long r = user_lookup(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	return r < 0 ? r : enter_directory(&current_process()->fs->cwd, &p);
}

long sys_fchdir(int fd)
{
	struct file *file = fd_get_raw(fd);
	struct path p;

	if (file == NULL)
		return -EBADF;
	p = file->path;
	path_get(&p);
	file_put(file);
	return p.dentry == NULL ? -ENOTDIR : enter_directory(&current_process()->fs->cwd, &p);
}

long sys_chroot(const char *path)
{
	struct path p;
	long r = user_lookup(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (r < 0)
		return r;
	if (vfs_permission(&p, 1) == 0 && !capable(CAP_SYS_CHROOT)) {
		path_put(&p);
		return -EPERM;
	}
	return enter_directory(&current_process()->fs->root, &p);
}

long sys_getcwd(char *user, unsigned long size)
{
	static const char outside[] = "(unreachable)";
	struct fs_context *fs = current_process()->fs;
	char *buf, *text;
	bool reachable;
	long r;

	if (fs->cwd.dentry->deleted)
		return -ENOENT;
	buf = kalloc(PATH_MAX);
	if (buf == NULL)
		return -ENOMEM;
	text = path_text(&fs->cwd, &fs->root, buf + sizeof(outside), PATH_MAX - sizeof(outside),
			 &reachable);
	if (text != NULL && !reachable) {
		text -= sizeof(outside) - 1;
		memcpy(text, outside, sizeof(outside) - 1);
	}
	if (text == NULL)
		r = -ENAMETOOLONG;
	else if (strlen(text) + 1 > size)
		r = -ERANGE;
	else
		r = copy_to_user(user, text, strlen(text) + 1) < 0 ? -EFAULT :
								     (long)strlen(text) + 1;
	kfree(buf);
	return r;
}
