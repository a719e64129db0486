/*
 * The devices of a VM, and what descriptors 0, 1 and 2 are.
 */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

#include "fdt.h"
#include "vm.h"

#define DEVICES_MAX VIRTIO_MMIO_MAX

/*
 * Looks what the standard descriptors are (abi.h, STDIO_*). Closed ones are
 * opened on /dev/null, so that no file of ours gets their numbers. First of
 * all, before anything is opened.
 */
void devices_look_at_stdio(uint32_t stdio[3]);

/*
 * Makes the VM's devices. With our own guest image they are handed over ready
 * for use, and device[] says how, for the device tree; returns how many.
 */
unsigned devices_create(struct vm *vm, const uint32_t stdio[3], struct fdt_device *device);

#endif
