/*
 * Watches by inode, and which events what happens makes. Order and masks are
 * Linux's (include/linux/fsnotify.h), because programs read them as a log.
 */
#include "notify.h"
#include "../libos/heap.h"

#define BUCKETS 64

unsigned notify_watches;
static struct list *buckets; /* from the heap, when first needed */
static u32 last_cookie;

static struct list *bucket(const struct inode *inode)
{
	return &buckets[((u64)inode >> 6 ^ (u64)inode >> 12) % BUCKETS];
}

static struct watch *watch_of(struct list *l)
{
	return container_of(l, struct watch, link);
}

int notify_add(struct watch *w)
{
	if (buckets == NULL) {
		buckets = kalloc(BUCKETS * sizeof(*buckets));
		if (buckets == NULL)
			return -ENOMEM;
		for (unsigned i = 0; i < BUCKETS; i++)
			list_init(&buckets[i]);
	}
	list_add_tail(bucket(w->dentry->inode), &w->link);
	notify_watches++;
	return 0;
}

void notify_remove(struct watch *w)
{
	list_del(&w->link);
	notify_watches--;
	dentry_put(w->dentry);
}

/* ---- telling ---- */

static void tell(struct inode *inode, u32 mask, u32 cookie, const char *name, bool unlinked)
{
	struct list *head = bucket(inode), *next;

	for (struct list *l = head->next; l != head; l = next) {
		struct watch *w = watch_of(l);

		next = l->next;
		if (w->dentry->inode == inode && w->mask & mask & IN_ALL_EVENTS &&
		    !(unlinked && w->mask & IN_EXCL_UNLINK))
			w->event(w, mask, cookie, name);
	}
}

void notify_itself_now(struct inode *inode, u32 mask)
{
	tell(inode, mask | (S_ISDIR(inode->mode) ? IN_ISDIR : 0), 0, NULL, false);
}

static void tell_dir(struct dentry *dir, const struct dentry *d, u32 mask, u32 cookie,
		     const char *name, bool unlinked)
{
	tell(dir->inode, mask | (S_ISDIR(d->inode->mode) ? IN_ISDIR : 0), cookie, name, unlinked);
}

void notify_dentry_now(struct dentry *d, u32 mask)
{
	struct dentry *dir = d->parent;

	if (dir != NULL && dir->inode != NULL)
		tell_dir(dir, d, mask, 0, d->name, d->deleted);
	notify_itself_now(d->inode, mask);
}

void notify_name_now(struct dentry *dir, struct dentry *d, u32 mask)
{
	tell_dir(dir, d, mask, 0, d->name, false);
}

/* ---- the end of an inode ---- */

/* The next watch of the inode, or NULL. */
static struct watch *find(const struct inode *inode)
{
	struct list *l, *head = bucket(inode);

	list_for_each (l, head)
		if (watch_of(l)->dentry->inode == inode)
			return watch_of(l);
	return NULL;
}

static void gone(struct inode *inode)
{
	struct watch *w;

	inode_get(inode);
	notify_itself_now(inode, IN_DELETE_SELF);
	while ((w = find(inode)) != NULL)
		w->event(w, IN_IGNORED, 0, NULL);
	inode_put(inode);
}

static unsigned watches_by(const struct dentry *d)
{
	struct list *l, *head = bucket(d->inode);
	unsigned n = 0;

	list_for_each (l, head)
		n += watch_of(l)->dentry == d;
	return n;
}

static bool is_first_by_its_dentry(const struct watch *w)
{
	for (struct list *l = w->link.prev; l != bucket(w->dentry->inode); l = l->prev)
		if (watch_of(l)->dentry == w->dentry)
			return false;
	return true;
}

/* Nobody refers to the inode but those who watch it, and the caller to `own`, a
 * name of it (or NULL). */
static bool only_watched(const struct inode *inode, const struct dentry *own)
{
	struct list *l, *head = bucket(inode);
	bool own_is_watched = false;
	unsigned dentries = 0;

	list_for_each (l, head) {
		const struct watch *w = watch_of(l);

		if (w->dentry->inode != inode || !is_first_by_its_dentry(w))
			continue;
		if (w->dentry->refs != watches_by(w->dentry) + (w->dentry == own))
			return false;
		own_is_watched |= w->dentry == own;
		dentries++;
	}
	if (dentries == 0)
		return false;
	if (own != NULL && !own_is_watched)
		dentries += own->refs == 1 ? 1 : 0;
	return inode->refs == dentries;
}

void notify_put_now(struct inode *inode)
{
	if (only_watched(inode, NULL))
		gone(inode);
}

void notify_unlinked_now(struct dentry *dir, struct dentry *d)
{
	if (!S_ISDIR(d->inode->mode))
		notify_itself_now(d->inode, IN_ATTRIB); /* it has a name less */
	if (d->inode->nlink == 0 && only_watched(d->inode, d))
		gone(d->inode);
	tell_dir(dir, d, IN_DELETE, 0, d->name, false);
}

/* ---- changes ---- */

void notify_renamed_now(struct dentry *old_dir, struct dentry *from, struct dentry *to,
			struct inode *victim, bool exchanged)
{
	u32 cookie = ++last_cookie;

	tell_dir(old_dir, from, IN_MOVED_FROM, cookie, to->name, false);
	tell_dir(from->parent, from, IN_MOVED_TO, cookie, from->name, false);
	if (victim != NULL && !exchanged)
		notify_itself_now(victim, IN_ATTRIB);
	notify_itself_now(from->inode, IN_MOVE_SELF);
	if (!exchanged)
		return;
	cookie = ++last_cookie;
	tell_dir(from->parent, to, IN_MOVED_FROM, cookie, from->name, false);
	tell_dir(to->parent, to, IN_MOVED_TO, cookie, to->name, false);
	notify_itself_now(to->inode, IN_MOVE_SELF);
}

void notify_attr_now(struct dentry *d, const struct attr *attr)
{
	u32 times = attr->valid & (ATTR_ATIME | ATTR_MTIME), mask = 0;

	if (attr->valid & (ATTR_UID | ATTR_GID | ATTR_MODE) || times == (ATTR_ATIME | ATTR_MTIME))
		mask |= IN_ATTRIB;
	else if (times == ATTR_ATIME)
		mask |= IN_ACCESS;
	else if (times == ATTR_MTIME)
		mask |= IN_MODIFY;
	if (attr->valid & ATTR_SIZE)
		mask |= IN_MODIFY;
	if (mask != 0)
		notify_dentry_now(d, mask);
}
