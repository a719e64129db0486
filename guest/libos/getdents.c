/*
 * getdents and getdents64: the directory hands out entries until the
 * program's buffer is full. They come to it all at once at the end, as a file
 * system may be locked meanwhile that the buffer's pages are to come from.
 */
#include "../fs/notify.h"
#include "heap.h"
#include "sys.h"

#define AT_ONCE 32768u /* bytes: what C libraries ask for */

struct record64 { /* linux_dirent64 */
	u64 ino, off;
	u16 reclen;
	u8 type;
	char name[];
} __attribute__((packed));

struct record { /* linux_dirent: the type is the record's last byte */
	u64 ino, off;
	u16 reclen;
	char name[];
} __attribute__((packed));

struct getdents {
	struct dir_sink sink;
	char *buffer;
	size_t left, done;
	bool old;
	long error;
};

static bool emit(struct dir_sink *sink, const char *name, size_t len, u64 ino, unsigned type,
		 u64 next)
{
	struct getdents *g = container_of(sink, struct getdents, sink);
	char *record = g->buffer + g->done;
	size_t head = g->old ? sizeof(struct record) : sizeof(struct record64);
	size_t size = ALIGN_UP(head + len + 1 + g->old, 8ul);

	if (size > g->left) {
		g->error = -EINVAL; /* not even one: the buffer is too small */
		return false;
	}
	memset(record, 0, size);
	*(struct record *)record = (struct record){ .ino = ino, .off = next, .reclen = size };
	memcpy(record + head, name, len);
	if (g->old)
		record[size - 1] = type;
	else
		((struct record64 *)record)->type = type;
	g->done += size;
	g->left -= size;
	return true;
}

static long list(struct file *file, void *user, unsigned int size, bool old)
{
	struct getdents g = { .sink.emit = emit, .left = MIN(size, AT_ONCE), .old = old };
	u64 before = file->pos;
	long r;

	if (file->ops->readdir == NULL)
		return -ENOTDIR;
	if (file->inode->nlink == 0)
		return -ENOENT;
	g.buffer = kalloc(MAX(g.left, 1ul));
	if (g.buffer == NULL)
		return -ENOMEM;
	r = file->ops->readdir(file, &g.sink);
	if (r == 0 && g.done > 0 && copy_to_user(user, g.buffer, g.done) < 0) {
		file->pos = before;
		r = -EFAULT;
	}
	kfree(g.buffer);
	if (r == 0)
		notify_file(file, IN_ACCESS);
	if (r == 0)
		r = g.done > 0 ? (long)g.done : g.error;
	return r;
}

static long do_getdents(int fd, void *user, unsigned int size, bool old)
{
	struct file *file = fd_get(fd);
	long r;

	if (file == NULL)
		return -EBADF;
	r = list(file, user, size, old);
	file_put(file);
	return r;
}

long sys_getdents64(int fd, void *user, unsigned int size)
{
	return do_getdents(fd, user, size, false);
}

long sys_getdents(int fd, void *user, unsigned int size)
{
	return do_getdents(fd, user, size, true);
}
