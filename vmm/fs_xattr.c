/*
 * FUSE requests about extended attributes, see fs_server.h. The host is asked by way of
 * /proc/self/fd, where a node's descriptor stands for the file itself, of whatever
 * type: nothing is opened and no link followed.
 *
 * The guest may read "user." attributes, access control lists and file capabilities;
 * others are not there. It may only change "user." ones: the others mean rights on
 * the host (capabilities, lists), or something to the host's kernel and to its
 * administrator ("trusted.", "security.").
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <linux/limits.h>
#include "fs_server.h"

struct target {
	char path[32];
};

/* The file of a node; false: there is no such node. */
static bool find(struct fs_server *s, const struct fs_call *call, struct target *t)
{
	const struct fs_node *node = fs_node(s, call->in.nodeid);

	if (node)
		snprintf(t->path, sizeof(t->path), "/proc/self/fd/%d", node->fd);
	return node;
}

static bool may_change(const char *name)
{
	return !strncmp(name, "user.", 5);
}

static bool may_read(const char *name)
{
	return may_change(name) || !strcmp(name, "security.capability") ||
	       !strcmp(name, "system.posix_acl_access") ||
	       !strcmp(name, "system.posix_acl_default");
}

static int reply_size(struct fs_call *call, size_t size)
{
	const struct fuse_getxattr_out out = { .size = (uint32_t)size };

	return fs_put(call, &out, sizeof(out));
}

int fs_get_xattr(struct fs_server *s, struct fs_call *call)
{
	const char *name = fs_string(call, sizeof(struct fuse_getxattr_in), NULL);
	struct fuse_getxattr_in in;
	struct target t;
	size_t room;
	ssize_t n;

	if (!name || !fs_take(call, &in, sizeof(in)) || !find(s, call, &t))
		return -EINVAL;
	if (!may_read(name))
		return -ENODATA;
	room = in.size < call->out_room ? in.size : call->out_room;
	if (in.size && !room) /* which would ask for the size */
		return -ERANGE;
	n = getxattr(t.path, name, call->out, room);
	if (n < 0)
		return -errno;
	if (!in.size)
		return reply_size(call, (size_t)n);
	call->out_len = (size_t)n;
	return 0;
}

/* Leaves those that may be read of a list of names: its length. */
static size_t filter(char *names, size_t len)
{
	size_t kept = 0, size;

	for (size_t at = 0; at < len; at += size) {
		size = strlen(names + at) + 1;
		if (!may_read(names + at))
			continue;
		memmove(names + kept, names + at, size);
		kept += size;
	}
	return kept;
}

int fs_list_xattr(struct fs_server *s, struct fs_call *call)
{
	struct fuse_getxattr_in in;
	struct target t;
	char *names;
	ssize_t n;
	int error;

	if (!fs_take(call, &in, sizeof(in)) || !find(s, call, &t))
		return -EINVAL;
	names = malloc(XATTR_LIST_MAX);
	if (!names)
		return -ENOMEM;
	n = listxattr(t.path, names, XATTR_LIST_MAX);
	error = n < 0 ? -errno : 0;
	if (!error) {
		const size_t len = filter(names, (size_t)n);

		if (!in.size)
			error = reply_size(call, len);
		else if (len > in.size || fs_put(call, names, len))
			error = -ERANGE;
	}
	free(names);
	return error;
}

int fs_set_xattr(struct fs_server *s, struct fs_call *call)
{
	struct fuse_setxattr_in in;
	const char *name;
	struct target t;
	size_t value = 0;

	if (!fs_take(call, &in, FUSE_COMPAT_SETXATTR_IN_SIZE) || !find(s, call, &t))
		return -EINVAL;
	name = fs_string(call, FUSE_COMPAT_SETXATTR_IN_SIZE, &value);
	if (!name || in.size > call->arg_len - value)
		return -EINVAL;
	if (s->read_only)
		return -EROFS;
	if (!may_change(name))
		return -EOPNOTSUPP;
	return setxattr(t.path, name, call->arg + value, in.size, (int)in.flags) < 0 ? -errno : 0;
}

int fs_remove_xattr(struct fs_server *s, struct fs_call *call)
{
	const char *name = fs_string(call, 0, NULL);
	struct target t;

	if (!name || !find(s, call, &t))
		return -EINVAL;
	if (s->read_only)
		return -EROFS;
	if (!may_change(name))
		return -EOPNOTSUPP;
	return removexattr(t.path, name) < 0 ? -errno : 0;
}
