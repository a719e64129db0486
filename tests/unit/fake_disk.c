/* See fake_disk.h. */
#include <string.h>
#include "fake_disk.h"
#include "../../guest/libos/frames.h"

struct fake_disk fake_disk;

void fake_disk_begin(u8 *contents, u64 sectors, unsigned segments)
{
	memset(&fake_disk, 0, sizeof(fake_disk));
	fake_disk.contents = contents;
	fake_disk.disk.sectors = sectors;
	fake_disk.disk.segments = segments;
}

struct blk_disk *blk_disk_in_use(unsigned n)
{
	return n == 0 ? &fake_disk.disk : NULL;
}

void blk_prepare(struct blk_request *req, enum blk_type type, u64 sector,
		 void (*done)(struct blk_request *req, int error))
{
	req->type = type;
	req->sector = sector;
	req->count = 0;
	req->done = done;
}

bool blk_add_buffer(const struct blk_disk *d, struct blk_request *req, paddr_t pa, u32 len)
{
	if (req->count == d->segments)
		return false;
	req->buf[++req->count] = (struct virtq_buf){ pa, len };
	return true;
}

void blk_submit(struct blk_disk *d, struct blk_request *req)
{
	BUG_ON(fake_disk.pending == ARRAY_SIZE(fake_disk.queue) || req->count == 0);
	fake_disk.queue[fake_disk.pending++] = req;
	d->in_flight++;
	fake_disk.requests++;
}

void blk_kick(struct blk_disk *d)
{
	(void)d;
	fake_disk.kicks++;
}

static bool fails(enum blk_type type)
{
	unsigned *left = type == BLK_READ ? &fake_disk.fail_reads : &fake_disk.fail_writes;

	if (*left == 0)
		return false;
	--*left;
	return true;
}

static void carry_out(struct blk_request *req)
{
	u64 at = req->sector * BLK_SECTOR;
	int error = fails(req->type) ? -EIO : 0;

	for (unsigned i = 1; i <= req->count && error == 0; i++) {
		u8 *here = fake_disk.contents + at, *memory = phys_to_virt(req->buf[i].pa);

		BUG_ON(at + req->buf[i].len > fake_disk.disk.sectors * BLK_SECTOR);
		if (req->type == BLK_READ)
			memcpy(memory, here, req->buf[i].len);
		else
			memcpy(here, memory, req->buf[i].len);
		fake_disk.written += req->type == BLK_READ ? 0 : req->buf[i].len;
		at += req->buf[i].len;
	}
	fake_disk.disk.in_flight--;
	req->done(req, error);
}

void blk_wait(struct blk_disk *d, unsigned n)
{
	struct blk_request **queue = fake_disk.queue;

	(void)d;
	fake_disk.waits++;
	while (n-- > 0 && fake_disk.pending > 0) {
		struct blk_request *req =
			fake_disk.last_first ? queue[fake_disk.pending - 1] : queue[0];

		fake_disk.pending--;
		if (!fake_disk.last_first)
			memmove(queue, queue + 1, fake_disk.pending * sizeof(queue[0]));
		carry_out(req);
	}
}

int blk_flush(struct blk_disk *d)
{
	(void)d;
	fake_disk.flushes++;
	return fails(BLK_WRITE) ? -EIO : 0;
}
