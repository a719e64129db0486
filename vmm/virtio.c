/*
 * virtio-mmio version 2, device side (virtio 1.2, 4.2).
 *
 * The driver talks to a device through 32-bit registers in its window. Their
 * meaning depends on how far the driver has come (3.1.1), and what comes at
 * the wrong time is ignored:
 *
 *   reset -> ACKNOWLEDGE -> DRIVER: features may be written
 *         -> FEATURES_OK: queues may be set up, features are frozen
 *         -> DRIVER_OK: doorbells work, queues are frozen
 *
 * Only writing 0 to Status leads back. virtio_broken() adds
 * DEVICE_NEEDS_RESET, after which the doorbells do nothing until then.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include "attend.h"
#include "fail.h"
#include "promote.h"
#include "virtio.h"

#define MAGIC     0x74726976 /* "virt" */
#define VERSION   2
#define VENDOR_ID 0x594c464d /* "MFLY" */
#define NO_SHM    0xffffffff /* 4.2.2: length and base where there is no such region */

#define ALL_READY                                                                             \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
	 VIRTIO_CONFIG_S_DRIVER_OK)

static void raise_interrupt(struct virtio_dev *dev, uint32_t cause)
{
	dev->interrupt_status |= cause;
	dev->interrupts++;
	if (dev->irqfd_plus1)
		promote_raise(dev);
	else
		vm_raise(dev->vm, VECTOR_DEVICE + dev->window);
	attend_interrupted();
}

bool virtio_live(const struct virtio_dev *dev, unsigned q)
{
	return (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !(dev->status & VIRTIO_CONFIG_S_NEEDS_RESET) && q < dev->ops->nqueues &&
	       dev->queue[q].ready;
}

void virtio_notify_used(struct virtio_dev *dev, unsigned q)
{
	if (queue_needs_interrupt(&dev->queue[q]))
		raise_interrupt(dev, VIRTIO_MMIO_INT_VRING);
}

void virtio_notify_config(struct virtio_dev *dev)
{
	dev->config_generation++;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		raise_interrupt(dev, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_broken(struct virtio_dev *dev, const char *why)
{
	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	/* Once per device: a guest can't fill the log with it. */
	if (!dev->reported && dev->vm->opt && dev->vm->opt->verbose)
		warn("%s device in window %u: the driver broke the rules: %s", dev->ops->name,
		     dev->window, why);
	dev->reported = true;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) /* 2.1.2 */
		virtio_notify_config(dev);
}

void virtio_kick(struct virtio_dev *dev, unsigned q)
{
	pthread_mutex_lock(&dev->lock);
	if (virtio_live(dev, q)) {
		dev->queue[q].kicks++;
		dev->ops->kick(dev, q);
	}
	pthread_mutex_unlock(&dev->lock);
}

/* ---- reset, status and features */

static void clear_queues(struct virtio_dev *dev)
{
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		uint64_t kicks = dev->queue[i].kicks, window = dev->queue[i].window_ns;
		uint64_t used = dev->queue[i].total;

		memset(&dev->queue[i], 0, sizeof(dev->queue[i]));
		dev->queue[i].size = dev->ops->queue_size[i];
		dev->queue[i].kicks = kicks;
		dev->queue[i].total = used;
		dev->queue[i].window_ns = window;
	}
}

static void reset(struct virtio_dev *dev)
{
	dev->status = 0; /* first: nothing is live from here on */
	if (dev->ops->reset)
		dev->ops->reset(dev); /* may wait, and another vCPU write registers */
	dev->status = 0;
	dev->accepted = 0;
	dev->interrupt_status = 0;
	dev->features_sel = dev->driver_features_sel = dev->queue_sel = dev->shm_sel = 0;
	clear_queues(dev);
}

/* The driver wants FEATURES_OK: 2.2.2, 3.1.1 step 5, 6.1. */
static bool agree(struct virtio_dev *dev)
{
	bool event_idx = dev->accepted & (1ull << VIRTIO_RING_F_EVENT_IDX);
	bool indirect = dev->accepted & (1ull << VIRTIO_RING_F_INDIRECT_DESC);

	if ((dev->accepted & ~dev->offered) || !(dev->accepted & (1ull << VIRTIO_F_VERSION_1)))
		return false;
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		dev->queue[i].event_idx = event_idx;
		dev->queue[i].indirect = indirect;
	}
	return true;
}

/* 2.1 and 3.1.1: bits are added in order and never taken away but by reset. */
static void write_status(struct virtio_dev *dev, uint32_t value)
{
	static const uint32_t order[] = { VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER,
					  VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER_OK };

	if (value == 0) {
		reset(dev);
		return;
	}
	dev->status |= value & VIRTIO_CONFIG_S_FAILED;
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (dev->status & order[i])
			continue;
		if (!(value & order[i]))
			return;
		if (order[i] == VIRTIO_CONFIG_S_FEATURES_OK && !agree(dev))
			return;
		dev->status |= order[i];
	}
}

static void write_features(struct virtio_dev *dev, uint32_t value)
{
	unsigned shift = 32 * dev->driver_features_sel;

	if (!(dev->status & VIRTIO_CONFIG_S_DRIVER) ||
	    (dev->status & VIRTIO_CONFIG_S_FEATURES_OK) || dev->driver_features_sel > 1)
		return;
	dev->accepted &= ~(0xffffffffull << shift);
	dev->accepted |= (uint64_t)value << shift;
}

/* ---- queues */

/* The selected queue, if it may be configured now: 4.2.2, 3.1.1 step 7. */
static struct virtqueue *configurable(struct virtio_dev *dev)
{
	const uint32_t phase = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;

	if (dev->queue_sel >= dev->ops->nqueues ||
	    (dev->status & phase) != VIRTIO_CONFIG_S_FEATURES_OK)
		return NULL;
	return &dev->queue[dev->queue_sel];
}

static void write_queue_size(struct virtio_dev *dev, struct virtqueue *q, uint32_t value)
{
	/* 0 makes queue_enable() refuse what the device can't do */
	q->size = value <= dev->ops->queue_size[dev->queue_sel] ? value : 0;
}

static void write_queue_ready(struct virtio_dev *dev, struct virtqueue *q, uint32_t value)
{
	if (value == 0)
		q->ready = false;
	else if (value == 1 && !q->ready && queue_enable(q, &dev->vm->mem))
		virtio_broken(dev, "queue of a wrong size, or not in memory");
}

static void set_half(uint64_t *address, bool high, uint32_t value)
{
	uint32_t half[2];

	memcpy(half, address, sizeof(half)); /* little-endian host */
	half[high] = value;
	memcpy(address, half, sizeof(half));
}

static void write_queue(struct virtio_dev *dev, uint64_t offset, uint32_t value)
{
	struct virtqueue *q = configurable(dev);

	if (!q)
		return;
	if (offset == VIRTIO_MMIO_QUEUE_READY) {
		write_queue_ready(dev, q, value);
		return;
	}
	if (q->ready)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		write_queue_size(dev, q, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&q->desc_gpa, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&q->driver_gpa, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&q->device_gpa, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		break;
	}
}

/* ---- registers: the table of 4.2.2 */

static uint32_t read_register(const struct virtio_dev *dev, uint64_t offset)
{
	bool queue = dev->queue_sel < dev->ops->nqueues;
	bool shm = dev->shm_sel == 0 && dev->shm_size > 0;

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return dev->ops->device_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR_ID;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return dev->features_sel > 1 ? 0 : dev->offered >> (32 * dev->features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? dev->ops->queue_size[dev->queue_sel] : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue && dev->queue[dev->queue_sel].ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return dev->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return dev->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
		return shm ? (uint32_t)dev->shm_size : NO_SHM;
	case VIRTIO_MMIO_SHM_LEN_HIGH:
		return shm ? dev->shm_size >> 32 : NO_SHM;
	case VIRTIO_MMIO_SHM_BASE_LOW:
		return shm ? (uint32_t)dev->shm_gpa : NO_SHM;
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return shm ? dev->shm_gpa >> 32 : NO_SHM;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return dev->config_generation;
	default:
		return 0;
	}
}

static void write_register(struct virtio_dev *dev, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		dev->features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		dev->driver_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_features(dev, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		dev->queue_sel = value;
		break;
	case VIRTIO_MMIO_SHM_SEL:
		dev->shm_sel = value;
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		dev->interrupt_status &= ~value;
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(dev, value);
		break;
	default:
		write_queue(dev, offset, value);
		break;
	}
}

/* Whether [offset, offset + len) lies in the configuration space (4.2.2). */
static bool in_config(const struct virtio_dev *dev, uint64_t offset, uint32_t len)
{
	return offset >= VIRTIO_MMIO_CONFIG && offset - VIRTIO_MMIO_CONFIG <= dev->config_size &&
	       len <= dev->config_size - (offset - VIRTIO_MMIO_CONFIG);
}

void virtio_mmio_read(struct virtio_dev *dev, uint64_t offset, void *data, uint32_t len)
{
	uint32_t value;

	memset(data, 0, len);
	pthread_mutex_lock(&dev->lock);
	if (in_config(dev, offset, len)) {
		memcpy(data, (const uint8_t *)dev->config + (offset - VIRTIO_MMIO_CONFIG), len);
	} else if (offset < VIRTIO_MMIO_CONFIG && len == sizeof(value)) {
		value = read_register(dev, offset);
		memcpy(data, &value, sizeof(value));
	}
	pthread_mutex_unlock(&dev->lock);
}

void virtio_mmio_write(struct virtio_dev *dev, uint64_t offset, const void *data, uint32_t len)
{
	uint32_t value;

	if (offset < VIRTIO_MMIO_CONFIG && len == sizeof(value)) {
		memcpy(&value, data, sizeof(value));
		if (offset == VIRTIO_MMIO_QUEUE_NOTIFY) {
			if (dev->ops->promote)
				promote_consider(dev, value);
			virtio_kick(dev, value);
			return;
		}
		pthread_mutex_lock(&dev->lock);
		write_register(dev, offset, value);
		pthread_mutex_unlock(&dev->lock);
		return;
	}
	pthread_mutex_lock(&dev->lock);
	if (in_config(dev, offset, len) && dev->ops->config_write)
		dev->ops->config_write(dev, offset - VIRTIO_MMIO_CONFIG, data, len);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- set-up by the VMM */

void virtio_add(struct vm *vm, struct virtio_dev *dev, const struct virtio_ops *ops,
		uint64_t features, const void *config, uint32_t config_size)
{
	if (vm->ndev == VIRTIO_MMIO_MAX)
		fail(EXIT_VMM, "more than %d devices: remove some", VIRTIO_MMIO_MAX);
	dev->ops = ops;
	dev->vm = vm;
	pthread_mutex_init(&dev->lock, NULL);
	dev->window = vm->ndev;
	dev->offered = features | 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX |
		       1ull << VIRTIO_RING_F_INDIRECT_DESC;
	dev->config = config;
	dev->config_size = config_size;
	dev->born_ns = promote_now();
	clear_queues(dev);
	vm->dev[vm->ndev++] = dev;
}

void virtio_make_ready(struct virtio_dev *dev, uint64_t features,
		       const struct virtio_ready_queue *queues, unsigned nqueues)
{
	dev->accepted = features;
	if (!agree(dev) || nqueues > dev->ops->nqueues)
		fail(EXIT_VMM, "%s: handed over with wrong features or queues", dev->ops->name);
	for (unsigned i = 0; i < nqueues; i++) {
		struct virtqueue *q = &dev->queue[i];

		q->size = queues[i].size;
		q->desc_gpa = queues[i].desc;
		q->driver_gpa = queues[i].driver;
		q->device_gpa = queues[i].device;
		if (q->size > dev->ops->queue_size[i] || queue_enable(q, &dev->vm->mem))
			fail(EXIT_VMM, "%s: queue %u handed over in a wrong place", dev->ops->name,
			     i);
	}
	dev->status = ALL_READY;
}
