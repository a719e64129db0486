/*
 * virtio-entropy (virtio 1.2, 5.4): one queue of buffers to fill. A request
 * gets at most RNG_BYTES, which 5.4.6.1 allows, so that its cost is bounded;
 * after a queue's worth of requests the I/O thread goes on.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <linux/virtio_ids.h>
#include "fail.h"
#include "io.h"
#include "rng.h"

#define RNG_QUEUE 16
#define RNG_BYTES 4096

struct rng {
	struct io_op op; /* first: done() gets its address */
	struct virtio_dev dev;
	bool deferred; /* op is with the I/O loop */
};

static struct rng *rng_of(struct virtio_dev *dev)
{
	return (struct rng *)((char *)dev - offsetof(struct rng, dev));
}

static uint32_t fill(const struct chain *chain)
{
	uint32_t filled = 0;

	for (unsigned i = 0; i < chain->nin && filled < RNG_BYTES; i++) {
		size_t len = chain->iov[i].iov_len;
		ssize_t n;

		if (len > RNG_BYTES - filled)
			len = RNG_BYTES - filled;
		do {
			n = getrandom(chain->iov[i].iov_base, len, 0);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			fail(EXIT_VMM, "getrandom failed");
		filled += n;
		if ((size_t)n < len)
			break;
	}
	return filled;
}

static void rng_kick(struct virtio_dev *dev, unsigned q)
{
	struct rng *rng = rng_of(dev);
	struct virtqueue *queue = &dev->queue[q];
	struct chain chain;
	int budget = RNG_QUEUE;
	int r;

	if (rng->deferred)
		return;
	do {
		while ((r = queue_pop(queue, &dev->vm->mem, &chain)) == 1 && !chain.nout) {
			queue_push(queue, chain.head, fill(&chain));
			if (--budget == 0) {
				rng->deferred = true;
				io_defer(dev->vm, &rng->op);
				goto out;
			}
		}
		if (r) {
			virtio_broken(dev, "entropy request");
			goto out;
		}
	} while (queue_suppress_kicks(queue, false));
out:
	virtio_notify_used(dev, q);
}

static void rng_resume(struct io_op *op, int result)
{
	struct rng *rng = (struct rng *)op;

	(void)result;
	pthread_mutex_lock(&rng->dev.lock);
	rng->deferred = false;
	if (virtio_live(&rng->dev, 0))
		rng_kick(&rng->dev, 0);
	pthread_mutex_unlock(&rng->dev.lock);
}

static const struct virtio_ops rng_ops = {
	.name = "entropy",
	.device_id = VIRTIO_ID_RNG,
	.nqueues = 1,
	.queue_size = { RNG_QUEUE },
	.promote = false, /* kick() finishes the request */
	.kick = rng_kick,
};

struct virtio_dev *rng_add(struct vm *vm)
{
	struct rng *rng = calloc(1, sizeof(*rng));

	if (!rng)
		fail(EXIT_VMM, "no memory for the entropy device");
	rng->op.done = rng_resume;
	virtio_add(vm, &rng->dev, &rng_ops, 0, NULL, 0);
	return &rng->dev;
}

void rng_free(struct virtio_dev *dev)
{
	free(rng_of(dev));
}
