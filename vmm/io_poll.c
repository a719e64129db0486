/*
 * The I/O loop on poll(2), for hosts that forbid io_uring: seccomp profiles of
 * containers do, and kernel.io_uring_disabled. A read or write is made once
 * its descriptor is ready, in the I/O thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "fail.h"
#include "io_loop.h"
#include "options.h"
#include "rwf.h"

#define PIPE_CHUNK 4096 /* what a pipe that polls writable takes without blocking */

static struct io_op *slot[IO_DEPTH]; /* flying ops */

static void poll_fly(struct io_op *op)
{
	for (int i = 0; i < IO_DEPTH; i++) {
		if (!slot[i]) {
			slot[i] = op;
			op->slot = i;
			return;
		}
	}
}

static int poll_events(const struct io_op *op)
{
	if (op->kind == KIND_POLL)
		return op->iov.iov_len;
	return op->kind == KIND_READ || op->kind == KIND_READV ? POLLIN : POLLOUT;
}

static ssize_t transfer(const struct io_op *op)
{
	const struct iovec *iov = op->iov.iov_base;
	const bool at_position = op->offset == IO_POSITION;
	size_t len = op->iov.iov_len;

	switch (op->kind) {
	case KIND_READ:
		return at_position ? read(op->fd, op->iov.iov_base, len) :
				     pread(op->fd, op->iov.iov_base, len, (off_t)op->offset);
	case KIND_WRITE:
		if (at_position && len > PIPE_CHUNK)
			len = PIPE_CHUNK;
		return at_position ? write(op->fd, op->iov.iov_base, len) :
				     pwrite(op->fd, op->iov.iov_base, len, (off_t)op->offset);
	case KIND_READV: /* an offset of -1 is the position here too */
		return rwf_read(op->fd, iov, (int)len, (off_t)op->offset, 0);
	case KIND_WRITEV:
		return rwf_write(op->fd, iov, (int)len, (off_t)op->offset, op->flags);
	case KIND_DATASYNC:
		return fdatasync(op->fd);
	default:
		return fallocate(op->fd, op->flags, (off_t)op->offset, (off_t)len);
	}
}

/* The descriptor is ready: does what was asked, or -EAGAIN. */
static int poll_perform(struct io_op *op, short revents)
{
	ssize_t n;

	if (revents & POLLNVAL)
		return -EBADF;
	if (op->kind == KIND_POLL)
		return revents;
	n = transfer(op);
	/* Like io_uring, give streams a position of their own. */
	if (n < 0 && errno == ESPIPE && op->offset != IO_POSITION && op->kind <= KIND_WRITEV) {
		op->offset = IO_POSITION;
		return poll_perform(op, revents);
	}
	return n < 0 ? -errno : (int)n;
}

static void poll_complete(struct io_op *op, int result)
{
	slot[op->slot] = NULL;
	loop_finish(op, result);
}

static void poll_round(void)
{
	struct pollfd fds[IO_DEPTH + 1];
	struct io_op *ops[IO_DEPTH + 1];
	struct io_op *op;
	uint64_t count;
	int n = 1;

	while ((op = loop_cancelled()))
		poll_complete(op, -ECANCELED);
	fds[0] = (struct pollfd){ .fd = loop_wake_fd(), .events = POLLIN };
	for (int i = 0; i < IO_DEPTH; i++) {
		op = slot[i];
		if (!op)
			continue;
		ops[n] = op;
		fds[n++] = (struct pollfd){ .fd = op->fd, .events = poll_events(op) };
	}
	if (poll(fds, n, loop_more() ? 0 : -1) < 0) {
		if (errno != EINTR && errno != EAGAIN && errno != ENOMEM)
			fail(EXIT_VMM, "poll in the I/O thread: %s", strerror(errno));
		return;
	}
	if (fds[0].revents && read(loop_wake_fd(), &count, sizeof(count)) < 0)
		fail(EXIT_VMM, "eventfd of the I/O thread: %s", strerror(errno));
	for (int i = 1; i < n; i++) {
		int result = fds[i].revents ? poll_perform(ops[i], fds[i].revents) : -EAGAIN;

		if (result != -EAGAIN && result != -EINTR)
			poll_complete(ops[i], result);
	}
}

void poll_run(void)
{
	memset(slot, 0, sizeof(slot));
	while (loop_begin()) {
		loop_launch(poll_fly);
		poll_round();
	}
}
