/*
 * A file system in memory above another one, which is only read: the root of
 * --root DIR.
 *
 * It is a tmpfs whose directories fetch their entries from below when these are
 * looked for; so what was fetched is changed as in any tmpfs. Before a name is
 * taken away its directory fetches all that is left and lets go of the one
 * below: hence nothing has to remember that a name is gone (whiteouts), and
 * directories from below are renamed like others. The content of a file stays
 * below until somebody opens it for writing; then all of it is copied. Extended
 * attributes stay below until one is changed, or the inode lets go.
 *
 * What was fetched is not looked at again, but for the size and content of
 * files: that its name is gone below is not noticed, nor is a change of
 * attributes. Several names of a file below become
 * files of their own.
 */
#ifndef FS_OVERLAY_H
#define FS_OVERLAY_H

#include "tmpfs.h"

struct xattr;

#define OVERLAY_MAGIC 0x794c7630 /* as Linux's overlayfs */

/* Makes the empty root directory of a tmpfs show what is below. 0 or -ENOMEM. */
int overlay_begin(struct inode *root, struct mount *below);

/* What is below an inode that has something there, with references. 0 or -errno. */
int overlay_find(struct inode *inode, struct path *out);

static inline bool overlay_has_lower(const struct dentry *dir)
{
	return tmpfs_inode(dir->inode)->lower != NULL;
}
/* Has a sink see all names of a directory below. 0 or -errno. */
int overlay_read_below(const struct path *low, struct dir_sink *sink);
bool overlay_is_dots(const char *name, size_t len); /* "." or ".." */

/* Has all extended attributes here: before one is changed, and before the inode lets
 * go of what is below. */
int overlay_take_xattrs(struct inode *inode);
int overlay_copy_xattrs(struct inode *low, struct xattr **to);
/* An inode_ops's three for them. */
void overlay_set_xattr_ops(struct inode_ops *ops);

/* overlay_dir.c: open directories. */
extern struct file_ops overlay_dir_file_ops;
void overlay_init_dir_file_ops(void);

/* overlay_file.c: the operations of files whose content is below. */
extern struct inode_ops overlay_file_ops;
void overlay_init_file_ops(void);

#endif
