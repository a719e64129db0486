/*
 * Open files and descriptor tables. A table starts with room for a few
 * descriptors inside itself and doubles; `lowest` is a lower bound of the
 * lowest free descriptor, so that finding one is usually one step.
 */
#include <asm/fcntl.h>
#include <linux/close_range.h>
#include "../fs/notify.h"
#include "async.h"
#include "fd.h"
#include "heap.h"
#include "locks.h"
#include "process.h"
#include "sys.h"

#define FIRST_SIZE 32
#define MAX_SIZE   (1 << 20)

struct fd_table {
	u32 refs, size;
	u32 lowest;
	struct file **files;
	u64 *cloexec; /* one bit a descriptor */
	struct file *first_files[FIRST_SIZE];
	u64 first_cloexec;
};

/* ---- open files ---- */

struct file *file_new(const struct file_ops *ops, struct inode *inode, u32 flags, void *priv)
{
	struct file *file = kalloc(sizeof(*file));

	if (file == NULL)
		return NULL;
	file->ops = ops;
	file->inode = inode;
	file->flags = flags;
	file->refs = 1;
	file->priv = priv;
	return file;
}

void file_get(struct file *file)
{
	file->refs++;
}

static void tell_watches(struct file *file)
{
	while (file->watches.next != NULL && !list_empty(&file->watches)) {
		struct file_watch *w = container_of(file->watches.next, struct file_watch, link);

		w->closed(w);
	}
}

void file_put(struct file *file)
{
	if (--file->refs > 0)
		return;
	tell_watches(file);
	async_end(file);
	if (!(file->flags & O_PATH))
		notify_file(file, file_writable(file) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	if (file->inode != NULL)
		locks_file_closed(file);
	if (file->ops->release != NULL)
		file->ops->release(file);
	if (file->inode != NULL) {
		if (file->writer)
			inode_end_write(file->inode);
		inode_put(file->inode);
	}
	path_put(&file->path);
	kfree(file);
}

/* ---- tables ---- */

static bool get_cloexec(const struct fd_table *t, unsigned int fd)
{
	return t->cloexec[fd / 64] >> fd % 64 & 1;
}

static void set_cloexec(struct fd_table *t, unsigned int fd, bool on)
{
	u64 bit = (u64)1 << fd % 64;

	t->cloexec[fd / 64] = (t->cloexec[fd / 64] & ~bit) | (on ? bit : 0);
}

static int grow(struct fd_table *t, u32 size)
{
	u32 fresh_size = MAX(t->size, 64u);
	struct file **files;
	u64 *cloexec;

	while (fresh_size < size)
		fresh_size *= 2;
	files = kalloc(fresh_size * sizeof(*files));
	cloexec = kalloc(fresh_size / 8);
	if (files == NULL || cloexec == NULL) {
		kfree(files);
		kfree(cloexec);
		return -ENOMEM;
	}
	memcpy(files, t->files, t->size * sizeof(*files));
	memcpy(cloexec, t->cloexec, (t->size + 63) / 64 * sizeof(*cloexec));
	if (t->files != t->first_files) {
		kfree(t->files);
		kfree(t->cloexec);
	}
	t->files = files;
	t->cloexec = cloexec;
	t->size = fresh_size;
	return 0;
}

struct fd_table *fd_table_new(void)
{
	struct fd_table *t = kalloc(sizeof(*t));

	if (t == NULL)
		return NULL;
	t->refs = 1;
	t->size = FIRST_SIZE;
	t->files = t->first_files;
	t->cloexec = &t->first_cloexec;
	return t;
}

struct fd_table *fd_table_copy(struct fd_table *table)
{
	struct fd_table *t = fd_table_new();

	if (t == NULL)
		return NULL;
	if (table->size > t->size && grow(t, table->size) < 0) {
		fd_table_put(t);
		return NULL;
	}
	memcpy(t->files, table->files, table->size * sizeof(*t->files));
	memcpy(t->cloexec, table->cloexec, (table->size + 63) / 64 * sizeof(*t->cloexec));
	t->lowest = table->lowest;
	for (u32 fd = 0; fd < t->size; fd++)
		if (t->files[fd] != NULL)
			file_get(t->files[fd]);
	return t;
}

void fd_table_get(struct fd_table *table)
{
	table->refs++;
}

static int close_slot(struct fd_table *t, unsigned int fd)
{
	struct file *file = fd < t->size ? t->files[fd] : NULL;

	if (file == NULL)
		return -EBADF;
	t->files[fd] = NULL;
	set_cloexec(t, fd, false);
	t->lowest = MIN(t->lowest, fd);
	if (file->ops->closed != NULL)
		file->ops->closed(file);
	if (file->inode != NULL)
		locks_descriptor_closed(file->inode);
	file_put(file);
	return 0;
}

void fd_table_put(struct fd_table *table)
{
	if (--table->refs > 0)
		return;
	for (u32 fd = 0; fd < table->size; fd++)
		close_slot(table, fd);
	if (table->files != table->first_files) {
		kfree(table->files);
		kfree(table->cloexec);
	}
	kfree(table);
}

void fd_table_exec(struct fd_table *table)
{
	for (u32 fd = 0; fd < table->size; fd++)
		if (get_cloexec(table, fd))
			close_slot(table, fd);
}

struct file *fd_table_file(struct fd_table *table, int fd)
{
	struct file *file = (unsigned int)fd < table->size ? table->files[fd] : NULL;

	if (file != NULL)
		file_get(file);
	return file;
}

void fd_table_set(struct fd_table *table, int fd, struct file *file)
{
	table->files[fd] = file;
}

int fd_table_next(struct fd_table *table, int from)
{
	for (u32 fd = MAX(from, 0); fd < table->size; fd++)
		if (table->files[fd] != NULL)
			return fd;
	return -1;
}

/* ---- descriptors of the current process ---- */

static struct fd_table *table_now(void)
{
	return current_process()->files;
}

static u32 limit_now(void)
{
	return MIN(current_process()->rlimit[RLIMIT_NOFILE].rlim_cur, (u64)MAX_SIZE);
}

struct file *fd_get_raw(int fd)
{
	return fd_table_file(table_now(), fd);
}

struct file *fd_get(int fd)
{
	struct file *file = fd_get_raw(fd);

	if (file != NULL && file->flags & O_PATH) {
		file_put(file);
		return NULL;
	}
	return file;
}

/* The lowest free descriptor >= from, with room in the table; -EMFILE, -ENOMEM. */
static int find_free(struct fd_table *t, u32 from)
{
	u32 fd = MAX(from, t->lowest);

	while (fd < t->size && t->files[fd] != NULL)
		fd++;
	if (from <= t->lowest)
		t->lowest = fd;
	if (fd >= limit_now())
		return -EMFILE;
	if (fd >= t->size && grow(t, fd + 1) < 0)
		return -ENOMEM;
	return fd;
}

int fd_room(void)
{
	int fd = find_free(table_now(), 0);

	return fd < 0 ? fd : 0;
}

int fd_install(struct file *file, int from, bool cloexec)
{
	struct fd_table *t = table_now();
	int fd = find_free(t, from);

	if (fd < 0)
		return fd;
	t->files[fd] = file;
	set_cloexec(t, fd, cloexec);
	return fd;
}

long fd_install_or_put(struct file *file, u32 flags)
{
	int fd = fd_install(file, 0, flags & O_CLOEXEC);

	if (fd < 0)
		file_put(file);
	return fd;
}

int fd_get_cloexec(int fd)
{
	struct fd_table *t = table_now();

	if ((unsigned int)fd >= t->size || t->files[fd] == NULL)
		return -EBADF;
	return get_cloexec(t, fd);
}

int fd_set_cloexec(int fd, bool on)
{
	int error = fd_get_cloexec(fd);

	if (error < 0)
		return error;
	set_cloexec(table_now(), fd, on);
	return 0;
}

/* ---- system calls ---- */

long sys_close(int fd)
{
	return close_slot(table_now(), fd);
}

long sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	struct process *p = current_process();
	struct fd_table *t = p->files;

	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE && t->refs > 1) {
		t = fd_table_copy(t);
		if (t == NULL)
			return -ENOMEM;
		fd_table_put(p->files);
		p->files = t;
	}
	for (u32 fd = first; fd <= last && fd < t->size; fd++) {
		if (t->files[fd] == NULL)
			continue;
		if (flags & CLOSE_RANGE_CLOEXEC)
			set_cloexec(t, fd, true);
		else
			close_slot(t, fd);
	}
	return 0;
}

/* dup and F_DUPFD; the caller has checked `from`. */
long fd_dup(int fd, u32 from, bool cloexec)
{
	struct file *file = fd_get_raw(fd);
	int copy;

	if (file == NULL)
		return -EBADF;
	copy = fd_install(file, from, cloexec);
	if (copy < 0)
		file_put(file);
	return copy;
}

unsigned fd_count(void)
{
	/* Linux's smallest table (NR_OPEN_DEFAULT) */
	return MAX(table_now()->size, 64u);
}

bool fd_in_limit(unsigned int fd)
{
	return fd < limit_now();
}

long sys_dup(int fd)
{
	return fd_dup(fd, 0, false);
}

static long dup_to(int from, unsigned int to, bool cloexec)
{
	struct fd_table *t = table_now();
	struct file *file;

	if (to >= limit_now())
		return -EBADF;
	file = fd_get_raw(from);
	if (file == NULL)
		return -EBADF;
	if (to >= t->size && grow(t, to + 1) < 0) {
		file_put(file);
		return -ENOMEM;
	}
	close_slot(t, to);
	t->files[to] = file;
	set_cloexec(t, to, cloexec);
	return to;
}

long sys_dup2(int from, int to)
{
	if (from == to)
		return fd_get_cloexec(from) < 0 ? -EBADF : to;
	return dup_to(from, to, false);
}

long sys_dup3(int from, int to, int flags)
{
	if (flags & ~O_CLOEXEC || from == to)
		return -EINVAL;
	return dup_to(from, to, flags & O_CLOEXEC);
}
