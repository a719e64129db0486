/*
 * The file server of virtio-fs: the FUSE protocol (<linux/fuse.h>, version 7)
 * over one directory of the host.
 *
 * A node is a file that the guest knows, by an O_PATH descriptor, which can
 * neither read nor write nor be led elsewhere; a handle is a file or directory
 * that it has open. Names from the guest are single components, looked up from a
 * node's descriptor without following what they name; symbolic links are text
 * for the guest to follow. So nothing leads out of the shared directory: ".."
 * and "/" are refused, and every node was reached from the root downwards.
 * (What the host itself moves out of the directory while the guest has it stays
 * with the guest.)
 *
 * Only regular files and directories are ever opened, so the host's devices,
 * FIFOs and sockets cannot be reached, nor made (FIFOs and sockets can: they
 * are but names here).
 */
#ifndef VMM_FS_SERVER_H
#define VMM_FS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include "../shared/fuse.h"
#include "fs_dax.h"

#define FS_HANDLES_MAX 4096
#define FS_WRITE_MAX   131072 /* bytes of a READ or WRITE that INIT tells */

struct fs_node {
	uint64_t dev, ino, lookups; /* lookups 0: free */
	int fd;
	uint32_t type; /* S_IFMT part of the mode */
	uint32_t next; /* hash chain, or free list: index + 1, 0 at the end */
};

struct fs_handle {
	int fd; /* -1: free */
	bool closing; /* released while in use */
	unsigned users; /* operations of the I/O loop */
	uint32_t next; /* free list */
	uint64_t pos; /* where a directory's next entries begin */
};

#define FS_BUCKETS 1024
#define FS_OPCODES (FUSE_REMOVEMAPPING + 1)

/* Where what has to do with a request is in a table; 0: nowhere. */
static inline uint32_t fs_place(uint32_t opcode)
{
	if (opcode == FUSE_WALK)
		return FS_OPCODES;
	return opcode < FS_OPCODES ? opcode : 0;
}

struct fs_server {
	int proc; /* /proc/self/fd */
	bool read_only, chown; /* chown: may give files away */
	struct fs_node *node; /* [0] is the root */
	uint32_t nnodes, nodes_max, free_node;
	uint32_t bucket[FS_BUCKETS]; /* index + 1 */
	struct fs_handle *handle;
	uint32_t nhandles, free_handle;
	struct fs_dax dax;
	uint64_t calls[FS_OPCODES + 1]; /* for --stats */
};

/* A request, apart from READ, WRITE and FSYNC, whose data is fs.c's affair. */
struct fs_call {
	struct fuse_in_header in;
	char *arg; /* what follows the header; a NUL follows that */
	size_t arg_len;
	void *out; /* room for the reply, without its header */
	size_t out_room, out_len;
};

/* Serves the directory behind an O_PATH descriptor. 0 or -errno. */
int fs_server_init(struct fs_server *s, int root_fd, bool read_only, unsigned nodes_max);
void fs_server_reset(struct fs_server *s); /* forgets all but the root; no handle is in use */
void fs_server_free(struct fs_server *s);

/* 0 or -errno; FORGETs have no reply. */
int fs_server_call(struct fs_server *s, struct fs_call *call);

/* fs_node.c */
struct fs_node *fs_node(struct fs_server *s, uint64_t id); /* NULL: the guest made it up */
bool fs_node_room(const struct fs_server *s); /* for one more */
/* A lookup of a name: fills the entry. */
int fs_node_enter(struct fs_server *s, const struct fs_node *dir, const char *name,
		  struct fuse_entry_out *out);
void fs_node_forget(struct fs_server *s, uint64_t id, uint64_t lookups);
int fs_node_attr(const struct fs_node *node, struct fuse_attr *attr);
/* Opens a node's file by way of /proc. A descriptor or -errno. */
int fs_node_open(struct fs_server *s, const struct fs_node *node, int flags);

/* fs_handle.c */
struct fs_handle *fs_handle(struct fs_server *s, uint64_t fh); /* NULL: there is none */
int fs_handle_new(struct fs_server *s, int fd, uint64_t *fh); /* closes fd when it fails */
/* A handle of a regular file for one request, to be released. 0 or -errno. */
int fs_handle_brief(struct fs_server *s, uint64_t nodeid, uint64_t *fh);
void fs_handle_release(struct fs_server *s, uint64_t fh);
void fs_handle_unused(struct fs_server *s, struct fs_handle *h); /* an operation has ended */
int fs_open(struct fs_server *s, struct fs_call *call);
int fs_open_dir(struct fs_server *s, struct fs_call *call);
int fs_read_dir(struct fs_server *s, struct fs_call *call);
int fs_sync_dir(struct fs_server *s, struct fs_call *call);
int fs_allocate(struct fs_server *s, struct fs_call *call);
int fs_seek(struct fs_server *s, struct fs_call *call);
int fs_map(struct fs_server *s, struct fs_call *call); /* SETUPMAPPING */
int fs_unmap(struct fs_server *s, struct fs_call *call);

/* fs_xattr.c */
int fs_get_xattr(struct fs_server *s, struct fs_call *call);
int fs_list_xattr(struct fs_server *s, struct fs_call *call);
int fs_set_xattr(struct fs_server *s, struct fs_call *call);
int fs_remove_xattr(struct fs_server *s, struct fs_call *call);

/* fs_walk.c */
int fs_walk(struct fs_server *s, struct fs_call *call);

/* fs_name.c: operations on names */
bool fs_name_ok(const char *name);
int fs_make_node(struct fs_server *s, struct fs_call *call);
int fs_make_dir(struct fs_server *s, struct fs_call *call);
int fs_make_symlink(struct fs_server *s, struct fs_call *call);
int fs_link(struct fs_server *s, struct fs_call *call);
int fs_remove(struct fs_server *s, struct fs_call *call); /* UNLINK, RMDIR */
int fs_rename(struct fs_server *s, struct fs_call *call); /* RENAME, RENAME2 */

/* The fixed part of a request's arguments, copied; false: it is too short. */
bool fs_take(const struct fs_call *call, void *to, size_t size);
/* The string at `offset` of the arguments, or NULL; *next: behind its NUL. */
const char *fs_string(const struct fs_call *call, size_t offset, size_t *next);
/* Appends to the reply; -EINVAL: the guest gave no room for it. */
int fs_put(struct fs_call *call, const void *from, size_t size);

#endif
