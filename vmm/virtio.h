/*
 * virtio-mmio version 2 transport, device side (virtio 1.2, 4.2.2), and what
 * a device model supplies to it.
 *
 * Locking: dev->lock guards all of a device and its queues. Register
 * accesses come from vCPU threads, doorbells from vCPU threads or, once a
 * queue has been promoted to an ioeventfd, from the I/O thread; completions
 * come from the I/O thread.
 */
#ifndef VMM_VIRTIO_H
#define VMM_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "queue.h"
#include "vm.h"

#define VIRTIO_MAX_QUEUES 18 /* 8 pairs of network queues, a control queue, spare */

struct virtio_ops {
	const char *name; /* for messages */
	bool promote; /* doorbells may become ioeventfds served by the I/O thread */
	uint32_t device_id; /* virtio 1.2, section 5 */
	unsigned nqueues;
	uint16_t queue_size[VIRTIO_MAX_QUEUES]; /* maximum, a power of two */
	/* The driver rang queue q. Called with dev->lock held. */
	void (*kick)(struct virtio_dev *dev, unsigned q);
	/* Device reset: forget the queues, cancel what can be cancelled; requests
	 * in flight must not touch guest memory afterwards. NULL: nothing to do.
	 * Lock held. */
	void (*reset)(struct virtio_dev *dev);
	/* Configuration space, already bounded to config_size; NULL: read-only.
	 * Lock held. */
	void (*config_write)(struct virtio_dev *dev, uint32_t offset, const void *data,
			     uint32_t len);
	/* What the device has done, for --stats, into text. NULL: nothing to
	 * say. */
	void (*report)(const struct virtio_dev *dev, char *text, size_t size);
};

struct virtio_dev {
	const struct virtio_ops *ops;
	struct vm *vm;
	pthread_mutex_t lock;
	unsigned window; /* index of its MMIO page; vector = VECTOR_DEVICE + window */
	uint64_t offered; /* features */
	uint64_t accepted; /* frozen at FEATURES_OK */
	uint32_t status; /* virtio 1.2, 2.1 */
	uint32_t interrupt_status; /* virtio 1.2, 4.2.2 InterruptStatus */
	uint32_t config_generation;
	uint32_t features_sel, driver_features_sel, queue_sel, shm_sel;
	uint64_t shm_gpa, shm_size; /* shared memory region 0; size 0: none */
	const void *config;
	uint32_t config_size;
	struct virtqueue queue[VIRTIO_MAX_QUEUES];
	/* promote.c: doorbells that no longer exit, and the eventfd of its
	 * interrupt + 1, 0 while it is raised by vm_raise() */
	struct doorbell *doorbell[VIRTIO_MAX_QUEUES];
	int irqfd_plus1;
	uint64_t born_ns; /* CLOCK_MONOTONIC at virtio_add() */
	uint64_t interrupts; /* for --stats */
	bool reported; /* virtio_broken() said so once */
};

/* Adds a device at the next free window of the VM. Not thread-safe: before
 * the first KVM_RUN only. */
void virtio_add(struct vm *vm, struct virtio_dev *dev, const struct virtio_ops *ops,
		uint64_t features, const void *config, uint32_t config_size);

/*
 * Puts the device into the state after DRIVER_OK with the given features and
 * with its first queues at the given places (abi.h, "mayfly,ready").
 */
struct virtio_ready_queue {
	uint32_t size;
	uint64_t desc, driver, device;
};
void virtio_make_ready(struct virtio_dev *dev, uint64_t features,
		       const struct virtio_ready_queue *queues, unsigned nqueues);

/* A register access of the guest at `offset` of the device's window, len
 * 1, 2, 4 or 8. Reads fill data, also for bad accesses (zeroes). */
void virtio_mmio_read(struct virtio_dev *dev, uint64_t offset, void *data, uint32_t len);
void virtio_mmio_write(struct virtio_dev *dev, uint64_t offset, const void *data, uint32_t len);

/* Whether the driver may use queue q now: enabled, DRIVER_OK, not broken. Lock held. */
bool virtio_live(const struct virtio_dev *dev, unsigned q);

/* What a doorbell for queue q does once it is here, whichever way it came.
 * Takes the lock. */
void virtio_kick(struct virtio_dev *dev, unsigned q);

/* Tells the driver that queue q has used buffers, unless it asked not to be
 * told (virtio 1.2, 2.7.7 and 2.7.10). Lock held. */
void virtio_notify_used(struct virtio_dev *dev, unsigned q);

/* Configuration space changed: new generation, interrupt. Lock held. */
void virtio_notify_config(struct virtio_dev *dev);

/* The driver broke the rules: DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2), one
 * line with --verbose; the queues stop until a reset. Lock held. */
void virtio_broken(struct virtio_dev *dev, const char *why);

#endif
