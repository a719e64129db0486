/*
 * A virtio driver for tests of devices: guest memory, rings, register writes,
 * and stand-ins for what devices call in the VMM (vm_raise, warn, fail).
 */
#ifndef TESTS_DRIVER_H
#define TESTS_DRIVER_H

#include <stdint.h>
#include <linux/virtio_ring.h>
#include "../../vmm/virtio.h"

#ifndef DRIVER_MEM
#define DRIVER_MEM (4u << 20)
#endif
#define DRIVER_RINGS 0x10000 /* queue q's rings: a page at DRIVER_RINGS + q * 0x1000 */
#define DRIVER_DATA  0x100000 /* free for buffers, up to DRIVER_MEM */

extern struct vm driver_vm;
extern struct options driver_options;

/* A VM with zeroed memory of exactly DRIVER_MEM bytes and no devices. */
void driver_new_vm(void);
void driver_free_vm(void);

/* Host address of a guest address. */
void *driver_at(uint64_t gpa);

uint32_t driver_get(struct virtio_dev *dev, unsigned reg);
void driver_set(struct virtio_dev *dev, unsigned reg, uint32_t value);

/* Feature bits by number. */
#define BIT64(n) (1ull << (n))

/* The whole of virtio 1.2, 3.1.1, with queues of `size`. */
void driver_start(struct virtio_dev *dev, uint64_t features, unsigned size);

/* The three parts of queue q. */
struct vring_desc *driver_desc(unsigned q);
struct vring_avail *driver_avail(unsigned q);
struct vring_used *driver_used(unsigned q);

/* Descriptor `i` of queue q. */
void driver_put(unsigned q, unsigned i, uint64_t gpa, uint32_t len, unsigned flags, unsigned next);

/* Makes chain `head` available, without and with the doorbell. */
void driver_offer(struct virtio_dev *dev, unsigned q, unsigned head);
void driver_send(struct virtio_dev *dev, unsigned q, unsigned head);

/* Waits up to 5 s until used->idx of q is `idx`. Whether it is. */
bool driver_wait(unsigned q, uint16_t idx);

/* Interrupts so far, by vm_raise(). */
unsigned driver_interrupts(void);

#endif
