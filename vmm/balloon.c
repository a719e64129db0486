/*
 * Free page reporting (virtio 1.2, 5.5.6.7): buffers that the driver names are
 * memory that it does not use, and until it does again the host may have it. The
 * whole pages of them are given back at once, in the vCPU's thread, so that the
 * driver has the buffers back when its doorbell returns.
 *
 * The balloon itself is never inflated: num_pages stays 0, and what a driver
 * puts into the queues for that comes back as it is. Which queue is for reporting
 * depends on how a driver counts: the standard numbers queues that are not there,
 * Linux does not. So all behind the first two are.
 *
 * A guest can name any of its RAM, also what is in use: it gets zeroes there, or
 * what a file that is mapped there has.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include "../shared/x86.h"
#include "balloon.h"
#include "fail.h"

#define QUEUES      5
#define QUEUE_SIZE  32
#define FIRST_QUEUE 2 /* for reporting */

struct balloon {
	struct virtio_dev dev;
	struct virtio_balloon_config config;
	uint64_t given_back; /* bytes, for --stats */
};

static struct balloon *balloon_of(struct virtio_dev *dev)
{
	return (struct balloon *)((char *)dev - offsetof(struct balloon, dev));
}

static void give_back(struct balloon *balloon, const struct iovec *iov)
{
	const uint64_t start = ((uint64_t)iov->iov_base + PAGE_SIZE - 1) & -(uint64_t)PAGE_SIZE;
	const uint64_t end = ((uint64_t)iov->iov_base + iov->iov_len) & -(uint64_t)PAGE_SIZE;

	if (start < end && madvise((void *)start, end - start, MADV_DONTNEED) == 0)
		balloon->given_back += end - start;
}

static void balloon_kick(struct virtio_dev *dev, unsigned q)
{
	struct virtqueue *queue = &dev->queue[q];
	struct chain chain;
	int r;

	do {
		while ((r = queue_pop(queue, &dev->vm->mem, &chain)) == 1) {
			for (unsigned i = 0; q >= FIRST_QUEUE && i < chain.nin; i++)
				give_back(balloon_of(dev), &chain.iov[chain.nout + i]);
			queue_push(queue, chain.head, 0);
		}
		if (r) {
			virtio_broken(dev, "balloon request");
			break;
		}
	} while (queue_suppress_kicks(queue, false));
	virtio_notify_used(dev, q);
}

static void balloon_report(const struct virtio_dev *dev, char *text, size_t size)
{
	const struct balloon *balloon =
		(const struct balloon *)((const char *)dev - offsetof(struct balloon, dev));

	snprintf(text, size, "%" PRIu64 " KiB given back to the host", balloon->given_back >> 10);
}

static const struct virtio_ops balloon_ops = {
	.name = "balloon",
	.device_id = VIRTIO_ID_BALLOON,
	.nqueues = QUEUES,
	.queue_size = { QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE },
	.kick = balloon_kick,
	.report = balloon_report,
};

struct virtio_dev *balloon_add(struct vm *vm)
{
	struct balloon *balloon = calloc(1, sizeof(*balloon));

	if (!balloon)
		fail(EXIT_VMM, "no memory for the balloon device");
	virtio_add(vm, &balloon->dev, &balloon_ops, 1ull << VIRTIO_BALLOON_F_REPORTING,
		   &balloon->config, sizeof(balloon->config));
	return &balloon->dev;
}

void balloon_free(struct virtio_dev *dev)
{
	free(balloon_of(dev));
}
