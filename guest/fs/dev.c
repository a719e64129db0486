/*
 * /dev: a tmpfs whose nodes are made when it is first looked into, and the
 * character devices behind the nodes, which work wherever mknod(2) puts them.
 */
#include <asm/poll.h>
#include "../../shared/abi.h"
#include "../drv/console.h"
#include "../libos/random.h"
#include "../libos/pty.h"
#include "blockdev.h"

/* ---- null, zero, full ---- */

static long null_read(struct file *file, struct uio *uio, u64 *pos)
{
	(void)file;
	(void)uio;
	(void)pos;
	return 0;
}

static long null_write(struct file *file, struct uio *uio, u64 *pos)
{
	(void)file;
	(void)pos;
	return uio->resid;
}

static long full_write(struct file *file, struct uio *uio, u64 *pos)
{
	(void)file;
	(void)uio;
	(void)pos;
	return -ENOSPC;
}

static long zero_read(struct file *file, struct uio *uio, u64 *pos)
{
	(void)file;
	(void)pos;
	return uio->resid > 0 ? uio_zero(uio, uio->resid) : 0;
}

static i64 null_lseek(struct file *file, i64 offset, int whence)
{
	(void)offset;
	(void)whence;
	return file->pos = 0;
}

/* ---- random ---- */

static long random_read(struct file *file, struct uio *uio, u64 *pos)
{
	u8 bytes[256];
	long done = 0;

	(void)file;
	(void)pos;
	while (uio->resid > 0) {
		size_t n = MIN(uio->resid, sizeof(bytes));
		long moved;

		random_bytes(bytes, n);
		moved = uio_to(uio, bytes, n);
		if (moved < 0)
			return done > 0 ? done : moved;
		done += moved;
		if ((size_t)moved < n)
			break;
	}
	return done;
}

static i64 random_lseek(struct file *file, i64 offset, int whence)
{
	(void)offset;
	(void)whence;
	return file->pos;
}

static const struct file_ops null_ops = {
	.read = null_read,
	.write = null_write,
	.lseek = null_lseek,
	.name = "/dev/null",
};
static const struct file_ops zero_ops = {
	.read = zero_read,
	.write = null_write,
	.lseek = null_lseek,
};
static const struct file_ops full_ops = {
	.read = zero_read,
	.write = full_write,
	.lseek = null_lseek,
};
static const struct file_ops random_ops = {
	.read = random_read,
	.write = null_write,
	.lseek = random_lseek,
};

static bool have_terminal(void)
{
	return console_kind(0) == STDIO_TTY || console_kind(1) == STDIO_TTY ||
	       console_kind(2) == STDIO_TTY;
}

const struct file_ops *chrdev_ops(u32 rdev)
{
	const struct tty *tty;

	if (DEV_MAJOR(rdev) == PTS_MAJOR)
		return &pty_slave_ops;
	switch (rdev) {
	case MKDEV(1, 3):
		return &null_ops;
	case MKDEV(1, 5):
		return &zero_ops;
	case MKDEV(1, 7):
		return &full_ops;
	case MKDEV(1, 8):
	case MKDEV(1, 9):
		return &random_ops;
	case MKDEV(5, 0):
		tty = tty_controlling();
		if (tty == &console_tty)
			return have_terminal() ? &tty_ops : NULL;
		return tty != NULL ? &pty_controlling_ops : NULL;
	case DEV_PTMX:
		return &ptmx_ops;
	case DEV_CONSOLE:
		return have_terminal() ? &tty_ops : NULL;
	}
	return NULL;
}

/* ---- the file system ---- */

static struct super dev_super;

#define DEV_FS MKDEV(0, 6)

/* Made before /dev, put into it with it. */
static struct inode *early_null, *early_console;

struct inode *dev_inode(u32 rdev)
{
	struct inode **early = rdev == DEV_NULL ? &early_null : &early_console;

	tmpfs_init_super(&dev_super, DEV_FS);
	if (*early == NULL)
		*early = tmpfs_new_inode(&dev_super, S_IFCHR | (rdev == DEV_NULL ? 0666 : 0600),
					 rdev);
	return *early != NULL ? inode_get(*early) : NULL;
}

/* Over a directory of /dev, which is mounted itself. */
static void mount_pts(struct dentry *point)
{
	struct list *l;

	if (point == NULL)
		return;
	list_for_each (l, &mounts) {
		struct mount *m = container_of(l, struct mount, link);

		if (m->sb == &dev_super) {
			devpts_mount(m, point);
			return;
		}
	}
}

static bool fill_dev(struct dentry *dir, const char *name)
{
	static const struct {
		const char *name;
		u32 mode, rdev;
	} nodes[] = {
		{ "zero", 0666, MKDEV(1, 5) },   { "full", 0666, MKDEV(1, 7) },
		{ "random", 0666, MKDEV(1, 8) }, { "urandom", 0666, MKDEV(1, 9) },
		{ "tty", 0666, MKDEV(5, 0) },    { "ptmx", 0666, DEV_PTMX },
	};
	static const char *const links[][2] = {
		{ "fd", "/proc/self/fd" },
		{ "stdin", "/proc/self/fd/0" },
		{ "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" },
	};
	struct inode *null = dev_inode(DEV_NULL), *console = dev_inode(DEV_CONSOLE);

	(void)name;
	if (null != NULL)
		tmpfs_put_inode(dir, "null", null);
	if (console != NULL)
		tmpfs_put_inode(dir, "console", console);
	for (unsigned i = 0; i < ARRAY_SIZE(nodes); i++)
		tmpfs_make(dir, nodes[i].name, S_IFCHR | nodes[i].mode, nodes[i].rdev);
	for (unsigned i = 0; i < ARRAY_SIZE(links); i++)
		tmpfs_make_link(dir, links[i][0], links[i][1]);
	for (unsigned i = 0; i < blk_count(); i++)
		tmpfs_make(dir, (char[]){ 'v', 'd', 'a' + i, 0 }, S_IFBLK | 0660, BLOCKDEV_RDEV(i));
	tmpfs_make(dir, "shm", S_IFDIR | S_ISVTX | 0777, 0);
	mount_pts(tmpfs_make(dir, "pts", S_IFDIR | 0755, 0));
	return true;
}

struct super *devfs(void)
{
	if (dev_super.root == NULL) {
		if (tmpfs_init(&dev_super, DEV_FS, 0755) < 0)
			return NULL;
		dev_super.type = "devtmpfs";
		tmpfs_populate_later(dev_super.root, fill_dev);
	}
	return &dev_super;
}
