/*
 * The tree of files: inodes (files, whatever their names), dentries (names),
 * supers (file systems) and mounts (file systems somewhere in the tree).
 *
 * References: a dentry holds one on its inode and one on its parent; a path
 * holds one on its mount and its dentry; a file holds its path and its inode.
 * A dentry is found by name only while it is attached. It goes away with its
 * last reference, so a file system keeps the names that shall stay in memory
 * by holding a reference itself: tmpfs does so for every entry (its directory
 * *is* the set of attached dentries), one with a disk may for its cache.
 * A dentry without an inode is negative: a name that does not exist.
 *
 * All is guarded by the library OS's one lock. An operation of a file system
 * may wait; what it was given stays valid because its caller holds references.
 */
#ifndef FS_VFS_H
#define FS_VFS_H

#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include "../libos/file.h"

#ifndef S_IFMT /* <linux/stat.h> leaves these to a hosted C library */
#define S_IFMT      0170000
#define S_IFSOCK    0140000
#define S_IFLNK     0120000
#define S_IFREG     0100000
#define S_IFBLK     0060000
#define S_IFDIR     0040000
#define S_IFCHR     0020000
#define S_IFIFO     0010000
#define S_ISUID     04000
#define S_ISGID     02000
#define S_ISVTX     01000
#define S_ISLNK(m)  (((m)&S_IFMT) == S_IFLNK)
#define S_ISREG(m)  (((m)&S_IFMT) == S_IFREG)
#define S_ISDIR(m)  (((m)&S_IFMT) == S_IFDIR)
#define S_ISCHR(m)  (((m)&S_IFMT) == S_IFCHR)
#define S_ISBLK(m)  (((m)&S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m)&S_IFMT) == S_IFIFO)
#define S_ISSOCK(m) (((m)&S_IFMT) == S_IFSOCK)
#endif
#ifndef PATH_MAX
#define PATH_MAX 4096
#define NAME_MAX 255
#endif
#define MAX_FILE_SIZE INT64_MAX

/* of <linux/fs.h>, whose BLOCK_SIZE is not ours */
#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif
#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
#ifndef RENAME_EXCHANGE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2
#define RENAME_WHITEOUT  4
#endif

/* Device numbers as stat(2) shows them and mknod(2) takes them. */
#define MKDEV(major, minor) ((u32)(((minor)&0xff) | (major) << 8 | ((minor) & ~0xffu) << 12))
#define DEV_MAJOR(dev)      ((dev) >> 8 & 0xfff)
#define DEV_MINOR(dev)      (((dev)&0xff) | ((dev) >> 12 & 0xfff00))

struct super;
struct mount;
struct dentry;
struct pipe;
struct file_locks;

struct inode {
	const struct inode_ops *ops;
	const struct file_ops *fops; /* what a plain open gives the file */
	struct super *sb;
	u32 refs;
	u32 mode, nlink, uid, gid;
	u32 rdev; /* character and block devices */
	u32 mappings; /* of its pages, in the program's memory */
	i32 writers; /* files open for writing; < 0: being executed */
	bool linkable; /* may get a name though it has none: O_TMPFILE */
	u8 seals; /* F_SEAL_*, of files in memory: memfd.c */
	u64 ino, size;
	struct __kernel_timespec atime, mtime, ctime, btime;
	struct pipe *pipe; /* fifos, while open: pipe.c */
	struct file_locks *locks; /* fcntl and flock: locks.c */
	struct inode *below; /* a reference: whose pages its mappings show; NULL: its own */
};

/* What stat and statx are made of. */
struct kstat {
	u64 ino, size, blocks; /* blocks of 512 bytes */
	u32 dev, rdev, mode, nlink, uid, gid, blksize;
	struct __kernel_timespec atime, mtime, ctime, btime;
};

/* A change of attributes; `valid` says which. */
#define ATTR_MODE       0x01
#define ATTR_UID        0x02
#define ATTR_GID        0x04
#define ATTR_SIZE       0x08
#define ATTR_ATIME      0x10
#define ATTR_MTIME      0x20
#define ATTR_OPEN_TRUNC 0x40 /* with ATTR_SIZE: O_TRUNC, sets the times always */
#define ATTR_OWNER      0x80 /* with or without the two: chown was asked for */
struct attr {
	u32 valid, mode, uid, gid;
	u64 size;
	struct __kernel_timespec atime, mtime;
};

/*
 * What a file system does; NULL where it cannot. The checks of names, types
 * and read-only mounts are the VFS's. A dentry given to create and its kin is
 * negative, its parent the directory; on success the operation has set
 * d->inode and attached it.
 */
struct inode_ops {
	/* Looks for the name of a fresh dentry: sets d->inode if it exists
	 * (and may attach d). 0 also when it does not exist. */
	int (*lookup)(struct inode *dir, struct dentry *d);
	/* Whether a name that was found attached may still be believed: if not,
	 * it has been detached. NULL: always. Of its directory. */
	bool (*revalidate)(struct dentry *d);
	int (*create)(struct dentry *d, u32 mode, u32 rdev); /* all but dir, symlink */
	int (*mkdir)(struct dentry *d, u32 mode);
	int (*symlink)(struct dentry *d, const char *target);
	int (*link)(struct inode *inode, struct dentry *d);
	int (*unlink)(struct dentry *d);
	int (*rmdir)(struct dentry *d); /* -ENOTEMPTY is its to say */
	/* May replace `to`; RENAME_EXCHANGE in flags or 0. Ends by calling
	 * dentry_move() or dentry_swap(). */
	int (*rename)(struct dentry *from, struct dentry *to, unsigned int flags);
	/* An inode without a name (O_TMPFILE, memfd). */
	int (*tmpfile)(struct super *sb, u32 mode, struct inode **inode);
	/* The target, not terminated; its length or -errno. */
	long (*readlink)(struct inode *inode, char *buf, size_t size);
	/* A magic link of /proc: sets *out (with references) itself. */
	int (*follow)(struct inode *inode, struct path *out);
	int (*getattr)(struct inode *inode, struct kstat *st); /* amends the default */
	int (*setattr)(struct inode *inode, const struct attr *attr);
	int (*fallocate)(struct inode *inode, int mode, u64 offset, u64 len);
	/* Extended attributes, by full name ("user.x"). The value's length, which
	 * size 0 only asks for; -ENODATA, -ERANGE when it is longer than size. */
	long (*getxattr)(struct inode *inode, const char *name, void *buf, size_t size);
	/* value NULL: remove it. flags: XATTR_CREATE, XATTR_REPLACE. */
	int (*setxattr)(struct inode *inode, const char *name, const void *value, size_t size,
			int flags);
	/* The names, each with its NUL; lengths and errors as of getxattr. trusted:
	 * the "trusted." ones as well. */
	long (*listxattr)(struct inode *inode, char *buf, size_t size, bool trusted);
	/* May replace file->ops and set file->priv. */
	int (*open)(struct inode *inode, struct file *file);
	/* The frame of page `index`, for mappings and sendfile: stays the
	 * inode's. Without `write` the frame must not be written, and 0 in *pa
	 * means a hole. May wait. Who takes a page away from the file or puts
	 * another in its place calls inode_unmap() first. */
	int (*get_page)(struct inode *inode, u64 index, bool write, paddr_t *pa);
	/* The same where a page costs: around one that get_page() has brought, only
	 * what is there already, to be read; 0: nothing. Waits for nothing. */
	paddr_t (*get_near)(struct inode *inode, u64 index);
	/* The first of its mappings is made, or the last one is gone. */
	void (*mapped)(struct inode *inode, bool any);
	/* Of an open file, bytes from offset on, at most n, that lie in one piece of
	 * memory, to be mapped and only read, or to be written, too; *pa is where. The
	 * piece stays as long as the inode is mapped. May wait. 0: none. */
	u64 (*get_dax)(struct file *file, u64 offset, u64 n, bool write, paddr_t *pa);
	/* Bytes from offset on, at most n, that lie in one piece of memory
	 * which nobody ever writes or frees; *pa is where. 0: none. */
	u64 (*get_run)(struct inode *inode, u64 offset, u64 n, paddr_t *pa);
};

struct statfs;
struct super {
	const char *type; /* "tmpfs" */
	const char *options; /* ",option...", as /proc/mounts shows them; or NULL */
	u32 magic, dev;
	bool read_only;
	/* Its operations wait while names are theirs to find and to change, so that
	 * one thread at a time does either: names_lock(). */
	bool names_wait, names_locked;
	struct waitq names_unlocked;
	u64 last_ino;
	struct dentry *root;
	int (*statfs)(struct super *sb, struct statfs *st);
	void (*evict)(struct inode *inode); /* the last reference is gone: free it */
	void *priv;
};

struct dentry {
	struct dentry *parent; /* NULL: the root of a file system, or nameless */
	struct inode *inode;
	struct list children, siblings;
	union {
		struct dentry *hash_next; /* attached */
		const char *ahead; /* while it is looked up: see vfs_lookup_ahead() */
	};
	u64 cookie; /* place in the directory, for readdir; grows */
	char *name; /* `small`, or its own allocation */
	u32 refs, hash;
	u8 len;
	bool attached;
	bool mounted; /* something is mounted on it, somewhere */
	bool deleted; /* the name was removed, or never was (O_TMPFILE, memfd) */
	char small[28];
};

struct mount {
	struct super *sb;
	struct dentry *root;
	struct path point; /* where it is mounted; NULL, NULL for the first */
	struct list link;
	u32 refs;
	bool read_only;
	const char *source;
};
extern struct mount *root_mount;
extern struct list mounts; /* in the order of mounting, the first excluded */

/* ---- inodes ---- */

void inode_init(struct inode *inode, struct super *sb, u32 mode);
static inline struct inode *inode_get(struct inode *inode)
{
	inode->refs++;
	return inode;
}
void inode_put(struct inode *inode);
/* For pipes, sockets and the like: an inode of no tree, one reference. */
struct inode *inode_anonymous(u32 mode);
void inode_stamp(struct inode *inode, bool modified); /* ctime, and mtime, = now */
/* Its contents have changed: also takes S_ISUID and S_ISGID away, where Linux does. */
void inode_written(struct inode *inode);
/* All but the size, of which the caller has taken care: did it change? */
void inode_set_attr(struct inode *inode, const struct attr *attr, bool resized);
void inode_accessed(struct inode *inode); /* atime, by the rules of relatime */
void inode_stat(struct inode *inode, struct kstat *st); /* what the fields say */
/* ETXTBSY: counts writers, or forbids them while the file is executed. */
int inode_start_write(struct inode *inode);
int inode_deny_write(struct inode *inode);
static inline void inode_end_write(struct inode *inode)
{
	inode->writers--;
}
static inline void inode_allow_write(struct inode *inode)
{
	inode->writers++;
}
struct __kernel_timespec stamp_now(void);

/* Pages first..last are to be this inode's no longer: takes them out of the
 * program's memory, with `copies` also those that are the program's own since
 * it wrote to them (the file became shorter). file_pages.c */
void space_unmap_file(struct inode *inode, u64 first, u64 last, bool copies);
/* The program has to ask again before it writes to page `index`. */
void space_protect_file(struct inode *inode, u64 index);
static inline void inode_unmap(struct inode *inode, u64 first, u64 last, bool copies)
{
	if (inode->mappings > 0)
		space_unmap_file(inode, first, last, copies);
}

/* ---- names ---- */

struct dentry *dentry_new(struct dentry *parent, const char *name, size_t len);
/* The directory becomes the file system's root, with the caller's reference to it,
 * which goes after an error: -ENOTDIR, -ENOMEM. */
int super_set_root(struct super *sb, struct inode *dir);
static inline struct dentry *dentry_get(struct dentry *d)
{
	d->refs++;
	return d;
}
void dentry_put(struct dentry *d);
void dentry_attach(struct dentry *d);
void dentry_detach(struct dentry *d);
struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len); /* a reference */
/* rename: `from` takes the name and place of `to`, which is detached. */
void dentry_move(struct dentry *from, struct dentry *to);
void dentry_swap(struct dentry *a, struct dentry *b);

/* ---- paths and mounts ---- */

static inline void path_get(const struct path *p)
{
	if (p->mnt != NULL)
		p->mnt->refs++;
	if (p->dentry != NULL)
		p->dentry->refs++;
}
void path_put(struct path *p); /* and empties it */
/* Puts a file system in place of a directory; takes over sb->root's reference. */
int mount_add(struct mount *m, struct super *sb, const struct path *point);
/* The opposite; the mount is the caller's then. -EBUSY: something refers to it. */
int mount_remove(struct mount *m);
struct mount *mount_on(const struct path *p); /* what is mounted there, or NULL */
/* Over the roots of mounts, downwards (into what is mounted) or upwards. */
void path_into_mounts(struct path *p);
bool path_out_of_mount(struct path *p); /* false: there is nothing above */
/* The text of a path, from `root` on, at the end of buf: a pointer into it,
 * or NULL when it is too long. *reachable: it lies below root. */
char *path_text(const struct path *p, const struct path *root, char *buf, size_t size,
		bool *reachable);
/* Of an open file, as /proc/self/fd shows it; buf is written from its start. */
long file_text(const struct file *file, const struct path *root, char *buf, size_t size);

/* ---- operations on names (namespace.c): checks, then the file system ---- */

/* Between these no other thread finds or changes names of the file system: from the
 * look at a name until it is made, removed or renamed. They do not nest. */
bool names_lock(struct super *sb); /* true: others had it, and it was waited for */
void names_unlock(struct super *sb);
/* A name in a directory: *out may be negative. -ENOTDIR, -ENAMETOOLONG, -EIO.
 * vfs_find() is for those who hold names_lock(). */
int vfs_lookup(struct dentry *dir, const char *name, size_t len, struct dentry **out);
/* The same with the path that will be looked up from there on, as far as it is known: a
 * file system that has to ask for names can ask for all of them at once. */
int vfs_lookup_ahead(struct dentry *dir, const char *name, size_t len, const char *ahead,
		     struct dentry **out);
int vfs_find(struct dentry *dir, const char *name, size_t len, struct dentry **out);
int vfs_create(struct path *dir, struct dentry *d, u32 mode, u32 rdev);
int vfs_mkdir(struct path *dir, struct dentry *d, u32 mode);
int vfs_symlink(struct path *dir, struct dentry *d, const char *target);
int vfs_link(struct path *dir, struct inode *inode, struct dentry *d);
int vfs_unlink(struct path *dir, struct dentry *d);
int vfs_rmdir(struct path *dir, struct dentry *d);
int vfs_rename(struct dentry *from, struct path *to_dir, struct dentry *to, unsigned int flags);
int vfs_setattr(const struct path *p, const struct attr *attr);
int vfs_truncate(const struct path *p, u64 size);
int vfs_getattr(struct inode *inode, struct kstat *st);
int vfs_writable(const struct path *p); /* 0 or -EROFS */
/* 0, -EACCES or -EROFS; mask of 4 (r), 2 (w), 1 (x, or search). */
int vfs_permission(const struct path *p, int mask);
int vfs_access(const struct path *p, int mask); /* the same for the real user: access(2) */
bool vfs_owner(const struct inode *inode); /* may change modes and times */
bool vfs_sticky(const struct inode *dir, const struct inode *victim); /* may not delete */
void inode_set_owner(struct inode *inode, const struct inode *dir); /* of a new one */
int vfs_may_change(const struct inode *inode, struct attr *attr); /* mode and owner */

/* ---- opening ---- */

/* A file on an existing object; flags as checked by sys_open.c. */
struct file *vfs_open(const struct path *p, u32 flags, int *error);
/* A file of no tree, as eventfd(2) makes; NULL: no memory, and priv is still the
 * caller's. */
static inline struct file *file_anonymous(const struct file_ops *ops, u32 flags, void *priv)
{
	struct inode *inode = inode_anonymous(0600);
	struct file *file = inode != NULL ? file_new(ops, inode, flags, priv) : NULL;

	if (file == NULL && inode != NULL)
		inode_put(inode);
	return file;
}
/* Operations of a character device, or NULL; dev.c. */
const struct file_ops *chrdev_ops(u32 rdev);
void tty_opened(struct file *file); /* without O_NOCTTY, perhaps a terminal; pty.c */
int fifo_open(struct inode *inode, struct file *file); /* pipe.c; may wait */
void fifo_evict(struct inode *inode);

/* Positions of what has a size in the inode. */
i64 file_lseek(struct file *file, i64 offset, int whence);
/* The position where any value is allowed: directories, /proc. */
i64 dir_lseek(struct file *file, i64 offset, int whence);

/* ---- reading directories ---- */

/* Receives entries until it returns false (full, or a fault). `next` is the
 * position from which reading goes on after this entry. */
struct dir_sink {
	bool (*emit)(struct dir_sink *sink, const char *name, size_t len, u64 ino, unsigned type,
		     u64 next);
};
#define DT_OF(mode) (((mode)&S_IFMT) >> 12)
/* DT_* of the file type that file systems of the ext2 kind have in directories. */
unsigned dt_of_ftype(unsigned ftype);
/* "." and ".." at positions 0 and 1; false when the sink is full. */
bool dir_emit_dots(struct file *file, struct dir_sink *sink);

/* ---- the file systems ---- */

int fs_init(void); /* rootfs.c: the root, empty until first looked into, or of --root */
/* The root becomes what the host shares as such; memory: the tmpfs mounted there.
 * rootfs_host.c */
int rootfs_of_host(struct mount *memory);
/* mkdir -p, for the library OS; *out: the directory, or NULL. 0 or -errno. */
int fs_make_dirs(const char *path, struct path *out);

/* Writes what /etc/resolv.conf has, with `wait` when that is known for sure; NULL:
 * it is empty. When that changes: */
extern void (*fs_resolv_conf)(char *text, size_t size, bool wait);
void fs_resolv_conf_changed(void);

int tmpfs_init(struct super *sb, u32 dev, u32 root_mode);
void tmpfs_init_super(struct super *sb, u32 dev); /* no root yet; idempotent */
/*
 * A directory whose entries are made when they are first looked for: called
 * with a name that is not there, which it may make alone; or with NULL, to
 * make all that it has not made. True: nothing is left to make.
 */
typedef bool fill_function(struct dentry *dir, const char *name);
void tmpfs_populate_later(struct dentry *dir, fill_function *fill);
bool tmpfs_is_waiting(struct dentry *dir); /* for entries to be looked for */
struct dentry *tmpfs_make(struct dentry *dir, const char *name, u32 mode, u32 rdev);
struct dentry *tmpfs_make_link(struct dentry *dir, const char *name, const char *target);
int tmpfs_put_text(struct dentry *d, const char *text);
void tmpfs_set_mapped(struct inode *inode, paddr_t pa, u64 size);
struct inode *tmpfs_new_file(u32 mode); /* nameless, for memfd */
/* An inode of a tmpfs, and a name for it (which takes over its reference). */
struct inode *tmpfs_new_inode(struct super *sb, u32 mode, u32 rdev);
int tmpfs_put_inode(struct dentry *dir, const char *name, struct inode *inode);
/* A file at `path` whose pages are existing memory: read in place, copied
 * when written. The path's text is copied. */
int tmpfs_add_mapped(const char *path, paddr_t pa, u64 size, u32 mode, bool running);
/* This file is the running program, as with `running` that one: nobody may write to
 * it until another program runs. */
void fs_runs(struct inode *inode);
void fs_ran(void);

void copied_make(void); /* the files of --copy, once */
void shares_mount(void); /* the directories of --share, once */
/* The directory of --root, not mounted yet; its super is in the mount. NULL with
 * *error. */
struct virtio_place;
struct mount *virtiofs_root(const struct virtio_place *place, int *error);

struct super *devfs(void); /* with its root, or NULL: no memory */
struct super *procfs(void);
struct super *sysfs(void);
/* The device's inode in /dev, with a reference, without /dev being there yet:
 * descriptors 0 to 2 begin before anyone looks into it. Of the null device and
 * of the console only. */
struct inode *dev_inode(u32 rdev);
#define DEV_NULL    MKDEV(1, 3)
#define DEV_CONSOLE MKDEV(5, 1)

#endif
