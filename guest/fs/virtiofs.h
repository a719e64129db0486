/*
 * Directories of the host by virtio-fs (--share): the client of the FUSE
 * protocol. virtiofs.c has inodes and attributes, virtiofs_name.c and _walk.c names,
 * virtiofs_dir.c reads directories, virtiofs_file.c has what is in files,
 * virtiofs_dax.c has the host map them, virtiofs_xattr.c has extended attributes.
 *
 * The host may change everything at any time. Names and attributes are believed
 * for a second; opening a file asks for its attributes in any case, and pages
 * of a file that was changed since are forgotten (close-to-open consistency,
 * as NFS has it). Below the layer in memory of --root, opening believes for a second
 * too, and that a name is not there; files and directories that the host lets anybody
 * read have no handle, but are read by their node (shared/fuse.h): a server that opens
 * the same files for each request then asks the host for nothing.
 *
 * A node of the host's is one inode here, found by its number, as long as
 * anything refers to it; then the host is told to forget it. What keeps inodes
 * alive between uses is the ring of the names looked up last.
 */
#ifndef FS_VIRTIOFS_H
#define FS_VIRTIOFS_H

#include "../drv/fs.h"
#include "page_tree.h"
#include "vfs.h"

#define VIRTIOFS_MAGIC   0x65735546 /* as FUSE */
#define VIRTIOFS_NAMES   2048 /* in the ring; the host has a descriptor for each */
#define VIRTIOFS_BUCKETS 256
#define VIRTIOFS_MISSING 64 /* names that are not there */
#define VALID_NS         1000000000ull

struct virtiofs_inode {
	struct inode inode;
	u64 nodeid;
	u64 lookups; /* that the host counts */
	u64 valid_until; /* monotonic: attributes are believed */
	u64 blocks;
	char *target; /* a symbolic link's text, which never changes; NULL: not known */
	struct list same_bucket;
	/* regular files */
	struct page_tree pages; /* what is known of the content; all clean */
	struct list cached; /* in the list of inodes with pages; empty: has none */
	u32 busy; /* pages are being copied: not to be freed now */
	u64 changes; /* grows when pages in flight must not be kept */
	struct {
		u32 first, chunks; /* its part of the region; none: not mapped */
		u64 len; /* bytes from the file's beginning that are mapped; 0: not yet */
		u64 used; /* when last, as the region counts */
		bool stale; /* the file has changed: to be mapped again */
		bool writable; /* mapped to be written */
		bool refused; /* the host cannot map it */
	} dax;
};

struct virtiofs_name {
	struct dentry *dentry; /* a reference, or NULL */
	u64 valid_until;
};

/* A name that is not there. */
struct virtiofs_missing {
	u64 dir; /* by nodeid */
	u64 valid_until; /* monotonic */
	u8 len;
	char name[47]; /* of longer ones nothing is known */
};

struct virtiofs {
	struct super sb;
	struct mount mount;
	struct fs_dev *dev;
	struct list bucket[VIRTIOFS_BUCKETS]; /* of inodes by nodeid */
	struct virtiofs_name *name; /* [VIRTIOFS_NAMES]; a dentry's cookie is its place */
	unsigned next_name;
	struct virtiofs_missing *missing; /* [VIRTIOFS_MISSING], if `below` */
	unsigned next_missing;
	struct virtiofs_inode **dax_owner; /* by chunk; NULL: nothing is mapped yet */
	u64 dax_clock;
	bool below; /* a layer in memory is above it */
};

static inline struct virtiofs_inode *virtiofs_inode(struct inode *inode)
{
	return container_of(inode, struct virtiofs_inode, inode);
}
static inline struct virtiofs *virtiofs_of(const struct inode *inode)
{
	return inode->sb->priv;
}

/* Sends a message about an inode on behalf of the current process. */
int virtiofs_send(struct inode *inode, struct fs_message *m);
/* Two messages with one doorbell; what the second came to is in *second. */
int virtiofs_send_both(struct inode *inode, struct fs_message m[2], int *second);
/* The same with one argument of a fixed size, and a reply of one: shorter is -EIO. */
int virtiofs_ask(struct inode *inode, u32 opcode, const void *arg, u32 len, void *reply, u32 room);
/* The same without waiting for a reply, which has nothing in it. */
void virtiofs_tell(struct inode *inode, u32 opcode, const void *arg, u32 len);

/* The inode of an entry of the host, with a reference; takes over its lookup.
 * NULL: no memory, or nonsense. */
struct inode *virtiofs_get(struct virtiofs *fs, const struct fuse_entry_out *entry);
/* Believes attributes that came. 0, or -ESTALE: it is another file. */
int virtiofs_take_attr(struct virtiofs_inode *vi, const struct fuse_attr *a);
/* Attributes: as fresh as `valid_until` says, or asked for now. */
int virtiofs_refresh(struct inode *inode, bool now);
/* They change on the host: ask next time. */
static inline void virtiofs_doubt(struct inode *inode)
{
	virtiofs_inode(inode)->valid_until = 0;
}

/* virtiofs_name.c */
extern const struct inode_ops virtiofs_dir_ops;
void virtiofs_enter(struct dentry *d, struct inode *inode); /* takes over the inode's reference */
void virtiofs_believe(struct dentry *d); /* for a while, and keeps it */
void virtiofs_forget_names(struct virtiofs *fs);

/* virtiofs_walk.c: an inode_ops.lookup. */
int virtiofs_lookup(struct inode *dir, struct dentry *d);

/* virtiofs_xattr.c: for an inode_ops. */
long virtiofs_get_xattr(struct inode *inode, const char *name, void *buf, size_t size);
int virtiofs_set_xattr(struct inode *inode, const char *name, const void *value, size_t size,
		       int flags);
long virtiofs_list_xattr(struct inode *inode, char *buf, size_t size, bool trusted);
#define VIRTIOFS_XATTR_OPS                                              \
	.getxattr = virtiofs_get_xattr, .setxattr = virtiofs_set_xattr, \
	.listxattr = virtiofs_list_xattr

/* virtiofs_dir.c */
extern const struct file_ops virtiofs_dir_file_ops;
int virtiofs_open_dir(struct inode *inode, struct file *file);

/* virtiofs_file.c */
extern const struct file_ops virtiofs_file_ops;
int virtiofs_open(struct inode *inode, struct file *file);
int virtiofs_get_page(struct inode *inode, u64 index, bool write, paddr_t *pa);
int virtiofs_fallocate(struct inode *inode, int mode, u64 offset, u64 len);
void virtiofs_drop_pages(struct virtiofs_inode *vi);
/* Frees pages of files for who needs memory: how many, about n. */
u64 virtiofs_reclaim(u64 n);

/* virtiofs_dax.c: an inode_ops.get_dax. */
u64 virtiofs_get_dax(struct file *file, u64 offset, u64 n, bool write, paddr_t *pa);
paddr_t virtiofs_get_near(struct inode *inode, u64 index);
void virtiofs_drop_dax(struct virtiofs_inode *vi); /* the inode goes */

/* Below the layer in memory a file or directory that the host lets anybody read can
 * be read by its node. */
static inline bool virtiofs_needs_handle(const struct inode *inode)
{
	const u32 wanted = S_ISDIR(inode->mode) ? 05 : 04;

	return !virtiofs_of(inode)->below || (inode->mode & wanted) != wanted;
}
/* The handle of an open file is its priv; 0: none. */
static inline u64 virtiofs_handle_of(const struct file *file)
{
	return (u64)file->priv;
}
int virtiofs_open_handle(struct inode *inode, u32 opcode, u32 flags, u64 *fh);
void virtiofs_release_handle(struct inode *inode, u32 opcode, u64 fh);

#endif
