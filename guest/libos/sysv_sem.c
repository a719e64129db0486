/*
 * System V semaphores: semget(2), semop(2), semtimedop(2), semctl(2).
 *
 * The operations of one semop(2) happen together or not at all. Who cannot go on waits in
 * its set's list; whenever a value changes, those in the list that can go on now have
 * their operations done for them, in the order in which they came, by whoever changed it.
 *
 * What SEM_UNDO counts is the process's, and ends with the VM; until then it is seen by
 * its limits only.
 */
#include <linux/capability.h>
#include <linux/sem.h>
#include "heap.h"
#include "process.h"
#include "sys.h"
#include "sysv_ipc.h"
#include "timespec.h"
#include "uaccess.h"

#define FEW_OPERATIONS 32 /* fit on the stack */
#define BLOCKED        1

struct semaphore {
	u16 value;
	int pid; /* who changed it last */
};

struct sem_set {
	struct ipc ipc;
	i64 otime; /* of the last semop(2) */
	unsigned n;
	short *undo; /* what the end of the process would add; NULL: nothing */
	struct list waiting; /* struct request */
	struct semaphore sem[];
};

struct request { /* a semop(2) */
	struct ipc_sleeper sleeper;
	const struct sembuf *ops;
	unsigned n;
	bool alters; /* else it waits for zeroes only */
	const struct sembuf *blocking; /* the first that cannot be done */
};

static long set_new(int key, size_t n, int flags);
static bool set_fits(const struct ipc *ipc, size_t n);
static struct ipc_ids sets = { .most = SEMMNI, .make = set_new, .fits = set_fits };
static u64 semaphores; /* in all sets */

static struct sem_set *set_of(const struct ipc *ipc)
{
	return container_of(ipc, struct sem_set, ipc);
}

static struct sem_set *find(int id)
{
	struct ipc *ipc = ipc_find(&sets, id);
	return ipc ? set_of(ipc) : NULL;
}

static struct request *request_of(struct list *l)
{
	return container_of(container_of(l, struct ipc_sleeper, link), struct request, sleeper);
}

/* ---- semget ---- */

static size_t size_of(unsigned n)
{
	return sizeof(struct sem_set) + n * sizeof(struct semaphore);
}

static long set_new(int key, size_t n, int flags)
{
	if (!n)
		return -EINVAL;
	if (semaphores + n > SEMMNS)
		return -ENOSPC;
	struct sem_set *set = ipc_alloc(size_of(n));
	int error = set ? ipc_add(&sets, &set->ipc, key, flags) : -ENOMEM;
	if (error) {
		ipc_free(set, size_of(n));
		return error;
	}
	set->n = n;
	list_init(&set->waiting);
	semaphores += n;
	return set->ipc.id;
}

static bool set_fits(const struct ipc *ipc, size_t n)
{
	return n <= set_of(ipc)->n;
}

long sys_semget(int key, int n, int flags)
{
	return n < 0 || n > SEMMSL ? -EINVAL : ipc_get(&sets, key, n, flags);
}

static long set_remove(struct sem_set *set)
{
	ipc_wake_all(&set->waiting, -EIDRM);
	ipc_remove(&sets, &set->ipc);
	semaphores -= set->n;
	ipc_free(set->undo, set->n * sizeof(*set->undo));
	ipc_free(set, size_of(set->n));
	return 0;
}

/* ---- operations ---- */

/* One of them: 0, BLOCKED, -EAGAIN or -ERANGE. */
static int operate(struct sem_set *set, const struct sembuf *op)
{
	struct semaphore *sem = &set->sem[op->sem_num];
	int value = sem->value + op->sem_op;
	if (value < 0 || (!op->sem_op && value))
		return op->sem_flg & IPC_NOWAIT ? -EAGAIN : BLOCKED;
	if (value > SEMVMX)
		return -ERANGE;
	if (op->sem_flg & SEM_UNDO) {
		int undo = set->undo[op->sem_num] - op->sem_op;
		if (undo < -SEMAEM - 1 || undo > SEMAEM)
			return -ERANGE;
		set->undo[op->sem_num] = (short)undo;
	}
	sem->value = (u16)value;
	return 0;
}

static void take_back(struct sem_set *set, const struct sembuf *op)
{
	set->sem[op->sem_num].value -= op->sem_op;
	if (op->sem_flg & SEM_UNDO)
		set->undo[op->sem_num] += op->sem_op;
}

/* All of them, or none: as operate(). */
static int attempt(struct sem_set *set, struct request *r)
{
	int result = 0;
	unsigned i;
	for (i = 0; i < r->n && !result; i++)
		result = operate(set, &r->ops[i]);
	if (result) {
		r->blocking = &r->ops[--i];
		while (i-- > 0)
			take_back(set, &r->ops[i]);
		return result;
	}
	for (i = 0; i < r->n; i++)
		set->sem[r->ops[i].sem_num].pid = current_process()->pid;
	set->otime = ipc_now();
	return 0;
}

/* The first that need not wait any longer goes on, if there is one. */
static bool let_one_go(struct sem_set *set, bool alters)
{
	struct list *l;
	list_for_each (l, &set->waiting) {
		struct request *r = request_of(l);
		int result = r->alters == alters ? attempt(set, r) : BLOCKED;
		if (result == BLOCKED)
			continue;
		ipc_wake(&r->sleeper, result);
		return true;
	}
	return false;
}

/* A value has changed. A zero may not last, so who waits for one goes first. */
static void changed(struct sem_set *set)
{
	while (let_one_go(set, false) || let_one_go(set, true))
		;
}

/* Somewhere to count for SEM_UNDO: 0 or -ENOMEM. */
static int make_undo(struct sem_set *set)
{
	if (!set->undo)
		set->undo = ipc_alloc(set->n * sizeof(*set->undo));
	return set->undo ? 0 : -ENOMEM;
}

/* What is wrong with operations, for this set: 0, -ENOMEM, -EFBIG or -EACCES. */
static int check(struct sem_set *set, struct request *r)
{
	bool undo = false, outside = false;
	for (unsigned i = 0; i < r->n; i++) {
		undo |= r->ops[i].sem_flg & SEM_UNDO;
		outside |= r->ops[i].sem_num >= set->n;
		r->alters |= r->ops[i].sem_op != 0;
	}
	if (undo && make_undo(set))
		return -ENOMEM;
	if (outside)
		return -EFBIG;
	return ipc_allowed(&set->ipc, r->alters ? 0222 : 0444) ? 0 : -EACCES;
}

static long operate_all(int id, const struct sembuf *ops, unsigned n, u64 deadline)
{
	struct request r = { .ops = ops, .n = n };
	struct sem_set *set = find(id);
	long result = set ? check(set, &r) : -EINVAL;
	if (result)
		return result;
	result = attempt(set, &r);
	if (!result && r.alters)
		changed(set);
	if (result != BLOCKED)
		return result;
	result = ipc_sleep(&r.sleeper, &set->waiting, deadline);
	return result == -ETIMEDOUT ? -EAGAIN : result;
}

/* With the operations, which are the library OS's now. */
static long timed(int id, const struct sembuf *ops, unsigned n,
		  const struct __kernel_timespec *timeout)
{
	if (id < 0 || (timeout && !timespec_valid(timeout)))
		return -EINVAL;
	return operate_all(id, ops, n,
			   timeout ? deadline_after(now_ns(), timespec_ns(timeout)) : NEVER);
}

long sys_semtimedop(int id, const struct sembuf *user, unsigned n,
		    const struct __kernel_timespec *timeout)
{
	struct __kernel_timespec ts;
	struct sembuf few[FEW_OPERATIONS], *ops = few;
	if (timeout && get_user(ts, timeout))
		return -EFAULT;
	if (n > SEMOPM)
		return -E2BIG;
	if (!n)
		return -EINVAL;
	if (n > FEW_OPERATIONS)
		ops = kalloc(n * sizeof(*ops));
	if (!ops)
		return -ENOMEM;
	long result = copy_from_user(ops, user, n * sizeof(*ops)) ?
			      -EFAULT :
			      timed(id, ops, n, timeout ? &ts : NULL);
	if (ops != few)
		kfree(ops);
	return result;
}

long sys_semop(int id, const struct sembuf *ops, unsigned n)
{
	return sys_semtimedop(id, ops, n, NULL);
}

/* ---- semctl ---- */

static long limits(int cmd, struct seminfo *user)
{
	bool usage = cmd == SEM_INFO;
	struct seminfo info = { .semmap = SEMMAP,
				.semmni = SEMMNI,
				.semmns = SEMMNS,
				.semmnu = SEMMNU,
				.semmsl = SEMMSL,
				.semopm = SEMOPM,
				.semume = SEMUME,
				.semusz = usage ? (int)sets.count : SEMUSZ,
				.semvmx = SEMVMX,
				.semaem = usage ? (int)semaphores : SEMAEM };
	return put_user(user, info) ? -EFAULT : ipc_highest(&sets);
}

static struct semid64_ds state(const struct sem_set *set)
{
	return (struct semid64_ds){ .sem_perm = set->ipc.perm,
				    .sem_otime = set->otime,
				    .sem_ctime = set->ipc.ctime,
				    .sem_nsems = set->n };
}

int sysv_sem_next(unsigned index, struct semid64_ds *ds)
{
	const struct ipc *ipc = ipc_next(&sets, index);
	if (!ipc)
		return -1;
	*ds = state(set_of(ipc));
	return ipc->id;
}

static long status(int cmd, int id, struct semid64_ds *user)
{
	struct ipc *ipc;
	int error = ipc_stat_find(&sets, id, cmd != IPC_STAT, cmd == SEM_STAT_ANY, &ipc);
	if (error)
		return error;
	id = cmd == IPC_STAT ? 0 : ipc->id;
	return put_user(user, state(set_of(ipc))) ? -EFAULT : id;
}

/* Semaphore `num` (-1: all of them, from `values`) was set. */
static void set_values(struct sem_set *set, int num, const u16 *values)
{
	unsigned first = num < 0 ? 0 : num, end = num < 0 ? set->n : first + 1;
	for (unsigned i = first; i < end; i++) {
		set->sem[i] = (struct semaphore){ values[i - first], current_process()->pid };
		if (set->undo)
			set->undo[i] = 0;
	}
	set->ipc.ctime = ipc_now();
	changed(set);
}

static long set_value(int id, int num, int value)
{
	if (value < 0 || value > SEMVMX)
		return -ERANGE;
	struct sem_set *set = find(id);
	if (!set || num < 0 || (unsigned)num >= set->n)
		return -EINVAL;
	if (!ipc_allowed(&set->ipc, 0222))
		return -EACCES;
	set_values(set, num, &(u16){ (u16)value });
	return 0;
}

static long get_all(const struct sem_set *set, u16 *user, u16 *values)
{
	unsigned n = set->n; /* it may be gone while its values are copied */
	for (unsigned i = 0; i < n; i++)
		values[i] = set->sem[i].value;
	return copy_to_user(user, values, n * sizeof(*values));
}

static long set_all(struct sem_set *set, const u16 *user, u16 *values)
{
	int id = set->ipc.id;
	if (copy_from_user(values, user, set->n * sizeof(*values)))
		return -EFAULT;
	if (find(id) != set)
		return -EIDRM;
	for (unsigned i = 0; i < set->n; i++)
		if (values[i] > SEMVMX)
			return -ERANGE;
	set_values(set, -1, values);
	return 0;
}

static long all(int cmd, struct sem_set *set, u16 *user)
{
	u16 *values = kalloc(set->n * sizeof(*values));
	if (!values)
		return -ENOMEM;
	long error = cmd == GETALL ? get_all(set, user, values) : set_all(set, user, values);
	kfree(values);
	return error;
}

/* How many wait for a semaphore to be zero, or to have grown. */
static long count_waiting(const struct sem_set *set, unsigned num, bool zero)
{
	struct list *l;
	long n = 0;
	list_for_each (l, &set->waiting) {
		const struct sembuf *op = request_of(l)->blocking;
		n += op->sem_num == num && (op->sem_op == 0) == zero;
	}
	return n;
}

static long values(int cmd, int id, int num, void *user)
{
	struct sem_set *set = find(id);
	if (!set)
		return -EINVAL;
	if (!ipc_allowed(&set->ipc, cmd == SETALL ? 0222 : 0444))
		return -EACCES;
	if (cmd == GETALL || cmd == SETALL)
		return all(cmd, set, user);
	if (num < 0 || (unsigned)num >= set->n)
		return -EINVAL;
	switch (cmd) {
	case GETVAL:
		return set->sem[num].value;
	case GETPID:
		return set->sem[num].pid;
	default:
		return count_waiting(set, num, cmd == GETZCNT);
	}
}

static long change(int cmd, int id, const struct semid64_ds *user)
{
	struct semid64_ds ds;
	if (cmd == IPC_SET && get_user(ds, user))
		return -EFAULT;
	struct sem_set *set = find(id);
	if (!set)
		return -EINVAL;
	if (!ipc_owned(&set->ipc, CAP_SYS_ADMIN))
		return -EPERM;
	return cmd == IPC_SET ? ipc_set(&set->ipc, &ds.sem_perm) : set_remove(set);
}

long sys_semctl(int id, int num, int cmd, u64 arg)
{
	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SEM_INFO:
		return limits(cmd, (void *)arg);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		return status(cmd, id, (void *)arg);
	case GETALL:
	case SETALL:
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
		return values(cmd, id, num, (void *)arg);
	case SETVAL:
		return set_value(id, num, (int)arg);
	case IPC_SET:
	case IPC_RMID:
		return change(cmd, id, (void *)arg);
	default:
		return -EINVAL;
	}
}
