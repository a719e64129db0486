/*
 * Open files and inodes: what the system calls, the file systems, the pipes
 * and the devices agree on.
 */
#ifndef LIBOS_FILE_H
#define LIBOS_FILE_H

#include <asm/stat.h>
#include "lib.h"
#include "sched.h"
#include "uaccess.h"

struct file;
struct inode;
struct dir_sink; /* guest/fs/vfs.h */

/* A place in the tree: which mount, and which name in it. */
struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

/* poll(2)'s registration: NULL means "only tell me the state now". */
struct poll_table;
void poll_wait(struct poll_table *table, struct waitq *q);

struct file_ops {
	/* Of a character device, when it is opened: may set file->priv. 0 or -errno;
	 * after an error there is no release. NULL: nothing to do. */
	int (*open)(struct file *file);
	/* Transfer at *pos (NULL for what has no position); the caller keeps
	 * file->pos. Bytes moved, 0 at the end of file, or -errno. May wait,
	 * unless file->flags has O_NONBLOCK (-EAGAIN); -EINTR when a signal
	 * came before any byte. */
	long (*read)(struct file *file, struct uio *uio, u64 *pos);
	long (*write)(struct file *file, struct uio *uio, u64 *pos);
	u32 (*poll)(struct file *file, struct poll_table *table); /* NULL: always ready */
	/* -ENOTTY for what it doesn't know. */
	long (*ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	long (*readdir)(struct file *file, struct dir_sink *sink); /* 0 or -errno */
	/* The new position; NULL: no position (-ESPIPE), and read and write
	 * are called without one (NULL). */
	i64 (*lseek)(struct file *file, i64 offset, int whence);
	bool stream; /* in spite of lseek: transfers have no position (eventfd) */
	bool any_position; /* it is an address, of 64 bits, and no size limits it */
	/* sendfile(2) into this file: bytes sent, by which *from has moved, or
	 * -EOPNOTSUPP: by read and write. NULL: the same. */
	long (*sendfile)(struct file *out, struct file *in, u64 *from, size_t n);
	long (*fsync)(struct file *file); /* NULL: nothing to do */
	/* The current process has closed a descriptor of it; NULL: nothing to do. */
	void (*closed)(struct file *file);
	void (*release)(struct file *file); /* the last reference is gone */
	/* Whether it can tell by a signal that it is ready (async.c); a terminal
	 * tells who asks for it, unless there is an owner. */
	enum { ASYNC_NOT, ASYNC, ASYNC_TTY } async;
	/* What /proc/PID/fd shows of files without a path: NAME:[inode] for
	 * pipes and sockets, else anon_inode:NAME. NULL: they have a path. */
	const char *name;
};

/* Somebody wants to know when an open file goes away (epoll), to forget it:
 * closed() is called before ops->release() and must take its watch off. */
struct file_watch {
	struct list link;
	void (*closed)(struct file_watch *watch);
};

struct file {
	const struct file_ops *ops;
	struct inode *inode; /* a reference, or NULL */
	u64 pos;
	u32 flags; /* O_* as fcntl(F_GETFL) shows them */
	u32 refs;
	void *priv;
	bool writer; /* counted in inode->writers */
	struct path path; /* where it was opened, with references; or NULL, NULL */
	struct list watches; /* of struct file_watch; zero before the first */
	struct file_async *async; /* async.c; or NULL */
};
static inline bool file_seekable(const struct file *file)
{
	return file->ops->lseek != NULL && !file->ops->stream;
}
static inline bool file_readable(const struct file *file)
{
	return (file->flags + 1) & 1 && !(file->flags & 010000000);
}
static inline bool file_writable(const struct file *file)
{
	return (file->flags + 1) & 2 && !(file->flags & 010000000);
}

/* A new open file with one reference, or NULL. Takes over the caller's
 * reference to the inode, unless the result is NULL. */
struct file *file_new(const struct file_ops *ops, struct inode *inode, u32 flags, void *priv);
void file_get(struct file *file);
void file_put(struct file *file);

/* The file behind a descriptor of the current process, with a reference the
 * caller must put; NULL: EBADF. Files opened with O_PATH only through _raw. */
struct file *fd_get(int fd);
struct file *fd_get_raw(int fd);
/* The lowest free descriptor >= from, with the caller's reference moved into
 * it; -EMFILE, and the reference is still the caller's. */
int fd_install(struct file *file, int from, bool cloexec);
/* -EMFILE if no descriptor >= 0 is free: asked before there are side effects. */
int fd_room(void);
/* Moves the caller's reference into a new descriptor, or puts it. */
long fd_install_or_put(struct file *file, u32 flags);

/* Descriptor tables: for process creation, execve and exit. */
struct fd_table *fd_table_new(void); /* NULL: no memory */
struct fd_table *fd_table_copy(struct fd_table *table); /* fork; NULL: no memory */
void fd_table_get(struct fd_table *table); /* CLONE_FILES */
void fd_table_put(struct fd_table *table); /* the last one closes everything */
void fd_table_exec(struct fd_table *table); /* closes what is close-on-exec */
/* For /proc: the file with a reference, or NULL; and the lowest descriptor in
 * use >= from, or -1. */
struct file *fd_table_file(struct fd_table *table, int fd);
int fd_table_next(struct fd_table *table, int from);

/* Descriptors 0, 1 and 2 of the first process, from the host's. 0 or -errno. */
struct process;
int stdio_setup(struct process *process);

/* Transfers with all of read(2)'s and write(2)'s checks, at *at or (NULL) at
 * the file's position, which then moves. sys_io.c */
long file_read(struct file *file, struct uio *uio, const u64 *at);
long file_write(struct file *file, struct uio *uio, const u64 *at);

/* Reads len bytes at offset into library-OS memory: for exec and libos use. */
long file_read_kernel(struct file *file, void *buf, size_t len, u64 offset);

/* Opens a path for the library OS itself (flags as open(2)); a file with one
 * reference or -errno through *error. */
struct file *file_open_kernel(const char *path, int flags, int *error);

#endif
