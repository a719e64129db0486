/*
 * What others than read, write and poll ask of a pipe.
 */
#ifndef LIBOS_PIPE_H
#define LIBOS_PIPE_H

#include "file.h"

struct pipe_slot {
	paddr_t page;
	u16 offset, len;
	bool packet; /* O_DIRECT: a read takes one slot and drops the rest of it */
};

struct pipe {
	struct pipe_slot *slots;
	u32 count, head, used; /* slots, the first one in use, how many are */
	u32 promised; /* free slots that a splice is about to fill */
	bool polled; /* ever: each write is then told, as in Linux (poll_usage) */
	bool lent; /* what is in them: to a splice, which may wait */
	u32 readers, writers; /* open files, by access */
	u32 opened_readers, opened_writers; /* ever: what a waiting open looks for */
	u32 files;
	paddr_t spare; /* a page kept from the last read, or 0 */
	struct waitq read_wait, write_wait; /* for data; for room */
};

static inline struct pipe_slot *pipe_slot(struct pipe *p, u32 i)
{
	return &p->slots[(p->head + i) % p->count];
}

static inline bool pipe_has_data(const struct pipe *p)
{
	return p->used > 0 && !p->lent;
}

static inline bool pipe_has_room(const struct pipe *p)
{
	return p->used + p->promised < p->count;
}

struct pipe *pipe_of(const struct file *file); /* NULL: not a pipe */
/* 0: there is something; 1: there never will be; or -errno. */
int pipe_wait_for_data(struct pipe *p, bool nonblock);
/* Takes what is there, with `packets` no more than one where there are some (O_DIRECT).
 * Bytes, 0: empty, or -EFAULT. */
long pipe_take(struct pipe *p, struct uio *uio, bool packets);
/* Puts in what there is room for. Bytes (0: full), or -errno before any. */
long pipe_put(struct pipe *p, struct uio *uio, bool packet);
/* Nobody reads any more: SIGPIPE. What was written before, or -EPIPE. */
long pipe_broken(long done);

long pipe_get_size(struct file *file); /* -EBADF: not a pipe */
long pipe_set_size(struct file *file, unsigned long size);

#endif
