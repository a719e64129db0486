/*
 * The I/O loop on io_uring.
 *
 * The I/O thread alone submits and reaps, so the ring needs no lock, and
 * completions never interrupt a vCPU thread: io_uring finishes a request in
 * the context of the thread that submitted it.
 */
#include <errno.h>
#include <string.h>
#include <liburing.h>
#include "fail.h"
#include "io_loop.h"
#include "options.h"

static struct io_uring ring;
static uint64_t wake_count;

/* user_data of requests that are not ops; no op lives at these addresses. */
static char wake_tag, cancel_tag;

static struct io_uring_sqe *get_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	while (!sqe) { /* full: hand the batch to the kernel, which empties it */
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	return sqe;
}

static void ring_fly(struct io_op *op)
{
	struct io_uring_sqe *sqe = get_sqe();

	switch (op->kind) {
	case KIND_READ:
		io_uring_prep_read(sqe, op->fd, op->iov.iov_base, op->iov.iov_len, op->offset);
		break;
	case KIND_WRITE:
		io_uring_prep_write(sqe, op->fd, op->iov.iov_base, op->iov.iov_len, op->offset);
		break;
	case KIND_READV:
		io_uring_prep_readv(sqe, op->fd, op->iov.iov_base, op->iov.iov_len, op->offset);
		break;
	case KIND_WRITEV:
		io_uring_prep_writev2(sqe, op->fd, op->iov.iov_base, op->iov.iov_len, op->offset,
				      op->flags);
		break;
	case KIND_DATASYNC:
		io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
		break;
	case KIND_FALLOCATE:
		io_uring_prep_fallocate(sqe, op->fd, op->flags, (off_t)op->offset,
					(off_t)op->iov.iov_len);
		break;
	default:
		io_uring_prep_poll_add(sqe, op->fd, op->iov.iov_len);
		break;
	}
	io_uring_sqe_set_data(sqe, op);
}

static void ring_wait_for_wake(void)
{
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_read(sqe, loop_wake_fd(), &wake_count, sizeof(wake_count), 0);
	io_uring_sqe_set_data(sqe, &wake_tag);
}

static void ring_reap(void)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&ring, &cqe) == 0) {
		void *data = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&ring, cqe);
		if (data == &wake_tag)
			ring_wait_for_wake();
		else if (data != &cancel_tag)
			loop_finish(data, result);
	}
}

static bool ring_create(void)
{
	/* Oldest kernels last: 6.1, then 5.6 (reads and writes at the file
	 * position, no dropped completions). */
	static const unsigned flags[] = {
		IORING_SETUP_CLAMP | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_CLAMP,
	};
	const unsigned need = IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (io_uring_queue_init(IO_DEPTH, &ring, flags[i]))
			continue;
		if ((ring.features & need) == need)
			return true;
		io_uring_queue_exit(&ring);
	}
	return false;
}

bool ring_run(void)
{
	struct io_op *op;

	if (!ring_create())
		return false;
	ring_wait_for_wake();
	while (loop_begin()) {
		int err;

		loop_launch(ring_fly);
		while ((op = loop_cancelled())) {
			struct io_uring_sqe *sqe = get_sqe();

			io_uring_prep_cancel(sqe, op, 0);
			io_uring_sqe_set_data(sqe, &cancel_tag);
		}
		/* done() may have queued more since loop_launch(): then only look. */
		err = loop_more() ? io_uring_submit_and_get_events(&ring) :
				    io_uring_submit_and_wait(&ring, 1);
		if (err < 0 && err != -EINTR && err != -EAGAIN && err != -EBUSY && err != -ETIME)
			fail(EXIT_VMM, "io_uring: %s", strerror(-err));
		ring_reap();
	}
	io_uring_queue_exit(&ring);
	return true;
}
