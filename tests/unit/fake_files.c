/* Files for fake_libos.h: a tmpfs as the root, a process in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../../guest/libos/async.h"
#include "../../guest/libos/memfd.h"
#include "fake_libos.h"
#include "../../guest/fs/blockdev.h"
#include "../../guest/fs/disk_fs.h"
#include "../../guest/libos/path.h"
#include "../../guest/libos/poll.h"

void *calloc(size_t n, size_t size);
void free(void *p);

static struct super *super;
static struct mount *mount;

void fake_begin_files(void)
{
	fake_begin();
	super = calloc(1, sizeof(*super));
	mount = calloc(1, sizeof(*mount));
	assert_int_equal(tmpfs_init(super, MKDEV(0, 20), 0755), 0);
	mount_add(mount, super, NULL);
	fake_process.files = fd_table_new();
	fake_process.fs = fs_context_new();
	assert_non_null(fake_process.fs);
}

static void remove_below(struct dentry *dir)
{
	while (!list_empty(&dir->children)) {
		struct dentry *d = container_of(dir->children.next, struct dentry, siblings);

		remove_below(d);
		if (S_ISDIR(d->inode->mode))
			assert_int_equal(dir->inode->ops->rmdir(d), 0);
		else
			assert_int_equal(dir->inode->ops->unlink(d), 0);
	}
}

void fake_end_files(void)
{
	fake_allocations_left = -1;
	fd_table_put(fake_process.files);
	fs_context_put(fake_process.fs);
	remove_below(super->root);
	assert_int_equal(super->root->refs, 1);
	dentry_put(super->root);
	free(super);
	free(mount);
	fake_end();
}

int fake_setup_files(void **state)
{
	(void)state;
	fake_begin_files();
	return 0;
}

int fake_teardown_files(void **state)
{
	(void)state;
	fake_end_files();
	return 0;
}

const struct file_ops *chrdev_ops(u32 rdev)
{
	(void)rdev;
	return NULL;
}

void poll_wait(struct poll_table *table, struct waitq *q)
{
	assert_non_null(q->waiters.next);
	if (table != NULL)
		table->queue(table, q);
}

/* No disks here. */
int blockdev_open(struct inode *inode, struct file *file)
{
	(void)inode;
	(void)file;
	return -ENXIO;
}

__attribute__((weak)) void disk_fs_sync(bool end)
{
	(void)end;
}

/* No file has seals here. */
long memfd_add_seals(struct file *file, u32 seals)
{
	(void)file;
	(void)seals;
	return -EINVAL;
}
long memfd_get_seals(const struct file *file)
{
	(void)file;
	return -EINVAL;
}

/* No file tells by a signal that it is ready. */
long async_fcntl(struct file *file, unsigned int cmd, unsigned long arg)
{
	(void)file;
	(void)cmd;
	(void)arg;
	return -EINVAL;
}
int async_set(struct file *file, int fd, bool on)
{
	(void)file;
	(void)fd;
	(void)on;
	return -ENOTTY;
}
void async_look(struct file *file)
{
	(void)file;
}
void async_end(struct file *file)
{
	(void)file;
}

/* No terminals. */
void tty_opened(struct file *file)
{
	(void)file;
}

/* There is one thread. */
void wait_uninterruptible(struct waitq *q)
{
	(void)q;
	panic("waits for itself");
}
