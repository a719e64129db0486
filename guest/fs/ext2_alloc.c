/*
 * ext2: free blocks and inodes. A group has a bitmap of each, one block long;
 * the counts beside them are kept in memory and written through.
 *
 * Blocks are looked for from a goal on, which is where the file's last one
 * went, then in the other groups. A file's inode goes where its directory is,
 * a directory's where there is most room.
 */
#include "ext2.h"

/* Writes a group's counts. */
static int store_group(struct ext2 *fs, u32 g)
{
	u32 per_block = fs->block_size / sizeof(struct ext2_disk_group);
	struct ext2_buf buf;
	int error = ext2_read(fs, fs->first_block + 1 + g / per_block, &buf);

	if (error < 0)
		return error;
	memcpy(buf.data + g % per_block * sizeof(struct ext2_disk_group), &fs->group[g],
	       sizeof(struct ext2_disk_group));
	ext2_dirty(&buf);
	ext2_put(&buf);
	return 0;
}

/* The first clear bit of [from, n), or n. */
static u32 clear_bit_from(const u8 *bits, u32 from, u32 n)
{
	while (from < n && bits[from / 8] & 1 << from % 8)
		from += from % 8 == 0 && bits[from / 8] == 0xff ? 8 : 1;
	return MIN(from, n);
}

/* Sets the first clear bit of a bitmap's [from, n). 0, -ENOSPC or an error. */
static int take_bit(struct ext2 *fs, u32 bitmap, u32 from, u32 n, u32 *bit)
{
	struct ext2_buf buf;
	int error = ext2_read(fs, bitmap, &buf);

	if (error < 0)
		return error;
	*bit = clear_bit_from(buf.data, from, n);
	if (*bit < n) {
		buf.data[*bit / 8] |= 1 << *bit % 8;
		ext2_dirty(&buf);
	}
	ext2_put(&buf);
	return *bit < n ? 0 : -ENOSPC;
}

/* False: it was clear already, or cannot be read. */
static bool give_bit(struct ext2 *fs, u32 bitmap, u32 bit)
{
	struct ext2_buf buf;
	bool was_set;

	if (ext2_read(fs, bitmap, &buf) < 0)
		return false;
	was_set = buf.data[bit / 8] & 1 << bit % 8;
	if (was_set) {
		buf.data[bit / 8] &= ~(1 << bit % 8);
		ext2_dirty(&buf);
	}
	ext2_put(&buf);
	return was_set;
}

/* ---- blocks */

u32 ext2_group_start(const struct ext2 *fs, u32 ino)
{
	return fs->first_block + (ino - 1) / fs->inodes_per_group * fs->blocks_per_group;
}

static u32 blocks_in(const struct ext2 *fs, u32 g)
{
	u32 start = fs->first_block + g * fs->blocks_per_group;

	return MIN(fs->blocks_per_group, fs->nblocks - start);
}

/* A file may not have these, whatever the bitmap says. */
static bool is_metadata(const struct ext2 *fs, u32 g, u32 block)
{
	const struct ext2_disk_group *d = &fs->group[g];
	u32 table = fs->inodes_per_group / (fs->block_size / fs->inode_size);

	return block == d->block_bitmap || block == d->inode_bitmap ||
	       (block >= d->inode_table && block - d->inode_table < table) ||
	       block == fs->first_block;
}

static int alloc_in(struct ext2 *fs, u32 g, u32 from, u32 *block)
{
	u32 bit = 0;
	int error = -ENOSPC;

	if (fs->group[g].free_blocks > 0)
		error = take_bit(fs, fs->group[g].block_bitmap, from, blocks_in(fs, g), &bit);
	if (error < 0)
		return error;
	*block = fs->first_block + g * fs->blocks_per_group + bit;
	if (is_metadata(fs, g, *block)) {
		fs->damaged = true;
		return -EIO;
	}
	fs->group[g].free_blocks--;
	fs->free_blocks -= fs->free_blocks > 0;
	return store_group(fs, g);
}

static int alloc_anywhere(struct ext2 *fs, u32 goal, u32 *block)
{
	u32 first = (goal - fs->first_block) / fs->blocks_per_group;
	int error = alloc_in(fs, first, (goal - fs->first_block) % fs->blocks_per_group, block);

	for (u32 i = 0; i < fs->ngroups && error == -ENOSPC; i++)
		error = alloc_in(fs, (first + i) % fs->ngroups, 0, block);
	return error;
}

int ext2_alloc_block(struct ext2 *fs, u32 goal, u32 *block)
{
	int error;

	if (!ext2_block_ok(fs, goal))
		goal = fs->first_block;
	error = alloc_anywhere(fs, goal, block);
	if (error == -ENOSPC && fs->ndead > 0) {
		ext2_reap(fs, false);
		error = alloc_anywhere(fs, goal, block);
	}
	return error;
}

bool ext2_free_block(struct ext2 *fs, u32 block)
{
	u32 at = block - fs->first_block, g = at / fs->blocks_per_group;

	if (!ext2_block_ok(fs, block) || is_metadata(fs, g, block) ||
	    !give_bit(fs, fs->group[g].block_bitmap, at % fs->blocks_per_group)) {
		fs->damaged = true;
		return false;
	}
	fs->group[g].free_blocks++;
	fs->free_blocks++;
	if (store_group(fs, g) < 0)
		fs->damaged = true;
	return true;
}

/* ---- inodes */

/* For a directory the group with most free blocks of those that have more
 * than the average of free inodes; for others the directory's. */
static u32 best_group(const struct ext2 *fs, const struct inode *dir, bool is_dir)
{
	u32 best = (dir->ino - 1) / fs->inodes_per_group;

	if (!is_dir)
		return best;
	for (u32 g = 0; g < fs->ngroups; g++)
		if (fs->group[g].free_inodes >= fs->free_inodes / fs->ngroups &&
		    fs->group[g].free_blocks > fs->group[best].free_blocks)
			best = g;
	return best;
}

static int alloc_ino_in(struct ext2 *fs, u32 g, bool is_dir, u32 *ino)
{
	u32 bit = 0;
	int error = -ENOSPC;

	if (fs->group[g].free_inodes > 0)
		error = take_bit(fs, fs->group[g].inode_bitmap, g == 0 ? fs->first_ino - 1 : 0,
				 fs->inodes_per_group, &bit);
	if (error < 0)
		return error;
	*ino = g * fs->inodes_per_group + bit + 1;
	fs->group[g].free_inodes--;
	fs->group[g].directories += is_dir;
	fs->free_inodes -= fs->free_inodes > 0;
	return store_group(fs, g);
}

int ext2_alloc_ino(struct ext2 *fs, const struct inode *dir, bool is_dir, u32 *ino)
{
	u32 first = best_group(fs, dir, is_dir);
	int error = -ENOSPC;

	for (int again = 0; again < 2 && error == -ENOSPC; again++) {
		for (u32 i = 0; i < fs->ngroups && error == -ENOSPC; i++)
			error = alloc_ino_in(fs, (first + i) % fs->ngroups, is_dir, ino);
		if (fs->ndead == 0)
			break;
		if (error == -ENOSPC)
			ext2_reap(fs, false);
	}
	return error;
}

void ext2_free_ino(struct ext2 *fs, u32 ino, bool is_dir)
{
	u32 g = (ino - 1) / fs->inodes_per_group;

	if (!give_bit(fs, fs->group[g].inode_bitmap, (ino - 1) % fs->inodes_per_group)) {
		fs->damaged = true;
		return;
	}
	fs->group[g].free_inodes++;
	fs->group[g].directories -= is_dir && fs->group[g].directories > 0;
	fs->free_inodes++;
	if (store_group(fs, g) < 0)
		fs->damaged = true;
}
