/* ---- with poll(2) */

static void poll_fly(struct io_op *op)
{
	for (int i = 0; i < IO_DEPTH; i++) {
		if (!loop.slot[i]) {
			loop.slot[i] = op;
			op->slot = i;
			return;
		}
	}
}

static int poll_events(const struct io_op *op)
{
	if (op->kind == KIND_POLL)
		return op->iov.iov_len;
	return op->kind == KIND_READ ? POLLIN : POLLOUT;
}

/* The descriptor is ready: does what was asked, or -EAGAIN. */
static int poll_perform(struct io_op *op, short revents)
{
	struct iovec iov = op->iov;
	bool at_position = op->offset == IO_POSITION;
	ssize_t n;

	if (revents & POLLNVAL)
		return -EBADF;
	if (op->kind == KIND_POLL)
		return revents;
	if (op->kind == KIND_WRITE && at_position && iov.iov_len > PIPE_CHUNK)
		iov.iov_len = PIPE_CHUNK;
	if (op->kind == KIND_READ)
		n = at_position ? read(op->fd, iov.iov_base, iov.iov_len) :
				  pread(op->fd, iov.iov_base, iov.iov_len, op->offset);
	else
		n = at_position ? write(op->fd, iov.iov_base, iov.iov_len) :
				  pwrite(op->fd, iov.iov_base, iov.iov_len, op->offset);
	/* Like io_uring, give streams a position of their own. */
	if (n < 0 && errno == ESPIPE && !at_position) {
		op->offset = IO_POSITION;
		return poll_perform(op, revents);
	}
	return n < 0 ? -errno : n;
}

static void poll_complete(struct io_op *op, int result)
{
	loop.slot[op->slot] = NULL;
	loop_finish(op, result);
}

static void poll_round(void)
{
	struct pollfd fds[IO_DEPTH + 1];
	struct io_op *ops[IO_DEPTH + 1];
	struct io_op *op;
	int n = 1;

	while ((op = loop_cancelled()))
		poll_complete(op, -ECANCELED);
	fds[0] = (struct pollfd){ .fd = loop.wake_fd, .events = POLLIN };
	for (int i = 0; i < IO_DEPTH; i++) {
		op = loop.slot[i];
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
	if (fds[0].revents && read(loop.wake_fd, &loop.wake_count, sizeof(loop.wake_count)) < 0)
		fail(EXIT_VMM, "eventfd of the I/O thread: %s", strerror(errno));
	for (int i = 1; i < n; i++) {
		int result = fds[i].revents ? poll_perform(ops[i], fds[i].revents) : -EAGAIN;

		if (result != -EAGAIN && result != -EINTR)
			poll_complete(ops[i], result);
	}
}

