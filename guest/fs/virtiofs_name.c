/*
 * Names of virtio-fs. The ring holds a reference on each of the names that were
 * looked up last, so that they are found again without asking the host; a
 * name's place in it is its dentry's cookie. How they get there is in virtiofs_walk.c.
 */
#include "virtiofs.h"

/* ---- the ring */

static struct virtiofs_name *place_of(struct dentry *d)
{
	struct virtiofs *fs = virtiofs_of(d->parent->inode);
	struct virtiofs_name *n = &fs->name[d->cookie % VIRTIOFS_NAMES];

	return n->dentry == d ? n : NULL;
}

void virtiofs_believe(struct dentry *d)
{
	struct virtiofs *fs = virtiofs_of(d->parent->inode);
	struct virtiofs_name *n = place_of(d);
	struct dentry *before = NULL;

	if (n == NULL) {
		d->cookie = fs->next_name++ % VIRTIOFS_NAMES;
		n = &fs->name[d->cookie];
		before = n->dentry;
		n->dentry = dentry_get(d);
	}
	n->valid_until = now_ns() + VALID_NS;
	dentry_put(before);
}

/* Off the ring; the caller has a reference of its own. */
static void disbelieve(struct dentry *d)
{
	struct virtiofs_name *n = place_of(d);

	if (n != NULL) {
		n->dentry = NULL;
		dentry_put(d);
	}
}

void virtiofs_forget_names(struct virtiofs *fs)
{
	for (unsigned i = 0; i < VIRTIOFS_NAMES; i++) {
		struct dentry *d = fs->name[i].dentry;

		fs->name[i].dentry = NULL;
		dentry_put(d);
	}
}

void virtiofs_enter(struct dentry *d, struct inode *inode)
{
	d->inode = inode;
	d->deleted = false;
	dentry_attach(d);
	d->cookie = 0; /* no place yet, or another's */
	virtiofs_believe(d);
}

/* ---- looking up */

/* A message whose reply is an entry. */
static struct fs_message entry_message(u32 opcode, struct fuse_entry_out *out)
{
	return (struct fs_message){ .opcode = opcode, .reply = out, .room = sizeof(*out) };
}

static int ask_once(struct inode *dir, struct fs_message *m, struct inode **inode)
{
	int error = virtiofs_send(dir, m);

	if (error == 0 && m->got < m->room)
		error = -EIO;
	if (error < 0)
		return error;
	*inode = virtiofs_get(virtiofs_of(dir), m->reply);
	return *inode != NULL ? 0 : -ENOMEM;
}

static int ask_entry(struct inode *dir, struct fs_message *m, struct inode **inode)
{
	int error = ask_once(dir, m, inode);

	if (error != -ENFILE)
		return error;
	/* the host has no descriptor left for another node: give some back */
	virtiofs_forget_names(virtiofs_of(dir));
	return ask_once(dir, m, inode);
}

static int ask_lookup(struct dentry *d, struct inode **inode)
{
	struct fuse_entry_out out = { 0 };
	struct fs_message m = entry_message(FUSE_LOOKUP, &out);

	m.arg[0].from = d->name;
	m.arg[0].len = d->len + 1;
	return ask_entry(d->parent->inode, &m, inode);
}

static bool revalidate(struct dentry *d)
{
	struct virtiofs_name *n = place_of(d);
	struct inode *inode = NULL;
	bool same;

	if (n != NULL && now_ns() < n->valid_until)
		return true;
	if (d->mounted)
		return true;
	same = ask_lookup(d, &inode) == 0 && inode == d->inode;
	if (inode != NULL)
		inode_put(inode);
	if (!d->attached)
		return false;
	if (same) {
		virtiofs_believe(d);
		return true;
	}
	dentry_detach(d);
	disbelieve(d);
	return false;
}

/* ---- making */

static int make(struct dentry *d, u32 opcode, const void *arg, u32 len, const char *text)
{
	struct inode *dir = d->parent->inode, *inode;
	struct fuse_entry_out out = { 0 };
	struct fs_message m = entry_message(opcode, &out);
	int error;

	m.arg[0].from = arg;
	m.arg[0].len = len;
	m.arg[1].from = d->name;
	m.arg[1].len = d->len + 1;
	m.arg[2].from = text;
	m.arg[2].len = text != NULL ? strlen(text) + 1 : 0;
	error = ask_entry(dir, &m, &inode);
	virtiofs_doubt(dir);
	if (error == 0)
		virtiofs_enter(d, inode);
	return error;
}

static int create(struct dentry *d, u32 mode, u32 rdev)
{
	struct fuse_mknod_in in = { .mode = mode, .rdev = rdev };

	return make(d, FUSE_MKNOD, &in, sizeof(in), NULL);
}

static int make_dir(struct dentry *d, u32 mode)
{
	struct fuse_mkdir_in in = { .mode = mode };

	return make(d, FUSE_MKDIR, &in, sizeof(in), NULL);
}

static int make_symlink(struct dentry *d, const char *target)
{
	return make(d, FUSE_SYMLINK, NULL, 0, target);
}

static int make_link(struct inode *inode, struct dentry *d)
{
	struct fuse_link_in in = { .oldnodeid = virtiofs_inode(inode)->nodeid };

	return make(d, FUSE_LINK, &in, sizeof(in), NULL);
}

/* ---- removing, moving */

/* The name is gone on the host; the inode may have others. */
static void leave(struct dentry *d)
{
	if (d->inode->nlink > 0)
		d->inode->nlink = S_ISDIR(d->inode->mode) ? 0 : d->inode->nlink - 1;
	virtiofs_doubt(d->inode);
	virtiofs_doubt(d->parent->inode);
	dentry_detach(d);
	disbelieve(d);
}

static int remove(struct dentry *d, u32 opcode)
{
	struct fs_message m = { .opcode = opcode };
	int error;

	m.arg[0].from = d->name;
	m.arg[0].len = d->len + 1;
	error = virtiofs_send(d->parent->inode, &m);
	if (error == 0)
		leave(d);
	return error;
}

static int unlink(struct dentry *d)
{
	return remove(d, FUSE_UNLINK);
}

static int remove_dir(struct dentry *d)
{
	return remove(d, FUSE_RMDIR);
}

static int rename(struct dentry *from, struct dentry *to, unsigned int flags)
{
	struct inode *old_dir = from->parent->inode, *new_dir = to->parent->inode;
	struct fuse_rename2_in in = { .newdir = virtiofs_inode(new_dir)->nodeid, .flags = flags };
	struct fs_message m = { .opcode = FUSE_RENAME2 };
	int error;

	m.arg[0].from = &in;
	m.arg[0].len = sizeof(in);
	m.arg[1].from = from->name;
	m.arg[1].len = from->len + 1;
	m.arg[2].from = to->name;
	m.arg[2].len = to->len + 1;
	error = virtiofs_send(old_dir, &m);
	if (error < 0)
		return error;
	virtiofs_doubt(old_dir);
	virtiofs_doubt(new_dir);
	virtiofs_doubt(from->inode);
	/* attaching gives dentries other cookies: off the ring first */
	disbelieve(from);
	if (flags & RENAME_EXCHANGE) {
		virtiofs_doubt(to->inode);
		disbelieve(to);
		dentry_swap(from, to);
		to->cookie = 0;
		virtiofs_believe(to);
	} else {
		if (to->inode != NULL)
			leave(to);
		dentry_move(from, to);
	}
	from->cookie = 0;
	virtiofs_believe(from);
	return 0;
}

const struct inode_ops virtiofs_dir_ops = {
	.lookup = virtiofs_lookup,
	.revalidate = revalidate,
	.create = create,
	.mkdir = make_dir,
	.symlink = make_symlink,
	.link = make_link,
	.unlink = unlink,
	.rmdir = remove_dir,
	.rename = rename,
	.open = virtiofs_open_dir,
	VIRTIOFS_XATTR_OPS,
};
