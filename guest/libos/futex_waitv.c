/*
 * futex_waitv(2): waiting for one of many futexes.
 */
#include "futex.h"
#include "heap.h"
#include "sigstate.h"
#include "sys.h"
#include "uaccess.h"

#define FLAGS (FUTEX_32 | FUTEX_PRIVATE_FLAG)

struct many {
	unsigned n;
	struct waitq queue; /* of all */
	struct futex_waiter waiter[];
};

/* Queues the i-th: 0, -EAGAIN, -EFAULT or -EINVAL. */
static int queue_one(struct many *m, const struct futex_waitv *asked)
{
	struct futex_waiter *w = &m->waiter[m->n];
	if (asked->flags & ~FLAGS || !(asked->flags & FUTEX_32) || asked->__reserved ||
	    asked->val > UINT32_MAX)
		return -EINVAL;
	w->bits = FUTEX_BITSET_MATCH_ANY;
	w->queue = &m->queue;
	int error = futex_queue_if(w, (u32 *)asked->uaddr, (u32)asked->val);
	m->n += !error;
	return error;
}

/* The index of one that was woken, or -1. */
static int any_woken(const struct many *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->waiter[i].woken)
			return (int)i;
	return -1;
}

static long wait_for_any(struct many *m, u64 deadline)
{
	int result = 0, index;
	while ((index = any_woken(m)) < 0 && !result)
		result = wait_on(&m->queue, deadline);
	if (index >= 0)
		return index;
	return result == -EINTR ? signal_restart(ERESTARTSYS) : result;
}

static long wait_many(const struct futex_waitv *user, unsigned n, u64 deadline)
{
	struct many *m = kalloc(sizeof(*m) + n * sizeof(m->waiter[0]));
	struct futex_waitv asked;
	long result = 0;

	if (!m)
		return -ENOMEM;
	for (unsigned i = 0; i < n && !result; i++)
		result = get_user(asked, &user[i]) ? -EFAULT : queue_one(m, &asked);
	if (!result)
		result = wait_for_any(m, deadline);
	for (unsigned i = 0; i < m->n; i++)
		list_del(&m->waiter[i].link);
	kfree(m);
	return result;
}

long sys_futex_waitv(const struct futex_waitv *user, unsigned n, unsigned flags,
		     const struct __kernel_timespec *timeout, int clock)
{
	u64 deadline = NEVER;
	int error = 0;

	if (flags || !n || n > FUTEX_WAITV_MAX || !user)
		return -EINVAL;
	if (timeout && clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return -EINVAL;
	if (timeout)
		error = deadline_from_user(timeout, clock == CLOCK_REALTIME, &deadline);
	return error ? error : wait_many(user, n, deadline);
}
