/*
 * Registers are reached straight from CPL3. Each access is an exit, so a
 * device that the VMM handed over initialised ("mayfly,ready") is not touched
 * before its first doorbell.
 *
 * Interrupts: with our VMM, the vector from the device tree. Under another
 * VMM, the IOAPIC's pin is routed to the same vectors (82093AA, 3.2).
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include "../libos/entry.h"
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "mmio.h"
#include "virtio.h"

#define IOAPIC_GPA 0xfec00000
#define MAGIC      0x74726976 /* "virt" */
#define NO_DEVICE  0xffffffff /* a window without one */

static struct virtio *device[VIRTIO_MMIO_MAX]; /* by vector - VECTOR_DEVICE */

u32 virtio_read32(const struct virtio *dev, u32 offset)
{
	return *(volatile u32 *)(dev->regs + offset);
}

static void write32(struct virtio *dev, u32 offset, u32 value)
{
	*(volatile u32 *)(dev->regs + offset) = value;
}

static void write64(struct virtio *dev, u32 low, u32 high, u64 value)
{
	write32(dev, low, value);
	write32(dev, high, value >> 32);
}

/* As the device tree says it, without an exit, or as the device said once. */
static u32 type_of(struct virtio_place *place)
{
	if (!place->type) {
		struct virtio probe = { .place = place, .regs = mmio_map(place->gpa) };
		place->type = NO_DEVICE;
		if (virtio_read32(&probe, VIRTIO_MMIO_MAGIC_VALUE) == MAGIC &&
		    virtio_read32(&probe, VIRTIO_MMIO_DEVICE_ID))
			place->type = virtio_read32(&probe, VIRTIO_MMIO_DEVICE_ID);
	}
	return place->type;
}

const struct virtio_place *virtio_find(u32 device_id, unsigned nth)
{
	for (unsigned i = 0; i < boot_info.nvirtio; i++) {
		struct virtio_place *place = &boot_info.virtio[i];
		if (type_of(place) == device_id && !nth--)
			return place;
	}
	return NULL;
}

static void use_queue(struct virtq *q, unsigned index, const struct queue_place *place)
{
	q->desc = phys_to_virt(place->desc);
	q->avail = phys_to_virt(place->driver);
	q->used = phys_to_virt(place->device);
	q->size = place->size;
	q->index = index;
}

/* Memory for a queue of that size (2.7): descriptors of 16 bytes; available
 * ring, 2 bytes each; used ring, 8 bytes each; the rings begin with 4 bytes and
 * end with 2, and each of the three has a cache line of its own. */
static int alloc_rings(struct queue_place *place, u32 size)
{
	u32 avail = ALIGN_UP(16 * size, 64u);
	u32 used = avail + ALIGN_UP(6 + 2 * size, 64u);
	/* at least a page, so that it begins with one */
	u8 *rings = kalloc(MAX(used + 6 + 8 * size, PAGE_SIZE));
	if (!rings)
		return -ENOMEM;
	*place = (struct queue_place){ size, virt_to_phys(rings), virt_to_phys(rings + avail),
				       virt_to_phys(rings + used) };
	return 0;
}

static int setup_queue(struct virtio *dev, unsigned index)
{
	struct queue_place place;
	write32(dev, VIRTIO_MMIO_QUEUE_SEL, index);
	u32 size = virtio_read32(dev, VIRTIO_MMIO_QUEUE_NUM_MAX);
	if (!size || size & (size - 1))
		return -ENODEV;
	size = MIN(size, dev->ring_limit ? dev->ring_limit : 16u);
	if (alloc_rings(&place, size))
		return -ENOMEM;
	use_queue(&dev->queue[index], index, &place);
	write32(dev, VIRTIO_MMIO_QUEUE_NUM, size);
	write64(dev, VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH, place.desc);
	write64(dev, VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, place.driver);
	write64(dev, VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH, place.device);
	write32(dev, VIRTIO_MMIO_QUEUE_READY, 1);
	return 0;
}

static u64 read_offered(struct virtio *dev)
{
	u64 offered = 0;
	for (u32 half = 0; half < 2; half++) {
		write32(dev, VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
		offered |= (u64)virtio_read32(dev, VIRTIO_MMIO_DEVICE_FEATURES) << 32 * half;
	}
	return offered;
}

u64 virtio_offered(const struct virtio_place *place)
{
	struct virtio probe = { .place = place, .regs = mmio_map(place->gpa) };
	return read_offered(&probe);
}

static int negotiate(struct virtio *dev, u64 wanted, unsigned nqueues)
{
	u32 status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	if (virtio_read32(dev, VIRTIO_MMIO_VERSION) != 2)
		return -ENODEV;
	write32(dev, VIRTIO_MMIO_STATUS, 0);
	write32(dev, VIRTIO_MMIO_STATUS, status);
	dev->features = read_offered(dev) & wanted;
	for (u32 half = 0; half < 2; half++) {
		write32(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
		write32(dev, VIRTIO_MMIO_DRIVER_FEATURES, dev->features >> 32 * half);
	}
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	write32(dev, VIRTIO_MMIO_STATUS, status);
	if (!(virtio_read32(dev, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK))
		return -ENODEV;
	for (unsigned i = 0; i < nqueues; i++) {
		int error = setup_queue(dev, i);
		if (error)
			return error;
	}
	write32(dev, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_DRIVER_OK);
	return 0;
}

/* IOAPIC pin -> vector on vCPU 0, edge, active high (82093AA, 3.2.4). */
static void route(unsigned irq, unsigned vector)
{
	volatile u32 *ioapic = (volatile u32 *)mmio_map(IOAPIC_GPA);
	ioapic[0] = 0x10 + 2 * irq;
	ioapic[4] = vector;
	ioapic[0] = 0x11 + 2 * irq;
	ioapic[4] = 0;
}

/* A device that was handed over has its rings in memory of the VMM's choice. */
static void free_queues(struct virtio *dev)
{
	for (unsigned i = 0; i < MAX_QUEUES; i++) {
		if (!dev->place->ready)
			kfree((void *)dev->queue[i].desc);
		virtq_free(&dev->queue[i]);
		memset(&dev->queue[i], 0, sizeof(dev->queue[i]));
	}
}

void virtio_stop(struct virtio *dev)
{
	write32(dev, VIRTIO_MMIO_STATUS, 0);
	for (unsigned i = 0; i < VIRTIO_MMIO_MAX; i++)
		if (device[i] == dev)
			device[i] = NULL;
	free_queues(dev);
}

int virtio_setup(struct virtio *dev, const struct virtio_place *place, u64 wanted, unsigned nqueues)
{
	unsigned vector = place->vector;
	dev->place = place;
	dev->regs = mmio_map(place->gpa);
	if (place->ready) {
		dev->features = place->features;
		for (unsigned i = 0; i < nqueues; i++)
			use_queue(&dev->queue[i], i, &place->queue[i]);
	} else {
		int error = negotiate(dev, wanted | 1ull << VIRTIO_F_VERSION_1, nqueues);
		if (error) {
			virtio_stop(dev);
			return error;
		}
		if (!vector) {
			vector = VECTOR_DEVICE + (place - boot_info.virtio);
			route(place->irq, vector);
		}
	}
	for (unsigned i = 0; i < nqueues; i++) {
		dev->queue[i].event_idx = dev->features & 1ull << VIRTIO_RING_F_EVENT_IDX;
		dev->queue[i].indirect = dev->features & 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	}
	device[vector - VECTOR_DEVICE] = dev;
	return 0;
}

void virtq_submit(struct virtio *dev, struct virtq *q, paddr_t pa, u32 len, bool in)
{
	q->desc[0].addr = pa;
	q->desc[0].len = len;
	q->desc[0].flags = in ? VRING_DESC_F_WRITE : 0;
	q->avail->ring[q->next++ % q->size] = 0;
	q->busy = true;
	/* pairs with the device's acquire of avail->idx */
	__atomic_store_n(&q->avail->idx, q->next, __ATOMIC_RELEASE);
	/* the device must see idx before we look whether it wants a doorbell */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(q->used->flags & VRING_USED_F_NO_NOTIFY))
		write32(dev, VIRTIO_MMIO_QUEUE_NOTIFY, q->index);
}

bool virtq_done(struct virtq *q, u32 *len)
{
	/* pairs with the device's release of used->idx */
	if (!q->busy || __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == q->seen)
		return false;
	*len = q->used->ring[q->seen++ % q->size].len;
	q->busy = false;
	return true;
}

void virtq_interrupts(struct virtq *q, bool wanted)
{
	q->avail->flags = wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	/* the device must see this before we look at the used ring again */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void virtio_interrupt(unsigned index)
{
	struct virtio *dev = device[index];
	if (!dev)
		return;
	/* InterruptACK (4.2.2); an edge-triggered MSI of our VMM needs none */
	if (!dev->place->vector)
		write32(dev, VIRTIO_MMIO_INTERRUPT_ACK,
			virtio_read32(dev, VIRTIO_MMIO_INTERRUPT_STATUS));
	dev->interrupt(dev);
}
