/*
 * virtio-balloon (virtio 1.2, 5.5): only for free page reporting, by which memory
 * that the guest has freed goes back to the host.
 */
#ifndef VMM_BALLOON_H
#define VMM_BALLOON_H

#include "virtio.h"

/* Adds the device. Before the first KVM_RUN; it lives as long as the VM. */
struct virtio_dev *balloon_add(struct vm *vm);

/* For tests: gives the memory back. A VM just exits. */
void balloon_free(struct virtio_dev *dev);

#endif
