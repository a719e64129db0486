/*
 * Path resolution. A walk goes through the text component by component, from
 * the root, the working directory or a directory descriptor. At a symbolic
 * link the text becomes "target/rest" in a buffer of its own and the walk goes
 * on from there: no recursion, because the library OS's stack is small.
 *
 * The last component is left to the caller's next step, because creating,
 * removing and renaming want its directory and its name, not the object.
 */
#include "path.h"
#include "heap.h"
#include "process.h"

#define MAX_LINKS 40
#define MAX_TEXT  65536 /* of a target with what follows it */

/* ---- texts ---- */

int pathname_get(struct pathname *pn, const char *user, bool empty_ok)
{
	long n = strncpy_from_user(pn->small, user, sizeof(pn->small));

	pn->text = pn->small;
	if (n == -ENAMETOOLONG) {
		pn->text = kalloc(PATH_MAX);
		if (pn->text == NULL)
			return -ENOMEM;
		n = strncpy_from_user(pn->text, user, PATH_MAX);
	}
	if (n == 0 && !empty_ok)
		n = -ENOENT;
	if (n < 0)
		pathname_put(pn);
	return n < 0 ? n : 0;
}

void pathname_put(struct pathname *pn)
{
	if (pn->text != pn->small)
		kfree(pn->text);
}

/* ---- walking ---- */

static bool same_path(const struct path *a, const struct path *b)
{
	return a->mnt == b->mnt && a->dentry == b->dentry;
}

static void go_to(struct walk *w, const struct path *p)
{
	path_get(p);
	path_put(&w->at);
	w->at = *p;
}

int path_of_file(struct file *file, struct path *out)
{
	if (file->path.dentry != NULL) {
		*out = file->path;
		path_get(out);
		return 0;
	}
	if (file->inode == NULL)
		return -ENOENT;
	out->mnt = NULL;
	out->dentry = dentry_new(NULL, "", 0);
	if (out->dentry == NULL)
		return -ENOMEM;
	out->dentry->inode = inode_get(file->inode);
	return 0;
}

static int begin_at(struct walk *w, int dirfd, bool empty)
{
	struct fs_context *fs = current_process()->fs;
	struct file *file;
	int error;

	if (dirfd == AT_FDCWD) {
		w->at = fs->cwd;
		path_get(&w->at);
		return 0;
	}
	file = fd_get_raw(dirfd);
	if (file == NULL)
		return -EBADF;
	error = path_of_file(file, &w->at);
	file_put(file);
	if (error == 0 && !empty && !S_ISDIR(w->at.dentry->inode->mode))
		error = -ENOTDIR;
	if (error < 0)
		path_put(&w->at);
	return error;
}

#define RESOLVE_CONFINED LOOKUP_RESOLVE(RESOLVE_BENEATH | RESOLVE_IN_ROOT)

int walk_begin(struct walk *w, int dirfd, const char *text, u32 flags)
{
	struct fs_context *fs = current_process()->fs;
	int error;

	memset(w, 0, sizeof(*w));
	w->flags = flags;
	if (text[0] == 0 && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	if (text[0] == '/' && !(flags & RESOLVE_CONFINED)) {
		w->at = fs->root;
		path_get(&w->at);
	} else {
		error = begin_at(w, dirfd, text[0] == 0);
		if (error < 0)
			return error;
	}
	w->root = flags & RESOLVE_CONFINED ? w->at : fs->root;
	path_get(&w->root);
	return 0;
}

void walk_end(struct walk *w)
{
	path_put(&w->at);
	path_put(&w->root);
	kfree(w->link_text);
	w->link_text = NULL;
}

static int go_up(struct walk *w)
{
	struct path p;

	if (same_path(&w->at, &w->root))
		return w->flags & LOOKUP_RESOLVE(RESOLVE_BENEATH) ? -EXDEV : 0;
	p = w->at;
	path_get(&p);
	if (path_out_of_mount(&p) && w->flags & LOOKUP_RESOLVE(RESOLVE_NO_XDEV)) {
		path_put(&p);
		return -EXDEV;
	}
	if (!same_path(&p, &w->root) && p.dentry->parent != NULL) {
		struct path up = { p.mnt, p.dentry->parent };

		path_get(&up);
		path_put(&p);
		p = up;
	}
	path_into_mounts(&p);
	go_to(w, &p);
	path_put(&p);
	return 0;
}

static int go_to_root(struct walk *w)
{
	if (w->flags & LOOKUP_RESOLVE(RESOLVE_BENEATH))
		return -EXDEV;
	if (w->flags & LOOKUP_RESOLVE(RESOLVE_NO_XDEV) && w->at.mnt != w->root.mnt)
		return -EXDEV;
	go_to(w, &w->root);
	return 0;
}

static int follow_magic(struct walk *w, struct inode *link)
{
	struct path out = { NULL, NULL };
	int error;

	if (w->flags & (LOOKUP_RESOLVE(RESOLVE_NO_MAGICLINKS) | RESOLVE_CONFINED))
		return w->flags & RESOLVE_CONFINED ? -EXDEV : -ELOOP;
	error = link->ops->follow(link, &out);
	if (error < 0)
		return error;
	path_put(&w->at);
	w->at = out;
	return 0;
}

/* The text that replaces a link: its target, and what was still to come. */
static int splice(struct walk *w, struct inode *link, const char *rest)
{
	size_t rest_len = strlen(rest);
	char *text;
	long n;

	if (rest_len > MAX_TEXT)
		return -ENAMETOOLONG;
	text = kalloc(PATH_MAX + rest_len + 2);
	if (text == NULL)
		return -ENOMEM;
	n = link->ops->readlink(link, text, PATH_MAX);
	if (n <= 0) {
		kfree(text);
		return n < 0 ? n : -ENOENT;
	}
	if (rest_len > 0) {
		text[n++] = '/';
		memcpy(text + n, rest, rest_len);
	}
	text[n + rest_len] = 0;
	kfree(w->link_text);
	w->link_text = text;
	return 0;
}

int walk_into(struct walk *w, struct dentry *d)
{
	struct path p = { w->at.mnt, d };

	path_get(&p);
	path_into_mounts(&p);
	if (p.mnt != w->at.mnt && w->flags & LOOKUP_RESOLVE(RESOLVE_NO_XDEV)) {
		path_put(&p);
		return -EXDEV;
	}
	path_put(&w->at);
	w->at = p;
	return 0;
}

/*
 * Steps into w->last. 0: w->at is there. 1: it was a link, and the text to go
 * on with is w->link_text (from w->at). 2: it was a magic link: w->at is where
 * it leads, and only `rest` remains.
 */
static int step(struct walk *w, bool follow, const char *rest)
{
	struct dentry *d;
	int error;

	if (w->last.type == LAST_DOTDOT)
		return go_up(w);
	if (w->last.type != LAST_NAME)
		return 0;
	/* what is behind the name is the text that goes on, or a NUL */
	error = vfs_lookup_ahead(w->at.dentry, w->last.name, w->last.len,
				 w->last.name + w->last.len, &d);
	if (error < 0)
		return error;
	if (d->inode == NULL) {
		dentry_put(d);
		return -ENOENT;
	}
	if (S_ISLNK(d->inode->mode) && follow) {
		if (w->links++ >= MAX_LINKS || w->flags & LOOKUP_RESOLVE(RESOLVE_NO_SYMLINKS))
			error = -ELOOP;
		else if (d->inode->ops->follow != NULL)
			error = follow_magic(w, d->inode) ?: 2;
		else
			error = splice(w, d->inode, rest) ?: 1;
		dentry_put(d);
		return error;
	}
	error = walk_into(w, d);
	dentry_put(d);
	return error;
}

static const char *skip_slashes(const char *text)
{
	while (*text == '/')
		text++;
	return text;
}

/* Takes one component off the text; *rest is what follows its slashes. */
static void next_component(struct walk *w, const char *text, const char **rest)
{
	size_t len = 0;

	while (text[len] != 0 && text[len] != '/')
		len++;
	w->last.name = text;
	w->last.len = len;
	w->last.slash = text[len] == '/';
	w->last.type = LAST_NAME;
	if (len == 1 && text[0] == '.')
		w->last.type = LAST_DOT;
	else if (len == 2 && text[0] == '.' && text[1] == '.')
		w->last.type = LAST_DOTDOT;
	*rest = skip_slashes(text + len);
}

int walk_parent(struct walk *w, const char *text)
{
	const char *rest;
	int r = 1;

	for (;;) {
		/* r == 1: at the start of a text, which may be absolute */
		if (r == 1 && text[0] == '/') {
			int error = go_to_root(w);

			if (error < 0)
				return error;
		}
		text = skip_slashes(text);
		if (text[0] == 0) {
			w->last = (struct last){ .type = LAST_ROOT };
			return 0;
		}
		if (!S_ISDIR(w->at.dentry->inode->mode))
			return -ENOTDIR;
		if (vfs_permission(&w->at, 1) < 0)
			return -EACCES;
		next_component(w, text, &rest);
		if (rest[0] == 0)
			return 0;
		r = step(w, true, rest);
		if (r < 0)
			return r;
		text = r == 1 ? w->link_text : rest;
	}
}

int walk_last(struct walk *w, struct dentry **out)
{
	return vfs_find(w->at.dentry, w->last.name, w->last.len, out);
}

int walk_step_last(struct walk *w, bool follow)
{
	bool slash = w->last.slash;
	int r = step(w, follow || slash, "");

	if (r == 1) {
		r = walk_parent(w, w->link_text);
		if (r < 0)
			return r;
		w->last.slash = w->last.slash || slash;
		return 1;
	}
	return r < 0 ? r : 0;
}

int walk_to(struct walk *w, const char *text)
{
	bool directory;
	int r;

	if (text[0] == 0)
		return 0; /* LOOKUP_EMPTY: where the walk began */
	r = walk_parent(w, text);
	while (r == 0) {
		r = walk_step_last(w, w->flags & LOOKUP_FOLLOW);
		if (r <= 0)
			break;
		r = 0;
	}
	directory = w->last.slash || w->flags & LOOKUP_DIRECTORY;
	if (r == 0 && directory && !S_ISDIR(w->at.dentry->inode->mode))
		return -ENOTDIR;
	return r;
}

int path_lookup(int dirfd, const char *text, u32 flags, struct path *out)
{
	struct walk w;
	int error = walk_begin(&w, dirfd, text, flags);

	if (error < 0)
		return error;
	error = walk_to(&w, text);
	if (error == 0) {
		*out = w.at;
		path_get(out);
	}
	walk_end(&w);
	return error;
}

int user_lookup(int dirfd, const char *user, u32 flags, struct path *out)
{
	struct pathname pn;
	int error = pathname_get(&pn, user, flags & LOOKUP_EMPTY);

	if (error < 0)
		return error;
	error = path_lookup(dirfd, pn.text, flags, out);
	pathname_put(&pn);
	return error;
}
