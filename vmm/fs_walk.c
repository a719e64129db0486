/* FUSE_WALK (shared/fuse.h): a lookup of all names of a path, for one exit. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "fs_server.h"

/* Appends an entry, with the link's text if it is one and there is room: false: there
 * is not even room for the entry. */
static bool put(struct fs_server *s, struct fs_call *call, const struct fuse_entry_out *entry)
{
	const struct fs_node *node = fs_node(s, entry->nodeid); /* NULL: not there */
	const size_t room = call->out_room - call->out_len;
	struct fuse_walked walked = { .entry = *entry };
	char text[PATH_MAX] = "";
	ssize_t n = 0;

	if (room < sizeof(walked))
		return false;
	if (node && node->type == S_IFLNK)
		n = readlinkat(node->fd, "", text, sizeof(text) - 8);
	if (n > 0 && (size_t)n <= (room - sizeof(walked)) / 8 * 8)
		walked.target_len = (uint32_t)n;
	walked.size = (uint32_t)sizeof(walked) + ((walked.target_len + 7u) & ~7u);
	return !fs_put(call, &walked, sizeof(walked)) &&
	       !fs_put(call, text, walked.size - sizeof(walked));
}

/* A name in the directory *id, which becomes its node. 1: a directory; 0: another
 * file, or none; or -errno. */
static int step(struct fs_server *s, struct fs_call *call, uint64_t *id, const char *name)
{
	const struct fs_node *dir = fs_node(s, *id);
	struct fuse_entry_out out = { .entry_valid = 1 };
	int error;

	if (!dir || dir->type != S_IFDIR)
		return -ENOTDIR;
	if (!fs_name_ok(name))
		return strlen(name) > NAME_MAX ? -ENAMETOOLONG : -EINVAL;
	error = fs_node_enter(s, dir, name, &out);
	if (error && error != -ENOENT)
		return error;
	if (!put(s, call, &out)) {
		fs_node_forget(s, out.nodeid, 1);
		return -EINVAL;
	}
	*id = out.nodeid;
	return !error && (out.attr.mode & S_IFMT) == S_IFDIR;
}

int fs_walk(struct fs_server *s, struct fs_call *call)
{
	uint64_t id = call->in.nodeid;
	char *name = call->arg;
	bool more = true;
	int r = 1;

	if (!fs_string(call, 0, NULL))
		return -EINVAL;
	while (r > 0 && more) {
		char *end = strchrnul(name, '/');

		more = *end != 0;
		*end = 0;
		r = step(s, call, &id, name);
		name = end + 1;
	}
	return call->out_len > 0 ? 0 : r;
}
