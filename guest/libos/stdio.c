/*
 * Descriptors 0, 1 and 2 of the first process. What the host has there decides
 * what they are: a terminal becomes ours (tty_file.c), /dev/null our own, and
 * everything else a stream, which moves bytes by the console driver. A file is a
 * pipe here: what is told that it is a file believes its size and seeks in it.
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
	return host_fd(file) == 0 ? -EIO : console_copy_out(file, host_fd(file), uio);
}

static u32 stream_poll(struct file *file, struct poll_table *table)
{
	if (host_fd(file) != 0)
		return POLLOUT | POLLWRNORM;
	poll_wait(table, &console_in_wait);
	return console_poll_in() ? POLLIN | POLLRDNORM : 0;
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

/* ---- the three files ---- */

static struct file *stream_file(int fd, unsigned kind)
{
	static const u32 modes[] = {
		[STDIO_PIPE] = S_IFIFO | 0600,
		[STDIO_CHAR] = S_IFCHR | 0620,
	};
	struct inode *inode = kalloc(sizeof(*inode));
	struct file *file;

	if (inode == NULL)
		return NULL;
	inode_init(inode, &stream_super, modes[kind]);
	inode->ino = fd + 1;
	inode->ops = &stream_inode_ops;
	inode->fops = &console_ops;
	file = file_new(&console_ops, inode, fd == 0 ? O_RDONLY : O_WRONLY, (void *)(uintptr_t)fd);
	if (file == NULL)
		inode_put(inode);
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

static struct file *make_file(int fd, unsigned kind)
{
	switch (kind) {
	case STDIO_TTY:
		return device_file(DEV_CONSOLE, &tty_ops, O_RDWR);
	case STDIO_NULL:
		return device_file(DEV_NULL, chrdev_ops(DEV_NULL), fd == 0 ? O_RDONLY : O_WRONLY);
	case STDIO_PIPE:
	case STDIO_CHAR:
		return stream_file(fd, kind);
	}
	return NULL;
}

/* One open file serves several descriptors where the host has it so: all of a
 * terminal's, and 2 like 1. */
static struct file *share_or_make(struct file **files, int fd)
{
	unsigned kind = console_kind(fd);

	for (int other = 0; other < fd; other++) {
		bool same = other == 1 && boot_info.stdio[2] & STDIO_SAME_AS_OUT;

		if (files[other] != NULL &&
		    (same || (kind == STDIO_TTY && console_kind(other) == kind))) {
			file_get(files[other]);
			return files[other];
		}
	}
	return make_file(fd, kind);
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
