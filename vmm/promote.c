/*
 * Doorbell promotion.
 *
 * A doorbell that exits to user space costs the vCPU 27 us on the soft
 * flavour; one that ends in an ioeventfd costs 2.5 us (kvm-notes.md, Exits).
 * But an ioeventfd registered less than about 20 ms before the process ends
 * makes the end 12 to 20 ms longer. A VM of age T will, for all we know, live
 * about as long again, and ends in the next 20 ms with a probability of
 * 20 / (T + 20). So promotion pays when
 *
 *   rate * T * 24.5 us  >  15 ms * 20 / (T + 20 ms)
 *
 * With the rate taken from a run of 64 doorbells in w milliseconds that is
 * T * (T + 20) > 191 * w: within 18 ms at an age of 50 ms, within 60 ms at
 * 100 ms, within 5 s at 1 s.
 *
 * It pays only for devices whose requests go to the I/O thread anyway: a
 * device that finishes requests in kick() would lose, because its driver
 * would then wait for a thread switch and an interrupt.
 *
 * The interrupt becomes an irqfd with an MSI route. For the I/O thread that is
 * no gain (0.45 us a write, KVM_SIGNAL_MSI 0.41, on the soft flavour, and 60
 * us once), but other writers, such as io_uring or vhost, can use it.
 */
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include <linux/virtio_mmio.h>
#include "../shared/x86.h"
#include "io.h"
#include "promote.h"

#define RUN      64 /* doorbells in a run; a power of two */
#define GSI_BASE 24 /* above the pins of an IOAPIC */

struct doorbell {
	struct io_op op;
	struct virtio_dev *dev;
	unsigned queue;
	int fd;
	uint64_t count;
};

uint64_t promote_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* In milliseconds, by the formula above. */
static bool pays(uint64_t age, uint64_t run)
{
	return age * (age + 20) > 191 * (run + 1);
}

void promote_consider(struct virtio_dev *dev, unsigned q)
{
	uint64_t now, run, age;

	pthread_mutex_lock(&dev->lock);
	if (virtio_live(dev, q) && dev->queue[q].kicks % RUN == 0 && !dev->doorbell[q]) {
		now = promote_now();
		run = (now - dev->queue[q].window_ns) / 1000000;
		age = (now - dev->born_ns) / 1000000;
		if (dev->queue[q].window_ns && pays(age, run))
			promote_queue(dev, q); /* refused: doorbells go on exiting */
		dev->queue[q].window_ns = now;
	}
	pthread_mutex_unlock(&dev->lock);
}

/* ---- the doorbell */

static void listen_for_kicks(struct doorbell *bell)
{
	io_read(bell->dev->vm, &bell->op, bell->fd, &bell->count, sizeof(bell->count), 0);
}

static void rung(struct io_op *op, int result)
{
	struct doorbell *bell = (struct doorbell *)op;

	if (result == sizeof(bell->count))
		virtio_kick(bell->dev, bell->queue);
	if (result > 0 || result == -EAGAIN || result == -EINTR)
		listen_for_kicks(bell);
}

static int add_ioeventfd(struct doorbell *bell)
{
	struct kvm_ioeventfd io = {
		.datamatch = bell->queue,
		.addr = VIRTIO_MMIO_GPA + (uint64_t)bell->dev->window * VIRTIO_MMIO_SIZE +
			VIRTIO_MMIO_QUEUE_NOTIFY,
		.len = 4,
		.fd = bell->fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return ioctl(bell->dev->vm->fd, KVM_IOEVENTFD, &io) ? -errno : 0;
}

/* ---- the interrupt */

/* KVM_SET_GSI_ROUTING replaces the whole table, so the table is kept here:
 * one MSI route a device that has been promoted. */
static pthread_mutex_t routes_lock = PTHREAD_MUTEX_INITIALIZER;
static union {
	struct kvm_irq_routing head;
	uint8_t room[sizeof(struct kvm_irq_routing) +
		     VIRTIO_MMIO_MAX * sizeof(struct kvm_irq_routing_entry)];
} routes;

static int add_route(const struct virtio_dev *dev)
{
	struct kvm_irq_routing_entry *e;
	int r = 0;

	pthread_mutex_lock(&routes_lock);
	e = &routes.head.entries[routes.head.nr++];
	*e = (struct kvm_irq_routing_entry){
		.gsi = GSI_BASE + dev->window,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = APIC_GPA, .data = VECTOR_DEVICE + dev->window },
	};
	if (ioctl(dev->vm->fd, KVM_SET_GSI_ROUTING, &routes.head)) {
		r = -errno;
		routes.head.nr--;
	}
	pthread_mutex_unlock(&routes_lock);
	return r;
}

static int add_irqfd(struct virtio_dev *dev)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct kvm_irqfd irqfd = { .fd = fd, .gsi = GSI_BASE + dev->window };
	int r;

	if (fd < 0)
		return -errno;
	r = add_route(dev);
	if (!r && ioctl(dev->vm->fd, KVM_IRQFD, &irqfd))
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	dev->irqfd_plus1 = fd + 1;
	return 0;
}

void promote_raise(struct virtio_dev *dev)
{
	uint64_t one = 1;

	/* Fails only when the counter is full, and then one is pending. */
	while (write(dev->irqfd_plus1 - 1, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

int promote_queue(struct virtio_dev *dev, unsigned q)
{
	struct doorbell *bell;
	int r;

	if (dev->doorbell[q])
		return 0;
	bell = calloc(1, sizeof(*bell));
	if (!bell)
		return -ENOMEM;
	bell->op.done = rung;
	bell->dev = dev;
	bell->queue = q;
	bell->fd = eventfd(0, EFD_CLOEXEC);
	r = bell->fd < 0 ? -errno : 0;
	if (!r)
		r = add_ioeventfd(bell);
	if (r) {
		if (bell->fd >= 0)
			close(bell->fd);
		free(bell);
		return r;
	}
	dev->doorbell[q] = bell;
	/* Without an irqfd vm_raise() goes on working, and for another kernel it
	 * must, because that one programs the vectors in its IOAPIC. */
	if (!dev->irqfd_plus1 && !dev->vm->ioapic)
		add_irqfd(dev);
	listen_for_kicks(bell);
	return 0;
}
