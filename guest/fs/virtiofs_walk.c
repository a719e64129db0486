/*
 * Looking names of virtio-fs up. A message costs more than what it asks for, so it
 * takes along the names that will be looked up next (FUSE_WALK, shared/fuse.h). That a
 * name is not there is remembered below a layer in memory only, which is where programs
 * look for many of them.
 */
#include "../libos/heap.h"
#include "virtiofs.h"

#define WALK_PATH 512 /* of the path that is asked for */
#define WALK_ROOM 2048 /* for what comes back: some ten names */

/* ---- names that are not there */

static void note_missing(struct dentry *dir, const char *name, size_t len)
{
	struct virtiofs *fs = virtiofs_of(dir->inode);
	struct virtiofs_missing *n;

	if (fs->missing == NULL || len > sizeof(n->name))
		return;
	n = &fs->missing[fs->next_missing++ % VIRTIOFS_MISSING];
	n->dir = virtiofs_inode(dir->inode)->nodeid;
	n->valid_until = now_ns() + VALID_NS;
	n->len = len;
	memcpy(n->name, name, len);
}

static bool is_missing(const struct dentry *d)
{
	const struct virtiofs *fs = virtiofs_of(d->parent->inode);
	u64 dir = virtiofs_inode(d->parent->inode)->nodeid, now = now_ns();

	for (unsigned i = 0; fs->missing != NULL && i < VIRTIOFS_MISSING; i++) {
		const struct virtiofs_missing *n = &fs->missing[i];

		if (n->dir == dir && n->len == d->len && now < n->valid_until &&
		    memcmp(n->name, d->name, d->len) == 0)
			return true;
	}
	return false;
}

/* ---- looking up a path */

/* A name of a path and what the host says to it. */
struct step {
	const struct fuse_walked *answer;
	const char *name;
	size_t len;
};

static bool is_plain(const char *name, size_t len)
{
	return len > 0 && len <= NAME_MAX && !(name[0] == '.' && len == 1) &&
	       !(name[0] == '.' && name[1] == '.' && len == 2);
}

/* The dentry's name and those ahead, as far as they can be asked for: the length. */
static size_t path_to_ask(const struct dentry *d, char path[WALK_PATH])
{
	const char *next = d->ahead != NULL ? d->ahead : "";
	size_t n = d->len;

	memcpy(path, d->name, n);
	while (*next == '/') {
		size_t len = 0;

		while (*next == '/')
			next++;
		while (next[len] != 0 && next[len] != '/')
			len++;
		if (!is_plain(next, len) || n + 1 + len >= WALK_PATH)
			break;
		path[n++] = '/';
		memcpy(path + n, next, len);
		n += len;
		next += len;
	}
	path[n] = 0;
	return n;
}

/* The next answer, which the host has written: false when there is no whole one. */
static bool next_step(struct step *s, const u8 *reply, u32 *at, u32 got)
{
	const struct fuse_walked *w = (const void *)(reply + *at);

	if (got - *at < sizeof(*w) || w->size < sizeof(*w) || w->size % 8 != 0 ||
	    w->size > got - *at || w->target_len > w->size - sizeof(*w))
		return false;
	s->name += s->len + (s->answer != NULL);
	s->len = 0;
	while (s->name[s->len] != 0 && s->name[s->len] != '/')
		s->len++;
	s->answer = w;
	*at += w->size;
	return s->len > 0;
}

static void keep_target(struct inode *inode, const struct fuse_walked *w)
{
	struct virtiofs_inode *vi = virtiofs_inode(inode);

	if (!S_ISLNK(inode->mode) || w->target_len == 0 || vi->target != NULL)
		return;
	vi->target = kalloc(w->target_len + 1);
	if (vi->target != NULL)
		memcpy(vi->target, w + 1, w->target_len);
}

/*
 * Enters what the host said of a name in `dir`: under `fresh`, its own dentry, if that
 * is not NULL. The dentry, with a reference, where its directory goes on; NULL with 0 or
 * an error: that was all.
 */
static struct dentry *enter_step(struct dentry *dir, const struct step *s, struct dentry *fresh,
				 int *error)
{
	struct inode *inode;
	struct dentry *d;

	*error = 0;
	if (s->answer->entry.nodeid == 0) {
		note_missing(dir, s->name, s->len);
		return NULL;
	}
	inode = virtiofs_get(virtiofs_of(dir->inode), &s->answer->entry);
	if (inode == NULL) {
		*error = -ENOMEM;
		return NULL;
	}
	keep_target(inode, s->answer);
	d = dentry_find(dir, s->name, s->len);
	if (d != NULL) { /* another thread was faster, or it was known */
		bool same = d->inode == inode;

		inode_put(inode);
		if (same)
			virtiofs_believe(d);
		else
			dentry_put(d);
		return same ? d : NULL;
	}
	d = fresh != NULL ? dentry_get(fresh) : dentry_new(dir, s->name, s->len);
	if (d != NULL)
		virtiofs_enter(d, inode);
	else
		inode_put(inode);
	return d;
}

/* What came for d and the names ahead of it; the host forgets what is not used. */
static int enter_all(struct dentry *d, const char *path, const u8 *reply, u32 got)
{
	struct virtiofs *fs = virtiofs_of(d->parent->inode);
	struct dentry *dir = dentry_get(d->parent), *fresh = d, *next;
	struct step s = { .name = path };
	int error = 0, ignored;
	u32 at = 0;

	if (!next_step(&s, reply, &at, got))
		error = -EIO;
	for (bool more = error == 0; more; more = next_step(&s, reply, &at, got)) {
		if (dir == NULL) {
			if (s.answer->entry.nodeid != 0)
				fs_forget(fs->dev, s.answer->entry.nodeid, 1);
			continue;
		}
		next = enter_step(dir, &s, fresh, fresh != NULL ? &error : &ignored);
		dentry_put(dir);
		dir = next;
		fresh = NULL;
	}
	dentry_put(dir);
	return error;
}

static int ask_path(struct dentry *d, const char *path, size_t len, u8 *reply)
{
	struct fs_message m = { .opcode = FUSE_WALK, .reply = reply, .room = WALK_ROOM };
	int error;

	m.arg[0].from = path;
	m.arg[0].len = len + 1;
	error = virtiofs_send(d->parent->inode, &m);
	if (error == -ENFILE) {
		/* the host has no descriptor left for another node: give some back */
		virtiofs_forget_names(virtiofs_of(d->parent->inode));
		error = virtiofs_send(d->parent->inode, &m);
	}
	return error == 0 ? enter_all(d, path, reply, m.got) : error;
}

int virtiofs_lookup(struct inode *dir, struct dentry *d)
{
	char *path;
	int error;

	(void)dir;
	if (is_missing(d))
		return 0;
	path = kalloc(WALK_PATH + WALK_ROOM);
	if (path == NULL)
		return -ENOMEM;
	error = ask_path(d, path, path_to_ask(d, path), (u8 *)path + WALK_PATH);
	kfree(path);
	return error;
}
