/*
 * ext2: directories. Each block is filled with records, whose lengths lead
 * from one to the next; a record without an inode is free, and what a record
 * has more than it needs is, too. An index, where ext4 has made one, looks like
 * free records; it is given up with the first change.
 *
 * The position of a reader is 2 + the byte offset of the next record, after
 * "." and "..", which are told without looking.
 */
#include "ext2.h"

/* Whether the record at `at` of a block is one. */
static bool record_ok(struct ext2 *fs, const u8 *data, u32 at)
{
	const struct ext2_dirent *d = (const struct ext2_dirent *)(data + at);

	if (fs->block_size - at >= EXT2_DIRENT_LEN(1) && d->len >= EXT2_DIRENT_LEN(1) &&
	    d->len % 4 == 0 && d->len <= fs->block_size - at &&
	    d->len >= EXT2_DIRENT_LEN(d->name_len) && d->ino <= fs->ninodes)
		return true;
	fs->damaged = true;
	return false;
}

/* Block n of a directory. 0, -ENOENT: a hole, or an error. */
static int dir_block(struct ext2_inode *dir, u64 n, struct ext2_buf *buf)
{
	u32 block;
	int error = ext2_map(dir, n, &block, NULL);

	if (error < 0)
		return error;
	return block != 0 ? ext2_read(ext2_fs(dir), block, buf) : -ENOENT;
}

static u64 dir_blocks(const struct ext2_inode *dir)
{
	return dir->inode.size / ext2_fs(dir)->block_size;
}

static bool has_name(const struct ext2_dirent *d, const char *name, size_t len)
{
	return d->ino != 0 && d->name_len == len && memcmp(d->name, name, len) == 0;
}

int ext2_find(struct ext2_inode *dir, const char *name, size_t len, struct ext2_slot *slot)
{
	struct ext2 *fs = ext2_fs(dir);

	for (u64 n = 0; n < dir_blocks(dir); n++) {
		int error = dir_block(dir, n, &slot->buf);

		if (error == -ENOENT)
			continue;
		if (error < 0)
			return error;
		slot->before = NULL;
		for (u32 at = 0; at < fs->block_size; at += slot->entry->len) {
			if (!record_ok(fs, slot->buf.data, at)) {
				ext2_put(&slot->buf);
				return -EIO;
			}
			slot->entry = (struct ext2_dirent *)(slot->buf.data + at);
			if (has_name(slot->entry, name, len))
				return 0;
			slot->before = slot->entry;
		}
		ext2_put(&slot->buf);
	}
	return -ENOENT;
}

/* ---- changing */

static u8 type_of(const struct ext2 *fs, u32 mode)
{
	static const u8 types[16] = {
		[S_IFREG >> 12] = 1, [S_IFDIR >> 12] = 2,  [S_IFCHR >> 12] = 3, [S_IFBLK >> 12] = 4,
		[S_IFIFO >> 12] = 5, [S_IFSOCK >> 12] = 6, [S_IFLNK >> 12] = 7,
	};

	return fs->filetype ? types[mode >> 12 & 15] : 0;
}

static void fill(const struct ext2 *fs, struct ext2_dirent *d, const char *name, size_t len,
		 const struct inode *inode)
{
	d->ino = inode->ino;
	d->name_len = len;
	d->type = type_of(fs, inode->mode);
	memcpy(d->name, name, len);
}

/* Room for `need` bytes in a block: the record that they get, or NULL with
 * *error set when the block makes no sense. */
static struct ext2_dirent *room_in(struct ext2 *fs, u8 *data, u32 need, int *error)
{
	struct ext2_dirent *d;

	*error = 0;
	for (u32 at = 0; at < fs->block_size; at += d->len) {
		u32 used;

		if (!record_ok(fs, data, at)) {
			*error = -EIO;
			return NULL;
		}
		d = (struct ext2_dirent *)(data + at);
		used = d->ino != 0 ? EXT2_DIRENT_LEN(d->name_len) : 0;
		if (d->len < used + need)
			continue;
		if (used > 0) {
			struct ext2_dirent *rest = (struct ext2_dirent *)(data + at + used);

			rest->len = d->len - used;
			d->len = used;
			d = rest;
		}
		return d;
	}
	return NULL;
}

/* A new block at the end, one free record, on the disk before it is part of
 * the directory. */
static int grow(struct ext2_inode *dir, struct ext2_buf *buf)
{
	struct ext2 *fs = ext2_fs(dir);
	bool is_fresh = false;
	u32 block;
	int error = ext2_map(dir, dir_blocks(dir), &block, &is_fresh);

	if (error == 0 && !is_fresh)
		return -EIO;
	if (error == 0)
		error = ext2_zeroed(fs, block, buf);
	if (error != 0) {
		ext2_cut(dir, dir_blocks(dir));
		return error;
	}
	((struct ext2_dirent *)buf->data)->len = fs->block_size;
	ext2_dirty(buf);
	ext2_write_now(fs, buf);
	dir->inode.size += fs->block_size;
	return 0;
}

static int place_for(struct ext2_inode *dir, u32 need, struct ext2_buf *buf,
		     struct ext2_dirent **place)
{
	struct ext2 *fs = ext2_fs(dir);
	int error = 0;

	for (u64 n = 0; n < dir_blocks(dir); n++) {
		error = dir_block(dir, n, buf);
		if (error == -ENOENT)
			continue;
		if (error < 0)
			return error;
		*place = room_in(fs, buf->data, need, &error);
		if (*place != NULL)
			return 0;
		ext2_put(buf);
		if (error < 0)
			return error;
	}
	error = grow(dir, buf);
	if (error == 0)
		*place = (struct ext2_dirent *)buf->data;
	return error;
}

int ext2_add(struct ext2_inode *dir, const char *name, size_t len, const struct inode *inode,
	     u64 *page)
{
	struct ext2 *fs = ext2_fs(dir);
	struct ext2_dirent *d;
	struct ext2_buf buf;
	int error = place_for(dir, EXT2_DIRENT_LEN(len), &buf, &d);

	if (error != 0)
		return error;
	fill(fs, d, name, len, inode);
	ext2_dirty(&buf);
	*page = buf.page->index;
	ext2_put(&buf);
	dir->flags &= ~EXT2_INDEXED;
	inode_stamp(&dir->inode, true);
	return ext2_store(dir);
}

void ext2_remove(struct ext2_slot *slot)
{
	if (slot->before != NULL)
		slot->before->len += slot->entry->len;
	else
		slot->entry->ino = 0;
	ext2_dirty(&slot->buf);
}

void ext2_set(struct ext2 *fs, struct ext2_slot *slot, const struct inode *inode)
{
	slot->entry->ino = inode->ino;
	slot->entry->type = type_of(fs, inode->mode);
	ext2_dirty(&slot->buf);
}

int ext2_make_dots(struct ext2_inode *dir, u32 parent)
{
	struct ext2 *fs = ext2_fs(dir);
	struct inode up = { .ino = parent, .mode = S_IFDIR };
	struct ext2_dirent *d;
	struct ext2_buf buf;
	int error = grow(dir, &buf);

	if (error != 0)
		return error;
	d = (struct ext2_dirent *)buf.data;
	fill(fs, d, ".", 1, &dir->inode);
	d->len = EXT2_DIRENT_LEN(1);
	d = (struct ext2_dirent *)(buf.data + d->len);
	fill(fs, d, "..", 2, &up);
	d->len = fs->block_size - EXT2_DIRENT_LEN(1);
	ext2_dirty(&buf);
	ext2_put(&buf);
	return 0;
}

/* ---- looking at all */

static bool is_dots(const struct ext2_dirent *d)
{
	return d->name[0] == '.' && (d->name_len == 1 || (d->name_len == 2 && d->name[1] == '.'));
}

/* Calls see() for every entry at an offset >= from until it returns false. 1:
 * it did; 0: it never did; or an error. */
static int for_each(struct ext2_inode *dir, u64 from,
		    bool (*see)(void *data, const struct ext2_dirent *d, u64 next), void *data)
{
	struct ext2 *fs = ext2_fs(dir);

	for (u64 n = from / fs->block_size; n < dir_blocks(dir); n++) {
		struct ext2_dirent *d;
		struct ext2_buf buf;
		int r = dir_block(dir, n, &buf);

		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		for (u32 at = 0; at < fs->block_size && r == 0; at += d->len) {
			u64 here = n * fs->block_size + at;

			d = (struct ext2_dirent *)(buf.data + at);
			if (!record_ok(fs, buf.data, at))
				r = -EIO;
			else if (here >= from && d->ino != 0 && !is_dots(d))
				r = see(data, d, here + d->len) ? 0 : 1;
			if (r < 0)
				break;
		}
		ext2_put(&buf);
		if (r != 0)
			return r;
	}
	return 0;
}

static bool see_any(void *data, const struct ext2_dirent *d, u64 next)
{
	(void)data;
	(void)d;
	(void)next;
	return false;
}

int ext2_is_empty(struct ext2_inode *dir)
{
	int r = for_each(dir, 0, see_any, NULL);

	return r == 1 ? -ENOTEMPTY : r;
}

struct reader {
	struct file *file;
	struct dir_sink *sink;
};

static bool emit(void *data, const struct ext2_dirent *d, u64 next)
{
	struct reader *r = data;
	unsigned type = dt_of_ftype(d->type);

	if (!r->sink->emit(r->sink, d->name, d->name_len, d->ino, type, next + 2))
		return false;
	r->file->pos = next + 2;
	return true;
}

long ext2_readdir(struct file *file, struct dir_sink *sink)
{
	struct ext2_inode *dir = ext2_inode(file->inode);
	struct reader r = { file, sink };
	int error;

	if (!dir_emit_dots(file, sink))
		return 0;
	error = for_each(dir, file->pos - 2, emit, &r);
	return error < 0 ? error : 0;
}
