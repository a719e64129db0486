/*
 * An image of a file system on a disk in memory, mounted at /mnt of fake_files.c.
 */
#ifndef TESTS_DISK_IMAGE_H
#define TESTS_DISK_IMAGE_H

#include "../unit/fake_disk.h"
#include "../unit/fake_libos.h"
#include "../../guest/fs/disk_fs.h"

/* The library OS, and a disk with these contents. */
void image_setup(u8 *contents, u64 size);
/* False: it is refused. */
bool image_mount_as(struct super *(*mount)(struct block_cache *cache, bool read_only, int *error),
		    void (*unmount)(struct super *sb), bool read_only);
void image_unmount(void);
/* Unmounts, and aborts if anything is left. */
void image_end(void);

#endif
