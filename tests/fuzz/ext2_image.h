/*
 * Small ext2 images on a disk in memory, mounted at /mnt of fake_files.c.
 */
#ifndef TESTS_EXT2_IMAGE_H
#define TESTS_EXT2_IMAGE_H

#include "disk_image.h"

#define IMAGES 4 /* layouts */

/* The library OS, and on the disk a good image with some files. */
void image_begin(unsigned layout);
/* Puts `width` bytes of value at an offset into a part: superblock, group
 * descriptors, an inode, a block. */
void image_change(unsigned where, unsigned offset, u64 value, unsigned width);
/* The block of attributes of /mnt/file, which /mnt/dir/b shares. */
u8 *image_attributes(void);
/* False: it is refused. */
bool image_mount(bool read_only);

#endif
