/*
 * getdents and getdents64: the directory hands out entries until the
 * program's buffer is full; each is put straight into it.
 */
#include "../fs/vfs.h"
#include "sys.h"

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
	char *user;
	size_t left, done;
	bool old;
	long error;
};

static bool emit(struct dir_sink *sink, const char *name, size_t len, u64 ino, unsigned type,
		 u64 next)
{
	struct getdents *g = container_of(sink, struct getdents, sink);
	char record[sizeof(struct record64) + NAME_MAX + 16];
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
	if (copy_to_user(g->user + g->done, record, size) < 0) {
		g->error = -EFAULT;
		return false;
	}
	g->done += size;
	g->left -= size;
	return true;
}

static long do_getdents(int fd, void *user, unsigned int size, bool old)
{
	struct getdents g = { .sink.emit = emit, .user = user, .left = size, .old = old };
	struct file *file = fd_get(fd);
	long r;

	if (file == NULL)
		return -EBADF;
	if (file->ops->readdir == NULL)
		r = -ENOTDIR;
	else if (file->inode->nlink == 0)
		r = -ENOENT;
	else
		r = file->ops->readdir(file, &g.sink);
	file_put(file);
	if (r == 0)
		r = g.done > 0 ? (long)g.done : g.error;
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
