/*
 * Where in the tree: mounts, paths as pairs of mount and name, and their text.
 */
#include "vfs.h"

/* ---- mounts ---- */

struct mount *root_mount;
struct list mounts = { &mounts, &mounts };

void path_put(struct path *p)
{
	dentry_put(p->dentry);
	if (p->mnt != NULL)
		p->mnt->refs--;
	p->dentry = NULL;
	p->mnt = NULL;
}

int mount_add(struct mount *m, struct super *sb, const struct path *point)
{
	m->sb = sb;
	m->root = sb->root;
	m->refs = 1;
	if (point == NULL) {
		root_mount = m;
		return 0;
	}
	if (mount_on(point) != NULL)
		return -EBUSY;
	m->point = *point;
	path_get(&m->point);
	m->point.dentry->mounted = true;
	list_add_tail(&mounts, &m->link);
	return 0;
}

int mount_remove(struct mount *m)
{
	struct path point = m->point;

	if (m->refs > 1)
		return -EBUSY;
	list_del(&m->link);
	point.dentry->mounted = false; /* but perhaps it is elsewhere, too */
	for (struct list *l = mounts.next; l != &mounts; l = l->next)
		if (container_of(l, struct mount, link)->point.dentry == point.dentry)
			point.dentry->mounted = true;
	path_put(&point);
	return 0;
}

struct mount *mount_on(const struct path *p)
{
	struct list *l;

	if (!p->dentry->mounted)
		return NULL;
	list_for_each (l, &mounts) {
		struct mount *m = container_of(l, struct mount, link);

		if (m->point.mnt == p->mnt && m->point.dentry == p->dentry)
			return m;
	}
	return NULL;
}

static void path_set(struct path *p, struct mount *mnt, struct dentry *dentry)
{
	struct path to = { mnt, dentry };

	path_get(&to);
	path_put(p);
	*p = to;
}

void path_into_mounts(struct path *p)
{
	struct mount *m;

	while ((m = mount_on(p)) != NULL)
		path_set(p, m, m->root);
}

bool path_out_of_mount(struct path *p)
{
	bool moved = false;

	while (p->mnt != NULL && p->dentry == p->mnt->root && p->mnt->point.dentry != NULL) {
		path_set(p, p->mnt->point.mnt, p->mnt->point.dentry);
		moved = true;
	}
	return moved;
}

/* ---- the text of a path ---- */

static char *prepend(char *at, const char *start, const char *text, size_t len)
{
	if (at == NULL || (size_t)(at - start) < len)
		return NULL;
	return memcpy(at - len, text, len);
}

char *path_text(const struct path *p, const struct path *root, char *buf, size_t size,
		bool *reachable)
{
	const struct mount *mnt = p->mnt;
	const struct dentry *d = p->dentry;
	char *at = prepend(buf + size, buf, "", 1), *end = at;

	*reachable = false;
	while (at != NULL) {
		if (mnt == root->mnt && d == root->dentry) {
			*reachable = true;
			break;
		}
		if (mnt != NULL && d == mnt->root && mnt->point.dentry != NULL) {
			d = mnt->point.dentry;
			mnt = mnt->point.mnt;
			continue;
		}
		if (d->len != 0) {
			at = prepend(at, buf, d->name, d->len);
			at = prepend(at, buf, "/", 1);
		}
		if (d->parent == NULL)
			break;
		d = d->parent;
	}
	return at == end ? prepend(at, buf, "/", 1) : at;
}

static long nameless_text(const struct file *file, char *buf, size_t size)
{
	const char *name = file->ops->name != NULL ? file->ops->name : "[unknown]";
	u32 mode = file->inode != NULL ? file->inode->mode : 0;

	if (name[0] == '/')
		return snprintf(buf, size, "%s", name);
	if (S_ISFIFO(mode) || S_ISSOCK(mode))
		return snprintf(buf, size, "%s:[%lu]", name, file->inode->ino);
	return snprintf(buf, size, "anon_inode:%s", name);
}

long file_text(const struct file *file, const struct path *root, char *buf, size_t size)
{
	static const char deleted[] = " (deleted)";
	bool reachable;
	size_t len;
	char *text;

	if (file->path.dentry == NULL) {
		len = nameless_text(file, buf, size);
		return len < size ? (long)len : -ENAMETOOLONG;
	}
	text = path_text(&file->path, root, buf, size, &reachable);
	if (text == NULL)
		return -ENAMETOOLONG;
	len = strlen(text);
	memmove(buf, text, len);
	if (file->path.dentry->deleted) {
		if (len + sizeof(deleted) > size)
			return -ENAMETOOLONG;
		memcpy(buf + len, deleted, sizeof(deleted) - 1);
		len += sizeof(deleted) - 1;
	}
	return len;
}
