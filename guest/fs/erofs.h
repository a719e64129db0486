/*
 * EROFS: what its parts share. Nothing of it ever changes, so there is no lock;
 * what is copied from the disk to struct erofs has been checked and is not read
 * again.
 */
#ifndef FS_EROFS_H
#define FS_EROFS_H

#include "block_cache.h"
#include "erofs_disk.h"
#include "vfs.h"

#define EROFS_HASH 256

struct erofs {
	struct super sb;
	struct block_cache *cache;
	u32 block_size;
	u64 end; /* bytes */
	u64 meta; /* where node 0 would be */
	u64 xattrs; /* and shared extended attribute 0 */
	struct __kernel_timespec built;
	struct erofs_inode *hash[EROFS_HASH]; /* in memory, by number */
	bool told; /* what it cannot read was said once */
};

struct erofs_inode {
	struct inode inode;
	struct erofs_inode *next; /* in the hash */
	enum erofs_layout layout;
	u64 start; /* of the blocks, in bytes */
	u64 xattrs; /* where they are, behind the inode */
	u32 xattr_size;
	u64 behind; /* what follows: the file's last bytes, or the chunks' table */
	u8 chunk_bits;
	bool indexes;
	u64 ahead_start, ahead_end; /* of the file, what was asked for */
	struct page_tree mapped; /* of struct mapped_page */
};

static inline struct erofs *erofs_of(const struct super *sb)
{
	return container_of(sb, struct erofs, sb);
}
static inline struct erofs_inode *erofs_inode(const struct inode *inode)
{
	return container_of(inode, struct erofs_inode, inode);
}

/* ---- erofs.c */

/* Bytes of the disk. 0 or -errno. */
int erofs_copy(struct erofs *fs, u64 at, void *to, size_t n);

/* ---- erofs_inode.c */

int erofs_get_inode(struct erofs *fs, u64 nid, struct inode **out);
void erofs_evict(struct inode *inode);

/* ---- erofs_file.c */

extern const struct file_ops erofs_file_ops;
extern const struct inode_ops erofs_reg_ops, erofs_link_ops, erofs_node_ops;

/* Where the file's byte at pos is on the disk, and how many follow it there, as far
 * as the file goes; UINT64_MAX in *at: a hole. */
int erofs_map(struct erofs_inode *ei, u64 pos, u64 *at, u64 *len);

/* ---- erofs_dir.c */

extern const struct inode_ops erofs_dir_ops;
extern const struct file_ops erofs_dir_file_ops;

/* ---- erofs_xattr.c: for all kinds of inodes */

long erofs_get_xattr(struct inode *inode, const char *name, void *buf, size_t size);
long erofs_list_xattr(struct inode *inode, char *buf, size_t size, bool trusted);
#define EROFS_XATTR_OPS .getxattr = erofs_get_xattr, .listxattr = erofs_list_xattr

#endif
