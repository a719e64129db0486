/*
 * ext2: what its parts share.
 *
 * All contents, data and metadata, are in the page cache of the disk; an inode
 * in memory is written through to its place there by ext2_store(). What is
 * copied from the disk to struct ext2 has been checked and is not read again.
 *
 * One operation at a time: ext2_lock(), held by everything below but evict.
 */
#ifndef FS_EXT2_H
#define FS_EXT2_H

#include "block_cache.h"
#include "ext2_disk.h"
#include "vfs.h"

#define EXT2_HASH       256
#define EXT2_REAP_AFTER 128 /* deleted inodes wait to be freed together */

struct ext2 {
	struct super sb;
	struct block_cache *cache;
	u32 block_size, inode_size, inodes_per_group, blocks_per_group;
	u32 ngroups, first_block, nblocks, ninodes, first_ino, reserved;
	u32 free_blocks, free_inodes;
	u32 slots; /* block numbers in a block */
	u16 state; /* as it was when mounted */
	bool filetype, large, xattrs; /* features */
	bool no_features; /* revision 0 */
	bool damaged; /* something does not fit together: e2fsck shall look */
	struct ext2_disk_group *group;
	struct ext2_inode *hash[EXT2_HASH]; /* in memory, by number */
	struct list dead; /* deleted, not freed yet */
	unsigned ndead;
	bool locked;
	struct waitq unlocked;
	struct list link; /* all that are mounted */
};

struct ext2_inode {
	struct inode inode;
	struct ext2_inode *next; /* in the hash */
	struct list dead;
	u32 block[EXT2_SLOTS];
	u32 sectors, flags, generation, attributes;
	u32 goal; /* where to look for the next free block */
	bool no_capability; /* is known not to be there */
	u64 ahead_start, ahead_end; /* blocks of the file that were asked for */
	u32 cuts; /* how often blocks were taken from the file */
	struct page_tree mapped; /* of struct mapped_page */
};

static inline struct ext2 *ext2_of(const struct super *sb)
{
	return container_of(sb, struct ext2, sb);
}
static inline struct ext2_inode *ext2_inode(const struct inode *inode)
{
	return container_of(inode, struct ext2_inode, inode);
}
static inline struct ext2 *ext2_fs(const struct ext2_inode *ei)
{
	return ext2_of(ei->inode.sb);
}

void ext2_lock(struct ext2 *fs);
void ext2_unlock(struct ext2 *fs); /* frees what was deleted, when that is much */

/* ---- blocks: ext2_block.c */

struct ext2_buf {
	struct block_page *page;
	u8 *data;
};
static inline bool ext2_block_ok(const struct ext2 *fs, u32 block)
{
	return block >= fs->first_block && block < fs->nblocks;
}
int ext2_read(struct ext2 *fs, u32 block, struct ext2_buf *buf);
/* One that is about to be overwritten: its old contents need not be read. What
 * is in it means nothing before ext2_dirty(). */
int ext2_overwrite(struct ext2 *fs, u32 block, struct ext2_buf *buf);
int ext2_zeroed(struct ext2 *fs, u32 block, struct ext2_buf *buf); /* dirty, too */
void ext2_dirty(struct ext2_buf *buf);
void ext2_put(struct ext2_buf *buf);
/* Has the disk hold what was changed, before anything that comes later. */
void ext2_write_now(struct ext2 *fs, const struct ext2_buf *buf);

/* ---- allocation: ext2_alloc.c */

int ext2_alloc_block(struct ext2 *fs, u32 goal, u32 *block);
bool ext2_free_block(struct ext2 *fs, u32 block); /* false: it was not in use */
/* A number for a new inode near its directory. */
int ext2_alloc_ino(struct ext2 *fs, const struct inode *dir, bool is_dir, u32 *ino);
void ext2_free_ino(struct ext2 *fs, u32 ino, bool is_dir);
/* Where blocks of an inode should be. */
u32 ext2_group_start(const struct ext2 *fs, u32 ino);

/* ---- a file's blocks: ext2_map.c */

/* The block that holds block n of the file; 0: a hole. With `fresh` a hole is
 * given a block, whose contents the caller must set, and *fresh says so. */
int ext2_map(struct ext2_inode *ei, u64 n, u32 *block, bool *fresh);
/* Block n is a hole: the next block that may be none. */
u64 ext2_hole_end(struct ext2_inode *ei, u64 n);
/* Frees all blocks from n on; the inode goes to the disk before. */
int ext2_cut(struct ext2_inode *ei, u64 n);
/* Frees the blocks of an inode that is nowhere on the disk any more. */
void ext2_free_all(struct ext2_inode *ei);
u64 ext2_max_size(const struct ext2 *fs);
/* Starts reading blocks [n, n + count) of a file. */
void ext2_fetch(struct ext2_inode *ei, u64 n, u64 count);

/* ---- inodes: ext2_inode.c */

int ext2_get_inode(struct ext2 *fs, u32 ino, struct inode **out);
int ext2_new_inode(struct super *sb, struct inode *dir, u32 mode, u32 rdev, struct inode **out);
/* Its place on the disk; the buffer is the caller's to put. */
int ext2_inode_at(struct ext2 *fs, u64 ino, struct ext2_buf *buf, struct ext2_disk_inode **raw);
int ext2_store(struct ext2_inode *ei);
int ext2_store_now(struct ext2_inode *ei);
void ext2_evict(struct inode *inode);
/* Frees the deleted inodes: those without references, or with `all` at the
 * end of the VM the others too. */
void ext2_reap(struct ext2 *fs, bool all);
static inline bool ext2_fast_link(const struct ext2_inode *ei)
{
	u32 own = ei->attributes != 0 ? ext2_fs(ei)->block_size / 512 : 0;

	return S_ISLNK(ei->inode.mode) && ei->sectors == own;
}

/* ---- extended attributes: ext2_xattr.c, for an inode_ops */

long ext2_get_xattr(struct inode *inode, const char *name, void *buf, size_t size);
int ext2_set_xattr(struct inode *inode, const char *name, const void *value, size_t size,
		   int flags);
long ext2_list_xattr(struct inode *inode, char *buf, size_t size, bool trusted);
void ext2_drop_capability(struct ext2_inode *ei); /* XATTR_CAPABILITY, if it is there */
/* One inode less has their block, if it is one. */
void ext2_free_xattrs(struct ext2 *fs, u32 block);

/* ---- directories: ext2_dir.c */

/* Where an entry was found. */
struct ext2_slot {
	struct ext2_buf buf;
	struct ext2_dirent *entry, *before; /* before: in the same block, or NULL */
};
/* 0, -ENOENT or another error; the slot is put with ext2_put(&slot->buf). */
int ext2_find(struct ext2_inode *dir, const char *name, size_t len, struct ext2_slot *slot);
/* Adds an entry; *page: the page it is in. */
int ext2_add(struct ext2_inode *dir, const char *name, size_t len, const struct inode *inode,
	     u64 *page);
void ext2_remove(struct ext2_slot *slot);
void ext2_set(struct ext2 *fs, struct ext2_slot *slot, const struct inode *inode);
int ext2_make_dots(struct ext2_inode *dir, u32 parent);
int ext2_is_empty(struct ext2_inode *dir); /* 0, -ENOTEMPTY or an error */
long ext2_readdir(struct file *file, struct dir_sink *sink);

/* ---- pages that are mapped: ext2_page.c */

extern unsigned ext2_mapped; /* files that are, of all */
int ext2_get_page(struct inode *inode, u64 index, bool write, paddr_t *pa);
paddr_t ext2_get_near(struct inode *inode, u64 index);
void ext2_note_mapped(struct inode *inode, bool any);
/* The block at pos is to be read, or changed, in the cache: what the program has
 * of it, where that is something else, goes there, and to be changed gives way. */
void ext2_settle_at(struct ext2_inode *ei, u64 pos, bool change);
/* The size is about to change: the page with the end is settled and gives way, and
 * those behind the new end, if that is before. */
void ext2_settle_end(struct ext2_inode *ei, u64 size);

/* ---- ext2_file.c, ext2_name.c, ext2.c */

/* Reads ahead when block n was not asked for: `want` blocks, and more when the last
 * request ended here. */
void ext2_read_ahead(struct ext2_inode *ei, u64 n, u64 want);

extern const struct file_ops ext2_file_ops, ext2_dir_file_ops;
extern const struct inode_ops ext2_reg_ops, ext2_dir_ops, ext2_link_ops, ext2_node_ops;
int ext2_resize(struct ext2_inode *ei, u64 size);
long ext2_fsync(struct file *file);

/* The superblock, on the disk, says that there are extended attributes. 0 or -errno. */
int ext2_note_xattrs(struct ext2 *fs);
/* Makes all stable: 0 or -errno. */
int ext2_sync(struct ext2 *fs);

#endif
