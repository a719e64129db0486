/*
 * Reading directories of virtio-fs: entries come in buffers as the host has
 * them, with its cookies as positions, moved by two: 0 and 1 are our own "." and
 * "..". (tmpfs gives 2 for the one after "..", which must not be its beginning.)
 */
#include "../libos/heap.h"
#include "virtiofs.h"

#define ROOM 16384

struct dir {
	u64 fh; /* 0: none, it is read by its node */
	u64 pos; /* of the file, for the entry at `at` */
	u32 at, len; /* what is left in `bytes` */
	bool end; /* nothing follows them */
	u8 bytes[ROOM];
};

/* The host's cookie, a signed number, is its file system's affair; ext4 marks the
 * end with the largest. */
#define COOKIE_MAX (INT64_MAX - 2ull)

static u64 position_of(u64 cookie)
{
	return cookie < COOKIE_MAX ? cookie + 2 : MIN(cookie, (u64)INT64_MAX);
}

static u64 cookie_at(u64 pos)
{
	return pos < COOKIE_MAX ? pos - 2 : pos;
}

int virtiofs_open_dir(struct inode *inode, struct file *file)
{
	struct dir *dir = kalloc(sizeof(*dir));
	int error;

	if (dir == NULL)
		return -ENOMEM;
	error = virtiofs_needs_handle(inode) ?
			virtiofs_open_handle(inode, FUSE_OPENDIR, 0, &dir->fh) :
			0;
	if (error < 0)
		kfree(dir);
	else
		file->priv = dir;
	return error;
}

static void release_dir(struct file *file)
{
	struct dir *dir = file->priv;

	if (dir->fh != 0)
		virtiofs_release_handle(file->inode, FUSE_RELEASEDIR, dir->fh);
	kfree(dir);
}

static int fetch(struct file *file, struct dir *dir)
{
	struct fuse_read_in in = { .fh = dir->fh, .offset = cookie_at(file->pos), .size = ROOM };
	struct fs_message m = { .opcode = FUSE_READDIR, .reply = dir->bytes, .room = ROOM };
	int error;

	m.arg[0].from = &in;
	m.arg[0].len = sizeof(in);
	error = virtiofs_send(file->inode, &m);
	dir->at = 0;
	dir->len = error < 0 ? 0 : m.got;
	dir->end = dir->fh == 0 && ROOM - dir->len >= FUSE_READDIR_REST;
	dir->pos = file->pos;
	return error;
}

/* The next entry, which the host has written: NULL when there is no whole one. */
static const struct fuse_dirent *next(const struct dir *dir)
{
	const struct fuse_dirent *e = (const void *)(dir->bytes + dir->at);

	if (dir->len - dir->at < FUSE_NAME_OFFSET || e->namelen == 0 || e->namelen > NAME_MAX ||
	    FUSE_DIRENT_SIZE(e) > dir->len - dir->at)
		return NULL;
	return e;
}

static bool is_dots(const struct fuse_dirent *e)
{
	return e->name[0] == '.' && (e->namelen == 1 || (e->namelen == 2 && e->name[1] == '.'));
}

static long read_dir(struct file *file, struct dir_sink *sink)
{
	struct dir *dir = file->priv;
	const struct fuse_dirent *e;
	u64 next_pos;

	if (!dir_emit_dots(file, sink))
		return 0;
	for (;;) {
		if (dir->at >= dir->len || dir->pos != file->pos) {
			int error;

			if (dir->end && dir->pos == file->pos)
				return 0;
			error = fetch(file, dir);

			if (error < 0 || dir->len == 0)
				return error;
		}
		e = next(dir);
		if (e == NULL)
			return -EIO;
		next_pos = position_of(e->off);
		if (!is_dots(e) &&
		    !sink->emit(sink, e->name, e->namelen, e->ino, e->type, next_pos))
			return 0;
		dir->at += FUSE_DIRENT_SIZE(e);
		file->pos = dir->pos = next_pos;
	}
}

static long sync_dir(struct file *file)
{
	struct fuse_fsync_in in = { .fh = ((struct dir *)file->priv)->fh };

	if (in.fh == 0) /* where nothing can be written */
		return 0;
	return virtiofs_ask(file->inode, FUSE_FSYNCDIR, &in, sizeof(in), NULL, 0);
}

const struct file_ops virtiofs_dir_file_ops = {
	.readdir = read_dir,
	.lseek = dir_lseek,
	.fsync = sync_dir,
	.release = release_dir,
};
