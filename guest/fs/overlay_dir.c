/*
 * Listing directories of the overlay, see overlay.h: what is below is named, but
 * not fetched, as a program that lists a directory looks at few of its entries
 * and each costs a message to the host. The names are collected when reading
 * begins, so positions are plain numbers.
 */
#include "overlay.h"
#include "../libos/heap.h"

struct entry {
	u64 ino;
	u8 type, len;
	char name[];
};

/* Of an open directory, as it was when reading began; position 2 + i is entry i. */
struct listing {
	struct dir_sink sink; /* takes what is below */
	struct dentry *dir;
	u8 *bytes;
	size_t used, room;
	u64 count, last_cookie;
	/* where reading goes on: entry `next` at `at` */
	size_t at;
	u64 next;
	bool failed, begun;
};

static struct file_ops listed_ops;

static size_t entry_size(size_t len)
{
	return ALIGN_UP(sizeof(struct entry) + len, 8ul);
}

static bool add_entry(struct listing *l, const char *name, size_t len, u64 ino, unsigned type)
{
	size_t size = entry_size(len), room = MAX(2 * l->room, 1024ul);
	struct entry *e;

	if (l->room - l->used < size) {
		u8 *grown = kalloc(room);

		if (grown == NULL) {
			l->failed = true;
			return false;
		}
		if (l->used > 0)
			memcpy(grown, l->bytes, l->used);
		kfree(l->bytes);
		l->bytes = grown;
		l->room = room;
	}
	e = (struct entry *)(l->bytes + l->used);
	e->ino = ino;
	e->type = type;
	e->len = len;
	memcpy(e->name, name, len);
	l->used += size;
	l->count++;
	return true;
}

/* Whether add_here() has it: a name that was fetched since has a larger cookie. */
static bool has_entry(const struct listing *l, const char *name, size_t len)
{
	struct dentry *d = dentry_find(l->dir, name, len);
	bool has = d != NULL && d->cookie <= l->last_cookie;

	dentry_put(d);
	return has;
}

static bool add_below(struct dir_sink *sink, const char *name, size_t len, u64 ino, unsigned type,
		      u64 next)
{
	struct listing *l = container_of(sink, struct listing, sink);

	(void)next;
	return overlay_is_dots(name, len) || has_entry(l, name, len) ||
	       add_entry(l, name, len, ino, type);
}

static void add_here(struct listing *l)
{
	struct list *at;

	list_for_each (at, &l->dir->children) {
		struct dentry *d = container_of(at, struct dentry, siblings);

		l->last_cookie = d->cookie;
		if (d->inode != NULL && !l->failed)
			add_entry(l, d->name, d->len, d->inode->ino, DT_OF(d->inode->mode));
	}
}

static void free_listing(struct listing *l)
{
	kfree(l->bytes);
	kfree(l);
}

static struct listing *make_listing(struct dentry *dir, int *error)
{
	struct listing *l = kalloc(sizeof(*l));
	struct path low;

	*error = -ENOMEM;
	if (l == NULL)
		return NULL;
	l->sink.emit = add_below;
	l->dir = dir;
	*error = overlay_find(dir->inode, &low);
	if (*error == 0) {
		add_here(l);
		*error = overlay_has_lower(dir) ? overlay_read_below(&low, &l->sink) : 0;
		path_put(&low);
	}
	if (*error == 0 && l->failed)
		*error = -ENOMEM;
	if (*error == 0)
		return l;
	free_listing(l);
	return NULL;
}

static long read_dir(struct file *file, struct dir_sink *sink)
{
	struct dentry *dir = file->path.dentry;
	int error;

	if (!overlay_has_lower(dir))
		return tmpfs_dir_file_ops.readdir(file, sink);
	file->priv = make_listing(dir, &error);
	if (file->priv == NULL)
		return error;
	file->ops = &listed_ops;
	return listed_ops.readdir(file, sink);
}

static void forget_listing(struct file *file)
{
	free_listing(file->priv);
}

/* Going back to the beginning is a new reading. */
static long read_listing(struct file *file, struct dir_sink *sink)
{
	struct listing *l = file->priv;

	if (file->pos == 0 && l->begun) {
		free_listing(l);
		file->priv = NULL;
		file->ops = &overlay_dir_file_ops;
		return overlay_dir_file_ops.readdir(file, sink);
	}
	l->begun = true;
	if (!dir_emit_dots(file, sink))
		return 0;
	if (file->pos - 2 < l->next)
		l->next = l->at = 0;
	while (l->next < l->count) {
		const struct entry *e = (const struct entry *)(l->bytes + l->at);

		if (l->next >= file->pos - 2) {
			if (!sink->emit(sink, e->name, e->len, e->ino, e->type, l->next + 3))
				break;
			file->pos = l->next + 3;
		}
		l->at += entry_size(e->len);
		l->next++;
	}
	return 0;
}

/* Most are a tmpfs's. */
struct file_ops overlay_dir_file_ops;

void overlay_init_dir_file_ops(void)
{
	overlay_dir_file_ops = listed_ops = tmpfs_dir_file_ops;
	overlay_dir_file_ops.readdir = read_dir;
	listed_ops.readdir = read_listing;
	listed_ops.release = forget_listing;
}
