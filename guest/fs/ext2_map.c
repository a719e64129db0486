/*
 * ext2: where the blocks of a file are. Twelve are named in the inode, the
 * others through trees of one, two and three levels of blocks full of numbers.
 *
 * A new block of numbers is on the disk, zeroed, before anything refers to it:
 * else e2fsck, after a kill, would take what was there before for numbers.
 */
#include "ext2.h"

/* The way to block n: a slot of the inode, then one of each block of numbers.
 * Its length, 0: beyond what a file can have. */
static unsigned way_to(const struct ext2 *fs, u64 n, u32 way[4])
{
	unsigned bits = __builtin_ctz(fs->slots);

	if (n < EXT2_DIRECT) {
		way[0] = n;
		return 1;
	}
	n -= EXT2_DIRECT;
	for (unsigned level = 1; level <= 3; level++) {
		u64 span = 1ull << bits * level;

		if (n < span) {
			way[0] = EXT2_DIRECT + level - 1;
			for (unsigned i = 1; i <= level; i++)
				way[i] = n >> bits * (level - i) & (fs->slots - 1);
			return level + 1;
		}
		n -= span;
	}
	return 0;
}

u64 ext2_max_size(const struct ext2 *fs)
{
	u64 s = fs->slots, blocks = EXT2_DIRECT + s + s * s + s * s * s;

	/* the count of sectors has 32 bits, and counts blocks of numbers, too */
	return MIN(blocks * fs->block_size, (u64)UINT32_MAX * 512 / 1024 * 1022);
}

/* A block for a slot that is empty; `numbers`: it will hold numbers. */
static int fill_slot(struct ext2_inode *ei, u32 *slot, bool numbers)
{
	struct ext2 *fs = ext2_fs(ei);
	struct ext2_buf buf;
	u32 block;
	int error = ext2_alloc_block(fs, ei->goal, &block);

	if (error < 0)
		return error;
	if (numbers) {
		error = ext2_zeroed(fs, block, &buf);
		if (error < 0) {
			ext2_free_block(fs, block);
			return error;
		}
		ext2_write_now(fs, &buf);
		ext2_put(&buf);
	}
	ei->goal = block + 1;
	ei->sectors += fs->block_size / 512;
	*slot = block;
	return 0;
}

int ext2_map(struct ext2_inode *ei, u64 n, u32 *block, bool *fresh)
{
	struct ext2 *fs = ext2_fs(ei);
	struct ext2_buf buf = { NULL, NULL };
	u32 way[4], *slot;
	unsigned len = way_to(fs, n, way);
	int error = 0;

	if (len == 0)
		return -EFBIG;
	slot = &ei->block[way[0]];
	for (unsigned i = 1;; i++) {
		bool filled = *slot == 0 && fresh != NULL;

		if (filled) {
			error = fill_slot(ei, slot, i < len);
			if (error == 0 && buf.page != NULL)
				ext2_dirty(&buf);
		}
		*block = *slot;
		if (i == len && fresh != NULL)
			*fresh = filled;
		if (buf.page != NULL)
			ext2_put(&buf);
		if (error < 0 || i == len || *block == 0)
			break;
		error = ext2_read(fs, *block, &buf);
		if (error < 0)
			return error;
		slot = (u32 *)buf.data + way[i];
	}
	if (error == 0 && *block != 0 && !ext2_block_ok(fs, *block)) {
		fs->damaged = true;
		error = -EIO;
	}
	return error;
}

u64 ext2_hole_end(struct ext2_inode *ei, u64 n)
{
	struct ext2 *fs = ext2_fs(ei);
	u64 first = n < EXT2_DIRECT ? 0 : EXT2_DIRECT, tree = fs->slots, span = 1;
	u32 way[4], block;
	unsigned len = way_to(fs, n, way), i;

	for (i = 2; i < len; i++, tree *= fs->slots)
		first += tree;
	block = ei->block[way[0]];
	for (i = 1; i < len && block != 0; i++) {
		struct ext2_buf buf;

		if (ext2_read(fs, block, &buf) < 0)
			return n + 1;
		block = ((u32 *)buf.data)[way[i]];
		ext2_put(&buf);
	}
	for (; i < len; i++)
		span *= fs->slots;
	return first + ALIGN_DOWN(n - first, span) + span;
}

void ext2_fetch(struct ext2_inode *ei, u64 n, u64 count)
{
	struct ext2 *fs = ext2_fs(ei);
	u64 start = 0, pages = 0; /* of the disk, to be asked for at once */
	u32 block;

	for (; count > 0 && ext2_map(ei, n, &block, NULL) == 0; n++, count--) {
		u64 page = (u64)block * fs->block_size / PAGE_SIZE;

		if (block == 0 || (pages > 0 && page == start + pages - 1))
			continue;
		if (pages > 0 && page != start + pages) {
			block_cache_fetch(fs->cache, start, pages);
			pages = 0;
		}
		if (pages++ == 0)
			start = page;
	}
	if (pages > 0)
		block_cache_fetch(fs->cache, start, pages);
}

/* ---- freeing */

/* It stops at the first block that was not in use: a disk may name one many
 * times, and a tree of numbers may contain itself. */
struct cutter {
	struct ext2_inode *ei;
	bool stopped;
};

static void free_one(struct cutter *c, u32 block)
{
	u32 sectors = ext2_fs(c->ei)->block_size / 512;

	if (c->stopped)
		return;
	c->stopped = !ext2_free_block(ext2_fs(c->ei), block);
	c->ei->sectors -= MIN(sectors, c->ei->sectors);
}

/* Frees what is in a tree from its block number `from` on; true: all of it,
 * with the block itself. */
static bool free_tree(struct cutter *c, u32 block, unsigned level, u64 from)
{
	struct ext2 *fs = ext2_fs(c->ei);
	struct ext2_buf buf;
	u64 span = 1;

	for (unsigned i = 1; i < level; i++)
		span *= fs->slots;
	if (level > 0 && ext2_read(fs, block, &buf) == 0) {
		u32 *number = (u32 *)buf.data;

		for (u64 i = from / span; i < fs->slots && !c->stopped; i++) {
			if (number[i] != 0 &&
			    free_tree(c, number[i], level - 1, i == from / span ? from % span : 0))
				number[i] = 0;
		}
		if (from > 0)
			ext2_dirty(&buf);
		ext2_put(&buf);
	}
	if (from == 0)
		free_one(c, block);
	return from == 0;
}

/* Frees all from block n on, as `block` names them; clears what is gone. */
static void free_from(struct ext2_inode *ei, u32 block[EXT2_SLOTS], u64 n)
{
	struct ext2 *fs = ext2_fs(ei);
	struct cutter c = { ei, false };
	u64 first = EXT2_DIRECT, span = 1;

	for (u64 i = n; i < EXT2_DIRECT; i++) {
		if (block[i] != 0)
			free_one(&c, block[i]);
		block[i] = 0;
	}
	for (unsigned level = 1; level <= 3; level++) {
		u32 *slot = &block[EXT2_DIRECT + level - 1];

		span *= fs->slots;
		if (*slot != 0 && n < first + span &&
		    free_tree(&c, *slot, level, n > first ? n - first : 0))
			*slot = 0;
		first += span;
	}
}

/* Clears the slots of the inode whose trees lie behind n as a whole. */
static bool clear_slots(struct ext2_inode *ei, u64 n)
{
	struct ext2 *fs = ext2_fs(ei);
	u64 first = EXT2_DIRECT, span = 1;
	bool any = false;

	for (unsigned i = 0; i < EXT2_SLOTS; i++) {
		u64 start = i;

		if (i >= EXT2_DIRECT) {
			start = first;
			span *= fs->slots;
			first += span;
		}
		if (ei->block[i] != 0 && start >= n) {
			ei->block[i] = 0;
			any = true;
		}
	}
	return any;
}

int ext2_cut(struct ext2_inode *ei, u64 n)
{
	u32 block[EXT2_SLOTS];
	int error = 0;

	memcpy(block, ei->block, sizeof(block));
	ei->ahead_end = 0;
	ei->cuts++;
	if (clear_slots(ei, n))
		error = ext2_store_now(ei);
	if (error < 0) {
		memcpy(ei->block, block, sizeof(block));
		return error;
	}
	free_from(ei, block, n);
	return 0;
}

void ext2_free_all(struct ext2_inode *ei)
{
	free_from(ei, ei->block, 0);
}
