/*
 * Signals for I/O (fcntl(2), F_SETOWN): an open file with O_ASYNC sends its owner
 * a signal when there is something to read, when it can be written again, and at
 * its end. It watches the file's wait queues, as epoll does, and asks at each
 * wake-up what the file is ready for.
 */
#include "async.h"
#include <asm/fcntl.h>
#include "heap.h"
#include "poll.h"
#include "process.h"
#include "sigstate.h"

#define QUEUES 4 /* the most that a file's poll() has */

struct file_async {
	struct file *file;
	struct f_owner_ex owner; /* pid 0: nobody */
	struct process *process; /* whom that means */
	int sig; /* 0: SIGIO, which says nothing of the file */
	int fd; /* by which O_ASYNC was set */
	u32 was; /* ready for, at the last wake-up */
	struct poll_table table;
	unsigned watches; /* in use */
	struct watch {
		struct waiter waiter;
		struct file_async *async;
	} watch[QUEUES];
};

static struct file_async *async_of(struct file *file)
{
	if (file->async == NULL) {
		file->async = kalloc(sizeof(*file->async));
		if (file->async != NULL)
			file->async->file = file;
	}
	return file->async;
}

/* ---- the signal ---- */

/* Those whose si_code has a meaning of its own: it is SI_SIGIO then. */
static bool has_codes(int sig)
{
	const u64 codes = SIG_BIT(SIGILL) | SIG_BIT(SIGFPE) | SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) |
			  SIG_BIT(SIGTRAP) | SIG_BIT(SIGCHLD) | SIG_BIT(SIGSYS);

	return sig > 0 && codes & SIG_BIT(sig);
}

static void tell(struct file_async *a, int code, u32 band)
{
	siginfo_t info = { .si_code = has_codes(a->sig) ? SI_SIGIO : code };
	struct thread *thread = NULL;

	if (a->owner.pid == 0)
		return;
	if (a->owner.type == F_OWNER_TID) {
		thread = signal_thread(a->process, a->owner.pid);
		if (thread == NULL)
			return;
	}
	info.si_band = band;
	info.si_fd = a->fd;
	if (a->sig == 0 || signal_queue(a->process, thread, a->sig, &info) < 0)
		signal_queue(a->process, thread, SIGIO, NULL);
}

static void woken(struct waiter *w)
{
	struct file_async *a = container_of(w, struct watch, waiter)->async;
	u32 now = file_poll(a->file, NULL), fresh = now & ~a->was;

	a->was = now;
	if (fresh & POLLHUP)
		tell(a, POLL_HUP, POLLHUP | POLLERR);
	else if (now & POLLIN)
		tell(a, POLL_IN, POLLIN | POLLRDNORM);
	if (fresh & POLLOUT)
		tell(a, POLL_OUT, POLLOUT | POLLWRNORM | POLLWRBAND);
}

void async_look(struct file *file)
{
	file->async->was = file_poll(file, NULL);
}

/* ---- O_ASYNC ---- */

static void watch_queue(struct poll_table *table, struct waitq *q)
{
	struct file_async *a = container_of(table, struct file_async, table);
	struct watch *w = &a->watch[a->watches];

	BUG_ON(a->watches == QUEUES);
	a->watches++;
	w->async = a;
	wait_watch(q, &w->waiter, woken);
}

static void unwatch(struct file_async *a)
{
	while (a->watches > 0)
		wait_done(&a->watch[--a->watches].waiter);
}

int async_set(struct file *file, int fd, bool on)
{
	struct file_async *a;

	if (file->ops->async == ASYNC_NOT)
		return -ENOTTY;
	a = async_of(file);
	if (a == NULL)
		return -ENOMEM;
	unwatch(a);
	file->flags &= ~FASYNC;
	if (!on)
		return 0;
	a->fd = fd;
	a->table.queue = watch_queue;
	a->was = file_poll(file, &a->table);
	file->flags |= FASYNC;
	if (a->owner.pid == 0 && file->ops->async == ASYNC_TTY) {
		a->process = current_process();
		a->owner = (struct f_owner_ex){ F_OWNER_PID, a->process->pid };
	}
	return 0;
}

void async_end(struct file *file)
{
	if (file->async == NULL)
		return;
	unwatch(file->async);
	kfree(file->async);
	file->async = NULL;
}

/* ---- the owner ---- */

static bool exists(int type, int id)
{
	struct process *p = current_process();

	if (type == F_OWNER_PGRP)
		return id == p->pgid;
	return id == p->pid || signal_thread(p, id) != NULL;
}

static long set_owner(struct file *file, int type, int id)
{
	struct file_async *a;

	if (id != 0 && !exists(type, id))
		return -ESRCH;
	a = async_of(file);
	if (a == NULL)
		return -ENOMEM;
	a->process = current_process();
	a->owner = (struct f_owner_ex){ type, id };
	return 0;
}

static long set_owner_number(struct file *file, int n)
{
	if (n == INT32_MIN)
		return -EINVAL;
	return n < 0 ? set_owner(file, F_OWNER_PGRP, -n) : set_owner(file, F_OWNER_PID, n);
}

static long set_owner_ex(struct file *file, const struct f_owner_ex *user)
{
	struct f_owner_ex owner;

	if (get_user(owner, user) < 0)
		return -EFAULT;
	switch (owner.type) {
	case F_OWNER_TID:
	case F_OWNER_PID:
	case F_OWNER_PGRP:
		return set_owner(file, owner.type, owner.pid);
	}
	return -EINVAL;
}

static long set_signal(struct file *file, unsigned long sig)
{
	struct file_async *a;

	if (sig > SIG_COUNT)
		return -EINVAL;
	a = async_of(file);
	if (a == NULL)
		return -ENOMEM;
	a->sig = sig;
	return 0;
}

long async_fcntl(struct file *file, unsigned int cmd, unsigned long arg)
{
	static const struct f_owner_ex nobody;
	const struct file_async *a = file->async;
	const struct f_owner_ex *owner = a != NULL ? &a->owner : &nobody;

	switch (cmd) {
	case F_SETOWN:
		return set_owner_number(file, arg);
	case F_GETOWN:
		return owner->type == F_OWNER_PGRP ? -owner->pid : owner->pid;
	case F_SETOWN_EX:
		return set_owner_ex(file, (const struct f_owner_ex *)arg);
	case F_GETOWN_EX:
		return copy_to_user((void *)arg, owner, sizeof(*owner));
	case F_SETSIG:
		return set_signal(file, arg);
	case F_GETSIG:
		return a != NULL ? a->sig : 0;
	}
	return -EINVAL;
}
