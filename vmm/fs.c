/*
 * virtio-fs (virtio 1.2, 5.11): the transport of FUSE requests to the server in
 * fs_server.c. Queue 0 is for FORGETs, which have no reply, queue 1 for the
 * rest.
 *
 *   kick: pop, copy header and arguments --+--> fs_server_call --> push --> interrupt
 *                                          +--> READ, WRITE, FSYNC:
 *         I/O loop --> push, interrupt <-- (or at once, where memory has it)
 *
 * Requests about names and attributes are served where the doorbell is: in the
 * vCPU's thread, so that the reply is there when the doorbell's exit returns; the
 * program waits for it anyway, and the I/O thread never waits for a directory
 * of the host. (So doorbells are not made ioeventfds.) Data goes straight
 * between the file and guest memory, by the I/O loop; a read is first tried
 * without waiting, as in blk.c.
 *
 * A request's slot is that of its head (queue.c gives no head a second time
 * before it is pushed). A reset waits for what is in flight.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/limits.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include "fail.h"
#include "fs.h"
#include "fs_server.h"
#include "io.h"
#include "rwf.h"
#include "virtio.h"

#define QUEUES     2
#define QUEUE_SIZE 64
#define ARGS_MAX   (2 * PATH_MAX + 512)
#define XATTR_MAX  (sizeof(struct fuse_setxattr_in) + XATTR_NAME_MAX + 1 + XATTR_SIZE_MAX)
#define REPLY_MAX  65536
#define NODES_MAX  16384 /* a descriptor of the host's each */
#define KEPT_FDS   256 /* for all that is not a share's */

struct fs_request {
	struct io_op op; /* first: done() gets its address */
	struct virtio_dev *dev;
	uint64_t unique, fh;
	uint16_t head;
	uint32_t opcode, nin, ndata;
	struct iovec in[CHAIN_MAX]; /* where the reply goes */
	struct iovec data[CHAIN_MAX]; /* what a READ or WRITE moves */
};

struct fs {
	struct virtio_dev dev;
	struct virtio_fs_config config;
	/* All below: under dev.lock. */
	struct fs_server server;
	struct fs_request *request; /* [QUEUE_SIZE], of queue 1 by head */
	unsigned in_flight; /* with the I/O loop */
	bool draining; /* a reset waits for `drained` */
	bool cannot_try; /* this host's files cannot be asked for what is in memory */
	pthread_cond_t drained;
	uint64_t args[XATTR_MAX / 8 + 1], reply[REPLY_MAX / 8];
};

static struct fs *fs_of(struct virtio_dev *dev)
{
	return (struct fs *)((char *)dev - offsetof(struct fs, dev));
}

/* ---- buffers */

/* Copies at most len bytes out of the buffers, `skip` bytes on: how many. */
static size_t gather(const struct iovec *iov, unsigned n, size_t skip, void *to, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part = part - skip < len - done ? part - skip : len - done;
		memcpy((uint8_t *)to + done, (const uint8_t *)iov[i].iov_base + skip, part);
		done += part;
		skip = 0;
	}
	return done;
}

/* Copies into the buffers, which have room, `skip` bytes on. */
static void scatter(const struct iovec *iov, unsigned n, size_t skip, const void *from, size_t len)
{
	for (unsigned i = 0; i < n && len; i++) {
		size_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part = part - skip < len ? part - skip : len;
		memcpy((uint8_t *)iov[i].iov_base + skip, from, part);
		from = (const uint8_t *)from + part;
		len -= part;
		skip = 0;
	}
}

/* The part [skip, skip + len) of the buffers; how many pieces. */
static unsigned slice(const struct iovec *iov, unsigned n, size_t skip, size_t len,
		      struct iovec *to)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n && len; i++) {
		size_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part = part - skip < len ? part - skip : len;
		to[count].iov_base = (uint8_t *)iov[i].iov_base + skip;
		to[count++].iov_len = part;
		len -= part;
		skip = 0;
	}
	return count;
}

/* ---- replies */

/* The header, behind which `len` bytes of the reply are in place already. */
static void finish(struct virtio_dev *dev, unsigned q, uint16_t head, const struct iovec *in,
		   unsigned nin, uint64_t unique, int error, size_t len)
{
	const struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + (error ? 0 : len)),
		.error = error,
		.unique = unique,
	};

	scatter(in, nin, 0, &out, sizeof(out));
	queue_push(&dev->queue[q], head, out.len);
}

/* A WRITE says how much it wrote; of a READ the length says it. */
static void finish_data(struct fs_request *req, int result)
{
	const struct fuse_write_out out = { .size = result > 0 ? (uint32_t)result : 0 };
	size_t len = result > 0 ? (size_t)result : 0;

	if (req->opcode == FUSE_WRITE && result >= 0) {
		scatter(req->in, req->nin, sizeof(struct fuse_out_header), &out, sizeof(out));
		len = sizeof(out);
	}
	finish(req->dev, 1, req->head, req->in, req->nin, req->unique, result < 0 ? result : 0,
	       len);
}

/* In the I/O thread. */
static void request_done(struct io_op *op, int result)
{
	struct fs_request *req = (struct fs_request *)op;
	struct fs *fs = fs_of(req->dev);

	pthread_mutex_lock(&fs->dev.lock);
	fs_handle_unused(&fs->server, &fs->server.handle[req->fh - 1]);
	fs->in_flight--;
	if (fs->draining)
		pthread_cond_signal(&fs->drained);
	else if (virtio_live(&fs->dev, 1)) {
		/* EAGAIN: interrupted before anything was moved; the guest asks again */
		finish_data(req, result == -EAGAIN ? -EINTR : result);
		virtio_notify_used(&fs->dev, 1);
	}
	pthread_mutex_unlock(&fs->dev.lock);
}

/* ---- data */

static void submit(struct fs *fs, struct fs_request *req, int fd, uint64_t offset)
{
	struct vm *vm = fs->dev.vm;

	req->op.done = request_done;
	fs->in_flight++;
	fs->server.handle[req->fh - 1].users++;
	if (req->opcode == FUSE_READ)
		io_readv(vm, &req->op, fd, req->data, req->ndata, offset);
	else if (req->opcode == FUSE_WRITE)
		io_writev(vm, &req->op, fd, req->data, req->ndata, offset, 0);
	else
		io_datasync(vm, &req->op, fd);
}

/* Whether it ended at once. */
static bool try_read(struct fs *fs, struct fs_request *req, int fd, uint64_t offset)
{
	ssize_t n;

	if (req->opcode != FUSE_READ || fs->cannot_try)
		return false;
	n = rwf_read(fd, req->data, (int)req->ndata, (off_t)offset, RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP)
		fs->cannot_try = true;
	if (n < 0)
		return false;
	/* what is short may be the end of the file, or of what is in memory */
	finish_data(req, (int)n);
	return true;
}

struct transfer {
	uint64_t fh, offset;
	uint32_t size;
};

/* 1: done; 0: under way; or -errno. fuse_read_in and fuse_write_in begin alike. */
static int start_data(struct fs *fs, struct fs_request *req, const struct chain *c,
		      const struct transfer *t)
{
	const size_t header = sizeof(struct fuse_out_header);
	const size_t before = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in);
	const struct fs_handle *h = fs_handle(&fs->server, t->fh);

	if (!h)
		return -EBADF;
	req->fh = t->fh;
	req->ndata = 0;
	if (t->offset > INT64_MAX - FS_WRITE_MAX || t->size > FS_WRITE_MAX)
		return -EINVAL;
	if (req->opcode == FUSE_READ) {
		if (c->in_len < header + t->size)
			return -EINVAL;
		req->ndata = slice(req->in, req->nin, header, t->size, req->data);
	} else if (req->opcode == FUSE_WRITE) {
		if (c->out_len < before + t->size ||
		    c->in_len < header + sizeof(struct fuse_write_out))
			return -EINVAL;
		req->ndata = slice(c->iov, c->nout, before, t->size, req->data);
	}
	if (req->opcode != FUSE_FSYNC && t->size == 0) {
		finish_data(req, 0);
		return 1;
	}
	if (try_read(fs, req, h->fd, t->offset))
		return 1;
	submit(fs, req, h->fd, t->offset);
	return 0;
}

static bool is_data(uint32_t opcode)
{
	return opcode == FUSE_READ || opcode == FUSE_WRITE || opcode == FUSE_FSYNC;
}

static int start_transfer(struct fs *fs, const struct chain *c, const struct fs_call *call)
{
	struct fs_request *req = &fs->request[c->head];
	struct fuse_read_in in = { .fh = 0 };
	struct fuse_fsync_in sync = { .fh = 0 };
	struct transfer t = { 0 };
	int r;

	req->dev = &fs->dev;
	req->head = c->head;
	req->unique = call->in.unique;
	req->opcode = call->in.opcode;
	req->nin = c->nin;
	memcpy(req->in, c->iov + c->nout, c->nin * sizeof(*req->in));
	if (req->opcode == FUSE_FSYNC) {
		if (!fs_take(call, &sync, sizeof(sync)))
			return -EINVAL;
		t.fh = sync.fh;
	} else {
		if (!fs_take(call, &in, sizeof(in)))
			return -EINVAL;
		t = (struct transfer){ in.fh, in.offset, in.size };
	}
	if (t.fh != 0 || req->opcode != FUSE_READ)
		return start_data(fs, req, c, &t);
	r = fs_handle_brief(&fs->server, call->in.nodeid, &t.fh);
	if (r)
		return r;
	r = start_data(fs, req, c, &t);
	fs_handle_release(&fs->server, t.fh); /* closed when the request has ended */
	return r;
}

/* ---- requests */

static bool has_reply(uint32_t opcode)
{
	return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT;
}

static int serve(struct fs *fs, unsigned q, const struct chain *c, struct fs_call *call)
{
	const size_t header = sizeof(struct fuse_out_header);
	int error;

	call->out = fs->reply;
	call->out_room = sizeof(fs->reply);
	if (c->in_len - header < call->out_room)
		call->out_room = c->in_len - header;
	error = fs_server_call(&fs->server, call);
	if (!error)
		scatter(c->iov + c->nout, c->nin, header, fs->reply, call->out_len);
	finish(&fs->dev, q, c->head, c->iov + c->nout, c->nin, call->in.unique, error,
	       call->out_len);
	return 1;
}

/* 1: it ended; 0: it is under way; -EINVAL: the driver broke the rules. */
static int start_request(struct fs *fs, unsigned q, const struct chain *c)
{
	struct fs_call call = { .out_len = 0 };
	const size_t header = sizeof(call.in);
	int r;

	if (gather(c->iov, c->nout, 0, &call.in, header) < header)
		return -EINVAL;
	call.arg = (char *)fs->args;
	call.arg_len = gather(c->iov, c->nout, header, call.arg,
			      call.in.opcode == FUSE_SETXATTR ? XATTR_MAX : ARGS_MAX);
	call.arg[call.arg_len] = 0;
	fs->server.calls[fs_place(call.in.opcode)]++;
	if (!has_reply(call.in.opcode)) {
		fs_server_call(&fs->server, &call);
		queue_push(&fs->dev.queue[q], c->head, 0);
		return 1;
	}
	if (c->in_len < sizeof(struct fuse_out_header))
		return -EINVAL;
	if (q != 1 || !is_data(call.in.opcode))
		return serve(fs, q, c, &call);
	r = start_transfer(fs, c, &call);
	if (r < 0) {
		finish(&fs->dev, q, c->head, c->iov + c->nout, c->nin, call.in.unique, r, 0);
		r = 1;
	}
	return r;
}

/* As many as the queue has places: in the vCPU's thread, whose program pays. */
static void fs_kick(struct virtio_dev *dev, unsigned q)
{
	struct fs *fs = fs_of(dev);
	struct virtqueue *queue = &dev->queue[q];
	bool ended = false;
	struct chain chain;
	int r;

	if (fs->draining)
		return;
	do {
		queue_suppress_kicks(queue, true);
		while ((r = queue_pop(queue, &dev->vm->mem, &chain)) == 1) {
			r = start_request(fs, q, &chain);
			if (r < 0)
				break;
			ended |= r;
		}
		if (r < 0) {
			virtio_broken(dev, "file system request");
			break;
		}
	} while (queue_suppress_kicks(queue, false));
	if (ended)
		virtio_notify_used(dev, q);
}

static void fs_reset(struct virtio_dev *dev)
{
	struct fs *fs = fs_of(dev);

	fs->draining = true;
	while (fs->in_flight)
		pthread_cond_wait(&fs->drained, &dev->lock);
	fs->draining = false;
	fs_server_reset(&fs->server);
}

/* For --stats. */
static void fs_report(const struct virtio_dev *dev, char *text, size_t size)
{
	static const struct {
		uint32_t opcode;
		const char *name;
	} of[] = {
		{ FUSE_WALK, "WALK" },
		{ FUSE_LOOKUP, "LOOKUP" },
		{ FUSE_FORGET, "FORGET" },
		{ FUSE_GETATTR, "GETATTR" },
		{ FUSE_OPEN, "OPEN" },
		{ FUSE_RELEASE, "RELEASE" },
		{ FUSE_READ, "READ" },
		{ FUSE_WRITE, "WRITE" },
		{ FUSE_OPENDIR, "OPENDIR" },
		{ FUSE_READDIR, "READDIR" },
		{ FUSE_SETUPMAPPING, "SETUPMAPPING" },
		{ FUSE_GETXATTR, "GETXATTR" },
		{ FUSE_LISTXATTR, "LISTXATTR" },
	};
	const struct fs *fs = (const struct fs *)((const char *)dev - offsetof(struct fs, dev));
	int n = snprintf(text, size, "%" PRIu64 " KiB of files mapped; requests:",
			 dax_mapped(&fs->server.dax) >> 10);

	for (unsigned i = 0; i < sizeof(of) / sizeof(of[0]) && n > 0 && (size_t)n < size; i++)
		if (fs->server.calls[fs_place(of[i].opcode)])
			n += snprintf(text + n, size - (size_t)n, " %s %" PRIu64, of[i].name,
				      fs->server.calls[fs_place(of[i].opcode)]);
}

/* ---- set-up */

static const struct virtio_ops fs_ops = {
	.name = "file system",
	.device_id = VIRTIO_ID_FS,
	.nqueues = QUEUES,
	.queue_size = { QUEUE_SIZE, QUEUE_SIZE },
	.kick = fs_kick,
	.reset = fs_reset,
	.report = fs_report,
};

int share_open(const struct share *share)
{
	const int len = (int)share->dir_len;
	char dir[PATH_MAX];
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", len, share->dir);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOTDIR)
		fail(EXIT_VMM, "%s %s: not a directory%s", share->option, dir,
		     share->path_len > 1 ? "; give --copy a file" : ", and no image either");
	if (fd < 0 && errno == ENOENT)
		fail(EXIT_VMM, "%s %s: not found; give a directory", share->option, dir);
	if (fd < 0 || faccessat(fd, ".", R_OK | X_OK, AT_EACCESS) < 0)
		fail(EXIT_VMM, "%s %s: cannot be opened: %s", share->option, dir, strerror(errno));
	return fd;
}

/* Descriptors that each share may have for nodes. */
static unsigned nodes_limit(unsigned shares)
{
	struct rlimit limit;
	rlim_t left;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 64;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	left = limit.rlim_cur > 2 * KEPT_FDS ? (limit.rlim_cur - KEPT_FDS) / 2 / shares :
					       KEPT_FDS / 2;
	return left < NODES_MAX ? (unsigned)left : NODES_MAX;
}

struct virtio_dev *fs_add(struct vm *vm, const struct share *share, unsigned index)
{
	const unsigned shares = vm->opt->share.count + (vm->opt->root != NULL);
	struct fs *fs = calloc(1, sizeof(*fs));
	int error;

	if (!fs)
		fail(EXIT_VMM, "no memory for a share");
	error = fs_server_init(&fs->server, share_open(share), share->read_only,
			       nodes_limit(shares ? shares : 1));
	if (error)
		fail(EXIT_VMM, "%s %.*s: %s; is /proc mounted?", share->option, (int)share->dir_len,
		     share->dir, strerror(-error));
	if (!share->read_only)
		umask(0); /* the guest applies its own */
	/* zero pages until a head is used */
	fs->request = calloc(QUEUE_SIZE, sizeof(*fs->request));
	if (!fs->request)
		fail(EXIT_VMM, "no memory for the requests of a share");
	pthread_cond_init(&fs->drained, NULL);
	dax_init(&fs->server.dax, &vm->mem, index);
	snprintf((char *)fs->config.tag, sizeof(fs->config.tag), "share%u", index);
	fs->config.num_request_queues = 1;
	virtio_add(vm, &fs->dev, &fs_ops, 0, &fs->config, sizeof(fs->config));
	fs->dev.shm_gpa = fs->server.dax.gpa;
	fs->dev.shm_size = fs->server.dax.size;
	return &fs->dev;
}

bool fs_mend(struct vm *vm)
{
	bool mended = false;

	for (unsigned i = 0; i < vm->ndev; i++) {
		struct virtio_dev *dev = vm->dev[i];

		if (dev->ops != &fs_ops)
			continue;
		pthread_mutex_lock(&dev->lock);
		mended |= dax_mend(&fs_of(dev)->server.dax);
		pthread_mutex_unlock(&dev->lock);
	}
	return mended;
}

void fs_free(struct virtio_dev *dev)
{
	struct fs *fs = fs_of(dev);

	fs_server_free(&fs->server);
	free(fs->request);
	free(fs);
}
