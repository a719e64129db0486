/*
 * What the two halves of tmpfs share: tmpfs.c has the names, tmpfs_file.c the
 * content of regular files.
 */
#ifndef FS_TMPFS_H
#define FS_TMPFS_H

#include "page_tree.h"
#include "vfs.h"

struct tmpfs_inode {
	struct inode inode;
	struct xattr *xattrs; /* xattr.c */
	char *lower; /* overlay.c: path of what is below; NULL: all is here */
	bool xattrs_below; /* overlay.c: they are still there only */
	union {
		struct { /* regular files */
			struct page_tree pages;
			/* Pages that exist already, for a file made of existing
			 * memory: read there, unless `pages` has a copy. */
			paddr_t mapped;
			u64 mapped_pages;
		};
		char *target; /* symbolic links */
		fill_function *fill; /* directories: what is not there yet */
	};
};
static inline struct tmpfs_inode *tmpfs_inode(struct inode *inode)
{
	return container_of(inode, struct tmpfs_inode, inode);
}

#define TMPFS_MAGIC 0x01021994
#define TMPFS_ENTRY 20 /* what an entry adds to a directory's size, as in Linux */

/* For a root that is there without being made (rootfs.c), and overlay.c. */
extern const struct inode_ops tmpfs_dir_ops, tmpfs_regular_ops;
extern const struct file_ops tmpfs_dir_file_ops;

/* Makes an entry of a fresh dentry; takes over the reference to the inode. */
void tmpfs_enter(struct dentry *d, struct inode *inode);
int tmpfs_nameless(struct super *sb, u32 mode, struct inode **inode);
extern const struct file_ops tmpfs_file_ops;
/* Sets the size: frees or zeroes what lies behind it. 0 or -ENOSPC. */
int tmpfs_resize(struct tmpfs_inode *ti, u64 size);
int tmpfs_fallocate(struct inode *inode, int mode, u64 offset, u64 len);
int tmpfs_get_page(struct inode *inode, u64 index, bool write, paddr_t *pa);
u64 tmpfs_get_run(struct inode *inode, u64 offset, u64 n, paddr_t *pa);
void tmpfs_drop_capability(struct tmpfs_inode *ti);
u64 tmpfs_blocks(const struct tmpfs_inode *ti); /* of 512 bytes */

#endif
