/*
 * virtio-mmio version 2, driver side (virtio 1.2, 2.7, 3.1 and 4.2). A queue
 * has one request in flight (virtio.c) or many (virtq.c).
 */
#ifndef DRV_VIRTIO_H
#define DRV_VIRTIO_H

#include <linux/virtio_ring.h>
#include "../libos/boot_info.h"
#include "../libos/lib.h"

struct virtq {
	volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
	u16 size, index;
	u16 next; /* avail->idx to come */
	u16 seen; /* used->idx handled */
	bool busy; /* its one request is in flight */

	/* Many in flight. */
	bool event_idx, indirect; /* negotiated */
	bool dead; /* the device broke the rules */
	u16 free; /* first free descriptor */
	u16 taken; /* descriptors in use */
	u16 in_flight; /* chains added and not taken back */
	u16 shown; /* avail->idx */
	u64 doorbells; /* rung */
	struct virtq_slot *slot; /* by descriptor; made by the first virtq_add() */
};

struct virtio {
	const struct virtio_place *place;
	volatile u8 *regs;
	u64 features;
	u16 ring_limit; /* largest ring to set up; 0: 16 */
	void (*interrupt)(struct virtio *dev); /* event context */
	struct virtq queue[MAX_QUEUES];
};

/* The nth device of that type (virtio 1.2, section 5), not yet set up; NULL:
 * none. */
const struct virtio_place *virtio_find(u32 device_id, unsigned nth);

/*
 * Makes a device usable: takes it over as it was handed over, or resets it
 * and negotiates `wanted` (virtio 1.2, 3.1.1), with rings of at most
 * dev->ring_limit. interrupt() is set beforehand. 0 or -errno.
 */
int virtio_setup(struct virtio *dev, const struct virtio_place *place, u64 wanted,
		 unsigned nqueues);

/* The features that a device which was not handed over offers. */
u64 virtio_offered(const struct virtio_place *place);

/* Resets a device that virtio_setup() made usable; its memory is free again. */
void virtio_stop(struct virtio *dev);

u32 virtio_read32(const struct virtio *dev, u32 offset);

/* Hands the device one buffer (device-writable with `in`) and rings. The
 * queue must not be busy. */
void virtq_submit(struct virtio *dev, struct virtq *q, paddr_t pa, u32 len, bool in);

/* True when the request in flight is done; *len is what the device wrote. */
bool virtq_done(struct virtq *q, u32 *len);

/*
 * Many requests in flight (drv/virtq.c). A queue is used either as above or
 * like this. With VIRTIO_RING_F_EVENT_IDX, where the device offers it.
 */
struct virtq_buf {
	paddr_t pa;
	u32 len;
};
/* Makes one chain of nout buffers that the device reads, then nin that it
 * writes, but does not publish it: 0, -ENOSPC, -ENOMEM, or -EIO when the queue is
 * dead. `token` (not NULL) is what virtq_take() will give. With
 * VIRTIO_RING_F_INDIRECT_DESC a chain of 2 to 32 takes one descriptor. */
int virtq_add(struct virtq *q, const struct virtq_buf *buf, unsigned nout, unsigned nin,
	      void *token);
/* Publishes what was added and rings, if the device wants to be rung for. */
void virtq_kick(struct virtio *dev, struct virtq *q);
/* The token of a chain that the device is done with, and how much it wrote (no
 * more than it was given); NULL: none. A device that breaks the rules: NULL, and the queue is dead.
 */
void *virtq_take(struct virtq *q, u32 *len);
unsigned virtq_room(const struct virtq *q); /* free descriptors */
/* Asks for an interrupt when more is done. True when there is some already, so
 * that the caller looks again. */
bool virtq_arm(struct virtq *q);
/* Is there something for virtq_take()? */
bool virtq_any(const struct virtq *q);
/* The same when n more are done than virtq_take() has given; without EVENT_IDX,
 * at once. */
bool virtq_arm_after(struct virtq *q, unsigned n);
void virtq_disarm(struct virtq *q);
/* Frees what virtq_add() made; tokens in flight are the caller's. */
void virtq_free(struct virtq *q);

/* Whether the device is to interrupt for this queue (virtio 1.2, 2.7.7). */
void virtq_interrupts(struct virtq *q, bool wanted);

/* VECTOR_DEVICE + index was raised. sched.c */
void virtio_interrupt(unsigned index);

#endif
