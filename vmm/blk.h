/*
 * virtio-blk, device side (virtio 1.2, 5.2).
 */
#ifndef VMM_BLK_H
#define VMM_BLK_H

#include "vm.h"

/* The value of --disk, FILE[,ro]: NULL, or what is wrong and what to give
 * instead. */
const char *disk_check(const char *value);

/* Opens the file of one --disk and adds the device. Ends the process with a
 * clear line when that cannot be. */
struct virtio_dev *blk_add(struct vm *vm, const char *value);

#endif
