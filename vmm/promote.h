/*
 * Doorbell promotion: a queue whose doorbell proves busy gets an ioeventfd,
 * served by the I/O thread, and its device an irqfd. See promote.c for when.
 */
#ifndef VMM_PROMOTE_H
#define VMM_PROMOTE_H

#include "virtio.h"

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t promote_now(void);

/* A doorbell for queue q has just cost an exit: promotes it if that pays.
 * Only for devices whose ops->promote is set. Takes the lock. */
void promote_consider(struct virtio_dev *dev, unsigned q);

/* Registers the ioeventfd of queue q, and the device's irqfd, at once. Lock
 * held. 0 or -errno, and then all stays as it was. */
int promote_queue(struct virtio_dev *dev, unsigned q);

/* Raises the device's interrupt through its irqfd. */
void promote_raise(struct virtio_dev *dev);

#endif
