/*
 * virtio-blk, driver side: many requests in flight, and what is done with
 * them when they end. A disk is set up when it is first asked for.
 */
#ifndef DRV_BLK_H
#define DRV_BLK_H

#include <linux/virtio_blk.h>
#include "../libos/sched.h"
#include "virtio.h"

#define BLK_SECTOR   512
#define BLK_SEGMENTS 30 /* with header and status, an indirect table of virtq.c */
#define BLK_DISKS    26 /* vda to vdz */

struct blk_disk {
	struct virtio dev;
	unsigned number; /* 0: vda */
	u64 sectors;
	u32 logical, physical; /* block sizes in bytes, powers of two */
	bool read_only;
	unsigned segments; /* buffers that a request may have */
	u32 max_discard, max_zeroes; /* sectors in one request; 0: cannot */
	bool can_flush; /* else what is written is stable */
	unsigned in_flight; /* requests that were submitted and are not done */
	u64 completed; /* those that are */
	unsigned watched; /* requests whose end is to be told without anybody asking */
	struct list flying, waiting; /* in the ring; without room in it */
	struct waitq wait; /* woken when requests are done */
};

enum blk_type { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZEROES };

/* A request; the caller's, alive and untouched until done(). */
struct blk_request {
	enum blk_type type;
	u64 sector;
	u32 sectors; /* of discard and zeroes; else the buffers say */
	unsigned count; /* buffers: data[0..count-1], whole sectors together */
	/* 0 or -errno. Under the libos lock, while somebody waits or submits; may
	 * submit more, and must neither kick nor wait. */
	void (*done)(struct blk_request *req, int error);

	/* private to blk.c; data[] is reached by blk_add_buffer() */
	struct list link;
	struct virtio_blk_outhdr header;
	struct virtio_blk_discard_write_zeroes range;
	u8 status;
	struct virtq_buf buf[BLK_SEGMENTS + 2];
};

/* How many disks this VM has; asks no device. */
unsigned blk_count(void);
/* Disk n, set up. NULL with *error: -ENXIO, -ENOMEM, -EIO. */
struct blk_disk *blk_disk(unsigned n, int *error);
/* The disk that was set up as the nth, or NULL: to look at all in use. */
struct blk_disk *blk_disk_in_use(unsigned n);

/* Empties a request. */
void blk_prepare(struct blk_request *req, enum blk_type type, u64 sector,
		 void (*done)(struct blk_request *req, int error));
/* Adds physical memory to its data, as part of the last buffer where it
 * follows that. False: no room for one more buffer. */
bool blk_add_buffer(const struct blk_disk *disk, struct blk_request *req, paddr_t pa, u32 len);

/* Submits a request; the device hears of it with the next blk_kick(), which
 * blk_wait() makes itself. */
void blk_submit(struct blk_disk *disk, struct blk_request *req);
void blk_kick(struct blk_disk *disk);

/* Calls done() of what is done. True: there was something. */
bool blk_reap(struct blk_disk *disk);

/* Sleeps, signals or not, until n requests are done, or all. */
void blk_wait(struct blk_disk *disk, unsigned n);

/* For those who sleep elsewhere: asks for an interrupt when n more are done.
 * True: they are already, or cannot be before others are: look again. */
bool blk_arm(struct blk_disk *disk, unsigned n);
void blk_disarm(struct blk_disk *disk);
/* Looks for about as long as a sleep and its interrupt would take; true: there
 * was something. */
bool blk_spin(struct blk_disk *disk);

/* Submits a request and waits for its end: 0 or -errno. */
int blk_do(struct blk_disk *disk, struct blk_request *req);
/* Makes all writes stable that are done. 0 or -errno. */
int blk_flush(struct blk_disk *disk);

#endif
