/*
 * Who waits for a futex; for futex.c, futex_pi.c and futex_waitv.c.
 */
#ifndef LIBOS_FUTEX_H
#define LIBOS_FUTEX_H

#include <linux/futex.h>
#include "thread.h"
#include "timespec.h"

#define FUTEX_BUCKETS 64

struct futex_waiter {
	struct list link; /* of its bucket, or alone once woken */
	struct space *space;
	u64 address;
	u32 bits;
	bool woken;
	struct thread *thread;
	bool pi; /* waits for the lock at address... */
	struct thread *owner; /* ...that this one has */
	u64 lock; /* FUTEX_WAIT_REQUEUE_PI: the lock that it is to have later; or 0 */
	struct waitq own, *queue; /* where the thread sleeps: its own, but for futex_waitv */
};

extern struct list futex_buckets[FUTEX_BUCKETS];
struct list *futex_bucket(u64 address); /* a list, in order of arrival */

/* What Linux says about the address itself: 0, -EINVAL or -EFAULT. */
int futex_check(const u32 *uaddr);

/* The current thread waits at address from now on. */
void futex_queue(struct futex_waiter *w, u64 address);
/* The same if the word there is val: 0, else -EAGAIN, -EINVAL or -EFAULT. */
int futex_queue_if(struct futex_waiter *w, const u32 *uaddr, u32 val);
/* Until it is woken, or 0, -ETIMEDOUT, -EINTR; then it is in no bucket. */
int futex_sleep(struct futex_waiter *w, u64 deadline);
void futex_wake_waiter(struct futex_waiter *w);

static inline bool futex_at(const struct futex_waiter *w, u64 address)
{
	return w->address == address && w->space == current_process()->space;
}

/* futex_pi.c: the commands with PI in their names. */
long futex_lock_pi(u32 *uaddr, const struct __kernel_timespec *timeout, bool realtime);
long futex_trylock_pi(u32 *uaddr);
long futex_unlock_pi(u32 *uaddr);
long futex_wait_requeue_pi(u32 *uaddr, u32 val, const struct __kernel_timespec *timeout,
			   bool realtime, u32 *lock);
long futex_cmp_requeue_pi(u32 *uaddr, int most, int move, u32 *lock, u32 expected);
/* The locks that others wait for go to them. */
void futex_pi_thread_exit(struct thread *thread);

#endif
