/*
 * Extended attributes: of file systems in memory, and what others have in common.
 */
#ifndef FS_XATTR_H
#define FS_XATTR_H

#include "../libos/lib.h"

#define XATTR_CREATE  1
#define XATTR_REPLACE 2

#define XATTR_NAME_MAX 255
#define XATTR_SIZE_MAX 65536

/* Those that only who may administrate the system sees. */
static inline bool xattr_is_trusted(const char *name)
{
	return strncmp(name, "trusted.", 8) == 0;
}

struct xattr;
#define XATTR_CAPABILITY "security.capability" /* goes when the file's contents change */

/* As struct inode_ops has them, on a file's list (NULL: none). */
long xattr_get(struct xattr *list, const char *name, void *buf, size_t size);
int xattr_set(struct xattr **list, const char *name, const void *value, size_t size, int flags);
long xattr_list(const struct xattr *list, char *buf, size_t size, bool trusted);
void xattr_free(struct xattr **list);

/* What a getxattr of a value comes to. */
long xattr_value(void *buf, size_t size, const void *value, size_t len);

/* On disks, ext2's and EROFS's, a number stands for what names begin with. Of a name, with
 * what is behind that; 0: there is none. */
unsigned xattr_kind(const char *name, const char **rest);
/* The name; "" if the kind is not known. 0 or -EIO. */
int xattr_full_name(char full[XATTR_NAME_MAX + 1], unsigned kind, const char *rest, size_t len);

/* Takes the names for a listxattr. */
struct xattr_names {
	char *buf;
	size_t size, done;
	bool trusted; /* those, too */
};
int xattr_add_name(struct xattr_names *names, const char *full); /* 0 or -ERANGE; "": none */

#endif
