/*
 * O_DIRECT: between the disk and the program's own memory, as physical memory,
 * without the cache.
 *
 * The cache is made to agree: what it has dirty of the range is written first,
 * and what it has of a range that is written is forgotten. A transfer is cut
 * into requests where it has more pieces than one can take; a piece ends where
 * the program's pages are not neighbours in memory.
 */
#include "blockdev.h"
#include "../libos/heap.h"
#include "../libos/user_frames.h"

struct direct_request {
	struct blk_request req;
	struct direct *direct;
};

/* One of what is pending has ended. */
static void put(struct direct *d)
{
	if (--d->pending == 0 && d->done != NULL)
		d->done(d);
}

static void direct_done(struct blk_request *req, int error)
{
	struct direct_request *r = container_of(req, struct direct_request, req);
	struct direct *d = r->direct;

	if (error != 0)
		d->error = error;
	kfree(r);
	put(d);
}

#define PENDING_MAX 64 /* requests of one transfer in flight: bounds their memory */

/* A new request for what lies at pos, or NULL. */
static struct direct_request *begin(struct direct *d, u64 pos)
{
	struct direct_request *r;

	while (d->pending > PENDING_MAX)
		blk_wait(d->disk, 1);
	while ((r = kalloc(sizeof(*r))) == NULL && d->pending > 1)
		blk_wait(d->disk, 1);
	if (r == NULL)
		return NULL;
	r->direct = d;
	blk_prepare(&r->req, d->type, pos / BLK_SECTOR, direct_done);
	return r;
}

static void submit(struct direct *d, struct direct_request *r)
{
	d->pending++;
	blk_submit(d->disk, &r->req);
}

/* The next whole blocks of the buffers, as one piece: its length, or -errno. */
static long next_piece(struct direct *d, const struct uio *uio, paddr_t *pa)
{
	const struct iovec *iov = uio->iov;
	size_t n = MIN(iov->iov_len - uio->offset, uio->resid), run;
	int error = user_frame((u64)iov->iov_base + uio->offset, n, d->type == BLK_READ, pa, &run);

	return error < 0 ? error : (long)run;
}

static void step(struct uio *uio, size_t n)
{
	uio->resid -= n;
	uio->offset += n;
	while (uio->niov > 1 && uio->offset == uio->iov->iov_len) {
		uio->iov++;
		uio->niov--;
		uio->offset = 0;
	}
}

/* Submits all of it, or as much as can be had: bytes, or -errno. */
static long submit_all(struct direct *d, struct uio *uio, u64 pos)
{
	struct direct_request *r = NULL;
	long done = 0, n = 0;
	paddr_t pa;

	step(uio, 0); /* over empty buffers */
	while (uio->resid > 0) {
		n = next_piece(d, uio, &pa);
		if (n < 0)
			break;
		if (r != NULL && !blk_add_buffer(d->disk, &r->req, pa, n)) {
			submit(d, r);
			r = NULL;
		} else if (r != NULL) {
			step(uio, n);
			done += n;
			continue;
		}
		r = begin(d, pos + done);
		if (r == NULL) {
			n = -ENOMEM;
			break;
		}
		blk_add_buffer(d->disk, &r->req, pa, n);
		step(uio, n);
		done += n;
	}
	if (r != NULL)
		submit(d, r);
	return done > 0 ? done : n;
}

/* Linux asks the same of the length of each buffer; of its address only what
 * the device needs, which here is what keeps requests in whole blocks. */
static bool aligned(const struct uio *uio, u64 pos, u32 block)
{
	u64 bits = pos | uio->resid | uio->offset;

	for (unsigned i = 0; i < uio->niov; i++)
		bits |= (u64)uio->iov[i].iov_base | uio->iov[i].iov_len;
	return bits % block == 0;
}

long blockdev_direct_start(struct file *file, struct uio *uio, u64 pos, enum blk_type type,
			   struct direct *d)
{
	struct block_cache *cache = blockdev_of(file)->cache;
	u64 first = pos / PAGE_SIZE, last = (pos + uio->resid - 1) / PAGE_SIZE;
	long done;

	if (uio->kernel || !aligned(uio, pos, cache->disk->logical))
		return -EINVAL;
	if (uio->resid == 0)
		return 0;
	d->disk = cache->disk;
	d->type = type;
	d->error = 0;
	d->pending = 1; /* this, so that it does not end before it has begun */
	block_cache_write(cache, first, last);
	if (type == BLK_WRITE)
		block_cache_drop(cache, first, last);
	done = submit_all(d, uio, pos);
	if (done > 0)
		put(d);
	return done;
}

long blockdev_direct(struct file *file, struct uio *uio, u64 *pos, enum blk_type type)
{
	struct direct d = { .done = NULL };
	long done = blockdev_direct_start(file, uio, *pos, type, &d);
	int error = 0;

	if (done <= 0)
		return done;
	while (d.pending > 0)
		blk_wait(d.disk, d.pending);
	if (d.error != 0)
		return d.error;
	if (type == BLK_WRITE && file->flags & O_DSYNC)
		error = blk_flush(d.disk);
	*pos += done;
	return error < 0 ? error : done;
}
