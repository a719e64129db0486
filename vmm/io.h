/*
 * The I/O loop: one io_uring (liburing) and one thread for the whole VM,
 * both made at the first io_start(), so that a VM which never needs them
 * pays nothing.
 */
#ifndef VMM_IO_H
#define VMM_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct vm;

/* One operation in flight, owned by its device, alive until done() ran. */
struct io_op {
	void (*done)(struct io_op *op, int result); /* in the I/O thread; bytes or -errno */
	/* private to io.c; all zero before the first use */
	struct io_op *next, *next_cancel;
	int kind, fd, state, slot;
	int flags; /* RWF_* of a write, FALLOC_FL_* */
	bool cancelled;
	struct iovec iov;
	uint64_t offset;
};

#define IO_POSITION UINT64_MAX /* as offset: the descriptor's own position */

/*
 * Thread-safe; they start the loop when needed and never block. An op may be
 * given again from its own done(), not before. Buffers stay the caller's and
 * must live until done().
 */
void io_read(struct vm *vm, struct io_op *op, int fd, void *buf, uint32_t len, uint64_t offset);
void io_write(struct vm *vm, struct io_op *op, int fd, const void *buf, uint32_t len,
	      uint64_t offset);
/* The array is the caller's too. `flags` of RWF_* (RWF_DSYNC). */
void io_readv(struct vm *vm, struct io_op *op, int fd, const struct iovec *iov, unsigned n,
	      uint64_t offset);
void io_writev(struct vm *vm, struct io_op *op, int fd, const struct iovec *iov, unsigned n,
	       uint64_t offset, int flags);
void io_datasync(struct vm *vm, struct io_op *op, int fd); /* fdatasync(2) */
void io_fallocate(struct vm *vm, struct io_op *op, int fd, int mode, uint64_t offset, uint64_t len);
void io_poll(struct vm *vm, struct io_op *op, int fd, short events); /* one shot */
void io_defer(struct vm *vm, struct io_op *op); /* just runs done(op, 0) in the I/O thread */
void io_cancel(struct vm *vm, struct io_op *op); /* done() still runs, maybe with -ECANCELED */

/* Before the first operation: poll(2) instead of io_uring, as on hosts that
 * forbid it. For tests; the loop finds out by itself. */
void io_use_poll(void);

/* Ends the thread and forgets everything, without calling done() for what is
 * still in flight. For tests; a VM just exits. */
void io_stop(void);

#endif
