/*
 * File systems on disks.
 */
#ifndef FS_DISK_FS_H
#define FS_DISK_FS_H

#include "block_cache.h"
#include "vfs.h"

/*
 * Each looks whether the disk holds its file system. A super with its root, or
 * NULL: *error is -EINVAL when it holds another one, else what is wrong, which
 * has been said on the VMM's stderr where a program could not know.
 */
struct super *ext2_mount(struct block_cache *cache, bool read_only, int *error);
struct super *erofs_mount(struct block_cache *cache, bool read_only, int *error);

/* What sb->root was of is not used any more: writes what is to be written, and
 * frees it. */
void ext2_unmount(struct super *sb);
void erofs_unmount(struct super *sb);

/* The file system of a type ("ext2", "erofs"; NULL: what the disk says it is) on disk
 * n. -EBUSY: it is mounted already, somewhere; -ENODEV: no such type. */
struct super *disk_fs_mount(unsigned n, const char *type, bool read_only, int *error);
/* The end of a mounted one; nothing refers to it but sb->root. */
void disk_fs_unmount(struct super *sb);
bool disk_fs_is_type(const char *type);

/* sync(2), and with `end` the end of the VM: all that were mounted. */
void disk_fs_sync(bool end);
void ext2_sync_all(bool end);

#endif
