/*
 * System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
 *
 * A message goes straight to the first receiver that waits for one like it, else into the
 * queue. Who finds no room in the queue waits with its message, which is put there by
 * whoever makes room.
 */
#include <limits.h>
#include <linux/capability.h>
#include <linux/msg.h>
#include "sys.h"
#include "sysv_ipc.h"
#include "thread.h"
#include "uaccess.h"

struct message {
	struct list link; /* in its queue, or alone */
	long type;
	size_t size;
	u8 text[];
};

struct queue {
	struct ipc ipc;
	i64 stime, rtime;
	u64 bytes, count, most; /* most: bytes, and messages too */
	int sender, receiver; /* the last ones: pids, or a tid */
	struct list messages;
	struct list senders, receivers; /* that wait */
};

struct wanted {
	enum { ANY, EQUAL, NOT_EQUAL, AT_MOST, BY_INDEX } how;
	long type; /* or index */
};

struct sender {
	struct ipc_sleeper sleeper;
	struct message *message;
};

struct receiver {
	struct ipc_sleeper sleeper;
	struct wanted wanted;
	size_t most; /* bytes that it can take */
	int tid;
	struct message *message; /* that it has got */
};

static long queue_new(int key, size_t size, int flags);
static struct ipc_ids queues = { .most = MSGMNI, .make = queue_new };

static struct queue *queue_of(const struct ipc *ipc)
{
	return container_of(ipc, struct queue, ipc);
}

static struct queue *find(int id)
{
	struct ipc *ipc = ipc_find(&queues, id);
	return ipc ? queue_of(ipc) : NULL;
}

/* ---- messages ---- */

static void message_free(struct message *m)
{
	ipc_free(m, sizeof(*m) + m->size);
}

/* 0, -ENOMEM or -EFAULT. */
static int message_new(struct message **out, const void *user, size_t size)
{
	struct message *m = ipc_alloc(sizeof(*m) + size);
	if (!m)
		return -ENOMEM;
	list_init(&m->link);
	m->size = size;
	if (copy_from_user(m->text, user, size)) {
		message_free(m);
		return -EFAULT;
	}
	*out = m;
	return 0;
}

/* To a buffer for so many bytes: how many it got, or -EFAULT. The message goes. */
static long message_give(struct message *m, struct msgbuf *user, size_t size)
{
	long n = MIN(size, m->size);
	if (put_user(&user->mtype, m->type) || copy_to_user(user->mtext, m->text, n))
		n = -EFAULT;
	message_free(m);
	return n;
}

static bool is_wanted(const struct message *m, const struct wanted *w)
{
	switch (w->how) {
	case EQUAL:
		return m->type == w->type;
	case NOT_EQUAL:
		return m->type != w->type;
	case AT_MOST:
		return m->type <= w->type;
	default:
		return true;
	}
}

/* What msgrcv(2)'s type means. */
static struct wanted wanted_of(long type, int flags)
{
	if (flags & MSG_COPY)
		return (struct wanted){ BY_INDEX, type };
	if (!type)
		return (struct wanted){ ANY, 0 };
	if (type < 0)
		return (struct wanted){ AT_MOST, type == LONG_MIN ? LONG_MAX : -type };
	return (struct wanted){ flags & MSG_EXCEPT ? NOT_EQUAL : EQUAL, type };
}

/* The first in the queue, with AT_MOST that of the lowest type; or NULL. */
static struct message *message_find(const struct queue *q, struct wanted w)
{
	struct message *lowest = NULL;
	long index = 0;
	struct list *l;
	list_for_each (l, &q->messages) {
		struct message *m = container_of(l, struct message, link);
		if (!is_wanted(m, &w) || (w.how == BY_INDEX && index++ != w.type))
			continue;
		if (w.how != AT_MOST || m->type == 1)
			return m;
		lowest = m;
		w.type = m->type - 1;
	}
	return lowest;
}

/* ---- msgget ---- */

static long queue_new(int key, size_t size, int flags)
{
	(void)size;
	struct queue *q = ipc_alloc(sizeof(*q));
	int error = q ? ipc_add(&queues, &q->ipc, key, flags) : -ENOMEM;
	if (error) {
		ipc_free(q, sizeof(*q));
		return error;
	}
	q->most = MSGMNB;
	list_init(&q->messages);
	list_init(&q->senders);
	list_init(&q->receivers);
	return q->ipc.id;
}

long sys_msgget(int key, int flags)
{
	return ipc_get(&queues, key, 0, flags);
}

static void message_take(struct queue *q, struct message *m)
{
	list_del(&m->link);
	q->bytes -= m->size;
	q->count--;
}

static long queue_remove(struct queue *q)
{
	ipc_wake_all(&q->receivers, -EIDRM);
	ipc_wake_all(&q->senders, -EIDRM);
	while (!list_empty(&q->messages)) {
		struct message *m = container_of(q->messages.next, struct message, link);
		message_take(q, m);
		message_free(m);
	}
	ipc_remove(&queues, &q->ipc);
	ipc_free(q, sizeof(*q));
	return 0;
}

/* ---- msgsnd ---- */

static bool has_room(const struct queue *q, const struct message *m)
{
	return q->bytes + m->size <= q->most && q->count < q->most;
}

/* A receiver that waits for it gets it: was there one? Those whose buffers are too small
 * for it have waited for nothing. */
static bool hand_over(struct queue *q, struct message *m)
{
	struct list *next;
	for (struct list *l = q->receivers.next; l != &q->receivers; l = next) {
		struct ipc_sleeper *s = container_of(l, struct ipc_sleeper, link);
		struct receiver *r = container_of(s, struct receiver, sleeper);
		next = l->next;
		if (!is_wanted(m, &r->wanted))
			continue;
		if (m->size <= r->most) {
			r->message = m;
			q->receiver = r->tid; /* not its pid: so has Linux */
			q->rtime = ipc_now();
			ipc_wake(s, 0);
			return true;
		}
		ipc_wake(s, -E2BIG);
	}
	return false;
}

static void put(struct queue *q, struct message *m)
{
	q->sender = current_process()->pid;
	q->stime = ipc_now();
	if (hand_over(q, m))
		return;
	list_add_tail(&q->messages, &m->link);
	q->bytes += m->size;
	q->count++;
}

/* Senders whose messages there is room for now need not wait any longer. */
static void let_senders_go(struct queue *q)
{
	struct list *next;
	for (struct list *l = q->senders.next; l != &q->senders; l = next) {
		struct ipc_sleeper *s = container_of(l, struct ipc_sleeper, link);
		struct message *m = container_of(s, struct sender, sleeper)->message;
		next = l->next;
		if (!has_room(q, m))
			continue;
		bool allowed = ipc_allowed(&q->ipc, 0222);
		if (allowed)
			put(q, m);
		ipc_wake(s, allowed ? 0 : -EACCES);
	}
}

/* The message is the queue's if this is 0. */
static long send(int id, struct message *m, int flags)
{
	struct sender s = { .message = m };
	struct queue *q = find(id);
	if (!q)
		return -EINVAL;
	if (!ipc_allowed(&q->ipc, 0222))
		return -EACCES;
	if (has_room(q, m)) {
		put(q, m);
		return 0;
	}
	return flags & IPC_NOWAIT ? -EAGAIN : ipc_sleep(&s.sleeper, &q->senders, NEVER);
}

long sys_msgsnd(int id, const struct msgbuf *user, size_t size, int flags)
{
	struct message *m;
	long type;
	if (get_user(type, &user->mtype))
		return -EFAULT;
	if (size > MSGMAX || id < 0 || type < 1)
		return -EINVAL;
	long error = message_new(&m, user->mtext, size);
	if (error)
		return error;
	m->type = type;
	error = send(id, m, flags);
	if (error)
		message_free(m);
	return error;
}

/* ---- msgrcv ---- */

/* One that is in the queue: 0, -EINVAL, -EACCES, -ENOMSG or -E2BIG. */
static int look(int id, size_t size, struct wanted w, int flags, struct queue **q,
		struct message **m)
{
	*q = find(id);
	if (!*q)
		return -EINVAL;
	if (!ipc_allowed(&(*q)->ipc, 0444))
		return -EACCES;
	*m = message_find(*q, w);
	if (!*m)
		return -ENOMSG;
	return size < (*m)->size && !(flags & MSG_NOERROR) ? -E2BIG : 0;
}

static long receive(int id, struct msgbuf *user, size_t size, struct wanted w, int flags)
{
	struct receiver r = { .wanted = w,
			      .most = flags & MSG_NOERROR ? SIZE_MAX : size,
			      .tid = current()->tid };
	struct queue *q;
	long error = look(id, size, w, flags, &q, &r.message);
	if (!error) {
		message_take(q, r.message);
		q->receiver = current_process()->pid;
		q->rtime = ipc_now();
		let_senders_go(q);
	} else if (error == -ENOMSG && !(flags & IPC_NOWAIT)) {
		error = ipc_sleep(&r.sleeper, &q->receivers, NEVER);
	}
	return error ? error : message_give(r.message, user, size);
}

/* MSG_COPY. Linux reads the buffer, too, to make the copy's room of it, and wants no more
 * than that to be copied. */
static long peek(int id, struct msgbuf *user, size_t size, struct wanted w, int flags)
{
	struct message *copy, *m;
	struct queue *q;
	if (flags & MSG_EXCEPT || !(flags & IPC_NOWAIT))
		return -EINVAL;
	long error = message_new(&copy, user, MIN(size, MSGMAX));
	if (error)
		return error;
	error = look(id, size, w, flags, &q, &m);
	if (!error && m->size > copy->size)
		error = -EINVAL;
	if (error) {
		message_free(copy);
		return error;
	}
	copy->type = m->type;
	memcpy(copy->text, m->text, m->size);
	return message_give(copy, user, m->size);
}

long sys_msgrcv(int id, struct msgbuf *user, size_t size, long type, int flags)
{
	struct wanted w = wanted_of(type, flags);
	if (id < 0 || (long)size < 0)
		return -EINVAL;
	return flags & MSG_COPY ? peek(id, user, size, w, flags) :
				  receive(id, user, size, w, flags);
}

/* ---- msgctl ---- */

static struct msqid64_ds state(const struct queue *q)
{
	return (struct msqid64_ds){ .msg_perm = q->ipc.perm,
				    .msg_stime = q->stime,
				    .msg_rtime = q->rtime,
				    .msg_ctime = q->ipc.ctime,
				    .msg_cbytes = q->bytes,
				    .msg_qnum = q->count,
				    .msg_qbytes = q->most,
				    .msg_lspid = q->sender,
				    .msg_lrpid = q->receiver };
}

int sysv_msg_next(unsigned index, struct msqid64_ds *ds)
{
	const struct ipc *ipc = ipc_next(&queues, index);
	if (!ipc)
		return -1;
	*ds = state(queue_of(ipc));
	return ipc->id;
}

static long status(int cmd, int id, struct msqid64_ds *user)
{
	struct ipc *ipc;
	int error = ipc_stat_find(&queues, id, cmd != IPC_STAT, cmd == MSG_STAT_ANY, &ipc);
	if (error)
		return error;
	id = cmd == IPC_STAT ? 0 : ipc->id;
	return put_user(user, state(queue_of(ipc))) ? -EFAULT : id;
}

static void count_usage(struct msginfo *info)
{
	info->msgpool = (int)queues.count;
	info->msgmap = info->msgtql = 0;
	for (struct ipc *ipc = ipc_next(&queues, 0); ipc;
	     ipc = ipc_next(&queues, ipc_index(ipc->id) + 1)) {
		info->msgmap += (int)queue_of(ipc)->count;
		info->msgtql += (int)queue_of(ipc)->bytes;
	}
}

static long limits(int cmd, struct msginfo *user)
{
	struct msginfo info;
	memset(&info, 0, sizeof(info));
	info.msgpool = MSGPOOL;
	info.msgmap = MSGMAP;
	info.msgmax = MSGMAX;
	info.msgmnb = MSGMNB;
	info.msgmni = MSGMNI;
	info.msgssz = MSGSSZ;
	info.msgtql = MSGTQL;
	info.msgseg = MSGSEG;
	if (cmd == MSG_INFO)
		count_usage(&info);
	return put_user(user, info) ? -EFAULT : ipc_highest(&queues);
}

static long set(struct queue *q, const struct msqid64_ds *ds)
{
	if (ds->msg_qbytes > MSGMNB && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	int error = ipc_set(&q->ipc, &ds->msg_perm);
	if (error)
		return error;
	q->most = ds->msg_qbytes;
	if (!ipc_allowed(&q->ipc, 0444))
		ipc_wake_all(&q->receivers, -EACCES);
	let_senders_go(q);
	return 0;
}

static long change(int cmd, int id, const struct msqid64_ds *user)
{
	struct msqid64_ds ds;
	if (cmd == IPC_SET && get_user(ds, user))
		return -EFAULT;
	struct queue *q = find(id);
	if (!q)
		return -EINVAL;
	if (!ipc_owned(&q->ipc, CAP_SYS_ADMIN))
		return -EPERM;
	return cmd == IPC_SET ? set(q, &ds) : queue_remove(q);
}

long sys_msgctl(int id, int cmd, void *user)
{
	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case MSG_INFO:
		return limits(cmd, user);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		return status(cmd, id, user);
	case IPC_SET:
	case IPC_RMID:
		return change(cmd, id, user);
	default:
		return -EINVAL;
	}
}
