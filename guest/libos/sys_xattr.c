/*
 * Extended attributes: (get, set, list, remove) of a path, of a link itself,
 * of a descriptor. Who may do what is xattr(7); the order of errors is
 * Linux's (fs/xattr.c).
 */
#include <linux/capability.h>
#include "heap.h"
#include "path.h"
#include "process.h"
#include "sys.h"
#include "../fs/notify.h"
#include "../fs/xattr.h"

#define NAME_SIZE (XATTR_NAME_MAX + 1)
#define LIST_MAX  65536

/* Which object. */
struct target {
	enum { BY_PATH, BY_LINK, BY_FD } by;
	const char *path;
	int fd;
};

/* The object, which path_put() gives back. */
static long find(const struct target *t, struct path *out)
{
	struct file *file;
	long r;

	if (t->by != BY_FD)
		return user_lookup(AT_FDCWD, t->path, t->by == BY_PATH ? LOOKUP_FOLLOW : 0, out);
	file = fd_get(t->fd);
	if (file == NULL)
		return -EBADF;
	r = path_of_file(file, out);
	file_put(file);
	return r;
}

static int get_name(char name[NAME_SIZE], const char *user)
{
	long n = strncpy_from_user(name, user, NAME_SIZE);

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	return n < 0 ? (int)n : 0;
}

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* "user." and nothing behind it is no name either. */
static int check_name(const char *name)
{
	static const char *const spaces[] = { "user.", "trusted.", "security." };

	for (unsigned i = 0; i < ARRAY_SIZE(spaces); i++)
		if (has_prefix(name, spaces[i]))
			return name[strlen(spaces[i])] != 0 ? 0 : -EINVAL;
	return -EOPNOTSUPP;
}

/* Of files on a disk that can only be read; there are no others that have them. */
static bool is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

static int check_user(const struct path *p, bool write)
{
	const struct inode *inode = p->dentry->inode;

	if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode))
		return write ? -EPERM : -ENODATA;
	if (S_ISDIR(inode->mode) && inode->mode & S_ISVTX && write && !vfs_owner(inode))
		return -EPERM;
	return vfs_permission(p, write ? 2 : 4);
}

static int may_access(const struct path *p, const char *name, bool write)
{
	if (write && vfs_writable(p) < 0)
		return -EROFS;
	if (has_prefix(name, "trusted.") && !capable(CAP_SYS_ADMIN))
		return write ? -EPERM : -ENODATA;
	return has_prefix(name, "user.") ? check_user(p, write) : 0;
}

/* ---- get ---- */

static long get_into(const struct path *p, const char *name, void *user, size_t size)
{
	struct inode *inode = p->dentry->inode;
	void *buf = NULL;
	long r = may_access(p, name, false);

	if (r == 0 && (!is_acl(name) || S_ISLNK(inode->mode)))
		r = check_name(name);
	if (r == 0 && (inode->ops == NULL || inode->ops->getxattr == NULL))
		r = -EOPNOTSUPP;
	if (r < 0)
		return r;
	size = MIN(size, (size_t)XATTR_SIZE_MAX);
	if (size > 0) {
		buf = kalloc(size);
		if (buf == NULL)
			return -ENOMEM;
	}
	r = inode->ops->getxattr(inode, name, buf, size);
	if (r > 0 && size > 0 && copy_to_user(user, buf, r) < 0)
		r = -EFAULT;
	kfree(buf);
	return r;
}

static long get(const struct target *t, const char *user_name, void *value, size_t size)
{
	char name[NAME_SIZE];
	struct path p;
	long r = get_name(name, user_name);

	if (r == 0)
		r = find(t, &p);
	if (r < 0)
		return r;
	r = get_into(&p, name, value, size);
	path_put(&p);
	return r;
}

/* ---- set and remove ---- */

/* File capabilities have a form, of two sizes. */
static bool is_capability(const u8 *value, size_t size)
{
	return (size == XATTR_CAPS_SZ_2 && value[3] == VFS_CAP_REVISION_2 >> 24) ||
	       (size == XATTR_CAPS_SZ_3 && value[3] == VFS_CAP_REVISION_3 >> 24);
}

/* value NULL: it is removed. */
static int may_secure(const char *name, const void *value, size_t size)
{
	if (strcmp(name, XATTR_CAPABILITY) != 0)
		return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
	if (value != NULL && size == 0)
		return 0;
	if (value != NULL && !is_capability(value, size))
		return -EINVAL;
	return capable(CAP_SETFCAP) ? 0 : -EPERM;
}

static long change(const struct path *p, const char *name, const void *value, size_t size,
		   int flags)
{
	struct inode *inode = p->dentry->inode;
	long r = may_access(p, name, true);

	if (r == 0 && has_prefix(name, "security."))
		r = may_secure(name, value, size);
	if (r == 0)
		r = check_name(name);
	if (r == 0 && (inode->ops == NULL || inode->ops->setxattr == NULL))
		r = -EOPNOTSUPP;
	if (r == 0)
		r = inode->ops->setxattr(inode, name, value, size, flags);
	if (r == 0 && unlikely(notify_watches))
		notify_dentry_now(p->dentry, IN_ATTRIB);
	return r;
}

static long set(const struct target *t, const char *user_name, const void *user, size_t size,
		int flags)
{
	char name[NAME_SIZE];
	struct path p;
	void *value;
	long r;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	r = get_name(name, user_name);
	if (r < 0)
		return r;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	value = kalloc(MAX(size, 1ul));
	if (value == NULL)
		return -ENOMEM;
	r = copy_from_user(value, user, size);
	if (r == 0)
		r = find(t, &p);
	if (r == 0) {
		r = change(&p, name, value, size, flags);
		path_put(&p);
	}
	kfree(value);
	return r;
}

static long remove(const struct target *t, const char *user_name)
{
	char name[NAME_SIZE];
	struct path p;
	long r = get_name(name, user_name);

	if (r == 0)
		r = find(t, &p);
	if (r < 0)
		return r;
	r = change(&p, name, NULL, 0, 0);
	path_put(&p);
	return r;
}

/* ---- list ---- */

static long list_into(struct inode *inode, char *user, size_t size)
{
	char *buf = NULL;
	long r;

	if (inode->ops == NULL || inode->ops->listxattr == NULL)
		return 0;
	size = MIN(size, (size_t)LIST_MAX);
	if (size > 0) {
		buf = kalloc(size);
		if (buf == NULL)
			return -ENOMEM;
	}
	r = inode->ops->listxattr(inode, buf, size, capable(CAP_SYS_ADMIN));
	if (r == -ERANGE && size == LIST_MAX)
		r = -E2BIG;
	if (r > 0 && size > 0 && copy_to_user(user, buf, r) < 0)
		r = -EFAULT;
	kfree(buf);
	return r;
}

static long list(const struct target *t, char *user, size_t size)
{
	struct path p;
	long r = find(t, &p);

	if (r < 0)
		return r;
	r = list_into(p.dentry->inode, user, size);
	path_put(&p);
	return r;
}

/* ---- system calls ---- */

#define OF_PATH(p) (&(const struct target){ .by = BY_PATH, .path = (p) })
#define OF_LINK(p) (&(const struct target){ .by = BY_LINK, .path = (p) })
#define OF_FD(n)   (&(const struct target){ .by = BY_FD, .fd = (n) })

long sys_getxattr(const char *path, const char *name, void *value, size_t size)
{
	return get(OF_PATH(path), name, value, size);
}

long sys_lgetxattr(const char *path, const char *name, void *value, size_t size)
{
	return get(OF_LINK(path), name, value, size);
}

long sys_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return get(OF_FD(fd), name, value, size);
}

long sys_setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	return set(OF_PATH(path), name, value, size, flags);
}

long sys_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	return set(OF_LINK(path), name, value, size, flags);
}

long sys_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	return set(OF_FD(fd), name, value, size, flags);
}

long sys_listxattr(const char *path, char *names, size_t size)
{
	return list(OF_PATH(path), names, size);
}

long sys_llistxattr(const char *path, char *names, size_t size)
{
	return list(OF_LINK(path), names, size);
}

long sys_flistxattr(int fd, char *names, size_t size)
{
	return list(OF_FD(fd), names, size);
}

long sys_removexattr(const char *path, const char *name)
{
	return remove(OF_PATH(path), name);
}

long sys_lremovexattr(const char *path, const char *name)
{
	return remove(OF_LINK(path), name);
}

long sys_fremovexattr(int fd, const char *name)
{
	return remove(OF_FD(fd), name);
}
