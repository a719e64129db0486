/*
 * Descriptors 0, 1 and 2 of the first process. What the host has there decides
 * what they are: a terminal becomes ours (tty_file.c), /dev/null our own, and
 * everything else a stream, which moves bytes by the console driver. A file is a
 * pipe here: what is told that it is a file believes its size and seeks in it. A
 * directory is one that somebody has removed: there is nothing in it.
 *
 * Each is open for what the host has it open for. But the driver reads only from
 * 0 and writes only to 1 and 2: the other direction is an error, EIO, unless 0
 * and 1 are one (a socket, of inetd).
 */
#include <asm/ioctls.h>
#include <asm/signal.h>
#include "../../shared/abi.h"
#include "../drv/console.h"
#include "../fs/vfs.h"
#include "boot_info.h"
#include "fd.h"
#include "heap.h"
#include "path.h"
#include "poll.h"
#include "process.h"
#include "tty.h"

#define SMALL 256 /* copied on the stack */
#define LARGE (64 << 10) /* what the driver takes at once */

/* ---- the copies ---- */

/* A large copy, kept because the next call will want it too. */
static void *kept;

static u8 *copy_buffer(size_t n, u8 *small, size_t *size)
{
	u8 *buf = kept;

	*size = SMALL;
	if (n <= SMALL)
		return small;
	kept = NULL;
	if (buf == NULL)
		buf = kalloc(LARGE);
	if (buf == NULL)
		return small;
	*size = LARGE;
	return buf;
}

static void copy_buffer_done(u8 *buf, const u8 *small)
{
	if (buf == small)
		return;
	kfree(kept);
	kept = buf;
}

long console_copy_out(struct file *file, int out, struct uio *uio)
{
	u8 small[SMALL];
	size_t size;
	u8 *buf = copy_buffer(uio->resid, small, &size);
	long done = 0, r = 0;

	while (uio->resid > 0) {
		long n = uio_from(uio, buf, MIN(uio->resid, size));

		if (n <= 0) {
			r = n;
			break;
		}
		r = console_write(out, buf, n, file->flags & O_NONBLOCK);
		if (r == -EPIPE)
			signal_send_self(SIGPIPE);
		if (r > 0)
			done += r;
		if (r < n)
			break;
	}
	copy_buffer_done(buf, small);
	return done > 0 ? done : r;
}

/* ---- streams ---- */

static int host_fd(const struct file *file)
{
	return (uintptr_t)file->priv;
}

/* Where the host takes what is written to it; 0: nowhere. */
static int host_out(const struct file *file)
{
	return host_fd(file) == 0 && boot_info.stdio[0] & STDIO_SAME_AS_OUT ? 1 : host_fd(file);
}

static long stream_read(struct file *file, struct uio *uio, u64 *pos)
{
	u8 small[SMALL];
	size_t size;
	u8 *buf;
	long r;

	(void)pos;
	if (host_fd(file) != 0)
		return -EIO;
	if (uio->resid == 0)
		return 0;
	buf = copy_buffer(uio->resid, small, &size);
	r = console_read(buf, MIN(uio->resid, size), file->flags & O_NONBLOCK);
	if (r > 0)
		r = uio_to(uio, buf, r);
	copy_buffer_done(buf, small);
	return r;
}

static long stream_write(struct file *file, struct uio *uio, u64 *pos)
{
	(void)pos;
	if (host_out(file) == 0 && uio->resid > 0)
		return -EIO;
	return console_copy_out(file, host_out(file), uio);
}

static u32 stream_poll(struct file *file, struct poll_table *table)
{
	u32 events = host_out(file) != 0 ? POLLOUT | POLLWRNORM : 0;

	if (host_fd(file) != 0 || !file_readable(file))
		return events;
	poll_wait(table, &console_in_wait);
	return console_poll_in() ? events | POLLIN | POLLRDNORM : events;
}

static long stream_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd == FIONREAD && host_fd(file) == 0) /* the host isn't asked for more than that */
		return put_user((int *)arg, console_poll_in() ? 1 : 0);
	return -ENOTTY;
}

const struct file_ops console_ops = {
	.read = stream_read,
	.write = stream_write,
	.poll = stream_poll,
	.ioctl = stream_ioctl,
	.async = ASYNC,
	.name = "pipe",
};

static void stream_evict(struct inode *inode)
{
	kfree(inode);
}

static struct super stream_super = {
	.type = "pipefs",
	.magic = 0x50495045,
	.dev = MKDEV(0, 14),
	.evict = stream_evict,
};

/* A new file on the same stream (through /proc/self/fd). */
static int stream_open(struct inode *inode, struct file *file)
{
	file->ops = &console_ops;
	file->priv = (void *)(uintptr_t)(inode->ino - 1);
	return 0;
}

static int stream_setattr(struct inode *inode, const struct attr *attr)
{
	if (attr->valid & ATTR_SIZE)
		return -EINVAL;
	if (attr->valid & ATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | (attr->mode & 07777);
	return 0;
}

static const struct inode_ops stream_inode_ops = {
	.open = stream_open,
	.setattr = stream_setattr,
};

/* ---- a directory ---- */

static long no_entries(struct file *file, struct dir_sink *sink)
{
	(void)file;
	(void)sink;
	return -ENOENT;
}

static const struct file_ops removed_dir_ops = { .readdir = no_entries, .lseek = dir_lseek };
static const struct inode_ops removed_dir_inode_ops = { .setattr = stream_setattr };

/* ---- the three files ---- */

static struct inode *stream_inode(int fd, u32 mode)
{
	struct inode *inode = kalloc(sizeof(*inode));

	if (inode == NULL)
		return NULL;
	inode_init(inode, &stream_super, mode);
	inode->ino = fd + 1;
	inode->ops = &stream_inode_ops;
	inode->fops = &console_ops;
	return inode;
}

static struct file *stream_file(int fd, u32 mode, u32 flags)
{
	struct inode *inode = stream_inode(fd, mode);
	struct file *file = NULL;

	if (inode != NULL)
		file = file_new(&console_ops, inode, flags, (void *)(uintptr_t)fd);
	if (file == NULL && inode != NULL)
		inode_put(inode);
	return file;
}

/* With a place in the tree, as all directories have one. */
static struct file *dir_file(int fd, u32 flags)
{
	struct path p = { root_mount, dentry_new(NULL, "", 0) };
	struct file *file = NULL;
	int error;

	if (p.dentry == NULL)
		return NULL;
	p.dentry->deleted = true;
	p.dentry->inode = stream_inode(fd, S_IFDIR | 0755);
	if (p.dentry->inode != NULL) {
		p.dentry->inode->nlink = 0;
		p.dentry->inode->ops = &removed_dir_inode_ops;
		p.dentry->inode->fops = &removed_dir_ops;
		file = vfs_open(&p, flags, &error);
	}
	dentry_put(p.dentry);
	return file;
}

static struct file *device_file(u32 rdev, const struct file_ops *ops, u32 flags)
{
	struct inode *inode = dev_inode(rdev);
	struct file *file = inode != NULL ? file_new(ops, inode, flags, NULL) : NULL;

	if (file == NULL && inode != NULL)
		inode_put(inode);
	return file;
}

/* O_RDONLY, O_WRONLY, O_RDWR or, open for neither, O_ACCMODE. */
static u32 access_mode(int fd)
{
	u32 access = boot_info.stdio[fd] / STDIO_READ & O_ACCMODE;

	return (access - 1) & O_ACCMODE;
}

static struct file *make_file(int fd)
{
	u32 flags = access_mode(fd);

	switch (console_kind(fd)) {
	case STDIO_TTY:
		return device_file(DEV_CONSOLE, &tty_ops, flags);
	case STDIO_NULL:
		return device_file(DEV_NULL, chrdev_ops(DEV_NULL), flags);
	case STDIO_PIPE:
		return stream_file(fd, S_IFIFO | 0600, flags);
	case STDIO_CHAR:
		return stream_file(fd, S_IFCHR | 0620, flags);
	case STDIO_DIR:
		return dir_file(fd, flags);
	}
	return NULL;
}

/* One open file serves several descriptors where the host has it so: all of a
 * terminal's, and those that are like 1. */
static struct file *share_or_make(struct file **files, int fd)
{
	unsigned kind = console_kind(fd);

	for (int other = 0; other < fd; other++) {
		/* 0 says it of 0 and 1, 2 of 1 and 2 */
		bool same = fd == other + 1 && boot_info.stdio[2 * other] & STDIO_SAME_AS_OUT;

		if (files[other] != NULL && access_mode(other) == access_mode(fd) &&
		    (same || (kind == STDIO_TTY && console_kind(other) == kind))) {
			file_get(files[other]);
			return files[other];
		}
	}
	return make_file(fd);
}

int stdio_setup(struct process *process)
{
	struct file *files[3] = { NULL, NULL, NULL };

	if (process->files == NULL)
		process->files = fd_table_new();
	if (process->fs == NULL)
		process->fs = fs_context_new();
	if (process->files == NULL || process->fs == NULL)
		return -ENOMEM;
	for (int fd = 0; fd < 3; fd++) {
		unsigned kind = console_kind(fd);

		if (kind == STDIO_CLOSED)
			continue;
		if (kind == STDIO_TTY) {
			console_tty_init();
			console_tty.session = process->sid;
			console_tty.pgrp = process->pgid;
		}
		files[fd] = share_or_make(files, fd);
		if (files[fd] == NULL)
			return -ENOMEM;
		fd_table_set(process->files, fd, files[fd]);
	}
	return 0;
}
