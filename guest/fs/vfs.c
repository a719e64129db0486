/*
 * Objects of the tree: inodes and the table of names. See vfs.h for who holds
 * references to what.
 *
 * Names are found through one hash table over (parent, name) for all file
 * systems. It starts as a few static buckets, because most programs open a
 * handful of files, and grows with the number of attached names.
 */
#include "notify.h"
#include "../libos/heap.h"

/* ---- inodes ---- */

struct __kernel_timespec stamp_now(void)
{
	u64 ns = realtime_ns();

	return (struct __kernel_timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

void inode_init(struct inode *inode, struct super *sb, u32 mode)
{
	inode->sb = sb;
	inode->refs = 1;
	inode->mode = mode;
	inode->nlink = 1;
	inode->ino = sb != NULL ? ++sb->last_ino : 0;
	inode->atime = inode->mtime = inode->ctime = inode->btime = stamp_now();
}

void inode_put(struct inode *inode)
{
	if (--inode->refs == 0)
		inode->sb->evict(inode);
}

static void anonymous_evict(struct inode *inode)
{
	kfree(inode);
}

static struct super anonymous_super = {
	.type = "anon_inodefs",
	.magic = 0x09041934,
	.dev = MKDEV(0, 15),
	.evict = anonymous_evict,
};

struct inode *inode_anonymous(u32 mode)
{
	struct inode *inode = kalloc(sizeof(*inode));

	if (inode != NULL)
		inode_init(inode, &anonymous_super, mode);
	return inode;
}

void inode_stamp(struct inode *inode, bool modified)
{
	inode->ctime = stamp_now();
	if (modified)
		inode->mtime = inode->ctime;
}

void inode_set_attr(struct inode *inode, const struct attr *attr, bool resized)
{
	if (attr->valid & ATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | (attr->mode & 07777);
	if (attr->valid & ATTR_UID)
		inode->uid = attr->uid;
	if (attr->valid & ATTR_GID)
		inode->gid = attr->gid;
	if (attr->valid & ATTR_ATIME)
		inode->atime = attr->atime;
	if (resized)
		inode_written(inode);
	else if (attr->valid & ~ATTR_SIZE)
		inode_stamp(inode, false);
	if (attr->valid & ATTR_MTIME)
		inode->mtime = attr->mtime;
}

static int stamp_compare(const struct __kernel_timespec *a, const struct __kernel_timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

/* relatime without its once-a-day clause, so that most reads look at no clock. */
void inode_accessed(struct inode *inode)
{
	if (stamp_compare(&inode->atime, &inode->mtime) <= 0 ||
	    stamp_compare(&inode->atime, &inode->ctime) <= 0)
		inode->atime = stamp_now();
}

void inode_stat(struct inode *inode, struct kstat *st)
{
	memset(st, 0, sizeof(*st));
	st->ino = inode->ino;
	st->size = inode->size;
	st->dev = inode->sb->dev;
	st->rdev = inode->rdev;
	st->mode = inode->mode;
	st->nlink = inode->nlink;
	st->uid = inode->uid;
	st->gid = inode->gid;
	st->blksize = PAGE_SIZE;
	st->atime = inode->atime;
	st->mtime = inode->mtime;
	st->ctime = inode->ctime;
	st->btime = inode->btime;
}

int inode_start_write(struct inode *inode)
{
	if (inode->writers < 0)
		return -ETXTBSY;
	inode->writers++;
	return 0;
}

int inode_deny_write(struct inode *inode)
{
	if (inode->writers > 0)
		return -ETXTBSY;
	inode->writers--;
	return 0;
}

/* ---- names ---- */

static struct dentry *first_buckets[64];
static struct dentry **buckets = first_buckets;
static u32 bucket_mask = ARRAY_SIZE(first_buckets) - 1;
static u32 attached_count;

static u32 name_hash(const char *name, size_t len)
{
	u32 h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (u8)name[i]) * 16777619u;
	return h;
}

static struct dentry **bucket_of(const struct dentry *parent, u32 hash)
{
	u64 mix = ((u64)(uintptr_t)parent >> 4 ^ hash) * 0x9e3779b97f4a7c15;

	return &buckets[mix >> 32 & bucket_mask];
}

struct dentry *dentry_new(struct dentry *parent, const char *name, size_t len)
{
	struct dentry *d = kalloc(sizeof(*d));

	if (d == NULL)
		return NULL;
	d->name = d->small;
	if (len >= sizeof(d->small)) {
		d->name = kalloc(len + 1);
		if (d->name == NULL) {
			kfree(d);
			return NULL;
		}
	}
	memcpy(d->name, name, len);
	d->name[len] = 0;
	d->len = len;
	d->hash = name_hash(name, len);
	d->refs = 1;
	list_init(&d->children);
	list_init(&d->siblings);
	d->parent = parent;
	if (parent != NULL)
		dentry_get(parent);
	return d;
}

int super_set_root(struct super *sb, struct inode *dir)
{
	if (S_ISDIR(dir->mode))
		sb->root = dentry_new(NULL, "", 0);
	if (sb->root == NULL) {
		int error = S_ISDIR(dir->mode) ? -ENOMEM : -ENOTDIR;
		inode_put(dir);
		return error;
	}
	sb->root->inode = dir;
	return 0;
}

unsigned dt_of_ftype(unsigned ftype)
{
	static const u8 types[] = { 0,
				    DT_OF(S_IFREG),
				    DT_OF(S_IFDIR),
				    DT_OF(S_IFCHR),
				    DT_OF(S_IFBLK),
				    DT_OF(S_IFIFO),
				    DT_OF(S_IFSOCK),
				    DT_OF(S_IFLNK) };

	return ftype < ARRAY_SIZE(types) ? types[ftype] : 0;
}

static bool is_nameless(const struct inode *inode)
{
	return inode != NULL && inode->nlink == 0;
}

/* Those who watch the inode may be the last who refer to it. */
static void put_inode_of(struct dentry *d)
{
	struct inode *inode = d->inode;
	bool watched = unlikely(notify_watches) && is_nameless(inode) && inode->refs > 1;

	inode_put(inode);
	if (watched)
		notify_put_now(inode);
}

void dentry_put(struct dentry *d)
{
	while (d != NULL && --d->refs == 0) {
		struct dentry *parent = d->parent;

		if (d->attached)
			dentry_detach(d);
		if (d->inode != NULL)
			put_inode_of(d);
		if (d->name != d->small)
			kfree(d->name);
		kfree(d);
		d = parent;
	}
	if (unlikely(notify_watches) && d != NULL && is_nameless(d->inode))
		notify_put_now(d->inode);
}

/* Failure to grow only makes the chains longer. */
static void buckets_grow(void)
{
	u32 old_count = bucket_mask + 1, count = old_count * 4;
	struct dentry **old = buckets, **fresh;

	if ((u64)count * sizeof(*fresh) > 2 << 20)
		return;
	fresh = kalloc(count * sizeof(*fresh));
	if (fresh == NULL)
		return;
	buckets = fresh;
	bucket_mask = count - 1;
	for (u32 i = 0; i < old_count; i++) {
		for (struct dentry *d = old[i], *next; d != NULL; d = next) {
			struct dentry **b = bucket_of(d->parent, d->hash);

			next = d->hash_next;
			d->hash_next = *b;
			*b = d;
		}
	}
	if (old != first_buckets)
		kfree(old);
}

static void hash_insert(struct dentry *d)
{
	struct dentry **b = bucket_of(d->parent, d->hash);

	d->hash_next = *b;
	*b = d;
}

static void hash_remove(struct dentry *d)
{
	struct dentry **p = bucket_of(d->parent, d->hash);

	while (*p != d)
		p = &(*p)->hash_next;
	*p = d->hash_next;
}

/* Cookies grow along the list of children, which is what lets readdir go on
 * at the right place after entries before it were removed. 0 and 1 are the
 * positions of "." and "..". */
static void list_under_parent(struct dentry *d)
{
	struct list *head = &d->parent->children;

	d->cookie = 2;
	if (!list_empty(head))
		d->cookie = container_of(head->prev, struct dentry, siblings)->cookie + 1;
	list_add_tail(head, &d->siblings);
}

void dentry_attach(struct dentry *d)
{
	if (++attached_count > 2 * (bucket_mask + 1))
		buckets_grow();
	hash_insert(d);
	list_under_parent(d);
	d->attached = true;
}

void dentry_detach(struct dentry *d)
{
	if (!d->attached)
		return;
	hash_remove(d);
	list_del(&d->siblings);
	attached_count--;
	d->attached = false;
}

struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len)
{
	u32 hash = name_hash(name, len);

	for (struct dentry *d = *bucket_of(parent, hash); d != NULL; d = d->hash_next)
		if (d->hash == hash && d->parent == parent && d->len == len &&
		    memcmp(d->name, name, len) == 0)
			return dentry_get(d);
	return NULL;
}

static void swap_names(struct dentry *a, struct dentry *b)
{
	char *long_a = a->name != a->small ? a->name : NULL;
	char *long_b = b->name != b->small ? b->name : NULL;
	char small[sizeof(a->small)];
	u32 hash = a->hash;
	u8 len = a->len;

	memcpy(small, a->small, sizeof(small));
	memcpy(a->small, b->small, sizeof(small));
	memcpy(b->small, small, sizeof(small));
	a->name = long_b != NULL ? long_b : a->small;
	b->name = long_a != NULL ? long_a : b->small;
	a->hash = b->hash;
	b->hash = hash;
	a->len = b->len;
	b->len = len;
}

static void swap_places(struct dentry *a, struct dentry *b)
{
	struct dentry *parent = a->parent;

	swap_names(a, b);
	a->parent = b->parent;
	b->parent = parent;
}

void dentry_move(struct dentry *from, struct dentry *to)
{
	dentry_detach(from);
	dentry_detach(to);
	swap_places(from, to);
	dentry_attach(from);
}

void dentry_swap(struct dentry *a, struct dentry *b)
{
	dentry_detach(a);
	dentry_detach(b);
	swap_places(a, b);
	dentry_attach(a);
	dentry_attach(b);
}
