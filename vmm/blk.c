/*
 * virtio-blk (virtio 1.2, 5.2): a file or block device of the host as a disk.
 *
 * A request has its slot by its head (queue.c gives no head a second time
 * before it is pushed), so there are never more than the rings hold and none
 * is ever allocated. It goes to the I/O loop as it is popped, and ends there:
 *
 *   kick: pop, parse --+--> I/O loop --> step --+--> push --> batch: interrupt
 *                      |        ^               |
 *                      |        +-- the rest ---+
 *                      +--> push (bad or trivial requests) --> interrupt
 *
 * A small read is first tried without waiting, where the doorbell is served: what
 * the host has in its page cache is there when the doorbell's exit returns, in
 * 28 us instead of 48, and without an interrupt. While that works, doorbells are
 * not made ioeventfds (promote.c): they would only add a change of threads. Large
 * reads go to the I/O loop in any case, so that the guest can run meanwhile.
 *
 * Pushing and interrupting are apart, so that all that the loop reaps in one
 * round makes one interrupt. Order: none is kept between requests, and none
 * is needed: a flush (5.2.6.2) covers the writes that were completed before
 * it was submitted, and fdatasync(2) covers all that write(2) has returned
 * from.
 *
 * The last sector of a file whose size is no multiple of 512 is shown, as
 * QEMU does: what the file lacks of it reads as zeroes, and writing it makes
 * the file that much longer.
 *
 * A reset waits for what is in flight, because the host still writes to the
 * guest's memory for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_ids.h>
#include "blk.h"
#include "blk_request.h"
#include "fail.h"
#include "virtio.h"

#define QUEUE_SIZE  128
#define QUEUES_MAX  8
#define MISSING_MAX 64
#define TRY_MAX     65536 /* bytes of a read that is tried at once */
#define TRY_KICK    (4 * TRY_MAX) /* bytes of one doorbell */

struct blk {
	struct io_op batch; /* first: done() gets its address */
	struct virtio_dev dev;
	struct virtio_ops ops; /* with as many queues as there are vCPUs */
	struct virtio_blk_config config;
	struct blk_file file;
	char id[VIRTIO_BLK_ID_BYTES + 1];
	/* All below: under dev.lock. */
	struct blk_request *request[QUEUES_MAX]; /* [QUEUE_SIZE], by head */
	unsigned in_flight; /* with the I/O loop */
	bool draining; /* a reset waits for `drained` */
	pthread_cond_t drained;
	bool deferred; /* batch is with the I/O loop */
	bool cannot_try; /* this file cannot be asked for what it has in memory */
	int missing; /* > 0: more requests lately that had to wait than not; within MISSING_MAX */
	uint32_t finished; /* bit q: look for interrupts and more requests */
};

static struct blk *blk_of(struct virtio_dev *dev)
{
	return (struct blk *)((char *)dev - offsetof(struct blk, dev));
}

/* 5.2.6.2: a driver without FLUSH can't ask for stability, so each write has
 * it; one with CONFIG_WCE may want that, too. */
static struct blk_target target_of(const struct blk *blk)
{
	const uint64_t flush = 1ull << VIRTIO_BLK_F_FLUSH, wce = 1ull << VIRTIO_BLK_F_CONFIG_WCE;
	const uint64_t accepted = blk->dev.accepted;

	return (struct blk_target){
		.file = &blk->file,
		.sectors = blk->config.capacity,
		.write_through = !(accepted & flush) || (accepted & wce && !blk->config.wce),
		.id = blk->id,
	};
}

/* ---- the end of requests */

static void finish_batch_later(struct blk *blk, unsigned q)
{
	blk->finished |= 1u << q;
	if (blk->deferred)
		return;
	blk->deferred = true;
	io_defer(blk->dev.vm, &blk->batch);
}

static void push(struct blk *blk, struct blk_request *req, int status)
{
	const uint32_t len = blk_request_finish(req, status);

	queue_push(&blk->dev.queue[req->queue], req->head, len);
}

/* In the I/O thread. */
static void request_done(struct io_op *op, int result)
{
	struct blk_request *req = (struct blk_request *)op;
	struct blk *blk = blk_of(req->dev);
	struct blk_target target;
	int status;

	pthread_mutex_lock(&blk->dev.lock);
	target = target_of(blk);
	status = blk->draining ? VIRTIO_BLK_S_IOERR : blk_request_step(req, &target, result);
	if (status == BLK_STARTED) {
		blk_request_submit(req, &target);
	} else {
		blk->in_flight--;
		if (blk->draining)
			pthread_cond_signal(&blk->drained);
		else if (virtio_live(&blk->dev, req->queue)) {
			push(blk, req, status);
			finish_batch_later(blk, req->queue);
		}
	}
	pthread_mutex_unlock(&blk->dev.lock);
}

/* ---- the beginning */

/* Keeps account of it, and has doorbells promoted only if most miss. */
static void note_missing(struct blk *blk, bool missed)
{
	blk->missing += missed ? 1 : -1;
	if (blk->missing > MISSING_MAX)
		blk->missing = MISSING_MAX;
	if (blk->missing < -MISSING_MAX)
		blk->missing = -MISSING_MAX;
	blk->ops.promote = blk->missing > 0;
}

static int try_at_once(struct blk *blk, struct blk_request *req, const struct blk_target *target,
		       uint64_t *budget)
{
	int status = BLK_STARTED;
	bool able = true;

	if (req->step == BLK_READ && req->left <= TRY_MAX && !blk->cannot_try) {
		if (req->left > *budget)
			return BLK_STARTED;
		*budget -= req->left;
		status = blk_request_try(req, target, &able);
		blk->cannot_try = !able;
	}
	note_missing(blk, status == BLK_STARTED);
	return status;
}

/* Whether it ended at once. -EINVAL: the driver broke the rules. */
static int start_request(struct blk *blk, unsigned q, const struct chain *chain, uint64_t *budget)
{
	struct blk_request *req = &blk->request[q][chain->head];
	const struct blk_target target = target_of(blk);
	int status;

	req->op.done = request_done;
	req->dev = &blk->dev;
	req->queue = (uint16_t)q;
	status = blk_request_parse(req, chain, &target);
	if (status < 0)
		return status;
	if (status == BLK_STARTED)
		status = try_at_once(blk, req, &target, budget);
	if (status != BLK_STARTED) {
		push(blk, req, status);
		return 1;
	}
	blk->in_flight++;
	blk_request_submit(req, &target);
	return 0;
}

static void blk_kick(struct virtio_dev *dev, unsigned q)
{
	struct blk *blk = blk_of(dev);
	struct virtqueue *queue = &dev->queue[q];
	unsigned budget = queue->size;
	uint64_t try_budget = TRY_KICK;
	bool ended = false;
	struct chain chain;
	int r;

	if (blk->draining)
		return;
	do {
		queue_suppress_kicks(queue, true);
		while ((r = queue_pop(queue, &dev->vm->mem, &chain)) == 1) {
			r = start_request(blk, q, &chain, &try_budget);
			if (r < 0)
				break;
			ended |= r;
			if (--budget == 0) { /* the rest later, so that others get their turn */
				finish_batch_later(blk, q);
				goto out;
			}
		}
		if (r < 0) {
			virtio_broken(dev, "block request");
			break;
		}
	} while (queue_suppress_kicks(queue, false));
out:
	if (ended)
		virtio_notify_used(dev, q);
}

/* In the I/O thread, after all that one round has reaped. */
static void batch_done(struct io_op *op, int result)
{
	struct blk *blk = (struct blk *)op;
	uint32_t queues;

	(void)result;
	pthread_mutex_lock(&blk->dev.lock);
	blk->deferred = false;
	queues = blk->finished;
	blk->finished = 0;
	for (unsigned q = 0; q < blk->ops.nqueues; q++) {
		if (!(queues & 1u << q) || !virtio_live(&blk->dev, q))
			continue;
		virtio_notify_used(&blk->dev, q);
		blk_kick(&blk->dev, q);
	}
	pthread_mutex_unlock(&blk->dev.lock);
}

/* ---- configuration */

static void blk_reset(struct virtio_dev *dev)
{
	struct blk *blk = blk_of(dev);

	blk->draining = true;
	while (blk->in_flight)
		pthread_cond_wait(&blk->drained, &dev->lock);
	blk->draining = false;
	blk->finished = 0;
	blk->config.wce = !blk->file.read_only;
}

/* 5.2.4: only `writeback` is the driver's, once it knows of it. */
static void blk_config_write(struct virtio_dev *dev, uint32_t offset, const void *data,
			     uint32_t len)
{
	struct blk *blk = blk_of(dev);

	if (offset == offsetof(struct virtio_blk_config, wce) && len == 1 &&
	    dev->accepted & 1ull << VIRTIO_BLK_F_CONFIG_WCE)
		blk->config.wce = *(const uint8_t *)data & 1;
}

static uint8_t exponent(uint32_t n)
{
	return (uint8_t)(31 - __builtin_clz(n));
}

static uint64_t describe(struct virtio_blk_config *c, const struct blk_file *file, unsigned queues)
{
	uint64_t features = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
			    1ull << VIRTIO_BLK_F_TOPOLOGY | 1ull << VIRTIO_BLK_F_FLUSH |
			    1ull << VIRTIO_BLK_F_MQ;

	*c = (struct virtio_blk_config){
		.capacity = file->size / BLK_SECTOR + (file->size % BLK_SECTOR != 0),
		.seg_max = BLK_SEG_MAX,
		.blk_size = file->logical,
		.physical_block_exp = exponent(file->physical / file->logical),
		.min_io_size = (uint16_t)(file->physical / file->logical),
		.num_queues = (uint16_t)queues,
	};
	if (file->read_only)
		return features | 1ull << VIRTIO_BLK_F_RO;
	c->wce = 1;
	c->max_discard_sectors = c->max_write_zeroes_sectors = BLK_RANGE_MAX;
	c->max_discard_seg = c->max_write_zeroes_seg = 1;
	c->discard_sector_alignment = file->physical / BLK_SECTOR;
	c->write_zeroes_may_unmap = 1;
	return features | 1ull << VIRTIO_BLK_F_CONFIG_WCE | 1ull << VIRTIO_BLK_F_DISCARD |
	       1ull << VIRTIO_BLK_F_WRITE_ZEROES;
}

/* ---- set-up */

static const struct virtio_ops blk_ops = {
	.name = "block",
	.device_id = VIRTIO_ID_BLOCK,
	.promote = true,
	.kick = blk_kick,
	.reset = blk_reset,
	.config_write = blk_config_write,
};

struct virtio_dev *blk_add(struct vm *vm, const struct disk *disk, unsigned index)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	const unsigned cpus = vm->opt->cpus, queues = cpus < QUEUES_MAX ? cpus : QUEUES_MAX;
	uint64_t features;

	if (!blk)
		fail(EXIT_VMM, "no memory for a disk");
	blk_file_open(&blk->file, disk);
	features = describe(&blk->config, &blk->file, queues);
	snprintf(blk->id, sizeof(blk->id), "mayfly-disk-%u", index);
	pthread_cond_init(&blk->drained, NULL);
	blk->batch.done = batch_done;
	blk->ops = blk_ops;
	blk->ops.nqueues = queues;
	for (unsigned q = 0; q < queues; q++) {
		blk->ops.queue_size[q] = QUEUE_SIZE;
		/* zero pages until a head is used */
		blk->request[q] = calloc(QUEUE_SIZE, sizeof(struct blk_request));
		if (!blk->request[q])
			fail(EXIT_VMM, "no memory for the requests of a disk");
	}
	virtio_add(vm, &blk->dev, &blk->ops, features, &blk->config, sizeof(blk->config));
	return &blk->dev;
}

void blk_free(struct virtio_dev *dev)
{
	struct blk *blk = blk_of(dev);

	for (unsigned q = 0; q < blk->ops.nqueues; q++)
		free(blk->request[q]);
	close(blk->file.fd);
	free(blk);
}
