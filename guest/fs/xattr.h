/*
 * Extended attributes of file systems in memory.
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

/* As struct inode_ops has them, on a file's list (NULL: none). */
long xattr_get(struct xattr *list, const char *name, void *buf, size_t size);
int xattr_set(struct xattr **list, const char *name, const void *value, size_t size, int flags);
long xattr_list(const struct xattr *list, char *buf, size_t size, bool trusted);
void xattr_free(struct xattr **list);

#endif
