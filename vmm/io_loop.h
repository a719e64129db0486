/*
 * Inside of the I/O loop: what io.c gives to its two engines, io_ring.c and
 * io_poll.c. All of this runs in the I/O thread.
 */
#ifndef VMM_IO_LOOP_H
#define VMM_IO_LOOP_H

#include <stdbool.h>
#include "io.h"

#define IO_DEPTH 256 /* operations in flight */

/* What op->iov holds: a buffer; of the vectors, the array and its length; the
 * length to allocate; events to poll for. */
enum {
	KIND_READ,
	KIND_WRITE,
	KIND_READV,
	KIND_WRITEV,
	KIND_DATASYNC,
	KIND_FALLOCATE,
	KIND_POLL,
	KIND_DEFER,
};

/* An eventfd, readable when loop_begin() and loop_launch() have work. */
int loop_wake_fd(void);

/* At the start of a round; submitters wake the thread again from here on.
 * Returns false when the thread is to end. */
bool loop_begin(void);

/* Starts what waits, by fly(op), which must not finish it at once. As many as
 * fit, so that ops which done() gives again don't keep us from reaping. */
void loop_launch(void (*fly)(struct io_op *op));

/* Whether loop_launch() would find something. */
bool loop_more(void);

/* A flying op that is to be cancelled, or NULL. It still ends by loop_finish(). */
struct io_op *loop_cancelled(void);

/* A flying op has ended: calls done(), and from then on its owner may reuse it. */
void loop_finish(struct io_op *op, int result);

/* The engines; they return at the end of the loop. ring_run() returns false
 * at once when this host gives no io_uring that is good enough. */
bool ring_run(void);
void poll_run(void);

#endif
