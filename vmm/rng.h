/*
 * virtio-entropy (virtio 1.2, 5.4) from getrandom(2).
 */
#ifndef VMM_RNG_H
#define VMM_RNG_H

#include "virtio.h"

/* Adds the device. Before the first KVM_RUN; it lives as long as the VM. */
struct virtio_dev *rng_add(struct vm *vm);

/* For tests, after io_stop(): gives the memory back. A VM just exits. */
void rng_free(struct virtio_dev *dev);

#endif
