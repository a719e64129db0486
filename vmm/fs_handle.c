/*
 * Open files and directories of a guest, see fs_server.h. A handle that the
 * guest releases while the I/O loop works with it closes when that ends: the
 * number of its descriptor must not become another file's before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/falloc.h>
#include "fs_server.h"

struct fs_handle *fs_handle(struct fs_server *s, uint64_t fh)
{
	if (fh == 0 || fh > s->nhandles || s->handle[fh - 1].fd < 0 || s->handle[fh - 1].closing)
		return NULL;
	return &s->handle[fh - 1];
}

static uint32_t take_place(struct fs_server *s)
{
	struct fs_handle *grown;
	uint32_t place = s->free_handle;

	if (place) {
		s->free_handle = s->handle[place - 1].next;
		return place;
	}
	if (s->nhandles == FS_HANDLES_MAX)
		return 0;
	if ((s->nhandles & (s->nhandles - 1)) == 0) {
		grown = realloc(s->handle, (s->nhandles ? 2 * s->nhandles : 1) * sizeof(*grown));
		if (!grown)
			return 0;
		s->handle = grown;
	}
	return ++s->nhandles;
}

int fs_handle_new(struct fs_server *s, int fd, uint64_t *fh)
{
	const uint32_t place = take_place(s);

	if (!place) {
		close(fd);
		return -ENFILE;
	}
	s->handle[place - 1] = (struct fs_handle){ .fd = fd };
	*fh = place;
	return 0;
}

static void close_handle(struct fs_server *s, struct fs_handle *h)
{
	close(h->fd);
	h->fd = -1;
	h->next = s->free_handle;
	s->free_handle = (uint32_t)(h - s->handle) + 1;
}

void fs_handle_release(struct fs_server *s, uint64_t fh)
{
	struct fs_handle *h = fs_handle(s, fh);

	if (!h)
		return;
	if (h->users)
		h->closing = true;
	else
		close_handle(s, h);
}

void fs_handle_unused(struct fs_server *s, struct fs_handle *h)
{
	if (--h->users == 0 && h->closing)
		close_handle(s, h);
}

int fs_handle_brief(struct fs_server *s, uint64_t nodeid, uint64_t *fh)
{
	const struct fs_node *node = fs_node(s, nodeid);
	int fd = node && node->type == S_IFREG ? fs_node_open(s, node, O_RDONLY) : -EBADF;

	return fd < 0 ? fd : fs_handle_new(s, fd, fh);
}

static int reply_handle(struct fs_server *s, struct fs_call *call, int fd)
{
	struct fuse_open_out out = { .open_flags = 0 };
	int error;

	if (fd < 0)
		return fd;
	error = fs_handle_new(s, fd, &out.fh);
	if (!error)
		error = fs_put(call, &out, sizeof(out));
	if (error && out.fh)
		fs_handle_release(s, out.fh);
	return error;
}

int fs_open(struct fs_server *s, struct fs_call *call)
{
	const struct fs_node *node = fs_node(s, call->in.nodeid);
	struct fuse_open_in in;

	if (!node || !fs_take(call, &in, sizeof(in)))
		return -EINVAL;
	if (node->type != S_IFREG) /* the others are opened by the guest, in the guest */
		return node->type == S_IFDIR ? -EISDIR : -EACCES;
	if (s->read_only && (in.flags & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	return reply_handle(s, call,
			    fs_node_open(s, node, (int)in.flags & (O_ACCMODE | O_SYNC | O_DSYNC)));
}

int fs_open_dir(struct fs_server *s, struct fs_call *call)
{
	const struct fs_node *node = fs_node(s, call->in.nodeid);
	int fd;

	if (!node)
		return -EINVAL;
	if (node->type != S_IFDIR)
		return -ENOTDIR;
	fd = openat(node->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return reply_handle(s, call, fd < 0 ? -errno : fd);
}

/* ---- reading directories */

struct host_dirent { /* getdents64(2) */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* One entry of the host as FUSE has it; false: no room. */
static bool put_entry(struct fs_call *call, size_t room, const struct host_dirent *from)
{
	struct fuse_dirent to = { .ino = from->ino, .off = (uint64_t)from->off };
	uint8_t *at = (uint8_t *)call->out + call->out_len;
	size_t size;

	to.namelen = (uint32_t)strlen(from->name);
	to.type = from->type;
	size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + to.namelen);
	if (size > room - call->out_len)
		return false;
	memset(at, 0, size);
	memcpy(at, &to, FUSE_NAME_OFFSET);
	memcpy(at + FUSE_NAME_OFFSET, from->name, to.namelen);
	call->out_len += size;
	return true;
}

/* Entries from `offset` on, as many as there is room for. 1: at the end; 0 or -errno. */
static int read_entries(struct fs_call *call, size_t room, int fd, uint64_t *offset)
{
	uint64_t buffer[4096];
	const uint8_t *bytes = (const uint8_t *)buffer;
	/* FUSE's entries are larger by at most a third: so all of them will fit */
	const size_t want = (room - call->out_len) / 4 * 3;
	const long n =
		syscall(SYS_getdents64, fd, buffer, want < sizeof(buffer) ? want : sizeof(buffer));

	if (n <= 0)
		return n < 0 ? -errno : 1;
	for (long at = 0; at < n;) {
		const struct host_dirent *d = (const struct host_dirent *)(bytes + at);

		if (!put_entry(call, room, d))
			break;
		*offset = (uint64_t)d->off;
		at += d->reclen;
	}
	return 0;
}

/* By node, see shared/fuse.h. */
static int read_node(struct fs_server *s, struct fs_call *call, size_t room, uint64_t offset)
{
	const struct fs_node *node = fs_node(s, call->in.nodeid);
	int r = 0, fd;

	if (!node || node->type != S_IFDIR)
		return -EBADF;
	fd = openat(node->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (offset && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		r = -errno;
	while (!r && room - call->out_len >= FUSE_READDIR_REST)
		r = read_entries(call, room, fd, &offset);
	close(fd);
	return r < 0 ? r : 0;
}

int fs_read_dir(struct fs_server *s, struct fs_call *call)
{
	struct fuse_read_in in;
	struct fs_handle *h;
	size_t room;
	int r;

	if (!fs_take(call, &in, sizeof(in)))
		return -EINVAL;
	room = in.size < call->out_room ? in.size : call->out_room;
	if (in.fh == 0)
		return read_node(s, call, room, in.offset);
	h = fs_handle(s, in.fh);
	if (!h)
		return -EBADF;
	/* Only where needed: in tmpfs a position is a number of entries, and seeking
	 * to one skips as many as were removed since. */
	if (in.offset != h->pos && lseek(h->fd, (off_t)in.offset, SEEK_SET) < 0)
		return -errno;
	h->pos = in.offset;
	r = read_entries(call, room, h->fd, &h->pos);
	return r < 0 ? r : 0;
}

int fs_sync_dir(struct fs_server *s, struct fs_call *call)
{
	struct fuse_fsync_in in;
	const struct fs_handle *h;

	if (!fs_take(call, &in, sizeof(in)))
		return -EINVAL;
	h = fs_handle(s, in.fh);
	if (!h)
		return -EBADF;
	return fsync(h->fd) < 0 ? -errno : 0;
}

/* ---- files in guest memory */

int fs_map(struct fs_server *s, struct fs_call *call)
{
	struct fuse_setupmapping_in in;
	const struct fs_handle *h;
	int error = 0;
	bool brief;

	if (!fs_take(call, &in, sizeof(in)))
		return -EINVAL;
	brief = in.fh == 0;
	if (brief)
		error = fs_handle_brief(s, call->in.nodeid, &in.fh);
	h = error ? NULL : fs_handle(s, in.fh);
	if (!error)
		error = h ? dax_map(&s->dax, h->fd, &in) : -EBADF;
	if (brief && h)
		fs_handle_release(s, in.fh);
	return error;
}

int fs_unmap(struct fs_server *s, struct fs_call *call)
{
	struct fuse_removemapping_one one;
	struct fuse_removemapping_in in;
	int error = 0;

	if (!fs_take(call, &in, sizeof(in)) ||
	    in.count > (call->arg_len - sizeof(in)) / sizeof(one))
		return -EINVAL;
	for (size_t i = 0; i < in.count && !error; i++) {
		memcpy(&one, call->arg + sizeof(in) + i * sizeof(one), sizeof(one));
		error = dax_unmap(&s->dax, &one);
	}
	return error;
}

/* ---- what READ and WRITE are not enough for */

int fs_allocate(struct fs_server *s, struct fs_call *call)
{
	const int modes = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	struct fuse_fallocate_in in;
	const struct fs_handle *h;

	if (!fs_take(call, &in, sizeof(in)))
		return -EINVAL;
	h = fs_handle(s, in.fh);
	if (!h)
		return -EBADF;
	if (in.mode & ~(uint32_t)modes)
		return -EOPNOTSUPP;
	if (fallocate(h->fd, (int)in.mode, (off_t)in.offset, (off_t)in.length) < 0)
		return -errno;
	return 0;
}

int fs_seek(struct fs_server *s, struct fs_call *call)
{
	struct fuse_lseek_out out = { 0 };
	struct fuse_lseek_in in;
	const struct fs_handle *h;
	off_t at;

	if (!fs_take(call, &in, sizeof(in)) || (in.whence != SEEK_DATA && in.whence != SEEK_HOLE))
		return -EINVAL;
	h = fs_handle(s, in.fh);
	if (!h)
		return -EBADF;
	at = lseek(h->fd, (off_t)in.offset, (int)in.whence);
	if (at < 0)
		return -errno;
	out.offset = (uint64_t)at;
	return fs_put(call, &out, sizeof(out));
}
