/*
 * EROFS: directories. Each block begins with its entries, whose names follow in the
 * same order; all names are sorted, from block to block, too.
 */
#include "erofs.h"

/* A block of a directory, held by its page. */
struct block {
	struct block_page *page;
	const u8 *bytes;
	u32 len;
	u32 count; /* of entries, at least 1 */
};

static int get_block(struct erofs_inode *dir, u64 n, struct block *b)
{
	struct erofs *fs = erofs_of(dir->inode.sb);
	u64 at, len;
	int error = erofs_map(dir, n * fs->block_size, &at, &len);

	if (error < 0)
		return error;
	b->len = MIN(len, (u64)fs->block_size);
	if (at == UINT64_MAX || at % PAGE_SIZE + b->len > PAGE_SIZE)
		return -EIO;
	error = block_page_read(fs->cache, at / PAGE_SIZE, &b->page);
	if (error < 0)
		return error;
	b->bytes = (u8 *)block_page_data(b->page) + at % PAGE_SIZE;
	b->count = b->len < sizeof(struct erofs_disk_dirent) ?
			   0 :
			   ((const struct erofs_disk_dirent *)b->bytes)->name /
				   sizeof(struct erofs_disk_dirent);
	if (b->count > 0 && b->count * sizeof(struct erofs_disk_dirent) <= b->len)
		return 0;
	block_page_put(b->page);
	return -EIO;
}

struct entry {
	const char *name;
	u32 len;
	u64 nid;
	unsigned type;
};

/* Entry i of a block; false: it makes no sense. */
static bool get_entry(const struct block *b, u32 i, struct entry *e)
{
	const struct erofs_disk_dirent *d = (const struct erofs_disk_dirent *)b->bytes + i;
	u32 name = d->name, end = i + 1 < b->count ? d[1].name : b->len;
	const char *nul;

	if (name < b->count * sizeof(*d) || name >= end || end > b->len)
		return false;
	*e = (struct entry){ (const char *)b->bytes + name, end - name, d->nid, d->type };
	nul = memchr(e->name, 0, e->len); /* the last one may be padded */
	if (nul != NULL)
		e->len = nul - e->name;
	return e->len > 0 && e->len <= NAME_MAX && memchr(e->name, '/', e->len) == NULL;
}

static u64 blocks_of(const struct erofs_inode *dir)
{
	u32 size = erofs_of(dir->inode.sb)->block_size;

	return (dir->inode.size + size - 1) / size;
}

/* ---- looking up */

static int compare(const char *name, size_t len, const struct entry *e)
{
	int r = memcmp(name, e->name, MIN(len, (size_t)e->len));

	return r != 0 ? r : len < e->len ? -1 : len > e->len;
}

/* In a block: 1: it has it; 0: it does not, nor has one before or after it; < 0:
 * -errno. *after: the name is behind the first one of the block. */
static int find_in(const struct block *b, const char *name, size_t len, u64 *nid, bool *after)
{
	u32 low = 0, high = b->count;

	*after = false;
	while (low < high) {
		u32 mid = (low + high) / 2;
		struct entry e;
		int order;

		if (!get_entry(b, mid, &e))
			return -EIO;
		order = compare(name, len, &e);
		if (order == 0) {
			*nid = e.nid;
			return 1;
		}
		if (order < 0) {
			high = mid;
		} else {
			low = mid + 1;
			*after = true;
		}
	}
	return 0;
}

/* 1: *nid is its number; 0: there is none; or -errno. */
static int find(struct erofs_inode *dir, const char *name, size_t len, u64 *nid)
{
	u64 low = 0, high = blocks_of(dir);

	while (low < high) {
		u64 mid = low + (high - low) / 2;
		struct block b;
		bool after;
		int r = get_block(dir, mid, &b);

		if (r < 0)
			return r;
		r = find_in(&b, name, len, nid, &after);
		block_page_put(b.page);
		if (r != 0)
			return r;
		/* in this one, if at all, when the next one begins behind it */
		if (after)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

static int lookup(struct inode *dir, struct dentry *d)
{
	u64 nid;
	int r = find(erofs_inode(dir), d->name, d->len, &nid);

	if (r > 0)
		r = erofs_get_inode(erofs_of(dir->sb), nid, &d->inode);
	else if (r == 0)
		return 0;
	if (r == 0)
		dentry_attach(d);
	return r;
}

/* ---- listing: a position is the block's place in the directory, and the entry */

/* From entry i of block n on; false: the sink is full, or *error. */
static bool list_block(struct file *file, struct dir_sink *sink, u64 n, u32 i, int *error)
{
	u32 size = erofs_of(file->inode->sb)->block_size;
	struct block b;

	*error = get_block(erofs_inode(file->inode), n, &b);
	if (*error < 0)
		return false;
	for (; i < b.count && *error == 0; i++) {
		u64 next = i + 1 < b.count ? n * size + i + 1 : (n + 1) * size;
		struct entry e;

		if (!get_entry(&b, i, &e))
			*error = -EIO;
		else if (!sink->emit(sink, e.name, e.len, e.nid, dt_of_ftype(e.type), next))
			break;
		else
			file->pos = next;
	}
	block_page_put(b.page);
	return i == b.count && *error == 0;
}

static long read_dir(struct file *file, struct dir_sink *sink)
{
	u32 size = erofs_of(file->inode->sb)->block_size;
	u64 blocks = blocks_of(erofs_inode(file->inode));
	int error = 0;

	for (u64 n = file->pos / size; n < blocks; n++)
		if (!list_block(file, sink, n, file->pos / size == n ? file->pos % size : 0,
				&error))
			break;
	return error;
}

const struct inode_ops erofs_dir_ops = { .lookup = lookup, EROFS_XATTR_OPS };
const struct file_ops erofs_dir_file_ops = { .readdir = read_dir, .lseek = dir_lseek };
