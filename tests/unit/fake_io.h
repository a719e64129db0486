/*
 * An I/O loop for tests of disks (vmm/io.h): what it is asked for waits in a queue until
 * the test has it carried out, or ends it with a result of its own.
 */
#ifndef TESTS_FAKE_IO_H
#define TESTS_FAKE_IO_H

#include "../../vmm/io.h"

/* Reads without waiting, by preadv2(): bytes at most, or -errno; and how many there were. */
extern long in_memory;
extern unsigned tries;

enum kind { NONE, READV, WRITEV, SYNC, ALLOCATE, DEFER };

struct pending {
	enum kind kind;
	struct io_op *op;
	int fd, flags;
	const struct iovec *iov;
	unsigned n;
	uint64_t offset, len;
};
#define PENDING_MAX 256
extern struct pending queue[PENDING_MAX];
extern unsigned npending;

/* Of those that were carried out. */
extern unsigned syncs, dsyncs;
extern int no_allocate; /* errno of fallocate, when it is to be refused */

/* Takes the oldest one out. */
struct pending next(void);
/* Its result. */
int carry_out(const struct pending *p);
/* All of them. */
void run(void);
/* Ends the oldest one with a result of the test's. */
enum kind end_with(int result);

#endif
