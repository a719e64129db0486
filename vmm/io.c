/*
 * The I/O loop: operations on their way from the devices to the engine that
 * carries them out and back.
 *
 * Other threads put their operations on a list under loop.lock and write an
 * eventfd that the engine listens to; everything else is done by the I/O
 * thread.
 *
 *   IO_IDLE --submit--> IO_QUEUED --room in the engine--> IO_FLYING --+
 *      ^                    |                                 |       |
 *      +---- done() --------+<--------- cancelled ------------+-------+
 *
 * At most IO_DEPTH operations fly; the rest waits in the list, in order. The
 * list can't grow without bound: an op belongs to its device and each device
 * has a fixed number.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include "fail.h"
#include "io.h"
#include "io_loop.h"
#include "options.h"

enum { IO_IDLE, IO_QUEUED, IO_FLYING };

static struct {
	pthread_mutex_t lock; /* guards all of this, and op->state, op->cancelled */
	struct io_op *head, *tail; /* IO_QUEUED, oldest first */
	struct io_op *cancels; /* by next_cancel: IO_FLYING ops to cancel */
	unsigned flying;
	bool started, woken, stopping;
	bool use_poll; /* fixed before the thread starts, as are the next two */
	int wake_fd;
	pthread_t thread;
} loop = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- any thread */

static void wake(void)
{
	uint64_t one = 1;

	if (loop.woken)
		return;
	loop.woken = true;
	while (write(loop.wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *io_thread(void *unused);

static void start(void)
{
	sigset_t all, old;
	int err;

	loop.wake_fd = eventfd(0, EFD_CLOEXEC);
	if (loop.wake_fd < 0)
		fail(EXIT_VMM, "eventfd for the I/O thread: %s", strerror(errno));
	/* The thread inherits the mask: signals are for the vCPU threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&loop.thread, NULL, io_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		fail(EXIT_VMM, "cannot start the I/O thread: %s", strerror(err));
	loop.started = true;
}

static void append(struct io_op *op)
{
	op->next = NULL;
	if (loop.tail)
		loop.tail->next = op;
	else
		loop.head = op;
	loop.tail = op;
}

static void submit(struct io_op *op, int kind, int fd, const void *buf, uint64_t len,
		   uint64_t offset, int flags)
{
	op->kind = kind;
	op->fd = fd;
	op->iov = (struct iovec){ .iov_base = (void *)buf, .iov_len = len };
	op->offset = offset;
	op->flags = flags;
	op->cancelled = false;
	pthread_mutex_lock(&loop.lock);
	op->state = IO_QUEUED;
	append(op);
	if (!loop.started)
		start();
	else if (!pthread_equal(pthread_self(), loop.thread))
		wake();
	pthread_mutex_unlock(&loop.lock);
}

void io_read(struct vm *vm, struct io_op *op, int fd, void *buf, uint32_t len, uint64_t offset)
{
	(void)vm;
	submit(op, KIND_READ, fd, buf, len, offset, 0);
}

void io_write(struct vm *vm, struct io_op *op, int fd, const void *buf, uint32_t len,
	      uint64_t offset)
{
	(void)vm;
	submit(op, KIND_WRITE, fd, buf, len, offset, 0);
}

void io_readv(struct vm *vm, struct io_op *op, int fd, const struct iovec *iov, unsigned n,
	      uint64_t offset)
{
	(void)vm;
	submit(op, KIND_READV, fd, iov, n, offset, 0);
}

void io_writev(struct vm *vm, struct io_op *op, int fd, const struct iovec *iov, unsigned n,
	       uint64_t offset, int flags)
{
	(void)vm;
	submit(op, KIND_WRITEV, fd, iov, n, offset, flags);
}

void io_datasync(struct vm *vm, struct io_op *op, int fd)
{
	(void)vm;
	submit(op, KIND_DATASYNC, fd, NULL, 0, 0, 0);
}

void io_fallocate(struct vm *vm, struct io_op *op, int fd, int mode, uint64_t offset, uint64_t len)
{
	(void)vm;
	submit(op, KIND_FALLOCATE, fd, NULL, len, offset, mode);
}

void io_poll(struct vm *vm, struct io_op *op, int fd, short events)
{
	(void)vm;
	submit(op, KIND_POLL, fd, NULL, (unsigned short)events, 0, 0);
}

void io_defer(struct vm *vm, struct io_op *op)
{
	(void)vm;
	submit(op, KIND_DEFER, -1, NULL, 0, 0, 0);
}

void io_cancel(struct vm *vm, struct io_op *op)
{
	(void)vm;
	pthread_mutex_lock(&loop.lock);
	if (op->state != IO_IDLE && !op->cancelled) {
		op->cancelled = true;
		if (op->state == IO_FLYING) {
			op->next_cancel = loop.cancels;
			loop.cancels = op;
		}
		wake();
	}
	pthread_mutex_unlock(&loop.lock);
}

void io_use_poll(void)
{
	loop.use_poll = true;
}

void io_stop(void)
{
	if (!loop.started)
		return;
	pthread_mutex_lock(&loop.lock);
	loop.stopping = true;
	loop.woken = false;
	wake();
	pthread_mutex_unlock(&loop.lock);
	pthread_join(loop.thread, NULL);
	close(loop.wake_fd);
	loop.head = loop.tail = loop.cancels = NULL;
	loop.started = loop.woken = loop.stopping = loop.use_poll = false;
	loop.flying = 0;
}

/* ---- the I/O thread: see io_loop.h */

int loop_wake_fd(void)
{
	return loop.wake_fd;
}

/* The oldest waiting op, or NULL; now IO_FLYING if it is to be submitted, or
 * with its result in *result. */
static struct io_op *take(bool *finished, int *result)
{
	struct io_op *op = NULL;

	pthread_mutex_lock(&loop.lock);
	if (loop.head &&
	    (loop.flying < IO_DEPTH || loop.head->cancelled || loop.head->kind == KIND_DEFER)) {
		op = loop.head;
		loop.head = op->next;
		if (!loop.head)
			loop.tail = NULL;
		*finished = op->cancelled || op->kind == KIND_DEFER;
		*result = op->cancelled ? -ECANCELED : 0;
		op->state = *finished ? IO_IDLE : IO_FLYING;
		loop.flying += !*finished;
	}
	pthread_mutex_unlock(&loop.lock);
	return op;
}

void loop_finish(struct io_op *op, int result)
{
	pthread_mutex_lock(&loop.lock);
	op->state = IO_IDLE;
	for (struct io_op **p = &loop.cancels; op->cancelled && *p; p = &(*p)->next_cancel) {
		if (*p == op) {
			*p = op->next_cancel;
			break;
		}
	}
	loop.flying--;
	pthread_mutex_unlock(&loop.lock);
	op->done(op, result);
}

struct io_op *loop_cancelled(void)
{
	struct io_op *op;

	pthread_mutex_lock(&loop.lock);
	op = loop.cancels;
	if (op)
		loop.cancels = op->next_cancel;
	pthread_mutex_unlock(&loop.lock);
	return op;
}

bool loop_begin(void)
{
	bool run;

	pthread_mutex_lock(&loop.lock);
	loop.woken = false;
	run = !loop.stopping;
	pthread_mutex_unlock(&loop.lock);
	return run;
}

bool loop_more(void)
{
	bool r;

	pthread_mutex_lock(&loop.lock);
	r = loop.head && (loop.flying < IO_DEPTH || loop.head->kind == KIND_DEFER);
	pthread_mutex_unlock(&loop.lock);
	return r;
}

void loop_launch(void (*fly)(struct io_op *))
{
	struct io_op *op;
	bool finished;
	int result;

	for (int n = 0; n < IO_DEPTH && (op = take(&finished, &result)); n++) {
		if (finished)
			op->done(op, result);
		else
			fly(op);
	}
}

static void *io_thread(void *unused)
{
	(void)unused;
	if (loop.use_poll || !ring_run())
		poll_run();
	return NULL;
}
