/*
 * The system calls on POSIX message queues, and the queues' names, which are a file
 * system of one directory. As in Linux it is there without being mounted; the C
 * library takes the slash off that a name begins with.
 */
#include <asm/statfs.h>
#include <linux/capability.h>
#include "../net/netlink.h"
#include "heap.h"
#include "mqueue.h"
#include "path.h"
#include "process.h"
#include "sigstate.h"
#include "sock.h"
#include "sys.h"
#include "timespec.h"

/* /proc/sys/fs/mqueue */
#define QUEUES_MAX  256
#define MSG_MAX     10
#define MSGSIZE_MAX 8192
/* For those who may exceed them (CAP_SYS_RESOURCE). */
#define HARD_MSG_MAX     65536
#define HARD_MSGSIZE_MAX (16 << 20)
#define PRIORITIES       32768 /* MQ_PRIO_MAX */

/* What Linux counts for a message and for a priority, besides the text. */
#define MESSAGE_BYTES  48
#define PRIORITY_BYTES 48

/* ---- names ---- */

static int find_nothing(struct inode *dir, struct dentry *d)
{
	(void)dir; /* all names are attached */
	(void)d;
	return 0;
}

static int unlink(struct dentry *d)
{
	d->inode->nlink--;
	inode_stamp(d->inode, false);
	dentry_detach(d);
	dentry_put(d); /* the directory's reference */
	return 0;
}

static const struct inode_ops dir_ops = { .lookup = find_nothing, .unlink = unlink };

static int statfs(struct super *sb, struct statfs *st)
{
	st->f_type = sb->magic;
	st->f_bsize = PAGE_SIZE;
	st->f_namelen = NAME_MAX;
	return 0;
}

static void evict(struct inode *inode)
{
	if (S_ISDIR(inode->mode))
		kfree(inode);
	else
		mqueue_free(container_of(inode, struct mqueue, inode));
}

static struct super names = {
	.type = "mqueue",
	.magic = 0x19800202, /* MQUEUE_MAGIC */
	.dev = MKDEV(0, 20),
	.statfs = statfs,
	.evict = evict,
};
static struct mount nowhere = { .sb = &names, .refs = 1, .source = "mqueue" };

static int make_directory(void)
{
	struct inode *dir = names.root ? NULL : kalloc(sizeof(*dir));
	int error;

	if (names.root)
		return 0;
	if (!dir)
		return -ENOMEM;
	inode_init(dir, &names, S_IFDIR | S_ISVTX | 0777);
	dir->ops = &dir_ops;
	error = super_set_root(&names, dir);
	nowhere.root = names.root;
	return error;
}

/* A name without slashes; *out may be negative. */
static int look_up(const char *name, struct dentry **out)
{
	int error = make_directory();

	if (error)
		return error;
	if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EACCES;
	return vfs_lookup(names.root, name, strlen(name), out);
}

/* ---- mq_open, mq_unlink ---- */

/* What the queues of a user count on RLIMIT_MSGQUEUE. */
static u64 charged(u32 user)
{
	u64 sum = 0;
	struct list *l;

	list_for_each (l, &mqueues) {
		const struct mqueue *q = container_of(l, struct mqueue, link);

		sum += q->creator == user ? q->charge : 0;
	}
	return sum;
}

static bool too_many(void)
{
	const struct list *l;
	unsigned n = 0;

	list_for_each (l, &mqueues)
		n++;
	return n >= QUEUES_MAX && !capable(CAP_SYS_RESOURCE);
}

static bool in_limits(const struct mq_attr *attr)
{
	bool hard = capable(CAP_SYS_RESOURCE);
	long most = hard ? HARD_MSG_MAX : MSG_MAX, size = hard ? HARD_MSGSIZE_MAX : MSGSIZE_MAX;

	return attr->mq_maxmsg > 0 && attr->mq_maxmsg <= most && attr->mq_msgsize > 0 &&
	       attr->mq_msgsize <= size;
}

static int create(struct dentry *d, u32 mode, const struct mq_attr *attr)
{
	const struct process *p = current_process();
	u32 user = p->cred.uid.real;
	u64 most = attr->mq_maxmsg, size = attr->mq_msgsize;
	u64 charge = most * (size + MESSAGE_BYTES) + MIN(most, PRIORITIES) * PRIORITY_BYTES;
	struct mqueue *q;

	if (too_many())
		return -ENOSPC;
	if (!in_limits(attr))
		return -EINVAL;
	if (charged(user) + charge > p->rlimit[RLIMIT_MSGQUEUE].rlim_cur)
		return -EMFILE;
	q = mqueue_new(&names, mode & 07777 & ~p->fs->umask, most, size);
	if (!q)
		return -ENOMEM;
	q->creator = user;
	q->charge = charge;
	d->inode = &q->inode;
	dentry_attach(dentry_get(d));
	return 0;
}

static int may_open(const struct path *p, u32 flags)
{
	static const u8 rights[] = { 4, 2, 6 };

	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	return vfs_permission(p, rights[flags & O_ACCMODE]);
}

/* NULL: *error. */
static struct file *open_queue(const char *name, u32 flags, u32 mode, const struct mq_attr *attr,
			       int *error)
{
	struct path p = { &nowhere, NULL };
	struct file *file = NULL;

	*error = look_up(name, &p.dentry);
	if (*error)
		return NULL;
	if (p.dentry->inode)
		*error = may_open(&p, flags);
	else
		*error = flags & O_CREAT ? create(p.dentry, mode, attr) : -ENOENT;
	if (!*error)
		file = vfs_open(&p, flags & ~(u32)FASYNC, error);
	dentry_put(p.dentry);
	return file;
}

long sys_mq_open(const char *user_name, int flags, u32 mode, const struct mq_attr *user_attr)
{
	struct mq_attr attr = { .mq_maxmsg = MSG_MAX, .mq_msgsize = MSGSIZE_MAX };
	struct pathname name;
	struct file *file = NULL;
	int error;

	if (user_attr && get_user(attr, user_attr))
		return -EFAULT;
	error = pathname_get(&name, user_name, false);
	if (error)
		return error;
	error = fd_room();
	if (!error)
		file = open_queue(name.text, flags, mode, &attr, &error);
	pathname_put(&name);
	return file ? fd_install_or_put(file, O_CLOEXEC) : error;
}

long sys_mq_unlink(const char *user_name)
{
	struct path dir = { &nowhere, NULL };
	struct pathname name;
	struct dentry *d;
	int error = pathname_get(&name, user_name, false);

	if (error)
		return error;
	error = look_up(name.text, &d);
	pathname_put(&name);
	if (error)
		return error;
	dir.dentry = names.root;
	error = d->inode ? vfs_unlink(&dir, d) : -ENOENT;
	dentry_put(d);
	return error;
}

/* ---- messages ---- */

/* The queue's open file, with a reference; NULL: there is no such descriptor. */
static struct file *get_queue(int fd)
{
	struct file *file = fd_get(fd);

	if (!file || mqueue_of(file))
		return file;
	file_put(file);
	return NULL;
}

long sys_mq_timedsend(int fd, const void *text, size_t n, u32 priority,
		      const struct __kernel_timespec *timeout)
{
	struct file *file;
	u64 deadline;
	long r = deadline_from_user(timeout, true, &deadline);

	if (r)
		return r;
	if (priority >= PRIORITIES)
		return -EINVAL;
	file = get_queue(fd);
	if (!file)
		return -EBADF;
	r = file_writable(file) ? mqueue_send(file, text, n, priority, deadline) : -EBADF;
	file_put(file);
	return r;
}

long sys_mq_timedreceive(int fd, void *text, size_t n, u32 *priority,
			 const struct __kernel_timespec *timeout)
{
	struct file *file;
	u64 deadline;
	long r = deadline_from_user(timeout, true, &deadline);

	if (r)
		return r;
	file = get_queue(fd);
	if (!file)
		return -EBADF;
	r = file_readable(file) ? mqueue_receive(file, text, n, priority, deadline) : -EBADF;
	file_put(file);
	return r;
}

/* ---- the rest ---- */

static struct mq_attr attributes(const struct file *file)
{
	const struct mqueue *q = mqueue_of(file);

	return (struct mq_attr){ .mq_flags = file->flags & O_NONBLOCK,
				 .mq_maxmsg = (long)q->most,
				 .mq_msgsize = (long)q->size,
				 .mq_curmsgs = (long)q->count };
}

long sys_mq_getsetattr(int fd, const struct mq_attr *new, struct mq_attr *old)
{
	struct mq_attr wanted, now;
	struct file *file;

	if (new &&get_user(wanted, new))
		return -EFAULT;
	if (new &&wanted.mq_flags & ~(long)O_NONBLOCK)
		return -EINVAL;
	file = get_queue(fd);
	if (!file)
		return -EBADF;
	now = attributes(file);
	if (new) {
		file->flags = (file->flags & ~(u32)O_NONBLOCK) | (u32)wanted.mq_flags;
		file->inode->atime = file->inode->ctime = stamp_now();
	}
	file_put(file);
	return old ? put_user(old, now) : 0;
}

/* SIGEV_THREAD: the signal's number is a netlink socket, the value points to what it
 * is to be sent. The C library starts the thread. */
static int take_socket(struct mqueue_notice *n)
{
	struct nl_reply *cookie = netlink_message(NOTIFY_COOKIE_LEN);
	struct socket *s;
	int error;

	if (!cookie)
		return -ENOMEM;
	error = copy_from_user(cookie->data, n->value.sival_ptr, NOTIFY_COOKIE_LEN);
	s = error ? NULL : socket_get(n->signal, &n->socket, &error);
	if (s) {
		error = netlink_room(s);
		if (error)
			file_put(n->socket);
	}
	if (error)
		kfree(cookie);
	else
		n->cookie = cookie;
	return error;
}

static void drop_socket(const struct mqueue_notice *n)
{
	if (n->cookie) {
		file_put(n->socket);
		kfree(n->cookie);
	}
}

static int read_notice(const struct sigevent *user, struct mqueue_notice *n)
{
	struct sigevent event;

	if (get_user(event, user))
		return -EFAULT;
	*n = (struct mqueue_notice){ .how = event.sigev_notify,
				     .signal = event.sigev_signo,
				     .value = event.sigev_value };
	switch (n->how) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_SIGNAL:
		return n->signal >= 0 && n->signal <= SIG_COUNT ? 0 : -EINVAL;
	case SIGEV_THREAD:
		return take_socket(n);
	default:
		return -EINVAL;
	}
}

long sys_mq_notify(int fd, const struct sigevent *user)
{
	struct mqueue_notice notice = { .cookie = NULL };
	struct file *file;
	int error = user ? read_notice(user, &notice) : 0;

	if (error)
		return error;
	file = get_queue(fd);
	if (!file)
		error = -EBADF;
	else if (user)
		error = mqueue_notify(mqueue_of(file), &notice);
	else
		mqueue_forget(mqueue_of(file));
	if (file)
		file_put(file);
	if (error)
		drop_socket(&notice);
	return error;
}
