/*
 * How a file says when to look at it again: its poll operation hands the wait
 * queues concerned to poll_wait(), which gives them to whoever polls.
 */
#ifndef LIBOS_POLL_H
#define LIBOS_POLL_H

#include <asm/poll.h>
#include "file.h"

struct poll_table {
	void (*queue)(struct poll_table *table, struct waitq *q);
};

/* What the file is ready for now; table may be NULL. */
u32 file_poll(struct file *file, struct poll_table *table);

#endif
