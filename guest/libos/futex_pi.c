/*
 * Futexes that are locks (FUTEX_LOCK_PI and its like; Linux: pi-futex.rst).
 * Here the word has a meaning: the owner's tid, FUTEX_WAITERS once somebody
 * waits, FUTEX_OWNER_DIED. Taking and letting go of a lock that nobody waits for
 * is the program's, by atomic instructions; else it is done here, and the lock
 * goes to the next who waits before that one wakes.
 *
 * Who holds a lock inherits no priority of those who wait.
 */
#include "futex.h"
#include "sigstate.h"
#include "uaccess.h"

#define CHAIN_MOST 1024 /* Linux's max_lock_depth */

static u32 tid_of(u32 value)
{
	return value & FUTEX_TID_MASK;
}

static struct futex_waiter *waiter_of(struct list *bucket, u64 lock)
{
	struct list *at;
	list_for_each (at, bucket) {
		struct futex_waiter *w = container_of(at, struct futex_waiter, link);
		if (futex_at(w, lock) && w->pi)
			return w;
	}
	return NULL;
}

/* The first who waits for a lock, or NULL. */
static struct futex_waiter *first_waiter(u64 lock)
{
	return waiter_of(futex_bucket(lock), lock);
}

/* What a thread waits for, or NULL. */
static struct futex_waiter *waits_for(const struct thread *thread)
{
	for (unsigned i = 0; i < FUTEX_BUCKETS; i++) {
		struct list *at, *bucket = &futex_buckets[i];
		if (!bucket->next)
			continue;
		list_for_each (at, bucket) {
			struct futex_waiter *w = container_of(at, struct futex_waiter, link);
			if (w->pi && w->thread == thread)
				return w;
		}
	}
	return NULL;
}

/* Whether a thread waits, by way of others, for one of `me`. */
static bool depends_on(const struct thread *thread, const struct thread *me)
{
	for (int i = 0; i < CHAIN_MOST && thread != me; i++) {
		const struct futex_waiter *w = waits_for(thread);
		if (!w)
			return false;
		thread = w->owner;
	}
	return true;
}

/* Whose the lock is, if the word says the same as those who wait already: 0,
 * -ESRCH or -EINVAL. A word that nobody owns but should be is of one who died. */
static int find_owner(const struct thread *thread, u64 lock, u32 value, struct thread **owner)
{
	const struct futex_waiter *first = first_waiter(lock);
	*owner = first ? first->owner : signal_thread(thread->process, tid_of(value));
	if (!*owner)
		return -ESRCH;
	if (!first || (u32)first->owner->tid == tid_of(value))
		return 0;
	return !tid_of(value) && value & FUTEX_OWNER_DIED ? 0 : -EINVAL;
}

/*
 * Takes the lock for a thread if it is free: 1. If not, marks it as waited for:
 * 0, and whose it is. -EDEADLK; -ESRCH if the owner is no thread; -EFAULT;
 * -EINVAL if the word is not what the lock's state is.
 */
static int take_or_mark(u32 *lock, const struct thread *thread, struct thread **owner)
{
	u32 value;
	bool taken;
	int error;
	if (load_user(&value, lock))
		return -EFAULT;
	do {
		if (tid_of(value) == (u32)thread->tid)
			return -EDEADLK;
		taken = !tid_of(value) && !first_waiter((u64)lock);
		u32 owned = (value & FUTEX_OWNER_DIED) | (u32)thread->tid;
		error = cmpxchg_user(lock, &value, taken ? owned : value | FUTEX_WAITERS);
	} while (error == -EAGAIN);
	if (error || taken)
		return error ? error : 1;
	error = find_owner(thread, (u64)lock, value, owner);
	if (error)
		return error;
	return depends_on(*owner, thread) ? -EDEADLK : 0;
}

long futex_trylock_pi(u32 *uaddr)
{
	struct thread *owner;
	int result = futex_check(uaddr);
	if (!result)
		result = take_or_mark(uaddr, current(), &owner);
	if (result < 0)
		return result;
	return result ? 0 : -EAGAIN;
}

long futex_lock_pi(u32 *uaddr, const struct __kernel_timespec *timeout, bool realtime)
{
	struct futex_waiter w = { .pi = true };
	u64 deadline;
	int result = deadline_from_user(timeout, realtime, &deadline);

	if (!result)
		result = futex_check(uaddr);
	if (!result)
		result = take_or_mark(uaddr, current(), &w.owner);
	if (result)
		return result < 0 ? result : 0;
	futex_queue(&w, (u64)uaddr);
	result = futex_sleep(&w, deadline);
	if (w.woken)
		return 0;
	return result == -EINTR ? signal_restart(ERESTARTNOINTR) : result;
}

/* The lock is the next one's who waits for it. `flags` beside his tid. */
static int hand_over(struct futex_waiter *next, u32 flags)
{
	u32 *lock = (u32 *)next->address, value;
	u32 new = FUTEX_WAITERS | (u32)next->thread->tid | flags;
	struct futex_waiter *w;
	int error;
	if (load_user(&value, lock))
		return -EFAULT;
	do
		error = cmpxchg_user(lock, &value, new);
	while (error == -EAGAIN);
	if (error)
		return error;
	futex_wake_waiter(next);
	struct list *at, *bucket = futex_bucket((u64)lock);
	list_for_each (at, bucket) {
		w = container_of(at, struct futex_waiter, link);
		if (futex_at(w, (u64)lock) && w->pi)
			w->owner = next->thread;
	}
	return 0;
}

long futex_unlock_pi(u32 *uaddr)
{
	u32 value;
	int error;

	if (load_user(&value, uaddr))
		return -EFAULT;
	do {
		if (tid_of(value) != (u32)current()->tid)
			return -EPERM;
		error = futex_check(uaddr);
		if (error)
			return error;
		struct futex_waiter *next = first_waiter((u64)uaddr);
		if (next)
			return next->owner == current() ? hand_over(next, 0) : -EINVAL;
		error = cmpxchg_user(uaddr, &value, 0);
	} while (error == -EAGAIN);
	return error;
}

/* All that waits in a bucket for a lock of a thread that ends, whatever the
 * word says: musl writes it itself before. */
static void leave_bucket(const struct thread *thread, struct list *bucket)
{
	struct list *at = bucket->next;
	while (at != bucket) {
		struct futex_waiter *w = container_of(at, struct futex_waiter, link);
		at = at->next;
		if (!w->pi || w->owner != thread)
			continue;
		w->owner = NULL; /* even if the word cannot be written */
		if (!hand_over(w, FUTEX_OWNER_DIED))
			at = bucket->next;
	}
}

void futex_pi_thread_exit(struct thread *thread)
{
	for (unsigned i = 0; i < FUTEX_BUCKETS; i++)
		if (futex_buckets[i].next)
			leave_bucket(thread, &futex_buckets[i]);
}

/* ---- waiting for a condition, and then for a lock ---- */

long futex_wait_requeue_pi(u32 *uaddr, u32 val, const struct __kernel_timespec *timeout,
			   bool realtime, u32 *lock)
{
	struct futex_waiter w = { .bits = FUTEX_BITSET_MATCH_ANY, .lock = (u64)lock };
	u64 deadline;
	int result = deadline_from_user(timeout, realtime, &deadline);

	if (result)
		return result;
	if (uaddr == lock)
		return -EINVAL;
	result = futex_check(lock);
	if (!result)
		result = futex_queue_if(&w, uaddr, val);
	if (result)
		return result;
	result = futex_sleep(&w, deadline);
	if (w.woken)
		return 0;
	if (result != -EINTR)
		return result;
	/* once it waits for the lock, the call cannot begin again */
	return w.pi ? -EAGAIN : signal_restart(ERESTARTNOINTR);
}

/* Who waited for the condition has the lock, or waits for it: 1, 0, or an error
 * of take_or_mark(). */
static int move_to_lock(struct futex_waiter *w, u32 *lock)
{
	int taken = take_or_mark(lock, w->thread, &w->owner);
	if (taken < 0)
		return taken;
	if (taken) {
		futex_wake_waiter(w);
		return 1;
	}
	list_del(&w->link);
	w->address = (u64)lock;
	w->lock = 0;
	w->pi = true;
	list_add_tail(futex_bucket(w->address), &w->link);
	return 0;
}

long futex_cmp_requeue_pi(u32 *uaddr, int most, int move, u32 *lock, u32 expected)
{
	struct list *bucket, *at;
	u32 now;
	long done = 0;
	int error;

	if (most != 1 || move < 0 || uaddr == lock)
		return -EINVAL;
	error = futex_check(uaddr);
	if (!error)
		error = futex_check(lock);
	if (error)
		return error;
	if (load_user(&now, uaddr))
		return -EFAULT;
	if (now != expected)
		return -EAGAIN;
	bucket = futex_bucket((u64)uaddr);
	for (at = bucket->next; at != bucket && done <= move;) {
		struct futex_waiter *w = container_of(at, struct futex_waiter, link);
		at = at->next;
		if (!futex_at(w, (u64)uaddr))
			continue;
		if (w->lock != (u64)lock)
			return done ? done : -EINVAL;
		error = move_to_lock(w, lock);
		if (error < 0)
			return done ? done : error;
		done++;
	}
	return done;
}
