/*
 * virtio-console (virtio 1.2, 5.3), one port, without multiport or emergency
 * write.
 *
 * Each queue is a flow of bytes in one direction. A flow works on one request
 * at a time, in the order of the queue, so order is kept and what it holds is
 * bounded; later requests stay in the ring.
 *
 *   idle --kick--> moving --all moved, or error--> used, next request
 *                    |  ^
 *      would block   v  |  ready (I/O thread)
 *                  waiting
 *
 * Bytes are moved in the thread that rang the doorbell as long as the host
 * takes or gives them at once: a short program's output then costs one exit
 * and no other thread. Otherwise the flow waits in the I/O loop for the
 * descriptor to become ready, and goes on from there. Only readiness is waited
 * for, so nothing that is in flight refers to guest memory and a reset needs
 * no care. The exception is input from files, which are always "ready": a
 * read that would wait for the disk is made by the I/O loop into `bounce`.
 *
 * Work per doorbell is bounded by STEPS transfers; a flow with more to do goes
 * on in the I/O thread, so that a vCPU thread always comes back to its guest
 * and to signals.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include "console.h"
#include "fail.h"
#include "io.h"
#include "stream.h"

#define STEPS      64 /* transfers for one doorbell */
#define STEP_IOV   64 /* buffers in one transfer */
#define STEP_BYTES (256u << 10) /* bytes in one transfer */
#define BOUNCE     (64u << 10)

struct console;

struct flow {
	struct io_op op; /* first: done() gets its address */
	struct console *console;
	unsigned q;
	struct stream stream;
	bool waiting; /* op is with the I/O loop */
	bool fetching; /* and it reads from a file into bounce */
	bool busy; /* chain is taken from the queue */
	bool ended; /* end of file was met and not told */
	uint64_t moved; /* bytes of the chain that are done */
	/* Input from a file that came late: bounce[from..len), then, unless
	 * len > 0, its end. */
	uint8_t *bounce;
	bool fetched;
	uint32_t from, len;
	struct chain *chain;
};

struct console {
	struct virtio_dev dev;
	struct virtio_console_config config;
	bool eof;
	struct flow flow[2]; /* by queue: CONSOLE_RX, CONSOLE_TX */
	struct chain chain[2]; /* last: not cleared, so not touched before its use */
};

/* The part of buffers iov[0..n) after `skip` bytes, as much as one transfer
 * takes. Returns the number of entries in out. */
static int slice(const struct iovec *iov, unsigned n, uint64_t skip, struct iovec *out)
{
	uint64_t room = STEP_BYTES;
	int used = 0;

	for (unsigned i = 0; i < n && used < STEP_IOV && room; i++) {
		uint64_t len = iov[i].iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		len -= skip;
		if (len > room)
			len = room;
		out[used++] = (struct iovec){ (uint8_t *)iov[i].iov_base + skip, len };
		room -= len;
		skip = 0;
	}
	return used;
}

/* ---- one transfer: 0 = more to do, 1 = request done with *used, -EAGAIN */

static int step_out(struct flow *f, uint32_t *used)
{
	struct iovec iov[STEP_IOV];
	int n = slice(f->chain->iov, f->chain->nout, f->moved, iov);
	ssize_t r = n ? stream_write(&f->stream, iov, n) : 0;

	if (r == -EAGAIN)
		return -EAGAIN;
	*used = r < 0 ? -r : 0;
	if (r > 0)
		f->moved += r;
	return r < 0 || f->moved == f->chain->out_len;
}

/* Takes from what was fetched from a file. */
static ssize_t unbounce(struct flow *f, const struct iovec *iov, int n)
{
	ssize_t total = 0;

	for (int i = 0; i < n && f->from < f->len; i++) {
		uint32_t len = f->len - f->from;

		if (len > iov[i].iov_len)
			len = iov[i].iov_len;
		memcpy(iov[i].iov_base, f->bounce + f->from, len);
		f->from += len;
		total += len;
	}
	if (f->from == f->len)
		f->fetched = false;
	return total;
}

static int step_in(struct flow *f, uint32_t *used)
{
	struct iovec iov[STEP_IOV];
	int n = slice(f->chain->iov, f->chain->nin, f->moved, iov);
	ssize_t r = 0;

	if (n)
		r = f->fetched ? unbounce(f, iov, n) : stream_read(&f->stream, iov, n);
	if (r == -EAGAIN)
		return -EAGAIN;
	if (r > 0)
		f->moved += r;
	*used = f->moved;
	/* A read from a file is short only at its end; others give what they have. */
	if (r > 0 && f->stream.kind == STREAM_FILE)
		return f->moved == f->chain->in_len;
	if (f->moved == 0 && n && !f->console->eof)
		f->ended = true;
	return 1;
}

static int step(struct flow *f, uint32_t *used)
{
	return f->q == CONSOLE_TX ? step_out(f, used) : step_in(f, used);
}

/* ---- requests */

/* Makes f->chain the request to work on. False: there is none. */
static bool next_request(struct flow *f)
{
	struct virtio_dev *dev = &f->console->dev;
	int r;

	if (f->busy)
		return true;
	r = queue_pop(&dev->queue[f->q], &dev->vm->mem, f->chain);
	if (r == 1 && (f->q == CONSOLE_TX ? f->chain->nin : f->chain->nout))
		r = -EINVAL; /* buffers of the wrong direction */
	if (r < 0)
		virtio_broken(dev, "console request");
	f->busy = r == 1;
	f->moved = 0;
	return f->busy;
}

static void finish_request(struct flow *f, uint32_t used)
{
	queue_push(&f->console->dev.queue[f->q], f->chain->head, used);
	f->busy = false;
}

/* Leaves the flow to the I/O loop until the descriptor is ready. */
static void wait_for_host(struct flow *f)
{
	struct vm *vm = f->console->dev.vm;
	uint64_t rest = f->chain->in_len - f->moved;

	queue_suppress_kicks(&f->console->dev.queue[f->q], true);
	f->waiting = true;
	if (f->q == CONSOLE_TX || stream_pollable(&f->stream)) {
		io_poll(vm, &f->op, f->stream.use, f->q == CONSOLE_TX ? POLLOUT : POLLIN);
		return;
	}
	if (!f->bounce && !(f->bounce = malloc(BOUNCE)))
		fail(EXIT_VMM, "no memory for console input");
	f->fetching = true;
	/* Never more than was asked for: the position is shared with others. */
	io_read(vm, &f->op, f->stream.use, f->bounce, rest < BOUNCE ? rest : BOUNCE, IO_POSITION);
}

/* Works on the flow until its queue is empty or it has to wait. */
static void move(struct flow *f)
{
	struct virtio_dev *dev = &f->console->dev;
	struct virtqueue *queue = &dev->queue[f->q];
	unsigned steps = STEPS;
	uint32_t used;

	do {
		while (!f->ended && next_request(f)) {
			int r = steps-- ? step(f, &used) : -EINPROGRESS;

			if (r == -EAGAIN) {
				wait_for_host(f);
				return;
			}
			if (r == -EINPROGRESS) {
				f->waiting = true;
				io_defer(dev->vm, &f->op);
				return;
			}
			if (r && !f->ended)
				finish_request(f, used);
		}
	} while (!f->ended && virtio_live(dev, f->q) && queue_suppress_kicks(queue, false));
}

static void pump(struct flow *f)
{
	struct virtio_dev *dev = &f->console->dev;

	if (f->waiting || !virtio_live(dev, f->q))
		return;
	move(f);
	virtio_notify_used(dev, f->q);
}

/* I/O thread: the descriptor is ready, or a fetch has ended. */
static void ready(struct io_op *op, int result)
{
	struct flow *f = (struct flow *)op;
	struct virtio_dev *dev = &f->console->dev;

	pthread_mutex_lock(&dev->lock);
	f->waiting = false;
	if (f->fetching) {
		f->fetching = false;
		f->fetched = result != -EINTR && result != -EAGAIN && result != -ECANCELED;
		f->from = 0;
		f->len = result > 0 ? result : 0; /* an error counts as the end */
	}
	pump(f);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- the device */

static void console_kick(struct virtio_dev *dev, unsigned q)
{
	pump(&((struct console *)dev)->flow[q]);
}

/* What waits, waits on: it refers to no guest memory and later finds out that
 * there is nothing to do. Fetched input is kept for the next driver. */
static void console_reset(struct virtio_dev *dev)
{
	struct console *c = (struct console *)dev;

	for (unsigned q = 0; q < 2; q++)
		c->flow[q].busy = c->flow[q].ended = false;
}

static const struct virtio_ops console_ops = {
	.name = "console",
	.device_id = VIRTIO_ID_CONSOLE,
	.nqueues = 2,
	.queue_size = { CONSOLE_QUEUE_SIZE, CONSOLE_QUEUE_SIZE },
	/* kick() usually finishes the request, so an ioeventfd would only add a
	 * thread switch (see promote.c) */
	.promote = false,
	.kick = console_kick,
	.reset = console_reset,
};

/* Terminal size of the first of the two descriptors that has one. */
static bool read_size(const struct console *c, struct winsize *size)
{
	for (unsigned q = 0; q < 2; q++) {
		int fd = c->flow[q].stream.fd;

		if (fd >= 0 && ioctl(fd, TIOCGWINSZ, size) == 0)
			return true;
	}
	return false;
}

struct virtio_dev *console_add(struct vm *vm, int in_fd, int out_fd, bool eof)
{
	struct console *c = malloc(sizeof(*c));
	struct winsize size;
	uint64_t features = 0;

	if (!c)
		fail(EXIT_VMM, "no memory for a console");
	memset(c, 0, offsetof(struct console, chain));
	c->eof = eof;
	for (unsigned q = 0; q < 2; q++) {
		c->flow[q].op.done = ready;
		c->flow[q].console = c;
		c->flow[q].q = q;
		c->flow[q].chain = &c->chain[q];
	}
	stream_init(&c->flow[CONSOLE_RX].stream, in_fd, false);
	stream_init(&c->flow[CONSOLE_TX].stream, out_fd, true);
	if (read_size(c, &size)) {
		features = 1ull << VIRTIO_CONSOLE_F_SIZE;
		c->config.cols = size.ws_col;
		c->config.rows = size.ws_row;
	}
	virtio_add(vm, &c->dev, &console_ops, features, &c->config, sizeof(c->config));
	return &c->dev;
}

void console_update_size(struct vm *vm)
{
	for (unsigned i = 0; i < vm->ndev; i++) {
		struct console *c = (struct console *)vm->dev[i];
		struct winsize size;

		if (c->dev.ops != &console_ops || !read_size(c, &size))
			continue;
		pthread_mutex_lock(&c->dev.lock);
		if (c->config.cols != size.ws_col || c->config.rows != size.ws_row) {
			c->config.cols = size.ws_col;
			c->config.rows = size.ws_row;
			if (c->dev.accepted & (1ull << VIRTIO_CONSOLE_F_SIZE))
				virtio_notify_config(&c->dev);
		}
		pthread_mutex_unlock(&c->dev.lock);
	}
}

/* ---- the end */

static void drain(struct flow *f)
{
	struct virtio_dev *dev = &f->console->dev;
	/* Another vCPU may add requests all the time. */
	unsigned most = 2 * CONSOLE_QUEUE_SIZE;
	uint32_t used;

	while (most && virtio_live(dev, f->q) && next_request(f)) {
		struct pollfd p = { .fd = f->stream.use, .events = POLLOUT };
		int r = step(f, &used);

		if (r == -EAGAIN) {
			poll(&p, 1, -1);
		} else if (r) {
			finish_request(f, used);
			most--;
		}
	}
}

void console_drain(struct vm *vm)
{
	for (unsigned i = 0; i < vm->ndev; i++) {
		struct console *c = (struct console *)vm->dev[i];

		if (c->dev.ops != &console_ops)
			continue;
		pthread_mutex_lock(&c->dev.lock);
		drain(&c->flow[CONSOLE_TX]);
		pthread_mutex_unlock(&c->dev.lock);
	}
}

void console_free(struct virtio_dev *dev)
{
	free(((struct console *)dev)->flow[CONSOLE_RX].bounce);
	free(dev);
}
