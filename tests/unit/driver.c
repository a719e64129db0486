/* See driver.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include "driver.h"
#include "../../vmm/attend.h"
#include "../../vmm/fail.h"

struct vm driver_vm;
struct options driver_options;
static unsigned interrupts;
static unsigned queue_size = 16;

void vm_raise(struct vm *vm, unsigned vector)
{
	(void)vm;
	(void)vector;
	__atomic_add_fetch(&interrupts, 1, __ATOMIC_SEQ_CST);
}

/* test_attend.c has the real one. */
__attribute__((weak)) void attend_interrupted(void)
{
}

unsigned driver_interrupts(void)
{
	return __atomic_load_n(&interrupts, __ATOMIC_SEQ_CST);
}

_Noreturn void fail(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(status);
}

void warn(const char *format, ...)
{
	(void)format;
}

void driver_new_vm(void)
{
	driver_vm = (struct vm){ .opt = &driver_options, .kvm_fd = -1, .fd = -1 };
	/* Of its own size, so that a sanitizer sees a step outside. */
	driver_vm.mem.base = aligned_alloc(4096, DRIVER_MEM);
	driver_vm.mem.size = driver_vm.mem.low = DRIVER_MEM;
	memset(driver_vm.mem.base, 0, DRIVER_MEM);
	interrupts = 0;
}

void driver_free_vm(void)
{
	free(driver_vm.mem.base);
}

void *driver_at(uint64_t gpa)
{
	return driver_vm.mem.base + gpa;
}

uint32_t driver_get(struct virtio_dev *dev, unsigned reg)
{
	uint32_t value = 0x55aa55aa;

	virtio_mmio_read(dev, reg, &value, sizeof(value));
	return value;
}

void driver_set(struct virtio_dev *dev, unsigned reg, uint32_t value)
{
	virtio_mmio_write(dev, reg, &value, sizeof(value));
}

/* Descriptors at 0, available ring at 0x400, used ring at 0x800: up to 64. */
struct vring_desc *driver_desc(unsigned q)
{
	return driver_at(DRIVER_RINGS + q * 0x1000);
}

struct vring_avail *driver_avail(unsigned q)
{
	return driver_at(DRIVER_RINGS + q * 0x1000 + 0x400);
}

struct vring_used *driver_used(unsigned q)
{
	return driver_at(DRIVER_RINGS + q * 0x1000 + 0x800);
}

static void start_queue(struct virtio_dev *dev, unsigned q, unsigned size)
{
	uint32_t at = DRIVER_RINGS + q * 0x1000;

	memset(driver_at(at), 0, 0x1000);
	driver_set(dev, VIRTIO_MMIO_QUEUE_SEL, q);
	driver_set(dev, VIRTIO_MMIO_QUEUE_NUM, size);
	driver_set(dev, VIRTIO_MMIO_QUEUE_DESC_LOW, at);
	driver_set(dev, VIRTIO_MMIO_QUEUE_AVAIL_LOW, at + 0x400);
	driver_set(dev, VIRTIO_MMIO_QUEUE_USED_LOW, at + 0x800);
	driver_set(dev, VIRTIO_MMIO_QUEUE_READY, 1);
}

void driver_start(struct virtio_dev *dev, uint64_t features, unsigned size)
{
	uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	queue_size = size;
	driver_set(dev, VIRTIO_MMIO_STATUS, 0);
	driver_set(dev, VIRTIO_MMIO_STATUS, status);
	features |= BIT64(VIRTIO_F_VERSION_1);
	driver_set(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	driver_set(dev, VIRTIO_MMIO_DRIVER_FEATURES, features);
	driver_set(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	driver_set(dev, VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	driver_set(dev, VIRTIO_MMIO_STATUS, status);
	for (unsigned q = 0; q < dev->ops->nqueues; q++)
		start_queue(dev, q, size);
	driver_set(dev, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_DRIVER_OK);
}

void driver_put(unsigned q, unsigned i, uint64_t gpa, uint32_t len, unsigned flags, unsigned next)
{
	driver_desc(q)[i] = (struct vring_desc){ gpa, len, flags, next };
}

void driver_offer(struct virtio_dev *dev, unsigned q, unsigned head)
{
	struct vring_avail *avail = driver_avail(q);
	uint16_t idx = avail->idx;

	(void)dev;
	avail->ring[idx % queue_size] = head;
	__atomic_store_n(&avail->idx, idx + 1, __ATOMIC_RELEASE);
}

void driver_send(struct virtio_dev *dev, unsigned q, unsigned head)
{
	driver_offer(dev, q, head);
	driver_set(dev, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

bool driver_wait(unsigned q, uint16_t idx)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000; i++) {
		if (__atomic_load_n(&driver_used(q)->idx, __ATOMIC_ACQUIRE) == idx)
			return true;
		nanosleep(&ms, NULL);
	}
	return false;
}
