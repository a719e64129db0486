/*
 * Linux AIO: io_setup, io_submit, io_getevents and their kin.
 *
 * Asynchronous are reads and writes of block devices opened with O_DIRECT, which
 * is what AIO is used for. Everything else is carried out in io_submit(), as
 * Linux does for most of it, and its event is there at once.
 *
 * The program names a context by an address. In Linux a ring of events is mapped
 * there, which libaio looks at by itself if it finds its magic; here it is a
 * page of zeroes, so that libaio calls.
 *
 *   io_submit --> in flight --direct_done (event context)--> events --> io_getevents
 *
 * A device writes to the program's pages while the program runs. They must not
 * be given back meanwhile, so whoever unmaps memory waits for what is in flight
 * (aio_drain), which programs do not do in practice.
 */
#include <asm/fcntl.h>
#include <linux/aio_abi.h>
#undef BLOCK_SIZE /* of <linux/fs.h>, not ours */
#include <linux/mman.h>
#include "aio.h"
#include "eventfd.h"
#include "heap.h"
#include "iovec.h"
#include "process.h"
#include "sys.h"
#include "timespec.h"
#include "../fs/blockdev.h"

#define REQUESTS_MAX 65536 /* of all contexts: fs.aio-max-nr */

struct aio_context {
	struct list link;
	u64 id; /* the program's address */
	unsigned max, active; /* requests: as many as may be; submitted and not fetched */
	unsigned flying;
	struct list events; /* of struct aio_request that are done */
	struct waitq wait;
};

struct aio_request {
	struct direct direct;
	struct aio_context *context;
	struct list link;
	struct io_event event;
	struct file *file, *eventfd; /* references; eventfd may be NULL */
	long submitted; /* bytes */
};

static struct list contexts = { &contexts, &contexts };
static unsigned promised; /* sum of all max */
unsigned aio_in_flight;

static struct aio_context *find(u64 id)
{
	struct list *at;
	list_for_each (at, &contexts)
		if (container_of(at, struct aio_context, link)->id == id)
			return container_of(at, struct aio_context, link);
	return NULL;
}

/* ---- the end of requests */

static void complete(struct aio_request *r, long result)
{
	r->event.res = result;
	list_add_tail(&r->context->events, &r->link);
	if (r->eventfd)
		eventfd_signal(r->eventfd);
	wake_all(&r->context->wait);
}

static void forget(struct aio_request *r)
{
	r->context->active--;
	list_del(&r->link);
	file_put(r->file);
	if (r->eventfd)
		file_put(r->eventfd);
	kfree(r);
}

static void direct_done(struct direct *d)
{
	struct aio_request *r = container_of(d, struct aio_request, direct);
	if (r->eventfd)
		d->disk->watched--;
	aio_in_flight--;
	r->context->flying--;
	complete(r, d->error ? d->error : r->submitted);
}

/* ---- the beginning */

static bool is_write(const struct iocb *cb)
{
	return cb->aio_lio_opcode == IOCB_CMD_PWRITE || cb->aio_lio_opcode == IOCB_CMD_PWRITEV;
}

static bool is_asynchronous(const struct file *file, const struct iocb *cb)
{
	return file->ops == &blockdev_ops && file->flags & O_DIRECT && !(file->flags & O_DSYNC) &&
	       !(cb->aio_rw_flags & (RWF_DSYNC | RWF_SYNC));
}

/* Whether it is in flight now; else *result says how it ended. */
static bool start_direct(struct aio_request *r, struct uio *uio, const struct iocb *cb,
			 long *result)
{
	const struct blockdev *dev = blockdev_of(r->file);
	bool write = is_write(cb);
	size_t n = blockdev_clip(dev, cb->aio_offset, uio->resid);
	*result = 0;
	if (write && dev->cache->disk->read_only)
		*result = -EPERM;
	else if (write && !n && uio->resid)
		*result = -ENOSPC;
	if (*result || !n)
		return false;
	uio->resid = n;
	r->direct.done = direct_done;
	r->direct.disk = dev->cache->disk;
	r->submitted = n; /* unless the program's memory ends before */
	aio_in_flight++;
	r->context->flying++;
	if (r->eventfd)
		dev->cache->disk->watched++;
	*result = blockdev_direct_start(r->file, uio, cb->aio_offset, write ? BLK_WRITE : BLK_READ,
					&r->direct);
	if (*result > 0) {
		r->submitted = *result;
		return true;
	}
	if (r->eventfd)
		dev->cache->disk->watched--;
	aio_in_flight--;
	r->context->flying--;
	return false;
}

static long now(struct file *file, const struct iocb *cb, struct uio *uio)
{
	u64 at = cb->aio_offset, *place = file_seekable(file) ? &at : NULL;
	bool sync = cb->aio_rw_flags & (RWF_DSYNC | RWF_SYNC) && !(file->flags & O_DSYNC);
	long result;
	if (!is_write(cb))
		return file_read(file, uio, place);
	file->flags |= sync ? O_DSYNC : 0;
	result = file_write(file, uio, place);
	file->flags &= ~(sync ? O_DSYNC : 0);
	return result;
}

/* 0: done or in flight; -errno: it was not a request at all. */
static long start_transfer(struct aio_request *r, const struct iocb *cb)
{
	bool vector = cb->aio_lio_opcode >= IOCB_CMD_PREADV, write = is_write(cb), flies = false;
	struct buffers b;
	long result;
	if (write ? !file_writable(r->file) : !file_readable(r->file))
		return -EBADF;
	if (cb->aio_offset < 0)
		return -EINVAL;
	if (cb->aio_rw_flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC))
		return -EOPNOTSUPP;
	result = vector ? buffers_import(&b, (const struct iovec *)cb->aio_buf, cb->aio_nbytes) :
			  buffers_one(&b, (const void *)cb->aio_buf, cb->aio_nbytes);
	if (result < 0)
		return result;
	if (is_asynchronous(r->file, cb))
		flies = start_direct(r, &b.uio, cb, &result);
	else
		result = now(r->file, cb, &b.uio);
	if (vector)
		buffers_release(&b);
	if (!flies)
		complete(r, result);
	return 0;
}

static long start(struct aio_request *r, const struct iocb *cb)
{
	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
	case IOCB_CMD_PWRITE:
	case IOCB_CMD_PREADV:
	case IOCB_CMD_PWRITEV:
		return start_transfer(r, cb);
	case IOCB_CMD_FSYNC:
	case IOCB_CMD_FDSYNC:
		if (!r->file->ops->fsync)
			return -EINVAL;
		complete(r, r->file->ops->fsync(r->file));
		return 0;
	default:
		return -EINVAL;
	}
}

static long take_files(struct aio_request *r, const struct iocb *cb)
{
	r->file = fd_get(cb->aio_fildes);
	if (!r->file)
		return -EBADF;
	if (!(cb->aio_flags & IOCB_FLAG_RESFD))
		return 0;
	r->eventfd = fd_get(cb->aio_resfd);
	if (!r->eventfd)
		return -EBADF;
	return eventfd_is(r->eventfd) ? 0 : -EINVAL;
}

static long submit_one(struct aio_context *context, struct iocb *user)
{
	struct iocb cb;
	if (copy_from_user(&cb, user, sizeof(cb)) < 0)
		return -EFAULT;
	if (cb.aio_reserved2 || cb.aio_flags & ~(IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO) ||
	    (i64)cb.aio_nbytes < 0)
		return -EINVAL;
	if (context->active == context->max)
		return -EAGAIN;
	struct aio_request *r = kalloc(sizeof(*r));
	if (!r)
		return -EAGAIN;
	r->context = context;
	r->event = (struct io_event){ .data = cb.aio_data, .obj = (u64)user };
	list_init(&r->link);
	context->active++;
	long error = take_files(r, &cb);
	if (!error && put_user(&user->aio_key, 0) < 0)
		error = -EFAULT;
	if (!error)
		error = start(r, &cb);
	if (!error)
		return 0;
	if (r->file) {
		forget(r);
	} else {
		context->active--;
		kfree(r);
	}
	return error;
}

long sys_io_submit(u64 id, long n, struct iocb **user)
{
	struct aio_context *context = find(id);
	struct blk_disk *disk;
	long done = 0, error = 0;
	if (!context || n < 0)
		return -EINVAL;
	for (; done < n; done++) {
		struct iocb *cb;
		error = get_user(cb, &user[done]) < 0 ? -EFAULT : submit_one(context, cb);
		if (error)
			break;
	}
	for (unsigned i = 0; (disk = blk_disk_in_use(i)) != NULL; i++)
		blk_kick(disk);
	return done ? done : error;
}

/* ---- events */

/* Copies up to n events out: how many, or -EFAULT when none could be. */
static long fetch(struct aio_context *context, struct io_event *user, long n)
{
	long done = 0;
	while (done < n && !list_empty(&context->events)) {
		struct aio_request *r =
			container_of(context->events.next, struct aio_request, link);
		if (copy_to_user(&user[done], &r->event, sizeof(r->event)) < 0)
			return done ? done : -EFAULT;
		forget(r);
		done++;
	}
	return done;
}

static bool reap(bool spin)
{
	struct blk_disk *disk;
	bool any = false;
	for (unsigned i = 0; (disk = blk_disk_in_use(i)) != NULL; i++)
		if (disk->in_flight)
			any |= blk_reap(disk) || (spin && blk_spin(disk));
	return any;
}

/* Sleeps until about `need` more are done: 0, -ETIMEDOUT or -EINTR. */
static int sleep_for(struct aio_context *context, unsigned need, u64 deadline)
{
	struct blk_disk *disk;
	bool again = false;
	int error = 0;
	for (unsigned i = 0; (disk = blk_disk_in_use(i)) != NULL; i++)
		again |= disk->in_flight && blk_arm(disk, need);
	if (!again)
		error = wait_on(&context->wait, deadline);
	for (unsigned i = 0; (disk = blk_disk_in_use(i)) != NULL; i++)
		blk_disarm(disk);
	return error;
}

static long get_events(u64 id, long least, long n, struct io_event *user, u64 deadline)
{
	struct aio_context *context = find(id);
	long done = 0, error = 0;
	if (!context || least < 0 || least > n)
		return -EINVAL;
	reap(false);
	for (;;) {
		long got = fetch(context, user + done, n - done);
		if (got < 0)
			return done ? done : got;
		done += got;
		if (done >= least || error)
			break;
		if (!reap(context->flying && deadline > now_ns()))
			error = sleep_for(context, least - done, deadline);
		context = find(id); /* somebody may have destroyed it */
		if (!context)
			return done ? done : -EINVAL;
	}
	return done || error == -ETIMEDOUT || !error ? done : error;
}

long sys_io_getevents(u64 id, long least, long n, struct io_event *user,
		      const struct __kernel_timespec *timeout)
{
	u64 deadline;
	int error = timeout_from_user(timeout, &deadline);
	return error ? error : get_events(id, least, n, user, deadline);
}

/* ---- contexts */

long sys_io_setup(unsigned int n, u64 *user)
{
	u64 old;
	if (get_user(old, user) < 0)
		return -EFAULT;
	if (old || !n)
		return -EINVAL;
	if (n > REQUESTS_MAX - promised)
		return -EAGAIN;
	struct aio_context *context = kalloc(sizeof(*context));
	if (!context)
		return -ENOMEM;
	long id =
		sys_mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (id < 0 || put_user(user, (u64)id) < 0) {
		if (id >= 0)
			sys_munmap(id, PAGE_SIZE);
		kfree(context);
		return id < 0 ? -ENOMEM : -EFAULT;
	}
	context->id = id;
	context->max = n;
	list_init(&context->events);
	waitq_init(&context->wait);
	list_add_tail(&contexts, &context->link);
	promised += n;
	return 0;
}

long sys_io_destroy(u64 id)
{
	struct aio_context *context = find(id);
	if (!context)
		return -EINVAL;
	list_del(&context->link);
	while (context->flying)
		aio_drain();
	while (!list_empty(&context->events))
		forget(container_of(context->events.next, struct aio_request, link));
	promised -= context->max;
	waitq_end(&context->wait);
	kfree(context);
	sys_munmap(id, PAGE_SIZE);
	return 0;
}

/* What is in flight cannot be called back; as in Linux for files on disks. */
long sys_io_cancel(u64 id, struct iocb *user, struct io_event *result)
{
	u32 key;
	(void)result;
	if (get_user(key, &user->aio_key) < 0)
		return -EFAULT;
	(void)id;
	return -EINVAL;
}

void aio_drain(void)
{
	struct blk_disk *disk;
	for (unsigned i = 0; aio_in_flight && (disk = blk_disk_in_use(i)) != NULL; i++)
		blk_wait(disk, disk->in_flight);
}

void aio_exec(void)
{
	while (!list_empty(&contexts))
		sys_io_destroy(container_of(contexts.next, struct aio_context, link)->id);
}
