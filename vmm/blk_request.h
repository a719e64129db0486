/*
 * Inside of virtio-blk: one request, from the ring to its status byte.
 */
#ifndef VMM_BLK_REQUEST_H
#define VMM_BLK_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_blk.h>
#include "blk_file.h"
#include "io.h"
#include "queue.h"

#define BLK_SEG_MAX   126 /* data buffers of a request, so that one fits a ring of 128 */
#define BLK_RANGE_MAX (1u << 21) /* sectors of a discard or a write of zeroes: 1 GiB */
#define BLK_SECTOR    512

struct blk_request {
	struct io_op op; /* first: done() gets its address */
	struct virtio_dev *dev;
	uint16_t queue, head;
	enum { BLK_READ, BLK_WRITE, BLK_RANGE, BLK_SYNC } step; /* what is in flight */
	uint32_t type;
	bool tail; /* ends in a last sector that the file has a part of */
	uint8_t *status; /* in guest memory */
	uint64_t data_len; /* device-writable bytes before the status */
	uint64_t offset; /* in the file, of what is left */
	uint64_t left; /* bytes */
	int mode; /* of fallocate */
	unsigned first, count; /* the entries of iov that are left */
	struct iovec iov[BLK_SEG_MAX];
};

/* What a request may ask for. */
struct blk_target {
	const struct blk_file *file;
	uint64_t sectors;
	bool write_through; /* a write is stable before it is done */
	const char *id; /* VIRTIO_BLK_ID_BYTES of it */
};

#define BLK_STARTED 256 /* not a status: more to come */

/*
 * Takes the chain apart. BLK_STARTED: blk_request_submit() is to be called;
 * or the status that it is done with; -EINVAL: the driver broke the rules.
 */
int blk_request_parse(struct blk_request *req, const struct chain *chain,
		      const struct blk_target *target);

/*
 * Carries a read out at once as far as the host has the data in its page cache:
 * the status, or BLK_STARTED for what has to be submitted. *able becomes false
 * when the file cannot be asked.
 */
int blk_request_try(struct blk_request *req, const struct blk_target *target, bool *able);

/* Gives the request, or the rest of it, to the I/O loop. */
void blk_request_submit(struct blk_request *req, const struct blk_target *target);

/* The I/O loop is done with `result`: the status, or BLK_STARTED when there is
 * more to be submitted. */
int blk_request_step(struct blk_request *req, const struct blk_target *target, int result);

/* Writes the status; what used.len has to say. */
uint32_t blk_request_finish(struct blk_request *req, int status);

#endif
