/* For tests of disks, see fake_io.h; linked with -Wl,--wrap=syscall. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "fake_io.h"

/* ---- reading without waiting: refused, unless a test says how much there is */

long __wrap_syscall(long number, int fd, const struct iovec *iov, long n, long offset, long high,
		    long flags);
long in_memory;
unsigned tries;

long __wrap_syscall(long number, int fd, const struct iovec *iov, long n, long offset, long high,
		    long flags)
{
	struct iovec part = iov[0];
	ssize_t got;

	assert_int_equal(number, SYS_preadv2);
	assert_int_equal(flags, RWF_NOWAIT);
	(void)high;
	tries++;
	if (in_memory < 0) {
		errno = -in_memory;
		return -1;
	}
	got = preadv(fd, iov, n, offset);
	if (got <= in_memory)
		return got;
	memset((uint8_t *)part.iov_base + in_memory, 0, part.iov_len - in_memory);
	return in_memory;
}

/* ---- the I/O loop */

struct pending queue[PENDING_MAX];
unsigned npending;
unsigned syncs, dsyncs;
int no_allocate;

static void add(struct pending p)
{
	assert_true(npending < PENDING_MAX);
	queue[npending++] = p;
}

void io_read(struct vm *vm, struct io_op *op, int fd, void *buf, uint32_t len, uint64_t offset)
{
	(void)vm, (void)op, (void)fd, (void)buf, (void)len, (void)offset;
}

void io_readv(struct vm *vm, struct io_op *op, int fd, const struct iovec *iov, unsigned n,
	      uint64_t offset)
{
	(void)vm;
	add((struct pending){ READV, op, fd, 0, iov, n, offset, 0 });
}

void io_writev(struct vm *vm, struct io_op *op, int fd, const struct iovec *iov, unsigned n,
	       uint64_t offset, int flags)
{
	(void)vm;
	add((struct pending){ WRITEV, op, fd, flags, iov, n, offset, 0 });
}

void io_datasync(struct vm *vm, struct io_op *op, int fd)
{
	(void)vm;
	add((struct pending){ SYNC, op, fd, 0, NULL, 0, 0, 0 });
}

void io_fallocate(struct vm *vm, struct io_op *op, int fd, int mode, uint64_t offset, uint64_t len)
{
	(void)vm;
	add((struct pending){ ALLOCATE, op, fd, mode, NULL, 0, offset, len });
}

void io_defer(struct vm *vm, struct io_op *op)
{
	(void)vm;
	add((struct pending){ DEFER, op, -1, 0, NULL, 0, 0, 0 });
}

/* Takes the oldest one out. */
struct pending next(void)
{
	struct pending p = queue[0];

	assert_true(npending > 0);
	memmove(queue, queue + 1, --npending * sizeof(p));
	return p;
}

int carry_out(const struct pending *p)
{
	int r = 0;

	if (p->kind == READV) {
		r = preadv(p->fd, p->iov, p->n, p->offset);
	} else if (p->kind == WRITEV) {
		dsyncs += p->flags == RWF_DSYNC;
		r = pwritev(p->fd, p->iov, p->n, p->offset);
	} else if (p->kind == SYNC) {
		syncs++;
	} else if (p->kind == ALLOCATE) {
		errno = no_allocate;
		r = no_allocate ? -1 : fallocate(p->fd, p->flags, p->offset, p->len);
	}
	return r < 0 ? -errno : r;
}

void run(void)
{
	while (npending) {
		struct pending p = next();

		p.op->done(p.op, carry_out(&p));
	}
}

/* Ends the oldest one with a result of the test's. */
enum kind end_with(int result)
{
	struct pending p = next();

	p.op->done(p.op, result);
	return p.kind;
}
