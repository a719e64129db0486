/*
 * open(2) and its kin. The order of the checks is Linux's (fs/open.c,
 * fs/namei.c), because programs see which error comes first.
 */
#include "fd.h"
#include "heap.h"
#include "path.h"
#include "process.h"
#include "sys.h"

#define KNOWN_FLAGS                                                                           \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | \
	 O_DSYNC | FASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |   \
	 O_CLOEXEC | O_PATH | __O_TMPFILE)
#define PATH_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)

static bool wants_write(u32 flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
}

/* What may_open() of Linux checks, for what was not just created. */
static int check_found(const struct walk *w, u32 flags)
{
	u32 mode = w->at.dentry->inode->mode;

	if (flags & O_CREAT && S_ISDIR(mode))
		return -EISDIR;
	if ((flags & O_DIRECTORY || w->last.slash) && !S_ISDIR(mode))
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	if (S_ISLNK(mode))
		return -ELOOP;
	if (wants_write(flags) && S_ISDIR(mode))
		return -EISDIR;
	return vfs_permission(&w->at, ((flags & O_ACCMODE) != O_WRONLY ? 4 : 0) |
					      (wants_write(flags) ? 2 : 0));
}

static int truncate_found(const struct path *p)
{
	struct inode *inode = p->dentry->inode;
	struct attr attr = { .valid = ATTR_SIZE | ATTR_OPEN_TRUNC };
	int error;

	if (!S_ISREG(inode->mode))
		return 0;
	error = inode_start_write(inode);
	if (error < 0)
		return error;
	error = vfs_setattr(p, &attr);
	inode_end_write(inode);
	/* files of /proc have no size */
	return error == -EPERM && (!inode->ops || !inode->ops->setattr) ? 0 : error;
}

/* 0: w->at is there, made if *created; 1: it is a link. */
static int create_name(struct walk *w, u32 flags, u32 mode, bool *created)
{
	struct dentry *d;
	int error = walk_last(w, &d);

	if (error < 0)
		return error;
	mode &= 07777 & ~current_process()->fs->umask;
	if (d->inode == NULL) {
		error = vfs_create(&w->at, d, S_IFREG | mode, 0);
		*created = error == 0;
	} else if (flags & O_EXCL) {
		error = -EEXIST;
	} else if (S_ISLNK(d->inode->mode)) {
		error = 1;
	}
	if (error == 0)
		error = walk_into(w, d);
	dentry_put(d);
	return error;
}

/* The last step of a walk with O_CREAT. 0: w->at is there, made if *created;
 * 1: a link leads on. */
static int create_last(struct walk *w, u32 flags, u32 mode, bool *created)
{
	struct super *sb = walk_super(w);
	int error;

	if (w->last.type != LAST_NAME || w->last.slash)
		return -EISDIR;
	names_lock(sb);
	error = create_name(w, flags, mode, created);
	names_unlock(sb);
	return error == 1 ? walk_step_last(w, !(flags & O_NOFOLLOW)) : error;
}

static struct file *open_found(struct walk *w, u32 flags, bool created, int *error)
{
	struct file *file;

	if (!created) {
		*error = check_found(w, flags);
		if (*error < 0)
			return NULL;
	}
	file = vfs_open(&w->at, flags, error);
	if (file != NULL && flags & O_TRUNC && !created) {
		*error = truncate_found(&w->at);
		if (*error < 0) {
			file_put(file);
			return NULL;
		}
	}
	return file;
}

/* O_TMPFILE: an inode without a name in the directory's file system. */
static struct file *open_nameless(struct walk *w, u32 flags, u32 mode, int *error)
{
	struct inode *dir = w->at.dentry->inode, *inode;
	struct path p = { w->at.mnt, NULL };
	struct file *file;

	*error = vfs_writable(&w->at);
	if (*error == 0 && dir->ops->tmpfile == NULL)
		*error = -EOPNOTSUPP;
	if (*error < 0)
		return NULL;
	mode &= 07777 & ~current_process()->fs->umask;
	*error = dir->ops->tmpfile(dir->sb, S_IFREG | mode, &inode);
	if (*error < 0)
		return NULL;
	p.dentry = dentry_new(w->at.dentry, "#tmpfile", 8);
	if (p.dentry == NULL) {
		inode_put(inode);
		*error = -ENOMEM;
		return NULL;
	}
	p.dentry->inode = inode;
	inode->linkable = !(flags & O_EXCL);
	p.dentry->deleted = true;
	file = vfs_open(&p, flags, error);
	dentry_put(p.dentry);
	return file;
}

struct file *path_open(int dirfd, const char *text, u64 flags, u32 mode, u32 resolve, int *error)
{
	bool follow = !(flags & O_NOFOLLOW), created = false;
	struct file *file = NULL;
	struct walk w;
	int r;

	*error = walk_begin(&w, dirfd, text, LOOKUP_RESOLVE(resolve) | LOOKUP_FOLLOW);
	if (*error < 0)
		return NULL;
	if (flags & __O_TMPFILE) {
		w.flags |= LOOKUP_DIRECTORY;
		r = walk_to(&w, text);
		if (r == 0)
			file = open_nameless(&w, flags, mode, &r);
	} else {
		r = walk_parent(&w, text);
		if (r == 0)
			do
				r = flags & O_CREAT ? create_last(&w, flags, mode, &created) :
						      walk_step_last(&w, follow);
			while (r == 1);
		if (r == 0)
			file = open_found(&w, flags, created, &r);
	}
	*error = r;
	walk_end(&w);
	return file;
}

/* ---- for the library OS itself ---- */

struct file *file_open_kernel(const char *path, int flags, int *error)
{
	return path_open(AT_FDCWD, path, flags, 0, 0, error);
}

long file_read_kernel(struct file *file, void *buf, size_t len, u64 offset)
{
	struct iovec iov = { buf, len };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = len, .kernel = true };

	if (file->ops->read == NULL)
		return S_ISDIR(file->inode->mode) ? -EISDIR : -EINVAL;
	return file->ops->read(file, &uio, &offset);
}

/* ---- system calls ---- */

/* Flags that contradict each other; strict: openat2's further rules. */
static int check_flags(u64 *flags, u32 mode, bool strict)
{
	if (strict && *flags & ~(u64)KNOWN_FLAGS)
		return -EINVAL;
	*flags &= KNOWN_FLAGS;
	if (strict && mode != 0 && !(*flags & (O_CREAT | __O_TMPFILE)))
		return -EINVAL;
	if ((*flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT))
		return -EINVAL;
	if (*flags & __O_TMPFILE) {
		if (!(*flags & O_DIRECTORY) || (*flags & O_ACCMODE) == O_RDONLY)
			return -EINVAL;
	}
	if (*flags & O_PATH) {
		if (strict && *flags & ~(u64)PATH_FLAGS)
			return -EINVAL;
		*flags &= PATH_FLAGS;
	} else {
		*flags |= O_LARGEFILE;
	}
	return 0;
}

static long do_open(int dirfd, const char *user, u64 flags, u32 mode, u32 resolve)
{
	struct pathname pn;
	struct file *file;
	int error = pathname_get(&pn, user, false);

	if (error < 0)
		return error;
	error = fd_room();
	if (error == 0) {
		file = path_open(dirfd, pn.text, flags, mode, resolve, &error);
		if (file != NULL)
			error = fd_install_or_put(file, flags);
	}
	pathname_put(&pn);
	return error;
}

long sys_openat(int dirfd, const char *path, int flags, u32 mode)
{
	u64 wide = (u32)flags;
	int error = check_flags(&wide, mode, false);

	return error < 0 ? error : do_open(dirfd, path, wide, mode, 0);
}

long sys_open(const char *path, int flags, u32 mode)
{
	return sys_openat(AT_FDCWD, path, flags, mode);
}

long sys_creat(const char *path, u32 mode)
{
	return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

#define KNOWN_RESOLVE                                                                      \
	(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | \
	 RESOLVE_IN_ROOT | RESOLVE_CACHED)

long sys_openat2(int dirfd, const char *path, const struct open_how *user, size_t size)
{
	struct open_how how;
	u64 flags;
	int error;

	if (size < sizeof(how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	error = copy_struct_from_user(&how, sizeof(how), user, size);
	if (error < 0)
		return error;
	if (how.resolve & ~(u64)KNOWN_RESOLVE || how.mode & ~(u64)07777 ||
	    (how.resolve & RESOLVE_BENEATH && how.resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	flags = how.flags;
	error = check_flags(&flags, how.mode, true);
	if (error < 0)
		return error;
	if (how.resolve & RESOLVE_CACHED) /* nothing is known to be at hand */
		return -EAGAIN;
	return do_open(dirfd, path, flags, how.mode, how.resolve);
}
