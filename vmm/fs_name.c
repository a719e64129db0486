/* FUSE requests that make, move and remove names, see fs_server.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/fs.h>
#include "fs_server.h"

bool fs_name_ok(const char *name)
{
	const size_t len = name ? strlen(name) : 0;

	return len > 0 && len <= NAME_MAX && !memchr(name, '/', len) && strcmp(name, ".") &&
	       strcmp(name, "..");
}

/* The directory of a request and the name in it; -errno. */
static int target(struct fs_server *s, uint64_t id, const char *name, struct fs_node **dir)
{
	*dir = fs_node(s, id);
	if (!*dir || (*dir)->type != S_IFDIR)
		return -ENOTDIR;
	if (!fs_name_ok(name))
		return name && strlen(name) > NAME_MAX ? -ENAMETOOLONG : -EINVAL;
	return s->read_only ? -EROFS : 0;
}

/* The same for a request that makes a file: there must be room to know it. */
static int target_new(struct fs_server *s, const struct fs_call *call, const char *name,
		      struct fs_node **dir)
{
	int error = target(s, call->in.nodeid, name, dir);

	return !error && !fs_node_room(s) ? -ENFILE : error;
}

/* What was just made belongs to who asked for it, and is looked up. */
static int made(struct fs_server *s, struct fs_call *call, const char *name)
{
	const struct fs_node *dir = fs_node(s, call->in.nodeid);
	struct fuse_entry_out out;
	struct fuse_attr parent;
	int error = fs_node_attr(dir, &parent);

	if (!error && s->chown) {
		const gid_t gid = parent.mode & S_ISGID ? (gid_t)-1 : call->in.gid;

		if (fchownat(dir->fd, name, call->in.uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			error = -errno;
	}
	if (!error)
		error = fs_node_enter(s, dir, name, &out);
	return error ? error : fs_put(call, &out, sizeof(out));
}

int fs_make_node(struct fs_server *s, struct fs_call *call)
{
	const char *name = fs_string(call, sizeof(struct fuse_mknod_in), NULL);
	struct fuse_mknod_in in;
	struct fs_node *dir;
	int error = target_new(s, call, name, &dir);

	if (error || !fs_take(call, &in, sizeof(in)))
		return error ? error : -EINVAL;
	if (!S_ISREG(in.mode) && !S_ISFIFO(in.mode) && !S_ISSOCK(in.mode))
		return -EPERM; /* no device of the host */
	if (mknodat(dir->fd, name, in.mode & (S_IFMT | 07777), 0) < 0)
		return -errno;
	return made(s, call, name);
}

int fs_make_dir(struct fs_server *s, struct fs_call *call)
{
	const char *name = fs_string(call, sizeof(struct fuse_mkdir_in), NULL);
	struct fuse_mkdir_in in;
	struct fs_node *dir;
	int error = target_new(s, call, name, &dir);

	if (error || !fs_take(call, &in, sizeof(in)))
		return error ? error : -EINVAL;
	if (mkdirat(dir->fd, name, in.mode & 07777) < 0)
		return -errno;
	return made(s, call, name);
}

int fs_make_symlink(struct fs_server *s, struct fs_call *call)
{
	size_t next = 0;
	const char *name = fs_string(call, 0, &next);
	const char *text = fs_string(call, next, NULL);
	struct fs_node *dir;
	int error = target_new(s, call, name, &dir);

	if (error || !text)
		return error ? error : -EINVAL;
	if (symlinkat(text, dir->fd, name) < 0)
		return -errno;
	return made(s, call, name);
}

int fs_link(struct fs_server *s, struct fs_call *call)
{
	const char *name = fs_string(call, sizeof(struct fuse_link_in), NULL);
	const struct fs_node *node;
	struct fuse_entry_out out;
	struct fuse_link_in in;
	struct fs_node *dir;
	char from[12];
	int error = target(s, call->in.nodeid, name, &dir);

	if (error || !fs_take(call, &in, sizeof(in)))
		return error ? error : -EINVAL;
	node = fs_node(s, in.oldnodeid);
	if (!node)
		return -EINVAL;
	snprintf(from, sizeof(from), "%d", node->fd);
	if (linkat(s->proc, from, dir->fd, name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	error = fs_node_enter(s, dir, name, &out);
	return error ? error : fs_put(call, &out, sizeof(out));
}

int fs_remove(struct fs_server *s, struct fs_call *call)
{
	const char *name = fs_string(call, 0, NULL);
	struct fs_node *dir;
	int error = target(s, call->in.nodeid, name, &dir);

	if (error)
		return error;
	if (unlinkat(dir->fd, name, call->in.opcode == FUSE_RMDIR ? AT_REMOVEDIR : 0) < 0)
		return -errno;
	return 0;
}

int fs_rename(struct fs_server *s, struct fs_call *call)
{
	const bool two = call->in.opcode == FUSE_RENAME2;
	const size_t fixed = two ? sizeof(struct fuse_rename2_in) : sizeof(struct fuse_rename_in);
	struct fuse_rename2_in in = { .flags = 0 };
	struct fs_node *from_dir, *to_dir;
	const char *from, *to;
	size_t next = 0;
	int error;

	if (!fs_take(call, &in, fixed))
		return -EINVAL;
	if (!two)
		in.flags = 0;
	from = fs_string(call, fixed, &next);
	to = from ? fs_string(call, next, NULL) : NULL;
	error = target(s, call->in.nodeid, from, &from_dir);
	if (!error)
		error = target(s, in.newdir, to, &to_dir);
	if (error)
		return error;
	if (in.flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (syscall(SYS_renameat2, from_dir->fd, from, to_dir->fd, to, in.flags) < 0)
		return -errno;
	return 0;
}
