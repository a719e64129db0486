/*
 * The files that a guest knows, see fs_server.h. A file has one node however
 * many names it has, found by device and inode number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/openat2.h>
#include "fs_server.h"

#define ROOT_LOOKUPS UINT64_MAX /* the root is never forgotten */

struct fs_node *fs_node(struct fs_server *s, uint64_t id)
{
	if (id == 0 || id > s->nnodes || !s->node[id - 1].lookups)
		return NULL;
	return &s->node[id - 1];
}

static uint32_t *bucket_of(struct fs_server *s, uint64_t dev, uint64_t ino)
{
	const uint64_t h = (ino ^ dev << 20) * 0x9e3779b97f4a7c15ull;

	return &s->bucket[h >> 32 & (FS_BUCKETS - 1)];
}

static struct fs_node *find(struct fs_server *s, const struct stat *st)
{
	for (uint32_t i = *bucket_of(s, st->st_dev, st->st_ino); i; i = s->node[i - 1].next)
		if (s->node[i - 1].ino == st->st_ino && s->node[i - 1].dev == st->st_dev)
			return &s->node[i - 1];
	return NULL;
}

bool fs_node_room(const struct fs_server *s)
{
	return s->free_node || s->nnodes < s->nodes_max;
}

/* A free place in the table, which grows by doubling. */
static struct fs_node *take_place(struct fs_server *s)
{
	struct fs_node *node;

	if (s->free_node) {
		node = &s->node[s->free_node - 1];
		s->free_node = node->next;
		return node;
	}
	if (s->nnodes == s->nodes_max)
		return NULL;
	if ((s->nnodes & (s->nnodes - 1)) == 0) {
		node = realloc(s->node, (s->nnodes ? 2 * s->nnodes : 1) * sizeof(*node));
		if (!node)
			return NULL;
		s->node = node;
	}
	return &s->node[s->nnodes++];
}

/* Takes over the descriptor. */
static struct fs_node *add(struct fs_server *s, int fd, const struct stat *st)
{
	uint32_t *bucket = bucket_of(s, st->st_dev, st->st_ino);
	struct fs_node *node = take_place(s);

	if (!node) {
		close(fd);
		return NULL;
	}
	*node = (struct fs_node){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.fd = fd,
		.type = st->st_mode & S_IFMT,
		.next = *bucket,
	};
	*bucket = (uint32_t)(node - s->node) + 1;
	return node;
}

static void drop(struct fs_server *s, struct fs_node *node)
{
	const uint32_t id = (uint32_t)(node - s->node) + 1;
	uint32_t *at = bucket_of(s, node->dev, node->ino);

	while (*at != id)
		at = &s->node[*at - 1].next;
	*at = node->next;
	close(node->fd);
	node->lookups = 0;
	node->next = s->free_node;
	s->free_node = id;
}

void fs_node_forget(struct fs_server *s, uint64_t id, uint64_t lookups)
{
	struct fs_node *node = fs_node(s, id);

	if (!node || id == FUSE_ROOT_ID)
		return;
	if (lookups < node->lookups)
		node->lookups -= lookups;
	else
		drop(s, node);
}

static void fill_attr(struct fuse_attr *a, const struct stat *st)
{
	*a = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = (uint32_t)st->st_rdev,
		.blksize = (uint32_t)st->st_blksize,
	};
}

int fs_node_attr(const struct fs_node *node, struct fuse_attr *attr)
{
	struct stat st;

	if (fstatat(node->fd, "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	fill_attr(attr, &st);
	return 0;
}

/* The name is one component (fs_name_ok), so that O_NOFOLLOW is enough; the
 * kernel is told to stay below all the same. */
static int open_below(int dir, const char *name)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN); /* a rename was in the way */
	return fd < 0 ? -errno : (int)fd;
}

int fs_node_enter(struct fs_server *s, const struct fs_node *dir, const char *name,
		  struct fuse_entry_out *out)
{
	struct fs_node *node;
	struct stat st;
	int fd;

	fd = open_below(dir->fd, name);
	if (fd < 0)
		return fd;
	if (fstatat(fd, "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0) {
		const int error = errno;

		close(fd);
		return -error;
	}
	node = find(s, &st);
	if (node)
		close(fd);
	else
		node = add(s, fd, &st);
	if (!node)
		return -ENFILE;
	if (node->lookups < ROOT_LOOKUPS - 1)
		node->lookups++;
	*out = (struct fuse_entry_out){
		.nodeid = (uint64_t)(node - s->node) + 1,
		.entry_valid = 1,
		.attr_valid = 1,
	};
	fill_attr(&out->attr, &st);
	return 0;
}

int fs_node_open(struct fs_server *s, const struct fs_node *node, int flags)
{
	char name[12];
	int fd;

	snprintf(name, sizeof(name), "%d", node->fd);
	fd = openat(s->proc, name, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int fs_server_init(struct fs_server *s, int root_fd, bool read_only, unsigned nodes_max)
{
	struct stat st;
	struct fs_node *root;

	*s = (struct fs_server){ .read_only = read_only, .nodes_max = nodes_max };
	s->chown = geteuid() == 0;
	s->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->proc < 0 || fstatat(root_fd, "", &st, AT_EMPTY_PATH) < 0)
		return -errno;
	root = add(s, root_fd, &st);
	if (!root)
		return -ENOMEM;
	root->lookups = ROOT_LOOKUPS;
	return 0;
}

void fs_server_reset(struct fs_server *s)
{
	for (uint32_t i = 1; i < s->nnodes; i++)
		if (s->node[i].lookups)
			drop(s, &s->node[i]);
	for (uint32_t i = 0; i < s->nhandles; i++)
		if (s->handle[i].fd >= 0)
			fs_handle_release(s, i + 1);
	dax_clear(&s->dax);
}

void fs_server_free(struct fs_server *s)
{
	fs_server_reset(s);
	close(s->node[0].fd);
	close(s->proc);
	free(s->node);
	free(s->handle);
}
