/*
 * Small EROFS images on a disk in memory, mounted at /mnt of fake_files.c.
 */
#ifndef TESTS_EROFS_IMAGE_H
#define TESTS_EROFS_IMAGE_H

#include "disk_image.h"

#define IMAGES       4 /* three block sizes, and: */
#define IMAGE_SUMMED 3 /* one whose superblock has a checksum */

/* The library OS, and on the disk a good image with some files. */
void image_begin(unsigned layout);
/* Puts `width` bytes of value at an offset into a part: superblock, an inode, a
 * block. */
void image_change(unsigned where, unsigned offset, u64 value, unsigned width);
bool image_mount(void);

#endif
