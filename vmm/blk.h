/*
 * virtio-blk, device side (virtio 1.2, 5.2).
 */
#ifndef VMM_BLK_H
#define VMM_BLK_H

#include "vm.h"

/* The value of --disk, FILE[,ro]: NULL, or what is wrong and what to give
 * instead. blk_option.c */
const char *disk_check(const char *value);

struct disk;

/* Opens the file of a disk and adds the device. Ends the process with a clear line
 * when that cannot be. `index`: it is disk number so much. */
struct virtio_dev *blk_add(struct vm *vm, const struct disk *disk, unsigned index);

/* Closes the file and frees the device; nothing is in flight. For tests. */
void blk_free(struct virtio_dev *dev);

#endif
