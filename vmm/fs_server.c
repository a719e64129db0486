/*
 * FUSE requests: INIT, lookups, attributes, and which function does what. What
 * is not here is answered with ENOSYS, which a FUSE client takes for "do
 * without": access checks and permissions are the guest's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "fs_server.h"

bool fs_take(const struct fs_call *call, void *to, size_t size)
{
	if (call->arg_len < size)
		return false;
	memcpy(to, call->arg, size);
	return true;
}

const char *fs_string(const struct fs_call *call, size_t offset, size_t *next)
{
	size_t len;

	if (offset >= call->arg_len)
		return NULL;
	len = strnlen(call->arg + offset, call->arg_len - offset);
	if (len == call->arg_len - offset)
		return NULL; /* no NUL */
	if (next)
		*next = offset + len + 1;
	return call->arg + offset;
}

int fs_put(struct fs_call *call, const void *from, size_t size)
{
	if (size > call->out_room - call->out_len)
		return -EINVAL;
	memcpy((uint8_t *)call->out + call->out_len, from, size);
	call->out_len += size;
	return 0;
}

static int init(struct fs_server *s, struct fs_call *call)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = FS_WRITE_MAX,
		.max_write = FS_WRITE_MAX,
		.max_pages = FS_WRITE_MAX / 4096,
		.max_background = 64,
		.congestion_threshold = 48,
		.time_gran = 1,
	};
	struct fuse_init_in in = { .flags = 0 };

	if (!fs_take(call, &in, offsetof(struct fuse_init_in, flags2)))
		return -EINVAL;
	if (in.major < FUSE_KERNEL_VERSION)
		return -EPROTO;
	out.flags = in.flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_ASYNC_READ |
				FUSE_PARALLEL_DIROPS | FUSE_AUTO_INVAL_DATA);
	if (s->dax.size) {
		out.flags |= in.flags & FUSE_MAP_ALIGNMENT;
		out.map_alignment = DAX_SHIFT;
	}
	return fs_put(call, &out, sizeof(out));
}

static int lookup(struct fs_server *s, struct fs_call *call)
{
	const struct fs_node *dir = fs_node(s, call->in.nodeid);
	const char *name = fs_string(call, 0, NULL);
	struct fuse_entry_out out;
	int error;

	if (!dir || dir->type != S_IFDIR)
		return -ENOTDIR;
	if (!fs_name_ok(name))
		return name && strlen(name) > NAME_MAX ? -ENAMETOOLONG : -EINVAL;
	error = fs_node_enter(s, dir, name, &out);
	return error ? error : fs_put(call, &out, sizeof(out));
}

static int get_attr(struct fs_server *s, struct fs_call *call)
{
	const struct fs_node *node = fs_node(s, call->in.nodeid);
	struct fuse_attr_out out = { .attr_valid = 1 };
	int error;

	if (!node)
		return -EINVAL;
	error = fs_node_attr(node, &out.attr);
	return error ? error : fs_put(call, &out, sizeof(out));
}

/* ---- changing attributes */

static int set_size(struct fs_server *s, const struct fs_node *node, uint64_t size)
{
	int fd, error;

	if (node->type != S_IFREG)
		return node->type == S_IFDIR ? -EISDIR : -EINVAL;
	fd = fs_node_open(s, node, O_WRONLY);
	if (fd < 0)
		return fd;
	error = ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
	close(fd);
	return error;
}

static struct timespec time_of(uint32_t valid, uint32_t given, uint32_t now, uint64_t s,
			       uint32_t ns)
{
	if (valid & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (!(valid & given))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	return (struct timespec){ .tv_sec = (time_t)s, .tv_nsec = ns % 1000000000 };
}

static int change(struct fs_server *s, const struct fs_node *node, const struct fuse_setattr_in *in)
{
	const uint32_t owner = FATTR_UID | FATTR_GID, times = FATTR_ATIME | FATTR_MTIME;
	const struct timespec t[] = {
		time_of(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		time_of(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};
	char name[12];
	int error;

	snprintf(name, sizeof(name), "%d", node->fd);
	if (in->valid & owner && fchownat(node->fd, "", in->valid & FATTR_UID ? in->uid : (uid_t)-1,
					  in->valid & FATTR_GID ? in->gid : (gid_t)-1,
					  AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (in->valid & FATTR_MODE) {
		if (node->type == S_IFLNK)
			return -EOPNOTSUPP;
		if (fchmodat(s->proc, name, in->mode & 07777, 0) < 0)
			return -errno;
	}
	if (in->valid & FATTR_SIZE) {
		error = set_size(s, node, in->size);
		if (error)
			return error;
	}
	if (in->valid & (times | FATTR_ATIME_NOW | FATTR_MTIME_NOW) &&
	    utimensat(s->proc, name, t, 0) < 0)
		return -errno;
	return 0;
}

static int set_attr(struct fs_server *s, struct fs_call *call)
{
	const struct fs_node *node = fs_node(s, call->in.nodeid);
	struct fuse_setattr_in in;
	int error;

	if (!node || !fs_take(call, &in, sizeof(in)))
		return -EINVAL;
	if (s->read_only)
		return -EROFS;
	error = change(s, node, &in);
	return error ? error : get_attr(s, call);
}

/* ---- the rest */

static int read_link(struct fs_server *s, struct fs_call *call)
{
	const struct fs_node *node = fs_node(s, call->in.nodeid);
	char text[PATH_MAX];
	ssize_t n;

	if (!node || node->type != S_IFLNK)
		return -EINVAL;
	n = readlinkat(node->fd, "", text, sizeof(text));
	return n < 0 ? -errno : fs_put(call, text, (size_t)n);
}

static int stat_fs(struct fs_server *s, struct fs_call *call)
{
	const struct fs_node *node = fs_node(s, call->in.nodeid);
	struct fuse_statfs_out out = { .st = { .blocks = 0 } };
	struct statvfs st;

	if (!node)
		return -EINVAL;
	if (fstatvfs(node->fd, &st) < 0)
		return -errno;
	out.st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = NAME_MAX,
		.frsize = (uint32_t)st.f_frsize,
	};
	return fs_put(call, &out, sizeof(out));
}

static int release(struct fs_server *s, struct fs_call *call)
{
	struct fuse_release_in in;

	if (!fs_take(call, &in, sizeof(in)))
		return -EINVAL;
	fs_handle_release(s, in.fh);
	return 0;
}

static int forget(struct fs_server *s, struct fs_call *call)
{
	struct fuse_forget_in in;

	if (fs_take(call, &in, sizeof(in)))
		fs_node_forget(s, call->in.nodeid, in.nlookup);
	return 0;
}

static int forget_many(struct fs_server *s, struct fs_call *call)
{
	struct fuse_batch_forget_in in;
	struct fuse_forget_one one;

	if (!fs_take(call, &in, sizeof(in)))
		return 0;
	for (size_t at = sizeof(in); in.count-- && call->arg_len - at >= sizeof(one);
	     at += sizeof(one)) {
		memcpy(&one, call->arg + at, sizeof(one));
		fs_node_forget(s, one.nodeid, one.nlookup);
	}
	return 0;
}

static int nothing(struct fs_server *s, struct fs_call *call)
{
	(void)s, (void)call;
	return 0;
}

int fs_server_call(struct fs_server *s, struct fs_call *call)
{
	static int (*const operation[FS_OPCODES + 1])(struct fs_server * s,
						      struct fs_call * call) = {
		[FUSE_LOOKUP] = lookup,
		[FUSE_FORGET] = forget,
		[FUSE_GETATTR] = get_attr,
		[FUSE_SETATTR] = set_attr,
		[FUSE_READLINK] = read_link,
		[FUSE_SYMLINK] = fs_make_symlink,
		[FUSE_MKNOD] = fs_make_node,
		[FUSE_MKDIR] = fs_make_dir,
		[FUSE_UNLINK] = fs_remove,
		[FUSE_RMDIR] = fs_remove,
		[FUSE_RENAME] = fs_rename,
		[FUSE_RENAME2] = fs_rename,
		[FUSE_LINK] = fs_link,
		[FUSE_OPEN] = fs_open,
		[FUSE_STATFS] = stat_fs,
		[FUSE_RELEASE] = release,
		[FUSE_SETXATTR] = fs_set_xattr,
		[FUSE_GETXATTR] = fs_get_xattr,
		[FUSE_LISTXATTR] = fs_list_xattr,
		[FUSE_REMOVEXATTR] = fs_remove_xattr,
		[FUSE_FLUSH] = nothing,
		[FUSE_INIT] = init,
		[FUSE_OPENDIR] = fs_open_dir,
		[FUSE_READDIR] = fs_read_dir,
		[FUSE_RELEASEDIR] = release,
		[FUSE_FSYNCDIR] = fs_sync_dir,
		[FUSE_INTERRUPT] = nothing,
		[FUSE_DESTROY] = nothing,
		[FUSE_BATCH_FORGET] = forget_many,
		[FUSE_FALLOCATE] = fs_allocate,
		[FUSE_LSEEK] = fs_seek,
		[FUSE_SETUPMAPPING] = fs_map,
		[FUSE_REMOVEMAPPING] = fs_unmap,
		[FS_OPCODES] = fs_walk,
	};
	const uint32_t place = fs_place(call->in.opcode);

	return operation[place] ? operation[place](s, call) : -ENOSYS;
}
