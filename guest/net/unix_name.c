/*
 * Addresses of AF_UNIX sockets (unix(7)): paths, which are nodes of a file
 * system whose inode leads to the socket; abstract names, which are bytes; and
 * such of our own making (autobind).
 */
#include "../libos/heap.h"
#include "../libos/path.h"
#include "../libos/process.h"
#include "unix.h"

#define BUCKETS   64
#define AUTO_LAST 0xfffff

static struct list buckets[BUCKETS];

static u32 hash_bytes(const void *p, size_t n)
{
	u32 h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const u8 *)p)[i]) * 16777619u;
	return h;
}

static struct list *bucket_at(u32 hash)
{
	struct list *bucket = &buckets[hash % BUCKETS];

	if (bucket->next == NULL)
		list_init(bucket);
	return bucket;
}

static struct list *bucket_of_inode(const struct inode *inode)
{
	return bucket_at(hash_bytes(&inode, sizeof(inode)));
}

/* Of an inode, or of an abstract name. */
static struct list *bucket_of(const struct sockname *name, const struct inode *inode)
{
	return inode != NULL ? bucket_of_inode(inode) :
			       bucket_at(hash_bytes(name->un.path, name->len - UNIX_PATH));
}

struct unix_addr *unix_addr_get(struct unix_addr *a)
{
	if (a != NULL)
		a->refs++;
	return a;
}

void unix_addr_put(struct unix_addr *a)
{
	if (a == NULL || --a->refs > 0)
		return;
	if (a->inode != NULL)
		inode_put(a->inode);
	kfree(a);
}

int unix_check_name(const struct sockname *name)
{
	if (name->len <= UNIX_PATH || name->len > UNIX_NAMELEN || name->family != AF_UNIX)
		return -EINVAL;
	return 0;
}

/* The path, terminated; it need not be in the program's. */
static void path_of(const struct sockname *name, char text[sizeof(name->un.path) + 1])
{
	size_t n = strnlen(name->un.path, name->len - UNIX_PATH);

	memcpy(text, name->un.path, n);
	text[n] = 0;
}

/* ---- finding ---- */

static struct unix_socket *find_abstract(const struct sockname *name)
{
	struct list *bucket = bucket_of(name, NULL), *at;

	list_for_each (at, bucket) {
		struct unix_socket *u = container_of(at, struct unix_socket, bound);

		if (u->addr->inode == NULL && u->addr->name.len == name->len &&
		    memcmp(u->addr->name.un.path, name->un.path, name->len - UNIX_PATH) == 0)
			return u;
	}
	return NULL;
}

static struct unix_socket *find_inode(const struct inode *inode)
{
	struct list *bucket = bucket_of_inode(inode), *at;

	list_for_each (at, bucket) {
		struct unix_socket *u = container_of(at, struct unix_socket, bound);

		if (u->addr->inode == inode)
			return u;
	}
	return NULL;
}

static int find_path(const struct sockname *name, struct unix_socket **out)
{
	char text[sizeof(name->un.path) + 1];
	struct path p;
	int error;

	path_of(name, text);
	error = path_lookup(AT_FDCWD, text, LOOKUP_FOLLOW, &p);
	if (error < 0)
		return error;
	error = vfs_permission(&p, 2);
	*out = error == 0 && S_ISSOCK(p.dentry->inode->mode) ? find_inode(p.dentry->inode) : NULL;
	if (error == 0 && *out == NULL)
		error = -ECONNREFUSED;
	path_put(&p);
	return error;
}

int unix_find(const struct sockname *name, int type, struct unix_socket **out)
{
	int error;

	if (name->un.path[0] != 0) {
		error = find_path(name, out);
		if (error != 0)
			return error;
	} else {
		*out = find_abstract(name);
		if (*out == NULL)
			return -ECONNREFUSED;
	}
	if ((*out)->s.type != type)
		return -EPROTOTYPE;
	unix_get(*out);
	return 0;
}

/* ---- binding ---- */

static int set_name(struct unix_socket *u, const struct sockname *name, struct inode *inode)
{
	struct unix_addr *a = kalloc(sizeof(*a));

	if (a == NULL)
		return -ENOMEM;
	a->refs = 1;
	a->name = *name;
	a->inode = inode != NULL ? inode_get(inode) : NULL;
	u->addr = a;
	list_add_tail(bucket_of(name, inode), &u->bound);
	return 0;
}

static int make_name(struct walk *w, struct unix_socket *u, const struct sockname *name)
{
	u32 mode = S_IFSOCK | (0777 & ~current_process()->fs->umask);
	struct dentry *d;
	int error = walk_last(w, &d);

	if (error < 0)
		return error;
	if (d->inode != NULL)
		error = -EADDRINUSE;
	else if (w->last.slash)
		error = -ENOENT;
	else if (u->addr != NULL)
		error = -EINVAL;
	else
		error = vfs_create(&w->at, d, mode, 0);
	if (error == 0) {
		error = set_name(u, name, d->inode);
		if (error < 0)
			vfs_unlink(&w->at, d);
	}
	dentry_put(d);
	return error;
}

/* Makes the node: w is at its directory. */
static int make_node(struct walk *w, struct unix_socket *u, const struct sockname *name)
{
	int error;

	if (w->last.type != LAST_NAME)
		return -EADDRINUSE;
	names_lock(walk_super(w));
	error = make_name(w, u, name);
	names_unlock(walk_super(w));
	return error;
}

static int bind_path(struct unix_socket *u, const struct sockname *given)
{
	char text[sizeof(given->un.path) + 1];
	struct sockname name = *given;
	struct walk w;
	int error;

	path_of(given, text);
	/* as getsockname(2) shows it: with its end, whatever came */
	name.len = UNIX_PATH + strlen(text) + 1;
	error = walk_begin(&w, AT_FDCWD, text, 0);
	if (error < 0)
		return error;
	error = walk_parent(&w, text);
	if (error == 0)
		error = make_node(&w, u, &name);
	walk_end(&w);
	return error;
}

static int bind_abstract(struct unix_socket *u, const struct sockname *name)
{
	if (u->addr != NULL)
		return -EINVAL;
	return find_abstract(name) != NULL ? -EADDRINUSE : set_name(u, name, NULL);
}

/* A zero byte and five digits that nobody has. */
int unix_autobind(struct unix_socket *u)
{
	static u32 last;
	struct sockname name;
	char digits[6];

	if (u->addr != NULL)
		return 0;
	for (u32 tries = 0; tries <= AUTO_LAST; tries++) {
		last = (last + 1) & AUTO_LAST;
		memset(&name, 0, sizeof(name));
		name.family = AF_UNIX;
		snprintf(digits, sizeof(digits), "%05x", last);
		memcpy(name.un.path + 1, digits, 5);
		name.len = UNIX_PATH + 6;
		if (find_abstract(&name) == NULL)
			return set_name(u, &name, NULL);
	}
	return -ENOSPC;
}

int unix_bind(struct socket *s, const struct sockname *name)
{
	struct unix_socket *u = unix_sock(s);
	int error;

	if (name->len == UNIX_PATH && name->family == AF_UNIX)
		return unix_autobind(u);
	error = unix_check_name(name);
	if (error < 0)
		return error;
	return name->un.path[0] != 0 ? bind_path(u, name) : bind_abstract(u, name);
}

void unix_unbind(struct unix_socket *u)
{
	list_del(&u->bound);
}
