/*
 * Names of the overlay, see overlay.h. A directory knows its path below, not
 * its inode there, so that the host can be told to forget what is not in use;
 * fetching an entry walks that path, mostly through names that are still known.
 *
 * Fetching waits. Afterwards the name may be there, made or fetched by another
 * thread, or the directory may have let go: then what came is dropped.
 */
#include "overlay.h"
#include "../libos/heap.h"

#define FIRST_INO (1ull << 40) /* of what is made here: above those below */

static struct mount *lower;
/* As a tmpfs has them, but for what overlay_begin() puts in their place. */
static struct inode_ops dir_ops;

/* One step of the walk; takes over the reference to *at. */
static int step(struct dentry **at, const char *name, size_t len)
{
	struct dentry *d = NULL;
	int error = vfs_lookup_ahead(*at, name, len, name + len, &d);

	dentry_put(*at);
	*at = d;
	return error == 0 && d->inode == NULL ? -ENOENT : error;
}

int overlay_find(struct inode *inode, struct path *out)
{
	/* a copy, as the inode may let go of its path meanwhile */
	char *path = kstrdup(tmpfs_inode(inode)->lower), *name = path;
	int error = path != NULL ? 0 : -ENOMEM;

	*out = (struct path){ lower, lower->root };
	path_get(out);
	while (error == 0 && *name != 0) {
		char *end = strchr(name, '/');
		size_t len = end != NULL ? (size_t)(end - name) : strlen(name);

		error = step(&out->dentry, name, len);
		name += len + (end != NULL);
	}
	kfree(path);
	if (error < 0)
		path_put(out);
	return error;
}

/* ---- inodes */

static char *join(const char *dir, const char *name)
{
	size_t size = strlen(dir) + 1 + strlen(name) + 1;
	char *path = kalloc(size);

	if (path != NULL)
		snprintf(path, size, "%s%s%s", dir, *dir != 0 ? "/" : "", name);
	return path;
}

static int copy_target(struct inode *inode, struct inode *low)
{
	size_t room = MAX(low->size, (u64)NAME_MAX);
	char *text = room <= PATH_MAX ? kalloc(room + 1) : NULL;
	long n = text != NULL ? low->ops->readlink(low, text, room) : -ENOMEM;

	if (n < 0) {
		kfree(text);
		return n;
	}
	tmpfs_inode(inode)->target = text;
	inode->size = n;
	return 0;
}

static void copy_attributes(struct inode *inode, const struct inode *low)
{
	inode->ino = low->ino;
	inode->uid = low->uid;
	inode->gid = low->gid;
	inode->atime = low->atime;
	inode->mtime = low->mtime;
	inode->ctime = low->ctime;
	inode->btime = low->btime;
}

static void set_dir_ops(struct inode *inode)
{
	inode->ops = &dir_ops;
	inode->fops = &overlay_dir_file_ops;
}

/* An inode for what is below in a directory. */
static int make_inode(struct dentry *dir, struct dentry *low, struct inode **out)
{
	const char *above = tmpfs_inode(dir->inode)->lower;
	struct inode *inode = tmpfs_new_inode(dir->inode->sb, low->inode->mode, low->inode->rdev);
	int error = 0;

	if (inode == NULL)
		return -ENOMEM;
	copy_attributes(inode, low->inode);
	if (S_ISDIR(inode->mode)) {
		set_dir_ops(inode);
		inode->size = low->inode->size;
	} else if (S_ISREG(inode->mode)) {
		inode->ops = &overlay_file_ops;
		inode->size = low->inode->size;
	} else if (S_ISLNK(inode->mode)) {
		error = copy_target(inode, low->inode);
	}
	if (S_ISDIR(inode->mode) || S_ISREG(inode->mode)) {
		tmpfs_inode(inode)->lower = join(above, low->name);
		error = tmpfs_inode(inode)->lower != NULL ? 0 : -ENOMEM;
	}
	tmpfs_inode(inode)->xattrs_below = tmpfs_inode(inode)->lower != NULL;
	if (error == 0 && !tmpfs_inode(inode)->xattrs_below)
		error = overlay_copy_xattrs(low->inode, &tmpfs_inode(inode)->xattrs);
	if (error < 0)
		inode_put(inode);
	*out = inode;
	return error;
}

/* ---- fetching */

static bool is_here(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *d = dentry_find(dir, name, len);

	dentry_put(d);
	return d != NULL;
}

/* To the program the directory does not change by it. */
static int enter(struct dentry *dir, const struct dentry *low, struct inode *inode)
{
	struct dentry *d = dentry_new(dir, low->name, low->len);
	struct __kernel_timespec mtime = dir->inode->mtime, ctime = dir->inode->ctime;
	u64 dir_size = dir->inode->size;

	if (d == NULL) {
		inode_put(inode);
		return -ENOMEM;
	}
	if (S_ISDIR(inode->mode))
		dir->inode->nlink++;
	tmpfs_enter(d, inode);
	dir->inode->size = dir_size;
	dir->inode->mtime = mtime;
	dir->inode->ctime = ctime;
	dentry_put(d);
	return 0;
}

/* The entry of a directory and of the one below. 0 also when there is none. */
static int fetch(struct dentry *dir, struct dentry *low_dir, const char *name, size_t len,
		 const char *ahead)
{
	struct inode *inode;
	struct dentry *low;
	int error = vfs_lookup_ahead(low_dir, name, len, ahead, &low);

	if (error < 0)
		return error;
	if (low->inode != NULL && overlay_has_lower(dir) && !is_here(dir, name, len)) {
		error = make_inode(dir, low, &inode);
		if (error == 0 && overlay_has_lower(dir) && !is_here(dir, name, len))
			error = enter(dir, low, inode);
		else if (error == 0)
			inode_put(inode);
	}
	dentry_put(low);
	return error;
}

/* Names to be fetched: not while the directory below is read, whose file system may do
 * one thing at a time. */
struct name {
	struct name *next;
	size_t len;
	char text[];
};

struct fetcher {
	struct dir_sink sink;
	struct dentry *dir;
	struct name *names;
	int error;
};

bool overlay_is_dots(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

static bool note_name(struct dir_sink *sink, const char *name, size_t len, u64 ino, unsigned type,
		      u64 next)
{
	struct fetcher *f = container_of(sink, struct fetcher, sink);
	struct name *n;

	(void)ino, (void)type, (void)next;
	if (overlay_is_dots(name, len) || is_here(f->dir, name, len))
		return true;
	n = kalloc(sizeof(*n) + len + 1);
	if (n == NULL) {
		f->error = -ENOMEM;
		return false;
	}
	memcpy(n->text, name, len);
	n->len = len;
	n->next = f->names;
	f->names = n;
	return true;
}

/* Fetches those that were noted, as long as there is no error, and forgets them. */
static int fetch_names(struct fetcher *f, struct dentry *low, int error)
{
	while (f->names != NULL) {
		struct name *n = f->names;

		if (error == 0 && !is_here(f->dir, n->text, n->len))
			error = fetch(f->dir, low, n->text, n->len, "");
		f->names = n->next;
		kfree(n);
	}
	return error;
}

int overlay_read_below(const struct path *low, struct dir_sink *sink)
{
	int error;
	struct file *file = vfs_open(low, O_RDONLY | O_DIRECTORY, &error);

	if (file == NULL)
		return error;
	error = file->ops->readdir != NULL ? file->ops->readdir(file, sink) : -ENOTDIR;
	file_put(file);
	return error;
}

/* As a tmpfs counts. */
static u64 size_of_entries(const struct dentry *dir)
{
	const struct list *at;
	u64 size = 2 * TMPFS_ENTRY;

	list_for_each (at, &dir->children)
		if (container_of(at, struct dentry, siblings)->inode != NULL)
			size += TMPFS_ENTRY;
	return size;
}

/* All that is left; afterwards the directory is nothing but a tmpfs's, whose size
 * changes with its entries, as it is about to. */
static int fetch_all(struct dentry *dir)
{
	struct fetcher f = { .sink.emit = note_name, .dir = dir };
	struct tmpfs_inode *ti = tmpfs_inode(dir->inode);
	struct path low;
	int error = overlay_take_xattrs(dir->inode);

	if (error < 0 || !overlay_has_lower(dir))
		return error;
	error = overlay_find(dir->inode, &low);
	if (error < 0)
		return error;
	error = overlay_read_below(&low, &f.sink);
	error = fetch_names(&f, low.dentry, error < 0 ? error : f.error);
	path_put(&low);
	if (error == 0) {
		kfree(ti->lower);
		ti->lower = NULL;
		dir->inode->size = size_of_entries(dir);
	}
	return error;
}

/* ---- directories */

/* Those from below take the room that their size says, for du(1). */
static int get_attr(struct inode *inode, struct kstat *st)
{
	st->blocks = inode->size / 512;
	return 0;
}

static int lookup(struct inode *dir, struct dentry *d)
{
	struct path low;
	int error;

	if (!overlay_has_lower(d->parent))
		return 0;
	error = overlay_find(dir, &low);
	if (error == 0) {
		error = fetch(d->parent, low.dentry, d->name, d->len, d->ahead);
		path_put(&low);
	}
	return error; /* what was fetched, the VFS finds */
}

static int make_dir(struct dentry *d, u32 mode)
{
	int error = tmpfs_dir_ops.mkdir(d, mode);

	if (error == 0) /* entries from below may be moved to it */
		set_dir_ops(d->inode);
	return error;
}

static int unlink(struct dentry *d)
{
	int error = fetch_all(d->parent);

	return error < 0 ? error : tmpfs_dir_ops.unlink(d);
}

static int remove_dir(struct dentry *d)
{
	int error = fetch_all(d);

	if (error == 0)
		error = fetch_all(d->parent);
	return error < 0 ? error : tmpfs_dir_ops.rmdir(d);
}

static int rename(struct dentry *from, struct dentry *to, unsigned int flags)
{
	int error = fetch_all(from->parent);

	if (error == 0 && to->inode != NULL && S_ISDIR(to->inode->mode))
		error = fetch_all(to); /* is it empty? */
	return error < 0 ? error : tmpfs_dir_ops.rename(from, to, flags);
}

int overlay_begin(struct inode *root, struct mount *below)
{
	tmpfs_inode(root)->lower = kstrdup("");
	if (tmpfs_inode(root)->lower == NULL)
		return -ENOMEM;
	lower = below;
	overlay_init_file_ops();
	dir_ops = tmpfs_dir_ops;
	dir_ops.lookup = lookup;
	dir_ops.mkdir = make_dir;
	dir_ops.getattr = get_attr;
	dir_ops.unlink = unlink;
	dir_ops.rmdir = remove_dir;
	dir_ops.rename = rename;
	overlay_set_xattr_ops(&dir_ops);
	overlay_init_dir_file_ops();
	root->sb->last_ino = FIRST_INO;
	root->mode = below->root->inode->mode;
	root->size = below->root->inode->size;
	copy_attributes(root, below->root->inode);
	set_dir_ops(root);
	tmpfs_inode(root)->xattrs_below = true;
	return 0;
}
