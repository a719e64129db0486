/*
 * ext2: extended attributes (Linux's Documentation/filesystems/ext4/attributes.rst).
 *
 * They are in a block, which inodes may share; the header counts them. Entries grow up
 * from the header, sorted, the values down from the end:
 *
 *   | header | entry | entry | 0 |  ...  | value | value |
 *
 * Where inodes are larger than what is in them, mkfs and Linux's ext4 have put some
 * behind the inode, in the same form, not sorted. These are read, and changed in their
 * place; all others go to the block, as Linux's ext2 does it. What does not fit there
 * is ENOSPC.
 *
 * A kill at any moment leaves an inode either what it had or what it gets. A block that is
 * the inode's alone is changed in its place, one page. Another is copied: the new one is
 * on the disk before the inode, and that before the old one is given back.
 */
#include "ext2.h"
#include "xattr.h"
#include "../libos/heap.h"

/* Bytes that have entries from `first` on; where values are counts from `base`. */
struct area {
	u8 *base;
	u32 first, size;
};

#define LEN_OF(name_len) ALIGN_UP((u32)sizeof(struct ext2_disk_attribute) + (name_len), 4u)

/* An attribute by kind and the rest of its name; value NULL: to be removed. */
struct change {
	unsigned kind;
	const char *name;
	u32 name_len, size;
	const void *value;
};

/* ---- reading an area */

/* The entry at *at, which moves behind it: 1; 0: that was all; -EIO. */
static int next(const struct area *a, u32 *at, struct ext2_disk_attribute **found)
{
	struct ext2_disk_attribute *e = (struct ext2_disk_attribute *)(a->base + *at);
	u32 rest = a->size - *at; /* at least what a 0 takes */

	if (*(u32 *)e == 0)
		return 0;
	if (rest < sizeof(*e) || rest - sizeof(u32) < LEN_OF(e->name_len) || e->value_block != 0 ||
	    e->size > a->size || e->value > a->size - e->size)
		return -EIO;
	*at += LEN_OF(e->name_len);
	*found = e;
	return 1;
}

static int compare(const struct change *c, const struct ext2_disk_attribute *e)
{
	if (c->kind != e->kind)
		return c->kind < e->kind ? -1 : 1;
	if (c->name_len != e->name_len)
		return c->name_len < e->name_len ? -1 : 1;
	return memcmp(c->name, e->name, c->name_len);
}

/* 1, 0 or -EIO. */
static int find(const struct area *a, const struct change *c, struct ext2_disk_attribute **found)
{
	u32 at = a->first;
	int r;

	if (a->base == NULL)
		return 0;
	while ((r = next(a, &at, found)) > 0)
		if (compare(c, *found) == 0)
			return 1;
	return r;
}

/* ---- writing one */

/* As Linux and e2fsck count, over the name and the value with its padding. */
static u32 hash_of(const struct area *a, const struct ext2_disk_attribute *e)
{
	u32 hash = 0;

	for (unsigned i = 0; i < e->name_len; i++)
		hash = (hash << 5 | hash >> 27) ^ (u8)e->name[i];
	for (u32 i = 0; i < e->size; i += sizeof(u32))
		hash = (hash << 16 | hash >> 16) ^ *(const u32 *)(a->base + e->value + i);
	return hash;
}

/* That of a block; 0: not to be shared. */
static u32 hash_of_all(const struct area *a)
{
	struct ext2_disk_attribute *e;
	u32 at = a->first, hash = 0;

	while (next(a, &at, &e) > 0) {
		if (e->hash == 0)
			return 0;
		hash = (hash << 16 | hash >> 16) ^ e->hash;
	}
	return hash;
}

/* Appends to an area that is 0 between *at and *end. */
static int put(const struct area *a, u32 *at, u32 *end, const struct change *c)
{
	struct ext2_disk_attribute *e = (struct ext2_disk_attribute *)(a->base + *at);
	u32 room = ALIGN_UP(c->size, 4u);

	if (LEN_OF(c->name_len) + sizeof(u32) + room > *end - *at)
		return -ENOSPC;
	*at += LEN_OF(c->name_len);
	*end -= room;
	e->name_len = c->name_len;
	e->kind = c->kind;
	e->value = c->size > 0 ? *end : 0;
	e->size = c->size;
	memcpy(e->name, c->name, c->name_len);
	memcpy(a->base + *end, c->value, c->size);
	e->hash = hash_of(a, e);
	return 0;
}

/* Fills an empty area with what an old one has and the change: in the place of what it
 * `replaces`, or where its name belongs. How many there are, or -errno. */
static int rebuild(const struct area *old, const struct area *to, const struct change *c,
		   bool replaces)
{
	u32 from = old->first, at = to->first, end = to->size;
	bool pending = c->value != NULL;
	struct ext2_disk_attribute *e;
	int count = 0, error = 0, r = 0;

	while (error == 0 && old->base != NULL && (r = next(old, &from, &e)) > 0) {
		const struct change same = { e->kind, e->name, e->name_len, e->size,
					     old->base + e->value };
		int order = compare(c, e);

		if (pending && (order == 0 || (order < 0 && !replaces))) {
			error = put(to, &at, &end, c);
			pending = false;
			count++;
		}
		if (order != 0 && error == 0) {
			error = put(to, &at, &end, &same);
			count++;
		}
	}
	if (pending && error == 0 && r == 0) {
		error = put(to, &at, &end, c);
		count++;
	}
	return error < 0 ? error : r < 0 ? r : count;
}

/* ---- where an inode has them */

struct places {
	struct ext2_buf inode, block; /* block.page NULL: there is none */
	struct area body, shared; /* base NULL: there is none */
};

static struct ext2_disk_xattr *header_of(const struct places *p)
{
	return (struct ext2_disk_xattr *)p->block.data;
}

/* Behind the inode, if there is room and something. */
static void find_body(const struct ext2 *fs, struct ext2_disk_inode *raw, struct area *body)
{
	u32 room = fs->inode_size - EXT2_INODE_SIZE, extra;
	u32 *magic;

	if (room < EXT2_EXTRA_SIZE)
		return;
	extra = ((struct ext2_disk_times *)(raw + 1))->extra_size;
	if (extra < sizeof(u32) || extra % sizeof(u32) != 0 || extra + 2 * sizeof(u32) > room)
		return;
	magic = (u32 *)((u8 *)(raw + 1) + extra);
	if (*magic == EXT2_XATTR_MAGIC)
		*body = (struct area){ (u8 *)(magic + 1), 0, room - extra - sizeof(u32) };
}

static void put_places(struct places *p)
{
	if (p->block.page != NULL)
		ext2_put(&p->block);
	ext2_put(&p->inode);
}

static int open_places(struct ext2_inode *ei, struct places *p)
{
	struct ext2 *fs = ext2_fs(ei);
	struct ext2_disk_inode *raw;
	int error;

	*p = (struct places){ .shared.first = sizeof(struct ext2_disk_xattr) };
	error = ext2_inode_at(fs, ei->inode.ino, &p->inode, &raw);
	if (error < 0)
		return error;
	find_body(fs, raw, &p->body);
	if (ei->attributes == 0)
		return 0;
	error = ext2_read(fs, ei->attributes, &p->block);
	if (error < 0) {
		ext2_put(&p->inode);
		return error;
	}
	p->shared.base = p->block.data;
	p->shared.size = fs->block_size;
	if (header_of(p)->magic == EXT2_XATTR_MAGIC && header_of(p)->blocks == 1 &&
	    header_of(p)->refs > 0)
		return 0;
	put_places(p);
	fs->damaged = true;
	return -EIO;
}

/* ---- changing */

void ext2_free_xattrs(struct ext2 *fs, u32 block)
{
	struct ext2_disk_xattr *header;
	struct ext2_buf buf;
	bool last = false;

	if (block == 0 || ext2_read(fs, block, &buf) < 0)
		return;
	header = (struct ext2_disk_xattr *)buf.data;
	if (header->magic != EXT2_XATTR_MAGIC || header->refs == 0) {
		fs->damaged = true;
	} else {
		last = header->refs == 1;
		if (!last) {
			header->refs--;
			ext2_dirty(&buf);
		}
	}
	ext2_put(&buf);
	if (last)
		ext2_free_block(fs, block);
}

/* The inode has another block from now on, or with 0 none; the old one goes. */
static int switch_block(struct ext2_inode *ei, u32 block)
{
	struct ext2 *fs = ext2_fs(ei);
	u32 old = ei->attributes, sectors = fs->block_size / 512;
	int error;

	ei->sectors += block != 0 ? sectors : 0;
	ei->sectors -= old != 0 ? MIN(sectors, ei->sectors) : 0;
	ei->attributes = block;
	error = old != 0 ? ext2_store_now(ei) : ext2_store(ei);
	if (error == 0)
		ext2_free_xattrs(fs, old);
	return error;
}

static int copy_block(struct ext2_inode *ei, const u8 *bytes)
{
	struct ext2 *fs = ext2_fs(ei);
	struct ext2_buf buf;
	u32 block = 0;
	int error = ext2_note_xattrs(fs);

	if (error == 0)
		error = ext2_alloc_block(fs, ei->goal, &block);
	if (error < 0)
		return error;
	error = ext2_overwrite(fs, block, &buf);
	if (error < 0) {
		ext2_free_block(fs, block);
		return error;
	}
	memcpy(buf.data, bytes, fs->block_size);
	ext2_dirty(&buf);
	ext2_write_now(fs, &buf);
	ext2_put(&buf);
	return switch_block(ei, block);
}

static int change_block(struct ext2_inode *ei, struct places *p, const struct change *c)
{
	struct ext2_disk_xattr *header;
	struct area to = { NULL, p->shared.first, ext2_fs(ei)->block_size };
	int n;

	to.base = kalloc(to.size);
	if (to.base == NULL)
		return -ENOMEM;
	n = rebuild(&p->shared, &to, c, false);
	header = (struct ext2_disk_xattr *)to.base;
	*header = (struct ext2_disk_xattr){ EXT2_XATTR_MAGIC, 1, 1, hash_of_all(&to), { 0 } };
	if (n == 0) {
		n = switch_block(ei, 0);
	} else if (n > 0 && p->shared.base != NULL && header_of(p)->refs == 1) {
		memcpy(p->shared.base, to.base, to.size);
		ext2_dirty(&p->block);
		n = 0;
	} else if (n > 0) {
		n = copy_block(ei, to.base);
	}
	kfree(to.base);
	return n;
}

/* What is behind the inode and does not fit there any more goes to the block first. */
static int change_body(struct ext2_inode *ei, struct places *p, const struct change *c)
{
	struct change remove = *c;
	struct area to = p->body;
	int n;

	remove.value = NULL;
	to.base = kalloc(to.size);
	if (to.base == NULL)
		return -ENOMEM;
	n = rebuild(&p->body, &to, c, true);
	if (n == -ENOSPC) {
		n = change_block(ei, p, c);
		if (n == 0 && p->block.page != NULL)
			ext2_write_now(ext2_fs(ei), &p->block);
		memset(to.base, 0, to.size);
		if (n == 0)
			n = rebuild(&p->body, &to, &remove, true);
	}
	if (n >= 0) {
		memcpy(p->body.base, to.base, to.size);
		ext2_dirty(&p->inode);
	}
	kfree(to.base);
	return MIN(n, 0);
}

/* A kill may have left both, of which the one behind the inode counts. */
static int change_places(struct ext2_inode *ei, struct places *p, const struct change *c, int flags)
{
	struct ext2_disk_attribute *e;
	int body = find(&p->body, c, &e), block = find(&p->shared, c, &e), error = 0;

	if (body < 0 || block < 0)
		return -EIO;
	if ((body || block) && flags & XATTR_CREATE)
		return -EEXIST;
	if (!body && !block && (flags & XATTR_REPLACE || c->value == NULL))
		return -ENODATA;
	if (body)
		error = change_body(ei, p, c);
	if (error == 0 && (!body || (block && c->value == NULL)))
		error = change_block(ei, p, c);
	return error;
}

/* ---- operations */

static int parse(const char *name, struct change *c)
{
	*c = (struct change){ .name = "" };
	c->kind = xattr_kind(name, &c->name);
	c->name_len = strlen(c->name);
	return c->kind != 0 ? 0 : -EOPNOTSUPP;
}

int ext2_set_xattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	struct ext2_inode *ei = ext2_inode(inode);
	struct ext2 *fs = ext2_fs(ei);
	struct places p;
	struct change c;
	int error = parse(name, &c);

	if (error == 0 && fs->no_features)
		error = -EOPNOTSUPP;
	if (error == 0 && size > fs->block_size)
		error = -ENOSPC;
	if (error < 0)
		return error;
	c.value = value;
	c.size = size;
	ext2_lock(fs);
	ei->no_capability = false;
	error = open_places(ei, &p);
	if (error == 0) {
		error = change_places(ei, &p, &c, flags);
		if (error == 0) {
			inode_stamp(inode, false);
			error = ext2_store(ei);
		}
		put_places(&p);
	}
	fs->damaged |= error == -EIO;
	ext2_unlock(fs);
	return error;
}

/* What cannot be read is not there. */
void ext2_drop_capability(struct ext2_inode *ei)
{
	struct places p;
	struct change c;

	if (ei->no_capability)
		return;
	ei->no_capability = true;
	parse(XATTR_CAPABILITY, &c);
	if (open_places(ei, &p) < 0)
		return;
	change_places(ei, &p, &c, 0);
	put_places(&p);
}

long ext2_get_xattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct ext2_inode *ei = ext2_inode(inode);
	struct ext2 *fs = ext2_fs(ei);
	struct ext2_disk_attribute *e;
	const struct area *a;
	struct places p;
	struct change c;
	long r = parse(name, &c);

	if (r < 0)
		return r;
	ext2_lock(fs);
	r = open_places(ei, &p);
	if (r == 0) {
		a = &p.body;
		r = find(a, &c, &e);
		if (r == 0) {
			a = &p.shared;
			r = find(a, &c, &e);
		}
		if (r >= 0)
			r = r > 0 ? xattr_value(buf, size, a->base + e->value, e->size) : -ENODATA;
		put_places(&p);
	}
	ext2_unlock(fs);
	return r;
}

static int add_names(const struct area *a, struct xattr_names *names)
{
	char full[XATTR_NAME_MAX + 1];
	struct ext2_disk_attribute *e;
	u32 at = a->first;
	int r = 0;

	while (r == 0 && a->base != NULL && (r = next(a, &at, &e)) > 0) {
		r = xattr_full_name(full, e->kind, e->name, e->name_len);
		if (r == 0)
			r = xattr_add_name(names, full);
	}
	return r;
}

long ext2_list_xattr(struct inode *inode, char *buf, size_t size, bool trusted)
{
	struct xattr_names names = { .buf = buf, .size = size, .trusted = trusted };
	struct ext2_inode *ei = ext2_inode(inode);
	struct ext2 *fs = ext2_fs(ei);
	struct places p;
	int error;

	ext2_lock(fs);
	error = open_places(ei, &p);
	if (error == 0) {
		error = add_names(&p.body, &names);
		if (error == 0)
			error = add_names(&p.shared, &names);
		put_places(&p);
	}
	ext2_unlock(fs);
	return error < 0 ? error : (long)names.done;
}
