/*
 * EROFS: extended attributes. Behind an inode are a header, the numbers of those
 * that it shares with others, which lie in a part of the disk for all inodes, and
 * then its own, one behind the other. They are found and shown in Linux's order:
 * its own first.
 */
#include "erofs.h"
#include "xattr.h"

struct attribute {
	char name[XATTR_NAME_MAX + 1]; /* "": of a kind that is not known */
	u64 value; /* where it is on the disk */
	u32 size;
	u64 next; /* where the one behind it begins */
};

/* What is still to be seen of an inode's. */
struct cursor {
	struct erofs *fs;
	u64 own, own_end;
	u64 shared, shared_end; /* where their numbers are */
	struct attribute found;
};

/* Its name, of so many bytes at a place, behind what stands for its kind. */
static int read_name(struct erofs *fs, struct attribute *a, unsigned kind, u64 at, size_t len)
{
	char rest[XATTR_NAME_MAX];
	int error = erofs_copy(fs, at, rest, len);

	return error < 0 ? error : xattr_full_name(a->name, kind, rest, len);
}

/* The one at a place: 1, or -errno. */
static int read_attribute(struct cursor *c, u64 at, u64 end)
{
	struct attribute *a = &c->found;
	struct erofs_disk_xattr d;
	int error = at <= end ? erofs_copy(c->fs, at, &d, sizeof(d)) : -EIO;

	if (error < 0)
		return error;
	a->value = at + sizeof(d) + d.name_len;
	a->size = d.value_size;
	a->next = ALIGN_UP(a->value + a->size, (u64)EROFS_XATTR_UNIT);
	if (a->value + a->size > end)
		return -EIO;
	error = read_name(c->fs, a, d.kind, at + sizeof(d), d.name_len);
	return error < 0 ? error : 1;
}

static int begin(struct cursor *c, struct inode *inode)
{
	const struct erofs_inode *ei = erofs_inode(inode);
	struct erofs_disk_xattrs header;
	int error;

	*c = (struct cursor){ .fs = erofs_of(inode->sb) };
	if (ei->xattr_size == 0)
		return 0;
	error = erofs_copy(c->fs, ei->xattrs, &header, sizeof(header));
	if (error < 0)
		return error;
	c->shared = ei->xattrs + sizeof(header);
	c->own = c->shared_end = c->shared + header.shared * sizeof(u32);
	c->own_end = ei->xattrs + ei->xattr_size;
	return c->own <= c->own_end ? 0 : -EIO;
}

/* 1: another one is found; 0: that was all; or -errno. */
static int next(struct cursor *c)
{
	u32 number;
	int r;

	if (c->own < c->own_end) {
		r = read_attribute(c, c->own, c->own_end);
		c->own = c->found.next;
		return r;
	}
	if (c->shared == c->shared_end)
		return 0;
	r = erofs_copy(c->fs, c->shared, &number, sizeof(number));
	c->shared += sizeof(number);
	if (r < 0)
		return r;
	return read_attribute(c, c->fs->xattrs + (u64)number * EROFS_XATTR_UNIT, c->fs->end);
}

static long take_value(const struct cursor *c, void *buf, size_t size)
{
	const struct attribute *a = &c->found;
	int error;

	if (size == 0)
		return a->size;
	if (size < a->size)
		return -ERANGE;
	error = erofs_copy(c->fs, a->value, buf, a->size);
	return error < 0 ? error : (long)a->size;
}

long erofs_get_xattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct cursor c;
	int r = begin(&c, inode);

	if (r < 0)
		return r;
	while ((r = next(&c)) > 0)
		if (strcmp(c.found.name, name) == 0)
			return take_value(&c, buf, size);
	return r < 0 ? r : -ENODATA;
}

long erofs_list_xattr(struct inode *inode, char *buf, size_t size, bool trusted)
{
	struct cursor c;
	struct xattr_names names = { .buf = buf, .size = size, .trusted = trusted };
	int r = begin(&c, inode);

	if (r < 0)
		return r;
	while ((r = next(&c)) > 0) {
		r = xattr_add_name(&names, c.found.name);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : (long)names.done;
}
