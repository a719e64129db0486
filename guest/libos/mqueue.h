/*
 * POSIX message queues (mq_overview(7)): the queues are mqueue.c's, their names
 * and limits, and the system calls, sys_mqueue.c's.
 */
#ifndef LIBOS_MQUEUE_H
#define LIBOS_MQUEUE_H

#include <linux/mqueue.h>
#include "../fs/vfs.h"
#include "signal.h"

/* Who is told when a message comes to an empty queue, once. */
struct mqueue_notice {
	struct process *owner; /* NULL: nobody */
	u32 program; /* which of its programs it was: owner->programs */
	int how; /* SIGEV_* */
	int signal;
	sigval_t value;
	struct file *socket; /* SIGEV_THREAD: a netlink socket, with a reference... */
	struct nl_reply *cookie; /* ...and what it will be sent */
};

struct mqueue {
	struct inode inode;
	struct list link; /* of `mqueues` */
	u32 creator; /* the user on whose RLIMIT_MSGQUEUE it counts... */
	u64 charge; /* ...with so many bytes */
	size_t most, size; /* messages; bytes of each */
	size_t count;
	u64 bytes; /* of the messages that wait */
	struct list messages; /* of the highest priority first */
	struct list senders, receivers; /* that wait, the first come the first */
	struct waitq polled;
	struct mqueue_notice notice;
};

extern struct list mqueues; /* all of them, with a name or without */

/* Without a name yet, with one reference to its inode; NULL: no memory. */
struct mqueue *mqueue_new(struct super *sb, u32 mode, size_t most, size_t size);
void mqueue_free(struct mqueue *q); /* when the inode's last reference is gone */
struct mqueue *mqueue_of(const struct file *file); /* NULL: not a queue */

/* These wait until the deadline, unless the file has O_NONBLOCK: -EAGAIN, -ETIMEDOUT,
 * -EINTR. Besides -EMSGSIZE, -EFAULT, -ENOMEM. */
int mqueue_send(struct file *file, const void *text, size_t n, u32 priority, u64 deadline);
/* The message's length. */
long mqueue_receive(struct file *file, void *text, size_t n, u32 *priority, u64 deadline);

/* The notice becomes the queue's, unless there is one: -EBUSY. */
int mqueue_notify(struct mqueue *q, const struct mqueue_notice *notice);
/* The current process is not to be told any more. */
void mqueue_forget(struct mqueue *q);

#endif
