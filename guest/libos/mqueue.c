/*
 * POSIX message queues: messages, those who wait for them, and those who are told.
 *
 * Who waits is served by who makes that possible: a sender gives its message to the
 * first waiting receiver, a receiver puts the message of the first waiting sender in
 * the place that it has made. So nobody comes between, and a message that a receiver
 * has waited for neither shows to who polls nor counts as one that comes to an empty
 * queue. (Linux: ipc/mqueue.c)
 */
#include "mqueue.h"
#include <asm/fcntl.h>
#include "../net/netlink.h"
#include "heap.h"
#include "poll.h"
#include "sigstate.h"
#include "sock.h"

#define FILE_SIZE 80 /* as stat(2) shows it */

struct message {
	struct list link;
	u32 priority;
	size_t len;
	u8 text[];
};

/* A thread that waits, on its stack. */
struct turn {
	struct list link; /* of senders or receivers, or alone once served */
	struct message *message; /* the sender's; or the receiver's, once served */
	bool served;
	struct waitq wake;
};

struct list mqueues = { &mqueues, &mqueues };

/* ---- messages ---- */

/* NULL: *error. */
static struct message *message_new(const void *user, size_t n, u32 priority, int *error)
{
	struct message *m = kalloc(sizeof(*m) + n);

	*error = m ? copy_from_user(m->text, user, n) : -ENOMEM;
	if (*error) {
		kfree(m);
		return NULL;
	}
	m->priority = priority;
	m->len = n;
	return m;
}

static struct message *message_at(struct list *l)
{
	return container_of(l, struct message, link);
}

/* After those of its priority. */
static void put_in(struct mqueue *q, struct message *m)
{
	struct list *before = q->messages.prev;

	while (before != &q->messages && message_at(before)->priority < m->priority)
		before = before->prev;
	list_add_tail(before->next, &m->link);
	q->count++;
	q->bytes += m->len;
}

static struct message *take_out(struct mqueue *q)
{
	struct message *m = message_at(q->messages.next);

	list_del(&m->link);
	q->count--;
	q->bytes -= m->len;
	return m;
}

/* ---- waiting ---- */

static struct turn *first_of(const struct list *line)
{
	return list_empty(line) ? NULL : container_of(line->next, struct turn, link);
}

static void serve(struct turn *t)
{
	list_del(&t->link);
	t->served = true;
	wake_all(&t->wake);
}

/* Until it is served: 0, -EAGAIN, -ETIMEDOUT, -EINTR. */
static int stand_in(struct list *line, struct turn *t, const struct file *file, u64 deadline)
{
	int error = file->flags & O_NONBLOCK ? -EAGAIN : 0;

	waitq_init(&t->wake);
	list_add_tail(line, &t->link);
	while (!t->served && !error)
		error = wait_on(&t->wake, deadline);
	list_del(&t->link);
	return t->served ? 0 : error;
}

/* ---- telling that a message has come ---- */

static void send_cookie(struct file *socket, struct nl_reply *cookie, u8 why)
{
	cookie->data[NOTIFY_COOKIE_LEN - 1] = why;
	netlink_post(socket_of(socket), cookie);
	file_put(socket);
}

static void send_signal(const struct mqueue_notice *n)
{
	siginfo_t info = { .si_code = SI_MESGQ };

	if (!n->signal || n->program != n->owner->programs)
		return;
	info.si_pid = current_process()->pid;
	info.si_uid = current_process()->cred.uid.real;
	info.si_value = n->value;
	signal_queue(n->owner, NULL, n->signal, &info);
}

/* A message has come that nobody waited for. */
static void tell(struct mqueue *q)
{
	struct mqueue_notice n = q->notice;

	if (n.owner && q->count == 1) {
		q->notice.owner = NULL;
		if (n.how == SIGEV_SIGNAL)
			send_signal(&n);
		else if (n.how == SIGEV_THREAD)
			send_cookie(n.socket, n.cookie, NOTIFY_WOKENUP);
	}
	wake_all(&q->polled);
}

int mqueue_notify(struct mqueue *q, const struct mqueue_notice *notice)
{
	if (q->notice.owner)
		return -EBUSY;
	q->notice = *notice;
	q->notice.owner = current_process();
	q->notice.program = current_process()->programs;
	q->inode.atime = q->inode.ctime = stamp_now();
	return 0;
}

void mqueue_forget(struct mqueue *q)
{
	struct mqueue_notice *n = &q->notice;

	if (n->owner != current_process())
		return;
	n->owner = NULL;
	if (n->how == SIGEV_THREAD)
		send_cookie(n->socket, n->cookie, NOTIFY_REMOVED);
	q->inode.atime = q->inode.ctime = stamp_now();
}

/* ---- sending and receiving ---- */

static void touch(struct mqueue *q)
{
	q->inode.atime = q->inode.mtime = q->inode.ctime = stamp_now();
}

int mqueue_send(struct file *file, const void *text, size_t n, u32 priority, u64 deadline)
{
	struct mqueue *q = mqueue_of(file);
	struct turn own = { .served = false }, *receiver;
	int error;

	if (n > q->size)
		return -EMSGSIZE;
	own.message = message_new(text, n, priority, &error);
	if (!own.message)
		return error;
	if (q->count == q->most) {
		error = stand_in(&q->senders, &own, file, deadline);
		if (error)
			kfree(own.message);
		return error;
	}
	receiver = first_of(&q->receivers);
	if (receiver) {
		receiver->message = own.message;
		serve(receiver);
	} else {
		put_in(q, own.message);
		tell(q);
	}
	touch(q);
	return 0;
}

/* There is one. */
static struct message *take_first(struct mqueue *q)
{
	struct message *m = take_out(q);
	struct turn *sender = first_of(&q->senders);

	if (sender) {
		put_in(q, sender->message);
		serve(sender);
	} else {
		wake_all(&q->polled);
	}
	touch(q);
	return m;
}

long mqueue_receive(struct file *file, void *text, size_t n, u32 *priority, u64 deadline)
{
	struct mqueue *q = mqueue_of(file);
	struct turn own = { .served = false };
	long r = 0;

	if (n < q->size)
		return -EMSGSIZE;
	if (q->count)
		own.message = take_first(q);
	else
		r = stand_in(&q->receivers, &own, file, deadline);
	if (r)
		return r;
	r = (long)own.message->len;
	if ((priority && put_user(priority, own.message->priority)) ||
	    copy_to_user(text, own.message->text, own.message->len))
		r = -EFAULT; /* and the message is lost, as in Linux */
	kfree(own.message);
	return r;
}

/* ---- as a file ---- */

static void put_field(char *line, size_t at, const char *name, u64 value)
{
	char field[40];
	int n = snprintf(field, sizeof(field), "%s:%lu", name, value);

	memcpy(line + at, field, n);
}

/* The state: fields at their places, that Linux pads with spaces. */
static long queue_read(struct file *file, struct uio *uio, u64 *pos)
{
	enum { QSIZE = 0, NOTIFY = 17, SIGNO = 30, PID = 42, END = 59 };
	struct mqueue *q = mqueue_of(file);
	const struct mqueue_notice *n = &q->notice;
	char line[END + 1];
	long r;

	memset(line, ' ', END);
	line[END] = '\n';
	put_field(line, QSIZE, "QSIZE", q->bytes);
	put_field(line, NOTIFY, "NOTIFY", n->owner ? n->how : 0);
	put_field(line, SIGNO, "SIGNO", n->owner && n->how == SIGEV_SIGNAL ? n->signal : 0);
	put_field(line, PID, "NOTIFY_PID", n->owner ? n->owner->pid : 0);
	if (*pos >= sizeof(line) || !uio->resid)
		return 0;
	r = uio_to(uio, line + *pos, sizeof(line) - *pos);
	if (r > 0) {
		*pos += r;
		q->inode.atime = q->inode.ctime = stamp_now();
	}
	return r;
}

static u32 queue_poll(struct file *file, struct poll_table *table)
{
	struct mqueue *q = mqueue_of(file);

	poll_wait(table, &q->polled);
	return (q->count ? POLLIN | POLLRDNORM : 0) |
	       (q->count < q->most ? POLLOUT | POLLWRNORM : 0);
}

static long queue_fsync(struct file *file)
{
	(void)file;
	return -EINVAL;
}

static void queue_closed(struct file *file)
{
	mqueue_forget(mqueue_of(file));
}

static int set_attr(struct inode *inode, const struct attr *attr)
{
	if (attr->valid & ATTR_SIZE)
		inode->size = attr->size;
	inode_set_attr(inode, attr, attr->valid & ATTR_SIZE);
	return 0;
}

static const struct file_ops queue_file_ops = {
	.read = queue_read,
	.poll = queue_poll,
	.lseek = file_lseek,
	.fsync = queue_fsync,
	.closed = queue_closed,
};
static const struct inode_ops queue_ops = { .setattr = set_attr };

struct mqueue *mqueue_of(const struct file *file)
{
	return file->ops == &queue_file_ops ? container_of(file->inode, struct mqueue, inode) :
					      NULL;
}

struct mqueue *mqueue_new(struct super *sb, u32 mode, size_t most, size_t size)
{
	struct mqueue *q = kalloc(sizeof(*q));

	if (!q)
		return NULL;
	inode_init(&q->inode, sb, S_IFREG | mode);
	inode_set_owner(&q->inode, NULL);
	q->inode.size = FILE_SIZE;
	q->inode.ops = &queue_ops;
	q->inode.fops = &queue_file_ops;
	q->most = most;
	q->size = size;
	list_init(&q->messages);
	list_init(&q->senders);
	list_init(&q->receivers);
	waitq_init(&q->polled);
	list_add_tail(&mqueues, &q->link);
	return q;
}

void mqueue_free(struct mqueue *q)
{
	while (q->count)
		kfree(take_out(q));
	list_del(&q->link);
	kfree(q);
}
