/*
 * Futexes (futex(2)): waiting for a word of the program's memory to change.
 *
 * Waiters hang in a hash table by space and address, first come, first woken.
 * Each has a wait queue of its own, so that waking one wakes only that. The
 * lock of the library OS makes looking at the word and queueing one step.
 *
 * Not here: one futex in memory that two spaces share.
 */
#include "futex.h"
#include "sigstate.h"
#include "sys.h"
#include "uaccess.h"

struct list futex_buckets[FUTEX_BUCKETS];

struct list *futex_bucket(u64 address)
{
	struct list *b = &futex_buckets[(address >> 2 ^ address >> 12) % FUTEX_BUCKETS];
	if (!b->next)
		list_init(b);
	return b;
}

int futex_check(const u32 *uaddr)
{
	if ((u64)uaddr % sizeof(u32))
		return -EINVAL;
	return (u64)uaddr < USER_END ? 0 : -EFAULT;
}

void futex_queue(struct futex_waiter *w, u64 address)
{
	w->space = current_process()->space;
	w->thread = current();
	w->address = address;
	if (!w->queue)
		w->queue = &w->own;
	waitq_init(w->queue);
	list_add_tail(futex_bucket(address), &w->link);
}

int futex_queue_if(struct futex_waiter *w, const u32 *uaddr, u32 val)
{
	int error = futex_check(uaddr);
	u32 now;
	if (error)
		return error;
	if (load_user(&now, uaddr))
		return -EFAULT;
	if (now != val)
		return -EAGAIN;
	futex_queue(w, (u64)uaddr);
	return 0;
}

int futex_sleep(struct futex_waiter *w, u64 deadline)
{
	int result;
	do
		result = wait_on(w->queue, deadline);
	while (!w->woken && !result);
	list_del(&w->link);
	return result;
}

void futex_wake_waiter(struct futex_waiter *w)
{
	list_del(&w->link);
	w->woken = true;
	wake_all(w->queue);
}

static long wait_again(struct restart_block *block);

static long wait_until(u32 *uaddr, u32 val, u32 bits, u64 deadline)
{
	struct futex_waiter w = { .bits = bits };
	int result;

	if (!bits)
		return -EINVAL;
	result = futex_queue_if(&w, uaddr, val);
	if (result)
		return result;
	result = futex_sleep(&w, deadline);
	if (w.woken)
		return 0;
	if (result != -EINTR)
		return result;
	if (deadline == NEVER)
		return signal_restart(ERESTARTSYS);
	struct restart_block *block = &current()->signals->restart;
	block->arg[0] = (u64)uaddr;
	block->arg[1] = val;
	block->arg[2] = bits;
	return signal_restart_block(wait_again, deadline);
}

static long wait_again(struct restart_block *block)
{
	return wait_until((u32 *)block->arg[0], block->arg[1], block->arg[2], block->deadline);
}

/* Wakes up to `most` waiters (Linux: at least one), moves up to `move` more
 * to another address. How many that were; -EINVAL if one waits for a lock. */
static long wake_and_move(const u32 *from, int most, u32 bits, const u32 *to, int move)
{
	struct list *head = futex_bucket((u64)from), *at = head->next;
	struct list moved;
	long done = 0;

	list_init(&moved);
	while (at != head && done < (long)most + move) {
		struct futex_waiter *w = container_of(at, struct futex_waiter, link);
		at = at->next;
		if (!futex_at(w, (u64)from))
			continue;
		if (w->pi || w->lock) {
			done = -EINVAL;
			break;
		}
		if (!(w->bits & bits))
			continue;
		if (done++ < most) {
			futex_wake_waiter(w);
		} else {
			list_del(&w->link);
			w->address = (u64)to;
			list_add_tail(&moved, &w->link);
		}
	}
	while (!list_empty(&moved)) {
		struct list *first = moved.next;
		list_del(first);
		list_add_tail(futex_bucket((u64)to), first);
	}
	return done;
}

static long wake(const u32 *uaddr, int most, u32 bits)
{
	int error = futex_check(uaddr);
	if (!bits)
		return -EINVAL;
	return error ? error : wake_and_move(uaddr, MAX(most, 1), bits, NULL, 0);
}

void futex_wake(u64 address, int most)
{
	wake((u32 *)address, most, FUTEX_BITSET_MATCH_ANY);
}

static long requeue(const u32 *from, int most, int move, const u32 *to, const u32 *expected)
{
	u32 now;
	if (most < 0 || move < 0)
		return -EINVAL;
	int error = futex_check(from);
	if (!error)
		error = futex_check(to);
	if (error)
		return error;
	if (expected) {
		if (load_user(&now, from))
			return -EFAULT;
		if (now != *expected)
			return -EAGAIN;
	}
	return wake_and_move(from, most, FUTEX_BITSET_MATCH_ANY, to, move);
}

static int signed12(u32 value)
{
	return (i32)(value << 20) >> 20;
}

/* FUTEX_WAKE_OP's operation on a word; -ENOSYS for an unknown one. */
static int operate(u32 op, u32 old, u32 arg, u32 *new)
{
	switch (op) {
	case FUTEX_OP_SET:
		*new = arg;
		return 0;
	case FUTEX_OP_ADD:
		*new = old + arg;
		return 0;
	case FUTEX_OP_OR:
		*new = old | arg;
		return 0;
	case FUTEX_OP_ANDN:
		*new = old & ~arg;
		return 0;
	case FUTEX_OP_XOR:
		*new = old ^ arg;
		return 0;
	default:
		return -ENOSYS;
	}
}

static int compare(u32 cmp, i32 old, i32 arg)
{
	switch (cmp) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	default:
		return -ENOSYS;
	}
}

/* Puts the operation's result in place of the word, in one step: 0, -ENOSYS or
 * -EFAULT; *old: what was there. */
static int operate_on(u32 *word, u32 op, u32 arg, u32 *old)
{
	u32 new;
	int error;
	if (load_user(old, word))
		return -EFAULT;
	do {
		error = operate(op, *old, arg, &new);
		if (!error)
			error = cmpxchg_user(word, old, new);
	} while (error == -EAGAIN);
	return error;
}

static long wake_op(u32 *uaddr, int most, int most2, u32 *uaddr2, u32 encoded)
{
	u32 op = encoded >> 28 & 7, cmp = encoded >> 24 & 15, old;
	u32 arg = signed12(encoded >> 12);
	int error = futex_check(uaddr);

	if (!error)
		error = futex_check(uaddr2);
	if (error)
		return error;
	if (encoded & (u32)FUTEX_OP_OPARG_SHIFT << 28)
		arg = 1u << (arg & 31);
	error = operate_on(uaddr2, op, arg, &old);
	if (error)
		return error;
	int holds = compare(cmp, (i32)old, signed12(encoded));
	if (holds < 0)
		return holds;
	long woken = wake_and_move(uaddr, MAX(most, 1), FUTEX_BITSET_MATCH_ANY, NULL, 0);
	if (holds)
		woken += wake_and_move(uaddr2, MAX(most2, 1), FUTEX_BITSET_MATCH_ANY, NULL, 0);
	return woken;
}

static long wait_bitset(u32 *uaddr, u32 val, const struct __kernel_timespec *timeout, bool realtime,
			u32 bits)
{
	u64 deadline;
	int error = deadline_from_user(timeout, realtime, &deadline);
	return error ? error : wait_until(uaddr, val, bits, deadline);
}

static long wait_relative(u32 *uaddr, u32 val, const struct __kernel_timespec *timeout)
{
	u64 deadline;
	int error = timeout_from_user(timeout, &deadline);
	return error ? error : wait_until(uaddr, val, FUTEX_BITSET_MATCH_ANY, deadline);
}

/* What processes share, Linux finds by its page, which must be there. */
static bool is_there(const u32 *uaddr)
{
	u32 now;
	return (u64)uaddr % sizeof(u32) || !load_user(&now, uaddr);
}

long sys_futex(u32 *uaddr, int op, u32 val, const struct __kernel_timespec *timeout, u32 *uaddr2,
	       u32 val3)
{
	int command = op & FUTEX_CMD_MASK, val2 = (int)(u64)timeout;
	bool realtime = op & FUTEX_CLOCK_REALTIME, shared = !(op & FUTEX_PRIVATE_FLAG);

	if (realtime && command != FUTEX_WAIT_BITSET && command != FUTEX_WAIT_REQUEUE_PI &&
	    command != FUTEX_LOCK_PI2)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT:
		return wait_relative(uaddr, val, timeout);
	case FUTEX_WAIT_BITSET:
		return wait_bitset(uaddr, val, timeout, realtime, val3);
	case FUTEX_WAKE:
		return shared && !is_there(uaddr) ? -EFAULT :
						    wake(uaddr, val, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return wake(uaddr, val, val3);
	case FUTEX_REQUEUE:
		return requeue(uaddr, val, val2, uaddr2, NULL);
	case FUTEX_CMP_REQUEUE:
		return shared && !is_there(uaddr2) ? -EFAULT :
						     requeue(uaddr, val, val2, uaddr2, &val3);
	case FUTEX_WAKE_OP:
		return wake_op(uaddr, val, val2, uaddr2, val3);
	case FUTEX_LOCK_PI:
		return futex_lock_pi(uaddr, timeout, true);
	case FUTEX_LOCK_PI2:
		return futex_lock_pi(uaddr, timeout, realtime);
	case FUTEX_TRYLOCK_PI:
		return futex_trylock_pi(uaddr);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(uaddr);
	case FUTEX_WAIT_REQUEUE_PI:
		return futex_wait_requeue_pi(uaddr, val, timeout, realtime, uaddr2);
	case FUTEX_CMP_REQUEUE_PI:
		return futex_cmp_requeue_pi(uaddr, val, val2, uaddr2, val3);
	default:
		return -ENOSYS;
	}
}

long sys_set_robust_list(struct robust_list_head *head, size_t len)
{
	if (len != sizeof(*head))
		return -EINVAL;
	current()->robust_list = (u64)head;
	return 0;
}

/* Linux's ROBUST_LIST_LIMIT: the list is the program's, and may be a circle. */
#define ROBUST_MOST 2048

/* A lock that the dead thread may have held: says so to the next who takes
 * it. False: bad address. Who waits for a lock with priority inheritance has got
 * it already (futex_pi.c). */
static bool robust_let_go(const struct thread *thread, u64 address, bool pi, bool pending)
{
	u32 *word = (u32 *)address, value;
	if (futex_check(word) || load_user(&value, word))
		return false;
	if (pending && !pi && !value) { /* let go already, but nobody woken yet */
		wake(word, 1, FUTEX_BITSET_MATCH_ANY);
		return true;
	}
	int error = -EAGAIN;
	while (error == -EAGAIN) {
		if ((value & FUTEX_TID_MASK) != (u32)thread->tid)
			return true;
		error = cmpxchg_user(word, &value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
	}
	if (error)
		return false;
	if (!pi && value & FUTEX_WAITERS)
		wake(word, 1, FUTEX_BITSET_MATCH_ANY);
	return true;
}

/* An entry's lock; bit 0 says that it has priority inheritance. */
static bool robust_entry(const struct thread *thread, u64 entry, long offset, bool pending)
{
	return robust_let_go(thread, (entry & ~1ull) + offset, entry & 1, pending);
}

void futex_thread_exit(struct thread *thread)
{
	const struct robust_list_head *user = (void *)thread->robust_list;
	struct robust_list_head head;
	u64 entry, next;

	futex_pi_thread_exit(thread);
	thread->robust_list = 0;
	if (!user || get_user(head, user))
		return;
	u64 pending = (u64)head.list_op_pending;
	entry = (u64)head.list.next;
	for (int i = 0; i < ROBUST_MOST && (entry & ~1ull) != (u64)&user->list; i++) {
		bool more = !get_user(next, (u64 *)(entry & ~1ull)); /* before it is let go */
		if ((entry ^ pending) > 1 && !robust_entry(thread, entry, head.futex_offset, false))
			return;
		if (!more)
			return;
		entry = next;
	}
	if (pending > 1)
		robust_entry(thread, pending, head.futex_offset, true);
}

long sys_get_robust_list(int pid, struct robust_list_head **head, size_t *len)
{
	struct thread *thread = pid ? signal_thread(current_process(), pid) : current();
	if (!thread)
		return -ESRCH;
	if (put_user(len, sizeof(struct robust_list_head)))
		return -EFAULT;
	return put_user(head, (struct robust_list_head *)thread->robust_list);
}
