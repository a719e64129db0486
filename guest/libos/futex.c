/*
 * Futexes (futex(2)): waiting for a word of the program's memory to change.
 *
 * Waiters hang in a hash table by space and address, first come, first woken.
 * Each has a wait queue of its own, so that waking one wakes only that. The
 * lock of the library OS makes looking at the word and queueing one step.
 *
 * Not here: priority inheritance (-ENOSYS, as on a kernel without
 * CONFIG_FUTEX_PI), and one futex in memory that two spaces share.
 */
#include <linux/futex.h>
#include "sigstate.h"
#include "sys.h"
#include "timespec.h"
#include "uaccess.h"

#define BUCKETS 64

struct futex_waiter {
	struct list link; /* of its bucket, or alone once woken */
	struct space *space;
	u64 address;
	u32 bits;
	bool woken;
	struct waitq queue;
};

static struct list buckets[BUCKETS];

static struct list *bucket(u64 address)
{
	struct list *b = &buckets[(address >> 2 ^ address >> 12) % BUCKETS];
	if (!b->next)
		list_init(b);
	return b;
}

static bool matches(const struct futex_waiter *w, u64 address, u32 bits)
{
	return w->space == current_process()->space && w->address == address && (w->bits & bits);
}

/* What Linux says about the address itself: 0, -EINVAL or -EFAULT. */
static int check(const u32 *uaddr)
{
	if ((u64)uaddr % sizeof(u32))
		return -EINVAL;
	return (u64)uaddr < USER_END ? 0 : -EFAULT;
}

static long wait_again(struct restart_block *block);

static long wait_until(u32 *uaddr, u32 val, u32 bits, u64 deadline)
{
	struct futex_waiter w = { .space = current_process()->space,
				  .address = (u64)uaddr,
				  .bits = bits };
	int result = check(uaddr);
	u32 now;

	if (!bits)
		return -EINVAL;
	if (result)
		return result;
	if (load_user(&now, uaddr))
		return -EFAULT;
	if (now != val)
		return -EAGAIN;
	waitq_init(&w.queue);
	list_add_tail(bucket(w.address), &w.link);
	do
		result = wait_on(&w.queue, deadline);
	while (!w.woken && !result);
	list_del(&w.link);
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

static void wake_waiter(struct futex_waiter *w)
{
	list_del(&w->link);
	w->woken = true;
	wake_all(&w->queue);
}

/* Wakes up to `most` waiters (Linux: at least one), moves up to `move` more
 * to another address. How many that were. */
static long wake_and_move(const u32 *from, int most, u32 bits, const u32 *to, int move)
{
	struct list *head = bucket((u64)from), *at = head->next;
	struct list moved;
	long done = 0;

	list_init(&moved);
	while (at != head && done < (long)most + move) {
		struct futex_waiter *w = container_of(at, struct futex_waiter, link);
		at = at->next;
		if (!matches(w, (u64)from, bits))
			continue;
		if (done++ < most) {
			wake_waiter(w);
		} else {
			list_del(&w->link);
			w->address = (u64)to;
			list_add_tail(&moved, &w->link);
		}
	}
	while (!list_empty(&moved)) {
		struct list *first = moved.next;
		list_del(first);
		list_add_tail(bucket((u64)to), first);
	}
	return done;
}

static long wake(const u32 *uaddr, int most, u32 bits)
{
	int error = check(uaddr);
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
	int error = check(from);
	if (!error)
		error = check(to);
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
	int error = check(uaddr);

	if (!error)
		error = check(uaddr2);
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

/* FUTEX_WAIT's timeout is relative, FUTEX_WAIT_BITSET's absolute. */
static int wait_deadline(int op, const struct __kernel_timespec *user, u64 *deadline)
{
	int error = timeout_from_user(user, deadline);
	struct __kernel_timespec ts;
	if (error || !user || (op & FUTEX_CMD_MASK) == FUTEX_WAIT)
		return error;
	if (get_user(ts, user))
		return -EFAULT;
	u64 until = timespec_ns(&ts), clock = op & FUTEX_CLOCK_REALTIME ? realtime_ns() : now_ns();
	*deadline = until > clock ? deadline_after(now_ns(), until - clock) : 0;
	return 0;
}

long sys_futex(u32 *uaddr, int op, u32 val, const struct __kernel_timespec *timeout, u32 *uaddr2,
	       u32 val3)
{
	int command = op & FUTEX_CMD_MASK, val2 = (int)(u64)timeout;
	u64 deadline;

	if ((op & FUTEX_CLOCK_REALTIME) && command != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT:
		val3 = FUTEX_BITSET_MATCH_ANY;
		/* fallthrough */
	case FUTEX_WAIT_BITSET: {
		int error = wait_deadline(op, timeout, &deadline);
		return error ? error : wait_until(uaddr, val, val3, deadline);
	}
	case FUTEX_WAKE:
		return wake(uaddr, val, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return wake(uaddr, val, val3);
	case FUTEX_REQUEUE:
		return requeue(uaddr, val, val2, uaddr2, NULL);
	case FUTEX_CMP_REQUEUE:
		return requeue(uaddr, val, val2, uaddr2, &val3);
	case FUTEX_WAKE_OP:
		return wake_op(uaddr, val, val2, uaddr2, val3);
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
 * it. False: bad address. */
static bool robust_let_go(const struct thread *thread, u64 address, bool pending)
{
	u32 *word = (u32 *)address, value;
	if (check(word) || load_user(&value, word))
		return false;
	if (pending && !value) { /* let go already, but nobody woken yet */
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
	if (value & FUTEX_WAITERS)
		wake(word, 1, FUTEX_BITSET_MATCH_ANY);
	return true;
}

/* Bit 0 of an entry says that its lock has priority inheritance. */
void futex_thread_exit(struct thread *thread)
{
	const struct robust_list_head *user = (void *)thread->robust_list;
	struct robust_list_head head;
	u64 entry, next;

	thread->robust_list = 0;
	if (!user || get_user(head, user))
		return;
	u64 pending = (u64)head.list_op_pending & ~1ull;
	entry = (u64)head.list.next & ~1ull;
	for (int i = 0; i < ROBUST_MOST && entry != (u64)&user->list; i++) {
		bool more = !get_user(next, (u64 *)entry); /* before it is let go */
		if (entry != pending && !robust_let_go(thread, entry + head.futex_offset, false))
			return;
		if (!more)
			return;
		entry = next & ~1ull;
	}
	if (pending)
		robust_let_go(thread, pending + head.futex_offset, true);
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
